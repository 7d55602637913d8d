//! The pool with real threads; the models cover the interleavings.
//!
//! What has to happen at the same time is made to by barriers and channels; no test looks at a
//! clock.

use crate::executor::TaskOutcome;
use crate::executor::{Executor, Handle, Options, Reason, Refused, Report, Victims};
use crate::limits::{DEQUE_SLOTS_MAX, EXECUTOR_INJECTED_MAX};
use crate::limits::{EXECUTOR_SEARCHES_MAX, EXECUTOR_WORKERS_MAX};
use crate::shim::thread;
use std::panic::{catch_unwind, panic_any};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Barrier};
use std::time::Duration;

fn pool_of(options: &Options) -> Arc<Executor> {
    Arc::new(Executor::new(options).expect("the system has threads"))
}

fn pool(workers: usize) -> Arc<Executor> {
    pool_of(&Options { workers, ..Options::default() })
}

/// Submits a task of one kind or another.
fn submit(pool: &Executor, task: impl FnOnce() + Send + 'static) -> Handle<()> {
    pool.spawn(task).expect("there is room")
}

fn until(condition: impl Fn() -> bool) {
    while !condition() {
        thread::yield_now();
    }
}

/// Submits tasks until the pool is shutting down.
fn until_closed(pool: &Executor) {
    let refusal = || pool.spawn(|| ()).err().map(|refused| refused.reason);
    until(|| refusal() == Some(Reason::ShuttingDown));
}

/// Occupies one worker until the sender is used or dropped; returns when it is occupied.
fn occupy(pool: &Executor) -> (Handle<()>, Sender<()>) {
    let (release, released) = mpsc::channel();
    let (begin, begun) = mpsc::channel();
    let task = move || {
        begin.send(()).expect("awaited");
        let _released = released.recv();
    };
    let handle = pool.spawn(task).expect("there is room");
    begun.recv().expect("it runs");
    (handle, release)
}

/// Tasks of the large run; Miri is some thousand times slower.
const MANY: usize = if cfg!(miri) { 200 } else { 100_000 };

valk_harness::test! {
    fn a_hundred_thousand_tasks_run_exactly_once() {
        const OWN: usize = 9;
        let pool = pool(4);
        let times: Vec<_> = (0..MANY).map(|_| AtomicUsize::new(0)).collect();
        let times = Arc::new(times);
        let mut outer = Vec::new();
        for first in (0..MANY).step_by(OWN + 1) {
            let (inside, theirs) = (pool.clone(), times.clone());
            let mut task = move || {
                theirs[first].fetch_add(1, SeqCst);
                let own = (first + 1..first + 1 + OWN).map(|index| {
                    let theirs = theirs.clone();
                    let count = move || theirs[index].fetch_add(1, SeqCst);
                    inside.spawn(count).expect("there is room in the deque")
                });
                own.collect::<Vec<_>>()
            };
            // From outside there is room for some thousand.
            loop {
                match pool.spawn(task) {
                    Ok(handle) => break outer.push(handle),
                    Err(refused) => task = refused.task,
                }
                thread::yield_now();
            }
        }
        for handle in &outer {
            let TaskOutcome::Completed(inner) = handle.wait() else { panic!("it ran") };
            assert!(inner.iter().all(|handle| *handle.wait() == TaskOutcome::Completed(0)));
        }
        assert!(times.iter().all(|times| times.load(SeqCst) == 1));
        let report = pool.shutdown(Duration::MAX);
        assert_eq!(report, Report { ran: MANY as u64, dropped: 0, running: 0 });
        assert_eq!(pool.statistics().executed(), MANY as u64);
    }
}

