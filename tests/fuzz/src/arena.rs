// SPDX-License-Identifier: GPL-2.0

//! The addresses that programs map and unmap: each process has its own.

use std::{io, sync::OnceLock};

use crate::sys::{self, Outcome};

/// Where it begins: far from where the kernel puts what has no address.
pub const START: u64 = 0x10_0000_0000;
/// Its size in bytes.
const SIZE: u64 = 0x10_0000_0000;
/// So much may be filled with pages at once, in bytes.
const FILLED: u64 = 1 << 20;

/// The page size of the kernel.
pub fn page() -> u64 {
    static PAGE: OnceLock<u64> = OnceLock::new();
    *PAGE.get_or_init(|| {
        let auxv = std::fs::read("/proc/self/auxv").unwrap_or_default();
        let mut words = auxv
            .chunks_exact(8)
            .map(|word| u64::from_ne_bytes(word.try_into().expect("8 bytes")));
        while let (Some(kind), Some(value)) = (words.next(), words.next()) {
            if kind == libc::AT_PAGESZ {
                return value;
            }
        }
        4096
    })
}

/// Takes the addresses, or gives back all that is there.
pub fn clear() -> io::Result<()> {
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE | libc::MAP_FIXED;
    let args = [
        START,
        SIZE,
        libc::PROT_NONE as u64,
        flags as u64,
        u64::MAX,
        0,
    ];
    sys::call(libc::SYS_mmap, &args)
        .map(drop)
        .map_err(io::Error::from_raw_os_error)
}

/// The address of the page `cell`.
pub fn address(cell: u64) -> u64 {
    START + cell * page()
}

/// `len` bytes from the page `cell` on: all of them in the arena, or so many that the end wraps,
/// which each system call refuses.
fn span(cell: u64, len: u64) -> (u64, u64) {
    let start = address(cell);
    match start.checked_add(len) {
        Some(_) => (start, len.min(START + SIZE - start)),
        None => (start, len),
    }
}

/// `mmap`.
pub fn map(fd: u64, cell: u64, len: u64, prot: u64, flags: u64, offset: u64) -> Outcome {
    let (start, len) = span(cell, len);
    let mut flags = flags | libc::MAP_FIXED as u64;
    if len > FILLED {
        flags &= !((libc::MAP_POPULATE | libc::MAP_LOCKED) as u64);
    }
    // An anonymous mapping has nothing to do with the devices.
    flags &= !((libc::MAP_ANONYMOUS | libc::MAP_HUGETLB) as u64);
    sys::call(libc::SYS_mmap, &[start, len, prot, flags, fd, offset])
}

/// A system call on a part of the arena, with one more argument.
pub fn on_part(number: libc::c_long, cell: u64, len: u64, arg: u64) -> Outcome {
    let (start, len) = span(cell, len);
    sys::call(number, &[start, len, arg])
}

/// The same, where pages may be filled.
pub fn fill_part(number: libc::c_long, cell: u64, len: u64, arg: u64) -> Outcome {
    on_part(number, cell, len.min(FILLED), arg)
}

/// `mremap`.
pub fn remap(cell: u64, len: u64, to: u64, new_len: u64, flags: u64) -> Outcome {
    let ((start, len), (to, new_len)) = (span(cell, len), span(to, new_len));
    let mut flags = flags;
    if flags & libc::MREMAP_MAYMOVE as u64 != 0 {
        // It would leave the arena.
        flags |= libc::MREMAP_FIXED as u64;
    }
    sys::call(libc::SYS_mremap, &[start, len, new_len, flags, to])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_leaves_the_arena() {
        for cell in [0, 1, 63] {
            for len in [0, 1, 4096, SIZE, 1 << 40, 1 << 47, 1 << 63] {
                let (start, len) = span(cell, len);
                assert!(start >= START && start + len <= START + SIZE);
            }
        }
        assert_eq!((START, u64::MAX), span(0, u64::MAX));
    }

    #[test]
    fn pages_have_a_size() {
        assert!(page().is_power_of_two());
    }
}
