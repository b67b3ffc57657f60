// SPDX-License-Identifier: GPL-2.0

//! Memory cgroups: who pays for an allocation.
//!
//! C header: `include/linux/memcontrol.h`

use kernel::{
    bindings,
    prelude::*, //
};

// `struct mem_cgroup` as an untyped pointer: in some configurations it has members without a size, of
// which the compiler would complain.
extern "C" {
    /// `get_mem_cgroup_from_mm()` of the calling process.
    fn ashmem_get_memcg() -> *mut c_void;
    /// `mem_cgroup_tryget()`.
    fn ashmem_tryget_memcg(memcg: *mut c_void) -> bool;
    /// `mem_cgroup_put()`.
    fn ashmem_put_memcg(memcg: *mut c_void);
    /// `set_active_memcg()`.
    fn ashmem_set_active_memcg(memcg: *mut c_void) -> *mut c_void;
    /// How many pages a group, or one above it, has beyond its limit.
    fn ashmem_memcg_excess(memcg: *mut c_void) -> c_ulong;
}

/// A reference to a memory cgroup.
///
/// # Invariants
///
/// The pointer is to a group that this holds a reference to, or null where there are no groups.
pub(crate) struct Memcg(*mut c_void);

// SAFETY: A reference to a group may be used and put on any thread.
unsafe impl Send for Memcg {}
// SAFETY: As above.
unsafe impl Sync for Memcg {}

impl Memcg {
    /// The group of the calling process.
    pub(crate) fn of_current() -> Self {
        // INVARIANT: It returns a reference.
        // SAFETY: It may be called by any process.
        Self(unsafe { ashmem_get_memcg() })
    }

    /// A reference to a group, or to none; [`None`] if it goes.
    ///
    /// # Safety
    ///
    /// `memcg` must be valid, or null.
    pub(crate) unsafe fn of(memcg: *mut bindings::mem_cgroup) -> Option<Self> {
        let memcg = memcg.cast::<c_void>();

        // INVARIANT: There is a reference if it says so.
        // SAFETY: By the caller's promise.
        unsafe { ashmem_tryget_memcg(memcg) }.then_some(Self(memcg))
    }

    /// The C structure; null where there are no groups.
    pub(crate) fn as_ptr(&self) -> *mut bindings::mem_cgroup {
        self.0.cast()
    }

    /// How many pages it, or a group that it is in, has beyond its limit, `memory.max` or `memory.high`.
    pub(crate) fn excess(&self) -> usize {
        // SAFETY: By the invariant the group is alive, or there are none.
        unsafe { ashmem_memcg_excess(self.0) }
    }

    /// Carries out `allocate` with its accounted allocations charged to this group.
    pub(crate) fn charge<R>(&self, allocate: impl FnOnce() -> R) -> R {
        // SAFETY: By the invariant the group is alive until it is set back below.
        let old = unsafe { ashmem_set_active_memcg(self.0) };
        let result = allocate();
        // SAFETY: Whoever had set the old one keeps it alive.
        unsafe { ashmem_set_active_memcg(old) };
        result
    }
}

impl Drop for Memcg {
    fn drop(&mut self) {
        // SAFETY: By the invariant the reference is ours.
        unsafe { ashmem_put_memcg(self.0) };
    }
}
