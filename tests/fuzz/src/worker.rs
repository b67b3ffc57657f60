// SPDX-License-Identifier: GPL-2.0

//! The processes that carry programs out: three threads in one, one in the other.
//!
//! They take the lines in order, each its own, and tell each other through the shared memory how
//! far they are. When all lines are done, each process lets go of what it has opened and mapped,
//! and the first actor tells the supervisor.

use std::{
    io,
    os::unix::net::UnixDatagram,
    sync::{
        atomic::{
            AtomicU64,
            Ordering::{Acquire, Relaxed, Release},
        },
        Barrier,
    },
    thread,
    time::Duration,
};

use crate::{
    arena,
    exec::{Actor, Files},
    kcov::Kcov,
    oracle,
    program::{Line, Program, ACTORS, PEER},
    shared::Shared,
    spec::Op,
    sys,
};

/// How many actors the first process has.
const OWN_ACTORS: usize = PEER;
/// How often who waits looks whether he has missed something.
const LOOK: Duration = Duration::from_millis(500);

/// Starts both processes: their numbers. Without coverage if `is_blind`.
pub fn start(shared: &Shared, is_blind: bool) -> io::Result<[i32; 2]> {
    let (ours, theirs) = UnixDatagram::pair()?;
    // What begins from now on is theirs, however late they are.
    let begun = std::array::from_fn(|actor| shared.start_word(actor).load(Relaxed));
    let own = fork(|| process(shared, is_blind, ours, 0..OWN_ACTORS, begun))?;
    let peer = fork(|| process(shared, is_blind, theirs, PEER..PEER + 1, begun))?;
    Ok([own, peer])
}

/// Starts a process that does `work`.
fn fork(work: impl FnOnce() -> io::Result<()>) -> io::Result<i32> {
    if let Some(pid) = sys::fork()? {
        return Ok(pid);
    }
    match work() {
        Ok(()) => std::process::exit(1),
        Err(err) => give_up(&err),
    }
}

/// Ends this process: the supervisor starts another one, unless it has seen too many end.
fn give_up(err: &io::Error) -> ! {
    println!("# a worker cannot work: {err}");
    std::process::exit(1);
}

/// A process with some of the actors.
fn process(
    shared: &Shared,
    is_blind: bool,
    socket: UnixDatagram,
    actors: std::ops::Range<usize>,
    begun: [u64; ACTORS.len()],
) -> io::Result<()> {
    let files = Files::new(socket)?;
    arena::clear()?;
    let all_there = Barrier::new(actors.len() + 1);
    thread::scope(|scope| {
        for number in actors {
            let (files, all_there) = (&files, &all_there);
            scope.spawn(move || {
                let seat = Seat::take(shared, files, number, is_blind);
                // All that this process needs is open.
                all_there.wait();
                all_there.wait();
                match seat {
                    Ok(mut seat) => seat.work(begun[number]),
                    Err(err) => give_up(&err),
                }
            });
        }
        all_there.wait();
        let result = files.fill_up();
        all_there.wait();
        result
    })
}

/// An actor at work.
struct Seat<'a> {
    /// What all share.
    shared: &'a Shared,
    /// What the process has open.
    files: &'a Files,
    /// The number of the actor.
    actor: usize,
    /// What carries calls out.
    hands: Actor<'a>,
    /// What the thread reaches.
    kcov: Option<Kcov>,
}

impl<'a> Seat<'a> {
    /// The seat of the calling thread.
    fn take(
        shared: &'a Shared,
        files: &'a Files,
        actor: usize,
        is_blind: bool,
    ) -> io::Result<Self> {
        Ok(Self {
            shared,
            files,
            actor,
            hands: Actor::new(files)?,
            kcov: if is_blind { None } else { Some(Kcov::begin()?) },
        })
    }

