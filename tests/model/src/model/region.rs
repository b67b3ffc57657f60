// SPDX-License-Identifier: GPL-2.0

//! A region, and the rules of the device on it.

use std::collections::BTreeMap;

use rustix::io::Errno;

use super::pin::Range;
use super::Wrong;
use crate::args::{Access, Prot, Whence};
use crate::ioctl::ASHMEM_NAME_LEN;
use crate::outcome::{Answer, Attributes};

/// What a region without a name answers when asked for it: `ASHMEM_NAME_DEF`.
const NAME_DEF: &[u8] = b"dev/ashmem";

/// The content of a page: each word that is not zero, by its offset in the page.
pub type Page = BTreeMap<u64, u64>;

/// A region: what stands behind one open of the device.
#[derive(Clone)]
pub struct Region {
    /// How the device was opened.
    pub access: Access,
    /// The file position, shared by all duplicates of the descriptor.
    pub position: i64,
    /// The name; empty means none.
    pub name: Vec<u8>,
    /// The size in bytes, as it was set.
    pub size: u64,
    /// The protection mask.
    pub mask: Prot,
    /// Whether there is a backing file: name and size cannot change any more.
    pub frozen: bool,
    /// The inode number of the backing file, once it is known.
    pub file_id: Option<u64>,
    /// The pages that exist; the others are holes.
    pub pages: BTreeMap<u64, Page>,
    /// What is unpinned: no two of them overlap.
    pub unpinned: Vec<Range>,
}

impl Region {
    /// A new region.
    pub fn new(access: Access) -> Self {
        Self {
            access,
            position: 0,
            name: Vec::new(),
            size: 0,
            mask: Prot::ALL,
            frozen: false,
            file_id: None,
            pages: BTreeMap::new(),
            unpinned: Vec::new(),
        }
    }

    /// `EINVAL` once the region is frozen.
    fn draft(&self) -> Answer<()> {
        (!self.frozen).then_some(()).ok_or(Errno::INVAL)
    }

    /// `ASHMEM_SET_NAME`.
    pub fn set_name(&mut self, name: &[u8]) -> Answer<()> {
        self.draft()?;
        self.name = name[..name.len().min(ASHMEM_NAME_LEN - 1)].to_vec();
        Ok(())
    }

    /// `ASHMEM_SET_SIZE`.
    pub fn set_size(&mut self, size: u64, wrong: Option<Wrong>) -> Answer<()> {
        if wrong != Some(Wrong::SizeNeverFreezes) {
            self.draft()?;
        }
        self.size = size;
        Ok(())
    }

    /// `ASHMEM_SET_PROT_MASK`.
    pub fn set_mask(&mut self, mask: u64, wrong: Option<Wrong>) -> Answer<()> {
        let requested = u8::try_from(mask).map(Prot).map_err(|_| Errno::INVAL)?;
        let limit = if wrong == Some(Wrong::MaskGrows) {
            Prot::ALL
        } else {
            self.mask
        };

        if !limit.contains(requested) {
            return Err(Errno::INVAL);
        }
        self.mask = requested;
        Ok(())
    }

    /// The number of pages, the last one perhaps not whole.
    pub fn page_count(&self, page: u64) -> u64 {
        self.size.div_ceil(page)
    }

    /// What can be asked about the region.
    pub fn attributes(&self) -> Attributes {
        let name = if self.name.is_empty() {
            NAME_DEF
        } else {
            &self.name
        };

        Attributes {
            size: returned(self.size),
            name: Ok([name, b"\0"].concat()),
            mask: Ok(self.mask.0.into()),
            file_id: if self.frozen {
                Ok(self.file_id.unwrap_or(0))
            } else {
                Err(Errno::INVAL)
            },
            position: self
                .mapped_or(Err(Errno::INVAL))
                .map_or_else(|answer| answer, |()| Ok(self.position)),
        }
    }

    /// What read and lseek have to work on, or what they answer: `empty` while the size is 0,
    /// `EBADF` when the region was only never mapped.
    fn mapped_or<T>(&self, empty: Answer<T>) -> Result<(), Answer<T>> {
        if self.size == 0 {
            return Err(empty);
        }
        self.frozen.then_some(()).ok_or(Err(Errno::BADF))
    }

    /// The bytes at a position that is not negative.
    pub fn read(&self, page: u64, position: i64, len: u16) -> Answer<Vec<u8>> {
        if !self.access.reads() {
            return Err(Errno::BADF);
        }
        // The VFS wants the end to be a position, too.
        position.checked_add(len.into()).ok_or(Errno::INVAL)?;
        if let Err(answer) = self.mapped_or(Ok(Vec::new())) {
            return answer;
        }

        let start = position as u64;
        let end = self.size.min(start + u64::from(len));
        let mut bytes = vec![0; end.saturating_sub(start) as usize];
        for (n, words) in self
            .pages
            .range(start / page..end.max(start).div_ceil(page))
        {
            for (offset, word) in words {
                for (at, byte) in (n * page + offset..).zip(word.to_le_bytes()) {
                    if (start..end).contains(&at) {
                        bytes[(at - start) as usize] = byte;
                    }
                }
            }
        }
        Ok(bytes)
    }

    /// `lseek`.
    pub fn seek(&mut self, page: u64, offset: i64, whence: Whence) -> Answer<i64> {
        if let Err(answer) = self.mapped_or(Err(Errno::INVAL)) {
            return answer;
        }
        // A backing file is never longer than that.
        let size = i64::try_from(self.size).map_err(|_| Errno::INVAL)?;
        let position = match whence {
            Whence::Set => Some(offset),
            Whence::Cur => self.position.checked_add(offset),
            Whence::End => size.checked_add(offset),
            Whence::Data | Whence::Hole if offset < 0 || offset >= size => return Err(Errno::NXIO),
            Whence::Data => Some(self.next_data(page, offset as u64).ok_or(Errno::NXIO)?),
            Whence::Hole => Some(self.next_hole(page, offset as u64)),
        };

        self.position = position
            .filter(|&position| position >= 0)
            .ok_or(Errno::INVAL)?;
        Ok(self.position)
    }

    /// Where the first page from `offset` on is that exists.
    fn next_data(&self, page: u64, offset: u64) -> Option<i64> {
        let (&n, _) = self
            .pages
            .range(offset / page..self.page_count(page))
            .next()?;

        Some((n * page).max(offset) as i64)
    }

    /// Where the first hole from `offset` on is, at the latest the end.
    fn next_hole(&self, page: u64, offset: u64) -> i64 {
        let mut n = offset / page;

        while self.pages.contains_key(&n) {
            n += 1;
        }
        (n.saturating_mul(page)).max(offset).min(self.size) as i64
    }
}

/// What is left of a size that the driver returns from an ioctl: the VFS keeps it in an `int` on its
/// way to user space, and the last values of all mean an error.
fn returned(size: u64) -> Answer<i64> {
    match i64::from(size as i32) {
        // `ERESTARTSYS` and its like, by which a driver has the kernel begin the call anew.
        -516..=-512 => Err(Errno::OVERFLOW),
        errno @ -4095..=-1 => Err(Errno::from_raw_os_error(-errno as i32)),
        size => Ok(size),
    }
}
