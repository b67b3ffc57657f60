// SPDX-License-Identifier: GPL-2.0

//! The calls that programs are made of: name, arguments, how often they are chosen.

use crate::{
    names::*,
    value::Kind::{self, Below, Bytes, Cell, Fd, Flags, Mostly, One, Rarely},
};

/// The most arguments that a call has.
pub const MAX_ARGS: usize = 7;

/// An argument: its name and kind.
pub type Arg = (&'static str, Kind);

/// A call.
pub struct Spec {
    /// Its name.
    pub name: &'static str,
    /// How often it is chosen.
    pub weight: usize,
    /// Whether it is a system call that is aimed at the devices; the others prepare one, or are
    /// about something else.
    pub counts: bool,
    /// Its arguments.
    pub args: &'static [Arg],
}

/// Defines [`Op`] and the table, in the same order.
macro_rules! calls {
    ($(
        $(#[$doc:meta])*
        $op:ident $name:literal $weight:literal $counts:ident [$($arg:expr),*];
    )*) => {
        /// The number of a call: its place in [`CALLS`].
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        pub enum Op {
            $( $(#[$doc])* $op ),*
        }

        /// All calls.
        pub const CALLS: &[Spec] = &[
            $( Spec {
                name: $name,
                weight: $weight,
                counts: calls!($counts),
                args: &[$($arg),*],
            } ),*
        ];

        impl Op {
            /// All of them.
            pub const ALL: &[Self] = &[$( Self::$op ),*];
        }
    };
    (call) => { true };
    (prepare) => { false };
}

calls! {
    /// Opens `/dev/ashmem`.
    OpenAshmem "open_ashmem" 12 call [("flags", Flags(OPEN))];
    /// Opens `/dev/binder_fd`, with `O_NONBLOCK`.
    OpenBinder "open_binder" 10 call [("flags", Flags(OPEN))];
    /// `close`.
    Close "close" 6 call [("fd", Fd)];
    /// `dup`.
    Dup "dup" 3 call [("fd", Fd)];
    /// Passes a file descriptor to the other process through a socket.
    SendFd "send_fd" 2 prepare [("fd", Fd)];
    /// Receives what the other process has sent.
    RecvFd "recv_fd" 2 prepare [];
    /// Opens `/proc/self/fd/N`.
    ReopenFd "reopen_fd" 1 call [("fd", Fd), ("flags", Flags(OPEN))];
    /// Opens the entry in `/proc/self/map_files` of what is mapped at or behind a place.
    ReopenMap "reopen_map" 2 call [("at", Cell), ("flags", Flags(OPEN))];
    /// Reads `/proc/self/fdinfo/N`.
    Fdinfo "fdinfo" 2 call [("fd", Fd)];
    /// `read`.
    Read "read" 3 call [("fd", Fd), ("len", Bytes), ("ptr", Mostly(PTR))];
    /// `preadv2`.
    Pread "pread" 3 call [
        ("fd", Fd), ("offset", Bytes), ("len", Bytes), ("ptr", Mostly(PTR)), ("flags", One(RWF))
    ];
    /// `write`.
    Write "write" 1 call [("fd", Fd), ("len", Bytes), ("ptr", Mostly(PTR))];
    /// `sendfile` to nowhere.
    Sendfile "sendfile" 1 call [("fd", Fd), ("len", Bytes)];
    /// `lseek`.
    Lseek "lseek" 4 call [("fd", Fd), ("offset", Bytes), ("whence", One(WHENCE))];
    /// `fcntl`, to set `O_NONBLOCK` and the like.
    SetFlags "set_flags" 1 call [("fd", Fd), ("flags", Flags(OPEN))];
    /// `ftruncate`.
    Ftruncate "ftruncate" 1 call [("fd", Fd), ("len", Bytes)];
    /// `fallocate`.
    Fallocate "fallocate" 1 call [
        ("fd", Fd), ("mode", One(FALLOCATE)), ("offset", Bytes), ("len", Bytes)
    ];
    /// `poll`, for some milliseconds.
    Poll "poll" 3 call [("fd", Fd), ("ms", Below(4))];
    /// `epoll_create1`.
    EpollCreate "epoll_create" 1 call [];
    /// `epoll_ctl`.
    EpollCtl "epoll_ctl" 2 call [("ep", Fd), ("op", One(EPOLL)), ("fd", Fd)];
    /// `epoll_pwait`, without waiting.
    EpollWait "epoll_wait" 1 call [("ep", Fd)];
    /// An ioctl that is none, with a number or a pointer.
    Ioctl "ioctl" 2 call [("fd", Fd), ("number", One(IOCTL)), ("value", Bytes)];

    /// `ASHMEM_SET_NAME`.
    SetName "set_name" 4 call [("fd", Fd), ("name", One(NAME)), ("ptr", Mostly(PTR))];
    /// `ASHMEM_GET_NAME`.
    GetName "get_name" 2 call [("fd", Fd), ("ptr", Mostly(PTR))];
    /// `ASHMEM_SET_SIZE`.
    SetSize "set_size" 10 call [("fd", Fd), ("size", Bytes)];
    /// `ASHMEM_GET_SIZE`.
    GetSize "get_size" 1 call [("fd", Fd)];
    /// `ASHMEM_SET_PROT_MASK`.
    SetProtMask "set_prot_mask" 4 call [("fd", Fd), ("mask", Flags(PROT))];
    /// `ASHMEM_GET_PROT_MASK`.
    GetProtMask "get_prot_mask" 1 call [("fd", Fd)];
    /// `ASHMEM_PIN`.
    Pin "pin" 12 call [("fd", Fd), ("offset", Bytes), ("len", Bytes), ("ptr", Mostly(PTR))];
    /// `ASHMEM_UNPIN`.
    Unpin "unpin" 14 call [("fd", Fd), ("offset", Bytes), ("len", Bytes), ("ptr", Mostly(PTR))];
    /// `ASHMEM_GET_PIN_STATUS`.
    PinStatus "pin_status" 2 call [
        ("fd", Fd), ("offset", Bytes), ("len", Bytes), ("ptr", Mostly(PTR))
    ];
    /// `ASHMEM_PURGE_ALL_CACHES`.
    Purge "purge" 5 call [("fd", Fd)];
    /// `ASHMEM_GET_FILE_ID`.
    FileId "file_id" 1 call [("fd", Fd), ("ptr", Mostly(PTR))];

    /// An ioctl of a 32-bit program, with a number or two; on arm64 there is none.
    Ioctl32 "ioctl_32" 6 call [
        ("fd", Fd), ("number", One(IOCTL_32)), ("value", Bytes), ("len", Bytes), ("ptr", Mostly(PTR))
    ];

    /// `mmap` into the arena.
    Mmap "mmap" 16 call [
        ("fd", Fd), ("at", Cell), ("len", Bytes), ("prot", Flags(PROT)), ("flags", Flags(MAP)),
        ("offset", Bytes)
    ];
    /// `munmap`.
    Munmap "munmap" 4 call [("at", Cell), ("len", Bytes)];
    /// `mremap` within the arena.
    Mremap "mremap" 3 call [
        ("at", Cell), ("len", Bytes), ("to", Cell), ("newlen", Bytes), ("flags", Flags(MREMAP))
    ];
    /// `mprotect`.
    Mprotect "mprotect" 3 call [("at", Cell), ("len", Bytes), ("prot", Flags(PROT))];
    /// `madvise`.
    Madvise "madvise" 3 call [("at", Cell), ("len", Bytes), ("advice", One(ADVICE))];
    /// `mlock2`, on fault.
    Mlock "mlock" 1 call [("at", Cell), ("len", Bytes)];
    /// `munlock`.
    Munlock "munlock" 1 call [("at", Cell), ("len", Bytes)];
    /// `msync`.
    Msync "msync" 1 call [("at", Cell), ("len", Bytes), ("flags", Flags(MSYNC))];
    /// `remap_file_pages`.
    RemapPages "remap_pages" 1 call [("at", Cell), ("len", Bytes), ("page", Cell)];
    /// A word is read, as a system call reads what it is passed.
    Load "load" 4 call [("at", Cell), ("offset", Below(4089))];
    /// A word is written, as a system call writes what it returns.
    Store "store" 6 call [("at", Cell), ("offset", Below(4089)), ("value", Bytes)];
    /// `process_vm_readv`.
    VmRead "vm_read" 1 call [("at", Cell)];
    /// `process_vm_writev`.
    VmWrite "vm_write" 1 call [("at", Cell)];

    /// Lets the kernel drop what can be dropped.
    DropCaches "drop_caches" 1 prepare [];
    /// Lets only our shrinker drop so many pages.
    Shrink "shrink" 5 prepare [("pages", Below(1025))];
    /// Switches the shrinker.
    SetShrinker "set_shrinker" 1 prepare [("on", Below(2))];
    /// Reads a file that shows what there is.
    Show "show" 1 prepare [("file", One(SHOW))];

    /// `BINDER_VERSION`.
    Version "b_version" 1 call [("fd", Fd), ("ptr", Mostly(PTR))];
    /// `BINDER_SET_MAX_THREADS`.
    SetMaxThreads "b_max_threads" 1 call [("fd", Fd), ("count", Below(4)), ("ptr", Mostly(PTR))];
    /// `BINDER_SET_CONTEXT_MGR`.
    SetManager "b_manager" 2 call [("fd", Fd)];
    /// `BINDER_SET_CONTEXT_MGR_EXT`.
    SetManagerExt "b_manager_ext" 5 call [
        ("fd", Fd), ("flags", Flags(MANAGER)), ("ptr", Mostly(PTR))
    ];
    /// `BINDER_THREAD_EXIT`.
    ThreadExit "b_thread_exit" 2 call [("fd", Fd)];
    /// `BINDER_GET_EXTENDED_ERROR`.
    ExtendedError "b_error" 2 call [("fd", Fd), ("ptr", Mostly(PTR))];
    /// `BINDER_WRITE_READ` of the commands that were put before.
    WriteRead "write_read" 20 call [
        ("fd", Fd), ("cut", Rarely(33)), ("consumed", Rarely(9)), ("write", Mostly(PTR)),
        ("space", One(SPACE)), ("read", Mostly(PTR)), ("ptr", Mostly(PTR))
    ];

    /// Adds bytes to the parcel.
    PutData "put_data" 2 prepare [("len", Below(4097))];
    /// Adds a file descriptor.
    PutFd "put_fd" 8 prepare [("fd", Fd)];
    /// Adds a buffer with file descriptors in it, which may have its address in another one.
    PutPtr "put_ptr" 5 prepare [
        ("len", Below(4097)), ("child", Below(2)), ("parent", Below(8)), ("offset", Below(65)),
        ("ptr", Mostly(PTR))
    ];
    /// Adds an array of file descriptors.
    PutFda "put_fda" 4 prepare [("count", Below(9)), ("parent", Below(8)), ("offset", Below(65))];
    /// Adds an object that is not translated, or is cut off.
    PutObject "put_object" 1 prepare [("type", One(OBJECT)), ("len", Below(41))];
    /// Adds an offset where no object was put.
    PutOffset "put_offset" 1 prepare [("offset", Bytes)];
    /// Adds `BC_TRANSACTION` with the parcel, `_SG` if it has buffers.
    Transaction "bc_transaction" 10 prepare [
        ("handle", Rarely(3)), ("flags", Flags(TF)), ("order", Mostly(ORDER)), ("more", Rarely(17)),
        ("ptr", Mostly(PTR))
    ];
    /// Adds `BC_REPLY` with the parcel, `_SG` if it has buffers.
    Reply "bc_reply" 10 prepare [
        ("flags", Flags(TF)), ("order", Mostly(ORDER)), ("more", Rarely(17)), ("ptr", Mostly(PTR))
    ];
    /// Adds `BC_FREE_BUFFER`.
    FreeBuffer "bc_free" 6 prepare [("which", One(BUFFER))];
    /// Adds a command on loopers.
    Looper "bc_looper" 2 prepare [("command", One(LOOP))];
    /// Adds a command on references.
    Ref "bc_ref" 1 prepare [("command", One(REF)), ("handle", Rarely(3))];
    /// Adds a command that is none, or is cut off.
    Command "bc_command" 1 prepare [("number", One(COMMAND)), ("len", Below(73))];
}

/// Calls that have to do with each other. There is more to see where some of them come together.
pub const THEMES: &[&[Op]] = &[
    &[
        Op::Pin,
        Op::Unpin,
        Op::Unpin,
        Op::Purge,
        Op::Shrink,
        Op::PinStatus,
        Op::Store,
    ],
    &[
        Op::Mmap,
        Op::Mmap,
        Op::Munmap,
        Op::Mremap,
        Op::Mprotect,
        Op::Madvise,
        Op::Load,
        Op::Store,
    ],
    &[
        Op::SetName,
        Op::SetSize,
        Op::SetProtMask,
        Op::Mmap,
        Op::Read,
        Op::Lseek,
        Op::Fdinfo,
        Op::Ioctl32,
    ],
    &[
        Op::PutFd,
        Op::PutPtr,
        Op::PutFda,
        Op::PutData,
        Op::Transaction,
        Op::Reply,
        Op::WriteRead,
    ],
    &[
        Op::WriteRead,
        Op::FreeBuffer,
        Op::Looper,
        Op::ThreadExit,
        Op::Poll,
        Op::ExtendedError,
    ],
    &[
        Op::OpenAshmem,
        Op::OpenBinder,
        Op::Close,
        Op::Dup,
        Op::SendFd,
        Op::RecvFd,
        Op::EpollCtl,
    ],
];

/// The devices: their names in `/dev`, in the order of [`Device`].
pub const DEVICES: [&str; 2] = ["ashmem", "binder_fd"];

/// A device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Device {
    /// `/dev/ashmem`.
    Ashmem,
    /// `/dev/binder_fd`.
    Binder,
}

impl Op {
    /// The call as the table describes it.
    pub fn spec(self) -> &'static Spec {
        &CALLS[self as usize]
    }

    /// Whether it opens a file descriptor, if it succeeds.
    pub fn opens(self) -> bool {
        matches!(
            self,
            Self::OpenAshmem
                | Self::OpenBinder
                | Self::Dup
                | Self::RecvFd
                | Self::ReopenFd
                | Self::ReopenMap
                | Self::EpollCreate
        )
    }

    /// The device that has carried it out if it succeeds, for ioctls that no other has.
    pub fn served_by(self) -> Option<Device> {
        match self {
            Self::SetName
            | Self::GetName
            | Self::SetSize
            | Self::GetSize
            | Self::SetProtMask
            | Self::GetProtMask
            | Self::Pin
            | Self::Unpin
            | Self::PinStatus
            | Self::Purge
            | Self::FileId => Some(Device::Ashmem),
            Self::Version
            | Self::SetMaxThreads
            | Self::SetManager
            | Self::SetManagerExt
            | Self::ThreadExit
            | Self::ExtendedError
            | Self::WriteRead => Some(Device::Binder),
            _ => None,
        }
    }

    /// The call with that name.
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|op| op.spec().name == name)
    }

    /// The call with that number.
    pub fn by_number(number: u64) -> Option<Self> {
        Self::ALL.get(usize::try_from(number).ok()?).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_fits() {
        for &op in Op::ALL {
            assert!(op.spec().args.len() <= MAX_ARGS, "{op:?}");
            assert_eq!(Some(op), Op::by_name(op.spec().name));
            assert_eq!(Some(op), Op::by_number(op as u64));
        }
        assert_eq!(None, Op::by_name("no_such_call"));
    }
}
