// SPDX-License-Identifier: GPL-2.0

//! Faults put into an operation: the first thing in it that can fail fails, then the second, until
//! nothing is left that could. The kernel counts them for the calling thread: `fail-nth`. What kind each was of, it
//! counts, too, so an error must be the one that is documented for that.

use std::{
    cell::Cell,
    fs,
    os::{
        fd::{AsRawFd, FromRawFd},
        unix::fs::FileExt,
    },
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use ashmem_binder::Errno;

use crate::{
    group::Group,
    objects,
    process::because,
    scene::{ensure, expect},
};

/// More than any operation has: one that never succeeds ends there.
const MOST: u32 = 100_000;

/// Where the kernel is told of faults.
const DEBUGFS: &str = "/sys/kernel/debug";

/// The faults there are, in debugfs.
const KINDS: [&str; 3] = ["failslab", "fail_page_alloc", "fail_usercopy"];

/// What fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Memory is not to be had.
    Memory,
    /// Something cannot be copied from or to the program.
    Copy,
}

/// How often an operation is tried with all its faults while its memory is counted, and from how many pages more on
/// that is too much. The kernel keeps some bytes at hand for each CPU, no more than a page, of which a guest has two:
/// that is noise. What is lost is lost each time: a page at least, or an object, and objects are counted by themselves.
/// A page each time is seen in spite of noise; noise alone may have to be looked at for longer.
const PASSES: [(usize, usize); 2] = [(5, 2), (10, 8)];

/// The fault of one try.
pub struct Fault<'a> {
    /// The thread's `fail-nth`.
    file: &'a fs::File,
    /// Which one.
    nth: u32,
    /// What has been put in.
    kind: Cell<Option<Kind>>,
}

impl Fault<'_> {
    /// Runs the operation that has the fault.
    pub fn during<R>(&self, operation: impl FnOnce() -> R) -> R {
        for kind in KINDS {
            // The kernel counts down. What is never 0 limits nothing.
            fs::write(times_left(kind), "1").expect("the number of faults");
        }
        self.arm(self.nth);
        let result = operation();
        let mut text = [0; 16];
        // If it was only the next, the copy of the answer is what fails.
        let is_over = match self.file.read_at(&mut text, 0) {
            Ok(len) => text[..len].starts_with(b"0"),
            Err(_) => false,
        };
        self.arm(0);
        let kind = is_over && self.nth != 0;
        self.kind.set(kind.then(kind_of_the_last));
        result
    }

    /// Whether it has been put in.
    pub fn is_done(&self) -> bool {
        self.kind().is_some()
    }

    /// What has been put in.
    pub fn kind(&self) -> Option<Kind> {
        self.kind.get()
    }

    /// The error that the fault explains: `ENOMEM`, or `EFAULT` for what cannot be copied.
    pub fn explains(&self, error: Errno) -> Result<(), String> {
        self.explains_as(error, &[libc::EFAULT])
    }

    /// As above, where something else is documented for what cannot be copied.
    pub fn explains_as(&self, error: Errno, for_copy: &[i32]) -> Result<(), String> {
        let kind = self.kind().ok_or(format!("{error:?} without a fault"))?;
        let documented: &[i32] = match kind {
            Kind::Memory => &[libc::ENOMEM],
            Kind::Copy => for_copy,
        };
        ensure(
            documented.contains(&error.0),
            &format!("{error:?} of {kind:?}, not {documented:?}"),
        )
    }

    /// Carries out an operation with the fault. If it fails, that is with `ENOMEM`, or for what cannot be copied with
    /// `for_copy`; then `as_before` must hold, and the same operation must succeed.
    pub fn retried(
        &self,
        for_copy: i32,
        operation: impl Fn() -> Result<(), Errno>,
        as_before: impl FnOnce() -> Result<(), String>,
    ) -> Result<(), String> {
        let Err(error) = self.during(&operation) else {
            return Ok(());
        };
        self.explains_as(error, &[for_copy])?;
        as_before().map_err(|text| format!("when it has failed: {text}"))?;
        expect(operation(), Ok(()), "again")
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

/// Where the kernel counts down the faults of a kind.
fn times_left(kind: &str) -> PathBuf {
    Path::new(DEBUGFS).join(kind).join("times")
}

/// What kind the last fault was of: the kernel counts them.
fn kind_of_the_last() -> Kind {
    let last = KINDS.into_iter().find(|kind| {
        let left = fs::read_to_string(times_left(kind)).expect("the number of faults");
        left.trim() == "0"
    });
    match last.expect("a fault of a kind") {
        "fail_usercopy" => Kind::Copy,
        _ => Kind::Memory,
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
    attempt: impl FnMut(&Fault<'_>) -> Result<(), String>,
) -> Result<(), String> {
    ensure(each_if_any(name, attempt)? > 0, &format!("{name}: a fault"))
}

/// As above, for what may have nothing in it that can fail. Returns how many faults there were.
pub fn each_if_any(
    name: &str,
    mut attempt: impl FnMut(&Fault<'_>) -> Result<(), String>,
) -> Result<u32, String> {
    let file = prepare()?;
    let faults = pass(name, &file, &mut attempt)?;
    println!("# figure: {name}: {faults} faults");

    // What is made at the first time for all is there now.
    let objects = objects::charged()?;
    let before = Group::kernel_memory()?;
    let mut after = before;
    for (passes, pages) in PASSES {
        for _ in 0..passes {
            pass(name, &file, &mut attempt)?;
        }
        let more = falls_to(objects + passes / 2, objects::charged)?.saturating_sub(objects);
        println!("# {name}: {more} objects more");
        ensure(
            more <= passes / 2,
            &format!("{name}: {more} objects are lost"),
        )?;
        let too_much = before + pages * 4096;
        after = falls_to(too_much - 1, Group::kernel_memory)?;
        println!("# {name}: {before} bytes before, {after} after {passes} times as many faults");
        if after < too_much {
            return Ok(faults);
        }
    }
    Err(format!("{name}: {} bytes are lost", after - before))
}

/// Waits until a measure is no more than `most`. Returns what it is: more, if that never comes.
fn falls_to(most: usize, measure: impl Fn() -> Result<usize, String>) -> Result<usize, String> {
    let start = Instant::now();
    loop {
        // Much is freed when all CPUs have been seen idle, or in user space.
        let size = measure()?;
        if size <= most || start.elapsed() > Duration::from_secs(5) {
            return Ok(size);
        }
        thread::sleep(Duration::from_millis(100));
    }
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
        let dir = Path::new(DEBUGFS).join(kind);
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
        let kind = Cell::new(None);
        let fault = Fault { file, nth, kind };
        attempt(&fault)
            .map_err(|text| format!("{name}, fault {nth}, {:?}: {text}", fault.kind()))?;
        if nth != 0 && !fault.is_done() {
            return Ok(nth - 1);
        }
    }
    Err(format!("{name} never succeeds"))
}
