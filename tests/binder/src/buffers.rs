// SPDX-License-Identifier: GPL-2.0

//! The receive buffer: full, in pieces, unmapped.

use std::{
    os::fd::{AsFd, AsRawFd},
    sync::atomic::{AtomicI32, Ordering},
    thread,
    time::Duration,
};

use ashmem_binder::{uapi, Binder, Errno, Parcel, Return};

use crate::{
    process::{
        is_closed_within, leave_output, open_fds, pipe, run_first, sleeps, stay_on_this_cpu,
        thread_id, Child, Line,
    },
    scene::{
        await_reply, call, call_fails, call_for_data, ensure, expect, next, receive, respond,
        send_one_way, Scene, BUFFER, DEAD, FAILED,
    },
    threads::{catch_signals, is_ready, set_no_wait},
    Test,
};

/// The tests of this file.
pub const TESTS: &[(&str, Test)] = &[
    ("all_of_it", all_of_it),
    ("too_large", too_large),
    ("full_of_parcels", full_of_parcels),
    ("any_order_of_frees", any_order_of_frees),
    ("one_way_has_half", one_way_has_half),
    ("no_more_than_four_mib", no_more_than_four_mib),
    ("free_what_is_not_there", free_what_is_not_there),
    ("unmapped_by_the_server", unmapped_by_the_server),
    (
        "unmapped_with_parcels_on_their_way",
        unmapped_with_parcels_on_their_way,
    ),
    ("unmapped_with_an_unread_parcel", |scene| {
        unmapped_with_an_unread_parcel(scene, false)
    }),
    ("unmapped_with_more_behind_it", |scene| {
        unmapped_with_an_unread_parcel(scene, true)
    }),
    ("unmapped_behind_a_signal", unmapped_behind_a_signal),
    (
        "unmapped_with_an_unread_reply",
        unmapped_with_an_unread_reply,
    ),
    ("unmapped_while_another_waits", unmapped_while_another_waits),
];

fn all_of_it(scene: &Scene) -> Result<(), String> {
    let (_server, _line) = scene.answering(|binder, tr| {
        Parcel::of(&(binder.data(tr).iter().map(|&b| u64::from(b)).sum::<u64>()).to_ne_bytes())
    });
    let binder = scene.open();
    let data = vec![1; BUFFER];
    for _ in 0..3 {
        let sum = call_for_data(&binder, &Parcel::of(&data))?;
        ensure(sum == (BUFFER as u64).to_ne_bytes(), "each byte")?;
    }
    Ok(())
}

fn too_large(scene: &Scene) -> Result<(), String> {
    let (_server, _line) = scene.answering(|_, _| Parcel::new());
    let binder = scene.open();
    call_fails(
        &binder,
        &Parcel::of(&vec![1; BUFFER + 1]),
        FAILED,
        libc::ENOSPC,
    )?;
    let mut parcel = Parcel::of(&[1; 8]);
    parcel.buffers_size = BUFFER as u64;
    call_fails(&binder, &parcel, FAILED, libc::ENOSPC)?;
    call_for_data(&binder, &Parcel::new()).map(drop)
}

/// Sizes that do not repeat soon.
fn size(number: usize) -> usize {
    (number * 7919) % 3000 + 1
}

