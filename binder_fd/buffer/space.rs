// SPDX-License-Identifier: GPL-2.0

//! Which parts of a buffer are in use.
//!
//! Pure: numbers only, no memory, no locks. The smallest free part that is large enough is taken, and
//! what is freed joins the free parts beside it. All sizes and places are in bytes.

use kernel::{
    prelude::*,
    rbtree::{
        RBTree,
        RBTreeNodeReservation, //
    }, //
};

/// A part of the buffer.
struct Part<T> {
    /// Its size.
    size: usize,
    /// What it is used for.
    state: State<T>,
}

/// What a part is used for.
enum State<T> {
    /// Nothing.
    Free,
    /// Something.
    Used(Used<T>),
}

/// A part in use.
struct Used<T> {
    /// To enter it among the free ones again.
    entry: RBTreeNodeReservation<(usize, usize), ()>,
    /// Whether it counts as a one-way one.
    is_one_way: bool,
    /// What its user has to know of it; [`None`] while it is not, or no longer, the user's.
    user: Option<T>,
}

/// The memory that taking a part may need.
pub(crate) struct Spare<T> {
    /// For the part that is left.
    part: RBTreeNodeReservation<usize, Part<T>>,
    /// For the entry of either among the free ones.
    entry: RBTreeNodeReservation<(usize, usize), ()>,
}

impl<T> Spare<T> {
    /// Reserves it. `ENOMEM`.
    pub(crate) fn new() -> Result<Self> {
        Ok(Self {
            part: RBTreeNodeReservation::new(GFP_KERNEL_ACCOUNT)?,
            entry: RBTreeNodeReservation::new(GFP_KERNEL_ACCOUNT)?,
        })
    }
}

/// The parts of a buffer.
///
/// # Invariants
///
/// The parts follow each other without gaps, no two free ones without a used one between them. `free`
/// has an entry, size and place, for each free one.
pub(crate) struct Space<T> {
    /// All parts, by place.
    parts: RBTree<usize, Part<T>>,
    /// The free ones, by size and place.
    free: RBTree<(usize, usize), ()>,
    /// How much may still be taken by one-way ones.
    one_way_left: usize,
}

impl<T> Space<T> {
    /// No space at all.
    pub(crate) fn new() -> Self {
        Self {
            parts: RBTree::new(),
            free: RBTree::new(),
            one_way_left: 0,
        }
    }

    /// Makes it `size` bytes, all free, of which one-way parts may have half.
    pub(crate) fn open(&mut self, size: usize, spare: Spare<T>) {
        let part = Part {
            size,
            state: State::Free,
        };
        self.parts.insert(spare.part.into_node(0, part));
        self.free.insert(spare.entry.into_node((size, 0), ()));
        self.one_way_left = size / 2;
    }

    /// Takes `size` bytes; returns where they are. `ENOSPC` if there is no such part.
    pub(crate) fn take(&mut self, size: usize, is_one_way: bool, spare: Spare<T>) -> Result<usize> {
        if is_one_way && size > self.one_way_left {
            return Err(ENOSPC);
        }
        let cursor = self.free.cursor_lower_bound_mut(&(size, 0)).ok_or(ENOSPC)?;
        let &(free_size, at) = cursor.current().0;
        let part = self.parts.get_mut(&at).ok_or(ENOSPC)?;
        let (_, entry) = cursor.remove_current();
        let mut entry = entry.into_reservation();

        if free_size > size {
            let rest = Part {
                size: free_size - size,
                state: State::Free,
            };
            self.free
                .insert(entry.into_node((rest.size, at + size), ()));
            entry = spare.entry;
            part.size = size;
            part.state = State::Used(Used {
                entry,
                is_one_way,
                user: None,
            });
            self.parts.insert(spare.part.into_node(at + size, rest));
        } else {
            part.state = State::Used(Used {
                entry,
                is_one_way,
                user: None,
            });
        }
        if is_one_way {
            self.one_way_left -= size;
        }
        Ok(at)
    }

    /// Hands the part at `at` to its user, who needs to know `what` of it.
    pub(crate) fn hand_over(&mut self, at: usize, what: T) {
        if let Some(Part {
            state: State::Used(used),
            ..
        }) = self.parts.get_mut(&at)
        {
            used.user = Some(what);
        }
    }

    /// Takes the part at `at` back from its user: its size, and what he needed to know.
    ///
    /// [`None`] if no part that is the user's begins there.
    pub(crate) fn take_back(&mut self, at: usize) -> Option<(usize, T)> {
        let part = self.parts.get_mut(&at)?;
        let State::Used(used) = &mut part.state else {
            return None;
        };
        Some((part.size, used.user.take()?))
    }

    /// Frees the part at `at`.
    pub(crate) fn free(&mut self, at: usize) {
        let Some(part) = self.parts.get_mut(&at) else {
            return;
        };
        let (mut at, mut size) = (at, part.size);
        let State::Used(used) = core::mem::replace(&mut part.state, State::Free) else {
            return;
        };
        if used.is_one_way {
            self.one_way_left += size;
        }

        // What is behind it joins it.
        if let Some(next) = self.free_part(at + size) {
            self.free.remove(&(next, at + size));
            self.parts.remove(&(at + size));
            size += next;
        }
        // It joins what is before it.
        let before = self
            .parts
            .cursor_lower_bound(&at)
            .and_then(|cursor| cursor.peek_prev().map(|(&before, _)| before));
        if let Some((before, before_size)) =
            before.and_then(|before| Some((before, self.free_part(before)?)))
        {
            self.free.remove(&(before_size, before));
            self.parts.remove(&at);
            at = before;
            size += before_size;
        }

        if let Some(part) = self.parts.get_mut(&at) {
            part.size = size;
        }
        self.free.insert(used.entry.into_node((size, at), ()));
    }

    /// The size of the part at `at`, if it is free.
    fn free_part(&self, at: usize) -> Option<usize> {
        match self.parts.get(&at)? {
            Part {
                size,
                state: State::Free,
            } => Some(*size),
            _ => None,
        }
    }
}
