// SPDX-License-Identifier: GPL-2.0

//! NUMA nodes: what they lack.
//!
//! C header: `include/linux/mmzone.h`

use kernel::{
    bindings,
    prelude::*, //
};

extern "C" {
    /// How many pages a node lacks for an allocation.
    fn ashmem_node_shortage(nid: c_int, gfp: bindings::gfp_t) -> c_ulong;
}

/// How many pages a node lacks for the allocation that has entered reclaim: none if any zone that it may use
/// has enough, else what is missing until each of them is at its high watermark.
///
/// # Safety
///
/// `nid` must be the number of a possible node.
pub(crate) unsafe fn shortage(nid: c_int, gfp: bindings::gfp_t) -> usize {
    // SAFETY: By the caller's promise.
    unsafe { ashmem_node_shortage(nid, gfp) }
}
