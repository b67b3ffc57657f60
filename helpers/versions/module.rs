// SPDX-License-Identifier: GPL-2.0

//! This module, for the tables whose users must keep it loaded.

use kernel::bindings;

/// `THIS_MODULE`.
pub(crate) const fn this_module() -> *mut bindings::module {
    // Before 7.3 the `module!` macro makes a static of it.
    #[cfg(before_7_3)]
    return crate::THIS_MODULE.as_ptr();
    #[cfg(not(before_7_3))]
    return kernel::module::this_module::<crate::LocalModule>().as_ptr();
}
