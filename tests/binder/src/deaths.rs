// SPDX-License-Identifier: GPL-2.0

//! Each end dies at each point, and the other one learns it.

use std::os::fd::AsFd;

use ashmem_binder::{command, uapi, Binder, Parcel, Return};

use crate::{
    is_ours,
    missing_page::MissingPage,
    process::{is_closed_within, pipe, Child, Line},
    scene::{
        await_reply, call, call_for_data, ensure, expect, is_complete, next, receive, respond,
        send_one_way, Scene,
    },
    slowness, Test,
};

/// The tests of this file.
pub const TESTS: &[(&str, Test)] = &[
    ("server_dies_before_it_reads", server_dies_before_it_reads),
    (
        "server_dies_while_it_is_sent_to",
        server_dies_while_it_is_sent_to,
    ),
    (
        "server_dies_behind_a_one_way_transaction",
        server_dies_behind_a_one_way_transaction,
    ),
    (
        "server_dies_before_it_replies",
        server_dies_before_it_replies,
    ),
    (
        "server_dies_while_the_client_waits",
        server_dies_while_the_client_waits,
    ),
    (
        "server_closes_before_it_replies",
        server_closes_before_it_replies,
    ),
    (
        "server_dies_with_one_way_transactions",
        server_dies_with_one_way_transactions,
    ),
    ("server_dies_behind_its_reply", server_dies_behind_its_reply),
    (
        "client_dies_before_it_is_read",
        client_dies_before_it_is_read,
    ),
    ("client_dies_before_the_reply", client_dies_before_the_reply),
    (
        "client_dies_while_it_is_replied_to",
        client_dies_while_it_is_replied_to,
    ),
    (
        "client_dies_before_it_reads_the_reply",
        client_dies_before_it_reads_the_reply,
    ),
    (
        "client_thread_ends_before_the_reply",
        client_thread_ends_before_the_reply,
    ),
    (
        "all_die_with_files_on_their_way",
        all_die_with_files_on_their_way,
    ),
    ("deaths_at_random", deaths_at_random),
    ("deaths_leave_no_memory", deaths_leave_no_memory),
];

/// A parcel with a file in it.
fn with(writer: &std::os::fd::OwnedFd) -> Parcel {
    Parcel::new()
        .fd(writer.as_fd(), 0)
        .flags(uapi::transaction_flags_TF_ACCEPT_FDS)
}

/// The client learns that the server is dead.
fn learns(binder: &Binder) -> Result<(), String> {
    match await_reply(binder)? {
        Err(Return::Dead) => Ok(()),
        Err(other) => Err(format!("{other:?} instead of BR_DEAD_REPLY")),
        Ok(_) => Err("a reply instead of BR_DEAD_REPLY".into()),
    }
}

fn server_dies_before_it_reads(scene: &Scene) -> Result<(), String> {
    let (server, _line) = scene.server(|_, line| line.hear().map(drop));
    let binder = scene.open();
    let (reader, writer) = pipe();
    expect(
        binder.write(&with(&writer).transaction()).result,
        Ok(()),
        "call",
    )?;
    drop(writer);
    ensure(!is_closed_within(&reader, 0), "it is on its way")?;
    server.kill();
    learns(&binder)?;
    ensure(is_closed_within(&reader, 10), "nobody has it any more")
}

/// While the kernel reads what is sent, there is nobody any more to send it to.
fn server_dies_while_it_is_sent_to(scene: &Scene) -> Result<(), String> {
    let (server, _line) = scene.server(|_, line| line.hear().map(drop));
    let binder = scene.open();
    send_and_kill(&binder, CALL, server)?;
    learns(&binder)?;
    // It is in the middle of nothing: the next server has its call.
    let (_next, _line) = scene.answering(|_, _| Parcel::new());
    call_for_data(&binder, &Parcel::new()).map(drop)
}

/// The number of `BC_TRANSACTION`.
const CALL: u32 = uapi::binder_driver_command_protocol_BC_TRANSACTION;
/// The number of `BC_REPLY`.
const REPLY: u32 = uapi::binder_driver_command_protocol_BC_REPLY;

/// Sends a transaction or a reply to a process that is killed while the kernel reads it.
fn send_and_kill(binder: &Binder, number: u32, receiver: Child) -> Result<(), String> {
    let page = MissingPage::new()?;
    let mut tr = Parcel::of(&[0; 8]).transaction_data();
    tr.data.ptr.buffer = page.address;
    let command = command(number, &tr);
    std::thread::scope(|scope| {
        let dies = scope.spawn(|| {
            page.is_wanted()?;
            receiver.kill();
            page.provide()
        });
        expect(binder.write(&command).result, Ok(()), "send")?;
        dies.join().map_err(|_| "the thread panicked")?
    })
}

