// SPDX-License-Identifier: GPL-2.0

//! Which pages of a region are unpinned, and what has become of them.
//!
//! Pure, as the one file that it uses ([`runs`]) is: no locks, no allocation, nothing unsafe. What an operation
//! may need is handed in beforehand (a [`Spare`]), so that none of them can fail half way.
//!
//! Every page begins pinned. An unpinned page lies in exactly one range of the tree, which is keyed by
//! a range's *last* page: the ranges are disjoint, so the first one whose key is not below the start
//! of some other range is also the first one that can overlap it.

// What puts this to use is not pure: a build on the host, for the unit tests, leaves it out.
#[cfg(MODULE)]
pub(crate) mod lru;
#[cfg(MODULE)]
pub(crate) mod region;
#[cfg(MODULE)]
pub(crate) mod scan;
#[cfg(MODULE)]
pub(crate) mod shrinker;

// The unit tests find it there, too.
#[path = "pin/runs.rs"]
mod runs;

use kernel::{
    prelude::*,
    rbtree::{
        RBTree,
        RBTreeNodeReservation, //
    },
};

pub(crate) use runs::RunNode;
use runs::Runs;

/// How many ranges may be looked at for an UNPIN that changes nothing before it is worth while to know their run.
const FEW: usize = if cfg!(MODULE) { 16 } else { 1 };

/// A range of pages that is not empty, by page numbers.
///
/// # Invariants
///
/// `first <= last`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PageRange {
    /// The number of the first page.
    first: usize,
    /// The number of the last page.
    last: usize,
}

impl PageRange {
    /// The range from the page `first` to the page `last`, both included; [`None`] if it is empty.
    pub(crate) fn new(first: usize, last: usize) -> Option<Self> {
        // INVARIANT: Just checked.
        (first <= last).then_some(Self { first, last })
    }

    /// The range that a `struct ashmem_pin` means in a region of `size` bytes.
    ///
    /// `offset` and `len` are in bytes; a `len` of 0 means "to the end". [`None`] for what the ABI
    /// calls `EINVAL`: either is not a multiple of the page size (of `1 << page_shift` bytes), their
    /// sum does not fit in 32 bits, or the range is not wholly within the region's pages.
    pub(crate) fn from_user(offset: u32, len: u32, size: usize, page_shift: u32) -> Option<Self> {
        let page = 1usize.checked_shl(page_shift)?;
        let pages = size.checked_add(page - 1)? >> page_shift;
        if (offset as usize | len as usize) & (page - 1) != 0 {
            return None;
        }

        let first = offset as usize >> page_shift;
        let end = match len {
            0 => pages,
            _ => offset.checked_add(len)? as usize >> page_shift,
        };
        if end > pages {
            return None;
        }
        Self::new(first, end.checked_sub(1)?)
    }

    /// The number of the first page.
    pub(crate) fn first(self) -> usize {
        self.first
    }

    /// The number of the last page.
    pub(crate) fn last(self) -> usize {
        self.last
    }

    /// How many pages it has.
    pub(crate) fn pages(self) -> usize {
        self.last - self.first + 1
    }
}

/// The place of a range in the order in which ranges were unpinned.
///
/// What is put there may be purged, the first put there first. Operations of the tree call these
/// under the lock that protects it, so they neither allocate nor sleep.
pub(crate) trait Lru {
    /// Puts the range that ends with the page `last` at the end of the order.
    fn add(&mut self, last: usize);

    /// Takes the range out of the order; nothing if it is not there.
    fn remove(&mut self);

    /// The range ends with the page `last` from now on; its place stays.
    fn set_last(&mut self, last: usize);
}

/// An unpinned range; its last page is its key in the tree.
pub(crate) struct Unpinned<L> {
    /// The number of the first page.
    first: usize,
    /// The number of the first page that may still be purged; past the last one if there is none.
    next: usize,
    /// Its place in the order; [`None`] only while it moves to another node.
    lru: Option<L>,
    /// How many purges of a part of it are under way.
    punching: u32,
    /// Whether a purge of it has begun: then PIN says `ASHMEM_WAS_PURGED`.
    purged: bool,
}

