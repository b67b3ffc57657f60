// SPDX-License-Identifier: GPL-2.0

//! Parcels and commands, made piece by piece, right and wrong.

use ashmem_binder::{command, uapi, TransactionData};

use super::{fd, Actor};
use crate::{
    arena,
    scratch::OWN,
    spec::{Op, MAX_ARGS},
};

/// The most bytes of commands.
const MOST_COMMANDS: usize = 0x4000;

/// A parcel that is being made.
#[derive(Default)]
pub(super) struct Parcel {
    /// The data.
    data: Vec<u8>,
    /// Where the objects are.
    offsets: Vec<u64>,
    /// The size of more buffers, in bytes.
    buffers: u64,
}

impl Parcel {
    /// Adds an object: words that follow each other.
    fn object(&mut self, type_and_flags: u64, words: &[u64]) {
        self.data.resize(self.data.len().next_multiple_of(8), 0);
        self.offsets.push(self.data.len() as u64);
        self.data.extend(type_and_flags.to_ne_bytes());
        self.data
            .extend(words.iter().flat_map(|word| word.to_ne_bytes()));
    }

    /// The offsets as bytes, and their size: what [`crate::names::ORDER`] stands for.
    fn offsets(&self, order: u64) -> (Vec<u8>, u64) {
        let mut offsets = self.offsets.clone();
        match order {
            1 => offsets.reverse(),
            2 => offsets.extend(offsets.clone()),
            3 => offsets.iter_mut().for_each(|offset| *offset += 2),
            4 => offsets.push((self.data.len() as u64).wrapping_sub(4)),
            5 => offsets.push(u64::MAX - 7),
            _ => {}
        }
        let bytes: Vec<u8> = offsets.iter().flat_map(|at| at.to_ne_bytes()).collect();
        let size = (bytes.len() as u64).saturating_sub(if order == 6 { 4 } else { 0 });
        (bytes, size)
    }
}