valk_harness::test! {
    /// The tasks of the producer meet, which they can only when every worker runs one of them.
    fn one_producer_keeps_eight_workers_busy_a_hundred_times() {
        const WORKERS: usize = 8;
        const LIGHT: usize = 50;
        for seed in 0..100 {
            let pool = pool_of(&Options { workers: WORKERS, seed, ..Options::default() });
            let ran = Arc::new(AtomicUsize::new(0));
            let (inside, count) = (pool.clone(), ran.clone());
            let producer = move || {
                let meeting = Arc::new(Barrier::new(WORKERS));
                for _ in 1..WORKERS {
                    let meeting = meeting.clone();
                    inside.spawn(move || meeting.wait().is_leader()).expect("there is room");
                }
                for _ in 0..LIGHT {
                    let count = count.clone();
                    inside.spawn(move || count.fetch_add(1, SeqCst)).expect("there is room");
                }
                meeting.wait();
            };
            let producer = pool.spawn(producer).expect("there is room");
            assert_eq!(*producer.wait(), TaskOutcome::Completed(()));
            let report = pool.shutdown(Duration::MAX);
            let all = (WORKERS + LIGHT) as u64;
            assert_eq!(report, Report { ran: all, dropped: 0, running: 0 });
            assert_eq!(ran.load(SeqCst), LIGHT);
            let statistics = pool.statistics();
            assert!(statistics.workers.iter().all(|worker| worker.executed > 0), "{statistics:?}");
            assert!(statistics.stolen() >= WORKERS as u64 - 1, "{statistics:?}");
        }
    }

    /// Three from outside that wait for each other: whoever takes a batch does not keep it.
    fn tasks_from_outside_are_shared_out() {
        let pool = pool(3);
        let holds: Vec<_> = (0..3).map(|_| occupy(&pool)).collect();
        let meeting = Arc::new(Barrier::new(3));
        let tasks: Vec<_> = (0..30)
            .map(|_| {
                let meeting = meeting.clone();
                pool.spawn(move || meeting.wait().is_leader()).expect("there is room")
            })
            .collect();
        assert_eq!(pool.statistics().injected, 30);
        assert_eq!(pool.statistics().queued(), 30);
        drop(holds);
        let leaders = tasks.iter().filter(|task| *task.wait() == TaskOutcome::Completed(true));
        assert_eq!(leaders.count(), 10);
    }
}

/// Long enough for a thread to do what it should not; nothing is asserted about it.
const A_WHILE: Duration = Duration::from_millis(30);

valk_harness::test! {
    /// By its counters: an idle worker looks around a few times and parks, and a parked one does
    /// nothing.
    fn idle_workers_sleep() {
        const WORKERS: usize = 4;
        let pool = pool(WORKERS);
        until(|| pool.statistics().idle == WORKERS);
        let idle = pool.statistics();
        assert_eq!(idle.parked(), WORKERS as u64);
        assert_eq!(idle.searches(), WORKERS as u64 * u64::from(EXECUTOR_SEARCHES_MAX));
        std::thread::sleep(A_WHILE);
        assert_eq!(pool.statistics(), idle);
        for tasks in 1..=20 {
            let handle = pool.spawn(|| ()).expect("there is room");
            handle.wait();
            until(|| pool.statistics().idle == WORKERS);
            let now = pool.statistics();
            assert_eq!(now.executed(), tasks);
            // One worker woke, found the task at once, then looked in vain as often as it may.
            assert_eq!(now.parked(), idle.parked() + tasks);
            let looks = 1 + u64::from(EXECUTOR_SEARCHES_MAX);
            assert_eq!(now.searches(), idle.searches() + tasks * looks);
        }
    }
}

valk_harness::test! {
    fn a_thief_looks_at_every_other_worker_beginning_with_a_random_one() {
        let victims = Victims::new(2, 5, 0);
        let rounds: Vec<Vec<_>> = (0..100).map(|_| victims.round().collect()).collect();
        let mut first = [0; 5];
        for round in rounds {
            first[round[0]] += 1;
            let mut round = round;
            round.sort_unstable();
            assert_eq!(round, [0, 1, 3, 4]);
        }
        assert!(first.iter().enumerate().all(|(worker, times)| (*times > 10) == (worker != 2)));
        assert_eq!(Victims::new(0, 1, 0).round().count(), 0);
        let others = |own, seed| {
            let victims = Victims::new(own, 5, seed);
            (0..20).map(|_| victims.round().next()).collect::<Vec<_>>()
        };
        assert_ne!(others(1, 0), others(2, 0), "thieves do not follow each other");
        assert_ne!(others(1, 0), others(1, 1), "the seed matters");
        assert_eq!(others(1, 1), others(1, 1));
    }
}

/// A value whose destructor panics.
struct Explosive;

impl Drop for Explosive {
    fn drop(&mut self) {
        panic!("a destructor");
    }
}

/// A value whose destructor panics with a value whose destructor panics.
struct MoreExplosive;

impl Drop for MoreExplosive {
    fn drop(&mut self) {
        panic_any(Explosive);
    }
}

