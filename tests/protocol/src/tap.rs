// SPDX-License-Identifier: GPL-2.0

//! The kernel's flavour of the Test Anything Protocol, on standard output.

use std::{
    collections::BTreeMap,
    sync::{
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
        mpsc::channel,
    },
    thread::{available_parallelism, scope},
    time::{Duration, Instant},
};

use crate::{child, scenes::Scene};

/// What has come of a scene, and how long it took.
type Outcome = (Result<String, String>, Duration);

/// Runs all scenes, as many at a time as there are CPUs; returns whether nothing went wrong. None is begun
/// after a failure, if that is enough.
pub fn run(scenes: &[Scene], one_failure_is_enough: bool) -> bool {
    let mut all_passed = true;
    let stop = AtomicBool::new(false);
    let next = AtomicUsize::new(0);
    let workers = available_parallelism().map_or(1, usize::from);

    println!("KTAP version 1\n1..{}", scenes.len());
    scope(|scope| {
        let (sender, receiver) = channel();
        for _ in 0..workers {
            let (sender, next, stop) = (sender.clone(), &next, &stop);
            scope.spawn(move || {
                while !stop.load(Relaxed) {
                    let number = next.fetch_add(1, Relaxed);
                    let Some(scene) = scenes.get(number) else {
                        break;
                    };
                    let start = Instant::now();
                    let result = child::run(scene);
                    stop.fetch_or(one_failure_is_enough && result.is_err(), Relaxed);
                    // Nobody receives it only if that thread has panicked.
                    let _ = sender.send((number, (result, start.elapsed())));
                }
            });
        }
        drop(sender);

        // In the order of the list, whichever ends first.
        let mut early = BTreeMap::new();
        let mut wanted = 0;
        for (number, outcome) in receiver {
            early.insert(number, outcome);
            while let Some(outcome) = early.remove(&wanted) {
                all_passed &= report(wanted + 1, scenes[wanted].name, &outcome);
                wanted += 1;
            }
        }
    });
    all_passed
}

/// Reports what has come of a scene; returns whether that is good.
fn report(number: usize, name: &str, (result, time): &Outcome) -> bool {
    let (Ok(text) | Err(text)) = result;
    comment(text);
    comment(&format!("{:.1} s", time.as_secs_f64()));

    let verdict = if result.is_ok() { "ok" } else { "not ok" };
    println!("{verdict} {number} {name}");
    result.is_ok()
}

/// Prints lines that are no results.
fn comment(text: &str) {
    for line in text.lines() {
        println!("# {line}");
    }
}
