//! One bit per slot, set while the slot is in use (rule 4).

use crate::shim::{AtomicU64, Ordering::Relaxed};

/// Relaxed throughout: each change reads the newest value of its bit, and what else belongs to the
/// slot is ordered by the stack.
pub(super) struct Bitmap(Box<[AtomicU64]>);

impl Bitmap {
    /// Bits for `slots` slots, all clear.
    pub(super) fn new(slots: usize) -> Self {
        Self((0..slots.div_ceil(64)).map(|_| AtomicU64::new(0)).collect())
    }

    /// Sets the bit of `slot`; whether it was set.
    pub(super) fn set(&self, slot: u32) -> bool {
        self.0[word(slot)].fetch_or(bit(slot), Relaxed) & bit(slot) != 0
    }

    /// Clears the bit of `slot`; whether it was set. A slot that has no bit is not.
    pub(super) fn clear(&self, slot: u32) -> bool {
        let before = self.0.get(word(slot)).map(|word| word.fetch_and(!bit(slot), Relaxed));
        before.is_some_and(|before| before & bit(slot) != 0)
    }

    /// Whether the bit of `slot` is set.
    pub(super) fn is_set(&self, slot: u32) -> bool {
        self.0.get(word(slot)).is_some_and(|word| word.load(Relaxed) & bit(slot) != 0)
    }

    /// The words in ascending order of slots.
    pub(super) fn words(&self) -> impl Iterator<Item = u64> {
        self.0.iter().map(|word| word.load(Relaxed))
    }
}

const fn word(slot: u32) -> usize {
    slot as usize / 64
}

const fn bit(slot: u32) -> u64 {
    1 << (slot % 64)
}
