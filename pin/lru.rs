// SPDX-License-Identifier: GPL-2.0

//! The order in which ranges were unpinned: some `list_lru`s, hence lists per NUMA node and memory
//! cgroup.
//!
//! An entry is charged to the memory cgroup of the task that unpinned, and sits in a list of that
//! group: a group that hits its limit gets its own pages back.
//!
//! A region keeps to one of the `list_lru`s, and regions take them by turns, so that two processes of one
//! group do not meet at the lock of a list. Within a list the order is exact; which of the lists has
//! the oldest range is told by the kernel's clock ticks.
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
use crate::helpers::{
    memcg::Memcg,
    slab::Cache, //
};

/// How many entries of regions that somebody waits for are passed over at a time.
const MAX_SKIPPED: c_ulong = 32;

/// How many entries of regions that have gone are taken out of a list at a time.
const MAX_CLEARED: u32 = 1024;

/// How many `list_lru`s there are.
const LISTS: usize = 16;

/// The last page of a range, where that is this one or one behind it. There is at most one such range in a
/// region: the ioctls cannot name pages that far, only "the end".
pub(crate) const FAR: u32 = u32::MAX;

/// The list that the next region takes.
static NEXT: Atomic<u32> = Atomic::new(0);

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
    lists: [*mut bindings::list_lru; LISTS],
    /// The cache that entries are allocated from.
    cache: *mut bindings::kmem_cache,
    /// How many pages the ranges in the lists have.
    pages: *mut bindings::percpu_counter,
}

// SAFETY: The structures synchronise themselves.
unsafe impl Send for OrderPtr {}
// SAFETY: As above.
unsafe impl Sync for OrderPtr {}

/// A `list_lru`: a list for each NUMA node and memory cgroup.
///
/// # Invariants
///
/// `lru` is initialised.
#[pin_data(PinnedDrop)]
struct List {
    /// The C structure.
    #[pin]
    lru: Opaque<bindings::list_lru>,
}

impl List {
    /// Makes the lists: `list_lru_init_memcg()`. The error is `ENOMEM`.
    ///
    /// # Safety
    ///
    /// `shrinker` must be an allocated shrinker that is aware of memory cgroups.
    unsafe fn new(shrinker: *mut bindings::shrinker) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            // INVARIANT: On success it is initialised.
            lru <- Opaque::try_ffi_init(move |slot: *mut bindings::list_lru| {
                // SAFETY: The initializer may write to `slot`; all zeroes is what
                // `__list_lru_init()` expects in a new structure.
                unsafe { slot.write_bytes(0, 1) };
                // SAFETY: `slot` is pinned and zeroed, and the caller vouches for the shrinker.
                to_result(unsafe { bindings::__list_lru_init(slot, true, shrinker) })
            }),
        })
    }
}

#[pinned_drop]
impl PinnedDrop for List {
    fn drop(self: Pin<&mut Self>) {
        // SAFETY: By the invariant it is initialised; it is empty: each region has removed its entries.
        unsafe { bindings::list_lru_destroy(self.lru.get()) };
    }
}

/// The lists' owner: makes them when the module loads, and destroys them when it goes.
#[pin_data(PinnedDrop)]
pub(crate) struct Order {
    /// The lists.
    #[pin]
    lists: [List; LISTS],
    /// How many pages the ranges in the lists have; counted per CPU.
    #[pin]
    pages: Opaque<bindings::percpu_counter>,
    /// The cache that entries are allocated from.
    cache: Cache,
}

// SAFETY: The structures may be made and destroyed on different threads.
unsafe impl Send for Order {}
// SAFETY: Nothing can be done with a shared reference.
unsafe impl Sync for Order {}

