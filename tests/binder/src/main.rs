// SPDX-License-Identifier: GPL-2.0

//! The tests that every binder must pass, on the device `BINDER_DEVICE`, or else on `/dev/binder_fd`.
//!
//! usage: binder_fd [TEST]
//!        binder_fault [TEST]
//!
//! By its second name it puts faults into everything, which takes a kernel that can do that.
//!
//! Each test is a process of its own, with a time limit. After each, on our own device, nothing may be
//! left: the module must be unused again.

mod buffers;
mod calls;
mod deaths;
mod fault;
mod faults;
mod fds;
mod group;
mod hostile;
mod ioctls;
mod limits;
mod lsm;
mod missing_page;
mod module;
mod objects;
mod process;
mod scene;
mod threads;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    time::{Duration, Instant},
};

use group::Group;
use scene::Scene;

/// A test: what it does on a scene of its own; the error is what went wrong.
type Test = fn(&Scene) -> Result<(), String>;

/// The tests that other binders do not pass, and why; the README tells more.
const DIFFERENCES: &[(&str, &str)] = &[
    (
        "own_device_in_own_queue",
        "the kernel's binder keeps it for ever",
    ),
    (
        "unmapped_with_parcels_on_their_way",
        "the kernel's binder delivers to where nothing is mapped",
    ),
    (
        "unmapped_with_an_unread_parcel",
        "the kernel's binder delivers to where nothing is mapped",
    ),
    (
        "unmapped_with_more_behind_it",
        "the kernel's binder delivers to where nothing is mapped",
    ),
    (
        "unmapped_behind_a_signal",
        "the kernel's binder delivers to where nothing is mapped",
    ),
    (
        "unmapped_with_an_unread_reply",
        "the kernel's binder delivers to where nothing is mapped",
    ),
    (
        "unmapped_while_another_waits",
        "the kernel's binder keeps what it cannot deliver until the process ends",
    ),
    (
        "what_cannot_be_had_is_closed_before_a_read",
        "the kernel's binder closes it when something else comes in",
    ),
    (
        "read_buffer_and_files",
        "the kernel's binder leaves the file descriptor open",
    ),
    (
        "the_receiver_pays",
        "the kernel's binder charges nobody for its buffers",
    ),
    (
        "a_client_pays_for_the_replies_it_keeps",
        "the kernel's binder charges nobody for them",
    ),
    (
        "threads_are_bounded",
        "the kernel's binder knows as many threads as there were",
    ),
    (
        "ioctls_of_another_process",
        "the kernel's C binder lets it work on",
    ),
    (
        "module_stays_while_used",
        "the kernel's binder is not meant to be unloaded",
    ),
    (
        "unloaded_against_open",
        "the kernel's binder is not meant to be unloaded",
    ),
    (
        "extended_error_that_cannot_be_told",
        "the kernel's binder has forgotten it by then",
    ),
    (
        "references_in_parcels",
        "the kernel's binder translates them",
    ),
    (
        "a_dead_client_keeps_no_buffer",
        "the kernel's binder charges nobody for its buffers",
    ),
    (
        "killed_while_it_reads",
        "the kernel's binder goes on as long as there is something",
    ),
    (
        "killed_while_it_writes",
        "the kernel's binder carries out all commands first",
    ),
];

/// How the text of a test begins that cannot run, and says why.
const SKIP: &str = "SKIP ";

/// Whether it is the device of this project.
fn is_ours(device: &Path) -> bool {
    device.ends_with("binder_fd")
}

/// How many times longer than usual everything takes here (`SLOWNESS`). What is only repeated is repeated less often.
fn slowness() -> usize {
    let number = std::env::var("SLOWNESS").unwrap_or_default();
    number.parse().unwrap_or(1).max(1)
}

/// The seconds that a test may take, where nothing is slow.
const LIMIT: u32 = 180;
/// As above, where each is of some operations, over and over.
const LIMIT_WITH_FAULTS: u32 = 400;

/// Whether nobody uses the module of `device`; where that cannot be told, nobody does.
fn is_unused(device: &Path) -> bool {
    let Some(name) = device.file_name().and_then(|name| name.to_str()) else {
        return true;
    };
    let modules = std::fs::read_to_string("/proc/modules").unwrap_or_default();
    let users = modules.lines().find_map(|line| {
        let mut words = line.split(' ');
        (words.next() == Some(name)).then(|| words.nth(1) == Some("0"))
    });
    users.unwrap_or(true)
}

/// Runs a test, in `group` if there is one, and looks whether anything of it is left.
fn run(device: &Path, group: Option<&Group>, test: Test) -> Result<(), String> {
    let scene = Scene::new(device);
    process::Child::fork(|| {
        group.map_or(Ok(()), Group::enter)?;
        let limit = group.map_or(LIMIT, |_| LIMIT_WITH_FAULTS);
        // SAFETY: It only sets a timer, whose signal ends this process.
        unsafe { libc::alarm(limit * slowness() as u32) };
        test(&scene)
    })
    .join()?;

    let start = Instant::now();
    while !is_unused(device) {
        if start.elapsed() > Duration::from_secs(10) {
            return Err("something is left: the module is still in use".into());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

fn main() -> ExitCode {
    let device = std::env::var("BINDER_DEVICE").unwrap_or("/dev/binder_fd".into());
    let device = PathBuf::from(device);
    let only = std::env::args().nth(1);
    let tests: Vec<(&str, Test)> = [
        ioctls::TESTS,
        calls::TESTS,
        fds::TESTS,
        buffers::TESTS,
        threads::TESTS,
        deaths::TESTS,
        hostile::TESTS,
        lsm::TESTS,
        module::TESTS,
        limits::TESTS,
    ]
    .concat();
    let faults = faults::TESTS.to_vec();
    let is_fault = std::env::args()
        .next()
        .is_some_and(|name| name.ends_with("fault"));
    let tests: Vec<(&str, Test)> = if is_fault { faults } else { tests }
        .into_iter()
        .filter(|(name, _)| only.as_ref().is_none_or(|only| only == name))
        .collect();

    println!("TAP version 13\n1..{}", tests.len());
    if !device.exists() {
        println!("Bail out! there is no {}", device.display());
        return ExitCode::FAILURE;
    }
    // There all memory is counted.
    let group = match is_fault.then(Group::new).transpose() {
        Ok(group) => group,
        Err(text) => {
            println!("Bail out! {text}");
            return ExitCode::FAILURE;
        }
    };
    let mut has_failed = false;
    for (number, (name, test)) in (1..).zip(&tests) {
        let difference = DIFFERENCES.iter().find(|(other, _)| other == name);
        if let (false, Some((_, why))) = (is_ours(&device), difference) {
            println!("ok {number} {name} # SKIP {why}");
            continue;
        }
        match run(&device, group.as_ref(), *test) {
            Ok(()) => println!("ok {number} {name}"),
            Err(text) if text.starts_with(SKIP) => {
                println!("ok {number} {name} # SKIP {}", &text[SKIP.len()..]);
            }
            Err(text) => {
                text.lines().for_each(|line| println!("# {line}"));
                println!("not ok {number} {name}");
                has_failed = true;
            }
        }
    }
    ExitCode::from(u8::from(has_failed))
}
