// SPDX-License-Identifier: GPL-2.0

//! Every operation with every fault there can be in it: what fails has changed nothing, loses nothing,
//! and works when it is tried again. That nothing leaks is also for kmemleak to say.
//!
//! An ioctl whose last step fails, which is to tell how far it came, has done the rest of it. What it was is seen from
//! the other end then: done once, or not at all.

use std::{
    cell::Cell,
    os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd},
};

use ashmem_binder::{command, uapi, Binder, Errno, Parcel, Return, TransactionData};

use crate::{
    fault::{each, each_if_any, Fault, Kind},
    process::{is_closed_within, open_fds, pipe, Child, Line},
    scene::{
        await_reply, call, call_fails, call_for_data, ensure, enter, expect, next, send_one_way,
        Scene, BUFFER, DEAD, FAILED,
    },
    threads::{is_ready, receive_and_count, set_max_threads, set_no_wait},
    Test,
};

/// The tests of this file.
pub const TESTS: &[(&str, Test)] = &[
    ("faults_in_open", faults_in_open),
    ("faults_in_mmap", faults_in_mmap),
    ("faults_in_a_second_mmap", faults_in_a_second_mmap),
    ("faults_in_the_first_ioctl", faults_in_the_first_ioctl),
    ("faults_in_the_version", faults_in_the_version),
    ("faults_in_becoming_manager", faults_in_becoming_manager),
    ("faults_in_max_threads", faults_in_max_threads),
    ("faults_in_the_extended_error", faults_in_the_extended_error),
    ("faults_in_thread_exit", faults_in_thread_exit),
    ("faults_in_looper_commands", faults_in_looper_commands),
    ("faults_in_references", faults_in_references),
    ("faults_in_poll", faults_in_poll),
    ("faults_in_a_transaction", faults_in_a_transaction),
    (
        "faults_in_a_transaction_of_fds",
        faults_in_a_transaction_of_fds,
    ),
    ("faults_one_way", faults_one_way),
    ("faults_in_a_reply", faults_in_a_reply),
    ("faults_in_a_reply_of_fds", faults_in_a_reply_of_fds),
    ("faults_in_receiving_fds", faults_in_receiving_fds),
    (
        "faults_in_reading_a_reply_of_fds",
        faults_in_reading_a_reply_of_fds,
    ),
    ("faults_in_freeing", faults_in_freeing),
    ("faults_in_freeing_fds", faults_in_freeing_fds),
    (
        "faults_in_looking_at_a_parcel",
        faults_in_looking_at_a_parcel,
    ),
];

/// The result of a system call as the library tells it.
fn errno<T>(result: std::io::Result<T>) -> Result<T, Errno> {
    result.map_err(|error| Errno(error.raw_os_error().unwrap_or(0)))
}

/// Asks for the version, and writes it to `version`.
fn ask_version(binder: &Binder, version: &Cell<i32>) -> Result<(), Errno> {
    binder.ioctl(u64::from(uapi::BINDER_VERSION), version.as_ptr() as u64)
}

/// The calling thread has ended, it says.
fn thread_exit(binder: &Binder) -> Result<(), Errno> {
    binder.ioctl(u64::from(uapi::BINDER_THREAD_EXIT), 0)
}

/// Whether the device knows the calling thread, which has nothing to read: the first ioctl of one that it does not know
/// would return. It knows it then.
fn is_known(binder: &Binder) -> Result<bool, String> {
    set_no_wait(binder, true);
    let read = binder.write_read(&[], &mut [0; 256]);
    set_no_wait(binder, false);
    match (read.result, &read.returns[..]) {
        (Err(Errno(libc::EAGAIN)), _) => Ok(true),
        (Ok(()), [Return::Noop]) => Ok(false),
        _ => Err(format!("a read: {read:?}")),
    }
}

fn faults_in_open(scene: &Scene) -> Result<(), String> {
    each("open", |fault| {
        let before = open_fds();
        let binder = match fault.during(|| errno(Binder::open(&scene.device))) {
            Ok(binder) => binder,
            Err(error) => {
                fault.explains(error)?;
                expect(open_fds(), before, "the descriptors")?;
                Binder::open(&scene.device).map_err(|error| format!("again: {error}"))?
            }
        };
        let version = Cell::new(-1);
        expect(ask_version(&binder, &version), Ok(()), "BINDER_VERSION")
    })
}

/// How many mappings of the device this process has.
fn mappings(scene: &Scene) -> Result<usize, String> {
    let maps = std::fs::read_to_string("/proc/self/maps").map_err(|err| err.to_string())?;
    let device = scene.device.display().to_string();
    Ok(maps.lines().filter(|line| line.ends_with(&device)).count())
}

