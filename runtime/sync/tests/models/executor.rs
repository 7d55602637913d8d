//! Models of the pool.
//!
//! loom knows no time: a patience of zero is over at once, any other never. A deadline that comes
//! in the middle is a second thread that shuts down without patience. A worker that is not woken,
//! and a handle that is not settled, is a deadlock.

use crate::model::{Model, Set};
use std::time::Duration;
use valk_sync::executor::{Executor, Options, Reason, Report, TaskOutcome};
use valk_sync::shim::thread::spawn;
use valk_sync::shim::{Arc, Condvar, Mutex, UnsafeCell, lock, reached_if, wait};

/// The models, cheap ones first.
pub const MODELS: &[Model] = &[
    Model {
        name: "executor::e2_e5_outside_wakes_a_sleeper",
        preemptions: Some(3),
        states: &[PARKED],
        body: outside_wakes_a_sleeper,
        ..Model::EMPTY
    },
    Model {
        name: "executor::e1_e4_shutdown_now",
        preemptions: Some(4),
        states: &[RAN, DROPPED, RUNNING, TOO_LATE],
        body: shutdown_now,
        ..Model::EMPTY
    },
    Model {
        name: "executor::e3_shutdown_against_submit",
        preemptions: Some(4),
        states: &[RAN, REFUSED],
        body: shutdown_against_submit,
        ..Model::EMPTY
    },
    Model {
        name: "executor::e1_e3_submitted_while_discarding",
        preemptions: Some(4),
        states: &[LATE, DROPPED, REFUSED],
        body: submitted_while_discarding,
        ..Model::EMPTY
    },
    Model {
        name: "executor::e2_worker_wakes_a_thief",
        preemptions: Some(1),
        states: &[PARKED, SAW_WORK],
        body: worker_wakes_a_thief,
        ..Model::EMPTY
    },
    Model {
        name: "executor::e2_batch_is_shared",
        preemptions: Some(1),
        states: &[PARKED],
        body: batch_is_shared,
        ..Model::EMPTY
    },
    Model {
        name: "executor::e6_no_patience_for_a_task_that_waits",
        preemptions: Some(4),
        states: &[RAN, DROPPED, RUNNING, TOO_LATE],
        body: no_patience_for_a_task_that_waits,
        ..Model::EMPTY
    },
    Model {
        name: "executor::e6_two_without_patience",
        preemptions: Some(3),
        states: &[RAN, DROPPED, RUNNING, TOO_LATE],
        body: two_without_patience,
        ..Model::EMPTY
    },
    Model {
        name: "executor::e1_e4_deadline_in_the_middle",
        preemptions: Some(2),
        states: &[RAN, DROPPED],
        body: deadline_in_the_middle,
        ..Model::EMPTY
    },
    Model {
        name: "executor::e2_e5_outside_wakes_a_sleeper_exhaustive",
        set: Set::Nightly,
        states: &[PARKED],
        body: outside_wakes_a_sleeper,
        ..Model::EMPTY
    },
    Model {
        name: "executor::e2_worker_wakes_two_thieves",
        set: Set::Nightly,
        preemptions: Some(1),
        states: &[PARKED, SAW_WORK],
        body: worker_wakes_two_thieves,
        ..Model::EMPTY
    },
    Model {
        name: "executor::e1_e4_deadline_in_the_middle_deep",
        set: Set::Nightly,
        preemptions: Some(3),
        states: &[RAN, DROPPED],
        body: deadline_in_the_middle,
        ..Model::EMPTY
    },
    Model {
        name: "executor::e2_worker_wakes_a_thief_deep",
        set: Set::Nightly,
        preemptions: Some(2),
        states: &[PARKED, SAW_WORK],
        body: worker_wakes_a_thief,
        ..Model::EMPTY
    },
    Model {
        name: "executor::e2_batch_is_shared_deep",
        set: Set::Nightly,
        preemptions: Some(2),
        states: &[PARKED],
        body: batch_is_shared,
        ..Model::EMPTY
    },
];

// States recorded by the pool itself.
const PARKED: &str = "executor: a worker parked";
const SAW_WORK: &str = "executor: a worker saw work when it was about to park";
const TOO_LATE: &str = "executor: a task was taken too late";
const LATE: &str = "executor: a task was submitted too late";
// States recorded here.
const RAN: &str = "a task ran";
const DROPPED: &str = "a task was dropped";
const REFUSED: &str = "a task was refused";
const RUNNING: &str = "a task was running when its pool was shut down";

fn pool(workers: usize) -> Arc<Executor> {
    let options = Options { workers, ..Options::default() };
    Arc::new(Executor::new(&options).expect("loom has threads"))
}

/// A cell that a task writes, and whoever knows that it has ended reads.
struct Place(UnsafeCell<u64>);

// SAFETY: that accesses are ordered is what the models check; loom reports others.
unsafe impl Sync for Place {}
// SAFETY: as above.
unsafe impl Send for Place {}

