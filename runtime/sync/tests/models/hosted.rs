//! Models of pools whose workers are driven by event loops.
//!
//! A task that no worker runs keeps its handle pending, and the thread that waits for it is a
//! deadlock, which fails the model.

use crate::model::{Model, Set};
use crate::unpark::{block_on, drive, waker};
use std::task::{Context, Poll};
use std::time::Duration;
use valk_sync::executor::{Executor, Handle, Idle, Options, Report, TaskOutcome, Worker};
use valk_sync::shim::thread::spawn;
use valk_sync::shim::{Arc, reached_if};

/// The models, cheap ones first.
pub const MODELS: &[Model] = &[
    Model {
        name: "hosted::outside_wakes_the_host",
        states: &[PARKED, SAW_WORK],
        body: outside_wakes_the_host,
        ..Model::EMPTY
    },
    Model {
        name: "hosted::stay_awake_against_submit",
        states: &[WAS_WOKEN, LEFT_TO_POLL],
        body: stay_awake_against_submit,
        ..Model::EMPTY
    },
    Model {
        name: "hosted::the_hosting_thread_shuts_down",
        states: &[DROPPED, REFUSED],
        body: the_hosting_thread_shuts_down,
        ..Model::EMPTY
    },
    Model {
        name: "hosted::another_thread_shuts_down",
        states: &[PARKED],
        body: another_thread_shuts_down,
        ..Model::EMPTY
    },
    Model {
        name: "hosted::start_and_stop",
        preemptions: Some(3),
        states: &[PARKED],
        body: start_and_stop,
        ..Model::EMPTY
    },
    Model {
        name: "hosted::a_busy_host_leaves_tasks_to_others",
        preemptions: Some(3),
        states: &[PARKED],
        body: a_busy_host_leaves_tasks_to_others,
        ..Model::EMPTY
    },
    Model {
        name: "hosted::stay_awake_passes_its_wake_up_on_or_looks",
        preemptions: Some(2),
        states: &[WAS_WOKEN, LEFT_TO_POLL],
        body: stay_awake_passes_its_wake_up_on_or_looks,
        ..Model::EMPTY
    },
    Model {
        name: "hosted::dropped_worker_passes_its_wake_up_on",
        preemptions: Some(1),
        states: &[PASSED_ON],
        body: dropped_worker_passes_its_wake_up_on,
        ..Model::EMPTY
    },
    Model {
        name: "hosted::a_busy_host_leaves_tasks_to_others_deep",
        set: Set::Nightly,
        preemptions: Some(4),
        states: &[PARKED],
        body: a_busy_host_leaves_tasks_to_others,
        ..Model::EMPTY
    },
    Model {
        name: "hosted::stay_awake_passes_its_wake_up_on_or_looks_deep",
        set: Set::Nightly,
        preemptions: Some(3),
        states: &[WAS_WOKEN, LEFT_TO_POLL],
        body: stay_awake_passes_its_wake_up_on_or_looks,
        ..Model::EMPTY
    },
];

// States recorded by the pool itself.
const PARKED: &str = "executor: a worker parked";
const SAW_WORK: &str = "executor: a worker saw work when it was about to park";
const WAS_WOKEN: &str = "executor: a worker that stayed awake had been woken";
const PASSED_ON: &str = "executor: a worker left that had been woken";
// States recorded here.
const LEFT_TO_POLL: &str = "a worker that stayed awake had not been woken";
const DROPPED: &str = "a task was dropped";
const REFUSED: &str = "a task was refused";

fn hosted(workers: usize) -> (Arc<Executor>, Worker) {
    let options = Options { workers, ..Options::default() };
    let hosted = Executor::hosted(&options, |worker| drive(&worker));
    let (pool, worker) = hosted.expect("loom has threads");
    (Arc::new(pool), worker)
}

fn submit(pool: &Executor) -> Handle<()> {
    pool.spawn(|| ()).expect("there is room")
}

/// A task from outside, for a host that is parked or about to.
fn outside_wakes_the_host() {
    let (pool, worker) = hosted(1);
    let theirs = pool.clone();
    let thread = spawn(move || submit(&theirs));
    while !worker.run_next() {
        assert_eq!(block_on(|cx| worker.poll_idle(cx)), Idle::Search);
    }
    let handle = thread.join().expect("loom reports a panic first");
    assert_eq!(handle.outcome(), Some(&TaskOutcome::Completed(())));
    assert_eq!(pool.shutdown(Duration::MAX), Report { ran: 1, dropped: 0, running: 0 });
}

