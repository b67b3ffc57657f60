// SPDX-License-Identifier: GPL-2.0

//! A process for each scene: a panic in one of its threads leaves the others where they are, and cannot be
//! caught.

use std::{
    env,
    process::{Command, ExitCode},
};

use crate::{explore::explore, scenes::Scene};

/// The option that a child gets, before the name of its scene.
pub const ONLY: &str = "--only";

/// In the child: runs a scene, and prints how many orders there were.
pub fn play(scenes: &[Scene], name: &str) -> ExitCode {
    let Some(scene) = scenes.iter().find(|scene| scene.name == name) else {
        eprintln!("there is no {name}");
        return ExitCode::FAILURE;
    };
    let orders = explore(scene.preemptions, scene.play);
    match scene.preemptions {
        None => println!("all of {orders} orders"),
        Some(most) => println!("{orders} orders with {most} preemptions or less"),
    }
    ExitCode::SUCCESS
}

/// In the parent: runs a scene; returns what it has said, or what went wrong.
pub fn run(scene: &Scene) -> Result<String, String> {
    let output = env::current_exe()
        .and_then(|program| Command::new(program).args([ONLY, scene.name]).output())
        .map_err(|error| format!("no process for it: {error}"))?;
    let [said, wrong] = [output.stdout, output.stderr]
        .map(|text| String::from_utf8_lossy(&text).trim().to_string());

    if output.status.success() {
        return Ok(said);
    }
    Err(format!("{}\n{wrong}", output.status))
}
