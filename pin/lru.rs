// SPDX-License-Identifier: GPL-2.0

//! The order in which ranges were unpinned: a `list_lru`, hence one list per NUMA node and memory
//! cgroup.
//!
//! An entry is charged to the memory cgroup of the task that unpinned, and sits in the list of that
//! group: a group that hits its limit gets its own pages back.
//!
//! C header: `include/linux/list_lru.h`

use core::{
    alloc::Layout,
    ptr::NonNull, //
};

use kernel::{
    bindings,
    container_of,
    error::to_result,
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc,
        ArcBorrow,
        SetOnce, //
    },
    types::Opaque, //
};

use super::{
    region::Pins,
    Lru, //
};
use crate::helpers::slab::Cache;

/// How many entries of regions that somebody waits for are passed over at a time.
const MAX_SKIPPED: c_ulong = 32;

/// The most pages that a range is taken to have on average, whatever giant there is.
const MAX_MEAN: usize = 1 << 16;

/// The order of all ranges of all regions; set while the module loads.
static ORDER: SetOnce<OrderPtr> = SetOnce::new();

/// Where [`Order`] is, for the entries.
///
/// # Invariants
///
/// They are valid for as long as any region is there.
struct OrderPtr {
    /// The lists.
    lru: *mut bindings::list_lru,
    /// The cache that entries are allocated from.
    cache: *mut bindings::kmem_cache,
    /// How many pages the ranges in the lists have.
    pages: *mut bindings::percpu_counter,
}

// SAFETY: The structures synchronise themselves.
unsafe impl Send for OrderPtr {}
// SAFETY: As above.
unsafe impl Sync for OrderPtr {}

/// The lists' owner: makes them when the module loads, and destroys them when it goes.
#[pin_data(PinnedDrop)]
pub(crate) struct Order {
    /// The lists.
    #[pin]
    lru: Opaque<bindings::list_lru>,
    /// How many pages the ranges in the lists have; counted per CPU.
    #[pin]
    pages: Opaque<bindings::percpu_counter>,
    /// The cache that entries are allocated from.
    cache: Cache,
}

// SAFETY: A `list_lru` may be made and destroyed on different threads.
unsafe impl Send for Order {}
// SAFETY: Nothing can be done with a shared reference.
unsafe impl Sync for Order {}

impl Order {
    /// Makes the lists: `list_lru_init_memcg()`. Errors: `ENOMEM`; `EBUSY` when called a second time.
    ///
    /// # Safety
    ///
    /// `shrinker` must be an allocated shrinker that is aware of memory cgroups.
    pub(crate) unsafe fn new(shrinker: *mut bindings::shrinker) -> impl PinInit<Self, Error> {
        try_pin_init!(&this in Self {
            cache: Cache::new(c"ashmem_range_cache", Layout::new::<Entry>())?,
            lru <- Opaque::try_ffi_init(move |slot: *mut bindings::list_lru| {
                // SAFETY: The initializer may write to `slot`; all zeroes is what
                // `__list_lru_init()` expects in a new structure.
                unsafe { slot.write_bytes(0, 1) };
                // SAFETY: `slot` is pinned and zeroed, and the caller vouches for the shrinker.
                to_result(unsafe { bindings::__list_lru_init(slot, true, shrinker) })
            }),
            pages <- Opaque::try_ffi_init(|slot: *mut bindings::percpu_counter| {
                // SAFETY: `slot` is pinned.
                to_result(unsafe {
                    bindings::__percpu_counter_init_many(
                        slot,
                        0,
                        bindings::GFP_KERNEL,
                        1,
                        kernel::static_lock_class!().as_ptr(),
                    )
                })
            }),
            _: {
                // SAFETY: The fields are initialised.
                let order = unsafe { this.as_ref() };
                // INVARIANT: `Order` is dropped after the device: no region is there by then.
                if !ORDER.populate(OrderPtr {
                    lru: order.lru.get(),
                    cache: order.cache.as_ptr(),
                    pages: order.pages.get(),
                }) {
                    return Err(EBUSY);
                }
            },
        })
    }
}

