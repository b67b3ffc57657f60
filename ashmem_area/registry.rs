// SPDX-License-Identifier: GPL-2.0

//! The regions that there are, for those few who look at all of them.
//!
//! A region goes into the list of the CPU that opens it: two CPUs that open and close regions do not
//! meet. Nobody but open, close, debugfs and `ASHMEM_PURGE_ALL_CACHES` looks at the lists, and memory
//! reclaim never does.

use core::{
    cell::UnsafeCell,
    ptr::NonNull, //
};

use super::{
    gate::{
        Entered,
        Gate, //
    },
    AshmemArea, //
};
use kernel::{
    cpu::CpuId,
    new_mutex,
    prelude::*,
    sync::{
        Mutex,
        SetOnce, //
    }, //
};

/// How many lists there are; more CPUs than that share them.
const LISTS: usize = 64;

/// Where the lists are; set while the module loads.
static REGISTRY: SetOnce<RegistryPtr> = SetOnce::new();

/// A pointer to the lists.
///
/// # Invariants
///
/// They live as long as any region, and as whoever else calls the functions here.
struct RegistryPtr(NonNull<Registry>);

// SAFETY: The lists are behind locks.
unsafe impl Send for RegistryPtr {}
// SAFETY: As above.
unsafe impl Sync for RegistryPtr {}

/// The lists, for as long as the module is loaded.
#[pin_data]
pub(crate) struct Registry {
    /// One for each CPU.
    #[pin]
    lists: [List; LISTS],
    /// Through which one gets the [`Turn`].
    #[pin]
    gate: Gate,
}

/// A list with its lock, on a cache line of its own.
#[pin_data]
#[repr(align(64))]
struct List {
    /// The list.
    #[pin]
    areas: Mutex<Areas>,
}

/// A doubly linked list of areas, in no particular order.
///
/// # Invariants
///
/// Each area in it is alive: it leaves the list before it goes. Its [`Links`] are accessed under the
/// list's lock only.
struct Areas {
    /// The first one.
    first: Option<NonNull<AshmemArea>>,
    /// The last one.
    last: Option<NonNull<AshmemArea>>,
    /// How many there are.
    count: usize,
}

// SAFETY: Areas may be looked at on any thread.
unsafe impl Send for Areas {}

/// The place of an area in a list.
pub(crate) struct Place {
    /// Which list.
    list: usize,
    /// Its neighbours there.
    links: UnsafeCell<Links>,
}

// SAFETY: The links are accessed under the list's lock only.
unsafe impl Sync for Place {}
// SAFETY: As above.
unsafe impl Send for Place {}

/// The neighbours of an area.
#[derive(Clone, Copy)]
struct Links {
    /// The one before it.
    prev: Option<NonNull<AshmemArea>>,
    /// The one behind it.
    next: Option<NonNull<AshmemArea>>,
}

impl Place {
    /// A place in the list of this CPU, not taken yet.
    pub(crate) fn new() -> Self {
        Self {
            list: CpuId::current().as_u32() as usize % LISTS,
            links: UnsafeCell::new(Links {
                prev: None,
                next: None,
            }),
        }
    }
}

impl Registry {
    /// Makes the lists. Errors: `EBUSY` when called a second time.
    pub(crate) fn new() -> impl PinInit<Self, Error> {
        try_pin_init!(&this in Self {
            lists <- pin_init::pin_init_array_from_fn(|_| List::new()),
            gate <- Gate::new(),
            _: {
                // INVARIANT: The module drops this after the device and the files in debugfs.
                if !REGISTRY.populate(RegistryPtr(this)) {
                    return Err(EBUSY);
                }
            },
        })
    }
}

impl List {
    /// An empty list.
    fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            areas <- new_mutex!(
                Areas { first: None, last: None, count: 0 },
                "Registry::lists"
            ),
        })
    }
}

impl Areas {
    /// Where the list keeps what comes behind `prev`: in there, or for none in its own head.
    fn next_of(&mut self, prev: Option<NonNull<AshmemArea>>) -> *mut Option<NonNull<AshmemArea>> {
        match prev {
            // SAFETY: By the invariant `prev` is alive, and the lock is held.
            Some(prev) => unsafe { &raw mut (*prev.as_ref().place.links.get()).next },
            None => &raw mut self.first,
        }
    }

    /// Where the list keeps what comes before `next`: in there, or for none in its own tail.
    fn prev_of(&mut self, next: Option<NonNull<AshmemArea>>) -> *mut Option<NonNull<AshmemArea>> {
        match next {
            // SAFETY: By the invariant `next` is alive, and the lock is held.
            Some(next) => unsafe { &raw mut (*next.as_ref().place.links.get()).prev },
            None => &raw mut self.last,
        }
    }