fn faults_in_mmap(scene: &Scene) -> Result<(), String> {
    let (_server, _line) = scene.answering(|_, _| Parcel::of(b"mapped"));
    each("mmap", |fault| {
        let mut binder = scene.open_unmapped();
        if let Err(error) = fault.during(|| binder.map(BUFFER)) {
            fault.explains(error)?;
            expect(mappings(scene)?, 0, "mappings")?;
            call_fails(&binder, &Parcel::new(), DEAD, libc::ESRCH)?;
            expect(binder.map(BUFFER), Ok(()), "again")?;
        }
        let data = call_for_data(&binder, &Parcel::new())?;
        ensure(data == b"mapped", "what comes in")
    })
}

/// It fails in any case: the first one stays.
fn faults_in_a_second_mmap(scene: &Scene) -> Result<(), String> {
    let (_server, _line) = scene.answering(|_, _| Parcel::of(b"mapped"));
    let binder = scene.open();
    each("second mmap", |fault| {
        match fault.during(|| binder.try_map(BUFFER, libc::PROT_READ)) {
            Ok(_) => return Err("it is mapped twice".into()),
            Err(Errno(libc::EBUSY)) => {}
            Err(error) => fault.explains(error)?,
        }
        expect(mappings(scene)?, 1, "mappings")?;
        let data = call_for_data(&binder, &Parcel::new())?;
        ensure(data == b"mapped", "what comes in")
    })
}

/// The first one of a thread makes it known.
fn faults_in_the_first_ioctl(scene: &Scene) -> Result<(), String> {
    each("first ioctl", |fault| {
        let binder = scene.open_unmapped();
        let version = Cell::new(-1);
        let as_before = || {
            expect(version.get(), -1, "the version")?;
            // What cannot be copied is the version: the thread is known by then, as after any ioctl that fails.
            let was_known = fault.kind() == Some(Kind::Copy);
            expect(is_known(&binder)?, was_known, "whether it is known")?;
            expect(thread_exit(&binder), Ok(()), "BINDER_THREAD_EXIT")
        };
        // EINVAL is what BINDER_VERSION fails with, as in the kernel's binder.
        fault.retried(libc::EINVAL, || ask_version(&binder, &version), as_before)?;
        expect(version.get(), 8, "the version")?;
        ensure(is_known(&binder)?, "it is known")
    })
}

fn faults_in_the_version(scene: &Scene) -> Result<(), String> {
    let binder = scene.open_unmapped();
    expect(ask_version(&binder, &Cell::new(0)), Ok(()), "the first")?;
    each("version", |fault| {
        let version = Cell::new(-1);
        fault.retried(
            libc::EINVAL,
            || ask_version(&binder, &version),
            || expect(version.get(), -1, "the version"),
        )?;
        expect(version.get(), 8, "the version")
    })
}

/// With both ioctls. What of the second one cannot be read is `EINVAL`, as in the kernel's binder.
fn faults_in_becoming_manager(scene: &Scene) -> Result<(), String> {
    /// How it becomes the manager.
    type Become = fn(&Binder) -> Result<(), Errno>;
    let (_sender, line) = one_way_sender(scene);
    let ways: [(&str, Become, (u64, u64)); 2] = [
        (
            "become manager, plain",
            |binder| binder.ioctl(u64::from(uapi::BINDER_SET_CONTEXT_MGR), 0),
            (0, 0),
        ),
        (
            "become manager",
            |binder| binder.become_manager(1, 2),
            (1, 2),
        ),
    ];
    for (name, become_manager, numbers) in ways {
        each(name, |fault| {
            let (binder, other) = (scene.open(), scene.open());
            fault.retried(
                libc::EINVAL,
                || become_manager(&binder),
                || call_fails(&other, &Parcel::new(), DEAD, libc::EINVAL),
            )?;
            let another = other.become_manager(3, 4);
            expect(another, Err(Errno(libc::EBUSY)), "another one")?;
            line.tell(1);
            let tr = receive_any(&binder)?;
            let told = (Binder::target(&tr), tr.cookie);
            expect(told, numbers, "the manager's numbers")?;
            line.hear().map(drop)
        })?;
    }
    Ok(())
}

/// Starts a client that sends something one-way to the manager each time when it is told to.
fn one_way_sender(scene: &Scene) -> (Child, Line) {
    let (ours, theirs) = Line::pair();
    let client = Child::fork(move || loop {
        theirs.hear()?;
        let sent = send_one_way(&scene.open(), &Parcel::new())?;
        ensure(matches!(sent, Return::Complete), &format!("{sent:?}"))?;
        theirs.tell(1);
    });
    (client, ours)
}

