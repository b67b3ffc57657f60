// SPDX-License-Identifier: GPL-2.0

//! What the oracle does with the regions of a program.

use super::{
    ashmem::{GET_PIN_STATUS, PIN, PURGE_ALL_CACHES},
    fd, Actor,
};
use crate::{
    arena,
    scratch::OWN,
    sys::{self, Outcome},
};

/// All of a region: a `struct ashmem_pin` with zeroes.
const ALL: [u8; 8] = [0; 8];

impl Actor<'_> {
    /// How many pages of a region are unpinned, as fdinfo says; [`None`] if it is none that was
    /// mapped.
    pub fn unpinned_pages(&self, number: u64) -> Option<u64> {
        let text = self.read_file(&format!("/proc/self/fdinfo/{}", fd(number)));
        let text = String::from_utf8_lossy(&text.ok()?).into_owned();
        text.lines().find(|line| line.starts_with("inode:"))?;
        let value = |line: &str| line.strip_prefix("unpinned:\t")?.parse().ok();
        text.lines().find_map(value)
    }

    /// Whether all pages are pinned.
    pub fn is_all_pinned(&self, number: u64) -> Result<bool, i32> {
        self.ioctl_on(number, GET_PIN_STATUS, 0, &ALL)
            .map(|status| status == 1)
    }

    /// Pins all pages.
    pub fn pin_all(&self, number: u64) -> Outcome {
        self.ioctl_on(number, PIN, 0, &ALL)
    }

    /// Purges all that is unpinned.
    pub fn purge_all(&self, number: u64) {
        // Where it is not allowed, nothing is purged.
        let _ = self.ioctl(number, PURGE_ALL_CACHES, 0);
    }

    /// Maps the first page of a region and writes a word to it.
    pub fn write_first_word(&self, number: u64, value: u64) -> Outcome {
        let prot = (libc::PROT_READ | libc::PROT_WRITE) as u64;
        arena::map(fd(number), 0, 1, prot, libc::MAP_SHARED as u64, 0)?;
        self.store(arena::START, value)
    }

    /// Reads that word.
    pub fn read_first_word(&self) -> Outcome {
        self.load(arena::START)?;
        let args = [self.files.memfd(), self.scratch.address(OWN), 8, 0];
        sys::call(libc::SYS_pread64, &args)?;
        let bytes = self.scratch.read(OWN, 8);
        Ok(u64::from_ne_bytes(bytes.try_into().expect("8 bytes")))
    }

    /// Lets reclaim purge again.
    pub fn switch_shrinker_on(&self) {
        let _ = self.write_file(super::files::PARAMETER, "Y");
    }
}
