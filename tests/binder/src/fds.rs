// SPDX-License-Identifier: GPL-2.0

//! File descriptors: what they are for.

use std::{
    io::Write,
    os::fd::{AsFd, AsRawFd, BorrowedFd},
};

use ashmem_binder::{uapi, Binder, Parcel, Return};

use crate::{
    process::{
        file_id, is_close_on_exec, is_closed_within, limit_fds, open_fds, pipe, received, Child,
        Line,
    },
    scene::{
        await_reply, call, call_fails, call_for_data, ensure, enter, expect, is_complete, receive,
        respond, send_one_way, Scene, BUFFER, FAILED,
    },
    Test,
};

/// The tests of this file.
pub const TESTS: &[(&str, Test)] = &[
    ("fd_in_a_transaction", fd_in_a_transaction),
    ("fd_in_a_reply", fd_in_a_reply),
    ("fd_one_way", fd_one_way),
    ("the_object_is_rewritten", the_object_is_rewritten),
    ("many_fds", many_fds),
    ("bad_fds", bad_fds),
    ("a_bad_fd_among_good_ones", a_bad_fd_among_good_ones),
    ("a_server_that_takes_none", a_server_that_takes_none),
    ("a_client_that_takes_none", a_client_that_takes_none),
    ("bad_fd_in_a_reply", bad_fd_in_a_reply),
    ("server_is_out_of_fds", server_is_out_of_fds),
    ("client_is_out_of_fds", client_is_out_of_fds),
    ("one_way_out_of_fds", one_way_out_of_fds),
    ("freeing_leaves_fds_open", freeing_leaves_fds_open),
    ("fd_array", fd_array),
    (
        "fd_array_is_closed_with_the_parcel",
        fd_array_is_closed_with_the_parcel,
    ),
    (
        "fd_array_is_closed_before_a_read",
        fd_array_is_closed_before_a_read,
    ),
    (
        "what_cannot_be_had_is_closed_before_a_read",
        what_cannot_be_had_is_closed_before_a_read,
    ),
    ("fd_array_closes_the_device", fd_array_closes_the_device),
    (
        "fd_arrays_close_the_device_and_more",
        fd_arrays_close_the_device_and_more,
    ),
    ("nested_buffers", nested_buffers),
    ("buffers_in_a_reply", buffers_in_a_reply),
    ("nothing_untranslated_is_left", nothing_untranslated_is_left),
    ("own_device_is_sent", own_device_is_sent),
    ("own_device_in_own_queue", own_device_in_own_queue),
];

fn fd_in_a_transaction(scene: &Scene) -> Result<(), String> {
    let (server, _line) = scene.server(|binder, _| {
        let tr = receive(binder)?;
        let fd = binder.received_fd(&tr, 0);
        expect(is_close_on_exec(fd), Some(true), "O_CLOEXEC")?;
        let fd = received(fd);
        let (device, inode) = file_id(fd)?;
        let answer = [device.to_ne_bytes(), inode.to_ne_bytes()].concat();
        let mut file = std::fs::File::from(fd.try_clone_to_owned().map_err(|err| err.to_string())?);
        file.write_all(b"from the server")
            .map_err(|err| err.to_string())?;
        respond(binder, &tr, &Parcel::of(&answer))
    });
    let binder = scene.open();
    let (reader, writer) = pipe();
    let (device, inode) = file_id(&writer)?;
    let data = call_for_data(&binder, &Parcel::new().fd(writer.as_fd(), 0))?;
    ensure(
        data == [device.to_ne_bytes(), inode.to_ne_bytes()].concat(),
        "the same file",
    )?;
    let mut text = [0; 15];
    // SAFETY: There is space for so many bytes.
    let read = unsafe { libc::read(reader.as_raw_fd(), text.as_mut_ptr().cast(), text.len()) };
    ensure(
        read == 15 && &text == b"from the server",
        "what was written",
    )?;
    server.join()?;
    drop(writer);
    ensure(is_closed_within(&reader, 10), "nobody has it any more")
}

