// SPDX-License-Identifier: GPL-2.0

//! Memory reclaim, as who gives memory back sees it.
//!
//! C header: `include/linux/sched/mm.h`

use kernel::prelude::*;

extern "C" {
    /// `memalloc_noreclaim_save()`.
    fn ashmem_noreclaim_save() -> c_uint;
    /// `memalloc_noreclaim_restore()`.
    fn ashmem_noreclaim_restore(flags: c_uint);
}

/// Carries out `work`, which is to give memory back, as reclaim would: what it has to allocate for that waits for
/// no reclaim, may use the reserves, and goes beyond the limit of a memory cgroup.
pub(crate) fn as_reclaim<R>(work: impl FnOnce() -> R) -> R {
    // SAFETY: Any task may change this flag of its own.
    let flags = unsafe { ashmem_noreclaim_save() };
    let result = work();

    // SAFETY: It is what was to be restored, in the same task.
    unsafe { ashmem_noreclaim_restore(flags) };
    result
}
