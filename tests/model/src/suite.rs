// SPDX-License-Identifier: GPL-2.0

//! The tests.

use std::time::Instant;

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use crate::cli::slowness;
use crate::model::Wrong;
use crate::op::Op;
use crate::script;
use crate::search::{search, Found};
use crate::session::Session;
use crate::strategy::{self, Limits};
use crate::tap::{comment, Tap};

/// A program that goes through most of what there is, the same in every run.
const EXAMPLE: &str = include_str!("../programs/example.ops");

/// The seed for the search for mistakes in wrong models: whether they are found is no matter of luck.
const SEED: u64 = 1;

/// After how many operations a wrong model must have been found out.
const ENOUGH: usize = 40_000;

/// How long a program may be that finds a wrong model out, once it is shortened.
const SHORT: usize = 15;

/// Runs all tests with about `ops` operations together; returns whether they passed.
pub fn run(session: &mut Session, ops: usize, seed: u64) -> bool {
    let mut tap = Tap::plan(7);
    let shrinker = Shrinker::off();

    comment(&format!(
        "seed {seed}: to run the same again, --seed {seed} --ops {ops}"
    ));
    comment(&format!("{:?}", session.env));
    tap.report("replay_selftest", &replay_selftest(session, seed));
    // It is the comparison that this is about, not the driver, and it takes the longest.
    if slowness() > 1 {
        tap.skip("wrong_models_are_found", "takes too long in this kernel");
    } else {
        tap.report("wrong_models_are_found", &wrong_models_are_found(session));
    }
    for (name, limits, share) in [
        ("model_single_region", Limits::SINGLE, 15),
        ("model_two_regions", Limits::REGIONS, 20),
        ("model_pinning", Limits::PINNING, 20),
        ("model_processes", Limits::PROCESSES, 45),
    ] {
        let started = Instant::now();
        let share = (ops * share).div_ceil(100);
        let seed = seed ^ (limits.workers + limits.longest * usize::from(limits.pinning)) as u64;
        let result = search(session, limits, seed, share, None);

        tap.report(
            name,
            &result.map_err(|found| describe(&found)).map(|count| {
                comment(&format!(
                    "{count} operations in {:.1} s",
                    started.elapsed().as_secs_f64()
                ));
            }),
        );
    }
    tap.report(
        "all_answers_on_pinning_came",
        &all_answers_came(session, ops),
    );
    drop(shrinker);
    tap.all_passed()
}

/// The parameter of the module that lets reclaim purge: off while this lives.
struct Shrinker;

impl Shrinker {
    /// Where it is.
    const PATH: &'static str = "/sys/module/ashmem/parameters/shrinker";

    /// Switches it off, where that is allowed.
    fn off() -> Self {
        if let Err(error) = std::fs::write(Self::PATH, "N") {
            comment(&format!("{}: {error}", Self::PATH));
        }
        Self
    }
}

impl Drop for Shrinker {
    fn drop(&mut self) {
        // If it could not be switched off, it is on.
        let _ = std::fs::write(Self::PATH, "Y");
    }
}

/// The operations have met each answer that there is to pinning, and not just by chance.
fn all_answers_came(session: &Session, ops: usize) -> Result<(), String> {
    let answers = [
        "pin 0",
        "pin 1",
        "pin error",
        "unpin 0",
        "unpin error",
        "get_pin_status 0",
        "get_pin_status 1",
        "purge_all_caches 0",
        "purge_all_caches many",
    ];

    for (answer, count) in &session.pinning {
        comment(&format!("{answer}: {count} times"));
    }
    for answer in answers {
        let count = session.pinning.get(answer).copied().unwrap_or(0);
        if count * 5000 < ops {
            return Err(format!("`{answer}` came {count} times in {ops} operations"));
        }
    }
    Ok(())
}

/// Runs the program of a file; the error says how driver and model differ.
pub fn replay(session: &mut Session, text: &str) -> Result<usize, String> {
    let program = script::parse(text, session.env.page)?;

    session
        .run(&program, None)
        .map_err(|mismatch| mismatch.to_string())
}

/// What to print about a difference.
fn describe(found: &Found) -> String {
    let program = script::print(&found.program);

    format!(
        "{}\nto rerun it, give this to --replay:\n{program}",
        found.mismatch
    )
}

/// What is printed can be read back, an example runs, and mistakes in a program are told.
fn replay_selftest(session: &mut Session, seed: u64) -> Result<(), String> {
    let page = session.env.page;

    for _ in 0..2 {
        replay(session, EXAMPLE)?;
    }
    for program in random_programs(seed, 20) {
        let text = script::print(&program);
        let back = script::parse(&text, page)?;
        if back != program {
            return Err(format!("this does not read back as it was:\n{text}"));
        }
    }
    for wrong in [
        "w0",
        "x0 check",
        "w9 check",
        "w0 close fd=9",
        "w0 open fd=0",
        "w0 load at=0 offset=1p+0",
        "w0 check x",
    ] {
        if script::parse(wrong, page).is_ok() {
            return Err(format!("`{wrong}` was taken for an operation"));
        }
    }
    Ok(())
}

/// Random programs that are not run.
fn random_programs(seed: u64, count: usize) -> Vec<Vec<Op>> {
    let seed = [seed.to_le_bytes(), seed.to_be_bytes()].concat();
    let rng = TestRng::from_seed(RngAlgorithm::XorShift, &seed);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let programs = strategy::program(Limits::PROCESSES);

    (0..count)
        .map(|_| {
            programs
                .new_tree(&mut runner)
                .expect("no filters")
                .current()
        })
        .collect()
}

/// The comparison can fail: a model with a mistake is found out, by a short program, which as text
/// shows the mistake again, and with the right model no difference.
fn wrong_models_are_found(session: &mut Session) -> Result<(), String> {
    for &wrong in Wrong::ALL {
        // One of the easy ones shows that proptest's way to simpler programs works, too.
        let limits = match wrong {
            Wrong::MaskGrows => Limits::SHORT,
            _ if wrong.is_about_pinning() => Limits::TWO_PINNING,
            _ => Limits::TWO,
        };
        let result = search(session, limits, SEED, ENOUGH, Some(wrong));
        let Err(found) = result else {
            return Err(format!("{wrong:?}: not found in {ENOUGH} operations"));
        };
        let text = script::print(&found.program);
        let program = script::parse(&text, session.env.page)?;

        if program.len() > SHORT {
            return Err(format!("{wrong:?}: found, but by a long program\n{text}"));
        }
        if session.run(&program, Some(wrong)).is_ok() {
            return Err(format!(
                "{wrong:?}: the program does not show it again\n{text}"
            ));
        }
        if let Err(mismatch) = session.run(&program, None) {
            return Err(format!("{mismatch}\nby the search for {wrong:?}:\n{text}"));
        }
        comment(&format!("{wrong:?}: found by {} operations", program.len()));
    }
    Ok(())
}