fn fd_in_a_reply(scene: &Scene) -> Result<(), String> {
    let (reader, writer) = pipe();
    let (_server, _line) = scene.answering(|_, _| Parcel::new().plain(b"x").fd(writer.as_fd(), 1));
    let binder = scene.open();
    let before = open_fds();
    let parcel = Parcel::new().flags(uapi::transaction_flags_TF_ACCEPT_FDS);
    let reply = call(&binder, &parcel)?.map_err(|err| format!("{err:?}"))?;
    let fd = binder.received_fd(&reply, 8);
    ensure(!before.contains(&fd), "a new file descriptor")?;
    expect(is_close_on_exec(fd), Some(true), "O_CLOEXEC")?;
    expect(file_id(received(fd))?, file_id(&writer)?, "the file")?;
    expect(open_fds().len(), before.len() + 1, "so many more")?;
    ensure(!is_closed_within(&reader, 0), "the pipe")
}

fn fd_one_way(scene: &Scene) -> Result<(), String> {
    let (server, _line) = scene.server(|binder, _| {
        let tr = receive(binder)?;
        expect(
            is_close_on_exec(binder.received_fd(&tr, 0)),
            Some(true),
            "O_CLOEXEC",
        )
    });
    let binder = scene.open();
    let (reader, writer) = pipe();
    let returned = send_one_way(&binder, &Parcel::new().fd(writer.as_fd(), 0))?;
    ensure(matches!(returned, Return::Complete), "on its way")?;
    drop(writer);
    server.join()?;
    ensure(is_closed_within(&reader, 10), "nobody has it any more")
}

fn the_object_is_rewritten(scene: &Scene) -> Result<(), String> {
    let (server, _line) = scene.server(|binder, _| {
        let tr = receive(binder)?;
        expect(tr.data_size, 8 + 24 + 8, "the size")?;
        expect(binder.offsets(&tr), vec![8], "the offsets")?;
        let data = binder.data(&tr);
        ensure(
            &data[..8] == b"before\0\0" && &data[32..] == b"behind\0\0",
            "the data around it",
        )?;
        let object: uapi::binder_fd_object = binder.object(&tr, 8);
        expect(object.hdr.type_, uapi::BINDER_TYPE_FD, "the type")?;
        expect(object.cookie, 0x1234_5678_9abc_def0, "the cookie")?;
        // SAFETY: Both are numbers.
        let pad = unsafe { object.__bindgen_anon_1.pad_binder } >> 32;
        expect(pad, 0, "what is beside the number")?;
        respond(binder, &tr, &Parcel::new())
    });
    let binder = scene.open();
    let (_reader, writer) = pipe();
    let parcel = Parcel::new()
        .plain(b"before")
        .fd(writer.as_fd(), 0x1234_5678_9abc_def0)
        .plain(b"behind");
    call_for_data(&binder, &parcel)?;
    server.join()
}

fn many_fds(scene: &Scene) -> Result<(), String> {
    let (server, _line) = scene.server(|binder, _| {
        let tr = receive(binder)?;
        let files: Vec<_> = binder
            .offsets(&tr)
            .iter()
            .map(|&offset| file_id(received(binder.received_fd(&tr, offset))))
            .collect::<Result<_, _>>()?;
        expect(files.len(), 100, "how many")?;
        ensure(
            files.iter().skip(2).zip(&files).all(|(a, b)| a == b),
            "by turns",
        )?;
        ensure(files[0] != files[1], "two files")?;
        respond(binder, &tr, &Parcel::new())
    });
    let binder = scene.open();
    let (a, b) = (pipe().0, pipe().0);
    let parcel = (0..100).fold(Parcel::new(), |parcel, i| {
        parcel.fd(if i % 2 == 0 { a.as_fd() } else { b.as_fd() }, i)
    });
    call_for_data(&binder, &parcel)?;
    server.join()
}

fn bad_fds(scene: &Scene) -> Result<(), String> {
    let (_server, _line) = scene.answering(|_, _| Parcel::new());
    let binder = scene.open();
    for fd in [-1, 999, i32::MAX, i32::MIN, libc::AT_FDCWD] {
        call_fails(&binder, &Parcel::new().raw_fd(fd, 0), FAILED, libc::EBADF)?;
    }
    call_for_data(&binder, &Parcel::new()).map(drop)
}

