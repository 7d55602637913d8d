//! Collections of one nursery while other mutators run.
//!
//! 1. A reference into a nursery is *published* when another mutator might come by it: written to an old
//!    object, to a global, to the table of roots, to a host, or given away in a way that the heap is
//!    told of ([`Heap::publish`]). Whoever does any of these says so first, in one flag of the heap, which
//!    only a collection in a stopped world takes back; after it nothing is young.
//! 2. While the flag is down, each young object is known to the mutator that made it and to nobody else:
//!    that mutator's roots and young objects are all that leads to it, and lead to no other's nursery.
//!    For who comes by a reference of another's has synchronised with it, and sees the flag.
//! 3. So a mutator that finds the flag down may move its young objects as it likes: nobody else reads or
//!    writes them or what refers to them. Remembered sets are empty then, as whatever is written
//!    to an old object raises the flag; an object that is remembered already does so no more, but it
//!    has.
//! 4. What it shares with others meanwhile is the old space, where it takes and gives back holes under the
//!    lock. Marks do not change and no page goes away but in a stopped world, which waits for it.
//!
//! Does not know when to collect.

use crate::accounting::limits::RETAINED_WORK_ENTRIES;
use crate::collector::collection::{Collected, Collection};
use crate::collector::tracer::{Pass, Tracer};
use crate::mutator::heap::Heap;
use crate::roots::mutator_roots::Roots;
use crate::values::value::Value;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

impl Heap {
    /// Says that others may come by references into this mutator's nursery in a way that the heap does not
    /// see: before that happens.
    #[inline]
    pub fn publish(&self) {
        // Relaxed: the way by which others come by the reference orders this before it.
        if !self.shared.published.load(Ordering::Relaxed) {
            self.shared.published.store(true, Ordering::Relaxed);
        }
    }

    /// The same if `value` refers to a young object.
    pub(crate) fn publish_young(&self, value: Value) {
        if value.is_reference() && self.is_young(value) {
            self.publish();
        }
    }

    /// Whether this mutator may collect its nursery while others run (rule 3), and that is enough.
    pub(crate) fn may_collect_locally(&self) -> bool {
        if !self.is_shared || !self.generational || self.mutator.is_asked_to_stop() {
            return false;
        }
        if self.shared.published.load(Ordering::Relaxed) {
            return false;
        }
        debug_assert!(
            self.remembered.is_empty(),
            "rule 3 of own: nothing was written to old objects"
        );
        let common = self.locked();
        let tenured = self.shared.tenured_bytes(&common);
        let most = common.limits.full_at_bytes.min(common.limits.hard_bytes);
        tenured + self.young.used_bytes() <= most
    }

    /// Collects this mutator's nursery (rule 3).
    pub(crate) fn collect_locally(&mut self, roots: &mut dyn Roots) -> Collected {
        let started = Instant::now();
        let young_bytes = self.young.used_bytes();
        let shared = Arc::clone(&self.shared);
        let work = std::mem::take(&mut self.work);
        let mut tracer = Tracer::new(Pass::Minor, self.young.lot(), &shared.old, work);
        roots.trace(&mut tracer);
        tracer.drain(usize::MAX);
        let mut done = tracer.finish();
        self.young.reset();
        self.collection_requested = false;
        self.work = std::mem::take(&mut done.work);
        self.work.shrink_to(RETAINED_WORK_ENTRIES);
        let mut common = shared.lock();
        let used_bytes = shared.tenured_bytes(&common);
        let used_before = (used_bytes + young_bytes).saturating_sub(done.promoted_bytes);
        let collected = Collected {
            kind: Collection::Minor,
            young_bytes,
            reclaimed_bytes: used_before.saturating_sub(used_bytes),
            promoted_bytes: done.promoted_bytes,
            used_bytes,
            pause_us: started.elapsed().as_micros() as u64,
            led: true,
        };
        let statistics = &mut common.statistics;
        statistics.allocated_bytes += young_bytes as u64;
        statistics.used_bytes_peak = statistics.used_bytes_peak.max(used_before);
        statistics.young_bytes_peak = statistics.young_bytes_peak.max(young_bytes);
        statistics.collections_minor += 1;
        statistics.collections_local += 1;
        statistics.promoted_cells += done.promoted_cells;
        statistics.updated_slots += done.updated_slots;
        statistics.count(&collected, 0);
        drop(common);
        self.renew_requests();
        collected
    }
}
