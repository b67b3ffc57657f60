// SPDX-License-Identifier: GPL-2.0

//! The backing file of a region: an unlinked shmem file.
//!
//! Nobody gets to it but through the region, or else the protection mask and the frozen size would
//! mean nothing. There is one door besides the mappings, `/proc/<pid>/map_files`: it leads a
//! privileged process to the inode. So the file and the inode carry tables of operations of their
//! own:
//!
//! | table | belongs to | what it forbids |
//! |---|---|---|
//! | `backing` | the file under the shared mappings, and its [`Namesake`] under the private ones | another mmap of it (`remap_file_pages`) |
//! | `reopened` | a file that somebody opens anew from the inode | opening for writing, mmap |
//! | `inode` | the inode | truncate, chmod, chattr, lsattr |
//!
//! # Lifetime of the tables
//!
//! They are part of this module, and a mapping outlives the device file. So the backing file holds a
//! reference to the module, which the VFS puts last of all, and a reopened file gets one when it is
//! opened, both through the table's `owner`. The inode cannot hold one, and can live longer (an
//! `O_PATH` file): when the backing file is released it becomes a bad inode, with tables of the
//! kernel's own that refuse everything. If somebody still knew the inode at that moment,
//! [`BackingOps`] waits, before the module goes, until nobody can be between reading the pointer to a
//! table and using it; on a kernel that cannot wait for that, the module stays.
//!
//! C header: `include/linux/shmem_fs.h`

use core::{
    mem::MaybeUninit,
    ptr::NonNull, //
};

use kernel::{
    bindings,
    error::{
        from_err_ptr,
        to_result, //
    },
    fs::{
        file::flags::{
            O_ACCMODE,
            O_RDONLY, //
        },
        File, //
    },
    iov::IovIterDest,
    mm::virt::{
        flags,
        VmaNew, //
    },
    page::PAGE_SHIFT,
    prelude::*,
    sync::{
        aref::ARef,
        atomic::{
            Atomic,
            Relaxed, //
        },
        SetOnce, //
    },
};

extern "C" {
    /// `shmem_file_setup()`, exported to GPL modules, but not among the bindings.
    ///
    /// It returns a `struct file`, here as an untyped pointer: in some configurations that structure
    /// has members without a size, of which the compiler would complain.
    fn shmem_file_setup(
        name: *const c_char,
        size: bindings::loff_t,
        flags: bindings::vma_flags_t,
    ) -> *mut c_void;

    /// `shmem_truncate_range()`, likewise; of a `struct inode`.
    fn shmem_truncate_range(inode: *mut c_void, start: bindings::loff_t, end: bindings::uoff_t);
}

use crate::{
    helpers::{
        reclaim,
        versions::module::this_module, //
    },
    pin::PageRange, //
};

/// The tables, set while the module loads.
static TABLES: SetOnce<Tables> = SetOnce::new();

/// Whether a backing file was released while somebody else knew its inode.
static INODE_OUTLIVED_FILE: Atomic<bool> = Atomic::new(false);

/// The tables of operations of backing files and their inodes.
struct Tables {
    /// Of the file that is under the mappings.
    backing: bindings::file_operations,
    /// Of a file that is opened from the inode.
    reopened: bindings::file_operations,
    /// Of the inode.
    inode: bindings::inode_operations,
    /// What shmem gives its files.
    shmem_file: &'static bindings::file_operations,
}

// SAFETY: The tables are never written once they are set, and point to static things.
unsafe impl Send for Tables {}
// SAFETY: As above.
unsafe impl Sync for Tables {}

impl Tables {
    /// Makes the tables from those of a file that shmem has just set up.
    fn new(file: &File) -> Self {
        // SAFETY: The file is valid, nobody else knows it, and the tables of shmem are static.
        let (shmem_file, shmem_inode) = unsafe {
            let file = file.as_ptr();
            (&*(*file).f_op, &*(*(*file).f_inode).i_op)
        };
        let owner = this_module();

        Self {
            backing: bindings::file_operations {
                owner,
                release: Some(backing_release),
                mmap: Some(deny_mmap),
                mmap_prepare: None,
                // shmem's hook insists on shmem's own table. Where a mapping is moved to is then
                // found as it is for the device's file, which has no hook either.
                get_unmapped_area: None,
                ..*shmem_file
            },
            reopened: bindings::file_operations {
                owner,
                open: Some(reopened_open),
                mmap: Some(deny_mmap),
                mmap_prepare: None,
                get_unmapped_area: None,
                write_iter: None,
                splice_write: None,
                fallocate: None,
                ..*shmem_file
            },
            inode: bindings::inode_operations {
                // Whatever is left here a bad inode has, too: who looks whether there is a hook, and
                // then reads the table again, must find it there.
                setattr: Some(deny_setattr),
                fileattr_get: None,
                fileattr_set: None,
                set_acl: None,
                ..*shmem_inode
            },
            shmem_file,
        }
    }
}

