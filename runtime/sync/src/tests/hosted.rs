//! Pools whose workers are driven by event loops: by the calling thread and by threads that are
//! given one; the models cover the interleavings.

use crate::executor::{Executor, Idle, Options, Reason, Report, TaskOutcome, Worker};
use crate::shim::thread;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

/// Longer than anything takes here: a test that waits as long has failed.
const LONG: Duration = Duration::from_mins(1);

/// A waker that counts and unparks its thread.
struct Unpark {
    thread: thread::Thread,
    wakes: AtomicUsize,
}

impl Unpark {
    fn new() -> (Arc<Self>, Waker) {
        let own = Arc::new(Self { thread: thread::current(), wakes: AtomicUsize::new(0) });
        (Arc::clone(&own), Waker::from(own))
    }

    fn count(&self) -> usize {
        self.wakes.load(SeqCst)
    }
}

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.wakes.fetch_add(1, SeqCst);
        self.thread.unpark();
    }
}

/// An event loop with no other events.
fn drive(worker: &Worker) {
    let (_, waker) = Unpark::new();
    let mut cx = Context::from_waker(&waker);
    loop {
        while worker.run_next() {}
        match worker.poll_idle(&mut cx) {
            Poll::Ready(Idle::Search) => {}
            Poll::Ready(Idle::Ended) => return,
            Poll::Pending => thread::park(),
        }
    }
}

fn hosted(workers: usize) -> (Arc<Executor>, Worker) {
    let options = Options { workers, ..Options::default() };
    let (pool, worker) = Executor::hosted(&options, |worker| drive(&worker)).expect("threads");
    (Arc::new(pool), worker)
}

/// A pool of two workers that are both parked, the hosted one since after the other.
fn two_parked(cx: &mut Context<'_>) -> (Arc<Executor>, Worker) {
    let (pool, worker) = hosted(2);
    until_idle(&pool, 1);
    assert_eq!(worker.poll_idle(cx), Poll::Pending);
    assert_eq!(pool.statistics().idle, 2);
    (pool, worker)
}

fn until_idle(pool: &Executor, workers: usize) {
    while pool.statistics().idle != workers {
        thread::yield_now();
    }
}

/// Submits from a thread that is no worker.
fn outside<R: Send + 'static>(pool: &Arc<Executor>, call: fn(&Executor) -> R) -> R {
    let pool = Arc::clone(pool);
    thread::spawn(move || call(&pool)).join().expect("it does not panic")
}

