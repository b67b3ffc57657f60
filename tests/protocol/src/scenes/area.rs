// SPDX-License-Identifier: GPL-2.0

//! The first mmap, while others map, unpin, and set the name and the size.

use kernel::prelude::{c_int, CStr, EINVAL, ENOMEM};
use loom::sync::Arc;

use crate::{
    ashmem_area::{shmem::files_and_mappings, AshmemArea, NameAndPages},
    explore::{start, Thread},
    helpers::memcg::Memcg,
    pin::lru::shrink,
    region::check_empty,
};

/// A name.
const OLD: &CStr = c"old";
/// Another name.
const NEW: &CStr = c"new";

/// A region of so many pages.
fn area(pages: usize) -> Arc<AshmemArea> {
    let area = AshmemArea::open(Memcg::poor());
    assert_eq!(area.resize(pages), Ok(()));
    assert_eq!(area.rename(OLD), Ok(()));
    Arc::new(area)
}

/// When all is done: what is fixed is of one piece, and so is the file, which is the only one. Returns
/// whether it is fixed at all.
fn finish(area: Arc<AshmemArea>, renamed: bool, size: usize, mapped: usize) {
    let name = if renamed { NEW } else { OLD }.to_bytes();
    assert_eq!(files_and_mappings().1, mapped, "mappings");

    match area.fixed() {
        Some(fixed) => {
            assert_eq!(fixed.name.as_deref(), Some(name), "the name");
            assert_eq!(fixed.path, [b"dev/ashmem/", name].concat(), "the path");
            assert_eq!((fixed.size, fixed.file_size), (size, size), "the sizes");
            assert!(fixed.shares <= 1, "more than one state of its pages");
            assert_eq!(area.resize(3), Err(EINVAL), "the size of a mapped region");
            assert_eq!(area.rename(OLD), Err(EINVAL), "the name of a mapped region");
        }
        None => assert_eq!(mapped, 0, "mappings of a region that is not fixed"),
    }
    drop(area);
    check_empty();
}

/// Two map it for the first time, while a third one makes it larger.
pub fn mapped_by_two() {
    let region = area(1);
    let own = region.clone();
    let resize = start(move || own.resize(2));
    let maps = [(); 2].map(|()| {
        let own = region.clone();
        start(move || own.map(1))
    });

    assert_eq!(maps.map(Thread::end), [Ok(()); 2], "mappings");
    let size = if resize.end().is_ok() { 2 } else { 1 };
    assert_eq!(files_and_mappings().0, 1, "files");
    finish(region, false, size, 2);
}

/// One maps its pages, two memory of their own: there is one file of each kind.
pub fn mapped_in_both_ways() {
    let region = area(1);
    let own = region.clone();
    let shared = start(move || own.map(1));
    let maps = [(); 2].map(|()| {
        let own = region.clone();
        start(move || own.map_private(1))
    });

    assert_eq!(maps.map(Thread::end), [Ok(()); 2], "private mappings");
    assert_eq!(shared.end(), Ok(()));
    assert_eq!(files_and_mappings().0, 2, "files");
    finish(region, false, 1, 3);
}

/// A mapping that is longer than the region was: only if it has grown before.
pub fn mapped_too_long() {
    let region = area(1);
    let (own, other) = (region.clone(), region.clone());
    let resize = start(move || own.resize(2));
    let map = start(move || other.map(2));

    let mapped = map.end();
    assert_eq!(resize.end(), Ok(()), "nothing else could fix it");
    assert!(matches!(mapped, Ok(()) | Err(EINVAL)), "{mapped:?}");
    finish(region, false, 2, mapped.is_ok().into());
}

/// One shrinks it, two map it, each as long as they may.
pub fn mapped_while_it_shrinks() {
    let region = area(2);
    let [own, short, long] = [(); 3].map(|()| region.clone());
    let resize = start(move || own.resize(1));
    let short = start(move || short.map(1));
    let long = start(move || long.map(2));

    let (short, long) = (short.end(), long.end());
    let size = if resize.end().is_ok() { 1 } else { 2 };
    assert_eq!(short, Ok(()));
    assert_eq!(long.is_ok(), size == 2, "a mapping of two pages");
    finish(region, false, size, 1 + usize::from(long.is_ok()));
}

/// The name changes, or does not; nobody ever sees it without one.
pub fn looked_at() {
    seen(|area| Some(area.look()));
}

/// The same for who does not wait for it.
pub fn peeked_at() {
    seen(AshmemArea::peek);
}