/// As above, and the client has not read yet that another one is on its way.
fn server_dies_behind_a_one_way_transaction(scene: &Scene) -> Result<(), String> {
    let (server, _line) = scene.server(|_, line| line.hear().map(drop));
    let binder = scene.open();
    let one_way = Parcel::new().flags(uapi::transaction_flags_TF_ONE_WAY);
    expect(
        binder.write(&one_way.transaction()).result,
        Ok(()),
        "one-way",
    )?;
    send_and_kill(&binder, CALL, server)?;
    let mut told = Vec::new();
    while !matches!(told.last(), Some(Return::Dead | Return::Failed)) {
        told.extend(binder.read().map_err(|err| format!("read: {err:?}"))?);
    }
    // The kernel's binder may learn of a death only when the call is on its way, too.
    match told[..] {
        [Return::Complete, Return::Dead] => Ok(()),
        [Return::Complete, Return::Complete, Return::Dead] if !is_ours(&scene.device) => Ok(()),
        _ => Err(format!("{told:?}")),
    }
}

fn server_dies_before_it_replies(scene: &Scene) -> Result<(), String> {
    let (server, line) = scene.server(|binder, line| {
        receive(binder)?;
        line.tell(1);
        line.hear().map(drop)
    });
    let binder = scene.open();
    let (reader, writer) = pipe();
    expect(
        binder.write(&with(&writer).transaction()).result,
        Ok(()),
        "call",
    )?;
    drop(writer);
    line.hear()?;
    server.kill();
    learns(&binder)?;
    ensure(is_closed_within(&reader, 10), "nobody has it any more")
}

fn server_dies_while_the_client_waits(scene: &Scene) -> Result<(), String> {
    for reads in [true, false] {
        let (server, _line) = scene.server(|binder, _| {
            if reads {
                receive(binder)?;
            }
            // By then the client sleeps.
            std::thread::sleep(std::time::Duration::from_millis(300));
            Ok(())
        });
        let binder = scene.open();
        let written = binder.write(&Parcel::new().transaction());
        expect(written.result, Ok(()), "call")?;
        learns(&binder)?;
        server.join()?;
    }
    Ok(())
}

/// The file is closed, and the process goes on.
fn server_closes_before_it_replies(scene: &Scene) -> Result<(), String> {
    let (ours, theirs) = Line::pair();
    let server = Child::fork(|| {
        let binder = scene.open();
        scene.serve(&binder, 0, 0)?;
        theirs.tell(1);
        receive(&binder)?;
        drop(binder);
        theirs.hear().map(drop)
    });
    ours.hear()?;
    let binder = scene.open();
    expect(
        binder.write(&Parcel::new().transaction()).result,
        Ok(()),
        "call",
    )?;
    learns(&binder)?;
    ours.tell(1);
    server.join()
}

fn server_dies_with_one_way_transactions(scene: &Scene) -> Result<(), String> {
    let (server, line) = scene.server(|binder, line| {
        receive(binder)?;
        line.tell(1);
        line.hear().map(drop)
    });
    let binder = scene.open();
    let (reader, writer) = pipe();
    for _ in 0..10 {
        let returned = send_one_way(&binder, &with(&writer))?;
        ensure(matches!(returned, Return::Complete), "on its way")?;
    }
    drop(writer);
    line.hear()?;
    ensure(!is_closed_within(&reader, 0), "some are on their way")?;
    server.kill();
    ensure(is_closed_within(&reader, 10), "nobody has it any more")?;
    ensure(
        matches!(send_one_way(&binder, &Parcel::new())?, Return::Dead),
        "no server",
    )
}

fn server_dies_behind_its_reply(scene: &Scene) -> Result<(), String> {
    let (reader, writer) = pipe();
    let (server, _line) = scene.server(|binder, _| {
        let tr = receive(binder)?;
        respond(binder, &tr, &with(&writer))
    });
    drop(writer);
    let binder = scene.open();
    let call = Parcel::of(b"hello").flags(uapi::transaction_flags_TF_ACCEPT_FDS);
    expect(binder.write(&call.transaction()).result, Ok(()), "call")?;
    server.join()?;
    let reply = await_reply(&binder)?.map_err(|err| format!("{err:?} instead of the reply"))?;
    ensure(!is_closed_within(&reader, 0), "it has come")?;
    // SAFETY: The driver has just opened it.
    unsafe { libc::close(binder.received_fd(&reply, 0)) };
    ensure(is_closed_within(&reader, 10), "nobody has it any more")
}

