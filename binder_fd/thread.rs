// SPDX-License-Identifier: GPL-2.0

//! A thread of a process: carries out the commands that it writes, and reads what there is for it.
//!
//! C counterparts: `binder_thread_write()` and `binder_thread_read()` of `drivers/android/binder.c`

use core::mem::size_of;

use kernel::{
    prelude::*,
    sync::{
        Arc,
        LockedBy, //
    },
    task::Pid,
    transmute::AsBytes,
    uaccess::{
        UserPtr,
        UserSlice, //
    }, //
};

use super::{
    context,
    files::{
        FilesInTransit,
        OwnFile,
        Reserved, //
    },
    parcel::{
        Call,
        Kind,
        Parcel, //
    },
    process::{
        Process,
        ProcessState, //
    },
    protocol::*,
    queue::{
        Place,
        Queue,
        Work, //
    },
    transact, //
};
use crate::helpers::{
    task::is_killed,
    versions::poll::PollCondVarBox, //
};

/// What a thread is in the middle of. There is one manager, and it calls nobody, so there is one such
/// thing at a time.
pub(crate) enum Busy {
    /// Nothing.
    No,
    /// It waits for the reply to its transaction.
    Calling(Arc<Call>),
    /// It has to reply.
    Serving(Arc<Call>),
}

/// A thread of a process.
pub(crate) struct Thread {
    /// Its number.
    pub(crate) id: Pid,
    /// The process.
    pub(crate) process: Arc<Process>,
    /// Where it waits; poll, too.
    pub(crate) wait: PollCondVarBox,
    /// Its state.
    pub(crate) state: LockedBy<ThreadState, ProcessState>,
}

/// The state of a thread.
pub(crate) struct ThreadState {
    /// What there is for it.
    todo: Queue,
    /// Whether that is worth waking up for: a `BR_TRANSACTION_COMPLETE` comes with the reply. Not set when
    /// there is nothing: a read that waits would never end.
    is_urgent: bool,
    /// What it is in the middle of.
    pub(crate) busy: Busy,
    /// Whether the next read returns, whatever there is.
    pub(crate) must_return: bool,
    /// Whether it has said `BC_ENTER_LOOPER`.
    has_entered: bool,
    /// Whether it has said `BC_REGISTER_LOOPER`.
    has_registered: bool,
    /// Whether it has polled.
    pub(crate) polls: bool,
    /// What became of its last transaction or reply, if that failed and it has not read it.
    return_error: u32,
    /// The place for that in the queue.
    return_place: Option<Place>,
    /// Why the transaction that it waited for has failed, if it has not read it.
    reply_error: u32,
    /// The place for that in the queue.
    reply_place: Option<Place>,
    /// Why its last transaction has failed.
    pub(crate) extended_error: ExtendedError,
}

impl ThreadState {
    /// That of a new thread, whose first read returns at once. `ENOMEM`.
    pub(crate) fn new() -> Result<Self> {
        Ok(Self {
            todo: Queue::new(),
            is_urgent: false,
            busy: Busy::No,
            must_return: true,
            has_entered: false,
            has_registered: false,
            polls: false,
            return_error: BR_OK,
            return_place: Some(Place::new()?),
            reply_error: BR_OK,
            reply_place: Some(Place::new()?),
            extended_error: ExtendedError::none(0),
        })
    }

    /// Whether it could do what comes in for the process.
    pub(crate) fn is_free(&self) -> bool {
        matches!(self.busy, Busy::No) && self.todo.is_empty()
    }

    /// Whether there is something for it; with `is_free` that may be for the process, too.
    fn has_work(&self, process_has: bool) -> bool {
        self.is_urgent || self.must_return || process_has
    }

    /// Whether the reply to `call` is what it waits for.
    pub(crate) fn waits_for(&self, call: &Arc<Call>) -> bool {
        matches!(&self.busy, Busy::Calling(own) if Arc::ptr_eq(own, call))
    }

