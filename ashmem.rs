// SPDX-License-Identifier: GPL-2.0

//! `/dev/ashmem`: Android's anonymous shared memory for today's Linux.
//!
//! A process opens the device, names and sizes the region behind the new file, and maps it; others
//! receive the file descriptor and map the same pages. This root file holds the module itself; the
//! region lives in [`ashmem_area`], the numbers of the ABI in [`ioctl`].
//!
//! C header: `include/uapi/linux/ashmem.h` of this project.
//!
//! # Lock order
//!
//! ```text
//! mmap_lock                         (held by the caller of mmap)
//!   AshmemArea::draft               (a mutex per region: name and size before the first mmap)
//!     memory allocation, shmem      (GFP_KERNEL: may enter reclaim)
//!
//! Gate::is_taken                    (a mutex: who purges everything)
//! Registry::lists                   (a mutex per CPU: open, close, debugfs, purging everything)
//!   Pins::state
//!
//! memory reclaim                    (the shrinker runs in it, and waits for a worker)
//!   Scan::outcome                   (a mutex per scan: the worker's, while it purges)
//!     Pins::state                   (a mutex per region: its unpinned ranges)
//!       list_lru                    (a spinlock per NUMA node, memory cgroup and one of 16: O(1) work)
//!     i_mmap_rwsem, folio locks     (while pages are purged)
//! ```
//!
//! - `draft` is held while the backing file is created, hence across `GFP_KERNEL` allocations: code
//!   that runs inside memory reclaim must never take it, nor what it is taken under.
//! - Nobody waits for `draft` under `Registry::lists`, or an mmap that waits for memory would keep others from
//!   opening and closing: who wants it there tries.
//! - Nothing is allocated under `Pins::state`: reclaim may wait for it. Memory for a range is reserved
//!   before it is taken.
//! - The list's lock is taken under `Pins::state`. Reclaim goes the other way round: it looks for the
//!   oldest range under the list's lock, only takes a reference to the region there, and takes the
//!   region's lock when it has released the list's.
//! - No lock that others want is held while pages are purged; a mark on the range tells PIN to wait.
//!   Whoever waits for a mark to go holds nothing that the purge could need.
//! - Folio locks are the kernel's, and a task may hold some of them when it allocates memory. So it is not
//!   the task that reclaims who purges, and it does not wait for ever for the one who does
//!   ([`scan`](pin::scan)).
//! - User memory is never read or written under any of these: a fault takes `mmap_lock`, the order
//!   above reversed.
//! - What the first mmap has frozen, and the protection mask at any time, is read with no lock.
//! - Two regions share no lock but that of a list: `Registry::lists` when they are opened or closed on
//!   one CPU, a `list_lru`'s when ranges of one memory cgroup are pinned or unpinned: every 16th region
//!   has the same.

#![warn(missing_docs, clippy::missing_docs_in_private_items)]

use kernel::prelude::*;

mod ashmem_area;
mod ioctl;
mod pin;

/// What the `kernel` crate lacks, or has only for the kernel's own code; in part over C files.
mod helpers {
    pub(crate) mod completion;
    pub(crate) mod debugfs;
    pub(crate) mod fops;
    pub(crate) mod memcg;
    pub(crate) mod misc;
    pub(crate) mod node;
    pub(crate) mod param;
    pub(crate) mod reclaim;
    pub(crate) mod slab;
    pub(crate) mod task;
    pub(crate) mod trace;

    /// What differs between kernels.
    pub(crate) mod versions {
        pub(crate) mod module;
    }
    pub(crate) mod workqueue;
}

use ashmem_area::{
    debugfs,
    misc,
    registry::Registry,
    shmem::BackingOps,
    slab::AreaCache, //
};
use helpers::debugfs::Dir;
use pin::shrinker::Reclaim;

module! {
    type: AshmemModule,
    name: "ashmem",
    authors: ["The ashmem-rs contributors"],
    description: "Anonymous shared memory (/dev/ashmem) in Rust",
    license: "GPL",
    alias: ["ashmem_linux"],
}

/// The loaded module: what it has registered with the kernel.
///
/// The fields are dropped in this order: first nobody can open the device any more (no file is open
/// then, or the module could not go) or look at the regions; then the shrinker goes, and what it
/// walks; then what all regions have used.
#[pin_data]
struct AshmemModule {
    /// The device `/dev/ashmem`.
    #[pin]
    _device: misc::Registration,
    /// The files in debugfs.
    _debugfs: Dir,
    /// Gives unpinned pages back.
    #[pin]
    _reclaim: Reclaim,
    /// The regions that there are.
    #[pin]
    _registry: Registry,
    /// The tables of the backing files.
    _backing_ops: BackingOps,
    /// Where the areas are allocated.
    _cache: AreaCache,
}

impl kernel::InPlaceModule for AshmemModule {
    fn init(_module: &'static ThisModule) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            _cache: AreaCache::new()?,
            _backing_ops: BackingOps::new()?,
            _registry <- Registry::new(),
            _reclaim <- Reclaim::new(),
            _debugfs: debugfs::create(),
            _device <- misc::register(),
        })
    }
}
