// SPDX-License-Identifier: GPL-2.0

//! Processes, and how they wait for each other.

use std::{
    io::{Read, Write},
    os::{
        fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd},
        unix::net::UnixStream,
    },
    panic::{catch_unwind, AssertUnwindSafe},
    time::{Duration, Instant},
};

use crate::SKIP;

/// Why a call has failed, with what was tried.
pub fn because(what: &str) -> impl Fn(std::io::Error) -> String + '_ {
    move |error| format!("{what}: {error}")
}

/// A child that runs a part of a test. It is killed when dropped, or when its parent ends.
pub struct Child {
    /// Its number; 0 when it has been waited for.
    pid: libc::pid_t,
    /// What it says of its result.
    result: UnixStream,
}

impl Child {
    /// Starts a child; it ends when `work` does.
    pub fn fork(work: impl FnOnce() -> Result<(), String>) -> Self {
        let (result, mut child_result) = UnixStream::pair().expect("a pair of sockets");
        // SAFETY: This process has no other threads when it forks.
        let pid = unsafe { libc::fork() };
        assert!(pid >= 0, "fork");
        if pid != 0 {
            return Self { pid, result };
        }

        drop(result);
        // SAFETY: It asks for a signal, and sends none.
        unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
        let text = match catch_unwind(AssertUnwindSafe(work)) {
            Ok(Ok(())) => String::new(),
            Ok(Err(text)) => text,
            Err(panic) => match panic.downcast_ref::<String>() {
                Some(text) => format!("panic: {text}"),
                None => "panic".into(),
            },
        };
        let _ = child_result.write_all(text.as_bytes());
        // SAFETY: It ends the process, and nothing after it runs.
        unsafe { libc::_exit(i32::from(!text.is_empty())) }
    }

    /// Its number.
    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// Waits for its end; the error is what it said, or how it ended.
    pub fn join(mut self) -> Result<(), String> {
        let status = self.wait();
        if status == 0 {
            return Ok(());
        }
        // What is there: a process that it has left behind may hold the other end open.
        let mut text = Vec::new();
        self.result
            .set_nonblocking(true)
            .map_err(because("read the result"))?;
        let _ = self.result.read_to_end(&mut text);
        if text.is_empty() {
            return Err(format!("a process ended with status {status:#x}"));
        }
        Err(String::from_utf8_lossy(&text).into_owned())
    }

    /// As above, but if it has not ended within `seconds`, it is killed, and that is the error.
    pub fn join_within(self, seconds: i32) -> Result<(), String> {
        if self.has_ended_within(seconds)? {
            return self.join();
        }
        self.kill_within(seconds)?;
        Err(format!("a process had not ended after {seconds} s"))
    }

    /// Kills it. The error is that it has not ended within `seconds`: then nobody waits for it any more.
    pub fn kill_within(mut self, seconds: i32) -> Result<(), String> {
        // SAFETY: A child of this process that has not been waited for.
        unsafe { libc::kill(self.pid, libc::SIGKILL) };
        if self.has_ended_within(seconds)? {
            self.wait();
            return Ok(());
        }
        let pid = std::mem::take(&mut self.pid);
        Err(format!(
            "process {pid} was killed and still runs after {seconds} s: nobody can end it, and the module \
             stays in use"
        ))
    }

    /// Whether it has ended, or will have within `seconds`; it still has to be waited for.
    fn has_ended_within(&self, seconds: i32) -> Result<bool, String> {
        // SAFETY: It opens a file descriptor.
        let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, self.pid, 0) };
        if fd < 0 {
            return Err(because("pidfd_open")(std::io::Error::last_os_error()));
        }
        // SAFETY: The kernel has just opened it.
        let fd = unsafe { OwnedFd::from_raw_fd(fd as i32) };
        let mut poll = libc::pollfd {
            fd: fd.as_raw_fd(),
            events: libc::POLLIN,
            revents: 0,
        };
        // SAFETY: One structure, as it says.
        Ok(unsafe { libc::poll(&mut poll, 1, seconds * 1000) } == 1)
    }

    /// Kills it, and waits for its end.
    pub fn kill(mut self) {
        self.end();
    }

    /// Kills it, unless it has ended.
    fn end(&mut self) {
        if self.pid != 0 {
            // SAFETY: A child of this process that has not been waited for.
            unsafe { libc::kill(self.pid, libc::SIGKILL) };
            self.wait();
        }
    }

    /// Waits for its end.
    fn wait(&mut self) -> i32 {
        let mut status = 0;
        // SAFETY: A child of this process that has not been waited for.
        unsafe { libc::waitpid(self.pid, &mut status, 0) };
        self.pid = 0;
        status
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.end();
    }
}

