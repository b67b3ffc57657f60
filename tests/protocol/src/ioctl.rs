// SPDX-License-Identifier: GPL-2.0

//! Stands in for the module's `ioctl.rs`: what of it names and ranges need.

/// How long a name may be, its NUL included.
pub const ASHMEM_NAME_LEN: usize = 256;

/// A range of pages, in bytes.
#[derive(Clone, Copy)]
pub struct AshmemPin {
    /// Where it begins.
    pub offset: u32,
    /// Its length.
    pub len: u32,
}