/// How many threads the manager is asked for when it receives something.
fn threads_asked_for(binder: &Binder, line: &Line) -> Result<usize, String> {
    let mut asked = 0;
    line.tell(1);
    let tr = receive_and_count(binder, &mut asked)?;
    line.hear()?;
    expect(binder.write(&Binder::free(&tr)).result, Ok(()), "free")?;
    Ok(asked)
}

fn faults_in_max_threads(scene: &Scene) -> Result<(), String> {
    let (_sender, line) = one_way_sender(scene);
    each("set max threads", |fault| {
        let binder = own_server(scene)?;
        let asked = || threads_asked_for(&binder, &line);
        fault.retried(
            libc::EINVAL,
            || set_max_threads(&binder, 1),
            || expect(asked()?, 0, "threads that are asked for"),
        )?;
        expect(asked()?, 1, "threads that are asked for")
    })
}

/// What cannot be told is not forgotten.
fn faults_in_the_extended_error(scene: &Scene) -> Result<(), String> {
    let binder = scene.open();
    each("extended error", |fault| {
        let failed = call(&binder, &Parcel::new())?;
        ensure(matches!(failed, Err(Return::Dead)), "no manager")?;
        let told = Cell::new(uapi::binder_extended_error::default());
        let ask = || {
            let number = u64::from(uapi::BINDER_GET_EXTENDED_ERROR);
            binder.ioctl(number, told.as_ptr() as u64)
        };
        fault.retried(libc::EFAULT, ask, || Ok(()))?;
        let error = told.get();
        expect(
            (error.command, error.param),
            (DEAD, -libc::EINVAL),
            "the error",
        )?;
        let ok = uapi::binder_driver_return_protocol_BR_OK;
        expect(binder.extended_error(), (ok, 0), "asked again")
    })
}

/// Of a thread that is not known yet, and of one that is: to forget it takes nothing.
fn faults_in_thread_exit(scene: &Scene) -> Result<(), String> {
    each("thread exit, first ioctl", |fault| {
        let binder = scene.open_unmapped();
        // It copies nothing.
        fault.retried(libc::ENOMEM, || thread_exit(&binder), || Ok(()))?;
        expect(is_known(&binder)?, false, "whether it is known")
    })?;
    each_if_any("thread exit", |fault| {
        let binder = scene.open_unmapped();
        expect(ask_version(&binder, &Cell::new(0)), Ok(()), "the first")?;
        fault.retried(
            libc::ENOMEM,
            || thread_exit(&binder),
            || expect(is_known(&binder)?, true, "whether it is known"),
        )?;
        expect(is_known(&binder)?, false, "whether it is known")
    })
    .map(drop)
}

/// Writes commands, all of them.
fn write_all(binder: &Binder, commands: &[u8]) -> Result<(), Errno> {
    let written = binder.write(commands);
    written.result?;
    assert_eq!(commands.len() as u64, written.written, "written");
    Ok(())
}

/// What a command changes shows in how many threads are asked for: one, and only once, whether it was carried out
/// before it failed or when it is tried again.
fn faults_in_looper_commands(scene: &Scene) -> Result<(), String> {
    const ENTER: u32 = uapi::binder_driver_command_protocol_BC_ENTER_LOOPER;
    const REGISTER: u32 = uapi::binder_driver_command_protocol_BC_REGISTER_LOOPER;
    const EXIT: u32 = uapi::binder_driver_command_protocol_BC_EXIT_LOOPER;
    let (_sender, line) = one_way_sender(scene);
    for (name, number) in [
        ("BC_ENTER_LOOPER", ENTER),
        ("BC_REGISTER_LOOPER", REGISTER),
        ("BC_EXIT_LOOPER", EXIT),
    ] {
        each(name, |fault| {
            let binder = scene.open();
            expect(binder.become_manager(1, 1), Ok(()), "become the manager")?;
            let asked = || threads_asked_for(&binder, &line);
            let most = if number == REGISTER { 2 } else { 1 };
            expect(set_max_threads(&binder, most), Ok(()), "max threads")?;
            match number {
                REGISTER => {
                    // The one that is asked for here is the one that registers.
                    let first = write_all(&binder, &REGISTER.to_ne_bytes());
                    expect(first, Ok(()), "register")?;
                    expect(asked()?, 1, "threads that are asked for at first")?;
                }
                EXIT => enter(&binder),
                _ => expect(asked()?, 0, "threads that are asked for at first")?,
            }
            let before_it_is_retried = Cell::new(0);
            fault.retried(
                libc::EFAULT,
                || write_all(&binder, &number.to_ne_bytes()),
                || {
                    before_it_is_retried.set(asked()?);
                    Ok(())
                },
            )?;
            let all = before_it_is_retried.get() + asked()?;
            expect(all, 1, "threads that are asked for")?;
            expect(asked()?, 0, "threads that are asked for at last")
        })?;
    }
    Ok(())
}

