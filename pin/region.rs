// SPDX-License-Identifier: GPL-2.0

//! The unpinned ranges of one region: the lock around them, and who waits for whom.
//!
//! The lock may be taken by code that runs inside memory reclaim. So whoever holds it neither
//! allocates nor touches user memory, and does not hold it while pages are purged: a purge leaves a
//! mark on the range, and who wants to pin its pages waits until the mark is gone.

use core::ops::Deref;

use kernel::{
    new_condvar,
    new_mutex,
    prelude::*,
    rbtree::RBTreeNodeReservation,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        lock::{
            mutex::MutexBackend,
            Guard, //
        },
        Arc,
        CondVar,
        Mutex, //
    }, //
};

use super::{
    lru::{
        self,
        ListNumber,
        LruEntry, //
    },
    PageRange,
    Punch,
    Retry,
    RunNode,
    Spare,
    UnpinnedRanges, //
};
use crate::{
    ashmem_area::shmem::Backing,
    helpers::{
        memcg::Memcg,
        trace, //
    }, //
};

/// How many pages of a range are purged at a time, a power of two: other reclaimers can take the next ones
/// meanwhile, and whoever wants to pin does not wait for longer than that.
pub(crate) const PIECE: usize = 512;

/// The pages that were purged since the module was loaded.
pub(crate) static PURGED_PAGES: Atomic<u64> = Atomic::new(0);
/// The ranges of which a purge has begun since the module was loaded.
pub(crate) static PURGED_RANGES: Atomic<u64> = Atomic::new(0);

/// The pin state of a region.
#[pin_data]
pub(crate) struct Pins {
    /// The file whose pages these are.
    backing: Backing,
    /// Which lists its ranges are in.
    list: ListNumber,
    /// How many tasks wait for a purge to end; changed under the lock.
    waiting: Atomic<u32>,
    /// Whether the region has gone, and its ranges with it; set under the lock.
    is_closed: Atomic<bool>,
    /// The ranges.
    #[pin]
    state: Mutex<State>,
    /// A purge has ended, or nobody waits for one any more.
    #[pin]
    punched: CondVar,
}

/// What the lock protects.
struct State {
    /// The unpinned ranges.
    ranges: UnpinnedRanges<LruEntry>,
    /// The memory for a range: a region that unpins and pins again needs none anew.
    spare: Option<Spare<LruEntry>>,
}

/// What a purge has done.
#[derive(Clone, Copy)]
pub(crate) struct Purged {
    /// The pages that were purged.
    pub(crate) pages: PageRange,
    /// How many of them had memory.
    pub(crate) freed: usize,
}

/// The pin state of a region, as the region owns it.
///
/// Dropping it ends every purge of the region: what is still mapped is purged no more.
pub(crate) struct RegionPins(Arc<Pins>);

impl RegionPins {
    /// The state of a region with each page pinned. The error is `ENOMEM`.
    pub(crate) fn new(backing: Backing) -> Result<Self> {
        let pins = Arc::pin_init(
            pin_init!(Pins {
                backing,
                list: ListNumber::next(),
                waiting: Atomic::new(0),
                is_closed: Atomic::new(false),
                state <- new_mutex!(
                    State { ranges: UnpinnedRanges::new(), spare: None },
                    "Pins::state"
                ),
                punched <- new_condvar!("Pins::punched"),
            }),
            GFP_KERNEL_ACCOUNT,
        )?;

        Ok(Self(pins))
    }

    /// The same state, for somebody else: it may then outlive the region.
    pub(crate) fn share(&self) -> Arc<Pins> {
        self.0.clone()
    }
}

impl Deref for RegionPins {
    type Target = Pins;

    fn deref(&self) -> &Pins {
        &self.0
    }
}

impl Drop for RegionPins {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl Pins {
    /// Pins the pages of `range`: `ASHMEM_PIN`.
    ///
    /// When this returns, no purge of them is under way, and none will begin. Returns whether any of
    /// them may have lost its content. `payer` is charged for memory. The error is `ENOMEM`; then
    /// nothing has changed.
    pub(crate) fn pin(&self, range: PageRange, payer: &Memcg) -> Result<bool> {
        self.change(payer, |ranges, spare| ranges.pin(range, spare))
    }

    /// Unpins the pages of `range`: `ASHMEM_UNPIN`.
    ///
    /// `payer` is charged for memory, and it is under its pressure that they are purged. The error is
    /// `ENOMEM`; then nothing has changed.
    pub(crate) fn unpin(&self, range: PageRange, payer: &Memcg) -> Result {
        self.change(payer, |ranges, spare| ranges.unpin(range, spare))
    }

    /// Whether any page of `range` is unpinned: `ASHMEM_GET_PIN_STATUS`.
    pub(crate) fn any_unpinned(&self, range: PageRange) -> bool {
        self.state.lock().ranges.any_unpinned(range)
    }

    /// How many pages are unpinned.
    pub(crate) fn pages(&self) -> usize {
        self.state.lock().ranges.pages()
    }

    /// How many pages are unpinned and have not been purged.
    pub(crate) fn purgeable(&self) -> usize {
        self.state.lock().ranges.purgeable()
    }

    /// Which lists its ranges are in.
    pub(crate) fn list(&self) -> ListNumber {
        self.list
    }