fn full_of_parcels(scene: &Scene) -> Result<(), String> {
    // The server answers, and frees nothing.
    let (server, line) = scene.server(|binder, line| {
        let mut kept = Vec::new();
        loop {
            let tr = receive(binder)?;
            let data = binder.data(&tr);
            if data == b"free" {
                let free: Vec<u8> = kept.iter().flat_map(Binder::free).collect();
                expect(binder.write(&free).result, Ok(()), "free all")?;
            } else {
                ensure(data.iter().all(|&byte| byte == data[0]), "the data")?;
            }
            for (number, tr) in kept.iter().enumerate() {
                let data: &[u8] = binder.data(tr);
                if !data.is_empty() && kept.len() % 50 == 0 {
                    ensure(
                        data.iter().all(|&byte| byte == number as u8),
                        "what came before",
                    )?;
                }
            }
            if data == b"free" {
                kept.clear();
                respond(binder, &tr, &Parcel::new())?;
                line.tell(1);
            } else {
                kept.push(tr);
                expect(binder.write(&Parcel::new().reply()).result, Ok(()), "reply")?;
                ensure(matches!(next(binder)?, Return::Complete), "the reply")?;
            }
        }
    });
    let binder = scene.open();
    for _ in 0..2 {
        let mut sent = 0;
        let mut bytes = 0;
        // As much as a parcel of 8 bytes is left, which is what "free" takes.
        loop {
            let size = size(sent).min(BUFFER - 8 - bytes);
            let size = size.next_multiple_of(8);
            if size == 0 || bytes + size > BUFFER - 8 {
                break;
            }
            call_for_data(&binder, &Parcel::of(&vec![sent as u8; size]))?;
            bytes += size;
            sent += 1;
        }
        call_fails(&binder, &Parcel::of(&[0; 16]), FAILED, libc::ENOSPC)?;
        call_for_data(&binder, &Parcel::of(b"free"))?;
        line.hear()?;
    }
    server.kill();
    Ok(())
}

/// Whatever the order in which parcels are freed, all of the buffer is there again.
fn any_order_of_frees(scene: &Scene) -> Result<(), String> {
    let (server, _line) = scene.server(|binder, _| {
        let mut seed = 1u32;
        let mut kept = Vec::new();
        loop {
            let tr = receive(binder)?;
            match binder.data(&tr) {
                b"free all" => {
                    while !kept.is_empty() {
                        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                        let tr = kept.swap_remove(seed as usize % kept.len());
                        expect(binder.write(&Binder::free(&tr)).result, Ok(()), "free")?;
                    }
                    respond(binder, &tr, &Parcel::new())?;
                }
                b"free some" => {
                    for _ in 0..kept.len() / 2 {
                        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                        let tr = kept.swap_remove(seed as usize % kept.len());
                        expect(binder.write(&Binder::free(&tr)).result, Ok(()), "free")?;
                    }
                    respond(binder, &tr, &Parcel::new())?;
                }
                data if data.len() == BUFFER => respond(binder, &tr, &Parcel::new())?,
                _ => {
                    kept.push(tr);
                    expect(binder.write(&Parcel::new().reply()).result, Ok(()), "reply")?;
                    ensure(matches!(next(binder)?, Return::Complete), "the reply")?;
                }
            }
        }
    });
    let binder = scene.open();
    let mut number = 0;
    for _ in 0..10 {
        for _ in 0..4 {
            for _ in 0..30 {
                number += 1;
                // There may be no space left, or none in one piece.
                let _ = call(&binder, &Parcel::of(&vec![1; size(number)]))?.map(|tr| {
                    binder.write(&Binder::free(&tr));
                });
            }
            call_for_data(&binder, &Parcel::of(b"free some"))?;
        }
        call_for_data(&binder, &Parcel::of(b"free all"))?;
        call_for_data(&binder, &Parcel::of(&vec![0; BUFFER]))?;
    }
    server.kill();
    Ok(())
}

fn one_way_has_half(scene: &Scene) -> Result<(), String> {
    const ROUNDS: usize = 3;
    let (server, line) = scene.server(|binder, line| {
        for _ in 0..ROUNDS {
            line.hear()?;
            for _ in 0..4 {
                let tr = receive(binder)?;
                expect(binder.write(&Binder::free(&tr)).result, Ok(()), "free")?;
            }
            line.tell(1);
        }
        let tr = receive(binder)?;
        respond(binder, &tr, &Parcel::new())
    });
    let binder = scene.open();
    let eighth = Parcel::of(&vec![0; BUFFER / 8]);
    // What has been freed can be had again.
    for _ in 0..ROUNDS {
        for _ in 0..4 {
            ensure(
                matches!(send_one_way(&binder, &eighth)?, Return::Complete),
                "on its way",
            )?;
        }
        ensure(
            matches!(send_one_way(&binder, &Parcel::of(&[1]))?, Return::Failed),
            "one more",
        )?;
        expect(
            binder.extended_error(),
            (FAILED, -libc::ENOSPC),
            "the error",
        )?;
        line.tell(1);
        line.hear()?;
    }
    // The other half, and that half again, are for those who wait.
    call_for_data(&binder, &Parcel::of(&vec![0; BUFFER]))?;
    server.join()
}

