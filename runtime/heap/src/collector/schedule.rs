//! Stress schedules: when collections are forced, as a reproducible sequence of choices.
//!
//! Pure: knows numbers, not heaps.

use std::cell::Cell;

/// Whether collections are forced more often than memory asks for.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Default)]
pub enum Stress {
    /// When memory requires it.
    #[default]
    Off,
    /// [`crate::Heap::wants_collection`] is always true.
    EverySafepoint,
    /// After random amounts of allocation, from a few bytes to a nursery; one in eight collections
    /// is a full one.
    Random {
        /// Repeats the schedule.
        seed: u64,
    },
}

/// One in so many forced collections is full.
pub(crate) const FULL_ONE_IN: usize = 8;
/// One in so many requests is refused.
pub(crate) const REFUSE_ONE_IN: usize = 4;
/// Halvings of the nursery, at most, that a random amount of allocation is taken from.
const HALVINGS_MAX: usize = 13;

/// A reproducible random sequence (splitmix64: Steele, Lea, Flood, 2014).
#[derive(Clone, Debug)]
pub(crate) struct ScheduleRng(Cell<u64>);

impl ScheduleRng {
    pub fn new(seed: u64) -> ScheduleRng {
        ScheduleRng(Cell::new(seed))
    }

    fn next(&self) -> u64 {
        let state = self.0.get().wrapping_add(0x9E37_79B9_7F4A_7C15);
        self.0.set(state);
        let mixed = (state ^ state >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ mixed >> 31
    }

    /// A number below `bound`, which is not 0.
    pub fn below(&self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    /// True once in `times`, on average.
    pub fn one_in(&self, times: usize) -> bool {
        self.below(times) == 0
    }

    /// How much of a nursery to use before the next collection, in bytes.
    pub fn part_of(&self, nursery_bytes: usize) -> usize {
        let most = nursery_bytes >> self.below(HALVINGS_MAX);
        self.below(most.max(1))
    }
}