impl Order {
    /// Makes the lists. Errors: `ENOMEM`; `EBUSY` when called a second time.
    ///
    /// # Safety
    ///
    /// `shrinker` must be an allocated shrinker that is aware of memory cgroups.
    pub(crate) unsafe fn new(shrinker: *mut bindings::shrinker) -> impl PinInit<Self, Error> {
        try_pin_init!(&this in Self {
            cache: Cache::new(c"ashmem_range_cache", Layout::new::<Entry>())?,
            // SAFETY: The caller vouches for the shrinker.
            lists <- pin_init::pin_init_array_from_fn(move |_| unsafe { List::new(shrinker) }),
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
                    lists: core::array::from_fn(|number| order.lists[number].lru.get()),
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
        // SAFETY: It is initialised, and nobody counts any more.
        unsafe { bindings::percpu_counter_destroy_many(self.pages.get(), 1) };
    }
}

/// Which of the `list_lru`s the ranges of a region are in.
#[derive(Clone, Copy)]
pub(crate) struct ListNumber(u8);

impl ListNumber {
    /// One for a new region: the next one.
    pub(crate) fn next() -> Self {
        Self((NEXT.fetch_add(1, Relaxed) as usize % LISTS) as u8)
    }
}

/// The last page of a range, or [`FAR`], and when it was unpinned, in clock ticks.
#[derive(Clone, Copy)]
struct Place {
    /// The last page.
    last: u32,
    /// The tick; it wraps.
    tick: u32,
}

impl Place {
    /// A range that ends with the page `last`, unpinned now.
    fn now(last: usize) -> Self {
        Self {
            last: u32::try_from(last).unwrap_or(FAR),
            tick: ticks(),
        }
    }

    /// Both in one word.
    fn pack(self) -> u64 {
        u64::from(self.tick) << 32 | u64::from(self.last)
    }

    /// What [`pack`](Self::pack) has packed.
    fn unpack(word: u64) -> Self {
        Self {
            last: word as u32,
            tick: (word >> 32) as u32,
        }
    }
}

/// The kernel's clock ticks: the low half of `jiffies`.
fn ticks() -> u32 {
    // SAFETY: It is there, and only read.
    unsafe { (&raw const bindings::jiffies).read_volatile() as u32 }
}

/// What is in a list.
#[repr(C)]
struct Entry {
    /// Links it in.
    list: bindings::list_head,
    /// The region that the range is of.
    region: *const Pins,
    /// The last page of the range and when it was unpinned: a [`Place`].
    place: Atomic<u64>,
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
    /// The region must be alive, and in an [`Arc`]; the entry must be dropped before the region is.
    pub(crate) unsafe fn new(region: *const Pins) -> Result<Self> {
        let order = ORDER.as_ref().ok_or(ENODEV)?;
        // SAFETY: By the caller's promise the region is alive.
        let lru = order.list_of(unsafe { &*region });
        // SAFETY: The cache and the lists are alive.
        let entry = unsafe {
            bindings::kmem_cache_alloc_lru_noprof(order.cache, lru, bindings::GFP_KERNEL)
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
                place: Atomic::new(0),
            });
        }
        Ok(Self(entry))
    }

    /// The list that the entry is for.
    fn lru(&self) -> Option<*mut bindings::list_lru> {
        // SAFETY: The entry is valid, and dropped before its region.
        let region = unsafe { &*(*self.0.as_ptr()).region };
        Some(ORDER.as_ref()?.list_of(region))
    }

    /// What is noted of the range.
    fn place(&self) -> &Atomic<u64> {
        // SAFETY: The entry is valid; this member is shared with those who walk the lists.
        unsafe { &(*self.0.as_ptr()).place }
    }

    /// The link of the entry.
    fn list(&self) -> *mut bindings::list_head {
        // SAFETY: The entry is valid.
        unsafe { &raw mut (*self.0.as_ptr()).list }
    }
}

impl Lru for LruEntry {
    fn add(&mut self, last: usize) {
        self.place().store(Place::now(last).pack(), Relaxed);
        if let Some(lru) = self.lru() {
            // SAFETY: The lists are alive, and the entry is one that was allocated for them.
            unsafe { bindings::list_lru_add_obj(lru, self.list()) };
        }
    }

