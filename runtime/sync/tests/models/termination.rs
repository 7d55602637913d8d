//! Models of the end of parallel work, named after the collector's invariants.
//!
//! Items are tickets: a worker that takes one reads its content, and when a worker ends every item
//! there ever was must have been done, visibly (S10).

use crate::ledger::{Ledger, Ticket};
use crate::model::{Model, Set};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use valk_sync::deque::{Steal, Stealer, Worker};
use valk_sync::shim::thread::spawn;
use valk_sync::shim::{Arc, UnsafeCell, reached_if};
use valk_sync::termination::{OfferResult, TerminationDetector};

/// The models, cheap ones first.
pub const MODELS: &[Model] = &[
    Model {
        name: "termination::l2_nothing_to_do",
        preemptions: Some(3),
        states: &[SLEPT],
        body: nothing,
        ..Model::EMPTY
    },
    Model {
        name: "termination::s10_results_are_visible",
        states: &[SLEPT],
        body: results_are_visible,
        ..Model::EMPTY
    },
    Model {
        name: "termination::s10_one_item_one_child",
        preemptions: Some(2),
        states: &[SLEPT, STOLEN, RESUMED],
        body: one_item_one_child,
        ..Model::EMPTY
    },
    Model {
        name: "termination::s11_resume_before_stealing",
        preemptions: Some(2),
        states: &[SLEPT, STOLEN, RESUMED],
        body: three_workers,
        ..Model::EMPTY
    },
    Model {
        name: "termination::s20_next_phase",
        states: &[SLEPT],
        body: next_phase,
        ..Model::EMPTY
    },
    Model {
        name: "termination::l2_nothing_to_do_exhaustive",
        set: Set::Nightly,
        states: &[SLEPT],
        body: nothing,
        ..Model::EMPTY
    },
    Model {
        name: "termination::s10_one_item_one_child_deep",
        set: Set::Nightly,
        preemptions: Some(3),
        states: &[SLEPT, STOLEN, RESUMED],
        body: one_item_one_child,
        ..Model::EMPTY
    },
];

// State recorded by the detector itself.
const SLEPT: &str = "termination: a worker slept";
// States recorded here.
const STOLEN: &str = "a worker did another's item";
const RESUMED: &str = "a worker saw work and resumed";

/// What the workers of one execution share. The count is bookkeeping that orders nothing.
struct Phase {
    detector: TerminationDetector,
    done: AtomicUsize,
    items: usize,
}

impl Phase {
    fn new(workers: usize, items: usize) -> Arc<Self> {
        let detector = TerminationDetector::new(workers);
        Arc::new(Self { detector, done: AtomicUsize::new(0), items })
    }
}

/// One worker's life: its own items, then others', then an offer. Item 0 has the child 1, and so
/// on, up to the number of items.
struct Marker {
    phase: Arc<Phase>,
    own: Worker<Ticket>,
    others: Vec<Stealer<Ticket>>,
    /// Tickets of the children to come, by number.
    children: Arc<Ledger>,
}

impl Marker {
    fn run(self) {
        loop {
            while let Some(item) = self.own.pop() {
                self.work(item);
            }
            if let Some(item) = self.steal() {
                reached_if(true, STOLEN);
                self.work(item);
                continue;
            }
            match self
                .phase
                .detector
                .offer_termination(|| self.others.iter().any(|other| !other.is_empty()))
            {
                OfferResult::Resume => reached_if(true, RESUMED),
                OfferResult::Ended => break,
            }
        }
        assert_eq!(self.phase.done.load(Relaxed), self.phase.items, "S10: work was left");
        assert_eq!(self.phase.detector.offers(), self.phase.detector.workers(), "S11: all offered");
    }

    fn work(&self, item: Ticket) {
        let child = item.redeem() + 1;
        if child < self.phase.items {
            self.own.push(self.children.issue(child)).expect("there is room");
            self.phase.detector.announce_work();
        }
        self.phase.done.fetch_add(1, Relaxed);
    }

    fn steal(&self) -> Option<Ticket> {
        for other in &self.others {
            loop {
                match other.steal() {
                    Steal::Item(item) => return Some(item),
                    Steal::Retry => {}
                    Steal::Empty => break,
                }
            }
        }
        None
    }
}

