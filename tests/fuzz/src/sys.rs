// SPDX-License-Identifier: GPL-2.0

//! System calls, and memory that the kernel may be told about. All that is `unsafe` is here.
//!
//! # Why what is random cannot hurt this program
//!
//! The calls of programs only tell the kernel addresses in an [`Area`], which is no memory of
//! Rust's and is read and written as atomics; or addresses at which there is never anything. What
//! programs map and unmap lies in the arena, a range of addresses far from where the kernel puts
//! anything by itself. Below 4 GiB, where 32-bit calls reach, there is nothing but areas. File
//! descriptors of programs begin at [`FIRST_FD`], those of this program lie below.

use std::{
    io,
    sync::atomic::{AtomicU64, AtomicU8, Ordering::Relaxed},
    time::Duration,
};

/// What a system call returns, or its errno.
pub type Outcome = Result<u64, i32>;

/// The first file descriptor of programs.
pub const FIRST_FD: u64 = 32;

/// A system call with any arguments; see above for what they may be.
pub fn call(number: libc::c_long, args: &[u64]) -> Outcome {
    let arg = |n: usize| args.get(n).copied().unwrap_or(0);
    // SAFETY: As is argued above, the kernel does not write to memory that Rust owns.
    let ret = unsafe { libc::syscall(number, arg(0), arg(1), arg(2), arg(3), arg(4), arg(5)) };
    if ret == -1 {
        return Err(errno());
    }
    Ok(ret as u64)
}

/// An ioctl as 32-bit programs make it; the kernel must have `CONFIG_IA32_EMULATION`.
#[cfg(target_arch = "x86_64")]
pub fn ioctl_32(fd: u32, command: u32, argument: u32) -> Outcome {
    /// `__NR_ioctl` of i386.
    const IOCTL: i32 = 54;
    let ret: i32;
    // SAFETY: As for `call`. The compiler has a use of its own for `rbx`, which is as before in the end.
    unsafe {
        std::arch::asm!(
            "xchg rbx, {fd}",
            "int 0x80",
            "xchg rbx, {fd}",
            fd = inout(reg) u64::from(fd) => _,
            inout("eax") IOCTL => ret,
            in("ecx") command,
            in("edx") argument,
            out("r8") _,
            out("r9") _,
            out("r10") _,
            out("r11") _,
        );
    }
    match ret {
        -4095..0 => Err(-ret),
        _ => Ok(u64::from(ret as u32)),
    }
}

/// An ioctl as 32-bit programs make it: 64-bit programs cannot.
#[cfg(not(target_arch = "x86_64"))]
pub fn ioctl_32(_fd: u32, _command: u32, _argument: u32) -> Outcome {
    Err(libc::ENOSYS)
}

/// The errno of the last call.
fn errno() -> i32 {
    io::Error::last_os_error().raw_os_error().unwrap_or(0)
}

/// Memory that was mapped, until the process ends.
pub struct Area {
    /// Where it begins.
    start: *mut u8,
    /// Its size in bytes: whole words.
    size: usize,
}

// SAFETY: It is only read and written as atomics.
unsafe impl Send for Area {}
// SAFETY: As above.
unsafe impl Sync for Area {}

impl Area {
    /// Maps `size` bytes, shared with all processes that are forked after it.
    pub fn shared(size: usize) -> io::Result<Self> {
        Self::map(size, libc::MAP_SHARED | libc::MAP_ANONYMOUS, -1)
    }

    /// Maps `size` bytes where 32-bit addresses reach, if that makes a difference here.
    pub fn low(size: usize) -> io::Result<Self> {
        #[cfg(target_arch = "x86_64")]
        let low = libc::MAP_32BIT;
        #[cfg(not(target_arch = "x86_64"))]
        let low = 0;
        Self::map(size, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | low, -1)
    }

    /// Maps `size` bytes of a file descriptor, shared.
    pub fn of_fd(fd: i32, size: usize) -> io::Result<Self> {
        Self::map(size, libc::MAP_SHARED, fd)
    }

    /// Maps memory where there is none.
    fn map(size: usize, flags: i32, fd: i32) -> io::Result<Self> {
        let prot = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: A new mapping, at an address that the kernel chooses.
        let start = unsafe { libc::mmap(std::ptr::null_mut(), size, prot, flags, fd, 0) };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        Ok(Self {
            start: start.cast(),
            size,
        })
    }

    /// The address of the byte at `at`.
    pub fn address(&self, at: usize) -> u64 {
        assert!(at <= self.size);
        self.start as u64 + at as u64
    }

