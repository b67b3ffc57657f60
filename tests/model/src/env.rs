// SPDX-License-Identifier: GPL-2.0

//! What the outcome of operations depends on besides the driver.

use std::fs;

use rustix::fs::{statvfs, StatVfsMountFlags};

use crate::args::Prot;
use crate::worker::DEVICE;
use crate::{access, arena};

/// The machine that this runs on.
#[derive(Clone, Copy, Debug)]
pub struct Env {
    /// The page size.
    pub page: u64,
    /// Whether memory that may only be executed can be read all the same.
    pub exec_reads: bool,
    /// Whether the device is on a filesystem mounted with `noexec`.
    pub noexec: bool,
    /// How many bytes of memory may be asked for at once, if there is a limit.
    pub commit_limit: Option<u64>,
}

impl Env {
    /// Looks at this machine; the message says why the tests cannot run here.
    ///
    /// The arena must be empty, and the signal handlers installed.
    pub fn probe() -> Result<Self, String> {
        let read = |path| fs::read_to_string(path).map_err(|error| format!("{path}: {error}"));
        let mount = statvfs(DEVICE).map_err(|errno| format!("{DEVICE}: {errno}"))?;
        let overcommit = read("/proc/sys/vm/overcommit_memory")?;
        let meminfo = read("/proc/meminfo")?;

        // With huge pages nobody knows where the holes are. Without the file, there are none.
        if read("/sys/kernel/mm/transparent_hugepage/shmem_enabled")
            .is_ok_and(|huge| !huge.contains("[never]") && !huge.contains("[deny]"))
        {
            return Err("huge pages in shared memory are not modelled".to_owned());
        }
        Ok(Self {
            page: rustix::param::page_size() as u64,
            exec_reads: exec_reads()?,
            noexec: mount.f_flag.contains(StatVfsMountFlags::NOEXEC),
            commit_limit: match overcommit.trim() {
                "0" => Some(kib(&meminfo, "MemTotal:")? + kib(&meminfo, "SwapTotal:")?),
                "1" => None,
                _ => return Err("strict overcommit accounting is not modelled".to_owned()),
            },
        })
    }
}

/// A value of `/proc/meminfo` in bytes.
fn kib(meminfo: &str, key: &str) -> Result<u64, String> {
    meminfo
        .lines()
        .find_map(|line| {
            line.strip_prefix(key)?
                .trim()
                .strip_suffix(" kB")?
                .parse::<u64>()
                .ok()
        })
        .map(|kib| kib * 1024)
        .ok_or_else(|| format!("no {key} in /proc/meminfo"))
}

/// Tries whether memory that may only be executed can be read.
fn exec_reads() -> Result<bool, String> {
    let page = rustix::param::page_size();
    let flags = rustix::mm::MapFlags::PRIVATE | rustix::mm::MapFlags::FIXED_NOREPLACE;
    let prot = rustix::mm::ProtFlags::from_bits_retain(Prot::EXEC.0.into());
    let base = arena::BASE as *mut std::ffi::c_void;

    // SAFETY: Nothing is mapped there, or else it fails.
    let map = unsafe { rustix::mm::mmap_anonymous(base, page, prot, flags) };
    map.map_err(|errno| format!("the address of the arena is not free: {errno}"))?;
    let result = access::load(arena::BASE).is_ok();
    // SAFETY: It was mapped above, and nobody uses it.
    unsafe { rustix::mm::munmap(base, page) }.map_err(|errno| format!("munmap: {errno}"))?;
    Ok(result)
}
