//! SplitMix64: a small generator in the public domain. Unlike a dependency's default generator, its
//! numbers never change.

/// A deterministic generator of random integers.
#[derive(Debug, Clone)]
pub(crate) struct Prng(u64);

impl Prng {
    /// A generator for `seed`. `purpose` separates independent sequences of the same seed.
    pub(crate) fn new(seed: u64, purpose: u64) -> Self {
        let mut generator = Self(seed ^ purpose.wrapping_mul(0xD1B5_4A32_D192_ED03));
        generator.next();
        generator
    }

    /// The next 64 random bits.
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// An integer in `0..bound`. The bias of the modulus is negligible for these bounds.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }

    /// An integer in `low..=high`.
    pub(crate) fn within(&mut self, low: i32, high: i32) -> i32 {
        low + self.below((high - low + 1) as usize) as i32
    }

    /// True with a probability of `percent` percent.
    pub(crate) fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    /// Fisher-Yates shuffle.
    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stream_of_a_seed_is_fixed() {
        // The published first output of SplitMix64 for seed 0 is 0xE220A8397B1DCDAF; `new` skips it.
        assert_eq!(Prng::new(0, 0).next(), 0x6E78_9E6A_A1B9_65F4);
    }
}
