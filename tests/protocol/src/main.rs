// SPDX-License-Identifier: GPL-2.0

//! Lets a few threads run through the module's own code in every order that makes a difference.
//!
//! The host has no kernel, but it has what the kernel's locks have in common with all others: who holds
//! one keeps others out, and what was done before it is released is seen by who takes it next. The model
//! checker (the crate `loom`) has locks of that kind, and tries all orders in which threads can take them.
//! It panics where all of them wait for each other, where one never stops, where two use the same page
//! with nothing between them, and where a reference is left.
//!
//! | module | holds |
//! |---|---|
//! | [`pin`] | the module's own files about pins and purges; stand-ins for the kernel's lists |
//! | [`ashmem_area`] | the module's own functions about the first mmap; a stand-in for its file |
//! | [`helpers`], [`ioctl`] | stand-ins |
//! | [`region`] | a region, and what its user can tell by looking |
//! | [`scenes`] | what the threads do, and what must be true |
//! | [`explore`] | the model checker |
//! | [`tap`], [`child`] | the report; a process for each scene |
//!
//! With no limit, all orders are tried. Three threads that take many locks have too many of them: there
//! the limit is on how often a thread is stopped that could go on. What goes wrong at all goes wrong with
//! few of these.
//!
//! It prints KTAP. `--first-failure` ends with the first scene that fails, for those who look for one.
//! `--only NAME` runs one scene, and prints how many orders there were.

mod ashmem_area;
mod child;
mod explore;
mod helpers;
mod ioctl;
mod pin;
mod region;
mod scenes;
mod tap;

use std::{env, process::ExitCode};

fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();

    match args[..] {
        [] => verdict(tap::run(scenes::ALL, false)),
        ["--first-failure"] => verdict(tap::run(scenes::ALL, true)),
        [child::ONLY, name] => child::play(scenes::ALL, name),
        _ => {
            println!(
                "Bail out! usage: ashmem_protocol [--first-failure | --only NAME], not {args:?}"
            );
            ExitCode::FAILURE
        }
    }
}

/// The exit status.
fn verdict(all_passed: bool) -> ExitCode {
    if all_passed {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