fn faults_in_references(scene: &Scene) -> Result<(), String> {
    let binder = scene.open();
    let acquire = [
        uapi::binder_driver_command_protocol_BC_INCREFS,
        uapi::binder_driver_command_protocol_BC_ACQUIRE,
    ];
    let release = [
        uapi::binder_driver_command_protocol_BC_RELEASE,
        uapi::binder_driver_command_protocol_BC_DECREFS,
    ];
    for number in acquire.into_iter().chain(release) {
        let commands = command(number, &0u32);
        each(&format!("reference command {number:#x}"), |fault| {
            fault.retried(libc::EFAULT, || write_all(&binder, &commands), || Ok(()))
        })?;
    }
    // The manager cannot have one of its own, with or without a fault.
    expect(binder.become_manager(1, 1), Ok(()), "become the manager")?;
    for number in acquire {
        let commands = command(number, &0u32);
        each(&format!("reference of its own {number:#x}"), |fault| {
            match fault.during(|| write_all(&binder, &commands)) {
                Err(Errno(libc::EINVAL)) => {}
                Err(error) => fault.explains(error)?,
                Ok(()) => return Err("it has one".into()),
            }
            let again = write_all(&binder, &commands);
            expect(again, Err(Errno(libc::EINVAL)), "again")
        })?;
    }
    Ok(())
}

fn faults_in_poll(scene: &Scene) -> Result<(), String> {
    each("poll", |fault| {
        let binder = scene.open();
        let mut poll = libc::pollfd {
            fd: binder.as_fd().as_raw_fd(),
            events: libc::POLLIN,
            revents: 0,
        };
        // SAFETY: One structure, as it says.
        let mut ask = || match unsafe { libc::poll(&mut poll, 1, 0) } {
            -1 => Err(Errno::last()),
            _ => Ok(poll.revents),
        };
        // The first read of a thread returns.
        match fault.during(&mut ask) {
            Ok(libc::POLLIN) => return Ok(()),
            // The thread could not be made known.
            Ok(libc::POLLERR) => expect(fault.kind(), Some(Kind::Memory), "POLLERR")?,
            Ok(other) => return Err(format!("events: {other:#x}")),
            Err(error) => fault.explains(error)?,
        }
        expect(ask(), Ok(libc::POLLIN), "again")
    })
}

/// What a patient server answers.
struct Answer {
    /// How many transactions have come in, with this one.
    count: u64,
    /// How many files came with this one.
    files: u64,
}

/// Some files as what is sent: one after the other, and as many again in an array.
struct Files<'a> {
    /// The file.
    file: BorrowedFd<'a>,
    /// The array.
    array: Vec<u8>,
}

impl<'a> Files<'a> {
    /// What is sent of a file, `count` times each way.
    fn new(file: BorrowedFd<'a>, count: usize) -> Self {
        let array = file.as_raw_fd().to_ne_bytes().repeat(count);
        Self { file, array }
    }

    /// A parcel of `data` with them. It points to this.
    fn parcel(&self, data: &[u8]) -> Parcel {
        let count = (self.array.len() / size_of::<u32>()) as u64;
        let parcel = Parcel::new().plain(data);
        let parcel = (0..count).fold(parcel, |parcel, number| parcel.fd(self.file, number));
        parcel
            .buffer(&self.array, None)
            .fd_array(count, count, 0)
            .buffer(b"behind", None)
    }
}

/// A server that answers whatever comes, as long as anything can be read: with as many descriptors as it is asked for
/// by the code, and as many in an array. It closes those that it gets.
struct PatientServer {
    /// Its process.
    _child: Child,
    /// It tells when it can be called.
    line: Line,
}

impl PatientServer {
    /// The code that asks it for another buffer, of which nothing has been used.
    const RENEW: u32 = 1000;

    /// Starts one, that sends `writer`.
    fn start(scene: &Scene, writer: OwnedFd) -> Result<Self, String> {
        let (line, theirs) = Line::pair();
        let child = Child::fork(|| {
            let mut binder = own_server(scene)?;
            let before = open_fds();
            theirs.tell(1);
            for count in 1u64.. {
                let tr = receive_any(&binder)?;
                let files = (open_fds().len() - before.len()) as u64;
                close_all_but(&before);
                if tr.code == Self::RENEW {
                    drop(binder);
                    binder = own_server(scene)?;
                    theirs.tell(1);
                    continue;
                }
                let data = [count.to_ne_bytes(), files.to_ne_bytes()].concat();
                let asked = Files::new(writer.as_fd(), tr.code as usize);
                let parcel = match tr.code {
                    0 => Parcel::of(&data),
                    _ => asked.parcel(&data),
                };
                let mut commands = Binder::free(&tr);
                if tr.flags & uapi::transaction_flags_TF_ONE_WAY == 0 {
                    commands.extend(parcel.reply());
                }
                expect(binder.write(&commands).result, Ok(()), "reply")?;
            }
            Ok(())
        });
        line.hear()?;
        Ok(Self {
            _child: child,
            line,
        })
    }

