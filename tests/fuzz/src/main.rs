// SPDX-License-Identifier: GPL-2.0

//! Drives both devices with random programs of system calls, led by what code of the drivers they
//! run.
//!
//! A program is a sequence of calls by several threads of one process and by another process, with
//! arguments that make sense and others that do not. It is text: see [`program`]. What reaches a
//! place in the drivers, an edge between two, or an outcome of a call that nothing reached before
//! becomes known, and later programs are made of known ones.
//!
//! | module | holds |
//! |---|---|
//! | [`spec`], [`value`], [`names`] | the calls, what arguments they have, how those are written |
//! | [`program`], [`generate`], [`rng`] | programs and their text, and how they come about |
//! | [`exec`], [`scratch`], [`arena`] | carrying calls out; what they point to and map |
//! | [`worker`], [`shared`], [`kcov`] | the processes that do so, and what they tell |
//! | [`supervisor`], [`health`], [`oracle`], [`proof`] | what can go wrong |
//! | [`fuzz`], [`corpus`] | the search, and what it keeps |
//! | [`sys`] | system calls: all that is unsafe |
//! | [`cli`], [`report`] | the frame |
//!
//! # When something is wrong
//!
//! Wrong is what the kernel says (a splat, a taint), what [`oracle`] finds, a program that does not
//! end, a worker that cannot be killed, a module that is in use when nothing is open. The search
//! ends there, and prints the program: `--replay` runs it again. If the kernel does not live long
//! enough for that, `--log` and `panic_print=0x20` on the kernel's command line have the log at its
//! end tell. Wrong is, too, when a search has done too little for its result to mean anything:
//! [`proof`] says what.
//!
//! # Why no crate for fuzzing
//!
//! The crates that are kept well are made for other things. `cargo-fuzz` and `afl.rs` instrument a
//! program and feed it bytes; here the code that is looked at is in the kernel. LibAFL is a
//! framework in which all could be plugged together, but executor, coverage, input, mutator and
//! restarting would still have to be written, which is most of what there is here; and version
//! 0.15.2 locks 179 other packages, where this program has one: `libc`.

mod arena;
mod cli;
mod corpus;
mod exec;
mod fuzz;
mod generate;
mod health;
mod kcov;
mod names;
mod oracle;
mod program;
mod proof;
mod report;
mod rng;
mod scratch;
mod shared;
mod spec;
mod supervisor;
mod sys;
mod value;
mod worker;

use std::process::ExitCode;

use cli::Options;
use fuzz::Search;
use kcov::Kcov;
use spec::DEVICES;
use supervisor::Supervisor;

fn main() -> ExitCode {
    let options = match Options::parse(std::env::args().skip(1)) {
        Ok(Some(options)) => options,
        Ok(None) => {
            print!("{}", cli::USAGE);
            return ExitCode::SUCCESS;
        }
        Err(text) => {
            println!("Bail out! {text}");
            return ExitCode::FAILURE;
        }
    };
    println!("TAP version 13\n1..1");
    let result = run(&options);
    match &result {
        Ok(()) => println!("ok 1 random_programs"),
        Err(text) => {
            report::comment(text);
            println!("not ok 1 random_programs");
        }
    }
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

/// Does what the options say. The error is what is wrong.
fn run(options: &Options) -> Result<(), String> {
    if !options.blind {
        check_coverage()?;
    }
    let corpus = match &options.corpus {
        Some(dir) => corpus::load(dir).map_err(|err| format!("{}: {err}", dir.display()))?,
        None => Vec::new(),
    };
    let supervisor = Supervisor::new(options.blind, options.patience, options.log)
        .map_err(|err| format!("no workers: {err}"))?;
    let mut search = Search::new(options, supervisor);
    let mut result = search.replay(&corpus);
    if result.is_ok() && !options.replay {
        result = search.search();
    }
    report::figures(&search.figures());
    if let Some(out) = &options.out {
        report::keep(out, &search.selected())?;
    }
    result
}

/// Whether KCOV sees the drivers. The error is why not.
fn check_coverage() -> Result<(), String> {
    if !Kcov::is_there() {
        return Err("this kernel has no KCOV: --blind runs without it".to_owned());
    }
    for device in DEVICES {
        match Kcov::sees(device) {
            Ok(true) => {}
            Ok(false) => return Err(format!("{device} is not built for KCOV")),
            Err(err) => return Err(format!("KCOV on {device}: {err}")),
        }
    }
    Ok(())
}
