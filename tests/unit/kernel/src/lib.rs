// SPDX-License-Identifier: GPL-2.0

//! Stands in for the `kernel` crate on the host, as far as the pure parts of the module need it.
//!
//! The red-black tree is no stand-in: it is the one in the source of the kernel, its Rust part over its
//! C part. What that part wants of the rest of the crate is here, with the same names and signatures.

pub mod alloc;
pub mod bindings;

pub mod error {
    //! Errors.

    use crate::alloc::AllocError;

    /// An error number.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Error(i32);

    /// A result, by default with an error number.
    pub type Result<T = (), E = Error> = core::result::Result<T, E>;

    impl Error {
        /// The number, negative.
        pub fn to_errno(self) -> i32 {
            self.0
        }
    }

    pub mod code {
        //! Those that the pure parts name.

        use super::Error;

        /// No space is left.
        pub const ENOSPC: Error = Error(-28);
    }

    impl From<AllocError> for Error {
        fn from(_: AllocError) -> Self {
            Self(-12)
        }
    }
}

pub mod prelude {
    //! What is imported everywhere.

    pub use crate::{
        alloc::{flags::*, KBox},
        error::{code::*, Error, Result},
    };
}

/// The structure that a field is in.
#[macro_export]
macro_rules! container_of {
    ($field:expr, $Container:ty, $($name:tt)*) => {{
        let offset = ::core::mem::offset_of!($Container, $($name)*);
        $field.byte_sub(offset).cast::<$Container>()
    }};
}

mod source {
    #![allow(missing_docs, clippy::all, clippy::undocumented_unsafe_blocks)]
    include!(concat!(env!("OUT_DIR"), "/rbtree_mod.rs"));
}

pub use source::rbtree;
