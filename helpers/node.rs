// SPDX-License-Identifier: GPL-2.0

//! NUMA nodes: what they lack.
//!
//! C header: `include/linux/mmzone.h`

use kernel::prelude::*;

extern "C" {
    /// How many pages are missing until each zone of a node is at its high watermark.
    fn ashmem_node_shortage(nid: c_int) -> c_ulong;
}

/// How many pages are missing until each zone of a node has as many free as it should, its high
/// watermark; 0 if memory is not short there, or there is none.
///
/// # Safety
///
/// `nid` must be the number of a possible node.
pub(crate) unsafe fn shortage(nid: c_int) -> usize {
    // SAFETY: By the caller's promise.
    unsafe { ashmem_node_shortage(nid) }
}
