// SPDX-License-Identifier: GPL-2.0

//! Names for numbers, so that programs can be read.

use ashmem_binder::uapi;

use crate::value::{parse_number, show_number};

/// Numbers with their names. The first of two names of a number is the one that is written.
#[derive(Clone, Copy)]
pub struct Names(&'static [(&'static str, u64)]);

impl Names {
    /// All of them.
    pub fn all(self) -> &'static [(&'static str, u64)] {
        self.0
    }

    /// The name of a number, or its digits.
    pub fn show_one(self, value: u64) -> String {
        match self.0.iter().find(|named| named.1 == value) {
            Some((name, _)) => (*name).to_owned(),
            None => show_number(value),
        }
    }

    /// The number that a name, or digits, is.
    pub fn parse_one(self, text: &str) -> Option<u64> {
        match self.0.iter().find(|named| named.0 == text) {
            Some(&(_, value)) => Some(value),
            None => parse_number(text),
        }
    }

    /// The names of the bits of a number, with `|` between them.
    pub fn show_flags(self, value: u64) -> String {
        let mut left = value;
        let mut words = Vec::new();
        for &(name, bits) in self.0 {
            if bits != 0 && left & bits == bits {
                words.push(name.to_owned());
                left &= !bits;
            }
        }
        if left != 0 || words.is_empty() {
            words.push(show_number(left));
        }
        words.join("|")
    }

    /// The number with the bits of all names.
    pub fn parse_flags(self, text: &str) -> Option<u64> {
        text.split('|')
            .try_fold(0, |flags, word| Some(flags | self.parse_one(word)?))
    }
}

/// Where a user pointer points.
pub const PTR: Names = Names(&[
    ("good", 0),
    ("end", 1),
    ("over", 2),
    ("odd", 3),
    ("readonly", 4),
    ("none", 5),
    ("null", 6),
    ("kernel", 7),
    ("noncanonical", 8),
    ("last", 9),
    ("arena", 10),
]);

/// `PROT_*`.
pub const PROT: Names = Names(&[
    ("READ", libc::PROT_READ as u64),
    ("WRITE", libc::PROT_WRITE as u64),
    ("READ", libc::PROT_READ as u64),
    ("EXEC", libc::PROT_EXEC as u64),
]);

/// `MAP_*`; `MAP_FIXED` comes with the arena.
pub const MAP: Names = Names(&[
    ("SHARED", libc::MAP_SHARED as u64),
    ("PRIVATE", libc::MAP_PRIVATE as u64),
    ("SHARED", libc::MAP_SHARED as u64),
    ("NORESERVE", libc::MAP_NORESERVE as u64),
    ("POPULATE", libc::MAP_POPULATE as u64),
    ("LOCKED", libc::MAP_LOCKED as u64),
]);

/// `O_*`.
pub const OPEN: Names = Names(&[
    ("RDWR", libc::O_RDWR as u64),
    ("WRONLY", libc::O_WRONLY as u64),
    ("RDWR", libc::O_RDWR as u64),
    ("RDWR", libc::O_RDWR as u64),
    ("RDONLY", 0),
    ("NONBLOCK", libc::O_NONBLOCK as u64),
    ("CLOEXEC", libc::O_CLOEXEC as u64),
    ("PATH", libc::O_PATH as u64),
    ("TRUNC", libc::O_TRUNC as u64),
    ("APPEND", libc::O_APPEND as u64),
]);

/// `lseek`.
pub const WHENCE: Names = Names(&[("SET", 0), ("CUR", 1), ("END", 2), ("DATA", 3), ("HOLE", 4)]);

/// What `ASHMEM_SET_NAME` sets: see `exec::ashmem`.
pub const NAME: Names = Names(&[
    ("empty", 0),
    ("short", 1),
    ("newline", 2),
    ("bytes", 3),
    ("n255", 4),
    ("n256", 5),
    ("slashes", 6),
]);

