// SPDX-License-Identifier: GPL-2.0

//! Very many ranges. What takes time that grows with the square of their number does not end.

use proptest::prelude::Rng;

use crate::{
    op::{pages, Op, Outcome},
    random::rng,
    subject::Subject,
};

/// How many ranges there are: every other page is one.
const RANGES: usize = 100_000;

/// The page of the range with this number.
fn page(number: usize) -> usize {
    2 * number
}

/// The operation must come out like this.
fn expect(subject: &mut Subject, op: Op, expected: Outcome) -> Result<(), String> {
    let actual = subject.apply(op);
    if actual != expected {
        return Err(format!("{op}: {actual:?}, but should be {expected:?}"));
    }
    Ok(())
}

/// As many unpinned ranges as there can be.
fn build(numbers: impl IntoIterator<Item = usize>) -> Result<Subject, String> {
    let mut subject = Subject::new();

    for number in numbers {
        expect(&mut subject, Op::Spare(true), Outcome::Done)?;
        expect(
            &mut subject,
            Op::Unpin(pages(page(number), page(number))),
            Outcome::Done,
        )?;
    }
    let counts = (subject.ranges().pages(), subject.ranges().purgeable());
    if counts != (RANGES, RANGES) {
        return Err(format!("pages and purgeable are {counts:?}"));
    }
    Ok(subject)
}

/// The numbers in an order that has none.
fn shuffled(seed: u64) -> Vec<usize> {
    let mut numbers: Vec<_> = (0..RANGES).collect();
    let mut rng = rng(seed);

    for at in (1..RANGES).rev() {
        numbers.swap(at, rng.random_range(0..=at));
    }
    numbers
}

/// All of it is unpinned, and each time somebody unpins all of it.
pub fn unpinned_over_and_over(seed: u64) -> Result<String, String> {
    let all = pages(0, RANGES - 1);
    let mut subject = Subject::new();
    let unpin_all = |subject: &mut Subject| {
        let before = subject.order().oldest();
        expect(subject, Op::Unpin(all), Outcome::Done)?;
        let after = subject.order().oldest();
        if (subject.ranges().pages(), after) != (RANGES, before) {
            return Err("it has changed something".to_string());
        }
        Ok(())
    };

    let unpin_each = |subject: &mut Subject| {
        for number in 0..RANGES {
            expect(subject, Op::Spare(true), Outcome::Done)?;
            expect(subject, Op::Unpin(pages(number, number)), Outcome::Done)?;
        }
        Ok::<_, String>(())
    };

    unpin_each(&mut subject)?;
    for number in shuffled(seed) {
        unpin_all(&mut subject)?;
        // Two of them go, and come back one by one: ranges of their own, as they are adjacent to others only.
        let (first, last) = (number, (number + 1).min(RANGES - 1));
        expect(
            &mut subject,
            Op::Pin(pages(first, last)),
            Outcome::Pinned(false),
        )?;
        for page in first..=last {
            expect(&mut subject, Op::Spare(true), Outcome::Done)?;
            expect(&mut subject, Op::Unpin(pages(page, page)), Outcome::Done)?;
        }
    }
    unpin_all(&mut subject)?;
    if subject.order().lasts().len() != RANGES {
        return Err("ranges have been merged".into());
    }
    for _ in 0..2 {
        expect(&mut subject, Op::Pin(all), Outcome::Pinned(false))?;
        unpin_each(&mut subject)?;
        unpin_all(&mut subject)?;
    }
    // One for the run, and one for when it is split.
    if subject.runs() != 2 {
        return Err(format!("memory for {} runs was needed", subject.runs()));
    }
    Ok(format!("{RANGES} adjacent ranges, unpinned anew as often"))
}

/// The number of pages of a region with few of them, and how many rounds it has.
const FEW: usize = 24;
const ROUNDS: usize = 20_000;

