// SPDX-License-Identifier: GPL-2.0

//! Vectors.

use core::ops::Deref;

use crate::{alloc::Flags, error::Result};

/// A vector: the standard library's, with the kernel's methods.
pub struct KVec<T>(Vec<T>);

impl<T: Clone> KVec<T> {
    /// An empty one, with memory for so many.
    pub fn with_capacity(capacity: usize, _flags: Flags) -> Result<Self> {
        Ok(Self(Vec::with_capacity(capacity)))
    }

    /// Puts values at its end.
    pub fn extend_from_slice(&mut self, values: &[T], _flags: Flags) -> Result {
        self.0.extend_from_slice(values);
        Ok(())
    }
}

impl<T> Deref for KVec<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.0
    }
}
