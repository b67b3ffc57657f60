// SPDX-License-Identifier: GPL-2.0

//! The module's own code for the first mmap, and for all that may come at the same time.
//!
//! The file `ashmem_area.rs` as a whole is about much else: seeking, reading, debugfs, the numbers of
//! ioctls. So the build takes the functions and structures that matter out of it, word for word
//! (`build.rs` has their names), and they are included here. A model that mirrors them would be shorter,
//! but nobody would notice when it is no mirror any more.
//!
//! What is written here is the structure itself, without the fields that have no part in it, and the way
//! in for the scenes. Names and protection masks are the module's own files.

use kernel::{
    fs::File,
    mm::virt::VmaNew,
    new_mutex,
    page::{page_align, PAGE_SHIFT, PAGE_SIZE},
    prelude::*,
    sync::{
        atomic::{Atomic, Relaxed},
        Mutex, SetOnce,
    },
    uaccess::{UserPtr, UserSlice},
};

use crate::{
    helpers::{memcg::Memcg, trace},
    ioctl::{AshmemPin, ASHMEM_NAME_LEN},
    pin::{region::RegionPins, PageRange},
};

#[rustfmt::skip]
#[path = "../../../ashmem_area/gate.rs"]
pub mod gate;
#[rustfmt::skip]
#[path = "../../../ashmem_area/name.rs"]
mod name;
#[rustfmt::skip]
#[path = "../../../ashmem_area/prot.rs"]
mod prot;
pub mod shmem;

use name::{Name, NameCopy};
use prot::Prot;
use shmem::{Backing, Namesake};

mod task {
    //! The calling task.

    /// Whether it may execute what it may read.
    pub fn read_implies_exec() -> bool {
        false
    }
}

/// A name, if there is one, and a size in pages.
pub type NameAndPages = (Option<Vec<u8>>, usize);

/// A region, as in the module.
pub struct AshmemArea {
    /// Who pays.
    payer: Memcg,
    /// The protection mask.
    prot_mask: Atomic<u32>,
    /// What the first mmap has fixed.
    frozen: SetOnce<Frozen>,
    /// What is unpinned.
    pins: SetOnce<RegionPins>,
    /// What may still change.
    draft: Mutex<Draft>,
}

include!(concat!(env!("OUT_DIR"), "/area.rs"));

/// What the first mmap has made of a region: the name, the size, and of the file the path, the size, and
/// how often it was shared.
pub struct Fixed {
    /// The name.
    pub name: Option<Vec<u8>>,
    /// The size in pages.
    pub size: usize,
    /// The path.
    pub path: Vec<u8>,
    /// The size of the file in pages.
    pub file_size: usize,
    /// How often it was shared.
    pub shares: usize,
}

/// What the scenes do. Sizes and lengths are in pages.
impl AshmemArea {
    /// A region that was just opened.
    pub fn open(payer: Memcg) -> Self {
        Self {
            payer,
            prot_mask: Atomic::new(Prot::ALL.bits()).in_model(),
            frozen: SetOnce::new(),
            pins: SetOnce::new(),
            draft: new_mutex!(
                Draft {
                    name: None,
                    size: 0
                },
                "AshmemArea::draft"
            ),
        }
    }

    /// `mmap`.
    pub fn map(&self, pages: usize) -> Result {
        self.map_vma(&VmaNew::shared(pages * PAGE_SIZE))
    }

    /// `mmap` of memory of one's own.
    pub fn map_private(&self, pages: usize) -> Result {
        self.map_vma(&VmaNew::private(pages * PAGE_SIZE))
    }

    /// `mmap`, of what the file will not have.
    pub fn map_refused(&self, pages: usize) -> Result {
        self.map_vma(&VmaNew::refused(pages * PAGE_SIZE))
    }

    /// `mmap`.
    fn map_vma(&self, vma: &VmaNew) -> Result {
        Self::mmap(Pin::new(self), &File, vma)
    }

    /// `ASHMEM_SET_SIZE`.
    pub fn resize(&self, pages: usize) -> Result {
        self.set_size(pages * PAGE_SIZE)
    }

    /// `ASHMEM_SET_NAME`.
    pub fn rename(&self, name: &CStr) -> Result {
        self.set_name(name.as_ptr() as usize)
    }

    /// `ASHMEM_GET_NAME` and `ASHMEM_GET_SIZE`, at once.
    pub fn look(&self) -> NameAndPages {
        let (name, size) = self.name_and_size();
        (name.as_ref().map(text), size / PAGE_SIZE)
    }

    /// As above, if nobody has to be waited for.
    pub fn peek(&self) -> Option<NameAndPages> {
        let (name, size) = self.try_name_and_size()?;
        Some((name.as_ref().map(text), size / PAGE_SIZE))
    }

    /// `ASHMEM_GET_SIZE`.
    pub fn pages(&self) -> usize {
        self.size() / PAGE_SIZE
    }

    /// `ASHMEM_SET_PROT_MASK`.
    pub fn lower_mask(&self, mask: usize) -> Result {
        self.set_prot_mask(mask)
    }

    /// `ASHMEM_GET_PROT_MASK`.
    pub fn mask(&self) -> u32 {
        self.prot_mask().bits()
    }

    /// `ASHMEM_UNPIN` of a page.
    pub fn unpin_page(&self, page: usize) -> Result<isize> {
        let arg = pin_of(page);
        self.unpin(&raw const arg as usize)
    }

    /// `ASHMEM_PIN` of a page: whether it may be lost.
    pub fn pin_page(&self, page: usize) -> Result<bool> {
        let arg = pin_of(page);
        let result = self.pin(&raw const arg as usize)?;
        Ok(result != NOT_PURGED)
    }

    /// What is fixed, if it is.
    pub fn fixed(&self) -> Option<Fixed> {
        let frozen = self.frozen.as_ref()?;
        Some(Fixed {
            name: frozen
                .name
                .as_ref()
                .map(|name| text(&NameCopy::new(Some(name)))),
            size: frozen.size / PAGE_SIZE,
            path: frozen.backing.path().to_bytes().to_vec(),
            file_size: frozen.backing.pages(),
            shares: frozen.backing.shares(),
        })
    }
}

/// A name without its NUL.
fn text(name: &NameCopy) -> Vec<u8> {
    name.without_nul().to_vec()
}

/// The argument that means a page.
fn pin_of(page: usize) -> AshmemPin {
    AshmemPin {
        offset: (page * PAGE_SIZE) as u32,
        len: PAGE_SIZE as u32,
    }
}
