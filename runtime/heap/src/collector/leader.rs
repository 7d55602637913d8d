//! Stop-the-world collections, as their leader runs them.
//!
//! 1. Minor: the roots, the root table, the globals and the remembered sets are the only places
//!    that can refer to the young region. Full: everything reachable is followed, the remembered
//!    sets are not needed, and cells that were not reached are free afterwards.
//! 2. The mutator that leads a collection collects all nurseries while the world is stopped. The
//!    other stopped mutators trace as GC workers (`gc_workers`) where enough of them have stopped:
//!    from the start in a full collection and when much survived the last one, otherwise once the
//!    leader finds that there is much to trace.
//! 3. A mutator whose young objects are unpublished collects its own nursery while others run
//!    (`local_collection`).
//! 4. The coordinator of the heap orders what collectors do with what every mutator did and will
//!    do.
//!
//! Does not know what the roots are, nor how cells are followed and moved.

use crate::accounting::limits::{FULL_SOON_MS, PARALLEL_SURVIVAL_BYTES, RETAINED_WORK_ENTRIES};
use crate::collector::collection::{Collected, Collection};
use crate::collector::gc_workers::GcWorkers;
use crate::collector::tracer::{Pass, SharedOldSpace, TraceResult, Tracer, after_collection};
use crate::mutator::heap::Heap;
use crate::mutator::shared_heap::{LockedState, MutatorState, SharedHeap};
use crate::roots::mutator_roots::Roots;
use crate::spaces::page::Page;
use crate::values::host::HostObject;
use crate::values::object::UNLOGGED;
use crate::values::value::Value;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Instant;
use valk_sync::coordinator::{CollectOutcome, Participant, World};
use valk_sync::shim::lock;

impl Heap {
    /// Collects garbage for all mutators of the heap, which are stopped meanwhile; with
    /// [`Collection::Auto`], when that is enough, only in the nursery of this mutator, while the
    /// others run. If another mutator already leads a collection, this one takes part in it, and
    /// then collects again if it was called with [`Collection::Full`] and that collection was not
    /// full. Runs the destructors of dead hosts last.
    ///
    /// Unlike every other operation, this invalidates values: after it, a `Value` may be used only
    /// if `roots` showed it (and it is read again from there), or it is reached from such a value
    /// or from a [`crate::Root`].
    ///
    /// # Safety
    /// The caller uses no `Value`, and nothing that borrows from one, beyond what is said above;
    /// every `Value` inside a host that was changed was announced by [`Heap::touch_host`].
    pub unsafe fn collect(&mut self, kind: Collection, roots: &mut dyn Roots) -> Collected {
        self.acknowledge_poll();
        let request = Request {
            kind,
            generational: self.generational,
            forces_full: kind == Collection::Auto && self.forces_full(),
            refused: self.injects_failure(),
        };
        let is_forced = request.forces_full || request.refused;
        if kind == Collection::Auto && !is_forced && self.may_collect_locally() {
            return self.collect_locally(roots);
        }
        // SAFETY: the caller's promise; `roots` is borrowed until this returns.
        unsafe { self.publish_roots(roots) };
        let shared = Arc::clone(&self.shared);
        let (collected, dead) = loop {
            let asked = Instant::now();
            // SAFETY: `lead` runs in the stopped world.
            match self.mutator.collect(|world| unsafe { lead(&shared, world, &request, asked) }) {
                CollectOutcome::Led(result) => break result,
                CollectOutcome::Refused => {
                    unreachable!("no heap begins the shutdown of its coordinator")
                }
                CollectOutcome::Joined => {
                    let last = self.locked().last;
                    if let Some(last) = last
                        && (kind != Collection::Full || last.kind == Collection::Full)
                    {
                        break (Collected { led: false, ..last }, Vec::new());
                    }
                }
            }
        };
        self.renew_requests();
        // Destructors are foreign code: they run when the heap is whole again.
        drop(dead);
        collected
    }
}

/// What the leader of a collection is to do.
struct Request {
    kind: Collection,
    generational: bool,
    forces_full: bool,
    /// Pretends that the heap is over its hard limit.
    refused: bool,
}

type Dead = Vec<Box<dyn HostObject>>;

/// A collection as its leader runs it.
struct Leader<'a> {
    shared: &'a SharedHeap,
    world: &'a World<'a>,
    common: MutexGuard<'a, LockedState>,
    states: Vec<MutatorState<'a>>,
}

