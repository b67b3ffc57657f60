// SPDX-License-Identifier: GPL-2.0

//! What is unpinned in a region, and what a purge does to it.
//!
//! Nobody but the program purges: the test switches the shrinker off, so that what PIN says of a purge
//! does not depend on how much memory there is.

use rustix::io::Errno;

use super::region::Region;
use super::Wrong;
use crate::args::Pinning;
use crate::outcome::Answer;

/// `ASHMEM_IS_UNPINNED`, and `ASHMEM_NOT_PURGED`.
const NO: i64 = 0;
/// `ASHMEM_IS_PINNED`, and `ASHMEM_WAS_PURGED`.
const YES: i64 = 1;

/// Pages that were unpinned together.
#[derive(Clone, Copy)]
pub struct Range {
    /// The first page.
    first: u64,
    /// The last page.
    last: u64,
    /// Whether it waits to be purged; else it has been.
    waiting: bool,
    /// Whether a part of it, or of what it comes from, has been purged.
    purged: bool,
}

impl Range {
    /// Whether it has a page in common with another one.
    fn overlaps(&self, other: &Self) -> bool {
        self.common(other) != 0
    }

    /// How many pages it has in common with another one.
    fn common(&self, other: &Self) -> u64 {
        let (first, last) = (self.first.max(other.first), self.last.min(other.last));

        (last + 1).saturating_sub(first)
    }

    /// How many pages it has.
    fn pages(&self) -> u64 {
        self.last - self.first + 1
    }

    /// What is left of it without the pages of another one that it overlaps: nothing, a part, or two.
    fn without(self, other: &Self) -> impl Iterator<Item = Self> {
        let front = (self.first < other.first).then(|| Self {
            last: other.first - 1,
            ..self
        });
        let back = (other.last < self.last).then(|| Self {
            first: other.last + 1,
            ..self
        });

        front.into_iter().chain(back)
    }
}

impl Region {
    /// Pins or unpins a range, or asks about it; `offset` and `len` are in bytes, `page` is the size
    /// of a page.
    pub fn pinning(
        &mut self,
        page: u64,
        command: Pinning,
        offset: u32,
        len: u32,
        wrong: Option<Wrong>,
    ) -> Answer<i64> {
        let range = self.range(page, offset, len)?;
        let unpinned = self.unpinned.iter().any(|other| other.overlaps(&range));

        match command {
            Pinning::Pin => Ok(self.pin(&range, wrong)),
            Pinning::Unpin => {
                self.unpin(range, wrong);
                Ok(0)
            }
            _ if unpinned => Ok(NO),
            _ => Ok(YES),
        }
    }

    /// The pages that are meant.
    fn range(&self, page: u64, offset: u32, len: u32) -> Answer<Range> {
        let end = self.page_count(page) * page;
        let start = u64::from(offset);
        let stop = match len {
            0 => end,
            _ => u64::from(offset.checked_add(len).ok_or(Errno::INVAL)?),
        };
        let good = self.frozen
            && start % page == 0
            && u64::from(len) % page == 0
            && start < stop
            && stop <= end;

        good.then(|| Range {
            first: start / page,
            last: stop / page - 1,
            waiting: true,
            purged: false,
        })
        .ok_or(Errno::INVAL)
    }

    /// `ASHMEM_PIN`.
    fn pin(&mut self, range: &Range, wrong: Option<Wrong>) -> i64 {
        let mut was_purged = NO;
        let mut left = Vec::new();

        for mut other in self.unpinned.drain(..) {
            if !other.overlaps(range) {
                left.push(other);
                continue;
            }
            if other.purged {
                was_purged = YES;
            }
            other.purged &= wrong != Some(Wrong::PinForgetsThePurge);
            left.extend(other.without(range));
        }
        self.unpinned = left;
        was_purged
    }

    /// `ASHMEM_UNPIN`.
    fn unpin(&mut self, mut range: Range, wrong: Option<Wrong>) {
        // Not page by page: there may be 2^51 of them.
        let common = |other: &Range| other.common(&range);
        let unpinned: u64 = self.unpinned.iter().map(common).sum();
        if unpinned == range.pages() && wrong != Some(Wrong::UnpinAgainMatters) {
            return;
        }

        let touches = |other: &Range| {
            other.overlaps(&range)
                || wrong == Some(Wrong::NeighboursMerge)
                    && (other.last + 1 == range.first || range.last + 1 == other.first)
        };
        let (merged, mut apart): (Vec<_>, Vec<_>) = self.unpinned.drain(..).partition(touches);
        for other in merged {
            range.first = range.first.min(other.first);
            range.last = range.last.max(other.last);
            range.purged |= other.purged;
        }
        apart.push(range);
        self.unpinned = apart;
    }

    /// Purges what waits for it, and says how many pages that were.
    pub fn purge(&mut self) -> i64 {
        let mut count = 0;

        for range in self.unpinned.iter_mut().filter(|range| range.waiting) {
            range.waiting = false;
            range.purged = true;
            count += range.pages();
            self.pages
                .retain(|page, _| !(range.first..=range.last).contains(page));
        }
        count as i64
    }

    /// How many pages are unpinned.
    pub fn unpinned_pages(&self) -> u64 {
        self.unpinned.iter().map(Range::pages).sum()
    }
}