/// Makes the tables when the module loads, and sees to it that nobody uses them when it goes.
pub(crate) struct BackingOps(());

impl BackingOps {
    /// Makes the tables.
    ///
    /// Errors are those of `shmem_file_setup()`; `EBUSY` when called a second time.
    pub(crate) fn new() -> Result<Self> {
        let file = file_setup(c"dev/ashmem", 0, bindings::vma_flags_t::default())?;

        if !TABLES.populate(Tables::new(&file)) {
            return Err(EBUSY);
        }
        Ok(Self(()))
    }
}

impl Drop for BackingOps {
    fn drop(&mut self) {
        if !INODE_OUTLIVED_FILE.load(Relaxed) {
            return;
        }

        // Each inode has other tables by now. Who read a pointer before that is still between the
        // read and the use: there the kernel does not sleep, it can only be preempted, and this
        // waits for every task that was.
        #[cfg(CONFIG_TASKS_RCU)]
        // SAFETY: A module is unloaded in a context that may sleep.
        unsafe {
            bindings::synchronize_rcu_tasks()
        };
        // Without it the kernel is not preemptible, or the module has stayed.
        #[cfg(not(CONFIG_TASKS_RCU))]
        // SAFETY: As above.
        unsafe {
            bindings::synchronize_rcu()
        };
    }
}

/// The file with the pages of a region.
///
/// Dropping it drops a reference: the mappings hold one each.
pub(crate) struct Backing(ARef<File>);

impl Backing {
    /// Sets the file up for its first mapping: `shmem_file_setup()`.
    ///
    /// `path` is what maps shows (without the slash in front), `size` the length in bytes. Memory is
    /// accounted as shmem does it: at once, unless the mapping is `MAP_NORESERVE`. Errors: `EINVAL`
    /// for a size over the largest of a file, `ENOMEM`.
    pub(crate) fn new(path: &CStr, size: usize, vma: &VmaNew) -> Result<Self> {
        // SAFETY: The VMA is being set up by this thread: nobody changes its flags.
        let flags = unsafe { (*vma.as_ptr()).__bindgen_anon_2.flags };

        guarded_file(path, size, flags).map(Self)
    }

    /// Puts the file under a shared mapping that is being made: its pages are the region's.
    ///
    /// Errors are those of shmem's own mmap.
    pub(crate) fn map_shared(&self, vma: &VmaNew) -> Result {
        let tables = TABLES.as_ref().ok_or(ENODEV)?;
        let prepare = tables.shmem_file.mmap_prepare.ok_or(ENODEV)?;
        let mut desc = MaybeUninit::uninit();
        let desc = desc.as_mut_ptr();

        set_file(&self.0, vma);
        // SAFETY: The VMA is being set up, `desc` is written as a whole, then describes it, and `prepare`
        // is the mmap hook of the filesystem that the file is on.
        unsafe {
            bindings::compat_set_desc_from_vma(desc, self.0.as_ptr(), vma.as_ptr());
            to_result(prepare(desc))?;
            to_result(bindings::__compat_vma_mmap(desc, vma.as_ptr()))
        }
    }

    /// The inode number.
    pub(crate) fn inode_number(&self) -> u64 {
        // SAFETY: The file has an inode as long as it lives; its number never changes.
        unsafe { (*(*self.0.as_ptr()).f_inode).i_ino }
    }

    /// Another reference to the same file.
    pub(crate) fn share(&self) -> Self {
        Self(self.0.clone())
    }

    /// The pages of the file.
    fn mapping(&self) -> *mut bindings::address_space {
        mapping(&self.0)
    }

    /// Whether any shared mapping of it is left.
    pub(crate) fn is_mapped(&self) -> bool {
        is_mapped(&self.0)
    }

