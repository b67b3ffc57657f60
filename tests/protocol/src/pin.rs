// SPDX-License-Identifier: GPL-2.0

//! The module's own files: the ranges of a region, and who waits for whom. Only the kernel's lists have
//! a stand-in, [`lru`].

pub mod lru;
// They are formatted with the module; rustfmt looks for the files of what is left out here.
#[rustfmt::skip]
#[path = "../../../pin.rs"]
mod ranges;
#[rustfmt::skip]
// What only the module's own lists ask for.
#[allow(dead_code)]
#[path = "../../../pin/region.rs"]
pub mod region;

pub(crate) use ranges::{Lru, PageRange, Punch, Retry, RunNode, Spare, UnpinnedRanges};
