// SPDX-License-Identifier: GPL-2.0

//! Errors.

/// An error number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Error(i32);

/// A result, by default with an error number.
pub type Result<T = (), E = Error> = core::result::Result<T, E>;

pub mod code {
    //! Those that the module's code names.

    use super::Error;

    /// It is not allowed.
    pub const EPERM: Error = Error(-1);
    /// There is no memory.
    pub const ENOMEM: Error = Error(-12);
    /// The argument makes no sense.
    pub const EINVAL: Error = Error(-22);
    /// A signal has come.
    pub const ERESTARTSYS: Error = Error(-512);
}

impl From<host_kernel::error::Error> for Error {
    fn from(error: host_kernel::error::Error) -> Self {
        Self(error.to_errno())
    }
}
