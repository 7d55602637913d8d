//! A snapshot of which slots were in use: how it differs from an earlier one, and its summary in
//! buckets.
//!
//! Plain data. Knows nothing of the slab it was taken from.

use std::fmt::Write;

/// Which slots were in use. Taken word by word while slots come and go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Usage {
    slots: usize,
    /// One bit per slot, the lowest slot in the lowest bit; bits above the last slot are clear.
    words: Box<[u64]>,
}

/// Neighbouring bytes of two bitmaps that differ in the same bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// First byte of the run.
    pub offset: usize,
    /// The bits in which each byte differs, never 0.
    pub changed: u8,
    /// Bytes of the run, at least 1.
    pub bytes: usize,
}

/// Counts of a range of slots.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bucket {
    /// Slots that were in use.
    pub used: usize,
    /// Slots that were free.
    pub free: usize,
}

impl Usage {
    pub(super) fn new(slots: usize, words: impl Iterator<Item = u64>) -> Self {
        Self { slots, words: words.collect() }
    }

    /// Number of slots.
    pub fn slots(&self) -> usize {
        self.slots
    }

    /// Whether the slot was in use; false for a number beyond the slab.
    pub fn is_in_use(&self, slot: usize) -> bool {
        self.words.get(slot / 64).is_some_and(|word| word >> (slot % 64) & 1 == 1)
    }

    /// Slots that were in use.
    pub fn in_use(&self) -> usize {
        self.words.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// The bitmap in bytes, eight slots to each, the lowest slot in the lowest bit of the first.
    fn bytes(&self) -> impl Iterator<Item = u8> {
        self.words.iter().flat_map(|word| word.to_le_bytes()).take(self.slots.div_ceil(8))
    }

    /// What has changed since `before`, in ascending order; `None` when that is the picture of a
    /// slab of another size.
    pub fn changes_since(&self, before: &Usage) -> Option<Vec<Run>> {
        if self.slots != before.slots {
            return None;
        }
        let mut runs: Vec<Run> = Vec::new();
        for (offset, (now, then)) in self.bytes().zip(before.bytes()).enumerate() {
            let changed = now ^ then;
            if changed == 0 {
                continue;
            }
            match runs.last_mut() {
                Some(run) if run.changed == changed && run.offset + run.bytes == offset => {
                    run.bytes += 1;
                }
                _ => runs.push(Run { offset, changed, bytes: 1 }),
            }
        }
        Some(runs)
    }

    /// The slots from `start` up to, not including, `end` in `count` buckets of the same size, but
    /// for the last ones, which may have fewer slots or none. No bucket when there is no such slot.
    pub fn buckets(&self, start: usize, end: usize, count: usize) -> Vec<Bucket> {
        let end = end.min(self.slots);
        if start >= end || count == 0 {
            return Vec::new();
        }
        let size = (end - start).div_ceil(count);
        let bucket = |number: usize| {
            // More buckets than slots: what begins behind the end is empty.
            let from = start.saturating_add(size.saturating_mul(number)).min(end);
            let to = from.saturating_add(size).min(end);
            let used = (from..to).filter(|slot| self.is_in_use(*slot)).count();
            Bucket { used, free: to - from - used }
        };
        (0..count).map(bucket).collect()
    }
}

/// The text form of what changed: `offset:bits` or `offset:bits*bytes`, the bits in hexadecimal,
/// joined by commas. Empty when nothing changed.
pub fn changes_text(runs: &[Run]) -> String {
    let mut text = String::new();
    for Run { offset, changed, bytes } in runs {
        let comma = if text.is_empty() { "" } else { "," };
        let _ = write!(text, "{comma}{offset}:{changed:02x}");
        if *bytes > 1 {
            let _ = write!(text, "*{bytes}");
        }
    }
    text
}
