//! Unusual schedules of the collector, for finding what ordinary ones hide.
//!
//! 1. What a seed makes happen depends on the program only: the same seed and program collect at
//!    the same places and refuse the same requests.
//! 2. Nothing here changes what a program means; [`Config::refuse`](crate::Config) makes it run out
//!    of memory, which it may at any time.
//!
//! Knows when and how much, not objects.

use crate::collector::schedule::{FULL_ONE_IN, REFUSE_ONE_IN, ScheduleRng, Stress};
use crate::mutator::heap::Heap;

impl Heap {
    /// Forces collections from now on, or no longer.
    pub fn set_stress(&mut self, stress: Stress) {
        self.stress = stress;
        if let Stress::Random { seed } = stress {
            self.rng = ScheduleRng::new(seed);
        }
        self.renew_requests();
    }

    /// Makes up allocation failures from this seed on, or no longer.
    pub fn set_refuse(&mut self, seed: Option<u64>) {
        self.refuse = seed.map(ScheduleRng::new);
    }

    /// Arranges for the next forced collection, and for the one that was wanted and is still due.
    pub(crate) fn renew_requests(&mut self) {
        if let Stress::Random { .. } = self.stress {
            self.young.shorten(self.rng.part_of(self.young.nursery_bytes()));
        }
        if self.collection_requested || self.stress == Stress::EverySafepoint {
            self.request_collection();
        }
    }

    /// Whether the collection that begins is to be a full one though memory does not ask for it.
    pub(crate) fn forces_full(&self) -> bool {
        matches!(self.stress, Stress::Random { .. }) && self.rng.one_in(FULL_ONE_IN)
    }

    /// Whether a failure is to be made up now.
    pub(crate) fn injects_failure(&self) -> bool {
        self.refuse.as_ref().is_some_and(|rng| rng.one_in(REFUSE_ONE_IN))
    }
}