fn a_bad_fd_among_good_ones(scene: &Scene) -> Result<(), String> {
    let (_server, _line) =
        scene.answering(|_, _| Parcel::of(&(open_fds().len() as u64).to_ne_bytes()));
    let binder = scene.open();
    let before = call_for_data(&binder, &Parcel::new())?;
    let (reader, writer) = pipe();
    for bad in 0..5 {
        let parcel = (0..5).fold(Parcel::new(), |parcel, i| {
            if i == bad {
                parcel.raw_fd(-1, 0)
            } else {
                parcel.fd(writer.as_fd(), 0)
            }
        });
        call_fails(&binder, &parcel, FAILED, libc::EBADF)?;
    }
    ensure(
        call_for_data(&binder, &Parcel::new())? == before,
        "none was installed",
    )?;
    drop(writer);
    ensure(is_closed_within(&reader, 10), "nobody has it any more")
}

fn a_server_that_takes_none(scene: &Scene) -> Result<(), String> {
    let (ours, theirs) = Line::pair();
    let _server = Child::fork(|| {
        let binder = scene.open();
        binder
            .ioctl(u64::from(uapi::BINDER_SET_CONTEXT_MGR), 0)
            .map_err(|err| format!("{err:?}"))?;
        enter(&binder);
        theirs.tell(1);
        loop {
            let tr = receive(&binder)?;
            expect(
                (Binder::target(&tr), tr.cookie),
                (0, 0),
                "a plain manager's numbers",
            )?;
            respond(&binder, &tr, &Parcel::new())?;
        }
    });
    ours.hear()?;
    let binder = scene.open();
    let (reader, writer) = pipe();
    call_fails(
        &binder,
        &Parcel::new().fd(writer.as_fd(), 0),
        FAILED,
        libc::EPERM,
    )?;
    // That comes first.
    call_fails(&binder, &Parcel::new().raw_fd(-1, 0), FAILED, libc::EPERM)?;
    call_for_data(&binder, &Parcel::new())?;
    drop(writer);
    ensure(is_closed_within(&reader, 10), "nobody has it any more")
}

/// What a server sends in reply fails, and the server is told that all is well.
fn a_client_that_takes_none(scene: &Scene) -> Result<(), String> {
    let (reader, writer) = pipe();
    let (_server, _line) = scene.answering(|_, _| Parcel::new().fd(writer.as_fd(), 0));
    let binder = scene.open();
    call_fails(&binder, &Parcel::new(), FAILED, libc::EPERM)?;
    let accepts = Parcel::new().flags(uapi::transaction_flags_TF_ACCEPT_FDS);
    ensure(call(&binder, &accepts)?.is_ok(), "one that takes them")?;
    ensure(!is_closed_within(&reader, 0), "the pipe")
}

fn bad_fd_in_a_reply(scene: &Scene) -> Result<(), String> {
    let (server, _line) = scene.server(|binder, _| {
        let tr = receive(binder)?;
        // `respond` reads nothing but BR_TRANSACTION_COMPLETE.
        respond(binder, &tr, &Parcel::new().raw_fd(-1, 0))?;
        let ok = uapi::binder_driver_return_protocol_BR_OK;
        expect(binder.extended_error(), (ok, 0), "the server's error")
    });
    let binder = scene.open();
    let accepts = Parcel::new().flags(uapi::transaction_flags_TF_ACCEPT_FDS);
    call_fails(&binder, &accepts, FAILED, libc::EBADF)?;
    server.join()
}

fn server_is_out_of_fds(scene: &Scene) -> Result<(), String> {
    let (server, line) = scene.server(|binder, line| {
        let before = open_fds();
        limit_fds(before.len() as u64 + 2);
        line.tell(1);
        // The first one with too many is never seen.
        let tr = receive(binder)?;
        ensure(binder.data(&tr) == b"fits", "the first that is seen")?;
        expect(open_fds(), before.clone(), "the file descriptors")?;
        respond(binder, &tr, &Parcel::new())?;
        let tr = receive(binder)?;
        expect(
            open_fds().len(),
            before.len() + 2,
            "with as many as there may be",
        )?;
        respond(binder, &tr, &Parcel::new())
    });
    line.hear()?;
    let binder = scene.open();
    let (reader, writer) = pipe();
    let with = |count| (0..count).fold(Parcel::new(), |p: Parcel, i| p.fd(writer.as_fd(), i));
    let failed = call(&binder, &with(3))?;
    ensure(matches!(failed, Err(Return::Failed)), "too many")?;
    call_for_data(&binder, &Parcel::of(b"fits"))?;
    call_for_data(&binder, &with(2))?;
    server.join()?;
    drop(writer);
    ensure(is_closed_within(&reader, 10), "nobody has it any more")
}

