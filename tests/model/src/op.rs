// SPDX-License-Identifier: GPL-2.0

//! The operations that a program is made of, and their text: one operation a line.
//!
//! A line is the worker, the call, and each of its fields: `w1 set_size fd=0 size=3p+1`. What is
//! printed here is what the same program reads back to run it again.

use std::fmt;
use std::str::FromStr;

use crate::args::{Access, Advice, Amount, Name, Pinning, Prot, Sharing, Whence};

/// How many worker processes there are at most.
pub const WORKERS: usize = 3;
/// How many places for a file descriptor a worker has.
pub const FDS: usize = 3;
/// How many pages of address space a worker has for mappings, in its arena.
pub const CELLS: usize = 12;

/// Why a line is not an operation.
pub type ParseError = String;

/// Defines [`Call`] with its text form: the name of the call, then `field=value` for each field.
macro_rules! calls {
    ($(
        $(#[$doc:meta])*
        $name:ident $verb:literal { $( $(#[$field_doc:meta])* $field:ident: $ty:ty ),* $(,)? }
    )*) => {
        /// What a worker is told to do.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum Call {
            $( $(#[$doc])* $name { $( $(#[$field_doc])* $field: $ty ),* } ),*
        }

        impl fmt::Display for Call {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    $( Self::$name { $($field),* } => {
                        f.write_str($verb)?;
                        $( write!(f, " {}={}", stringify!($field), $field)?; )*
                        Ok(())
                    } )*
                }
            }
        }

        impl FromStr for Call {
            type Err = ParseError;

            fn from_str(text: &str) -> Result<Self, ParseError> {
                let mut words = text.split_ascii_whitespace();
                let call = match words.next().unwrap_or_default() {
                    $( $verb => Self::$name {
                        $( $field: field(words.next(), stringify!($field))? ),*
                    }, )*
                    verb => return Err(format!("unknown call `{verb}`")),
                };

                match words.next() {
                    Some(word) => Err(format!("`{word}` is one word too many")),
                    None => Ok(call),
                }
            }
        }
    };
}

calls! {
    /// Opens the device: a new region. What the place had is closed.
    Open "open" {
        /// The place of the descriptor.
        fd: u8,
        /// The access mode.
        access: Access,
    }
    /// Closes a descriptor.
    Close "close" {
        /// The place of the descriptor.
        fd: u8,
    }
    /// Duplicates a descriptor.
    Dup "dup" {
        /// The place of the descriptor.
        fd: u8,
        /// The place of the duplicate.
        to: u8,
    }
    /// Passes a descriptor to a worker over a UNIX socket.
    Send "send" {
        /// The place of the descriptor.
        fd: u8,
        /// The worker that gets it.
        worker: u8,
        /// Its place there.
        to: u8,
    }
    /// Forks; the child takes the place of another worker, which ends.
    Fork "fork" {
        /// The worker that is replaced.
        child: u8,
    }
    /// `ASHMEM_SET_NAME`.
    SetName "set_name" {
        /// The place of the descriptor.
        fd: u8,
        /// The name, without its NUL.
        name: Name,
    }
    /// `ASHMEM_SET_SIZE`.
    SetSize "set_size" {
        /// The place of the descriptor.
        fd: u8,
        /// The size in bytes.
        size: Amount,
    }
    /// `ASHMEM_SET_PROT_MASK`.
    SetProtMask "set_prot_mask" {
        /// The place of the descriptor.
        fd: u8,
        /// The mask, as a number.
        mask: u64,
    }
    /// One of the commands on pinning.
    Pin "pinning" {
        /// The place of the descriptor.
        fd: u8,
        /// Which command.
        command: Pinning,
        /// Where the range begins.
        offset: Amount,
        /// How long it is.
        len: Amount,
    }
    /// A command that the device does not have.
    Unknown "ioctl" {
        /// The place of the descriptor.
        fd: u8,
        /// The whole number of the command.
        cmd: u32,
    }
    /// Maps the region into the arena, over whatever is there.
    Mmap "mmap" {
        /// The place of the descriptor.
        fd: u8,
        /// The first page in the arena.
        at: u8,
        /// The number of pages.
        len: u8,
        /// The first page of the region.
        page: u64,
        /// The protection.
        prot: Prot,
        /// `MAP_SHARED` or `MAP_PRIVATE`.
        sharing: Sharing,
        /// Whether to add `MAP_POPULATE`.
        populate: bool,
        /// Whether to add `MAP_NORESERVE`.
        noreserve: bool,
    }
    /// Unmaps pages of the arena.
    Munmap "munmap" {
        /// The first page in the arena.
        at: u8,
        /// The number of pages.
        len: u8,
    }
    /// Changes the protection of pages of the arena.
    Mprotect "mprotect" {
        /// The first page in the arena.
        at: u8,
        /// The number of pages.
        len: u8,
        /// The new protection.
        prot: Prot,
    }
    /// Gives advice on pages of the arena.
    Madvise "madvise" {
        /// The first page in the arena.
        at: u8,
        /// The number of pages.
        len: u8,
        /// The advice.
        advice: Advice,
    }
    /// Moves one page of the arena to another place in it.
    Mremap "mremap" {
        /// The page in the arena.
        at: u8,
        /// Where it goes.
        to: u8,
    }
    /// Loads eight bytes through a mapping.
    Load "load" {
        /// The page in the arena.
        at: u8,
        /// Where in the page.
        offset: Amount,
    }
    /// Stores eight bytes through a mapping.
    Store "store" {
        /// The page in the arena.
        at: u8,
        /// Where in the page.
        offset: Amount,
        /// What to store.
        value: u64,
    }
    /// `read`: at the file position.
    Read "read" {
        /// The place of the descriptor.
        fd: u8,
        /// The number of bytes.
        len: u16,
    }
    /// `pread`.
    Pread "pread" {
        /// The place of the descriptor.
        fd: u8,
        /// Where to read.
        offset: Amount,
        /// The number of bytes.
        len: u16,
    }
    /// `write`, which the device does not have.
    Write "write" {
        /// The place of the descriptor.
        fd: u8,
    }
    /// `lseek`.
    Lseek "lseek" {
        /// The place of the descriptor.
        fd: u8,
        /// The offset.
        offset: Amount,
        /// What the offset counts from, or what to look for.
        whence: Whence,
    }
    /// Looks at everything that the worker can see: see [`crate::outcome::View`].
    Check "check" {}
}

impl Call {
    /// The place of the descriptor that the call leaves something to see on.
    pub fn touched_fd(&self) -> Option<usize> {
        match self {
            Self::Open { fd, .. }
            | Self::SetName { fd, .. }
            | Self::SetSize { fd, .. }
            | Self::SetProtMask { fd, .. }
            | Self::Pin { fd, .. }
            | Self::Unknown { fd, .. }
            | Self::Mmap { fd, .. }
            | Self::Read { fd, .. }
            | Self::Pread { fd, .. }
            | Self::Write { fd }
            | Self::Lseek { fd, .. }
            | Self::Dup { to: fd, .. } => Some((*fd).into()),
            _ => None,
        }
    }
}

/// What one worker does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Op {
    /// The number of the worker.
    pub worker: u8,
    /// What it does.
    pub call: Call,
}

impl Op {
    /// The highest number of a worker that the operation has something to do with.
    pub fn highest_worker(&self) -> u8 {
        match self.call {
            Call::Send { worker: other, .. } | Call::Fork { child: other } => {
                other.max(self.worker)
            }
            _ => self.worker,
        }
    }

    /// Whether every number is one that the workers have a place for, with pages of `page` bytes.
    pub fn check(&self, page: u64) -> Result<(), ParseError> {
        let below = |what: &str, n: u64, limit: u64| {
            (n < limit)
                .then_some(())
                .ok_or_else(|| format!("{what} {n}: must be below {limit}"))
        };
        let worker = |n: u8| below("worker", n.into(), WORKERS as u64);
        let fd = |n: u8| below("fd", n.into(), FDS as u64);
        let cells = |at: u8, len: u8| {
            below("len", u64::from(len).wrapping_sub(1), CELLS as u64)?;
            below(
                "the last page",
                u64::from(at) + u64::from(len) - 1,
                CELLS as u64,
            )
        };
        let word = |at: u8, offset: Amount| {
            cells(at, 1)?;
            below("offset", offset.resolve(page), page - 7)?;
            below("offset modulo 8", offset.resolve(page) % 8, 1)
        };

        worker(self.worker)?;
        if let Some(n) = self.call.touched_fd() {
            below("fd", n as u64, FDS as u64)?;
        }
        match self.call {
            Call::Close { fd: n } | Call::Dup { fd: n, .. } => fd(n),
            Call::Send {
                fd: from,
                worker: receiver,
                to,
            } => {
                fd(from)?;
                worker(receiver)?;
                fd(to)
            }
            Call::Fork { child } if child == self.worker => {
                Err("a worker cannot replace itself".to_owned())
            }
            Call::Fork { child } => worker(child),
            Call::Mmap {
                at,
                len,
                page: first,
                ..
            } => {
                below("page", first, 1 << 40)?;
                cells(at, len)
            }
            Call::Munmap { at, len }
            | Call::Mprotect { at, len, .. }
            | Call::Madvise { at, len, .. } => cells(at, len),
            Call::Mremap { at, to } => {
                cells(at, 1)?;
                cells(to, 1)
            }
            Call::Load { at, offset } | Call::Store { at, offset, .. } => word(at, offset),
            _ => Ok(()),
        }
    }
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "w{} {}", self.worker, self.call)
    }
}

impl FromStr for Op {
    type Err = ParseError;

    fn from_str(line: &str) -> Result<Self, ParseError> {
        let (worker, call) = line.trim().split_once(' ').ok_or("no call on the line")?;
        let worker = worker.strip_prefix('w').and_then(|n| n.parse().ok());

        Ok(Self {
            worker: worker.ok_or("a line begins with the worker, such as `w0`")?,
            call: call.parse()?,
        })
    }
}

/// Reads the word `name=value`.
fn field<T: FromStr>(word: Option<&str>, name: &str) -> Result<T, ParseError> {
    word.and_then(|word| word.strip_prefix(name)?.strip_prefix('=')?.parse().ok())
        .ok_or_else(|| {
            format!(
                "`{name}=` is missing or wrong in `{}`",
                word.unwrap_or_default()
            )
        })
}
