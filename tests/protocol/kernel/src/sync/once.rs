// SPDX-License-Identifier: GPL-2.0

//! What is set once: as the kernel's does it, over the model checker's memory.

use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

use loom::{cell::UnsafeCell, sync::atomic::AtomicU32};

/// Nothing is there.
const EMPTY: u32 = 0;
/// Somebody puts something there.
const BUSY: u32 = 1;
/// Something is there, for good.
const SET: u32 = 2;

/// A place for a value that is set once.
///
/// # Invariants
///
/// Only who has made `state` [`BUSY`] writes to `value`, and nobody once it is [`SET`].
pub struct SetOnce<T> {
    /// One of the three.
    state: AtomicU32,
    /// What is there.
    value: UnsafeCell<Option<T>>,
}

// SAFETY: The value is handed to other threads by `state`.
unsafe impl<T: Send> Send for SetOnce<T> {}
// SAFETY: As above.
unsafe impl<T: Send + Sync> Sync for SetOnce<T> {}

impl<T> SetOnce<T> {
    /// Nothing yet.
    pub fn new() -> Self {
        Self {
            state: AtomicU32::new(EMPTY),
            value: UnsafeCell::new(None),
        }
    }

    /// The value, if it is set.
    pub fn as_ref(&self) -> Option<&T> {
        if self.state.load(Acquire) != SET {
            return None;
        }
        // SAFETY: By the invariant nobody writes to it any more.
        self.value.with(|value| unsafe { (*value).as_ref() })
    }

    /// Sets the value, unless somebody else has; returns whether it did.
    pub fn populate(&self, value: T) -> bool {
        let won = self
            .state
            .compare_exchange(EMPTY, BUSY, Relaxed, Relaxed)
            .is_ok();

        if won {
            // SAFETY: By the invariant nobody else looks at it.
            self.value.with_mut(|place| unsafe { *place = Some(value) });
            self.state.store(SET, Release);
        }
        won
    }
}

impl<T> Default for SetOnce<T> {
    fn default() -> Self {
        Self::new()
    }
}
