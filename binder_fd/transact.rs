// SPDX-License-Identifier: GPL-2.0

//! Sending: a transaction to the context manager, or a reply to who waits for it.
//!
//! First all that may fail, then the parcel is queued. The ioctl succeeds in any case; what failed comes
//! as a return, and the errno in `BINDER_GET_EXTENDED_ERROR`.
//!
//! C counterpart: `binder_transaction()` of `drivers/android/binder.c`

use kernel::{
    alloc::AllocError,
    prelude::*,
    security,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc, //
    },
    task::Kuid, //
};

use super::{
    buffer::Buffer,
    context,
    objects::{
        Route,
        Translation, //
    },
    parcel::{
        Call,
        Kind,
        Parcel, //
    },
    process::Process,
    protocol::{
        ExtendedError,
        TransactionData,
        BR_DEAD_REPLY,
        BR_FAILED_REPLY,
        BR_OK,
        BR_TRANSACTION_COMPLETE,
        TF_ACCEPT_FDS,
        TF_CLEAR_BUF,
        TF_ONE_WAY, //
    },
    queue::Place,
    thread::{
        Busy,
        Thread, //
    }, //
};
use crate::helpers::versions::errno::eproto;

/// The number of the last transaction or reply.
static LAST_ID: Atomic<i32> = Atomic::new(0);

/// Why something could not be sent.
struct Failure {
    /// What the sender of the transaction reads.
    command: u32,
    /// The errno, negative, or 0.
    errno: i32,
}

impl Failure {
    /// The receiver is gone.
    const DEAD: Self = Self {
        command: BR_DEAD_REPLY,
        errno: 0,
    };
}

impl From<Error> for Failure {
    fn from(err: Error) -> Self {
        Self {
            command: BR_FAILED_REPLY,
            errno: err.to_errno(),
        }
    }
}

impl From<AllocError> for Failure {
    fn from(_: AllocError) -> Self {
        ENOMEM.into()
    }
}

/// Sends a transaction: `BC_TRANSACTION`, `BC_TRANSACTION_SG`.
///
/// `buffers_size` is the size of more buffers in bytes. The thread reads `BR_TRANSACTION_COMPLETE`, then,
/// unless it is one-way, the reply; or else why it failed.
pub(crate) fn transaction(thread: &Arc<Thread>, tr: &TransactionData, buffers_size: u64) {
    let id = begin(thread);
    if let Err(failure) = send(thread, tr, buffers_size) {
        thread.tell_failure(failure.command, Some(extended_error(id, &failure)));
    }
}

/// Replies to the transaction that the thread serves: `BC_REPLY`, `BC_REPLY_SG`.
///
/// The thread reads `BR_TRANSACTION_COMPLETE`, also when it fails: then it is who waits that reads why.
/// `BR_FAILED_REPLY` if it serves none.
pub(crate) fn reply(thread: &Arc<Thread>, tr: &TransactionData, buffers_size: u64) {
    let id = begin(thread);
    let call = {
        let mut state = thread.process.lock();
        let own = thread.state.access_mut(&mut state);
        match core::mem::replace(&mut own.busy, Busy::No) {
            Busy::Serving(call) => Some(call),
            busy => {
                own.busy = busy;
                None
            }
        }
    };
    let Some(call) = call else {
        let failure = eproto().into();
        thread.tell_failure(BR_FAILED_REPLY, Some(extended_error(id, &failure)));
        return;
    };

    if let Err(failure) = answer(thread, &call, tr, buffers_size) {
        if let Some(caller) = call.from() {
            let mut state = caller.process.lock();
            let from = caller.state.access_mut(&mut state);
            if from.extended_error.command == BR_OK {
                from.extended_error = extended_error(id, &failure);
            }
        }
        thread.tell_failure(BR_TRANSACTION_COMPLETE, None);
        call.fail(failure.command);
    }
}

/// Forgets why the last one has failed. Returns the number of this one.
fn begin(thread: &Thread) -> u32 {
    let id = LAST_ID.fetch_add(1, Relaxed).wrapping_add(1) as u32;
    let mut state = thread.process.lock();
    let own = thread.state.access_mut(&mut state);
    own.extended_error = ExtendedError::none(id);
    id
}

/// What `BINDER_GET_EXTENDED_ERROR` says of a failure.
fn extended_error(id: u32, failure: &Failure) -> ExtendedError {
    ExtendedError {
        id,
        command: failure.command,
        param: failure.errno,
    }
}

