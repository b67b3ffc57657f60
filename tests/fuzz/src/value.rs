// SPDX-License-Identifier: GPL-2.0

//! The arguments of calls: each is a number, and its kind says what numbers are interesting and how
//! they are written.

use crate::{names::Names, rng::Rng};

/// How many places for file descriptors programs name.
pub const FDS: u64 = 8;

/// The size of the pages that sizes and offsets are made of. Where pages are larger, what is in
/// between is unaligned.
const PAGE: u64 = 4096;

/// What an argument is.
#[derive(Clone, Copy)]
pub enum Kind {
    /// A file descriptor: the number of one that the program has opened.
    Fd,
    /// A size or an offset in bytes, of any width.
    Bytes,
    /// A place in the arena, in pages.
    Cell,
    /// A number below this one.
    Below(u64),
    /// The same, but mostly 0: what else it is spoils the call.
    Rarely(u64),
    /// One of these, by name.
    One(Names),
    /// The same, but mostly the first: what else it is spoils the call.
    Mostly(Names),
    /// Any of these together, by name.
    Flags(Names),
}

/// Numbers at which arithmetic goes wrong.
const EDGES: [u64; 12] = [
    0,
    1,
    PAGE,
    1 << 20,
    (1 << 31) - PAGE,
    1 << 31,
    (1 << 32) - PAGE,
    1 << 32,
    (1 << 63) - PAGE,
    1 << 63,
    u64::MAX - PAGE + 1,
    u64::MAX,
];

impl Kind {
    /// A number of this kind; mostly one that makes sense.
    pub fn random(self, rng: &mut Rng) -> u64 {
        match self {
            // The first ones are there most often.
            Self::Fd => match rng.below(4) {
                0 => rng.below(FDS as usize) as u64,
                1 => rng.below(4) as u64,
                _ => rng.below(2) as u64,
            },
            Self::Bytes => match rng.below(8) {
                0 => rng
                    .choose(&EDGES)
                    .wrapping_add(rng.below(3) as u64)
                    .wrapping_sub(1),
                1 => rng.below(2 * PAGE as usize) as u64,
                2 => PAGE << rng.below(20),
                _ => PAGE * rng.below(9) as u64,
            },
            Self::Cell => match rng.below(4) {
                0 => rng.below(64) as u64,
                _ => rng.below(8) as u64,
            },
            Self::Below(limit) => match rng.below(2) {
                0 => rng.below(limit as usize) as u64,
                _ => rng.below(limit.min(4) as usize) as u64,
            },
            Self::Rarely(limit) => match rng.below(4) {
                0 => rng.below(limit as usize) as u64,
                _ => 0,
            },
            Self::Mostly(names) => match rng.below(8) {
                0 => rng.choose(names.all()).1,
                _ => names.all()[0].1,
            },
            Self::One(names) => match rng.below(64) {
                0 => rng.any() >> rng.below(64),
                _ => rng.choose(names.all()).1,
            },
            Self::Flags(names) => {
                let mut flags = 0;
                for _ in 0..rng.below(3) + 1 {
                    flags |= rng.choose(names.all()).1;
                }
                if rng.one_in(64) {
                    flags |= 1 << rng.below(64);
                }
                flags
            }
        }
    }

    /// A number that has something to do with `value`, or another one.
    pub fn mutate(self, value: u64, rng: &mut Rng) -> u64 {
        match (self, rng.below(4)) {
            (Self::Bytes, 0) => value.wrapping_add(PAGE),
            (Self::Bytes, 1) => value.wrapping_sub(PAGE),
            (Self::Bytes, 2) => value ^ (1 << rng.below(64)),
            (Self::Flags(names), 0 | 1) => value ^ rng.choose(names.all()).1,
            (Self::Cell | Self::Below(_), 0) => self.clamp(value.wrapping_add(1)),
            (Self::Cell | Self::Below(_), 1) => self.clamp(value.wrapping_sub(1)),
            _ => self.random(rng),
        }
    }

    /// The numbers that stand for all those near `value`: what is a little more, a little less, one page, nothing.
    pub fn near(self, value: u64) -> impl Iterator<Item = u64> {
        let all = [value.wrapping_add(PAGE), value.wrapping_sub(PAGE), PAGE, 0];
        let has_any = matches!(self, Self::Bytes);
        (0..all.len())
            .filter(move |&at| has_any && all[at] != value && !all[..at].contains(&all[at]))
            .map(move |at| all[at])
    }

    /// The number, or one that the kind can have. What is hostile is allowed; what would leave the
    /// places that a program has for itself is not.
    pub fn clamp(self, value: u64) -> u64 {
        match self {
            Self::Fd => value % FDS,
            Self::Cell => value % 64,
            Self::Below(limit) | Self::Rarely(limit) => value % limit,
            _ => value,
        }
    }

    /// The number as text, without white space.
    pub fn show(self, value: u64) -> String {
        match self {
            Self::One(names) | Self::Mostly(names) => names.show_one(value),
            Self::Flags(names) => names.show_flags(value),
            _ => show_number(value),
        }
    }

    /// The number that a text is.
    pub fn parse(self, text: &str) -> Option<u64> {
        let value = match self {
            Self::One(names) | Self::Mostly(names) => names.parse_one(text),
            Self::Flags(names) => names.parse_flags(text),
            _ => parse_number(text),
        }?;
        (self.clamp(value) == value).then_some(value)
    }
}

/// A number as text.
pub fn show_number(value: u64) -> String {
    if value < 10 {
        value.to_string()
    } else {
        format!("{value:#x}")
    }
}

/// The number that a text is, decimal or, with `0x`, hexadecimal.
pub fn parse_number(text: &str) -> Option<u64> {
    match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::{MAP, PROT, PTR, WHENCE};

    #[test]
    fn what_is_shown_reads_back() {
        let mut rng = Rng::new(1);
        let kinds = [
            Kind::Fd,
            Kind::Bytes,
            Kind::Cell,
            Kind::Below(5),
            Kind::Rarely(3),
            Kind::Mostly(PTR),
            Kind::One(WHENCE),
            Kind::Flags(PROT),
            Kind::Flags(MAP),
        ];
        for kind in kinds {
            let mut value = kind.random(&mut rng);
            for _ in 0..1000 {
                let text = kind.show(value);
                assert!(!text.contains(char::is_whitespace) && !text.is_empty());
                assert_eq!(Some(value), kind.parse(&text), "{text}");
                value = kind.mutate(value, &mut rng);
            }
        }
    }

    #[test]
    fn what_is_near_is_another_one() {
        let near = |kind: Kind, value| kind.near(value).collect::<Vec<_>>();
        assert_eq!(vec![PAGE, 0u64.wrapping_sub(PAGE)], near(Kind::Bytes, 0));
        assert_eq!(vec![2 * PAGE, 0], near(Kind::Bytes, PAGE));
        assert_eq!(vec![0x6001, 0x4001, PAGE, 0], near(Kind::Bytes, 0x5001));
        assert!(near(Kind::Fd, 1).is_empty());
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for text in ["", "x", "0x", "-1", "8", "1 "] {
            assert_eq!(None, Kind::Fd.parse(text), "{text}");
        }
    }
}
