// SPDX-License-Identifier: GPL-2.0

//! The memory that the supervisor and the workers share: the program, how far it is, what it
//! reached.

use std::{
    io,
    sync::atomic::{
        AtomicU64,
        Ordering::{Acquire, Relaxed, Release},
    },
};

use crate::{
    program::{Line, Program, ACTORS, LINE_WORDS, MAX_LINES},
    rng::mix,
    spec::{Device, Op, DEVICES},
    sys::{self, Area, Outcome},
};

/// How many places of code there is space for.
const PLACES: usize = 1 << 15;
/// How many bits edges are spread over.
const EDGES: usize = 1 << 17;
/// How many outcomes there are: calls and errnos.
const OUTCOMES: usize = Op::ALL.len() * 256;

/// Where in the memory things are, in words.
mod at {
    use super::*;

    /// The number of the run, for each actor: it begins when this changes.
    pub const START: usize = 0;
    /// The lines of the program that are done, as bits; and how many lines were done, ever.
    pub const DONE: usize = START + ACTORS.len();
    pub const TICK: usize = DONE + 1;
    /// The number of the run whose lines are all done, and of the one after which all is tidy.
    pub const ENDED: usize = TICK + 1;
    pub const PEER_TIDY: usize = ENDED + 1;
    pub const TIDY: usize = PEER_TIDY + 1;
    /// Figures.
    pub const CALLS: usize = TIDY + 1;
    pub const REACHED: usize = CALLS + 1;
    pub const SERVED: usize = REACHED + 1;
    /// What the oracle has to say: 0 for nothing.
    pub const COMPLAINT: usize = SERVED + DEVICES.len();
    /// The program: how many lines, and they.
    pub const COUNT: usize = COMPLAINT + 1;
    pub const LINES: usize = COUNT + 1;
    /// The places of code, in the order in which hashing put them.
    pub const PLACES: usize = LINES + MAX_LINES * LINE_WORDS;
    /// What this run has reached, as bits.
    pub const SIGNAL: usize = PLACES + super::PLACES;
}

/// How many words the places of a signal take: the first ones.
pub const PLACE_WORDS: usize = PLACES / 64;
/// How many words the places and the outcomes take, behind which there are edges.
pub const STABLE_WORDS: usize = PLACE_WORDS + OUTCOMES.div_ceil(64);
/// How many words a signal takes.
pub const SIGNAL_WORDS: usize = STABLE_WORDS + EDGES / 64;

/// The shared memory.
pub struct Shared(Area);

impl Shared {
    /// Maps it.
    pub fn new() -> io::Result<Self> {
        Area::shared((at::SIGNAL + SIGNAL_WORDS) * 8).map(Self)
    }

    /// Puts a program there and lets the actors begin with the run number `run`.
    pub fn start(&self, program: &Program, run: u64) {
        for (number, line) in program.lines.iter().enumerate() {
            for (n, word) in line.encode().into_iter().enumerate() {
                self.0
                    .word(at::LINES + number * LINE_WORDS + n)
                    .store(word, Relaxed);
            }
        }
        self.0
            .word(at::COUNT)
            .store(program.lines.len() as u64, Relaxed);
        self.0.word(at::DONE).store(0, Relaxed);
        for word in 0..SIGNAL_WORDS {
            self.0.word(at::SIGNAL + word).store(0, Relaxed);
        }
        // The first one is always needed: it tidies up.
        let actors = program.actors() | 1;
        for actor in (0..ACTORS.len()).filter(|actor| (actors >> actor) & 1 != 0) {
            self.start_word(actor).store(run, Release);
            sys::wake(self.start_word(actor));
        }
    }

    /// The word that an actor waits for.
    pub fn start_word(&self, actor: usize) -> &AtomicU64 {
        self.0.word(at::START + actor)
    }

    /// The program.
    pub fn program(&self) -> Program {
        let count = self.0.word(at::COUNT).load(Relaxed) as usize;
        let line = |number: usize| {
            let first = at::LINES + number * LINE_WORDS;
            Line::decode(std::array::from_fn(|n| {
                self.0.word(first + n).load(Relaxed)
            }))
        };
        Program {
            lines: (0..count.min(MAX_LINES)).map_while(line).collect(),
        }
    }