impl Place {
    fn new() -> Arc<Self> {
        Arc::new(Self(UnsafeCell::new(0)))
    }

    fn add(&self, number: u64) {
        // SAFETY: loom checks it.
        self.0.with_mut(|place| unsafe { *place += number });
    }

    fn get(&self) -> u64 {
        // SAFETY: loom checks it.
        self.0.with(|place| unsafe { *place })
    }
}

/// What a task waits for.
struct Latch(Mutex<bool>, Condvar);

impl Latch {
    fn new() -> Arc<Self> {
        Arc::new(Self(Mutex::new(false), Condvar::new()))
    }

    fn open(&self) {
        *lock(&self.0) = true;
        self.1.notify_all();
    }

    fn wait(&self) {
        let mut is_open = lock(&self.0);
        while !*is_open {
            is_open = wait(&self.1, is_open);
        }
    }
}

/// E1: it ran once or not at all, as its outcome says; whether it ran.
fn check(outcome: &TaskOutcome<()>, place: &Place) -> bool {
    let ran = match outcome {
        TaskOutcome::Completed(()) => true,
        TaskOutcome::Cancelled => false,
        TaskOutcome::Panicked(panicked) => panic!("no task of the models panics: {panicked}"),
    };
    reached_if(ran, RAN);
    reached_if(!ran, DROPPED);
    assert_eq!(place.get(), u64::from(ran), "E1: a task runs once, or is dropped");
    ran
}

/// E4: the report accounts for each of `accepted` tasks.
fn add_up(report: Report, accepted: u64) {
    reached_if(report.running > 0, RUNNING);
    let Report { ran, dropped, running } = report;
    assert_eq!(ran + dropped + running, accepted, "E4: {report:?}");
}

/// A task from outside, for a worker that sleeps or is about to.
fn outside_wakes_a_sleeper() {
    let (pool, place) = (pool(1), Place::new());
    place.add(1);
    let theirs = place.clone();
    let handle = pool.spawn(move || theirs.add(1)).expect("there is room");
    assert_eq!(handle.wait(), &TaskOutcome::Completed(()));
    assert_eq!(place.get(), 2, "E5: what the task did is visible");
    assert_eq!(pool.shutdown(Duration::MAX), Report { ran: 1, dropped: 0, running: 0 });
}

/// A task that has or has not begun when its pool is shut down without patience.
fn shutdown_now() {
    let (pool, place) = (pool(1), Place::new());
    let theirs = place.clone();
    let handle = pool.spawn(move || theirs.add(1)).expect("there is room");
    let report = pool.shutdown(Duration::ZERO);
    add_up(report, 1);
    if report.ran == 1 {
        // The handle, which has a lock, is not asked before.
        assert_eq!(place.get(), 1, "E5: the report alone makes it visible");
    }
    if report.running == 0 {
        // Shutdown has settled the handle.
        let outcome = handle.outcome().expect("E1: it has ended or was dropped");
        assert_eq!(check(outcome, &place), report.ran == 1);
    } else {
        assert!(check(handle.wait(), &place), "E6: it was running, so it was not dropped");
    }
}

/// An outsider submits while the pool is being shut down: what is accepted runs, what is refused
/// comes back.
fn shutdown_against_submit() {
    let (pool, place) = (pool(1), Place::new());
    let (theirs, shared) = (pool.clone(), place.clone());
    let thread = spawn(move || {
        let task_place = shared.clone();
        match theirs.spawn(move || task_place.add(1)) {
            Ok(handle) => {
                assert!(check(handle.wait(), &shared), "E3: shutdown waits for what was accepted");
                1
            }
            Err(refused) => {
                assert_eq!(refused.reason, Reason::ShuttingDown);
                reached_if(true, REFUSED);
                (refused.task)();
                assert_eq!(shared.get(), 1, "E3: it comes back uncalled");
                0
            }
        }
    });
    let report = pool.shutdown(Duration::MAX);
    let accepted = thread.join().expect("loom reports a panic first");
    assert_eq!(report, Report { ran: accepted, dropped: 0, running: 0 });
}

/// A running task submits another while its pool drops what has not begun. Nobody but its own
/// worker could run that, so it must be refused, or dropped by the thread that shuts down.
fn submitted_while_discarding() {
    let (pool, place) = (pool(1), Place::new());
    let (inside, shared) = (pool.clone(), place.clone());
    let outer = pool
        .spawn(move || {
            let task_place = shared.clone();
            match inside.spawn(move || task_place.add(1)) {
                Ok(inner) => {
                    assert!(!check(inner.wait(), &shared), "E6: its worker is occupied");
                    1
                }
                Err(refused) => {
                    assert_eq!(refused.reason, Reason::ShuttingDown);
                    reached_if(true, REFUSED);
                    0
                }
            }
        })
        .expect("there is room");
    let report = pool.shutdown(Duration::ZERO);
    match outer.wait() {
        TaskOutcome::Completed(inner) => add_up(report, 1 + inner),
        TaskOutcome::Cancelled => add_up(report, 1),
        TaskOutcome::Panicked(panicked) => panic!("no task of the models panics: {panicked}"),
    }
}