    fn remove(&mut self) {
        if let Some(lru) = self.lru() {
            // SAFETY: As above.
            unsafe { bindings::list_lru_del_obj(lru, self.list()) };
        }
    }

    fn set_last(&mut self, last: usize) {
        let place = Place {
            tick: Place::unpack(self.place().load(Relaxed)).tick,
            ..Place::now(last)
        };
        // Only the region's owner writes it, under its lock.
        self.place().store(place.pack(), Relaxed);
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
    /// The list of a region's ranges.
    fn list_of(&self, region: &Pins) -> *mut bindings::list_lru {
        self.lists[usize::from(region.list().0) % LISTS]
    }

    /// How many pages a range has on average, about: `percpu_counter_read_positive()` over the lengths
    /// of all lists.
    fn mean(&self) -> usize {
        // SAFETY: The counter is alive; others write to it.
        let pages = unsafe { (&raw const (*self.pages).count).read_volatile() };
        let ranges: c_ulong = (0..nr_node_ids())
            .flat_map(|nid| self.lists.iter().map(move |&lru| (lru, nid)))
            // SAFETY: The lists are alive, and there is one for each of these nodes.
            .map(|(lru, nid)| unsafe { bindings::list_lru_count_node(lru, nid) })
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
    let ranges: c_ulong = order
        .lists
        .iter()
        // SAFETY: The lists are alive, and the caller vouches for the group.
        .map(|&lru| unsafe { bindings::list_lru_count_one(lru, nid, memcg) })
        .sum();
    match ranges {
        0 => 0,
        ranges => ranges.saturating_mul(order.mean()),
    }
}

/// What is known of the oldest range of a list.
#[derive(Clone, Copy)]
enum Head {
    /// Nothing: it has to be looked at.
    Unknown,
    /// It was unpinned so many ticks before the walk began; 0 if it was later.
    Age(u32),
    /// There is none.
    None,
}

/// The ranges of a node and a memory cgroup, the one that was unpinned first at first.
pub(crate) struct Victims<'a> {
    /// The node.
    nid: c_int,
    /// The group.
    memcg: &'a Memcg,
    /// When the walk began, in ticks: ages are of that moment, for what is looked at later must not
    /// seem older.
    begun: u32,
    /// Of each list, its oldest range.
    heads: [Head; LISTS],
}

impl<'a> Victims<'a> {
    /// Those of a node and a group.
    pub(crate) fn new(nid: c_int, memcg: &'a Memcg) -> Self {
        Self {
            nid,
            memcg,
            begun: ticks(),
            heads: [Head::Unknown; LISTS],
        }
    }

    /// The range that was unpinned before all others: its region, and its last page, or [`FAR`].
    ///
    /// It stays in its list until it is purged, and may be gone when the caller looks at it. Regions in
    /// which somebody waits for a purge to end are passed over; entries of those that have gone leave
    /// their list.
    pub(crate) fn oldest(&mut self) -> Option<(Arc<Pins>, u32)> {
        let order = ORDER.as_ref()?;
        // What was seen in a list may be gone when it is taken: then all are compared anew.
        for _ in 0..2 * LISTS {
            let mut oldest: Option<(u32, usize)> = None;
            for number in 0..LISTS {
                if matches!(self.heads[number], Head::Unknown) {
                    self.heads[number] = self.look_at(order.lists[number]);
                }
                match (self.heads[number], oldest) {
                    (Head::Age(age), Some((most, _))) if age <= most => {}
                    (Head::Age(age), _) => oldest = Some((age, number)),
                    _ => {}
                }
            }

            let (_, number) = oldest?;
            self.heads[number] = Head::Unknown;
            let mut found = None;
            self.walk(order.lists[number], take, &mut found);
            if found.is_some() {
                return found;
            }
        }
        None
    }

