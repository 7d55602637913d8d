//! A pool of threads for work that computes or blocks: each worker has a deque, idle ones steal.
//!
//! 1. A task waits in one place: with the tasks *injected* from outside, under the lock, or in the
//!    deque of the worker that submitted it or took it over. Who takes it out has it alone, and
//!    runs it or drops it. A task that is dropped unrun says so to its completion, wherever that
//!    happens; so each accepted task ends once: it has returned, has panicked, or was dropped.
//! 2. Both places are bounded. A task that finds no room, or a pool that is shutting down, is
//!    handed back; a full deque passes it on to the injected ones first.
//! 3. A worker takes its newest task, then injected ones, then the oldest of others, beginning
//!    with a random victim ("Scheduling Multithreaded Computations by Work Stealing", Blumofe and
//!    Leiserson, JACM 1999). Now and then it looks at the injected ones first, so that they are
//!    not starved.
//! 4. Whoever has put a task somewhere wakes one sleeper, if there is any. A worker that found
//!    nothing a few times in a row says that it sleeps, looks once more, and sleeps if there is
//!    still nothing. For injected tasks both happen under the lock. For a deque each of the two
//!    does its part before a fence and looks for the other's behind it, so one of them sees the
//!    other. Nobody polls.
//! 5. Phases go Open, Draining, Discarding, under the lock. Draining, no task is accepted, and a
//!    worker ends instead of sleeping. A worker never leaves tasks in its own deque when it does.
//! 6. Each lane has a word that counts begins and ends of tasks, hence says whether one is
//!    running. Who discards sets a bit in it. A begin after that does not take place. So a worker
//!    either was running by then, or runs nothing any more and ends soon.
//! 7. Discarding, the tasks that wait belong to who discards. A worker that has just taken one and
//!    may not begin it drops it and ends; none takes another. A running task may have submitted
//!    one too late: it looks at the phase behind its fence (rule 4) and takes its own task back.
//!    So what a report says adds up: each accepted task has run, was dropped, or is running.
//! 8. A panic in a task, its destructor or an observer ends there: the worker goes on.
//!
//! Tasks, destructors and observers are called without a lock. Knows functions and threads, and of
//! time only a deadline. Does not know values, heaps or what a task is for.

mod core;
mod handle;
mod job;
mod options;
mod refusal;
mod remote;
mod shared;
mod state;
mod statistics;
mod victims;
mod worker;

pub use handle::Handle;
pub use job::Panicked;
pub use options::Options;
pub use refusal::{Reason, Refused};
pub use statistics::{Report, Statistics, WorkerStatistics};
pub use worker::{Idle, Seat};

#[cfg(test)]
pub(crate) use victims::Victims;

use self::core::{Deque, Worker};
use crate::shim::{Arc, thread};
use job::Task;
use shared::Shared;
use std::fmt;
use std::io;
use std::time::Duration;

/// A pool of worker threads, shared by reference. Dropping it shuts it down without patience.
pub struct Executor {
    shared: Arc<Shared>,
}

impl Executor {
    /// Starts the workers that `options` ask for.
    ///
    /// # Errors
    ///
    /// What the system says when it has no further thread; those that were started have ended
    /// then.
    ///
    /// # Panics
    ///
    /// When a number in `options` is 0 or beyond its limit.
    pub fn new(options: &Options) -> io::Result<Self> {
        let (executor, deques) = Self::unstarted(options);
        for (lane, deque) in deques.into_iter().enumerate() {
            // An error drops the executor, and that ends the workers that were started.
            executor.start(options, lane, deque, |seat| seat.serve())?;
        }
        Ok(executor)
    }

    /// A pool whose first worker belongs to the calling thread, by the seat that is returned. The
    /// others are threads that call `host` with theirs, and end when it returns.
    ///
    /// # Errors
    ///
    /// As [`Executor::new`].
    ///
    /// # Panics
    ///
    /// As [`Executor::new`].
    pub fn hosted<H>(options: &Options, host: H) -> io::Result<(Self, Seat)>
    where
        H: Fn(Seat) + Clone + Send + 'static,
    {
        let (executor, deques) = Self::unstarted(options);
        let mut deques = deques.into_iter().enumerate();
        let (lane, deque) = deques.next().expect("a pool has a worker");
        let first = Worker::new(Arc::clone(&executor.shared), lane, deque, options);
        executor.shared.hosted(lane);
        let seat = Seat::take(first);
        for (lane, deque) in deques {
            executor.start(options, lane, deque, host.clone())?;
        }
        Ok((executor, seat))
    }

    fn unstarted(options: &Options) -> (Self, Vec<Deque>) {
        options.check();
        let deques: Vec<_> = (0..options.workers).map(|_| options.deque()).collect();
        let shared = Shared::new(deques.iter().map(Deque::stealer), options.injected_max);
        (Self { shared: Arc::new(shared) }, deques)
    }

    fn start<H>(&self, options: &Options, lane: usize, deque: Deque, host: H) -> io::Result<()>
    where
        H: FnOnce(Seat) + Send + 'static,
    {
        let worker = Worker::new(Arc::clone(&self.shared), lane, deque, options);
        let thread = options.thread(lane).spawn(move || host(Seat::take(worker)))?;
        self.shared.started(lane, thread);
        Ok(())
    }

    /// Number of tasks that wait for a worker, at some recent moment.
    pub fn waiting(&self) -> usize {
        self.shared.waiting()
    }

    /// Has a worker call `task`; the handle says what became of it, and may be dropped. A task of
    /// this pool submits to its own worker, where the newest runs first.
    ///
    /// A task that waits for another one occupies its worker meanwhile: when all workers do, they
    /// wait for ever.
    ///
    /// # Errors
    ///
    /// [`Refused`] with the task when the pool is full or is shutting down.
    pub fn spawn<F, T>(&self, task: F) -> Result<Handle<T>, Refused<F>>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + Sync + 'static,
    {
        let (task, handle) = Task::new(task);
        let submitted = match Worker::current(&self.shared) {
            Some(worker) => worker.submit(task),
            None => self.shared.inject(task),
        };
        match submitted {
            Ok(()) => Ok(handle),
            Err((reason, task)) => Err(Refused { reason, task: task.into_function::<F, T>() }),
        }
    }

    /// Refuses new tasks from here on, waits until those that were accepted have run but not
    /// longer than `patience`, and drops the ones that have not begun by then. Workers that still
    /// run a task end after it; all others have ended when this returns.
    ///
    /// May be called again, for instance to wait for the tasks that were running, and from several
    /// threads: whoever has the shortest patience drops what has not begun, and the others wait on
    /// for what runs. A worker that calls it, from a task or an observer, is not waited for. It
    /// takes longer than `patience` when the destructor of a dropped task does, or an observer.
    pub fn shutdown(&self, patience: Duration) -> Report {
        let own = Worker::current(&self.shared).map(|worker| worker.lane());
        self.shared.shutdown(patience, own)
    }

    /// Number of workers, also of those that have ended.
    pub fn workers(&self) -> usize {
        self.shared.workers()
    }

    /// Numbers that are read one after the other while the workers go on.
    pub fn statistics(&self) -> Statistics {
        self.shared.statistics()
    }
}

impl Drop for Executor {
    fn drop(&mut self) {
        self.shutdown(Duration::ZERO);
    }
}

impl fmt::Debug for Executor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Executor").field("workers", &self.workers()).finish_non_exhaustive()
    }
}

/// The thread of a worker.
type Thread = thread::JoinHandle<()>;
