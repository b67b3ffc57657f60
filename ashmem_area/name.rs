// SPDX-License-Identifier: GPL-2.0

//! The name of a region.

use kernel::prelude::*;

use crate::ioctl::ASHMEM_NAME_LEN;

/// What the path of every backing file begins with.
const PREFIX: &[u8] = b"dev/ashmem/";

/// The path of the backing file of a region without a name, and what such a region answers when
/// asked for its name: `ASHMEM_NAME_DEF`.
pub(crate) const DEFAULT: &CStr = c"dev/ashmem";

/// The name of a region: a string of 1 to 255 bytes, of any encoding or none.
///
/// # Invariants
///
/// The vector holds [`PREFIX`], then the name, then a NUL, and no other NUL.
pub(crate) struct Name(KVec<u8>);

impl Name {
    /// Copies `name`; the memory is charged to the caller's memory cgroup.
    ///
    /// An empty string is no name. The error is `ENOMEM`.
    pub(crate) fn new(name: &CStr) -> Result<Option<Self>> {
        if name.is_empty() {
            return Ok(None);
        }

        let bytes = name.to_bytes_with_nul();
        let mut path = KVec::with_capacity(PREFIX.len() + bytes.len(), GFP_KERNEL_ACCOUNT)?;
        path.extend_from_slice(PREFIX, GFP_KERNEL_ACCOUNT)?;
        path.extend_from_slice(bytes, GFP_KERNEL_ACCOUNT)?;

        // INVARIANT: A `CStr` has its only NUL at the end, and `PREFIX` has none.
        Ok(Some(Self(path)))
    }

    /// The name with its NUL.
    pub(crate) fn with_nul(&self) -> &[u8] {
        self.0.get(PREFIX.len()..).unwrap_or_default()
    }

    /// The path that the backing file shows in `/proc/<pid>/maps`.
    pub(crate) fn path(&self) -> &CStr {
        // SAFETY: By the invariant there is one NUL, at the end.
        unsafe { CStr::from_bytes_with_nul_unchecked(&self.0) }
    }
}

/// A copy of a name and its NUL, to be handed to user space once the region's lock is released.
pub(crate) struct NameCopy {
    /// The bytes, and behind them the rest of the buffer.
    buf: [u8; ASHMEM_NAME_LEN],
    /// How many bytes of the buffer the name takes, its NUL included.
    len: usize,
}

impl NameCopy {
    /// Copies a name with its NUL; without one, the [`DEFAULT`].
    pub(crate) fn new(name: Option<&Name>) -> Self {
        let mut buf = [0; ASHMEM_NAME_LEN];
        let bytes = name.map_or(DEFAULT.to_bytes_with_nul(), Name::with_nul);
        let len = bytes.len().min(buf.len());

        for (to, from) in buf.iter_mut().zip(bytes) {
            *to = *from;
        }
        Self { buf, len }
    }

    /// The name with its NUL.
    pub(crate) fn with_nul(&self) -> &[u8] {
        self.buf.get(..self.len).unwrap_or_default()
    }

    /// The name without its NUL.
    pub(crate) fn without_nul(&self) -> &[u8] {
        self.with_nul()
            .split_last()
            .map_or(&[], |(_nul, name)| name)
    }
}
