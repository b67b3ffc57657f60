// SPDX-License-Identifier: GPL-2.0

//! What the driver should do: the ABI in plain Rust.
//!
//! A [`Model`] is told each operation, and says what must come of it. The regions and the rules of
//! the device are in [`region`], what mmap and its like do to an address space in [`memory`], the
//! commands on pinning in [`pin`], and what a worker sees of it all in [`view`].

mod memory;
mod pin;
mod region;
mod view;

use std::collections::BTreeSet;

use rustix::io::Errno;

use crate::args::{Access, Amount, Pinning, Prot, Whence};
use crate::env::Env;
use crate::op::{Call, Op, FDS};
use crate::outcome::{Answer, Attributes, Outcome, Report};
use memory::{Memory, Request};
use region::Region;

/// A way in which a model can be wrong on purpose: each is a mistake that a driver could make, and
/// that the comparison must find.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// A bit that the protection mask has lost can be added again.
    MaskGrows,
    /// `mprotect` gets back what the mask forbids.
    MprotectIgnoresMask,
    /// The size may still be changed after the first mmap.
    SizeNeverFreezes,
    /// `pread` moves the file position.
    PreadMovesPosition,
    /// A private mapping shows what is in the region.
    PrivateShowsRegion,
    /// A duplicate in another process has a file position of its own.
    PositionNotShared,
    /// What is left of a purged range that was pinned in part is as if it had not been purged.
    PinForgetsThePurge,
    /// Unpinning what is unpinned already makes it wait for a purge again.
    UnpinAgainMatters,
    /// Ranges that are next to each other become one.
    NeighboursMerge,
    /// What is unpinned when the last descriptor is closed is purged all the same.
    CloseForgetsNothing,
}

impl Wrong {
    /// All of them.
    pub const ALL: &'static [Self] = &[
        Self::MaskGrows,
        Self::MprotectIgnoresMask,
        Self::SizeNeverFreezes,
        Self::PreadMovesPosition,
        Self::PrivateShowsRegion,
        Self::PositionNotShared,
        Self::PinForgetsThePurge,
        Self::UnpinAgainMatters,
        Self::NeighboursMerge,
        Self::CloseForgetsNothing,
    ];

    /// Whether it shows where pages are unpinned and purged.
    pub fn is_about_pinning(self) -> bool {
        matches!(
            self,
            Self::PinForgetsThePurge
                | Self::UnpinAgainMatters
                | Self::NeighboursMerge
                | Self::CloseForgetsNothing
        )
    }
}

/// A worker process.
#[derive(Clone, Default)]
struct Process {
    /// For each place: the region behind the descriptor.
    fds: [Option<usize>; FDS],
    /// What is mapped.
    memory: Memory,
}

/// The model: every region there has been, and every worker.
pub struct Model {
    /// The machine.
    env: Env,
    /// What is wrong, if anything.
    wrong: Option<Wrong>,
    /// The regions; one that nobody can reach any more stays, and does no harm.
    regions: Vec<Region>,
    /// The workers.
    processes: Vec<Process>,
}

impl Model {
    /// A model without regions.
    pub fn new(env: Env, wrong: Option<Wrong>, workers: usize) -> Self {
        Self {
            env,
            wrong,
            regions: Vec::new(),
            processes: (0..workers).map(|_| Process::default()).collect(),
        }
    }

    /// Does an operation, and says what the worker must report.
    ///
    /// `driver` is what the worker did report; it is only looked at for what the driver may choose:
    /// the inode number of a new backing file.
    pub fn apply(&mut self, op: &Op, driver: &Report) -> Report {
        let worker = usize::from(op.worker);
        let outcome = self.outcome(worker, &op.call);
        let attributes = match op.call {
            // What is seen is what the receiver sees, if there is something to receive.
            Call::Send { worker, to, .. } => {
                outcome.is_success().then_some((worker.into(), to.into()))
            }
            ref call => call.touched_fd().map(|place| (worker, place)),
        };

        Report {
            outcome,
            attributes: attributes.map(|(worker, place)| {
                let seen = driver
                    .attributes
                    .as_ref()
                    .and_then(|seen| seen.file_id.ok());
                self.adopt_file_id(worker, place, seen);
                self.attributes(worker, place)
            }),
        }
    }

