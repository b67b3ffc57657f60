// SPDX-License-Identifier: GPL-2.0

//! What a worker sees when it looks at everything.

use rustix::io::Errno;

use super::memory::{Cell, Content};
use super::region::Region;
use super::Model;
use crate::args::Sharing;
use crate::outcome::{Answer, Descriptor, Mapped, View, Word};
use crate::worker::VIEW_PAGES;

impl Model {
    /// What a worker sees. Looking at a page of a region makes it exist.
    pub(super) fn view(&mut self, worker: usize) -> View {
        let (env, regions) = (self.env, &mut self.regions);
        let process = &mut self.processes[worker];
        let fds = process
            .fds
            .iter()
            .map(|n| n.map(|n| regions[n].descriptor(env.page)))
            .collect();
        let maps = process.memory.cells.iter();
        let maps = maps
            .map(|cell| cell.as_ref().map(|cell| cell.mapped(regions)))
            .collect();
        let cells = process.memory.cells.iter_mut().map(|cell| {
            let cell = cell.as_mut().filter(|cell| cell.readable(env))?;
            let page = cell.page(regions, env).ok()?;
            Some(page.iter().map(|(&offset, &word)| (offset, word)).collect())
        });

        View {
            fds,
            cells: cells.collect(),
            maps,
        }
    }
}

impl Region {
    /// What is seen on a descriptor of the region.
    fn descriptor(&self, page: u64) -> Descriptor {
        Descriptor {
            attributes: self.attributes(),
            fdinfo: self.fdinfo(),
            content: self.content(page),
        }
    }

    /// The lines of fdinfo.
    fn fdinfo(&self) -> Vec<u8> {
        let mut lines = Vec::new();

        if let Some(id) = self.file_id {
            lines.extend_from_slice(format!("inode:\t{id}\n").as_bytes());
        }
        if !self.name.is_empty() {
            lines.extend_from_slice(&[b"name:\t", &escaped(&self.name)[..], b"\n"].concat());
        }
        lines.extend_from_slice(format!("size:\t{}\n", self.size).as_bytes());
        lines.extend_from_slice(format!("unpinned:\t{}\n", self.unpinned_pages()).as_bytes());
        lines
    }

    /// The words that `pread` finds.
    fn content(&self, page: u64) -> Answer<Vec<Word>> {
        if !self.access.reads() || self.size != 0 && !self.frozen {
            return Err(Errno::BADF);
        }

        let pages = self.pages.range(..VIEW_PAGES);
        let words =
            pages.flat_map(|(n, words)| words.iter().map(move |(at, word)| (n * page + at, *word)));
        Ok(words
            .filter(|&(at, _word)| at < self.size)
            // The last word may be cut short: its first bytes are the lowest.
            .map(|(at, word)| match self.size - at {
                bytes @ 1..8 => (at, word & ((1 << (bytes * 8)) - 1)),
                _ => (at, word),
            })
            .filter(|&(_at, word)| word != 0)
            .collect())
    }
}

impl Cell {
    /// What maps says about the page.
    fn mapped(&self, regions: &[Region]) -> Mapped {
        let region = &regions[self.region];
        let (sharing, page) = match self.content {
            Content::Shared(page) => (Sharing::Shared, Some(page)),
            Content::Private(_) => (Sharing::Private, None),
        };
        let letter = if sharing == Sharing::Shared { 's' } else { 'p' };
        let mut path = b"/dev/ashmem".to_vec();

        if !region.name.is_empty() {
            path.push(b'/');
            path.extend_from_slice(&escaped(&region.name));
        }
        path.extend_from_slice(b" (deleted)");
        Mapped {
            perms: format!("{}{letter}", self.prot).into_bytes(),
            page,
            inode: region.file_id.unwrap_or(0),
            path,
        }
    }
}

/// A name as it is printed in `/proc`: no newline.
fn escaped(name: &[u8]) -> Vec<u8> {
    name.iter()
        .flat_map(|byte| match byte {
            b'\n' => b"\\012".to_vec(),
            _ => vec![*byte],
        })
        .collect()
}
