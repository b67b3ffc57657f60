// SPDX-License-Identifier: GPL-2.0

//! The ioctl numbers of `/dev/ashmem` and their decoding.
//!
//! Pure: no locks, no user memory, no other file of this module. [`Command::decode`] is total: what
//! it does not know is [`None`], which the caller answers with `ENOTTY`.
//!
//! C header: `include/uapi/linux/ashmem.h` of this project.

use kernel::{
    ioctl::{
        _IO,
        _IOR,
        _IOW, //
    },
    transmute::FromBytes, //
};

/// The ioctl type of ashmem, `__ASHMEMIOC`.
const ASHMEM: u32 = 0x77;

/// The size of a name's buffer in bytes, its NUL included: `ASHMEM_NAME_LEN`.
pub(crate) const ASHMEM_NAME_LEN: usize = 256;

/// What the commands on names carry: a buffer of [`ASHMEM_NAME_LEN`] bytes.
type NameBuf = [u8; ASHMEM_NAME_LEN];

/// A range of pages, in bytes: `struct ashmem_pin`.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct AshmemPin {
    /// Where it begins: a multiple of the page size.
    pub(crate) offset: u32,
    /// Its length, a multiple of the page size; 0 means "to the end".
    pub(crate) len: u32,
}

// SAFETY: Two numbers and no padding: any bytes will do.
unsafe impl FromBytes for AshmemPin {}

/// `ASHMEM_SET_NAME`.
const SET_NAME: u32 = _IOW::<NameBuf>(ASHMEM, 1);
/// `ASHMEM_GET_NAME`.
const GET_NAME: u32 = _IOR::<NameBuf>(ASHMEM, 2);
/// `ASHMEM_SET_SIZE`.
const SET_SIZE: u32 = _IOW::<usize>(ASHMEM, 3);
/// `ASHMEM_SET_SIZE` of a 32-bit caller.
const COMPAT_SET_SIZE: u32 = _IOW::<u32>(ASHMEM, 3);
/// `ASHMEM_GET_SIZE`.
const GET_SIZE: u32 = _IO(ASHMEM, 4);
/// `ASHMEM_SET_PROT_MASK`.
const SET_PROT_MASK: u32 = _IOW::<usize>(ASHMEM, 5);
/// `ASHMEM_SET_PROT_MASK` of a 32-bit caller.
const COMPAT_SET_PROT_MASK: u32 = _IOW::<u32>(ASHMEM, 5);
/// `ASHMEM_GET_PROT_MASK`.
const GET_PROT_MASK: u32 = _IO(ASHMEM, 6);
/// `ASHMEM_PIN`.
const PIN: u32 = _IOW::<AshmemPin>(ASHMEM, 7);
/// `ASHMEM_UNPIN`.
const UNPIN: u32 = _IOW::<AshmemPin>(ASHMEM, 8);
/// `ASHMEM_GET_PIN_STATUS`: it takes an argument, although its number has no size.
const GET_PIN_STATUS: u32 = _IO(ASHMEM, 9);
/// `ASHMEM_PURGE_ALL_CACHES`.
const PURGE_ALL_CACHES: u32 = _IO(ASHMEM, 10);
/// `ASHMEM_GET_FILE_ID`.
const GET_FILE_ID: u32 = _IOR::<usize>(ASHMEM, 11);
/// `ASHMEM_GET_FILE_ID` of a 32-bit caller.
const COMPAT_GET_FILE_ID: u32 = _IOR::<u32>(ASHMEM, 11);

/// The word size of the caller: it decides the size of a C `long`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum CallerAbi {
    /// A caller with the kernel's own word size.
    Native,
    /// A 32-bit caller on a 64-bit kernel, from `compat_ioctl`.
    Compat,
}

/// A command of the ashmem ABI.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Command {
    /// Set the name; the argument points to a string.
    SetName,
    /// Get the name; the argument points to a buffer of [`ASHMEM_NAME_LEN`] bytes.
    GetName,
    /// Set the size; the argument is the size in bytes.
    SetSize,
    /// Get the size in bytes.
    GetSize,
    /// Lower the protection mask; the argument is the mask.
    SetProtMask,
    /// Get the protection mask.
    GetProtMask,
    /// Pin a range; the argument points to an [`AshmemPin`].
    Pin,
    /// Unpin a range; the argument points to an [`AshmemPin`].
    Unpin,
    /// Ask whether a range is pinned; the argument points to an [`AshmemPin`].
    GetPinStatus,
    /// Purge all that is unpinned, of all regions.
    PurgeAllCaches,
    /// Get the inode number of the backing file; the argument points to an `unsigned long`.
    GetFileId,
}

impl Command {
    /// Decodes the number that a caller of the given word size passed to ioctl.
    ///
    /// The whole number counts, with the direction and the size that it encodes: any other is
    /// another command, and unknown.
    pub(crate) fn decode(cmd: u32, abi: CallerAbi) -> Option<Self> {
        match (cmd, abi) {
            (SET_NAME, _) => Some(Self::SetName),
            (GET_NAME, _) => Some(Self::GetName),
            (SET_SIZE, CallerAbi::Native) | (COMPAT_SET_SIZE, CallerAbi::Compat) => {
                Some(Self::SetSize)
            }
            (GET_SIZE, _) => Some(Self::GetSize),
            (SET_PROT_MASK, CallerAbi::Native) | (COMPAT_SET_PROT_MASK, CallerAbi::Compat) => {
                Some(Self::SetProtMask)
            }
            (GET_PROT_MASK, _) => Some(Self::GetProtMask),
            (PIN, _) => Some(Self::Pin),
            (UNPIN, _) => Some(Self::Unpin),
            (GET_PIN_STATUS, _) => Some(Self::GetPinStatus),
            (PURGE_ALL_CACHES, _) => Some(Self::PurgeAllCaches),
            (GET_FILE_ID, CallerAbi::Native) | (COMPAT_GET_FILE_ID, CallerAbi::Compat) => {
                Some(Self::GetFileId)
            }
            _ => None,
        }
    }
}
