// SPDX-License-Identifier: GPL-2.0

//! Every operation with every fault there can be in it: what fails has changed nothing, loses nothing,
//! and works when it is tried again. That nothing leaks is also for kmemleak to say.

use std::{
    os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd},
    thread,
};

use ashmem_binder::{uapi, Binder, Errno, Parcel, Return, TransactionData};

use crate::{
    fault::{each, Fault},
    process::{is_closed_within, open_fds, pipe, Child, Line},
    scene::{await_reply, call, call_for_data, ensure, enter, expect, next, Scene},
    Test,
};

/// The tests of this file.
pub const TESTS: &[(&str, Test)] = &[
    ("faults_in_open", faults_in_open),
    ("faults_in_mmap", faults_in_mmap),
    ("faults_in_the_first_ioctl", faults_in_the_first_ioctl),
    ("faults_in_becoming_manager", faults_in_becoming_manager),
    ("faults_in_plain_ioctls", faults_in_plain_ioctls),
    ("faults_in_poll", faults_in_poll),
    ("faults_in_a_transaction", faults_in_a_transaction),
    (
        "faults_in_a_transaction_of_fds",
        faults_in_a_transaction_of_fds,
    ),
    ("faults_one_way", faults_one_way),
    ("faults_in_a_reply_of_fds", faults_in_a_reply_of_fds),
    ("faults_in_receiving_fds", faults_in_receiving_fds),
    (
        "faults_in_reading_a_reply_of_fds",
        faults_in_reading_a_reply_of_fds,
    ),
    ("faults_in_freeing", faults_in_freeing),
    (
        "faults_in_looking_at_a_parcel",
        faults_in_looking_at_a_parcel,
    ),
];

/// The result of a system call as the library tells it.
fn errno<T>(result: std::io::Result<T>) -> Result<T, Errno> {
    result.map_err(|error| Errno(error.raw_os_error().unwrap_or(0)))
}

fn faults_in_open(scene: &Scene) -> Result<(), String> {
    each("open", |fault| {
        let before = open_fds();
        match fault.during(|| errno(Binder::open(&scene.device))) {
            Ok(_binder) => Ok(()),
            Err(error) => {
                fault.explains(error)?;
                expect(open_fds(), before, "the descriptors")?;
                Binder::open(&scene.device)
                    .map(drop)
                    .map_err(|error| format!("again: {error}"))
            }
        }
    })
}

fn faults_in_mmap(scene: &Scene) -> Result<(), String> {
    each("mmap", |fault| {
        let mut binder = scene.open_unmapped();
        match fault.during(|| binder.map(1 << 20)) {
            Ok(()) => Ok(()),
            Err(error) => {
                fault.explains(error)?;
                expect(binder.map(1 << 20), Ok(()), "again")
            }
        }
    })
}

/// The first one of a thread makes it known.
fn faults_in_the_first_ioctl(scene: &Scene) -> Result<(), String> {
    each("first ioctl", |fault| {
        let binder = scene.open_unmapped();
        let mut version = 0i32;
        let mut ask = || binder.ioctl_on(uapi::BINDER_VERSION, &mut version);
        if let Err(error) = fault.during(&mut ask) {
            // What cannot be copied is EINVAL here, as in the kernel's binder.
            ensure(fault.is_done(), "an error without a fault")?;
            ensure(
                [libc::ENOMEM, libc::EINVAL].contains(&error.0),
                &format!("{error:?}"),
            )?;
            expect(ask(), Ok(()), "again")?;
        }
        expect(version, 8, "the version")
    })
}

fn faults_in_becoming_manager(scene: &Scene) -> Result<(), String> {
    each("become manager", |fault| {
        let binder = scene.open();
        if let Err(error) = fault.during(|| binder.become_manager(1, 2)) {
            ensure(fault.is_done(), "an error without a fault")?;
            ensure(
                [libc::ENOMEM, libc::EINVAL].contains(&error.0),
                &format!("{error:?}"),
            )?;
            // The place is free.
            expect(binder.become_manager(1, 2), Ok(()), "again")?;
        }
        expect(
            scene.open().become_manager(1, 2),
            Err(Errno(libc::EBUSY)),
            "another one",
        )
    })
}

