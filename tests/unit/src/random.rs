// SPDX-License-Identifier: GPL-2.0

//! Long random sequences of operations in a region that is not that small.

use std::fmt::Write;

use proptest::{
    collection::vec,
    prelude::*,
    test_runner::{Config, RngAlgorithm, TestError, TestRng, TestRunner},
};

use crate::{
    model::{Model, Slot},
    op::{pages, Op},
    pin::PageRange,
    subject::Subject,
    tap::catch,
};

/// The number of pages of the region.
const PAGES: usize = 300;

/// The most operations of a sequence.
const LONGEST: usize = 300;

/// The number of sequences.
const SEQUENCES: u32 = 300;

/// What may come in a sequence: an operation, or one that depends on what is there when its turn comes.
#[derive(Clone, Copy, Debug)]
enum Random {
    /// This one.
    Op(Op),
    /// Begins to purge a range by its number in the order.
    PunchInOrder(usize, usize),
    /// Ends one of the purges under way, if there is one.
    EndPunch(usize),
    /// Ends all of them, the latest one first.
    EndAll,
}

/// Compares random sequences with the model.
pub fn run(seed: u64) -> Result<String, String> {
    let config = Config {
        cases: SEQUENCES,
        failure_persistence: None,
        ..Config::default()
    };
    let mut runner = TestRunner::new_with_rng(config, rng(seed));
    let result = runner.run(&vec(random(), 1..LONGEST), |sequence| {
        catch(|| compare(&sequence)).map_err(TestCaseError::fail)
    });

    match result {
        Ok(()) => Ok(format!(
            "{SEQUENCES} sequences of up to {LONGEST} operations, {PAGES} pages"
        )),
        // All that was left out changes nothing: what is left shows it again.
        Err(TestError::Fail(_, sequence)) => Err(explain(&sequence)),
        Err(TestError::Abort(reason)) => Err(format!("proptest gave up: {reason}")),
    }
}

/// The random numbers of a seed.
pub fn rng(seed: u64) -> TestRng {
    let bytes = [seed.to_le_bytes(), (!seed).to_le_bytes()].concat();
    TestRng::from_seed(RngAlgorithm::XorShift, &bytes)
}

/// Random operations. The numbers in front are weights.
fn random() -> impl Strategy<Value = Random> {
    let most = || prop_oneof![Just(0), Just(1), 2..20usize, Just(usize::MAX)];
    let page = || 0..=PAGES;

    prop_oneof![
        6 => range().prop_map(|range| Random::Op(Op::Unpin(range))),
        4 => range().prop_map(|range| Random::Op(Op::Pin(range))),
        4 => any::<bool>().prop_map(|full| Random::Op(Op::Spare(full))),
        1 => range().prop_map(|range| Random::Op(Op::Status(range))),
        2 => (0..4usize, most()).prop_map(|(number, most)| Random::PunchInOrder(number, most)),
        1 => (page(), most()).prop_map(|(last, most)| Random::Op(Op::Punch { last, most })),
        1 => (page(), most()).prop_map(|(from, most)| Random::Op(Op::PunchFrom { from, most })),
        3 => (0..8usize).prop_map(Random::EndPunch),
        1 => Just(Random::EndAll),
    ]
}

/// Random ranges, most of them short.
fn range() -> impl Strategy<Value = PageRange> {
    let count = prop_oneof![4 => Just(1), 8 => 2..12usize, 2 => 12..80usize, 1 => Just(PAGES)];
    (0..PAGES, count).prop_map(|(first, count)| pages(first, (first + count).min(PAGES) - 1))
}

/// The region, and how it should be.
struct Pair {
    /// The region.
    subject: Subject,
    /// How it should be.
    model: Model,
    /// What was done.
    done: Vec<Op>,
}

/// Compares a sequence with the model.
fn compare(sequence: &[Random]) -> Result<(), String> {
    Pair::new().run(sequence)
}

/// What is wrong with a sequence, and what was done up to there.
fn explain(sequence: &[Random]) -> String {
    let mut pair = Pair::new();
    let mut text = match catch(|| pair.run(sequence)) {
        Ok(()) => String::from("It did not show again: it does not only depend on the sequence."),
        Err(wrong) => wrong,
    };
    for op in &pair.done {
        let _ = write!(text, "\n  {op}");
    }
    text
}

impl Pair {
    fn new() -> Self {
        Self {
            subject: Subject::new(),
            model: Model::new(PAGES),
            done: Vec::new(),
        }
    }

    /// Carries out a sequence, with all comparisons.
    fn run(&mut self, sequence: &[Random]) -> Result<(), String> {
        for &random in sequence {
            match random {
                Random::Op(op) => self.step(op)?,
                Random::PunchInOrder(number, most) => {
                    if let Some(&last) = self.model.order().get(number) {
                        self.step(Op::Punch { last, most })?;
                    }
                }
                Random::EndPunch(number) => {
                    if let Some(number) = number.checked_rem(self.model.punches()) {
                        self.step(Op::EndPunch(number))?;
                    }
                }
                Random::EndAll => {
                    for number in (0..self.model.punches()).rev() {
                        self.step(Op::EndPunch(number))?;
                    }
                }
            }
        }

        let expected = self.model.portrait();
        let actual = self.subject.portrait(&expected)?;
        if actual != expected {
            return Err(format!(
                "in the end there is:\n{actual:?}\nbut should be:\n{expected:?}"
            ));
        }
        Ok(())
    }

    /// Carries out an operation, and compares all that can be seen without a change.
    fn step(&mut self, op: Op) -> Result<(), String> {
        self.done.push(op);
        let (expected, actual) = (self.model.apply(op), self.subject.apply(op));
        let (model, subject) = (&mut self.model, &self.subject);
        let ranges = subject.ranges();

        let spare = if subject.has_spare() {
            Slot::Full
        } else {
            Slot::Empty
        };
        if model.spare() == Slot::Either {
            model.apply(Op::Spare(subject.has_spare()));
        }
        let numbers = (ranges.pages(), ranges.purgeable(), ranges.is_punching());
        let expected_numbers = (model.unpinned(), model.purgeable(), model.punches() != 0);

        same("the outcome", &actual, &expected)?;
        same("the spare", &spare, &model.spare())?;
        same("pages, purgeable, is_punching", &numbers, &expected_numbers)?;
        same("the order", &subject.order().lasts(), &model.order())?;
        for page in 0..PAGES {
            let is_unpinned = ranges.any_unpinned(pages(page, page));
            if is_unpinned != model.is_unpinned(page) {
                return Err(format!("page {page}: unpinned is {is_unpinned}"));
            }
            // What the range at or behind the page ends with.
            let end = ranges.end_from(page);
            let next = (page..PAGES).find(|&page| model.is_unpinned(page));
            let is_right = match (next, end) {
                (None, None) => true,
                (Some(next), Some(end)) => {
                    next <= end && (next..=end).all(|page| model.is_unpinned(page))
                }
                _ => false,
            };
            if !is_right {
                return Err(format!("behind page {page}: a range ends with {end:?}"));
            }
        }
        Ok(())
    }
}

/// The error says that two things differ.
fn same<T: PartialEq + std::fmt::Debug>(
    what: &str,
    actual: &T,
    expected: &T,
) -> Result<(), String> {
    if actual != expected {
        return Err(format!("{what}: {actual:?}, but should be {expected:?}"));
    }
    Ok(())
}
