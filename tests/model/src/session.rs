// SPDX-License-Identifier: GPL-2.0

//! Running a program: driver and model side by side, compared after each operation.

use std::collections::BTreeMap;
use std::fmt;

use crate::env::Env;
use crate::fleet::{Fleet, Lost};
use crate::model::{Model, Wrong};
use crate::op::{Call, Op, WORKERS};
use crate::outcome::{Differ, Outcome};

/// How driver and model differ.
#[derive(Clone, Debug)]
pub struct Mismatch {
    /// The number of the operation, from 0 on; all before it went well.
    pub step: usize,
    /// What differs.
    pub text: String,
    /// Whether a worker hangs: then it is no use to try again.
    pub hangs: bool,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "operation {}: {}", self.step + 1, self.text)
    }
}

/// Workers that programs run on, one after the other.
pub struct Session {
    /// The machine.
    pub env: Env,
    /// The workers, if there are some in a good state.
    fleet: Option<Fleet>,
    /// How often each command on pinning was answered how, when driver and model agreed.
    pub pinning: BTreeMap<String, usize>,
}

impl Session {
    /// A session; the workers start when they are needed.
    pub fn new(env: Env) -> Self {
        Self {
            env,
            fleet: None,
            pinning: BTreeMap::new(),
        }
    }

    /// Runs a program, then looks at everything that each of its workers sees.
    ///
    /// Returns the number of operations. `wrong` makes the model wrong on purpose.
    pub fn run(&mut self, program: &[Op], wrong: Option<Wrong>) -> Result<usize, Mismatch> {
        let mut fleet = match self.fleet.take() {
            Some(fleet) => fleet,
            None => Fleet::start(self.env.page, WORKERS).map_err(|lost| mismatch(0, &lost))?,
        };
        let mut model = Model::new(self.env, wrong, WORKERS);
        // A worker that had nothing to do sees nothing.
        let highest = program.iter().map(Op::highest_worker).max().unwrap_or(0);
        let checks: Vec<_> = (0..=highest)
            .map(|worker| Op {
                worker,
                call: Call::Check {},
            })
            .collect();

        fleet.clear().map_err(|lost| mismatch(0, &lost))?;
        for (step, op) in program.iter().chain(&checks).enumerate() {
            let driver = fleet.operate(op).map_err(|lost| mismatch(step, &lost))?;
            let expected = model.apply(op, &driver);

            if let (Call::Pin { command, .. }, None) = (&op.call, wrong) {
                let answer = match &expected.outcome {
                    Outcome::Number(Ok(2..)) => "many",
                    Outcome::Number(Ok(1)) => "1",
                    Outcome::Number(Ok(_)) => "0",
                    _ => "error",
                };
                *self
                    .pinning
                    .entry(format!("{command} {answer}"))
                    .or_default() += 1;
            }
            if expected != driver {
                let mut lines = Vec::new();
                expected.differ(&driver, "", &mut lines);
                // The workers are in a good state: it is only not the expected one.
                self.fleet = Some(fleet);
                let text = format!("`{op}`\n{}", lines.join("\n"));
                return Err(Mismatch {
                    step,
                    text,
                    hangs: false,
                });
            }
        }
        self.fleet = Some(fleet);
        Ok(program.len() + checks.len())
    }
}

/// A worker that is lost is a mismatch, too.
fn mismatch(step: usize, lost: &Lost) -> Mismatch {
    let text = match lost {
        Lost::Ended => "a worker died",
        Lost::Hangs => "a worker hangs",
    };

    Mismatch {
        step,
        text: text.to_owned(),
        hangs: matches!(lost, Lost::Hangs),
    }
}