/// A task puts another into its worker's deque and waits for it: a thief must come, from its sleep
/// or on its way there.
fn worker_wakes_a_thief() {
    let (pool, place) = (pool(2), Place::new());
    let (inside, shared) = (pool.clone(), place.clone());
    let outer = pool
        .spawn(move || {
            let task_place = shared.clone();
            let inner = inside.spawn(move || task_place.add(1)).expect("there is room");
            assert!(check(inner.wait(), &shared), "E2: a thief came");
        })
        .expect("there is room");
    assert_eq!(outer.wait(), &TaskOutcome::Completed(()));
    assert_eq!(pool.shutdown(Duration::MAX), Report { ran: 2, dropped: 0, running: 0 });
}

/// A task puts two others into its worker's deque that wait for each other: two thieves must come.
/// The second to fall asleep changes no signal, for the first one has.
fn worker_wakes_two_thieves() {
    let pool = pool(3);
    let inside = pool.clone();
    let outer = move || {
        let latches = [Latch::new(), Latch::new()];
        let inner = [0, 1].map(|own| {
            let latches = latches.clone();
            let task = move || {
                latches[own].open();
                latches[1 - own].wait();
            };
            inside.spawn(task).expect("there is room")
        });
        for handle in inner {
            assert_eq!(handle.wait(), &TaskOutcome::Completed(()), "E2: a thief came");
        }
    };
    let outer = pool.spawn(outer).expect("there is room");
    assert_eq!(outer.wait(), &TaskOutcome::Completed(()));
    assert_eq!(pool.shutdown(Duration::MAX), Report { ran: 3, dropped: 0, running: 0 });
}

/// A task that ends only after its pool was shut down: shutdown waits for none that it finds
/// running, and none begins after it has looked.
fn no_patience_for_a_task_that_waits() {
    let (pool, place, latch) = (pool(1), Place::new(), Latch::new());
    let (theirs, closed) = (place.clone(), latch.clone());
    let task = move || {
        closed.wait();
        theirs.add(1);
    };
    let handle = pool.spawn(task).expect("there is room");
    let report = pool.shutdown(Duration::ZERO);
    add_up(report, 1);
    assert_eq!(report.ran, 0, "E6: nobody has let it end");
    latch.open();
    assert_eq!(check(handle.wait(), &place), report.running == 1);
}

/// Two shut down without patience while a task is about to begin: both see the same.
fn two_without_patience() {
    let (pool, place) = (pool(1), Place::new());
    let task_place = place.clone();
    let handle = pool.spawn(move || task_place.add(1)).expect("there is room");
    let theirs = pool.clone();
    let thread = spawn(move || theirs.shutdown(Duration::ZERO));
    let one = pool.shutdown(Duration::ZERO);
    let other = thread.join().expect("loom reports a panic first");
    add_up(one, 1);
    add_up(other, 1);
    assert_eq!(one.dropped, other.dropped, "E6: it was idle, or running, for both");
    assert_eq!(check(handle.wait(), &place), one.dropped == 0);
}

/// Three tasks from outside; the first keeps its worker until the second has run, wherever the
/// first one's worker has taken that.
fn batch_is_shared() {
    let options = Options { workers: 2, injected_max: 3, ..Options::default() };
    let pool = Executor::new(&options).expect("loom has threads");
    let latch = Latch::new();
    let closed = latch.clone();
    let first = pool.spawn(move || closed.wait()).expect("there is room");
    let second = pool.spawn(move || latch.open()).expect("there is room");
    let third = pool.spawn(|| ()).expect("there is room");
    for handle in [first, second, third] {
        assert_eq!(handle.wait(), &TaskOutcome::Completed(()));
    }
    assert_eq!(pool.shutdown(Duration::MAX), Report { ran: 3, dropped: 0, running: 0 });
}

/// One waits as long as it takes, another has no patience: both learn what was dropped.
fn deadline_in_the_middle() {
    let pool = pool(1);
    let places = [Place::new(), Place::new()];
    let handles =
        places.clone().map(|place| pool.spawn(move || place.add(1)).expect("there is room"));
    let theirs = pool.clone();
    let thread = spawn(move || theirs.shutdown(Duration::ZERO));
    let patient = pool.shutdown(Duration::MAX);
    let hasty = thread.join().expect("loom reports a panic first");
    add_up(patient, 2);
    add_up(hasty, 2);
    assert_eq!(patient.running, 0, "E4: whoever is patient waits for what runs");
    assert_eq!(patient.dropped, hasty.dropped, "E4: what was dropped does not change");
    let ran = handles.iter().zip(&places).filter(|(handle, place)| check(handle.wait(), place));
    assert_eq!(ran.count() as u64, 2 - patient.dropped);
}
