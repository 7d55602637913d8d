//! The pool under load and without: how busy its workers are, and what they cost while idle.
//!
//! Both are shares of a time that the test itself takes, so a slow machine changes neither.

use crate::executor::{Executor, Handle, Options, TaskOutcome};
use crate::shim::thread;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

fn pool(name: &str, workers: usize) -> Executor {
    let options = Options { name: name.into(), workers, ..Options::default() };
    let pool = Executor::new(&options).expect("the system has threads");
    while pool.statistics().idle != workers {
        thread::yield_now();
    }
    pool
}

const WORKERS: usize = 8;

/// The share of the wall time that each of eight workers spends with a task, when one producer
/// submits tasks that block for a fixed time.
fn shares_of_eight_workers(task: Duration, tasks_per_worker: usize) -> Vec<f64> {
    let pool = std::sync::Arc::new(pool("busy", WORKERS));
    let began = Instant::now();
    let inside = pool.clone();
    let producer = move || {
        let submit = |_| {
            let block = move || {
                let begun = Instant::now();
                std::thread::sleep(task);
                (thread::current().name().map(str::to_owned), begun.elapsed())
            };
            inside.spawn(block).expect("there is room")
        };
        (0..WORKERS * tasks_per_worker).map(submit).collect::<Vec<Handle<_>>>()
    };
    let producer = pool.spawn(producer).expect("there is room");
    let TaskOutcome::Completed(tasks) = producer.wait() else { panic!("it ran") };
    let mut busy = BTreeMap::<_, Duration>::new();
    for task in tasks {
        let TaskOutcome::Completed((worker, time)) = task.wait() else { panic!("it ran") };
        *busy.entry(worker.clone()).or_default() += *time;
    }
    let wall = began.elapsed();
    assert_eq!(busy.len(), WORKERS, "each worker had tasks");
    busy.values().map(|busy| busy.as_secs_f64() / wall.as_secs_f64()).collect()
}

/// CPU time of the threads of a pool; `None` where the system does not tell.
fn cpu_time(name: &str) -> Option<Duration> {
    let mut nanoseconds = 0;
    for entry in std::fs::read_dir("/proc/self/task").ok()? {
        let path = entry.ok()?.path();
        let is_ours =
            std::fs::read_to_string(path.join("comm")).is_ok_and(|thread| thread.starts_with(name));
        if is_ours {
            let numbers = std::fs::read_to_string(path.join("schedstat")).ok()?;
            nanoseconds += numbers.split(' ').next()?.parse::<u64>().ok()?;
        }
    }
    Some(Duration::from_nanos(nanoseconds))
}

valk_harness::test! {
    /// A machine that stops for a while takes the time from some worker, so a few tries count.
    fn each_of_eight_workers_is_busy_for_four_fifths_of_the_time() {
        let mut tries = Vec::new();
        for attempt in 1..=5 {
            let shares = shares_of_eight_workers(Duration::from_millis(5 * attempt), 12);
            if shares.iter().all(|share| *share > 0.8) {
                return;
            }
            tries.push(shares);
        }
        panic!("a worker was busy for less than 80 % of the time: {tries:?}");
    }

    fn idle_workers_take_less_than_a_hundredth_of_a_processor() {
        const TIME: Duration = Duration::from_millis(300);
        let pool = pool("idle", 4);
        let Some(before) = cpu_time("idle-") else { return };
        std::thread::sleep(TIME);
        let after = cpu_time("idle-").expect("it was told before");
        assert!(after < before + TIME / 100, "{before:?} before {TIME:?}, {after:?} after");
        drop(pool);
    }
}
