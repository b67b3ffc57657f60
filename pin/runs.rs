// SPDX-License-Identifier: GPL-2.0

//! Runs of pages that are known to be unpinned, over however many ranges.
//!
//! Who unpins what is unpinned already changes nothing, which takes a look at each range of it. What was seen then is
//! kept here, so that nobody has to look at the same ranges again. It is no more than that: what has been forgotten is
//! looked at anew.
//!
//! Pure, as [`pin`](super) is.

use kernel::rbtree::{
    RBTree,
    RBTreeNodeReservation, //
};

use super::PageRange;

/// The memory for one more run.
pub(crate) type RunNode = RBTreeNodeReservation<usize, usize>;

/// The runs of a region.
///
/// # Invariants
///
/// They are disjoint, and no two are adjacent. Each is keyed by its last page, and has the number of its first one.
pub(super) struct Runs {
    /// The runs.
    tree: RBTree<usize, usize>,
    /// The memory for one more: for a PIN that makes two of one.
    spare: Option<RunNode>,
    /// Whether it has been used, or would have been.
    wants_node: bool,
}

impl Runs {
    /// No run.
    pub(super) fn new() -> Self {
        Self {
            tree: RBTree::new(),
            spare: None,
            wants_node: false,
        }
    }

    /// The last page of the run that `page` is in, if it is in any.
    pub(super) fn end_of(&self, page: usize) -> Option<usize> {
        let cursor = self.tree.cursor_lower_bound(&page)?;
        let (&last, &first) = cursor.current();

        (first <= page).then_some(last)
    }

    /// Whether there is use for the memory of a run, and none there.
    pub(super) fn wants_node(&self) -> bool {
        self.wants_node
    }

    /// Takes the memory for a run, or hears that there is none.
    pub(super) fn give(&mut self, node: Option<RunNode>) {
        self.wants_node = false;
        if node.is_some() {
            self.spare = node;
        }
    }

    /// All pages of `range` are unpinned: it is a run, together with those that it touches.
    pub(super) fn remember(&mut self, range: PageRange) {
        self.join(range, true);
    }

    /// As above, but only if it touches any.
    pub(super) fn extend(&mut self, range: PageRange) {
        self.join(range, false);
    }

    /// Makes one run of `range` and those that it overlaps or is adjacent to; of none, only if it `may_begin` one.
    fn join(&mut self, range: PageRange, may_begin: bool) {
        let (mut first, mut last) = (range.first, range.last);
        let mut node = None;
        let mut cursor = self
            .tree
            .cursor_lower_bound_mut(&range.first.saturating_sub(1));

        while let Some(at) = cursor {
            let (&run_last, &run_first) = at.current();
            // Behind the last run there is no next one: then the cursor goes back to the previous.
            if run_first > range.last.saturating_add(1) || run_last.saturating_add(1) < range.first
            {
                break;
            }
            first = first.min(run_first);
            last = last.max(run_last);

            let (next, removed) = at.remove_current();
            if let Some(left) = node.replace(removed.into_reservation()) {
                self.spare.get_or_insert(left);
            }
            cursor = next;
        }

        if node.is_none() && may_begin {
            node = self.take_spare();
        }
        if let Some(node) = node {
            // INVARIANT: All that it touches is gone.
            self.tree.insert(node.into_node(last, first));
        }
    }

    /// Takes the memory for a run, if it is there; the next one may want some, too.
    fn take_spare(&mut self) -> Option<RunNode> {
        self.wants_node = true;
        self.spare.take()
    }

    /// The pages of `range` are pinned.
    ///
    /// Of a run that loses its middle only the back is kept where there is no memory for both.
    pub(super) fn forget(&mut self, range: PageRange) {
        let mut cursor = self.tree.cursor_lower_bound_mut(&range.first);

        while let Some(mut at) = cursor {
            let (&last, first) = at.current_mut();
            // As above.
            if *first > range.last || last < range.first {
                break;
            }
            let front = *first..range.first;

            let node = if last > range.last {
                *first = range.last + 1;
                if front.is_empty() {
                    break;
                }
                cursor = None;
                self.take_spare()
            } else {
                let (next, node) = at.remove_current();
                cursor = next;
                Some(node.into_reservation())
            };
            match node {
                Some(node) if !front.is_empty() => {
                    // INVARIANT: It is the front of what was a run.
                    self.tree
                        .insert(node.into_node(range.first - 1, front.start));
                    cursor = self.tree.cursor_lower_bound_mut(&range.first);
                }
                Some(node) => {
                    self.spare.get_or_insert(node);
                }
                None => {}
            }
        }
    }
}
