// SPDX-License-Identifier: GPL-2.0

//! `ASHMEM_PURGE_ALL_CACHES`: it purges all that is unpinned, but lets those go first who wait for it.

use kernel::sync::condvar::{sleeps, wake_for_nothing};

use crate::{
    explore::{start, Thread},
    pin::{lru::shrink, region::Pins},
    region::Region,
};

/// What the module's `ashmem_area/purge.rs` does with a region.
pub fn purge_all(pins: &Pins) {
    let mut from = 0;

    while let Some(purged) = pins.purge_from(from) {
        from = purged.pages.last() + 1;
    }
    pins.settle();
}

/// When it returns, all is gone that was unpinned before, also what reclaim was busy with.
pub fn takes_all() {
    let region = Region::unpinned(3, 1);
    let (pins, looker) = (region.share(), region.clone());

    let reclaim = [(); 2].map(|()| start(|| shrink(1)));
    let admin = start(move || {
        purge_all(&pins);
        assert_eq!(looker.lost(0, 2), 3, "pages that are gone");
    });
    admin.end();
    reclaim.map(Thread::end);

    region.pin_whole(0, 2);
    region.finish();
}

/// The same, when it is woken up for no reason.
pub fn woken_for_nothing() {
    let region = Region::unpinned(2, 1);
    let (pins, looker) = (region.share(), region.clone());

    let reclaim = start(|| shrink(1));
    let admin = start(move || {
        wake_for_nothing(2);
        purge_all(&pins);
        assert_eq!(looker.lost(0, 1), 2, "pages that are gone");
    });
    admin.end();
    reclaim.end();

    region.pin_whole(0, 1);
    region.finish();
}

/// However many pieces are left, PIN waits for one of them.
pub fn lets_pin_go_first() {
    let region = Region::unpinned(4, 1);
    let (pins, owner) = (region.share(), region.clone());

    let admin = start(move || purge_all(&pins));
    let pin = start(move || {
        owner.take(0, 3);
        assert!(sleeps() <= 1, "PIN has slept {} times", sleeps());
    });
    pin.end();
    admin.end();

    region.check_written(0, 3);
    region.finish();
}

/// Two that wait, each for one piece only, also who takes the middle of a range and needs memory for that.
pub fn lets_two_go_first() {
    let region = Region::unpinned(3, 1);
    let pins = region.share();

    let admin = start(move || purge_all(&pins));
    let owners = [0, 1].map(|page| {
        let owner = region.clone();
        start(move || {
            owner.take(page, page);
            assert!(sleeps() <= 1, "PIN has slept {} times", sleeps());
        })
    });
    owners.map(Thread::end);
    admin.end();

    region.check_written(0, 1);
    region.finish();
}

/// It wakes up for no reason while somebody waits.
pub fn lets_pin_go_first_all_the_same() {
    let region = Region::unpinned(3, 1);
    let (pins, owner) = (region.share(), region.clone());

    let admin = start(move || {
        wake_for_nothing(2);
        purge_all(&pins);
    });
    let pin = start(move || {
        owner.take(0, 2);
        assert!(sleeps() <= 1, "PIN has slept {} times", sleeps());
    });
    pin.end();
    admin.end();

    region.check_written(0, 2);
    region.finish();
}

/// Reclaim is at it, too. It looks without a lock whether somebody waits, so nothing is said of how often
/// that one sleeps.
pub fn and_reclaim() {
    let region = Region::unpinned(3, 1);
    let (pins, owner) = (region.share(), region.clone());

    let admin = start(move || purge_all(&pins));
    let reclaim = start(|| shrink(2));
    let pin = start(move || owner.take(0, 2));
    pin.end();
    admin.end();
    reclaim.end();

    region.check_written(0, 2);
    region.finish();
}

/// It goes through a region once, whatever is unpinned again behind it.
pub fn ends() {
    let region = Region::unpinned(2, 1);
    let (pins, owner) = (region.share(), region.clone());

    let admin = start(move || purge_all(&pins));
    let user = start(move || {
        for _ in 0..2 {
            owner.take(0, 0);
            owner.check_written(0, 0);
            owner.unpin(0, 0);
        }
    });
    user.end();
    admin.end();
    region.finish();
}
