// SPDX-License-Identifier: GPL-2.0

//! The worker processes, as their parent sees them.
//!
//! One worker works at a time: a program of operations has one order.

use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use rustix::process::{kill_process, test_kill_process, Pid, Signal};

use crate::op::{Call, Op};
use crate::outcome::Report;
use crate::socket::Socket;
use crate::wire::Wire;
use crate::worker::{request, Worker};

/// How long an operation may take; no emulator is so slow.
const PATIENCE: Duration = Duration::from_secs(30);

/// Why a worker does not answer: it ended, or it hangs.
#[derive(Clone, Debug)]
pub enum Lost {
    /// The process ended.
    Ended,
    /// There was no answer for a long time.
    Hangs,
}

/// A connection to a worker.
struct Link {
    /// The socket.
    socket: Socket,
    /// The process.
    pid: Pid,
}

/// The workers.
pub struct Fleet {
    /// The page size.
    page: u64,
    /// A connection to each.
    links: Vec<Link>,
}

impl Fleet {
    /// Starts `workers` workers.
    pub fn start(page: u64, workers: usize) -> Result<Self, Lost> {
        let mut fleet = Self {
            page,
            links: Vec::new(),
        };

        for _ in 0..workers {
            let link = fleet.spawn()?;
            fleet.links.push(link);
        }
        Ok(fleet)
    }

    /// Starts one worker.
    fn spawn(&self) -> Result<Link, Lost> {
        let (ours, theirs) = Socket::pair(PATIENCE).expect("socketpair");

        // SAFETY: There is one thread, so that the child may do whatever the parent may.
        match unsafe { libc::fork() } {
            0 => {
                drop(ours);
                Worker::run(theirs, self.page)
            }
            -1 => panic!("fork: {}", std::io::Error::last_os_error()),
            _ => Link::greeted(ours, theirs),
        }
    }

    /// Has every worker give up what it has.
    pub fn clear(&mut self) -> Result<(), Lost> {
        for link in &mut self.links {
            link.ask(&[request::CLEAR], None)?;
        }
        for link in &mut self.links {
            link.done()?;
        }
        Ok(())
    }

    /// Has an operation done.
    pub fn operate(&mut self, op: &Op) -> Result<Report, Lost> {
        let worker = usize::from(op.worker);

        if let Call::Fork { child } = op.call {
            return self.fork(worker, child.into());
        }

        let (report, fd) = self.links[worker].operate(op)?;
        match (&op.call, fd) {
            (Call::Send { worker, to, .. }, Some(fd)) => {
                let link = &mut self.links[usize::from(*worker)];
                link.ask(&[request::RECEIVE, *to], Some(fd))?;
                link.report().map(|(report, _)| report)
            }
            _ => Ok(report),
        }
    }

    /// Has a worker fork; the child replaces another worker.
    fn fork(&mut self, worker: usize, child: usize) -> Result<Report, Lost> {
        let (ours, theirs) = Socket::pair(PATIENCE).expect("socketpair");
        let theirs_too = theirs.try_clone().expect("dup");

        self.links[worker].ask(&[request::FORK], Some(theirs))?;
        self.links[worker].done()?;
        let new = Link::greeted(ours, theirs_too)?;
        let old = std::mem::replace(&mut self.links[child], new);
        old.end();
        Ok(Report {
            outcome: crate::outcome::Outcome::Number(Ok(0)),
            attributes: None,
        })
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        // A worker ends by itself when its socket is closed, but one that hangs does not look.
        for link in &self.links {
            // It may have ended already.
            let _ = kill_process(link.pid, Signal::KILL);
        }
    }
}

impl Link {
    /// Waits for a new worker to say who it is; `theirs` is its end of the connection.
    fn greeted(mut socket: Socket, theirs: OwnedFd) -> Result<Self, Lost> {
        drop(theirs);
        let (bytes, _) = receive(&mut socket)?;
        let pid = u64::take(&mut &bytes[..]).and_then(|pid| Pid::from_raw(pid as i32));

        pid.map(|pid| Self { socket, pid }).ok_or(Lost::Ended)
    }

    /// Ends the worker, and waits until all that it had open is closed.
    ///
    /// That its socket is closed here is not enough: younger workers have a copy of this end.
    fn end(self) {
        // It may have ended already.
        let _ = kill_process(self.pid, Signal::KILL);
        // Nobody waits for it: it is gone as soon as it has ended.
        while test_kill_process(self.pid).is_ok() {
            std::thread::sleep(Duration::from_micros(100));
        }
    }

    /// Sends a request.
    fn ask(&self, bytes: &[u8], fd: Option<OwnedFd>) -> Result<(), Lost> {
        self.socket
            .send(bytes, fd.as_ref().map(AsFd::as_fd))
            .map_err(|_| Lost::Ended)
    }

    /// Waits for the answer to a request that has none to speak of.
    fn done(&mut self) -> Result<(), Lost> {
        receive(&mut self.socket).map(|_| ())
    }

    /// Waits for a report, with which a descriptor may come along.
    fn report(&mut self) -> Result<(Report, Option<OwnedFd>), Lost> {
        let (bytes, fd) = receive(&mut self.socket)?;

        Report::take(&mut &bytes[..])
            .map(|report| (report, fd))
            .ok_or(Lost::Ended)
    }

    /// Has an operation done that concerns only this worker.
    fn operate(&mut self, op: &Op) -> Result<(Report, Option<OwnedFd>), Lost> {
        let mut bytes = vec![request::OPERATION];

        bytes.extend_from_slice(op.to_string().as_bytes());
        self.ask(&bytes, None)?;
        self.report()
    }
}

/// Waits for an answer.
fn receive(socket: &mut Socket) -> Result<(Vec<u8>, Option<OwnedFd>), Lost> {
    match socket.receive() {
        Ok(Some(message)) => Ok((message.bytes, message.fd)),
        Ok(None) => Err(Lost::Ended),
        Err(rustix::io::Errno::AGAIN) => Err(Lost::Hangs),
        Err(_) => Err(Lost::Ended),
    }
}
