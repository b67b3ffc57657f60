// SPDX-License-Identifier: GPL-2.0

//! PIN while reclaim purges: when it returns no purge of its pages is under way, none begins, and what
//! they have lost is told.

use kernel::sync::condvar::wake_for_nothing;

use crate::{
    explore::{start, Thread},
    helpers::memcg::Memcg,
    pin::lru::{shrink, FAR},
    region::Region,
};

/// The pages go at once, or not at all.
pub fn while_purged() {
    let region = Region::unpinned(2, 2);
    let owner = region.clone();

    let reclaim = start(|| shrink(2));
    let pin = start(move || {
        owner.pin_whole(0, 1);
        owner.write(0, 1);
    });
    pin.end();
    reclaim.end();

    region.check_written(0, 1);
    region.finish();
}

/// Who waits may be woken up for no reason.
pub fn woken_for_nothing() {
    let region = Region::unpinned(1, 1);
    let owner = region.clone();

    let reclaim = start(|| shrink(1));
    let pin = start(move || {
        wake_for_nothing(2);
        owner.take(0, 0);
    });
    pin.end();
    reclaim.end();

    region.check_written(0, 0);
    region.finish();
}

/// Two reclaimers take a page each, of the same range.
pub fn while_two_purge() {
    let region = Region::unpinned(2, 1);
    let owner = region.clone();

    let reclaim = [(); 2].map(|()| start(|| shrink(1)));
    let pin = start(move || owner.take(0, 1));
    pin.end();
    reclaim.map(Thread::end);

    region.check_written(0, 1);
    region.finish();
}

/// Two tasks want a page each of the same range. If both are lost, both are told.
pub fn two_of_one_range() {
    let region = Region::unpinned(2, 1);

    let reclaim = start(|| shrink(2));
    let pins = [0, 1].map(|page| {
        let owner = region.clone();
        start(move || owner.take(page, page))
    });
    pins.map(Thread::end);
    reclaim.end();

    region.check_written(0, 1);
    region.finish();
}

/// A range loses its middle while memory is short: who allocates reclaims, and may find its own pages.
pub fn the_middle() {
    let region = Region::with_payer(3, 1, Memcg::poor());
    region.unpin(0, 2);
    let owner = region.clone();

    let reclaim = start(|| shrink(1));
    let pin = start(move || owner.take(1, 1));
    pin.end();
    reclaim.end();

    region.check_written(1, 1);
    // Each of the rest was of the range when it was purged, if it was.
    region.pin(0, 0);
    region.pin(2, 2);
    region.finish();
}

/// A range loses its back, and ends with another page: reclaim may still look for the old one, which is
/// by then pinned, or the end of a new range.
pub fn the_back() {
    let region = Region::unpinned(2, 2);
    let owner = region.clone();

    let reclaim = [(); 2].map(|()| start(|| shrink(2)));
    let pin = start(move || {
        owner.take(1, 1);
        owner.check_written(1, 1);
        owner.unpin(1, 1);
    });
    pin.end();
    reclaim.map(Thread::end);

    region.pin_whole(0, 0);
    region.pin_whole(1, 1);
    region.finish();
}

/// What is lost once is told once: only to the PIN that comes next.
pub fn is_told_once() {
    let region = Region::unpinned(1, 1);
    let owner = region.clone();

    let reclaim = start(|| assert!(shrink(1) <= 1, "pages that one piece has"));
    let pin = start(move || {
        let first = owner.pin_whole(0, 0);
        owner.write(0, 0);
        owner.unpin(0, 0);
        let second = owner.pin_whole(0, 0);
        assert!(!(first && second), "one purge was told twice");
    });
    pin.end();
    reclaim.end();
    region.finish();
}

/// Reclaim passes over a region that is waited for, and takes the next one.
pub fn one_of_two_regions() {
    let regions = [Region::unpinned(1, 1), Region::unpinned(1, 1)];
    let owner = regions[0].clone();

    let reclaim = [(); 2].map(|()| start(|| shrink(1)));
    let pin = start(move || owner.take(0, 0));
    pin.end();
    reclaim.map(Thread::end);

    regions[0].check_written(0, 0);
    regions[1].pin_whole(0, 0);
    drop(regions);
    crate::region::check_empty();
}

/// A range that ends further than entries can tell: "to the end" of a giant.
pub fn a_far_range() {
    let region = Region::new(1, FAR as usize);
    let end = FAR as usize + 4;
    region.unpin(0, end);
    let owner = region.clone();

    let reclaim = start(|| shrink(1));
    let pin = start(move || owner.take(0, 0));
    pin.end();
    reclaim.end();

    region.check_written(0, 0);
    region.finish();
}
