// SPDX-License-Identifier: GPL-2.0

//! The part of the address space that operations map into.
//!
//! It is the same in every worker, empty at first, and far from where the kernel puts what a
//! process maps without an address: so it stays empty but for what the operations do.

use std::ffi::c_void;
use std::os::fd::BorrowedFd;

use rustix::mm;

use crate::access;
use crate::args::{Advice, Prot, Sharing};
use crate::op::CELLS;
use crate::outcome::{Answer, Signal};

/// Where the arena begins: above what a program has at low addresses, below what any 64-bit
/// kernel maps from the top of the address space down.
pub const BASE: usize = 0x10_0000_0000;

/// The arena of this process.
#[derive(Clone, Copy)]
pub struct Arena {
    /// The page size.
    page: usize,
}

impl Arena {
    /// The arena, with pages of `page` bytes.
    pub fn new(page: u64) -> Self {
        Self {
            page: page as usize,
        }
    }

    /// The address of a page.
    fn address(self, at: u8) -> usize {
        BASE + usize::from(at) * self.page
    }

    /// The same as a pointer.
    fn pointer(self, at: u8) -> *mut c_void {
        self.address(at) as *mut c_void
    }

    /// Whether `len` pages from `at` on are in the arena; every method below asserts it.
    fn assert_inside(self, at: u8, len: u8) {
        assert!(
            usize::from(at) + usize::from(len) <= CELLS,
            "{at}+{len}: not in the arena"
        );
    }

    /// Unmaps everything.
    pub fn clear(self) {
        self.munmap(0, CELLS as u8).expect("munmap of the arena");
    }

    /// `mmap` with `MAP_FIXED`.
    #[expect(clippy::too_many_arguments, reason = "as the system call")]
    pub fn mmap(
        self,
        fd: BorrowedFd<'_>,
        at: u8,
        len: u8,
        page: u64,
        prot: Prot,
        sharing: Sharing,
        populate: bool,
        noreserve: bool,
    ) -> Answer<i64> {
        let mut flags = mm::MapFlags::FIXED;

        flags |= match sharing {
            Sharing::Shared => mm::MapFlags::SHARED,
            Sharing::Private => mm::MapFlags::PRIVATE,
        };
        flags.set(mm::MapFlags::POPULATE, populate);
        flags.set(mm::MapFlags::NORESERVE, noreserve);
        self.assert_inside(at, len);
        let (length, offset) = (usize::from(len) * self.page, page * self.page as u64);
        let prot = mm::ProtFlags::from_bits_retain(prot.0.into());
        // SAFETY: Nothing in this program owns memory in the arena.
        unsafe { mm::mmap(self.pointer(at), length, prot, flags, fd, offset) }.map(|_| 0)
    }

    /// `munmap`.
    pub fn munmap(self, at: u8, len: u8) -> Answer<i64> {
        self.assert_inside(at, len);
        // SAFETY: Nothing in this program owns memory in the arena.
        unsafe { mm::munmap(self.pointer(at), usize::from(len) * self.page) }.map(|()| 0)
    }

    /// `mprotect`.
    pub fn mprotect(self, at: u8, len: u8, prot: Prot) -> Answer<i64> {
        let prot = mm::MprotectFlags::from_bits_retain(prot.0.into());

        self.assert_inside(at, len);
        // SAFETY: Nothing in this program owns memory in the arena.
        unsafe { mm::mprotect(self.pointer(at), usize::from(len) * self.page, prot) }.map(|()| 0)
    }

    /// `madvise`.
    pub fn madvise(self, at: u8, len: u8, advice: Advice) -> Answer<i64> {
        let advice = match advice {
            Advice::DontNeed => mm::Advice::LinuxDontNeed,
            Advice::Remove => mm::Advice::LinuxRemove,
            Advice::DontFork => mm::Advice::LinuxDontFork,
            Advice::DoFork => mm::Advice::LinuxDoFork,
        };

        self.assert_inside(at, len);
        // SAFETY: Nothing in this program owns memory in the arena.
        unsafe { mm::madvise(self.pointer(at), usize::from(len) * self.page, advice) }.map(|()| 0)
    }

    /// `mremap` of one page with `MREMAP_FIXED`.
    pub fn mremap(self, at: u8, to: u8) -> Answer<i64> {
        let flags = mm::MremapFlags::MAYMOVE;

        self.assert_inside(at, 1);
        self.assert_inside(to, 1);
        let (from, to) = (self.pointer(at), self.pointer(to));
        // SAFETY: Nothing in this program owns memory in the arena.
        unsafe { mm::mremap_fixed(from, self.page, self.page, flags, to) }.map(|_| 0)
    }

    /// Loads eight bytes; `offset` must be a multiple of 8 below the page size.
    pub fn load(self, at: u8, offset: u64) -> Result<u64, Signal> {
        access::load(self.address(at) + offset as usize)
    }

    /// Stores eight bytes; `offset` must be a multiple of 8 below the page size.
    pub fn store(self, at: u8, offset: u64, value: u64) -> Result<(), Signal> {
        self.assert_inside(at, 1);
        assert!(offset <= self.page as u64 - 8, "{offset}: not in the page");
        // SAFETY: Just checked to be in the arena.
        unsafe { access::store(self.address(at) + offset as usize, value) }
    }

    /// The words of a page that are not zero, or the signal that the first load leads to.
    pub fn words(self, at: u8) -> Result<Vec<(u64, u64)>, Signal> {
        self.load(at, 0)?;

        let first = self.address(at) as *const u64;
        Ok((0..self.page / 8)
            // SAFETY: The page can be read, as was just tried. Other workers may hold it mapped, but
            // they only write while this one waits for its turn.
            .map(|n| (n as u64 * 8, unsafe { first.add(n).read_volatile() }))
            .filter(|&(_offset, word)| word != 0)
            .collect())
    }
}
