// SPDX-License-Identifier: GPL-2.0

//! How many objects the kernel has that are charged to who asks for them: all of `binder_fd`'s are.

use std::fs;

use crate::process::because;

/// What the names of their caches begin with.
const CACHES: &str = "kmalloc-cg-";

/// How many there are.
pub fn charged() -> Result<usize, String> {
    for (cache, _) in caches()? {
        // What is kept at hand counts, too, until it is given back.
        let shrink = format!("/sys/kernel/slab/{cache}/shrink");
        fs::write(&shrink, "1").map_err(because(&shrink))?;
    }
    Ok(caches()?.iter().map(|(_, objects)| objects).sum())
}

/// The caches, and how many objects each has.
fn caches() -> Result<Vec<(String, usize)>, String> {
    const PATH: &str = "/proc/slabinfo";
    let text = fs::read_to_string(PATH).map_err(because(PATH))?;
    let caches: Vec<_> = text.lines().filter_map(cache).collect();
    if caches.is_empty() {
        return Err(format!("there is no {CACHES} in {PATH}"));
    }
    Ok(caches)
}

/// The name of a cache, and how many objects it has, from its line, if it is one of them.
fn cache(line: &str) -> Option<(String, usize)> {
    let mut words = line.split_whitespace();
    let name = words.next().filter(|name| name.starts_with(CACHES))?;
    Some((name.to_owned(), words.next()?.parse().ok()?))
}
