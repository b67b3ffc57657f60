// SPDX-License-Identifier: GPL-2.0

//! Input that no honest program sends: it fails as it should, and nothing else happens.

use std::os::fd::{AsFd, AsRawFd};

use ashmem_binder::{command, uapi, Binder, Errno, Parcel, Return, TransactionData};

use crate::{
    is_ours,
    process::{is_closed_within, pipe},
    scene::{await_reply, call, call_for_data, ensure, expect, next, Scene, DEAD, FAILED},
    slowness, Test,
};

/// The tests of this file.
pub const TESTS: &[(&str, Test)] = &[
    ("offsets", offsets),
    ("sizes", sizes),
    ("pointers", pointers),
    ("objects", objects),
    ("references_in_parcels", references_in_parcels),
    ("arrays", arrays),
    ("nested", nested),
    (
        "nothing_in_the_first_of_the_data",
        nothing_in_the_first_of_the_data,
    ),
    ("commands", commands),
    ("command_at_the_end", command_at_the_end),
    ("read_buffer", |scene| read_buffer(scene, false)),
    ("read_buffer_and_files", |scene| read_buffer(scene, true)),
    ("write_read_sizes", write_read_sizes),
    ("random_parcels", random_parcels),
    ("random_commands", random_commands),
];

/// Sends a transaction that must fail with this return and one of these errnos.
fn fails(binder: &Binder, tr: &TransactionData, errnos: &[i32], what: &str) -> Result<(), String> {
    let number = uapi::binder_driver_command_protocol_BC_TRANSACTION;
    expect(binder.write(&command(number, tr)).result, Ok(()), what)?;
    fails_now(binder, errnos, what)
}

/// What was sent must have failed.
fn fails_now(binder: &Binder, errnos: &[i32], what: &str) -> Result<(), String> {
    let returned = next(binder)?;
    ensure(
        matches!(returned, Return::Failed),
        &format!("{what}: {returned:?}"),
    )?;
    let (command, errno) = binder.extended_error();
    expect(command, FAILED, what)?;
    ensure(errnos.contains(&-errno), &format!("{what}: {errno}"))
}

/// A server that echoes, and a client. What is done to them must not last.
fn echo_with(
    scene: &Scene,
    work: impl FnOnce(&Binder) -> Result<(), String>,
) -> Result<(), String> {
    let (_server, _line) = scene.answering(|binder, tr| Parcel::of(binder.data(tr)));
    let binder = scene.open();
    work(&binder)?;
    ensure(
        call_for_data(&binder, &Parcel::of(b"after"))? == b"after",
        "after all that",
    )
}

fn offsets(scene: &Scene) -> Result<(), String> {
    echo_with(scene, |binder| {
        let (reader, writer) = pipe();
        let two = || {
            Parcel::new()
                .plain(b"head")
                .fd(writer.as_fd(), 0)
                .fd(writer.as_fd(), 1)
        };
        let both = [libc::EINVAL, libc::EFAULT];
        for bad in [
            vec![9, 32],
            vec![8, 33],
            vec![6, 32],
            vec![32, 8],
            vec![8, 8],
            vec![8, 12],
            vec![8, 28],
            vec![8, 36],
            vec![8, 40],
            vec![8, 56],
            vec![8, 60],
            vec![8, 1000],
            vec![8, 1 << 40],
            vec![8, u64::MAX],
            vec![8, u64::MAX - 7],
            vec![8, 1 << 63],
            vec![0],
            vec![4],
            vec![8, 32, 0],
            vec![8, 32, 56],
        ] {
            let what = format!("offsets {bad:?}");
            let parcel = Parcel {
                offsets: bad,
                ..two()
            };
            fails(binder, &parcel.transaction_data(), &both, &what)?;
        }
        drop(writer);
        ensure(is_closed_within(&reader, 10), "nobody has it any more")
    })
}

