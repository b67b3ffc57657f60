// SPDX-License-Identifier: GPL-2.0

//! Threads of a process: who gets what, and how they wait.

use std::{
    os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd},
    sync::{mpsc, Barrier},
    thread,
};

use ashmem_binder::{uapi, Binder, Errno, Parcel, Return, TransactionData};

use crate::{
    process::{run_first, sleeps_in_ioctl, stay_on_this_cpu, thread_id, Child},
    scene::{
        await_reply, call, call_fails, call_for_data, ensure, enter, expect, is_complete, next,
        receive, respond, send_one_way, Scene, FAILED,
    },
    Test,
};

/// The tests of this file.
pub const TESTS: &[(&str, Test)] = &[
    ("many_clients_many_threads", many_clients_many_threads),
    (
        "reply_before_the_sender_goes_on",
        reply_before_the_sender_goes_on,
    ),
    (
        "reply_to_the_thread_that_asked",
        reply_to_the_thread_that_asked,
    ),
    (
        "a_busy_thread_gets_nothing_new",
        a_busy_thread_gets_nothing_new,
    ),
    ("spawn_looper", spawn_looper),
    (
        "looper_that_was_not_asked_for",
        looper_that_was_not_asked_for,
    ),
    ("no_wait", no_wait),
    ("no_space_for_returns", no_space_for_returns),
    ("poll", poll),
    ("epoll", epoll),
    ("epoll_outlives_the_thread", epoll_outlives_the_thread),
    ("epoll_and_own_one_way", epoll_and_own_one_way),
    ("epoll_and_own_failure", epoll_and_own_failure),
    ("epoll_and_own_reply", epoll_and_own_reply),
    ("epoll_and_own_failed_reply", epoll_and_own_failed_reply),
    ("signals_interrupt", signals_interrupt),
    ("flush_ends_reads", flush_ends_reads),
    ("thread_exit", thread_exit),
];

/// Runs `work` on some threads at once; the first error counts.
fn on_threads(
    count: usize,
    work: impl Fn(usize) -> Result<(), String> + Sync,
) -> Result<(), String> {
    thread::scope(|scope| {
        let threads: Vec<_> = (0..count)
            .map(|i| {
                scope.spawn({
                    let work = &work;
                    move || work(i)
                })
            })
            .collect();
        threads
            .into_iter()
            .try_for_each(|thread| thread.join().map_err(|_| "a thread panicked".to_string())?)
    })
}

/// What a thread says of a transaction: its own number, and the sender's.
fn serve_for_ever(binder: &Binder) -> Result<(), String> {
    enter(binder);
    loop {
        let tr = receive(binder)?;
        let data = [&(thread_id()).to_ne_bytes()[..], binder.data(&tr)].concat();
        respond(binder, &tr, &Parcel::of(&data))?;
    }
}

fn many_clients_many_threads(scene: &Scene) -> Result<(), String> {
    let (_server, _line) = scene.server(|binder, _| on_threads(4, |_| serve_for_ever(binder)));
    let clients: Vec<_> = (0..4)
        .map(|client| {
            Child::fork(|| {
                let binder = scene.open();
                on_threads(3, |thread| {
                    for round in 0..200u32 {
                        let text = format!("{client} {thread} {round}");
                        let data = call_for_data(&binder, &Parcel::of(text.as_bytes()))?;
                        ensure(&data[4..] == text.as_bytes(), "the answer")?;
                    }
                    Ok(())
                })
            })
        })
        .collect();
    clients.into_iter().try_for_each(Child::join)
}

