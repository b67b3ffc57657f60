// SPDX-License-Identifier: GPL-2.0

//! The ioctls and mmap, by themselves.

use ashmem_binder::{uapi, Errno, Return};

use crate::{
    process::{Child, Line},
    scene::{call, ensure, expect, Scene, BUFFER},
    Test,
};

/// The tests of this file.
pub const TESTS: &[(&str, Test)] = &[
    ("version", version),
    ("unknown_ioctls", unknown_ioctls),
    ("bad_pointers", bad_pointers),
    ("map_is_read_only", map_is_read_only),
    ("map_once", map_once),
    ("map_of_another_process", map_of_another_process),
    ("fork_does_not_inherit", fork_does_not_inherit),
    ("ioctls_of_another_process", ioctls_of_another_process),
    ("buffer_begins_empty", buffer_begins_empty),
    ("one_manager", one_manager),
    ("manager_comes_and_goes", manager_comes_and_goes),
    ("manager_of_another_user", manager_of_another_user),
    ("first_read_returns", first_read_returns),
    ("extended_error_is_forgotten", extended_error_is_forgotten),
    (
        "extended_error_that_cannot_be_told",
        extended_error_that_cannot_be_told,
    ),
];

fn version(scene: &Scene) -> Result<(), String> {
    let binder = scene.open_unmapped();
    let mut version = -1i32;
    expect(
        binder.ioctl_on(uapi::BINDER_VERSION, &mut version),
        Ok(()),
        "BINDER_VERSION",
    )?;
    expect(version, 8, "the version")
}

fn unknown_ioctls(scene: &Scene) -> Result<(), String> {
    let binder = scene.open_unmapped();
    let mut space = [0u64; 64];
    for number in [
        0,
        0x6200,
        uapi::BINDER_VERSION + 1,
        uapi::BINDER_VERSION ^ (1 << 16),
        uapi::BINDER_WRITE_READ ^ (8 << 16),
        uapi::BINDER_WRITE_READ & !(1 << 31),
        uapi::BINDER_SET_IDLE_TIMEOUT,
        uapi::BINDER_SET_IDLE_PRIORITY,
        0x7701,
        u32::MAX,
    ] {
        let what = format!("ioctl {number:#x}");
        expect(
            binder.ioctl_on(number, &mut space),
            Err(Errno(libc::EINVAL)),
            &what,
        )?;
    }
    Ok(())
}

fn bad_pointers(scene: &Scene) -> Result<(), String> {
    let binder = scene.open_unmapped();
    for (number, errno) in [
        (uapi::BINDER_WRITE_READ, libc::EFAULT),
        (uapi::BINDER_SET_MAX_THREADS, libc::EINVAL),
        (uapi::BINDER_SET_CONTEXT_MGR_EXT, libc::EINVAL),
        (uapi::BINDER_VERSION, libc::EINVAL),
        (uapi::BINDER_GET_EXTENDED_ERROR, libc::EFAULT),
    ] {
        for pointer in [0, 8, 1 << 63, u64::MAX - 3] {
            let result = binder.ioctl(u64::from(number), pointer);
            let what = format!("ioctl {number:#x} at {pointer:#x}");
            expect(result, Err(Errno(errno)), &what)?;
        }
    }
    // These look at no argument.
    expect(
        binder.ioctl(u64::from(uapi::BINDER_THREAD_EXIT), 8),
        Ok(()),
        "BINDER_THREAD_EXIT",
    )
}

fn map_is_read_only(scene: &Scene) -> Result<(), String> {
    let binder = scene.open_unmapped();
    for prot in [libc::PROT_WRITE, libc::PROT_READ | libc::PROT_WRITE] {
        let result = binder.try_map(BUFFER, prot);
        expect(result, Err(Errno(libc::EPERM)), "a writable mapping")?;
    }
    let map = binder
        .try_map(BUFFER, libc::PROT_READ)
        .map_err(|err| format!("{err:?}"))?;
    // SAFETY: The mapping is this test's.
    let result = unsafe { libc::mprotect(map, BUFFER, libc::PROT_READ | libc::PROT_WRITE) };
    expect(
        (result, Errno::last()),
        (-1, Errno(libc::EACCES)),
        "mprotect",
    )
}

fn map_once(scene: &Scene) -> Result<(), String> {
    let mut binder = scene.open();
    let again = || binder.try_map(BUFFER, libc::PROT_READ);
    expect(again(), Err(Errno(libc::EBUSY)), "a second mapping")?;
    binder.unmap(0, BUFFER);
    let again = binder.try_map(BUFFER, libc::PROT_READ);
    expect(again, Err(Errno(libc::EBUSY)), "a mapping after munmap")
}

fn map_of_another_process(scene: &Scene) -> Result<(), String> {
    let binder = scene.open_unmapped();
    Child::fork(|| {
        let result = binder.try_map(BUFFER, libc::PROT_READ);
        expect(result, Err(Errno(libc::EINVAL)), "the child's mapping")
    })
    .join()?;
    ensure(
        binder.try_map(BUFFER, libc::PROT_READ).is_ok(),
        "the parent's mapping",
    )
}

fn fork_does_not_inherit(scene: &Scene) -> Result<(), String> {
    let binder = scene.open();
    Child::fork(|| {
        let mut core = 0u8;
        // SAFETY: It asks whether there is a mapping.
        let result = unsafe { libc::mincore(binder.address() as *mut _, 4096, &mut core) };
        expect(
            (result, Errno::last()),
            (-1, Errno(libc::ENOMEM)),
            "the mapping in the child",
        )
    })
    .join()
}

