// SPDX-License-Identifier: GPL-2.0

//! Memory of an actor for what system calls point to, good and bad.

use std::io;

use crate::{
    arena,
    sys::{self, Area},
};

/// No page is larger.
const PAGE: usize = 1 << 16;
/// The part that can be written.
const WRITABLE: usize = 0x40000;
/// Where structures and short buffers are.
const GOOD: usize = 0x100;
/// Where the data of parcels is.
const PARCELS: usize = 0x10000;
/// Where commands are.
pub const COMMANDS: usize = 0x30000;
/// Where returns are.
pub const RETURNS: usize = 0x34000;
/// Where what only the executor needs is.
pub const OWN: usize = 0x36000;

/// What the names of [`crate::names::PTR`] stand for.
const KINDS: u64 = 11;

/// The memory: what can be written, a page where nothing is, a page that can only be read.
pub struct Scratch {
    /// All of it.
    area: Area,
    /// Up to where the place for parcels has been used.
    used: usize,
}

impl Scratch {
    /// Maps it.
    pub fn new() -> io::Result<Self> {
        let area = Area::low(WRITABLE + 2 * PAGE)?;
        let protect = |at, prot: i32| {
            let args = [area.address(at), PAGE as u64, prot as u64];
            sys::call(libc::SYS_mprotect, &args).map_err(io::Error::from_raw_os_error)
        };
        protect(WRITABLE, libc::PROT_NONE)?;
        protect(WRITABLE + PAGE, libc::PROT_READ)?;
        Ok(Self {
            area,
            used: PARCELS,
        })
    }

    /// Forgets the parcels.
    pub fn reset(&mut self) {
        self.used = PARCELS;
    }

    /// The address of a place that can be written.
    pub fn address(&self, at: usize) -> u64 {
        self.area.address(at)
    }

    /// Writes to a place that can be written.
    pub fn write(&self, at: usize, bytes: &[u8]) -> u64 {
        assert!(at + bytes.len() <= WRITABLE);
        self.area.write(at, bytes);
        self.address(at)
    }

    /// Reads from a place that can be written.
    pub fn read(&self, at: usize, len: usize) -> Vec<u8> {
        assert!(at + len <= WRITABLE);
        self.area.read(at, len)
    }

    /// Reads what a good pointer points to.
    pub fn read_good(&self, len: usize) -> Vec<u8> {
        self.read(GOOD, len)
    }

    /// A pointer of the kind `kind` to `bytes`, as far as they can be there.
    pub fn pointer(&self, kind: u64, bytes: &[u8]) -> u64 {
        self.pointer_at(kind, GOOD, bytes)
    }

    /// The same, with the place of good ones.
    pub fn pointer_at(&self, kind: u64, good: usize, bytes: &[u8]) -> u64 {
        let len = bytes.len().min(PARCELS);
        let bytes = &bytes[..len];
        match kind % KINDS {
            0 => self.write(good, bytes),
            1 => self.write(WRITABLE - len, bytes),
            2 => self.write(WRITABLE - len / 2, &bytes[..len / 2]),
            3 => self.write(good + 1, bytes),
            4 => self.area.address(WRITABLE + PAGE),
            5 => self.area.address(WRITABLE),
            6 => 0,
            7 => 0xffff_8880_0000_0000,
            8 => 1 << 63,
            9 => u64::MAX - 7,
            _ => arena::START,
        }
    }

    /// Keeps bytes where parcels are; [`None`] if there is no space left.
    pub fn keep(&mut self, bytes: &[u8]) -> Option<u64> {
        let at = self.used;
        let end = (at + bytes.len()).next_multiple_of(8);
        if end > COMMANDS {
            return None;
        }
        self.used = end;
        Some(self.write(at, bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pointers_of_all_kinds() {
        let scratch = Scratch::new().unwrap();
        for kind in 0..KINDS {
            scratch.pointer(kind, &[1; 100]);
        }
        assert_eq!(vec![7; 8], {
            scratch.pointer(0, &[7; 8]);
            scratch.read(GOOD, 8)
        });
        // The last byte before the page where nothing is.
        assert_eq!(scratch.pointer(1, &[1; 8]) + 8, scratch.pointer(5, &[]));
    }

    #[test]
    fn parcels_have_an_end() {
        let mut scratch = Scratch::new().unwrap();
        while scratch.keep(&[1; 1000]).is_some() {}
        scratch.reset();
        assert!(scratch.keep(&[1; 1000]).is_some());
    }
}