/// `workers` workers of which the first, on the main thread, has the first item; a chain of
/// `items`.
fn chain(workers: usize, items: usize) {
    let (phase, ledger) = (Phase::new(workers, items), Arc::new(Ledger::new(items)));
    let deques: Vec<Worker<Ticket>> = (0..workers).map(|_| Worker::with_slots(2, 2)).collect();
    let stealers: Vec<Stealer<Ticket>> = deques.iter().map(Worker::stealer).collect();
    deques[0].push(ledger.issue(0)).expect("there is room");
    let mut markers = deques.into_iter().enumerate().map(|(number, own)| {
        let others = stealers.iter().enumerate().filter(|(other, _)| *other != number);
        let others = others.map(|(_, stealer)| stealer.clone()).collect();
        Marker { phase: phase.clone(), own, others, children: ledger.clone() }
    });
    let first = markers.next().expect("at least one worker");
    let threads: Vec<_> = markers.map(|marker| spawn(move || marker.run())).collect();
    first.run();
    for thread in threads {
        thread.join().expect("loom reports a panic first");
    }
    drop(stealers);
    Arc::try_unwrap(ledger).ok().expect("all workers are gone").settle();
}

/// Two workers and their deques: one item, whose work yields another.
fn one_item_one_child() {
    chain(2, 2);
}

/// Three workers, one item: a thief that took it is busy, so no worker ends before it is done.
fn three_workers() {
    chain(3, 1);
}

/// Three workers without work: all end (L2).
fn nothing() {
    let phase = Phase::new(3, 0);
    let worker = |phase: Arc<Phase>| {
        move || assert_eq!(phase.detector.offer_termination(|| false), OfferResult::Ended)
    };
    let threads = [spawn(worker(phase.clone())), spawn(worker(phase.clone()))];
    worker(phase)();
    for thread in threads {
        thread.join().expect("loom reports a panic first");
    }
}

/// One cell per worker. After the end each reads what all wrote before it.
struct Results(Vec<UnsafeCell<usize>>);

// SAFETY: that accesses to the cells are ordered is what the models check; loom reports others.
unsafe impl Sync for Results {}
// SAFETY: as above.
unsafe impl Send for Results {}

impl Results {
    fn new(workers: usize) -> Arc<Self> {
        Arc::new(Self((0..workers).map(|_| UnsafeCell::new(0)).collect()))
    }

    fn write(&self, worker: usize) {
        // SAFETY: loom checks it.
        self.0[worker].with_mut(|cell| unsafe { *cell += 1 });
    }

    fn sum(&self) -> usize {
        // SAFETY: loom checks it.
        self.0.iter().map(|cell| cell.with(|cell| unsafe { *cell })).sum()
    }
}

/// Each worker writes, offers once and reads the writes of all: nothing but the detector is in
/// between.
fn results_are_visible() {
    let (phase, results) = (Phase::new(2, 0), Results::new(2));
    let worker = |number: usize, phase: Arc<Phase>, results: Arc<Results>| {
        move || {
            results.write(number);
            assert_eq!(phase.detector.offer_termination(|| false), OfferResult::Ended);
            assert_eq!(results.sum(), 2);
        }
    };
    let thread = spawn(worker(1, phase.clone(), results.clone()));
    worker(0, phase, results)();
    thread.join().expect("loom reports a panic first");
}

/// Two phases, a detector each: a worker that is slow to leave the first does not disturb the
/// second.
fn next_phase() {
    let (phases, results) = ([Phase::new(2, 0), Phase::new(2, 0)], Results::new(2));
    let worker = |number: usize, phases: [Arc<Phase>; 2], results: Arc<Results>| {
        move || {
            for phase in &phases {
                results.write(number);
                assert_eq!(phase.detector.offer_termination(|| false), OfferResult::Ended);
            }
            assert_eq!(results.sum(), 4);
        }
    };
    let thread = spawn(worker(1, phases.clone(), results.clone()));
    worker(0, phases, results)();
    thread.join().expect("loom reports a panic first");
}
