// SPDX-License-Identifier: GPL-2.0

//! An open file: its threads, and what waits for them.
//!
//! It belongs to the process that has opened it, and nobody else can use it.

use kernel::{
    c_str,
    cred::Credential,
    fs::{
        file::flags::O_NONBLOCK,
        File, //
    },
    mm::{
        virt::VmaNew,
        Mm, //
    },
    prelude::*,
    rbtree::{
        RBTree,
        RBTreeNodeReservation, //
    },
    static_lock_class,
    sync::{
        aref::ARef,
        lock::{
            mutex::MutexBackend,
            Guard, //
        },
        new_mutex,
        poll::PollTable,
        Arc,
        LockedBy,
        Mutex, //
    },
    task::{
        Pid,
        Task, //
    },
    uaccess::{
        UserPtr,
        UserSlice, //
    }, //
};

use super::{
    buffer::Buffer,
    context,
    files::OwnFile,
    parcel::{
        Call,
        Kind,
        Parcel, //
    },
    protocol::*,
    queue::{
        Place,
        Queue,
        Work, //
    },
    thread::{
        Busy,
        Thread,
        ThreadState, //
    }, //
};
use crate::helpers::{
    memcg::Memcg,
    versions::poll::PollCondVarBox, //
};

/// The most threads that are known of a process. One that ends without `BINDER_THREAD_EXIT` stays known,
/// so this bounds the memory that threads can take.
const MOST_THREADS: usize = 4096;

/// An open file.
#[pin_data]
pub(crate) struct Process {
    /// The process that has opened it: the leader of its threads.
    task: ARef<Task>,
    /// Its address space.
    mm: ARef<Mm>,
    /// As whom it has opened it.
    pub(crate) cred: ARef<Credential>,
    /// The memory cgroup that pays for the buffer, and for what is kept of the calls that this has begun.
    pub(crate) payer: Memcg,
    /// The buffer.
    #[pin]
    pub(crate) buffer: Buffer,
    /// Threads and queues.
    #[pin]
    state: Mutex<ProcessState>,
}

/// The threads and queues of a process.
pub(crate) struct ProcessState {
    /// Whether nothing comes in any more.
    is_closed: bool,
    /// The threads that are known.
    threads: RBTree<Pid, Arc<Thread>>,
    /// How many they are.
    thread_count: usize,
    /// Those that wait for what comes in, the last one first; nobody while something is in `todo`. It has
    /// space for all.
    waiting: KVec<Arc<Thread>>,
    /// What has come in and no thread has taken.
    todo: Queue,
    /// Whether a one-way parcel is with the process: the next one comes when it has been freed.
    one_way_is_busy: bool,
    /// The one-way parcels behind that.
    one_way_todo: Queue,
    /// How many threads may be asked for.
    max_threads: u32,
    /// Whether one has been asked for that has not registered.
    has_requested: bool,
    /// How many have been asked for and have registered.
    started: u32,
}

impl ProcessState {
    /// Whether something has come in that no thread has taken.
    pub(crate) fn has_work(&self) -> bool {
        !self.todo.is_empty()
    }

    /// Takes what came in first.
    pub(crate) fn pop_parcel(&mut self) -> Option<(KBox<Parcel>, Place)> {
        self.todo.pop_parcel()
    }

    /// A thread waits for what comes in.
    pub(crate) fn begin_waiting(&mut self, thread: &Arc<Thread>) {
        // There is space for each thread, and each is there once.
        let _ = self.waiting.push_within_capacity(thread.clone());
    }

    /// A thread does not wait any more.
    pub(crate) fn end_waiting(&mut self, thread: &Arc<Thread>) {
        self.waiting.retain(|waiting| !Arc::ptr_eq(waiting, thread));
    }

    /// A thread registers that was asked for.
    pub(crate) fn thread_registers(&mut self) {
        if self.has_requested {
            self.has_requested = false;
            self.started = self.started.saturating_add(1);
        }
    }

    /// Gives a parcel to a thread that waits, or else to who comes.
    fn give(&mut self, parcel: KBox<Parcel>, place: Place) {
        match self.waiting.pop() {
            Some(thread) => {
                thread.state.access_mut(self).push_parcel(parcel, place);
                thread.wait.notify_all();
            }
            None => {
                self.todo.push(Work::Parcel(parcel), place);
                self.wake_pollers();
            }
        }
    }

    /// The thread with the lowest number above `id`.
    fn thread_behind(&self, id: Pid) -> Option<Arc<Thread>> {
        let cursor = self.threads.cursor_lower_bound(&id.checked_add(1)?)?;
        Some(cursor.current().1.clone())
    }

