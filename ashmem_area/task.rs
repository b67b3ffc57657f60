// SPDX-License-Identifier: GPL-2.0

//! What the driver asks about the calling task.
//!
//! C headers: `include/linux/personality.h`, `include/linux/capability.h`

use kernel::{
    bindings,
    current,
    prelude::*, //
};

/// Whether mmap makes each readable mapping of the caller executable: the personality
/// `READ_IMPLIES_EXEC`.
pub(crate) fn read_implies_exec() -> bool {
    // SAFETY: The current task outlives this call, and only it changes its personality.
    let personality = unsafe { (*current!().as_ptr()).personality };

    personality & bindings::READ_IMPLIES_EXEC != 0
}

/// Whether the caller has `CAP_SYS_ADMIN` in the initial user namespace: `capable()`.
pub(crate) fn is_admin() -> bool {
    // SAFETY: It may be called by any task.
    unsafe { bindings::capable(bindings::CAP_SYS_ADMIN as c_int) }
}

/// The process id of the caller, in the initial namespace: `task_tgid_nr()`.
pub(crate) fn process_id() -> i32 {
    // SAFETY: The current task outlives this call, and its process id never changes.
    unsafe { (*current!().as_ptr()).tgid }
}
