//! Stress schedules: collections and refusals at unusual moments, for finding what ordinary ones
//! hide.
//!
//! 1. A seed determines the schedule of a program: the same seed and program collect at
//!    the same places and refuse the same requests.
//! 2. A schedule does not change what a program means; [`Config::refuse`](crate::Config) makes it
//!    run out of memory, which it may at any time.
//!
//! Knows when and how much to collect, not objects.

use crate::collector::schedule::{FULL_ONE_IN, REFUSE_ONE_IN, ScheduleRng, Stress};
use crate::mutator::heap::Heap;

impl Heap {
    /// Sets the schedule of forced collections.
    pub fn set_stress(&mut self, stress: Stress) {
        self.stress = stress;
        if let Stress::Random { seed } = stress {
            self.rng = ScheduleRng::new(seed);
        }
        self.renew_requests();
    }

    /// Injects allocation failures from this seed, or none.
    pub fn set_refuse(&mut self, seed: Option<u64>) {
        self.refuse = seed.map(ScheduleRng::new);
    }

    /// After a safepoint: schedules the next forced collection, and requests again one that is still
    /// due.
    pub(crate) fn renew_requests(&mut self) {
        self.epoch += 1;
        if let Stress::Random { .. } = self.stress {
            self.young.shorten(self.rng.part_of(self.young.nursery_bytes()));
        }
        if self.collection_requested || self.stress == Stress::EverySafepoint {
            self.request_collection();
        }
    }

    /// Whether the schedule makes the collection that begins a full one.
    pub(crate) fn forces_full(&self) -> bool {
        matches!(self.stress, Stress::Random { .. }) && self.rng.one_in(FULL_ONE_IN)
    }

    /// Whether the schedule refuses this request.
    pub(crate) fn injects_failure(&self) -> bool {
        self.refuse.as_ref().is_some_and(|rng| rng.one_in(REFUSE_ONE_IN))
    }
}
