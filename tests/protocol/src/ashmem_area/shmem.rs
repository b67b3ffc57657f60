// SPDX-License-Identifier: GPL-2.0

//! Stands in for the module's `ashmem_area/shmem.rs`: a file whose pages are the model checker's cells.
//!
//! A cell is not for two threads at a time. So wherever a page is written while it is purged, or one of
//! the two could come before or after the other, the model checker panics.

use std::{
    ffi::CString,
    sync::atomic::{AtomicUsize, Ordering::Relaxed as Plain},
};

use kernel::{error::Result, mm::virt::VmaNew, page::PAGE_SIZE, prelude::*};
use loom::{cell::UnsafeCell, sync::Arc};

use crate::pin::PageRange;

loom::lazy_static! {
    /// How many files were made in this run.
    static ref FILES: AtomicUsize = AtomicUsize::new(0);
    /// How many of them were mapped.
    static ref MAPPED: AtomicUsize = AtomicUsize::new(0);
}

/// How many files there have been in this run, and how many mappings of them.
pub fn files_and_mappings() -> (usize, usize) {
    (FILES.load(Plain), MAPPED.load(Plain))
}

/// Whether a mapping is `MAP_SHARED`.
pub fn is_shared(vma: &VmaNew) -> bool {
    vma.is_shared()
}

/// The file with the pages of a region.
pub struct Backing(Arc<File>);

/// The file.
struct File {
    /// Its path.
    path: CString,
    /// What its first pages hold; [`None`] where nothing was written, or what was is purged. Those behind
    /// them are never written.
    pages: Vec<UnsafeCell<Option<u32>>>,
    /// How many pages to purge at a time.
    piece: usize,
    /// How often it was shared.
    shares: AtomicUsize,
}

// SAFETY: The model checker panics if a page is used without synchronisation.
unsafe impl Send for File {}
// SAFETY: As above.
unsafe impl Sync for File {}

impl Backing {
    /// A file of which so many pages can be written, and so many are purged at a time.
    pub fn of_pages(pages: usize, piece: usize) -> Self {
        Self::with_path(c"", pages, piece)
    }

    /// Sets the file up for its first mapping.
    pub fn new(path: &CStr, size: usize, _vma: &VmaNew) -> Result<Self> {
        Ok(Self::with_path(path, size.div_ceil(PAGE_SIZE), 1))
    }

    /// Makes a file.
    fn with_path(path: &CStr, pages: usize, piece: usize) -> Self {
        FILES.fetch_add(1, Plain);
        Self(Arc::new(File {
            path: path.into(),
            pages: (0..pages).map(|_| UnsafeCell::new(None)).collect(),
            piece,
            shares: AtomicUsize::new(0),
        }))
    }

    /// The same file, for somebody else.
    pub fn share(&self) -> Self {
        self.0.shares.fetch_add(1, Plain);
        Self(self.0.clone())
    }

    /// How often it was shared.
    pub fn shares(&self) -> usize {
        self.0.shares.load(Plain)
    }

    /// Its path.
    pub fn path(&self) -> &CStr {
        &self.0.path
    }

    /// How many pages it has.
    pub fn pages(&self) -> usize {
        self.0.pages.len()
    }

    /// Puts it under a shared mapping.
    pub fn map_shared(&self, vma: &VmaNew) -> Result {
        if vma.is_refused() {
            return Err(ENOMEM);
        }
        MAPPED.fetch_add(1, Plain);
        Ok(())
    }

    /// Writes to a page.
    pub fn write(&self, page: usize, value: u32) {
        // SAFETY: The model checker panics if somebody else uses it.
        self.0.pages[page].with_mut(|cell| unsafe { *cell = Some(value) });
    }

    /// What a page holds.
    pub fn read(&self, page: usize) -> Option<u32> {
        // SAFETY: The model checker panics if somebody else writes to it.
        self.0.pages[page].with(|cell| unsafe { *cell })
    }

    /// The last page of the first part of `rest` to purge.
    pub fn piece(&self, rest: PageRange, most: usize) -> usize {
        rest.first() + self.0.piece.min(most) - 1
    }

    /// Purges pages. Returns how many of them had memory.
    pub fn punch(&self, range: PageRange) -> usize {
        let cells = self.0.pages.iter();
        cells
            .skip(range.first())
            .take(range.pages())
            // SAFETY: The model checker panics if somebody else uses it.
            .filter(|page| page.with_mut(|cell| unsafe { (*cell).take() }).is_some())
            .count()
    }

    /// The number of its inode.
    pub fn inode_number(&self) -> u64 {
        1
    }
}

/// The file of a region's private mappings.
pub struct Namesake(());

impl Namesake {
    /// A file like another one, without pages.
    pub fn new(backing: &Backing, path: &CStr, size: usize) -> Result<Self> {
        assert_eq!(backing.path(), path, "the path");
        assert_eq!(backing.pages(), size.div_ceil(PAGE_SIZE), "the size");
        FILES.fetch_add(1, Plain);
        Ok(Self(()))
    }

    /// Puts it under a private mapping.
    pub fn map(&self, _vma: &VmaNew) {
        MAPPED.fetch_add(1, Plain);
    }
}