    /// From now on it has another buffer.
    fn renew(&self, scene: &Scene) -> Result<(), String> {
        let mut parcel = Parcel::new();
        parcel.code = Self::RENEW;
        let sent = send_one_way(&scene.open(), &parcel)?;
        ensure(matches!(sent, Return::Complete), &format!("{sent:?}"))?;
        self.line.hear().map(drop)
    }
}

/// What the answer is that has come; it is freed.
fn take_answer(binder: &Binder, tr: &TransactionData) -> Result<Answer, String> {
    let numbers: Vec<u64> = binder
        .data(tr)
        .chunks_exact(8)
        .take(2)
        .map(|bytes| u64::from_ne_bytes(bytes.try_into().expect("8 bytes")))
        .collect();
    expect(binder.write(&Binder::free(tr)).result, Ok(()), "free")?;
    match numbers[..] {
        [count, files] => Ok(Answer { count, files }),
        _ => Err("no answer".into()),
    }
}

/// Sends a transaction that a patient server must answer.
fn ask(binder: &Binder, parcel: &Parcel) -> Result<Answer, String> {
    let reply = call(binder, parcel)?;
    let tr = reply.map_err(|failed| format!("{failed:?} {:?}", binder.extended_error()))?;
    take_answer(binder, &tr)
}

/// Waits for a transaction, whatever else there is to read.
fn receive_any(binder: &Binder) -> Result<TransactionData, String> {
    loop {
        let returns = binder.read().map_err(|error| format!("read: {error:?}"))?;
        if let Some(tr) = transaction_in(&returns) {
            return Ok(tr);
        }
    }
}

/// The transaction among what was read.
fn transaction_in(returns: &[Return]) -> Option<TransactionData> {
    returns.iter().find_map(|returned| match returned {
        Return::Transaction(tr) => Some(*tr),
        _ => None,
    })
}

/// Closes what was not open before.
fn close_all_but(before: &[i32]) {
    for fd in open_fds() {
        if !before.contains(&fd) {
            // SAFETY: It was received through binder, and nothing else knows it.
            drop(unsafe { OwnedFd::from_raw_fd(fd) });
        }
    }
}

/// What of a transaction cannot be read: the data or the offsets are `EFAULT`, objects and buffers `EINVAL`, as in the
/// kernel's binder.
const UNREADABLE: [i32; 2] = [libc::EFAULT, libc::EINVAL];

/// The errors of a transaction that a fault explains, told by what is read.
fn failed_transaction(binder: &Binder, fault: &Fault<'_>, returned: Return) -> Result<(), String> {
    let (command, errno) = binder.extended_error();
    ensure(
        matches!(returned, Return::Failed) && command == FAILED,
        &format!("{returned:?} {command:#x} {errno}"),
    )?;
    fault.explains_as(Errno(-errno), &UNREADABLE)
}

/// Data that needs one more page of a buffer where only something small has been.
const LARGER: [u8; 5000] = [7; 5000];

/// A transaction of so many files with a fault in the sender, and what comes of it: the server receives it once.
fn faulty_call(
    scene: &Scene,
    server: &PatientServer,
    fault: &Fault<'_>,
    parcel: &Parcel,
    files: u64,
) -> Result<(), String> {
    server.renew(scene)?;
    let other = scene.open();
    let count = || Ok::<_, String>(ask(&other, &Parcel::new())?.count);
    let before = count()?;
    let fds = open_fds();
    let binder = scene.open();
    enter(&binder);
    let commands = parcel.transaction();
    let reply = match fault.during(|| binder.write(&commands).result) {
        Err(error) => {
            fault.explains(error)?;
            // Whether it is on its way was not told. It would be in front of this.
            let has_come = count()? == before + 2;
            has_come.then(|| await_reply(&binder)).transpose()?
        }
        Ok(()) => match await_reply(&binder)? {
            Ok(tr) => Some(Ok(tr)),
            Err(returned) => {
                failed_transaction(&binder, fault, returned)?;
                expect(count()?, before + 1, "what has come")?;
                None
            }
        },
    };
    let (answer, has_come) = match reply {
        Some(Ok(tr)) => (take_answer(&binder, &tr)?, before + 1),
        Some(Err(returned)) => return Err(format!("{returned:?} for what has come")),
        // The same thread may try the same again.
        None => {
            let answer = ask(&binder, parcel).map_err(|text| format!("again: {text}"))?;
            (answer, before + 2)
        }
    };
    expect(answer.count, has_come, "what has come")?;
    expect(answer.files, files, "the files that came with it")?;
    drop(binder);
    expect(open_fds(), fds, "the descriptors")
}