fn sizes(scene: &Scene) -> Result<(), String> {
    echo_with(scene, |binder| {
        let parcel = Parcel::of(&[0; 64]);
        let size = crate::scene::BUFFER as u64;
        for (data, offsets, errnos) in [
            (size + 1, 0, [libc::ENOSPC, 0]),
            (0, size + 8, [libc::ENOSPC, 0]),
            (size, 8, [libc::ENOSPC, 0]),
            (1 << 40, 0, [libc::ENOSPC, 0]),
            (u64::MAX, 0, [libc::EINVAL, 0]),
            (u64::MAX - 6, 0, [libc::EINVAL, 0]),
            (u64::MAX - 7, 8, [libc::EINVAL, libc::ENOSPC]),
            (u64::MAX - 7, 16, [libc::EINVAL, libc::ENOSPC]),
            (1 << 63, 1 << 63, [libc::EINVAL, libc::ENOSPC]),
            (64, 1, [libc::EINVAL, 0]),
            (64, 7, [libc::EINVAL, 0]),
            (64, u64::MAX, [libc::EINVAL, 0]),
        ] {
            let what = format!("{data} bytes of data, {offsets} of offsets");
            let mut tr = parcel.transaction_data();
            tr.data_size = data;
            tr.offsets_size = offsets;
            tr.data.ptr.offsets = parcel.data.as_ptr() as u64;
            fails(binder, &tr, &errnos, &what)?;
        }
        for buffers in [1, 7, 12, size, u64::MAX, u64::MAX - 7, 1 << 63] {
            let mut parcel = parcel.clone();
            parcel.buffers_size = buffers;
            expect(
                binder.write(&parcel.transaction()).result,
                Ok(()),
                "buffers",
            )?;
            fails_now(
                binder,
                &[libc::EINVAL, libc::ENOSPC],
                &format!("{buffers} of buffers"),
            )?;
        }
        Ok(())
    })
}

/// Two pages, of which the second one cannot be read; the address of that.
fn half_mapped() -> u64 {
    let page = 1 << 16;
    // SAFETY: New mappings, where there are none; the second half of one is unmapped.
    unsafe {
        let map = libc::mmap(
            std::ptr::null_mut(),
            2 * page,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
            -1,
            0,
        );
        libc::munmap(map.byte_add(page), page);
        map as u64 + page as u64
    }
}

fn pointers(scene: &Scene) -> Result<(), String> {
    echo_with(scene, |binder| {
        let end = half_mapped();
        let parcel = Parcel::of(&[0; 64]);
        for bad in [
            0,
            8,
            end,
            end - 8,
            end - 63,
            1 << 47,
            1 << 63,
            u64::MAX,
            u64::MAX - 64,
        ] {
            let what = format!("data at {bad:#x}");
            let mut tr = parcel.transaction_data();
            tr.data.ptr.buffer = bad;
            fails(binder, &tr, &[libc::EFAULT], &what)?;
            let mut tr = parcel.transaction_data();
            tr.data.ptr.offsets = bad;
            tr.offsets_size = 128;
            fails(binder, &tr, &[libc::EFAULT], &what)?;
            // An object there.
            let offsets = [0u64];
            let mut tr = parcel.transaction_data();
            tr.data.ptr.buffer = bad;
            tr.data.ptr.offsets = offsets.as_ptr() as u64;
            tr.offsets_size = 8;
            fails(binder, &tr, &[libc::EFAULT, libc::EINVAL], &what)?;
        }
        Ok(())
    })
}

fn objects(scene: &Scene) -> Result<(), String> {
    echo_with(scene, |binder| {
        // What is no type.
        for number in [
            0,
            1,
            uapi::BINDER_TYPE_FD + 1,
            uapi::BINDER_TYPE_FD & 0xff,
            u32::MAX,
        ] {
            let mut words = [0u32; 10];
            words[0] = number;
            let parcel = Parcel::new().object(&words);
            fails(
                binder,
                &parcel.transaction_data(),
                &[libc::EINVAL],
                &format!("{number:#x}"),
            )?;
        }
        Ok(())
    })
}

