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
    /// The memory for one more.
    spare: Option<RunNode>,
}

impl Runs {
    /// No run.
    pub(super) fn new() -> Self {
        Self {
            tree: RBTree::new(),
            spare: None,
        }
    }

    /// The last page of the run that `page` is in, if it is in any.
    pub(super) fn end_of(&self, page: usize) -> Option<usize> {
        let cursor = self.tree.cursor_lower_bound(&page)?;
        let (&last, &first) = cursor.current();

        (first <= page).then_some(last)
    }

    /// Whether there is the memory for one more run.
    pub(super) fn has_spare(&self) -> bool {
        self.spare.is_some()
    }

    /// Takes the memory for one more run.
    pub(super) fn give(&mut self, node: RunNode) {
        self.spare = Some(node);
    }

    /// Whether a run loses its middle when the pages of `range` are pinned: that makes two.
    pub(super) fn is_split_by(&self, range: PageRange) -> bool {
        let before = range.first.checked_sub(1);

        before.and_then(|page| self.end_of(page)) > Some(range.last)
    }

    /// All pages of `range` are unpinned: it is a run, together with those that it touches. It may take the spare.
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

        let node = node.or_else(|| self.spare.take_if(|_| may_begin));
        if let Some(node) = node {
            // INVARIANT: All that it touches is gone.
            self.tree.insert(node.into_node(last, first));
        }
    }

    /// The pages of `range` are pinned.
    ///
    /// It takes the spare where that [splits](Self::is_split_by) a run; without one the front of it is forgotten.
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
                self.spare.take()
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
