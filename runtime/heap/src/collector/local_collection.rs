//! Thread-local collection: one mutator collects its nursery while the others run.
//!
//! The scheme of Doligez and Leroy (POPL 1993), with one flag for the whole heap:
//!
//! 1. A reference into a nursery is *published* before another mutator can obtain it: when it is
//!    written to an old object, a global, the table of roots or a host, or passed on in another way
//!    that the caller reports ([`Heap::publish`]). Publishing sets a flag of the heap. Only a
//!    collection in a stopped world clears it; after that no object is young.
//! 2. While the flag is clear, each young object is known only to the mutator that allocated it:
//!    all references to it are in that mutator's roots and young objects, and it refers to no other
//!    nursery. A mutator that obtains a reference from another one has synchronised with it, and
//!    sees the flag.
//! 3. So a mutator that finds the flag clear may move its young objects: no other mutator reads or
//!    writes them or the references to them. The remembered sets are empty then, because a write to
//!    an old object sets the flag. A write to an object that is already remembered does not set it
//!    again, but the write that remembered the object has.
//! 4. Concurrent mutators share the old space, where they take and give back holes under its lock.
//!    Marks change and pages are freed only in a stopped world, which waits for this collection.
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
    /// Publishes this mutator's nursery. To be called before another mutator can obtain a reference
    /// into it in a way that the heap does not see.
    #[inline]
    pub fn publish(&self) {
        // Relaxed: the synchronisation by which another mutator obtains the reference orders this
        // before it.
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

    /// Whether this mutator may collect its nursery while others run (rule 3), and that frees
    /// enough.
    pub(crate) fn may_collect_locally(&self) -> bool {
        if !self.is_shared || !self.generational || self.mutator.is_asked_to_stop() {
            return false;
        }
        if self.shared.published.load(Ordering::Relaxed) {
            return false;
        }
        debug_assert!(
            self.remembered.is_empty(),
            "rule 3 of local_collection: nothing was written to old objects"
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
        let mut tracer = Tracer::new(Pass::Minor, self.young.area(), &shared.old, work);
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
