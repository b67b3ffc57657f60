// SPDX-License-Identifier: GPL-2.0

//! Bytes of any encoding in a seq_file.
//!
//! C header: `include/linux/seq_file.h`

use kernel::{
    bindings,
    prelude::*,
    seq_file::SeqFile, //
};

/// `ESCAPE_OCTAL` of `include/linux/string_helpers.h`.
const ESCAPE_OCTAL: c_uint = 1 << 3;

/// Writes `bytes` with each newline as `\012`, as `/proc/<pid>/maps` writes a path:
/// `seq_escape_mem()`.
pub(crate) fn write_escaped(m: &SeqFile, bytes: &[u8]) {
    let m = core::ptr::from_ref(m)
        .cast_mut()
        .cast::<bindings::seq_file>();

    // SAFETY: `SeqFile` is a transparent wrapper of `struct seq_file` that allows changes through a
    // shared reference, and this is the only thread that uses it. The bytes and the string are valid.
    unsafe {
        bindings::seq_escape_mem(
            m,
            bytes.as_ptr().cast(),
            bytes.len(),
            ESCAPE_OCTAL,
            c"\n".as_char_ptr(),
        )
    };
}