    /// How many pages have memory (those in swap have none).
    fn resident(&self) -> usize {
        // SAFETY: The mapping is valid; the number may be old by the time it is used.
        unsafe { (&raw const (*self.mapping()).nrpages).read_volatile() }
    }

    /// Where to end a part of `range` that begins where it does, and has about `most` pages with
    /// content, a power of two: the part's last page. What has none, however long, costs nothing to purge. A
    /// huge page, in memory or in swap, is not cut: it would have to be split, or read back.
    pub(crate) fn piece(&self, range: PageRange, most: usize) -> usize {
        // SAFETY: The mapping is valid.
        let pages = unsafe { &raw mut (*self.mapping()).i_pages };
        let mut index = range.first() as c_ulong;

        // SAFETY: As above; this takes no lock but RCU's.
        let found = unsafe {
            bindings::xa_find(
                pages,
                &mut index,
                range.last() as c_ulong,
                bindings::XA_PRESENT,
            )
        };
        if found.is_null() {
            return range.last();
        }
        let last = index as usize | (most - 1);
        if last >= range.last() {
            return range.last();
        }
        #[cfg(CONFIG_XARRAY_MULTI)]
        // SAFETY: As above.
        let last = last | ((1 << unsafe { bindings::xa_get_order(pages, last as c_ulong) }) - 1);
        last.min(range.last())
    }

    /// Gives the memory of pages back, which read as zero afterwards; private mappings keep theirs.
    ///
    /// Returns how many pages had memory, about (others may use the file meanwhile). This is what
    /// punching a hole with `fallocate` does, without the inode's lock: it may be called from memory
    /// reclaim.
    pub(crate) fn punch(&self, pages: PageRange) -> usize {
        let before = self.resident();
        let first = (pages.first() as u64) << PAGE_SHIFT;
        let last = ((pages.last() as u64) << PAGE_SHIFT) | ((1 << PAGE_SHIFT) - 1);

        // Pages are locked in there: an allocation meanwhile must not get into the shrinker. And a huge page of
        // which a part is to go can only be split with memory, in a group that has none left.
        // SAFETY: The file is valid. A region has a size that fits in a file's, so does the first byte
        // of each of its pages.
        reclaim::as_reclaim(|| unsafe {
            bindings::unmap_mapping_pages(
                self.mapping(),
                pages.first() as c_ulong,
                pages.pages() as c_ulong,
                false,
            );
            shmem_truncate_range(
                (*self.0.as_ptr()).f_inode.cast(),
                first as bindings::loff_t,
                last,
            );
        });
        before.saturating_sub(self.resident())
    }

    /// Reads from the byte position `pos`, and moves it: `vfs_iter_read()`.
    ///
    /// Returns how many bytes were read, 0 at the end. Errors: `EFAULT` if nothing could be copied,
    /// `ENOMEM`, and those of the security module.
    pub(crate) fn read(&self, iov: &mut IovIterDest<'_>, pos: &mut i64) -> Result<usize> {
        // SAFETY: The file is valid and open for reading, `iov` and `pos` are valid.
        let ret = unsafe { bindings::vfs_iter_read(self.0.as_ptr(), iov.as_raw(), pos, 0) };

        usize::try_from(ret).map_err(|_| error_from(ret as i64))
    }

    /// Where the next data or hole is from the byte `offset` on: `vfs_llseek()`.
    ///
    /// `whence` is `SEEK_DATA` or `SEEK_HOLE`. Errors: `ENXIO` beyond the end.
    pub(crate) fn seek_data_or_hole(&self, offset: i64, whence: c_int) -> Result<i64> {
        // SAFETY: The file is valid. This moves its own position too, which nobody uses.
        let ret = unsafe { bindings::vfs_llseek(self.0.as_ptr(), offset, whence) };

        if ret < 0 {
            return Err(error_from(ret));
        }
        Ok(ret)
    }
}

/// The file of a region's private mappings: to look at it is the backing file, but it has no pages.
///
/// These mappings are anonymous memory. Where a page of the region is, the kernel looks for it in
/// all mappings of the backing file; it does not expect an anonymous one among them (`mm/rmap.c`,
/// where VM is debugged).
pub(crate) struct Namesake(ARef<File>);