fn message(handle: &Handle<()>) -> &str {
    match handle.wait() {
        TaskOutcome::Panicked(panicked) => panicked.message(),
        other => panic!("a panic was expected, found {other:?}"),
    }
}

valk_harness::test! {
    fn a_panicking_task_is_isolated() {
        let pool = pool(1);
        let worker = pool.spawn(|| thread::current().id()).expect("there is room");
        let number = 7;
        let panics = [
            submit(&pool, || panic!("a text")),
            submit(&pool, move || panic!("a text with {number}")),
            submit(&pool, || panic_any(5)),
            submit(&pool, || panic_any(Explosive)),
            submit(&pool, || panic_any(MoreExplosive)),
        ];
        assert_eq!(message(&panics[0]), "a text");
        assert_eq!(message(&panics[1]), "a text with 7");
        assert_eq!(message(&panics[2]), "with a value that is no text");
        assert_eq!(message(&panics[3]), "with a value that is no text");
        assert_eq!(message(&panics[4]), "with a value that is no text");
        let TaskOutcome::Panicked(panicked) = panics[0].wait() else { panic!("it panicked") };
        assert_eq!(panicked.to_string(), "the task panicked: a text");
        let after = pool.spawn(|| thread::current().id()).expect("there is room");
        assert_eq!(after.wait(), worker.wait(), "the same worker went on");
        let report = pool.shutdown(Duration::MAX);
        assert_eq!(report, Report { ran: 7, dropped: 0, running: 0 });
        assert_eq!(pool.statistics().panicked, 5);
    }

    fn panics_of_observers_and_destructors_are_isolated() {
        let pool = pool(1);
        let (hold, release) = occupy(&pool);
        let observed = pool.spawn(|| ()).expect("there is room");
        observed.observe(|_| panic!("an observer")).expect("there is room");
        let explosive = Explosive;
        let destroyed = pool.spawn(move || drop(explosive)).expect("there is room");
        drop(release);
        assert_eq!(*hold.wait(), TaskOutcome::Completed(()));
        assert_eq!(*observed.wait(), TaskOutcome::Completed(()));
        assert_eq!(message(&destroyed), "a destructor");
        let (_hold, release) = occupy(&pool);
        let explosive = Explosive;
        let dropped = pool.spawn(move || drop(explosive)).expect("there is room");
        let report = pool.shutdown(Duration::ZERO);
        assert_eq!(report, Report { ran: 3, dropped: 1, running: 1 });
        assert_eq!(*dropped.wait(), TaskOutcome::Cancelled);
        assert_eq!(pool.statistics().panicked, 3);
        drop(release);
    }
}

valk_harness::test! {
    fn a_handle_is_awaited_from_several_threads_and_for_a_time() {
        let pool = pool(1);
        let (hold, release) = occupy(&pool);
        let handle = pool.spawn(|| 42).expect("there is room");
        assert_eq!(handle.wait_for(Duration::from_millis(1)), None, "timeout");
        assert_eq!(handle.wait_for(Duration::ZERO), None);
        assert!(!handle.is_settled() && handle.outcome().is_none());
        let (tell, told) = mpsc::channel();
        let early = tell.clone();
        let observe = move |end: &TaskOutcome<i32>| early.send(end.clone()).expect("awaited");
        handle.observe(observe).expect("there is room");
        let waiting: Vec<_> = (0..3)
            .map(|patience| {
                let handle = handle.clone();
                thread::spawn(move || match patience {
                    0 => handle.wait_for(Duration::MAX).cloned(),
                    1 => handle.wait_for(Duration::from_hours(1)).cloned(),
                    _ => Some(handle.wait().clone()),
                })
            })
            .collect();
        drop(release);
        for thread in waiting {
            assert_eq!(thread.join().expect("nobody panics"), Some(TaskOutcome::Completed(42)));
        }
        assert_eq!(told.recv(), Ok(TaskOutcome::Completed(42)));
        let observe = move |outcome: &TaskOutcome<i32>| tell.send(outcome.clone()).expect("awaited");
        handle.observe(observe).expect("it is called at once");
        assert_eq!(told.recv(), Ok(TaskOutcome::Completed(42)));
        assert!(told.recv().is_err(), "each observer is called once");
        assert_eq!(hold.wait_for(Duration::ZERO), Some(&TaskOutcome::Completed(())));
        assert!(format!("{handle:?}").contains("is_settled: true"));
    }
}

