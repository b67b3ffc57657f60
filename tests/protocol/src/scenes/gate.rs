// SPDX-License-Identifier: GPL-2.0

//! Who purges everything goes through a gate, one at a time.

use std::{
    rc::Rc,
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
};

use kernel::{
    prelude::*,
    sync::condvar::{signal, wake_for_nothing},
};

use crate::{
    ashmem_area::gate::Gate,
    explore::{start, Thread},
};

/// A gate, and how many are in.
#[derive(Clone)]
struct Room(Rc<(Gate, AtomicUsize)>);

impl Room {
    /// With nobody in.
    fn new() -> Self {
        Self(Rc::new((Gate::new().made(), AtomicUsize::new(0))))
    }

    /// Goes in, looks whether others are there, and leaves. Returns whether it came in.
    fn visit(&self) -> bool {
        let (gate, inside) = &*self.0;
        let Ok(entered) = gate.enter() else {
            return false;
        };

        assert_eq!(inside.fetch_add(1, Relaxed), 0, "others are in");
        loom::thread::yield_now();
        inside.fetch_sub(1, Relaxed);
        drop(entered);
        true
    }
}

/// Three come; all get in, one after the other.
pub fn one_at_a_time() {
    let room = Room::new();
    let others = [(); 2].map(|()| {
        let room = room.clone();
        start(move || assert!(room.visit(), "it did not get in"))
    });
    assert!(room.visit(), "it did not get in");
    others.map(Thread::end);
}

/// One of those who wait has a signal when it is told that it may go in. Whatever it does, the other one
/// must not wait for ever.
pub fn one_is_interrupted() {
    let room = Room::new();
    let (first, second) = (room.clone(), room.clone());
    let interrupted = start(move || {
        signal();
        first.visit();
    });
    let patient = start(move || assert!(second.visit(), "it did not get in"));
    assert!(room.visit(), "it did not get in");
    interrupted.end();
    patient.end();
}

/// Who is woken up for no reason does not go in for that.
pub fn woken_for_nothing() {
    let room = Room::new();
    let other = room.clone();
    let dreamer = start(move || {
        wake_for_nothing(2);
        assert!(other.visit(), "it did not get in");
    });
    assert!(room.visit(), "it did not get in");
    dreamer.end();
}