    /// The word with the number `index`.
    pub fn word(&self, index: usize) -> &AtomicU64 {
        assert!(index < self.size / 8);
        // SAFETY: It lies in the mapping, which is aligned to pages, is zeroed at first and stays.
        unsafe { &*self.start.cast::<AtomicU64>().add(index) }
    }

    /// The bytes.
    fn bytes(&self) -> &[AtomicU8] {
        // SAFETY: As above; bytes are never accessed but as atomics.
        unsafe { std::slice::from_raw_parts(self.start.cast(), self.size) }
    }

    /// Writes bytes to `at`.
    pub fn write(&self, at: usize, bytes: &[u8]) {
        for (to, from) in self.bytes()[at..at + bytes.len()].iter().zip(bytes) {
            to.store(*from, Relaxed);
        }
    }

    /// The `len` bytes at `at`.
    pub fn read(&self, at: usize, len: usize) -> Vec<u8> {
        let bytes = self.bytes()[at..at + len].iter();
        bytes.map(|byte| byte.load(Relaxed)).collect()
    }
}

/// Waits while `word` is `value`, but no longer than this. Another process may wake it.
pub fn wait(word: &AtomicU64, value: u64, limit: Duration) {
    let limit = libc::timespec {
        tv_sec: limit.as_secs() as libc::time_t,
        tv_nsec: libc::c_long::from(limit.subsec_nanos() as i32),
    };
    // On these machines the low half of a word comes first.
    let _ = call(
        libc::SYS_futex,
        &[
            word.as_ptr() as u64,
            libc::FUTEX_WAIT as u64,
            value & 0xffff_ffff,
            &raw const limit as u64,
        ],
    );
}

/// Wakes all who wait for `word`.
pub fn wake(word: &AtomicU64) {
    let _ = call(
        libc::SYS_futex,
        &[
            word.as_ptr() as u64,
            libc::FUTEX_WAKE as u64,
            i32::MAX as u64,
        ],
    );
}

/// A child is forked: its number, or [`None`] in the child. It ends when its parent does.
pub fn fork() -> io::Result<Option<i32>> {
    // SAFETY: The processes that fork have one thread.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => {
            let _ = call(
                libc::SYS_prctl,
                &[libc::PR_SET_PDEATHSIG as u64, libc::SIGKILL as u64],
            );
            Ok(None)
        }
        pid => Ok(Some(pid)),
    }
}

/// Whether a child has ended; then it is gone.
pub fn has_ended(pid: i32) -> bool {
    // SAFETY: It may pass no place for the status.
    unsafe { libc::waitpid(pid, std::ptr::null_mut(), libc::WNOHANG) != 0 }
}

/// What the signal of [`Timer`] does: nothing, but the system call returns.
extern "C" fn on_signal(_: libc::c_int) {}

/// Ends system calls of a thread that take long, with `EINTR`.
pub struct Timer(i32);

impl Timer {
    /// A timer for the calling thread.
    pub fn new() -> io::Result<Self> {
        // SAFETY: Zeroes are a valid value of these.
        let (mut action, mut event): (libc::sigaction, libc::sigevent) =
            unsafe { (std::mem::zeroed(), std::mem::zeroed()) };
        action.sa_sigaction = on_signal as extern "C" fn(libc::c_int) as libc::sighandler_t;
        event.sigev_notify = libc::SIGEV_THREAD_ID;
        event.sigev_signo = libc::SIGUSR1;
        event.sigev_notify_thread_id = call(libc::SYS_gettid, &[]).unwrap_or(0) as i32;

        let mut id = 0i32;
        // SAFETY: The handler does nothing.
        unsafe { libc::sigaction(libc::SIGUSR1, &action, std::ptr::null_mut()) };
        call(
            libc::SYS_timer_create,
            &[
                libc::CLOCK_MONOTONIC as u64,
                &raw const event as u64,
                &raw mut id as u64,
            ],
        )
        .map_err(io::Error::from_raw_os_error)?;
        Ok(Self(id))
    }

    /// Carries out `work` with the timer running: a signal every so often.
    pub fn run<T>(&self, every: Duration, work: impl FnOnce() -> T) -> T {
        self.set(every);
        let result = work();
        self.set(Duration::ZERO);
        result
    }

    /// Sets the timer, or stops it.
    fn set(&self, every: Duration) {
        let every = libc::timespec {
            tv_sec: every.as_secs() as libc::time_t,
            tv_nsec: libc::c_long::from(every.subsec_nanos() as i32),
        };
        let spec = libc::itimerspec {
            it_interval: every,
            it_value: every,
        };
        let _ = call(
            libc::SYS_timer_settime,
            &[self.0 as u64, 0, &raw const spec as u64],
        );
    }
}
