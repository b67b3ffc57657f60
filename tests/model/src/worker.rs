// SPDX-License-Identifier: GPL-2.0

//! A worker: a process that does what its parent tells it, one operation at a time.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{self, Mode, OFlags};
use rustix::io::{self, Errno};

use crate::arena::Arena;
use crate::args::{Access, Amount, Whence};
use crate::ioctl;
use crate::op::{Call, Op, CELLS, FDS};
use crate::outcome::{Answer, Attributes, Descriptor, Outcome, Report, View, Word};
use crate::procfs;
use crate::socket::{Message, Socket};
use crate::wire::Wire;

/// The path of the device.
pub const DEVICE: &str = "/dev/ashmem";

/// How many pages of a region a [`View`] shows.
pub const VIEW_PAGES: u64 = 8;

/// The answer to a request that has none.
const DONE: u8 = 0;

/// What a parent asks of a worker; the first byte of the message.
pub mod request {
    /// Do the operation whose text follows; a [`Report`](super::Report) comes back.
    pub const OPERATION: u8 = b'o';
    /// Put the descriptor that comes along in the place whose number follows; a report comes back.
    pub const RECEIVE: u8 = b'r';
    /// Fork; the child works for the socket that comes along, and says its PID there. The worker
    /// itself answers with one byte.
    pub const FORK: u8 = b'f';
    /// Give everything up that operations have made; one byte comes back.
    pub const CLEAR: u8 = b'c';
}

/// A worker process.
pub struct Worker {
    /// Where requests come from.
    socket: Socket,
    /// The page size.
    page: u64,
    /// Where it maps.
    arena: Arena,
    /// The places for descriptors.
    fds: [Option<OwnedFd>; FDS],
}

impl Worker {
    /// Works for `socket`, until that is closed; never returns.
    pub fn run(socket: OwnedFd, page: u64) -> ! {
        let arena = Arena::new(page);
        let socket = Socket::new(socket);
        let mut worker = Self {
            socket,
            page,
            arena,
            fds: Default::default(),
        };

        worker.greet();
        while let Ok(Some(message)) = worker.socket.receive() {
            worker.serve(message);
        }
        std::process::exit(0);
    }

    /// Says its PID to the parent.
    fn greet(&self) {
        self.answer(&u64::from(std::process::id()));
    }

    /// Sends an answer; without a parent there is nothing left to do.
    fn answer(&self, value: &impl Wire) {
        let mut bytes = Vec::new();

        value.put(&mut bytes);
        if self.socket.send(&bytes, None).is_err() {
            std::process::exit(1);
        }
    }

    /// Does what a message asks for.
    fn serve(&mut self, message: Message) {
        let (&kind, rest) = message.bytes.split_first().expect("an empty request");

        match kind {
            request::OPERATION => {
                let text = std::str::from_utf8(rest).expect("a request that is no text");
                let op: Op = text.parse().expect("a request that is no operation");
                self.operate(&op.call);
            }
            request::RECEIVE => {
                let place: usize = rest[0].into();
                self.fds[place] = message.fd;
                let attributes = Some(self.attributes(place));
                self.answer(&Report {
                    outcome: Outcome::Number(Ok(0)),
                    attributes,
                });
            }
            request::FORK => self.fork(message.fd.expect("no socket for the child")),
            request::CLEAR => {
                self.fds = Default::default();
                self.arena.clear();
                self.answer(&DONE);
            }
            _ => panic!("unknown request {kind}"),
        }
    }

    /// Does an operation, and reports.
    fn operate(&mut self, call: &Call) {
        if let Call::Send { fd, .. } = *call {
            return self.pass_on(fd);
        }

        let outcome = self.outcome(call);
        let attributes = call.touched_fd().map(|place| self.attributes(place));
        self.answer(&Report {
            outcome,
            attributes,
        });
    }

    /// Reports, and sends a descriptor along, or why it cannot be sent.
    fn pass_on(&self, place: u8) {
        let report = |answer| Report {
            outcome: Outcome::Number(answer),
            attributes: None,
        };
        let mut bytes = Vec::new();

        report(Ok(0)).put(&mut bytes);
        if let Err(errno) = self.socket.send(&bytes, Some(self.fd(place))) {
            self.answer(&report(Err(errno)));
        }
    }

    /// Makes a child that has what this worker has, and works for another socket.
    fn fork(&mut self, socket: OwnedFd) {
        // SAFETY: There is one thread, so that the child may do whatever the parent may.
        let pid = unsafe { libc::fork() };

        if pid == 0 {
            self.socket = Socket::new(socket);
            self.greet();
        } else {
            assert!(pid > 0, "fork: {}", std::io::Error::last_os_error());
            self.answer(&DONE);
        }
    }

    /// The descriptor in a place; if there is none, one that is not open, so that the kernel is
    /// asked all the same.
    fn fd(&self, place: impl Into<usize>) -> BorrowedFd<'_> {
        /// A number that is never reached: the first free one is always taken.
        const CLOSED: i32 = 1000;

