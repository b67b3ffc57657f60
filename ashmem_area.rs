// SPDX-License-Identifier: GPL-2.0

//! A region of anonymous shared memory: what stands behind one open file of `/dev/ashmem`.
//!
//! A region begins as a [`Draft`], whose name and size may change. Its first mmap makes the backing
//! file and turns it into [`Frozen`] state, for good: a name and a size that have no setter, and that
//! are read without a lock. The protection mask may be lowered at any time.

use kernel::{
    bindings,
    fs::{
        File,
        Kiocb, //
    },
    iov::IovIterDest,
    miscdevice::{
        MiscDevice,
        MiscDeviceRegistration, //
    },
    mm::virt::VmaNew,
    new_mutex,
    page::{
        page_align,
        PAGE_SHIFT, //
    },
    prelude::*,
    seq_file::SeqFile,
    seq_print,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc,
        Mutex,
        SetOnce, //
    },
    uaccess::{
        UserPtr,
        UserSlice, //
    },
};

use crate::{
    helpers::{
        memcg::Memcg,
        trace, //
    },
    ioctl::{
        AshmemPin,
        CallerAbi,
        Command,
        ASHMEM_NAME_LEN, //
    },
    pin::{
        region::{
            Pins,
            RegionPins, //
        },
        PageRange, //
    }, //
};

pub(crate) mod debugfs;
mod gate;
pub(crate) mod misc;
mod name;
mod prot;
mod purge;
pub(crate) mod registry;
mod seq;
pub(crate) mod shmem;
pub(crate) mod slab;
mod task;

use name::{
    Name,
    NameCopy, //
};
use prot::Prot;
use shmem::{
    Backing,
    Namesake, //
};
use slab::AreaSlab;

/// How the VFS owns an area: as the private data of an open file.
type AreaBox = Pin<Box<AshmemArea, AreaSlab>>;

/// The largest `int`.
const INT_MAX: usize = c_int::MAX as usize;

/// `ASHMEM_IS_UNPINNED`.
const IS_UNPINNED: isize = 0;
/// `ASHMEM_IS_PINNED`.
const IS_PINNED: isize = 1;
/// `ASHMEM_NOT_PURGED`.
const NOT_PURGED: isize = 0;
/// `ASHMEM_WAS_PURGED`.
const WAS_PURGED: isize = 1;

/// A region of anonymous shared memory: `struct ashmem_area` of the C driver.
#[pin_data(PinnedDrop)]
pub(crate) struct AshmemArea {
    /// Its place among all regions.
    place: registry::Place,
    /// The memory cgroup that pays for its unpinned ranges, and under whose pressure they go: the
    /// opener's.
    payer: Memcg,
    /// The process id of the opener, in the initial namespace.
    opener: i32,
    /// The bits of the protection mask: what a new mapping may ask for.
    prot_mask: Atomic<u32>,
    /// What the first mmap has fixed.
    frozen: SetOnce<Frozen>,
    /// What is unpinned; made by the first UNPIN, under the lock of `draft`.
    pins: SetOnce<RegionPins>,
    /// What may still change; means nothing once `frozen` is set, which happens under this lock.
    #[pin]
    draft: Mutex<Draft>,
}

#[pinned_drop]
impl PinnedDrop for AshmemArea {
    fn drop(self: Pin<&mut Self>) {
        // SAFETY: `open` has added each area that it made, and it goes only once.
        unsafe { registry::remove(&self) };
    }
}

/// A region before its first mmap.
struct Draft {
    /// The name, if one has been set.
    name: Option<Name>,
    /// The size in bytes, as it was set; 0 at first.
    size: usize,
}

impl Draft {
    /// A copy of the name, if one has been set, and the size in bytes.
    fn look(&self) -> (Option<NameCopy>, usize) {
        (copy_of(&self.name), self.size)
    }
}

/// A region from its first mmap on.
struct Frozen {
    /// The name, if one had been set.
    name: Option<Name>,
    /// The size in bytes, as it was set.
    size: usize,
    /// The file that has the pages.
    backing: Backing,
    /// The file of private mappings; made by the first one, under the lock of the draft.
    namesake: SetOnce<Namesake>,
}

impl Frozen {
    /// A copy of the name, if one had been set, and the size in bytes.
    fn look(&self) -> (Option<NameCopy>, usize) {
        (copy_of(&self.name), self.size)
    }

    /// What maps shows of the region, without the slash in front.
    fn path(&self) -> &CStr {
        self.name.as_ref().map_or(name::DEFAULT, Name::path)
    }
}