/// The server takes the CPU from the client as soon as a call is there, and has answered it before the client, which has
/// not left the kernel, runs again.
fn reply_before_the_sender_goes_on(scene: &Scene) -> Result<(), String> {
    const CALLS: usize = 100;
    let both = Child::fork(|| {
        stay_on_this_cpu();
        let (server, _line) = scene.server(|binder, _| {
            run_first()?;
            (0..CALLS).try_for_each(|_| {
                let tr = receive(binder)?;
                respond(binder, &tr, &Parcel::of(b"at once"))
            })
        });
        let client = Child::fork(|| {
            let binder = scene.open();
            (0..CALLS).try_for_each(|_| {
                let data = call_for_data(&binder, &Parcel::new())?;
                ensure(data == b"at once", "the answer")
            })
        });
        // A client that has missed its answer waits for ever.
        server.join()?;
        client.join()
    });
    both.join()
}

fn reply_to_the_thread_that_asked(scene: &Scene) -> Result<(), String> {
    let (_server, _line) = scene.server(|binder, _| {
        let all_asked = Barrier::new(4);
        on_threads(4, |_| {
            enter(binder);
            let tr = receive(binder)?;
            // None is answered before all have asked.
            all_asked.wait();
            let answer = Parcel::of(binder.data(&tr));
            respond(binder, &tr, &answer)
        })
    });
    let binder = scene.open();
    on_threads(4, |thread| {
        let data = call_for_data(&binder, &Parcel::of(&[thread as u8; 5]))?;
        ensure(data == [thread as u8; 5], "the answer")
    })
}

fn a_busy_thread_gets_nothing_new(scene: &Scene) -> Result<(), String> {
    let (server, line) = scene.server(|binder, line| {
        let tr = receive(binder)?;
        line.tell(1);
        line.hear()?;
        // There is another one, but this thread has to reply first.
        let mut space = [0; 256];
        for _ in 0..3 {
            let flags = libc::O_NONBLOCK | libc::O_RDWR;
            // SAFETY: It sets a flag of the open file.
            unsafe { libc::fcntl(binder.as_fd().as_raw_fd(), libc::F_SETFL, flags) };
            let read = binder.write_read(&[], &mut space);
            expect(read.result, Err(Errno(libc::EAGAIN)), "while it is busy")?;
            // SAFETY: As above.
            unsafe { libc::fcntl(binder.as_fd().as_raw_fd(), libc::F_SETFL, libc::O_RDWR) };
        }
        respond(binder, &tr, &Parcel::new())?;
        let tr = receive(binder)?;
        respond(binder, &tr, &Parcel::new())
    });
    let first = scene.open();
    expect(
        first.write(&Parcel::new().transaction()).result,
        Ok(()),
        "the first",
    )?;
    line.hear()?;
    let second = Child::fork(|| {
        let binder = scene.open();
        expect(
            binder.write(&Parcel::new().transaction()).result,
            Ok(()),
            "the second",
        )?;
        line.tell(1);
        ensure(await_reply(&binder)?.is_ok(), "the second reply")
    });
    ensure(await_reply(&first)?.is_ok(), "the first reply")?;
    second.join()?;
    server.join()
}

/// The command `BC_REGISTER_LOOPER`.
const REGISTER: [u8; 4] = uapi::binder_driver_command_protocol_BC_REGISTER_LOOPER.to_ne_bytes();

/// Lets the kernel ask for so many threads.
pub fn set_max_threads(binder: &Binder, mut most: u32) -> Result<(), Errno> {
    binder.ioctl_on(uapi::BINDER_SET_MAX_THREADS, &mut most)
}

/// Waits for a transaction, and counts how many threads are asked for before or with it.
pub fn receive_and_count(binder: &Binder, asked: &mut usize) -> Result<TransactionData, String> {
    loop {
        let mut received = None;
        for returned in binder.read().map_err(|err| format!("read: {err:?}"))? {
            match returned {
                Return::SpawnLooper => *asked += 1,
                Return::Transaction(tr) => received = Some(tr),
                _ => {}
            }
        }
        if let Some(tr) = received {
            return Ok(tr);
        }
    }
}

/// Replies to a transaction and frees it, and reads nothing.
fn reply_and_free(binder: &Binder, tr: &TransactionData) -> Result<(), String> {
    let commands = [Parcel::new().reply(), Binder::free(tr)].concat();
    expect(binder.write(&commands).result, Ok(()), "reply and free")
}

