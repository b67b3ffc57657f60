// SPDX-License-Identifier: GPL-2.0

//! What `/proc/self` says about descriptors and mappings.

use std::fs;
use std::os::fd::{AsRawFd, BorrowedFd};

use crate::arena;
use crate::op::CELLS;
use crate::outcome::Mapped;

/// The lines of `/proc/self/fdinfo/<fd>` that the driver adds to those that every file has.
pub fn fdinfo(fd: BorrowedFd<'_>) -> Vec<u8> {
    let text = fs::read(format!("/proc/self/fdinfo/{}", fd.as_raw_fd())).unwrap_or_default();
    // The last that every file has; only the first counts, a name could look like another.
    let last = text
        .windows(5)
        .position(|bytes| bytes == b"\nino:")
        .unwrap_or(0);
    let end = text[last..].iter().skip(1).position(|&byte| byte == b'\n');

    text[last + end.map_or(0, |end| end + 2)..].to_vec()
}

/// For each page of the arena, with `page` bytes: its line in `/proc/self/maps`, if it is mapped.
pub fn maps(page: u64) -> Vec<Option<Mapped>> {
    let text = fs::read("/proc/self/maps").unwrap_or_default();
    let mut cells: Vec<Option<Mapped>> = (0..CELLS).map(|_| None).collect();

    for line in text.split(|&byte| byte == b'\n') {
        let Some(line) = Line::parse(line) else {
            continue;
        };
        for (n, cell) in cells.iter_mut().enumerate() {
            let address = arena::BASE as u64 + n as u64 * page;
            if (line.start..line.end).contains(&address) {
                *cell = Some(line.mapped(address, page));
            }
        }
    }
    cells
}

/// One line of `/proc/self/maps`.
struct Line<'a> {
    /// The address where the mapping begins.
    start: u64,
    /// The address behind it.
    end: u64,
    /// The permissions.
    perms: &'a [u8],
    /// The offset in the file.
    offset: u64,
    /// The inode.
    inode: u64,
    /// The path; it may have blanks in it.
    path: &'a [u8],
}

impl<'a> Line<'a> {
    /// Takes a line apart.
    fn parse(line: &'a [u8]) -> Option<Self> {
        let fields: Vec<_> = line.splitn(6, |&byte| byte == b' ').collect();
        let [range, perms, offset, _device, inode, path] = fields[..] else {
            return None;
        };
        let hex = |text: &str| u64::from_str_radix(text, 16).ok();
        let (start, end) = std::str::from_utf8(range).ok()?.split_once('-')?;

        Some(Self {
            start: hex(start)?,
            end: hex(end)?,
            perms,
            offset: hex(std::str::from_utf8(offset).ok()?)?,
            inode: std::str::from_utf8(inode).ok()?.parse().ok()?,
            path: path.trim_ascii_start(),
        })
    }

    /// What the line says about the page at `address`.
    fn mapped(&self, address: u64, page: u64) -> Mapped {
        let shared = self.perms.last() == Some(&b's');

        Mapped {
            perms: self.perms.to_vec(),
            // A private mapping is anonymous memory: its offset means nothing.
            page: shared.then_some((self.offset + address - self.start) / page),
            inode: self.inode,
            path: self.path.to_vec(),
        }
    }
}
