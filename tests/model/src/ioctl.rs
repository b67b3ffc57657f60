// SPDX-License-Identifier: GPL-2.0

//! The ioctls of `/dev/ashmem`, numbered as in `include/uapi/linux/ashmem.h`.

use std::os::fd::{AsRawFd, BorrowedFd};

use rustix::io::Errno;
use rustix::ioctl::opcode::{none, read, write};

use crate::args::Pinning;
use crate::outcome::Answer;

/// `__ASHMEMIOC`: the type of all commands.
const ASHMEMIOC: u8 = 0x77;

/// `ASHMEM_NAME_LEN`: the size of the buffer for a name.
pub const ASHMEM_NAME_LEN: usize = 256;

/// A buffer for a name.
type NameBuf = [u8; ASHMEM_NAME_LEN];

/// `ASHMEM_SET_NAME`.
pub const ASHMEM_SET_NAME: u32 = write::<NameBuf>(ASHMEMIOC, 1);
/// `ASHMEM_GET_NAME`.
pub const ASHMEM_GET_NAME: u32 = read::<NameBuf>(ASHMEMIOC, 2);
/// `ASHMEM_SET_SIZE`.
pub const ASHMEM_SET_SIZE: u32 = write::<usize>(ASHMEMIOC, 3);
/// `ASHMEM_GET_SIZE`.
pub const ASHMEM_GET_SIZE: u32 = none(ASHMEMIOC, 4);
/// `ASHMEM_SET_PROT_MASK`.
pub const ASHMEM_SET_PROT_MASK: u32 = write::<libc::c_ulong>(ASHMEMIOC, 5);
/// `ASHMEM_GET_PROT_MASK`.
pub const ASHMEM_GET_PROT_MASK: u32 = none(ASHMEMIOC, 6);
/// `ASHMEM_PIN`.
pub const ASHMEM_PIN: u32 = write::<AshmemPin>(ASHMEMIOC, 7);
/// `ASHMEM_UNPIN`.
pub const ASHMEM_UNPIN: u32 = write::<AshmemPin>(ASHMEMIOC, 8);
/// `ASHMEM_GET_PIN_STATUS`.
pub const ASHMEM_GET_PIN_STATUS: u32 = none(ASHMEMIOC, 9);
/// `ASHMEM_PURGE_ALL_CACHES`.
pub const ASHMEM_PURGE_ALL_CACHES: u32 = none(ASHMEMIOC, 10);
/// `ASHMEM_GET_FILE_ID`.
pub const ASHMEM_GET_FILE_ID: u32 = read::<libc::c_ulong>(ASHMEMIOC, 11);

/// `struct ashmem_pin`: a range of a region.
#[repr(C)]
pub struct AshmemPin {
    /// Where it begins, in bytes.
    pub offset: u32,
    /// How long it is, in bytes; 0 means to the end.
    pub len: u32,
}

/// What [`get_name`] fills its buffer with, to see what the driver writes.
const UNTOUCHED: u8 = 0xa5;

/// Sets the name, without its NUL: it is passed with one.
pub fn set_name(fd: BorrowedFd<'_>, name: &[u8]) -> Answer<i64> {
    let mut string = name.to_vec();

    string.push(0);
    pass(fd, ASHMEM_SET_NAME, &mut string)
}

/// What the driver writes as the name: the bytes up to the last one that it touched.
pub fn get_name(fd: BorrowedFd<'_>) -> Answer<Vec<u8>> {
    // Longer than the driver may write, to see it if it does.
    let mut buf = vec![UNTOUCHED; ASHMEM_NAME_LEN + 16];

    pass(fd, ASHMEM_GET_NAME, &mut buf)?;
    let len = buf
        .iter()
        .rposition(|&byte| byte != UNTOUCHED)
        .map_or(0, |last| last + 1);
    buf.truncate(len);
    Ok(buf)
}

/// The inode number of the backing file.
pub fn get_file_id(fd: BorrowedFd<'_>) -> Answer<u64> {
    let mut id = [0; 8];

    pass(fd, ASHMEM_GET_FILE_ID, &mut id)?;
    Ok(u64::from_ne_bytes(id))
}

/// One of the commands on pinning.
pub fn pinning(fd: BorrowedFd<'_>, command: Pinning, offset: u64, len: u64) -> Answer<i64> {
    let pin = AshmemPin {
        offset: offset as u32,
        len: len as u32,
    };
    let mut bytes = [pin.offset.to_ne_bytes(), pin.len.to_ne_bytes()].concat();
    let cmd = match command {
        Pinning::Pin => ASHMEM_PIN,
        Pinning::Unpin => ASHMEM_UNPIN,
        Pinning::Status => ASHMEM_GET_PIN_STATUS,
        Pinning::PurgeAll => ASHMEM_PURGE_ALL_CACHES,
    };

    pass(fd, cmd, &mut bytes)
}

/// A command whose argument is a number, or none.
///
/// Goes around the C library, whose `ioctl` cuts what it returns to an `int`: a size may be larger.
pub fn number(fd: BorrowedFd<'_>, cmd: u32, arg: u64) -> Answer<i64> {
    // SAFETY: The commands called with this take no pointer; where they do, the kernel checks it.
    let ret = unsafe { libc::syscall(libc::SYS_ioctl, fd.as_raw_fd(), cmd as libc::c_ulong, arg) };

    if ret == -1 {
        let errno = std::io::Error::last_os_error()
            .raw_os_error()
            .unwrap_or_default();
        return Err(Errno::from_raw_os_error(errno));
    }
    Ok(ret)
}

/// A command whose argument is a buffer, which it may write to.
fn pass(fd: BorrowedFd<'_>, cmd: u32, buf: &mut [u8]) -> Answer<i64> {
    number(fd, cmd, buf.as_mut_ptr() as u64)
}
