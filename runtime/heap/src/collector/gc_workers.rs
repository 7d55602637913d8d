//! GC workers: the threads of stopped mutators, which trace in parallel.
//!
//! 1. Each worker has a tracer and a deque. It begins with the roots of its own mutator, whose
//!    objects are in the cache of its processor. It keeps the cells that it finds to itself until
//!    another worker is idle; then it puts some into its deque, where the other steals them.
//! 2. A worker without cells that finds none to steal offers to terminate; when all have, no cell
//!    is left anywhere (`termination`).
//!
//! Does not know what tracing is.

use crate::collector::tracer::{Pass, SharedOldSpace, TraceResult, Tracer};
use crate::values::value::Value;
use std::sync::{Mutex, PoisonError};
use valk_sync::coordinator::{Participant, World};
use valk_sync::deque::{Steal, Stealer, Worker};
use valk_sync::shim::lock;
use valk_sync::termination::{OfferResult, TerminationDetector};

/// Cells that a worker scans before it checks again whether another worker is idle.
const CELLS_BETWEEN_IDLE_CHECKS: usize = 64;
/// Most cells that are put into a deque at a time.
const BATCH_CELLS_MAX: usize = 256;
/// A worker with fewer cells keeps them all.
const BATCH_SOURCE_CELLS_MIN: usize = 16;

/// A parallel trace.
pub(crate) struct GcWorkers<'h> {
    pass: Pass,
    young: (usize, usize),
    old: &'h SharedOldSpace,
}

impl<'h> GcWorkers<'h> {
    pub fn new(pass: Pass, young: (usize, usize), old: &'h SharedOldSpace) -> GcWorkers<'h> {
        GcWorkers { pass, young, old }
    }

    /// Traces the cells that `done` has left, on all stopped threads. Returns the sum of what was
    /// done.
    pub fn trace_rest(&self, world: &World<'_>, mut done: TraceResult) -> TraceResult {
        let count = world.participants();
        let mut shares: Vec<Vec<Value>> = vec![Vec::new(); count];
        for (number, cell) in done.work.drain(..).enumerate() {
            shares[number % count].push(cell);
        }
        let shares: Vec<Mutex<Vec<Value>>> = shares.into_iter().map(Mutex::new).collect();
        let begin = |participant: Participant, tracer: &mut Tracer<'_>| {
            tracer.work().append(&mut lock(&shares[participant.index]));
        };
        let helped = self.trace(world, begin);
        done.promoted_bytes += helped.promoted_bytes;
        done.promoted_cells += helped.promoted_cells;
        done.updated_slots += helped.updated_slots;
        done
    }

    /// Traces on all stopped threads: each calls `begin`, which shows roots to its tracer, and
    /// follows what that found. Returns the sum of what was done.
    pub fn trace(
        &self,
        world: &World<'_>,
        begin: impl Fn(Participant, &mut Tracer<'_>) + Sync,
    ) -> TraceResult {
        let count = world.participants();
        let deques: Vec<Worker<usize>> = (0..count).map(|_| Worker::new()).collect();
        let stealers: Vec<Stealer<usize>> = deques.iter().map(Worker::stealer).collect();
        let deques: Vec<Mutex<Option<Worker<usize>>>> =
            deques.into_iter().map(|deque| Mutex::new(Some(deque))).collect();
        let detector = TerminationDetector::new(count);
        let total = Mutex::new(TraceResult::default());
        world.parallel(|participant| {
            let deque = lock(&deques[participant.index]).take();
            let deque = deque.expect("participants are numbered");
            let mut tracer = Tracer::new(self.pass, self.young, self.old, Vec::new());
            tracer.set_parallel();
            begin(participant, &mut tracer);
            let mut worker = GcWorker { tracer, deque, stealers: &stealers, detector: &detector };
            worker.run();
            let part = worker.tracer.finish();
            let mut total = lock(&total);
            total.promoted_bytes += part.promoted_bytes;
            total.promoted_cells += part.promoted_cells;
            total.updated_slots += part.updated_slots;
        });
        total.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

struct GcWorker<'t, 'h> {
    tracer: Tracer<'h>,
    deque: Worker<usize>,
    stealers: &'t [Stealer<usize>],
    detector: &'t TerminationDetector,
}

impl GcWorker<'_, '_> {
    fn run(&mut self) {
        loop {
            while !self.tracer.drain(CELLS_BETWEEN_IDLE_CHECKS) {
                self.share();
            }
            if let Some(cell) = self.deque.pop().or_else(|| self.steal()) {
                // SAFETY: the word of a reference to an old cell, which no collection moves.
                self.tracer.work().push(unsafe { Value::from_bits(cell as u64) });
                continue;
            }
            let stealers = self.stealers;
            let sees_work = || stealers.iter().any(|stealer| !stealer.is_empty());
            match self.detector.offer_termination(sees_work) {
                OfferResult::Resume => {}
                OfferResult::Ended => return,
            }
        }
    }

    /// Puts the older half of the work list into the deque if another worker is idle and the deque
    /// is empty.
    fn share(&mut self) {
        if !self.detector.has_idle_worker() || !self.deque.is_empty() {
            return;
        }
        let work = self.tracer.work();
        if work.len() < BATCH_SOURCE_CELLS_MIN {
            return;
        }
        for cell in work.drain(..(work.len() / 2).min(BATCH_CELLS_MAX)) {
            let shared = self.deque.push(cell.bits() as usize);
            shared.expect("the deque was empty");
        }
        self.detector.announce_work();
    }

    fn steal(&self) -> Option<usize> {
        for stealer in self.stealers {
            loop {
                match stealer.steal() {
                    Steal::Item(cell) => return Some(cell),
                    Steal::Retry => {}
                    Steal::Empty => break,
                }
            }
        }
        None
    }
}
