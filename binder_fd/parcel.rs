// SPDX-License-Identifier: GPL-2.0

//! What is on its way to a receiver.

use kernel::{
    prelude::*,
    sync::{
        new_mutex,
        Arc,
        Mutex, //
    },
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
#[pin_data]
pub(crate) struct Call {
    /// Who waits, until it ends. With it there would stay its process: a receiver that does not read must not
    /// keep that.
    #[pin]
    from: Mutex<Option<Arc<Thread>>>,
    /// Whether the reply may have file descriptors in it.
    pub(crate) accepts_fds: bool,
}

impl Call {
    /// One of `from`. `ENOMEM`.
    pub(crate) fn new(from: &Arc<Thread>, accepts_fds: bool) -> Result<Arc<Self>> {
        Arc::pin_init(
            pin_init!(Self {
                from <- new_mutex!(Some(from.clone()), "Call::from"),
                accepts_fds,
            }),
            GFP_KERNEL_ACCOUNT,
        )
    }

    /// Who waits for the reply, or did; [`None`] if it has ended.
    pub(crate) fn from(&self) -> Option<Arc<Thread>> {
        self.from.lock().clone()
    }

    /// Who waits has ended.
    pub(crate) fn forget_from(&self) {
        let from = self.from.lock().take();
        drop(from);
    }
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
