// SPDX-License-Identifier: GPL-2.0

//! Faults put into an operation: the first thing in it that can fail fails, then the second, until
//! nothing is left that could. The kernel counts them for the calling thread: `fail-nth`.

use std::{
    cell::Cell,
    fs,
    os::{
        fd::{AsRawFd, FromRawFd},
        unix::fs::FileExt,
    },
    path::Path,
};

use ashmem_binder::Errno;

use crate::{group::Group, process::because, scene::ensure};

/// More than any operation has: one that never succeeds ends there.
const MOST: u32 = 100_000;

/// How often an operation is tried with all its faults while its memory is counted, and from how many pages more on
/// that is too much. The kernel keeps some bytes at hand for each CPU, no more than a page, of which a guest has two:
/// that is noise. What is lost is lost each time: a page at least, or objects, which kmemleak finds where there are few.
/// A page each time is seen in spite of noise; noise alone may have to be looked at for longer.
const PASSES: [(usize, usize); 2] = [(5, 2), (10, 8)];

/// The faults there are, in debugfs.
const KINDS: [&str; 3] = ["failslab", "fail_page_alloc", "fail_usercopy"];

/// The fault of one try.
pub struct Fault<'a> {
    /// The thread's `fail-nth`.
    file: &'a fs::File,
    /// Which one.
    nth: u32,
    /// Whether it has been put in.
    is_done: Cell<bool>,
}

impl Fault<'_> {
    /// Runs the operation that has the fault.
    pub fn during<R>(&self, operation: impl FnOnce() -> R) -> R {
        self.arm(self.nth);
        let result = operation();
        let mut text = [0; 16];
        // If it was only the next, the copy of the answer is what fails.
        let is_over = match self.file.read_at(&mut text, 0) {
            Ok(len) => text[..len].starts_with(b"0"),
            Err(_) => false,
        };
        self.is_done.set(is_over);
        self.arm(0);
        result
    }

    /// Whether it has been put in.
    pub fn is_done(&self) -> bool {
        self.is_done.get()
    }

    /// An error that a fault explains: no memory, or a failed copy.
    pub fn explains(&self, error: Errno) -> Result<(), String> {
        ensure(self.is_done(), &format!("{error:?} without a fault"))?;
        ensure(
            [libc::ENOMEM, libc::EFAULT].contains(&error.0),
            &format!("fault {}: {error:?}", self.nth),
        )
    }

    /// The thing of this number fails; 0: none.
    fn arm(&self, nth: u32) {
        let text = nth.to_string();
        // A fault that is still on its way could be this very copy; only one is.
        let result = self.file.write_all_at(text.as_bytes(), 0);
        result
            .or_else(|_| self.file.write_all_at(text.as_bytes(), 0))
            .expect("fail-nth");
    }
}

/// The same file with a number above all that [`open_fds`](crate::process::open_fds) looks at.
fn out_of_sight(file: fs::File) -> Result<fs::File, String> {
    const ABOVE: i32 = 256;
    // SAFETY: It makes a new file descriptor.
    match unsafe { libc::fcntl(file.as_raw_fd(), libc::F_DUPFD_CLOEXEC, ABOVE) } {
        -1 => Err(because("fcntl")(std::io::Error::last_os_error())),
        // SAFETY: Nobody else has it.
        fd => Ok(unsafe { fs::File::from_raw_fd(fd) }),
    }
}

/// Tries something with the first, the second, ... fault, and at last without one: each time it sets a
/// scene, has the fault [`during`](Fault::during) one operation, and looks at what came of it.
///
/// Afterwards the kernel must not have more memory than before. There must have been a fault.
pub fn each(
    name: &str,
    mut attempt: impl FnMut(&Fault<'_>) -> Result<(), String>,
) -> Result<(), String> {
    let file = prepare()?;
    let faults = pass(name, &file, &mut attempt)?;
    println!("# figure: {name}: {faults} faults");

    // What is made at the first time for all is there now.
    let before = Group::kernel_memory()?;
    let mut after = before;
    for (passes, pages) in PASSES {
        for _ in 0..passes {
            pass(name, &file, &mut attempt)?;
        }
        let too_much = before + pages * 4096;
        after = Group::kernel_memory_within(too_much - 1)?;
        println!("# {name}: {before} bytes before, {after} after {passes} times as many faults");
        if after < too_much {
            return ensure(faults > 0, &format!("{name}: a fault"));
        }
    }
    Err(format!("{name}: {} bytes are lost", after - before))
}

/// Makes the kernel put in faults; only for who asks. Returns the calling thread's `fail-nth`.
///
/// A kernel that cannot is an error: nothing else is tested here.
fn prepare() -> Result<fs::File, String> {
    let path = Path::new("/proc/thread-self/fail-nth");
    if !path.exists() {
        return Err(
            "this kernel puts no faults in: it is without CONFIG_FAULT_INJECTION_DEBUG_FS".into(),
        );
    }
    for kind in KINDS {
        let dir = Path::new("/sys/kernel/debug").join(kind);
        fs::write(dir.join("verbose"), "0").map_err(because(kind))?;
        // Allocations that may sleep fail, too; not each kind has these.
        for (file, value) in [
            ("ignore-gfp-wait", "N"),
            ("ignore-gfp-highmem", "N"),
            ("min-order", "0"),
        ] {
            let _ = fs::write(dir.join(file), value);
        }
    }
    let file = fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open(path)
        .map_err(because("fail-nth"))?;
    out_of_sight(file)
}

/// All faults that there are, one after the other. Returns how many they were.
fn pass(
    name: &str,
    file: &fs::File,
    attempt: &mut impl FnMut(&Fault<'_>) -> Result<(), String>,
) -> Result<u32, String> {
    // Once without a fault first.
    for nth in 0..MOST {
        let is_done = Cell::new(false);
        let fault = Fault { file, nth, is_done };
        attempt(&fault).map_err(|text| format!("{name}, fault {nth}: {text}"))?;
        if nth != 0 && !fault.is_done() {
            return Ok(nth - 1);
        }
    }
    Err(format!("{name} never succeeds"))
}
