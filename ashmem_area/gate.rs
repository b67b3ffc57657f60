// SPDX-License-Identifier: GPL-2.0

//! A gate that lets one task in at a time; those who wait can be interrupted.

use kernel::{
    new_condvar,
    new_mutex,
    prelude::*,
    sync::{
        CondVar,
        Mutex, //
    }, //
};

/// A gate.
#[pin_data]
pub(crate) struct Gate {
    /// Whether somebody is in.
    #[pin]
    is_taken: Mutex<bool>,
    /// That one has left.
    #[pin]
    left: CondVar,
}

/// Who is in; dropped, it leaves.
pub(crate) struct Entered<'a>(&'a Gate);

impl Gate {
    /// A gate with nobody in.
    pub(crate) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            is_taken <- new_mutex!(false, "Gate::is_taken"),
            left <- new_condvar!("Gate::left"),
        })
    }

    /// Waits until nobody is in, and goes in. The error is `ERESTARTSYS`, if a signal comes before that.
    pub(crate) fn enter(&self) -> Result<Entered<'_>> {
        let mut is_taken = self.is_taken.lock();

        while *is_taken {
            let has_signal = self.left.wait_interruptible(&mut is_taken);
            // Who has left may have told this task, and tells nobody else: then it must go in.
            if has_signal && *is_taken {
                return Err(ERESTARTSYS);
            }
        }
        *is_taken = true;
        Ok(Entered(self))
    }
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        *self.0.is_taken.lock() = false;
        self.0.left.notify_one();
    }
}
