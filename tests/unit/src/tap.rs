// SPDX-License-Identifier: GPL-2.0

//! The kernel's flavour of the Test Anything Protocol, on standard output.

use std::{
    cell::RefCell,
    panic::{catch_unwind, set_hook, AssertUnwindSafe},
    time::Instant,
};

/// A test: its name, and what it does. It returns what is worth a comment, or what went wrong.
pub type Test = (&'static str, fn(seed: u64) -> Result<String, String>);

thread_local! {
    /// Where and why this thread panicked last.
    static PANIC: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Runs all tests; returns whether they have passed.
pub fn run(tests: &[Test], seed: u64) -> bool {
    let mut all_passed = true;

    set_hook(Box::new(|info| PANIC.set(info.to_string())));
    println!("KTAP version 1\n1..{}", tests.len());
    comment(&format!("to run the same again: --seed {seed}"));
    for (number, (name, test)) in (1..).zip(tests) {
        let start = Instant::now();
        let result = catch(|| test(seed));

        let (Ok(text) | Err(text)) = &result;
        comment(text);
        comment(&format!("{:.1} s", start.elapsed().as_secs_f64()));
        println!(
            "{} {number} {name}",
            if result.is_ok() { "ok" } else { "not ok" }
        );
        all_passed &= result.is_ok();
    }
    all_passed
}

/// Makes a panic an error.
pub fn catch<T>(work: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| Err(PANIC.take()))
}

/// Prints lines that are no results.
fn comment(text: &str) {
    for line in text.lines() {
        println!("# {line}");
    }
}
