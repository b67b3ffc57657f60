// SPDX-License-Identifier: GPL-2.0

//! What an operation leads to: the driver's answer and the model's have the same form.

use std::fmt;

use rustix::io::Errno;

/// What a system call returned, or why it failed.
pub type Answer<T> = Result<T, Errno>;

/// Eight bytes that are not all zero, and where they are.
pub type Word = (u64, u64);

/// What came of an operation.
#[derive(Clone, PartialEq, Eq)]
pub enum Outcome {
    /// A system call returned a number, or an error.
    Number(Answer<i64>),
    /// A system call returned bytes, or an error.
    Bytes(Answer<Vec<u8>>),
    /// A load returned eight bytes, or there was a signal.
    Loaded(Result<u64, Signal>),
    /// A store was done, or there was a signal.
    Stored(Result<(), Signal>),
    /// What the worker sees.
    Seen(View),
}

/// A signal that an access to memory may lead to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// `SIGSEGV`: nothing is mapped there, or the protection forbids it.
    Segv,
    /// `SIGBUS`: there is a mapping, but the region ends before it.
    Bus,
}

/// What can be asked about a region through a descriptor.
#[derive(Clone, PartialEq, Eq)]
pub struct Attributes {
    /// `ASHMEM_GET_SIZE`.
    pub size: Answer<i64>,
    /// `ASHMEM_GET_NAME`: the bytes that it wrote, the NUL included.
    pub name: Answer<Vec<u8>>,
    /// `ASHMEM_GET_PROT_MASK`.
    pub mask: Answer<i64>,
    /// `ASHMEM_GET_FILE_ID`.
    pub file_id: Answer<u64>,
    /// The file position.
    pub position: Answer<i64>,
}

/// What a worker sees on one descriptor.
#[derive(Clone, PartialEq, Eq)]
pub struct Descriptor {
    /// What can be asked about the region.
    pub attributes: Attributes,
    /// The lines that the driver adds to `/proc/self/fdinfo`.
    pub fdinfo: Vec<u8>,
    /// The content of the region, by `pread`.
    pub content: Answer<Vec<Word>>,
}

/// What a worker sees of one page of its arena in `/proc/self/maps`.
#[derive(Clone, PartialEq, Eq)]
pub struct Mapped {
    /// The permissions, such as `rw-s`.
    pub perms: Vec<u8>,
    /// The page of the region, for a shared mapping.
    pub page: Option<u64>,
    /// The inode.
    pub inode: u64,
    /// The path.
    pub path: Vec<u8>,
}

/// Everything that a worker sees.
#[derive(Clone, PartialEq, Eq)]
pub struct View {
    /// For each place: the descriptor, if there is one.
    pub fds: Vec<Option<Descriptor>>,
    /// For each page of the arena: what is in it, if it can be read.
    pub cells: Vec<Option<Vec<Word>>>,
    /// For each page of the arena: its line in `/proc/self/maps`, if it is mapped.
    pub maps: Vec<Option<Mapped>>,
}

/// What a worker reports after an operation.
#[derive(Clone, PartialEq, Eq)]
pub struct Report {
    /// What came of it.
    pub outcome: Outcome,
    /// What the descriptor that was used shows now.
    pub attributes: Option<Attributes>,
}

impl Outcome {
    /// Whether the operation did what it was asked to do.
    pub fn is_success(&self) -> bool {
        match self {
            Self::Number(answer) => answer.is_ok(),
            Self::Bytes(answer) => answer.is_ok(),
            Self::Loaded(result) => result.is_ok(),
            Self::Stored(result) => result.is_ok(),
            Self::Seen(_) => true,
        }
    }
}

/// Says where two values differ: only the parts that do.
pub trait Differ {
    /// Adds a line for each difference to `lines`; `path` is what to call this value.
    fn differ(&self, driver: &Self, path: &str, lines: &mut Vec<String>);
}

impl Differ for Report {
    fn differ(&self, driver: &Self, path: &str, lines: &mut Vec<String>) {
        match (&self.outcome, &driver.outcome) {
            (Outcome::Seen(model), Outcome::Seen(driver)) => model.differ(driver, path, lines),
            (model, driver) => leaf(model, driver, &format!("{path}result"), lines),
        }
        option(&self.attributes, &driver.attributes, path, lines);
    }
}