    /// Wakes the threads that poll and could take what has come in.
    fn wake_pollers(&self) {
        for thread in self.threads.values() {
            let state = thread.state.access(self);
            if state.polls && state.is_free() {
                thread.wait.notify_all();
            }
        }
    }
}

impl Process {
    /// Opens the device. `ENOMEM`; `EINVAL` for a thread without an address space.
    pub(crate) fn open(file: &File) -> Result<Arc<Self>> {
        let current = kernel::current!();
        let mm: &Mm = current.mm().ok_or(EINVAL)?;

        Arc::try_pin_init(
            try_pin_init!(Self {
                task: ARef::from(current.group_leader()),
                mm: ARef::from(mm),
                cred: ARef::from(file.cred()),
                payer: Memcg::of_current(),
                buffer <- Buffer::new(),
                state <- new_mutex!(
                    ProcessState {
                        is_closed: false,
                        threads: RBTree::new(),
                        thread_count: 0,
                        waiting: KVec::new(),
                        todo: Queue::new(),
                        one_way_is_busy: false,
                        one_way_todo: Queue::new(),
                        max_threads: 0,
                        has_requested: false,
                        started: 0,
                    },
                    "Process::state"
                ),
            }? Error),
            GFP_KERNEL_ACCOUNT,
        )
    }

