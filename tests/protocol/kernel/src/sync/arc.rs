// SPDX-License-Identifier: GPL-2.0

//! References that are counted. The model checker sees to it that none is left at the end.

use core::ops::Deref;

use crate::{alloc::Flags, error::Result};

/// A counted reference.
pub struct Arc<T>(loom::sync::Arc<T>);

impl<T> Arc<T> {
    /// Makes the first reference to a value.
    pub fn pin_init(value: T, _flags: Flags) -> Result<Self> {
        Ok(Self(loom::sync::Arc::new(value)))
    }
}

impl<T> Clone for Arc<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> Deref for Arc<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

/// A reference that somebody else has counted.
pub struct ArcBorrow<T>(*const T);

impl<T> ArcBorrow<T> {
    /// Borrows what is at `value`.
    ///
    /// # Safety
    ///
    /// It must be in an [`Arc`], of which a reference is left for as long as this lives.
    pub unsafe fn from_raw(value: *const T) -> Self {
        Self(value)
    }
}

impl<T> From<ArcBorrow<T>> for Arc<T> {
    fn from(borrow: ArcBorrow<T>) -> Self {
        // SAFETY: By the promise to `from_raw`. Where it is broken, and the value is just going, the
        // model checker does not know it any more, and panics.
        unsafe { loom::sync::Arc::increment_strong_count(borrow.0) };
        // SAFETY: The reference was just counted.
        Self(unsafe { loom::sync::Arc::from_raw(borrow.0) })
    }
}
