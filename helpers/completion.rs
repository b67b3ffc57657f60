// SPDX-License-Identifier: GPL-2.0

//! Something that is done at some time, which one may wait for, but not for ever.
//!
//! The kernel crate's `Completion` cannot be waited for with a limit.
//!
//! C header: `include/linux/completion.h`

use kernel::{
    bindings,
    prelude::*,
    time::msecs_to_jiffies,
    types::Opaque, //
};

/// A `struct completion`.
///
/// # Invariants
///
/// `inner` is initialised.
#[pin_data]
pub(crate) struct Completion {
    /// The C structure.
    #[pin]
    inner: Opaque<bindings::completion>,
}

// SAFETY: It may be used on any thread.
unsafe impl Send for Completion {}
// SAFETY: It synchronises itself.
unsafe impl Sync for Completion {}

impl Completion {
    /// One that is not done: `init_completion()`.
    pub(crate) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            // INVARIANT: This initialises it.
            inner <- Opaque::ffi_init(|slot: *mut bindings::completion| {
                // SAFETY: `slot` is pinned, and may be written to.
                unsafe { bindings::init_completion(slot) };
            }),
        })
    }

    /// It is done, for all who wait and will wait: `complete_all()`.
    pub(crate) fn complete_all(&self) {
        // SAFETY: By the invariant it is initialised.
        unsafe { bindings::complete_all(self.inner.get()) };
    }

    /// Waits until it is done, at most for so many milliseconds, whatever signals come; returns whether
    /// it is: `wait_for_completion_timeout()`.
    pub(crate) fn wait_for(&self, milliseconds: u32) -> bool {
        let ticks = msecs_to_jiffies(milliseconds);

        // SAFETY: By the invariant it is initialised; the caller may sleep.
        unsafe { bindings::wait_for_completion_timeout(self.inner.get(), ticks) != 0 }
    }
}
