// SPDX-License-Identifier: GPL-2.0

//! The memory of a buffer: pages that come when they are first written.
//!
//! They stay as long as the buffer does, are charged to who maps it, and never more than the mapping
//! is long.

use kernel::{
    page::{
        Page,
        PAGE_SIZE, //
    },
    prelude::*,
    sync::{
        new_mutex,
        Mutex,
        SetOnce, //
    },
    uaccess::UserSliceReader, //
};

use crate::helpers::memcg::Memcg;

/// The pages of a buffer.
#[pin_data]
pub(crate) struct Pages {
    /// Those that have been written.
    pages: KVVec<SetOnce<Page>>,
    /// Held while a page is added.
    #[pin]
    adding: Mutex<()>,
}

/// Parts of no more than a page: page number, place in the page, place in the whole, size.
fn pieces(at: usize, len: usize) -> impl Iterator<Item = (usize, usize, usize, usize)> {
    let mut done = 0;
    core::iter::from_fn(move || {
        let (page, offset) = ((at + done) / PAGE_SIZE, (at + done) % PAGE_SIZE);
        let size = (len - done).min(PAGE_SIZE - offset);
        let piece = (page, offset, done, size);
        done += size;
        (size != 0).then_some(piece)
    })
}

impl Pages {
    /// Space for `count` pages, none of which is there yet. `ENOMEM`.
    pub(crate) fn new(count: usize) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            pages: {
                let mut pages = KVVec::with_capacity(count, GFP_KERNEL_ACCOUNT)?;
                for _ in 0..count {
                    pages.push(SetOnce::new(), GFP_KERNEL_ACCOUNT)?;
                }
                pages
            },
            adding <- new_mutex!((), "Pages::adding"),
        })
    }

    /// The page `number`, if it has been written.
    pub(crate) fn get(&self, number: usize) -> Option<&Page> {
        self.pages.get(number)?.as_ref()
    }

    /// Sees to it that the `len` bytes at `at` have pages, charged to `payer`. `ENOMEM`.
    pub(crate) fn populate(&self, at: usize, len: usize, payer: &Memcg) -> Result {
        for (number, ..) in pieces(at, len) {
            let slot = self.pages.get(number).ok_or(EINVAL)?;
            if slot.as_ref().is_some() {
                continue;
            }
            let _adding = self.adding.lock();
            if slot.as_ref().is_none() {
                let flags = GFP_KERNEL_ACCOUNT | __GFP_HIGHMEM | __GFP_ZERO;
                slot.populate(payer.charge(|| Page::alloc_page(flags))?);
            }
        }
        Ok(())
    }

    /// Writes `bytes` to `at`. `EINVAL` if there are no pages.
    pub(crate) fn write(&self, at: usize, bytes: &[u8]) -> Result {
        for (number, offset, done, size) in pieces(at, bytes.len()) {
            let page = self.get(number).ok_or(EINVAL)?;
            let piece = bytes.get(done..done + size).ok_or(EINVAL)?;
            // SAFETY: `piece` is `size` bytes long. Whoever else reads the page maps it or is the user
            // of another part of it: nobody in the kernel reads or writes these bytes meanwhile.
            unsafe { page.write_raw(piece.as_ptr(), offset, size)? };
        }
        Ok(())
    }

    /// Writes zeroes to the `len` bytes at `at`. `EINVAL` if there are no pages.
    pub(crate) fn clear(&self, at: usize, len: usize) -> Result {
        for (number, offset, _, size) in pieces(at, len) {
            let page = self.get(number).ok_or(EINVAL)?;
            // SAFETY: As in `write`.
            unsafe { page.fill_zero_raw(offset, size)? };
        }
        Ok(())
    }

    /// Writes the next `len` bytes that `reader` reads to `at`. `EFAULT`; `EINVAL` if there are no pages.
    pub(crate) fn copy_from_user(
        &self,
        at: usize,
        len: usize,
        reader: &mut UserSliceReader,
    ) -> Result {
        for (number, offset, _, size) in pieces(at, len) {
            let page = self.get(number).ok_or(EINVAL)?;
            // SAFETY: As in `write`.
            unsafe { page.copy_from_user_slice_raw(reader, offset, size)? };
        }
        Ok(())
    }
}
