// SPDX-License-Identifier: GPL-2.0

//! A memory cgroup: what those in it are charged for.

use std::{fs, thread, time::Duration};

use ashmem_binder::Binder;

use crate::{
    limits::LARGE,
    process::{because, Child, Line},
    scene::Scene,
    SKIP,
};

/// A memory cgroup, until it is dropped.
pub struct Group;

impl Group {
    /// Where it is.
    const PATH: &str = "/sys/fs/cgroup/binder_fd";

    /// A new one.
    pub fn new() -> Result<Self, String> {
        if fs::write("/sys/fs/cgroup/cgroup.subtree_control", "+memory").is_err() {
            return Err(format!("{SKIP}there is no memory controller of cgroup2"));
        }
        fs::create_dir(Self::PATH).map_err(because(Self::PATH))?;
        Ok(Self)
    }

    /// From now on the calling process is in it.
    pub fn enter(&self) -> Result<(), String> {
        let procs = format!("{}/cgroup.procs", Self::PATH);
        fs::write(procs, "0").map_err(because("enter the group"))
    }

    /// Starts a server in it that has a large buffer.
    pub fn server(
        &self,
        scene: &Scene,
        work: impl FnOnce(&Binder) -> Result<(), String>,
    ) -> Result<Child, String> {
        let (ours, theirs) = Line::pair();
        let server = Child::fork(|| {
            self.enter()?;
            let mut binder = scene.open_unmapped();
            binder.map(LARGE).map_err(|err| format!("{err:?}"))?;
            scene.serve(&binder, 0, 0)?;
            theirs.tell(1);
            work(&binder)
        });
        ours.hear()?;
        Ok(server)
    }

    /// What it is charged for, in bytes.
    pub fn usage(&self) -> Result<usize, String> {
        Self::number_in("memory.current")
    }

    /// The most that it has ever been charged for, in bytes.
    pub fn peak(&self) -> Result<usize, String> {
        Self::number_in("memory.peak")
    }

    /// What of that is the kernel's own memory, in bytes: whole pages, those of objects included.
    pub fn kernel_memory() -> Result<usize, String> {
        // What each CPU has counted is summed up when somebody asks, but only where that is much by now.
        for _ in 0..2 {
            touch_pages();
        }
        let path = format!("{}/memory.stat", Self::PATH);
        let text = fs::read_to_string(&path).map_err(because(&path))?;
        let value = text.lines().find_map(|line| line.strip_prefix("kernel "));
        let value = value.and_then(|value| value.parse().ok());
        value.ok_or(format!("no number of the kernel's in {path}"))
    }

    /// A number in one of its files.
    fn number_in(name: &str) -> Result<usize, String> {
        let text = fs::read_to_string(format!("{}/{name}", Self::PATH)).map_err(because(name))?;
        let number = text.trim().parse();
        number.map_err(|_| format!("{name}: {text}"))
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // It goes when nobody is in it any more.
        for _ in 0..100 {
            if fs::remove_dir(Self::PATH).is_ok() {
                break;
            }
            thread::sleep(Duration::from_millis(50));
        }
    }
}

/// Has pages of the calling process come and go: as many as make a difference to who counts them, on any machine.
fn touch_pages() {
    const SIZE: usize = 4 << 20;
    let mut pages = vec![0u8; SIZE];
    pages.iter_mut().step_by(4096).for_each(|byte| *byte = 1);
    std::hint::black_box(pages);
}