/// Page by page and as a whole, at random: pages are unpinned when they should be, whatever is known of them.
pub fn side_by_side(seed: u64) -> Result<String, String> {
    let mut subject = Subject::new();
    let mut rng = rng(seed);
    let mut unpinned = [false; FEW];

    for round in 0..ROUNDS {
        let first = rng.random_range(0..FEW);
        let last = rng.random_range(first..FEW);
        subject.apply(Op::Spare(true));
        match rng.random_range(0..4) {
            0 => {
                subject.apply(Op::Pin(pages(first, last)));
                unpinned[first..=last].fill(false);
            }
            1 => {
                subject.apply(Op::Unpin(pages(first, last)));
                unpinned[first..=last].fill(true);
            }
            _ => {
                for page in first..=last {
                    subject.apply(Op::Spare(true));
                    subject.apply(Op::Unpin(pages(page, page)));
                }
                subject.apply(Op::Unpin(pages(first, last)));
                unpinned[first..=last].fill(true);
            }
        }
        for (page, &expected) in unpinned.iter().enumerate() {
            if subject.ranges().any_unpinned(pages(page, page)) != expected {
                return Err(format!("round {round}: page {page} should be {expected}"));
            }
        }
    }
    Ok(format!("{ROUNDS} rounds with {FEW} pages"))
}

/// Ascending, descending and random.
pub fn one_by_one(seed: u64) -> Result<String, String> {
    let ascending = (0..RANGES).collect::<Vec<_>>();
    let descending = (0..RANGES).rev().collect::<Vec<_>>();

    for numbers in [ascending, descending, shuffled(seed)] {
        let mut subject = build(numbers.iter().copied())?;
        if !subject
            .order()
            .lasts()
            .into_iter()
            .eq(numbers.iter().map(|&number| page(number)))
        {
            return Err("the order is not the one in which they were unpinned".into());
        }
        for &number in &numbers {
            let (unpinned, pinned) = (page(number), page(number) + 1);
            expect(
                &mut subject,
                Op::Status(pages(unpinned, unpinned)),
                Outcome::AnyUnpinned(true),
            )?;
            expect(
                &mut subject,
                Op::Status(pages(pinned, pinned)),
                Outcome::AnyUnpinned(false),
            )?;
            expect(
                &mut subject,
                Op::Pin(pages(pinned, pinned)),
                Outcome::Pinned(false),
            )?;
            expect(
                &mut subject,
                Op::Pin(pages(unpinned, unpinned)),
                Outcome::Pinned(false),
            )?;
        }
        if subject.ranges().pages() != 0 {
            return Err("each page was pinned, but some are not".into());
        }
    }
    Ok(format!("{RANGES} ranges, one by one, in three orders"))
}

/// All at once: purged in turn, merged, pinned; and none of it: dropped.
pub fn at_once(seed: u64) -> Result<String, String> {
    let all = pages(0, page(RANGES));
    let numbers = shuffled(seed);
    let before = kernel::alloc::live();

    drop(build(numbers.iter().copied())?);
    if kernel::alloc::live() != before {
        return Err("memory is left of ranges that were dropped".into());
    }

    let mut subject = build(numbers.iter().copied())?;
    let mut purged = 0;
    while let Some(last) = subject.order().oldest() {
        if last != page(numbers[purged]) {
            return Err(format!("page {last} is purged out of turn"));
        }
        subject.apply(Op::Punch {
            last,
            most: usize::MAX,
        });
        subject.apply(Op::EndPunch(0));
        purged += 1;
    }
    expect(&mut subject, Op::Unpin(all), Outcome::Done)?;
    if subject.order().lasts() != [all.last()] || subject.ranges().purgeable() != all.pages() {
        return Err("what was merged is not one range".into());
    }
    expect(&mut subject, Op::Pin(all), Outcome::Pinned(true))?;

    let mut subject = build(numbers)?;
    expect(&mut subject, Op::Pin(all), Outcome::Pinned(false))?;
    if subject.ranges().pages() != 0 || subject.order().oldest().is_some() {
        return Err("each page was pinned, but some are not".into());
    }
    Ok(format!(
        "{purged} ranges purged in turn, then merged; as many pinned at once"
    ))
}
