// SPDX-License-Identifier: GPL-2.0

//! The buffer of a receiver: he maps it and reads it, the kernel writes what comes in.
//!
//! C counterpart: `drivers/android/binder_alloc.c`

use kernel::{
    mm::virt::VmaNew,
    page::PAGE_SIZE,
    prelude::*,
    sync::{
        new_mutex,
        Arc,
        Mutex, //
    },
    uaccess::UserSliceReader, //
};

use super::{
    process::Process,
    protocol::whole_words, //
};
use crate::helpers::memcg::Memcg;

mod mapping;
mod pages;
mod space;

use pages::Pages;
use space::{
    Space,
    Spare, //
};

/// The largest buffer in bytes; what is mapped beyond is of no use.
const LARGEST: usize = 4 << 20;

/// What the user of a part has to know of it, until he frees it.
pub(crate) struct Received {
    /// Whether it is cleared when it is freed.
    pub(crate) clear: bool,
    /// Whether it came one-way: then the next one may come when it is freed.
    pub(crate) is_one_way: bool,
    /// The file descriptors that are closed with it: those in arrays.
    pub(crate) fds: KVVec<u32>,
}

/// A mapped buffer.
#[pin_data]
struct Mapped {
    /// The address in the receiver.
    start: usize,
    /// The memory.
    #[pin]
    pages: Pages,
    /// Which parts are in use.
    #[pin]
    parts: Mutex<Space<Received>>,
}

impl Mapped {
    /// One at `start`, of `size` bytes, of which none are in use. `ENOMEM`.
    fn new(start: usize, size: usize) -> Result<Arc<Self>> {
        let mut space = Space::new();
        space.open(size, Spare::new()?);
        Arc::pin_init(
            try_pin_init!(Self {
                start,
                pages <- Pages::new(size / PAGE_SIZE),
                parts <- new_mutex!(space, "Buffer::parts"),
            }? Error),
            GFP_KERNEL_ACCOUNT,
        )
    }

    /// Frees a part that is nobody's.
    fn free(&self, at: usize, size: usize, clear: bool) {
        if clear {
            // The pages are there, or there is nothing to clear.
            let _ = self.pages.clear(at, size);
        }
        self.parts.lock().free(at);
    }
}

/// What a receiver has mapped.
struct State {
    /// The buffer, if it has been mapped, until the file is closed.
    mapped: Option<Arc<Mapped>>,
    /// Whether anything may come in: the mapping is still there.
    is_open: bool,
}

/// A receiver's buffer.
#[pin_data]
pub(crate) struct Buffer {
    /// What there is of it.
    #[pin]
    state: Mutex<State>,
}

