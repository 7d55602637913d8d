//! What queues, pool, coordinator and slab cost, beside their peers where there is one; run by
//! `ci/bench-sync`.
//!
//! The figures are medians over rounds that measure ours and the peer's one after the other. The
//! peers are crossbeam-deque and, for the pool, threads around one queue under a lock, whose tasks
//! have no handles.

use crossbeam_deque as crossbeam;
use std::collections::VecDeque;
use std::hint::black_box;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};
use valk_harness::benchmark::{self, Measure, Medians};
use valk_sync::coordinator::Coordinator;
use valk_sync::deque::{Steal, Stealer, Worker};
use valk_sync::executor::{Executor, Options};
use valk_sync::slab::Slab;

/// Operations measured at a time, those on deques.
const DEQUE_OPERATIONS: usize = 4_000_000;
/// Items in a deque at a time.
const BATCH: usize = 64;
/// Spins of a thief that has found nothing.
const PAUSE_SPINS: usize = 15;
/// Operations measured at a time, the others.
const OPERATIONS: usize = 5_000_000;
/// Tasks of the pool, and how many of them are alive at a time: each submits the next of its chain.
const TASKS: usize = 1_000_000;
const CHAINS: usize = 1_000;
/// Workers of either pool.
const WORKERS: usize = 2;

/// Figures are nanoseconds for each operation, or milliseconds of the whole.
struct Subject {
    name: &'static str,
    unit: &'static str,
    ours: Measure,
    peer: Option<Measure>,
    goal: &'static str,
}

const SUBJECTS: &[Subject] = &[
    Subject {
        name: "deque: push, pop",
        unit: "ns",
        ours: || push_pop(1),
        peer: Some(|| crossbeam_push_pop(1)),
        goal: "1.1x",
    },
    Subject {
        name: "deque: 64 pushes, 64 pops",
        unit: "ns",
        ours: || push_pop(BATCH),
        peer: Some(|| crossbeam_push_pop(BATCH)),
        goal: "1.1x",
    },
    Subject {
        name: "deque: push, steal",
        unit: "ns",
        ours: push_steal,
        peer: Some(crossbeam_push_steal),
        goal: "1.1x",
    },
    Subject {
        name: "deque: owner against thief",
        unit: "ns",
        ours: owner_and_thief,
        peer: Some(crossbeam_owner_and_thief),
        goal: "1.1x",
    },
    Subject {
        name: "pool: 1000000 tasks, 1000 alive",
        unit: "ms",
        ours: pool,
        peer: Some(one_queue),
        goal: "400 ms",
    },
    Subject {
        name: "mutator: blocking section",
        unit: "ns",
        ours: blocking,
        peer: None,
        goal: "15 ns",
    },
    Subject { name: "mutator: safepoint", unit: "ns", ours: safepoint, peer: None, goal: "-" },
    Subject { name: "slab: acquire, release", unit: "ns", ours: slab, peer: None, goal: "-" },
];

fn main() -> ExitCode {
    let measures = SUBJECTS.iter().map(|subject| (subject.ours, subject.peer));
    let medians = match benchmark::run(std::env::args().skip(1), measures) {
        Ok(medians) => medians,
        Err(refusal) => {
            eprintln!("error: {refusal}");
            return ExitCode::FAILURE;
        }
    };
    println!("{:<34} {:>9} {:>9} {:>6} {:>7}", "", "valk", "peer", "ratio", "goal");
    for (Subject { name, unit, goal, .. }, Medians { subject: ours, peer, .. }) in
        SUBJECTS.iter().zip(medians)
    {
        let (peer, ratio) = match peer {
            Some(peer) => (format!("{peer:.1} {unit}"), format!("{:.2}", ours / peer)),
            None => ("-".to_owned(), "-".to_owned()),
        };
        let ours = format!("{ours:.1} {unit}");
        println!("{name:<34} {ours:>9} {peer:>9} {ratio:>6} {goal:>7}");
    }
    ExitCode::SUCCESS
}

