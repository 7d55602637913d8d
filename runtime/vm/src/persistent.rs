//! Persistent maps and vectors: values that never change, at the price of ones that do.
//!
//! 1. All versions made from one another share a table that is as the *current* version wants it.
//!    An older version is the one it was changed into and what that change took away (Baker,
//!    "Shallow binding makes functional arrays fast", 1991). Using an older version turns the
//!    links between the two round.
//! 2. Changes and turned links cost the table its budget; when that is used up, the next version
//!    gets a table of its own. So an old version keeps at most as many changes alive as its table
//!    has entries, and two versions used in turn soon have nothing to do with each other.
//!    Keys that are added to the newest map cost nothing: see [`map`].
//! 3. Changes are told by key, not by place: a table may be grown and tidied under its versions.
//! 4. Nothing here collects: callers hold plain values.
//! 5. One mutator at a time: reading a version may turn links round. Every function here takes the
//!    heap's turn at everything, which costs nothing while there is one mutator. What is done most,
//!    with a version that is current, needs the turn at its table only, if it does not look at keys
//!    that have tables themselves, and makes no other table: the link from version to table is
//!    changed only with that turn held.
//!
//! Knows equality and the heap; not the language.

mod direct;
mod hash;
mod index;
mod limits;
pub mod map;
mod table;
pub mod vector;
mod versions;

pub use limits::ENTRIES_MAX;

/// The hash by which maps tell keys apart.
#[cfg(test)]
pub(crate) fn hash_of(heap: &valk_heap::Heap, value: valk_heap::Value) -> u32 {
    hash::hash(heap, value)
}
