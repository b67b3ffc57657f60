// SPDX-License-Identifier: GPL-2.0

//! What is on its way to a receiver.

use kernel::{
    sync::Arc,
    task::Kuid, //
};

use super::{
    buffer::Allocation,
    context::Node,
    files::FilesInTransit,
    thread::Thread, //
};

/// A transaction whose sender waits for the reply.
///
/// Both ends have it: who waits, and who has to answer.
pub(crate) struct Call {
    /// Who waits.
    pub(crate) from: Arc<Thread>,
    /// Whether the reply may have file descriptors in it.
    pub(crate) accepts_fds: bool,
}

/// What kind of parcel it is.
#[derive(Clone)]
pub(crate) enum Kind {
    /// A transaction to the context manager; the sender waits.
    Call(Arc<Call>, Node),
    /// A transaction to the context manager; nobody waits.
    OneWay(Node),
    /// A reply.
    Reply,
}

impl Kind {
    /// Whether it is a transaction that nobody waits for.
    pub(crate) fn is_one_way(&self) -> bool {
        matches!(self, Self::OneWay(_))
    }
}

/// A parcel: data in the receiver's buffer, and what comes with it.
///
/// Who drops one that was not delivered has to tell who waits for it: `Process::undo`.
pub(crate) struct Parcel {
    /// What kind.
    pub(crate) kind: Kind,
    /// What is asked for, as the sender wrote it.
    pub(crate) code: u32,
    /// The flags, as the sender wrote them.
    pub(crate) flags: u32,
    /// The effective user that sends it.
    pub(crate) sender_euid: Kuid,
    /// The data, the offsets of the objects in it, and more buffers.
    pub(crate) data: Allocation,
    /// The size of the data in bytes.
    pub(crate) data_size: u64,
    /// The size of the offsets in bytes.
    pub(crate) offsets_size: u64,
    /// The files.
    pub(crate) files: FilesInTransit,
}
