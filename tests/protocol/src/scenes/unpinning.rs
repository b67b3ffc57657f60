// SPDX-License-Identifier: GPL-2.0

//! UNPIN while reclaim purges: what was lost before is still to be told.

use crate::{explore::start, helpers::memcg::Memcg, pin::lru::shrink, region::Region};

/// A range grows while a part of it is purged.
pub fn more() {
    let region = Region::new(3, 1);
    region.unpin(0, 1);
    let owner = region.clone();

    let reclaim = start(|| shrink(2));
    let unpin = start(move || owner.unpin(1, 2));
    unpin.end();
    reclaim.end();

    region.pin(0, 2);
    region.finish();
}

/// Two ranges become one, while memory is short.
pub fn joins_ranges() {
    let region = Region::with_payer(3, 1, Memcg::poor());
    region.unpin(0, 0);
    region.unpin(2, 2);
    let owner = region.clone();

    let reclaim = start(|| shrink(1));
    let unpin = start(move || owner.unpin(0, 2));
    unpin.end();
    reclaim.end();

    region.pin(0, 2);
    region.finish();
}

/// One task unpins what another one pins. Whichever comes last, nothing is lost unsaid.
pub fn against_pin() {
    let region = Region::unpinned(2, 2);
    let (owner, other) = (region.clone(), region.clone());

    let reclaim = start(|| shrink(2));
    let unpin = start(move || other.unpin(0, 1));
    let pin = start(move || owner.pin_blindly(0, 1));
    let told = pin.end();
    unpin.end();
    reclaim.end();

    if !told {
        region.pin(0, 1);
    }
    region.finish();
}
