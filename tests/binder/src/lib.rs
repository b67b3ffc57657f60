// SPDX-License-Identifier: GPL-2.0

//! A small client of binder: what it takes to pass file descriptors, on any binder there is.
//!
//! [`Binder`] is an open device with its mapping, [`Parcel`] what is sent, [`Return`] what is read.
//! Nothing is hidden: each command is written, and each return read, by who tests them.

mod device;
mod parcel;
/// The kernel's own definitions.
#[allow(
    missing_docs,
    non_camel_case_types,
    non_snake_case,
    non_upper_case_globals,
    unsafe_op_in_unsafe_fn,
    clippy::all,
    clippy::undocumented_unsafe_blocks,
    dead_code
)]
pub mod uapi {
    include!(concat!(env!("OUT_DIR"), "/uapi.rs"));
}

pub use device::{Binder, Errno, Return, WriteRead};
pub use parcel::{command, Parcel, TransactionData};