impl Namesake {
    /// A file with the path, the length and the inode number of `backing`; no memory is accounted for
    /// it.
    ///
    /// Errors: `ENOMEM`.
    pub(crate) fn new(backing: &Backing, path: &CStr, size: usize) -> Result<Self> {
        let mut flags = bindings::vma_flags_t::default();
        flags.__vma_flags[0] |= 1 << bindings::VMA_NORESERVE_BIT;
        let file = guarded_file(path, size, flags)?;

        // Programs find the mappings of a region by it.
        // SAFETY: Nobody else knows the file and the inode yet, and no table has the number of an
        // inode of shmem that has no name.
        unsafe { (*(*file.as_ptr()).f_inode).i_ino = backing.inode_number() };
        Ok(Self(file))
    }

    /// Makes a private mapping that is being made one of anonymous memory, zero-filled; it has the
    /// file for the name that it shows.
    ///
    /// One that can never be written must not get pages of its own, for the kernel would lose sight of
    /// them when it merges such mappings (`needs_adjacent_anon_pgoff()`): it is not merged, does not grow,
    /// and gets no huge pages.
    pub(crate) fn map(&self, vma: &VmaNew) {
        set_file(&self.0, vma);
        if vma.flags() & flags::MAYWRITE == 0 {
            vma.set_dontexpand();
        }
        // SAFETY: The VMA is being set up; this is `vma_set_anonymous()`.
        unsafe { (*vma.as_ptr()).vm_ops = core::ptr::null() };
    }

    /// Whether any private mapping is left.
    pub(crate) fn is_mapped(&self) -> bool {
        is_mapped(&self.0)
    }
}

/// Makes `file` the mapping's: `vma_set_file()`.
fn set_file(file: &File, vma: &VmaNew) {
    // SAFETY: The VMA is being set up, and has a file: the device's.
    unsafe { bindings::vma_set_file(vma.as_ptr(), file.as_ptr()) };
}

/// The pages of a file of shmem.
fn mapping(file: &File) -> *mut bindings::address_space {
    // SAFETY: The file has an inode as long as it lives, and that its own mapping.
    unsafe { (*(*file.as_ptr()).f_inode).i_mapping }
}

/// Whether any mapping of a file of shmem is left: `mapping_mapped()`.
fn is_mapped(file: &File) -> bool {
    // SAFETY: The mapping is valid; the answer may be old by the time it is used.
    let root = unsafe { (&raw const (*mapping(file)).i_mmap.rb_root.rb_node).read_volatile() };
    !root.is_null()
}

/// Whether a mapping is `MAP_SHARED` (`VM_MAYSHARE`), even if it can never be written: `VM_SHARED` is
/// not set for a file that was opened read-only.
pub(crate) fn is_shared(vma: &VmaNew) -> bool {
    // By the bit's number: on 7.2 the constant `VM_MAYSHARE` of the bindings is that of another bit.
    vma.flags() & (1 << bindings::VMA_MAYSHARE_BIT) != 0
}

/// Moves the position of a device file, in a region of `size` bytes, for any `whence` but
/// `SEEK_DATA` and `SEEK_HOLE`: `generic_file_llseek_size()`.
///
/// Returns the new position in bytes. Errors: `EINVAL`, also for a position out of range.
pub(crate) fn seek(file: &File, offset: i64, whence: c_int, size: i64) -> Result<i64> {
    // SAFETY: The file is valid.
    let ret = unsafe {
        bindings::generic_file_llseek_size(file.as_ptr(), offset, whence, i64::MAX, size)
    };

    if ret < 0 {
        return Err(error_from(ret));
    }
    Ok(ret)
}

/// The error that a C function returned as a negative number.
fn error_from(ret: i64) -> Error {
    Error::from_errno(ret as c_int)
}

/// A new unlinked shmem file: `shmem_file_setup()`.
///
/// Errors: `EINVAL` for a size over the largest of a file, `ENOMEM`, `ENFILE`. shmem's `ENOSPC` is an
/// `ENOMEM`, too: where there is no limit to files, what it had no space for is an inode in memory.
fn file_setup(
    path: &CStr,
    size: bindings::loff_t,
    flags: bindings::vma_flags_t,
) -> Result<ARef<File>> {
    // SAFETY: The path is a string, which is copied.
    let file = from_err_ptr(unsafe { shmem_file_setup(path.as_char_ptr(), size, flags) })
        .map_err(|error| if error == ENOSPC { ENOMEM } else { error })?;
    let file = NonNull::new(file.cast::<File>()).ok_or(ENOMEM)?;

    // SAFETY: The file is new: its only reference is handed over, and no `fdget_pos` is active.
    Ok(unsafe { ARef::from_raw(file) })
}