/// A line between two processes: each end tells the other that it may go on.
pub struct Line(UnixStream);

impl Line {
    /// Both ends.
    pub fn pair() -> (Self, Self) {
        let (a, b) = UnixStream::pair().expect("a pair of sockets");
        (Self(a), Self(b))
    }

    /// Tells the other end a number.
    pub fn tell(&self, number: u8) {
        // Who does not listen any more is none the wiser.
        let _ = (&self.0).write_all(&[number]);
    }

    /// Waits for a number from the other end. The error is that it has ended.
    pub fn hear(&self) -> Result<u8, String> {
        let mut byte = [0];
        (&self.0)
            .read_exact(&mut byte)
            .map_err(because("wait for the other process"))?;
        Ok(byte[0])
    }
}

/// A pipe: the end to read from, the end to write to.
pub fn pipe() -> (OwnedFd, OwnedFd) {
    let mut fds = [0; 2];
    // SAFETY: There is space for two.
    assert_eq!(0, unsafe { libc::pipe2(fds.as_mut_ptr(), libc::O_CLOEXEC) });
    // SAFETY: Nobody else has these.
    fds.map(|fd| unsafe { OwnedFd::from_raw_fd(fd) }).into()
}

/// Whether all ends to write to a pipe are closed, or will be within `seconds`.
pub fn is_closed_within(reader: &OwnedFd, seconds: i32) -> bool {
    let mut poll = libc::pollfd {
        fd: reader.as_raw_fd(),
        events: libc::POLLIN,
        revents: 0,
    };
    // SAFETY: One structure, as it says.
    let ready = unsafe { libc::poll(&mut poll, 1, seconds * 1000) };
    ready == 1 && poll.revents & libc::POLLHUP != 0
}

/// Device and inode of the file behind a file descriptor.
pub fn file_id(fd: impl AsFd) -> Result<(u64, u64), String> {
    // SAFETY: The structure is filled in, or there is an error.
    let mut stat: libc::stat = unsafe { std::mem::zeroed() };
    // SAFETY: The structure is there.
    if unsafe { libc::fstat(fd.as_fd().as_raw_fd(), &mut stat) } != 0 {
        return Err(because("fstat")(std::io::Error::last_os_error()));
    }
    #[allow(clippy::unnecessary_cast, reason = "other widths elsewhere")]
    Ok((stat.st_dev as u64, stat.st_ino as u64))
}

/// A file descriptor that a driver has opened, until something closes it.
pub fn received(fd: i32) -> BorrowedFd<'static> {
    // SAFETY: It is used for asking what it is; a wrong number is told.
    unsafe { BorrowedFd::borrow_raw(fd) }
}

/// Whether a file descriptor is there, and has `FD_CLOEXEC`.
pub fn is_close_on_exec(fd: i32) -> Option<bool> {
    // SAFETY: It asks for flags.
    match unsafe { libc::fcntl(fd, libc::F_GETFD) } {
        -1 => None,
        flags => Some(flags & libc::FD_CLOEXEC != 0),
    }
}

/// The file descriptors of this process.
pub fn open_fds() -> Vec<i32> {
    (0..256)
        .filter(|&fd| is_close_on_exec(fd).is_some())
        .collect()
}