impl Differ for Attributes {
    fn differ(&self, driver: &Self, path: &str, lines: &mut Vec<String>) {
        leaf(&self.size, &driver.size, &format!("{path}size"), lines);
        leaf(
            &Text(&self.name),
            &Text(&driver.name),
            &format!("{path}name"),
            lines,
        );
        leaf(&self.mask, &driver.mask, &format!("{path}mask"), lines);
        leaf(
            &self.file_id,
            &driver.file_id,
            &format!("{path}file id"),
            lines,
        );
        leaf(
            &self.position,
            &driver.position,
            &format!("{path}position"),
            lines,
        );
    }
}

impl Differ for Descriptor {
    fn differ(&self, driver: &Self, path: &str, lines: &mut Vec<String>) {
        self.attributes.differ(&driver.attributes, path, lines);
        leaf(
            &Line(&self.fdinfo),
            &Line(&driver.fdinfo),
            &format!("{path}fdinfo"),
            lines,
        );
        leaf(
            &self.content,
            &driver.content,
            &format!("{path}content"),
            lines,
        );
    }
}

impl Differ for Mapped {
    fn differ(&self, driver: &Self, path: &str, lines: &mut Vec<String>) {
        leaf(
            &Line(&self.perms),
            &Line(&driver.perms),
            &format!("{path}permissions"),
            lines,
        );
        leaf(
            &self.page,
            &driver.page,
            &format!("{path}offset in pages"),
            lines,
        );
        leaf(&self.inode, &driver.inode, &format!("{path}inode"), lines);
        leaf(
            &Line(&self.path),
            &Line(&driver.path),
            &format!("{path}path"),
            lines,
        );
    }
}

impl Differ for View {
    fn differ(&self, driver: &Self, path: &str, lines: &mut Vec<String>) {
        for (n, (model, driver)) in self.fds.iter().zip(&driver.fds).enumerate() {
            option(model, driver, &format!("{path}fd {n}: "), lines);
        }
        for (n, (model, driver)) in self.cells.iter().zip(&driver.cells).enumerate() {
            leaf(model, driver, &format!("{path}page {n}: words"), lines);
        }
        for (n, (model, driver)) in self.maps.iter().zip(&driver.maps).enumerate() {
            option(model, driver, &format!("{path}page {n} in maps: "), lines);
        }
    }
}

/// Compares two values that are there or not.
fn option<T: Differ>(model: &Option<T>, driver: &Option<T>, path: &str, lines: &mut Vec<String>) {
    match (model, driver) {
        (Some(model), Some(driver)) => model.differ(driver, path, lines),
        (None, None) => {}
        (model, _) => {
            let there = |is: bool| if is { "something" } else { "nothing" };
            let (model, driver) = (there(model.is_some()), there(model.is_none()));
            lines.push(format!("{path}the model has {model}, the driver {driver}"));
        }
    }
}

/// Compares two values that are printed whole.
fn leaf<T: PartialEq + fmt::Debug>(model: &T, driver: &T, path: &str, lines: &mut Vec<String>) {
    if model != driver {
        lines.push(format!(
            "{path}: the model says {model:x?}, the driver {driver:x?}"
        ));
    }
}

/// An answer that is printed as text.
#[derive(PartialEq)]
struct Text<'a>(&'a Answer<Vec<u8>>);

impl fmt::Debug for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Ok(bytes) => write!(f, "{:?}", Line(bytes)),
            Err(errno) => write!(f, "{errno:?}"),
        }
    }
}

/// Bytes that are printed as text.
#[derive(PartialEq)]
struct Line<'a>(&'a [u8]);

impl fmt::Debug for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0.escape_ascii())
    }
}

impl fmt::Debug for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(Ok(number)) => write!(f, "{number}"),
            Self::Bytes(Ok(bytes)) => write!(f, "{} bytes {bytes:x?}", bytes.len()),
            Self::Loaded(Ok(word)) => write!(f, "{word:#x}"),
            Self::Stored(Ok(())) => f.write_str("stored"),
            Self::Number(Err(errno)) | Self::Bytes(Err(errno)) => write!(f, "{errno:?}"),
            Self::Loaded(Err(signal)) | Self::Stored(Err(signal)) => write!(f, "{signal:?}"),
            Self::Seen(_) => f.write_str("a view"),
        }
    }
}