    /// Carries programs out for ever. The one with the number `begun` is none of its.
    fn work(&mut self, begun: u64) {
        let mut run = begun;
        loop {
            let start = self.shared.start_word(self.actor);
            wait_until(start, |value| value != run);
            run = start.load(Acquire);
            let program = self.shared.program();
            self.carry_out(&program);
            match self.actor {
                0 => self.end(&program, run),
                PEER => {
                    wait_until(self.shared.ended(), |value| value == run);
                    self.tidy_up();
                    tell(self.shared.peer_tidy(), run);
                }
                _ => {}
            }
        }
    }

    /// Carries its lines out.
    fn carry_out(&mut self, program: &Program) {
        self.hands.reset();
        // The lines before this one that it waits for, as bits.
        let mut needed = 0;
        for (number, line) in program.lines.iter().enumerate() {
            if line.actor == self.actor {
                self.wait_for(needed);
                self.forget();
                let outcome = self.hands.run(line);
                let has_reached = self.note();
                self.shared.outcome(line.op, outcome);
                if line.op.spec().counts {
                    self.shared.calls().fetch_add(1, Relaxed);
                    self.shared.reached().fetch_add(has_reached.into(), Relaxed);
                }
                if let (Some(device), Ok(_)) = (line.op.served_by(), outcome) {
                    self.shared.served(device).fetch_add(1, Relaxed);
                }
                self.shared.finish(number);
            }
            if !line.is_async {
                needed |= 1 << number;
            }
        }
    }

    /// Waits until lines are done.
    fn wait_for(&self, lines: u64) {
        loop {
            let tick = self.shared.tick().load(Acquire);
            if self.shared.done() & lines == lines {
                return;
            }
            sys::wait(self.shared.tick(), tick, LOOK);
        }
    }

    /// When all is done: looks at what there is, and lets go of it.
    fn end(&mut self, program: &Program, run: u64) {
        self.wait_for((1 << program.lines.len()) - 1);
        self.forget();
        // A look takes a tenth of the time: where nothing was unpinned there is little to see. Whether
        // there is one is up to the program alone, so that it complains again when it is replayed.
        let may_unpin = |line: &Line| matches!(line.op, Op::Unpin | Op::Ioctl32);
        if program.lines.iter().any(may_unpin) {
            if let Err(complaint) = oracle::look(&mut self.hands) {
                self.shared.complaint().store(complaint as u64, Relaxed);
            }
        }
        let has_peer = (program.actors() >> PEER) & 1 != 0;
        if has_peer {
            tell(self.shared.ended(), run);
        }
        self.tidy_up();
        if program.lines.iter().any(|line| line.op == Op::SetShrinker) {
            self.hands.switch_shrinker_on();
        }
        if has_peer {
            wait_until(self.shared.peer_tidy(), |value| value == run);
        }
        tell(self.shared.tidy(), run);
    }

    /// Lets go of all that the process has opened and mapped.
    fn tidy_up(&self) {
        self.forget();
        self.files.close_all();
        self.note();
        self.forget();
        // What cannot be unmapped would be in the way of the next program: then this process ends.
        if let Err(err) = arena::clear() {
            give_up(&err);
        }
        self.note();
    }

    /// Forgets what was reached.
    fn forget(&self) {
        if let Some(kcov) = &self.kcov {
            kcov.reset();
        }
    }

    /// Notes what was reached; whether it was anything.
    fn note(&self) -> bool {
        self.kcov
            .as_ref()
            .is_some_and(|kcov| kcov.note(self.shared))
    }
}

/// Waits until `is_done` of the word.
fn wait_until(word: &AtomicU64, is_done: impl Fn(u64) -> bool) {
    loop {
        let value = word.load(Acquire);
        if is_done(value) {
            return;
        }
        sys::wait(word, value, LOOK);
    }
}

/// Tells who waits for the word.
fn tell(word: &AtomicU64, value: u64) {
    word.store(value, Release);
    sys::wake(word);
}
