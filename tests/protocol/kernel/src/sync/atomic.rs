// SPDX-License-Identifier: GPL-2.0

//! Atomic numbers.
//!
//! The model checker's numbers are no constants, but [`Atomic::new`] has to make one. So a number begins
//! as an ordinary one, and where a structure is made [`in_model`](Atomic::in_model) makes it one of the
//! model checker's: there a load may return whatever the memory model allows. What stays as it was are
//! the module's statistics, by which nobody decides. Of these the model checker knows only when they are
//! added to and when they are read; in which order two threads add to them makes no difference.

use std::sync::{atomic::Ordering, Mutex};

use loom::sync::atomic::AtomicU64;

loom::lazy_static! {
    /// Stands for all ordinary numbers: who adds to one of them reads this, who reads one writes to this. Two
    /// that read can be in any order for the model checker, too.
    static ref USED: AtomicU64 = AtomicU64::new(0);
}

/// No order but that of the number itself.
pub struct Relaxed;

/// What may be atomic.
pub trait Number: Copy {
    /// As the largest of them.
    fn widen(self) -> u64;
    /// What was [widened](Self::widen).
    fn narrow(wide: u64) -> Self;
}

impl Number for bool {
    fn widen(self) -> u64 {
        self.into()
    }

    fn narrow(wide: u64) -> Self {
        wide != 0
    }
}

impl Number for u32 {
    fn widen(self) -> u64 {
        self.into()
    }

    fn narrow(wide: u64) -> Self {
        wide as u32
    }
}

impl Number for u64 {
    fn widen(self) -> u64 {
        self
    }

    fn narrow(wide: u64) -> Self {
        wide
    }
}

/// An atomic number.
pub struct Atomic<T>(Kind<T>);

/// Whose it is.
enum Kind<T> {
    /// An ordinary one.
    Plain(Mutex<T>),
    /// The model checker's.
    Model(AtomicU64),
}

impl<T> Atomic<T> {
    /// An ordinary number.
    pub const fn new(value: T) -> Self {
        Self(Kind::Plain(Mutex::new(value)))
    }
}

impl<T: Number> Atomic<T> {
    /// Makes it one of the model checker's.
    pub fn in_model(self) -> Self {
        match self.0 {
            Kind::Plain(value) => {
                let value = value.into_inner().expect("nobody has had it");
                Self(Kind::Model(AtomicU64::new(value.widen())))
            }
            Kind::Model(_) => self,
        }
    }

    /// Reads it.
    pub fn load(&self, _: Relaxed) -> T {
        match &self.0 {
            Kind::Plain(value) => {
                USED.fetch_add(1, Ordering::Relaxed);
                *lock(value)
            }
            Kind::Model(value) => T::narrow(value.load(Ordering::Relaxed)),
        }
    }

    /// Replaces `old` with `new`; what there was, as an error if it was another one.
    pub fn cmpxchg(&self, old: T, new: T, _: Relaxed) -> Result<T, T> {
        let (old, new) = (old.widen(), new.widen());
        let exchange = |value: &AtomicU64| {
            value.compare_exchange(old, new, Ordering::Relaxed, Ordering::Relaxed)
        };
        match &self.0 {
            Kind::Plain(_) => panic!("the statistics are only added to"),
            Kind::Model(value) => exchange(value).map(T::narrow).map_err(T::narrow),
        }
    }

    /// Writes it.
    pub fn store(&self, new: T, _: Relaxed) {
        match &self.0 {
            Kind::Plain(_) => panic!("the statistics are only added to"),
            Kind::Model(value) => value.store(new.widen(), Ordering::Relaxed),
        }
    }
}

impl Atomic<u64> {
    /// Adds to it; returns what it was.
    pub fn fetch_add(&self, more: u64, _: Relaxed) -> u64 {
        match &self.0 {
            Kind::Plain(value) => {
                USED.load(Ordering::Relaxed);
                let mut value = lock(value);
                let old = *value;
                *value += more;
                old
            }
            Kind::Model(value) => value.fetch_add(more, Ordering::Relaxed),
        }
    }
}

/// An ordinary number, for a moment in which no other thread is switched to.
fn lock<T>(value: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    value.lock().expect("nothing panics while it is held")
}

/// What is put into a structure: [`Atomic`] has a method of this name that does more.
pub trait InModel: Sized {
    /// The same.
    fn in_model(self) -> Self {
        self
    }
}

impl<T> InModel for T {}
