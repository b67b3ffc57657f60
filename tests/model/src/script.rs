// SPDX-License-Identifier: GPL-2.0

//! Programs as text: what a failure prints, and `--replay` reads.
//!
//! One operation a line. Blank lines and those that begin with `#` mean nothing, but for `#>`:
//! an operation follows. So a failure can be cut out of a TAP log as it is.

use crate::op::{Op, ParseError};

/// What a line of a program begins with in a TAP log, where it must be a comment.
const MARK: &str = "#>";

/// A program as lines of a TAP log.
pub fn print(program: &[Op]) -> String {
    let lines: Vec<_> = program.iter().map(|op| format!("{MARK} {op}")).collect();

    lines.join("\n")
}

/// Reads a program, to be run with pages of `page` bytes.
pub fn parse(text: &str, page: u64) -> Result<Vec<Op>, ParseError> {
    let mut program = Vec::new();

    for (n, line) in text.lines().enumerate() {
        let line = line.trim_start();
        let line = line.strip_prefix(MARK).unwrap_or(line).trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }

        let op: Result<Op, _> = line.parse();
        let op = op.and_then(|op| op.check(page).map(|()| op));
        program.push(op.map_err(|error| format!("line {}: {error}", n + 1))?);
    }
    Ok(program)
}
