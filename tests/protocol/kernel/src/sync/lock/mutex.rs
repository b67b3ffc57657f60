// SPDX-License-Identifier: GPL-2.0

//! Mutexes. The model checker sees when nobody can go on any more, be it that a thread waits for itself.

use super::Guard;

/// The kind of these locks.
pub struct MutexBackend;

/// A mutex.
pub struct Mutex<T>(loom::sync::Mutex<T>);

impl<T> Mutex<T> {
    /// A mutex that nobody holds.
    pub fn new(value: T) -> Self {
        Self(loom::sync::Mutex::new(value))
    }

    /// Waits for it, and takes it.
    pub fn lock(&self) -> Guard<'_, T, MutexBackend> {
        Guard::new(&self.0)
    }

    /// Takes it, unless somebody has it.
    pub fn try_lock(&self) -> Option<Guard<'_, T, MutexBackend>> {
        Guard::try_new(&self.0)
    }
}
