// SPDX-License-Identifier: GPL-2.0

//! The registration of `/dev/ashmem`, with what the `MiscDevice` trait does not offer.
//!
//! `MiscDevice` builds the table of file operations; this adds `llseek`, the owner, and a node that
//! everybody may open.
//!
//! C header: `include/linux/miscdevice.h`

use kernel::{
    bindings,
    error::to_result,
    fs::File,
    miscdevice::MiscDeviceOptions,
    module::this_module,
    prelude::*,
    types::{
        ForeignOwnable,
        Opaque, //
    }, //
};

use super::{
    AreaBox,
    AshmemArea, //
};
use crate::helpers::fops::FileOperations;

/// The mode of the device node: every user may open it.
const NODE_MODE: bindings::umode_t = 0o666;

/// How `MiscDevice` registers an area's device.
const OPTIONS: MiscDeviceOptions = MiscDeviceOptions { name: c"ashmem" };

/// The file operations of `/dev/ashmem`.
static FOPS: FileOperations = FileOperations::new({
    let misc = OPTIONS.into_raw::<AshmemArea>();

    bindings::file_operations {
        llseek: Some(ashmem_llseek),
        owner: this_module::<crate::LocalModule>().as_ptr(),
        // SAFETY: `into_raw` points `fops` to a static table.
        ..unsafe { *misc.fops }
    }
});

/// The device `/dev/ashmem`, registered for as long as this lives.
///
/// # Invariants
///
/// `inner` is registered with `misc_register()`. It is the whole of the type, as it is of
/// `MiscDeviceRegistration<AshmemArea>`: the trait's `open` casts to that.
#[repr(transparent)]
#[pin_data(PinnedDrop)]
pub(crate) struct Registration {
    /// The C structure.
    #[pin]
    inner: Opaque<bindings::miscdevice>,
}

// SAFETY: A misc device may be deregistered on another thread than it was registered on.
unsafe impl Send for Registration {}
// SAFETY: Nothing can be done with a shared reference.
unsafe impl Sync for Registration {}

impl Registration {
    /// Registers the device: `misc_register()`.
    ///
    /// Errors are those of `misc_register()`: `EBUSY` when no minor is free, `EEXIST` when there is
    /// a device of that name already, `ENOMEM`.
    pub(crate) fn register() -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            inner <- Opaque::try_ffi_init(|slot: *mut bindings::miscdevice| {
                let misc = bindings::miscdevice {
                    fops: FOPS.as_ptr(),
                    mode: NODE_MODE,
                    ..OPTIONS.into_raw::<AshmemArea>()
                };
                // SAFETY: The initializer may write to `slot`.
                unsafe { slot.write(misc) };

                // SAFETY: `slot` was just filled in; it is pinned, and deregistered before it goes.
                // INVARIANT: On success the device is registered.
                to_result(unsafe { bindings::misc_register(slot) })
            }),
        })
    }
}

#[pinned_drop]
impl PinnedDrop for Registration {
    fn drop(self: Pin<&mut Self>) {
        // SAFETY: By the invariant the device is registered.
        unsafe { bindings::misc_deregister(self.inner.get()) };
    }
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