fn client_is_out_of_fds(scene: &Scene) -> Result<(), String> {
    let (reader, writer) = pipe();
    let (_server, _line) = scene.answering(|_, _| Parcel::new().fd(writer.as_fd(), 0));
    let binder = scene.open();
    let accepts = Parcel::new().flags(uapi::transaction_flags_TF_ACCEPT_FDS);
    let before = open_fds();
    let highest = before.iter().max().map_or(0, |fd| *fd as u64);
    let fill: Vec<_> = (before.len() as u64..=highest).map(|_| pipe()).collect();
    limit_fds(open_fds().iter().max().map_or(0, |fd| *fd as u64) + 1);
    let full = open_fds();
    for _ in 0..3 {
        let failed = call(&binder, &accepts)?;
        ensure(
            matches!(failed, Err(Return::Failed)),
            "no file descriptor left",
        )?;
        expect(open_fds(), full.clone(), "the file descriptors")?;
    }
    limit_fds(512);
    ensure(call(&binder, &accepts)?.is_ok(), "with more")?;
    drop(fill);
    ensure(!is_closed_within(&reader, 0), "the pipe")
}

fn one_way_out_of_fds(scene: &Scene) -> Result<(), String> {
    let (server, line) = scene.server(|binder, line| {
        limit_fds(open_fds().len() as u64);
        line.tell(1);
        // The others were dropped, and nothing is stuck behind them.
        for text in [b"a", b"b"] {
            let tr = receive(binder)?;
            ensure(binder.data(&tr) == text, "what is seen")?;
            expect(binder.write(&Binder::free(&tr)).result, Ok(()), "free")?;
        }
        Ok(())
    });
    line.hear()?;
    let binder = scene.open();
    let (reader, writer) = pipe();
    let with_fd = Parcel::new().fd(writer.as_fd(), 0);
    for parcel in [
        &with_fd,
        &Parcel::of(b"a"),
        &with_fd,
        &with_fd,
        &Parcel::of(b"b"),
    ] {
        ensure(
            matches!(send_one_way(&binder, parcel)?, Return::Complete),
            "on its way",
        )?;
    }
    server.join()?;
    drop(writer);
    ensure(is_closed_within(&reader, 10), "nobody has it any more")
}

fn freeing_leaves_fds_open(scene: &Scene) -> Result<(), String> {
    let (server, _line) = scene.server(|binder, _| {
        let tr = receive(binder)?;
        let fd = binder.received_fd(&tr, 0);
        respond(binder, &tr, &Parcel::new())?;
        expect(is_close_on_exec(fd), Some(true), "after it was freed")
    });
    let binder = scene.open();
    call_for_data(&binder, &Parcel::new().fd(pipe().0.as_fd(), 0))?;
    server.join()
}

/// A parcel with a buffer of numbers, `fds` at `at` bytes, and an array of them.
fn array_parcel(buffer: &[u32], count: u64, at: u64) -> Parcel {
    // SAFETY: Numbers are bytes.
    let bytes = unsafe {
        std::slice::from_raw_parts(buffer.as_ptr().cast::<u8>(), std::mem::size_of_val(buffer))
    };
    // A buffer that is the first of the data can have nothing in it: so it is in binder.
    Parcel::new()
        .plain(b"head")
        .buffer(bytes, None)
        .fd_array(count, 0, at)
}

/// The numbers in the buffer that is the first object.
fn numbers(binder: &Binder, tr: &ashmem_binder::TransactionData) -> Vec<u32> {
    let buffer: uapi::binder_buffer_object = binder.object(tr, 8);
    binder
        .bytes(buffer.buffer, buffer.length)
        .chunks_exact(4)
        .map(|number| u32::from_ne_bytes(number.try_into().unwrap()))
        .collect()
}

