// SPDX-License-Identifier: GPL-2.0

//! What most tests begin with: a server, which is the context manager, and a client.

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use ashmem_binder::{uapi, Binder, Errno, Parcel, Return, TransactionData};

use crate::{
    is_ours,
    process::{Child, Line},
};

/// The size of the buffers, in bytes.
pub const BUFFER: usize = 128 << 10;

/// What the manager finds in a transaction's target.
pub const PTR: u64 = 0x1111_2222_3333_4444;
/// What the manager finds in a transaction's cookie.
pub const COOKIE: u64 = 0x5555_6666_7777_8888;

/// The errors of a failed transaction, as the extended error tells them.
pub const FAILED: u32 = uapi::binder_driver_return_protocol_BR_FAILED_REPLY;
/// As above.
pub const DEAD: u32 = uapi::binder_driver_return_protocol_BR_DEAD_REPLY;

/// Where tests take place.
pub struct Scene {
    /// The device.
    pub device: PathBuf,
}

/// What came back from a transaction.
pub type Reply = Result<TransactionData, Return>;

impl Scene {
    /// A scene on a device.
    pub fn new(device: &Path) -> Self {
        Self {
            device: device.into(),
        }
    }

    /// An open device with a buffer. The thread's first read has been made: that returns at once.
    pub fn open(&self) -> Binder {
        let mut binder = self.open_unmapped();
        binder.map(BUFFER).expect("mmap");
        binder
    }

    /// An open device without a buffer.
    pub fn open_unmapped(&self) -> Binder {
        Binder::open(&self.device).expect("open the device")
    }

    /// Starts a server: `work` runs in a process that is the manager, and is told when to go on by the
    /// other end of the line.
    pub fn server(&self, work: impl FnOnce(&Binder, &Line) -> Result<(), String>) -> (Child, Line) {
        let (ours, theirs) = Line::pair();
        // It takes its end along: the line ends if it does.
        let child = Child::fork(move || {
            let binder = self.open();
            self.serve(&binder, PTR, COOKIE)?;
            theirs.tell(1);
            work(&binder, &theirs)
        });
        if ours.hear().is_err() {
            panic!("the server: {:?}", child.join());
        }
        (child, ours)
    }

    /// Becomes the manager, and looks for what comes in.
    pub fn serve(&self, binder: &Binder, ptr: u64, cookie: u64) -> Result<(), String> {
        self.become_manager(binder, ptr, cookie)
            .map_err(|err| format!("become the manager: {err:?}"))?;
        enter(binder);
        Ok(())
    }

    /// Becomes the manager. The one before is gone when its process is; but the kernel's binder closes its
    /// file later, in a work item.
    pub fn become_manager(&self, binder: &Binder, ptr: u64, cookie: u64) -> Result<(), Errno> {
        let start = Instant::now();
        loop {
            match binder.become_manager(ptr, cookie) {
                Err(Errno(libc::EBUSY))
                    if !is_ours(&self.device) && start.elapsed() < Duration::from_secs(10) =>
                {
                    std::thread::sleep(Duration::from_millis(5));
                }
                result => return result,
            }
        }
    }

    /// Starts a server that answers each transaction with what `answer` makes of it.
    pub fn answering(&self, answer: impl Fn(&Binder, &TransactionData) -> Parcel) -> (Child, Line) {
        self.server(|binder, _| loop {
            let tr = receive(binder)?;
            let parcel = answer(binder, &tr);
            respond(binder, &tr, &parcel)?;
        })
    }
}

/// The calling thread looks for what comes in.
pub fn enter(binder: &Binder) {
    let command = uapi::binder_driver_command_protocol_BC_ENTER_LOOPER.to_ne_bytes();
    assert_eq!(Ok(()), binder.write(&command).result);
}