/// References to nodes are no part of the subset: they are refused, and never copied as if they were data.
fn references_in_parcels(scene: &Scene) -> Result<(), String> {
    echo_with(scene, |binder| {
        for number in [
            uapi::BINDER_TYPE_BINDER,
            uapi::BINDER_TYPE_WEAK_BINDER,
            uapi::BINDER_TYPE_HANDLE,
            uapi::BINDER_TYPE_WEAK_HANDLE,
        ] {
            let mut words = [0u32; 10];
            words[0] = number;
            let parcel = Parcel::new().object(&words);
            fails(
                binder,
                &parcel.transaction_data(),
                &[libc::EINVAL],
                &format!("{number:#x}"),
            )?;
        }
        Ok(())
    })
}

fn arrays(scene: &Scene) -> Result<(), String> {
    echo_with(scene, |binder| {
        let (reader, writer) = pipe();
        let fd = writer.as_raw_fd().to_ne_bytes();
        let buffer = [fd, fd, fd, fd].concat();
        let base = || Parcel::new().plain(b"head").buffer(&buffer, None);
        for (count, parent, offset) in [
            (5, 0, 0),
            (4, 0, 4),
            (1, 0, 16),
            (1, 0, 13),
            (1, 0, 1),
            (1, 0, 2),
            (1, 0, u64::MAX),
            (1, 0, u64::MAX - 3),
            (u64::MAX, 0, 0),
            (1 << 62, 0, 0),
            ((1 << 62) + 1, 0, 0),
            (1 << 61, 0, 8),
            (1, 1, 0),
            (1, 2, 0),
            (1, u64::MAX, 0),
        ] {
            let what = format!("{count} at {offset} of {parent}");
            let parcel = base().fd_array(count, parent, offset);
            expect(binder.write(&parcel.transaction()).result, Ok(()), &what)?;
            fails_now(binder, &[libc::EINVAL], &what)?;
        }
        // What is behind it in the sender's memory is not looked at, although the receiver has space for it.
        let beyond = [&buffer[..], &[0xff; 16]].concat();
        for (count, offset) in [(5, 0), (4, 4), (1, 16)] {
            let what = format!("{count} at {offset}, with others behind");
            let mut parcel = Parcel::new()
                .plain(b"head")
                .buffer(&beyond[..buffer.len()], None)
                .fd_array(count, 0, offset);
            parcel.buffers_size = beyond.len() as u64;
            expect(binder.write(&parcel.transaction()).result, Ok(()), &what)?;
            fails_now(binder, &[libc::EINVAL], &what)?;
        }
        // The second one overlaps the first one, or comes before it.
        for (first, second) in [((2, 0), (2, 4)), ((2, 8), (1, 0)), ((1, 4), (1, 4))] {
            let what = format!("{first:?} and {second:?}");
            let parcel = base()
                .fd_array(first.0, 0, first.1)
                .fd_array(second.0, 0, second.1);
            expect(binder.write(&parcel.transaction()).result, Ok(()), &what)?;
            fails_now(binder, &[libc::EINVAL], &what)?;
        }
        // The parent is no buffer; nothing that is a file descriptor in it.
        let what = "a parent that is a file descriptor";
        let mut parcel = Parcel::new()
            .plain(b"head")
            .fd(writer.as_fd(), 0)
            .fd_array(1, 0, 0);
        parcel.buffers_size = 8;
        expect(binder.write(&parcel.transaction()).result, Ok(()), what)?;
        fails_now(binder, &[libc::EINVAL], what)?;
        let what = "no file descriptors in it";
        let parcel = Parcel::new()
            .plain(b"head")
            .buffer(&[0xff; 16], None)
            .fd_array(2, 0, 0);
        expect(binder.write(&parcel.transaction()).result, Ok(()), what)?;
        fails_now(binder, &[libc::EBADF], what)?;
        drop(writer);
        ensure(is_closed_within(&reader, 10), "nobody has it any more")
    })
}