    /// What is known of the oldest range of a list when one looks.
    fn look_at(&self, lru: *mut bindings::list_lru) -> Head {
        let mut tick = None;
        // SAFETY: The lists are alive, and so is the group.
        if unsafe { bindings::list_lru_count_one(lru, self.nid, self.memcg.as_ptr()) } != 0 {
            self.walk(lru, note_tick, &mut tick);
        }
        let now = ticks();
        let walked = now.wrapping_sub(self.begun);
        match tick {
            Some(tick) => Head::Age(now.wrapping_sub(tick).saturating_sub(walked)),
            None => Head::None,
        }
    }

    /// Lets `visit` look at the first entry of a list that may be purged.
    fn walk<T>(&self, lru: *mut bindings::list_lru, visit: Visit<T>, found: &mut Option<T>) {
        loop {
            let mut most = MAX_SKIPPED;
            let mut visitor = Visitor {
                visit,
                found,
                cleared: 0,
                most: &raw mut most,
            };

            // SAFETY: The lists and the group are alive, and the callback gets what it expects.
            unsafe {
                bindings::list_lru_walk_one(
                    lru,
                    self.nid,
                    self.memcg.as_ptr(),
                    Some(stop_at_first::<T>),
                    (&raw mut visitor).cast(),
                    &raw mut most,
                )
            };
            // One that can be purged may be behind those that it was too many to take out at a time.
            if visitor.cleared < MAX_CLEARED || visitor.found.is_some() {
                return;
            }
        }
    }
}

/// What is taken from an entry, while its list's lock is held.
type Visit<T> = fn(&Entry) -> T;

/// What a walk is for.
struct Visitor<'a, T> {
    /// What to take from the entry.
    visit: Visit<T>,
    /// Where it goes.
    found: &'a mut Option<T>,
    /// How many entries were taken out of the list.
    cleared: u32,
    /// How many more entries are looked at.
    most: *mut c_ulong,
}

/// Takes the region and the last page.
fn take(entry: &Entry) -> (Arc<Pins>, u32) {
    // SAFETY: The region is in an `Arc`, as `LruEntry::new` was promised. It removes its entries before it goes, for which
    // it has to take the list's lock.
    let region = unsafe { ArcBorrow::from_raw(entry.region) };
    (region.into(), Place::unpack(entry.place.load(Relaxed)).last)
}

/// Takes the tick.
fn note_tick(entry: &Entry) -> u32 {
    Place::unpack(entry.place.load(Relaxed)).tick
}

/// Visits the first entry that may be purged, and ends the walk there.
///
/// # Safety
///
/// `item` must be the link of an [`Entry`] in `list`, whose lock is held, and `arg` point to a
/// `Visitor<T>` of the walk. When it answers `LRU_STOP`, the lock is held no more.
unsafe extern "C" fn stop_at_first<T>(
    item: *mut bindings::list_head,
    list: *mut bindings::list_lru_one,
    arg: *mut c_void,
) -> bindings::lru_status {
    // SAFETY: By the caller's promise.
    let entry = unsafe { &*container_of!(item, Entry, list) };
    // SAFETY: By the caller's promise.
    let visitor = unsafe { &mut *arg.cast::<Visitor<'_, T>>() };
    // SAFETY: A region removes its entries before it goes, for which it has to take the list's lock.
    let region = unsafe { &*entry.region };
    if region.is_closed() && visitor.cleared < MAX_CLEARED {
        visitor.cleared += 1;
        // Such a one does not count: there may be very many, and one that can be purged behind them.
        // SAFETY: The walk is under way, and `most` is for the callback and for who called it.
        unsafe { *visitor.most += 1 };
        // SAFETY: By the caller's promise. The region finds the entry in no list then.
        unsafe { bindings::list_lru_isolate(list, item) };
        return bindings::lru_status::LRU_REMOVED;
    }
    if region.is_closed() || region.is_waited_for() {
        return bindings::lru_status::LRU_SKIP;
    }
    *visitor.found = Some((visitor.visit)(entry));
    // SAFETY: By the caller's promise the lock is held. Nothing of the entry is used behind this.
    unsafe { bindings::spin_unlock(&raw mut (*list).lock) };
    bindings::lru_status::LRU_STOP
}
