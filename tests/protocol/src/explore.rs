// SPDX-License-Identifier: GPL-2.0

//! Runs a few threads in every order that makes a difference.

use std::sync::{
    atomic::{AtomicUsize, Ordering::Relaxed},
    Arc,
};

use loom::{
    model::Builder,
    thread::{spawn, JoinHandle},
};

/// What a run may take: one that takes more goes round in circles.
const MAX_STEPS: usize = 2_000;

/// Runs `scenario` in every order; returns how many there were. The first one in which it panics, or in
/// which nobody can go on, ends this with a panic.
///
/// `preemptions` is how often a thread that could go on may be stopped, if that is limited.
pub fn explore(preemptions: Option<usize>, scenario: fn()) -> usize {
    let runs = Arc::new(AtomicUsize::new(0));
    let counter = runs.clone();

    let mut builder = Builder::new();
    builder.max_branches = MAX_STEPS;
    builder.max_permutations = None;
    builder.max_duration = None;
    builder.preemption_bound = preemptions;
    builder.check(move || {
        counter.fetch_add(1, Relaxed);
        scenario();
    });
    runs.load(Relaxed)
}

/// A thread of a scenario.
pub struct Thread<T>(JoinHandle<T>);

/// Starts a thread.
pub fn start<T: 'static>(work: impl FnOnce() -> T + 'static) -> Thread<T> {
    Thread(spawn(work))
}

impl<T> Thread<T> {
    /// Waits until it has ended; returns what it did.
    pub fn end(self) -> T {
        self.0.join().expect("a panic ends everything")
    }
}