/// `madvise`. What poisons memory is left out: the kernel would be tainted by that alone.
pub const ADVICE: Names = Names(&[
    ("NORMAL", libc::MADV_NORMAL as u64),
    ("WILLNEED", libc::MADV_WILLNEED as u64),
    ("DONTNEED", libc::MADV_DONTNEED as u64),
    ("REMOVE", libc::MADV_REMOVE as u64),
    ("FREE", libc::MADV_FREE as u64),
    ("DONTFORK", libc::MADV_DONTFORK as u64),
    ("DOFORK", libc::MADV_DOFORK as u64),
    ("MERGEABLE", libc::MADV_MERGEABLE as u64),
    ("HUGEPAGE", libc::MADV_HUGEPAGE as u64),
    ("COLD", libc::MADV_COLD as u64),
    ("PAGEOUT", libc::MADV_PAGEOUT as u64),
    ("POPULATE_READ", libc::MADV_POPULATE_READ as u64),
    ("POPULATE_WRITE", libc::MADV_POPULATE_WRITE as u64),
]);

/// `msync`.
pub const MSYNC: Names = Names(&[("ASYNC", 1), ("INVALIDATE", 2), ("SYNC", 4)]);

/// `mremap`.
pub const MREMAP: Names = Names(&[("MAYMOVE", 1), ("FIXED", 2), ("DONTUNMAP", 4)]);

/// `fallocate`.
pub const FALLOCATE: Names = Names(&[
    ("ALLOCATE", 0),
    ("KEEP_SIZE", 1),
    ("PUNCH_HOLE", 3),
    ("ZERO_RANGE", 0x10),
]);

/// `preadv2`.
pub const RWF: Names = Names(&[("PLAIN", 0), ("HIPRI", 1), ("NOWAIT", 8)]);

/// `epoll_ctl`.
pub const EPOLL: Names = Names(&[("ADD", 1), ("DEL", 2), ("MOD", 3)]);

/// Files of the kernel that show or change what the drivers do: see `exec::files`.
pub const SHOW: Names = Names(&[("totals", 0), ("areas", 1), ("maps", 2), ("smaps", 3)]);

/// Numbers of ioctls that are none, or of another device.
pub const IOCTL: Names = Names(&[
    ("SET_NAME_SHORT", 0x40ff_7701),
    ("SET_SIZE_32", 0x4004_7703),
    ("PROT_MASK_32", 0x4004_7705),
    ("FILE_ID_32", 0x8004_770b),
    ("NONE_7700", 0x7700),
    ("NONE_770C", 0x770c),
    ("STATUS_IOW", 0x4008_7709),
    ("TCGETS", 0x5401),
    ("FIONREAD", 0x541b),
    ("FS_IOC_FSGETXATTR", 0x801c_581f),
    ("BINDER_SET_IDLE", 0x4008_6203),
    ("BINDER_NODE_DEBUG", 0xc018_620b),
    ("BINDER_FREEZE", 0x400c_620e),
    ("BINDER_VERSION_0", 0xc000_6209),
]);

/// Numbers of ioctls as 32-bit programs have them, and of some as they do not.
pub const IOCTL_32: Names = Names(&[
    ("SET_NAME", 0x4100_7701),
    ("GET_NAME", 0x8100_7702),
    ("SET_SIZE", 0x4004_7703),
    ("GET_SIZE", 0x7704),
    ("SET_PROT_MASK", 0x4004_7705),
    ("GET_PROT_MASK", 0x7706),
    ("PIN", 0x4008_7707),
    ("UNPIN", 0x4008_7708),
    ("STATUS", 0x7709),
    ("PURGE", 0x770a),
    ("FILE_ID", 0x8004_770b),
    ("SET_SIZE_64", 0x4008_7703),
    ("PROT_MASK_64", 0x4008_7705),
    ("FILE_ID_64", 0x8008_770b),
    ("BINDER_VERSION", 0xc004_6209),
    ("BINDER_MAX_THREADS", 0x4004_6205),
]);

/// `flat_binder_object_flags` of a manager.
pub const MANAGER: Names = Names(&[
    ("ACCEPTS_FDS", 0x100),
    ("ACCEPTS_FDS", 0x100),
    ("TXN_SECURITY_CTX", 0x1000),
    ("PRIORITY", 0x7f),
]);

