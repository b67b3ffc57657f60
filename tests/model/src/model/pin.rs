// SPDX-License-Identifier: GPL-2.0

//! The commands on pinning.
//!
//! The driver has none of them yet. When it has, the ranges of a region live here, and
//! [`Region::pinning`] is where they change; what a purge takes away is removed from the pages of
//! the region, as `MADV_REMOVE` does it.

use rustix::io::Errno;

use super::region::Region;
use crate::args::Pinning;
use crate::outcome::Answer;

impl Region {
    /// Pins or unpins a range, asks about it, or purges what is unpinned.
    pub fn pinning(&mut self, _command: Pinning, _offset: u32, _len: u32) -> Answer<i64> {
        Err(Errno::NOTTY)
    }
}
