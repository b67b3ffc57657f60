// SPDX-License-Identifier: GPL-2.0

//! The context manager: whom transactions go to.

use kernel::{
    prelude::*,
    security,
    sync::{
        global_lock,
        Arc, //
    },
    task::Kuid, //
};

use super::{
    process::Process,
    protocol::{
        FlatObject,
        ACCEPTS_FDS,
        TXN_SECURITY_CTX, //
    }, //
};

/// What a context manager said of itself.
#[derive(Clone, Copy)]
pub(crate) struct Node {
    /// The number that it finds in the target of a transaction.
    pub(crate) ptr: u64,
    /// The number that it finds in the cookie of a transaction.
    pub(crate) cookie: u64,
    /// Whether it takes file descriptors.
    pub(crate) accepts_fds: bool,
}

/// A context manager.
pub(crate) struct Manager {
    /// Its open file.
    pub(crate) process: Arc<Process>,
    /// What it said of itself.
    pub(crate) node: Node,
}

/// Who the manager is.
struct Context {
    /// The manager, while there is one.
    manager: Option<Manager>,
    /// The user that the first one was of; others cannot be, from then on.
    uid: Option<Kuid>,
}

global_lock! {
    // SAFETY: Initialized in the initialization of the module, before there is a device.
    unsafe(uninit) static CONTEXT: Mutex<Context> = Context {
        manager: None,
        uid: None,
    };
}

/// Prepares the lock.
pub(crate) fn init() {
    // SAFETY: Called once, when the module is loaded.
    unsafe { CONTEXT.init() };
}

/// Makes `process` the manager: `BINDER_SET_CONTEXT_MGR`, with `object` `BINDER_SET_CONTEXT_MGR_EXT`.
///
/// `EBUSY` if there is one, `EPERM` if the first one was of another user, `EINVAL` if it asks for
/// security contexts, whatever a security module answers.
pub(crate) fn set_manager(process: &Arc<Process>, object: Option<&FlatObject>) -> Result {
    let node = Node {
        ptr: object.map_or(0, |object| object.binder),
        cookie: object.map_or(0, |object| object.cookie),
        accepts_fds: object.is_some_and(|object| object.flags & ACCEPTS_FDS != 0),
    };
    if object.is_some_and(|object| object.flags & TXN_SECURITY_CTX != 0) {
        return Err(EINVAL);
    }
    let uid = Kuid::current_euid();

    let mut context = CONTEXT.lock();
    if context.manager.is_some() {
        return Err(EBUSY);
    }
    security::binder_set_context_mgr(&process.cred)?;
    match context.uid {
        Some(first) if first != uid => return Err(EPERM),
        _ => context.uid = Some(uid),
    }
    context.manager = Some(Manager {
        process: process.clone(),
        node,
    });
    Ok(())
}

/// The manager, if there is one.
pub(crate) fn manager() -> Option<Manager> {
    let context = CONTEXT.lock();
    context.manager.as_ref().map(|manager| Manager {
        process: manager.process.clone(),
        node: manager.node,
    })
}

/// Whether `process` is the manager.
pub(crate) fn is_manager(process: &Arc<Process>) -> bool {
    let context = CONTEXT.lock();
    context
        .manager
        .as_ref()
        .is_some_and(|manager| Arc::ptr_eq(&manager.process, process))
}

/// `process` is the manager no more, if it was.
pub(crate) fn retire(process: &Arc<Process>) {
    let mut context = CONTEXT.lock();
    let retired = match &context.manager {
        Some(manager) if Arc::ptr_eq(&manager.process, process) => context.manager.take(),
        _ => None,
    };
    drop(context);
    drop(retired);
}
