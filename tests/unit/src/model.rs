// SPDX-License-Identifier: GPL-2.0

//! What the operations must do, page by page.
//!
//! It is written from the ABI, not from the code: there is no tree, nothing is keyed, no range has
//! bounds. A page knows which range it is in, and everything else is found by looking at each page.

use crate::{
    op::{end_of_piece, pages, Begun, Op, Outcome},
    pin::{PageRange, Retry},
};

/// The name of a range: no two have the same, also not one after the other.
type Id = usize;

/// A region.
#[derive(Clone)]
pub struct Model {
    /// The pages.
    pages: Vec<Page>,
    /// The name of the next range.
    next: Id,
    /// The ranges that have something left to purge; the one whose turn is next comes first.
    order: Vec<Id>,
    /// The ranges of the purges under way.
    punches: Vec<Id>,
    /// What is known of the spare.
    spare: Slot,
}

/// A page.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Page {
    /// The range that it is in; [`None`] if it is pinned.
    range: Option<Id>,
    /// Whether a purge of its range has begun: so it is for all pages of a range.
    purged: bool,
    /// Whether it may still be purged.
    left: bool,
}

/// Whether there is a spare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slot {
    /// There is none.
    Empty,
    /// There is one.
    Full,
    /// There may be one.
    Either,
}

/// A region as it can be seen from outside: two that look the same behave the same.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Portrait {
    /// The pages.
    pub pages: Vec<Look>,
    /// The last pages of the ranges with something left to purge, in order.
    pub order: Vec<usize>,
}

/// A page as it can be seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Look {
    /// Whether it is unpinned.
    pub unpinned: bool,
    /// Whether its range ends with it.
    pub ends: bool,
    /// Whether a purge of its range has begun.
    pub purged: bool,
    /// Whether it may still be purged.
    pub left: bool,
    /// How many purges have to end, the last one first, until it can be pinned.
    pub blocked: usize,
}

/// In which way PIN meets what is unpinned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Shape {
    /// Nothing is.
    Nothing,
    /// One range, as a whole.
    Whole,
    /// One range's front.
    Front,
    /// One range's back.
    Back,
    /// One range's middle.
    Middle,
    /// Several ranges.
    Several,
}

impl Shape {
    /// How many there are.
    pub const COUNT: usize = 6;
}

impl Model {
    /// A region of `count` pages, all pinned.
    pub fn new(count: usize) -> Self {
        Self {
            pages: vec![Page::default(); count],
            next: 0,
            order: Vec::new(),
            punches: Vec::new(),
            spare: Slot::Empty,
        }
    }

    /// Carries out an operation.
    pub fn apply(&mut self, op: Op) -> Outcome {
        match op {
            Op::Spare(full) => {
                self.spare = if full { Slot::Full } else { Slot::Empty };
                Outcome::Done
            }
            Op::Pin(range) => self.pin(range),
            Op::Unpin(range) => self.unpin(range),
            Op::Status(range) => self.status(range),
            Op::Punch { last, most } => Outcome::Begun(self.punch(last, most)),
            Op::PunchFrom { from, most } => Outcome::Begun(self.punch_from(from, most)),
            Op::EndPunch(number) => {
                self.punches.remove(number);
                Outcome::Done
            }
        }
    }

    /// Asks whether any page of `range` is unpinned.
    pub fn status(&self, range: PageRange) -> Outcome {
        let mut pages = self.pages[range.first()..=range.last()].iter();
        Outcome::AnyUnpinned(pages.any(|page| page.range.is_some()))
    }

    /// Whether the pages and the order are the same as in `other`, and the same purges are under way.
    pub fn is_like(&self, other: &Self) -> bool {
        (&self.pages, &self.order, &self.punches) == (&other.pages, &other.order, &other.punches)
    }

    /// How many pages are unpinned.
    pub fn unpinned(&self) -> usize {
        self.pages
            .iter()
            .filter(|page| page.range.is_some())
            .count()
    }

    /// How many pages may still be purged.
    pub fn purgeable(&self) -> usize {
        self.pages.iter().filter(|page| page.left).count()
    }

    /// Whether a page is unpinned.
    pub fn is_unpinned(&self, page: usize) -> bool {
        self.pages[page].range.is_some()
    }

    /// How many purges are under way.
    pub fn punches(&self) -> usize {
        self.punches.len()
    }

    /// The last pages of the ranges with something left to purge, in order.
    pub fn order(&self) -> Vec<usize> {
        self.order
            .iter()
            .map(|&range| self.last_of(range))
            .collect()
    }

    /// What is known of the spare.
    pub fn spare(&self) -> Slot {
        self.spare
    }

    /// In which way PIN of `range` meets what is unpinned.
    pub fn shape(&self, range: PageRange) -> Shape {
        match self.overlapped(range)[..] {
            [] => Shape::Nothing,
            [only] => {
                let before = self.pages[..range.first()].iter();
                let behind = self.pages[range.last() + 1..].iter();
                let is_of_it = |page: &Page| page.range == Some(only);

                match (before.rev().any(is_of_it), behind.clone().any(is_of_it)) {
                    (false, false) => Shape::Whole,
                    (false, true) => Shape::Front,
                    (true, false) => Shape::Back,
                    (true, true) => Shape::Middle,
                }
            }
            _ => Shape::Several,
        }
    }

