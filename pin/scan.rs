// SPDX-License-Identifier: GPL-2.0

//! What one call of the shrinker purges: in a worker.
//!
//! Not in the task that reclaims, which may hold the locks of folios, in the page cache or in the swap
//! cache. A purge waits for those of its pages, and who holds one of them may wait for that task. So the
//! task waits for a worker, and only for as long as the worker gets on: in the worst case it
//! goes without what is purged a moment later.

use kernel::{
    alloc::flags::__GFP_NOWARN,
    impl_has_work,
    new_mutex,
    new_work,
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc,
        Mutex, //
    },
    workqueue::{
        Queue,
        Work,
        WorkItem, //
    }, //
};

use super::{
    lru,
    region::PIECE, //
};
use crate::helpers::{
    completion::Completion,
    memcg::Memcg,
    param, //
};

/// How often a range that was found may be gone when it is to be purged, in one scan.
const MAX_MISSES: usize = 16;

/// How many parts of ranges that had no memory are purged in one scan in search of some: else those who unpin such
/// ones faster than they are purged would keep it busy for ever.
const MAX_EMPTY: usize = 1024;

/// How long the task that reclaims waits while nothing is purged, in milliseconds.
const PATIENCE: u32 = 1000;

/// How often it does so for one scan. Whoever makes a worker wait for a region's lock again and again shall not keep
/// others who need memory.
const MAX_WAITS: usize = 5;

/// What is asked for.
#[derive(Clone, Copy)]
pub(crate) struct Wanted {
    /// How many pages are to be purged.
    pub(crate) purged: usize,
    /// How many pages with memory, unless there is too much without.
    pub(crate) freed: usize,
    /// As above, but no more once the group has no more than its limit: others may give back, too.
    pub(crate) excess: usize,
}

/// What was purged.
#[derive(Clone, Copy, Default)]
pub(crate) struct Outcome {
    /// How many pages. A hole counts for no more than a piece, however long it is.
    pub(crate) purged: usize,
    /// How many of them had memory.
    pub(crate) freed: usize,
    /// Whether the task that reclaims has stopped to wait.
    pub(crate) is_abandoned: bool,
}

/// A scan of the ranges of a node and a memory cgroup.
#[pin_data]
pub(crate) struct Scan {
    /// The node.
    nid: c_int,
    /// The group.
    memcg: Memcg,
    /// How much.
    wanted: Wanted,
    /// How many pages were purged so far.
    purged: Atomic<usize>,
    /// How many of them had memory.
    freed: Atomic<usize>,
    /// Whether the task that reclaims has stopped to wait: then this ends with the part that it is at.
    is_abandoned: Atomic<bool>,
    /// Held by the worker from the first range to the last. Who reclaims takes it, too, when the worker is
    /// done: by that lockdep knows that reclaim waits for whatever the worker waits for.
    #[pin]
    outcome: Mutex<Outcome>,
    /// That the worker is done.
    #[pin]
    done: Completion,
    /// For the workqueue.
    #[pin]
    work: Work<Scan>,
}

impl_has_work! {
    impl HasWork<Self> for Scan { self.work }
}

impl WorkItem for Scan {
    type Pointer = Arc<Self>;

    fn run(this: Arc<Self>) {
        this.purge();
        this.done.complete_all();
    }
}

impl Scan {
    /// Has a worker purge ranges until as much as `wanted` is purged, or there is no range left.
    ///
    /// [`None`] if there is no memory for a scan. If the worker does not get on, or not in time, it ends with the
    /// part that it is at, if it has begun at all.
    pub(crate) fn run_in(
        workers: &Queue,
        nid: c_int,
        memcg: Memcg,
        wanted: Wanted,
    ) -> Option<Outcome> {
        let scan = Arc::pin_init(
            pin_init!(Self {
                nid,
                memcg,
                wanted,
                purged: Atomic::new(0),
                freed: Atomic::new(0),
                is_abandoned: Atomic::new(false),
                outcome <- new_mutex!(Outcome::default(), "Scan::outcome"),
                done <- Completion::new(),
                work <- new_work!("Scan::work"),
            }),
            // Whoever reclaims memory cannot wait for some.
            GFP_NOWAIT | __GFP_NOWARN,
        );
        let scan: Arc<Self> = scan.ok()?;
        workers.enqueue(scan.clone()).ok()?;
        Some(scan.wait())
    }

    /// Waits until the worker is done, for as long as it gets on, but not for ever.
    fn wait(&self) -> Outcome {
        let mut before = 0;

        for _ in 0..MAX_WAITS {
            if self.done.wait_for(PATIENCE) {
                return *self.outcome.lock();
            }
            let purged = self.purged.load(Relaxed);
            if purged == before {
                break;
            }
            before = purged;
        }
        self.is_abandoned.store(true, Relaxed);
        Outcome {
            purged: self.purged.load(Relaxed),
            freed: self.freed.load(Relaxed),
            is_abandoned: true,
        }
    }

    /// Whether it goes on, after so much.
    fn wants_more(&self, outcome: &Outcome, empty: usize) -> bool {
        outcome.purged < self.wanted.purged
            || (empty < MAX_EMPTY
                && (outcome.freed < self.wanted.freed
                    || (outcome.freed < self.wanted.excess && self.memcg.excess() != 0)))
    }

    /// Purges the ranges that were unpinned first. When that is switched off, it ends with the part that it is at.
    fn purge(&self) {
        let mut outcome = self.outcome.lock();
        let mut victims = lru::Victims::new(self.nid, &self.memcg);
        let (mut misses, mut empty) = (0, 0);

        while self.wants_more(&outcome, empty)
            && misses < MAX_MISSES
            && !self.is_abandoned.load(Relaxed)
            && param::shrinker()
        {
            let Some((region, last)) = victims.oldest() else {
                break;
            };
            match region.purge(last) {
                Some(piece) => {
                    outcome.purged += piece.pages.pages().min(PIECE);
                    outcome.freed += piece.freed;
                    empty += usize::from(piece.freed == 0);
                    self.freed.store(outcome.freed, Relaxed);
                    self.purged.store(outcome.purged, Relaxed);
                }
                None => misses += 1,
            }
        }
    }
}
