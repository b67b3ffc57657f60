// SPDX-License-Identifier: GPL-2.0

//! Mapping, unmapping and touching.
//!
//! Memory is touched by system calls: what would be a `SIGSEGV` or a `SIGBUS` is an `EFAULT` then.
//! The pages are faulted in all the same.

use super::Actor;
use crate::{
    arena,
    scratch::OWN,
    spec::{Op, MAX_ARGS},
    sys::{self, Outcome},
};

/// `MLOCK_ONFAULT`.
const ON_FAULT: u64 = 1;
/// What is touched, in bytes.
const WORD: usize = 8;

impl Actor<'_> {
    /// Carries out a call on memory.
    pub(super) fn memory_call(&self, op: Op, a: [u64; MAX_ARGS]) -> Outcome {
        match op {
            Op::Mmap => arena::map(super::fd(a[0]), a[1], a[2], a[3], a[4], a[5]),
            Op::Munmap => arena::on_part(libc::SYS_munmap, a[0], a[1], 0),
            Op::Mremap => arena::remap(a[0], a[1], a[2], a[3], a[4]),
            Op::Mprotect => arena::on_part(libc::SYS_mprotect, a[0], a[1], a[2]),
            Op::Madvise if is_harmful(a[2]) => Err(libc::EPERM),
            Op::Madvise => arena::fill_part(libc::SYS_madvise, a[0], a[1], a[2]),
            Op::Mlock => arena::on_part(libc::SYS_mlock2, a[0], a[1], ON_FAULT),
            Op::Munlock => arena::on_part(libc::SYS_munlock, a[0], a[1], 0),
            Op::Msync => arena::on_part(libc::SYS_msync, a[0], a[1], a[2]),
            Op::RemapPages => {
                let args = [arena::address(a[0]), a[1].min(super::MOST), 0, a[2], 0];
                sys::call(libc::SYS_remap_file_pages, &args)
            }
            Op::Load => self.load(arena::address(a[0]) + a[1]),
            Op::Store => self.store(arena::address(a[0]) + a[1], a[2]),
            Op::VmRead => self.copy(libc::SYS_process_vm_readv, a[0]),
            _ => self.copy(libc::SYS_process_vm_writev, a[0]),
        }
    }

    /// Reads a word at `address`, as `write` reads what it is given.
    pub(super) fn load(&self, address: u64) -> Outcome {
        let args = [self.files.memfd(), address, WORD as u64, 0];
        sys::call(libc::SYS_pwrite64, &args)
    }

    /// Writes a word to `address`, as `read` writes what it returns.
    pub(super) fn store(&self, address: u64, value: u64) -> Outcome {
        let here = self.scratch.write(OWN, &value.to_ne_bytes());
        let memfd = self.files.memfd();
        sys::call(libc::SYS_pwrite64, &[memfd, here, WORD as u64, 0])?;
        sys::call(libc::SYS_pread64, &[memfd, address, WORD as u64, 0])
    }

    /// Copies a word between the arena and here, as a debugger does.
    fn copy(&self, number: libc::c_long, cell: u64) -> Outcome {
        let iovec = |at: usize, base: u64| {
            let mut bytes = base.to_ne_bytes().to_vec();
            bytes.extend((WORD as u64).to_ne_bytes());
            self.scratch.write(at, &bytes)
        };
        let local = iovec(OWN, self.scratch.address(OWN + 64));
        let remote = iovec(OWN + 32, arena::address(cell));
        let args = [u64::from(std::process::id()), local, 1, remote, 1, 0];
        sys::call(number, &args)
    }
}

/// Whether an advice harms the machine: `MADV_HWPOISON`, `MADV_SOFT_OFFLINE`.
fn is_harmful(advice: u64) -> bool {
    matches!(advice as i32, libc::MADV_HWPOISON | libc::MADV_SOFT_OFFLINE)
}
