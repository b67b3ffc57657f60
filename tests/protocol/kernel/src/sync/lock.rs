// SPDX-License-Identifier: GPL-2.0

//! A lock that is held.

use core::{
    marker::PhantomData,
    ops::{Deref, DerefMut},
};

use loom::sync::{Condvar, Mutex, MutexGuard};

pub mod mutex;

/// Holds a lock of the kind `B`.
pub struct Guard<'a, T, B> {
    /// The model checker's lock.
    lock: &'a Mutex<T>,
    /// That it is held; [`None`] only while this waits.
    held: Option<MutexGuard<'a, T>>,
    /// The kind.
    kind: PhantomData<B>,
}

impl<'a, T, B> Guard<'a, T, B> {
    /// Takes a lock.
    pub(crate) fn new(lock: &'a Mutex<T>) -> Self {
        Self {
            lock,
            held: Some(take(lock)),
            kind: PhantomData,
        }
    }

    /// Takes a lock, unless somebody has it.
    pub(crate) fn try_new(lock: &'a Mutex<T>) -> Option<Self> {
        Some(Self {
            lock,
            held: Some(lock.try_lock().ok()?),
            kind: PhantomData,
        })
    }

    /// Releases the lock, sleeps until it is woken up, and takes the lock again.
    pub(crate) fn sleep(&mut self, condvar: &Condvar) {
        self.held = self
            .held
            .take()
            .map(|held| condvar.wait(held).expect(POISONED));
    }

    /// Releases the lock and takes it again.
    pub(crate) fn let_go(&mut self) {
        self.held = None;
        self.held = Some(take(self.lock));
    }
}

/// The first panic ends everything.
const POISONED: &str = "a thread has panicked";

/// Takes a lock.
fn take<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().expect(POISONED)
}

impl<T, B> Deref for Guard<'_, T, B> {
    type Target = T;

    fn deref(&self) -> &T {
        self.held.as_ref().expect("it does not wait")
    }
}

impl<T, B> DerefMut for Guard<'_, T, B> {
    fn deref_mut(&mut self) -> &mut T {
        self.held.as_mut().expect("it does not wait")
    }
}