#[pinned_drop]
impl PinnedDrop for Order {
    fn drop(self: Pin<&mut Self>) {
        // SAFETY: The lists are initialised, and empty: each region has removed its entries.
        unsafe { bindings::list_lru_destroy(self.lru.get()) };
        // SAFETY: It is initialised, and nobody counts any more.
        unsafe { bindings::percpu_counter_destroy_many(self.pages.get(), 1) };
    }
}

/// What is in a list.
#[repr(C)]
struct Entry {
    /// Links it in.
    list: bindings::list_head,
    /// The region that the range is of.
    region: *const Pins,
    /// The last page of the range.
    last: Atomic<usize>,
}

// With the 64 bytes of a node of the tree, a range takes 96 bytes.
const _: () = assert!(size_of::<Entry>() <= 32);

/// The place of a range in the order.
///
/// # Invariants
///
/// It owns an entry from the cache of [`ORDER`]; a list that it is in is one of [`ORDER`].
pub(crate) struct LruEntry(NonNull<Entry>);

// SAFETY: An entry may be changed and freed on any thread.
unsafe impl Send for LruEntry {}

impl LruEntry {
    /// An entry for a range of `region`, in no list yet. The error is `ENOMEM`.
    ///
    /// # Safety
    ///
    /// It must be dropped before the region is.
    pub(crate) unsafe fn new(region: *const Pins) -> Result<Self> {
        let order = ORDER.as_ref().ok_or(ENODEV)?;
        // SAFETY: The cache and the lists are alive.
        let entry = unsafe {
            bindings::kmem_cache_alloc_lru_noprof(order.cache, order.lru, bindings::GFP_KERNEL)
        };
        let entry = NonNull::new(entry.cast::<Entry>()).ok_or(ENOMEM)?;

        // SAFETY: The memory is ours, and large enough. A list head that points to itself is in no
        // list.
        unsafe {
            let list = &raw mut (*entry.as_ptr()).list;
            entry.write(Entry {
                list: bindings::list_head {
                    next: list,
                    prev: list,
                },
                region,
                last: Atomic::new(0),
            });
        }
        Ok(Self(entry))
    }

    /// The link of the entry.
    fn list(&self) -> *mut bindings::list_head {
        // SAFETY: The entry is valid.
        unsafe { &raw mut (*self.0.as_ptr()).list }
    }
}

impl Lru for LruEntry {
    fn add(&mut self, last: usize) {
        self.set_last(last);
        if let Some(order) = ORDER.as_ref() {
            // SAFETY: The lists are alive, and the entry is one that was allocated for them.
            unsafe { bindings::list_lru_add_obj(order.lru, self.list()) };
        }
    }

    fn remove(&mut self) {
        if let Some(order) = ORDER.as_ref() {
            // SAFETY: As above.
            unsafe { bindings::list_lru_del_obj(order.lru, self.list()) };
        }
    }

    fn set_last(&mut self, last: usize) {
        // SAFETY: The entry is valid; others read this member only.
        unsafe { (*self.0.as_ptr()).last.store(last, Relaxed) };
    }
}

impl Drop for LruEntry {
    fn drop(&mut self) {
        self.remove();
        if let Some(order) = ORDER.as_ref() {
            // SAFETY: The entry is ours, from this cache, and in no list.
            unsafe { bindings::kmem_cache_free(order.cache, self.0.as_ptr().cast()) };
        }
    }
}

/// Notes that `amount` more pages may be purged, fewer if it is negative: `percpu_counter_add()`.
pub(crate) fn count_pages(amount: i64) {
    if let Some(order) = ORDER.as_ref() {
        // SAFETY: The counter is alive.
        unsafe {
            bindings::percpu_counter_add_batch(order.pages, amount, bindings::percpu_counter_batch)
        };
    }
}