valk_harness::test! {
    fn shutdown_runs_what_was_accepted() {
        let pool = pool(2);
        let (_hold, release) = occupy(&pool);
        let handles: Vec<_> =
            (0..10).map(|number| pool.spawn(move || number).expect("there is room")).collect();
        let theirs = pool.clone();
        let patient = thread::spawn(move || theirs.shutdown(Duration::MAX));
        until_closed(&pool);
        let refused = pool.spawn(|| "mine").expect_err("shutdown has begun");
        assert_eq!((refused.reason, (refused.task)()), (Reason::ShuttingDown, "mine"));
        drop(release);
        let report = patient.join().expect("nobody panics");
        assert_eq!((report.dropped, report.running), (0, 0));
        assert!(report.ran > 10);
        for (number, handle) in handles.iter().enumerate() {
            assert_eq!(handle.outcome(), Some(&TaskOutcome::Completed(number)));
        }
        assert_eq!(pool.shutdown(Duration::MAX), report);
    }

    fn shutdown_drops_what_has_not_begun_at_the_deadline() {
        let pool = pool(1);
        let (hold, release) = occupy(&pool);
        let (tell, told) = mpsc::channel();
        let handles: Vec<_> = (0..5)
            .map(|_| {
                let tell = tell.clone();
                let handle = pool.spawn(|| ()).expect("there is room");
                let observe = move |outcome: &TaskOutcome<()>| tell.send(outcome.clone());
                handle.observe(move |outcome| observe(outcome).expect("awaited")).expect("room");
                handle
            })
            .collect();
        let report = pool.shutdown(Duration::from_millis(1));
        assert_eq!(report, Report { ran: 0, dropped: 5, running: 1 });
        assert!(handles.iter().all(|handle| handle.outcome() == Some(&TaskOutcome::Cancelled)));
        assert_eq!(told.try_iter().count(), 5);
        assert!(pool.statistics().workers[0].running);
        drop(release);
        assert_eq!(*hold.wait(), TaskOutcome::Completed(()));
        let report = pool.shutdown(Duration::MAX);
        assert_eq!(report, Report { ran: 1, dropped: 5, running: 0 });
    }

    /// One has no patience, another waits for what still runs.
    fn the_shortest_patience_decides_what_is_dropped() {
        let pool = pool(2);
        let holds = [(); 2].map(|()| occupy(&pool));
        let queued = pool.spawn(|| ()).expect("there is room");
        let theirs = pool.clone();
        let patient = thread::spawn(move || theirs.shutdown(Duration::MAX));
        let hasty = pool.shutdown(Duration::ZERO);
        assert_eq!(hasty, Report { ran: 0, dropped: 1, running: 2 });
        assert_eq!(queued.outcome(), Some(&TaskOutcome::Cancelled));
        drop(holds);
        let patient = patient.join().expect("nobody panics");
        assert_eq!(patient, Report { ran: 2, dropped: 1, running: 0 });
    }

    fn tasks_may_shut_their_own_pool_down() {
        let pool = pool(2);
        let meeting = Arc::new(Barrier::new(2));
        let handles = [(); 2].map(|()| {
            let (inside, meeting) = (pool.clone(), meeting.clone());
            let task = move || {
                meeting.wait();
                let report = inside.shutdown(Duration::MAX);
                (report, inside.spawn(|| ()).err().map(|refused| refused.reason))
            };
            pool.spawn(task).expect("there is room")
        });
        for handle in handles {
            let TaskOutcome::Completed((report, refusal)) = handle.wait() else { panic!("it ran") };
            assert_eq!((report.dropped, report.ran + report.running), (0, 2));
            assert_eq!(*refusal, Some(Reason::ShuttingDown));
        }
        assert_eq!(pool.statistics().refused, 2);
    }

    fn observers_may_shut_the_pool_down() {
        let pool = pool(1);
        let (hold, release) = occupy(&pool);
        let queued = pool.spawn(|| ()).expect("there is room");
        let (tell, told) = mpsc::channel();
        for handle in [&hold, &queued] {
            let (inside, tell) = (pool.clone(), tell.clone());
            let observe = move |_: &TaskOutcome<()>| {
                tell.send(inside.shutdown(Duration::MAX)).expect("awaited");
            };
            handle.observe(observe).expect("there is room");
        }
        drop(release);
        // The worker, in the observer of the first, waits for nobody and drops the second, whose
        // observer is called by it too.
        let inner = told.recv().expect("the observer of the second");
        assert_eq!(inner, Report { ran: 0, dropped: 1, running: 1 });
        assert_eq!(told.recv(), Ok(inner));
        assert_eq!(queued.outcome(), Some(&TaskOutcome::Cancelled));
        let report = pool.shutdown(Duration::MAX);
        assert_eq!(report, Report { ran: 1, dropped: 1, running: 0 });
    }

    /// The deque of a worker that is occupied is emptied by who shuts down.
    fn tasks_of_a_task_are_dropped_at_the_deadline() {
        let pool = pool(1);
        let inside = pool.clone();
        let (begin, begun) = mpsc::channel();
        let outer = move || {
            let inner: Vec<_> =
                (0..3).map(|_| inside.spawn(|| ()).expect("there is room")).collect();
            begin.send(()).expect("awaited");
            inner.iter().filter(|inner| *inner.wait() == TaskOutcome::Cancelled).count()
        };
        let outer = pool.spawn(outer).expect("there is room");
        begun.recv().expect("it runs");
        let report = pool.shutdown(Duration::ZERO);
        assert_eq!((report.dropped, report.ran + report.running), (3, 1));
        assert_eq!(*outer.wait(), TaskOutcome::Completed(3));
    }

    fn dropping_the_pool_shuts_it_down() {
        let pool = pool(1);
        let (hold, release) = occupy(&pool);
        let queued = pool.spawn(|| ()).expect("there is room");
        drop(pool);
        assert_eq!(queued.outcome(), Some(&TaskOutcome::Cancelled));
        assert!(!hold.is_settled());
        drop(release);
        assert_eq!(*hold.wait(), TaskOutcome::Completed(()));
    }

    fn the_last_task_may_drop_the_pool() {
        let pool = pool(1);
        let (_hold, release) = occupy(&pool);
        let inside = pool.clone();
        let (go, wait) = mpsc::channel::<()>();
        let last = pool.spawn(move || (wait.recv().expect("told to"), drop(inside)).1);
        drop((pool, release));
        go.send(()).expect("it waits");
        assert_eq!(*last.expect("there was room").wait(), TaskOutcome::Completed(()));
    }
}

