// SPDX-License-Identifier: GPL-2.0

//! Stands in for the module's `helpers`: who pays for memory, and the tracepoints.

pub mod memcg {
    //! Who pays for memory.

    use crate::pin::lru;

    /// A memory cgroup.
    pub struct Memcg {
        /// How many pages it has to give back whenever it is charged.
        short_of: usize,
    }

    impl Memcg {
        /// One with memory.
        pub fn rich() -> Self {
            Self { short_of: 0 }
        }

        /// One at its limit: who allocates has to reclaim first, whatever locks are held there.
        pub fn poor() -> Self {
            Self { short_of: 1 }
        }

        /// Carries out an allocation.
        pub fn charge<R>(&self, allocate: impl FnOnce() -> R) -> R {
            lru::shrink(self.short_of);
            allocate()
        }
    }
}

pub mod trace {
    //! The tracepoints: nobody looks at them here.

    use kernel::prelude::{CStr, Result};

    /// A region was mapped.
    pub fn mmap<T>(_area: &T, _inode: u64, _size: usize, _shared: bool, _name: &CStr) {}

    /// Pages were pinned.
    pub fn pin(_inode: u64, _first: usize, _pages: usize, _result: isize) {}

    /// Pages were unpinned.
    pub fn unpin(_inode: u64, _first: usize, _pages: usize, _result: isize) {}

    /// A result as the tracepoints have it.
    pub fn number(result: Result<isize>) -> isize {
        result.unwrap_or(-1)
    }

    /// Pages were purged.
    pub fn purge(_inode: u64, _first: usize, _pages: usize, _freed: usize) {}
}
