// SPDX-License-Identifier: GPL-2.0

//! Compares the ashmem driver with a model of it.
//!
//! Random programs of operations run on several processes against the real `/dev/ashmem`. After each
//! operation what the driver did is compared with what [`model::Model`] says it must do. A program
//! that shows a difference is shortened, and printed as text that `--replay` runs again.
//!
//! | module | holds |
//! |---|---|
//! | [`op`], [`args`], [`script`] | operations and their text |
//! | [`model`] | the ABI in plain Rust |
//! | [`outcome`], [`wire`] | what came of an operation, and how it is sent |
//! | [`worker`], [`arena`], [`access`], [`ioctl`], [`procfs`] | the processes that do the operations |
//! | [`fleet`], [`socket`] | those processes as their parent sees them |
//! | [`session`], [`strategy`], [`search`] | running programs, making random ones, shortening them |
//! | [`suite`], [`tap`], [`cli`], [`env`](mod@env) | the tests and their frame |
//!
//! This program must stay single-threaded: it forks, and goes on in the child.

mod access;
mod arena;
mod args;
mod cli;
mod env;
mod fleet;
mod ioctl;
mod model;
mod op;
mod outcome;
mod procfs;
mod script;
mod search;
mod session;
mod socket;
mod strategy;
mod suite;
mod tap;
mod wire;
mod worker;

use std::process::ExitCode;

use cli::Command;
use env::Env;
use rustix::thread::{sched_getcpu, sched_setaffinity, CpuSet};
use session::Session;

fn main() -> ExitCode {
    match Command::parse(std::env::args().skip(1)).and_then(run) {
        Ok(code) => code,
        Err(message) => {
            println!("Bail out! {message}");
            ExitCode::FAILURE
        }
    }
}

/// Does what the command line says; the error is why nothing could be done.
fn run(command: Command) -> Result<ExitCode, String> {
    let session = || {
        access::install();
        // Nobody waits for workers: they vanish when they end.
        // SAFETY: The disposition of a signal is changed before there are children.
        unsafe { libc::signal(libc::SIGCHLD, libc::SIG_IGN) };
        // Only one process runs at a time: on one CPU, handing over is cheaper.
        let mut one = CpuSet::new();
        one.set(sched_getcpu());
        // Where it is not allowed, it is only slower.
        let _ = sched_setaffinity(None, &one);
        Env::probe().map(Session::new)
    };

    match command {
        Command::Help => {
            print!("{}", cli::USAGE);
            Ok(ExitCode::SUCCESS)
        }
        Command::Replay(file) => {
            let text = read(&file).map_err(|error| format!("{file}: {error}"))?;
            let count = suite::replay(&mut session()?, &text)?;
            println!("driver and model agree: {count} operations");
            Ok(ExitCode::SUCCESS)
        }
        Command::Test { ops, seed } => {
            let passed = suite::run(&mut session()?, ops, seed);
            Ok(if passed {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            })
        }
    }
}

/// The text of a file, or of standard input.
fn read(file: &str) -> std::io::Result<String> {
    match file {
        "-" => std::io::read_to_string(std::io::stdin()),
        _ => std::fs::read_to_string(file),
    }
}
