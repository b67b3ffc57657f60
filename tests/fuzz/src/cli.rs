// SPDX-License-Identifier: GPL-2.0

//! The command line.

use std::{path::PathBuf, time::Duration};

/// What `--help` prints.
pub const USAGE: &str = "\
Usage: ashmem_fuzz [--time SECONDS] [--calls N] [--corpus DIR] [--out DIR|-]
                   [--seed N] [--patience SECONDS] [--blind] [--log]
       ashmem_fuzz --replay --corpus DIR

Drives /dev/ashmem and /dev/binder_fd with random programs of system calls, led
by KCOV. To be run as root, in a kernel that may break. Prints TAP.

  --time SECONDS      when to end (default 60; without limit where only --calls
                      is given)
  --calls N           after how many executed calls to end: fewer in the time are
                      a failure
  --corpus DIR        programs to begin with
  --out DIR|-         where programs go that reach more than those; - prints them
  --seed N            the seed of the random programs (default 1)
  --replay            only run the programs of the corpus, each once
  --patience SECONDS  how long a program may take (default 60)
  --blind             run without KCOV
  --log               tell the kernel's log each program before it is run
";

/// What to do.
#[derive(Debug, PartialEq, Eq)]
pub struct Options {
    /// When to end.
    pub time: Duration,
    /// How many calls to execute, and then to end.
    pub calls: Option<u64>,
    /// The programs to begin with.
    pub corpus: Option<PathBuf>,
    /// Where programs go that are found.
    pub out: Option<PathBuf>,
    /// The seed.
    pub seed: u64,
    /// Whether to run the corpus only.
    pub replay: bool,
    /// How long a program may take.
    pub patience: Duration,
    /// Whether to run without coverage.
    pub blind: bool,
    /// Whether to tell the kernel's log.
    pub log: bool,
}

impl Options {
    /// Reads the arguments, without the name of the program. [`None`]: help is asked for.
    pub fn parse(args: impl IntoIterator<Item = String>) -> Result<Option<Self>, String> {
        let mut args = args.into_iter();
        let (mut time, mut calls) = (None, None);
        let mut this = Self {
            time: Duration::MAX,
            calls: None,
            corpus: None,
            out: None,
            seed: 1,
            replay: false,
            patience: Duration::from_secs(60),
            blind: false,
            log: false,
        };
        while let Some(arg) = args.next() {
            let mut value = || {
                args.next()
                    .ok_or_else(|| format!("{arg}: a value is missing"))
            };
            match arg.as_str() {
                "--help" | "-h" => return Ok(None),
                "--replay" => this.replay = true,
                "--blind" => this.blind = true,
                "--log" => this.log = true,
                "--time" => time = Some(Duration::from_secs(number(&arg, &value()?)?)),
                "--calls" => calls = Some(number(&arg, &value()?)?),
                "--seed" => this.seed = number(&arg, &value()?)?,
                "--patience" => this.patience = Duration::from_secs(number(&arg, &value()?)?),
                "--corpus" => this.corpus = Some(value()?.into()),
                "--out" => this.out = Some(value()?.into()),
                _ => return Err(format!("{arg}: unknown argument")),
            }
        }
        if time.is_none() && calls.is_none() {
            time = Some(Duration::from_secs(60));
        }
        this.time = time.unwrap_or(this.time);
        this.calls = calls;
        Ok(Some(this))
    }
}

/// A number in an argument.
fn number(arg: &str, value: &str) -> Result<u64, String> {
    value
        .parse()
        .map_err(|_| format!("{arg}: `{value}` is not a number"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Option<Options>, String> {
        Options::parse(text.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn what_limits_it() {
        let limits = |text| parse(text).unwrap().map(|o| (o.time.as_secs(), o.calls));
        assert_eq!(Some((60, None)), limits(""));
        assert_eq!(Some((5, None)), limits("--time 5"));
        assert_eq!(
            Some((Duration::MAX.as_secs(), Some(7))),
            limits("--calls 7")
        );
        assert_eq!(Some((5, Some(7))), limits("--time 5 --calls 7"));
        assert_eq!(None, limits("--help"));
    }

    #[test]
    fn what_is_wrong_is_told() {
        for text in ["--time", "--time x", "--no", "x"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
