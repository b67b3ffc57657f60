// SPDX-License-Identifier: GPL-2.0

//! The operations on the ranges of a region, and what comes of them.

use std::fmt;

use crate::pin::{PageRange, Retry};

/// An operation.
#[derive(Clone, Copy, Debug)]
pub enum Op {
    /// From now on there is a spare, or none.
    Spare(bool),
    /// Pins the pages of a range.
    Pin(PageRange),
    /// Unpins the pages of a range.
    Unpin(PageRange),
    /// Asks whether any page of a range is unpinned.
    Status(PageRange),
    /// Begins to purge the range that ends with a page.
    Punch {
        /// The page.
        last: usize,
        /// How many pages to purge at most.
        most: usize,
    },
    /// Begins to purge what is unpinned from a page on.
    PunchFrom {
        /// The page.
        from: usize,
        /// How many pages to purge at most.
        most: usize,
    },
    /// Ends one of the purges under way, by its number among those.
    EndPunch(usize),
}

/// What came of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is done.
    Done,
    /// The pages are pinned; whether a purge of any had begun.
    Pinned(bool),
    /// Whether any page is unpinned.
    AnyUnpinned(bool),
    /// A purge has begun, or there is nothing to purge.
    Begun(Option<Begun>),
    /// Nothing has changed.
    Retry(Retry),
}

/// A purge that has begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Begun {
    /// What was left to purge.
    pub rest: PageRange,
    /// What is being purged of it.
    pub pages: PageRange,
    /// Whether nothing of the range had been purged before.
    pub is_first: bool,
}

/// Where a purge of `most` pages of `rest` ends, as the module's own code answers to that question: the
/// answer for 0 pages is one that is not in `rest`, and for many, too.
pub fn end_of_piece(rest: PageRange, most: usize) -> usize {
    match most {
        0 => 0,
        _ => rest.first().saturating_add(most - 1),
    }
}

/// The range of pages from `first` to `last`, which is not empty.
pub fn pages(first: usize, last: usize) -> PageRange {
    PageRange::new(first, last).unwrap_or_else(|| panic!("{first}..={last} is empty"))
}

/// Every range of a region of `count` pages.
pub fn all_ranges(count: usize) -> impl Iterator<Item = PageRange> {
    (0..count).flat_map(move |first| (first..count).map(move |last| pages(first, last)))
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut with_range = |name: &str, range: &PageRange| {
            write!(f, "{name} {}..={}", range.first(), range.last())
        };
        match self {
            Self::Spare(true) => write!(f, "spare"),
            Self::Spare(false) => write!(f, "no spare"),
            Self::Pin(range) => with_range("pin", range),
            Self::Unpin(range) => with_range("unpin", range),
            Self::Status(range) => with_range("status", range),
            Self::Punch { last, most } => write!(f, "begin_punch(..={last}, {most} pages)"),
            Self::PunchFrom { from, most } => write!(f, "begin_punch_from({from}.., {most} pages)"),
            Self::EndPunch(number) => write!(f, "end_punch(number {number})"),
        }
    }
}