/// `transaction_flags`.
pub const TF: Names = Names(&[
    ("SYNC", 0),
    ("ONE_WAY", 0x01),
    ("ACCEPT_FDS", 0x10),
    ("STATUS_CODE", 0x08),
    ("CLEAR_BUF", 0x20),
    ("UPDATE_TXN", 0x40),
]);

/// Object types that are not translated.
pub const OBJECT: Names = Names(&[
    ("BINDER", uapi::BINDER_TYPE_BINDER as u64),
    ("WEAK_BINDER", uapi::BINDER_TYPE_WEAK_BINDER as u64),
    ("HANDLE", uapi::BINDER_TYPE_HANDLE as u64),
    ("WEAK_HANDLE", uapi::BINDER_TYPE_WEAK_HANDLE as u64),
    ("FD", uapi::BINDER_TYPE_FD as u64),
    ("FDA", uapi::BINDER_TYPE_FDA as u64),
    ("PTR", uapi::BINDER_TYPE_PTR as u64),
]);

/// Commands without anything to them.
pub const LOOP: Names = Names(&[
    (
        "ENTER",
        uapi::binder_driver_command_protocol_BC_ENTER_LOOPER as u64,
    ),
    (
        "REGISTER",
        uapi::binder_driver_command_protocol_BC_REGISTER_LOOPER as u64,
    ),
    (
        "EXIT",
        uapi::binder_driver_command_protocol_BC_EXIT_LOOPER as u64,
    ),
]);

/// Commands with a handle.
pub const REF: Names = Names(&[
    (
        "INCREFS",
        uapi::binder_driver_command_protocol_BC_INCREFS as u64,
    ),
    (
        "ACQUIRE",
        uapi::binder_driver_command_protocol_BC_ACQUIRE as u64,
    ),
    (
        "RELEASE",
        uapi::binder_driver_command_protocol_BC_RELEASE as u64,
    ),
    (
        "DECREFS",
        uapi::binder_driver_command_protocol_BC_DECREFS as u64,
    ),
]);

/// Commands that are not in the subset, or cut off.
pub const COMMAND: Names = Names(&[
    (
        "TRANSACTION",
        uapi::binder_driver_command_protocol_BC_TRANSACTION as u64,
    ),
    (
        "REPLY_SG",
        uapi::binder_driver_command_protocol_BC_REPLY_SG as u64,
    ),
    (
        "FREE_BUFFER",
        uapi::binder_driver_command_protocol_BC_FREE_BUFFER as u64,
    ),
    (
        "DEAD_BINDER_DONE",
        uapi::binder_driver_command_protocol_BC_DEAD_BINDER_DONE as u64,
    ),
    (
        "REQUEST_DEATH",
        uapi::binder_driver_command_protocol_BC_REQUEST_DEATH_NOTIFICATION as u64,
    ),
    ("ZERO", 0),
]);

/// How much space there is for returns, in bytes.
pub const SPACE: Names = Names(&[
    ("none", 0),
    ("none", 0),
    ("word", 4),
    ("short", 75),
    ("one", 148),
    ("much", 1024),
    ("much", 1024),
    ("much", 1024),
    ("much", 1024),
]);

/// Which buffer `BC_FREE_BUFFER` names: see `exec::binder`.
pub const BUFFER: Names = Names(&[
    ("latest", 0),
    ("latest", 0),
    ("latest", 0),
    ("before", 1),
    ("again", 2),
    ("inside", 3),
    ("start", 4),
    ("wild", 5),
]);

/// Where one thing in a parcel is, relative to where it belongs: see `exec::parcel`.
pub const ORDER: Names = Names(&[
    ("sorted", 0),
    ("reversed", 1),
    ("doubled", 2),
    ("odd", 3),
    ("beyond", 4),
    ("huge", 5),
    ("cut", 6),
]);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_have_names() {
        assert_eq!("READ|WRITE", PROT.show_flags(3));
        assert_eq!("0", PROT.show_flags(0));
        assert_eq!("EXEC|0x80", PROT.show_flags(0x84));
        assert_eq!(Some(0x84), PROT.parse_flags("EXEC|0x80"));
        assert_eq!(None, PROT.parse_flags("EXEC|"));
    }
}
