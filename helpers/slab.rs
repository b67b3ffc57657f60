// SPDX-License-Identifier: GPL-2.0

//! Slab caches.
//!
//! C header: `include/linux/slab.h`

use core::{
    alloc::Layout,
    ptr::NonNull, //
};

use kernel::{
    bindings,
    prelude::*, //
};

/// A slab cache, for as long as this lives.
///
/// It is never merged with another one, so that it can be watched under its name in
/// `/proc/slabinfo`, and what is allocated from it is charged to the memory cgroup of the task that
/// allocates. The kernel does not zero the objects for fear of uninitialised memory (`init_on_alloc`): Rust
/// writes each field, and what is between them is never read.
///
/// # Invariants
///
/// The pointer is to a cache that is ours.
pub(crate) struct Cache(NonNull<bindings::kmem_cache>);

// SAFETY: A `kmem_cache` may be used from any context: it synchronises itself.
unsafe impl Send for Cache {}
// SAFETY: As above.
unsafe impl Sync for Cache {}

impl Cache {
    /// Creates a cache for objects of a layout: `kmem_cache_create()`. The error is `ENOMEM`.
    pub(crate) fn new(name: &'static CStr, object: Layout) -> Result<Self> {
        let mut flags = 1 << bindings::_slab_flag_bits__SLAB_NO_MERGE;
        if cfg!(CONFIG_MEMCG) {
            flags |= 1 << bindings::_slab_flag_bits__SLAB_ACCOUNT;
        }
        let mut args = bindings::kmem_cache_args {
            align: object.align() as u32,
            // Objects of a cache with a constructor are not zeroed. A free one needs nothing, and so
            // may have the pointer to the next one in itself.
            ctor: Some(construct_nothing),
            use_freeptr_offset: true,
            freeptr_offset: 0,
            ..Default::default()
        };

        // SAFETY: The name is static, `args` is valid for the call.
        let cache = unsafe {
            bindings::__kmem_cache_create_args(
                name.as_char_ptr(),
                object.size() as u32,
                &mut args,
                flags,
            )
        };
        // INVARIANT: Just created.
        NonNull::new(cache).map(Self).ok_or(ENOMEM)
    }

    /// The C structure.
    pub(crate) fn as_ptr(&self) -> *mut bindings::kmem_cache {
        self.0.as_ptr()
    }
}

/// The constructor of a cache whose users initialise what they allocate.
///
/// # Safety
///
/// None: it does not look at the object.
unsafe extern "C" fn construct_nothing(_object: *mut c_void) {}

impl Drop for Cache {
    fn drop(&mut self) {
        // SAFETY: The cache is ours. Who hands out its objects keeps it until all are back.
        unsafe { bindings::kmem_cache_destroy(self.0.as_ptr()) };
    }
}
