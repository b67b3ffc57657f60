// SPDX-License-Identifier: GPL-2.0

//! The space in a binder buffer, against a list of what is taken.

use proptest::prelude::Rng;

use crate::{
    random::rng,
    space::{Space, Spare},
};

/// The size of the buffer in bytes.
const SIZE: usize = 4096;

/// The unit that sizes are in, in bytes.
const WORD: usize = 8;

/// How many operations a sequence has.
const LENGTH: usize = 2_000;

/// How many sequences there are.
const SEQUENCES: usize = 100;

/// A part that is taken.
#[derive(Clone, Copy, Debug)]
struct Taken {
    /// Where it is.
    at: usize,
    /// Its size.
    size: usize,
    /// Whether it counts as a one-way one.
    is_one_way: bool,
}

/// The space, and what should be taken of it.
struct Pair {
    /// The space; its users know the number that they were handed.
    space: Space<usize>,
    /// The parts that are taken, by place.
    taken: Vec<Taken>,
}

impl Pair {
    /// All free.
    fn new() -> Result<Self, String> {
        let mut space = Space::new();
        space.open(SIZE, spare()?);
        Ok(Self {
            space,
            taken: Vec::new(),
        })
    }

    /// The gaps: size and place.
    fn gaps(&self) -> Vec<(usize, usize)> {
        let mut gaps = Vec::new();
        let mut end = 0;
        for taken in &self.taken {
            if taken.at > end {
                gaps.push((taken.at - end, end));
            }
            end = taken.at + taken.size;
        }
        if SIZE > end {
            gaps.push((SIZE - end, end));
        }
        gaps
    }

    /// Takes a part: the smallest gap that is large enough, the first of these.
    fn take(&mut self, size: usize, is_one_way: bool) -> Result<bool, String> {
        let one_way: usize = self
            .taken
            .iter()
            .filter(|taken| taken.is_one_way)
            .map(|taken| taken.size)
            .sum();
        let has_half = !is_one_way || one_way + size <= SIZE / 2;
        let gap = self.gaps().into_iter().filter(|gap| gap.0 >= size).min();
        let expected = gap.filter(|_| has_half).map(|gap| gap.1);
        let actual = self.space.take(size, is_one_way, spare()?).ok();
        if actual != expected {
            return Err(format!(
                "{size} bytes at {actual:?}, but should be at {expected:?}: {:?}",
                self.taken
            ));
        }
        if let Some(at) = actual {
            self.taken.push(Taken {
                at,
                size,
                is_one_way,
            });
            self.taken.sort_by_key(|taken| taken.at);
        }
        Ok(actual.is_some())
    }

    /// Frees the part with a number, by way of its user or not.
    fn free(&mut self, number: usize, by_user: bool) -> Result<(), String> {
        let taken = self.taken.remove(number);
        // Nobody else's, and not before it was handed over.
        for at in [taken.at, taken.at + WORD, SIZE, usize::MAX] {
            if self.space.take_back(at).is_some() {
                return Err(format!("taken back at {at}: {taken:?}"));
            }
        }
        if by_user {
            self.space.hand_over(taken.at, taken.size + 1);
            let back = self.space.take_back(taken.at);
            if back != Some((taken.size, taken.size + 1)) {
                return Err(format!("{back:?} came back of {taken:?}"));
            }
            if self.space.take_back(taken.at).is_some() {
                return Err(format!("taken back twice: {taken:?}"));
            }
        }
        self.space.free(taken.at);
        // What is free is not freed again.
        self.space.free(taken.at);
        Ok(())
    }
}

/// The memory for taking a part.
fn spare() -> Result<Spare<usize>, String> {
    Spare::new().map_err(|err| format!("{err:?}"))
}

/// Random sizes, taken and freed.
pub fn random(seed: u64) -> Result<String, String> {
    let mut rng = rng(seed);
    let (mut takes, mut refused) = (0, 0);

    for _ in 0..SEQUENCES {
        let mut pair = Pair::new()?;
        let largest = rng.random_range(1..=64);
        for _ in 0..LENGTH {
            if rng.random_range(0..5) < 3 || pair.taken.is_empty() {
                let size = rng.random_range(1..=largest) * WORD;
                takes += 1;
                if !pair.take(size, rng.random_range(0..3) == 0)? {
                    refused += 1;
                }
            } else {
                let number = rng.random_range(0..pair.taken.len());
                pair.free(number, rng.random_range(0..2) == 0)?;
            }
        }
        while !pair.taken.is_empty() {
            pair.free(0, false)?;
        }
        if !pair.take(SIZE, false)? {
            return Err("not all of it is free in the end".into());
        }
    }
    Ok(format!(
        "{takes} parts, {refused} for which there was no space"
    ))
}

/// A full buffer is freed in every order of six parts: then all of it is free.
pub fn any_order(_seed: u64) -> Result<String, String> {
    let mut orders = 0;
    let mut order: Vec<usize> = (0..6).collect();
    permute(&mut order, 0, &mut |order| {
        orders += 1;
        let mut pair = Pair::new()?;
        for number in 0..6 {
            pair.take(if number < 5 { 512 } else { SIZE - 5 * 512 }, false)?;
        }
        let places: Vec<_> = pair.taken.iter().map(|taken| taken.at).collect();
        for &number in order {
            let left = pair
                .taken
                .iter()
                .position(|taken| taken.at == places[number]);
            pair.free(left.ok_or("gone")?, true)?;
        }
        pair.take(SIZE, false)?
            .then_some(())
            .ok_or(format!("not all of it is free after {order:?}"))
    })?;
    Ok(format!("{orders} orders"))
}

/// Calls `visit` with each order of `items` from `from` on.
fn permute(
    items: &mut Vec<usize>,
    from: usize,
    visit: &mut impl FnMut(&[usize]) -> Result<(), String>,
) -> Result<(), String> {
    if from == items.len() {
        return visit(items);
    }
    for at in from..items.len() {
        items.swap(from, at);
        permute(items, from + 1, visit)?;
        items.swap(from, at);
    }
    Ok(())
}
