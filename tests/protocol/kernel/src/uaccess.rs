// SPDX-License-Identifier: GPL-2.0

//! User memory: here it is that of this process.

use core::ffi::CStr;

use crate::error::{code::EINVAL, Result};

/// An address.
pub struct UserPtr(usize);

impl UserPtr {
    /// The address with this number.
    pub fn from_addr(addr: usize) -> Self {
        Self(addr)
    }
}

/// A part of user memory.
pub struct UserSlice(UserPtr);

impl UserSlice {
    /// What begins at an address. How long it is nobody needs to know here.
    pub fn new(ptr: UserPtr, _length: usize) -> Self {
        Self(ptr)
    }

    /// To read it.
    pub fn reader(self) -> UserSliceReader {
        UserSliceReader(self.0)
    }
}

/// Reads user memory. The scenes pass what is there as long as they run.
pub struct UserSliceReader(UserPtr);

impl UserSliceReader {
    /// Reads a string into `buf`.
    pub fn strcpy_into_buf(self, buf: &mut [u8]) -> Result<&CStr> {
        // SAFETY: The scenes pass the address of a string.
        let string = unsafe { CStr::from_ptr(self.0 .0 as *const _) }.to_bytes_with_nul();
        let copy = buf.get_mut(..string.len()).ok_or(EINVAL)?;
        copy.copy_from_slice(string);
        CStr::from_bytes_with_nul(copy).map_err(|_| EINVAL)
    }

    /// Reads a value.
    pub fn read<T: Copy>(&mut self) -> Result<T> {
        // SAFETY: The scenes pass the address of one.
        Ok(unsafe { (self.0 .0 as *const T).read() })
    }
}