fn fd_array(scene: &Scene) -> Result<(), String> {
    let (server, _line) = scene.server(|binder, _| {
        let tr = receive(binder)?;
        let numbers = numbers(binder, &tr);
        expect(numbers[0], 0xaaaa, "before them")?;
        expect(numbers[4], 0xbbbb, "behind them")?;
        let mut ids = Vec::new();
        for &fd in &numbers[1..4] {
            expect(is_close_on_exec(fd as i32), Some(true), "O_CLOEXEC")?;
            ids.push(file_id(received(fd as i32))?);
        }
        ensure(ids[0] == ids[2] && ids[0] != ids[1], "the files")?;
        respond(binder, &tr, &Parcel::new())
    });
    let binder = scene.open();
    let (a, b) = (pipe().0, pipe().0);
    let (a, b) = (a.as_raw_fd() as u32, b.as_raw_fd() as u32);
    call_for_data(&binder, &array_parcel(&[0xaaaa, a, b, a, 0xbbbb], 3, 4))?;
    server.join()
}

fn fd_array_is_closed_with_the_parcel(scene: &Scene) -> Result<(), String> {
    let (server, _line) = scene.server(|binder, _| {
        let before = open_fds();
        let tr = receive(binder)?;
        let numbers = numbers(binder, &tr);
        expect(open_fds().len(), before.len() + 3, "so many more")?;
        // One is another file now: it is closed all the same, by its number.
        let (_reader, writer) = pipe();
        // SAFETY: Both are this test's.
        unsafe { libc::dup2(writer.as_raw_fd(), numbers[1] as i32) };
        respond(binder, &tr, &Parcel::new())?;
        for fd in numbers {
            expect(is_close_on_exec(fd as i32), None, "closed")?;
        }
        Ok(())
    });
    let binder = scene.open();
    let (reader, writer) = pipe();
    let fd = writer.as_raw_fd() as u32;
    call_for_data(&binder, &array_parcel(&[fd, fd, fd], 3, 0))?;
    drop(writer);
    server.join()?;
    ensure(is_closed_within(&reader, 10), "nobody has it any more")
}

/// Who frees a parcel with an array and reads in the same ioctl has closed the files, though nothing comes in.
fn fd_array_is_closed_before_a_read(scene: &Scene) -> Result<(), String> {
    let (server, line) = scene.server(|binder, line| {
        let tr = receive(binder)?;
        line.tell(1);
        let read = binder.write_read(&Binder::free(&tr), &mut [0; 256]);
        expect(read.result, Ok(()), "free and read")?;
        let returns = read.returns;
        ensure(
            matches!(returns[..], [Return::Noop]),
            &format!("{returns:?}"),
        )
    });
    let binder = scene.open();
    let (reader, writer) = pipe();
    let parcel = array_parcel(&[writer.as_raw_fd() as u32], 1, 0);
    let sent = send_one_way(&binder, &parcel)?;
    ensure(matches!(sent, Return::Complete), "on its way")?;
    drop(writer);
    line.hear()?;
    ensure(is_closed_within(&reader, 10), "nobody has it any more")?;
    server.join()
}

/// Who cannot have what comes in has closed the files, though nothing else comes in.
fn what_cannot_be_had_is_closed_before_a_read(scene: &Scene) -> Result<(), String> {
    let (server, line) = scene.server(|binder, line| {
        limit_fds(open_fds().len() as u64);
        line.hear()?;
        let tr = receive(binder)?;
        respond(binder, &tr, &Parcel::new())
    });
    let binder = scene.open();
    let (reader, writer) = pipe();
    let parcel = Parcel::new().fd(writer.as_fd(), 0);
    expect(binder.write(&parcel.transaction()).result, Ok(()), "call")?;
    // What is on its way is the last one.
    drop(writer);
    line.tell(1);
    let failed = await_reply(&binder)?;
    ensure(matches!(failed, Err(Return::Failed)), "too many")?;
    ensure(is_closed_within(&reader, 10), "nobody has it any more")?;
    call_for_data(&binder, &Parcel::new())?;
    server.join()
}

