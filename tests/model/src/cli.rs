// SPDX-License-Identifier: GPL-2.0

//! The command line.

use std::time::{SystemTime, UNIX_EPOCH};

/// What `--help` prints.
pub const USAGE: &str = "\
Usage: ashmem_model [--ops N] [--seed S]
       ashmem_model --replay FILE

Drives /dev/ashmem with random operations from several processes, and compares
each result with a model. Prints TAP; a failure comes with a program to rerun.

  --ops N        how many operations to run (default 100000, or so many times
                 fewer as SLOWNESS in the environment says)
  --seed S       the seed of the random programs (default: from the clock)
  --replay FILE  run the program in FILE (- for standard input) instead
";

/// What to do.
#[derive(Debug, PartialEq, Eq)]
pub enum Command {
    /// Run the tests.
    Test {
        /// The number of operations.
        ops: usize,
        /// The seed.
        seed: u64,
    },
    /// Run the program in a file.
    Replay(String),
    /// Print how the program is used.
    Help,
}

impl Command {
    /// Reads the arguments, without the name of the program.
    pub fn parse(args: impl IntoIterator<Item = String>) -> Result<Self, String> {
        let mut args = args.into_iter();
        let (mut ops, mut seed, mut replay) = (100_000 / slowness(), None, None);

        while let Some(arg) = args.next() {
            if arg == "--help" || arg == "-h" {
                return Ok(Self::Help);
            }
            let mut value = || {
                args.next()
                    .ok_or_else(|| format!("{arg}: a value is missing"))
            };
            match arg.as_str() {
                "--ops" => ops = number(&arg, &value()?)? as usize,
                "--seed" => seed = Some(number(&arg, &value()?)?),
                "--replay" => replay = Some(value()?),
                _ => return Err(format!("{arg}: unknown argument")),
            }
        }
        Ok(match replay {
            Some(file) => Self::Replay(file),
            None => Self::Test {
                ops,
                seed: seed.unwrap_or_else(clock),
            },
        })
    }
}

/// A number in an argument.
fn number(arg: &str, value: &str) -> Result<u64, String> {
    value
        .parse()
        .map_err(|_| format!("{arg}: `{value}` is not a number"))
}

/// How many times longer than usual everything takes here.
pub fn slowness() -> usize {
    let text = std::env::var("SLOWNESS").unwrap_or_default();
    text.parse().unwrap_or(1).max(1)
}

/// A seed that is another one each time.
fn clock() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |time| time.as_nanos() as u64)
}