/// Nanoseconds for each of `operations` operations that `body` performs.
fn nanoseconds(operations: usize, body: impl FnOnce()) -> f64 {
    let began = Instant::now();
    body();
    began.elapsed().as_nanos() as f64 / operations as f64
}

/// A push and a pop, with `batch` items in between.
fn push_pop(batch: usize) -> f64 {
    let deque = Worker::new();
    nanoseconds(DEQUE_OPERATIONS, || {
        for _ in 0..DEQUE_OPERATIONS / batch {
            for item in 0..batch {
                deque.push(black_box(item)).expect("room");
            }
            for _ in 0..batch {
                black_box(deque.pop());
            }
        }
    })
}

fn crossbeam_push_pop(batch: usize) -> f64 {
    let deque = crossbeam::Worker::new_lifo();
    nanoseconds(DEQUE_OPERATIONS, || {
        for _ in 0..DEQUE_OPERATIONS / batch {
            for item in 0..batch {
                deque.push(black_box(item));
            }
            for _ in 0..batch {
                black_box(deque.pop());
            }
        }
    })
}

/// A push and a steal by the same thread.
fn push_steal() -> f64 {
    let deque = Worker::new();
    let stealer = deque.stealer();
    nanoseconds(DEQUE_OPERATIONS, || {
        for _ in 0..DEQUE_OPERATIONS / BATCH {
            for item in 0..BATCH {
                deque.push(black_box(item)).expect("room");
            }
            for _ in 0..BATCH {
                black_box(stealer.steal().item());
            }
        }
    })
}

fn crossbeam_push_steal() -> f64 {
    let deque = crossbeam::Worker::new_lifo();
    let stealer = deque.stealer();
    nanoseconds(DEQUE_OPERATIONS, || {
        for _ in 0..DEQUE_OPERATIONS / BATCH {
            for item in 0..BATCH {
                deque.push(black_box(item));
            }
            for _ in 0..BATCH {
                black_box(stealer.steal().success());
            }
        }
    })
}

/// Runs `owner` while another thread runs `thief`, which steals until it finds nothing, again and
/// again with pauses as a worker makes them: nanoseconds for each operation of the owner.
fn contended(owner: impl FnOnce(), mut thief: impl FnMut() + Send) -> f64 {
    let (started, ended) = (AtomicBool::new(false), AtomicBool::new(false));
    thread::scope(|scope| {
        scope.spawn(|| {
            while !ended.load(Ordering::Relaxed) {
                thief();
                started.store(true, Ordering::Relaxed);
                for _ in 0..PAUSE_SPINS {
                    std::hint::spin_loop();
                }
            }
        });
        while !started.load(Ordering::Relaxed) {
            std::hint::spin_loop();
        }
        let taken = nanoseconds(DEQUE_OPERATIONS, owner);
        ended.store(true, Ordering::Relaxed);
        taken
    })
}

/// A push and a pop of the owner's, whose items a thief steals meanwhile.
fn owner_and_thief() -> f64 {
    let deque = Worker::new();
    let stealer: Stealer<usize> = deque.stealer();
    let owner = || {
        for _ in 0..DEQUE_OPERATIONS / BATCH {
            for item in 0..BATCH {
                deque.push(black_box(item)).expect("room");
            }
            while black_box(deque.pop()).is_some() {}
        }
    };
    contended(owner, move || {
        while let Steal::Item(item) = stealer.steal() {
            black_box(item);
        }
    })
}

fn crossbeam_owner_and_thief() -> f64 {
    let deque = crossbeam::Worker::new_lifo();
    let stealer: crossbeam::Stealer<usize> = deque.stealer();
    let owner = || {
        for _ in 0..DEQUE_OPERATIONS / BATCH {
            for item in 0..BATCH {
                deque.push(black_box(item));
            }
            while black_box(deque.pop()).is_some() {}
        }
    };
    contended(owner, move || {
        while let crossbeam::Steal::Success(item) = stealer.steal() {
            black_box(item);
        }
    })
}

/// Counts chains that have ended, and wakes the thread that waits for all.
struct Countdown {
    left: AtomicUsize,
    waiter: thread::Thread,
}