fn spawn_looper(scene: &Scene) -> Result<(), String> {
    let (server, _line) = scene.server(|binder, _| {
        expect(set_max_threads(binder, 2), Ok(()), "max threads")?;
        let mut asked = 0;
        for round in 0..6 {
            // No other thread waits, so each read that gets something asks, until there are enough; the
            // next one only when the one before has registered.
            let tr = receive_and_count(binder, &mut asked)?;
            let expected = [1, 1, 1, 2, 2, 2][round];
            expect(
                asked,
                expected,
                &format!("threads asked for in round {round}"),
            )?;
            reply_and_free(binder, &tr)?;
            if round == 2 || round == 4 {
                let registered = thread::scope(|scope| {
                    scope
                        .spawn(|| binder.write(&REGISTER).result)
                        .join()
                        .map_err(|_| "panic".to_string())
                })?;
                expect(registered, Ok(()), "register")?;
            }
        }
        Ok(())
    });
    let binder = scene.open();
    for _ in 0..6 {
        call_for_data(&binder, &Parcel::new())?;
    }
    server.join()
}

/// A thread that looks for what comes in anyhow is not the one that was asked for: that is still to come.
fn looper_that_was_not_asked_for(scene: &Scene) -> Result<(), String> {
    const ROUNDS: usize = 3;
    let (server, _line) = scene.server(|binder, _| {
        expect(set_max_threads(binder, 2), Ok(()), "max threads")?;
        let mut asked = 0;
        for round in 0..ROUNDS {
            let tr = receive_and_count(binder, &mut asked)?;
            expect(asked, 1, &format!("threads asked for in round {round}"))?;
            expect(binder.write(&REGISTER).result, Ok(()), "register")?;
            reply_and_free(binder, &tr)?;
        }
        Ok(())
    });
    let binder = scene.open();
    let calls = (0..ROUNDS).try_for_each(|_| call_for_data(&binder, &Parcel::new()).map(drop));
    server.join().and(calls)
}

/// Sets or clears `O_NONBLOCK`.
pub fn set_no_wait(binder: &Binder, no_wait: bool) {
    let flags = libc::O_RDWR | if no_wait { libc::O_NONBLOCK } else { 0 };
    // SAFETY: It sets a flag of the open file.
    assert_eq!(0, unsafe {
        libc::fcntl(binder.as_fd().as_raw_fd(), libc::F_SETFL, flags)
    });
}

fn no_wait(scene: &Scene) -> Result<(), String> {
    let (server, line) = scene.server(|binder, line| {
        line.hear()?;
        let tr = receive(binder)?;
        respond(binder, &tr, &Parcel::new())?;
        line.tell(1);
        Ok(())
    });
    let binder = scene.open();
    set_no_wait(&binder, true);
    let mut space = [0; 256];
    let first = binder.write_read(&[], &mut space);
    expect(first.result, Ok(()), "the first read")?;
    let nothing = binder.write_read(&[], &mut space);
    expect(nothing.result, Err(Errno(libc::EAGAIN)), "nothing to read")?;
    let asked = binder.write_read(&Parcel::new().transaction(), &mut space);
    expect(asked.result, Err(Errno(libc::EAGAIN)), "no reply yet")?;
    expect(asked.written, 68, "written all the same")?;
    line.tell(1);
    line.hear()?;
    ensure(await_reply(&binder)?.is_ok(), "the reply")?;
    server.join()
}

fn no_space_for_returns(scene: &Scene) -> Result<(), String> {
    let (server, _line) = scene.server(|binder, _| {
        let mut space = [0; 256];
        let mut without = || -> Result<(), String> {
            for size in [4, 8, 68, 72, 79] {
                let read = binder.write_read(&[], &mut space[..size]);
                expect(read.result, Ok(()), &format!("{size} bytes of space"))?;
                ensure(
                    matches!(read.returns[..], [Return::Noop]),
                    &format!("{read:?}"),
                )?;
            }
            Ok(())
        };
        without()?;
        without()?;
        let read = binder.write_read(&[], &mut space[..80]);
        let [Return::Noop, Return::Transaction(tr)] = read.returns[..] else {
            return Err(format!("{read:?}"));
        };
        respond(binder, &tr, &Parcel::new())
    });
    let binder = scene.open();
    call_for_data(&binder, &Parcel::new())?;
    server.join()
}

