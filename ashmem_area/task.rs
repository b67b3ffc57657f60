// SPDX-License-Identifier: GPL-2.0

//! What the driver asks about the calling task.
//!
//! C header: `include/linux/personality.h`

use kernel::{
    bindings,
    current, //
};

/// Whether mmap makes each readable mapping of the caller executable: the personality
/// `READ_IMPLIES_EXEC`.
pub(crate) fn read_implies_exec() -> bool {
    // SAFETY: The current task outlives this call, and only it changes its personality.
    let personality = unsafe { (*current!().as_ptr()).personality };

    personality & bindings::READ_IMPLIES_EXEC != 0
}