fn client_dies_before_it_is_read(scene: &Scene) -> Result<(), String> {
    let (server, line) = scene.server(|binder, line| {
        line.hear()?;
        let tr = receive(binder)?;
        expect(tr.sender_pid, 0, "a sender that is gone")?;
        // The replier is told that all is well.
        respond(binder, &tr, &Parcel::new())?;
        // And nothing is stuck.
        let tr = receive(binder)?;
        respond(binder, &tr, &Parcel::new())
    });
    Child::fork(|| {
        let binder = scene.open();
        expect(
            binder.write(&Parcel::new().transaction()).result,
            Ok(()),
            "call",
        )
    })
    .join()?;
    line.tell(1);
    let binder = scene.open();
    call_for_data(&binder, &Parcel::new())?;
    server.join()
}

fn client_dies_before_the_reply(scene: &Scene) -> Result<(), String> {
    let (reader, writer) = pipe();
    let (server, line) = scene.server(|binder, line| {
        let tr = receive(binder)?;
        line.tell(1);
        line.hear()?;
        respond(binder, &tr, &with(&writer))?;
        let tr = receive(binder)?;
        respond(binder, &tr, &Parcel::new())
    });
    drop(writer);
    let client = Child::fork(|| {
        let binder = scene.open();
        call(&binder, &Parcel::new()).map(drop)
    });
    line.hear()?;
    client.kill();
    line.tell(1);
    let binder = scene.open();
    call_for_data(&binder, &Parcel::new())?;
    server.join()?;
    ensure(is_closed_within(&reader, 10), "nobody has it any more")
}

/// While the kernel reads the reply, there is nobody any more who waits for it.
fn client_dies_while_it_is_replied_to(scene: &Scene) -> Result<(), String> {
    let binder = scene.open();
    scene.serve(&binder, 0, 0)?;
    let a_client = || {
        Child::fork(|| {
            let binder = scene.open();
            call(&binder, &Parcel::new()).map(drop)
        })
    };
    let client = a_client();
    let tr = receive(&binder)?;
    send_and_kill(&binder, REPLY, client)?;
    is_complete(&binder)?;
    expect(binder.write(&Binder::free(&tr)).result, Ok(()), "free")?;
    // It is in the middle of nothing: the next client has its answer.
    let client = a_client();
    let tr = receive(&binder)?;
    respond(&binder, &tr, &Parcel::new())?;
    client.join()
}

fn client_dies_before_it_reads_the_reply(scene: &Scene) -> Result<(), String> {
    let (reader, writer) = pipe();
    let (server, line) = scene.server(|binder, line| {
        let tr = receive(binder)?;
        respond(binder, &tr, &with(&writer))?;
        line.tell(1);
        line.hear().map(drop)
    });
    drop(writer);
    let (ours, theirs) = Line::pair();
    let client = Child::fork(|| {
        let binder = scene.open();
        let call = Parcel::new().flags(uapi::transaction_flags_TF_ACCEPT_FDS);
        expect(binder.write(&call.transaction()).result, Ok(()), "call")?;
        theirs.hear().map(drop)
    });
    line.hear()?;
    drop(ours);
    client.kill();
    line.tell(1);
    server.join()?;
    ensure(is_closed_within(&reader, 10), "nobody has it any more")
}

fn client_thread_ends_before_the_reply(scene: &Scene) -> Result<(), String> {
    let (server, line) = scene.server(|binder, line| {
        let tr = receive(binder)?;
        line.tell(1);
        line.hear()?;
        respond(binder, &tr, &Parcel::new())?;
        let tr = receive(binder)?;
        respond(binder, &tr, &Parcel::of(b"second"))
    });
    let binder = scene.open();
    expect(
        binder.write(&Parcel::new().transaction()).result,
        Ok(()),
        "call",
    )?;
    line.hear()?;
    let exit = binder.ioctl(u64::from(uapi::BINDER_THREAD_EXIT), 0);
    expect(exit, Ok(()), "BINDER_THREAD_EXIT")?;
    line.tell(1);
    let data = call_for_data(&binder, &Parcel::new())?;
    ensure(data == b"second", "only the second reply")?;
    server.join()
}

fn all_die_with_files_on_their_way(scene: &Scene) -> Result<(), String> {
    let (reader, writer) = pipe();
    let (server, line) = scene.server(|binder, line| {
        let tr = receive(binder)?;
        respond(binder, &tr, &with(&writer))?;
        line.tell(1);
        line.hear().map(drop)
    });
    let (ours, theirs) = Line::pair();
    let client = Child::fork(|| {
        let binder = scene.open();
        expect(
            binder.write(&with(&writer).transaction()).result,
            Ok(()),
            "call",
        )?;
        line.hear()?;
        let other = scene.open();
        for _ in 0..5 {
            ensure(
                matches!(send_one_way(&other, &with(&writer))?, Return::Complete),
                "sent",
            )?;
        }
        theirs.tell(1);
        theirs.hear().map(drop)
    });
    drop(writer);
    ours.hear()?;
    ensure(!is_closed_within(&reader, 0), "they are on their way")?;
    drop((server, client));
    ensure(is_closed_within(&reader, 10), "nobody has it any more")
}

