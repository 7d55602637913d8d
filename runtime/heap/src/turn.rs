//! Turns: one mutator at a time at data that mutators change in place though it is shared.
//!
//! 1. A mutator takes its turn before it looks at such data and ends it before its next safepoint. It
//!    takes the turn of everything, or of one object and what only belongs to that.
//! 2. Who has a turn of everything may take others. Who has that of an object takes no other: so
//!    mutators never wait for each other in a circle.
//! 3. While a heap has had one mutator only, turns cost nothing.
//!
//! Objects share [`CLASSES`] turns, which all heaps of the process have in common: a turn of
//! everything is one of each class, taken in order. Does not know the data.

use crate::heap::Heap;
use crate::value::Value;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use valk_sync::turns::Turns;

/// Number of classes of objects, a power of two.
const CLASSES: usize = 16;

/// The turns of a class, on cache lines of their own.
#[derive(Default)]
#[repr(align(128))]
struct Class(Turns);

static TURNS: LazyLock<[Class; CLASSES]> = LazyLock::new(Default::default);

/// A key for the turns of one mutator.
pub(crate) fn key() -> usize {
    static LAST: AtomicUsize = AtomicUsize::new(0);
    LAST.fetch_add(1, Ordering::Relaxed) + 1
}

/// The calling mutator's turn, until it is dropped.
#[must_use = "the turn ends when this is dropped"]
pub struct Turn {
    /// None where there is nobody to wait for.
    taken: &'static [Class],
}

impl Drop for Turn {
    #[inline]
    fn drop(&mut self) {
        for class in self.taken {
            class.0.end();
        }
    }
}

impl Heap {
    /// Whether there have been other mutators, so that turns may have to wait.
    #[inline]
    pub fn is_shared(&self) -> bool {
        self.is_shared
    }

    /// Waits for this mutator's turn at everything.
    #[inline]
    pub fn turn(&self) -> Turn {
        if self.is_shared { self.take(&TURNS[..]) } else { Turn { taken: &[] } }
    }

    /// Waits for this mutator's turn at one object.
    #[inline]
    pub fn turn_at(&self, object: Value) -> Turn {
        if !self.is_shared {
            return Turn { taken: &[] };
        }
        // Fibonacci hashing: mutators put their objects at equal distances.
        let mixed = (object.address() as u64 >> 4).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let class = (mixed >> (u64::BITS - CLASSES.ilog2())) as usize;
        self.take(&TURNS[class..=class])
    }

    fn take(&self, taken: &'static [Class]) -> Turn {
        for class in taken {
            class.0.take(self.turn_key);
        }
        Turn { taken }
    }
}