impl OrderPtr {
    /// How many pages a range has on average, about: `percpu_counter_read_positive()` over the lengths
    /// of all lists.
    fn mean(&self) -> usize {
        // SAFETY: The counter is alive; others write to it.
        let pages = unsafe { (&raw const (*self.pages).count).read_volatile() };
        let ranges: c_ulong = (0..nr_node_ids())
            // SAFETY: The lists are alive, and there is one for each of these nodes.
            .map(|nid| unsafe { bindings::list_lru_count_node(self.lru, nid) })
            .sum();
        let mean = usize::try_from(pages).unwrap_or(0).checked_div(ranges);

        mean.unwrap_or(0).clamp(1, MAX_MEAN)
    }
}

/// The number of possible NUMA nodes.
fn nr_node_ids() -> c_int {
    #[cfg(CONFIG_NUMA)]
    // SAFETY: It is set when the kernel boots.
    return unsafe { bindings::nr_node_ids } as c_int;
    #[cfg(not(CONFIG_NUMA))]
    return 1;
}

/// How many pages may be purged in the lists of a node and a memory cgroup, about: the number of its
/// ranges, each taken to be as long as those of all groups are on average.
///
/// # Safety
///
/// `memcg` must be valid or null: then it means the root group.
pub(crate) unsafe fn count(nid: c_int, memcg: *mut bindings::mem_cgroup) -> usize {
    let Some(order) = ORDER.as_ref() else {
        return 0;
    };
    // SAFETY: The lists are alive, and the caller vouches for the group.
    match unsafe { bindings::list_lru_count_one(order.lru, nid, memcg) } {
        0 => 0,
        ranges => ranges.saturating_mul(order.mean()),
    }
}

/// The range that was unpinned before all others of a node and a memory cgroup: its region, and its
/// last page.
///
/// It may be gone when the caller looks at it. Regions in which somebody waits for a purge to end are
/// passed over.
///
/// # Safety
///
/// `memcg` must be valid or null: then it means the root group.
pub(crate) unsafe fn oldest(
    nid: c_int,
    memcg: *mut bindings::mem_cgroup,
) -> Option<(Arc<Pins>, usize)> {
    let order = ORDER.as_ref()?;
    let mut found = None;
    let mut most = MAX_SKIPPED;

    // SAFETY: The lists are alive, the caller vouches for the group, and the callback gets what it
    // expects.
    unsafe {
        bindings::list_lru_walk_one(
            order.lru,
            nid,
            memcg,
            Some(take_note),
            (&raw mut found).cast(),
            &mut most,
        )
    };
    found
}

/// Takes note of the first entry that may be purged, and ends the walk there.
///
/// # Safety
///
/// `item` must be the link of an [`Entry`] in `list`, whose lock is held, and `arg` point to an
/// `Option<(Arc<Pins>, usize)>`. Unless it answers `LRU_SKIP`, the lock is held no more.
unsafe extern "C" fn take_note(
    item: *mut bindings::list_head,
    list: *mut bindings::list_lru_one,
    arg: *mut c_void,
) -> bindings::lru_status {
    // SAFETY: By the caller's promise.
    let entry = unsafe { &*container_of!(item, Entry, list) };
    // SAFETY: A region removes its entries before it goes, for which it has to take the list's lock.
    let region = unsafe { ArcBorrow::from_raw(entry.region) };

    if region.is_waited_for() {
        return bindings::lru_status::LRU_SKIP;
    }
    let found: (Arc<Pins>, usize) = (region.into(), entry.last.load(Relaxed));
    // SAFETY: By the caller's promise. Nothing of the entry is used behind this.
    unsafe {
        bindings::spin_unlock(&raw mut (*list).lock);
        *arg.cast::<Option<(Arc<Pins>, usize)>>() = Some(found);
    }
    bindings::lru_status::LRU_STOP
}