/// The memory for one more range.
pub(crate) struct Spare<L> {
    /// For the tree.
    node: RBTreeNodeReservation<usize, Unpinned<L>>,
    /// For the order.
    lru: L,
}

impl<L> Spare<L> {
    /// Combines the two.
    pub(crate) fn new(node: RBTreeNodeReservation<usize, Unpinned<L>>, lru: L) -> Self {
        Self { node, lru }
    }
}

/// A purge under way of a part of a range: a token to hand back when its pages are gone.
pub(crate) struct Punch {
    /// The pages.
    pages: PageRange,
    /// The last page of the range that they are of.
    range: usize,
    /// Whether no part of the range had been purged before.
    is_first: bool,
}

impl Punch {
    /// The pages to purge.
    pub(crate) fn pages(&self) -> PageRange {
        self.pages
    }

    /// Whether it is the first purge of the range.
    pub(crate) fn is_first(&self) -> bool {
        self.is_first
    }
}

/// Why an operation has changed nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Retry {
    /// It needs a [`Spare`].
    NeedsSpare,
    /// It needs a [`RunNode`], which is to be [given](UnpinnedRanges::give_run).
    NeedsRun,
    /// Pages that it is about are being purged: it has to wait for that.
    Punching,
}

/// How much of a range is unpinned.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Amount {
    /// Nothing.
    None,
    /// Some pages.
    Part,
    /// Each page.
    All,
}

/// The unpinned ranges of a region.
///
/// # Invariants
///
/// - The ranges are disjoint, and each is keyed by its last page.
/// - `first <= next <= last + 1` for each. It is in the order if and only if `next <= last`.
/// - `pages` is the sum of their lengths, `purgeable` of their parts from `next` on, `punching` of
///   the purges under way.
/// - `runs` are of whole ranges, one behind the other.
pub(crate) struct UnpinnedRanges<L> {
    /// The ranges.
    tree: RBTree<usize, Unpinned<L>>,
    /// How many pages are unpinned.
    pages: usize,
    /// How many of them may still be purged.
    purgeable: usize,
    /// How many purges are under way.
    punching: usize,
    /// Which pages are known to be unpinned, so that this need not be asked of each of their ranges.
    runs: Runs,
}

impl<L: Lru> UnpinnedRanges<L> {
    /// No range: every page is pinned.
    pub(crate) fn new() -> Self {
        Self {
            tree: RBTree::new(),
            pages: 0,
            purgeable: 0,
            punching: 0,
            runs: Runs::new(),
        }
    }

    /// Gives it the memory for a run: what [`Retry::NeedsRun`] asks for.
    pub(crate) fn give_run(&mut self, node: RunNode) {
        self.runs.give(node);
    }

    /// How many pages are unpinned.
    pub(crate) fn pages(&self) -> usize {
        self.pages
    }

    /// How many pages are unpinned and have not been purged.
    pub(crate) fn purgeable(&self) -> usize {
        self.purgeable
    }

    /// Whether any purge is under way.
    pub(crate) fn is_punching(&self) -> bool {
        self.punching != 0
    }

    /// Whether any page of `range` is unpinned.
    pub(crate) fn any_unpinned(&self, range: PageRange) -> bool {
        self.tree
            .cursor_lower_bound(&range.first)
            .is_some_and(|cursor| cursor.current().1.first <= range.last)
    }

    /// The last page of the first range that ends with the page `at` or behind it.
    pub(crate) fn end_from(&self, at: usize) -> Option<usize> {
        self.tree
            .cursor_lower_bound(&at)
            .map(|cursor| *cursor.current().0)
    }

