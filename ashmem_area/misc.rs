// SPDX-License-Identifier: GPL-2.0

//! The registration of `/dev/ashmem`, with what the `MiscDevice` trait does not offer.
//!
//! `MiscDevice` builds the table of file operations; this adds `llseek`, the owner, and a node that
//! everybody may open.
//!
//! C header: `include/linux/miscdevice.h`

use kernel::{
    bindings,
    fs::File,
    miscdevice::MiscDeviceOptions,
    prelude::*,
    types::ForeignOwnable, //
};

use super::{
    AreaBox,
    AshmemArea, //
};
use crate::helpers::{
    fops::FileOperations,
    misc,
    versions::module::this_module, //
};

/// How `MiscDevice` registers an area's device.
const OPTIONS: MiscDeviceOptions = MiscDeviceOptions { name: c"ashmem" };

/// The file operations of `/dev/ashmem`.
static FOPS: FileOperations = FileOperations::new({
    let misc = OPTIONS.into_raw::<AshmemArea>();

    bindings::file_operations {
        llseek: Some(ashmem_llseek),
        owner: this_module(),
        // SAFETY: `into_raw` points `fops` to a static table.
        ..unsafe { *misc.fops }
    }
});

/// The device `/dev/ashmem`, registered for as long as this lives.
pub(crate) type Registration = misc::Registration<AshmemArea>;

/// Registers the device; the errors of [`misc::Registration::register`].
pub(crate) fn register() -> impl PinInit<Registration, Error> {
    // SAFETY: `FOPS` is made of the table of the options.
    unsafe { Registration::register(OPTIONS, &FOPS) }
}

/// Moves the position of an open `/dev/ashmem`: `llseek`.
///
/// # Safety
///
/// `file` must be a valid file of this device.
unsafe extern "C" fn ashmem_llseek(
    file: *mut bindings::file,
    offset: bindings::loff_t,
    whence: c_int,
) -> bindings::loff_t {
    // SAFETY: The private data of a file of this device was stored by the `open` of `MiscDevice`,
    // which lets go of it only in `release`.
    let area = unsafe { <AreaBox as ForeignOwnable>::borrow((*file).private_data) };
    // SAFETY: The file is valid during this call, and llseek runs without an active `fdget_pos` that
    // did not take the lock.
    let file = unsafe { File::from_raw_file(file) };

    match area.llseek(file, offset, whence) {
        Ok(pos) => pos,
        Err(err) => bindings::loff_t::from(err.to_errno()),
    }
}
