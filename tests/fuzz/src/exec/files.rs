// SPDX-License-Identifier: GPL-2.0

//! Opening, closing, reading; and the files of the kernel that have to do with the drivers.

use std::{
    fs::{self, File},
    io,
    os::{
        fd::{AsRawFd, OwnedFd},
        unix::net::UnixDatagram,
    },
};

use super::{fd, Actor, MOST};
use crate::{
    arena,
    scratch::{OWN, RETURNS},
    spec::{Op, MAX_ARGS},
    sys::{self, Outcome, FIRST_FD},
};

/// So many file descriptors a program can have: then there are none left, which is an error to see.
const PROGRAM_FDS: u64 = 24;
/// The place of the debugfs files of shrinkers.
const SHRINKERS: &str = "/sys/kernel/debug/shrinker";
/// So much of a file is read at a time, in bytes.
const CHUNK: usize = 4096;
/// Our parameter.
pub(super) const PARAMETER: &str = "/sys/module/ashmem/parameters/shrinker";

/// What a process has open for all its actors, below [`FIRST_FD`].
pub struct Files {
    /// Memory to copy words to and from.
    memfd: File,
    /// Where nothing goes.
    null: File,
    /// To the other process.
    socket: UnixDatagram,
    /// What lets our shrinker work.
    scan: Option<String>,
}

impl Files {
    /// Opens them.
    pub fn new(socket: UnixDatagram) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        let null = File::options().read(true).write(true).open("/dev/null")?;
        // Any file will do that is memory.
        let path = std::env::temp_dir().join(format!("ashmem_fuzz.{}", std::process::id()));
        let memfd = File::options()
            .read(true)
            .write(true)
            .create_new(true)
            .open(&path)?;
        fs::remove_file(&path)?;
        let scan = fs::read_dir(SHRINKERS).ok().and_then(|entries| {
            entries.flatten().find_map(|entry| {
                let name = entry.file_name().into_string().ok()?;
                name.starts_with("ashmem-")
                    .then(|| format!("{SHRINKERS}/{name}/scan"))
            })
        });
        Ok(Self {
            memfd,
            null,
            socket,
            scan,
        })
    }

    /// The memory to copy to and from.
    pub(super) fn memfd(&self) -> u64 {
        self.memfd.as_raw_fd() as u64
    }

    /// Lets the file descriptors of programs begin at [`FIRST_FD`]. To be called when this process
    /// has opened all that it needs.
    pub fn fill_up(&self) -> io::Result<()> {
        loop {
            let fd: OwnedFd = self.null.try_clone()?.into();
            let number = fd.as_raw_fd() as u64;
            if number >= FIRST_FD {
                break;
            }
            // It stays until the process ends.
            std::mem::forget(fd);
        }
        let limit = [FIRST_FD + PROGRAM_FDS; 2];
        let args = [libc::RLIMIT_NOFILE as u64, limit.as_ptr() as u64];
        sys::call(libc::SYS_setrlimit, &args).map_err(io::Error::from_raw_os_error)?;
        self.close_all();
        Ok(())
    }

    /// Closes what programs have opened, on its way to here included.
    pub fn close_all(&self) {
        while self.socket.recv(&mut [0; 8]).is_ok() {}
        let _ = sys::call(libc::SYS_close_range, &[FIRST_FD, u64::from(u32::MAX), 0]);
    }
}