fn nested(scene: &Scene) -> Result<(), String> {
    echo_with(scene, |binder| {
        let outer = [0; 32];
        let base = || Parcel::new().plain(b"head").buffer(&outer, None);
        for (parent, offset) in [
            (0, 25),
            (0, 32),
            (0, u64::MAX),
            (0, u64::MAX - 7),
            (1, 0),
            (2, 0),
            (u64::MAX, 0),
        ] {
            let what = format!("at {offset} of {parent}");
            let parcel = base().buffer(b"inner", Some((parent, offset)));
            expect(binder.write(&parcel.transaction()).result, Ok(()), &what)?;
            fails_now(binder, &[libc::EINVAL], &what)?;
        }
        let what = "out of order";
        let parcel = base()
            .buffer(b"b", Some((0, 16)))
            .buffer(b"a", Some((0, 8)));
        expect(binder.write(&parcel.transaction()).result, Ok(()), what)?;
        fails_now(binder, &[libc::EINVAL], what)?;
        let what = "into a buffer that was left";
        let parcel = base().buffer(&outer, None).buffer(b"a", Some((0, 0)));
        expect(binder.write(&parcel.transaction()).result, Ok(()), what)?;
        fails_now(binder, &[libc::EINVAL], what)?;
        let what = "more than there is space for";
        let mut parcel = base().buffer(&[1; 100], None);
        parcel.buffers_size -= 8;
        expect(binder.write(&parcel.transaction()).result, Ok(()), what)?;
        fails_now(binder, &[libc::EINVAL], what)?;
        let what = "a buffer that cannot be read";
        let mut parcel = base();
        let at = parcel.data.len() - 40 + 8;
        parcel.data[at..at + 8].copy_from_slice(&(half_mapped() - 8).to_ne_bytes());
        expect(binder.write(&parcel.transaction()).result, Ok(()), what)?;
        fails_now(binder, &[libc::EINVAL], what)
    })
}

/// A buffer whose object is the first of the data can have nothing in it. So it is in the kernel's binder in
/// C, and therefore in ours; the one in Rust takes it.
fn nothing_in_the_first_of_the_data(scene: &Scene) -> Result<(), String> {
    echo_with(scene, |binder| {
        let (reader, writer) = pipe();
        let fd = writer.as_raw_fd().to_ne_bytes();
        let buffer = [fd, fd].concat();
        for parcel in [
            Parcel::new().buffer(&buffer, None).fd_array(1, 0, 0),
            Parcel::new()
                .buffer(&buffer, None)
                .buffer(b"inner", Some((0, 0))),
        ] {
            match call(binder, &parcel)? {
                Err(_) => expect(
                    binder.extended_error(),
                    (FAILED, -libc::EINVAL),
                    "the error",
                )?,
                Ok(_) if is_ours(&scene.device) => return Err("it was taken".into()),
                Ok(tr) => expect(binder.write(&Binder::free(&tr)).result, Ok(()), "free")?,
            }
        }
        drop(writer);
        ensure(is_closed_within(&reader, 10), "nobody has it any more")
    })
}

fn commands(scene: &Scene) -> Result<(), String> {
    echo_with(scene, |binder| {
        let good = uapi::binder_driver_command_protocol_BC_EXIT_LOOPER.to_ne_bytes();
        for bad in [
            0,
            uapi::binder_driver_command_protocol_BC_ATTEMPT_ACQUIRE,
            uapi::binder_driver_command_protocol_BC_ACQUIRE_RESULT,
            uapi::binder_driver_return_protocol_BR_NOOP,
            uapi::binder_driver_command_protocol_BC_FREE_BUFFER ^ (1 << 16),
            u32::MAX,
        ] {
            let mut bytes = good.to_vec();
            bytes.extend_from_slice(&bad.to_ne_bytes());
            bytes.extend_from_slice(&[0; 64]);
            let written = binder.write(&bytes);
            let what = format!("command {bad:#x}");
            expect(
                (written.result, written.written),
                (Err(Errno(libc::EINVAL)), 4),
                &what,
            )?;
        }
        Ok(())
    })
}

