// SPDX-License-Identifier: GPL-2.0

//! The tracepoints; `trace.h` declares them.
//!
//! `kernel::declare_trace!` looks for a tracepoint among the kernel's own bindings: this is the same
//! for those of a module. One that is off costs a jump that is not taken.
//!
//! C header: `include/linux/tracepoint.h`

use kernel::{
    bindings,
    prelude::*, //
};

/// Declares the entry to a tracepoint.
macro_rules! tracepoint {
    ($($(#[$attr:meta])* $name:ident, $key:ident, $call:ident ($($arg:ident: $ty:ty),*);)*) => {
        // In some configurations a tracepoint has members without a size.
        #[allow(improper_ctypes)]
        extern "C" {
            $(
                static $key: bindings::tracepoint;
                fn $call($($arg: $ty),*);
            )*
        }

        $(
            $(#[$attr])*
            ///
            /// # Safety
            ///
            /// Pointers that the tracepoint reads from must be valid.
            #[inline(always)]
            unsafe fn $name($($arg: $ty),*) {
                // SAFETY: The key is that of a tracepoint, which C has defined.
                if unsafe {
                    kernel::jump_label::static_branch_unlikely!($key, bindings::tracepoint, key)
                } {
                    // SAFETY: The caller vouches for the arguments.
                    unsafe { $call($($arg),*) };
                }
            }
        )*
    };
}

tracepoint! {
    /// `ashmem:ashmem_open`.
    raw_open, __tracepoint_ashmem_open, rust_do_trace_ashmem_open(area: *const c_void);
    /// `ashmem:ashmem_mmap`.
    raw_mmap, __tracepoint_ashmem_mmap, rust_do_trace_ashmem_mmap(
        area: *const c_void, ino: u64, size: u64, shared: bool, name: *const c_char
    );
    /// `ashmem:ashmem_pin`.
    raw_pin, __tracepoint_ashmem_pin, rust_do_trace_ashmem_pin(
        ino: u64, first: u64, pages: u64, ret: c_long
    );
    /// `ashmem:ashmem_unpin`.
    raw_unpin, __tracepoint_ashmem_unpin, rust_do_trace_ashmem_unpin(
        ino: u64, first: u64, pages: u64, ret: c_long
    );
    /// `ashmem:ashmem_purge`.
    raw_purge, __tracepoint_ashmem_purge, rust_do_trace_ashmem_purge(
        ino: u64, first: u64, pages: u64, freed: u64
    );
    /// `ashmem:ashmem_shrink`.
    raw_shrink, __tracepoint_ashmem_shrink, rust_do_trace_ashmem_shrink(
        nid: c_int, nr_to_scan: u64, purged: u64, freed: u64
    );
}

/// A region has been opened; `area` is only shown, as an address.
pub(crate) fn open<T>(area: &T) {
    // SAFETY: It reads from none of them.
    unsafe { raw_open(core::ptr::from_ref(area).cast()) };
}

/// A region of `size` bytes has been mapped; `ino` is the inode number of its backing file.
pub(crate) fn mmap<T>(area: &T, ino: u64, size: usize, shared: bool, name: &CStr) {
    // SAFETY: The name is a string.
    unsafe {
        raw_mmap(
            core::ptr::from_ref(area).cast(),
            ino,
            size as u64,
            shared,
            name.as_char_ptr(),
        )
    };
}

/// `pages` pages from the page `first` on were pinned, with this result.
pub(crate) fn pin(ino: u64, first: usize, pages: usize, ret: isize) {
    // SAFETY: They are numbers.
    unsafe { raw_pin(ino, first as u64, pages as u64, ret as c_long) };
}

/// `pages` pages from the page `first` on were unpinned, with this result.
pub(crate) fn unpin(ino: u64, first: usize, pages: usize, ret: isize) {
    // SAFETY: They are numbers.
    unsafe { raw_unpin(ino, first as u64, pages as u64, ret as c_long) };
}

/// `pages` pages from the page `first` on were purged: `freed` of them had memory.
pub(crate) fn purge(ino: u64, first: usize, pages: usize, freed: usize) {
    // SAFETY: They are numbers.
    unsafe { raw_purge(ino, first as u64, pages as u64, freed as u64) };
}

/// Reclaim has asked for `nr_to_scan` pages of the NUMA node `nid`: `purged` were purged, of which
/// `freed` had memory.
pub(crate) fn shrink(nid: c_int, nr_to_scan: usize, purged: usize, freed: usize) {
    // SAFETY: They are numbers.
    unsafe { raw_shrink(nid, nr_to_scan as u64, purged as u64, freed as u64) };
}

/// A result of a command as a system call returns it.
pub(crate) fn number(result: Result<isize>) -> isize {
    result.unwrap_or_else(|err| err.to_errno() as isize)
}
