// SPDX-License-Identifier: GPL-2.0

//! The last close of a region while others are at work on it: a mapping that is left is purged no more.

use kernel::sync::condvar::wake_for_nothing;

use crate::{
    explore::{start, Thread},
    pin::lru::shrink,
    region::{check_empty, check_page, Region},
    scenes::purge_all::purge_all,
};

/// Closes the region, and uses a page of the mapping that is left.
fn close_and_write(region: Region) {
    let mapping = region.mapping();
    drop(region);
    mapping.write(0, crate::region::NEW);
    check_page(&mapping, 0);
}

/// Reclaim has taken a reference, or is purging.
pub fn while_purged() {
    let region = Region::unpinned(1, 1);
    let reclaim = start(|| shrink(1));
    close_and_write(region);
    reclaim.end();
    check_empty();
}

/// Two reclaimers, each with a page.
pub fn while_two_purge() {
    let region = Region::unpinned(2, 1);
    let reclaim = [(); 2].map(|()| start(|| shrink(1)));
    close_and_write(region);
    reclaim.map(Thread::end);
    check_empty();
}

/// Who waits may be woken up for no reason.
pub fn woken_for_nothing() {
    let region = Region::unpinned(1, 1);
    let reclaim = start(|| shrink(1));
    wake_for_nothing(2);
    close_and_write(region);
    reclaim.end();
    check_empty();
}

/// Somebody who purges everything has a reference of its own, and goes on.
pub fn while_all_is_purged() {
    let region = Region::unpinned(2, 1);
    let pins = region.share();
    let admin = start(move || purge_all(&pins));
    close_and_write(region);
    admin.end();
    check_empty();
}

/// A region goes that has very many ranges before all others: reclaim finds what is behind them.
pub fn of_many_ranges() {
    let region = Region::new(4, 1);
    (0..4).rev().for_each(|page| region.unpin(page, page));
    let other = Region::unpinned(1, 1);

    let closing = start(move || drop(region));
    assert!(shrink(1) > 0, "reclaim gets nothing");
    closing.end();

    other.pin(0, 0);
    other.finish();
}

/// Another region stays, and reclaim finds it behind the one that goes.
pub fn one_of_two_regions() {
    let other = Region::unpinned(1, 1);
    let region = Region::unpinned(1, 1);
    other.pin(0, 0);
    other.unpin(0, 0);

    let reclaim = start(|| shrink(2));
    close_and_write(region);
    reclaim.end();

    other.pin(0, 0);
    other.finish();
}
