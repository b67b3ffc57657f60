// SPDX-License-Identifier: GPL-2.0

//! What is sent: commands, and parcels with objects in them.

use std::{
    mem::{offset_of, size_of},
    os::fd::{AsRawFd, BorrowedFd, RawFd},
};

use crate::uapi;

pub use crate::uapi::binder_transaction_data as TransactionData;

/// The bytes of a plain structure of the UAPI.
pub(crate) fn bytes_of<T: Copy>(value: &T) -> &[u8] {
    // SAFETY: The structures of the UAPI are numbers; the few with padding were zeroed before they were
    // filled.
    unsafe { std::slice::from_raw_parts(std::ptr::from_ref(value).cast(), size_of::<T>()) }
}

/// Zeroed, also between the fields.
pub(crate) fn zeroed<T: Copy>() -> T {
    // SAFETY: All structures of the UAPI are numbers.
    unsafe { std::mem::zeroed() }
}

/// A command and what belongs to it, as bytes.
pub fn command<T: Copy>(number: u32, argument: &T) -> Vec<u8> {
    let mut bytes = number.to_ne_bytes().to_vec();
    bytes.extend_from_slice(bytes_of(argument));
    bytes
}

/// A parcel, made up piece by piece.
#[derive(Clone, Default)]
pub struct Parcel {
    /// The data.
    pub data: Vec<u8>,
    /// Where the objects are in the data.
    pub offsets: Vec<u64>,
    /// The size of more buffers, in bytes.
    pub buffers_size: u64,
    /// `TF_ONE_WAY` and the like.
    pub flags: u32,
    /// What is asked for.
    pub code: u32,
}

impl Parcel {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// One with data only.
    pub fn of(data: &[u8]) -> Self {
        Self {
            data: data.to_vec(),
            ..Self::default()
        }
    }

    /// The same with other flags.
    pub fn flags(mut self, flags: u32) -> Self {
        self.flags = flags;
        self
    }

    /// Adds plain data, filled up to whole words.
    pub fn plain(mut self, data: &[u8]) -> Self {
        self.data.extend_from_slice(data);
        self.data.resize(self.data.len().next_multiple_of(8), 0);
        self
    }

    /// Adds an object.
    pub fn object<T: Copy>(mut self, object: &T) -> Self {
        self.offsets.push(self.data.len() as u64);
        self.data.extend_from_slice(bytes_of(object));
        self
    }

    /// Adds a file descriptor.
    pub fn fd(self, fd: BorrowedFd<'_>, cookie: u64) -> Self {
        self.raw_fd(fd.as_raw_fd(), cookie)
    }

    /// Adds a number as file descriptor, with all that may be padding set.
    pub fn raw_fd(self, fd: RawFd, cookie: u64) -> Self {
        let mut object: uapi::binder_fd_object = zeroed();
        object.hdr.type_ = uapi::BINDER_TYPE_FD;
        object.pad_flags = 0x7f;
        object.__bindgen_anon_1.pad_binder = u64::from(fd as u32) | (0xabcd << 32);
        object.cookie = cookie;
        self.object(&object)
    }

    /// Adds a buffer; `parent` is the number of the object that its address is in, and where.
    pub fn buffer(mut self, buffer: &[u8], parent: Option<(u64, u64)>) -> Self {
        let mut object: uapi::binder_buffer_object = zeroed();
        object.hdr.type_ = uapi::BINDER_TYPE_PTR;
        object.buffer = buffer.as_ptr() as u64;
        object.length = buffer.len() as u64;
        if let Some((parent, offset)) = parent {
            object.flags = uapi::BINDER_BUFFER_FLAG_HAS_PARENT;
            object.parent = parent;
            object.parent_offset = offset;
        }
        self.buffers_size += object.length.next_multiple_of(8);
        self.object(&object)
    }

    /// Adds `count` file descriptors that are at `offset` of the buffer that is the object `parent`.
    pub fn fd_array(self, count: u64, parent: u64, offset: u64) -> Self {
        let mut object: uapi::binder_fd_array_object = zeroed();
        object.hdr.type_ = uapi::BINDER_TYPE_FDA;
        object.num_fds = count;
        object.parent = parent;
        object.parent_offset = offset;
        self.object(&object)
    }

    /// The parcel as the driver takes it: it points into this one.
    pub fn transaction_data(&self) -> TransactionData {
        let mut tr: TransactionData = zeroed();
        tr.code = self.code;
        tr.flags = self.flags;
        tr.data_size = self.data.len() as u64;
        tr.offsets_size = (self.offsets.len() * size_of::<u64>()) as u64;
        tr.data.ptr.buffer = self.data.as_ptr() as u64;
        tr.data.ptr.offsets = self.offsets.as_ptr() as u64;
        tr
    }

    /// The command that sends it: a transaction, or a reply.
    fn to_command(&self, plain: u32, with_buffers: u32) -> Vec<u8> {
        let tr = self.transaction_data();
        if self.buffers_size == 0 {
            return command(plain, &tr);
        }
        let mut bytes = command(with_buffers, &tr);
        bytes.extend_from_slice(&self.buffers_size.to_ne_bytes());
        bytes
    }

    /// The command that sends it to the context manager.
    pub fn transaction(&self) -> Vec<u8> {
        self.to_command(
            uapi::binder_driver_command_protocol_BC_TRANSACTION,
            uapi::binder_driver_command_protocol_BC_TRANSACTION_SG,
        )
    }

    /// The command that sends it as reply.
    pub fn reply(&self) -> Vec<u8> {
        self.to_command(
            uapi::binder_driver_command_protocol_BC_REPLY,
            uapi::binder_driver_command_protocol_BC_REPLY_SG,
        )
    }
}

/// Where in an object its file descriptor is.
pub(crate) const FD_OFFSET: usize = offset_of!(uapi::binder_fd_object, __bindgen_anon_1);