/// Asserts that the task was refused for lack of room and is still there.
fn full(spawned: Result<Handle<i32>, Refused<impl FnOnce() -> i32>>) {
    let refused = spawned.map(|_| ()).expect_err("there is no room");
    assert_eq!((refused.reason, (refused.task)()), (Reason::Full, 1));
}

valk_harness::test! {
    fn a_full_pool_hands_the_task_back() {
        let pool = pool_of(&Options { injected_max: 2, ..Options::default() });
        let (_hold, release) = occupy(&pool);
        let kept = [(); 2].map(|()| pool.spawn(|| 1).expect("there is room"));
        full(pool.spawn(|| 1));
        assert_eq!((pool.statistics().refused, pool.statistics().injected), (1, 2));
        drop(release);
        for handle in kept {
            assert_eq!(*handle.wait(), TaskOutcome::Completed(1));
        }
    }

    fn a_full_deque_passes_its_tasks_on() {
        let options = Options { injected_max: 1, local_max: 2, ..Options::default() };
        let pool = pool_of(&options);
        let inside = pool.clone();
        let task = move || {
            let kept = [(); 3].map(|()| inside.spawn(|| 1).expect("there is room"));
            let statistics = inside.statistics();
            assert_eq!((statistics.injected, statistics.workers[0].queued), (1, 2));
            full(inside.spawn(|| 1));
            kept
        };
        let task = pool.spawn(task).expect("there is room");
        let TaskOutcome::Completed(kept) = task.wait() else { panic!("it ran") };
        assert!(kept.iter().all(|handle| *handle.wait() == TaskOutcome::Completed(1)));
        assert_eq!(pool.statistics().refused, 1);
    }

    /// Tasks that submit the next one for ever leave room for one from outside.
    fn a_worker_that_is_never_idle_looks_outside() {
        fn go_on(pool: &Arc<Executor>, seen: &Arc<AtomicUsize>, begun: &Sender<()>) {
            if seen.load(SeqCst) == 0 {
                let _nobody_may_listen = begun.send(());
                let (inside, theirs, begun) = (pool.clone(), seen.clone(), begun.clone());
                pool.spawn(move || go_on(&inside, &theirs, &begun)).expect("there is room");
            }
        }
        let pool = pool(1);
        let seen = Arc::new(AtomicUsize::new(0));
        let (begin, begun): (_, Receiver<()>) = mpsc::channel();
        let (inside, theirs) = (pool.clone(), seen.clone());
        pool.spawn(move || go_on(&inside, &theirs, &begin)).expect("there is room");
        begun.recv().expect("it runs");
        let outside = pool.spawn(move || seen.store(1, SeqCst)).expect("there is room");
        assert_eq!(*outside.wait(), TaskOutcome::Completed(()));
    }

    fn a_task_submits_to_another_pool_as_an_outsider() {
        let (one, other) = (pool(1), pool(1));
        let (_hold, release) = occupy(&other);
        let theirs = other.clone();
        let task = move || {
            let inner = theirs.spawn(|| 1).expect("there is room");
            (theirs.statistics().injected, inner)
        };
        let task = one.spawn(task).expect("there is room");
        let TaskOutcome::Completed((injected, inner)) = task.wait() else { panic!("it ran") };
        assert_eq!(*injected, 1);
        drop(release);
        assert_eq!(*inner.wait(), TaskOutcome::Completed(1));
    }
}

