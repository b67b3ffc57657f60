// SPDX-License-Identifier: GPL-2.0

//! Takes what is checked out of the module's `ashmem_area.rs`, word for word.
//!
//! The whole file needs half of the kernel crate. What its threads meet at are the structures and the
//! functions below, and those need little. A build ends with an error when one of them is not there any
//! more.

use std::{env, fs, path::PathBuf};

/// Where they are.
const SOURCE: &str = "../../ashmem_area.rs";

/// What is not of an area, by what its first line begins with.
const ITEMS: &[&str] = &[
    "const NOT_PURGED:",
    "const WAS_PURGED:",
    "struct Draft {",
    "impl Draft {",
    "struct Frozen {",
    "impl Frozen {",
    "fn copy_of(",
    "fn check_length(",
];

/// What is of an area.
const METHODS: &[&str] = &[
    "fn read<",
    "fn change(",
    "fn size(",
    "fn prot_mask(",
    "fn set_name(",
    "fn set_size(",
    "fn set_prot_mask(",
    "fn pin_range(",
    "fn pin(",
    "fn unpin(",
    "fn make_pins(",
    "fn name_and_size(",
    "fn try_name_and_size(",
    "fn restrict(",
    "fn map_again(",
    "fn make_namesake<",
    "fn trace_mmap(",
    "fn mmap(",
];

fn main() {
    println!("cargo::rerun-if-changed={SOURCE}");
    let source = fs::read_to_string(SOURCE).unwrap_or_else(|error| panic!("{SOURCE}: {error}"));
    let lines: Vec<&str> = source.lines().collect();

    let take = |starts: &[&str], indentation| {
        let items = starts.iter().map(|start| item(&lines, start, indentation));
        items.collect::<String>()
    };
    let text = format!(
        "{}impl AshmemArea {{\n{}}}\n",
        take(ITEMS, ""),
        take(METHODS, "    ")
    );

    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it"));
    fs::write(out.join("area.rs"), text).expect("the output directory can be written to");
}

/// The item that begins with `start`: one line, or all to the brace that closes it.
fn item(lines: &[&str], start: &str, indentation: &str) -> String {
    let first_line = format!("{indentation}{start}");
    let first = lines.iter().position(|line| line.starts_with(&first_line));
    let first = first.unwrap_or_else(|| panic!("{SOURCE}: there is no {start}"));
    if lines[first].ends_with(';') {
        return format!("{}\n", lines[first]);
    }

    let last_line = format!("{indentation}}}");
    let length = lines[first..].iter().position(|line| *line == last_line);
    let length = length.unwrap_or_else(|| panic!("{SOURCE}: {start} has no end"));
    lines[first..=first + length].join("\n") + "\n"
}