/// A copy of a name, if there is one.
fn copy_of(name: &Option<Name>) -> Option<NameCopy> {
    name.as_ref().map(|name| NameCopy::new(Some(name)))
}

impl AshmemArea {
    /// A new region: no name, size 0, every protection allowed.
    fn new() -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            place: registry::Place::new(),
            payer: Memcg::of_current(),
            opener: task::process_id(),
            prot_mask: Atomic::new(Prot::ALL.bits()),
            frozen: SetOnce::new(),
            pins: SetOnce::new(),
            draft <- new_mutex!(Draft { name: None, size: 0 }, "AshmemArea::draft"),
        })
    }

    /// Looks at the region in whichever state it is; takes the lock only for a draft.
    fn read<R>(&self, draft: impl FnOnce(&Draft) -> R, frozen: impl FnOnce(&Frozen) -> R) -> R {
        if let Some(state) = self.frozen.as_ref() {
            return frozen(state);
        }

        let state = self.draft.lock();
        match self.frozen.as_ref() {
            Some(state) => frozen(state),
            None => draft(&state),
        }
    }

    /// Changes the draft; `EINVAL` if there is none any more.
    fn change(&self, change: impl FnOnce(&mut Draft)) -> Result {
        let mut draft = self.draft.lock();

        if self.frozen.as_ref().is_some() {
            return Err(EINVAL);
        }
        change(&mut draft);
        Ok(())
    }

    /// The size in bytes, as it was set.
    fn size(&self) -> usize {
        self.read(|draft| draft.size, |frozen| frozen.size)
    }

    /// `ASHMEM_GET_SIZE`: the size in bytes, of which the system call passes an int on.
    ///
    /// `EOVERFLOW` if that were one of the numbers by which a driver has the kernel begin a system call anew,
    /// [`ERESTARTSYS`] and its like: what would be continued then is a call of long ago.
    fn get_size(&self) -> Result<isize> {
        let size = self.size();
        let orders = ERESTART_RESTARTBLOCK.to_errno()..=ERESTARTSYS.to_errno();

        if orders.contains(&(size as c_int)) {
            return Err(EOVERFLOW);
        }
        Ok(size as isize)
    }

    /// The frozen state, or what a region without one answers to read and llseek: `empty` while its
    /// size is 0, `EBADF` when it was only never mapped.
    fn mapped_or<R>(&self, empty: Result<R>) -> Result<&Frozen, Result<R>> {
        if self.size() == 0 {
            return Err(empty);
        }
        self.frozen.as_ref().ok_or(Err(EBADF))
    }

    /// The protection mask.
    fn prot_mask(&self) -> Prot {
        Prot::from_bits(self.prot_mask.load(Relaxed) as usize).unwrap_or(Prot::NONE)
    }

    /// `ASHMEM_SET_NAME`: the name is the string at `arg`, cut to 255 bytes; an empty one is none.
    fn set_name(&self, arg: usize) -> Result {
        let mut buf = [0; ASHMEM_NAME_LEN];
        let name = UserSlice::new(UserPtr::from_addr(arg), buf.len())
            .reader()
            .strcpy_into_buf(&mut buf)?;
        let mut name = Name::new(name)?;

        // The old name goes where the new one was: freed after the lock is released.
        self.change(|draft| core::mem::swap(&mut draft.name, &mut name))
    }

    /// `ASHMEM_GET_NAME`: writes the name with its NUL to `arg`.
    fn get_name(&self, arg: usize) -> Result {
        let name = self.read(
            |draft| NameCopy::new(draft.name.as_ref()),
            |frozen| NameCopy::new(frozen.name.as_ref()),
        );

        UserSlice::new(UserPtr::from_addr(arg), ASHMEM_NAME_LEN)
            .writer()
            .write_slice(name.with_nul())
    }

    /// `ASHMEM_SET_SIZE`: any number of bytes is stored; whether it can be had, mmap tells.
    fn set_size(&self, size: usize) -> Result {
        self.change(|draft| draft.size = size)
    }

    /// `ASHMEM_SET_PROT_MASK`: `EINVAL` for a bit that is not in the mask.
    fn set_prot_mask(&self, requested: usize) -> Result {
        let requested = Prot::from_bits(requested).ok_or(EINVAL)?;
        let read_implies_exec = task::read_implies_exec();
        let mut mask = self.prot_mask();

        loop {
            let lowered = mask
                .lowered_to(requested, read_implies_exec)
                .ok_or(EINVAL)?;

            match self.prot_mask.cmpxchg(mask.bits(), lowered.bits(), Relaxed) {
                Ok(_) => return Ok(()),
                Err(_) => mask = self.prot_mask(),
            }
        }
    }

    /// `ASHMEM_GET_FILE_ID`: writes the inode number of the backing file to `arg`, as a `long` of the
    /// caller's; `EINVAL` before the first mmap, `EOVERFLOW` if the number does not fit.
    fn get_file_id(&self, arg: usize, abi: CallerAbi) -> Result {
        let id = self.frozen.as_ref().ok_or(EINVAL)?.backing.inode_number();
        let arg = UserPtr::from_addr(arg);

        match abi {
            CallerAbi::Native => UserSlice::new(arg, size_of::<u64>()).writer().write(&id),
            CallerAbi::Compat => {
                let id = u32::try_from(id).map_err(|_| EOVERFLOW)?;
                UserSlice::new(arg, size_of::<u32>()).writer().write(&id)
            }
        }
    }

    /// The range that the `struct ashmem_pin` at `arg` means, and the state of the region.
    ///
    /// Errors: `EFAULT` for a bad pointer, `EINVAL` before the first mmap or for a bad range.
    fn pin_range(&self, arg: usize) -> Result<(&Frozen, PageRange)> {
        let AshmemPin { offset, len } =
            UserSlice::new(UserPtr::from_addr(arg), size_of::<AshmemPin>())
                .reader()
                .read()?;
        let frozen = self.frozen.as_ref().ok_or(EINVAL)?;
        let range = PageRange::from_user(offset, len, frozen.size, PAGE_SHIFT as u32);

        Ok((frozen, range.ok_or(EINVAL)?))
    }

    /// `ASHMEM_PIN`: whether the pages of the range may have lost their content. Errors are those of
    /// [`pin_range`](Self::pin_range), and `ENOMEM`.
    fn pin(&self, arg: usize) -> Result<isize> {
        let (frozen, range) = self.pin_range(arg)?;
        let result = match self.pins.as_ref() {
            Some(pins) => pins.pin(range, &self.payer),
            None => Ok(false),
        };
        let result = result.map(|purged| if purged { WAS_PURGED } else { NOT_PURGED });

        trace::pin(
            frozen.backing.inode_number(),
            range.first(),
            range.pages(),
            trace::number(result),
        );
        result
    }

    /// `ASHMEM_UNPIN`. Errors are those of [`pin_range`](Self::pin_range), and `ENOMEM`.
    fn unpin(&self, arg: usize) -> Result<isize> {
        let (frozen, range) = self.pin_range(arg)?;
        let result = self
            .make_pins(frozen)
            .and_then(|pins| pins.unpin(range, &self.payer))
            .map(|()| 0);

        trace::unpin(
            frozen.backing.inode_number(),
            range.first(),
            range.pages(),
            trace::number(result),
        );
        result
    }

    /// What is unpinned; makes it, unless it is there. The error is `ENOMEM`.
    fn make_pins(&self, frozen: &Frozen) -> Result<&RegionPins> {
        if let Some(pins) = self.pins.as_ref() {
            return Ok(pins);
        }

        let _draft = self.draft.lock();
        if self.pins.as_ref().is_none() {
            let backing = frozen.backing.share();
            self.pins
                .populate(self.payer.charge(|| RegionPins::new(backing))?);
        }
        self.pins.as_ref().ok_or(ENOMEM)
    }

    /// `ASHMEM_GET_PIN_STATUS`: whether all pages of the range are pinned. Errors are those of
    /// [`pin_range`](Self::pin_range).
    fn get_pin_status(&self, arg: usize) -> Result<isize> {
        let (_, range) = self.pin_range(arg)?;
        let pins = self.pins.as_ref();

        if pins.is_some_and(|pins| pins.any_unpinned(range)) {
            return Ok(IS_UNPINNED);
        }
        Ok(IS_PINNED)
    }

    /// A copy of the name, if one has been set, and the size in bytes.
    fn name_and_size(&self) -> (Option<NameCopy>, usize) {
        self.read(Draft::look, Frozen::look)
    }

    /// As above, but [`None`] while somebody else has the lock of the draft: for those who keep others from opening
    /// and closing, as the first mmap may wait for memory.
    fn try_name_and_size(&self) -> Option<(Option<NameCopy>, usize)> {
        if self.frozen.as_ref().is_none() {
            let draft = self.draft.try_lock()?;
            if self.frozen.as_ref().is_none() {
                return Some(draft.look());
            }
        }
        self.frozen.as_ref().map(Frozen::look)
    }

    /// Whether any mapping of it is left.
    fn is_mapped(&self) -> bool {
        self.frozen.as_ref().is_some_and(|frozen| {
            let namesake = frozen.namesake.as_ref();
            frozen.backing.is_mapped() || namesake.is_some_and(Namesake::is_mapped)
        })
    }

    /// How many pages are unpinned.
    fn unpinned(&self) -> usize {
        self.pins.as_ref().map_or(0, |pins| pins.pages())
    }

    /// How many pages are unpinned and have not been purged.
    fn purgeable(&self) -> usize {
        self.pins.as_ref().map_or(0, |pins| pins.purgeable())
    }

    /// What is unpinned, for somebody who may use it longer than the region is there.
    fn share_pins(&self) -> Option<Arc<Pins>> {
        self.pins.as_ref().map(RegionPins::share)
    }

    /// Carries out the command with the number `cmd`; `ENOTTY` for an unknown one.
    fn command(&self, cmd: u32, arg: usize, abi: CallerAbi) -> Result<isize> {
        match Command::decode(cmd, abi).ok_or(ENOTTY)? {
            Command::SetName => self.set_name(arg).map(|()| 0),
            Command::GetName => self.get_name(arg).map(|()| 0),
            Command::SetSize => self.set_size(arg).map(|()| 0),
            Command::GetSize => self.get_size(),
            Command::SetProtMask => self.set_prot_mask(arg).map(|()| 0),
            Command::GetProtMask => Ok(self.prot_mask().bits() as isize),
            Command::Pin => self.pin(arg),
            Command::Unpin => self.unpin(arg),
            Command::GetPinStatus => self.get_pin_status(arg),
            // What the VFS passes on is an int.
            Command::PurgeAllCaches => purge::purge_all().map(|pages| pages.min(INT_MAX) as isize),
            Command::GetFileId => self.get_file_id(arg, abi).map(|()| 0),
        }
    }

    /// Holds a mapping that is being made to the protection mask: `EPERM` if it asks for more; what
    /// it does not ask for, mprotect shall not give it later.
    fn restrict(&self, vma: &VmaNew) -> Result {
        let mask = self.prot_mask();
        let requested = Prot::NONE
            .with_if(Prot::READ, vma.readable())
            .with_if(Prot::WRITE, vma.writable())
            .with_if(Prot::EXEC, vma.executable());

        if !mask.contains(requested) {
            return Err(EPERM);
        }
        if !mask.contains(Prot::READ) {
            vma.try_clear_mayread()?;
        }
        if !mask.contains(Prot::WRITE) {
            vma.try_clear_maywrite()?;
        }
        if !mask.contains(Prot::EXEC) {
            vma.try_clear_mayexec()?;
        }
        Ok(())
    }

    /// Maps a region that has been mapped before.
    fn map_again(&self, frozen: &Frozen, vma: &VmaNew) -> Result {
        check_length(vma, frozen.size)?;
        self.restrict(vma)?;
        if shmem::is_shared(vma) {
            frozen.backing.map_shared(vma)?;
        } else {
            self.make_namesake(frozen)?.map(vma);
        }
        self.trace_mmap(frozen, vma);
        Ok(())
    }

    /// The file of private mappings; makes it, unless it is there. The error is `ENOMEM`.
    fn make_namesake<'a>(&self, frozen: &'a Frozen) -> Result<&'a Namesake> {
        if let Some(namesake) = frozen.namesake.as_ref() {
            return Ok(namesake);
        }

        let _draft = self.draft.lock();
        if frozen.namesake.as_ref().is_none() {
            let file = Namesake::new(&frozen.backing, frozen.path(), frozen.size)?;
            frozen.namesake.populate(file);
        }
        frozen.namesake.as_ref().ok_or(ENOMEM)
    }

    /// Tells the tracepoint of a new mapping.
    fn trace_mmap(&self, frozen: &Frozen, vma: &VmaNew) {
        trace::mmap(
            self,
            frozen.backing.inode_number(),
            frozen.size,
            shmem::is_shared(vma),
            frozen.path(),
        );
    }

    /// Moves the position of `file`: `lseek`.
    ///
    /// Errors: `EINVAL` while the size is 0, `EBADF` before the first mmap, `ENXIO` where there is no
    /// data or hole to be found, `EINVAL` for a position out of range.
    fn llseek(&self, file: &File, offset: i64, whence: c_int) -> Result<i64> {
        let frozen = match self.mapped_or(Err(EINVAL)) {
            Ok(frozen) => frozen,
            Err(answer) => return answer,
        };
        // The backing file has this length: it fits.
        let size = i64::try_from(frozen.size).map_err(|_| EINVAL)?;

        match u32::try_from(whence) {
            Ok(bindings::SEEK_DATA | bindings::SEEK_HOLE) => {
                let found = frozen.backing.seek_data_or_hole(offset, whence)?;
                shmem::seek(file, found, bindings::SEEK_SET as c_int, size)
            }
            _ => shmem::seek(file, offset, whence, size),
        }
    }
}