/// A new unlinked shmem file with the tables of this module, which it holds.
///
/// Errors are those of [`file_setup`]; `EINVAL` for a size over the largest of a file.
fn guarded_file(path: &CStr, size: usize, flags: bindings::vma_flags_t) -> Result<ARef<File>> {
    let tables = TABLES.as_ref().ok_or(ENODEV)?;
    let size = bindings::loff_t::try_from(size).map_err(|_| EINVAL)?;
    let file = file_setup(path, size, flags)?;

    // SAFETY: Nobody else knows the file and the inode yet. The tables live as long as the
    // module: the file holds the module from here on, as its `f_op` says (an open device file
    // holds it during this call, so that one more reference may be taken), and takes the tables
    // from the inode when it is released.
    unsafe {
        bindings::__module_get(tables.backing.owner);

        let file = file.as_ptr();
        let inode = (*file).f_inode;
        (*file).f_op = &tables.backing;
        (*inode).__bindgen_anon_3.i_fop = &tables.reopened;
        (*inode).i_op = &tables.inode;
    }
    Ok(file)
}

/// The `release` of a backing file: its inode becomes a bad one, `make_bad_inode()`.
///
/// # Safety
///
/// `file` must be a backing file that is being released, `inode` its inode.
unsafe extern "C" fn backing_release(
    inode: *mut bindings::inode,
    file: *mut bindings::file,
) -> c_int {
    // SAFETY: The inode is valid, and its file is the only one of shmem that there is: nothing is lost
    // but roads to the pages that nobody shall take.
    unsafe { bindings::make_bad_inode(inode) };

    // Whoever finds the inode from now on takes the dentry's lock after this, and sees a bad inode;
    // whoever found it before has a reference.
    // SAFETY: The file holds its dentry. The lock is the one that protects the count.
    let references = unsafe {
        let lockref = (&raw mut (*(*file).__bindgen_anon_1.f_path.dentry).d_lockref)
            .cast::<bindings::lockref__bindgen_ty_1__bindgen_ty_1>();
        let lock = &raw mut (*lockref).lock;

        bindings::spin_lock(lock);
        let references = (*lockref).count;
        bindings::spin_unlock(lock);
        references
    };
    if references > 1 {
        INODE_OUTLIVED_FILE.store(true, Relaxed);
        // A task that is preempted between the two cannot be waited for: then the module stays.
        #[cfg(all(CONFIG_PREEMPTION, not(CONFIG_TASKS_RCU)))]
        // SAFETY: The file that is being released still holds the module.
        unsafe {
            bindings::__module_get(this_module())
        };
    }
    0
}

/// The `open` of a file that is opened from the inode of a backing file: `EPERM` for writing.
///
/// # Safety
///
/// `inode` and `file` must be those of a file that is being opened.
unsafe extern "C" fn reopened_open(
    inode: *mut bindings::inode,
    file: *mut bindings::file,
) -> c_int {
    // SAFETY: The file is valid.
    let flags = unsafe { (*file).f_flags };
    let shmem_open = TABLES.as_ref().and_then(|tables| tables.shmem_file.open);

    if flags & O_ACCMODE != O_RDONLY {
        return EPERM.to_errno();
    }
    match shmem_open {
        // SAFETY: The caller's promise is what the hook of shmem asks for.
        Some(open) => unsafe { open(inode, file) },
        None => 0,
    }
}

/// The `mmap` of a backing file: always `EPERM`.
///
/// # Safety
///
/// None: it looks at neither.
unsafe extern "C" fn deny_mmap(
    _file: *mut bindings::file,
    _vma: *mut bindings::vm_area_struct,
) -> c_int {
    EPERM.to_errno()
}

/// The `setattr` of a backing inode: always `EPERM`.
///
/// # Safety
///
/// None: it looks at none of them.
unsafe extern "C" fn deny_setattr(
    _idmap: *mut bindings::mnt_idmap,
    _dentry: *mut bindings::dentry,
    _attr: *mut bindings::iattr,
) -> c_int {
    EPERM.to_errno()
}