/// A region is renamed and mapped while somebody looks at it twice with `look`.
fn seen(look: fn(&AshmemArea) -> Option<NameAndPages>) {
    let region = area(1);
    let [own, other, looker] = [(); 3].map(|()| region.clone());
    let rename = start(move || own.rename(NEW));
    let map = start(move || other.map(1));
    let looks = start(move || [look(&looker), look(&looker)]);

    let renamed = rename.end();
    assert_eq!(map.end(), Ok(()));
    let seen = looks.end().into_iter().flatten();
    let names: Vec<_> = seen
        .map(|(name, size)| {
            assert_eq!(size, 1, "the size");
            name.expect("it had a name all the time")
        })
        .collect();
    let [old, new] = [OLD, NEW].map(CStr::to_bytes);
    assert!(names.iter().all(|name| [old, new].contains(&&name[..])));
    assert!(names != [new, old], "the old name came back");
    assert!(
        renamed.is_ok() || names.iter().all(|name| name == old),
        "a name never set"
    );
    finish(region, renamed.is_ok(), 1, 1);
}

/// What is fixed is fixed: once a setter has failed, the next one does.
pub fn set_twice() {
    let region = area(1);
    let (own, other) = (region.clone(), region.clone());
    let set = start(move || {
        let resized = own.resize(2);
        let size = own.pages();
        assert_eq!(size, if resized.is_ok() { 2 } else { 1 }, "the size");
        (resized, own.rename(NEW))
    });
    let map = start(move || other.map(1));

    let (resized, renamed) = set.end();
    assert_eq!(map.end(), Ok(()));
    assert!(
        resized.is_ok() || renamed.is_err(),
        "fixed, but not for good"
    );
    let size = if resized.is_ok() { 2 } else { 1 };
    finish(region, renamed.is_ok(), size, 1);
}

/// A mapping that fails fixes nothing.
pub fn refused() {
    let region = area(1);
    let (own, other) = (region.clone(), region.clone());
    let refused = start(move || own.map_refused(1));
    let set = start(move || (other.resize(2), other.rename(NEW)));

    assert_eq!(refused.end(), Err(ENOMEM));
    assert_eq!(set.end(), (Ok(()), Ok(())), "setters without a mapping");
    assert!(region.fixed().is_none(), "fixed without a mapping");
    finish(region, true, 2, 0);
}

/// UNPIN before, while and after it is mapped.
pub fn unpinned() {
    let region = area(1);
    let (own, other) = (region.clone(), region.clone());
    let map = start(move || own.map(1));
    let unpin = start(move || (other.unpin_page(0), other.pin_page(0)));

    assert_eq!(map.end(), Ok(()));
    let (unpinned, pinned) = unpin.end();
    assert!(matches!(unpinned, Ok(0) | Err(EINVAL)), "{unpinned:?}");
    assert!(unpinned.is_err() || pinned == Ok(false), "{pinned:?}");
    finish(region, false, 1, 1);
}

/// Two UNPIN for the first time, another one pins, and memory is short.
pub fn unpinned_by_two() {
    let region = area(2);
    assert_eq!(region.map(2), Ok(()));
    let unpins = [0, 1].map(|page| {
        let own = region.clone();
        start(move || own.unpin_page(page))
    });
    let own = region.clone();
    let pin = start(move || own.pin_page(0));

    assert_eq!(unpins.map(Thread::end), [Ok(0); 2], "UNPIN");
    assert!(pin.end().is_ok(), "PIN");
    shrink(1);
    assert!(region.fixed().is_some_and(|fixed| fixed.shares == 1));
    finish(region, false, 2, 1);
}

/// The mask is lowered by two, and mapped under: no bit comes back.
pub fn mask_lowered() {
    /// `PROT_READ`.
    const READ: c_int = 1;
    /// `PROT_READ | PROT_WRITE`.
    const BOTH: c_int = 3;

    let region = area(1);
    let [some, most, looker] = [(); 3].map(|()| region.clone());
    let some = start(move || some.lower_mask(BOTH as usize));
    let most = start(move || most.lower_mask(READ as usize));
    let looks = start(move || [looker.mask(), looker.mask()]);

    let [first, second] = looks.end();
    assert_eq!(second & !first, 0, "{first} became {second}");
    let some = some.end();
    assert!(matches!(some, Ok(()) | Err(EINVAL)), "{some:?}");
    assert_eq!(most.end(), Ok(()));
    assert_eq!(region.mask(), READ as u32, "the mask");
    drop(region);
    check_empty();
}