impl Buffer {
    /// A buffer that is not mapped yet.
    pub(crate) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            state <- new_mutex!(
                State {
                    mapped: None,
                    is_open: false,
                },
                "Buffer::state"
            ),
        })
    }

    /// Maps the buffer of `process` into a new area of it: `mmap`.
    ///
    /// `EPERM` for a writable area, `EBUSY` if it has been mapped before, `ENOMEM`.
    pub(crate) fn map(process: &Process, vma: &VmaNew) -> Result {
        if vma.writable() {
            return Err(EPERM);
        }
        let size = (vma.end() - vma.start()).min(LARGEST);
        let mapped = Mapped::new(vma.start(), size)?;

        let mut state = process.buffer.state.lock();
        if state.mapped.is_some() {
            return Err(EBUSY);
        }
        mapping::set_up(process, vma)?;
        state.mapped = Some(mapped);
        state.is_open = true;
        Ok(())
    }

    /// What is mapped, if anything is.
    fn mapped(&self) -> Option<Arc<Mapped>> {
        self.state.lock().mapped.clone()
    }

    /// Nothing comes in any more: its mapping, or a part of it, has gone.
    pub(crate) fn close(&self) {
        self.state.lock().is_open = false;
    }

    /// The file is closed: all goes, or when the last part goes that is still being filled.
    pub(crate) fn release(&self) {
        let mapped = self.state.lock().mapped.take();
        drop(mapped);
    }

    /// Takes a part of the buffer of `process` for so many bytes of data, offsets and more buffers.
    ///
    /// Its memory is charged to `process`, what is kept in mind of it to `client`, who has begun the call.
    ///
    /// `ESRCH` if it is not mapped, `EINVAL` if the sizes are too large for any buffer, `ENOSPC` if they
    /// are for this one as it is, `ENOMEM`.
    pub(crate) fn take(
        process: &Process,
        sizes: [u64; 3],
        is_one_way: bool,
        client: &Memcg,
    ) -> Result<Allocation> {
        let mapped = {
            let state = process.buffer.state.lock();
            let mapped = state.mapped.as_ref().filter(|_| state.is_open);
            mapped.ok_or(ESRCH)?.clone()
        };
        let mut size = 0usize;
        for part in sizes {
            let words = whole_words(usize::try_from(part)?).ok_or(EINVAL)?;
            size = size.checked_add(words).ok_or(EINVAL)?;
        }
        // Each part has an address of its own.
        let size = size.max(super::protocol::WORD);

        let spare = client.charge(Spare::new)?;
        let at = mapped.parts.lock().take(size, is_one_way, spare)?;
        let allocation = Allocation {
            mapped,
            at,
            size,
            clear: false,
        };
        let pages = &allocation.mapped.pages;
        pages.populate(at, size, &process.payer)?;
        Ok(allocation)
    }

    /// Takes back from its user what he has at `address`, and frees it.
    ///
    /// [`None`] if there is nothing of his.
    pub(crate) fn free(&self, address: u64) -> Option<Received> {
        let mapped = self.mapped()?;
        let at = usize::try_from(address).ok()?.checked_sub(mapped.start)?;
        let (size, received) = mapped.parts.lock().take_back(at)?;
        mapped.free(at, size, received.clear);
        Some(received)
    }
}

/// A part of a receiver's buffer that is being filled; freed when dropped.
pub(crate) struct Allocation {
    /// The buffer.
    mapped: Arc<Mapped>,
    /// Where it is in the buffer.
    at: usize,
    /// Its size in bytes.
    size: usize,
    /// Whether it is cleared when it is freed.
    pub(crate) clear: bool,
}

impl Allocation {
    /// Its address in the receiver.
    pub(crate) fn address(&self) -> u64 {
        (self.mapped.start + self.at) as u64
    }

    /// The pages, if all of the `len` bytes at `offset` are in this part.
    fn pages(&self, offset: usize, len: usize) -> Result<&Pages> {
        let end = offset.checked_add(len).ok_or(EINVAL)?;
        if end > self.size {
            return Err(EINVAL);
        }
        Ok(&self.mapped.pages)
    }

    /// Writes `bytes` to `offset`. `EINVAL` beyond the end.
    pub(crate) fn write(&self, offset: usize, bytes: &[u8]) -> Result {
        self.pages(offset, bytes.len())?
            .write(self.at + offset, bytes)
    }

    /// Writes the next `len` bytes of `reader` to `offset`. `EINVAL` beyond the end, `EFAULT`.
    pub(crate) fn copy_from_user(
        &self,
        offset: usize,
        len: usize,
        reader: &mut UserSliceReader,
    ) -> Result {
        self.pages(offset, len)?
            .copy_from_user(self.at + offset, len, reader)
    }

    /// Hands it to the receiver, who will free it.
    pub(crate) fn hand_over(self, is_one_way: bool, fds: KVVec<u32>) {
        let received = Received {
            clear: self.clear,
            is_one_way,
            fds,
        };
        self.mapped.parts.lock().hand_over(self.at, received);
        // What is left of it is the reference to the buffer.
        let mut this = self;
        this.size = 0;
    }
}

impl Drop for Allocation {
    fn drop(&mut self) {
        // No part has no size: it has been handed over.
        if self.size != 0 {
            self.mapped.free(self.at, self.size, self.clear);
        }
    }
}
