// SPDX-License-Identifier: GPL-2.0

//! What is told: comments of the Test Anything Protocol.

use std::{fs, path::Path};

use crate::corpus::{self, Entry};

/// So many lines of programs are printed: a serial port is slow.
const MOST_LINES: usize = 3000;

/// Prints lines that are no results.
pub fn comment(text: &str) {
    for line in text.lines() {
        println!("# {line}");
    }
}

/// Prints the figures.
pub fn figures(figures: &[String]) {
    for figure in figures {
        println!("# figure: {figure}");
    }
}

/// Writes programs into a directory, or prints them where it is `-`. The error is why not.
pub fn keep(out: &Path, entries: &[&Entry]) -> Result<(), String> {
    if out == Path::new("-") {
        let mut lines = 0;
        for entry in entries {
            lines += entry.program.lines.len();
            if lines > MOST_LINES {
                println!("# there are more programs");
                return Ok(());
            }
            for line in entry.program.to_string().lines() {
                println!("# corpus: {} {line}", entry.name);
            }
        }
        return Ok(());
    }
    for entry in entries {
        fs::write(out.join(&entry.name), corpus::file(&entry.program))
            .map_err(|err| format!("{}: {err}", out.display()))?;
    }
    Ok(())
}