/// Refuses a mapping longer than the region: `EINVAL`, also for a region of size 0.
///
/// Where in the region the mapping begins is not looked at: beyond the end there are no pages, and a
/// touch is a `SIGBUS`.
fn check_length(vma: &VmaNew, size: usize) -> Result {
    let length = vma.end().checked_sub(vma.start()).ok_or(EINVAL)?;
    // A size in the last page of the address space cannot be rounded up; no file is so long.
    let limit = page_align(size).ok_or(EINVAL)?;

    if length > limit {
        return Err(EINVAL);
    }
    Ok(())
}

#[vtable]
impl MiscDevice for AshmemArea {
    type Ptr = AreaBox;

    fn open(_file: &File, _misc: &MiscDeviceRegistration<Self>) -> Result<AreaBox> {
        let area = Box::try_pin_init(Self::new(), GFP_KERNEL_ACCOUNT)?;

        registry::add(area.as_ref());
        trace::open(&*area);
        Ok(area)
    }

    fn mmap(area: Pin<&Self>, _file: &File, vma: &VmaNew) -> Result {
        if let Some(frozen) = area.frozen.as_ref() {
            return area.map_again(frozen, vma);
        }

        let mut draft = area.draft.lock();
        if let Some(frozen) = area.frozen.as_ref() {
            drop(draft);
            return area.map_again(frozen, vma);
        }

        check_length(vma, draft.size)?;
        area.restrict(vma)?;

        let path = draft.name.as_ref().map_or(name::DEFAULT, Name::path);
        let backing = Backing::new(path, draft.size, vma)?;
        let namesake = SetOnce::new();
        if shmem::is_shared(vma) {
            backing.map_shared(vma)?;
        } else {
            let file = Namesake::new(&backing, path, draft.size)?;
            file.map(vma);
            namesake.populate(file);
        }

        // Nothing can fail any more: the region freezes only with a mapping.
        area.frozen.populate(Frozen {
            name: draft.name.take(),
            size: draft.size,
            backing,
            namesake,
        });
        if let Some(frozen) = area.frozen.as_ref() {
            area.trace_mmap(frozen, vma);
        }
        Ok(())
    }

