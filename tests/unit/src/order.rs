// SPDX-License-Identifier: GPL-2.0

//! The order of the ranges as the tests see it; it behaves as the kernel's lists do.

use std::{cell::RefCell, collections::BTreeMap, rc::Rc};

use kernel::{prelude::GFP_KERNEL, rbtree::RBTreeNodeReservation};

use crate::pin::{Lru, Spare};

/// The order of the ranges of a region.
#[derive(Clone, Default)]
pub struct Order(Rc<RefCell<Places>>);

/// The places in the order.
#[derive(Default)]
struct Places {
    /// The number of the next place.
    next: u64,
    /// The last page of the range at each place that is taken.
    taken: BTreeMap<u64, usize>,
    /// How many [`Place`]s there are, in the order or not.
    live: usize,
}

/// The place of a range.
pub struct Place {
    /// The order.
    order: Order,
    /// The number of the place; [`None`] if the range is not in the order.
    number: Option<u64>,
}

impl Order {
    /// The last pages of the ranges, in order.
    pub fn lasts(&self) -> Vec<usize> {
        self.0.borrow().taken.values().copied().collect()
    }

    /// The last page of the range whose turn it is.
    pub fn oldest(&self) -> Option<usize> {
        self.0.borrow().taken.values().next().copied()
    }

    /// How many [`Place`]s there are, those of spares among them.
    pub fn live(&self) -> usize {
        self.0.borrow().live
    }

    /// The memory for one more range.
    pub fn spare(&self) -> Spare<Place> {
        let node = RBTreeNodeReservation::new(GFP_KERNEL).expect("the host has memory");
        self.0.borrow_mut().live += 1;
        let place = Place {
            order: self.clone(),
            number: None,
        };
        Spare::new(node, place)
    }
}

impl Lru for Place {
    fn add(&mut self, last: usize) {
        if self.number.is_none() {
            let mut places = self.order.0.borrow_mut();
            self.number = Some(places.next);
            places.next += 1;
        }
        self.set_last(last);
    }

    fn remove(&mut self) {
        if let Some(number) = self.number.take() {
            self.order.0.borrow_mut().taken.remove(&number);
        }
    }

    fn set_last(&mut self, last: usize) {
        if let Some(number) = self.number {
            self.order.0.borrow_mut().taken.insert(number, last);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.remove();
        self.order.0.borrow_mut().live -= 1;
    }
}
