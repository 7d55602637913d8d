//! Several collectors at one work list.
//!
//! 1. Each collector has a tracer and a deque. What it finds it keeps to itself, until another is
//!    out of work: then it puts some into its deque, where the other steals it.
//! 2. A collector without work that finds none offers to end; when all have, nothing is left
//!    anywhere (`termination`).
//!
//! Does not know what tracing is.

use crate::trace::{Done, Pass, SharedOldSpace, Tracer};
use crate::value::Value;
use std::sync::{Mutex, PoisonError};
use valk_sync::coordinator::World;
use valk_sync::deque::{Steal, Stealer, Worker};
use valk_sync::termination::{TerminationDetector, Verdict};

/// Cells a collector scans between two looks at whether somebody wants some.
const CELLS_BETWEEN: usize = 64;
/// Cells that are put into a deque at a time, at most.
const SHARED_MAX: usize = 256;
/// A collector with fewer cells keeps them.
const SHARED_ABOVE: usize = 16;

/// A collection that several take part in.
pub(crate) struct Team<'h> {
    pass: Pass,
    young: (usize, usize),
    old: &'h SharedOldSpace,
}

/// What one collector begins with.
struct Seat {
    deque: Worker<usize>,
    work: Vec<Value>,
}

impl<'h> Team<'h> {
    pub fn new(pass: Pass, young: (usize, usize), old: &'h SharedOldSpace) -> Team<'h> {
        Team { pass, young, old }
    }

    /// Follows what `done` has left, with everybody who has stopped; what was done in all.
    pub fn drain(&self, world: &World<'_>, mut done: Done) -> Done {
        let count = world.participants();
        let mut seats: Vec<Seat> =
            (0..count).map(|_| Seat { deque: Worker::new(), work: Vec::new() }).collect();
        for (number, cell) in done.work.drain(..).enumerate() {
            seats[number % count].work.push(cell);
        }
        let stealers: Vec<Stealer<usize>> = seats.iter().map(|seat| seat.deque.stealer()).collect();
        let seats: Vec<Mutex<Option<Seat>>> =
            seats.into_iter().map(|seat| Mutex::new(Some(seat))).collect();
        let detector = TerminationDetector::new(count);
        let total = Mutex::new(done);
        world.parallel(|participant| {
            let seat = lock(&seats[participant.index]).take();
            let Some(Seat { deque, work }) = seat else { return };
            let mut tracer = Tracer::new(self.pass, self.young, self.old, work);
            tracer.join_others();
            let mut collector =
                Collector { tracer, deque, stealers: &stealers, detector: &detector };
            collector.run();
            let part = collector.tracer.finish();
            let mut total = lock(&total);
            total.promoted_bytes += part.promoted_bytes;
            total.promoted_cells += part.promoted_cells;
            total.updated_slots += part.updated_slots;
        });
        total.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Collector<'t, 'h> {
    tracer: Tracer<'h>,
    deque: Worker<usize>,
    stealers: &'t [Stealer<usize>],
    detector: &'t TerminationDetector,
}

impl Collector<'_, '_> {
    fn run(&mut self) {
        loop {
            while !self.tracer.drain(CELLS_BETWEEN) {
                self.share();
            }
            if let Some(cell) = self.deque.pop().or_else(|| self.steal()) {
                // SAFETY: the word of a reference to an old cell, which no collection moves.
                self.tracer.work().push(unsafe { Value::from_bits(cell as u64) });
                continue;
            }
            let stealers = self.stealers;
            let sees_work = || stealers.iter().any(|stealer| !stealer.is_empty());
            match self.detector.offer(sees_work) {
                Verdict::Resume => {}
                Verdict::Ended => return,
            }
        }
    }

    /// Puts the older half of the work into the deque if somebody is out of work and the deque is
    /// empty.
    fn share(&mut self) {
        if !self.detector.is_anybody_idle() || !self.deque.is_empty() {
            return;
        }
        let work = self.tracer.work();
        if work.len() < SHARED_ABOVE {
            return;
        }
        for cell in work.drain(..(work.len() / 2).min(SHARED_MAX)) {
            let shared = self.deque.push(cell.bits() as usize);
            shared.expect("the deque was empty");
        }
        self.detector.announce();
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