/// Waits for a transaction.
pub fn receive(binder: &Binder) -> Result<TransactionData, String> {
    loop {
        for returned in binder.read().map_err(|err| format!("read: {err:?}"))? {
            match returned {
                Return::Transaction(tr) => return Ok(tr),
                Return::Complete | Return::SpawnLooper => {}
                other => return Err(format!("{other:?} instead of a transaction")),
            }
        }
    }
}

/// Replies to a transaction and frees it, and waits until that is done.
pub fn respond(binder: &Binder, tr: &TransactionData, parcel: &Parcel) -> Result<(), String> {
    let mut commands = Binder::free(tr);
    commands.extend(parcel.reply());
    expect(binder.write(&commands).result, Ok(()), "reply")?;
    is_complete(binder)
}

/// What a thread is told after its reply, also if nobody waits for that any more.
pub fn is_complete(binder: &Binder) -> Result<(), String> {
    match next(binder)? {
        Return::Complete => Ok(()),
        other => Err(format!("{other:?} after a reply")),
    }
}

/// Waits for the next return.
pub fn next(binder: &Binder) -> Result<Return, String> {
    loop {
        let returns = binder.read().map_err(|err| format!("read: {err:?}"))?;
        match returns[..] {
            [] => {}
            [Return::SpawnLooper] => {}
            [one] | [Return::SpawnLooper, one] => return Ok(one),
            _ => return Err(format!("{returns:?} instead of one return")),
        }
    }
}

/// Sends a transaction and waits for what comes of it.
pub fn call(binder: &Binder, parcel: &Parcel) -> Result<Reply, String> {
    expect(
        binder.write(&parcel.transaction()).result,
        Ok(()),
        "transaction",
    )?;
    await_reply(binder)
}

/// Waits for what comes of a transaction.
pub fn await_reply(binder: &Binder) -> Result<Reply, String> {
    let mut is_complete = false;
    loop {
        for returned in binder.read().map_err(|err| format!("read: {err:?}"))? {
            match returned {
                Return::Complete if !is_complete => is_complete = true,
                Return::Reply(tr) if is_complete => return Ok(Ok(tr)),
                Return::Failed | Return::Dead => return Ok(Err(returned)),
                other => return Err(format!("{other:?} instead of a reply")),
            }
        }
    }
}

/// Sends a transaction that must succeed, and frees the reply; returns its data.
pub fn call_for_data(binder: &Binder, parcel: &Parcel) -> Result<Vec<u8>, String> {
    let tr = call(binder, parcel)?.map_err(|failed| {
        format!(
            "{failed:?} {:?} instead of a reply",
            binder.extended_error()
        )
    })?;
    let data = binder.data(&tr).to_vec();
    expect(binder.write(&Binder::free(&tr)).result, Ok(()), "free")?;
    Ok(data)
}

/// Sends a transaction that must fail with this return and this errno.
pub fn call_fails(
    binder: &Binder,
    parcel: &Parcel,
    command: u32,
    errno: i32,
) -> Result<(), String> {
    match call(binder, parcel)? {
        Ok(tr) => Err(format!("a reply, {}, instead of a failure", tr.code)),
        Err(_) => expect(binder.extended_error(), (command, -errno), "the error"),
    }
}

/// Sends a one-way transaction, and waits until it is on its way.
pub fn send_one_way(binder: &Binder, parcel: &Parcel) -> Result<Return, String> {
    let parcel = parcel
        .clone()
        .flags(parcel.flags | uapi::transaction_flags_TF_ONE_WAY);
    expect(
        binder.write(&parcel.transaction()).result,
        Ok(()),
        "one-way transaction",
    )?;
    next(binder)
}

/// Compares what is with what should be.
pub fn expect<T: PartialEq + std::fmt::Debug>(is: T, should: T, what: &str) -> Result<(), String> {
    if is == should {
        return Ok(());
    }
    Err(format!("{what}: {is:?}, not {should:?}"))
}

/// Something that must be so.
pub fn ensure(is: bool, what: &str) -> Result<(), String> {
    expect(is, true, what)
}
