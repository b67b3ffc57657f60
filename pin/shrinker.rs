// SPDX-License-Identifier: GPL-2.0

//! Gives unpinned pages back when memory is short, those that were unpinned first at first.
//!
//! The shrinker is aware of memory cgroups and NUMA nodes: reclaim asks for the pages of one group on
//! one node, and the lists of [`lru`](super::lru) are kept that way. The node is that of the entry, hence
//! as a rule of the CPU that unpinned, wherever the pages are.
//!
//! C header: `include/linux/shrinker.h`

use core::ptr::NonNull;

use kernel::{
    bindings,
    prelude::*,
    sync::atomic::{
        Atomic,
        Relaxed, //
    },
    workqueue::Queue, //
};

use super::{
    lru,
    scan::{
        Scan,
        Wanted, //
    }, //
};
use crate::helpers::{
    memcg::Memcg,
    node,
    param,
    trace,
    workqueue::Workers, //
};

/// `SHRINKER_NUMA_AWARE` of `include/linux/shrinker.h`.
const NUMA_AWARE: c_uint = 1 << 2;
/// `SHRINKER_MEMCG_AWARE` of `include/linux/shrinker.h`.
const MEMCG_AWARE: c_uint = 1 << 3;
/// `SHRINK_STOP`: nothing can be given back now.
const STOP: c_ulong = c_ulong::MAX;
/// `SHRINK_EMPTY`: there is nothing to give back.
const EMPTY: c_ulong = c_ulong::MAX - 1;

/// `__GFP_FS`: reclaim may call into filesystems.
const GFP_FS: bindings::gfp_t = 1 << bindings::___GFP_FS_BIT;

/// How many scans are under way at a time, at most.
const MAX_SCANS: c_int = 16;

/// How many pages to purge in one scan, and how many are enough for one reclaim while the system itself has
/// memory; or as many as the group has beyond its limit. The kernel does not count what shrinkers free when a
/// memory cgroup reclaims for its limit: it would go on, and take all that is unpinned for a page.
const BATCH: usize = 256;

/// How many scans were let through since the module was loaded.
pub(crate) static SCANS: Atomic<u64> = Atomic::new(0);

/// A shrinker that is allocated and perhaps registered.
///
/// # Invariants
///
/// The pointer is to a shrinker that was allocated and has not been freed.
pub(crate) struct Shrinker(NonNull<bindings::shrinker>);

// SAFETY: A shrinker may be registered and freed on different threads.
unsafe impl Send for Shrinker {}
// SAFETY: Nothing can be done with a shared reference that is not synchronised by itself.
unsafe impl Sync for Shrinker {}

impl Shrinker {
    /// Allocates the shrinker, which has these workers purge: `shrinker_alloc()`. The error is `ENOMEM`.
    ///
    /// # Safety
    ///
    /// They must be there for as long as it is registered.
    unsafe fn new(workers: &Queue) -> Result<Self> {
        // SAFETY: The name is a format without arguments.
        let shrinker =
            unsafe { bindings::shrinker_alloc(NUMA_AWARE | MEMCG_AWARE, c"ashmem".as_char_ptr()) };
        let shrinker = NonNull::new(shrinker).ok_or(ENOMEM)?;

        // SAFETY: The shrinker is not registered yet: nobody else looks at it.
        unsafe {
            let shrinker = shrinker.as_ptr();
            (*shrinker).count_objects = Some(count_objects);
            (*shrinker).scan_objects = Some(scan_objects);
            // Unpinned pages need no I/O to be given back, and their owner has said that they may be.
            (*shrinker).seeks = 1;
            (*shrinker).batch = BATCH as c_long;
            (*shrinker).private_data = core::ptr::from_ref(workers).cast_mut().cast();
        }
        // INVARIANT: Just allocated.
        Ok(Self(shrinker))
    }

    /// The C structure.
    pub(crate) fn as_ptr(&self) -> *mut bindings::shrinker {
        self.0.as_ptr()
    }

    /// Lets reclaim call the shrinker: `shrinker_register()`.
    pub(crate) fn register(&self) {
        // SAFETY: By the invariant it is allocated; it is registered once, when the module loads.
        unsafe { bindings::shrinker_register(self.as_ptr()) };
    }
}

impl Drop for Shrinker {
    fn drop(&mut self) {
        // SAFETY: By the invariant it is ours. This waits for those that run it.
        unsafe { bindings::shrinker_free(self.as_ptr()) };
    }
}

