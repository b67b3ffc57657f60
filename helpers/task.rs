// SPDX-License-Identifier: GPL-2.0

//! What both drivers ask about the calling task.
//!
//! C header: `include/linux/sched/signal.h`

use kernel::{
    bindings,
    current, //
};

/// Whether the caller has been killed: `fatal_signal_pending()`.
pub(crate) fn is_killed() -> bool {
    let task = current!();
    let killed = 1 << (bindings::SIGKILL - 1);

    if !task.signal_pending() {
        return false;
    }
    // SAFETY: The current task outlives this call; another one may set the bit at any time.
    let pending = unsafe { (&raw const (*task.as_ptr()).pending.signal.sig[0]).read_volatile() };
    pending & killed != 0
}