/// A command that cannot be read to its end.
fn command_at_the_end(scene: &Scene) -> Result<(), String> {
    echo_with(scene, |binder| {
        let end = half_mapped();
        let free = command(uapi::binder_driver_command_protocol_BC_FREE_BUFFER, &0u64);
        let call = Parcel::of(b"x").transaction();
        for bytes in [&free[..], &call[..]] {
            for size in 1..bytes.len() {
                let at = end - size as u64;
                // SAFETY: The bytes before the end are there.
                unsafe { std::ptr::copy(bytes.as_ptr(), at as *mut u8, size) };
                let mut bwr = uapi::binder_write_read {
                    write_buffer: at,
                    write_size: size as u64,
                    ..Default::default()
                };
                let result = binder.ioctl_on(uapi::BINDER_WRITE_READ, &mut bwr);
                let what = format!("{size} bytes of {}", bytes.len());
                expect(
                    (result, bwr.write_consumed),
                    (Err(Errno(libc::EFAULT)), 0),
                    &what,
                )?;
            }
        }
        Ok(())
    })
}

/// Where returns cannot be written; what was to be read there has failed, or is still there. With
/// `files`, it had a file in it, which must not be left with the receiver.
fn read_buffer(scene: &Scene, files: bool) -> Result<(), String> {
    let (server, line) = scene.server(|binder, line| {
        line.hear()?;
        let end = half_mapped();
        // SAFETY: The page is there, and must not be written.
        unsafe { libc::mprotect((end - 65536) as *mut _, 65536, libc::PROT_READ) };
        for at in [0, end, end - 4096, 1 << 63] {
            let mut bwr = uapi::binder_write_read {
                read_buffer: at,
                read_size: 256,
                ..Default::default()
            };
            let result = binder.ioctl_on(uapi::BINDER_WRITE_READ, &mut bwr);
            expect(
                result,
                Err(Errno(libc::EFAULT)),
                &format!("returns at {at:#x}"),
            )?;
        }
        // Space for the BR_NOOP, and not for what comes behind it.
        // SAFETY: The page is there.
        unsafe {
            let both = libc::PROT_READ | libc::PROT_WRITE;
            libc::mprotect((end - 65536) as *mut _, 65536, both)
        };
        let mut bwr = uapi::binder_write_read {
            read_buffer: end - 12,
            read_size: 256,
            ..Default::default()
        };
        let before = crate::process::open_fds();
        let result = binder.ioctl_on(uapi::BINDER_WRITE_READ, &mut bwr);
        expect(result, Err(Errno(libc::EFAULT)), "no space behind BR_NOOP")?;
        expect(crate::process::open_fds(), before, "none was installed")?;
        line.tell(1);
        line.hear().map(drop)
    });
    let binder = scene.open();
    let (reader, writer) = pipe();
    let parcel = match files {
        true => Parcel::new().fd(writer.as_fd(), 0),
        false => Parcel::new(),
    };
    expect(binder.write(&parcel.transaction()).result, Ok(()), "call")?;
    drop(writer);
    line.tell(1);
    line.hear()?;
    let reply = await_reply(&binder)?;
    ensure(
        matches!(reply, Err(Return::Failed)),
        "a call that could not be delivered",
    )?;
    ensure(is_closed_within(&reader, 10), "nobody has it any more")?;
    line.tell(1);
    server.join()
}

fn write_read_sizes(scene: &Scene) -> Result<(), String> {
    echo_with(scene, |binder| {
        let command = uapi::binder_driver_command_protocol_BC_EXIT_LOOPER.to_ne_bytes();
        for (size, consumed) in [
            (4, 4),
            (4, 5),
            (4, u64::MAX / 2),
            (0, 4),
            (0, u64::MAX),
            (u64::MAX, 8),
        ] {
            let mut bwr = uapi::binder_write_read {
                write_buffer: command.as_ptr() as u64,
                write_size: size,
                write_consumed: consumed,
                ..Default::default()
            };
            let result = binder.ioctl_on(uapi::BINDER_WRITE_READ, &mut bwr);
            let what = format!("{consumed} of {size} bytes");
            expect((result, bwr.write_consumed), (Ok(()), consumed), &what)?;
        }
        // Nothing at all.
        let mut bwr = uapi::binder_write_read::default();
        expect(
            binder.ioctl_on(uapi::BINDER_WRITE_READ, &mut bwr),
            Ok(()),
            "nothing",
        )
    })
}

/// A random number generator that anybody can follow.
struct Random(u64);

impl Random {
    /// A number below `below`.
    fn below(&mut self, below: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (self.0 >> 33) % below
    }
}

