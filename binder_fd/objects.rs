// SPDX-License-Identifier: GPL-2.0

//! The objects in a parcel: what the sender means by them becomes what the receiver does.
//!
//! Nothing of what the sender wrote is read twice, and nothing is read back from the receiver's buffer. What is
//! translated never gets there as the sender wrote it: the receiver may be looking on.
//!
//! C counterpart: `binder_transaction()` of `drivers/android/binder.c`

use core::mem::{
    offset_of,
    size_of, //
};

use kernel::{
    prelude::*,
    transmute::{
        AsBytes,
        FromBytes, //
    },
    uaccess::{
        UserPtr,
        UserSlice,
        UserSliceReader, //
    }, //
};

use super::{
    buffer::Allocation,
    files::FilesInTransit,
    process::Process,
    protocol::{
        whole_words,
        BufferObject,
        FdArrayObject,
        FdObject,
        TransactionData,
        BINDER_TYPE_FD,
        BINDER_TYPE_FDA,
        BINDER_TYPE_PTR,
        BUFFER_HAS_PARENT,
        WORD, //
    }, //
};

/// The size of the largest object in bytes.
const LARGEST_OBJECT: usize = size_of::<BufferObject>();

/// A buffer object that has been translated.
struct KnownBuffer {
    /// Its number among the objects.
    index: u64,
    /// Where it is in the data.
    object_at: u64,
    /// The buffer's address in the sender.
    user: u64,
    /// Where the buffer is in the parcel.
    at: usize,
    /// Its size in bytes.
    length: u64,
    /// Up to where it has been copied or translated. What is behind may be translated yet.
    done: u64,
    /// The buffer that its address stands in, as a place in the list of them, and where.
    parent: Option<(usize, u64)>,
}

impl KnownBuffer {
    /// Copies what is left up to `end` into `data`. `EINVAL` for what cannot be read, or is done already.
    fn copy(&mut self, end: u64, data: &Allocation) -> Result {
        let len = end.checked_sub(self.done).ok_or(EINVAL)? as usize;
        if len != 0 {
            let mut reader = reader(self.user.wrapping_add(self.done), len);
            data.copy_from_user(self.at + self.done as usize, len, &mut reader)
                .map_err(|_| EINVAL)?;
        }
        self.done = end;
        Ok(())
    }
}

/// Who sends to whom, and what may be sent.
pub(crate) struct Route<'a> {
    /// The sender.
    pub(crate) from: &'a Process,
    /// The receiver.
    pub(crate) to: &'a Process,
    /// Whether the receiver takes file descriptors.
    pub(crate) accepts_fds: bool,
}

/// A translation under way.
pub(crate) struct Translation<'a> {
    /// Who sends to whom.
    route: Route<'a>,
    /// The parcel's data in the receiver's buffer.
    data: &'a Allocation,
    /// The address of the data in the sender.
    user: u64,
    /// The size of the data in bytes.
    data_size: u64,
    /// The files found so far.
    files: FilesInTransit,
    /// The buffers found so far, in the order of their numbers.
    buffers: KVVec<KnownBuffer>,
    /// Where the next buffer goes in the parcel, and where their space ends.
    free: (usize, usize),
    /// The buffer that was last written into, or found; and up to where it is done with. What is written
    /// into the buffers must come in their order.
    last: Option<(usize, u64)>,
}

/// Reads from the sender.
fn reader(user: u64, len: usize) -> UserSliceReader {
    UserSlice::new(UserPtr::from_addr(user as usize), len).reader()
}

