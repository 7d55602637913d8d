//! In which order a thief looks at the others.

use std::cell::Cell;

/// Marsaglia's xorshift ("Xorshift RNGs", Journal of Statistical Software, 2003): a few
/// instructions, and good enough to keep thieves from following each other.
pub(crate) struct Victims {
    own: usize,
    workers: usize,
    random: Cell<u64>,
}

impl Victims {
    /// The victims of worker `own` of `workers`.
    pub(crate) fn new(own: usize, workers: usize, seed: u64) -> Self {
        // An odd multiplier keeps workers apart, and bit 0 keeps the state from being 0 for ever.
        let mixed = (seed ^ (own as u64 + 1)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        Self { own, workers, random: Cell::new(mixed | 1) }
    }

    /// Every worker but the thief itself, beginning at a random one.
    pub(crate) fn round(&self) -> impl Iterator<Item = usize> + use<> {
        let (own, workers) = (self.own, self.workers);
        let first = (self.next() % workers as u64) as usize;
        (first..first + workers)
            .map(move |worker| worker % workers)
            .filter(move |worker| *worker != own)
    }

    fn next(&self) -> u64 {
        let mut random = self.random.get();
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        self.random.set(random);
        random
    }
}
