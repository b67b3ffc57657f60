// SPDX-License-Identifier: GPL-2.0

//! The numbers and structures of the protocol, and the decoding of commands.
//!
//! The structures are those of the UAPI with each union as the widest of its members: plain numbers,
//! so any bytes will do and none is padding.
//!
//! C header: `include/uapi/linux/android/binder.h`

use core::mem::size_of;

use kernel::{
    prelude::*,
    transmute::{
        AsBytes,
        FromBytes, //
    },
    uaccess::UserSliceReader,
    uapi, //
};

/// Constants of the UAPI, without the prefix that bindgen gives to those of an `enum`.
macro_rules! constants {
    ($($(#[$doc:meta])* $name:ident = $value:ident;)*) => {
        $($(#[$doc])* pub(crate) const $name: u32 = uapi::$value;)*
    };
}

constants! {
    /// Nothing has happened.
    BR_OK = binder_driver_return_protocol_BR_OK;
    /// The first return of each read.
    BR_NOOP = binder_driver_return_protocol_BR_NOOP;
    /// A transaction has come in.
    BR_TRANSACTION = binder_driver_return_protocol_BR_TRANSACTION;
    /// The reply has come.
    BR_REPLY = binder_driver_return_protocol_BR_REPLY;
    /// What was sent is on its way.
    BR_TRANSACTION_COMPLETE = binder_driver_return_protocol_BR_TRANSACTION_COMPLETE;
    /// Whoever should have got it, or answered, is gone.
    BR_DEAD_REPLY = binder_driver_return_protocol_BR_DEAD_REPLY;
    /// It could not be sent, or delivered.
    BR_FAILED_REPLY = binder_driver_return_protocol_BR_FAILED_REPLY;
    /// The process shall start another thread.
    BR_SPAWN_LOOPER = binder_driver_return_protocol_BR_SPAWN_LOOPER;

    /// The sender does not wait for a reply.
    TF_ONE_WAY = transaction_flags_TF_ONE_WAY;
    /// The reply may have file descriptors in it.
    TF_ACCEPT_FDS = transaction_flags_TF_ACCEPT_FDS;
    /// The buffer is cleared when it is freed.
    TF_CLEAR_BUF = transaction_flags_TF_CLEAR_BUF;

    /// The context manager takes file descriptors.
    ACCEPTS_FDS = flat_binder_object_flags_FLAT_BINDER_FLAG_ACCEPTS_FDS;
    /// The context manager wants to know the sender's security context.
    TXN_SECURITY_CTX = flat_binder_object_flags_FLAT_BINDER_FLAG_TXN_SECURITY_CTX;

    /// An object that is a file descriptor.
    BINDER_TYPE_FD = BINDER_TYPE_FD;
    /// An object that is an array of file descriptors, in a buffer of their own.
    BINDER_TYPE_FDA = BINDER_TYPE_FDA;
    /// An object that is a buffer of its own.
    BINDER_TYPE_PTR = BINDER_TYPE_PTR;
    /// A buffer's address stands in another one.
    BUFFER_HAS_PARENT = BINDER_BUFFER_FLAG_HAS_PARENT;

    /// `BINDER_WRITE_READ`.
    WRITE_READ = BINDER_WRITE_READ;
    /// `BINDER_SET_MAX_THREADS`.
    SET_MAX_THREADS = BINDER_SET_MAX_THREADS;
    /// `BINDER_SET_CONTEXT_MGR`.
    SET_CONTEXT_MGR = BINDER_SET_CONTEXT_MGR;
    /// `BINDER_SET_CONTEXT_MGR_EXT`.
    SET_CONTEXT_MGR_EXT = BINDER_SET_CONTEXT_MGR_EXT;
    /// `BINDER_THREAD_EXIT`.
    THREAD_EXIT = BINDER_THREAD_EXIT;
    /// `BINDER_VERSION`.
    VERSION = BINDER_VERSION;
    /// `BINDER_GET_EXTENDED_ERROR`.
    GET_EXTENDED_ERROR = BINDER_GET_EXTENDED_ERROR;
    /// The version of the protocol.
    PROTOCOL_VERSION = BINDER_CURRENT_PROTOCOL_VERSION;
}

/// A structure of the UAPI: plain numbers without padding, as large as `$c` is.
macro_rules! structure {
    ($(#[$attribute:meta])* $name:ident: $c:ident { $($(#[$field_doc:meta])* $field:ident: $t:ty,)* }) => {
        $(#[$attribute])*
        #[repr(C)]
        #[derive(Clone, Copy, Default)]
        pub(crate) struct $name {
            $($(#[$field_doc])* pub(crate) $field: $t,)*
        }

        const _: () = assert!(size_of::<$name>() == size_of::<uapi::$c>());
        // There is no padding: the fields fill it.
        const _: () = assert!(size_of::<$name>() == 0 $(+ size_of::<$t>())*);

        // SAFETY: Numbers and no padding, as was just checked: any bytes will do.
        unsafe impl FromBytes for $name {}
        // SAFETY: As above: each byte is initialized.
        unsafe impl AsBytes for $name {}
    };
}

structure! {
    /// What `BINDER_WRITE_READ` carries: `struct binder_write_read`. Sizes are in bytes.
    WriteRead: binder_write_read {
        /// The size of the commands.
        write_size: u64,
        /// How much of them has been carried out.
        write_consumed: u64,
        /// Where they are.
        write_buffer: u64,
        /// The size of the space for returns.
        read_size: u64,
        /// How much of it has been filled.
        read_consumed: u64,
        /// Where it is.
        read_buffer: u64,
    }
}

structure! {
    /// A parcel, as it is sent and as it is received: `struct binder_transaction_data`.
    TransactionData: binder_transaction_data {
        /// The handle that it is sent to, in the low half; the receiver's own number for its node.
        target: u64,
        /// The receiver's other number for its node.
        cookie: u64,
        /// What is asked for; nobody here looks at it.
        code: u32,
        /// [`TF_ONE_WAY`] and the like.
        flags: u32,
        /// The process that it is from; 0 if that does not wait.
        sender_pid: i32,
        /// The effective user that it is from.
        sender_euid: u32,
        /// The size of the data in bytes.
        data_size: u64,
        /// The size of the offsets in bytes.
        offsets_size: u64,
        /// Where the data is.
        buffer: u64,
        /// Where the offsets of the objects in the data are.
        offsets: u64,
    }
}

const _: () = assert!(
    size_of::<uapi::binder_transaction_data_sg>()
        == size_of::<TransactionData>() + size_of::<u64>()
);

structure! {
    /// A file descriptor in the data: `struct binder_fd_object`.
    FdObject: binder_fd_object {
        /// [`BINDER_TYPE_FD`].
        type_: u32,
        /// Not looked at.
        pad_flags: u32,
        /// The file descriptor.
        fd: u32,
        /// The rest of the union that it is in.
        pad: u32,
        /// Whatever the sender likes.
        cookie: u64,
    }
}

structure! {
    /// A buffer of its own: `struct binder_buffer_object`.
    BufferObject: binder_buffer_object {
        /// [`BINDER_TYPE_PTR`].
        type_: u32,
        /// [`BUFFER_HAS_PARENT`].
        flags: u32,
        /// Where it is: in the sender, then in the receiver.
        buffer: u64,
        /// Its size in bytes.
        length: u64,
        /// Which of the objects is the buffer with its address in it.
        parent: u64,
        /// Where in that the address stands.
        parent_offset: u64,
    }
}

structure! {
    /// File descriptors in a buffer of their own: `struct binder_fd_array_object`.
    FdArrayObject: binder_fd_array_object {
        /// [`BINDER_TYPE_FDA`].
        type_: u32,
        /// Not looked at.
        pad: u32,
        /// How many there are.
        num_fds: u64,
        /// Which of the objects is the buffer that they are in.
        parent: u64,
        /// Where in that they begin.
        parent_offset: u64,
    }
}

structure! {
    /// What the context manager says of itself: `struct flat_binder_object`.
    FlatObject: flat_binder_object {
        /// Not looked at.
        type_: u32,
        /// [`ACCEPTS_FDS`] and the like.
        flags: u32,
        /// The number that it shall find in [`TransactionData::target`].
        binder: u64,
        /// The number that it shall find in [`TransactionData::cookie`].
        cookie: u64,
    }
}

structure! {
    /// Why the last transaction of a thread has failed: `struct binder_extended_error`.
    #[derive(PartialEq)]
    ExtendedError: binder_extended_error {
        /// The transaction's number.
        id: u32,
        /// What the thread was told: [`BR_FAILED_REPLY`] and the like, [`BR_OK`] if nothing failed.
        command: u32,
        /// The errno, negative, or 0.
        param: i32,
    }
}

impl ExtendedError {
    /// Nothing has failed, in the transaction with that number.
    pub(crate) fn none(id: u32) -> Self {
        Self {
            id,
            command: BR_OK,
            param: 0,
        }
    }
}

/// The size of `struct binder_transaction_data_secctx`: binder returns nothing while there is less
/// space than for that and a command, whatever it would return.
const LARGEST_RETURN: usize = size_of::<uapi::binder_transaction_data_secctx>();

/// The space in bytes that must be left for anything to be returned.
pub(crate) const RETURN_SPACE: u64 = (LARGEST_RETURN + size_of::<u32>()) as u64;

/// The size of the space that the UAPI aligns the parts of a buffer to, in bytes.
pub(crate) const WORD: usize = size_of::<u64>();

/// `size` rounded up to whole words of 8 bytes; [`None`] if that is too large a number.
pub(crate) fn whole_words(size: usize) -> Option<usize> {
    size.checked_next_multiple_of(WORD)
}

/// A command from a `BINDER_WRITE_READ`.
pub(crate) enum Command {
    /// `BC_TRANSACTION`, `BC_TRANSACTION_SG`; the second is the size of more buffers in bytes.
    Transaction(TransactionData, u64),
    /// `BC_REPLY`, `BC_REPLY_SG`.
    Reply(TransactionData, u64),
    /// `BC_FREE_BUFFER`, with the address of the buffer's data.
    FreeBuffer(u64),
    /// `BC_ENTER_LOOPER`.
    EnterLooper,
    /// `BC_REGISTER_LOOPER`.
    RegisterLooper,
    /// `BC_EXIT_LOOPER`.
    ExitLooper,
    /// `BC_INCREFS`, `BC_ACQUIRE`, with a handle.
    Acquire(u32),
    /// `BC_RELEASE`, `BC_DECREFS`, with a handle.
    Release,
}

impl Command {
    /// Reads a command and what belongs to it.
    ///
    /// Returns it with the number of bytes that it takes. `EFAULT` where it cannot be read, `EINVAL` for
    /// what is none.
    pub(crate) fn read(reader: &mut UserSliceReader) -> Result<(Self, usize)> {
        let before = reader.len();
        let command = match reader.read::<u32>()? {
            uapi::binder_driver_command_protocol_BC_TRANSACTION => {
                Self::Transaction(reader.read()?, 0)
            }
            uapi::binder_driver_command_protocol_BC_TRANSACTION_SG => {
                Self::Transaction(reader.read()?, reader.read()?)
            }
            uapi::binder_driver_command_protocol_BC_REPLY => Self::Reply(reader.read()?, 0),
            uapi::binder_driver_command_protocol_BC_REPLY_SG => {
                Self::Reply(reader.read()?, reader.read()?)
            }
            uapi::binder_driver_command_protocol_BC_FREE_BUFFER => Self::FreeBuffer(reader.read()?),
            uapi::binder_driver_command_protocol_BC_ENTER_LOOPER => Self::EnterLooper,
            uapi::binder_driver_command_protocol_BC_REGISTER_LOOPER => Self::RegisterLooper,
            uapi::binder_driver_command_protocol_BC_EXIT_LOOPER => Self::ExitLooper,
            uapi::binder_driver_command_protocol_BC_INCREFS
            | uapi::binder_driver_command_protocol_BC_ACQUIRE => Self::Acquire(reader.read()?),
            uapi::binder_driver_command_protocol_BC_RELEASE
            | uapi::binder_driver_command_protocol_BC_DECREFS => {
                reader.read::<u32>()?;
                Self::Release
            }
            _ => return Err(EINVAL),
        };
        Ok((command, before - reader.len()))
    }
}
