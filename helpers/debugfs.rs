// SPDX-License-Identifier: GPL-2.0

//! Files to read in debugfs.
//!
//! The `kernel` crate has them too, but its tables have no owner: whoever keeps such a file open while
//! the module is unloaded makes the kernel read the table, to close the file, when it is gone.
//!
//! C header: `include/linux/debugfs.h`

use kernel::{
    bindings,
    prelude::*,
    seq_file::SeqFile, //
};

use super::{
    fops::FileOperations,
    versions::module::this_module, //
};

/// What a file says.
pub(crate) trait Show {
    /// Writes it all, each time that somebody reads.
    fn show(m: &SeqFile);
}

/// The file operations of a file that says what `T` says.
pub(crate) const fn file_operations<T: Show>() -> FileOperations {
    FileOperations::new(bindings::file_operations {
        owner: this_module(),
        open: Some(open::<T>),
        read: Some(bindings::seq_read),
        llseek: Some(bindings::seq_lseek),
        release: Some(bindings::single_release),
        ..pin_init::zeroed()
    })
}

/// A directory in debugfs; dropping it removes it with all that is in it.
///
/// # Invariants
///
/// The pointer came from `debugfs_create_dir()`: it may be an error, which debugfs ignores.
pub(crate) struct Dir(*mut bindings::dentry);

// SAFETY: A directory may be removed on another thread than it was made on.
unsafe impl Send for Dir {}
// SAFETY: As above, and for files in it.
unsafe impl Sync for Dir {}

impl Dir {
    /// Makes a directory: `debugfs_create_dir()`.
    pub(crate) fn new(name: &CStr) -> Self {
        // SAFETY: The name is a string, which is copied.
        // INVARIANT: As it says.
        Self(unsafe { bindings::debugfs_create_dir(name.as_char_ptr(), core::ptr::null_mut()) })
    }

    /// Adds a file that only its owner, root, may read: `debugfs_create_file()`.
    pub(crate) fn add(&self, name: &CStr, fops: &'static FileOperations) {
        // SAFETY: The name is a string, which is copied; the table is static, and owned by the module.
        unsafe {
            bindings::debugfs_create_file_full(
                name.as_char_ptr(),
                0o400,
                self.0,
                core::ptr::null_mut(),
                core::ptr::null(),
                fops.as_ptr(),
            )
        };
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        // SAFETY: By the invariant. This waits for those who read a file in it.
        unsafe { bindings::debugfs_remove(self.0) };
    }
}

/// The `open` of such a file: `single_open()`.
///
/// # Safety
///
/// `file` must be one that is being opened.
unsafe extern "C" fn open<T: Show>(
    _inode: *mut bindings::inode,
    file: *mut bindings::file,
) -> c_int {
    // SAFETY: The caller vouches for the file.
    unsafe { bindings::single_open(file, Some(show::<T>), core::ptr::null_mut()) }
}

/// The `show` of such a file.
///
/// # Safety
///
/// `m` must be a `seq_file` that only this thread uses.
unsafe extern "C" fn show<T: Show>(m: *mut bindings::seq_file, _data: *mut c_void) -> c_int {
    // SAFETY: By the caller's promise.
    T::show(unsafe { SeqFile::from_raw(m) });
    0
}
