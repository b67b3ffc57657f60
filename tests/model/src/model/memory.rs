// SPDX-License-Identifier: GPL-2.0

//! The arena of a worker: what is mapped in it, page by page.

use rustix::io::Errno;

use super::region::{Page, Region};
use super::{denied_to_shared, Wrong};
use crate::args::{Advice, Prot, Sharing};
use crate::env::Env;
use crate::op::CELLS;
use crate::outcome::{Answer, Signal};

/// What mmap is asked for; the fields are those of [`Call::Mmap`](crate::op::Call::Mmap).
pub struct Request {
    /// The first page in the arena.
    pub at: u8,
    /// The number of pages.
    pub len: u8,
    /// The first page of the region.
    pub page: u64,
    /// The protection.
    pub prot: Prot,
    /// Shared or private.
    pub sharing: Sharing,
    /// Whether the pages are to be there at once.
    pub populate: bool,
    /// Whether memory is not to be accounted.
    pub noreserve: bool,
}

/// A page of the arena that is mapped.
#[derive(Clone)]
pub struct Cell {
    /// The region that it shows, or has the name of.
    pub region: usize,
    /// Where its bytes are.
    pub content: Content,
    /// The protection.
    pub prot: Prot,
    /// The most that mprotect allows.
    may: Prot,
    /// Whether a child does not get it.
    dont_fork: bool,
}

/// Where the bytes of a page are.
#[derive(Clone)]
pub enum Content {
    /// In the region: the page of this number.
    Shared(u64),
    /// In memory of the process's own, which was zero at first.
    Private(Page),
}

/// The arena of a worker.
#[derive(Clone, Default)]
pub struct Memory {
    /// Each page, if it is mapped.
    pub cells: [Option<Cell>; CELLS],
}

impl Memory {
    /// Some pages in a row.
    fn range(&mut self, at: u8, len: u8) -> &mut [Option<Cell>] {
        &mut self.cells[usize::from(at)..usize::from(at) + usize::from(len)]
    }

    /// `mmap` of the region with the number `n`.
    pub fn mmap(
        &mut self,
        regions: &mut [Region],
        n: usize,
        env: Env,
        wrong: Option<Wrong>,
        request: &Request,
    ) -> Answer<()> {
        let region = &mut regions[n];
        let shared = request.sharing == Sharing::Shared;
        let denied = if shared {
            denied_to_shared(region.access)
        } else {
            Prot::NONE
        };
        let noexec = if env.noexec { Prot::EXEC } else { Prot::NONE };

        // What the kernel checks before it asks the driver.
        if !region.access.reads() || !Prot::ALL.without(denied).contains(request.prot) {
            return Err(Errno::ACCESS);
        }
        if !Prot::ALL.without(noexec).contains(request.prot) {
            return Err(Errno::PERM);
        }
        // Before the driver is asked, the kernel makes room: nothing comes back if it refuses.
        self.munmap(request.at, request.len);
        may_map(region, env, request)?;

        region.frozen = true;
        let limit = match wrong {
            Some(Wrong::MprotectIgnoresMask) => Prot::ALL,
            _ => region.mask,
        };
        for (cell, page) in self
            .range(request.at, request.len)
            .iter_mut()
            .zip(request.page..)
        {
            *cell = Some(Cell {
                region: n,
                content: match (request.sharing, wrong) {
                    (Sharing::Shared, _) => Content::Shared(page),
                    (Sharing::Private, Some(Wrong::PrivateShowsRegion)) => {
                        Content::Private(region.pages.get(&page).cloned().unwrap_or_default())
                    }
                    (Sharing::Private, _) => Content::Private(Page::new()),
                },
                prot: request.prot,
                may: limit.without(denied).without(noexec),
                dont_fork: false,
            });
        }
        if request.populate {
            self.populate(regions, env, request);
        }
        Ok(())
    }

    /// `MAP_POPULATE`: makes the pages that a shared mapping shows, as far as they may be had.
    fn populate(&mut self, regions: &mut [Region], env: Env, request: &Request) {
        for cell in self.range(request.at, request.len).iter().flatten() {
            // The kernel reads them, also where the process could not but might be allowed to. An
            // x86 that can forbid reading does so by a key, which holds the kernel off, too.
            let key = cfg!(target_arch = "x86_64") && !env.exec_reads && cell.prot == Prot::EXEC;
            let forced = cell.prot != Prot::NONE && cell.may.contains(Prot::READ) && !key;

            if let Content::Shared(page) = cell.content {
                let region = &mut regions[cell.region];
                let readable = cell.prot.contains(Prot::READ) || forced;
                if readable && page < region.page_count(env.page) {
                    region.pages.entry(page).or_default();
                }
            }
        }
    }

    /// `munmap`.
    pub fn munmap(&mut self, at: u8, len: u8) {
        self.range(at, len).fill(None);
    }

