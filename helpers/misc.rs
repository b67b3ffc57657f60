// SPDX-License-Identifier: GPL-2.0

//! Registrations of misc devices with more file operations than the `MiscDevice` trait has, and with
//! nodes that everybody may open.
//!
//! C header: `include/linux/miscdevice.h`

use core::marker::PhantomData;

use kernel::{
    bindings,
    error::to_result,
    miscdevice::{
        MiscDevice,
        MiscDeviceOptions, //
    },
    prelude::*,
    types::Opaque, //
};

use super::fops::FileOperations;

/// The mode of the device node: every user may open it.
const NODE_MODE: bindings::umode_t = 0o666;

/// A device that is registered for as long as this lives.
///
/// # Invariants
///
/// `inner` is registered with `misc_register()`. It is the whole of the type, as it is of
/// `MiscDeviceRegistration<T>`: the trait's `open` casts to that.
#[repr(transparent)]
#[pin_data(PinnedDrop)]
pub(crate) struct Registration<T> {
    /// The C structure.
    #[pin]
    inner: Opaque<bindings::miscdevice>,
    /// What an open file is.
    _device: PhantomData<T>,
}

// SAFETY: A misc device may be deregistered on another thread than it was registered on.
unsafe impl<T> Send for Registration<T> {}
// SAFETY: Nothing can be done with a shared reference.
unsafe impl<T> Sync for Registration<T> {}

impl<T: MiscDevice> Registration<T> {
    /// Registers the device: `misc_register()`.
    ///
    /// Errors are those of `misc_register()`: `EBUSY` when no minor is free, `EEXIST` when there is
    /// a device of that name already, `ENOMEM`.
    ///
    /// # Safety
    ///
    /// `fops` must be the table that `MiscDeviceOptions::into_raw::<T>()` has, with operations added.
    pub(crate) unsafe fn register(
        options: MiscDeviceOptions,
        fops: &'static FileOperations,
    ) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            inner <- Opaque::try_ffi_init(move |slot: *mut bindings::miscdevice| {
                let misc = bindings::miscdevice {
                    fops: fops.as_ptr(),
                    mode: NODE_MODE,
                    ..options.into_raw::<T>()
                };
                // SAFETY: The initializer may write to `slot`.
                unsafe { slot.write(misc) };

                // SAFETY: `slot` was just filled in; it is pinned, and deregistered before it goes.
                // INVARIANT: On success the device is registered.
                to_result(unsafe { bindings::misc_register(slot) })
            }),
            _device: PhantomData,
        })
    }
}

#[pinned_drop]
impl<T> PinnedDrop for Registration<T> {
    fn drop(self: Pin<&mut Self>) {
        // SAFETY: By the invariant the device is registered.
        unsafe { bindings::misc_deregister(self.inner.get()) };
    }
}
