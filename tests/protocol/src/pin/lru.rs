// SPDX-License-Identifier: GPL-2.0

//! Stands in for the module's `pin/lru.rs` and `pin/scan.rs`: one list with its lock, and reclaim that
//! purges what is in it. The module has a worker do that, for which who reclaims does not wait for ever;
//! here it does.
//!
//! What is kept is who takes which lock when, and what is read without it: an entry is added and removed
//! under the lock of its region; a walk passes over regions that are waited for, takes entries of those
//! that have gone out of the list, takes no more than a
//! reference and the last page under the list's lock, and nothing of the list while it purges. That page
//! may be an old one by then.
//!
//! Which of several lists comes first makes no difference to any of that.

use std::{
    collections::VecDeque,
    sync::{
        atomic::{AtomicI64, AtomicUsize, Ordering::Relaxed as Plain},
        Arc as PlainArc,
    },
};

use kernel::{
    error::Result,
    sync::{
        atomic::{Atomic, Relaxed},
        Arc, ArcBorrow, Mutex,
    },
};

use super::{region::Pins, Lru};

/// The last page of a range, where that is this one or one behind it.
pub const FAR: u32 = u32::MAX;

/// How often a range that was found may be gone, in one scan.
const MAX_MISSES: usize = 2;

loom::lazy_static! {
    /// The order of all ranges of all regions.
    static ref ORDER: Order = Order {
        list: Mutex::new(VecDeque::new()),
        pages: AtomicI64::new(0),
        entries: AtomicUsize::new(0),
    };
}

/// What there is in one run.
struct Order {
    /// The ranges that may be purged, the one that was unpinned first at first.
    list: Mutex<VecDeque<PlainArc<Entry>>>,
    /// How many pages they have.
    pages: AtomicI64,
    /// How many entries there are, in the list or not.
    entries: AtomicUsize,
}

/// What is in the list.
struct Entry {
    /// The region that the range is of.
    region: *const Pins,
    /// The last page of the range.
    last: Atomic<u32>,
}

// SAFETY: As in the module: the region is alive while an entry is in the list.
unsafe impl Send for Entry {}
// SAFETY: As above.
unsafe impl Sync for Entry {}

/// Which list a region has: there is but one.
#[derive(Clone, Copy)]
pub struct ListNumber(());

impl ListNumber {
    /// One for a new region.
    pub fn next() -> Self {
        Self(())
    }
}

/// The place of a range in the order.
pub struct LruEntry(PlainArc<Entry>);

impl LruEntry {
    /// An entry for a range of `region`, not in the list yet.
    ///
    /// # Safety
    ///
    /// The region must be alive; the entry must be dropped before the region is.
    pub unsafe fn new(region: *const Pins) -> Result<Self> {
        ORDER.entries.fetch_add(1, Plain);
        Ok(Self(PlainArc::new(Entry {
            region,
            last: Atomic::new(0).in_model(),
        })))
    }
}

/// A page number as an entry has it.
fn packed(last: usize) -> u32 {
    u32::try_from(last).unwrap_or(FAR)
}

impl Lru for LruEntry {
    fn add(&mut self, last: usize) {
        self.0.last.store(packed(last), Relaxed);

        let mut list = ORDER.list.lock();
        if !list.iter().any(|entry| PlainArc::ptr_eq(entry, &self.0)) {
            list.push_back(self.0.clone());
        }
    }

    fn remove(&mut self) {
        let mut list = ORDER.list.lock();
        list.retain(|entry| !PlainArc::ptr_eq(entry, &self.0));
    }

    fn set_last(&mut self, last: usize) {
        self.0.last.store(packed(last), Relaxed);
    }
}

impl Drop for LruEntry {
    fn drop(&mut self) {
        self.remove();
        ORDER.entries.fetch_sub(1, Plain);
    }
}

/// Notes that `amount` more pages may be purged.
pub fn count_pages(amount: i64) {
    ORDER.pages.fetch_add(amount, Plain);
}

/// The range that was unpinned before all others: its region, and its last page.
fn oldest() -> Option<(Arc<Pins>, u32)> {
    let mut list = ORDER.list.lock();

    // SAFETY: A region removes its entries before it goes, for which it has to take the list's lock.
    list.retain(|entry| unsafe { !(*entry.region).is_closed() });
    for entry in &*list {
        // SAFETY: A region removes its entries before it goes, for which it has to take the list's lock.
        if unsafe { (*entry.region).is_waited_for() } {
            continue;
        }
        // SAFETY: As above.
        let region = unsafe { ArcBorrow::from_raw(entry.region) };
        return Some((region.into(), entry.last.load(Relaxed)));
    }
    None
}

/// Reclaim: purges at least so many pages, or what there is. Returns how many it has purged.
pub fn shrink(wanted: usize) -> usize {
    let mut purged = 0;
    let mut misses = 0;

    while purged < wanted && misses < MAX_MISSES {
        let Some((region, last)) = oldest() else {
            break;
        };
        match region.purge(last) {
            Some(piece) => purged += piece.pages.pages(),
            None => misses += 1,
        }
    }
    purged
}

/// How many pages may be purged, as they were [counted](count_pages).
pub fn counted() -> i64 {
    ORDER.pages.load(Plain)
}

/// How many entries there are, and how many of them are in the list.
pub fn entries() -> (usize, usize) {
    (ORDER.entries.load(Plain), ORDER.list.lock().len())
}