    /// Whether a parcel is the first that it has to read.
    pub(crate) fn begins_with_parcel(&self) -> bool {
        self.todo.begins_with_parcel()
    }

    /// Queues a parcel.
    pub(crate) fn push_parcel(&mut self, parcel: KBox<Parcel>, place: Place) {
        self.todo.push(Work::Parcel(parcel), place);
        self.is_urgent = true;
    }

    /// Queues a `BR_TRANSACTION_COMPLETE`; hands back a place that is not needed.
    #[must_use]
    pub(crate) fn push_complete(&mut self, is_urgent: bool, place: Place) -> Option<Place> {
        self.is_urgent |= is_urgent;
        self.todo.push_complete(place)
    }

    /// Takes back the `BR_TRANSACTION_COMPLETE` that was queued last.
    #[must_use]
    pub(crate) fn take_back_complete(&mut self) -> Option<Place> {
        self.todo.take_back_complete()
    }

    /// Queues what became of a transaction or reply that failed: `command`.
    fn push_return_error(&mut self, command: u32) {
        self.return_error = command;
        if let Some(place) = self.return_place.take() {
            self.todo.push(Work::ReturnError, place);
        }
        self.is_urgent = true;
    }

    /// Queues why the reply to a transaction of its does not come: `command`.
    pub(crate) fn push_reply_error(&mut self, command: u32) {
        // There is no place if it has not read the last one: one is enough.
        if let Some(place) = self.reply_place.take() {
            self.reply_error = command;
            self.todo.push(Work::ReplyError, place);
            self.is_urgent = true;
        }
    }

    /// Takes a parcel that it has not read.
    pub(crate) fn pop_parcel(&mut self) -> Option<(KBox<Parcel>, Place)> {
        let taken = self.todo.pop_parcel();
        // What is left is urgent by itself, unless the parcel is a reply: then an error takes its place.
        if self.todo.is_empty() {
            self.is_urgent = false;
        }
        taken
    }

    /// Takes the first that there is for it.
    fn pop(&mut self) -> Option<(Item, Option<Place>)> {
        let (work, place) = self.todo.pop()?;
        if self.todo.is_empty() {
            self.is_urgent = false;
        }
        Some(match work {
            Work::Complete(_) => (Item::Return(BR_TRANSACTION_COMPLETE), place),
            Work::ReturnError => {
                self.return_place = place;
                let command = core::mem::replace(&mut self.return_error, BR_OK);
                (Item::Return(command), None)
            }
            Work::ReplyError => {
                self.reply_place = place;
                let command = core::mem::replace(&mut self.reply_error, BR_OK);
                (Item::Return(command), None)
            }
            Work::Parcel(parcel) => (Item::Parcel(parcel), place),
        })
    }
}

/// Something to return to user space.
enum Item {
    /// A return without anything to it.
    Return(u32),
    /// A parcel.
    Parcel(KBox<Parcel>),
}

/// Returns to user space that a thread writes, one after the other.
struct Returns {
    /// Where they go.
    buffer: u64,
    /// How much of that has been filled, in bytes.
    used: u64,
    /// How much there is, in bytes.
    size: u64,
}

impl Returns {
    /// Whether there is space for any return.
    fn has_space(&self) -> bool {
        self.size
            .checked_sub(self.used)
            .is_some_and(|left| left >= RETURN_SPACE)
    }

    /// Writes a value at `at`. `EFAULT`.
    fn write_at<T: AsBytes>(&self, at: u64, value: &T) -> Result {
        let place = UserPtr::from_addr(self.buffer.wrapping_add(at) as usize);
        UserSlice::new(place, size_of::<T>()).writer().write(value)
    }

    /// Writes a value behind the others. `EFAULT`.
    fn push<T: AsBytes>(&mut self, value: &T) -> Result {
        self.write_at(self.used, value)?;
        self.used = self.used.wrapping_add(size_of::<T>() as u64);
        Ok(())
    }
}