impl<'a> Translation<'a> {
    /// Copies a parcel into `data` and translates what is in it; returns the files.
    ///
    /// Each error makes the sender read `BR_FAILED_REPLY`: `EFAULT` for what cannot be read, `EINVAL`
    /// for what makes no sense, those of [`FilesInTransit::add`], `ENOMEM`.
    pub(crate) fn carry_out(
        tr: &TransactionData,
        buffers_size: u64,
        data: &'a Allocation,
        route: Route<'a>,
    ) -> Result<FilesInTransit> {
        let offsets_at = whole_words(usize::try_from(tr.data_size)?).ok_or(EINVAL)?;
        let offsets_size = usize::try_from(tr.offsets_size)?;
        let buffers_at = whole_words(offsets_at + offsets_size).ok_or(EINVAL)?;

        let mut offsets = KVVec::new();
        UserSlice::new(UserPtr::from_addr(tr.offsets as usize), offsets_size)
            .read_all(&mut offsets, GFP_KERNEL_ACCOUNT)?;
        data.write(offsets_at, &offsets)?;
        if offsets_size % WORD != 0 || buffers_size % WORD as u64 != 0 {
            return Err(EINVAL);
        }

        let mut this = Self {
            route,
            data,
            user: tr.buffer,
            data_size: tr.data_size,
            files: FilesInTransit::new(),
            buffers: KVVec::new(),
            free: (
                buffers_at,
                buffers_at
                    .checked_add(usize::try_from(buffers_size)?)
                    .ok_or(EINVAL)?,
            ),
            last: None,
        };
        // Up to here the data has been copied or translated.
        let mut done = 0;
        for (index, offset) in offsets.chunks_exact(WORD).enumerate() {
            let offset = u64::from_ne_bytes(offset.try_into().map_err(|_| EINVAL)?);
            this.copy(done, offset)?;
            done = offset + this.object(index as u64, offset)? as u64;
        }
        this.copy(done, tr.data_size)?;
        for buffer in this.buffers.iter_mut() {
            buffer.copy(buffer.length, data)?;
        }
        Ok(this.files)
    }

    /// Copies the data from `from` up to `to`. `EFAULT` if that is not within the data.
    fn copy(&self, from: u64, to: u64) -> Result {
        if from == to {
            return Ok(());
        }
        if from > to || to > self.data_size {
            return Err(EFAULT);
        }
        let len = (to - from) as usize;
        self.data.copy_from_user(
            from as usize,
            len,
            &mut reader(self.user.wrapping_add(from), len),
        )
    }

    /// Translates the object at `offset`; returns its size in bytes.
    fn object(&mut self, index: u64, offset: u64) -> Result<usize> {
        let left = self.data_size.checked_sub(offset).ok_or(EINVAL)?;
        let mut bytes = [0; LARGEST_OBJECT];
        let bytes = &mut bytes[..left.min(LARGEST_OBJECT as u64) as usize];
        if offset % size_of::<u32>() as u64 != 0 {
            return Err(EINVAL);
        }
        reader(self.user.wrapping_add(offset), bytes.len())
            .read_slice(bytes)
            .map_err(|_| EINVAL)?;

        let at = offset as usize;
        match first::<u32>(bytes)? {
            BINDER_TYPE_FD => self.fd(at, first(bytes)?),
            BINDER_TYPE_FDA => self.fd_array(index, at, first(bytes)?),
            BINDER_TYPE_PTR => self.buffer(index, offset, first(bytes)?),
            _ => Err(EINVAL),
        }
    }

    /// A file descriptor.
    fn fd(&mut self, at: usize, object: FdObject) -> Result<usize> {
        self.add_file(object.fd, at + offset_of!(FdObject, fd), false)?;
        // The receiver writes the number.
        let object = FdObject {
            fd: 0,
            pad: 0,
            ..object
        };
        self.data.write(at, object.as_bytes())?;
        Ok(size_of::<FdObject>())
    }

    /// Adds a file, if the receiver takes any.
    fn add_file(&mut self, fd: u32, at: usize, is_closed_with_parcel: bool) -> Result {
        if !self.route.accepts_fds {
            return Err(EPERM);
        }
        self.files.add(
            fd,
            at,
            is_closed_with_parcel,
            self.route.from,
            self.route.to,
        )
    }

