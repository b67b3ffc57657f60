// SPDX-License-Identifier: GPL-2.0

//! Memory goes round: what PIN frees is what the next UNPIN takes.

use proptest::prelude::Rng;

use crate::{
    op::{all_ranges, pages, Op, Outcome},
    random::rng,
    subject::Subject,
};

/// The number of pages of the region.
const PAGES: usize = 64;

/// How many times memory goes round.
const ROUNDS: usize = 10_000;

/// Pairs of UNPIN and PIN, and merges of ranges, need no memory but that for one range.
pub fn one_is_enough(seed: u64) -> Result<String, String> {
    let mut subject = Subject::new();
    let mut rng = rng(seed);
    let ranges: Vec<_> = all_ranges(PAGES).collect();

    subject.apply(Op::Spare(true));
    for _ in 0..ROUNDS {
        let range = ranges[rng.random_range(0..ranges.len())];
        // Page by page, each time with some that is unpinned already: one range that grows.
        for last in range.first()..=range.last() {
            let grown = pages(last.saturating_sub(1).max(range.first()), last);
            done(&mut subject, Op::Unpin(grown))?;
        }
        // Its front, its back, and the rest.
        let middle = range.first() + range.pages() / 2;
        for pinned in [
            pages(range.first(), range.first()),
            pages(middle, range.last()),
            range,
        ] {
            done(&mut subject, Op::Pin(pinned))?;
        }
        if !subject.has_spare() || subject.order().live() != 1 {
            return Err(format!(
                "after all of {range:?} was pinned, the spare is gone"
            ));
        }
    }
    Ok(format!("{ROUNDS} rounds with one spare"))
}

/// Carries out an operation that must not ask for more.
fn done(subject: &mut Subject, op: Op) -> Result<(), String> {
    match subject.apply(op) {
        Outcome::Done | Outcome::Pinned(false) => Ok(()),
        other => Err(format!("{op}: {other:?}")),
    }
}
