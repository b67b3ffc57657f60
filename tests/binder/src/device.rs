// SPDX-License-Identifier: GPL-2.0

//! An open device with its mapping.

use std::{
    fs::OpenOptions,
    io,
    mem::size_of,
    os::{
        fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd},
        unix::fs::OpenOptionsExt,
    },
    path::Path,
    ptr,
};

use crate::{
    parcel::{zeroed, FD_OFFSET},
    uapi, TransactionData,
};

/// A system call's error: its errno.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Errno(pub i32);

impl Errno {
    /// The one of the last call.
    pub fn last() -> Self {
        Self(io::Error::last_os_error().raw_os_error().unwrap_or(0))
    }
}

/// What comes back from a `BINDER_WRITE_READ`.
#[derive(Clone, Debug)]
pub struct WriteRead {
    /// How many bytes of the commands were carried out.
    pub written: u64,
    /// What was read.
    pub returns: Vec<Return>,
    /// Whether it succeeded.
    pub result: Result<(), Errno>,
}

/// Something that the driver returns.
#[derive(Clone, Copy)]
pub enum Return {
    /// `BR_TRANSACTION`.
    Transaction(TransactionData),
    /// `BR_REPLY`.
    Reply(TransactionData),
    /// `BR_NOOP`.
    Noop,
    /// `BR_TRANSACTION_COMPLETE`.
    Complete,
    /// `BR_FAILED_REPLY`.
    Failed,
    /// `BR_DEAD_REPLY`.
    Dead,
    /// `BR_SPAWN_LOOPER`.
    SpawnLooper,
    /// Any other.
    Other(u32),
}

impl std::fmt::Debug for Return {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Transaction(tr) => write!(f, "Transaction({})", tr.code),
            Self::Reply(tr) => write!(f, "Reply({})", tr.code),
            Self::Noop => write!(f, "Noop"),
            Self::Complete => write!(f, "Complete"),
            Self::Failed => write!(f, "Failed"),
            Self::Dead => write!(f, "Dead"),
            Self::SpawnLooper => write!(f, "SpawnLooper"),
            Self::Other(number) => write!(f, "Other({number:#x})"),
        }
    }
}

/// Takes a plain structure from the front of `bytes`.
fn take<T: Copy>(bytes: &mut &[u8]) -> T {
    let (front, rest) = bytes.split_at(size_of::<T>());
    *bytes = rest;
    // SAFETY: There are as many bytes, and the structures of the UAPI are numbers.
    unsafe { ptr::read_unaligned(front.as_ptr().cast()) }
}

/// The returns that `bytes` are.
fn parse(mut bytes: &[u8]) -> Vec<Return> {
    let mut returns = Vec::new();
    while bytes.len() >= size_of::<u32>() {
        returns.push(match take::<u32>(&mut bytes) {
            uapi::binder_driver_return_protocol_BR_NOOP => Return::Noop,
            uapi::binder_driver_return_protocol_BR_TRANSACTION_COMPLETE => Return::Complete,
            uapi::binder_driver_return_protocol_BR_FAILED_REPLY => Return::Failed,
            uapi::binder_driver_return_protocol_BR_DEAD_REPLY => Return::Dead,
            uapi::binder_driver_return_protocol_BR_SPAWN_LOOPER => Return::SpawnLooper,
            uapi::binder_driver_return_protocol_BR_TRANSACTION => {
                Return::Transaction(take(&mut bytes))
            }
            uapi::binder_driver_return_protocol_BR_REPLY => Return::Reply(take(&mut bytes)),
            other => {
                returns.push(Return::Other(other));
                return returns;
            }
        });
    }
    returns
}

/// An open device.
pub struct Binder {
    /// The file.
    fd: OwnedFd,
    /// The mapping, and its size in bytes; 0 if there is none.
    map: (*mut libc::c_void, usize),
}

// SAFETY: The mapping is only read.
unsafe impl Send for Binder {}
// SAFETY: As above.
unsafe impl Sync for Binder {}