fn faults_in_a_transaction(scene: &Scene) -> Result<(), String> {
    let (_reader, writer) = pipe();
    let server = PatientServer::start(scene, writer)?;
    each("transaction", |fault| {
        faulty_call(scene, &server, fault, &Parcel::of(&LARGER), 0)
    })
}

/// `BC_TRANSACTION_SG`, with all kinds of objects.
fn faults_in_a_transaction_of_fds(scene: &Scene) -> Result<(), String> {
    let (_reader, writer) = pipe();
    let server = PatientServer::start(scene, writer)?;
    let (reader, writer) = pipe();
    each("transaction of fds", |fault| {
        let files = Files::new(writer.as_fd(), 3);
        faulty_call(scene, &server, fault, &files.parcel(&LARGER), 6)
    })?;
    drop(writer);
    ensure(
        is_closed_within(&reader, 10),
        "nobody has the file any more",
    )
}

fn faults_one_way(scene: &Scene) -> Result<(), String> {
    let (_reader, writer) = pipe();
    let server = PatientServer::start(scene, writer)?;
    let (reader, writer) = pipe();
    let other = scene.open();
    let count = || Ok::<_, String>(ask(&other, &Parcel::new())?.count);
    each("one-way", |fault| {
        server.renew(scene)?;
        let before = count()?;
        let fds = open_fds();
        let binder = scene.open();
        enter(&binder);
        let parcel = Parcel::new().plain(&LARGER).fd(writer.as_fd(), 0);
        let parcel = parcel.flags(uapi::transaction_flags_TF_ONE_WAY);
        let commands = parcel.transaction();
        let is_sent = match fault.during(|| binder.write(&commands).result) {
            Err(error) => {
                fault.explains(error)?;
                // Whether it is on its way was not told. It would be in front of this.
                count()? == before + 2
            }
            Ok(()) => match next(&binder)? {
                Return::Complete => {
                    expect(count()?, before + 2, "what has come")?;
                    true
                }
                returned => {
                    failed_transaction(&binder, fault, returned)?;
                    expect(count()?, before + 1, "what has come")?;
                    false
                }
            },
        };
        if !is_sent {
            // The same thread may try the same again.
            let again = send_one_way(&binder, &parcel)?;
            ensure(matches!(again, Return::Complete), &format!("{again:?}"))?;
        }
        expect(count()?, before + 3, "what has come")?;
        drop(binder);
        expect(open_fds(), fds, "the descriptors")
    })?;
    drop(writer);
    ensure(
        is_closed_within(&reader, 10),
        "nobody has the file any more",
    )
}

/// The files that the client below sends, each way.
const FILES: usize = 2;
/// What it tells of a call that has failed, in place of how many files came.
const HAS_FAILED: u8 = u8::MAX;

/// Starts a client that calls over and over, with files, and each time has another buffer. Of each call it tells how
/// many files came with the reply, and the errno if it has failed.
fn telling_client(scene: &Scene) -> (Child, Line) {
    let (ours, theirs) = Line::pair();
    let client = Child::fork(move || {
        let (_reader, writer) = pipe();
        let files = Files::new(writer.as_fd(), FILES);
        let parcel = files.parcel(b"call");
        let parcel = parcel.flags(uapi::transaction_flags_TF_ACCEPT_FDS);
        loop {
            let binder = scene.open();
            let before = open_fds();
            match call(&binder, &parcel)? {
                Ok(_) => {
                    theirs.tell((open_fds().len() - before.len()) as u8);
                    theirs.tell(0);
                }
                Err(_) => {
                    expect(&open_fds(), &before, "the client's descriptors")?;
                    theirs.tell(HAS_FAILED);
                    theirs.tell(-binder.extended_error().1 as u8);
                }
            }
            close_all_but(&before);
        }
    });
    (client, ours)
}

/// What the client tells of its call.
fn hear_of_call(line: &Line) -> Result<(u8, Errno), String> {
    Ok((line.hear()?, Errno(line.hear()?.into())))
}

/// The server of the tests below, in this process.
fn own_server(scene: &Scene) -> Result<Binder, String> {
    let binder = scene.open();
    expect(binder.become_manager(1, 1), Ok(()), "become the manager")?;
    enter(&binder);
    Ok(binder)
}