impl Actor<'_> {
    /// Adds to the parcel, or to the commands.
    pub(super) fn put(&mut self, op: Op, a: [u64; MAX_ARGS]) {
        match op {
            Op::PutData => self.parcel.data.extend(vec![0xd5; a[0] as usize]),
            Op::PutFd => {
                let type_ = u64::from(uapi::BINDER_TYPE_FD);
                self.parcel.object(type_, &[fd(a[0]), 0xc00c1e]);
            }
            Op::PutPtr => self.put_buffer(a),
            Op::PutFda => {
                let type_ = u64::from(uapi::BINDER_TYPE_FDA);
                self.parcel.object(type_, &[a[0], a[1], a[2]]);
            }
            Op::PutObject => {
                self.parcel.object(a[0] & 0xffff_ffff, &[0; 4]);
                let len = self.parcel.data.len() - 40 + a[1] as usize;
                self.parcel.data.truncate(len);
            }
            Op::PutOffset => self.parcel.offsets.push(a[0]),
            Op::Transaction => self.send(true, a),
            // As a transaction without a handle.
            Op::Reply => self.send(false, [0, a[0], a[1], a[2], a[3], 0, 0]),
            Op::FreeBuffer => {
                let number = uapi::binder_driver_command_protocol_BC_FREE_BUFFER;
                let address = self.buffer(a[0]);
                self.add(command(number, &address));
            }
            Op::Looper => self.add((a[0] as u32).to_ne_bytes().to_vec()),
            Op::Ref => self.add(command(a[0] as u32, &(a[1] as u32))),
            _ => {
                let mut bytes = (a[0] as u32).to_ne_bytes().to_vec();
                bytes.extend(vec![0; a[1] as usize]);
                self.add(bytes);
            }
        }
    }

    /// Adds a command.
    fn add(&mut self, bytes: Vec<u8>) {
        if self.commands.len() + bytes.len() <= MOST_COMMANDS {
            self.commands.extend(bytes);
        }
    }

    /// Adds a buffer that is full of file descriptors.
    fn put_buffer(&mut self, a: [u64; MAX_ARGS]) {
        let [len, is_child, parent, offset, kind, ..] = a;
        let fds = (0..len.div_ceil(4)).flat_map(|n| (fd(n % 2) as u32).to_ne_bytes());
        let bytes: Vec<u8> = fds.take(len as usize).collect();
        let address = match kind {
            0 => self.scratch.keep(&bytes).unwrap_or(0),
            // What is there is overwritten by the next one: only the address is of interest.
            _ => self.scratch.pointer_at(kind, OWN, &[]),
        };
        self.parcel.buffers += len.next_multiple_of(8);
        let type_ = u64::from(uapi::BINDER_TYPE_PTR);
        let flags = is_child << 32;
        self.parcel
            .object(type_ | flags, &[address, len, parent, offset]);
    }

    /// Adds the command that sends the parcel, and begins another one.
    fn send(&mut self, is_transaction: bool, a: [u64; MAX_ARGS]) {
        let [handle, flags, order, more, kind, ..] = a;
        let parcel = std::mem::take(&mut self.parcel);
        let (offsets, offsets_size) = parcel.offsets(order);
        let (Some(data), Some(offsets)) =
            (self.scratch.keep(&parcel.data), self.scratch.keep(&offsets))
        else {
            return;
        };
        let mut tr = TransactionData::default();
        tr.target.handle = handle as u32;
        tr.code = 0xf0;
        tr.flags = flags as u32;
        tr.data_size = parcel.data.len() as u64;
        tr.offsets_size = offsets_size;
        tr.data.ptr.buffer = match kind {
            0 => data,
            _ => self.scratch.pointer_at(kind, OWN, &[]),
        };
        tr.data.ptr.offsets = offsets;

        let buffers = match more {
            0 => parcel.buffers,
            16 => parcel.buffers.wrapping_sub(8),
            more => parcel.buffers + more,
        };
        let mut bytes = command(command_number(is_transaction, buffers != 0), &tr);
        if buffers != 0 {
            bytes.extend(buffers.to_ne_bytes());
        }
        self.add(bytes);
    }

    /// The address that [`crate::names::BUFFER`] stands for.
    fn buffer(&mut self, which: u64) -> u64 {
        let latest = self.received.last().copied().unwrap_or(0);
        match which {
            0 => {
                self.freed = self.received.pop().unwrap_or(self.freed);
                self.freed
            }
            1 => {
                let before = self.received.len().saturating_sub(2);
                if before < self.received.len() {
                    self.freed = self.received.remove(before);
                }
                self.freed
            }
            2 => self.freed,
            3 => latest.wrapping_add(8),
            4 => arena::START,
            _ => 0xdead_0000_0000,
        }
    }
}

/// The number of the command that sends a parcel.
fn command_number(is_transaction: bool, has_buffers: bool) -> u32 {
    match (is_transaction, has_buffers) {
        (true, false) => uapi::binder_driver_command_protocol_BC_TRANSACTION,
        (true, true) => uapi::binder_driver_command_protocol_BC_TRANSACTION_SG,
        (false, false) => uapi::binder_driver_command_protocol_BC_REPLY,
        (false, true) => uapi::binder_driver_command_protocol_BC_REPLY_SG,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_are_aligned() {
        let mut parcel = Parcel::default();
        parcel.data.extend([1; 3]);
        parcel.object(1, &[2, 3]);
        assert_eq!(vec![8], parcel.offsets);
        assert_eq!(32, parcel.data.len());
    }

    #[test]
    fn offsets_can_be_wrong() {
        let parcel = Parcel {
            data: vec![0; 48],
            offsets: vec![0, 24],
            buffers: 0,
        };
        let words = |order| {
            let (bytes, size) = parcel.offsets(order);
            let words = bytes
                .chunks(8)
                .map(|word| u64::from_ne_bytes(word.try_into().unwrap()));
            (words.collect::<Vec<_>>(), size)
        };
        assert_eq!((vec![0, 24], 16), words(0));
        assert_eq!((vec![24, 0], 16), words(1));
        assert_eq!((vec![0, 24, 44], 24), words(4));
        assert_eq!((vec![0, 24], 12), words(6));
    }
}
