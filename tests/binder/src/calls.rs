// SPDX-License-Identifier: GPL-2.0

//! Transactions and replies with plain data.

use ashmem_binder::{uapi, Binder, Parcel, Return};

use crate::{
    process::{Child, Line},
    scene::{
        await_reply, call, call_fails, call_for_data, ensure, expect, next, receive, respond,
        send_one_way, Scene, COOKIE, DEAD, FAILED, PTR,
    },
    Test,
};

/// The tests of this file.
pub const TESTS: &[(&str, Test)] = &[
    ("echo", echo),
    ("who_sends", who_sends),
    ("client_in_a_pid_namespace", client_in_a_pid_namespace),
    ("server_in_a_pid_namespace", server_in_a_pid_namespace),
    (
        "complete_comes_with_the_reply",
        complete_comes_with_the_reply,
    ),
    ("no_manager", no_manager),
    ("no_buffer", no_buffer),
    ("other_handles", other_handles),
    ("manager_calls_itself", manager_calls_itself),
    ("reply_to_nobody", reply_to_nobody),
    ("second_call", second_call),
    ("one_way", one_way),
    ("one_way_in_order", one_way_in_order),
    ("commands_stop_at_a_failure", commands_stop_at_a_failure),
    ("references_to_the_manager", references_to_the_manager),
    ("cleared_when_freed", cleared_when_freed),
];

fn echo(scene: &Scene) -> Result<(), String> {
    let (_server, _line) = scene.answering(|binder, tr| Parcel::of(binder.data(tr)));
    let binder = scene.open();
    for size in (0..100).chain([4095, 4096, 4097, 20_000, 50_001]) {
        let data: Vec<u8> = (0..size).map(|i| (i * 7 + size) as u8).collect();
        let reply = call_for_data(&binder, &Parcel::of(&data))?;
        ensure(reply == data, &format!("{size} bytes come back"))?;
    }
    Ok(())
}

fn who_sends(scene: &Scene) -> Result<(), String> {
    let (server, line) = scene.server(|binder, line| {
        let tr = receive(binder)?;
        expect(Binder::target(&tr), PTR, "the target")?;
        expect(tr.cookie, COOKIE, "the cookie")?;
        expect(tr.code, 42, "the code")?;
        expect(tr.flags, uapi::transaction_flags_TF_ACCEPT_FDS, "the flags")?;
        let answer = [tr.sender_pid as u32, tr.sender_euid];
        let bytes: Vec<u8> = answer.iter().flat_map(|n| n.to_ne_bytes()).collect();
        respond(binder, &tr, &Parcel::of(&bytes))?;
        let tr = receive(binder)?;
        expect(tr.sender_pid, 0, "the sender of a one-way transaction")?;
        expect(tr.sender_euid, 1234, "its user")?;
        line.tell(1);
        Ok(())
    });
    Child::fork(|| {
        // SAFETY: This process has one thread.
        assert_eq!(0, unsafe { libc::setresuid(1234, 1234, 0) });
        let binder = scene.open();
        let mut parcel = Parcel::new().flags(uapi::transaction_flags_TF_ACCEPT_FDS);
        parcel.code = 42;
        let reply = call(&binder, &parcel)?.map_err(|err| format!("{err:?}"))?;
        let data = binder.data(&reply);
        let expected = [std::process::id().to_ne_bytes(), 1234u32.to_ne_bytes()].concat();
        ensure(data == expected, "process and user")?;
        expect(reply.sender_pid, 0, "the sender of a reply")?;
        expect(Binder::target(&reply), 0, "the target of a reply")?;
        expect(reply.cookie, 0, "the cookie of a reply")?;
        send_one_way(&binder, &parcel).map(drop)
    })
    .join()?;
    line.hear()?;
    server.join()
}

/// Starts a process in a new PID namespace; the result is its number outside, and the process.
fn fork_into_namespace(
    tell_pid: &Line,
    work: impl FnOnce() -> Result<(), String>,
) -> Result<(), String> {
    // SAFETY: Only the children of this process are concerned.
    let result = unsafe { libc::unshare(libc::CLONE_NEWPID) };
    expect(result, 0, "unshare")?;
    let child = Child::fork(work);
    child
        .pid()
        .to_ne_bytes()
        .into_iter()
        .for_each(|byte| tell_pid.tell(byte));
    child.join()
}

/// The server sees the number that the client has where the server is.
fn client_in_a_pid_namespace(scene: &Scene) -> Result<(), String> {
    let (server, line) = scene.server(|binder, line| {
        let tr = receive(binder)?;
        let mut pid = [0; 4];
        for byte in &mut pid {
            *byte = line.hear()?;
        }
        expect(tr.sender_pid, i32::from_ne_bytes(pid), "the sender")?;
        respond(binder, &tr, &Parcel::new())
    });
    Child::fork(|| {
        fork_into_namespace(&line, || {
            expect(std::process::id(), 1, "the client's own number")?;
            call_for_data(&scene.open(), &Parcel::new()).map(drop)
        })
    })
    .join()?;
    server.join()
}