    /// The lines that are done, as bits.
    pub fn done(&self) -> u64 {
        self.0.word(at::DONE).load(Acquire)
    }

    /// Changes whenever a line is done.
    pub fn tick(&self) -> &AtomicU64 {
        self.0.word(at::TICK)
    }

    /// A line is done.
    pub fn finish(&self, line: usize) {
        self.0.word(at::DONE).fetch_or(1 << line, Release);
        self.tick().fetch_add(1, Release);
        sys::wake(self.tick());
    }

    /// The number of the run whose lines are all done: the peer may tidy up.
    pub fn ended(&self) -> &AtomicU64 {
        self.0.word(at::ENDED)
    }

    /// The number of the run after which the peer has tidied up.
    pub fn peer_tidy(&self) -> &AtomicU64 {
        self.0.word(at::PEER_TIDY)
    }

    /// The number of the run after which all is tidy.
    pub fn tidy(&self) -> &AtomicU64 {
        self.0.word(at::TIDY)
    }

    /// How many calls were aimed at the devices.
    pub fn calls(&self) -> &AtomicU64 {
        self.0.word(at::CALLS)
    }

    /// How many of them ran code of the drivers.
    pub fn reached(&self) -> &AtomicU64 {
        self.0.word(at::REACHED)
    }

    /// How many ioctls of a device's own have succeeded.
    pub fn served(&self, device: Device) -> &AtomicU64 {
        self.0.word(at::SERVED + device as usize)
    }

    /// What the oracle has to say: 0 for nothing.
    pub fn complaint(&self) -> &AtomicU64 {
        self.0.word(at::COMPLAINT)
    }

    /// What this run has reached.
    pub fn signal(&self) -> Vec<u64> {
        (0..SIGNAL_WORDS)
            .map(|word| self.0.word(at::SIGNAL + word).load(Relaxed))
            .collect()
    }

    /// The run has reached the place `place` of the code, from `from`.
    pub fn reach(&self, place: u64, from: u64) {
        let mut slot = mix(place) as usize % PLACES;
        loop {
            let word = self.0.word(at::PLACES + slot);
            let there = match word.load(Relaxed) {
                0 => word
                    .compare_exchange(0, place, Relaxed, Relaxed)
                    .map_or_else(|other| other, |_| place),
                other => other,
            };
            if there == place {
                break;
            }
            slot = (slot + 1) % PLACES;
        }
        self.set(slot);
        let edge = mix(place ^ from.rotate_left(17)) as usize % EDGES;
        self.set(STABLE_WORDS * 64 + edge);
    }

    /// A call has had an outcome: an errno, or a number, of which only small ones are told apart.
    pub fn outcome(&self, op: Op, outcome: Outcome) {
        let number = match outcome {
            Ok(value) => value.min(3) as usize,
            Err(errno) => 4 + (errno as usize).min(251),
        };
        self.set(PLACE_WORDS * 64 + op as usize * 256 + number);
    }

    /// Sets a bit of the signal.
    fn set(&self, bit: usize) {
        let (word, bit) = (self.0.word(at::SIGNAL + bit / 64), 1 << (bit % 64));
        if word.load(Relaxed) & bit == 0 {
            word.fetch_or(bit, Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{generate, rng::Rng};

    #[test]
    fn a_program_arrives() {
        let shared = Shared::new().unwrap();
        let program = generate::program(&mut Rng::new(1));
        shared.start(&program, 1);
        assert_eq!(program, shared.program());
        assert_eq!(1, shared.start_word(0).load(Relaxed));
    }

    #[test]
    fn what_is_reached_is_in_the_signal() {
        let shared = Shared::new().unwrap();
        let count = |words: &[u64]| words.iter().map(|word| word.count_ones()).sum::<u32>();
        for place in 0..100 {
            shared.reach(0xffff_ffff_c000_0000 + place % 50, 0);
        }
        shared.outcome(Op::Close, Err(9));
        let signal = shared.signal();
        assert_eq!(50, count(&signal[..PLACE_WORDS]));
        assert_eq!(51, count(&signal[..STABLE_WORDS]));
        assert!(count(&signal) > 95);
    }
}