/// The device itself is what has the remembered number when the parcel is freed.
fn fd_array_closes_the_device(scene: &Scene) -> Result<(), String> {
    let (server, _line) = scene.server(|binder, _| {
        let tr = receive(binder)?;
        let fd = numbers(binder, &tr)[0] as i32;
        let device = binder.as_fd().as_raw_fd();
        // SAFETY: The device gets another number, and the old one is closed; `binder` is not used for
        // anything but its number.
        unsafe {
            libc::dup2(device, fd);
            libc::dup2(fd, device);
        }
        let free = Binder::free(&tr);
        expect(binder.write(&free).result, Ok(()), "free")?;
        expect(is_close_on_exec(fd), None, "closed")?;
        expect(binder.write(&Parcel::new().reply()).result, Ok(()), "reply")
    });
    let binder = scene.open();
    let fd = pipe().0;
    call_for_data(&binder, &array_parcel(&[fd.as_raw_fd() as u32], 1, 0))?;
    server.join()
}

/// As above; nothing but the ioctl has the device then, and that frees another parcel with an array. (The
/// kernel would warn.)
fn fd_arrays_close_the_device_and_more(scene: &Scene) -> Result<(), String> {
    let (ours, theirs) = Line::pair();
    let server = Child::fork(move || {
        let mut binder = scene.open();
        scene.serve(&binder, 0, 0)?;
        theirs.tell(1);
        let mut commands = Vec::new();
        let mut fds = Vec::new();
        for _ in 0..2 {
            let tr = receive(&binder)?;
            fds.push(numbers(&binder, &tr)[0] as i32);
            commands.extend(Binder::free(&tr));
            expect(binder.write(&Parcel::new().reply()).result, Ok(()), "reply")?;
            is_complete(&binder)?;
        }
        // SAFETY: The device gets the number that came with the first parcel.
        unsafe { libc::dup2(binder.as_fd().as_raw_fd(), fds[0]) };
        binder.unmap(0, BUFFER);
        drop(binder);

        let mut bwr = uapi::binder_write_read {
            write_buffer: commands.as_ptr() as u64,
            write_size: commands.len() as u64,
            ..Default::default()
        };
        // SAFETY: The structure is there, and what it points to.
        let result = unsafe { libc::ioctl(fds[0], uapi::BINDER_WRITE_READ as _, &mut bwr) };
        expect((result, bwr.write_consumed), (0, bwr.write_size), "free")?;
        for fd in fds {
            expect(is_close_on_exec(fd), None, "closed")?;
        }
        Ok(())
    });
    ours.hear()?;
    let binder = scene.open();
    let fd = pipe().0;
    for _ in 0..2 {
        call_for_data(&binder, &array_parcel(&[fd.as_raw_fd() as u32], 1, 0))?;
    }
    server.join()
}

fn nested_buffers(scene: &Scene) -> Result<(), String> {
    let (server, _line) = scene.server(|binder, _| {
        let tr = receive(binder)?;
        let outer: uapi::binder_buffer_object = binder.object(&tr, 8);
        let bytes = binder.bytes(outer.buffer, outer.length);
        let address = |at: usize| u64::from_ne_bytes(bytes[at..at + 8].try_into().unwrap());
        ensure(
            binder.bytes(address(0), 5) == b"first",
            "the first one in it",
        )?;
        ensure(
            binder.bytes(address(16), 6) == b"second",
            "the second one in it",
        )?;
        ensure(&bytes[8..16] == b"between.", "what is between")?;
        respond(binder, &tr, &Parcel::new())
    });
    let binder = scene.open();
    let outer = b"........between.........".to_vec();
    let parcel = Parcel::new()
        .plain(b"head")
        .buffer(&outer, None)
        .buffer(b"first", Some((0, 0)))
        .buffer(b"second", Some((0, 16)));
    call_for_data(&binder, &parcel)?;
    server.join()
}

