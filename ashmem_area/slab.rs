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

/// The name of the cache in `/proc/slabinfo`.
const NAME: &CStr = c"ashmem_area_cache";

/// The layout of the objects in the cache.
const OBJECT: Layout = Layout::new::<AshmemArea>();

// The C driver takes 312 bytes for an area.
const _: () = assert!(OBJECT.size() <= 192);

/// The cache behind [`AreaSlab`]; set while the module loads.
static CACHE: SetOnce<CachePtr> = SetOnce::new();

/// A pointer to the cache.
///
/// # Invariants
///
/// The cache has objects of the layout [`OBJECT`] and lives until [`AreaCache`] is dropped.
struct CachePtr(NonNull<bindings::kmem_cache>);

// SAFETY: A `kmem_cache` may be used from any context: it synchronises itself.
unsafe impl Send for CachePtr {}
// SAFETY: As above.
unsafe impl Sync for CachePtr {}

/// The cache's owner: creates it when the module loads, destroys it when the module goes.
pub(crate) struct AreaCache(NonNull<bindings::kmem_cache>);

// SAFETY: A `kmem_cache` may be created and destroyed on different threads.
unsafe impl Send for AreaCache {}
// SAFETY: Nothing can be done with a shared reference.
unsafe impl Sync for AreaCache {}

impl AreaCache {
    /// Creates the cache: `kmem_cache_create()`.
    ///
    /// It is never merged with another one, so that it can be watched under its name, and what is
    /// allocated from it is charged to the memory cgroup of the task that allocates. Errors: `ENOMEM`;
    /// `EBUSY` when called a second time.
    pub(crate) fn new() -> Result<Self> {
        let mut flags = (1 << bindings::_slab_flag_bits__SLAB_NO_MERGE)
            | (1 << bindings::_slab_flag_bits__SLAB_HWCACHE_ALIGN);
        if cfg!(CONFIG_MEMCG) {
            flags |= 1 << bindings::_slab_flag_bits__SLAB_ACCOUNT;
        }

        let mut args = bindings::kmem_cache_args {
            align: OBJECT.align() as u32,
            ..Default::default()
        };

        // SAFETY: The name is static, `args` is valid for the call.
        let cache = unsafe {
            bindings::__kmem_cache_create_args(
                NAME.as_char_ptr(),
                OBJECT.size() as u32,
                &mut args,
                flags,
            )
        };
        let owner = Self(NonNull::new(cache).ok_or(ENOMEM)?);

        // INVARIANT: Created with that layout just above; `owner` destroys it.
        if !CACHE.populate(CachePtr(owner.0)) {
            return Err(EBUSY);
        }
        Ok(owner)
    }
}

impl Drop for AreaCache {
    fn drop(&mut self) {
        // SAFETY: The cache is ours. It is dropped after the device: no file is open, so each area
        // has been freed and no new one can be allocated.
        unsafe { bindings::kmem_cache_destroy(self.0.as_ptr()) };
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
        let cache = CACHE.as_ref().ok_or(AllocError)?.0.as_ptr();

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
