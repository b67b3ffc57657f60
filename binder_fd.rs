// SPDX-License-Identifier: GPL-2.0

//! `/dev/binder_fd`: file descriptors cross processes the way binder moves them.
//!
//! A shim, small on purpose: a strict subset of binder's own UAPI, enough for a client to send a file
//! descriptor to a server, or to receive one in a reply. A program that stays in the subset runs
//! unchanged on the kernel's binder. There is one context manager, and nobody else can be called.
//!
//! C header: `include/uapi/linux/android/binder.h`
//!
//! # Rooms
//!
//! ```text
//! device        the node, and what the kernel calls
//!   process     an open file: its threads, what waits for them
//!     thread    a thread of it: carries out commands, reads returns
//!       transact    sends a parcel, replies
//!         objects   the objects in a parcel's data: what is translated
//!       context     who the manager is
//!   parcel      what is on its way: data, files, who waits for an answer
//!   files       file descriptors: taken from the sender, installed in the receiver
//!   buffer      the memory that a receiver maps: space, pages, mapping
//!   queue       what waits for a thread
//!   protocol    numbers and structures; the decoding of commands
//! ```
//!
//! # Lock order
//!
//! ```text
//! mmap_lock               (held by the caller of mmap, and where a mapping goes)
//!   CONTEXT               (a mutex: who the manager is)
//!   Process::state        (a mutex per open file: its threads and queues)
//!   Buffer::state         (a mutex per open file: whether there is a buffer)
//!   Buffer::parts         (a mutex per open file: which parts of the buffer are in use)
//!   Pages::adding         (a mutex per open file: pages of the buffer are allocated)
//!   Call::from            (a mutex per call: who waits for the reply)
//!     memory allocation   (no reclaim comes back here)
//! ```
//!
//! - None of ours is taken under another of ours, so the states of two processes never are either.
//! - User memory is never read or written under any of these: a fault takes `mmap_lock`.
//! - What is dropped (files, buffers, parcels) is dropped under none of these.
//!
//! # What keeps what alive
//!
//! A file of this device keeps its [`Process`](binder_fd::process::Process), that keeps the parcels on their way to it, and
//! a parcel keeps the files in it. The receiver's own file may be one of those, directly or within a socket:
//! it would then keep itself. But a parcel needs a buffer, the buffer a mapping, and a mapping ends with
//! the receiver's address space at the latest: then all that is still on its way to it is dropped.
//!
//! A call on its way, or that is to be answered, keeps the thread that waits for the answer, and that its
//! process; until the thread ends, for a receiver may never read.
//!
//! The first does not hold for a file that itself keeps that address space in use (`mm_users`), as
//! `/dev/vhost-net` does for who has called `VHOST_SET_OWNER` on it: on its way to that process it keeps the
//! mapping, and so itself.

#![warn(missing_docs, clippy::missing_docs_in_private_items)]

use kernel::prelude::*;

/// What the `kernel` crate lacks, or has only for the kernel's own code; shared with `ashmem`.
#[path = "helpers"]
mod helpers {
    pub(crate) mod fops;
    // Here groups are those of processes only. What neither module uses, the compiler finds in the other.
    #[expect(dead_code)]
    pub(crate) mod memcg;
    pub(crate) mod misc;
    pub(crate) mod task;

    /// What differs between kernels.
    pub(crate) mod versions {
        pub(crate) mod errno;
        pub(crate) mod module;
        pub(crate) mod poll;
    }
}

/// The driver: one folder, small files.
#[path = "binder_fd"]
mod binder_fd {
    pub(crate) mod buffer;
    pub(crate) mod context;
    pub(crate) mod device;
    pub(crate) mod files;
    pub(crate) mod objects;
    pub(crate) mod parcel;
    pub(crate) mod process;
    pub(crate) mod protocol;
    pub(crate) mod queue;
    pub(crate) mod thread;
    pub(crate) mod transact;
}

use binder_fd::{
    context,
    device, //
};

module! {
    type: BinderFdModule,
    name: "binder_fd",
    authors: ["The ashmem-rs contributors"],
    description: "Passes file descriptors the way binder does (/dev/binder_fd), in Rust",
    license: "GPL",
}

/// The loaded module: what it has registered with the kernel.
#[pin_data]
struct BinderFdModule {
    /// The device `/dev/binder_fd`.
    #[pin]
    _device: device::Registration,
}

impl kernel::InPlaceModule for BinderFdModule {
    fn init(_module: &'static ThisModule) -> impl PinInit<Self, Error> {
        context::init();
        try_pin_init!(Self {
            _device <- device::register(),
        })
    }
}