/// Parcels of random words and offsets, some of them nearly right; the server takes what it gets.
fn random_parcels(scene: &Scene) -> Result<(), String> {
    let (server, _line) = scene.answering(|binder, tr| {
        // What comes through is as it should be.
        let data = binder.data(tr);
        for offset in binder.offsets(tr) {
            assert!(offset as usize + 4 <= data.len());
        }
        Parcel::new()
    });
    let binder = scene.open();
    let mut random = Random(7);
    let mut passed = 0;
    let count = 20_000 / slowness();
    for _ in 0..count {
        let mut words: Vec<u32> = (0..random.below(40))
            .map(|_| match random.below(8) {
                0 => uapi::BINDER_TYPE_FD,
                1 => uapi::BINDER_TYPE_PTR,
                2 => uapi::BINDER_TYPE_FDA,
                3 => random.below(1 << 32) as u32,
                _ => random.below(4) as u32,
            })
            .collect();
        words.push(0);
        let mut parcel = Parcel::new();
        parcel.data = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
        let mut offset = 0;
        for _ in 0..random.below(4) {
            offset += match random.below(6) {
                0 => 24,
                1 => 40,
                2 => 32,
                3 => random.below(64),
                _ => random.below(10) * 4,
            };
            parcel.offsets.push(offset);
        }
        parcel.buffers_size = random.below(4) * 8;
        expect(binder.write(&parcel.transaction()).result, Ok(()), "write")?;
        match await_reply(&binder)? {
            Ok(tr) => {
                passed += 1;
                binder.write(&Binder::free(&tr));
            }
            Err(Return::Failed) => {}
            Err(other) => return Err(format!("{other:?}")),
        }
    }
    println!("# {passed} of {count} random parcels came through");
    let some = (count / 200).max(1);
    ensure(
        (some..count - some).contains(&passed),
        "some come through, and some do not",
    )?;
    server.kill();
    Ok(())
}

/// Random bytes as commands.
fn random_commands(scene: &Scene) -> Result<(), String> {
    let (server, _line) = scene.answering(|_, _| Parcel::new());
    let binder = scene.open();
    let numbers = [
        uapi::binder_driver_command_protocol_BC_FREE_BUFFER,
        uapi::binder_driver_command_protocol_BC_ACQUIRE,
        uapi::binder_driver_command_protocol_BC_RELEASE,
        uapi::binder_driver_command_protocol_BC_REGISTER_LOOPER,
        uapi::binder_driver_command_protocol_BC_EXIT_LOOPER,
        uapi::binder_driver_command_protocol_BC_REPLY,
        uapi::binder_driver_command_protocol_BC_TRANSACTION,
        uapi::binder_driver_command_protocol_BC_TRANSACTION_SG,
    ];
    let mut random = Random(11);
    let mut space = [0; 1024];
    let flags = libc::O_RDWR | libc::O_NONBLOCK;
    // SAFETY: It sets a flag of the open file.
    unsafe { libc::fcntl(binder.as_fd().as_raw_fd(), libc::F_SETFL, flags) };
    for _ in 0..20_000 {
        let mut bytes = Vec::new();
        for _ in 0..=random.below(6) {
            bytes.extend_from_slice(&numbers[random.below(8) as usize].to_ne_bytes());
            for _ in 0..random.below(80) {
                bytes.push(if random.below(4) == 0 {
                    random.below(256) as u8
                } else {
                    0
                });
            }
        }
        let done = binder.write_read(&bytes, &mut space);
        let known = [libc::EINVAL, libc::EFAULT, libc::EAGAIN];
        if let Err(Errno(errno)) = done.result {
            ensure(known.contains(&errno), &format!("errno {errno}"))?;
        }
    }
    server.kill();
    let binder = scene.open();
    let number = uapi::binder_driver_command_protocol_BC_TRANSACTION;
    let tr = Parcel::new().transaction_data();
    expect(binder.write(&command(number, &tr)).result, Ok(()), "call")?;
    ensure(matches!(next(&binder)?, Return::Dead), "nobody is there")?;
    expect(binder.extended_error().0, DEAD, "the error")
}