/// Sends a transaction.
fn send(thread: &Arc<Thread>, tr: &TransactionData, buffers_size: u64) -> Result<(), Failure> {
    // The handle is the low half. Nobody has any but 0.
    if tr.target as u32 != 0 {
        return Err(EINVAL.into());
    }
    let manager = context::manager().ok_or(Failure {
        command: BR_DEAD_REPLY,
        errno: EINVAL.to_errno(),
    })?;
    let (from, to) = (&thread.process, &manager.process);
    if from.is_same_task(to) {
        return Err(EINVAL.into());
    }
    security::binder_transaction(&from.cred, &to.cred).map_err(|_| EPERM)?;

    let is_one_way = tr.flags & TF_ONE_WAY != 0;
    if !is_one_way {
        let mut state = from.lock();
        let own = thread.state.access_mut(&mut state);
        if own.begins_with_parcel() || !matches!(own.busy, Busy::No) {
            return Err(eproto().into());
        }
    }

    let complete = Place::new()?;
    let place = Place::new()?;
    if is_one_way {
        let kind = Kind::OneWay(manager.node);
        let parcel = pack(thread, to, kind, manager.node.accepts_fds, tr, buffers_size)?;

        to.receive(parcel, place).map_err(|_| Failure::DEAD)?;
        thread.tell_complete(complete);
        return Ok(());
    }

    let call = Call::new(thread, tr.flags & TF_ACCEPT_FDS != 0)?;
    let kind = Kind::Call(call.clone(), manager.node);
    let parcel = pack(thread, to, kind, manager.node.accepts_fds, tr, buffers_size)?;

    // It waits before the reply can come. That it is on its way it learns with the reply.
    let spare = {
        let mut state = from.lock();
        let own = thread.state.access_mut(&mut state);
        own.busy = Busy::Calling(call.clone());
        own.push_complete(false, complete)
    };
    drop(spare);
    let Err(parcel) = to.receive(parcel, place) else {
        return Ok(());
    };
    drop(parcel);
    let spare = {
        let mut state = from.lock();
        let own = thread.state.access_mut(&mut state);
        own.busy = Busy::No;
        own.take_back_complete()
    };
    drop(spare);
    Err(Failure::DEAD)
}

/// Sends a reply.
fn answer(
    thread: &Arc<Thread>,
    call: &Arc<Call>,
    tr: &TransactionData,
    buffers_size: u64,
) -> Result<(), Failure> {
    let caller = call.waiting().ok_or(Failure::DEAD)?;
    let to = &caller.process;
    let complete = Place::new()?;
    let place = to.payer.charge(Place::new)?;
    let parcel = pack(thread, to, Kind::Reply, call.accepts_fds, tr, buffers_size)?;

    call.receive_reply(parcel, place)
        .map_err(|_| Failure::DEAD)?;
    thread.tell_complete(complete);
    Ok(())
}

/// Makes a parcel: all that may fail.
///
/// Who has begun the call pays for what is there until it has come and been freed, also of a reply: when that
/// is, is the client's to say. Only the list of the files is the sender's: how long that is, he says.
fn pack(
    thread: &Arc<Thread>,
    to: &Arc<Process>,
    kind: Kind,
    accepts_fds: bool,
    tr: &TransactionData,
    buffers_size: u64,
) -> Result<KBox<Parcel>, Failure> {
    let sizes = [tr.data_size, tr.offsets_size, buffers_size];
    let client = match kind {
        Kind::Reply => &to.payer,
        _ => &thread.process.payer,
    };
    let taken = Buffer::take(to, sizes, kind.is_one_way(), client);
    let mut data = taken.map_err(|err| Failure {
        // Without a buffer it is as if it were dead.
        command: if err == ESRCH {
            BR_DEAD_REPLY
        } else {
            BR_FAILED_REPLY
        },
        errno: err.to_errno(),
    })?;
    data.clear = tr.flags & TF_CLEAR_BUF != 0;

    let route = Route {
        from: &thread.process,
        to,
        accepts_fds,
    };
    let files = Translation::carry_out(tr, buffers_size, &data, route)?;
    let parcel = Parcel {
        kind,
        code: tr.code,
        flags: tr.flags,
        sender_euid: Kuid::current_euid(),
        data,
        data_size: tr.data_size,
        offsets_size: tr.offsets_size,
        files,
    };
    Ok(client.charge(|| KBox::new(parcel, GFP_KERNEL_ACCOUNT))?)
}