        match &self.fds[place.into()] {
            Some(fd) => fd.as_fd(),
            // SAFETY: It is only passed to system calls, which answer EBADF.
            None => unsafe { BorrowedFd::borrow_raw(CLOSED) },
        }
    }

    /// Does an operation.
    fn outcome(&mut self, call: &Call) -> Outcome {
        match *call {
            Call::Load { at, offset } => Outcome::Loaded(self.arena.load(at, self.bytes(offset))),
            Call::Store { at, offset, value } => {
                Outcome::Stored(self.arena.store(at, self.bytes(offset), value))
            }
            Call::Read { fd, len } => {
                let mut buf = vec![0; len.into()];
                Outcome::Bytes(io::read(self.fd(fd), &mut buf[..]).map(|n| buf[..n].to_vec()))
            }
            Call::Pread { fd, offset, len } => {
                let offset = self.bytes(offset);
                Outcome::Bytes(self.pread(fd.into(), offset, len.into()))
            }
            Call::Check {} => Outcome::Seen(self.view()),
            _ => Outcome::Number(self.number(call)),
        }
    }

    /// Does an operation that returns a number.
    fn number(&mut self, call: &Call) -> Answer<i64> {
        match *call {
            Call::Open { fd, access } => {
                let flags = match access {
                    Access::ReadWrite => OFlags::RDWR,
                    Access::ReadOnly => OFlags::RDONLY,
                    Access::WriteOnly => OFlags::WRONLY,
                };
                let new = fs::open(DEVICE, flags | OFlags::CLOEXEC, Mode::empty())?;
                self.fds[usize::from(fd)] = Some(new);
                Ok(0)
            }
            Call::Close { fd } => match self.fds[usize::from(fd)].take() {
                Some(_) => Ok(0),
                None => Err(Errno::BADF),
            },
            Call::Dup { fd, to } => {
                let new = io::dup(self.fd(fd))?;
                self.fds[usize::from(to)] = Some(new);
                Ok(0)
            }
            Call::SetName { fd, ref name } => ioctl::set_name(self.fd(fd), &name.0),
            Call::SetSize { fd, size } => {
                ioctl::number(self.fd(fd), ioctl::ASHMEM_SET_SIZE, self.bytes(size))
            }
            Call::SetProtMask { fd, mask } => {
                ioctl::number(self.fd(fd), ioctl::ASHMEM_SET_PROT_MASK, mask)
            }
            Call::Pin {
                fd,
                command,
                offset,
                len,
            } => {
                let (offset, len) = (self.bytes(offset), self.bytes(len));
                ioctl::pinning(self.fd(fd), command, offset, len)
            }
            Call::Unknown { fd, cmd } => ioctl::number(self.fd(fd), cmd, 0),
            Call::Mmap {
                fd,
                at,
                len,
                page,
                prot,
                sharing,
                populate,
                noreserve,
            } => {
                let fd = self.fd(fd);
                self.arena
                    .mmap(fd, at, len, page, prot, sharing, populate, noreserve)
            }
            Call::Munmap { at, len } => self.arena.munmap(at, len),
            Call::Mprotect { at, len, prot } => self.arena.mprotect(at, len, prot),
            Call::Madvise { at, len, advice } => self.arena.madvise(at, len, advice),
            Call::Mremap { at, to } => self.arena.mremap(at, to),
            Call::Write { fd } => io::write(self.fd(fd), b"x").map(|n| n as i64),
            Call::Lseek { fd, offset, whence } => {
                let offset = self.bytes(offset);
                let from = match whence {
                    Whence::Set => fs::SeekFrom::Start(offset),
                    Whence::Cur => fs::SeekFrom::Current(offset as i64),
                    Whence::End => fs::SeekFrom::End(offset as i64),
                    Whence::Data => fs::SeekFrom::Data(offset),
                    Whence::Hole => fs::SeekFrom::Hole(offset),
                };
                fs::seek(self.fd(fd), from).map(|position| position as i64)
            }
            _ => unreachable!("{call} does not return a number"),
        }
    }

    /// The number of bytes of an amount.
    fn bytes(&self, amount: Amount) -> u64 {
        amount.resolve(self.page)
    }

    /// `pread` of `len` bytes.
    fn pread(&self, place: usize, offset: u64, len: usize) -> Answer<Vec<u8>> {
        let mut buf = vec![0; len];
        let n = io::pread(self.fd(place), &mut buf[..], offset)?;

        buf.truncate(n);
        Ok(buf)
    }

    /// What can be asked about the region through the descriptor in a place.
    fn attributes(&self, place: usize) -> Attributes {
        let fd = self.fd(place);

        Attributes {
            size: ioctl::number(fd, ioctl::ASHMEM_GET_SIZE, 0),
            name: ioctl::get_name(fd),
            mask: ioctl::number(fd, ioctl::ASHMEM_GET_PROT_MASK, 0),
            file_id: ioctl::get_file_id(fd),
            position: fs::seek(fd, fs::SeekFrom::Current(0)).map(|position| position as i64),
        }
    }

    /// Everything that this worker sees.
    fn view(&self) -> View {
        let descriptor = |place: usize| {
            self.fds[place].as_ref().map(|fd| Descriptor {
                attributes: self.attributes(place),
                fdinfo: procfs::fdinfo(fd.as_fd()),
                content: self.content(place),
            })
        };

        View {
            fds: (0..FDS).map(descriptor).collect(),
            maps: procfs::maps(self.page),
            cells: (0..CELLS as u8)
                .map(|at| self.arena.words(at).ok())
                .collect(),
        }
    }

    /// The words of a region that are not zero, of as many pages as a view shows.
    fn content(&self, place: usize) -> Answer<Vec<Word>> {
        let mut words = Vec::new();

        for n in 0..VIEW_PAGES {
            let bytes = self.pread(place, n * self.page, self.page as usize)?;
            for (at, chunk) in bytes.chunks(8).enumerate() {
                let mut word = [0; 8];
                word[..chunk.len()].copy_from_slice(chunk);
                match u64::from_le_bytes(word) {
                    0 => {}
                    word => words.push((n * self.page + at as u64 * 8, word)),
                }
            }
            if (bytes.len() as u64) < self.page {
                break;
            }
        }
        Ok(words)
    }
}
