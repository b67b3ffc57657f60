// SPDX-License-Identifier: GPL-2.0

//! Stands in for `parcel.rs` of `binder_fd`: to a queue a parcel is just that.

/// A parcel: its number.
pub struct Parcel(pub usize);
