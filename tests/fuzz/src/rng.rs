// SPDX-License-Identifier: GPL-2.0

//! Random numbers that a seed decides: SplitMix64, which is short, and random enough to choose
//! with.

/// A source of random numbers.
pub struct Rng(u64);

impl Rng {
    /// The source that `seed` decides.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Any number.
    pub fn any(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// A number below `limit`, which is not 0.
    pub fn below(&mut self, limit: usize) -> usize {
        (self.any() % limit as u64) as usize
    }

    /// True in one of `of` cases.
    pub fn one_in(&mut self, of: usize) -> bool {
        self.below(of) == 0
    }

    /// One of `from`, which is not empty.
    pub fn choose<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }
}

/// Spreads the bits of a number over all of the result.
pub fn mix(number: u64) -> u64 {
    let mut z = number;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seed_decides() {
        let mut numbers = [1, 1, 2].map(|seed| Rng::new(seed).any());
        assert_eq!(numbers[0], numbers[1]);
        assert_ne!(numbers[1], numbers[2]);
        numbers.sort_unstable();
    }

    #[test]
    fn below_stays_below() {
        let mut rng = Rng::new(3);
        let seen: std::collections::BTreeSet<_> = (0..1000).map(|_| rng.below(7)).collect();
        assert_eq!(
            (0..7).collect::<Vec<_>>(),
            seen.into_iter().collect::<Vec<_>>()
        );
    }
}
