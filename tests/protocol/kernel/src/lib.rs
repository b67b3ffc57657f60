// SPDX-License-Identifier: GPL-2.0

//! Stands in for the `kernel` crate, as far as the module's code that is checked here needs it.
//!
//! | module | stands in with |
//! |---|---|
//! | [`sync`] | the model checker's mutexes, condition variables, atomics and references |
//! | [`rbtree`], [`alloc`] | those of the unit tests: the kernel's own tree |
//! | [`error`], [`fs`], [`mm`], [`page`], [`uaccess`], [`vec`], [`prelude`] | what there is of them, with the same names |
//! | the macros | plain constructors: a value is moved to where it is pinned |
//!
//! The model checker switches threads only where one of its own objects is used.

pub mod error;
pub mod mm;
pub mod sync;
pub mod uaccess;
pub mod vec;

pub use host_kernel::{alloc, rbtree};

pub mod prelude {
    //! What is imported everywhere.

    pub use crate::{
        alloc::flags::*,
        error::{code::*, Error, Result},
        pin_init,
        vec::KVec,
        PinInit,
    };
    pub use core::{
        ffi::{c_int, CStr},
        pin::Pin,
    };
    pub use protocol_macros::pin_data;
}

pub mod fs {
    //! Open files.

    /// An open file of the device: nobody looks at it here.
    pub struct File;
}

pub mod page {
    //! The size of a page.

    /// Its logarithm.
    pub const PAGE_SHIFT: usize = 12;
    /// How many bytes it has.
    pub const PAGE_SIZE: usize = 1 << PAGE_SHIFT;

    /// Rounds up to whole pages; [`None`] if that cannot be said.
    pub fn page_align(size: usize) -> Option<usize> {
        size.checked_next_multiple_of(PAGE_SIZE)
    }
}

/// How to make a value: the value itself.
pub trait PinInit<T> {
    /// Makes it.
    fn made(self) -> T;
}

impl<T> PinInit<T> for T {
    fn made(self) -> T {
        self
    }
}

/// Makes a mutex; the name is for the kernel's lock checker.
#[macro_export]
macro_rules! new_mutex {
    ($value:expr, $name:literal) => {
        $crate::sync::Mutex::new($value)
    };
}

/// Makes a condition variable.
#[macro_export]
macro_rules! new_condvar {
    ($name:literal) => {
        $crate::sync::CondVar::new()
    };
}

/// Makes a structure: `<-` and `:` mean the same here. Atomic numbers in it are the model checker's.
#[macro_export]
macro_rules! pin_init {
    (@ $Type:ident { $($done:tt)* }) => {
        $Type { $($done)* }
    };
    (@ $Type:ident { $($done:tt)* } $field:ident, $($rest:tt)*) => {
        $crate::pin_init!(@ $Type { $($done)* $field, } $($rest)*)
    };
    (@ $Type:ident { $($done:tt)* } $field:ident: $value:expr, $($rest:tt)*) => {
        $crate::pin_init!(@ $Type { $($done)* $field: $value.in_model(), } $($rest)*)
    };
    (@ $Type:ident { $($done:tt)* } $field:ident <- $value:expr, $($rest:tt)*) => {
        $crate::pin_init!(@ $Type { $($done)* $field: $value, } $($rest)*)
    };
    ($Type:ident { $($fields:tt)* }) => {{
        #[allow(unused_imports)]
        use $crate::sync::atomic::InModel as _;
        $crate::pin_init!(@ $Type {} $($fields)*)
    }};
}