/// A parcel that is with the receiver, but for the last step, which cannot fail.
///
/// When it is dropped instead, the sender learns that it failed.
pub(crate) struct Delivery<'a> {
    /// The receiver.
    thread: &'a Arc<Thread>,
    /// The parcel, until it is delivered, and its file descriptors.
    parcel: Option<(KBox<Parcel>, Reserved)>,
}

impl Delivery<'_> {
    /// Installs the file descriptors; the buffer is the receiver's, and perhaps a reply is due.
    pub(crate) fn complete(mut self) {
        let Some((parcel, fds)) = self.parcel.take() else {
            return;
        };
        let parcel = KBox::into_inner(parcel);
        let is_one_way = parcel.kind.is_one_way();

        parcel.data.hand_over(is_one_way, fds.install());
        if let Kind::Call(call, _) = parcel.kind {
            let mut state = self.thread.process.lock();
            self.thread.state.access_mut(&mut state).busy = Busy::Serving(call);
        }
    }
}

impl Drop for Delivery<'_> {
    fn drop(&mut self) {
        if let Some((parcel, fds)) = self.parcel.take() {
            drop(fds);
            self.thread.process.undo(parcel, BR_FAILED_REPLY);
        }
    }
}

impl Thread {
    /// Carries out commands. `consumed`, in bytes, is moved past each that was.
    ///
    /// Stops when a transaction or reply has failed and that has not been read yet. `EFAULT`, `EINVAL`
    /// for what is no command, `EINTR` if the caller is killed.
    pub(crate) fn write(
        self: &Arc<Self>,
        buffer: u64,
        size: u64,
        consumed: &mut u64,
        file: &mut OwnFile<'_>,
    ) -> Result {
        let end = buffer.wrapping_add(size);
        loop {
            // There may be commands for hours.
            if is_killed() {
                return Err(EINTR);
            }
            let at = buffer.wrapping_add(*consumed);
            if at >= end || self.has_failed() {
                return Ok(());
            }
            // As in binder, the end is that of the buffer, but a command that begins in it may go beyond.
            let mut reader = UserSlice::new(UserPtr::from_addr(at as usize), usize::MAX).reader();
            let (command, size) = Command::read(&mut reader)?;
            self.carry_out(command, file)?;
            *consumed = consumed.wrapping_add(size as u64);
        }
    }

    /// Whether a transaction or reply has failed, and the thread has not read that.
    fn has_failed(&self) -> bool {
        let mut state = self.process.lock();
        self.state.access_mut(&mut state).return_error != BR_OK
    }

    /// Carries out a command.
    fn carry_out(self: &Arc<Self>, command: Command, file: &mut OwnFile<'_>) -> Result {
        match command {
            Command::Transaction(tr, buffers) => transact::transaction(self, &tr, buffers),
            Command::Reply(tr, buffers) => transact::reply(self, &tr, buffers),
            Command::FreeBuffer(address) => {
                if self.process.free_buffer(address, file) {
                    // What was closed goes when the thread returns to user space. It must not wait before.
                    let mut state = self.process.lock();
                    self.state.access_mut(&mut state).must_return = true;
                }
            }
            Command::EnterLooper => {
                let mut state = self.process.lock();
                self.state.access_mut(&mut state).has_entered = true;
            }
            Command::RegisterLooper => {
                let mut state = self.process.lock();
                let own = self.state.access_mut(&mut state);
                own.has_registered = true;
                // Who has entered by itself is not the one that was asked for.
                if !own.has_entered {
                    state.thread_registers();
                }
            }
            // Handle 0 is always there, and the manager cannot have it.
            Command::Acquire(0) if context::is_manager(&self.process) => return Err(EINVAL),
            Command::ExitLooper | Command::Acquire(_) | Command::Release => {}
        }
        Ok(())
    }

