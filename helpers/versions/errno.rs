// SPDX-License-Identifier: GPL-2.0

//! Errors that the `kernel` crate has not always had a name for.

use kernel::prelude::*;

/// `EPROTO`.
pub(crate) fn eproto() -> Error {
    #[cfg(before_7_3)]
    return Error::from_errno(-(kernel::bindings::EPROTO as c_int));
    #[cfg(not(before_7_3))]
    return EPROTO;
}