/// What gives unpinned pages back, for as long as the module is loaded.
///
/// The shrinker is freed first, then what the workers have begun is ended: so nobody walks the lists any
/// more when they go.
#[pin_data]
pub(crate) struct Reclaim {
    /// What reclaim calls.
    shrinker: Shrinker,
    /// Who purges for it.
    workers: Workers,
    /// What they walk.
    #[pin]
    order: lru::Order,
}

impl Reclaim {
    /// Makes the lists and registers the shrinker. The error is `ENOMEM`.
    pub(crate) fn new() -> impl PinInit<Self, Error> {
        try_pin_init!(&this in Self {
            workers: Workers::new(c"ashmem", MAX_SCANS)?,
            // SAFETY: The field before this one is initialised, and is dropped behind the shrinker.
            shrinker: unsafe { Shrinker::new(&(*this.as_ptr()).workers)? },
            // SAFETY: As above.
            order <- unsafe { lru::Order::new((*this.as_ptr()).shrinker.as_ptr()) },
            _: {
                // SAFETY: As above.
                unsafe { (*this.as_ptr()).shrinker.register() }
            },
        })
    }
}

/// How many pages could be given back, about: in constant time and without a lock.
///
/// # Safety
///
/// To be called by reclaim only.
unsafe extern "C" fn count_objects(
    _shrinker: *mut bindings::shrinker,
    sc: *mut bindings::shrink_control,
) -> c_ulong {
    if !param::shrinker() {
        return 0;
    }

    // SAFETY: Reclaim passes a valid structure, with a group that is alive or null.
    match unsafe { lru::count((*sc).nid, (*sc).memcg) } {
        0 => EMPTY,
        // More than this would be taken for one of the special answers.
        pages => (pages as c_ulong).min(EMPTY >> 1),
    }
}

/// Purges ranges until as many pages as reclaim asks for are purged, the node lacks none, and as much is given back as
/// the group has beyond its limit, or there is no range left. Those without memory do not go on without end.
///
/// # Safety
///
/// To be called by reclaim only.
unsafe extern "C" fn scan_objects(
    shrinker: *mut bindings::shrinker,
    sc: *mut bindings::shrink_control,
) -> c_ulong {
    // SAFETY: Reclaim passes a valid structure that only this thread uses.
    let sc = unsafe { &mut *sc };
    // Whoever may not enter a filesystem may hold a lock that punching a hole takes.
    if sc.gfp_mask & GFP_FS == 0 || !param::shrinker() {
        return STOP;
    }
    // What the node lacks is given back at once: where nothing but shrinkers could give more, an
    // allocation that finds too little free after a reclaim ends in the OOM killer, whatever there is.
    // SAFETY: Reclaim passes the number of a node.
    let shortage = unsafe { node::shortage(sc.nid, sc.gfp_mask) };
    // SAFETY: The group that reclaim passes is alive, or null.
    let Some(memcg) = (unsafe { Memcg::of(sc.memcg) }) else {
        return STOP;
    };
    // How much the kernel wants of a group whose limit has been lowered it does not say.
    let excess = memcg.excess();
    if shortage == 0 && reclaimed() >= BATCH.max(excess) {
        return STOP;
    }
    // SAFETY: This is the shrinker of `Reclaim`, which keeps the workers for as long as it is registered.
    let workers = unsafe { Queue::from_raw((*shrinker).private_data.cast()) };
    SCANS.fetch_add(1, Relaxed);

    let wanted = Wanted {
        purged: sc.nr_to_scan,
        freed: shortage,
        excess,
    };
    let outcome = Scan::run_in(workers, sc.nid, memcg, wanted).unwrap_or_default();

    trace::shrink(sc.nid, wanted.purged, outcome.purged, outcome.freed);
    account_reclaimed(outcome.freed);
    if outcome.purged == 0 || outcome.is_abandoned {
        return STOP;
    }
    sc.nr_scanned = outcome.purged as c_ulong;
    outcome.freed as c_ulong
}

/// How many pages shrinkers have freed in the reclaim that this task is in, and that it has not taken
/// notice of yet; 0 if it is in none.
fn reclaimed() -> usize {
    // SAFETY: The current task outlives this call, and only it uses its `reclaim_state`.
    unsafe {
        (*kernel::current!().as_ptr())
            .reclaim_state
            .as_ref()
            .map_or(0, |state| state.reclaimed)
    }
}

/// Tells the reclaim that this task is in that pages were given back: `mm_account_reclaimed_pages()`.
fn account_reclaimed(pages: usize) {
    // SAFETY: The current task outlives this call, and only it uses its `reclaim_state`.
    unsafe {
        let state = (*kernel::current!().as_ptr()).reclaim_state;
        if let Some(state) = state.as_mut() {
            state.reclaimed = state.reclaimed.saturating_add(pages as c_ulong);
        }
    }
}
