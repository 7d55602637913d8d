//! Sizes of the tables behind maps and vectors.

/// Entries of a chunk of a table: what a changed entry makes a minor collection look at.
pub(crate) const CHUNK_ENTRIES: usize = 32;

/// Entries of the smallest table.
pub(super) const CAPACITY_MIN: usize = 4;

/// Entries a table can have.
pub const ENTRIES_MAX: usize = 1 << 27;
