// SPDX-License-Identifier: GPL-2.0

//! Condition variables.
//!
//! The kernel's may wake somebody up for no reason, the model checker's never do. So a thread can have
//! that [happen to it](wake_for_nothing).

use std::cell::Cell;

use super::lock::Guard;

loom::thread_local! {
    /// How often this thread has slept.
    static SLEEPS: Cell<usize> = Cell::new(0);
    /// How often it shall be woken up for no reason.
    static FOR_NOTHING: Cell<usize> = Cell::new(0);
}

/// How often this thread has slept until it was notified.
pub fn sleeps() -> usize {
    SLEEPS.with(Cell::get)
}

/// The next so many times this thread waits, it wakes up at once.
pub fn wake_for_nothing(times: usize) {
    FOR_NOTHING.with(|left| left.set(times));
}

/// A condition variable.
#[derive(Default)]
pub struct CondVar(loom::sync::Condvar);

impl CondVar {
    /// One that nobody waits for.
    pub fn new() -> Self {
        Self::default()
    }

    /// Releases the lock, waits until it is notified or for no reason is not, and takes the lock again.
    pub fn wait<T, B>(&self, guard: &mut Guard<'_, T, B>) {
        let for_nothing = FOR_NOTHING.with(Cell::get);
        if for_nothing > 0 {
            wake_for_nothing(for_nothing - 1);
            return guard.let_go();
        }

        SLEEPS.with(|count| count.set(count.get() + 1));
        guard.sleep(&self.0);
    }

    /// Wakes up all who wait now.
    pub fn notify_all(&self) {
        self.0.notify_all();
    }
}
