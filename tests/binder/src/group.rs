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
