// SPDX-License-Identifier: GPL-2.0

//! Bytes of any encoding in a seq_file.
//!
//! C header: `include/linux/seq_file.h`

use kernel::{
    bindings,
    prelude::*,
    seq_file::SeqFile, //
};

/// `ESCAPE_OCTAL` of `include/linux/string_helpers.h`: as `\ooo`.
const ESCAPE_OCTAL: c_uint = 1 << 3;
/// `ESCAPE_NAP`: what is not printable ASCII.
const ESCAPE_NAP: c_uint = 1 << 7;
/// `ESCAPE_APPEND`: further characters, too.
const ESCAPE_APPEND: c_uint = 1 << 8;

/// Writes `bytes` with each newline as `\012`, as `/proc/<pid>/maps` writes a path.
pub(crate) fn write_escaped(m: &SeqFile, bytes: &[u8]) {
    write(m, bytes, ESCAPE_OCTAL, c"\n");
}

/// Writes `bytes` with all but printable ASCII, and backslashes, in octal: so that columns and lines
/// are what they seem.
pub(crate) fn write_column(m: &SeqFile, bytes: &[u8]) {
    write(m, bytes, ESCAPE_OCTAL | ESCAPE_NAP | ESCAPE_APPEND, c"\\");
}

/// Writes `bytes` with some of them escaped: `seq_escape_mem()`.
fn write(m: &SeqFile, bytes: &[u8], flags: c_uint, escaped: &CStr) {
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
            flags,
            escaped.as_char_ptr(),
        )
    };
}
