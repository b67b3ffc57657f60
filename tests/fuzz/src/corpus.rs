// SPDX-License-Identifier: GPL-2.0

//! The programs that are worth keeping.

use std::{fs, io, path::Path};

use crate::{program::Program, rng::mix, shared::STABLE_WORDS};

/// A program with what it reaches.
pub struct Entry {
    /// The name of its file.
    pub name: String,
    /// The program.
    pub program: Program,
    /// The places and outcomes that it reaches, as bits.
    pub reaches: Vec<u64>,
}

/// Bits that were seen.
#[derive(Clone)]
pub struct Seen(Vec<u64>);

impl Seen {
    /// None.
    pub fn new(words: usize) -> Self {
        Self(vec![0; words])
    }

    /// Those of `signal` that are new.
    pub fn new_in(&self, signal: &[u64]) -> Vec<u64> {
        self.0
            .iter()
            .zip(signal)
            .map(|(seen, new)| new & !seen)
            .collect()
    }

    /// Adds those of `signal`.
    pub fn add(&mut self, signal: &[u64]) {
        for (seen, new) in self.0.iter_mut().zip(signal) {
            *seen |= new;
        }
    }

    /// How many there are in `words`.
    pub fn count(&self, words: std::ops::Range<usize>) -> usize {
        count(&self.0[words])
    }
}

/// How many bits there are.
pub fn count(words: &[u64]) -> usize {
    words.iter().map(|word| word.count_ones() as usize).sum()
}

/// Whether all bits of `part` are in `whole`.
pub fn contains(whole: &[u64], part: &[u64]) -> bool {
    part.iter()
        .zip(whole)
        .all(|(part, whole)| part & !whole == 0)
}

/// Reads all programs of a directory, in the order of their names.
pub fn load(dir: &Path) -> io::Result<Vec<(String, Program)>> {
    let mut files: Vec<_> = fs::read_dir(dir)?.collect::<Result<_, _>>()?;
    files.sort_by_key(|file| file.file_name());
    files
        .iter()
        .map(|file| file.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "txt"))
        .map(|path| {
            let name = path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            let program = Program::parse(&fs::read_to_string(&path)?)
                .map_err(|err| io::Error::other(format!("{name}: {err}")))?;
            Ok((name, program))
        })
        .collect()
}

/// The name of the file of a program that was found.
pub fn name(program: &Program) -> String {
    let bytes = program.to_string().into_bytes();
    let hash = bytes
        .iter()
        .fold(0, |hash, &byte| mix(hash ^ u64::from(byte)));
    format!("found-{:08x}.txt", hash as u32)
}

/// The text of a file with a program.
pub fn file(program: &Program) -> String {
    format!("# SPDX-License-Identifier: GPL-2.0\n{program}")
}

/// Of `found`, those that are needed to reach what all of them reach and `known` does not: first
/// the one that adds most.
pub fn select<'a>(known: &Seen, found: &'a [Entry]) -> Vec<&'a Entry> {
    let mut seen = known.clone();
    let mut left: Vec<&Entry> = found.iter().collect();
    let mut selected = Vec::new();
    loop {
        let adds = |entry: &Entry| count(&seen.new_in(&entry.reaches[..STABLE_WORDS]));
        let Some((most, best)) = left
            .iter()
            .enumerate()
            .map(|(at, entry)| (adds(entry), at))
            .max_by_key(|&(adds, at)| (adds, std::cmp::Reverse(at)))
        else {
            return selected;
        };
        if most == 0 {
            return selected;
        }
        let entry = left.remove(best);
        seen.add(&entry.reaches);
        selected.push(entry);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str, bits: u64) -> Entry {
        let mut reaches = vec![0; STABLE_WORDS];
        reaches[0] = bits;
        Entry {
            name: name.to_owned(),
            program: Program::default(),
            reaches,
        }
    }

    #[test]
    fn only_what_adds_is_selected() {
        let mut known = Seen::new(STABLE_WORDS);
        known.add(&entry("", 1).reaches);
        let found = [
            entry("small", 0b0110),
            entry("nothing", 0b0001),
            entry("large", 0b1_1110),
            entry("other", 0b10_0000),
        ];
        let names: Vec<_> = select(&known, &found)
            .iter()
            .map(|entry| &entry.name)
            .collect();
        assert_eq!(vec!["large", "other"], names);
    }

    #[test]
    fn files_read_back() {
        let program = Program::parse("a0 open_ashmem flags=RDWR\n").unwrap();
        assert_eq!(Ok(&program), Program::parse(&file(&program)).as_ref());
        assert_eq!(name(&program), name(&program.clone()));
        assert_ne!(name(&program), name(&Program::default()));
    }

    #[test]
    fn the_corpus_of_this_directory_is_one() {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
        assert!(!load(&dir).unwrap().is_empty());
    }
}
