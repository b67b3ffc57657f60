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
        Mutex,
        SetOnce, //
    },
    uaccess::UserSliceReader, //
};

use super::{
    process::Process,
    protocol::whole_words, //
};

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
struct Mapped {
    /// The address in the receiver.
    start: usize,
    /// The memory.
    pages: Pin<KBox<Pages>>,
}

/// The parts of a buffer, and whether the mapping is still there.
struct Parts {
    /// The parts.
    space: Space<Received>,
    /// Whether anything may come in.
    is_open: bool,
}

/// A receiver's buffer.
#[pin_data]
pub(crate) struct Buffer {
    /// What was mapped, once.
    mapped: SetOnce<Mapped>,
    /// Which parts are in use.
    #[pin]
    parts: Mutex<Parts>,
}

impl Buffer {
    /// A buffer that is not mapped yet.
    pub(crate) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            mapped: SetOnce::new(),
            parts <- new_mutex!(
                Parts {
                    space: Space::new(),
                    is_open: false,
                },
                "Buffer::parts"
            ),
        })
    }

    /// Maps the buffer of `process` into a new area of it: `mmap`.
    ///
    /// `EPERM` for a writable area, `EBUSY` if it has been mapped before, `ENOMEM`.
    pub(crate) fn map(process: &Process, vma: &VmaNew) -> Result {
        let buffer = &process.buffer;
        if vma.writable() {
            return Err(EPERM);
        }
        let size = (vma.end() - vma.start()).min(LARGEST);
        let pages = KBox::pin_init(Pages::new(size / PAGE_SIZE), GFP_KERNEL_ACCOUNT)?;
        let spare = Spare::new()?;

        let mut parts = buffer.parts.lock();
        if buffer.mapped.as_ref().is_some() {
            return Err(EBUSY);
        }
        mapping::set_up(process, vma)?;
        buffer.mapped.populate(Mapped {
            start: vma.start(),
            pages,
        });
        parts.space.open(size, spare);
        parts.is_open = true;
        Ok(())
    }

    /// Nothing comes in any more: its mapping, or a part of it, has gone.
    pub(crate) fn close(&self) {
        self.parts.lock().is_open = false;
    }

    /// Takes a part of the buffer of `process` for so many bytes of data, offsets and more buffers.
    ///
    /// `ESRCH` if it is not mapped, `EINVAL` if the sizes are too large for any buffer, `ENOSPC` if they
    /// are for this one as it is, `ENOMEM`.
    pub(crate) fn take(
        process: &Arc<Process>,
        sizes: [u64; 3],
        is_one_way: bool,
    ) -> Result<Allocation> {
        let buffer = &process.buffer;
        let mapped = buffer.mapped.as_ref().ok_or(ESRCH)?;
        if !buffer.parts.lock().is_open {
            return Err(ESRCH);
        }
        let mut size = 0usize;
        for part in sizes {
            let words = whole_words(usize::try_from(part)?).ok_or(EINVAL)?;
            size = size.checked_add(words).ok_or(EINVAL)?;
        }
        // Each part has an address of its own.
        let size = size.max(super::protocol::WORD);

        let spare = Spare::new()?;
        let at = buffer.parts.lock().space.take(size, is_one_way, spare)?;
        let allocation = Allocation {
            process: process.clone(),
            at,
            size,
            clear: false,
        };
        mapped.pages.populate(at, size, &process.payer)?;
        Ok(allocation)
    }

    /// Takes back from its user what he has at `address`, and frees it.
    ///
    /// [`None`] if there is nothing of his.
    pub(crate) fn free(&self, address: u64) -> Option<Received> {
        let mapped = self.mapped.as_ref()?;
        let at = usize::try_from(address).ok()?.checked_sub(mapped.start)?;
        let (size, received) = self.parts.lock().space.take_back(at)?;
        self.free_part(at, size, received.clear);
        Some(received)
    }

    /// Frees a part that is nobody's.
    fn free_part(&self, at: usize, size: usize, clear: bool) {
        if let (true, Some(mapped)) = (clear, self.mapped.as_ref()) {
            // The pages are there, or there is nothing to clear.
            let _ = mapped.pages.clear(at, size);
        }
        self.parts.lock().space.free(at);
    }
}

/// A part of a receiver's buffer that is being filled; freed when dropped.
pub(crate) struct Allocation {
    /// The receiver.
    process: Arc<Process>,
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
        // It is mapped, or there would be no allocation.
        let start = self.process.buffer.mapped.as_ref().map_or(0, |m| m.start);
        (start + self.at) as u64
    }

    /// The pages, if all of the `len` bytes at `offset` are in this part.
    fn pages(&self, offset: usize, len: usize) -> Result<&Pages> {
        let end = offset.checked_add(len).ok_or(EINVAL)?;
        let mapped = self.process.buffer.mapped.as_ref().ok_or(ESRCH)?;
        if end > self.size {
            return Err(EINVAL);
        }
        Ok(&mapped.pages)
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
        self.process
            .buffer
            .parts
            .lock()
            .space
            .hand_over(self.at, received);
        // What is left of it is the reference to the process.
        let mut this = self;
        this.size = 0;
    }
}

impl Drop for Allocation {
    fn drop(&mut self) {
        // No part has no size: it has been handed over.
        if self.size != 0 {
            self.process
                .buffer
                .free_part(self.at, self.size, self.clear);
        }
    }
}