    /// `mprotect`: does what it can before it fails.
    pub fn mprotect(&mut self, at: u8, len: u8, prot: Prot) -> Answer<()> {
        for cell in self.range(at, len) {
            let cell = cell.as_mut().ok_or(Errno::NOMEM)?;

            if !cell.may.contains(prot) {
                return Err(Errno::ACCESS);
            }
            cell.prot = prot;
        }
        Ok(())
    }

    /// `madvise`: skips what is not mapped, and says so in the end.
    pub fn madvise(
        &mut self,
        regions: &mut [Region],
        at: u8,
        len: u8,
        advice: Advice,
    ) -> Answer<()> {
        let mut result = Ok(());

        for cell in self.range(at, len) {
            match cell {
                Some(cell) => cell.advise(regions, advice)?,
                None => result = Err(Errno::NOMEM),
            }
        }
        result
    }

    /// `mremap` of one page.
    pub fn mremap(&mut self, at: u8, to: u8) -> Answer<()> {
        if at == to {
            return Err(Errno::INVAL);
        }
        let cell = self.cells[usize::from(at)].take().ok_or(Errno::FAULT)?;

        self.cells[usize::from(to)] = Some(cell);
        Ok(())
    }

    /// Leaves only what a child gets.
    pub fn fork(&mut self) {
        for cell in &mut self.cells {
            cell.take_if(|cell| cell.dont_fork);
        }
    }

    /// Loads a word.
    pub fn load(
        &mut self,
        regions: &mut [Region],
        env: Env,
        at: u8,
        offset: u64,
    ) -> Result<u64, Signal> {
        let cell = self.cells[usize::from(at)].as_mut().ok_or(Signal::Segv)?;

        if !cell.readable(env) {
            return Err(Signal::Segv);
        }
        Ok(cell.page(regions, env)?.get(&offset).copied().unwrap_or(0))
    }

    /// Stores a word.
    pub fn store(
        &mut self,
        regions: &mut [Region],
        env: Env,
        at: u8,
        offset: u64,
        value: u64,
    ) -> Result<(), Signal> {
        let cell = self.cells[usize::from(at)].as_mut().ok_or(Signal::Segv)?;

        if !cell.prot.contains(Prot::WRITE) {
            return Err(Signal::Segv);
        }
        let page = cell.page(regions, env)?;
        if value == 0 {
            page.remove(&offset);
        } else {
            page.insert(offset, value);
        }
        Ok(())
    }
}

impl Cell {
    /// Whether a load works.
    ///
    /// No machine has pages that can be written but not read.
    pub fn readable(&self, env: Env) -> bool {
        let reads = Prot(Prot::READ.0 | Prot::WRITE.0);

        self.prot.and(reads) != Prot::NONE || env.exec_reads && self.prot.contains(Prot::EXEC)
    }

    /// The bytes of the page, which exists from now on.
    pub fn page<'a>(
        &'a mut self,
        regions: &'a mut [Region],
        env: Env,
    ) -> Result<&'a mut Page, Signal> {
        match &mut self.content {
            Content::Private(page) => Ok(page),
            Content::Shared(page) => {
                let region = &mut regions[self.region];
                if *page >= region.page_count(env.page) {
                    return Err(Signal::Bus);
                }
                Ok(region.pages.entry(*page).or_default())
            }
        }
    }

    /// `madvise` of a page that is mapped.
    fn advise(&mut self, regions: &mut [Region], advice: Advice) -> Answer<()> {
        match (advice, &mut self.content) {
            (Advice::DontFork, _) => self.dont_fork = true,
            // What can never be written has no pages of its own: to the kernel it is a special mapping.
            (Advice::DoFork, Content::Private(_)) if !self.may.contains(Prot::WRITE) => {
                return Err(Errno::INVAL);
            }
            (Advice::DoFork, _) => self.dont_fork = false,
            // The pages of a region stay: it is only not mapped any more until the next access.
            (Advice::DontNeed, Content::Shared(_)) => {}
            (Advice::DontNeed, Content::Private(page)) => page.clear(),
            (Advice::Remove, Content::Shared(page)) if self.may.contains(Prot::WRITE) => {
                regions[self.region].pages.remove(page);
            }
            (Advice::Remove, _) => return Err(Errno::ACCESS),
        }
        Ok(())
    }
}

/// The rules of the driver on mmap.
fn may_map(region: &Region, env: Env, request: &Request) -> Answer<()> {
    let limit = region
        .size
        .checked_next_multiple_of(env.page)
        .ok_or(Errno::INVAL)?;

    if u64::from(request.len) * env.page > limit {
        return Err(Errno::INVAL);
    }
    if !region.mask.contains(request.prot) {
        return Err(Errno::PERM);
    }
    if region.frozen {
        return Ok(());
    }
    // The backing file cannot be longer than any file, nor larger than all memory there is.
    i64::try_from(region.size).map_err(|_| Errno::INVAL)?;
    match env.commit_limit {
        Some(memory) if limit > memory && !request.noreserve => Err(Errno::NOMEM),
        _ => Ok(()),
    }
}