/// A client that cannot be seen from where the server is has no number.
fn server_in_a_pid_namespace(scene: &Scene) -> Result<(), String> {
    let (ours, theirs) = Line::pair();
    let server = Child::fork(|| {
        fork_into_namespace(&theirs, || {
            let binder = scene.open();
            scene.serve(&binder, 0, 0)?;
            theirs.tell(1);
            let tr = receive(&binder)?;
            expect(tr.sender_pid, 0, "the sender")?;
            respond(&binder, &tr, &Parcel::new())
        })
    });
    // The number of the process, and that it is ready, in any order.
    for _ in 0..5 {
        ours.hear()?;
    }
    call_for_data(&scene.open(), &Parcel::new())?;
    server.join()
}

fn complete_comes_with_the_reply(scene: &Scene) -> Result<(), String> {
    let (_server, _line) = scene.answering(|_, _| Parcel::of(&[1]));
    let binder = scene.open();
    let mut space = [0; 256];
    binder.write_read(&[], &mut space);
    let read = binder.write_read(&Parcel::new().transaction(), &mut space);
    expect(read.result, Ok(()), "call and wait")?;
    ensure(
        matches!(
            read.returns[..],
            [Return::Noop, Return::Complete, Return::Reply(_)]
        ),
        &format!("{:?}", read.returns),
    )
}

fn no_manager(scene: &Scene) -> Result<(), String> {
    let binder = scene.open();
    call_fails(&binder, &Parcel::new(), DEAD, libc::EINVAL)?;
    let returned = send_one_way(&binder, &Parcel::new())?;
    ensure(matches!(returned, Return::Dead), "a one-way transaction")
}

fn no_buffer(scene: &Scene) -> Result<(), String> {
    let (server, _line) = scene.answering(|_, _| Parcel::new());
    // A client without a buffer may send, but get no reply.
    let without = scene.open_unmapped();
    call_fails(&without, &Parcel::new(), DEAD, libc::ESRCH)?;
    let with = scene.open();
    ensure(call(&with, &Parcel::new())?.is_ok(), "with a buffer")?;
    server.kill();

    let (ours, theirs) = crate::process::Line::pair();
    let _server = Child::fork(|| {
        let binder = scene.open_unmapped();
        scene
            .become_manager(&binder, 1, 1)
            .map_err(|err| format!("{err:?}"))?;
        theirs.tell(1);
        theirs.hear().map(drop)
    });
    ours.hear()?;
    call_fails(&with, &Parcel::new(), DEAD, libc::ESRCH)
}

fn other_handles(scene: &Scene) -> Result<(), String> {
    let (_server, _line) = scene.answering(|_, _| Parcel::new());
    let binder = scene.open();
    for handle in [1, 2, 0x8000_0000, u32::MAX] {
        let mut tr = Parcel::new().transaction_data();
        tr.target.handle = handle;
        let number = uapi::binder_driver_command_protocol_BC_TRANSACTION;
        expect(
            binder.write(&ashmem_binder::command(number, &tr)).result,
            Ok(()),
            "write",
        )?;
        ensure(matches!(next(&binder)?, Return::Failed), "the return")?;
        expect(
            binder.extended_error(),
            (FAILED, -libc::EINVAL),
            "the error",
        )?;
    }
    Ok(())
}

fn manager_calls_itself(scene: &Scene) -> Result<(), String> {
    let (server, _line) = scene.server(|binder, _| {
        call_fails(binder, &Parcel::new(), FAILED, libc::EINVAL)?;
        // Another open file of the same process is no other process.
        let other = scene.open();
        call_fails(&other, &Parcel::new(), FAILED, libc::EINVAL)
    });
    server.join()
}

fn reply_to_nobody(scene: &Scene) -> Result<(), String> {
    let (_server, _line) = scene.answering(|_, _| Parcel::new());
    let binder = scene.open();
    expect(binder.write(&Parcel::new().reply()).result, Ok(()), "write")?;
    ensure(matches!(next(&binder)?, Return::Failed), "the return")?;
    expect(
        binder.extended_error(),
        (FAILED, -libc::EPROTO),
        "the error",
    )
}

fn second_call(scene: &Scene) -> Result<(), String> {
    let (server, line) = scene.server(|binder, line| {
        let tr = receive(binder)?;
        line.hear()?;
        respond(binder, &tr, &Parcel::of(b"first"))
    });
    let binder = scene.open();
    let call = Parcel::new().transaction();
    expect(binder.write(&call).result, Ok(()), "the first")?;
    // Nothing but the reply ends the wait, so a second one cannot be sent, nor a reply.
    for commands in [call, Parcel::new().reply()] {
        expect(binder.write(&commands).result, Ok(()), "the second")?;
        let mut space = [0; 256];
        let read = binder.write_read(&[], &mut space);
        ensure(
            matches!(read.returns.last(), Some(Return::Failed)),
            &format!("{read:?}"),
        )?;
        expect(
            binder.extended_error(),
            (FAILED, -libc::EPROTO),
            "the error",
        )?;
    }
    line.tell(1);
    let returned = next(&binder)?;
    let Return::Reply(tr) = returned else {
        return Err(format!("{returned:?} instead of the reply to the first"));
    };
    ensure(binder.data(&tr) == b"first", "the reply to the first")?;
    server.join()
}

