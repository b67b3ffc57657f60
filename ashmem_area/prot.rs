// SPDX-License-Identifier: GPL-2.0

//! Memory protection as a set of bits: what a mapping asks for, and what a region allows.

/// A set of `PROT_READ`, `PROT_WRITE` and `PROT_EXEC`.
///
/// # Invariants
///
/// No other bit is set.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Prot(u32);

impl Prot {
    /// `PROT_READ`.
    pub(crate) const READ: Self = Self(1);
    /// `PROT_WRITE`.
    pub(crate) const WRITE: Self = Self(2);
    /// `PROT_EXEC`.
    pub(crate) const EXEC: Self = Self(4);
    /// Nothing: `PROT_NONE`.
    pub(crate) const NONE: Self = Self(0);
    /// All three: the mask of a new region.
    pub(crate) const ALL: Self = Self(7);

    /// The set with these bits, if they are bits that it can hold.
    pub(crate) fn from_bits(bits: usize) -> Option<Self> {
        let bits = u32::try_from(bits).ok()?;

        // INVARIANT: Just checked.
        (bits & !Self::ALL.0 == 0).then_some(Self(bits))
    }

    /// The bits, as user space knows them.
    pub(crate) fn bits(self) -> u32 {
        self.0
    }

    /// Whether each bit of `other` is in `self`.
    pub(crate) fn contains(self, other: Self) -> bool {
        other.0 & !self.0 == 0
    }

    /// `self` and, where `cond` holds, `other`.
    pub(crate) fn with_if(self, other: Self, cond: bool) -> Self {
        if cond {
            // INVARIANT: Bits of two valid sets.
            Self(self.0 | other.0)
        } else {
            self
        }
    }

    /// The mask that a region with the mask `self` has after `ASHMEM_SET_PROT_MASK` with
    /// `requested`, or [`None`] where that would add a bit.
    ///
    /// For a task that reads what it can execute (`READ_IMPLIES_EXEC`), mmap adds `PROT_EXEC` to
    /// each readable mapping: there a readable mask keeps `PROT_EXEC`, if it has not lost it yet.
    pub(crate) fn lowered_to(self, requested: Self, read_implies_exec: bool) -> Option<Self> {
        let implied = read_implies_exec && requested.contains(Self::READ);
        let keeps_exec = implied && self.contains(Self::EXEC);

        self.contains(requested)
            .then(|| requested.with_if(Self::EXEC, keeps_exec))
    }
}