fn faults_in_plain_ioctls(scene: &Scene) -> Result<(), String> {
    let binder = scene.open();
    each("set max threads", |fault| {
        let mut count = 3u32;
        match fault.during(|| binder.ioctl_on(uapi::BINDER_SET_MAX_THREADS, &mut count)) {
            Err(Errno(libc::EINVAL)) if fault.is_done() => Ok(()),
            result => expect(result, Ok(()), "the result"),
        }
    })?;
    each("extended error", |fault| {
        // SAFETY: The structure is numbers.
        let mut error: uapi::binder_extended_error = unsafe { std::mem::zeroed() };
        match fault.during(|| binder.ioctl_on(uapi::BINDER_GET_EXTENDED_ERROR, &mut error)) {
            Err(error) => fault.explains(error),
            Ok(()) => Ok(()),
        }
    })?;
    each("thread exit and anew", |fault| {
        let mut none = 0i32;
        let mut exit = || binder.ioctl_on(uapi::BINDER_THREAD_EXIT, &mut none);
        expect(exit(), Ok(()), "forget the thread")?;
        match fault.during(&mut exit) {
            Err(error) => fault.explains(error),
            Ok(()) => Ok(()),
        }
    })
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
            _ => Ok(poll.revents & libc::POLLERR != 0),
        };
        match fault.during(&mut ask) {
            Ok(false) => return Ok(()),
            Ok(true) => ensure(fault.is_done(), "POLLERR without a fault")?,
            Err(error) => fault.explains(error)?,
        }
        expect(ask(), Ok(false), "again")
    })
}

/// Starts a server that answers whatever comes, as long as anything can be read: with as many
/// descriptors of `writer` as it is asked for by the code. It closes those that it gets.
fn patient_server(scene: &Scene, writer: OwnedFd) -> Result<Child, String> {
    let (ours, theirs) = Line::pair();
    let server = Child::fork(|| {
        let binder = scene.open();
        let manager = binder.become_manager(1, 1);
        expect(manager, Ok(()), "become the manager")?;
        enter(&binder);
        let before = open_fds();
        theirs.tell(1);
        loop {
            let tr = receive_any(&binder)?;
            let parcel = (0..tr.code).fold(Parcel::new(), |parcel, _| parcel.fd(writer.as_fd(), 0));
            close_all_but(&before);
            let mut commands = Binder::free(&tr);
            if tr.flags & uapi::transaction_flags_TF_ONE_WAY == 0 {
                commands.extend(parcel.reply());
            }
            expect(binder.write(&commands).result, Ok(()), "reply")?;
        }
    });
    ours.hear()?;
    Ok(server)
}

