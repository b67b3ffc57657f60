// SPDX-License-Identifier: GPL-2.0

//! A page that is not there until somebody provides it: who reads it meanwhile waits, the kernel included.

use std::{
    fs::File,
    io::{Error, Read},
    os::fd::{AsRawFd, FromRawFd},
};

use crate::{process::because, SKIP};

/// `UFFDIO_API` of `<linux/userfaultfd.h>`.
const UFFDIO_API: u64 = 0xc018_aa3f;
/// `UFFDIO_REGISTER`.
const UFFDIO_REGISTER: u64 = 0xc020_aa00;
/// `UFFDIO_ZEROPAGE`.
const UFFDIO_ZEROPAGE: u64 = 0xc020_aa04;

/// The version of the interface.
const UFFD_API: u64 = 0xaa;
/// `UFFDIO_REGISTER_MODE_MISSING`.
const MODE_MISSING: u64 = 1;

/// The page, which is never unmapped.
pub struct MissingPage {
    /// The userfaultfd.
    faults: File,
    /// Where the page is.
    pub address: u64,
    /// Its size in bytes.
    size: u64,
}

impl MissingPage {
    /// A page of this process that is not there yet.
    pub fn new() -> Result<Self, String> {
        // SAFETY: It opens a file descriptor.
        let fd = unsafe { libc::syscall(libc::SYS_userfaultfd, libc::O_CLOEXEC) };
        if fd < 0 {
            let error = Error::last_os_error();
            return Err(format!("{SKIP}no userfaultfd: {error}"));
        }
        // SAFETY: The kernel has just opened it.
        let faults = unsafe { File::from_raw_fd(fd as i32) };

        // SAFETY: A new mapping somewhere.
        let (size, page) = unsafe {
            let size = libc::sysconf(libc::_SC_PAGESIZE) as usize;
            let prot = libc::PROT_READ | libc::PROT_WRITE;
            let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
            (
                size,
                libc::mmap(std::ptr::null_mut(), size, prot, flags, -1, 0),
            )
        };
        if page == libc::MAP_FAILED {
            return Err(because("map a page")(Error::last_os_error()));
        }
        let this = Self {
            faults,
            address: page as u64,
            size: size as u64,
        };
        this.control(UFFDIO_API, [UFFD_API, 0, 0, 0])?;
        this.control(UFFDIO_REGISTER, [this.address, this.size, MODE_MISSING, 0])?;
        Ok(this)
    }

    /// Waits until somebody reads it.
    pub fn is_wanted(&self) -> Result<(), String> {
        let mut message = [0; 32];
        (&self.faults)
            .read_exact(&mut message)
            .map_err(because("read from the userfaultfd"))
    }

    /// Provides it: zeroes.
    pub fn provide(&self) -> Result<(), String> {
        self.control(UFFDIO_ZEROPAGE, [self.address, self.size, 0, 0])
    }

    /// An ioctl of the userfaultfd, whose argument has no more than four words.
    fn control(&self, number: u64, mut argument: [u64; 4]) -> Result<(), String> {
        // SAFETY: The argument is as large as any of these ioctls wants, and valid for the call.
        let result =
            unsafe { libc::ioctl(self.faults.as_raw_fd(), number as _, argument.as_mut_ptr()) };
        match result {
            0 => Ok(()),
            _ => Err(because("an ioctl of userfaultfd")(Error::last_os_error())),
        }
    }
}