    fn ioctl(area: Pin<&Self>, _file: &File, cmd: u32, arg: usize) -> Result<isize> {
        area.command(cmd, arg, CallerAbi::Native)
    }

    #[cfg(CONFIG_COMPAT)]
    fn compat_ioctl(area: Pin<&Self>, _file: &File, cmd: u32, arg: usize) -> Result<isize> {
        // The argument is a 32-bit number or address, whatever the upper half holds.
        area.command(cmd, arg as u32 as usize, CallerAbi::Compat)
    }

    fn read_iter(mut kiocb: Kiocb<'_, AreaBox>, iov: &mut IovIterDest<'_>) -> Result<usize> {
        match kiocb.file().get_ref().mapped_or(Ok(0)) {
            Ok(frozen) => frozen.backing.read(iov, kiocb.ki_pos_mut()),
            Err(answer) => answer,
        }
    }

    fn show_fdinfo(area: Pin<&Self>, m: &SeqFile, _file: &File) {
        if let Some(frozen) = area.frozen.as_ref() {
            seq_print!(m, "inode:\t{}\n", frozen.backing.inode_number());
        }

        let (name, size) = area.name_and_size();
        if let Some(name) = name {
            seq_print!(m, "name:\t");
            seq::write_escaped(m, name.without_nul());
            seq_print!(m, "\n");
        }
        seq_print!(m, "size:\t{}\n", size);
        seq_print!(m, "unpinned:\t{}\n", area.unpinned());
    }
}