impl Countdown {
    fn new() -> Arc<Self> {
        Arc::new(Self { left: AtomicUsize::new(CHAINS), waiter: thread::current() })
    }

    fn ended(&self) {
        if self.left.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.waiter.unpark();
        }
    }

    fn wait(&self) {
        while self.left.load(Ordering::Acquire) > 0 {
            thread::park();
        }
    }
}

/// Milliseconds of `TASKS` tasks in chains that `begin` starts.
fn milliseconds(begin: impl Fn(Arc<Countdown>)) -> f64 {
    let countdown = Countdown::new();
    let began = Instant::now();
    for _ in 0..CHAINS {
        begin(Arc::clone(&countdown));
    }
    countdown.wait();
    began.elapsed().as_secs_f64() * 1e3
}

fn pool() -> f64 {
    fn step(pool: Arc<Executor>, left: usize, countdown: Arc<Countdown>) {
        if left == 0 {
            // Before the last chain is counted, so that the waiting thread shuts the pool down.
            drop(pool);
            return countdown.ended();
        }
        let next = Arc::clone(&pool);
        let submitted = pool.spawn(move || step(next, left - 1, countdown));
        assert!(submitted.is_ok(), "a thousand tasks have room");
    }
    let options = Options { workers: WORKERS, ..Options::default() };
    let pool = Arc::new(Executor::new(&options).expect("threads"));
    let taken = milliseconds(|countdown| step(Arc::clone(&pool), TASKS / CHAINS, countdown));
    pool.shutdown(Duration::from_mins(1));
    taken
}

type Task = Box<dyn FnOnce() + Send>;

/// The peer: every task goes through one queue.
#[derive(Default)]
struct OneQueue {
    tasks: Mutex<(VecDeque<Task>, bool)>,
    changed: Condvar,
}

impl OneQueue {
    fn lock(&self) -> MutexGuard<'_, (VecDeque<Task>, bool)> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn spawn(&self, task: impl FnOnce() + Send + 'static) {
        self.lock().0.push_back(Box::new(task));
        self.changed.notify_one();
    }

    fn work(&self) {
        loop {
            let mut tasks = self.lock();
            let task = loop {
                match tasks.0.pop_front() {
                    Some(task) => break task,
                    None if tasks.1 => return,
                    None => {
                        tasks = self.changed.wait(tasks).unwrap_or_else(PoisonError::into_inner);
                    }
                }
            };
            drop(tasks);
            task();
        }
    }
}

fn one_queue() -> f64 {
    fn step(pool: &Arc<OneQueue>, left: usize, countdown: Arc<Countdown>) {
        if left == 0 {
            return countdown.ended();
        }
        let next = Arc::clone(pool);
        pool.spawn(move || step(&next, left - 1, countdown));
    }
    let pool = Arc::new(OneQueue::default());
    let workers: Vec<_> = (0..WORKERS)
        .map(|_| {
            let pool = Arc::clone(&pool);
            thread::spawn(move || pool.work())
        })
        .collect();
    let taken = milliseconds(|countdown| step(&pool, TASKS / CHAINS, countdown));
    pool.lock().1 = true;
    pool.changed.notify_all();
    for worker in workers {
        worker.join().expect("no task panics");
    }
    taken
}

fn blocking() -> f64 {
    let coordinator = Coordinator::new();
    let mut mutator = coordinator.register().expect("the first");
    nanoseconds(OPERATIONS, || {
        for number in 0..OPERATIONS {
            mutator.blocking(|| black_box(number));
        }
    })
}

fn safepoint() -> f64 {
    let coordinator = Coordinator::new();
    let mut mutator = coordinator.register().expect("the first");
    nanoseconds(OPERATIONS, || {
        for _ in 0..OPERATIONS {
            black_box(&mut mutator).safepoint();
        }
    })
}

fn slab() -> f64 {
    let slab = Slab::new(1024);
    nanoseconds(OPERATIONS, || {
        for _ in 0..OPERATIONS {
            let slot = black_box(slab.acquire()).expect("free");
            slab.release(slot).expect("out");
        }
    })
}