/// A reply can have all that a transaction can.
fn buffers_in_a_reply(scene: &Scene) -> Result<(), String> {
    let (reader, writer) = pipe();
    let outer = [
        &[0xee; 8][..],
        &writer.as_raw_fd().to_ne_bytes(),
        &[0xdd; 4],
    ]
    .concat();
    let (_server, _line) = scene.answering(|_, _| {
        Parcel::new()
            .plain(b"head")
            .buffer(&outer, None)
            .buffer(b"inner", Some((0, 0)))
            .fd_array(1, 0, 8)
    });
    let binder = scene.open();
    let accepts = Parcel::new().flags(uapi::transaction_flags_TF_ACCEPT_FDS);
    for _ in 0..3 {
        let before = open_fds();
        let reply = call(&binder, &accepts)?.map_err(|err| {
            let error = binder.extended_error();
            format!("{err:?} {error:?} instead of a reply")
        })?;
        expect(binder.offsets(&reply), vec![8, 48, 88], "the offsets")?;
        let buffer: uapi::binder_buffer_object = binder.object(&reply, 8);
        expect(buffer.length, 16, "the size")?;
        let bytes = binder.bytes(buffer.buffer, buffer.length);
        let inner = u64::from_ne_bytes(bytes[..8].try_into().unwrap());
        ensure(binder.bytes(inner, 5) == b"inner", "the one in it")?;
        ensure(bytes[12..] == [0xdd; 4], "what is behind the number")?;
        let fd = numbers(&binder, &reply)[2] as i32;
        ensure(!before.contains(&fd), "a new file descriptor")?;
        expect(file_id(received(fd))?, file_id(&writer)?, "the file")?;
        expect(binder.write(&Binder::free(&reply)).result, Ok(()), "free")?;
        expect(open_fds(), before, "closed with the parcel")?;
    }
    ensure(!is_closed_within(&reader, 0), "the pipe")
}

/// What a server means by a number or a pointer is never in the client's buffer, also if the reply fails.
fn nothing_untranslated_is_left(scene: &Scene) -> Result<(), String> {
    const LARGE: usize = 4096;
    const SECRET: u64 = 0x5ec2_e75e_c2e7_5ec2;
    let secrets: Vec<u8> = SECRET.to_ne_bytes().repeat(4);
    let head = || Parcel::new().plain(b"head").buffer(&secrets, None);
    let replies = [
        Parcel::of(&[1; LARGE]),
        // Numbers of file descriptors, which the client does not take.
        head().fd_array(8, 0, 0),
        // A pointer to a buffer that does not come any more.
        head().raw_fd(0, 0).buffer(b"inner", Some((0, 0))),
    ];
    let (server, _line) = scene.server(|binder, _| {
        for reply in &replies {
            let tr = receive(binder)?;
            respond(binder, &tr, reply)?;
        }
        Ok(())
    });
    let binder = scene.open();
    // From here on there is memory behind that part of the buffer.
    let reply = call(&binder, &Parcel::new())?.map_err(|err| format!("{err:?}"))?;
    // SAFETY: The driver returns addresses, not data.
    let buffer = unsafe { reply.data.ptr.buffer };
    expect(binder.write(&Binder::free(&reply)).result, Ok(()), "free")?;
    for what in ["the numbers", "the pointer"] {
        call_fails(&binder, &Parcel::new(), FAILED, libc::EPERM)?;
        let left = binder.bytes(buffer, LARGE as u64);
        let is_left = left
            .windows(size_of::<u64>())
            .any(|bytes| bytes == SECRET.to_ne_bytes());
        ensure(!is_left, &format!("{what} of the server"))?;
    }
    server.join()
}

/// An open device crosses like any other file; who gets it cannot use it.
fn own_device_is_sent(scene: &Scene) -> Result<(), String> {
    let (server, _line) = scene.server(|binder, _| {
        let tr = receive(binder)?;
        let fd = binder.received_fd(&tr, 0);
        let mut version = 0i32;
        // SAFETY: The number is there.
        let result = unsafe { libc::ioctl(fd, uapi::BINDER_VERSION as _, &mut version) };
        // C's binder lets another process ask; Rust's and ours do not.
        ensure(result == 0 || version == 0, "an ioctl of another process")?;
        respond(binder, &tr, &Parcel::new())
    });
    let binder = scene.open();
    call_for_data(&binder, &Parcel::new().fd(binder.as_fd(), 0))?;
    server.join()
}

