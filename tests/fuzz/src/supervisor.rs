// SPDX-License-Identifier: GPL-2.0

//! Lets the workers carry programs out, and starts new ones when they end or get stuck.

use std::{
    fs, io,
    sync::atomic::Ordering::{Acquire, Relaxed},
    time::{Duration, Instant},
};

use crate::{
    health::{self, Health},
    oracle::Complaint,
    program::Program,
    shared::Shared,
    sys, worker,
};

/// How long a worker may take to end when it was killed.
const LAST_WORDS: Duration = Duration::from_secs(60);
/// How often it is looked whether the workers are still there.
const LOOK: Duration = Duration::from_millis(200);
/// Every so many programs it is looked for what was left behind.
const LEAK_EVERY: u64 = 64;

/// What has come of a program.
pub enum Ran {
    /// It is done, and reached this.
    Done(Vec<u64>),
    /// The workers ended. What it reached is not known.
    Not,
}

/// How long to wait for a program is over.
enum Waited {
    /// All is tidy.
    Tidy,
    /// A worker has ended.
    Ended,
    /// It took too long.
    Late,
}

/// Supervises the workers, which end with this process.
pub struct Supervisor {
    /// What is shared with them.
    pub shared: Shared,
    /// Their processes.
    workers: [i32; 2],
    /// Whether there is no coverage.
    is_blind: bool,
    /// How long a program may take.
    patience: Duration,
    /// Whether the kernel's log gets each program.
    logs: bool,
    /// The number of the last run.
    run: u64,
    /// How often workers were started anew.
    pub restarts: u64,
    /// Looks after the kernel.
    health: Health,
}

impl Supervisor {
    /// Starts the workers.
    pub fn new(is_blind: bool, patience: Duration, logs: bool) -> io::Result<Self> {
        health::survive_oops();
        let shared = Shared::new()?;
        Ok(Self {
            workers: worker::start(&shared, is_blind)?,
            shared,
            is_blind,
            patience,
            logs,
            run: 0,
            restarts: 0,
            health: Health::new(),
        })
    }

    /// How many programs were run.
    pub fn programs(&self) -> u64 {
        self.run
    }

    /// Runs a program. The error is what is wrong with the kernel, or the drivers.
    pub fn run(&mut self, program: &Program) -> Result<Ran, String> {
        if self.logs {
            log(program);
        }
        self.run += 1;
        self.shared.start(program, self.run);
        let waited = self.wait();
        if !matches!(waited, Waited::Tidy) {
            // An oops may have left a lock behind, and then nobody ends.
            if let Some(trouble) = self.health.trouble() {
                return Err(trouble);
            }
        }
        match waited {
            Waited::Tidy => {}
            Waited::Ended => self.restart()?,
            Waited::Late => return Err(self.late()),
        }
        let complaint = self.shared.complaint().swap(0, Relaxed);
        if let Some(text) = Complaint::text(complaint) {
            return Err(text.to_owned());
        }
        if let Some(trouble) = self.health.trouble() {
            return Err(trouble);
        }
        if self.run % LEAK_EVERY == 0 {
            self.check_leaks()?;
        }
        Ok(match waited {
            Waited::Tidy => Ran::Done(self.shared.signal()),
            _ => Ran::Not,
        })
    }

    /// Looks for what was left behind.
    pub fn check_leaks(&self) -> Result<(), String> {
        self.health.leak().map_or(Ok(()), Err)
    }

    /// Waits until all is tidy, or cannot be.
    fn wait(&self) -> Waited {
        let end = Instant::now() + self.patience;
        loop {
            let tidy = self.shared.tidy().load(Acquire);
            if tidy == self.run {
                return Waited::Tidy;
            }
            if self.workers.iter().any(|&pid| sys::has_ended(pid)) {
                return Waited::Ended;
            }
            if Instant::now() > end {
                return Waited::Late;
            }
            sys::wait(self.shared.tidy(), tidy, LOOK);
        }
    }

    /// What to say of a program that does not end. That is no result: no call of a program may take
    /// long, for one that could wait is told not to, or is interrupted. Either the kernel does not
    /// return, or this program has lost its way.
    fn late(&mut self) -> String {
        let stacks: String = self.workers.iter().map(|&pid| stacks(pid)).collect();
        match self.end() {
            Ok(()) => format!("it did not end in {:?}:\n{stacks}", self.patience),
            Err(stuck) => stuck,
        }
    }

    /// Ends the workers and starts others. The error: one does not end.
    fn restart(&mut self) -> Result<(), String> {
        self.restarts += 1;
        self.end()?;
        self.workers = worker::start(&self.shared, self.is_blind)
            .map_err(|err| format!("no new workers: {err}"))?;
        Ok(())
    }

    /// Ends the workers. The error is where one is stuck.
    fn end(&mut self) -> Result<(), String> {
        for pid in self.workers {
            let _ = sys::call(libc::SYS_kill, &[pid as u64, libc::SIGKILL as u64]);
        }
        let end = Instant::now() + LAST_WORDS;
        for pid in self.workers {
            while !sys::has_ended(pid) {
                if Instant::now() > end {
                    return Err(format!("a worker is stuck in the kernel:\n{}", stacks(pid)));
                }
                std::thread::sleep(Duration::from_millis(5));
            }
        }
        Ok(())
    }
}

/// Where the threads of a process are in the kernel; nothing of those that are not in there.
fn stacks(pid: i32) -> String {
    let Ok(tasks) = fs::read_dir(format!("/proc/{pid}/task")) else {
        return String::new();
    };
    let stack = |task: fs::DirEntry| fs::read_to_string(task.path().join("stack")).ok();
    tasks
        .flatten()
        .filter_map(stack)
        .collect::<Vec<_>>()
        .join("\n")
}

/// Tells the kernel's log, at a level that no console shows, what is run: a panic can show it.
fn log(program: &Program) {
    for line in program.to_string().lines() {
        let _ = fs::write("/dev/kmsg", format!("<7>ashmem_fuzz: {line}\n"));
    }
}