    /// A buffer, which may have its address in another one.
    fn buffer(&mut self, index: u64, object_at: u64, object: BufferObject) -> Result<usize> {
        let (at, end) = self.free;
        let length = usize::try_from(object.length)?;
        if length > end - at {
            return Err(EINVAL);
        }
        // All of them are whole words, so it fits as well.
        self.free.0 = at + whole_words(length).ok_or(EINVAL)?;

        let address = self.data.address() + at as u64;
        let parent = if object.flags & BUFFER_HAS_PARENT != 0 {
            let parent = self.written_into(index, object.parent, object.parent_offset)?;
            let place = self.translate_in(parent, object.parent_offset, WORD as u64)?;
            self.data.write(place, &address.to_ne_bytes())?;
            Some((parent, object.parent_offset))
        } else {
            None
        };

        self.last = Some((self.buffers.len(), 0));
        self.buffers.push(
            KnownBuffer {
                index,
                object_at,
                user: object.buffer,
                at,
                length: object.length,
                done: 0,
                parent,
            },
            GFP_KERNEL_ACCOUNT,
        )?;
        let object = BufferObject {
            buffer: address,
            ..object
        };
        self.data.write(object_at as usize, object.as_bytes())?;
        Ok(size_of::<BufferObject>())
    }

    /// File descriptors in a buffer.
    fn fd_array(&mut self, index: u64, at: usize, object: FdArrayObject) -> Result<usize> {
        let parent = self.written_into(index, object.parent, object.parent_offset)?;
        let size = object
            .num_fds
            .checked_mul(size_of::<u32>() as u64)
            .ok_or(EINVAL)?;

        if size != 0 {
            let place = self.translate_in(parent, object.parent_offset, size)?;
            let user = self
                .buffers
                .get(parent)
                .ok_or(EINVAL)?
                .user
                .wrapping_add(object.parent_offset);
            if place % size_of::<u32>() != 0 || user % size_of::<u32>() as u64 != 0 {
                return Err(EINVAL);
            }
            let mut fds = reader(user, size as usize);
            for number in 0..object.num_fds as usize {
                let fd = fds.read().map_err(|_| EINVAL)?;
                self.add_file(fd, place + number * size_of::<u32>(), true)?;
            }
        }
        self.last = Some((parent, object.parent_offset + size));
        self.data.write(at, object.as_bytes())?;
        Ok(size_of::<FdArrayObject>())
    }

    /// The buffer, as a place in the list of them, that the object `parent` is and object `index` writes
    /// into at `offset`.
    ///
    /// `EINVAL` if that is not a buffer before it, or if something behind `offset` was written before.
    fn written_into(&self, index: u64, parent: u64, offset: u64) -> Result<usize> {
        if parent >= index {
            return Err(EINVAL);
        }
        let parent = self
            .buffers
            .binary_search_by_key(&parent, |buffer| buffer.index)
            .map_err(|_| EINVAL)?;

        let (mut last, mut done) = self.last.ok_or(EINVAL)?;
        // As in binder, nothing can be written into a buffer whose object is the first of the data.
        if self.buffers.get(last).ok_or(EINVAL)?.object_at == 0 {
            return Err(EINVAL);
        }
        // The buffers are a tree that is walked in order: only upwards from where it was left.
        while last != parent {
            let (above, offset) = self
                .buffers
                .get(last)
                .and_then(|buffer| buffer.parent)
                .ok_or(EINVAL)?;
            done = offset.checked_add(WORD as u64).ok_or(EINVAL)?;
            last = above;
        }
        if offset < done {
            return Err(EINVAL);
        }
        Ok(parent)
    }

    /// Where in the parcel `size` bytes at `offset` of a buffer are, which are translated: what is before
    /// them is copied, and they never are. `EINVAL` if they are not in it, or it cannot be read.
    fn translate_in(&mut self, buffer: usize, offset: u64, size: u64) -> Result<usize> {
        let buffer = self.buffers.get_mut(buffer).ok_or(EINVAL)?;
        let end = offset.checked_add(size).ok_or(EINVAL)?;
        if end > buffer.length {
            return Err(EINVAL);
        }
        buffer.copy(offset, self.data)?;
        buffer.done = end;
        Ok(buffer.at + offset as usize)
    }
}

/// What begins `bytes`. `EINVAL` if there are too few.
fn first<T: FromBytes + Copy>(bytes: &[u8]) -> Result<T> {
    bytes
        .get(..size_of::<T>())
        .and_then(T::from_bytes_copy)
        .ok_or(EINVAL)
}
