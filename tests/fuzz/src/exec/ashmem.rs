// SPDX-License-Identifier: GPL-2.0

//! The ioctls of `/dev/ashmem`. See `include/uapi/linux/ashmem.h`.

use super::Actor;
use crate::{
    arena,
    spec::{Op, MAX_ARGS},
    sys::Outcome,
};

/// The size of a name's buffer in bytes.
const NAME_LEN: usize = 256;

/// `_IOC` with the type of ashmem: `direction` is 0 for none, 1 for write, 2 for read.
const fn number(direction: u64, nr: u64, size: usize) -> u64 {
    (direction << 30) | ((size as u64) << 16) | (0x77 << 8) | nr
}

/// `ASHMEM_GET_PIN_STATUS`.
pub const GET_PIN_STATUS: u64 = number(0, 9, 0);
/// `ASHMEM_PIN`.
pub const PIN: u64 = number(1, 7, 8);
/// `ASHMEM_PURGE_ALL_CACHES`.
pub const PURGE_ALL_CACHES: u64 = number(0, 10, 0);
/// `ASHMEM_GET_SIZE`.
pub const GET_SIZE: u64 = number(0, 4, 0);
/// `ASHMEM_GET_PROT_MASK`.
pub const GET_PROT_MASK: u64 = number(0, 6, 0);

/// What [`crate::names::NAME`] stands for.
fn name(which: u64) -> Vec<u8> {
    let mut name = match which {
        0 => Vec::new(),
        1 => b"frames".to_vec(),
        2 => b"a\nsize:\t1\t\\ b".to_vec(),
        3 => vec![0xff, 0x80, 0x01, b' ', 0xc3],
        4 => vec![b'x'; NAME_LEN - 1],
        5 => vec![b'y'; 2 * NAME_LEN],
        6 => b"../../etc//".to_vec(),
        other => other.to_ne_bytes().to_vec(),
    };
    name.push(0);
    name
}

impl Actor<'_> {
    /// Carries out an ioctl.
    pub(super) fn ashmem_call(&self, op: Op, a: [u64; MAX_ARGS]) -> Outcome {
        let range = |nr, direction, size| {
            let mut bytes = (a[1] as u32).to_ne_bytes().to_vec();
            bytes.extend((a[2] as u32).to_ne_bytes());
            self.ioctl_on(a[0], number(direction, nr, size), a[3], &bytes)
        };
        match op {
            Op::SetName => self.ioctl_on(a[0], number(1, 1, NAME_LEN), a[2], &name(a[1])),
            Op::GetName => self.ioctl_on(a[0], number(2, 2, NAME_LEN), a[1], &[0; NAME_LEN]),
            Op::SetSize => self.ioctl(a[0], number(1, 3, 8), a[1]),
            Op::GetSize => self.ioctl(a[0], GET_SIZE, 0),
            Op::SetProtMask => self.ioctl(a[0], number(1, 5, 8), a[1]),
            Op::GetProtMask => self.ioctl(a[0], GET_PROT_MASK, 0),
            Op::Pin => range(7, 1, 8),
            Op::Unpin => range(8, 1, 8),
            Op::PinStatus => range(9, 0, 0),
            Op::Purge => self.ioctl(a[0], PURGE_ALL_CACHES, 0),
            Op::FileId => self.ioctl_on(a[0], number(2, 11, 8), a[1], &[0; 8]),
            // Any number, and what may be an address: one at which nothing of this program is.
            _ => {
                let value = match a[2] {
                    value @ (..=0xffff | 0x8000_0000_0000..) => value,
                    value => arena::START + value % (1 << 20),
                };
                self.ioctl(a[0], a[1], value)
            }
        }
    }
}