/// Collects. Returns what it did and the dead hosts, to be dropped afterwards.
///
/// # Safety
/// The world is stopped and the caller leads it.
unsafe fn lead(
    shared: &SharedHeap,
    world: &World<'_>,
    request: &Request,
    asked: Instant,
) -> (Collected, Dead) {
    // SAFETY: the caller's promise.
    let states = unsafe { shared.mutator_states() };
    let mut common = shared.lock();
    if world.participants() + world.frozen().count() > 1 {
        common.statistics.count_stop(asked.elapsed().as_micros() as u64);
    }
    Leader { shared, world, common, states }.collect(request)
}

impl Leader<'_> {
    fn collect(mut self, request: &Request) -> (Collected, Dead) {
        let started = Instant::now();
        let used_before = self.note_peak();
        let young_bytes = self.young_bytes();
        self.common.statistics.allocated_bytes += young_bytes as u64;
        let limit = self.common.limits.hard_bytes;
        let full_due = self.tenured_bytes() > self.common.limits.full_at_bytes
            && (self.full_interval_is_over(started) || used_before > limit);
        let full = match request.kind {
            Collection::Full => true,
            Collection::Minor => !request.generational,
            Collection::Auto => full_due || !request.generational || request.forces_full,
        };
        let mut pass = if full { Pass::Full } else { Pass::Minor };
        let asked_for = request.kind != Collection::Auto;
        let (mut promoted_bytes, mut dead) = self.pass(pass, asked_for);
        let is_over = self.tenured_bytes() > limit || request.refused;
        if request.kind == Collection::Auto && pass == Pass::Minor && is_over {
            self.common.statistics.collections_emergency += 1;
            pass = Pass::Full;
            let (more, hosts) = self.pass(pass, true);
            promoted_bytes += more;
            dead = hosts;
        }
        for wanted in self.states.iter_mut().filter_map(|state| state.wanted.as_deref_mut()) {
            *wanted = false;
        }
        let used_bytes = self.note_peak();
        let reclaimed_bytes = used_before.saturating_sub(used_bytes);
        let pause_us = started.elapsed().as_micros() as u64;
        let kind = if pass == Pass::Full { Collection::Full } else { Collection::Minor };
        let collected = Collected {
            kind,
            young_bytes,
            reclaimed_bytes,
            promoted_bytes,
            used_bytes,
            pause_us,
            led: true,
        };
        self.common.statistics.count(&collected, dead.len());
        self.common.last = Some(collected);
        (collected, dead)
    }

    /// Whether the last full collection is long enough ago for an automatic one.
    fn full_interval_is_over(&self, now: Instant) -> bool {
        let milliseconds = u128::from(self.common.full_interval_ms);
        let last = self.common.last_full;
        last.is_none_or(|last| now.duration_since(last).as_millis() >= milliseconds)
    }

    /// Bytes in use in all nurseries.
    fn young_bytes(&self) -> usize {
        self.states.iter().map(|state| state.young.used_bytes()).sum()
    }

    fn tenured_bytes(&self) -> usize {
        self.shared.tenured_bytes(&self.common)
    }

    /// Bytes in use; updates the peaks.
    fn note_peak(&mut self) -> usize {
        let young = self.young_bytes();
        let used = young + self.tenured_bytes();
        let statistics = &mut self.common.statistics;
        statistics.used_bytes_peak = statistics.used_bytes_peak.max(used);
        statistics.young_bytes_peak = statistics.young_bytes_peak.max(young);
        used
    }

    /// One pass: traces, updates weak values, empties the nurseries and, in a full pass, sweeps.
    /// Returns the promoted bytes and the dead hosts. The program may have `asked_for` it.
    fn pass(&mut self, pass: Pass, asked_for: bool) -> (usize, Dead) {
        let common = &mut *self.common;
        let old = &self.shared.old;
        if pass == Pass::Full {
            lock(old).begin_full();
        }
        let much = pass == Pass::Full || common.survived_bytes >= PARALLEL_SURVIVAL_BYTES;
        let done = if much && self.world.participants() >= common.gc_workers_min {
            self.trace_in_parallel(pass, old)
        } else {
            self.trace_serially(pass, old)
        };
        let common = &mut *self.common;
        let promoted_bytes = done.promoted_bytes;
        if pass == Pass::Minor {
            common.survived_bytes = promoted_bytes;
        }
        common.statistics.promoted_cells += done.promoted_cells;
        common.statistics.updated_slots += done.updated_slots;
        let young = self.shared.young();
        lock(old).update_weak(pass == Pass::Full, |value| after_collection(value, pass, young));
        for state in &mut self.states {
            // Before the sweep: remembered cells may be dead, but are still there.
            forget(state.remembered);
            state.young.reset();
        }
        // Nothing is young.
        self.shared.published.store(false, Ordering::Relaxed);
        if pass == Pass::Minor {
            common.statistics.collections_minor += 1;
            return (promoted_bytes, Vec::new());
        }
        let dead = lock(old).sweep();
        common.statistics.collections_full += 1;
        let now = Instant::now();
        let last = common.last_full.replace(now);
        let is_soon = last.is_some_and(|last| (now - last).as_millis() < FULL_SOON_MS);
        let tenured = self.tenured_bytes();
        let limits = &mut self.common.limits;
        limits.running = self.world.participants();
        limits.rearm(tenured);
        // A program that asks for a full collection wants the memory back.
        let is_spent = asked_for || !is_soon;
        let wanted = if is_spent { 0 } else { limits.floor_bytes().saturating_sub(tenured) };
        lock(old).trim(wanted);
        (promoted_bytes, dead)
    }

    /// Traces from the roots on this thread, and in parallel once that is much.
    fn trace_serially(&mut self, pass: Pass, old: &SharedOldSpace) -> TraceResult {
        let common = &mut *self.common;
        let work = std::mem::take(&mut common.work);
        let mut tracer = Tracer::new(pass, self.shared.young(), old, work);
        for state in &mut self.states {
            state.begin(&mut tracer);
        }
        self.shared.globals.trace(&mut tracer);
        common.roots.trace(&mut tracer);
        let may_be_helped = self.world.participants() >= common.gc_workers_min;
        let is_helped = may_be_helped && !tracer.drain(common.serial_trace_cells);
        if !is_helped {
            tracer.drain(usize::MAX);
        }
        let mut done = tracer.finish();
        if is_helped {
            common.statistics.collections_parallel += 1;
            done = GcWorkers::new(pass, self.shared.young(), old).trace_rest(self.world, done);
        }
        common.work = std::mem::take(&mut done.work);
        common.work.shrink_to(RETAINED_WORK_ENTRIES);
        done
    }

    /// Traces from the roots in parallel, on all threads that have stopped.
    fn trace_in_parallel(&mut self, pass: Pass, old: &SharedOldSpace) -> TraceResult {
        self.common.statistics.collections_parallel += 1;
        // The leader traces the roots of these slots.
        let mut is_left: Vec<bool> =
            self.states.iter().map(|state| state.roots.is_none()).collect();
        for slot in self.world.frozen().filter(|slot| *slot < self.states.len()) {
            is_left[slot] = true;
        }
        let states: Vec<Mutex<SentState<'_, '_>>> =
            self.states.iter_mut().map(|state| Mutex::new(SentState(state))).collect();
        let table = Mutex::new(&mut self.common.roots);
        let begin = |participant: Participant, tracer: &mut Tracer<'_>| {
            let begin = |slot: usize, tracer: &mut Tracer<'_>| lock(&states[slot]).0.begin(tracer);
            begin(participant.slot, tracer);
            if participant.index > 0 {
                return;
            }
            for slot in (0..states.len()).filter(|slot| is_left[*slot]) {
                begin(slot, tracer);
            }
            self.shared.globals.trace(tracer);
            lock(&table).trace(tracer);
        };
        GcWorkers::new(pass, self.shared.young(), old).trace(self.world, begin)
    }
}

/// The state of a mutator, sent to another thread than the leader's.
struct SentState<'p, 'a>(&'p mut MutatorState<'a>);

// SAFETY: the mutator whose state it is has stopped, or is gone, so any thread may trace its roots;
// the leader lets one thread at a time do so.
unsafe impl Send for SentState<'_, '_> {}

/// Empties a remembered set.
fn forget(remembered: &mut Vec<Value>) {
    for cell in remembered.drain(..) {
        let address = cell.address();
        if cell.is_pair() {
            // SAFETY: remembered cells lie in the old space.
            unsafe { Page::of(address) }.unlog(address);
        } else {
            let mut header = cell.header();
            header.flags |= UNLOGGED;
            // SAFETY: as above; the header is rewritten in place, in a stopped world.
            unsafe { header.store(address) };
        }
    }
}