    /// Puts an area at the end.
    ///
    /// # Safety
    ///
    /// It must be alive, pinned, in no list, and leave this one before it goes.
    unsafe fn push(&mut self, area: NonNull<AshmemArea>) {
        let links = Links {
            prev: self.last,
            next: None,
        };

        // SAFETY: The area is alive and in no list, and the lock of this one is held.
        unsafe {
            *area.as_ref().place.links.get() = links;
            *self.next_of(links.prev) = Some(area);
        }
        self.last = Some(area);
        self.count += 1;
    }

    /// Takes an area out.
    ///
    /// # Safety
    ///
    /// It must be in this list.
    unsafe fn remove(&mut self, area: NonNull<AshmemArea>) {
        // SAFETY: The area is in the list, hence alive, and so are its neighbours; the lock is held.
        unsafe {
            let links = *area.as_ref().place.links.get();
            *self.next_of(links.prev) = links.next;
            *self.prev_of(links.next) = links.prev;
        }
        self.count -= 1;
    }
}

/// The list of the place of an area; [`None`] before the module has made the lists.
fn list_of(place: &Place) -> Option<&'static Mutex<Areas>> {
    lists().get(place.list).map(|list| &list.areas)
}

/// All lists.
fn lists() -> &'static [List] {
    registry().map_or(&[], |registry| &registry.lists)
}

/// The registry; [`None`] before the module has made it.
fn registry() -> Option<&'static Registry> {
    let registry = REGISTRY.as_ref()?;

    // SAFETY: By the invariant it lives longer than any caller uses it.
    Some(unsafe { registry.0.as_ref() })
}

/// Puts a new area into its list.
pub(crate) fn add(area: Pin<&AshmemArea>) {
    if let Some(list) = list_of(&area.place) {
        // SAFETY: It is pinned, is added once, and its drop calls `remove`.
        unsafe { list.lock().push(NonNull::from(area.get_ref())) };
    }
}

/// Takes an area out of its list, for good.
///
/// # Safety
///
/// It must have been [added](add), and never been removed.
pub(crate) unsafe fn remove(area: &AshmemArea) {
    if let Some(list) = list_of(&area.place) {
        // SAFETY: By the caller's promise it is in this list.
        unsafe { list.lock().remove(NonNull::from(area)) };
    }
}

/// Shows each area to `visit`, which holds up those that open and close regions on the same CPU.
pub(crate) fn for_each(mut visit: impl FnMut(&AshmemArea)) {
    for list in lists() {
        let areas = list.areas.lock();
        let mut next = areas.first;

        while let Some(area) = next {
            // SAFETY: It is in the list, hence alive as long as the lock is held.
            let area = unsafe { area.as_ref() };
            visit(area);
            // SAFETY: The lock is held.
            next = unsafe { (*area.place.links.get()).next };
        }
    }
}

/// The right to [go through all areas](Turn::take_from_each): one task has it at a time, or each would
/// miss what another one is busy with.
pub(crate) struct Turn {
    /// The areas.
    registry: &'static Registry,
    /// Keeps others out.
    _entered: Entered<'static>,
}

impl Turn {
    /// Waits for it. The error is `ERESTARTSYS`, if a signal comes before it does.
    pub(crate) fn wait() -> Result<Self> {
        let registry = registry().ok_or(ENODEV)?;

        Ok(Self {
            registry,
            _entered: registry.gate.enter()?,
        })
    }

    /// Takes something from each area that is there now, and hands it to `work` when no lock is held.
    ///
    /// Areas that come meanwhile may be among them. Ends early, with its error, when `work` fails.
    pub(crate) fn take_from_each<R>(
        &self,
        take: impl Fn(&AshmemArea) -> Option<R>,
        mut work: impl FnMut(R) -> Result,
    ) -> Result {
        for list in &self.registry.lists {
            let count = list.areas.lock().count;

            // The first one goes to the end: so each has its turn, whoever comes and goes.
            for _ in 0..count {
                let mut areas = list.areas.lock();
                let Some(area) = areas.first else {
                    break;
                };
                // SAFETY: It is in the list, hence alive as long as the lock is held, and stays in it.
                let taken = unsafe {
                    areas.remove(area);
                    areas.push(area);
                    take(area.as_ref())
                };

                drop(areas);
                if let Some(taken) = taken {
                    work(taken)?;
                }
            }
        }
        Ok(())
    }
}