valk_harness::test! {
    fn a_hosted_worker_runs_its_tasks_on_the_calling_thread_the_oldest_first() {
        let (pool, worker) = hosted(1);
        let log = Arc::new(Mutex::new(Vec::new()));
        assert_eq!((worker.index(), worker.sees_work(), worker.run_next()), (0, false, false));
        assert_eq!(format!("{worker:?}"), "Worker { index: 0, .. }");
        let own = thread::current().id();
        let note = |number: u32| {
            let log = Arc::clone(&log);
            move || {
                assert_eq!(thread::current().id(), own);
                log.lock().expect("not poisoned").push(number);
            }
        };
        // The first submits another one, which comes last.
        let (inside, first, last) = (Arc::clone(&pool), note(1), note(4));
        let nested = move || (first(), inside.spawn(last).expect("there is room")).0;
        pool.spawn(nested).expect("there is room");
        for number in 2..=3 {
            pool.spawn(note(number)).expect("there is room");
        }
        assert_eq!((pool.waiting(), pool.statistics().workers[0].queued), (3, 3));
        assert!(worker.sees_work());
        for ran in 1..=4 {
            assert!(worker.run_next());
            assert_eq!(log.lock().expect("not poisoned").last(), Some(&ran));
        }
        assert!(!worker.run_next() && !worker.sees_work());
        assert_eq!(pool.shutdown(Duration::ZERO), Report { ran: 4, dropped: 0, running: 0 });
    }

    fn a_task_from_outside_wakes_a_worker_that_is_parked() {
        let (pool, worker) = hosted(1);
        let ((old, old_waker), (wakes, waker)) = (Unpark::new(), Unpark::new());
        assert_eq!(worker.poll_idle(&mut Context::from_waker(&old_waker)), Poll::Pending);
        let mut cx = Context::from_waker(&waker);
        assert_eq!(worker.poll_idle(&mut cx), Poll::Pending);
        assert_eq!(pool.statistics().parked(), 1, "it is still parked");
        let handle = outside(&pool, |pool| pool.spawn(|| 1).expect("there is room"));
        assert_eq!((old.count(), wakes.count(), pool.waiting()), (0, 1, 1));
        outside(&pool, |pool| drop(pool.spawn(|| 2).expect("there is room")));
        assert_eq!(wakes.count(), 1, "it has been woken");
        assert_eq!(worker.poll_idle(&mut cx), Poll::Ready(Idle::Search));
        assert!(worker.sees_work() && worker.run_next() && worker.run_next());
        assert_eq!(handle.outcome(), Some(&TaskOutcome::Completed(1)));
        assert_eq!(worker.poll_idle(&mut cx), Poll::Pending);
    }

    fn a_worker_with_a_task_does_not_park() {
        let (pool, worker) = hosted(1);
        let (_, waker) = Unpark::new();
        let mut cx = Context::from_waker(&waker);
        pool.spawn(|| ()).expect("there is room");
        assert_eq!(worker.poll_idle(&mut cx), Poll::Ready(Idle::Search));
        assert_eq!(pool.statistics().idle, 0);
        assert!(worker.run_next());
        outside(&pool, |pool| drop(pool.spawn(|| ()).expect("there is room")));
        assert_eq!(worker.poll_idle(&mut cx), Poll::Ready(Idle::Search));
    }

    fn a_task_of_a_hosted_worker_is_stolen_by_a_thread_of_the_pool() {
        let (pool, worker) = hosted(2);
        until_idle(&pool, 1);
        let own = thread::current().id();
        let handle = pool.spawn(|| thread::current().id()).expect("there is room");
        let Some(TaskOutcome::Completed(thread)) = handle.wait_for(LONG) else { panic!("stolen") };
        assert_ne!(*thread, own);
        assert_eq!(pool.statistics().stolen(), 1);
        drop(worker);
    }
}

valk_harness::test! {
    /// It was not woken, so the next task wakes the other one.
    fn a_worker_that_stays_awake_leaves_tasks_to_those_that_are_parked() {
        let (wakes, waker) = Unpark::new();
        let (pool, worker) = two_parked(&mut Context::from_waker(&waker));
        assert!(!worker.stay_awake(), "it was not woken");
        assert_eq!(pool.statistics().idle, 1);
        let handle = outside(&pool, |pool| pool.spawn(|| ()).expect("there is room"));
        assert_eq!(handle.wait_for(LONG), Some(&TaskOutcome::Completed(())));
        assert_eq!(wakes.count(), 0);
        assert!(!worker.stay_awake(), "it is awake");
    }

    /// It was woken, so no other worker was: it has to look.
    fn a_worker_that_stays_awake_and_was_woken_knows_it() {
        let (wakes, waker) = Unpark::new();
        let (pool, worker) = two_parked(&mut Context::from_waker(&waker));
        let handle = outside(&pool, |pool| pool.spawn(|| ()).expect("there is room"));
        assert_eq!((wakes.count(), pool.statistics().idle), (1, 1));
        assert!(worker.stay_awake());
        assert!(!worker.stay_awake(), "told once");
        assert!(worker.run_next());
        assert_eq!(handle.outcome(), Some(&TaskOutcome::Completed(())));
    }

    /// It was woken and leaves: the other one is woken in its place.
    fn a_worker_that_is_dropped_passes_its_wake_up_on() {
        let (wakes, waker) = Unpark::new();
        let (pool, worker) = two_parked(&mut Context::from_waker(&waker));
        let handle = outside(&pool, |pool| pool.spawn(|| ()).expect("there is room"));
        assert_eq!(wakes.count(), 1);
        drop(worker);
        assert_eq!(handle.wait_for(LONG), Some(&TaskOutcome::Completed(())));
    }
}