    /// Pins `range`: removes what of it is unpinned.
    ///
    /// Returns whether a purge had begun of any range that it overlaps. It takes a [`Spare`] where a
    /// range loses its middle; else it leaves one, if it removes a range and there is room for it.
    pub(crate) fn pin(
        &mut self,
        range: PageRange,
        spare: &mut Option<Spare<L>>,
    ) -> Result<bool, Retry> {
        let Some(cursor) = self.tree.cursor_lower_bound(&range.first) else {
            return Ok(false);
        };
        let (&last, first_overlap) = cursor.current();
        if first_overlap.first > range.last {
            return Ok(false);
        }
        let keeps_front = first_overlap.first < range.first;
        let keeps_back = last > range.last;
        // Before the purge is waited for: to get a spare afterwards would let the next piece of the
        // range begin, and then that had to be waited for.
        if keeps_front && keeps_back && spare.is_none() {
            return Err(Retry::NeedsSpare);
        }
        if !self.runs.has_spare() && self.runs.is_split_by(range) {
            return Err(Retry::NeedsRun);
        }
        if self.is_punched(range) {
            return Err(Retry::Punching);
        }

        // INVARIANT: None of these pages is in a range from here on.
        self.runs.forget(range);
        let purged = match (keeps_front, keeps_back) {
            (true, true) => self.split(last, range, spare.take().ok_or(Retry::NeedsSpare)?),
            (true, false) => self.cut_back(last, range.first - 1),
            _ => false,
        };
        Ok(self.remove_from(range, spare) | purged)
    }

    /// Unpins `range`: adds it at the end of the order, as one range with all that it overlaps.
    ///
    /// Where each page is unpinned already, nothing changes. It takes a [`Spare`] if it overlaps
    /// nothing; else it may leave one, as [`pin`](Self::pin) does.
    pub(crate) fn unpin(
        &mut self,
        range: PageRange,
        spare: &mut Option<Spare<L>>,
    ) -> Result<(), Retry> {
        let overlaps = match self.unpinned_of(range)? {
            Amount::All => return Ok(()),
            amount => amount == Amount::Part,
        };
        if self.is_punched(range) {
            return Err(Retry::Punching);
        }
        if !overlaps && spare.is_none() {
            return Err(Retry::NeedsSpare);
        }

        let (mut union, mut own, mut purged) = (range, None, false);
        if overlaps {
            union = self.with_overlaps(range);
            purged = self.remove_from(union, &mut own);
        }
        let spare = own.or_else(|| spare.take()).ok_or(Retry::NeedsSpare)?;
        self.insert(union, union.first, purged, spare);
        // INVARIANT: It is a whole range.
        self.runs.extend(union);
        Ok(())
    }

    /// How much of `range` is unpinned.
    ///
    /// It looks at each of its ranges, but keeps in mind what it has seen: in the long run that is as much as there
    /// were ranges made. Of more than a few ranges [`Retry::NeedsRun`] is all that it says without memory for that.
    fn unpinned_of(&mut self, range: PageRange) -> Result<Amount, Retry> {
        let mut start = range.first;
        // Up to this page, not included, each page from the first on is unpinned.
        let mut end = range.first;
        let mut overlaps = false;
        let mut looked_at = 0usize;

        let mut cursor = self.tree.cursor_lower_bound_mut(&range.first);
        while let Some(at) = cursor {
            let (&last, overlap) = at.current();
            overlaps |= overlap.first <= range.last;
            if overlap.first > end {
                break;
            }
            start = start.min(overlap.first);
            looked_at += 1;
            if looked_at > FEW && !self.runs.has_spare() {
                return Err(Retry::NeedsRun);
            }

            let run_last = self.runs.end_of(last).unwrap_or(last);
            end = run_last + 1;
            if end > range.last {
                break;
            }
            cursor = if run_last > last {
                self.tree.cursor_lower_bound_mut(&end)
            } else {
                at.move_next()
            };
        }

        if end <= range.last {
            return Ok(if overlaps { Amount::Part } else { Amount::None });
        }
        if looked_at > FEW {
            // INVARIANT: Whole ranges, one after the other.
            self.runs.remember(PageRange {
                first: start,
                last: end - 1,
            });
        }
        Ok(Amount::All)
    }

