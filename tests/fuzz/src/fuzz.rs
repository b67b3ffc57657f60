// SPDX-License-Identifier: GPL-2.0

//! The search: programs made of known ones, and what reaches something new becomes known.

use std::{
    sync::atomic::Ordering::Relaxed,
    time::{Duration, Instant},
};

use crate::{
    cli::Options,
    corpus::{self, Entry, Seen},
    generate,
    program::Program,
    proof::Done,
    report,
    rng::Rng,
    shared::{PLACE_WORDS, SIGNAL_WORDS, STABLE_WORDS},
    spec::{Device, DEVICES},
    supervisor::{Ran, Supervisor},
};

/// How often it is told how far it is.
const TELL_EVERY: Duration = Duration::from_secs(60);
/// So many programs in which workers ended are told.
const MOST_TOLD: u64 = 10;
/// So many programs are known at most: those that were found first make room.
const MOST_KNOWN: usize = 4000;

/// A search.
pub struct Search<'a> {
    /// What it was told.
    options: &'a Options,
    /// Runs the programs.
    supervisor: Supervisor,
    /// All that was reached.
    seen: Seen,
    /// What the corpus that was there reaches.
    loaded: Seen,
    /// The programs that others are made of.
    known: Vec<Program>,
    /// Those of them whose neighbours have not been looked at.
    fresh: Vec<Program>,
    /// What was found and reaches a place or an outcome that was new.
    found: Vec<Entry>,
    /// When it began.
    begun: Instant,
}

impl<'a> Search<'a> {
    /// A search that begins with nothing.
    pub fn new(options: &'a Options, supervisor: Supervisor) -> Self {
        Self {
            options,
            supervisor,
            seen: Seen::new(SIGNAL_WORDS),
            loaded: Seen::new(SIGNAL_WORDS),
            known: Vec::new(),
            fresh: Vec::new(),
            found: Vec::new(),
            begun: Instant::now(),
        }
    }

    /// Runs the programs of the corpus. The error is what is wrong, with the program.
    pub fn replay(&mut self, corpus: &[(String, Program)]) -> Result<(), String> {
        for (name, program) in corpus {
            // They have ended before, or they would not be there.
            let signal = self.run(program)?;
            let signal = signal.ok_or_else(|| format!("a worker ended in {name}"))?;
            self.seen.add(&signal);
            self.know(program.clone());
        }
        self.loaded = self.seen.clone();
        self.supervisor.check_leaks()
    }

    /// Searches until the time or the calls are used up. The error may also be that it has not done
    /// enough for its result to mean anything.
    pub fn search(&mut self) -> Result<(), String> {
        let mut rng = Rng::new(self.options.seed);
        let mut told = Instant::now();
        let mut neighbours = Vec::new();
        while !self.is_over() {
            if neighbours.is_empty() && !self.fresh.is_empty() {
                let at = rng.below(self.fresh.len());
                neighbours = generate::neighbours(&self.fresh.swap_remove(at));
            }
            // Half of what is run is one of them, as long as there are any; the rest is up to chance.
            let program = match neighbours.pop() {
                Some(neighbour) if rng.one_in(2) => neighbour,
                left => {
                    neighbours.extend(left);
                    generate::from_known(&self.known, &mut rng)
                }
            };
            if let Some(signal) = self.run(&program)? {
                self.learn(program, signal)?;
            }
            if told.elapsed() > TELL_EVERY {
                told = Instant::now();
                println!("# {}", self.progress());
            }
        }
        self.supervisor.check_leaks()?;
        self.done().lacks().map_or(Ok(()), Err)
    }

    /// What it has done.
    fn done(&self) -> Done {
        let shared = &self.supervisor.shared;
        Done {
            calls: shared.calls().load(Relaxed),
            wanted_calls: self.options.calls,
            places: (!self.options.blind).then(|| self.seen.count(0..PLACE_WORDS)),
            served: self.served(),
            programs: self.supervisor.programs(),
            restarts: self.supervisor.restarts,
        }
    }

    /// The devices, and how many ioctls of their own have succeeded.
    fn served(&self) -> Vec<(&'static str, u64)> {
        let served = |device| self.supervisor.shared.served(device).load(Relaxed);
        let counts = [Device::Ashmem, Device::Binder].map(served);
        DEVICES.into_iter().zip(counts).collect()
    }