/// Receives a call, closes its files and frees it.
fn take_call(binder: &Binder, before: &[i32]) -> Result<(), String> {
    let tr = receive_any(binder)?;
    let files = open_fds().len() - before.len();
    expect(files, 2 * FILES, "the files of a call")?;
    close_all_but(before);
    expect(binder.write(&Binder::free(&tr)).result, Ok(()), "free")
}

/// Replies, and is told that it is on its way.
fn reply_with(binder: &Binder, commands: &[u8]) -> Result<(), String> {
    expect(binder.write(commands).result, Ok(()), "reply")?;
    let told = next(binder)?;
    ensure(matches!(told, Return::Complete), &format!("{told:?}"))
}

/// A reply of so many files with a fault in the server. The client gets it, or learns why not; it gets the next one.
fn faulty_reply(
    binder: &Binder,
    line: &Line,
    fault: &Fault<'_>,
    parcel: &Parcel,
    files: u8,
) -> Result<(), String> {
    let before = open_fds();
    let got = (files, Errno(0));
    take_call(binder, &before)?;
    let commands = parcel.reply();
    let written = fault.during(|| binder.write(&commands).result);
    expect(open_fds(), before.clone(), "the descriptors")?;
    if let Err(error) = written {
        fault.explains(error)?;
        // Whether it was sent was not told. If it was, this is one to nobody.
        expect(binder.write(&commands).result, Ok(()), "again")?;
        let told = binder.read().map_err(|error| format!("read: {error:?}"))?;
        match told[..] {
            [Return::Complete] => {}
            [Return::Complete, Return::Failed] => expect(
                binder.extended_error(),
                (FAILED, -libc::EPROTO),
                "the second time",
            )?,
            _ => return Err(format!("{told:?}")),
        }
        return expect(hear_of_call(line)?, got, "what the client gets");
    }
    let told = next(binder)?;
    ensure(matches!(told, Return::Complete), &format!("{told:?}"))?;
    match hear_of_call(line)? {
        (HAS_FAILED, error) => fault.explains_as(error, &UNREADABLE)?,
        told => return expect(told, got, "what the client gets"),
    }
    // The call is over for both. The next one is answered.
    take_call(binder, &before)?;
    reply_with(binder, &commands)?;
    expect(hear_of_call(line)?, got, "what the client gets then")
}

fn faults_in_a_reply(scene: &Scene) -> Result<(), String> {
    let binder = own_server(scene)?;
    let (_client, line) = telling_client(scene);
    each("reply", |fault| {
        faulty_reply(&binder, &line, fault, &Parcel::of(&LARGER), 0)
    })
}

/// `BC_REPLY_SG`, with all kinds of objects.
fn faults_in_a_reply_of_fds(scene: &Scene) -> Result<(), String> {
    let binder = own_server(scene)?;
    let (client, line) = telling_client(scene);
    let (reader, writer) = pipe();
    each("reply of fds", |fault| {
        let files = Files::new(writer.as_fd(), 2);
        faulty_reply(&binder, &line, fault, &files.parcel(b"reply"), 4)
    })?;
    client.kill();
    drop(writer);
    ensure(
        is_closed_within(&reader, 10),
        "nobody has the file any more",
    )
}

/// What cannot be received is still there, or the client has learnt that it is lost.
fn faults_in_receiving_fds(scene: &Scene) -> Result<(), String> {
    let binder = own_server(scene)?;
    let (_client, line) = telling_client(scene);
    let before = open_fds();
    each("receiving fds", |fault| {
        let found = match fault.during(|| binder.read()) {
            Err(error) => fault.explains(error).map(|()| None)?,
            Ok(returns) => transaction_in(&returns),
        };
        let tr = match found {
            Some(tr) => tr,
            None => {
                ensure(fault.is_done(), "it comes without a fault")?;
                expect(open_fds(), before.clone(), "the descriptors")?;
                receive_any(&binder)?
            }
        };
        let files = open_fds().len() - before.len();
        expect(files, 2 * FILES, "the files of a call")?;
        close_all_but(&before);
        expect(binder.write(&Binder::free(&tr)).result, Ok(()), "free")?;
        reply_with(&binder, &Parcel::new().reply())?;
        let mut told = hear_of_call(&line)?;
        if told.0 == HAS_FAILED {
            ensure(found.is_none(), "it failed, and has come")?;
            told = hear_of_call(&line)?;
        }
        expect(told, (0, Errno(0)), "what the client gets")
    })
}

