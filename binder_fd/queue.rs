// SPDX-License-Identifier: GPL-2.0

//! What waits for a thread, first in, first out.
//!
//! The places are reserved before a lock is taken, so that nothing fails under it. It is the kernel's
//! red-black tree, with the order of arrival as key.

use kernel::{
    prelude::*,
    rbtree::{
        CursorMut,
        RBTree,
        RBTreeNodeReservation, //
    }, //
};

use super::parcel::Parcel;

/// Something for a thread to learn.
pub(crate) enum Work {
    /// So many `BR_TRANSACTION_COMPLETE`.
    Complete(usize),
    /// What became of a transaction or reply of its own that failed.
    ReturnError,
    /// Why the transaction that it waits for has failed.
    ReplyError,
    /// A parcel has come in.
    Parcel(KBox<Parcel>),
}

/// What a place holds: [`None`] only while it is emptied.
type Slot = Option<Work>;

/// A place in a queue.
pub(crate) struct Place(RBTreeNodeReservation<u64, Slot>);

impl Place {
    /// Reserves a place. `ENOMEM`.
    pub(crate) fn new() -> Result<Self> {
        Ok(Self(RBTreeNodeReservation::new(GFP_KERNEL_ACCOUNT)?))
    }
}

/// Works in the order of their arrival.
pub(crate) struct Queue {
    /// The works by number.
    works: RBTree<u64, Slot>,
    /// The number of the next one.
    next: u64,
    /// No parcel has a number below this: who takes one after the other out of much else does not go through
    /// that for each.
    no_parcel_before: u64,
}

impl Queue {
    /// An empty queue.
    pub(crate) fn new() -> Self {
        Self {
            works: RBTree::new(),
            next: 0,
            no_parcel_before: 0,
        }
    }

    /// Whether nothing waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.works.is_empty()
    }

    /// Whether the first one is a parcel.
    pub(crate) fn begins_with_parcel(&self) -> bool {
        self.works
            .cursor_front()
            .is_some_and(|cursor| matches!(cursor.current().1, Some(Work::Parcel(_))))
    }

    /// Adds one behind all others.
    pub(crate) fn push(&mut self, work: Work, place: Place) {
        self.works.insert(place.0.into_node(self.next, Some(work)));
        self.next = self.next.wrapping_add(1);
    }

    /// Adds a `BR_TRANSACTION_COMPLETE` behind all others.
    ///
    /// However many there are in a row, they take one place: then the other one is handed back.
    #[must_use]
    pub(crate) fn push_complete(&mut self, place: Place) -> Option<Place> {
        if let Some(mut cursor) = self.works.cursor_back_mut() {
            if let Some(Work::Complete(count)) = cursor.current_mut().1 {
                *count += 1;
                return Some(place);
            }
        }
        self.push(Work::Complete(1), place);
        None
    }

    /// Takes back the last `BR_TRANSACTION_COMPLETE`; hands back its place, if it had one of its own.
    #[must_use]
    pub(crate) fn take_back_complete(&mut self) -> Option<Place> {
        let mut cursor = self.works.cursor_back_mut()?;
        // Behind it there may be that the reply to an earlier call has been lost meanwhile.
        while !matches!(cursor.current().1, Some(Work::Complete(_))) {
            cursor = cursor.move_prev()?;
        }
        match cursor.current_mut().1 {
            Some(Work::Complete(1)) => Self::remove(cursor).map(|(_, place)| place),
            Some(Work::Complete(count)) => {
                *count -= 1;
                None
            }
            _ => None,
        }
    }

    /// Takes the first one, and its place.
    ///
    /// Of more than one `BR_TRANSACTION_COMPLETE` in a row one is taken, which has no place then.
    pub(crate) fn pop(&mut self) -> Option<(Work, Option<Place>)> {
        let mut cursor = self.works.cursor_front_mut()?;
        if let Some(Work::Complete(count)) = cursor.current_mut().1 {
            if *count > 1 {
                *count -= 1;
                return Some((Work::Complete(1), None));
            }
        }
        Self::remove(cursor).map(|(work, place)| (work, Some(place)))
    }

    /// Takes the first parcel, and its place.
    pub(crate) fn pop_parcel(&mut self) -> Option<(KBox<Parcel>, Place)> {
        let mut cursor = self.works.cursor_lower_bound_mut(&self.no_parcel_before)?;
        while !matches!(cursor.current().1, Some(Work::Parcel(_))) {
            cursor = cursor.move_next()?;
        }
        self.no_parcel_before = cursor.current().0.wrapping_add(1);
        match Self::remove(cursor)? {
            (Work::Parcel(parcel), place) => Some((parcel, place)),
            _ => None,
        }
    }

    /// Removes what the cursor is at.
    fn remove(mut cursor: CursorMut<'_, u64, Slot>) -> Option<(Work, Place)> {
        let work = cursor.current_mut().1.take();
        let (_, node) = cursor.remove_current();
        Some((work?, Place(node.into_reservation())))
    }
}