    /// How it looks from outside.
    pub fn portrait(&self) -> Portrait {
        let look = |(number, page): (usize, &Page)| {
            let Some(range) = page.range else {
                return Look::default();
            };
            Look {
                unpinned: true,
                ends: self
                    .pages
                    .get(number + 1)
                    .is_none_or(|next| next.range != page.range),
                purged: page.purged,
                left: page.left,
                blocked: match self.punches.iter().position(|&punch| punch == range) {
                    Some(first) => self.punches.len() - first,
                    None => 0,
                },
            }
        };
        Portrait {
            pages: self.pages.iter().enumerate().map(look).collect(),
            order: self.order(),
        }
    }

    fn pin(&mut self, range: PageRange) -> Outcome {
        let overlapped = self.overlapped(range);
        let shape = self.shape(range);

        if shape == Shape::Middle && self.spare == Slot::Empty {
            return Outcome::Retry(Retry::NeedsSpare);
        }
        if self.is_punched(&overlapped) {
            return Outcome::Retry(Retry::Punching);
        }

        let purged = self.is_purged(&overlapped);
        self.pages[range.first()..=range.last()].fill(Page::default());
        if shape == Shape::Middle {
            // The back stays what it is, the front becomes a range of its own.
            let front = self.new_range();
            for page in &mut self.pages[..range.first()] {
                if page.range == Some(overlapped[0]) {
                    page.range = Some(front);
                }
            }
            self.order.push(front);
            self.spare = Slot::Empty;
        } else if overlapped.iter().any(|&range| !self.has_pages(range)) {
            self.spare = Slot::Full;
        }
        self.tidy_order();
        Outcome::Pinned(purged)
    }

    fn unpin(&mut self, range: PageRange) -> Outcome {
        let overlapped = self.overlapped(range);
        let wanted = &self.pages[range.first()..=range.last()];

        if wanted.iter().all(|page| page.range.is_some()) {
            return Outcome::Done;
        }
        if self.is_punched(&overlapped) {
            return Outcome::Retry(Retry::Punching);
        }
        if overlapped.is_empty() {
            if self.spare == Slot::Empty {
                return Outcome::Retry(Retry::NeedsSpare);
            }
            self.spare = Slot::Empty;
        } else if overlapped.len() > 1 && self.spare == Slot::Empty {
            // One is needed, one is kept or goes.
            self.spare = Slot::Either;
        }

        let purged = self.is_purged(&overlapped);
        let union = self.new_range();
        for (number, page) in self.pages.iter_mut().enumerate() {
            let is_wanted = (range.first()..=range.last()).contains(&number);
            if is_wanted || page.range.is_some_and(|range| overlapped.contains(&range)) {
                *page = Page {
                    range: Some(union),
                    purged,
                    left: true,
                };
            }
        }
        self.order.push(union);
        self.tidy_order();
        Outcome::Done
    }

    fn punch(&mut self, last: usize, most: usize) -> Option<Begun> {
        let range = self.pages.get(last)?.range?;
        if last != self.last_of(range) {
            return None;
        }
        let is_left = |page: &Page| page.range == Some(range) && page.left;
        let first = self.pages.iter().position(is_left)?;

        Some(self.begin(range, first, most))
    }

    fn punch_from(&mut self, from: usize, most: usize) -> Option<Begun> {
        let first = (from..self.pages.len()).find(|&page| self.pages[page].left)?;
        let range = self.pages[first].range?;

        Some(self.begin(range, first, most))
    }

    /// Begins to purge a range, from the page `first` on.
    fn begin(&mut self, range: Id, first: usize, most: usize) -> Begun {
        let rest = pages(first, self.last_of(range));
        let last = end_of_piece(rest, most).clamp(first, rest.last());
        let begun = Begun {
            rest,
            pages: pages(first, last),
            is_first: !self.is_purged(&[range]),
        };

        self.punches.push(range);
        // A range is purged from its front on. What is done out of turn is done again in its turn.
        let is_left = |page: &Page| page.range == Some(range) && page.left;
        let in_turn = !self.pages[..first].iter().any(is_left);
        for (number, page) in self.pages.iter_mut().enumerate() {
            page.purged |= page.range == Some(range);
            page.left &= !(in_turn && (first..=last).contains(&number));
        }
        self.tidy_order();
        begun
    }

    /// The ranges that overlap `range`.
    fn overlapped(&self, range: PageRange) -> Vec<Id> {
        let mut overlapped: Vec<_> = self.pages[range.first()..=range.last()]
            .iter()
            .filter_map(|page| page.range)
            .collect();
        overlapped.dedup();
        overlapped
    }

    /// Whether a purge of any of `ranges` is under way.
    fn is_punched(&self, ranges: &[Id]) -> bool {
        self.punches.iter().any(|punch| ranges.contains(punch))
    }

    /// Whether a purge of any of `ranges` has begun.
    fn is_purged(&self, ranges: &[Id]) -> bool {
        let mut pages = self.pages.iter();
        pages.any(|page| page.purged && page.range.is_some_and(|range| ranges.contains(&range)))
    }

    /// The name of a range that was not there before.
    fn new_range(&mut self) -> Id {
        self.next += 1;
        self.next
    }

    /// Whether any page is in a range.
    fn has_pages(&self, range: Id) -> bool {
        self.pages.iter().any(|page| page.range == Some(range))
    }

    /// The last page of a range.
    fn last_of(&self, range: Id) -> usize {
        let last = self
            .pages
            .iter()
            .rposition(|page| page.range == Some(range));
        last.expect("only ranges with pages are asked for")
    }

    /// Takes those out of the order that have nothing left to purge.
    fn tidy_order(&mut self) {
        let pages = &self.pages;
        self.order.retain(|&range| {
            pages
                .iter()
                .any(|page| page.range == Some(range) && page.left)
        });
    }
}