/// What cannot be read is still there, or lost: then the thread waits for nothing, and may call again.
fn faults_in_reading_a_reply_of_fds(scene: &Scene) -> Result<(), String> {
    let (reader, writer) = pipe();
    let _server = PatientServer::start(scene, writer)?;
    let mut parcel = Parcel::new().flags(uapi::transaction_flags_TF_ACCEPT_FDS);
    parcel.code = FILES as u32;
    let binder = scene.open();
    let before = open_fds();
    /// What was read: a reply, that it failed, or neither.
    fn outcome(returns: &[Return]) -> Option<Result<TransactionData, Return>> {
        returns.iter().find_map(|returned| match returned {
            Return::Reply(tr) => Some(Ok(*tr)),
            Return::Failed => Some(Err(*returned)),
            _ => None,
        })
    }
    let check = |tr| {
        let files = open_fds().len() - before.len();
        expect(files, 2 * FILES, "the files of a reply")?;
        close_all_but(&before);
        take_answer(&binder, &tr).map(drop)
    };
    each("reading a reply of fds", |fault| {
        expect(binder.write(&parcel.transaction()).result, Ok(()), "write")?;
        // The reply, and that the call is complete, are read at once.
        ensure(is_ready(&binder, 10_000), "there is a reply")?;
        let read = fault.during(|| binder.read());
        let found = match read {
            Err(error) => {
                fault.explains(error)?;
                expect(open_fds(), before.clone(), "the descriptors")?;
                set_no_wait(&binder, true);
                let left = binder.read();
                set_no_wait(&binder, false);
                match left {
                    Ok(returns) => outcome(&returns),
                    Err(error) => {
                        expect(error, Errno(libc::EAGAIN), "what is left").map(|()| None)?
                    }
                }
            }
            Ok(returns) => outcome(&returns),
        };
        match found {
            Some(Ok(tr)) => check(tr)?,
            _ => {
                ensure(fault.is_done(), "it comes without a fault")?;
                expect(open_fds(), before.clone(), "the descriptors")?;
            }
        }
        let again = call(&binder, &parcel)?;
        check(again.map_err(|returned| format!("again: {returned:?}"))?)?;
        ensure(!is_closed_within(&reader, 0), "the server's end")
    })
}

/// What is freed is nearly all of the buffer: the next reply fits only if it was.
fn faults_in_freeing(scene: &Scene) -> Result<(), String> {
    let reply = Parcel::of(&vec![1; BUFFER - 4096]);
    let (_server, _line) = scene.answering(|_, _| reply.clone());
    let binder = scene.open();
    each("freeing", |fault| {
        let tr = call(&binder, &Parcel::new())?.map_err(|err| format!("{err:?}"))?;
        let commands = Binder::free(&tr);
        // It may have been freed when it fails; then there is nothing to free, which is no error.
        fault.retried(libc::EFAULT, || write_all(&binder, &commands), || Ok(()))?;
        call_for_data(&binder, &Parcel::new()).map(drop)
    })
}

/// With it the file descriptors in arrays are closed: all of them, or none.
fn faults_in_freeing_fds(scene: &Scene) -> Result<(), String> {
    let (_reader, writer) = pipe();
    let _server = PatientServer::start(scene, writer)?;
    let binder = scene.open();
    let before = open_fds();
    let mut parcel = Parcel::new().flags(uapi::transaction_flags_TF_ACCEPT_FDS);
    parcel.code = FILES as u32;
    each("freeing fds", |fault| {
        let tr = call(&binder, &parcel)?.map_err(|err| format!("{err:?}"))?;
        let files = || open_fds().len() - before.len();
        expect(files(), 2 * FILES, "the files of a reply")?;
        let commands = Binder::free(&tr);
        fault.retried(
            libc::EFAULT,
            || write_all(&binder, &commands),
            || ensure([FILES, 2 * FILES].contains(&files()), "all or none"),
        )?;
        expect(files(), FILES, "the files that are not in an array")?;
        close_all_but(&before);
        Ok(())
    })
}

/// The kernel maps the pages of a parcel when they are looked at. What that takes may not be there at first: then
/// it tries again, and nobody notices.
fn faults_in_looking_at_a_parcel(scene: &Scene) -> Result<(), String> {
    /// As much as two pages of page tables map: one of them is for this alone, and new with it.
    const LARGE: usize = 4 << 20;
    let reply = Parcel::of(&vec![7; LARGE]);
    let (_server, _line) = scene.answering(|_, _| reply.clone());
    each("looking at a parcel", |fault| {
        let mut binder = scene.open_unmapped();
        expect(binder.map(LARGE), Ok(()), "map")?;
        let tr = call(&binder, &Parcel::new())?.map_err(|err| format!("{err:?}"))?;
        let data = binder.data(&tr);
        let sum = fault.during(|| data.iter().step_by(4096).map(|&byte| u64::from(byte)).sum());
        expect(sum, 7 * (LARGE as u64 / 4096), "what is seen")?;
        ensure(data.iter().all(|&byte| byte == 7), "all of it")
    })
}
