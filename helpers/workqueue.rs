// SPDX-License-Identifier: GPL-2.0

//! A workqueue of one's own, which the kernel crate can use but not make.
//!
//! C header: `include/linux/workqueue.h`

use core::{
    ops::Deref,
    ptr::NonNull, //
};

use kernel::{
    bindings,
    prelude::*,
    workqueue::Queue, //
};

/// A workqueue whose work goes on when memory is short. Dropping it waits until all work is done.
///
/// # Invariants
///
/// The pointer is to a workqueue that is this one's alone.
pub(crate) struct Workers(NonNull<bindings::workqueue_struct>);

// SAFETY: A workqueue may be used and destroyed on any thread.
unsafe impl Send for Workers {}
// SAFETY: It synchronises itself.
unsafe impl Sync for Workers {}

impl Workers {
    /// A workqueue with at most so many workers for each NUMA node: `alloc_workqueue()`. The error is
    /// `ENOMEM`.
    pub(crate) fn new(name: &'static CStr, most: c_int) -> Result<Self> {
        let flags = bindings::wq_flags_WQ_UNBOUND | bindings::wq_flags_WQ_MEM_RECLAIM;
        // SAFETY: A name of this module's has no conversions, so there are no further arguments.
        let queue = unsafe { bindings::alloc_workqueue_noprof(name.as_char_ptr(), flags, most) };

        // INVARIANT: Just made.
        Ok(Self(NonNull::new(queue).ok_or(ENOMEM)?))
    }
}

impl Deref for Workers {
    type Target = Queue;

    fn deref(&self) -> &Queue {
        // SAFETY: By the invariant it is valid for as long as this is there.
        unsafe { Queue::from_raw(self.0.as_ptr()) }
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        // SAFETY: By the invariant it is ours. Nobody else has it any more, and this waits for its work.
        unsafe { bindings::destroy_workqueue(self.0.as_ptr()) };
    }
}