/// Waits for a transaction, whatever else there is to read.
fn receive_any(binder: &Binder) -> Result<TransactionData, String> {
    loop {
        let returns = binder.read().map_err(|error| format!("read: {error:?}"))?;
        let found = returns.iter().find_map(|returned| match returned {
            Return::Transaction(tr) => Some(*tr),
            _ => None,
        });
        if let Some(tr) = found {
            return Ok(tr);
        }
    }
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

/// The errors of a transaction that a fault explains: of the ioctl itself, or told by what is read.
fn failed_transaction(binder: &Binder, fault: &Fault<'_>, returned: Return) -> Result<(), String> {
    let (command, errno) = binder.extended_error();
    ensure(
        fault.is_done() && matches!(returned, Return::Failed | Return::Dead),
        &format!("{returned:?} {command:#x} {errno}"),
    )?;
    match -errno {
        // A buffer of the sender's that cannot be read is that, as in the kernel's binder.
        libc::EINVAL => Ok(()),
        errno => fault.explains(Errno(errno)),
    }
}

/// A transaction with a fault in the sender, and what comes of it.
fn faulty_call(scene: &Scene, fault: &Fault<'_>, parcel: &Parcel) -> Result<(), String> {
    let before = open_fds();
    {
        // A client of its own: it may not know whether its parcel is on the way.
        let binder = scene.open();
        enter(&binder);
        let commands = parcel.transaction();
        match fault.during(|| binder.write(&commands).result) {
            Err(error) => fault.explains(error)?,
            Ok(()) => match await_reply(&binder)? {
                Ok(tr) => expect(binder.write(&Binder::free(&tr)).result, Ok(()), "free")?,
                Err(returned) => {
                    failed_transaction(&binder, fault, returned)?;
                    call_for_data(&binder, parcel).map_err(|text| format!("again: {text}"))?;
                }
            },
        }
    }
    expect(open_fds(), before, "the descriptors")?;
    call_for_data(&scene.open(), parcel)
        .map(drop)
        .map_err(|text| format!("another client: {text}"))
}

fn faults_in_a_transaction(scene: &Scene) -> Result<(), String> {
    let (_reader, writer) = pipe();
    let _server = patient_server(scene, writer)?;
    each("transaction", |fault| {
        faulty_call(scene, fault, &Parcel::of(&[7; 5000]))
    })
}

fn faults_in_a_transaction_of_fds(scene: &Scene) -> Result<(), String> {
    let (_reader, writer) = pipe();
    let _server = patient_server(scene, writer)?;
    let (reader, writer) = pipe();
    let fds: Vec<u8> = [writer.as_raw_fd(); 3]
        .iter()
        .flat_map(|fd| fd.to_ne_bytes())
        .collect();
    each("transaction of fds", |fault| {
        let parcel = Parcel::new()
            .fd(writer.as_fd(), 1)
            .plain(b"between")
            .fd(writer.as_fd(), 2)
            .buffer(&fds, None)
            .fd_array(3, 2, 0);
        faulty_call(scene, fault, &parcel)
    })?;
    drop(writer);
    ensure(
        is_closed_within(&reader, 10),
        "nobody has the file any more",
    )
}

fn faults_one_way(scene: &Scene) -> Result<(), String> {
    let (_reader, writer) = pipe();
    let _server = patient_server(scene, writer)?;
    let (reader, writer) = pipe();
    each("one-way", |fault| {
        let binder = scene.open();
        enter(&binder);
        let parcel = Parcel::new()
            .fd(writer.as_fd(), 0)
            .flags(uapi::transaction_flags_TF_ONE_WAY);
        let commands = parcel.transaction();
        match fault.during(|| binder.write(&commands).result) {
            Err(error) => fault.explains(error)?,
            Ok(()) => match next(&binder)? {
                Return::Complete => {}
                returned => failed_transaction(&binder, fault, returned)?,
            },
        }
        // A call of another client comes through behind it.
        call_for_data(&scene.open(), &Parcel::new()).map(drop)
    })?;
    drop(writer);
    ensure(
        is_closed_within(&reader, 10),
        "nobody has the file any more",
    )
}

/// Starts a client that calls for two descriptors, over and over, whatever comes of it.
fn stubborn_client(scene: &Scene) -> Child {
    Child::fork(|| loop {
        // A new start where a call has failed: what comes behind it is another one's then.
        let binder = scene.open();
        let before = open_fds();
        let mut has_failed = false;
        while !has_failed {
            let (reader, writer) = pipe();
            let mut parcel = Parcel::new().flags(uapi::transaction_flags_TF_ACCEPT_FDS);
            parcel.code = 2;
            let parcel = parcel.fd(writer.as_fd(), 0).fd(writer.as_fd(), 1);
            match call(&binder, &parcel)? {
                Ok(tr) => expect(binder.write(&Binder::free(&tr)).result, Ok(()), "free")?,
                Err(_) => has_failed = true,
            }
            drop((reader, writer));
            close_all_but(&before);
        }
        // The server may need some time.
        thread::sleep(std::time::Duration::from_millis(1));
    })
}

/// The server of the two tests below, in this process.
fn own_server(scene: &Scene) -> Result<Binder, String> {
    let binder = scene.open();
    expect(binder.become_manager(1, 1), Ok(()), "become the manager")?;
    enter(&binder);
    Ok(binder)
}

fn faults_in_a_reply_of_fds(scene: &Scene) -> Result<(), String> {
    let binder = own_server(scene)?;
    let before = open_fds();
    let client = stubborn_client(scene);
    let (reader, writer) = pipe();
    let with_pipe = open_fds();
    each("reply of fds", |fault| {
        let tr = receive_any(&binder)?;
        close_all_but(&with_pipe);
        expect(binder.write(&Binder::free(&tr)).result, Ok(()), "free")?;
        let parcel = Parcel::new().fd(writer.as_fd(), 0).fd(writer.as_fd(), 1);
        let commands = parcel.reply();
        match fault.during(|| binder.write(&commands).result) {
            Err(error) => {
                fault.explains(error)?;
                // It may have been sent or not: then this is a reply to nobody, or the reply.
                expect(binder.write(&commands).result, Ok(()), "again")
            }
            Ok(()) => match next(&binder)? {
                Return::Complete => Ok(()),
                returned => failed_transaction(&binder, fault, returned),
            },
        }
    })?;
    client.kill();
    drop(writer);
    ensure(
        is_closed_within(&reader, 10),
        "nobody has the file any more",
    )?;
    drop(reader);
    close_all_but(&before);
    Ok(())
}

fn faults_in_receiving_fds(scene: &Scene) -> Result<(), String> {
    let binder = own_server(scene)?;
    let _client = stubborn_client(scene);
    let before = open_fds();
    each("receiving fds", |fault| {
        match fault.during(|| binder.read()) {
            Err(error) => fault.explains(error)?,
            Ok(returns) => ensure(
                returns
                    .iter()
                    .all(|returned| matches!(returned, Return::Transaction(_) | Return::Complete)),
                &format!("{returns:?}"),
            )?,
        }
        close_all_but(&before);
        // Whether there is something to reply to or not, the next one comes through, and is whole.
        expect(binder.write(&Parcel::new().reply()).result, Ok(()), "reply")?;
        let tr = receive_any(&binder)?;
        expect(open_fds().len(), before.len() + 2, "the descriptors")?;
        close_all_but(&before);
        let mut commands = Binder::free(&tr);
        commands.extend(Parcel::new().reply());
        expect(binder.write(&commands).result, Ok(()), "free and reply")?;
        let told = next(&binder)?;
        ensure(matches!(told, Return::Complete), &format!("{told:?}"))
    })
}

fn faults_in_reading_a_reply_of_fds(scene: &Scene) -> Result<(), String> {
    let (reader, writer) = pipe();
    let _server = patient_server(scene, writer)?;
    let before = open_fds();
    let mut parcel = Parcel::new().flags(uapi::transaction_flags_TF_ACCEPT_FDS);
    parcel.code = 2;
    each("reading a reply of fds", |fault| {
        {
            let binder = scene.open();
            expect(binder.write(&parcel.transaction()).result, Ok(()), "write")?;
            match fault.during(|| await_reply(&binder)) {
                Ok(Ok(_)) => expect(open_fds().len(), before.len() + 3, "the descriptors")?,
                Ok(Err(returned)) => failed_transaction(&binder, fault, returned)?,
                // The read itself has failed, and says so.
                Err(text) => ensure(
                    fault.is_done() && (text.contains("12") || text.contains("14")),
                    &text,
                )?,
            }
        }
        close_all_but(&before);
        let binder = scene.open();
        let reply = call(&binder, &parcel)?;
        ensure(reply.is_ok(), "another client")?;
        expect(open_fds().len(), before.len() + 3, "its descriptors")?;
        drop(binder);
        close_all_but(&before);
        ensure(!is_closed_within(&reader, 0), "the server's end")
    })
}

fn faults_in_freeing(scene: &Scene) -> Result<(), String> {
    let (_reader, writer) = pipe();
    let _server = patient_server(scene, writer)?;
    let binder = scene.open();
    each("freeing", |fault| {
        let tr = call(&binder, &Parcel::of(&[1; 100]))?.map_err(|err| format!("{err:?}"))?;
        let commands = Binder::free(&tr);
        if let Err(error) = fault.during(|| binder.write(&commands).result) {
            fault.explains(error)?;
            // It may have been freed; then there is nothing to free, which is no error.
            expect(binder.write(&commands).result, Ok(()), "again")?;
        }
        Ok(())
    })?;
    // All of the space is there again.
    call_for_data(&binder, &Parcel::of(&vec![1; 50_000])).map(drop)
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
