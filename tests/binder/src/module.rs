// SPDX-License-Identifier: GPL-2.0

//! Unloading the module, and loading it again: not while somebody uses it, always when nobody does.
//!
//! Nobody but these tests may use the device meanwhile. The module is loaded when they end.

use std::{
    fs,
    os::fd::AsRawFd,
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use ashmem_binder::{Binder, Errno};

use crate::{
    process::{because, Child},
    scene::{expect, Scene},
    slowness, Test, SKIP,
};

/// The tests of this file.
pub const TESTS: &[(&str, Test)] = &[
    ("module_stays_while_used", module_stays_while_used),
    ("unloaded_against_open", unloaded_against_open),
];

/// A module in use: `rmmod` says `EBUSY` then.
const IN_USE: Errno = Errno(libc::EWOULDBLOCK);

/// The result of a system call.
fn result(number: libc::c_long) -> Result<(), Errno> {
    match number {
        0 => Ok(()),
        _ => Err(Errno::last()),
    }
}

/// Unloads the module, if nobody uses it.
fn unload() -> Result<(), Errno> {
    // SAFETY: The name is a string.
    result(unsafe {
        libc::syscall(
            libc::SYS_delete_module,
            c"binder_fd".as_ptr(),
            libc::O_NONBLOCK,
        )
    })
}

/// The module's file. `ASHMEM_KO` is that of the other one, and it is beside it.
fn module_file() -> Result<PathBuf, String> {
    let ashmem = std::env::var("ASHMEM_KO").map_err(|_| format!("{SKIP}ASHMEM_KO is not set"))?;
    let file = Path::new(&ashmem).with_file_name("binder_fd.ko");
    if !file.exists() {
        return Err(format!("{SKIP}there is no {}", file.display()));
    }
    Ok(file)
}

/// Loads the module.
fn load(file: &Path) -> Result<(), String> {
    let file = fs::File::open(file).map_err(because("open the module"))?;
    let fd = file.as_raw_fd();
    // SAFETY: The parameters are a string.
    let loaded = unsafe { libc::syscall(libc::SYS_finit_module, fd, c"".as_ptr(), 0) };
    result(loaded).map_err(|error| format!("load the module: {error:?}"))
}

/// Whether the module is loaded.
fn is_loaded() -> bool {
    Path::new("/sys/module/binder_fd").exists()
}

/// The module cannot be unloaded while a file is open or a mapping is there.
fn module_stays_while_used(scene: &Scene) -> Result<(), String> {
    let binder = scene.open_unmapped();
    expect(unload(), Err(IN_USE), "with an open file")?;
    let map = binder.try_map(4096, libc::PROT_READ);
    let map = map.map_err(|err| format!("mmap: {err:?}"))?;
    drop(binder);
    expect(unload(), Err(IN_USE), "with a mapping, and no open file")?;
    // SAFETY: The mapping is this test's. When it goes, nobody uses the module: the runner looks.
    unsafe { libc::munmap(map, 4096) };
    Ok(())
}

/// Opening, mapping and closing beside it: the module is there or not there, but never half.
fn unloaded_against_open(scene: &Scene) -> Result<(), String> {
    let file = module_file()?;
    // Whatever becomes of it, this process loads the module again.
    let race = Child::fork(|| unload_and_open(&scene.device, &file));
    let ended = race.join_within(60 * slowness() as i32);
    let loaded = if is_loaded() { Ok(()) } else { load(&file) };
    ended.and(loaded)?;
    Binder::open(&scene.device)
        .map(drop)
        .map_err(because("open the device afterwards"))
}

/// One thread uses the device, another one unloads the module and loads it, until it was refused and not refused often
/// enough.
fn unload_and_open(device: &Path, file: &Path) -> Result<(), String> {
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let user = scope.spawn(|| {
            let mut uses = 0;
            while !is_over.load(Ordering::Relaxed) {
                uses += usize::from(use_once(device)?);
            }
            Ok::<_, String>(uses)
        });
        let counts = unload_and_load(file);
        is_over.store(true, Ordering::Relaxed);
        let uses = user.join().map_err(|_| "a thread panicked")?;
        let (unloaded, refused) = counts?;
        println!(
            "# unloaded {unloaded} times, refused {refused} times, {} uses",
            uses?
        );
        Ok(())
    })
}

/// Opens the device, maps it and closes all. Returns whether it was there.
fn use_once(device: &Path) -> Result<bool, String> {
    let mut binder = match Binder::open(device) {
        Ok(binder) => binder,
        Err(error) => {
            return match error.raw_os_error() {
                Some(libc::ENOENT | libc::ENODEV | libc::ENXIO) => Ok(false),
                _ => Err(format!("open: {error}")),
            }
        }
    };
    expect(binder.map(4096), Ok(()), "mmap")?;
    Ok(true)
}

/// Unloads the module and loads it again. Returns how often that was done, and how often refused: often, both.
fn unload_and_load(file: &Path) -> Result<(usize, usize), String> {
    const AT_LEAST: usize = 20;
    let limit = Duration::from_secs(20 * slowness() as u64);
    let start = Instant::now();
    let (mut unloaded, mut refused) = (0, 0);
    while unloaded < AT_LEAST || refused < AT_LEAST {
        if start.elapsed() > limit && unloaded.min(refused) > 0 {
            break;
        }
        if start.elapsed() > 2 * limit {
            return Err(format!(
                "unloaded {unloaded} times, refused {refused} times"
            ));
        }
        match unload() {
            Ok(()) => {
                unloaded += 1;
                load(file)?;
            }
            Err(IN_USE) => refused += 1,
            Err(error) => return Err(format!("unload: {error:?}")),
        }
    }
    Ok((unloaded, refused))
}
