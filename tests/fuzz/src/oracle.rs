// SPDX-License-Identifier: GPL-2.0

//! What must be so after each program that has unpinned anything, whatever else it did.
//!
//! Few things, and cheap ones: a model of the device is in `tests/model`.

use crate::exec::Actor;

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub enum Complaint {
    /// fdinfo and `ASHMEM_GET_PIN_STATUS` do not agree whether anything is unpinned.
    Status = 1,
    /// Pages are unpinned after all were pinned.
    StillUnpinned = 2,
    /// What was written into a pinned page was lost when all unpinned ones were purged.
    Lost = 3,
}

impl Complaint {
    /// The complaint with that number.
    pub fn text(number: u64) -> Option<&'static str> {
        Some(match number {
            0 => return None,
            1 => "fdinfo and ASHMEM_GET_PIN_STATUS disagree",
            2 => "pages are unpinned after ASHMEM_PIN of all",
            _ => "a pinned page has lost its content",
        })
    }
}

/// The numbers of the file descriptors that are looked at.
const FDS: u64 = 4;
/// What is written.
const PATTERN: u64 = 0x5eed_000f_00c0_ffee;

/// Looks at the regions that the process has.
pub fn look(hands: &mut Actor<'_>) -> Result<(), Complaint> {
    for fd in 0..FDS {
        // [`None`]: it is no region, or not mapped yet.
        let Some(unpinned) = hands.unpinned_pages(fd) else {
            continue;
        };
        check(
            hands.is_all_pinned(fd) == Ok(unpinned == 0),
            Complaint::Status,
        )?;
        if hands.pin_all(fd).is_err() {
            continue;
        }
        let is_pinned = hands.is_all_pinned(fd) == Ok(true) && hands.unpinned_pages(fd) == Some(0);
        check(is_pinned, Complaint::StillUnpinned)?;
        if unpinned != 0 && hands.write_first_word(fd, PATTERN).is_ok() {
            hands.purge_all(fd);
            check(hands.read_first_word() == Ok(PATTERN), Complaint::Lost)?;
        }
    }
    Ok(())
}

/// Complains unless something is so.
fn check(is_so: bool, complaint: Complaint) -> Result<(), Complaint> {
    if is_so {
        return Ok(());
    }
    Err(complaint)
}