    /// Takes the inode number that the driver has chosen for a new backing file, if no other region
    /// has it.
    fn adopt_file_id(&mut self, worker: usize, place: usize, seen: Option<u64>) {
        let taken = seen.is_some() && self.regions.iter().any(|region| region.file_id == seen);

        if let Some(n) = self.processes[worker].fds[place] {
            let region = &mut self.regions[n];
            if region.frozen && region.file_id.is_none() && !taken {
                region.file_id = seen;
            }
        }
    }

    /// The region behind a descriptor; `EBADF` if there is none.
    fn region(&mut self, worker: usize, fd: u8) -> Answer<&mut Region> {
        let n = self.processes[worker].fds[usize::from(fd)].ok_or(Errno::BADF)?;

        Ok(&mut self.regions[n])
    }

    /// The number of bytes of an amount.
    fn bytes(&self, amount: Amount) -> u64 {
        amount.resolve(self.env.page)
    }

    /// What comes of an operation.
    fn outcome(&mut self, worker: usize, call: &Call) -> Outcome {
        let page = self.env.page;

        match *call {
            Call::Load { at, offset } => {
                let memory = &mut self.processes[worker].memory;
                let offset = offset.resolve(page);
                Outcome::Loaded(memory.load(&mut self.regions, self.env, at, offset))
            }
            Call::Store { at, offset, value } => {
                let memory = &mut self.processes[worker].memory;
                let offset = offset.resolve(page);
                Outcome::Stored(memory.store(&mut self.regions, self.env, at, offset, value))
            }
            Call::Read { fd, len } => Outcome::Bytes(self.region(worker, fd).and_then(|region| {
                let bytes = region.read(page, region.position, len)?;
                region.position += bytes.len() as i64;
                Ok(bytes)
            })),
            Call::Pread { fd, offset, len } => Outcome::Bytes(self.pread(worker, fd, offset, len)),
            Call::Check {} => Outcome::Seen(self.view(worker)),
            _ => Outcome::Number(self.number(worker, call)),
        }
    }