/// Polls once and goes on with something else: a worker that was woken knows it, and one that was
/// not finds the task when it polls again.
fn stay_awake_against_submit() {
    let (pool, worker) = hosted(1);
    let theirs = pool.clone();
    let thread = spawn(move || submit(&theirs));
    let waker = waker();
    if worker.poll_idle(&mut Context::from_waker(&waker)) == Poll::Pending {
        if worker.stay_awake() {
            assert!(worker.sees_work() && worker.run_next(), "it was woken for a task");
        } else {
            reached_if(true, LEFT_TO_POLL);
        }
    }
    let handle = thread.join().expect("loom reports a panic first");
    if !handle.is_settled() {
        assert_eq!(block_on(|cx| worker.poll_idle(cx)), Idle::Search);
        assert!(worker.run_next());
    }
    assert_eq!(handle.outcome(), Some(&TaskOutcome::Completed(())));
}

/// A thread submits while the host shuts down: what is accepted is dropped, and no thread waits for ever.
fn the_hosting_thread_shuts_down() {
    let (pool, worker) = hosted(1);
    let theirs = pool.clone();
    let thread = spawn(move || match theirs.spawn(|| ()) {
        Ok(handle) => {
            assert_eq!(*handle.wait(), TaskOutcome::Cancelled);
            reached_if(true, DROPPED);
            1
        }
        Err(_) => {
            reached_if(true, REFUSED);
            0
        }
    });
    let report = pool.shutdown(Duration::MAX);
    let dropped = thread.join().expect("loom reports a panic first");
    assert_eq!(report, Report { ran: 0, dropped, running: 0 });
    assert!(!worker.run_next());
    assert_eq!(block_on(|cx| worker.poll_idle(cx)), Idle::Ended);
}

/// The host runs what was accepted, then it is told that it has ended, and the other thread goes on.
fn another_thread_shuts_down() {
    let (pool, worker) = hosted(1);
    let handle = submit(&pool);
    let theirs = pool.clone();
    let thread = spawn(move || theirs.shutdown(Duration::MAX));
    drive(&worker);
    let report = thread.join().expect("loom reports a panic first");
    assert_eq!(report, Report { ran: 1, dropped: 0, running: 0 });
    assert_eq!(handle.outcome(), Some(&TaskOutcome::Completed(())));
}

/// A thread of the pool starts while the pool is shut down by the host.
fn start_and_stop() {
    let (pool, worker) = hosted(2);
    drop(worker);
    drop(pool);
}

/// The host waits for a task that lies in its own queue: the other worker must take it.
fn a_busy_host_leaves_tasks_to_others() {
    let (pool, worker) = hosted(2);
    assert_eq!(*submit(&pool).wait(), TaskOutcome::Completed(()));
    drop(worker);
    assert_eq!(pool.shutdown(Duration::MAX), Report { ran: 1, dropped: 0, running: 0 });
}

/// The host polls once, does something else, and looks for a task only if it was woken for one.
fn stay_awake_passes_its_wake_up_on_or_looks() {
    let (pool, worker) = hosted(2);
    let theirs = pool.clone();
    let thread = spawn(move || submit(&theirs).wait() == &TaskOutcome::Completed(()));
    let waker = waker();
    if worker.poll_idle(&mut Context::from_waker(&waker)) == Poll::Pending {
        if worker.stay_awake() {
            worker.run_next();
        } else {
            reached_if(true, LEFT_TO_POLL);
        }
    } else {
        worker.run_next();
    }
    assert!(thread.join().expect("loom reports a panic first"), "another worker was woken");
}

/// The host polls once and leaves, perhaps after it was woken.
fn dropped_worker_passes_its_wake_up_on() {
    let (pool, worker) = hosted(2);
    let theirs = pool.clone();
    let thread = spawn(move || submit(&theirs).wait() == &TaskOutcome::Completed(()));
    let waker = waker();
    let _idle = worker.poll_idle(&mut Context::from_waker(&waker));
    drop(worker);
    assert!(thread.join().expect("loom reports a panic first"), "another worker was woken");
}
