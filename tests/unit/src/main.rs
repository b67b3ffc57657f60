// SPDX-License-Identifier: GPL-2.0

//! Runs the pure parts of the module on the host, and compares them with models.
//!
//! | module | holds |
//! |---|---|
//! | [`pin`] | the module's own file, over the kernel's own red-black tree |
//! | [`model`] | what it must do, page by page |
//! | [`op`], [`subject`], [`order`] | operations, and the means to carry them out |
//! | [`exhaustive`], [`random`] | comparisons of all states, and of long sequences |
//! | [`many`], [`spares`] | very many ranges; memory that goes round |
//! | [`space`], [`space_test`] | the space in a binder buffer: the module's own file, and its model |
//! | [`queue`], [`queue_test`] | what waits for a binder thread: the module's own file, and its model |
//! | [`parcel`] | stands in for what is queued |
//! | [`user_range`] | what a `struct ashmem_pin` means |
//! | [`tap`] | the report |
//!
//! It prints KTAP. `--seed N` runs the random tests again as they were.

mod exhaustive;
mod many;
mod model;
mod op;
mod order;
mod parcel;
// It is formatted with the module; rustfmt looks for the files of what is left out here.
#[rustfmt::skip]
#[path = "../../../pin.rs"]
mod pin;
#[rustfmt::skip]
#[path = "../../../binder_fd/queue.rs"]
mod queue;
mod queue_test;
mod random;
#[rustfmt::skip]
#[path = "../../../binder_fd/buffer/space.rs"]
mod space;
mod space_test;
mod spares;
mod subject;
mod tap;
mod user_range;

use std::{
    process::ExitCode,
    time::{SystemTime, UNIX_EPOCH},
};

use exhaustive::Bounds;
use tap::Test;

/// The tests.
const TESTS: &[Test] = &[
    ("a_range_is_not_empty", user_range::not_empty),
    ("user_ranges_at_boundaries", user_range::boundaries),
    ("user_ranges_at_random", user_range::random),
    ("one_spare_is_enough", spares::one_is_enough),
    ("every_state_of_4_pages_with_3_purges", |_| {
        exhaustive::run(Bounds {
            pages: 4,
            punches: 3,
        })
    }),
    ("every_state_of_6_pages", |_| {
        exhaustive::run(Bounds {
            pages: 6,
            punches: 1,
        })
    }),
    ("random_sequences", random::run),
    ("ranges_side_by_side", many::side_by_side),
    ("many_ranges_one_by_one", many::one_by_one),
    ("unpinned_over_and_over", many::unpinned_over_and_over),
    ("many_ranges_at_once", many::at_once),
    ("space_at_random", space_test::random),
    ("space_in_any_order", space_test::any_order),
    ("queue_at_random", queue_test::random),
];

fn main() -> ExitCode {
    match seed(std::env::args().skip(1)) {
        Ok(seed) if tap::run(TESTS, seed) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(message) => {
            println!("Bail out! {message}");
            ExitCode::FAILURE
        }
    }
}

/// The seed: the one of the command line, or another one each time.
fn seed(mut args: impl Iterator<Item = String>) -> Result<u64, String> {
    let Some(arg) = args.next() else {
        let clock = SystemTime::now().duration_since(UNIX_EPOCH);
        return Ok(clock.map_or(0, |time| time.as_nanos() as u64));
    };
    let value = args.next();
    match (arg.as_str(), value.as_deref().map(str::parse), args.next()) {
        ("--seed", Some(Ok(seed)), None) => Ok(seed),
        _ => Err(format!(
            "usage: ashmem_unit [--seed N], not {arg} {value:?}"
        )),
    }
}