    /// What comes of an operation that returns a number.
    fn number(&mut self, worker: usize, call: &Call) -> Answer<i64> {
        let (env, wrong) = (self.env, self.wrong);
        let page = env.page;

        match *call {
            Call::Open { fd, access } => {
                self.processes[worker].fds[usize::from(fd)] = Some(self.regions.len());
                self.regions.push(Region::new(access));
            }
            Call::Close { fd } => {
                self.region(worker, fd)?;
                self.processes[worker].fds[usize::from(fd)] = None;
            }
            Call::Dup { fd, to } => {
                self.region(worker, fd)?;
                let fds = &mut self.processes[worker].fds;
                fds[usize::from(to)] = fds[usize::from(fd)];
            }
            Call::Send {
                fd,
                worker: receiver,
                to,
            } => self.send(worker, fd, receiver, to)?,
            Call::Fork { child } => {
                let mut copy = self.processes[worker].clone();
                copy.memory.fork();
                self.processes[usize::from(child)] = copy;
            }
            Call::SetName { fd, ref name } => self.region(worker, fd)?.set_name(&name.0)?,
            Call::SetSize { fd, size } => {
                self.region(worker, fd)?
                    .set_size(size.resolve(page), wrong)?;
            }
            Call::SetProtMask { fd, mask } => self.region(worker, fd)?.set_mask(mask, wrong)?,
            Call::Pin {
                fd,
                command: Pinning::PurgeAll,
                ..
            } => {
                self.region(worker, fd)?;
                return Ok(self.purge_all());
            }
            Call::Pin {
                fd,
                command,
                offset,
                len,
            } => {
                let (offset, len) = (self.bytes(offset) as u32, self.bytes(len) as u32);
                return self
                    .region(worker, fd)?
                    .pinning(page, command, offset, len, wrong);
            }
            Call::Unknown { fd, .. } => {
                self.region(worker, fd)?;
                return Err(Errno::NOTTY);
            }
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
                self.region(worker, fd)?;
                let request = Request {
                    at,
                    len,
                    page,
                    prot,
                    sharing,
                    populate,
                    noreserve,
                };
                let process = &mut self.processes[worker];
                let n = process.fds[usize::from(fd)].ok_or(Errno::BADF)?;
                process
                    .memory
                    .mmap(&mut self.regions, n, env, wrong, &request)?;
            }
            Call::Munmap { at, len } => self.processes[worker].memory.munmap(at, len),
            Call::Mprotect { at, len, prot } => {
                self.processes[worker].memory.mprotect(at, len, prot)?;
            }
            Call::Madvise { at, len, advice } => {
                let memory = &mut self.processes[worker].memory;
                memory.madvise(&mut self.regions, at, len, advice)?;
            }
            Call::Mremap { at, to } => self.processes[worker].memory.mremap(at, to)?,
            Call::Write { fd } => {
                let writes = self.region(worker, fd)?.access.writes();
                return Err(if writes { Errno::INVAL } else { Errno::BADF });
            }
            Call::Lseek { fd, offset, whence } => {
                return self.lseek(worker, fd, offset, whence);
            }
            _ => unreachable!("{call} does not return a number"),
        }
        Ok(0)
    }

    /// `ASHMEM_PURGE_ALL_CACHES`: of regions that somebody has a descriptor of.
    fn purge_all(&mut self) -> i64 {
        let fds = self.processes.iter().flat_map(|process| process.fds);
        let open: BTreeSet<_> = fds.flatten().collect();
        let all = self.wrong == Some(Wrong::CloseForgetsNothing);

        let regions = self.regions.iter_mut().enumerate();
        let pages: i64 = regions
            .filter(|(n, _)| all || open.contains(n))
            .map(|(_, region)| region.purge())
            .sum();
        // More does not fit into the result of `ioctl`.
        pages.min(i64::from(i32::MAX))
    }

    /// `pread`.
    fn pread(&mut self, worker: usize, fd: u8, offset: Amount, len: u16) -> Answer<Vec<u8>> {
        let (page, wrong) = (self.env.page, self.wrong);
        let offset = self.bytes(offset) as i64;

        // The kernel looks at the offset before the descriptor.
        if offset < 0 {
            return Err(Errno::INVAL);
        }
        let region = self.region(worker, fd)?;
        let bytes = region.read(page, offset, len)?;
        if wrong == Some(Wrong::PreadMovesPosition) {
            region.position = offset + bytes.len() as i64;
        }
        Ok(bytes)
    }

    /// `lseek`.
    fn lseek(&mut self, worker: usize, fd: u8, offset: Amount, whence: Whence) -> Answer<i64> {
        let offset = self.bytes(offset) as i64;
        let page = self.env.page;

        self.region(worker, fd)?.seek(page, offset, whence)
    }

    /// Passes a descriptor on.
    fn send(&mut self, worker: usize, fd: u8, receiver: u8, to: u8) -> Answer<()> {
        let copy = self.region(worker, fd)?.clone();
        let mut n = self.processes[worker].fds[usize::from(fd)];

        if self.wrong == Some(Wrong::PositionNotShared) && worker != usize::from(receiver) {
            n = Some(self.regions.len());
            self.regions.push(copy);
        }
        self.processes[usize::from(receiver)].fds[usize::from(to)] = n;
        Ok(())
    }

    /// What can be asked about the region behind a descriptor.
    fn attributes(&mut self, worker: usize, place: usize) -> Attributes {
        match self.region(worker, place as u8) {
            Ok(region) => region.attributes(),
            Err(errno) => Attributes {
                size: Err(errno),
                name: Err(errno),
                mask: Err(errno),
                file_id: Err(errno),
                position: Err(errno),
            },
        }
    }
}

/// What a file that was opened like this can never allow a shared mapping.
fn denied_to_shared(access: Access) -> Prot {
    if access.writes() {
        Prot::NONE
    } else {
        Prot::WRITE
    }
}
