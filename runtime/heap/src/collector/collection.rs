//! What a collection covers, and what it did.

/// How much to collect.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Collection {
    /// The nursery.
    Minor,
    /// Everything.
    Full,
    /// What the heap thinks is due.
    Auto,
}

/// What a collection did.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Collected {
    /// What was collected: [`Collection::Minor`] or [`Collection::Full`].
    pub kind: Collection,
    /// Bytes of the nursery in use before.
    pub young_bytes: usize,
    /// Bytes in use before less bytes in use after; never negative.
    pub reclaimed_bytes: usize,
    /// Bytes moved from the nursery to the old space.
    pub promoted_bytes: usize,
    /// Bytes in use afterwards.
    pub used_bytes: usize,
    /// How long it took, in microseconds.
    pub pause_us: u64,
    /// It was the caller that did it, and not another mutator at the same time.
    pub led: bool,
}
