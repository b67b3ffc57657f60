// SPDX-License-Identifier: GPL-2.0

//! Folios of a file: which are in the way.
//!
//! C headers: `include/linux/pagemap.h`, `include/linux/xarray.h`

use kernel::{
    bindings,
    prelude::*, //
};

extern "C" {
    /// Where to end a purge, the page behind it; of a `struct address_space`.
    ///
    /// As an untyped pointer: in some configurations that structure has members without a size, of
    /// which the compiler would complain.
    fn ashmem_unlocked_end(
        mapping: *mut c_void,
        first: c_ulong,
        last: c_ulong,
        limit: c_ulong,
    ) -> c_ulong;
}

/// The page behind the last one of those from `first` to `last` that can be purged without waiting for
/// the lock of a folio, and without cutting in two a folio that is in swap; `first` if there is none.
///
/// What is in swap as a whole may reach beyond `last`, but not beyond `limit`.
///
/// # Safety
///
/// `mapping` must be valid.
pub(crate) unsafe fn unlocked_end(
    mapping: *mut bindings::address_space,
    first: usize,
    last: usize,
    limit: usize,
) -> usize {
    // SAFETY: By the caller's promise.
    unsafe { ashmem_unlocked_end(mapping.cast(), first, last, limit) }
}
