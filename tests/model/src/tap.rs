// SPDX-License-Identifier: GPL-2.0

//! The Test Anything Protocol, version 13, on standard output.

/// A run of tests whose number is known.
pub struct Tap {
    /// How many have been reported.
    done: usize,
    /// How many of them failed.
    failed: usize,
}

impl Tap {
    /// Announces `count` tests.
    pub fn plan(count: usize) -> Self {
        println!("TAP version 13\n1..{count}");
        Self { done: 0, failed: 0 }
    }

    /// Reports a test; what went wrong is said before it.
    pub fn report(&mut self, name: &str, result: &Result<(), String>) {
        self.done += 1;
        match result {
            Ok(()) => println!("ok {} {name}", self.done),
            Err(text) => {
                self.failed += 1;
                comment(text);
                println!("not ok {} {name}", self.done);
            }
        }
    }

    /// Says that a test does not run, and why.
    pub fn skip(&mut self, name: &str, why: &str) {
        self.done += 1;
        println!("ok {} {name} # SKIP {why}", self.done);
    }

    /// Whether no test has failed.
    pub fn all_passed(&self) -> bool {
        self.failed == 0
    }
}

/// Prints lines that are no results; those that are comments already stay as they are.
pub fn comment(text: &str) {
    for line in text.lines() {
        if line.starts_with('#') {
            println!("{line}");
        } else {
            println!("# {line}");
        }
    }
}