/// Whether there is something to read, within `ms` milliseconds.
pub fn is_ready(binder: &Binder, ms: i32) -> bool {
    let mut poll = libc::pollfd {
        fd: binder.as_fd().as_raw_fd(),
        events: libc::POLLIN,
        revents: 0,
    };
    // SAFETY: One structure, as it says.
    unsafe { libc::poll(&mut poll, 1, ms) == 1 && poll.revents == libc::POLLIN }
}

fn poll(scene: &Scene) -> Result<(), String> {
    let (server, line) = scene.server(|binder, line| {
        for round in 0..5 {
            ensure(
                !is_ready(binder, 20),
                &format!("nothing to read in round {round}"),
            )?;
            line.tell(1);
            ensure(is_ready(binder, 10_000), "something to read")?;
            let tr = receive(binder)?;
            ensure(!is_ready(binder, 0), "it has been read")?;
            respond(binder, &tr, &Parcel::new())?;
        }
        Ok(())
    });
    let binder = scene.open();
    for _ in 0..5 {
        line.hear()?;
        call_for_data(&binder, &Parcel::new())?;
    }
    server.join()
}

fn epoll(scene: &Scene) -> Result<(), String> {
    let (server, line) = scene.server(|binder, line| {
        let epoll = Epoll::of(binder, libc::EPOLLIN)?;
        expect(epoll.wait(20), 0, "nothing to read")?;
        line.tell(1);
        expect(epoll.wait(10_000), 1, "something to read")?;
        let tr = receive(binder)?;
        respond(binder, &tr, &Parcel::new())
    });
    let binder = scene.open();
    line.hear()?;
    call_for_data(&binder, &Parcel::new())?;
    server.join()
}

fn epoll_outlives_the_thread(scene: &Scene) -> Result<(), String> {
    let binder = scene.open();
    for _ in 0..20 {
        let epoll = Epoll::of(&binder, libc::EPOLLIN)?;
        let exit = binder.ioctl(u64::from(uapi::BINDER_THREAD_EXIT), 0);
        expect(exit, Ok(()), "BINDER_THREAD_EXIT")?;
        epoll.wait(0);
    }
    Ok(())
}

/// An epoll with a device in it.
struct Epoll(OwnedFd);

impl Epoll {
    /// How they can tell: as long as there is something to read, or once for each that comes.
    const MODES: [libc::c_int; 2] = [libc::EPOLLIN, libc::EPOLLIN | libc::EPOLLET];

    /// One that is told in this mode.
    fn of(binder: &Binder, mode: libc::c_int) -> Result<Self, String> {
        // SAFETY: The structure is there, and nobody else has the new file descriptor.
        let (epoll, added) = unsafe {
            let epoll = OwnedFd::from_raw_fd(libc::epoll_create1(libc::EPOLL_CLOEXEC));
            let mut event: libc::epoll_event = std::mem::zeroed();
            event.events = mode as u32;
            let fd = binder.as_fd().as_raw_fd();
            let added = libc::epoll_ctl(epoll.as_raw_fd(), libc::EPOLL_CTL_ADD, fd, &mut event);
            (epoll, added)
        };
        expect(added, 0, "add")?;
        Ok(Self(epoll))
    }

    /// One of the calling thread, of which the device knows then.
    fn new(binder: &Binder, mode: libc::c_int) -> Result<Self, String> {
        let epoll = Self::of(binder, mode)?;
        // The first ioctl of a thread: until then there is something to read.
        let mut version = 0i32;
        let asked = binder.ioctl_on(uapi::BINDER_VERSION, &mut version);
        expect(asked, Ok(()), "BINDER_VERSION")?;
        Ok(epoll)
    }

