//! Randomness that a seed repeats.
//!
//! The generator is xoshiro256++ (Blackman and Vigna 2019); its state is filled by `SplitMix64`
//! (Steele, Lea and Flood 2014) from a 64-bit seed. It is fast and has no known bias that matters
//! to jitter, sampling or simulation. It is not for keys: those are TLS's.

use std::hash::{BuildHasher, RandomState};

/// A seeded generator of random numbers.
#[derive(Clone, Debug)]
pub struct Entropy {
    seed: u64,
    state: [u64; 4],
}

impl Entropy {
    /// The generator of this seed.
    pub fn from_seed(seed: u64) -> Self {
        let mut mixer = seed;
        let state = std::array::from_fn(|_| split_mix(&mut mixer));
        Self { seed, state }
    }

    /// A generator with a seed from the operating system.
    pub fn from_os() -> Self {
        // The standard library keys its hash maps from the system's randomness.
        Self::from_seed(RandomState::new().hash_one(0))
    }

    #[cfg(test)]
    pub(crate) fn from_state(state: [u64; 4]) -> Self {
        Self { seed: 0, state }
    }

    /// The seed that repeats this generator from its start.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// The next 64 random bits.
    pub fn next_u64(&mut self) -> u64 {
        let [s0, s1, s2, s3] = &mut self.state;
        let result = s0.wrapping_add(*s3).rotate_left(23).wrapping_add(*s0);
        let shifted = *s1 << 17;
        *s2 ^= *s0;
        *s3 ^= *s1;
        *s1 ^= *s2;
        *s0 ^= *s3;
        *s2 ^= shifted;
        *s3 = s3.rotate_left(45);
        result
    }

    /// A number below `bound`, each equally likely.
    ///
    /// # Panics
    /// When `bound` is 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        assert!(bound > 0, "a random number below 0 was asked for");
        // Lemire 2019: the high half of a product, with the few values that would favour small
        // results drawn again.
        let threshold = bound.wrapping_neg() % bound;
        loop {
            let product = u128::from(self.next_u64()) * u128::from(bound);
            if product as u64 >= threshold {
                return (product >> 64) as u64;
            }
        }
    }

    /// Fills `bytes` with random bytes.
    pub fn fill(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            chunk.copy_from_slice(&self.next_u64().to_le_bytes()[..chunk.len()]);
        }
    }

    /// A generator with a seed drawn from this one, so that what draws from it does not change what
    /// others draw from this one later.
    #[must_use]
    pub fn fork(&mut self) -> Self {
        Self::from_seed(self.next_u64())
    }
}

fn split_mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