/// Lets this process have no more file descriptors than those below `limit`.
pub fn limit_fds(limit: u64) {
    let limit = libc::rlimit {
        rlim_cur: limit as libc::rlim_t,
        rlim_max: 1024,
    };
    // SAFETY: The structure is there.
    assert_eq!(0, unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &limit) });
}

/// The calling thread's number.
pub fn thread_id() -> i32 {
    // SAFETY: It has no arguments.
    unsafe { libc::syscall(libc::SYS_gettid) as i32 }
}

/// Closes the calling process's output: one that may never end must not keep open what others read to its end.
pub fn leave_output() {
    // SAFETY: The name is a string, and the numbers are this process's.
    unsafe {
        let null = libc::open(c"/dev/null".as_ptr(), libc::O_WRONLY | libc::O_CLOEXEC);
        assert!(null >= 0, "open /dev/null");
        libc::dup2(null, libc::STDOUT_FILENO);
        libc::dup2(null, libc::STDERR_FILENO);
    }
}

/// Keeps the calling thread, and what it starts, on the CPU where it is.
pub fn stay_on_this_cpu() {
    // SAFETY: The set is there, and empty before one is added.
    unsafe {
        let mut cpus: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(libc::sched_getcpu() as usize, &mut cpus);
        let size = std::mem::size_of_val(&cpus);
        assert_eq!(0, libc::sched_setaffinity(0, size, &cpus));
    }
}

/// From now on the calling thread runs before all ordinary ones, but not what it starts.
pub fn run_first() -> Result<(), String> {
    let priority = 1i32;
    let policy = libc::SCHED_FIFO | libc::SCHED_RESET_ON_FORK;
    // SAFETY: `struct sched_param` is a number. Not every C library has the function.
    match unsafe { libc::syscall(libc::SYS_sched_setscheduler, 0, policy, &priority) } {
        0 => Ok(()),
        _ => Err(format!(
            "{SKIP}no SCHED_FIFO: {}",
            std::io::Error::last_os_error()
        )),
    }
}

/// What `/proc` says of a thread, from its state on: the fields of `stat` behind the name.
fn fields(thread: i32) -> Result<Vec<String>, String> {
    let stat = std::fs::read_to_string(format!("/proc/{thread}/stat"));
    let stat = stat.map_err(because("/proc/.../stat"))?;
    let (_, fields) = stat.rsplit_once(')').ok_or("no name in stat")?;
    Ok(fields.split_whitespace().map(String::from).collect())
}

/// How long a thread has been in the kernel, in ticks.
pub fn system_time(thread: i32) -> Result<u64, String> {
    let time = fields(thread)?.get(12).and_then(|time| time.parse().ok());
    time.ok_or("no stime in stat".into())
}

/// Whether a thread ends: nothing but the kernel's own work is left to it.
pub fn is_ending(thread: i32) -> Result<bool, String> {
    const PF_EXITING: u32 = 4;
    let flags = fields(thread)?.get(6).and_then(|flags| flags.parse().ok());
    let flags: u32 = flags.ok_or("no flags in stat")?;
    Ok(flags & PF_EXITING != 0)
}

/// Waits until a thread sleeps in a system call.
pub fn sleeps(thread: i32) -> Result<(), String> {
    let start = Instant::now();
    while fields(thread)?.first().map(String::as_str) != Some("S") {
        if start.elapsed() > Duration::from_secs(30) {
            return Err(format!("thread {thread} does not sleep"));
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}

/// Waits until a thread of the calling process sleeps in an ioctl.
pub fn sleeps_in_ioctl(thread: i32) -> Result<(), String> {
    let path = format!("/proc/self/task/{thread}/syscall");
    let start = Instant::now();
    loop {
        sleeps(thread)?;
        // Its number is the first word; "running" is in its place where it sleeps no more.
        let text = std::fs::read_to_string(&path).map_err(because(&path))?;
        if text.split(' ').next() == Some(&libc::SYS_ioctl.to_string()) {
            return Ok(());
        }
        if start.elapsed() > Duration::from_secs(30) {
            return Err(format!("thread {thread} sleeps elsewhere: {text}"));
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}