fn no_more_than_four_mib(scene: &Scene) -> Result<(), String> {
    const LARGEST: usize = 4 << 20;
    let (ours, theirs) = crate::process::Line::pair();
    let _server = crate::process::Child::fork(|| {
        let mut binder = scene.open_unmapped();
        binder.map(16 << 20).map_err(|err| format!("{err:?}"))?;
        scene.serve(&binder, 0, 0)?;
        theirs.tell(1);
        loop {
            let tr = receive(&binder)?;
            let sum: u64 = binder.data(&tr).iter().map(|&byte| u64::from(byte)).sum();
            respond(&binder, &tr, &Parcel::of(&sum.to_ne_bytes()))?;
        }
    });
    ours.hear()?;
    let binder = scene.open();
    let sum = call_for_data(&binder, &Parcel::of(&vec![1; LARGEST]))?;
    ensure(sum == (LARGEST as u64).to_ne_bytes(), "each byte")?;
    call_fails(
        &binder,
        &Parcel::of(&vec![1; LARGEST + 1]),
        FAILED,
        libc::ENOSPC,
    )
}

fn free_what_is_not_there(scene: &Scene) -> Result<(), String> {
    let (server, _line) = scene.server(|binder, _| {
        let tr = receive(binder)?;
        // SAFETY: The driver returns addresses, not data.
        let address = unsafe { tr.data.ptr.buffer };
        for bad in [
            0,
            address + 1,
            address + 8,
            address - 8,
            binder.address() - 4096,
            u64::MAX,
        ] {
            let number = uapi::binder_driver_command_protocol_BC_FREE_BUFFER;
            let written = binder.write(&ashmem_binder::command(number, &bad));
            expect(
                (written.result, written.written),
                (Ok(()), 12),
                "a wrong address",
            )?;
        }
        ensure(binder.data(&tr) == b"still there", "the data")?;
        // Twice the right one.
        let free = Binder::free(&tr);
        expect(
            binder.write(&[&free[..], &free[..]].concat()).result,
            Ok(()),
            "free twice",
        )?;
        expect(binder.write(&Parcel::new().reply()).result, Ok(()), "reply")
    });
    let binder = scene.open();
    call_for_data(&binder, &Parcel::of(b"still there"))?;
    server.join()
}

fn unmapped_by_the_server(scene: &Scene) -> Result<(), String> {
    let (ours, theirs) = crate::process::Line::pair();
    let _server = crate::process::Child::fork(|| {
        let mut binder = scene.open();
        scene
            .become_manager(&binder, 0, 0)
            .map_err(|err| format!("{err:?}"))?;
        binder.unmap(BUFFER / 2, BUFFER / 2);
        theirs.tell(1);
        theirs.hear().map(drop)
    });
    ours.hear()?;
    let binder = scene.open();
    call_fails(&binder, &Parcel::of(&[1]), DEAD, libc::ESRCH)
}

/// What has not been read when its buffer goes is dropped, and who waits for it is told.
fn unmapped_with_parcels_on_their_way(scene: &Scene) -> Result<(), String> {
    let (ours, theirs) = crate::process::Line::pair();
    let server = crate::process::Child::fork(|| {
        let mut binder = scene.open();
        scene
            .become_manager(&binder, 0, 0)
            .map_err(|err| format!("{err:?}"))?;
        theirs.tell(1);
        theirs.hear()?;
        binder.unmap(0, BUFFER);
        theirs.tell(1);
        theirs.hear().map(drop)
    });
    ours.hear()?;
    // The server has no end of it but what is sent.
    let (reader, writer) = crate::process::pipe();
    let binder = scene.open();
    let parcel = Parcel::new().fd(std::os::fd::AsFd::as_fd(&writer), 0);
    for _ in 0..3 {
        ensure(
            matches!(send_one_way(&binder, &parcel)?, Return::Complete),
            "on its way",
        )?;
    }
    expect(binder.write(&parcel.transaction()).result, Ok(()), "a call")?;
    drop(writer);
    ours.tell(1);
    ours.hear()?;
    ensure(
        matches!(await_reply(&binder)?, Err(Return::Dead)),
        "the call",
    )?;
    // The server is still there.
    ensure(
        crate::process::is_closed_within(&reader, 10) || server.pid() == 0,
        "nobody has it",
    )
}

