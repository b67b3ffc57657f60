// SPDX-License-Identifier: GPL-2.0

//! The search for a program on which driver and model differ, and the way to the shortest one.

use std::cell::{Cell, RefCell};

use proptest::strategy::Strategy;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};

use crate::model::Wrong;
use crate::op::Op;
use crate::session::{Mismatch, Session};
use crate::strategy::{self, Limits};

/// A program on which driver and model differ.
pub struct Found {
    /// The shortest that was found.
    pub program: Vec<Op>,
    /// How they differ.
    pub mismatch: Mismatch,
}

/// Runs random programs until they have `ops` operations together, or one shows a difference.
///
/// Returns the number of operations that were run.
pub fn search(
    session: &mut Session,
    limits: Limits,
    seed: u64,
    ops: usize,
    wrong: Option<Wrong>,
) -> Result<usize, Box<Found>> {
    let config = Config {
        failure_persistence: None,
        max_shrink_iters: limits.shrinks,
        ..Config::default()
    };
    let seed = [seed.to_le_bytes(), (!seed).to_le_bytes()].concat();
    let mut runner =
        TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::XorShift, &seed));
    let programs = strategy::program(limits);
    let session = RefCell::new(session);
    let (done, stuck) = (Cell::new(0), Cell::new(false));

    while done.get() < ops {
        let tree = programs
            .new_tree(&mut runner)
            .expect("the strategy filters nothing");
        let result = runner.run_one(tree, |program| {
            // After a hang every program is a good one: this ends the shrinking.
            if stuck.get() {
                return Ok(());
            }
            match session.borrow_mut().run(&program, wrong) {
                Ok(count) => {
                    done.set(done.get() + count);
                    Ok(())
                }
                Err(mismatch) => {
                    stuck.set(mismatch.hangs);
                    Err(TestCaseError::fail(mismatch.to_string()))
                }
            }
        });

        match result {
            Ok(_) => {}
            Err(TestError::Fail(reason, program)) if stuck.get() => {
                let text = format!("{reason}\nThe program could not be shortened.");
                let mismatch = Mismatch {
                    step: program.len(),
                    text,
                    hangs: true,
                };
                return Err(Box::new(Found { program, mismatch }));
            }
            Err(TestError::Fail(reason, program)) => {
                let first = reason.to_string();
                return Err(Box::new(shorten(
                    session.into_inner(),
                    program,
                    wrong,
                    &first,
                )));
            }
            Err(TestError::Abort(reason)) => panic!("proptest gave up: {reason}"),
        }
    }
    Ok(done.get())
}

/// Leaves out every operation that is not needed for a difference: first many at once, then each.
///
/// `first` is the difference that was seen, should it not show again.
fn shorten(
    session: &mut Session,
    mut program: Vec<Op>,
    wrong: Option<Wrong>,
    first: &str,
) -> Found {
    let Err(mut mismatch) = session.run(&program, wrong) else {
        let text =
            format!("{first}\nIt did not show again: it does not only depend on the program.");
        let mismatch = Mismatch {
            step: program.len(),
            text,
            hangs: false,
        };
        return Found { program, mismatch };
    };
    let mut chunk = program.len();

    loop {
        program.truncate(mismatch.step + 1);
        chunk = chunk.div_ceil(2).max(1);

        let before = program.len();
        for start in (0..before).step_by(chunk).rev() {
            let mut shorter = program.clone();
            shorter.drain(start..program.len().min(start + chunk));
            if let Err(found) = session.run(&shorter, wrong) {
                (program, mismatch) = (shorter, found);
            }
        }
        if chunk <= 1 && program.len() == before {
            return Found { program, mismatch };
        }
    }
}
