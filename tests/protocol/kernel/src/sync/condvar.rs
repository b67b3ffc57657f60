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
    /// Whether a signal has come for it.
    static HAS_SIGNAL: Cell<bool> = Cell::new(false);
}

/// How often this thread has slept until it was notified.
pub fn sleeps() -> usize {
    SLEEPS.with(Cell::get)
}

/// The next so many times this thread waits, it wakes up at once.
pub fn wake_for_nothing(times: usize) {
    FOR_NOTHING.with(|left| left.set(times));
}

/// A signal comes for this thread. It does not end a sleep, as if it came after the notification that did.
pub fn signal() {
    HAS_SIGNAL.with(|has_signal| has_signal.set(true));
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

    /// The same; returns whether a signal has come.
    pub fn wait_interruptible<T, B>(&self, guard: &mut Guard<'_, T, B>) -> bool {
        self.wait(guard);
        HAS_SIGNAL.with(Cell::get)
    }

    /// Wakes up one who waits now.
    pub fn notify_one(&self) {
        self.0.notify_one();
    }

    /// Wakes up all who wait now.
    pub fn notify_all(&self) {
        self.0.notify_all();
    }
}