fn one_way(scene: &Scene) -> Result<(), String> {
    let (server, line) = scene.server(|binder, line| {
        let tr = receive(binder)?;
        ensure(
            tr.flags & uapi::transaction_flags_TF_ONE_WAY != 0,
            "the flag",
        )?;
        line.tell(binder.data(&tr)[0]);
        // There is nobody to reply to.
        expect(binder.write(&Parcel::new().reply()).result, Ok(()), "reply")?;
        ensure(matches!(next(binder)?, Return::Failed), "the return")
    });
    let binder = scene.open();
    let returned = send_one_way(&binder, &Parcel::of(&[7]))?;
    ensure(matches!(returned, Return::Complete), "on its way")?;
    expect(line.hear()?, 7, "the data")?;
    server.join()
}

/// The next one-way transaction comes when the one before it has been freed.
fn one_way_in_order(scene: &Scene) -> Result<(), String> {
    let (server, line) = scene.server(|binder, line| {
        line.hear()?;
        let mut space = [0; 256];
        for number in 0..10 {
            let tr = receive(binder)?;
            expect(binder.data(&tr)[0], number, "which")?;
            // A thread may be woken for nothing, but finds nothing.
            let mut poll = libc::pollfd {
                fd: std::os::fd::AsRawFd::as_raw_fd(&std::os::fd::AsFd::as_fd(binder)),
                events: libc::POLLIN,
                revents: 0,
            };
            // SAFETY: One structure, as it says.
            let ready = unsafe { libc::poll(&mut poll, 1, 20) };
            expect(ready, 0, "more before it was freed")?;
            binder.write_read(&Binder::free(&tr), &mut space[..0]);
        }
        Ok(())
    });
    let binder = scene.open();
    for number in 0..10 {
        let returned = send_one_way(&binder, &Parcel::of(&[number]))?;
        ensure(matches!(returned, Return::Complete), "on its way")?;
    }
    line.tell(1);
    server.join()
}

fn commands_stop_at_a_failure(scene: &Scene) -> Result<(), String> {
    let (_server, _line) = scene.answering(|binder, tr| Parcel::of(binder.data(tr)));
    let binder = scene.open();
    let mut commands = Parcel::new().reply();
    let first = commands.len() as u64;
    commands.extend(Parcel::of(b"later").transaction());
    let written = binder.write(&commands);
    expect(
        (written.result, written.written),
        (Ok(()), first),
        "written",
    )?;
    ensure(matches!(next(&binder)?, Return::Failed), "the return")?;
    let written = binder.write(&commands[first as usize..]);
    expect(written.result, Ok(()), "the rest")?;
    ensure(await_reply(&binder)?.is_ok(), "the reply")
}

fn references_to_the_manager(scene: &Scene) -> Result<(), String> {
    let (server, _line) = scene.server(|binder, _| {
        for number in [
            uapi::binder_driver_command_protocol_BC_INCREFS,
            uapi::binder_driver_command_protocol_BC_ACQUIRE,
        ] {
            let written = binder.write(&ashmem_binder::command(number, &0u32));
            let einval = Err(ashmem_binder::Errno(libc::EINVAL));
            expect(written.result, einval, "the manager's own")?;
        }
        Ok(())
    });
    let binder = scene.open();
    for number in [
        uapi::binder_driver_command_protocol_BC_INCREFS,
        uapi::binder_driver_command_protocol_BC_ACQUIRE,
        uapi::binder_driver_command_protocol_BC_RELEASE,
        uapi::binder_driver_command_protocol_BC_DECREFS,
    ] {
        for handle in [0u32, 1] {
            let command = ashmem_binder::command(number, &handle);
            let written = binder.write(&command);
            let all = (Ok(()), command.len() as u64);
            expect((written.result, written.written), all, "a reference")?;
        }
    }
    server.join()
}

fn cleared_when_freed(scene: &Scene) -> Result<(), String> {
    let (server, _line) = scene.server(|binder, _| {
        for clear in [false, true] {
            let tr = receive(binder)?;
            let address = binder.data(&tr).as_ptr() as u64;
            expect(binder.write(&Binder::free(&tr)).result, Ok(()), "free")?;
            let left = binder.bytes(address, 5) == b"hello";
            expect(left, !clear, "what is left")?;
            expect(binder.write(&Parcel::new().reply()).result, Ok(()), "reply")?;
        }
        Ok(())
    });
    let binder = scene.open();
    for flags in [0, uapi::transaction_flags_TF_CLEAR_BUF] {
        ensure(
            call(&binder, &Parcel::of(b"hello").flags(flags))?.is_ok(),
            "a reply",
        )?;
    }
    server.join()
}
