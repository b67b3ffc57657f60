// SPDX-License-Identifier: GPL-2.0

//! Security modules have a say: a small one, in BPF, that denies what one process does.

use std::{
    fs,
    os::fd::{AsFd, FromRawFd, OwnedFd},
};

use ashmem_binder::{Errno, Parcel};

use crate::{
    process::{is_closed_within, pipe},
    scene::{call_fails, call_for_data, ensure, expect, Scene, FAILED},
    Test, SKIP,
};

/// The tests of this file.
pub const TESTS: &[(&str, Test)] = &[
    ("lsm_denies_files", denies_files),
    ("lsm_denies_files_in_replies", denies_files_in_replies),
    ("lsm_denies_transactions", denies_transactions),
    ("lsm_denies_the_manager", denies_the_manager),
];

/// The types of the kernel, in its own format: `include/uapi/linux/btf.h`.
struct Btf(Vec<u8>);

impl Btf {
    /// A number at `at`.
    fn word(&self, at: usize) -> usize {
        u32::from_ne_bytes(self.0[at..at + 4].try_into().unwrap()) as usize
    }

    /// The number of the function `name`.
    fn function(&self, name: &str) -> Option<usize> {
        const FUNC: usize = 12;
        let header = self.word(4);
        let (types, size, strings) = (self.word(8), self.word(12), self.word(16));
        let mut at = header + types;
        let mut number = 1;
        while at < header + types + size {
            let (kind, count) = ((self.word(at + 4) >> 24) & 0x1f, self.word(at + 4) & 0xffff);
            let begins = header + strings + self.word(at);
            if kind == FUNC
                && self.0[begins..].starts_with(name.as_bytes())
                && self.0[begins + name.len()] == 0
            {
                return Some(number);
            }
            // What follows depends on the kind.
            at += 12
                + match kind {
                    1 | 14 | 17 => 4,
                    3 => 12,
                    4 | 5 | 15 | 19 => 12 * count,
                    6 | 13 => 8 * count,
                    _ => 0,
                };
            number += 1;
        }
        None
    }
}

/// `bpf()` with a command and its attributes.
fn bpf(command: i32, attributes: &mut [u8]) -> Result<OwnedFd, Errno> {
    // SAFETY: The attributes are there, and what they point to is.
    let fd = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            command,
            attributes.as_mut_ptr(),
            attributes.len(),
        )
    };
    match fd {
        // SAFETY: The kernel has just opened it.
        0.. => Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) }),
        _ => Err(Errno::last()),
    }
}

/// Lets a hook answer `EACCES` when this process calls it, until the result is dropped.
fn deny(hook: &str) -> Result<OwnedFd, String> {
    let active = fs::read_to_string("/sys/kernel/security/lsm").unwrap_or("bpf".into());
    let Ok(types) = fs::read("/sys/kernel/btf/vmlinux") else {
        return Err(format!("{SKIP}the kernel does not tell its types"));
    };
    if !active.split(',').any(|name| name.trim() == "bpf") {
        return Err(format!(
            "{SKIP}the kernel runs without the security module bpf"
        ));
    }
    let function = Btf(types)
        .function(&format!("bpf_lsm_{hook}"))
        .ok_or(format!("there is no hook {hook}"))?;

    let instruction = |code: u8, offset: u16, number: i32| {
        let mut bytes = [code, 0, 0, 0, 0, 0, 0, 0];
        bytes[2..4].copy_from_slice(&offset.to_ne_bytes());
        bytes[4..].copy_from_slice(&number.to_ne_bytes());
        bytes
    };
    let program = [
        // The process that calls: bpf_get_current_pid_tgid() >> 32.
        instruction(0x85, 0, 14),
        instruction(0x77, 0, 32),
        instruction(0x15, 2, std::process::id() as i32),
        // Not this one: 0.
        instruction(0xb7, 0, 0),
        instruction(0x95, 0, 0),
        instruction(0xb7, 0, -libc::EACCES),
        instruction(0x95, 0, 0),
    ]
    .concat();
    let mut attributes = [0; 128];
    let mut set = |at: usize, bytes: &[u8]| attributes[at..at + bytes.len()].copy_from_slice(bytes);
    set(0, &29u32.to_ne_bytes()); // prog_type: BPF_PROG_TYPE_LSM
    set(4, &7u32.to_ne_bytes()); // insn_cnt
    set(8, &(program.as_ptr() as u64).to_ne_bytes());
    set(16, &(c"GPL".as_ptr() as u64).to_ne_bytes());
    set(68, &27u32.to_ne_bytes()); // expected_attach_type: BPF_LSM_MAC
    set(108, &(function as u32).to_ne_bytes()); // attach_btf_id
    let program = bpf(5, &mut attributes).map_err(|err| format!("BPF_PROG_LOAD: {err:?}"))?;

    let mut attributes = [0; 16];
    let fd = std::os::fd::AsRawFd::as_raw_fd(&program);
    attributes[8..12].copy_from_slice(&fd.to_ne_bytes());
    bpf(17, &mut attributes).map_err(|err| format!("BPF_RAW_TRACEPOINT_OPEN: {err:?}"))
}

fn denies_files(scene: &Scene) -> Result<(), String> {
    let (_server, _line) = scene.answering(|_, _| Parcel::new());
    let binder = scene.open();
    let (reader, writer) = pipe();
    let with_file = Parcel::new().fd(writer.as_fd(), 0);
    let denied = deny("binder_transfer_file")?;
    call_fails(&binder, &with_file, FAILED, libc::EPERM)?;
    // That the file descriptor is wrong comes first.
    call_fails(&binder, &Parcel::new().raw_fd(-1, 0), FAILED, libc::EBADF)?;
    call_for_data(&binder, &Parcel::new())?;
    drop(denied);
    call_for_data(&binder, &with_file)?;
    drop(writer);
    ensure(!is_closed_within(&reader, 0), "the server has it")
}

fn denies_files_in_replies(scene: &Scene) -> Result<(), String> {
    let (server, _line) = scene.server(|binder, _| {
        let denied = deny("binder_transfer_file")?;
        let (reader, writer) = pipe();
        let tr = crate::scene::receive(binder)?;
        let reply = Parcel::new().fd(writer.as_fd(), 0);
        crate::scene::respond(binder, &tr, &reply)?;
        drop((denied, writer));
        ensure(is_closed_within(&reader, 10), "nobody has it")
    });
    let binder = scene.open();
    let accepts = Parcel::new().flags(ashmem_binder::uapi::transaction_flags_TF_ACCEPT_FDS);
    let result = call_fails(&binder, &accepts, FAILED, libc::EPERM);
    server.join()?;
    result
}

fn denies_transactions(scene: &Scene) -> Result<(), String> {
    let (_server, _line) = scene.answering(|_, _| Parcel::new());
    let binder = scene.open();
    let denied = deny("binder_transaction")?;
    call_fails(&binder, &Parcel::new(), FAILED, libc::EPERM)?;
    drop(denied);
    call_for_data(&binder, &Parcel::new()).map(drop)
}

fn denies_the_manager(scene: &Scene) -> Result<(), String> {
    let binder = scene.open();
    let denied = deny("binder_set_context_mgr")?;
    expect(
        binder.become_manager(0, 0),
        Err(Errno(libc::EACCES)),
        "denied",
    )?;
    drop(denied);
    expect(
        scene.become_manager(&binder, 0, 0),
        Ok(()),
        "not denied any more",
    )
}