/// The server's device waits in the server's queue when all end: nothing keeps itself. (What is left is
/// found when the test has ended.)
fn own_device_in_own_queue(scene: &Scene) -> Result<(), String> {
    let (ours, theirs) = Line::pair();
    let (mut give, take) = std::os::unix::net::UnixStream::pair().map_err(|err| err.to_string())?;
    let (reader, writer) = pipe();
    let client = Child::fork(|| {
        theirs.hear()?;
        let binder = scene.open();
        let fd = receive_fd(&take)?;
        let parcel = Parcel::new().fd(fd.as_fd(), 0).fd(writer.as_fd(), 0);
        for _ in 0..3 {
            ensure(
                matches!(send_one_way(&binder, &parcel)?, Return::Complete),
                "on its way",
            )?;
        }
        expect(binder.write(&parcel.transaction()).result, Ok(()), "a call")?;
        theirs.tell(1);
        // The server ends, and with it the call.
        let reply = await_reply(&binder)?;
        ensure(matches!(reply, Err(Return::Dead)), "the call")
    });
    drop(writer);
    let (server, line) = scene.server(|binder, line| {
        send_fd(&mut give, binder.as_fd())?;
        line.tell(1);
        line.hear().map(drop)
    });
    line.hear()?;
    ours.tell(1);
    ours.hear()?;
    ensure(!is_closed_within(&reader, 0), "it is on its way")?;
    server.kill();
    client.join()?;
    ensure(is_closed_within(&reader, 10), "nobody has it any more")
}

/// Sends a file descriptor through a socket.
fn send_fd(socket: &mut std::os::unix::net::UnixStream, fd: BorrowedFd<'_>) -> Result<(), String> {
    // The kernel's own way to do what this driver does, as plain numbers.
    let mut control = [0u64; 3];
    let mut byte = [0u8];
    let mut data = libc::iovec {
        iov_base: byte.as_mut_ptr().cast(),
        iov_len: 1,
    };
    // SAFETY: The message points to what is there, and its control part has space for one number.
    let sent = unsafe {
        let mut message: libc::msghdr = std::mem::zeroed();
        message.msg_iov = &mut data;
        message.msg_iovlen = 1;
        message.msg_control = control.as_mut_ptr().cast();
        message.msg_controllen = libc::CMSG_SPACE(4) as _;
        let header = libc::CMSG_FIRSTHDR(&message);
        (*header).cmsg_level = libc::SOL_SOCKET;
        (*header).cmsg_type = libc::SCM_RIGHTS;
        (*header).cmsg_len = libc::CMSG_LEN(4) as _;
        libc::CMSG_DATA(header)
            .cast::<i32>()
            .write_unaligned(fd.as_raw_fd());
        libc::sendmsg(socket.as_raw_fd(), &message, 0)
    };
    expect(sent, 1, "sendmsg")
}

/// Receives a file descriptor from a socket.
fn receive_fd(socket: &std::os::unix::net::UnixStream) -> Result<std::os::fd::OwnedFd, String> {
    let mut control = [0u64; 3];
    let mut byte = [0u8];
    let mut data = libc::iovec {
        iov_base: byte.as_mut_ptr().cast(),
        iov_len: 1,
    };
    // SAFETY: As in `send_fd`; the number that comes is this process's alone.
    unsafe {
        let mut message: libc::msghdr = std::mem::zeroed();
        message.msg_iov = &mut data;
        message.msg_iovlen = 1;
        message.msg_control = control.as_mut_ptr().cast();
        message.msg_controllen = libc::CMSG_SPACE(4) as _;
        let received = libc::recvmsg(socket.as_raw_fd(), &mut message, libc::MSG_CMSG_CLOEXEC);
        expect(received, 1, "recvmsg")?;
        let header = libc::CMSG_FIRSTHDR(&message);
        ensure(!header.is_null(), "a file descriptor")?;
        let fd = libc::CMSG_DATA(header).cast::<i32>().read_unaligned();
        Ok(std::os::fd::FromRawFd::from_raw_fd(fd))
    }
}
