//! The free list of a slab: a stack of slot indices, shared by reference. The slots' memory is
//! elsewhere.
//!
//! The stack of Treiber ("Systems Programming: Coping with Parallelism", IBM RJ 5118, 1986) with a
//! counted head as in Michael and Scott ("Simple, Fast, and Practical Non-Blocking and Blocking
//! Concurrent Queue Algorithms", PODC 1996). Rules, cited by the comments below:
//!
//! 1. The head is one word: the index of the top slot, or `NONE`, and the number of changes to the
//!    head so far, both 32 bits wide. Each free slot links to the one below it.
//! 2. The head changes by compare-exchange, and the number with it. So an exchange succeeds only
//!    when nothing happened since the head was read, and what was read behind it holds. A thread
//!    would have to sleep through exactly 2^32 changes, or a multiple, to be fooled.
//! 3. A link is written only by the thread that puts the slot back, before the exchange that makes
//!    it the top. Others may read it at any time and forget what they read (rule 2).
//! 4. Bit `i` of the usage bitmap is set while slot `i` is in use. It is set after the slot was
//!    taken from the stack and cleared before it is put back; of two threads that put a slot back
//!    one finds the bit cleared and changes nothing.
//! 5. A thread that takes a slot sees what all threads did to it before they put it back.
//! 6. The number of slots in use is raised after taking one and lowered before putting one back, so
//!    it never exceeds the number of slots.
//!
//! `docs/concurrency.md` has the argument for each ordering and the models that hold it in place.
//! Does not know what is in a slot or how large one is.

mod bitmap;
mod stack;
mod statistics;
mod usage;

pub use statistics::Statistics;
pub use usage::{Bucket, Run, Usage, changes_text};

use crate::limits::SLAB_SLOTS_MAX;
use bitmap::Bitmap;
use stack::Stack;
use statistics::Counts;
use std::fmt;

/// A slot in use. It has one user until it is put back; a copy is the same slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Index(u32);

impl Index {
    /// Position of the slot, below the number of slots.
    pub fn get(self) -> usize {
        self.0 as usize
    }
}

/// The slot is not in use: it was put back before, or it is another slab's. Nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotInUse(pub Index);

impl fmt::Display for NotInUse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let slot = self.0.get();
        write!(f, "slot {slot} is not in use; it was put back twice, or to a slab it is not from")
    }
}

impl std::error::Error for NotInUse {}

/// The free list of a slab of fixed size.
pub struct Slab {
    stack: Stack,
    used: Bitmap,
    counts: Counts,
}

impl Slab {
    /// A slab whose `slots` slots are all free. The lowest are given out first.
    ///
    /// # Panics
    ///
    /// When `slots` is 0 or greater than [`SLAB_SLOTS_MAX`].
    pub fn new(slots: usize) -> Self {
        assert!(
            0 < slots && slots <= SLAB_SLOTS_MAX,
            "a slab of {slots} slots was asked for; give 1 to {SLAB_SLOTS_MAX}"
        );
        Self { stack: Stack::full(slots), used: Bitmap::new(slots), counts: Counts::default() }
    }

    /// Takes a free slot, the one put back last; `None` when all are in use.
    pub fn acquire(&self) -> Option<Index> {
        let Some(slot) = self.stack.pop() else {
            self.counts.refused();
            return None;
        };
        let was_out = self.used.set(slot);
        assert!(!was_out, "rule 4 of slab: slot {slot} was free");
        self.counts.taken();
        Some(Index(slot))
    }

    /// Puts a slot back. Its user does not touch it any more.
    ///
    /// A slot put back twice is noticed unless another thread has taken it in the meantime; then
    /// that thread loses it.
    ///
    /// # Errors
    ///
    /// [`NotInUse`] when the slot is not in use.
    pub fn release(&self, index: Index) -> Result<(), NotInUse> {
        if !self.used.clear(index.0) {
            return Err(NotInUse(index));
        }
        self.counts.put_back();
        self.stack.push(index.0);
        Ok(())
    }

    /// Number of slots.
    pub fn slots(&self) -> usize {
        self.stack.slots()
    }

    /// Whether the slot is in use, at some recent moment. An index of another slab is not.
    pub fn is_in_use(&self, index: Index) -> bool {
        self.used.is_set(index.0)
    }

    /// The usage bitmap, 64 slots to a word, the lowest slot in the lowest bit. Words are read one
    /// after the other while slots come and go.
    pub fn bitmap(&self) -> impl Iterator<Item = u64> {
        self.used.words()
    }

    /// A copy of the usage bitmap, to be compared with a later one.
    pub fn usage(&self) -> Usage {
        Usage::new(self.slots(), self.bitmap())
    }

    /// The numbers, each exact at some recent moment; of the same moment when nothing goes on.
    pub fn statistics(&self) -> Statistics {
        self.counts.statistics(self.slots())
    }
}

impl fmt::Debug for Slab {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slab").field("statistics", &self.statistics()).finish_non_exhaustive()
    }
}
