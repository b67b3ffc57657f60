// SPDX-License-Identifier: GPL-2.0

//! The ioctls of 32-bit programs.

use super::{fd, Actor};
use crate::{
    spec::MAX_ARGS,
    sys::{self, Outcome},
};

/// The size of the largest argument in bytes: a name.
const LARGEST: usize = 256;

/// Whether the argument of a command is an address. It is a number, otherwise, or nothing.
fn takes_pointer(command: u32) -> bool {
    // The type, and the number in it.
    !matches!(command & 0xffff, 0x7703..=0x7706 | 0x770a)
}

impl Actor<'_> {
    /// Carries an ioctl out as a 32-bit program does, with a number or with two of them in memory.
    pub(super) fn compat_call(&self, a: [u64; MAX_ARGS]) -> Outcome {
        let [number, command, first, second, kind, ..] = a;
        let command = command as u32;
        let argument = if takes_pointer(command) {
            let mut bytes = [0; LARGEST];
            bytes[..4].copy_from_slice(&(first as u32).to_ne_bytes());
            bytes[4..8].copy_from_slice(&(second as u32).to_ne_bytes());
            self.scratch.pointer(kind, &bytes)
        } else {
            first
        };
        sys::ioctl_32(fd(number) as u32, command, argument as u32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::IOCTL_32;

    #[test]
    fn what_takes_a_pointer() {
        let takes = |name| takes_pointer(IOCTL_32.parse_one(name).unwrap() as u32);
        for name in ["SET_NAME", "PIN", "STATUS", "FILE_ID", "BINDER_VERSION"] {
            assert!(takes(name), "{name}");
        }
        for name in ["SET_SIZE", "GET_SIZE", "SET_PROT_MASK", "PURGE"] {
            assert!(!takes(name), "{name}");
        }
    }
}
