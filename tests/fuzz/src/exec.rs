// SPDX-License-Identifier: GPL-2.0

//! Carries out the calls of one actor.

mod ashmem;
mod binder;
mod compat;
mod files;
mod look;
mod memory;
mod parcel;

use std::io;

use crate::{
    program::Line,
    scratch::Scratch,
    spec::Op,
    sys::{self, Outcome, Timer, FIRST_FD},
};
use parcel::Parcel;

pub use files::Files;

/// No call is asked to copy more, in bytes.
const MOST: u64 = 1 << 20;

/// What an actor needs to carry out calls.
pub struct Actor<'a> {
    /// What its process has opened.
    files: &'a Files,
    /// Memory to point to.
    scratch: Scratch,
    /// Ends calls that wait.
    timer: Timer,
    /// The parcel that is being made.
    parcel: Parcel,
    /// The commands for the next `BINDER_WRITE_READ`.
    commands: Vec<u8>,
    /// The addresses of what was received and not freed, the latest last.
    received: Vec<u64>,
    /// The address of what was freed last.
    freed: u64,
}

/// The file descriptor with the number `number` in a program.
fn fd(number: u64) -> u64 {
    FIRST_FD + number
}

impl<'a> Actor<'a> {
    /// The calling thread.
    pub fn new(files: &'a Files) -> io::Result<Self> {
        Ok(Self {
            files,
            scratch: Scratch::new()?,
            timer: Timer::new()?,
            parcel: Parcel::default(),
            commands: Vec::new(),
            received: Vec::new(),
            freed: 0,
        })
    }

    /// Forgets what was before: another program begins.
    pub fn reset(&mut self) {
        self.scratch.reset();
        self.parcel = Parcel::default();
        self.commands.clear();
        self.received.clear();
        self.freed = 0;
    }

    /// Carries out a call.
    pub fn run(&mut self, line: &Line) -> Outcome {
        let a = line.args;
        match line.op {
            Op::OpenAshmem
            | Op::OpenBinder
            | Op::Close
            | Op::Dup
            | Op::SendFd
            | Op::RecvFd
            | Op::ReopenFd
            | Op::ReopenMap
            | Op::Fdinfo
            | Op::Read
            | Op::Pread
            | Op::Write
            | Op::Sendfile
            | Op::Lseek
            | Op::SetFlags
            | Op::Ftruncate
            | Op::Fallocate
            | Op::Poll
            | Op::EpollCreate
            | Op::EpollCtl
            | Op::EpollWait
            | Op::DropCaches
            | Op::Shrink
            | Op::SetShrinker
            | Op::Show => self.file_call(line.op, a),
            Op::Ioctl
            | Op::SetName
            | Op::GetName
            | Op::SetSize
            | Op::GetSize
            | Op::SetProtMask
            | Op::GetProtMask
            | Op::Pin
            | Op::Unpin
            | Op::PinStatus
            | Op::Purge
            | Op::FileId => self.ashmem_call(line.op, a),
            Op::Ioctl32 => self.compat_call(a),
            Op::Mmap
            | Op::Munmap
            | Op::Mremap
            | Op::Mprotect
            | Op::Madvise
            | Op::Mlock
            | Op::Munlock
            | Op::Msync
            | Op::RemapPages
            | Op::Load
            | Op::Store
            | Op::VmRead
            | Op::VmWrite => self.memory_call(line.op, a),
            Op::Version
            | Op::SetMaxThreads
            | Op::SetManager
            | Op::SetManagerExt
            | Op::ThreadExit
            | Op::ExtendedError
            | Op::WriteRead => self.binder_call(line.op, a),
            Op::PutData
            | Op::PutFd
            | Op::PutPtr
            | Op::PutFda
            | Op::PutObject
            | Op::PutOffset
            | Op::Transaction
            | Op::Reply
            | Op::FreeBuffer
            | Op::Looper
            | Op::Ref
            | Op::Command => {
                self.put(line.op, a);
                Ok(0)
            }
        }
    }

    /// An ioctl with a number.
    fn ioctl(&self, number: u64, cmd: u64, value: u64) -> Outcome {
        sys::call(libc::SYS_ioctl, &[fd(number), cmd, value])
    }

    /// An ioctl with a pointer of the kind `kind` to `bytes`.
    fn ioctl_on(&self, number: u64, cmd: u64, kind: u64, bytes: &[u8]) -> Outcome {
        self.ioctl(number, cmd, self.scratch.pointer(kind, bytes))
    }
}
