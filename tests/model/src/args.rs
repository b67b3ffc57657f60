// SPDX-License-Identifier: GPL-2.0

//! The arguments of operations, and their text.

use std::fmt::{self, Write as _};
use std::str::FromStr;

/// Defines an enum whose variants each have one word as their text.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $( $(#[$variant_doc:meta])* $variant:ident $word:literal ),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name { $( $(#[$variant_doc])* $variant ),* }

        impl $name {
            /// Every value there is.
            #[allow(dead_code, reason = "not every enum is chosen from")]
            pub const ALL: &'static [Self] = &[$( Self::$variant ),*];
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self { $( Self::$variant => $word ),* })
            }
        }

        impl FromStr for $name {
            type Err = ();

            fn from_str(word: &str) -> Result<Self, ()> {
                match word { $( $word => Ok(Self::$variant), )* _ => Err(()) }
            }
        }
    };
}

words! {
    /// The access mode of an open file.
    Access {
        /// `O_RDWR`.
        ReadWrite "rdwr",
        /// `O_RDONLY`.
        ReadOnly "rdonly",
        /// `O_WRONLY`.
        WriteOnly "wronly",
    }
}

impl Access {
    /// Whether the file may be read.
    pub fn reads(self) -> bool {
        self != Self::WriteOnly
    }

    /// Whether the file may be written.
    pub fn writes(self) -> bool {
        self != Self::ReadOnly
    }
}

words! {
    /// Whether a mapping shares its pages.
    Sharing {
        /// `MAP_SHARED`.
        Shared "shared",
        /// `MAP_PRIVATE`.
        Private "private",
    }
}

words! {
    /// What `madvise` is told.
    Advice {
        /// `MADV_DONTNEED`.
        DontNeed "dontneed",
        /// `MADV_REMOVE`.
        Remove "remove",
        /// `MADV_DONTFORK`.
        DontFork "dontfork",
        /// `MADV_DOFORK`.
        DoFork "dofork",
    }
}

words! {
    /// What an offset of `lseek` counts from, or what to look for.
    Whence {
        /// `SEEK_SET`.
        Set "set",
        /// `SEEK_CUR`.
        Cur "cur",
        /// `SEEK_END`.
        End "end",
        /// `SEEK_DATA`.
        Data "data",
        /// `SEEK_HOLE`.
        Hole "hole",
    }
}

words! {
    /// The commands on pinning.
    Pinning {
        /// `ASHMEM_PIN`.
        Pin "pin",
        /// `ASHMEM_UNPIN`.
        Unpin "unpin",
        /// `ASHMEM_GET_PIN_STATUS`.
        Status "get_pin_status",
        /// `ASHMEM_PURGE_ALL_CACHES`.
        PurgeAll "purge_all_caches",
    }
}

/// A set of `PROT_READ`, `PROT_WRITE` and `PROT_EXEC`; its text is that of `/proc/<pid>/maps`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prot(pub u8);

impl Prot {
    /// `PROT_READ`.
    pub const READ: Self = Self(1);
    /// `PROT_WRITE`.
    pub const WRITE: Self = Self(2);
    /// `PROT_EXEC`.
    pub const EXEC: Self = Self(4);
    /// `PROT_NONE`.
    pub const NONE: Self = Self(0);
    /// All three.
    pub const ALL: Self = Self(7);

    /// Whether each bit of `other` is in this set.
    pub fn contains(self, other: Self) -> bool {
        other.0 & !self.0 == 0
    }

    /// The bits that are in both.
    pub fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// This set without the bits of `other`.
    pub fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
}

impl fmt::Display for Prot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (bit, letter) in [(Self::READ, 'r'), (Self::WRITE, 'w'), (Self::EXEC, 'x')] {
            f.write_char(if self.contains(bit) { letter } else { '-' })?;
        }
        Ok(())
    }
}

impl FromStr for Prot {
    type Err = ();

    fn from_str(word: &str) -> Result<Self, ()> {
        (0..=Self::ALL.0)
            .map(Self)
            .find(|prot| prot.to_string() == word)
            .ok_or(())
    }
}

/// A number of bytes relative to the page size, so that a program means the same on every machine:
/// `3p+1`. It wraps around: `0p-1` is the largest size there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Amount {
    /// How many pages.
    pub pages: i32,
    /// How many bytes more, or less.
    pub bytes: i64,
}

impl Amount {
    /// The number of bytes, with pages of `page` bytes.
    pub fn resolve(self, page: u64) -> u64 {
        page.wrapping_mul(self.pages as u64)
            .wrapping_add(self.bytes as u64)
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}p{:+}", self.pages, self.bytes)
    }
}

impl FromStr for Amount {
    type Err = ();

    fn from_str(word: &str) -> Result<Self, ()> {
        let (pages, bytes) = word.split_once('p').ok_or(())?;

        Ok(Self {
            pages: pages.parse().map_err(|_| ())?,
            bytes: bytes.parse().map_err(|_| ())?,
        })
    }
}

/// The name of a region: any bytes but NUL. Its text is quoted, with `\xNN` for what is not plain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name(pub Vec<u8>);

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        for &byte in &self.0 {
            match byte {
                b'\\' | b'"' => write!(f, "\\x{byte:02x}")?,
                b'!'..=b'~' => f.write_char(byte.into())?,
                _ => write!(f, "\\x{byte:02x}")?,
            }
        }
        f.write_char('"')
    }
}

impl FromStr for Name {
    type Err = ();

    fn from_str(word: &str) -> Result<Self, ()> {
        let mut rest = word
            .strip_prefix('"')
            .and_then(|w| w.strip_suffix('"'))
            .ok_or(())?;
        let mut name = Vec::new();

        while let Some(first) = rest.bytes().next() {
            if first == b'\\' {
                let hex = rest
                    .get(2..4)
                    .filter(|_| rest.starts_with("\\x"))
                    .ok_or(())?;
                name.push(u8::from_str_radix(hex, 16).map_err(|_| ())?);
                rest = &rest[4..];
            } else if first.is_ascii_graphic() {
                name.push(first);
                rest = &rest[1..];
            } else {
                return Err(());
            }
        }
        (!name.contains(&0)).then_some(Self(name)).ok_or(())
    }
}
