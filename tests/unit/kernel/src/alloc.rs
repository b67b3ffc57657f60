// SPDX-License-Identifier: GPL-2.0

//! Memory: boxes, and how many there are.

use std::{
    cell::Cell,
    mem::{forget, MaybeUninit},
    ops::{Deref, DerefMut},
    ptr::NonNull,
};

/// What an allocation may do to succeed: of no meaning here.
#[derive(Clone, Copy)]
pub struct Flags(());

pub mod flags {
    //! The flags.

    use super::Flags;

    /// May sleep.
    pub const GFP_KERNEL: Flags = Flags(());
    /// The same, and somebody pays.
    pub const GFP_KERNEL_ACCOUNT: Flags = Flags(());
}

/// There is no memory: never on the host.
#[derive(Debug)]
pub struct AllocError;

thread_local! {
    /// How many boxes this thread has.
    static LIVE: Cell<isize> = const { Cell::new(0) };
}

/// How many boxes there are that this thread has made.
///
/// Boxes are not handed to other threads in these tests.
pub fn live() -> isize {
    LIVE.get()
}

/// A box. A pointer as in the kernel's: the standard library's says that nobody else has one, too.
///
/// # Invariants
///
/// It is the pointer of a [`Box`] that nobody else will free.
pub struct KBox<T>(NonNull<T>);

impl<T> KBox<T> {
    /// Memory without a value.
    pub fn new_uninit(_flags: Flags) -> Result<KBox<MaybeUninit<T>>, AllocError> {
        LIVE.set(LIVE.get() + 1);
        // INVARIANT: From a box.
        Ok(KBox(NonNull::from(Box::leak(Box::new(
            MaybeUninit::uninit(),
        )))))
    }

    /// The pointer; [`from_raw`](Self::from_raw) takes it back.
    pub fn into_raw(this: Self) -> *mut T {
        let raw = this.0.as_ptr();
        forget(this);
        raw
    }

    /// Takes a pointer back.
    ///
    /// # Safety
    ///
    /// It must come from [`into_raw`](Self::into_raw), and be taken back once.
    pub unsafe fn from_raw(raw: *mut T) -> Self {
        // SAFETY: It comes from a box.
        // INVARIANT: By the caller's promise.
        Self(unsafe { NonNull::new_unchecked(raw) })
    }

    /// The value; the memory is freed.
    pub fn into_inner(this: Self) -> T {
        LIVE.set(LIVE.get() - 1);
        // SAFETY: By the type's invariant.
        *unsafe { Box::from_raw(Self::into_raw(this)) }
    }

    /// Drops the value, but keeps the memory.
    pub fn drop_contents(this: Self) -> KBox<MaybeUninit<T>> {
        let raw = Self::into_raw(this);
        // SAFETY: There is a value, and nobody uses it after this.
        unsafe { raw.drop_in_place() };
        // SAFETY: `MaybeUninit` has the same layout, and needs no value.
        unsafe { KBox::from_raw(raw.cast()) }
    }
}

impl<T> KBox<MaybeUninit<T>> {
    /// Puts a value into the memory.
    pub fn write(mut this: Self, value: T) -> KBox<T> {
        MaybeUninit::write(&mut *this, value);
        // SAFETY: There is a value now.
        unsafe { KBox::from_raw(Self::into_raw(this).cast()) }
    }
}

impl<T> Deref for KBox<T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: By the type's invariant.
        unsafe { self.0.as_ref() }
    }
}

impl<T> DerefMut for KBox<T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: By the type's invariant.
        unsafe { self.0.as_mut() }
    }
}

impl<T> Drop for KBox<T> {
    fn drop(&mut self) {
        LIVE.set(LIVE.get() - 1);
        // SAFETY: By the type's invariant.
        drop(unsafe { Box::from_raw(self.0.as_ptr()) });
    }
}