impl Binder {
    /// Opens the device; nothing is mapped.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(libc::O_CLOEXEC)
            .open(path)?;
        Ok(Self {
            fd: file.into(),
            map: (ptr::null_mut(), 0),
        })
    }

    /// Maps `size` bytes as receive buffer.
    pub fn map(&mut self, size: usize) -> Result<(), Errno> {
        let map = self.try_map(size, libc::PROT_READ)?;
        self.map = (map, size);
        Ok(())
    }

    /// Maps, with any protection, and leaves the mapping to the caller.
    pub fn try_map(&self, size: usize, prot: i32) -> Result<*mut libc::c_void, Errno> {
        // SAFETY: A new mapping, where there is none.
        let map = unsafe {
            libc::mmap(
                ptr::null_mut(),
                size,
                prot,
                libc::MAP_PRIVATE | libc::MAP_NORESERVE,
                self.fd.as_raw_fd(),
                0,
            )
        };
        if map == libc::MAP_FAILED {
            return Err(Errno::last());
        }
        Ok(map)
    }

    /// Unmaps `len` bytes at `at` of the buffer.
    pub fn unmap(&mut self, at: usize, len: usize) {
        assert!(at + len <= self.map.1);
        // SAFETY: A part of the mapping, which is not touched after this: `data` checks.
        unsafe { libc::munmap(self.map.0.byte_add(at), len) };
        self.map.1 = at;
    }

    /// The address of the mapping.
    pub fn address(&self) -> u64 {
        self.map.0 as u64
    }

    /// An ioctl with a number or an address as argument.
    pub fn ioctl(&self, number: u64, argument: u64) -> Result<(), Errno> {
        // SAFETY: Whatever the argument points to is there, or the kernel says so.
        match unsafe { libc::ioctl(self.fd.as_raw_fd(), number as _, argument) } {
            -1 => Err(Errno::last()),
            _ => Ok(()),
        }
    }

    /// An ioctl on a structure.
    pub fn ioctl_on<T>(&self, number: u32, argument: &mut T) -> Result<(), Errno> {
        self.ioctl(u64::from(number), ptr::from_mut(argument) as u64)
    }

    /// Becomes the context manager, one that takes file descriptors, with numbers of its own.
    pub fn become_manager(&self, ptr: u64, cookie: u64) -> Result<(), Errno> {
        let mut object: uapi::flat_binder_object = zeroed();
        object.flags = uapi::flat_binder_object_flags_FLAT_BINDER_FLAG_ACCEPTS_FDS;
        object.__bindgen_anon_1.binder = ptr;
        object.cookie = cookie;
        self.ioctl_on(uapi::BINDER_SET_CONTEXT_MGR_EXT, &mut object)
    }

    /// Why the thread's last transaction has failed: return and errno.
    pub fn extended_error(&self) -> (u32, i32) {
        let mut error: uapi::binder_extended_error = zeroed();
        self.ioctl_on(uapi::BINDER_GET_EXTENDED_ERROR, &mut error)
            .expect("BINDER_GET_EXTENDED_ERROR");
        (error.command, error.param)
    }

    /// Writes commands, then reads, if there is space for returns.
    pub fn write_read(&self, write: &[u8], space: &mut [u8]) -> WriteRead {
        let mut bwr: uapi::binder_write_read = zeroed();
        bwr.write_buffer = write.as_ptr() as u64;
        bwr.write_size = write.len() as u64;
        bwr.read_buffer = space.as_mut_ptr() as u64;
        bwr.read_size = space.len() as u64;
        let result = self.ioctl_on(uapi::BINDER_WRITE_READ, &mut bwr);
        WriteRead {
            written: bwr.write_consumed,
            returns: parse(&space[..(bwr.read_consumed as usize).min(space.len())]),
            result,
        }
    }

    /// Writes commands.
    pub fn write(&self, write: &[u8]) -> WriteRead {
        self.write_read(write, &mut [])
    }

    /// Reads what there is, or waits for it; without `Noop`.
    pub fn read(&self) -> Result<Vec<Return>, Errno> {
        let mut space = [0; 1024];
        let mut read = self.write_read(&[], &mut space);
        read.result?;
        read.returns.retain(|r| !matches!(r, Return::Noop));
        Ok(read.returns)
    }

    /// The `len` bytes at `address` of the buffer. Panics if they are not in it.
    pub fn bytes(&self, address: u64, len: u64) -> &[u8] {
        let at = usize::try_from(address - self.address()).expect("before the buffer");
        assert!(at + len as usize <= self.map.1, "behind the buffer");
        // SAFETY: Just checked; the kernel does not write what it has handed over.
        unsafe { std::slice::from_raw_parts(self.map.0.byte_add(at).cast(), len as usize) }
    }

    /// The data of a parcel that has been received.
    pub fn data(&self, tr: &TransactionData) -> &[u8] {
        // SAFETY: The driver returns addresses, not data.
        let pointers = unsafe { tr.data.ptr };
        self.bytes(pointers.buffer, tr.data_size)
    }

    /// The offsets of the objects in a parcel that has been received.
    pub fn offsets(&self, tr: &TransactionData) -> Vec<u64> {
        // SAFETY: The driver returns addresses, not data.
        let pointers = unsafe { tr.data.ptr };
        self.bytes(pointers.offsets, tr.offsets_size)
            .chunks_exact(size_of::<u64>())
            .map(|offset| u64::from_ne_bytes(offset.try_into().unwrap()))
            .collect()
    }

    /// The object at `offset` of a parcel that has been received.
    pub fn object<T: Copy>(&self, tr: &TransactionData, offset: u64) -> T {
        take(&mut &self.data(tr)[offset as usize..])
    }

    /// The number of the file descriptor in the object at `offset`.
    pub fn received_fd(&self, tr: &TransactionData, offset: u64) -> RawFd {
        take::<u32>(&mut &self.data(tr)[offset as usize + FD_OFFSET..]) as RawFd
    }

    /// The target of a parcel that has been received: the manager's own number.
    pub fn target(tr: &TransactionData) -> u64 {
        // SAFETY: The driver returns that number, not a handle.
        unsafe { tr.target.ptr }
    }

    /// The command that frees a parcel.
    pub fn free(tr: &TransactionData) -> Vec<u8> {
        // SAFETY: The driver returns addresses, not data.
        let pointers = unsafe { tr.data.ptr };
        crate::command(
            uapi::binder_driver_command_protocol_BC_FREE_BUFFER,
            &pointers.buffer,
        )
    }
}

impl AsFd for Binder {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Drop for Binder {
    fn drop(&mut self) {
        if self.map.1 != 0 {
            // SAFETY: The mapping is not used any more.
            unsafe { libc::munmap(self.map.0, self.map.1) };
        }
    }
}
