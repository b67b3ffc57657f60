// SPDX-License-Identifier: GPL-2.0

//! Whether the kernel is well.

use std::{
    fs::{self, File},
    io::{ErrorKind, Read, Seek, SeekFrom},
    os::unix::fs::{FileExt, OpenOptionsExt},
    thread,
    time::{Duration, Instant},
};

/// The bits of the kernel's taint that mean trouble: a bad page (KASAN, too), an oops, a warning, a
/// lockup.
const TAINTS: u64 = (1 << 5) | (1 << 7) | (1 << 9) | (1 << 14);

/// What the kernel says when it is in trouble. Lockdep, UBSAN and hung tasks leave no taint.
const WORDS: [&str; 9] = [
    "BUG:",
    "WARNING:",
    "UBSAN:",
    "KASAN:",
    "Oops:",
    "panicked at",
    "INFO: task ",
    "INFO: rcu",
    "possible circular locking",
];

/// Modules that nobody may use when a program has ended.
const MODULES: [&str; 2] = ["ashmem", "binder_fd"];

/// How long what is closed may take to go.
const GRACE: Duration = Duration::from_secs(10);

/// Looks after the kernel.
pub struct Health {
    /// The taint, as text.
    tainted: Option<File>,
    /// The taint when it began.
    before: u64,
    /// What the kernel says.
    log: Option<File>,
}

impl Health {
    /// From now on.
    pub fn new() -> Self {
        let log = File::options()
            .read(true)
            .custom_flags(libc::O_NONBLOCK)
            .open("/dev/kmsg")
            .and_then(|mut log| log.seek(SeekFrom::End(0)).map(|_| log));
        let mut this = Self {
            tainted: File::open("/proc/sys/kernel/tainted").ok(),
            before: 0,
            log: log.ok(),
        };
        this.before = this.taint();
        if this.before != 0 {
            println!(
                "# the kernel was in trouble before: taint {:#x}",
                this.before
            );
            println!("# KASAN then tells nothing more, unless it has kasan_multi_shot");
        }
        this
    }

    /// The bits that mean trouble.
    fn taint(&self) -> u64 {
        let mut text = [0; 32];
        let len = self.tainted.as_ref().map(|file| file.read_at(&mut text, 0));
        let Some(Ok(len)) = len else {
            return 0;
        };
        let text = String::from_utf8_lossy(&text[..len]);
        text.trim().parse::<u64>().unwrap_or(0) & TAINTS
    }

    /// What is wrong with the kernel, if anything is.
    pub fn trouble(&mut self) -> Option<String> {
        if let Some(line) = self.said() {
            return Some(line);
        }
        let new = self.taint() & !self.before;
        (new != 0).then(|| format!("the kernel is tainted: {new:#x}"))
    }

    /// The first of what the kernel has said since the last look that means trouble.
    fn said(&mut self) -> Option<String> {
        let log = self.log.as_mut()?;
        let mut record = [0; 8192];
        loop {
            match log.read(&mut record) {
                Ok(0) => return None,
                Ok(len) => {
                    let text = String::from_utf8_lossy(&record[..len]);
                    let message = text.split_once(';').map_or("", |(_, message)| message);
                    if is_trouble(message) {
                        return Some(message.lines().next().unwrap_or_default().to_owned());
                    }
                }
                // Records were overwritten before they were read.
                Err(err) if err.kind() == ErrorKind::BrokenPipe => {}
                Err(_) => return None,
            }
        }
    }

    /// What still uses our modules, although nothing is open and nothing mapped.
    pub fn leak(&self) -> Option<String> {
        let end = Instant::now() + GRACE;
        loop {
            let used = MODULES.iter().find_map(|module| {
                let path = format!("/sys/module/{module}/refcnt");
                let count = fs::read_to_string(path).ok()?;
                (count.trim() != "0").then(|| format!("{module} is used {} times", count.trim()))
            });
            if used.is_none() || Instant::now() > end {
                return used;
            }
            // Files in sockets and the like go a little later.
            thread::sleep(Duration::from_millis(20));
        }
    }
}

/// Whether a message means trouble.
fn is_trouble(message: &str) -> bool {
    WORDS.iter().any(|word| message.contains(word))
}

/// Lets the kernel live on after an oops, so that the program can be told which it was.
pub fn survive_oops() {
    // Where that is not possible, the console says what happened.
    let _ = fs::write("/proc/sys/kernel/panic_on_oops", "0");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trouble_is_known() {
        assert!(is_trouble("BUG: KASAN: slab-use-after-free in f+0x1/0x2"));
        assert!(is_trouble("WARNING: CPU: 0 PID: 1 at mm/slub.c:1"));
        assert!(!is_trouble(
            "ashmem: loading out-of-tree module taints kernel."
        ));
    }
}