valk_harness::test! {
    fn threads_have_names_and_stacks() {
        let options = Options {
            name: "pool".into(),
            stack_bytes: Some(1 << 20),
            ..Options::default()
        };
        let pool = pool_of(&options);
        let name = pool.spawn(|| thread::current().name().map(str::to_owned));
        let name = name.expect("there is room");
        assert_eq!(*name.wait(), TaskOutcome::Completed(Some("pool-0".into())));
        assert!(format!("{pool:?}").contains("workers: 1"));
    }

    fn there_may_be_as_many_workers_as_the_limit_says() {
        let options = Options {
            workers: EXECUTOR_WORKERS_MAX,
            stack_bytes: Some(1 << 16),
            ..Options::default()
        };
        let pool = pool_of(&options);
        assert_eq!(pool.workers(), EXECUTOR_WORKERS_MAX);
        assert_eq!(pool.shutdown(Duration::MAX), Report { ran: 0, dropped: 0, running: 0 });
    }

    fn a_thread_that_cannot_be_started_is_an_error() {
        let options = Options { workers: 9, stack_bytes: Some(1 << 46), ..Options::default() };
        assert!(Executor::new(&options).is_err(), "the address space has no room for that");
    }
}

valk_harness::test! {
    fn options_beyond_their_limits_are_refused() {
        let with = |change: fn(&mut Options)| {
            let mut options = Options::default();
            change(&mut options);
            let panic = catch_unwind(|| Executor::new(&options)).expect_err("a bad number");
            panic.downcast_ref::<String>().expect("a formatted message").clone()
        };
        let no_worker = with(|options| options.workers = 0);
        assert!(no_worker.contains("a pool of 0 workers was asked for; give 1 to"), "{no_worker}");
        let too_many = with(|options| options.workers = EXECUTOR_WORKERS_MAX + 1);
        assert!(too_many.contains("a pool of 257 workers was asked for"), "{too_many}");
        let no_task = with(|options| options.injected_max = 0);
        assert!(no_task.contains("room for 0 tasks from outside"), "{no_task}");
        let too_much = with(|options| options.injected_max = EXECUTOR_INJECTED_MAX + 1);
        assert!(too_much.contains("room for 16777217 tasks from outside"), "{too_much}");
        let no_slot = with(|options| options.local_max = 0);
        assert!(no_slot.contains("deques of 0 tasks were asked for"), "{no_slot}");
        let too_large = with(|options| options.local_max = DEQUE_SLOTS_MAX + 1);
        assert!(too_large.contains("deques of 1073741825 tasks were asked for"), "{too_large}");
    }

    fn refusals_of_tasks_say_what_to_do() {
        let refused = |reason| Refused { reason, task: () };
        assert!(refused(Reason::Full).to_string().contains("wait until a task has ended"));
        assert!(refused(Reason::ShuttingDown).to_string().contains("shutting down"));
        assert_eq!(format!("{:?}", refused(Reason::Full)), "Refused { reason: Full, .. }");
    }
}
