// SPDX-License-Identifier: GPL-2.0

//! The queue of a binder thread, against a list.

use kernel::{
    alloc::live,
    prelude::{KBox, GFP_KERNEL},
};
use proptest::prelude::Rng;

use crate::{
    parcel::Parcel,
    queue::{Place, Queue, Work},
    random::rng,
};

/// How many operations a sequence has.
const LENGTH: usize = 500;

/// How many sequences there are.
const SEQUENCES: usize = 400;

/// Something in a queue.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Item {
    /// One `BR_TRANSACTION_COMPLETE`.
    Complete,
    /// What became of what was sent.
    ReturnError,
    /// Why a reply does not come.
    ReplyError,
    /// A parcel with a number.
    Parcel(usize),
}

/// A queue, and what should be in it.
struct Pair {
    /// The queue.
    queue: Queue,
    /// Each item in the order of their arrival, and how many of it came in a row: these have one place.
    items: Vec<(Item, usize)>,
}

impl Pair {
    /// Adds an item behind all others.
    fn push(&mut self, item: Item) -> Result<(), String> {
        let place = Place::new().map_err(|err| format!("{err:?}"))?;
        let work = match item {
            Item::Complete => {
                let is_spare = self.queue.push_complete(place).is_some();
                let in_a_row = match self.items.last_mut() {
                    Some((Item::Complete, count)) => {
                        *count += 1;
                        true
                    }
                    _ => {
                        self.items.push((item, 1));
                        false
                    }
                };
                return equal("a spare place", is_spare, in_a_row);
            }
            Item::ReturnError => Work::ReturnError,
            Item::ReplyError => Work::ReplyError,
            Item::Parcel(number) => Work::Parcel(parcel(number)?),
        };
        self.queue.push(work, place);
        self.items.push((item, 1));
        Ok(())
    }

    /// Removes one of the items at `at`; returns which, and whether its place goes with it.
    fn remove(&mut self, at: usize) -> (Item, bool) {
        let (item, count) = &mut self.items[at];
        *count -= 1;
        let removed = (*item, *count == 0);
        if removed.1 {
            self.items.remove(at);
        }
        removed
    }

    /// Takes back the last `BR_TRANSACTION_COMPLETE`.
    fn take_back_complete(&mut self) -> Result<(), String> {
        let is_complete = |(item, _): &(Item, usize)| *item == Item::Complete;
        let at = self.items.iter().rposition(is_complete);
        let has_place = at.is_some_and(|at| self.remove(at).1);
        let back = self.queue.take_back_complete();
        equal("the place of one taken back", back.is_some(), has_place)
    }

    /// Takes the first item.
    fn pop(&mut self) -> Result<(), String> {
        let expected = (!self.items.is_empty()).then(|| self.remove(0));
        let popped = self.queue.pop().map(|(work, place)| {
            let item = match work {
                Work::Complete(_) => Item::Complete,
                Work::ReturnError => Item::ReturnError,
                Work::ReplyError => Item::ReplyError,
                Work::Parcel(parcel) => Item::Parcel(parcel.0),
            };
            (item, place.is_some())
        });
        equal("the first, and whether with a place", popped, expected)
    }

    /// Takes the first parcel.
    fn pop_parcel(&mut self) -> Result<(), String> {
        let is_parcel = |(item, _): &(Item, usize)| matches!(item, Item::Parcel(_));
        let at = self.items.iter().position(is_parcel);
        let expected = at.map(|at| self.remove(at).0);
        let popped = self.queue.pop_parcel();
        let item = popped.map(|(parcel, _)| Item::Parcel(parcel.0));
        equal("the first parcel", item, expected)
    }

    /// Whether what can be asked is as it should be.
    fn check(&self) -> Result<(), String> {
        let begins = matches!(self.items.first(), Some((Item::Parcel(_), _)));
        equal("empty", self.queue.is_empty(), self.items.is_empty())?;
        equal("a parcel at first", self.queue.begins_with_parcel(), begins)
    }
}

/// A parcel.
fn parcel(number: usize) -> Result<KBox<Parcel>, String> {
    let parcel = KBox::new_uninit(GFP_KERNEL).map_err(|err| format!("{err:?}"))?;
    Ok(KBox::write(parcel, Parcel(number)))
}

/// Compares what is with what should be.
fn equal<T: PartialEq + std::fmt::Debug>(what: &str, is: T, should: T) -> Result<(), String> {
    if is == should {
        return Ok(());
    }
    Err(format!("{what}: {is:?}, but should be {should:?}"))
}

/// Random items, queued and taken.
pub fn random(seed: u64) -> Result<String, String> {
    let mut rng = rng(seed);
    let before = live();
    let mut taken_back = 0;

    for _ in 0..SEQUENCES {
        let mut pair = Pair {
            queue: Queue::new(),
            items: Vec::new(),
        };
        for number in 0..LENGTH {
            match rng.random_range(0..12) {
                0..=2 => pair.push(Item::Complete)?,
                3 => pair.push(Item::ReturnError)?,
                4 => pair.push(Item::ReplyError)?,
                5 | 6 => pair.push(Item::Parcel(number))?,
                7 | 8 => {
                    pair.take_back_complete()?;
                    taken_back += 1;
                }
                9 => pair.pop_parcel()?,
                _ => pair.pop()?,
            }
            pair.check()?;
        }
        drop(pair);
        equal("the boxes that are left", live(), before)?;
    }
    Ok(format!("{taken_back} times one was taken back"))
}