    /// The calling thread, which this is, learns that what it has sent is on its way.
    pub(crate) fn tell_complete(&self, place: Place) {
        let mut state = self.process.lock();
        let own = self.state.access_mut(&mut state);
        let spare = own.push_complete(true, place);
        self.wake_if_it_polls(own);
        drop(state);
        drop(spare);
    }

    /// The calling thread, which this is, learns what became of what it could not send: `command`. It can
    /// ask for `why`, if that is for itself to know.
    pub(crate) fn tell_failure(&self, command: u32, why: Option<ExtendedError>) {
        let mut state = self.process.lock();
        let own = self.state.access_mut(&mut state);
        if let Some(why) = why {
            own.extended_error = why;
        }
        own.push_return_error(command);
        self.wake_if_it_polls(own);
    }

    /// Wakes the calling thread, which this is, if it polls: epoll asks again only about who was woken, and
    /// who has something of its own to read is not woken for what comes in.
    fn wake_if_it_polls(&self, own: &ThreadState) {
        if own.polls {
            self.wait.notify_all();
        }
    }

    /// Reads what there is for the thread, or waits for it; `consumed` is moved past what was written.
    ///
    /// `EAGAIN` if there is nothing and `may_wait` is not set, `EINTR`, `EFAULT`.
    pub(crate) fn read<'a>(
        self: &'a Arc<Self>,
        buffer: u64,
        size: u64,
        consumed: &mut u64,
        may_wait: bool,
    ) -> Result<Option<Delivery<'a>>> {
        let mut returns = Returns {
            buffer,
            used: *consumed,
            size,
        };
        let mut delivery = None;
        if returns.used == 0 {
            returns.push(&BR_NOOP)?;
        }

        let mut for_process = self.wait_for_work(may_wait)?;
        while returns.has_space() {
            match self.next_item(for_process) {
                Some(Item::Return(command)) => returns.push(&command)?,
                Some(Item::Parcel(parcel)) => {
                    delivery = self.deliver(parcel, &mut returns)?;
                    // Also if it cannot be had. Its files are closed when the thread returns to user space;
                    // and there may always be more.
                    break;
                }
                None if returns.used == size_of::<u32>() as u64 && !self.must_return() => {
                    for_process = self.wait_for_work(may_wait)?;
                }
                None => break,
            }
        }
        *consumed = returns.used;

        if self.process.wants_thread(self) {
            returns.write_at(0, &BR_SPAWN_LOOPER)?;
        }
        Ok(delivery)
    }

    /// Whether a read has to return.
    fn must_return(&self) -> bool {
        let mut state = self.process.lock();
        self.state.access_mut(&mut state).must_return
    }

    /// Whether the thread has said that it waits for what comes in: then more may be asked for.
    pub(crate) fn is_looper(&self, state: &mut ProcessState) -> bool {
        let own = self.state.access_mut(state);
        own.has_entered || own.has_registered
    }

    /// Whether there is something for the thread now; what comes in for the process only if it is free.
    pub(crate) fn has_work(&self, state: &mut ProcessState, for_process: bool) -> bool {
        let process_has = for_process && state.has_work();
        self.state.access_mut(state).has_work(process_has)
    }

    /// Waits until there is something for the thread. Returns whether that may be for the process.
    fn wait_for_work(self: &Arc<Self>, may_wait: bool) -> Result<bool> {
        let mut state = self.process.lock();
        let for_process = self.state.access_mut(&mut state).is_free();

        loop {
            if self.has_work(&mut state, for_process) {
                return Ok(for_process);
            }
            if !may_wait {
                return Err(EAGAIN);
            }
            if for_process {
                state.begin_waiting(self);
            }
            let is_interrupted = self.wait.wait_interruptible_freezable(&mut state);
            state.end_waiting(self);
            if is_interrupted {
                return Err(EINTR);
            }
        }
    }

    /// Takes the next thing: the thread's own first.
    fn next_item(&self, for_process: bool) -> Option<Item> {
        let mut state = self.process.lock();
        if let Some((item, place)) = self.state.access_mut(&mut state).pop() {
            drop(state);
            drop(place);
            return Some(item);
        }
        if !for_process {
            return None;
        }
        let (parcel, place) = state.pop_parcel()?;
        drop(state);
        drop(place);
        Some(Item::Parcel(parcel))
    }

    /// Delivers a parcel, but for the last step.
    ///
    /// [`None`] if its file descriptors cannot be had: the sender learns that, and the receiver never saw
    /// it. In place of a reply there is `BR_FAILED_REPLY`.
    fn deliver<'a>(
        self: &'a Arc<Self>,
        mut parcel: KBox<Parcel>,
        returns: &mut Returns,
    ) -> Result<Option<Delivery<'a>>> {
        let (command, node) = match &parcel.kind {
            Kind::Call(_, node) | Kind::OneWay(node) => (BR_TRANSACTION, Some(*node)),
            Kind::Reply => (BR_REPLY, None),
        };
        let files = core::mem::replace(&mut parcel.files, FilesInTransit::new());
        let fds = match files.reserve(&parcel.data) {
            Ok(fds) => fds,
            Err(_) => {
                self.process.undo(parcel, BR_FAILED_REPLY);
                if command == BR_REPLY {
                    returns.push(&BR_FAILED_REPLY)?;
                }
                return Ok(None);
            }
        };
        let tr = TransactionData {
            target: node.map_or(0, |node| node.ptr),
            cookie: node.map_or(0, |node| node.cookie),
            code: parcel.code,
            flags: parcel.flags,
            sender_pid: match &parcel.kind {
                Kind::Call(call, _) => call.from().map_or(0, |from| from.process.pid_for_current()),
                _ => 0,
            },
            sender_euid: parcel.sender_euid.into_uid_in_current_ns(),
            data_size: parcel.data_size,
            offsets_size: parcel.offsets_size,
            buffer: parcel.data.address(),
            offsets: parcel.data.address() + parcel.data_size.next_multiple_of(WORD as u64),
        };

        let delivery = Delivery {
            thread: self,
            parcel: Some((parcel, fds)),
        };
        returns.push(&command)?;
        returns.push(&tr)?;
        Ok(Some(delivery))
    }

    /// Ends the thread: `BINDER_THREAD_EXIT`, or the end of the process. It is in no list any more.
    pub(crate) fn end(self: &Arc<Self>) {
        let busy = {
            let mut state = self.process.lock();
            let own = self.state.access_mut(&mut state);
            core::mem::replace(&mut own.busy, Busy::No)
        };
        match busy {
            Busy::Calling(call) => call.forget_from(),
            Busy::Serving(call) => call.fail(BR_DEAD_REPLY),
            Busy::No => {}
        }
        self.drop_parcels();
    }

    /// Drops the parcels that the thread has not read.
    pub(crate) fn drop_parcels(&self) {
        loop {
            let mut state = self.process.lock();
            let Some((parcel, place)) = self.state.access_mut(&mut state).pop_parcel() else {
                return;
            };
            // Who waits for a reply must not wait for ever. It may be in the middle of another call by now.
            if matches!(parcel.kind, Kind::Reply) {
                self.state
                    .access_mut(&mut state)
                    .push_reply_error(BR_DEAD_REPLY);
                self.wait.notify_all();
            }
            drop(state);
            drop(place);
            self.process.undo(parcel, BR_DEAD_REPLY);
        }
    }
}

impl Call {
    /// Who waits for the reply learns that there is none: `command`, unless he has ended.
    pub(crate) fn fail(self: &Arc<Self>, command: u32) {
        let Some(caller) = self.from() else {
            return;
        };
        let mut state = caller.process.lock();
        let from = caller.state.access_mut(&mut state);
        if from.waits_for(self) {
            from.busy = Busy::No;
            from.push_reply_error(command);
            caller.wait.notify_all();
        }
    }
}