/// Servers and clients are killed at any time; those that are left always learn it.
fn deaths_at_random(scene: &Scene) -> Result<(), String> {
    let (reader, writer) = pipe();
    let mut seed = std::process::id();
    let mut number = |below: u32| {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (seed >> 8) % below
    };
    for _ in 0..30 {
        let (server, _line) = scene.answering(|_, _| with(&writer));
        let clients: Vec<_> = (0..3)
            .map(|_| {
                Child::fork(|| {
                    let binder = scene.open();
                    loop {
                        match call(&binder, &with(&writer))? {
                            Ok(tr) => {
                                // SAFETY: The driver has just opened it.
                                unsafe { libc::close(binder.received_fd(&tr, 0)) };
                                binder.write(&Binder::free(&tr));
                            }
                            Err(Return::Dead) => return Ok(()),
                            Err(other) => return Err(format!("{other:?}")),
                        }
                        if let Return::Dead = send_one_way(&binder, &with(&writer))? {
                            return Ok(());
                        }
                    }
                })
            })
            .collect();
        let mut clients = clients.into_iter();
        std::thread::sleep(std::time::Duration::from_micros(number(30_000).into()));
        clients.next().into_iter().for_each(Child::kill);
        std::thread::sleep(std::time::Duration::from_micros(number(10_000).into()));
        server.kill();
        for client in clients {
            client.join().or_else(|text| {
                // One that has run into the server's end while it waits for BR_TRANSACTION_COMPLETE.
                if text.contains("Dead") {
                    Ok(())
                } else {
                    Err(text)
                }
            })?;
        }
    }
    drop(writer);
    ensure(is_closed_within(&reader, 10), "nobody has it any more")?;
    let binder = scene.open();
    expect(
        binder.write(&Parcel::new().transaction()).result,
        Ok(()),
        "call",
    )?;
    ensure(matches!(next(&binder)?, Return::Dead), "nobody is there")
}

/// The memory that is in use and cannot be had again, in KiB.
fn used_memory() -> Result<i64, String> {
    let text = std::fs::read_to_string("/proc/meminfo").map_err(|err| err.to_string())?;
    let value = |key: &str| {
        let line = text.lines().find(|line| line.starts_with(key));
        line.and_then(|line| line.split_whitespace().nth(1)?.parse::<i64>().ok())
            .ok_or(format!("no {key} in /proc/meminfo"))
    };
    let free = value("MemFree:")? + value("Buffers:")? + value("Cached:")?;
    // What each CPU keeps at hand is free, too.
    let zones = std::fs::read_to_string("/proc/zoneinfo").map_err(|err| err.to_string())?;
    let at_hand: i64 = zones
        .lines()
        .filter_map(|line| {
            line.trim()
                .strip_prefix("count:")?
                .trim()
                .parse::<i64>()
                .ok()
        })
        .sum();
    // SAFETY: It asks for a number.
    let page_kib = unsafe { libc::sysconf(libc::_SC_PAGESIZE) } as i64 >> 10;
    Ok(value("MemTotal:")? - free - value("SReclaimable:")? - at_hand * page_kib)
}

/// Rounds in which all die with parcels on their way cost nothing in the end.
fn deaths_leave_no_memory(scene: &Scene) -> Result<(), String> {
    /// The pages of a buffer alone are 40 KiB in each round: 6000 in the fewest rounds.
    const SLACK_KIB: i64 = 4 << 10;
    let rounds = 300 / slowness().min(2);
    let (_reader, writer) = pipe();
    let mut before = 0;
    for round in 0..rounds + 50 {
        if round == 50 {
            // The kernel's own caches have been filled.
            before = used_memory()?;
        }
        let (server, _line) = scene.server(|binder, line| {
            receive(binder)?;
            line.hear().map(drop)
        });
        let binder = scene.open();
        for _ in 0..40 {
            send_one_way(&binder, &with(&writer).plain(&[1; 1000]))?;
        }
        server.kill();
    }
    let mut more = 0;
    for _ in 0..50 {
        more = used_memory()? - before;
        if more < SLACK_KIB {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    println!("# {more} KiB more after {rounds} rounds");
    ensure(more < SLACK_KIB, "the memory is given back")
}