    /// Purges a piece of the range that ends with the page `last`, or [`lru::FAR`]; [`None`] if there
    /// is no such range any more.
    pub(crate) fn purge(&self, last: u32) -> Option<Purged> {
        let state = self.state.lock();
        let last = match (last as usize, last) {
            (page, lru::FAR) => state.ranges.end_from(page)?,
            (page, _) => page,
        };

        self.purge_piece(state, |ranges| {
            ranges.begin_punch(last, |rest| self.backing.piece(rest, PIECE))
        })
    }

    /// Purges a piece of what is unpinned from the page `from` on; [`None`] if there is nothing left.
    ///
    /// Lets those go first who wait for a purge to end, or a long series of these would shut them out.
    pub(crate) fn purge_from(&self, from: usize) -> Option<Purged> {
        let mut state = self.state.lock();
        while self.is_waited_for() {
            self.punched.wait(&mut state);
        }

        self.purge_piece(state, |ranges| {
            ranges.begin_punch_from(from, |rest| self.backing.piece(rest, PIECE))
        })
    }

    /// Carries out the purge that `begin` begins, if it does.
    fn purge_piece(
        &self,
        mut state: Guard<'_, State, MutexBackend>,
        begin: impl FnOnce(&mut UnpinnedRanges<LruEntry>) -> Option<Punch>,
    ) -> Option<Purged> {
        let before = state.ranges.purgeable();
        let punch = begin(&mut state.ranges)?;
        lru::count_pages(state.ranges.purgeable() as i64 - before as i64);
        drop(state);

        let pages = punch.pages();
        let freed = self.backing.punch(pages);

        // Told before PIN can see that it is over.
        trace::purge(
            self.backing.inode_number(),
            pages.first(),
            pages.pages(),
            freed,
        );
        PURGED_PAGES.fetch_add(pages.pages() as u64, Relaxed);
        if punch.is_first() {
            PURGED_RANGES.fetch_add(1, Relaxed);
        }

        self.state.lock().ranges.end_punch(punch);
        if self.is_waited_for() {
            self.punched.notify_all();
        }
        Some(Purged { pages, freed })
    }

    /// Waits until no purge is under way.
    pub(crate) fn settle(&self) {
        let mut state = self.state.lock();

        while state.ranges.is_punching() {
            self.wait(&mut state);
        }
    }

    /// Forgets every range, once no purge is under way.
    fn close(&self) {
        let mut state = self.state.lock();

        while state.ranges.is_punching() {
            self.wait(&mut state);
        }
        let ranges = core::mem::replace(&mut state.ranges, UnpinnedRanges::new());
        let spare = state.spare.take();
        // Reclaim must not stop at entries that are not out of its lists yet.
        self.is_closed.store(true, Relaxed);
        drop(state);

        lru::count_pages(-(ranges.purgeable() as i64));
        // Each entry leaves its list, one by one: not under the lock.
        drop((ranges, spare));
    }

    /// Waits until a purge ends.
    fn wait(&self, state: &mut Guard<'_, State, MutexBackend>) {
        // Only changed under the lock, which is held here.
        self.waiting.store(self.waiting.load(Relaxed) + 1, Relaxed);
        self.punched.wait(state);

        let waiting = self.waiting.load(Relaxed) - 1;
        self.waiting.store(waiting, Relaxed);
        if waiting == 0 {
            // A purge may be waiting for that.
            self.punched.notify_all();
        }
    }

    /// Whether the region has gone: what is in a list of it can be taken out there.
    pub(crate) fn is_closed(&self) -> bool {
        self.is_closed.load(Relaxed)
    }

    /// Tells whether somebody waits for a purge of this region to end.
    pub(crate) fn is_waited_for(&self) -> bool {
        self.waiting.load(Relaxed) != 0
    }

    /// Carries out an operation on the ranges, with memory and patience as it needs them.
    ///
    /// The error is `ENOMEM`; then nothing has changed.
    fn change<R>(
        &self,
        payer: &Memcg,
        mut change: impl FnMut(
            &mut UnpinnedRanges<LruEntry>,
            &mut Option<Spare<LruEntry>>,
        ) -> Result<R, Retry>,
    ) -> Result<R> {
        // Declared first: what is left of it is freed when the lock is not held any more.
        let mut fresh = None;
        let mut state = self.state.lock();

        loop {
            let State { ranges, spare } = &mut *state;
            if spare.is_none() {
                *spare = fresh.take();
            }

            let before = ranges.purgeable();
            match change(ranges, spare) {
                Ok(result) => {
                    lru::count_pages(ranges.purgeable() as i64 - before as i64);
                    return Ok(result);
                }
                Err(Retry::NeedsSpare) => {
                    drop(state);
                    fresh = Some(payer.charge(|| self.new_spare())?);
                    state = self.state.lock();
                }
                Err(Retry::NeedsRun) => {
                    drop(state);
                    let node = payer.charge(|| RunNode::new(GFP_KERNEL_ACCOUNT))?;
                    state = self.state.lock();
                    state.ranges.give_run(node);
                }
                Err(Retry::Punching) => self.wait(&mut state),
            }
        }
    }

    /// The memory for one more range. The error is `ENOMEM`.
    fn new_spare(&self) -> Result<Spare<LruEntry>> {
        let node = RBTreeNodeReservation::new(GFP_KERNEL_ACCOUNT)?;
        // SAFETY: `RegionPins::new` alone makes them, in an `Arc`. The entry goes to `state`, which `close` empties before the
        // region goes.
        let lru = unsafe { LruEntry::new(self) }?;

        Ok(Spare::new(node, lru))
    }
}
