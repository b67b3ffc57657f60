// SPDX-License-Identifier: GPL-2.0

//! The module's parameters; `param.c` declares them.
//!
//! C header: `include/linux/moduleparam.h`

extern "C" {
    /// The parameter `shrinker`; sysfs writes to it at any time.
    static ashmem_shrinker: bool;
}

/// Whether memory reclaim may purge unpinned pages.
pub(crate) fn shrinker() -> bool {
    // SAFETY: The variable lives as long as the module, and is a single byte that is only ever 0 or 1.
    unsafe { core::ptr::read_volatile(&raw const ashmem_shrinker) }
}