impl Actor<'_> {
    /// Carries out a call on files.
    pub(super) fn file_call(&self, op: Op, a: [u64; MAX_ARGS]) -> Outcome {
        let file = fd(a[0]);
        match op {
            Op::OpenAshmem => self.open("/dev/ashmem", a[0]),
            Op::OpenBinder => self.open("/dev/binder_fd", a[0] | libc::O_NONBLOCK as u64),
            Op::Close => sys::call(libc::SYS_close, &[file]),
            Op::Dup => sys::call(libc::SYS_dup, &[file]),
            Op::SendFd => self.send_fd(file),
            Op::RecvFd => self.receive_fd(),
            Op::ReopenFd => self.open(&format!("/proc/self/fd/{file}"), a[1]),
            Op::ReopenMap => self.reopen_map(arena::address(a[0]), a[1]),
            Op::Fdinfo => self.show(&format!("/proc/self/fdinfo/{file}")),
            Op::Read => {
                let buffer = self.scratch.pointer(a[2], &[0; 64]);
                sys::call(libc::SYS_read, &[file, buffer, a[1].min(MOST)])
            }
            Op::Pread => {
                let mut iovec = self.scratch.pointer(a[3], &[0; 64]).to_ne_bytes().to_vec();
                iovec.extend(a[2].min(MOST).to_ne_bytes());
                let iovec = self.scratch.write(OWN, &iovec);
                sys::call(libc::SYS_preadv2, &[file, iovec, 1, a[1], 0, a[4]])
            }
            Op::Write => {
                let buffer = self.scratch.pointer(a[2], &[0x5a; 64]);
                sys::call(libc::SYS_write, &[file, buffer, a[1].min(MOST)])
            }
            Op::Sendfile => {
                let null = self.files.null.as_raw_fd() as u64;
                sys::call(libc::SYS_sendfile, &[null, file, 0, a[1].min(MOST)])
            }
            Op::Lseek => sys::call(libc::SYS_lseek, &[file, a[1], a[2]]),
            Op::SetFlags => sys::call(libc::SYS_fcntl, &[file, libc::F_SETFL as u64, a[1]]),
            Op::Ftruncate => sys::call(libc::SYS_ftruncate, &[file, a[1]]),
            Op::Fallocate => sys::call(libc::SYS_fallocate, &[file, a[1], a[2], a[3]]),
            Op::Poll => self.poll(file, a[1]),
            Op::EpollCreate => sys::call(libc::SYS_epoll_create1, &[0]),
            Op::EpollCtl => {
                let event = self
                    .scratch
                    .write(OWN, &[0x1f, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
                sys::call(libc::SYS_epoll_ctl, &[file, a[1], fd(a[2]), event])
            }
            Op::EpollWait => {
                let events = self.scratch.address(OWN);
                sys::call(libc::SYS_epoll_pwait, &[file, events, 4, 0, 0, 0])
            }
            Op::DropCaches => self.write_file("/proc/sys/vm/drop_caches", "2"),
            Op::Shrink => match &self.files.scan {
                // The root group, whose inode number is 1, and the first node.
                Some(scan) => self.write_file(scan, &format!("1 0 {}", a[0])),
                None => Err(libc::ENOENT),
            },
            Op::SetShrinker => self.write_file(PARAMETER, if a[0] == 0 { "N" } else { "Y" }),
            _ => self.show(match a[0] {
                0 => "/sys/kernel/debug/ashmem/totals",
                1 => "/sys/kernel/debug/ashmem/areas",
                2 => "/proc/self/maps",
                _ => "/proc/self/smaps",
            }),
        }
    }

    /// Opens a file for the program.
    fn open(&self, path: &str, flags: u64) -> Outcome {
        let mut path = path.as_bytes().to_vec();
        path.push(0);
        let path = self.scratch.write(OWN, &path);
        // Nothing is created, and nothing becomes the terminal of this program.
        let flags = flags & !((libc::O_CREAT | libc::O_TMPFILE) as u64) | libc::O_NOCTTY as u64;
        sys::call(libc::SYS_openat, &[libc::AT_FDCWD as u64, path, flags, 0])
    }

    /// Opens what is mapped first in the arena, not before `from`.
    fn reopen_map(&self, from: u64, flags: u64) -> Outcome {
        let maps = self.read_file("/proc/self/maps")?;
        let found = maps.split(|&byte| byte == b'\n').find_map(|line| {
            let name = std::str::from_utf8(line.split(|&byte| byte == b' ').next()?).ok()?;
            let start = u64::from_str_radix(name.split('-').next()?, 16).ok()?;
            let is_file = line.windows(5).any(|part| part == b"/dev/");
            (is_file && start >= from && start < 2 * arena::START).then_some(name)
        });
        match found {
            Some(name) => self.open(&format!("/proc/self/map_files/{name}"), flags),
            None => Err(libc::ENOENT),
        }
    }

    /// Reads a file of the kernel. Not as a file of Rust's: another actor may close it meanwhile.
    pub(super) fn read_file(&self, path: &str) -> Result<Vec<u8>, i32> {
        let file = self.open(path, 0)?;
        let mut text = Vec::new();
        loop {
            let args = [file, self.scratch.address(RETURNS), CHUNK as u64];
            match sys::call(libc::SYS_read, &args) {
                Ok(0) => break,
                Ok(count) => text.extend(self.scratch.read(RETURNS, count as usize)),
                Err(errno) => {
                    let _ = sys::call(libc::SYS_close, &[file]);
                    return Err(errno);
                }
            }
        }
        let _ = sys::call(libc::SYS_close, &[file]);
        Ok(text)
    }

    /// Reads a file of the kernel for its own sake.
    fn show(&self, path: &str) -> Outcome {
        self.read_file(path).map(|text| text.len() as u64)
    }

    /// Writes to a file of the kernel.
    pub(super) fn write_file(&self, path: &str, text: &str) -> Outcome {
        let file = self.open(path, libc::O_WRONLY as u64)?;
        let text_at = self.scratch.write(OWN, text.as_bytes());
        let result = sys::call(libc::SYS_write, &[file, text_at, text.len() as u64]);
        let _ = sys::call(libc::SYS_close, &[file]);
        result
    }

    /// Polls.
    fn poll(&self, file: u64, ms: u64) -> Outcome {
        let mut pollfd = (file as u32).to_ne_bytes().to_vec();
        pollfd.extend(libc::POLLIN.to_ne_bytes());
        pollfd.extend([0; 2]);
        let pollfd = self.scratch.write(OWN, &pollfd);
        let mut time = 0u64.to_ne_bytes().to_vec();
        time.extend((ms * 1_000_000).to_ne_bytes());
        let time = self.scratch.write(OWN + 32, &time);
        sys::call(libc::SYS_ppoll, &[pollfd, 1, time, 0, 0])
    }

    /// A message with a byte and space for a file descriptor: `struct msghdr`.
    fn message(&self, file: u32) -> u64 {
        let words = |words: &[u64]| words.iter().flat_map(|word| word.to_ne_bytes()).collect();
        let iovec: Vec<u8> = words(&[self.scratch.address(OWN + 256), 1]);
        let iovec = self.scratch.write(OWN + 64, &iovec);
        // `struct cmsghdr`, with `SOL_SOCKET` and `SCM_RIGHTS`, which are both 1.
        let control: Vec<u8> = words(&[20, 1 | (1 << 32), u64::from(file)]);
        let control = self.scratch.write(OWN + 128, &control);
        let header: Vec<u8> = words(&[0, 0, iovec, 1, control, 20, 0]);
        self.scratch.write(OWN, &header)
    }

    /// Sends a file descriptor to the other process.
    fn send_fd(&self, file: u64) -> Outcome {
        let socket = self.files.socket.as_raw_fd() as u64;
        let args = [socket, self.message(file as u32), libc::MSG_DONTWAIT as u64];
        sys::call(libc::SYS_sendmsg, &args)
    }

    /// Receives one.
    fn receive_fd(&self) -> Outcome {
        let socket = self.files.socket.as_raw_fd() as u64;
        let args = [socket, self.message(0), libc::MSG_DONTWAIT as u64];
        sys::call(libc::SYS_recvmsg, &args)
    }
}
