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
//! mmap_lock                       (held by the caller of mmap)
//!   AshmemArea::draft             (a mutex per region: name and size before the first mmap)
//!     memory allocation, shmem    (GFP_KERNEL: may enter reclaim)
//! ```
//!
//! - `draft` is held while the backing file is created, hence across `GFP_KERNEL` allocations: code
//!   that runs inside memory reclaim must never take it.
//! - User memory is never read or written under `draft`: a fault takes `mmap_lock`, the order above
//!   reversed.
//! - What the first mmap has frozen, and the protection mask at any time, is read with no lock.
//! - No lock is shared by two regions.

#![warn(missing_docs, clippy::missing_docs_in_private_items)]

use kernel::prelude::*;

mod ashmem_area;
mod ioctl;

use ashmem_area::{
    misc::Registration,
    shmem::BackingOps,
    slab::AreaCache, //
};

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
/// The fields are dropped in this order: first nobody can open the device any more, then nobody
/// looks at the tables of a backing file, then the cache, which is empty by now, goes.
#[pin_data]
struct AshmemModule {
    /// The device `/dev/ashmem`.
    #[pin]
    _device: Registration,
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
            _device <- Registration::register(),
        })
    }
}