fn ioctls_of_another_process(scene: &Scene) -> Result<(), String> {
    let binder = scene.open();
    let refused = Err(Errno(libc::EINVAL));
    Child::fork(|| {
        let mut space = [0u64; 32];
        for number in [
            uapi::BINDER_VERSION,
            uapi::BINDER_WRITE_READ,
            uapi::BINDER_SET_MAX_THREADS,
            uapi::BINDER_SET_CONTEXT_MGR,
            uapi::BINDER_SET_CONTEXT_MGR_EXT,
            uapi::BINDER_THREAD_EXIT,
            uapi::BINDER_GET_EXTENDED_ERROR,
        ] {
            let what = format!("ioctl {number:#x} of the child");
            expect(binder.ioctl_on(number, &mut space), refused, &what)?;
        }
        Ok(())
    })
    .join()?;
    expect(
        scene.become_manager(&binder, 0, 0),
        Ok(()),
        "the parent's ioctl",
    )
}

/// Nothing is there before something was received: it is not even readable.
fn buffer_begins_empty(scene: &Scene) -> Result<(), String> {
    let binder = scene.open();
    let (ours, theirs) = Line::pair();
    let result = Child::fork(|| {
        let binder = scene.open();
        theirs.tell(1);
        ensure(binder.bytes(binder.address(), 1) == [0], "a byte").map(|()| drop(binder))
    })
    .join();
    ours.hear()?;
    drop(binder);
    ensure(result.is_err_and(|text| text.contains("0x7")), "SIGBUS")
}

fn one_manager(scene: &Scene) -> Result<(), String> {
    let (server, line) = scene.server(|binder, line| {
        let again = binder.become_manager(1, 1);
        expect(again, Err(Errno(libc::EBUSY)), "the manager once more")?;
        line.hear().map(drop)
    });
    let other = scene.open_unmapped();
    expect(
        other.become_manager(1, 1),
        Err(Errno(libc::EBUSY)),
        "another manager",
    )?;
    let plain = other.ioctl(u64::from(uapi::BINDER_SET_CONTEXT_MGR), 0);
    expect(plain, Err(Errno(libc::EBUSY)), "another plain manager")?;
    line.tell(1);
    server.join()
}

fn manager_comes_and_goes(scene: &Scene) -> Result<(), String> {
    for _ in 0..20 {
        let (server, _line) = scene.answering(|_, _| ashmem_binder::Parcel::new());
        let binder = scene.open();
        ensure(
            call(&binder, &ashmem_binder::Parcel::new())?.is_ok(),
            "a reply",
        )?;
        server.kill();
    }
    Ok(())
}

/// Each manager is of the same user as the first one.
fn manager_of_another_user(scene: &Scene) -> Result<(), String> {
    expect(
        scene.become_manager(&scene.open_unmapped(), 1, 1),
        Ok(()),
        "a manager",
    )?;
    Child::fork(|| {
        // SAFETY: It changes the effective user of this process.
        expect(unsafe { libc::seteuid(65534) }, 0, "another user")?;
        let result = scene.become_manager(&scene.open_unmapped(), 1, 1);
        expect(result, Err(Errno(libc::EPERM)), "a manager of his")
    })
    .join()?;
    let result = scene.become_manager(&scene.open_unmapped(), 1, 1);
    expect(result, Ok(()), "a manager of the first user")
}

/// A thread's first ioctl returns from its read, whatever there is.
fn first_read_returns(scene: &Scene) -> Result<(), String> {
    let binder = scene.open();
    let mut space = [0; 256];
    let read = binder.write_read(&[], &mut space);
    expect(read.result, Ok(()), "the first read")?;
    ensure(
        matches!(read.returns[..], [Return::Noop]),
        "nothing but a BR_NOOP",
    )
}

fn extended_error_is_forgotten(scene: &Scene) -> Result<(), String> {
    let binder = scene.open();
    let dead = crate::scene::DEAD;
    expect(binder.extended_error(), (0, 0), "at first").or_else(|_| {
        let ok = uapi::binder_driver_return_protocol_BR_OK;
        expect(binder.extended_error(), (ok, 0), "then")
    })?;
    ensure(
        call(&binder, &ashmem_binder::Parcel::new())?.is_err(),
        "no manager",
    )?;
    expect(
        binder.extended_error(),
        (dead, -libc::EINVAL),
        "without a manager",
    )?;
    let ok = uapi::binder_driver_return_protocol_BR_OK;
    expect(binder.extended_error(), (ok, 0), "asked again")
}

/// An error that could not be written to where it was wanted is not lost.
fn extended_error_that_cannot_be_told(scene: &Scene) -> Result<(), String> {
    let binder = scene.open();
    let failed = call(&binder, &ashmem_binder::Parcel::new())?;
    ensure(matches!(failed, Err(Return::Dead)), "no manager")?;
    for pointer in [0, 8, 1 << 63, u64::MAX - 3] {
        let result = binder.ioctl(u64::from(uapi::BINDER_GET_EXTENDED_ERROR), pointer);
        expect(result, Err(Errno(libc::EFAULT)), &format!("{pointer:#x}"))?;
    }
    expect(
        binder.extended_error(),
        (crate::scene::DEAD, -libc::EINVAL),
        "where it can be written",
    )?;
    let ok = uapi::binder_driver_return_protocol_BR_OK;
    expect(binder.extended_error(), (ok, 0), "asked again")
}