    /// For how many devices there is something to read, within `ms` milliseconds: none or one.
    fn wait(&self, ms: i32) -> libc::c_int {
        // SAFETY: The structure is there.
        unsafe {
            let mut event: libc::epoll_event = std::mem::zeroed();
            libc::epoll_wait(self.0.as_raw_fd(), &mut event, 1, ms)
        }
    }

    /// Writes commands, whose result a thread that only waits here must learn.
    fn write(&self, binder: &Binder, commands: &[u8], what: &str) -> Result<(), String> {
        // From here on it asks again only when it is woken.
        expect(self.wait(0), 0, &format!("nothing to read before {what}"))?;
        expect(binder.write(commands).result, Ok(()), what)?;
        expect(
            self.wait(10_000),
            1,
            &format!("something to read after {what}"),
        )
    }
}

/// A thread that polls is told that what it has sent is on its way.
fn epoll_and_own_one_way(scene: &Scene) -> Result<(), String> {
    let (_server, _line) = scene.server(|_, line| line.hear().map(drop));
    let one_way = Parcel::new().flags(uapi::transaction_flags_TF_ONE_WAY);
    for mode in Epoll::MODES {
        let binder = scene.open();
        let epoll = Epoll::new(&binder, mode)?;
        for _ in 0..2 {
            epoll.write(&binder, &one_way.transaction(), "a one-way transaction")?;
            let told = next(&binder)?;
            ensure(matches!(told, Return::Complete), &format!("{told:?}"))?;
        }
    }
    Ok(())
}

/// A thread that polls is told that its transaction has failed at once, and that it had none to reply to.
fn epoll_and_own_failure(scene: &Scene) -> Result<(), String> {
    for mode in Epoll::MODES {
        let binder = scene.open();
        let epoll = Epoll::new(&binder, mode)?;
        epoll.write(&binder, &Parcel::new().transaction(), "a call of nobody")?;
        let told = next(&binder)?;
        ensure(matches!(told, Return::Dead), &format!("{told:?}"))?;
        epoll.write(&binder, &Parcel::new().reply(), "a reply to nobody")?;
        let told = next(&binder)?;
        ensure(matches!(told, Return::Failed), &format!("{told:?}"))?;
    }
    Ok(())
}

/// A server of one thread that polls, whose replies are what `reply` makes; `calls` is what a client does. Each
/// reply is followed by another call, so the server must learn that it is done with the one before.
fn polling_server(
    scene: &Scene,
    reply: impl Fn() -> Parcel,
    calls: impl Fn(&Binder) -> Result<(), String>,
) -> Result<(), String> {
    for mode in Epoll::MODES {
        let (server, _line) = scene.server(|binder, _| {
            let epoll = Epoll::new(binder, mode)?;
            for _ in 0..3 {
                expect(epoll.wait(10_000), 1, "a call")?;
                let tr = receive(binder)?;
                // The commands point to it.
                let parcel = reply();
                let commands = [Binder::free(&tr), parcel.reply()].concat();
                epoll.write(binder, &commands, "a reply")?;
                is_complete(binder)?;
            }
            Ok(())
        });
        let binder = scene.open();
        for _ in 0..3 {
            calls(&binder)?;
        }
        server.join()?;
    }
    Ok(())
}

/// A thread that polls is told that its reply is on its way.
fn epoll_and_own_reply(scene: &Scene) -> Result<(), String> {
    polling_server(scene, Parcel::new, |binder| {
        call_for_data(binder, &Parcel::new()).map(drop)
    })
}

/// As above, if the reply cannot be sent.
fn epoll_and_own_failed_reply(scene: &Scene) -> Result<(), String> {
    let bad = || Parcel::new().raw_fd(-1, 0);
    let accepts = Parcel::new().flags(uapi::transaction_flags_TF_ACCEPT_FDS);
    polling_server(scene, bad, |binder| {
        call_fails(binder, &accepts, FAILED, libc::EBADF)
    })
}