/// How long a process may take to end that has nothing to wait for, in seconds.
const SOON: i32 = 30;

/// There is nothing to read for this thread, and it is told so.
///
/// A thread that is told otherwise may look for it for ever, and nobody could end that: it does not read then.
fn has_nothing_to_read(binder: &Binder) -> Result<(), String> {
    ensure(!is_ready(binder, 0), "poll knows of nothing to read")?;
    leave_output();
    set_no_wait(binder, true);
    let read = binder.write_read(&[], &mut [0; 256]);
    expect(read.result, Err(Errno(libc::EAGAIN)), "a read")
}

/// A parcel has been given to a thread that had no space for it, when the buffer goes: nothing is left. What
/// is `behind` it, that a transaction of its own has failed, the thread learns at once.
fn unmapped_with_an_unread_parcel(scene: &Scene, behind: bool) -> Result<(), String> {
    let (ours, theirs) = Line::pair();
    let server = Child::fork(move || {
        let mut binder = scene.open();
        scene.serve(&binder, 0, 0)?;
        theirs.tell(1);
        let read = binder.write_read(&[], &mut [0; 4]);
        expect(read.result, Ok(()), "a read without space")?;
        if behind {
            let call = binder.write(&Parcel::new().transaction());
            expect(call.result, Ok(()), "a call to itself")?;
        }
        binder.unmap(0, BUFFER);
        if behind {
            ensure(is_ready(&binder, 0), "poll knows of the failure")?;
            set_no_wait(&binder, true);
            ensure(matches!(next(&binder)?, Return::Failed), "the failure")?;
        }
        has_nothing_to_read(&binder)
    });
    ours.hear()?;
    sleeps(server.pid())?;
    let binder = scene.open();
    let sent = send_one_way(&binder, &Parcel::new())?;
    ensure(matches!(sent, Return::Complete), "on its way")?;
    server.join_within(SOON)
}

/// As above; but it was a signal that ended the read.
fn unmapped_behind_a_signal(scene: &Scene) -> Result<(), String> {
    const TRIES: usize = 50;
    const TOO_LATE: &str = "the signal came too late";
    stay_on_this_cpu();
    for _ in 0..TRIES {
        let (ours, theirs) = Line::pair();
        let server = Child::fork(move || {
            catch_signals();
            let mut binder = scene.open();
            scene.serve(&binder, 0, 0)?;
            theirs.tell(1);
            let read = binder.write_read(&[], &mut [0; 256]);
            if read.result.is_ok() {
                return Err(TOO_LATE.into());
            }
            expect(read.result, Err(Errno(libc::EINTR)), "an interrupted read")?;
            binder.unmap(0, BUFFER);
            has_nothing_to_read(&binder)
        });
        ours.hear()?;
        // It cannot run before it has both, if this thread does not sleep.
        run_first()?;
        sleeps(server.pid())?;
        let binder = scene.open();
        let one_way = Parcel::new().flags(uapi::transaction_flags_TF_ONE_WAY);
        let written = binder.write(&one_way.transaction());
        // SAFETY: It has a handler for that.
        unsafe { libc::kill(server.pid(), libc::SIGUSR1) };
        expect(written.result, Ok(()), "one-way")?;
        match server.join_within(SOON) {
            Err(text) if text == TOO_LATE => {}
            result => return result,
        }
    }
    Err(format!("in {TRIES} tries {TOO_LATE}"))
}

