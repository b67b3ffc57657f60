// SPDX-License-Identifier: GPL-2.0

//! A region for the threads of a scenario, and what each of them can tell by what it sees.

use kernel::sync::{atomic::Relaxed, Arc as KernelArc};
use loom::sync::Arc;

use crate::{
    ashmem_area::shmem::Backing,
    helpers::memcg::Memcg,
    pin::{
        lru,
        region::{Pins, RegionPins, PURGED_PAGES},
        PageRange,
    },
};

/// What the pages hold at first.
pub const OLD: u32 = 1;
/// What is written to them once they are pinned.
pub const NEW: u32 = 2;

/// The pages from one to another, both included.
pub fn pages(first: usize, last: usize) -> PageRange {
    PageRange::new(first, last).expect("it is not empty")
}

/// A reference to a region. When the last one goes, the region is closed.
#[derive(Clone)]
pub struct Region(Arc<Inner>);

/// The region.
struct Inner {
    /// Which pages are unpinned: the module's.
    pins: RegionPins,
    /// The pages.
    backing: Backing,
    /// Who pays.
    payer: Memcg,
    /// How many pages had been purged before.
    purged_before: u64,
}

impl Region {
    /// A region with so many pages, all of them written and pinned, of which so many are purged at a
    /// time.
    pub fn new(pages: usize, piece: usize) -> Self {
        Self::with_payer(pages, piece, Memcg::rich())
    }

    /// The same, with somebody else to pay.
    pub fn with_payer(pages: usize, piece: usize, payer: Memcg) -> Self {
        let backing = Backing::of_pages(pages, piece);
        let pins = RegionPins::new(backing.share()).expect("there is memory");

        (0..pages).for_each(|page| backing.write(page, OLD));
        Self(Arc::new(Inner {
            pins,
            backing,
            payer,
            purged_before: PURGED_PAGES.load(Relaxed),
        }))
    }

    /// The same, with all of its pages unpinned.
    pub fn unpinned(pages: usize, piece: usize) -> Self {
        let region = Self::new(pages, piece);
        region.unpin(0, pages - 1);
        region
    }

    /// Unpins pages.
    pub fn unpin(&self, first: usize, last: usize) {
        let result = self.0.pins.unpin(pages(first, last), &self.0.payer);
        assert_eq!(result, Ok(()), "UNPIN");
    }

    /// Pins pages; returns whether they may have lost what they held.
    ///
    /// They must hold what they did, unless that is told.
    pub fn pin(&self, first: usize, last: usize) -> bool {
        let range = pages(first, last);
        let told = self.pin_blindly(first, last);
        let lost = self.lost(first, last);

        assert!(told || lost == 0, "{lost} pages are lost, PIN says nothing");
        assert!(
            !self.0.pins.any_unpinned(range),
            "what was pinned is unpinned"
        );
        told
    }

    /// Pins pages that somebody else may unpin again at once: then nobody may look at them.
    pub fn pin_blindly(&self, first: usize, last: usize) -> bool {
        let result = self.0.pins.pin(pages(first, last), &self.0.payer);
        result.expect("PIN finds memory")
    }

    /// As [`pin`](Self::pin), of what was unpinned as one range: it tells of nothing that was not lost.
    pub fn pin_whole(&self, first: usize, last: usize) -> bool {
        let told = self.pin(first, last);
        let lost = self.lost(first, last);
        assert_eq!(told, lost > 0, "what PIN tells, whether anything is lost");

        // Whoever looks at the statistics has to find what PIN has told.
        let counted = PURGED_PAGES.load(Relaxed) - self.0.purged_before;
        assert!(
            counted >= lost as u64,
            "{lost} pages lost, {counted} counted"
        );
        told
    }

    /// Pins pages, and writes to them.
    pub fn take(&self, first: usize, last: usize) -> bool {
        let told = self.pin(first, last);
        self.write(first, last);
        told
    }

    /// Writes to pages.
    pub fn write(&self, first: usize, last: usize) {
        (first..=last).for_each(|page| self.0.backing.write(page, NEW));
    }

    /// What was [written](Self::write) is still there.
    pub fn check_written(&self, first: usize, last: usize) {
        (first..=last).for_each(|page| check_page(&self.0.backing, page));
    }

    /// How many pages hold nothing any more.
    pub fn lost(&self, first: usize, last: usize) -> usize {
        (first..=last)
            .filter(|&page| self.0.backing.read(page).is_none())
            .count()
    }

    /// What is unpinned, for somebody who may use it longer than the region is there.
    pub fn share(&self) -> KernelArc<Pins> {
        self.0.pins.share()
    }

    /// The file, which mappings keep.
    pub fn mapping(&self) -> Backing {
        self.0.backing.share()
    }

    /// When all is done: nobody waits, and the numbers agree. Then the last reference goes.
    pub fn finish(self) {
        let pins = &self.0.pins;
        assert!(!pins.is_waited_for(), "somebody still waits");
        assert_eq!(lru::counted(), pins.purgeable() as i64, "purgeable pages");
        assert!(pins.purgeable() <= pins.pages(), "purgeable but pinned");
        drop(self);
        check_empty();
    }
}

/// A page of a mapping holds what was written to it.
pub fn check_page(mapping: &Backing, page: usize) {
    assert_eq!(mapping.read(page), Some(NEW), "page {page}");
}

/// Nothing is left of any region.
pub fn check_empty() {
    assert_eq!(lru::counted(), 0, "purgeable pages without a region");
    assert_eq!(lru::entries(), (0, 0), "entries, and those in the list");
    assert_eq!(kernel::alloc::live(), 0, "nodes of trees");
}
