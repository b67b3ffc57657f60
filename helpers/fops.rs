// SPDX-License-Identifier: GPL-2.0

//! Tables of file operations.
//!
//! C header: `include/linux/fs.h`

use kernel::bindings;

/// A table of file operations that can be a `static`.
pub(crate) struct FileOperations(bindings::file_operations);

// SAFETY: The table is never written, and the pointers in it are to static things.
unsafe impl Sync for FileOperations {}

impl FileOperations {
    /// The table, with pointers to static things only.
    pub(crate) const fn new(table: bindings::file_operations) -> Self {
        Self(table)
    }

    /// The C structure.
    pub(crate) const fn as_ptr(&'static self) -> *const bindings::file_operations {
        &self.0
    }
}