/// A reply has not been read, and another call is on its way, when the buffer goes: neither has an answer, and
/// the thread learns it of both.
fn unmapped_with_an_unread_reply(scene: &Scene) -> Result<(), String> {
    let (server, line) = scene.server(|binder, line| {
        let tr = receive(binder)?;
        respond(binder, &tr, &Parcel::new())?;
        line.tell(1);
        let tr = receive(binder)?;
        line.tell(1);
        line.hear()?;
        respond(binder, &tr, &Parcel::new())
    });
    let mut binder = scene.open();
    for call in ["the first call", "the second call"] {
        let written = binder.write(&Parcel::new().transaction());
        expect(written.result, Ok(()), call)?;
        line.hear()?;
    }
    binder.unmap(0, BUFFER);

    let told = binder.read().map_err(|err| format!("read: {err:?}"))?;
    ensure(
        matches!(told[..], [Return::Complete, Return::Complete, Return::Dead]),
        &format!("the first one: {told:?}"),
    )?;
    ensure(!is_ready(&binder, 0), "there is no second answer yet")?;
    line.tell(1);
    ensure(is_ready(&binder, SOON * 1000), "there is a second answer")?;
    ensure(matches!(next(&binder)?, Return::Dead), "the second one")?;
    server.join()
}

/// One-way parcels are behind another one, and a thread waits for them, when the buffer goes: it gets none.
fn unmapped_while_another_waits(scene: &Scene) -> Result<(), String> {
    let (ours, theirs) = Line::pair();
    let server = Child::fork(move || {
        // What wakes the thread that waits lets it run at once.
        stay_on_this_cpu();
        let binder = scene.open_unmapped();
        let map = binder
            .try_map(BUFFER, libc::PROT_READ)
            .map_err(|err| format!("{err:?}"))?;
        scene.serve(&binder, 0, 0)?;
        theirs.tell(1);
        // It is kept, so that no other one comes.
        receive(&binder)?;
        theirs.tell(1);
        theirs.hear()?;

        let before = open_fds();
        let waiting = AtomicI32::new(0);
        let read = thread::scope(|scope| {
            let reader = scope.spawn(|| {
                let mut space = [0; 256];
                // The first read returns at once.
                let first = binder.write_read(&[], &mut space);
                let is_first = run_first();
                waiting.store(thread_id(), Ordering::Release);
                expect(first.result, Ok(()), "the first read")?;
                is_first?;
                Ok(binder.write_read(&[], &mut space))
            });
            let waits = loop {
                match waiting.load(Ordering::Acquire) {
                    0 => thread::sleep(Duration::from_millis(1)),
                    id => break sleeps(id),
                }
            };
            // SAFETY: The mapping is this test's, and nobody looks at it.
            unsafe { libc::munmap(map, BUFFER) };
            // Who closes a file descriptor ends the read.
            // SAFETY: A file descriptor that nobody uses.
            unsafe { libc::close(libc::dup(binder.as_fd().as_raw_fd())) };
            let read = reader.join().map_err(|_| "panic".to_string())?;
            waits.and(read)
        })?;
        expect(read.result, Ok(()), "the read")?;
        ensure(
            matches!(read.returns[..], [Return::Noop]),
            &format!("nothing was read: {:?}", read.returns),
        )?;
        expect(open_fds(), before, "none was installed")?;
        theirs.tell(1);
        theirs.hear().map(drop)
    });
    ours.hear()?;
    let binder = scene.open();
    let send = |parcel: &Parcel| -> Result<(), String> {
        let sent = send_one_way(&binder, parcel)?;
        ensure(matches!(sent, Return::Complete), "on its way")
    };
    send(&Parcel::new())?;
    ours.hear()?;
    // The server has no end of it but what is sent.
    let (reader, writer) = pipe();
    for _ in 0..2 {
        send(&Parcel::new().fd(writer.as_fd(), 0))?;
    }
    drop(writer);
    ours.tell(1);
    if ours.hear().is_ok() {
        ensure(is_closed_within(&reader, 10), "nobody has it")?;
        ours.tell(1);
    }
    server.join()
}
