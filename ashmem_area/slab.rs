// SPDX-License-Identifier: GPL-2.0

//! The slab cache that areas are allocated from, as an allocator for `Box`.
//!
//! C header: `include/linux/slab.h`

use core::{
    alloc::Layout,
    ptr::NonNull, //
};

use kernel::{
    alloc::{
        AllocError,
        Allocator,
        Flags,
        NumaNode, //
    },
    bindings,
    prelude::*,
    sync::SetOnce, //
};

use super::AshmemArea;
use crate::helpers::slab::Cache;

/// The name of the cache in `/proc/slabinfo`.
const NAME: &CStr = c"ashmem_area_cache";

/// The layout of the objects in the cache.
const OBJECT: Layout = Layout::new::<AshmemArea>();

// The C driver takes 312 bytes for an area. Where locks are watched they are larger.
#[cfg(not(any(CONFIG_DEBUG_MUTEXES, CONFIG_DEBUG_SPINLOCK, CONFIG_DEBUG_LOCK_ALLOC)))]
const _: () = assert!(OBJECT.size() <= 192);

/// The cache behind [`AreaSlab`]; set while the module loads.
static CACHE: SetOnce<CachePtr> = SetOnce::new();

/// A pointer to the cache.
///
/// # Invariants
///
/// The cache has objects of the layout [`OBJECT`] and lives until [`AreaCache`] is dropped.
struct CachePtr(*mut bindings::kmem_cache);

// SAFETY: A `kmem_cache` may be used from any context: it synchronises itself.
unsafe impl Send for CachePtr {}
// SAFETY: As above.
unsafe impl Sync for CachePtr {}

/// The owner of [`CACHE`]: creates it when the module loads, destroys it when the module goes.
pub(crate) struct AreaCache {
    /// The cache.
    _cache: Cache,
}

impl AreaCache {
    /// Creates the cache. Errors: `ENOMEM`; `EBUSY` when called a second time.
    pub(crate) fn new() -> Result<Self> {
        let cache = Cache::new(NAME, OBJECT)?;

        // INVARIANT: Created with that layout just above. `Self` is dropped after the device: no file
        // is open by then.
        if !CACHE.populate(CachePtr(cache.as_ptr())) {
            return Err(EBUSY);
        }
        Ok(Self { _cache: cache })
    }
}

/// The allocator of areas.
///
/// It hands out memory for a single [`AshmemArea`] at a time, for `GFP_KERNEL` and
/// `GFP_KERNEL_ACCOUNT` only (the cache accounts in either case), and refuses anything else.
pub(crate) struct AreaSlab;

// SAFETY: Memory from a `kmem_cache` stays valid until it is freed, and has at least the size and
// alignment of `OBJECT`, which no layout that is served exceeds. Nothing is ever reallocated.
unsafe impl Allocator for AreaSlab {
    const MIN_ALIGN: usize = OBJECT.align();

    unsafe fn realloc(
        ptr: Option<NonNull<u8>>,
        layout: Layout,
        old_layout: Layout,
        flags: Flags,
        _nid: NumaNode,
    ) -> Result<NonNull<[u8]>, AllocError> {
        let cache = CACHE.as_ref().ok_or(AllocError)?.0;

        if let Some(ptr) = ptr {
            if layout.size() != 0 {
                return Err(AllocError);
            }
            if old_layout.size() != 0 {
                // SAFETY: The caller hands back what was allocated here: all non-empty layouts are
                // served from this cache.
                unsafe { bindings::kmem_cache_free(cache, ptr.as_ptr().cast()) };
            }
            return Ok(NonNull::slice_from_raw_parts(
                NonNull::<AshmemArea>::dangling().cast(),
                0,
            ));
        }

        let served = layout.size() <= OBJECT.size() && layout.align() <= OBJECT.align();
        if !served || (flags != GFP_KERNEL && flags != GFP_KERNEL_ACCOUNT) {
            return Err(AllocError);
        }

        // SAFETY: By its invariant the cache is alive.
        let object = unsafe { bindings::kmem_cache_alloc_noprof(cache, bindings::GFP_KERNEL) };
        let object = NonNull::new(object.cast()).ok_or(AllocError)?;
        Ok(NonNull::slice_from_raw_parts(object, OBJECT.size()))
    }
}
