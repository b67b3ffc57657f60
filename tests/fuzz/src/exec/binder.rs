// SPDX-License-Identifier: GPL-2.0

//! The ioctls of `/dev/binder_fd`.

use std::time::Duration;

use ashmem_binder::uapi;

use super::{fd, Actor};
use crate::{
    scratch::{COMMANDS, RETURNS},
    spec::{Op, MAX_ARGS},
    sys::{self, Outcome},
};

/// A call that waits is interrupted after so long.
const PATIENCE: Duration = Duration::from_millis(10);
/// The size of `struct binder_write_read`, and where in it `read_consumed` is, in words.
const WRITE_READ: (usize, usize) = (48, 4);
/// Where in `struct binder_transaction_data` the address of the data is, in bytes.
const BUFFER_AT: usize = 48;

impl Actor<'_> {
    /// Carries out an ioctl.
    pub(super) fn binder_call(&mut self, op: Op, a: [u64; MAX_ARGS]) -> Outcome {
        match op {
            Op::Version => self.ioctl_on(a[0], u64::from(uapi::BINDER_VERSION), a[1], &[0; 4]),
            Op::SetMaxThreads => {
                let count = (a[1] as u32).to_ne_bytes();
                self.ioctl_on(a[0], u64::from(uapi::BINDER_SET_MAX_THREADS), a[2], &count)
            }
            Op::SetManager => self.ioctl(a[0], u64::from(uapi::BINDER_SET_CONTEXT_MGR), 0),
            Op::SetManagerExt => {
                let words = [a[1] << 32, 0x1111_2222_3333_4444, 0x5555_6666_7777_8888];
                let object: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
                let number = u64::from(uapi::BINDER_SET_CONTEXT_MGR_EXT);
                self.ioctl_on(a[0], number, a[2], &object)
            }
            Op::ThreadExit => self.ioctl(a[0], u64::from(uapi::BINDER_THREAD_EXIT), 0),
            Op::ExtendedError => {
                let number = u64::from(uapi::BINDER_GET_EXTENDED_ERROR);
                self.ioctl_on(a[0], number, a[1], &[0; 12])
            }
            _ => self.write_read(a),
        }
    }

    /// `BINDER_WRITE_READ`: writes the commands, and keeps what was received.
    fn write_read(&mut self, a: [u64; MAX_ARGS]) -> Outcome {
        let [number, cut, consumed, write, space, read, kind] = a;
        let commands = std::mem::take(&mut self.commands);
        let space = space.min(4096);
        let words = [
            (commands.len() as u64).saturating_sub(cut),
            consumed,
            self.scratch.pointer_at(write, COMMANDS, &commands),
            space,
            0,
            self.scratch
                .pointer_at(read, RETURNS, &vec![0; space as usize]),
        ];
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
        let address = self.scratch.pointer(kind, &bytes);

        let cmd = u64::from(uapi::BINDER_WRITE_READ);
        let ioctl = || sys::call(libc::SYS_ioctl, &[fd(number), cmd, address]);
        let result = match space {
            0 => ioctl(),
            _ => self.timer.run(PATIENCE, ioctl),
        };
        if result.is_ok() && space != 0 && read == 0 && kind == 0 {
            let bwr = self.scratch.read_good(WRITE_READ.0);
            let filled = word_at(&bwr, WRITE_READ.1 * 8).min(space);
            let returns = self.scratch.read(RETURNS, filled as usize);
            for address in received(&returns) {
                // It is mapped, or it is a fault.
                let _ = self.load(address);
                self.received.push(address);
            }
        }
        result
    }
}

/// The word at `at`.
fn word_at(bytes: &[u8], at: usize) -> u64 {
    bytes
        .get(at..at + 8)
        .and_then(|word| word.try_into().ok())
        .map_or(0, u64::from_ne_bytes)
}

/// The addresses of the data of all parcels in what was returned.
fn received(mut returns: &[u8]) -> Vec<u64> {
    let mut found = Vec::new();
    while let Some((number, rest)) = returns.split_first_chunk::<4>() {
        let number = u32::from_ne_bytes(*number);
        if matches!(
            number,
            uapi::binder_driver_return_protocol_BR_TRANSACTION
                | uapi::binder_driver_return_protocol_BR_REPLY
        ) {
            found.push(word_at(rest, BUFFER_AT));
        }
        // Like an ioctl's, its number has the size of what belongs to it.
        let size = ((number >> 16) & 0x3fff) as usize;
        returns = rest.get(size..).unwrap_or_default();
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use ashmem_binder::{command, TransactionData};

    #[test]
    fn parcels_are_found() {
        let mut tr = TransactionData::default();
        tr.data.ptr.buffer = 0x1234;
        let mut returns = uapi::binder_driver_return_protocol_BR_NOOP
            .to_ne_bytes()
            .to_vec();
        returns.extend(command(uapi::binder_driver_return_protocol_BR_REPLY, &tr));
        assert_eq!(vec![0x1234], received(&returns));
        assert_eq!(vec![0], received(&returns[..12]));
        assert_eq!(Vec::<u64>::new(), received(&[]));
    }

    #[test]
    fn the_structures_are_as_thought() {
        assert_eq!(WRITE_READ.0, size_of::<uapi::binder_write_read>());
        assert_eq!(
            WRITE_READ.1 * 8,
            std::mem::offset_of!(uapi::binder_write_read, read_consumed)
        );
        assert_eq!(BUFFER_AT, std::mem::offset_of!(TransactionData, data));
    }
}