    /// `range` together with the ranges that it overlaps.
    fn with_overlaps(&self, range: PageRange) -> PageRange {
        let range_at = |page: usize| {
            let cursor = self.tree.cursor_lower_bound(&page)?;
            let (&last, overlap) = cursor.current();

            (overlap.first <= page).then_some((overlap.first, last))
        };

        // INVARIANT: It only grows.
        PageRange {
            first: range_at(range.first).map_or(range.first, |(first, _)| first),
            last: range_at(range.last).map_or(range.last, |(_, last)| last),
        }
    }

    /// Begins to purge the range that ends with the page `last`, where it was left off.
    ///
    /// `piece` is told what is left to purge, and answers with the last page of the part that shall go
    /// now. [`None`] if there is no such range or nothing left of it. Until it
    /// [ends](Self::end_punch), the range is neither pinned nor merged.
    pub(crate) fn begin_punch(
        &mut self,
        last: usize,
        piece: impl FnOnce(PageRange) -> usize,
    ) -> Option<Punch> {
        let range = self.tree.get_mut(&last)?;
        let (punch, purgeable) = range.begin_punch(last, 0, piece)?;

        self.punching += 1;
        self.purgeable -= purgeable;
        Some(punch)
    }

    /// Begins to purge what is unpinned from the page `from` on, the first part of it.
    ///
    /// As [`begin_punch`](Self::begin_punch), but by place: what is before `from` is left alone.
    pub(crate) fn begin_punch_from(
        &mut self,
        from: usize,
        piece: impl FnOnce(PageRange) -> usize,
    ) -> Option<Punch> {
        let mut cursor = self.tree.cursor_lower_bound_mut(&from)?;

        loop {
            let (&last, range) = cursor.current_mut();
            if range.next <= last {
                let (punch, purgeable) = range.begin_punch(last, from, piece)?;
                self.punching += 1;
                self.purgeable -= purgeable;
                return Some(punch);
            }
            cursor = cursor.move_next()?;
        }
    }

    /// Ends a purge.
    pub(crate) fn end_punch(&mut self, punch: Punch) {
        // It is there: neither PIN nor UNPIN touches it before this.
        if let Some(range) = self.tree.get_mut(&punch.range) {
            range.punching -= 1;
            self.punching -= 1;
        }
    }

    /// Whether a purge is under way in any range that overlaps `range`.
    fn is_punched(&mut self, range: PageRange) -> bool {
        if self.punching == 0 {
            return false;
        }

        let mut cursor = self.tree.cursor_lower_bound_mut(&range.first);
        while let Some(at) = cursor {
            let overlap = at.current().1;
            if overlap.first > range.last {
                break;
            }
            if overlap.punching > 0 {
                return true;
            }
            cursor = at.move_next();
        }
        false
    }

    /// Takes `range` out of the middle of the range that ends with the page `last`.
    ///
    /// The back keeps the place in the order, the front comes to its end. Returns whether it had been
    /// purged.
    fn split(&mut self, last: usize, range: PageRange, spare: Spare<L>) -> bool {
        let Some(back) = self.tree.get_mut(&last) else {
            return false;
        };
        let (first, next, purged) = (back.first, back.next, back.purged);
        let old = back.purgeable(last);

        back.cut_front(range.last + 1);
        self.purgeable -= old - back.purgeable(last);
        self.pages -= range.last + 1 - first;

        // INVARIANT: `range` begins behind `first`.
        let front = PageRange {
            first,
            last: range.first - 1,
        };
        self.insert(front, next.min(range.first), purged, spare);
        purged
    }

