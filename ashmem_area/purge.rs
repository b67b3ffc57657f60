// SPDX-License-Identifier: GPL-2.0

//! `ASHMEM_PURGE_ALL_CACHES`: purges all that is unpinned, region by region.
//!
//! Not by the lists of [`lru`](crate::pin::lru): behind a list that others keep filling, the next one
//! might never have its turn.

use kernel::{
    prelude::*,
    sync::Arc, //
};

use super::{
    registry::{
        self,
        Turn, //
    },
    task,
    AshmemArea, //
};
use crate::{
    helpers::task::is_killed,
    pin::region::Pins, //
};

/// Purges what is unpinned now; returns how many pages of it had not been purged before.
///
/// Errors: `EPERM` without `CAP_SYS_ADMIN`; `ERESTARTSYS` if a signal comes while another task does
/// the same; `EINTR` if the caller is killed.
pub(crate) fn purge_all() -> Result<usize> {
    if !task::is_admin() {
        return Err(EPERM);
    }
    let turn = Turn::wait()?;

    let mut pages = 0usize;
    registry::for_each(|area| pages = pages.saturating_add(area.purgeable()));
    turn.take_from_each(AshmemArea::share_pins, purge_region)?;
    Ok(pages)
}

/// Purges what is unpinned in a region.
///
/// Once through from its first page to its last: others may go on unpinning behind that, for ever.
fn purge_region(pins: Arc<Pins>) -> Result {
    let mut from = 0;

    while let Some(purged) = pins.purge_from(from) {
        if is_killed() {
            return Err(EINTR);
        }
        from = purged.pages.last() + 1;
    }
    pins.settle();
    Ok(())
}
