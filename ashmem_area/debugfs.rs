// SPDX-License-Identifier: GPL-2.0

//! `ashmem/` in debugfs: what there is, and what has been purged.

use kernel::{
    seq_file::SeqFile,
    seq_print,
    sync::atomic::Relaxed, //
};

use super::{
    name::NameCopy,
    registry,
    seq, //
};
use crate::{
    helpers::{
        debugfs::{
            file_operations,
            Dir,
            Show, //
        },
        fops::FileOperations, //
    },
    pin::{
        region::{
            PURGED_PAGES,
            PURGED_RANGES, //
        },
        shrinker::SCANS, //
    }, //
};

/// The file operations of `totals`.
static TOTALS: FileOperations = file_operations::<Totals>();
/// The file operations of `areas`.
static AREAS: FileOperations = file_operations::<Areas>();

/// Makes the directory and its files.
pub(crate) fn create() -> Dir {
    let dir = Dir::new(c"ashmem");

    dir.add(c"totals", &TOTALS);
    dir.add(c"areas", &AREAS);
    dir
}

/// `totals`: a line for each figure.
struct Totals;

impl Show for Totals {
    fn show(m: &SeqFile) {
        let mut areas = 0usize;
        let mut mapped = 0usize;
        let mut unpinned = 0usize;
        registry::for_each(|area| {
            areas += 1;
            mapped += usize::from(area.is_mapped());
            unpinned = unpinned.saturating_add(area.unpinned());
        });

        seq_print!(m, "areas: {}\n", areas);
        seq_print!(m, "mapped: {}\n", mapped);
        seq_print!(m, "unpinned_pages: {}\n", unpinned);
        seq_print!(m, "purged_pages: {}\n", PURGED_PAGES.load(Relaxed));
        seq_print!(m, "purged_ranges: {}\n", PURGED_RANGES.load(Relaxed));
        seq_print!(m, "shrinker_calls: {}\n", SCANS.load(Relaxed));
    }
}

/// `areas`: a line for each region, below a head line. Before the first mmap has come to its end, name and size are a
/// question mark while somebody else looks at them or changes them.
struct Areas;

impl Show for Areas {
    fn show(m: &SeqFile) {
        seq_print!(m, "size\tpid\tunpinned\tname\n");
        registry::for_each(|area| {
            // Nobody opens or closes a region meanwhile: no lock under which memory is waited for is waited for here.
            let Some((name, size)) = area.try_name_and_size() else {
                seq_print!(m, "?\t{}\t{}\t?\n", area.opener, area.unpinned());
                return;
            };
            seq_print!(m, "{}\t{}\t{}\t", size, area.opener, area.unpinned());
            let name = name.unwrap_or_else(|| NameCopy::new(None));
            seq::write_column(m, name.without_nul());
            seq_print!(m, "\n");
        });
    }
}
