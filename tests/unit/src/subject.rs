// SPDX-License-Identifier: GPL-2.0

//! The module's own code: the ranges of a region, with the order that they are in and the purges that
//! are under way.

use crate::{
    model::{Look, Portrait},
    op::{end_of_piece, pages, Begun, Op, Outcome},
    order::{Order, Place},
    pin::{PageRange, Punch, Retry, RunNode, Spare, UnpinnedRanges},
};

/// A region.
pub struct Subject {
    /// What is tested.
    ranges: UnpinnedRanges<Place>,
    /// The order of its ranges.
    order: Order,
    /// The spare that it is given.
    spare: Option<Spare<Place>>,
    /// The purges under way.
    punches: Vec<Punch>,
    /// Spares that were left, to be given again: it saves time.
    pool: Vec<Spare<Place>>,
    /// How many boxes there were before.
    boxes: isize,
    /// How often the memory for a run was asked for.
    runs: usize,
}

impl Subject {
    /// A region with every page pinned.
    pub fn new() -> Self {
        Self {
            ranges: UnpinnedRanges::new(),
            order: Order::default(),
            spare: None,
            punches: Vec::new(),
            pool: Vec::new(),
            boxes: kernel::alloc::live(),
            runs: 0,
        }
    }

    /// Carries out an operation.
    pub fn apply(&mut self, op: Op) -> Outcome {
        match op {
            Op::Spare(full) => {
                self.pool.extend(self.spare.take());
                if full {
                    self.spare = self.pool.pop().or_else(|| Some(self.order.spare()));
                }
                Outcome::Done
            }
            Op::Pin(range) => match self.with_run(|ranges, spare| ranges.pin(range, spare)) {
                Ok(purged) => Outcome::Pinned(purged),
                Err(retry) => Outcome::Retry(retry),
            },
            Op::Unpin(range) => match self.with_run(|ranges, spare| ranges.unpin(range, spare)) {
                Ok(()) => Outcome::Done,
                Err(retry) => Outcome::Retry(retry),
            },
            Op::Status(range) => Outcome::AnyUnpinned(self.ranges.any_unpinned(range)),
            Op::Punch { last, most } => {
                self.begin(most, |ranges, piece| ranges.begin_punch(last, piece))
            }
            Op::PunchFrom { from, most } => {
                self.begin(most, |ranges, piece| ranges.begin_punch_from(from, piece))
            }
            Op::EndPunch(number) => {
                self.ranges.end_punch(self.punches.remove(number));
                Outcome::Done
            }
        }
    }

    /// Carries out an operation, with the memory for a run if it asks for that; once is enough.
    fn with_run<R>(
        &mut self,
        work: impl Fn(&mut UnpinnedRanges<Place>, &mut Option<Spare<Place>>) -> Result<R, Retry>,
    ) -> Result<R, Retry> {
        let result = work(&mut self.ranges, &mut self.spare);
        if !matches!(result, Err(Retry::NeedsRun)) {
            return result;
        }
        self.runs += 1;
        let node = RunNode::new(kernel::prelude::GFP_KERNEL).expect("memory");
        self.ranges.give_run(node);
        work(&mut self.ranges, &mut self.spare)
    }

    /// Begins a purge.
    fn begin(
        &mut self,
        most: usize,
        begin: impl FnOnce(
            &mut UnpinnedRanges<Place>,
            &mut dyn FnMut(PageRange) -> usize,
        ) -> Option<Punch>,
    ) -> Outcome {
        let mut told = None;
        let punch = begin(&mut self.ranges, &mut |rest| {
            told = Some(rest);
            end_of_piece(rest, most)
        });

        Outcome::Begun(punch.map(|punch| {
            let begun = Begun {
                rest: told.expect("a purge has begun without asking for its end"),
                pages: punch.pages(),
                is_first: punch.is_first(),
            };
            self.punches.push(punch);
            begun
        }))
    }

    /// The ranges.
    pub fn ranges(&self) -> &UnpinnedRanges<Place> {
        &self.ranges
    }

    /// The order of the ranges.
    pub fn order(&self) -> &Order {
        &self.order
    }

    /// How often the memory for a run was asked for.
    pub fn runs(&self) -> usize {
        self.runs
    }

    /// Whether there is a spare.
    pub fn has_spare(&self) -> bool {
        self.spare.is_some()
    }

    /// How it looks; it is as new then. `expected` is how it should look.
    ///
    /// There is no other look at a range than by what becomes of it. So all purges are ended, and each
    /// page is pinned, the first one first: a page is then the front of its range, or all that is left
    /// of it, which leaves a spare.
    pub fn portrait(&mut self, expected: &Portrait) -> Result<Portrait, String> {
        let mut portrait = Portrait {
            pages: vec![Look::default(); expected.pages.len()],
            order: self.order.lasts(),
        };
        let mut ended = 0;

        // Who needs a spare and has none does not get as far as the purge.
        self.apply(Op::Spare(true));
        while let Some(punch) = self.punches.pop() {
            for (number, look) in portrait.pages.iter_mut().enumerate() {
                if expected.pages[number].blocked > ended {
                    let page = pages(number, number);
                    let result = self.with_run(|ranges, spare| ranges.pin(page, spare));
                    look.blocked += usize::from(result == Err(Retry::Punching));
                }
            }
            self.ranges.end_punch(punch);
            ended += 1;
        }
        self.apply(Op::Spare(false));
        for (number, look) in portrait.pages.iter_mut().enumerate() {
            let before = (self.ranges.pages(), self.ranges.purgeable());
            let result = self.ranges.pin(pages(number, number), &mut self.spare);

            look.purged = result == Ok(true);
            look.ends = self.spare.is_some();
            self.pool.extend(self.spare.take());
            look.unpinned = self.ranges.pages() != before.0;
            look.left = self.ranges.purgeable() != before.1;
            if result.is_err() {
                return Err(format!("page {number}, the front of its range: {result:?}"));
            }
        }
        self.check_empty()?;
        Ok(portrait)
    }

    /// Nothing is left when each page has been pinned.
    fn check_empty(&self) -> Result<(), String> {
        let ranges = &self.ranges;
        let left = (ranges.pages(), ranges.purgeable(), ranges.is_punching());
        if left != (0, 0, false) {
            return Err(format!(
                "each page is pinned, but (pages, purgeable, is_punching) is {left:?}"
            ));
        }
        if self.order.oldest().is_some() {
            return Err(format!(
                "each page is pinned, but the order is {:?}",
                self.order.lasts()
            ));
        }
        let spares = self.pool.len();
        let left = (self.order.live(), kernel::alloc::live() - self.boxes);
        // Beside them there may be the memory for a run.
        if left.0 != spares || !(0..=1).contains(&(left.1 - spares as isize)) {
            return Err(format!(
                "{spares} spares, but (places, nodes) that are left: {left:?}"
            ));
        }
        Ok(())
    }
}