    /// Lets the range that ends with the page `last` end with `new_last`, which is in it.
    ///
    /// It keeps its place in the order, unless nothing is left of it to purge. Returns whether it had
    /// been purged.
    fn cut_back(&mut self, last: usize, new_last: usize) -> bool {
        let Some(range) = self.tree.get_mut(&last) else {
            return false;
        };
        let mut cut = Unpinned {
            first: range.first,
            next: range.next.min(new_last + 1),
            lru: range.lru.take(),
            ..*range
        };
        self.purgeable -= range.purgeable(last) - cut.purgeable(new_last);
        self.pages -= last - new_last;

        if cut.next > new_last {
            cut.leave_order();
        }
        if let Some(lru) = &mut cut.lru {
            lru.set_last(new_last);
        }

        let purged = cut.purged;
        if let Some(node) = self.tree.remove_node(&last) {
            self.tree
                .insert(node.into_reservation().into_node(new_last, cut));
        }
        purged
    }

    /// Removes `range` from the ranges that begin in it: as a whole, or their front.
    ///
    /// Returns whether any of them had been purged. The memory of the first one that goes becomes the
    /// spare, if there was none.
    fn remove_from(&mut self, range: PageRange, spare: &mut Option<Spare<L>>) -> bool {
        let mut purged = false;
        let mut cursor = self.tree.cursor_lower_bound_mut(&range.first);

        while let Some(mut at) = cursor {
            let (&last, overlap) = at.current_mut();
            // Behind the last range there is no next one: then the cursor goes back to the previous.
            if overlap.first > range.last || last < range.first {
                break;
            }
            purged |= overlap.purged;

            let old = overlap.purgeable(last);
            if last > range.last {
                self.pages -= range.last + 1 - overlap.first;
                overlap.cut_front(range.last + 1);
                self.purgeable -= old - overlap.purgeable(last);
                break;
            }

            self.pages -= last + 1 - overlap.first;
            self.purgeable -= old;
            overlap.leave_order();
            let lru = overlap.lru.take();
            let (next, node) = at.remove_current();
            if let (None, Some(lru)) = (&spare, lru) {
                *spare = Some(Spare::new(node.into_reservation(), lru));
            }
            cursor = next;
        }
        purged
    }

    /// Adds a range that overlaps no other, at the end of the order if it has pages left to purge:
    /// those from `next` on.
    fn insert(&mut self, range: PageRange, next: usize, purged: bool, spare: Spare<L>) {
        let Spare { node, mut lru } = spare;
        if next <= range.last {
            lru.add(range.last);
        }

        let unpinned = Unpinned {
            first: range.first,
            next,
            lru: Some(lru),
            punching: 0,
            purged,
        };
        self.pages += range.pages();
        self.purgeable += unpinned.purgeable(range.last);
        self.tree.insert(node.into_node(range.last, unpinned));
    }
}

impl<L: Lru> Unpinned<L> {
    /// How many pages of a range that ends with the page `last` may still be purged.
    fn purgeable(&self, last: usize) -> usize {
        last + 1 - self.next
    }

    /// Begins to purge a part of a range that ends with the page `last`, but nothing before `from`.
    ///
    /// Returns the purge, and how many pages are purgeable no more; [`None`] if nothing is left.
    fn begin_punch(
        &mut self,
        last: usize,
        from: usize,
        piece: impl FnOnce(PageRange) -> usize,
    ) -> Option<(Punch, usize)> {
        let rest = PageRange::new(self.next.max(from), last)?;
        // INVARIANT: Not empty, whatever `piece` answers.
        let pages = PageRange {
            first: rest.first,
            last: piece(rest).clamp(rest.first, rest.last),
        };
        let punch = Punch {
            pages,
            range: last,
            is_first: !self.purged,
        };

        self.purged = true;
        self.punching += 1;
        // What is skipped stays purgeable, and so does then what is behind it.
        if rest.first > self.next {
            return Some((punch, 0));
        }
        self.next = pages.last + 1;
        if self.next > last {
            self.leave_order();
        }
        Some((punch, pages.pages()))
    }

    /// Lets a range begin with `first`, which is in it.
    ///
    /// It stays in the order, or out of it: what is left to purge is at its end.
    fn cut_front(&mut self, first: usize) {
        self.first = first;
        self.next = self.next.max(first);
    }

    /// Takes the range out of the order.
    fn leave_order(&mut self) {
        if let Some(lru) = &mut self.lru {
            lru.remove();
        }
    }
}
