// SPDX-License-Identifier: GPL-2.0

//! What code of the drivers the calling thread runs, as the kernel's KCOV tells.
//!
//! Only our two modules are built with it, so every place is ours. See
//! `Documentation/dev-tools/kcov.rst` of the kernel.

use std::{
    fs::{File, OpenOptions},
    io,
    os::fd::{AsRawFd, OwnedFd},
    sync::atomic::Ordering::Relaxed,
    thread,
};

use crate::{
    shared::Shared,
    sys::{self, Area},
};

/// Where it is.
const FILE: &str = "/sys/kernel/debug/kcov";
/// How many places fit between two looks at them: words, with their number first.
const WORDS: usize = 1 << 16;
/// `KCOV_INIT_TRACE`: `_IOR('c', 1, unsigned long)`.
const INIT_TRACE: u64 = 0x8008_6301;
/// `KCOV_ENABLE`: `_IO('c', 100)`.
const ENABLE: u64 = 0x6364;
/// `KCOV_TRACE_PC`.
const TRACE_PC: u64 = 0;

/// The coverage of a thread.
pub struct Kcov {
    /// The places, behind their number.
    area: Area,
    /// Coverage ends when this is closed.
    _fd: OwnedFd,
}

impl Kcov {
    /// Whether the kernel has it.
    pub fn is_there() -> bool {
        std::path::Path::new(FILE).exists()
    }

    /// Whether it sees the driver of a device at work. If the driver is not built for it, no place
    /// of it is ever new.
    pub fn sees(device: &str) -> io::Result<bool> {
        let look = || {
            let kcov = Self::begin()?;
            kcov.reset();
            File::open(format!("/dev/{device}"))?;
            Ok(kcov.count() != 0)
        };
        // The kernel looks at a thread until that ends.
        thread::scope(|scope| scope.spawn(look).join().expect("it does not panic"))
    }

    /// Begins to look at the calling thread.
    pub fn begin() -> io::Result<Self> {
        let fd: OwnedFd = OpenOptions::new().read(true).write(true).open(FILE)?.into();
        let ioctl = |number, value| {
            sys::call(libc::SYS_ioctl, &[fd.as_raw_fd() as u64, number, value])
                .map_err(io::Error::from_raw_os_error)
        };
        ioctl(INIT_TRACE, WORDS as u64)?;
        let area = Area::of_fd(fd.as_raw_fd(), WORDS * 8)?;
        ioctl(ENABLE, TRACE_PC)?;
        Ok(Self { area, _fd: fd })
    }

    /// Forgets what was seen.
    pub fn reset(&self) {
        self.area.word(0).store(0, Relaxed);
    }

    /// How many places were seen, as far as they fit.
    fn count(&self) -> usize {
        (self.area.word(0).load(Relaxed) as usize).min(WORDS - 1)
    }

    /// Notes what was seen since [`reset`](Self::reset); returns whether it was anything.
    pub fn note(&self, shared: &Shared) -> bool {
        let count = self.count();
        let mut from = 0;
        for number in 1..=count {
            let place = self.area.word(number).load(Relaxed);
            shared.reach(place, from);
            from = place;
        }
        count != 0
    }
}
