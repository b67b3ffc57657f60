// SPDX-License-Identifier: GPL-2.0

//! The registration of `/dev/binder_fd`, with what the `MiscDevice` trait does not offer.
//!
//! `MiscDevice` builds the table of file operations; this adds `poll`, `flush`, the owner, and a node
//! that everybody may open.
//!
//! C header: `include/linux/miscdevice.h`

use kernel::{
    bindings,
    fs::File,
    miscdevice::{
        MiscDevice,
        MiscDeviceOptions,
        MiscDeviceRegistration, //
    },
    mm::virt::VmaNew,
    prelude::*,
    sync::{
        poll::PollTable,
        Arc,
        ArcBorrow, //
    },
    types::ForeignOwnable, //
};

use super::process::Process;
use crate::helpers::{
    fops::FileOperations,
    misc,
    versions::module::this_module, //
};

/// How `MiscDevice` registers the device.
const OPTIONS: MiscDeviceOptions = MiscDeviceOptions { name: c"binder_fd" };

/// The file operations of `/dev/binder_fd`.
static FOPS: FileOperations = FileOperations::new({
    let misc = OPTIONS.into_raw::<Process>();

    bindings::file_operations {
        poll: Some(poll),
        flush: Some(flush),
        owner: this_module(),
        // SAFETY: `into_raw` points `fops` to a static table.
        ..unsafe { *misc.fops }
    }
});

#[vtable]
impl MiscDevice for Process {
    type Ptr = Arc<Self>;

    fn open(file: &File, _misc: &MiscDeviceRegistration<Self>) -> Result<Arc<Self>> {
        Process::open(file)
    }

    fn release(process: Arc<Self>, _file: &File) {
        Process::release(&process);
    }

    fn mmap(process: ArcBorrow<'_, Self>, _file: &File, vma: &VmaNew) -> Result {
        Process::mmap(&process, vma)
    }

    fn ioctl(process: ArcBorrow<'_, Self>, file: &File, cmd: u32, arg: usize) -> Result<isize> {
        Process::ioctl(&process.into(), file, cmd, arg)
    }
}

/// The device `/dev/binder_fd`, registered for as long as this lives.
pub(crate) type Registration = misc::Registration<Process>;

/// Registers the device; the errors of [`misc::Registration::register`].
pub(crate) fn register() -> impl PinInit<Registration, Error> {
    // SAFETY: `FOPS` is made of the table of the options.
    unsafe { Registration::register(OPTIONS, &FOPS) }
}

/// What `file` was opened as.
///
/// # Safety
///
/// `file` must be a valid file of this device for `'a`.
unsafe fn process<'a>(file: *mut bindings::file) -> ArcBorrow<'a, Process> {
    // SAFETY: The private data of a file of this device was stored by the `open` of `MiscDevice`,
    // which lets go of it only in `release`.
    unsafe { <Arc<Process> as ForeignOwnable>::borrow((*file).private_data) }
}

/// Polls: `poll`.
///
/// # Safety
///
/// `file` must be a valid file of this device, `table` null or a valid table.
unsafe extern "C" fn poll(
    file: *mut bindings::file,
    table: *mut bindings::poll_table,
) -> bindings::__poll_t {
    // SAFETY: The caller promises it.
    let process = unsafe { process(file) };
    // SAFETY: The file is valid during this call, and poll runs without an active `fdget_pos`.
    let file = unsafe { File::from_raw_file(file) };
    // SAFETY: The caller promises it.
    let table = unsafe { PollTable::from_raw(table) };

    match Process::poll(&process.into(), file, table) {
        None => bindings::POLLERR,
        Some(true) => bindings::POLLIN,
        Some(false) => 0,
    }
}

/// A file descriptor is closed: `flush`.
///
/// # Safety
///
/// `file` must be a valid file of this device.
unsafe extern "C" fn flush(file: *mut bindings::file, _id: bindings::fl_owner_t) -> c_int {
    // SAFETY: The caller promises it.
    unsafe { process(file) }.flush();
    0
}
