// SPDX-License-Identifier: GPL-2.0

//! What a `struct ashmem_pin` means, against a calculation that nothing can overflow in.

use std::cell::Cell;

use proptest::{
    prelude::*,
    sample::select,
    test_runner::{Config, TestRunner},
};

use crate::{pin::PageRange, random::rng};

/// The sizes of a page: 4, 16 and 64 KiB.
const SHIFTS: [u32; 3] = [12, 14, 16];

/// How many random cases there are.
const CASES: u32 = 200_000;

/// The first and the last page of the range, as the ABI has it.
///
/// A region whose size, rounded up to pages, is not a size any more cannot be mapped: no range of it
/// means anything.
fn reference(offset: u32, len: u32, size: usize, page_shift: u32) -> Option<(usize, usize)> {
    let page = 1i128 << page_shift;
    let (offset, len, size) = (i128::from(offset), i128::from(len), size as i128);
    let aligned = (size + page - 1) / page * page;
    let end = if len == 0 { aligned } else { offset + len };

    let is_valid = offset % page == 0
        && len % page == 0
        && offset + len <= i128::from(u32::MAX)
        && end <= aligned
        && offset < end
        && aligned <= usize::MAX as i128;
    is_valid.then(|| ((offset / page) as usize, (end / page - 1) as usize))
}

/// Compares a case. What is returned says whether there is a range.
fn compare(offset: u32, len: u32, size: usize, page_shift: u32) -> Result<bool, String> {
    let expected = reference(offset, len, size, page_shift);
    let actual = PageRange::from_user(offset, len, size, page_shift);
    let bounds = actual.map(|range| (range.first(), range.last()));
    let pages = actual.map(PageRange::pages);

    if bounds != expected || pages != expected.map(|(first, last)| last - first + 1) {
        return Err(format!(
            "from_user({offset:#x}, {len:#x}, {size:#x}, {page_shift}): {bounds:?} of {pages:?} pages, \
             but should be {expected:?}"
        ));
    }
    Ok(actual.is_some())
}

/// A range has at least one page.
pub fn not_empty(_seed: u64) -> Result<String, String> {
    let numbers = [0, 1, 2, 3, usize::MAX - 1, usize::MAX];

    for first in numbers {
        for last in numbers {
            let bounds = PageRange::new(first, last).map(|range| (range.first(), range.last()));
            let expected = (first <= last).then_some((first, last));
            if bounds != expected {
                return Err(format!(
                    "new({first}, {last}): {bounds:?}, but should be {expected:?}"
                ));
            }
        }
    }
    Ok(String::new())
}

/// Every combination of what is near a boundary.
pub fn boundaries(_seed: u64) -> Result<String, String> {
    let (mut valid, mut invalid) = (0, 0);

    for page_shift in SHIFTS {
        let words = boundaries_of(page_shift, &[u64::from(u32::MAX) + 1]);
        let sizes = boundaries_of(page_shift, &[1 << 32, 1 << 33, 1 << 63]);

        for &offset in &words {
            for &len in &words {
                let (Ok(offset), Ok(len)) = (u32::try_from(offset), u32::try_from(len)) else {
                    continue;
                };
                for &size in &sizes {
                    match compare(offset, len, size as usize, page_shift)? {
                        true => valid += 1,
                        false => invalid += 1,
                    }
                }
            }
        }
    }
    // A page that is larger than all memory.
    for page_shift in [usize::BITS, u32::MAX] {
        if let Some(range) = PageRange::from_user(0, 0, 1, page_shift) {
            return Err(format!("pages of 1 << {page_shift} bytes: {range:?}"));
        }
    }
    counted(valid, invalid)
}

/// Numbers near 0, near multiples of the page size, near `edges`, and near the largest one.
fn boundaries_of(page_shift: u32, edges: &[u64]) -> Vec<u64> {
    let page = 1u64 << page_shift;
    let centres = [0, page / 2, page, 2 * page, 3 * page, 1 << 31];
    let distances = [0, 1, 2, page - 1, page, page + 1, 2 * page];
    let mut numbers: Vec<_> = centres
        .iter()
        .chain(edges)
        .flat_map(|&centre| {
            // Around 0, this also has the largest ones.
            distances.map(|distance| [centre.wrapping_add(distance), centre.wrapping_sub(distance)])
        })
        .flatten()
        .collect();

    numbers.sort_unstable();
    numbers.dedup();
    numbers
}

/// Random cases, most of them aligned and small enough to mean something.
pub fn random(seed: u64) -> Result<String, String> {
    let word = || {
        prop_oneof![
            4 => (0..64u32, 0..17u32).prop_map(|(number, shift)| number << shift),
            2 => (any::<u32>(), select(&SHIFTS[..])).prop_map(|(word, shift)| word >> shift << shift),
            1 => any::<u32>(),
            1 => Just(0),
        ]
    };
    let size = prop_oneof![
        4 => 0..1usize << 24,
        2 => any::<u32>().prop_map(|size| size as usize),
        2 => any::<usize>(),
        1 => (0..1usize << 17).prop_map(|below| usize::MAX - below),
    ];
    let config = Config {
        cases: CASES,
        failure_persistence: None,
        ..Config::default()
    };
    let cases = (word(), word(), size, select(&SHIFTS[..]));
    let valid = Cell::new(0);
    let result =
        TestRunner::new_with_rng(config, rng(seed)).run(&cases, |(offset, len, size, shift)| {
            let is_valid = compare(offset, len, size, shift).map_err(TestCaseError::fail)?;
            valid.set(valid.get() + u32::from(is_valid));
            Ok(())
        });

    result.map_err(|error| error.to_string())?;
    counted(valid.get(), CASES - valid.get())
}

/// How many cases of both kinds there were: without either, nothing is shown.
fn counted(valid: u32, invalid: u32) -> Result<String, String> {
    if valid == 0 || invalid == 0 {
        return Err(format!(
            "{valid} ranges, {invalid} that are none: a kind is missing"
        ));
    }
    Ok(format!("{valid} ranges, {invalid} that are none"))
}
