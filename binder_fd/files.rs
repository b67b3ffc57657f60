// SPDX-License-Identifier: GPL-2.0

//! File descriptors: taken from the sender, installed in the receiver.
//!
//! All or none: [`Reserved`] is all that may fail, [`Reserved::install`] cannot.
//!
//! C header: `include/linux/file.h`

use kernel::{
    bindings,
    fs::{
        file::FileDescriptorReservation,
        File,
        LocalFile, //
    },
    prelude::*,
    security,
    sync::aref::ARef, //
};

use super::{
    buffer::Allocation,
    process::Process, //
};

/// A file on its way.
struct FileInTransit {
    /// The file.
    file: ARef<File>,
    /// Where in the parcel its number stands.
    at: usize,
    /// Whether it is closed when the parcel is freed.
    is_closed_with_parcel: bool,
}

/// The files in a parcel.
pub(crate) struct FilesInTransit(KVVec<FileInTransit>);

impl FilesInTransit {
    /// None.
    pub(crate) fn new() -> Self {
        Self(KVVec::new())
    }

    /// Adds the file that the caller has as `fd`; the number of the receiver's stands at `at` then.
    ///
    /// `EBADF`; `EPERM` if a security module does not let it go from `from` to `to`; `ENOMEM`.
    pub(crate) fn add(
        &mut self,
        fd: u32,
        at: usize,
        is_closed_with_parcel: bool,
        from: &Process,
        to: &Process,
    ) -> Result {
        let file = LocalFile::fget(fd)?;
        // SAFETY: An ioctl of this device does not run within an `fdget_pos` of the file.
        let file = unsafe { LocalFile::assume_no_fdget_pos(file) };
        security::binder_transfer_file(&from.cred, &to.cred, &file).map_err(|_| EPERM)?;
        self.0.push(
            FileInTransit {
                file,
                at,
                is_closed_with_parcel,
            },
            GFP_KERNEL_ACCOUNT,
        )?;
        Ok(())
    }

    /// Reserves a file descriptor of the caller's for each, with `O_CLOEXEC`, and writes their numbers
    /// into the parcel.
    ///
    /// `EMFILE`, `ENOMEM`; then none is reserved.
    pub(crate) fn reserve(self, data: &Allocation) -> Result<Reserved> {
        let mut reserved = Reserved {
            // Not for as many as the sender has named: the caller may have no number for them.
            files: KVVec::new(),
            closed_with_parcel: KVVec::new(),
        };
        for file in self.0 {
            let fd = FileDescriptorReservation::get_unused_fd_flags(bindings::O_CLOEXEC)?;
            let number = fd.reserved_fd();
            data.write(file.at, &number.to_ne_bytes())?;
            if file.is_closed_with_parcel {
                reserved
                    .closed_with_parcel
                    .push(number, GFP_KERNEL_ACCOUNT)?;
            }
            reserved.files.push((fd, file.file), GFP_KERNEL_ACCOUNT)?;
        }
        Ok(reserved)
    }
}

/// File descriptors of the caller's that are not there yet; given up when dropped.
pub(crate) struct Reserved {
    /// Each with its file.
    files: KVVec<(FileDescriptorReservation, ARef<File>)>,
    /// Those that are closed when the parcel is freed.
    closed_with_parcel: KVVec<u32>,
}

impl Reserved {
    /// Installs them. Returns those that are closed when the parcel is freed.
    pub(crate) fn install(self) -> KVVec<u32> {
        for (fd, file) in self.files {
            fd.fd_install(file);
        }
        self.closed_with_parcel
    }
}

/// The file that an ioctl is on. It stays at least until this is dropped.
///
/// The system call may have borrowed it from the caller's only file descriptor, and counts on that to be there
/// until it ends. But the caller may have named it among those that are closed.
pub(crate) struct OwnFile<'a> {
    /// The file.
    file: &'a File,
    /// A reference, from the first file descriptor on that is closed: later there may be none to take it from.
    kept: Option<ARef<File>>,
}

impl<'a> OwnFile<'a> {
    /// That of an ioctl on `file`.
    pub(crate) fn new(file: &'a File) -> Self {
        Self { file, kept: None }
    }

    /// Closes file descriptors of the caller's: `close_fd()`.
    pub(crate) fn close(&mut self, fds: &[u32]) {
        for &fd in fds {
            self.kept.get_or_insert_with(|| ARef::from(self.file));
            // SAFETY: It closes a file descriptor of the caller's, or is told that there is none.
            unsafe { bindings::close_fd(fd) };
        }
    }
}