    /// Locks threads and queues.
    pub(crate) fn lock(&self) -> Guard<'_, ProcessState, MutexBackend> {
        self.state.lock()
    }

    /// Whether both are of the same process.
    pub(crate) fn is_same_task(&self, other: &Self) -> bool {
        *self.task == *other.task
    }

    /// The number of the process as the calling process sees it.
    pub(crate) fn pid_for_current(&self) -> Pid {
        self.task.tgid_nr_ns(kernel::current!().active_pid_ns())
    }

    /// Whether the caller is a thread of the process.
    fn is_own(&self) -> bool {
        *self.task == *kernel::current!().group_leader()
    }

    /// Maps the buffer: `mmap`.
    ///
    /// `EINVAL` if the caller is not the process that has opened the file, with its address space of
    /// then; the errors of [`Buffer::map`].
    pub(crate) fn mmap(&self, vma: &VmaNew) -> Result {
        if !self.is_own() || !core::ptr::eq(&**vma.mm(), &*self.mm) {
            return Err(EINVAL);
        }
        Buffer::map(self, vma)
    }

    /// The calling thread. `EINVAL` if it is of another process, `ENOMEM`.
    fn thread(self: &Arc<Self>) -> Result<Arc<Thread>> {
        if !self.is_own() {
            return Err(EINVAL);
        }
        let id = kernel::current!().pid();
        {
            let state = self.lock();
            if let Some(thread) = state.threads.get(&id) {
                return Ok(thread.clone());
            }
        }

        let node = RBTreeNodeReservation::new(GFP_KERNEL_ACCOUNT)?;
        let thread = Arc::new(
            Thread {
                id,
                process: self.clone(),
                wait: PollCondVarBox::new(c_str!("binder_fd thread"), static_lock_class!())?,
                state: LockedBy::new(&self.state, ThreadState::new()?),
            },
            GFP_KERNEL_ACCOUNT,
        )?;
        let mut state = self.lock();
        if state.thread_count >= MOST_THREADS {
            return Err(ENOMEM);
        }
        let more = (state.thread_count + 1).saturating_sub(state.waiting.len());
        state.waiting.reserve(more, GFP_KERNEL_ACCOUNT)?;
        state.threads.insert(node.into_node(id, thread.clone()));
        state.thread_count += 1;
        Ok(thread)
    }

    /// Carries out an ioctl. `EINVAL` for what is none; its own errors.
    pub(crate) fn ioctl(self: &Arc<Self>, file: &File, cmd: u32, arg: usize) -> Result<isize> {
        let thread = self.thread()?;
        let result = self.command(&thread, file, cmd, arg);
        let mut state = self.lock();
        thread.state.access_mut(&mut state).must_return = false;
        result.map(|()| 0)
    }

    /// Carries out an ioctl of a thread.
    fn command(
        self: &Arc<Self>,
        thread: &Arc<Thread>,
        file: &File,
        cmd: u32,
        arg: usize,
    ) -> Result {
        let user = |size| UserSlice::new(UserPtr::from_addr(arg), size);
        match cmd {
            WRITE_READ => self.write_read(thread, file, arg),
            SET_MAX_THREADS => {
                let count = user(size_of::<u32>()).reader().read().map_err(|_| EINVAL)?;
                self.lock().max_threads = count;
                Ok(())
            }
            SET_CONTEXT_MGR => context::set_manager(self, None),
            SET_CONTEXT_MGR_EXT => {
                let object = user(size_of::<FlatObject>())
                    .reader()
                    .read::<FlatObject>()
                    .map_err(|_| EINVAL)?;
                context::set_manager(self, Some(&object))
            }
            THREAD_EXIT => {
                self.forget(thread);
                Ok(())
            }
            VERSION => user(size_of::<u32>())
                .writer()
                .write(&PROTOCOL_VERSION)
                .map_err(|_| EINVAL),
            GET_EXTENDED_ERROR => self.tell_extended_error(thread, arg),
            _ => Err(EINVAL),
        }
    }

    /// Writes why the last transaction of a thread has failed, and forgets it: `BINDER_GET_EXTENDED_ERROR`.
    ///
    /// `EFAULT`; then it is not forgotten.
    fn tell_extended_error(&self, thread: &Thread, arg: usize) -> Result {
        let error = thread.state.access(&self.lock()).extended_error;
        let user = UserSlice::new(UserPtr::from_addr(arg), size_of::<ExtendedError>());
        user.writer().write(&error)?;
        let mut state = self.lock();
        let own = thread.state.access_mut(&mut state);
        // Another one may have come meanwhile, from who replies.
        if own.extended_error == error {
            own.extended_error = ExtendedError::none(0);
        }
        Ok(())
    }

    /// Writes, then reads: `BINDER_WRITE_READ`.
    ///
    /// How far it came is written back, whatever the result.
    fn write_read(self: &Arc<Self>, thread: &Arc<Thread>, file: &File, arg: usize) -> Result {
        let user = UserSlice::new(UserPtr::from_addr(arg), size_of::<WriteRead>());
        let (mut reader, mut writer) = user.reader_writer();
        let mut bwr = reader.read::<WriteRead>()?;
        let mut own_file = OwnFile::new(file);
        let mut delivery = None;

        let mut result = Ok(());
        if bwr.write_size > 0 {
            result = thread.write(
                bwr.write_buffer,
                bwr.write_size,
                &mut bwr.write_consumed,
                &mut own_file,
            );
            if result.is_err() {
                bwr.read_consumed = 0;
            }
        }
        if result.is_ok() && bwr.read_size > 0 {
            let read = thread.read(
                bwr.read_buffer,
                bwr.read_size,
                &mut bwr.read_consumed,
                file.flags() & O_NONBLOCK == 0,
            );
            let state = self.lock();
            if state.has_work() {
                state.wake_pollers();
            }
            drop(state);
            match read {
                Ok(read) => delivery = read,
                Err(err) => result = Err(err),
            }
        }
        // Nothing can fail after this.
        writer.write(&bwr)?;
        if let Some(delivery) = delivery {
            delivery.complete();
        }
        result
    }

    /// Whether the process shall start another thread; counts that it has been told.
    pub(crate) fn wants_thread(&self, thread: &Thread) -> bool {
        let mut state = self.lock();
        let wants = thread.is_looper(&mut state)
            && !state.has_requested
            && state.waiting.is_empty()
            && state.started < state.max_threads;
        state.has_requested |= wants;
        wants
    }

    /// Polls: whether the calling thread can read something; [`None`] if that is not to be had.
    pub(crate) fn poll(self: &Arc<Self>, file: &File, table: PollTable<'_>) -> Option<bool> {
        let thread = self.thread().ok()?;
        let for_process = {
            let mut state = self.lock();
            let own = thread.state.access_mut(&mut state);
            own.polls = true;
            own.is_free()
        };
        table.register_wait(file, &thread.wait);
        let mut state = self.lock();
        Some(thread.has_work(&mut state, for_process))
    }

    /// A file descriptor of the file is closed: `flush`. Each thread returns from its read.
    pub(crate) fn flush(&self) {
        let mut state = self.lock();
        let mut id = Pid::MIN;
        while let Some(thread) = state.thread_behind(id) {
            id = thread.id;
            thread.state.access_mut(&mut state).must_return = true;
            thread.wait.notify_all();
        }
    }

    /// Takes a parcel in. Hands it back if nothing comes in any more.
    pub(crate) fn receive(&self, parcel: KBox<Parcel>, place: Place) -> Result<(), KBox<Parcel>> {
        let mut state = self.lock();
        if state.is_closed {
            return Err(parcel);
        }
        if parcel.kind.is_one_way() {
            if state.one_way_is_busy {
                state.one_way_todo.push(Work::Parcel(parcel), place);
                return Ok(());
            }
            state.one_way_is_busy = true;
        }
        state.give(parcel, place);
        Ok(())
    }

    /// A one-way parcel is done with: the next one comes.
    fn next_one_way(&self) {
        let mut state = self.lock();
        // Who has set that drops all that waits: nobody may get it now.
        if state.is_closed {
            return;
        }
        match state.one_way_todo.pop_parcel() {
            Some((parcel, place)) => state.give(parcel, place),
            None => state.one_way_is_busy = false,
        }
    }

    /// Frees what is at `address` in the buffer, if that is the user's: `BC_FREE_BUFFER`. Returns whether
    /// file descriptors were closed with it.
    pub(crate) fn free_buffer(&self, address: u64, file: &mut OwnFile<'_>) -> bool {
        let Some(received) = self.buffer.free(address) else {
            return false;
        };
        if received.is_one_way {
            self.next_one_way();
        }
        file.close(&received.fds);
        !received.fds.is_empty()
    }

    /// Drops a parcel that has not been delivered; who waits for its reply reads `command`.
    pub(crate) fn undo(&self, parcel: KBox<Parcel>, command: u32) {
        let kind = parcel.kind.clone();
        drop(parcel);
        match kind {
            Kind::Call(call, _) => call.fail(command),
            Kind::OneWay(_) => self.next_one_way(),
            Kind::Reply => {}
        }
    }

    /// The buffer has been unmapped: what is on its way to it cannot arrive.
    ///
    /// Called with `mmap_lock` held.
    pub(crate) fn lose_buffer(&self) {
        self.buffer.close();
        let was_closed = core::mem::replace(&mut self.lock().is_closed, true);
        if was_closed {
            return;
        }
        // From here on no thread gets any more.
        self.drop_parcels();
        let mut id = Pid::MIN;
        loop {
            let thread = self.lock().thread_behind(id);
            let Some(thread) = thread else {
                return;
            };
            id = thread.id;
            thread.drop_parcels();
        }
    }

    /// Drops all that has come in and no thread has taken, and the one-way parcels behind others.
    fn drop_parcels(&self) {
        loop {
            let mut state = self.lock();
            let parcel = state.pop_parcel();
            let Some((parcel, place)) = parcel.or_else(|| state.one_way_todo.pop_parcel()) else {
                return;
            };
            drop(state);
            drop(place);
            self.undo(parcel, BR_DEAD_REPLY);
        }
    }

    /// Forgets a thread: it has ended.
    fn forget(&self, thread: &Arc<Thread>) {
        let removed = {
            let mut state = self.lock();
            let removed = state.threads.remove_node(&thread.id);
            if removed.is_some() {
                state.thread_count -= 1;
            }
            removed
        };
        if removed.is_some() {
            thread.end();
        }
    }

    /// The file is closed: `release`. All who wait for it learn that it is gone.
    pub(crate) fn release(self: &Arc<Self>) {
        context::retire(self);
        self.lock().is_closed = true;
        loop {
            let thread = self.lock().thread_behind(Pid::MIN);
            match thread {
                Some(thread) => self.forget(&thread),
                None => break,
            }
        }
        self.drop_parcels();
        // Not when the process goes, which whoever is about to reply to it may still have.
        self.buffer.release();
    }
}

impl Call {
    /// Who still waits for the reply.
    pub(crate) fn waiting(self: &Arc<Self>) -> Option<Arc<Thread>> {
        let from = self.from()?;
        let waits = {
            let state = from.process.lock();
            from.state.access(&state).waits_for(self)
        };
        waits.then_some(from)
    }

    /// Takes the reply in. Hands it back if nobody waits for it any more.
    pub(crate) fn receive_reply(
        self: &Arc<Self>,
        parcel: KBox<Parcel>,
        place: Place,
    ) -> Result<(), KBox<Parcel>> {
        let Some(caller) = self.from() else {
            return Err(parcel);
        };
        let mut state = caller.process.lock();
        let is_closed = state.is_closed;
        let from = caller.state.access_mut(&mut state);
        if is_closed || !from.waits_for(self) {
            return Err(parcel);
        }
        from.busy = Busy::No;
        from.push_parcel(parcel, place);
        caller.wait.notify_all();
        Ok(())
    }
}