/// Does nothing: a signal with a handler interrupts.
extern "C" fn nothing(_signal: i32) {}

/// From now on `SIGUSR1` interrupts this process, and does nothing else.
pub fn catch_signals() {
    // SAFETY: The handler does nothing.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = nothing as *const () as usize;
        libc::sigaction(libc::SIGUSR1, &action, std::ptr::null_mut());
    }
}

fn signals_interrupt(scene: &Scene) -> Result<(), String> {
    let (server, _line) = scene.answering(|_, _| Parcel::new());
    let binder = scene.open();
    let mut space = [0; 256];
    binder.write_read(&[], &mut space);
    catch_signals();
    let (pid, tid) = (std::process::id() as i32, thread_id());
    for round in 0..5 {
        // Not a process: closing its copy of the device would end the read, too.
        thread::scope(|scope| {
            let signaller = scope.spawn(move || {
                sleeps_in_ioctl(tid)?;
                // SAFETY: The thread waits for it.
                unsafe { libc::syscall(libc::SYS_tgkill, pid, tid, libc::SIGUSR1) };
                Ok::<_, String>(())
            });
            let read = binder.write_read(&[], &mut space);
            expect(
                read.result,
                Err(Errno(libc::EINTR)),
                &format!("round {round}"),
            )?;
            signaller.join().map_err(|_| "panic".to_string())?
        })?;
    }
    ensure(call(&binder, &Parcel::new())?.is_ok(), "a call after it")?;
    server.kill();
    Ok(())
}

/// Who closes a file descriptor of the open file lets all reads return.
fn flush_ends_reads(scene: &Scene) -> Result<(), String> {
    let binder = scene.open();
    let (tell, told) = mpsc::channel();
    thread::scope(|scope| {
        let binder = &binder;
        // What tells is the thread's: if it ends early, nobody waits for it.
        let reader = scope.spawn(move || {
            let mut space = [0; 256];
            let mut read = || {
                let read = binder.write_read(&[], &mut space);
                expect(read.result, Ok(()), "a read")?;
                ensure(
                    matches!(read.returns[..], [Return::Noop]),
                    "nothing was read",
                )
            };
            // The first returns at once, the second one waits.
            read()?;
            tell.send(thread_id()).map_err(|err| err.to_string())?;
            read()
        });
        let sleeps = told
            .recv()
            .map_err(|err| err.to_string())
            .and_then(sleeps_in_ioctl);
        // SAFETY: A file descriptor that nobody uses.
        unsafe { libc::close(libc::dup(binder.as_fd().as_raw_fd())) };
        reader.join().map_err(|_| "panic".to_string())?.and(sleeps)
    })
}

fn thread_exit(scene: &Scene) -> Result<(), String> {
    let (server, line) = scene.server(|binder, line| {
        // Ends with a transaction to answer.
        receive(binder)?;
        let exit = || binder.ioctl(u64::from(uapi::BINDER_THREAD_EXIT), 0);
        expect(exit(), Ok(()), "BINDER_THREAD_EXIT")?;
        line.hear()?;
        enter(binder);
        let tr = receive(binder)?;
        respond(binder, &tr, &Parcel::of(b"again"))?;
        // Twice in a row, and it can be used after.
        expect(
            (exit(), exit()),
            (Ok(()), Ok(())),
            "BINDER_THREAD_EXIT twice",
        )
    });
    let binder = scene.open();
    let dead = call(&binder, &Parcel::new())?;
    ensure(
        matches!(dead, Err(Return::Dead)),
        "the server's thread has ended",
    )?;
    line.tell(1);
    let data = call_for_data(&binder, &Parcel::new())?;
    ensure(data == b"again", "another one")?;
    server.join()?;
    let returned = send_one_way(&binder, &Parcel::new())?;
    ensure(matches!(returned, Return::Dead), "the server has ended")
}