    /// Whether it is time to end.
    fn is_over(&self) -> bool {
        let calls = self.supervisor.shared.calls().load(Relaxed);
        self.begun.elapsed() >= self.options.time
            || self.options.calls.is_some_and(|wanted| calls >= wanted)
    }

    /// Runs a program: what it has reached, if it came to its end.
    fn run(&mut self, program: &Program) -> Result<Option<Vec<u64>>, String> {
        match self.supervisor.run(program) {
            Ok(Ran::Done(signal)) => Ok(Some(signal)),
            Ok(Ran::Not) => {
                if self.supervisor.restarts <= MOST_TOLD {
                    report::comment(&format!("a worker ended in:\n{program}"));
                }
                self.done().ended_too_often().map_or(Ok(None), Err)
            }
            Err(text) => Err(format!("{text}\nthe program was:\n{program}")),
        }
    }

    /// Keeps a program if it has reached something new.
    fn learn(&mut self, program: Program, signal: Vec<u64>) -> Result<(), String> {
        let new = self.seen.new_in(&signal);
        if corpus::count(&new) == 0 {
            return Ok(());
        }
        let stable = &new[..STABLE_WORDS];
        let (program, signal) = if corpus::count(stable) == 0 {
            (program, signal)
        } else {
            let (program, signal) = self.shorten(program, signal, stable)?;
            self.found.push(Entry {
                name: corpus::name(&program),
                program: program.clone(),
                reaches: signal[..STABLE_WORDS].to_vec(),
            });
            (program, signal)
        };
        self.seen.add(&signal);
        if self.known.len() >= MOST_KNOWN {
            self.known.remove(0);
        }
        self.know(program);
        Ok(())
    }

    /// Makes others of it from now on.
    fn know(&mut self, program: Program) {
        self.fresh.push(program.clone());
        self.known.push(program);
    }

    /// Leaves out what a program does not need to reach the places and outcomes `needed`.
    fn shorten(
        &mut self,
        mut program: Program,
        mut signal: Vec<u64>,
        needed: &[u64],
    ) -> Result<(Program, Vec<u64>), String> {
        // Most lines have nothing to do with it: first many at once.
        for size in [16, 4, 1] {
            let mut end = program.lines.len();
            while end > 0 {
                let start = end.saturating_sub(size);
                let mut shorter = program.clone();
                shorter.lines.drain(start..end);
                if let Some(reached) = self.run(&shorter)? {
                    if corpus::contains(&reached, needed) {
                        (program, signal) = (shorter, reached);
                    }
                }
                end = start;
            }
        }
        Ok((program, signal))
    }

    /// How far it is.
    fn progress(&self) -> String {
        format!(
            "{} s, {} calls, {} places, {} edges, {} programs known",
            self.begun.elapsed().as_secs(),
            self.supervisor.shared.calls().load(Relaxed),
            self.seen.count(0..PLACE_WORDS),
            self.seen.count(STABLE_WORDS..SIGNAL_WORDS),
            self.known.len()
        )
    }

    /// The figures, a line each.
    pub fn figures(&self) -> Vec<String> {
        let shared = &self.supervisor.shared;
        let calls = shared.calls().load(Relaxed);
        let seconds = self.begun.elapsed().as_secs_f64().max(0.001);
        let mut figures = vec![
            format!("executed_calls {calls}"),
            format!(
                "calls_that_reached_a_driver {}",
                shared.reached().load(Relaxed)
            ),
            format!("calls_per_second {:.0}", calls as f64 / seconds),
            format!("seconds {seconds:.0}"),
            format!("programs {}", self.supervisor.programs()),
            format!("covered_places {}", self.seen.count(0..PLACE_WORDS)),
            format!(
                "of_them_by_the_corpus {}",
                self.loaded.count(0..PLACE_WORDS)
            ),
            format!(
                "covered_edges {}",
                self.seen.count(STABLE_WORDS..SIGNAL_WORDS)
            ),
            format!("programs_known {}", self.known.len()),
            format!("programs_worth_keeping {}", self.selected().len()),
            format!("restarts {}", self.supervisor.restarts),
        ];
        let served = self.served().into_iter();
        figures.extend(served.map(|(name, count)| format!("ioctls_served_by_{name} {count}")));
        figures
    }

    /// Of what was found, what is needed beside the corpus.
    pub fn selected(&self) -> Vec<&Entry> {
        corpus::select(&self.loaded, &self.found)
    }
}