valk_harness::test! {
    /// The thread that hosts is not waited for, and what waits in its queue is dropped.
    fn the_hosting_thread_may_shut_the_pool_down() {
        let (pool, worker) = hosted(3);
        let ran = pool.spawn(|| ()).expect("there is room");
        while !ran.is_settled() {
            worker.run_next();
        }
        let report = pool.shutdown(Duration::MAX);
        assert_eq!(report, Report { ran: 1, dropped: 0, running: 0 });
        assert_eq!(pool.spawn(|| ()).expect_err("it is closed").reason, Reason::ShuttingDown);
        assert!(!worker.run_next());
        let (_, waker) = Unpark::new();
        assert_eq!(worker.poll_idle(&mut Context::from_waker(&waker)), Poll::Ready(Idle::Ended));
        drop(worker);
        assert_eq!(pool.shutdown(Duration::MAX), report);
    }

    fn tasks_of_the_hosting_thread_are_dropped_when_it_shuts_down() {
        let (pool, worker) = hosted(1);
        let handles = [(); 3].map(|()| pool.spawn(|| ()).expect("there is room"));
        assert!(worker.run_next());
        assert_eq!(pool.shutdown(Duration::ZERO), Report { ran: 1, dropped: 2, running: 0 });
        assert_eq!(handles[0].outcome(), Some(&TaskOutcome::Completed(())));
        assert_eq!(handles[2].outcome(), Some(&TaskOutcome::Cancelled));
    }

    /// A hosted worker runs what was accepted, then it is told that it has ended.
    fn shutdown_by_another_thread_waits_for_the_hosting_one() {
        let (pool, worker) = hosted(1);
        let (_, waker) = Unpark::new();
        let mut cx = Context::from_waker(&waker);
        assert_eq!(worker.poll_idle(&mut cx), Poll::Pending);
        let handle = outside(&pool, |pool| pool.spawn(|| ()).expect("there is room"));
        let theirs = Arc::clone(&pool);
        let closing = thread::spawn(move || theirs.shutdown(Duration::MAX));
        drive(&worker);
        let report = closing.join().expect("it does not panic");
        assert_eq!(report, Report { ran: 1, dropped: 0, running: 0 });
        assert_eq!(handle.outcome(), Some(&TaskOutcome::Completed(())));
    }

    fn a_worker_that_is_dropped_early_is_not_waited_for() {
        let (pool, worker) = hosted(1);
        let handle = pool.spawn(|| ()).expect("there is room");
        drop(worker);
        assert_eq!(pool.statistics().workers[0].queued, 1, "no thread drives its queue");
        let injected = pool.spawn(|| ()).expect("there is room");
        assert_eq!(pool.statistics().injected, 1, "the thread is no worker any more");
        let report = outside(&pool, |pool| pool.shutdown(Duration::MAX));
        assert_eq!(report, Report { ran: 0, dropped: 2, running: 0 });
        for handle in [handle, injected] {
            assert_eq!(handle.outcome(), Some(&TaskOutcome::Cancelled));
        }
    }

    fn a_thread_hosts_one_pool_after_the_other() {
        let (first, first_worker) = hosted(1);
        let in_first = first.spawn(|| 1).expect("there is room");
        assert!(first_worker.run_next());
        drop(first_worker);
        drop(first);
        let (second, second_worker) = hosted(1);
        let in_second = second.spawn(|| 2).expect("there is room");
        assert_eq!(second.statistics().workers[0].queued, 1, "it is a worker of the second");
        assert!(second_worker.run_next());
        let outcomes = (in_first.outcome(), in_second.outcome());
        assert_eq!(outcomes, (Some(&TaskOutcome::Completed(1)), Some(&TaskOutcome::Completed(2))));
        // One that was kept for too long does not end the thread's place in the next.
        let (third, third_worker) = hosted(1);
        drop(second_worker);
        third.spawn(|| ()).expect("there is room");
        assert_eq!(third.statistics().workers[0].queued, 1);
        assert!(third_worker.run_next());
    }

    fn a_hosted_pool_whose_threads_cannot_be_started_is_an_error() {
        let options = Options { workers: 3, stack_bytes: Some(1 << 46), ..Options::default() };
        assert!(Executor::hosted(&options, |worker| drive(&worker)).is_err());
        let (pool, worker) = hosted(1);
        pool.spawn(|| ()).expect("there is room");
        assert!(worker.run_next(), "the thread hosts another pool");
    }
}
