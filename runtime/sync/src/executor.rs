//! A pool of threads for work that computes or blocks: each worker has a queue, idle ones steal.
//!
//! 1. A task waits in one place: with the tasks *injected* from outside, under the lock, or in the
//!    queue of the worker that submitted it or moved it there. The thread that takes it out runs it
//!    or drops it. A task that is dropped unrun settles its handle, wherever that happens; so each
//!    accepted task ends once: it has returned, has panicked, or was dropped.
//! 2. Both places are bounded. A task that finds no room is refused, and so is one that a pool gets
//!    while it shuts down; a full queue passes it on to the injected ones first.
//! 3. A worker takes its oldest task, then injected ones, then the oldest of others, beginning with
//!    a random victim ("Scheduling Multithreaded Computations by Work Stealing", Blumofe and
//!    Leiserson, JACM 1999; their workers take the newest first, but then a task that submits its
//!    successor keeps the others from running). Now and then it looks at the injected ones first,
//!    so that they are not starved.
//! 4. A thread that has put a task somewhere wakes one parked worker, if there is any. A worker that
//!    found nothing a few times in a row is recorded as parked, looks once more, and parks if there
//!    is still nothing. For injected tasks both happen under the lock. For a queue each of the two
//!    does its part before a fence and looks for the other's behind it, so one of them sees the
//!    other. No thread polls. A worker that was woken and leaves instead wakes another.
//! 5. Phases go Open, Draining, Discarding, under the lock. Draining, no task is accepted, and a
//!    worker ends instead of parking. A worker never leaves tasks in its own queue when it does.
//! 6. Each worker has a word that counts begins and ends of tasks, hence says whether one is
//!    running. A thread that discards sets a bit in it. A begin after that does not take place. So a
//!    worker either was running by then, or runs nothing any more and ends soon.
//! 7. Discarding, the tasks that wait belong to the thread that shuts down. A worker that has just
//!    taken one and may not begin it drops it and ends; none takes another. A running task may have
//!    submitted one too late: it looks at the phase behind its fence (rule 4) and takes its own task
//!    back. So what a report says adds up: each accepted task has run, was dropped, or is running.
//! 8. A panic in a task, its destructor or an observer ends there: the worker goes on.
//!
//! Tasks, destructors and observers are called without a lock. Knows functions and threads, and of
//! time only a deadline. Does not know values, heaps or what a task is for.

mod core;
mod handle;
mod job;
mod options;
mod parker;
mod refusal;
mod remote;
mod shared;
mod state;
mod statistics;
mod victims;
mod worker;

pub use handle::{Completer, Full, Handle, Observer, TaskOutcome};
pub use job::Panicked;
pub use options::Options;
pub use refusal::{Reason, Refused};
pub use statistics::{Report, Statistics, WorkerStatistics};
pub use worker::{Idle, Worker};

#[cfg(test)]
pub(crate) use victims::Victims;

use self::core::{Core, Deque};
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
        for (index, deque) in deques.into_iter().enumerate() {
            // An error drops the executor, and that ends the workers that were started.
            executor.start(options, index, deque, |worker| worker.serve())?;
        }
        Ok(executor)
    }

    /// A pool whose first worker is driven by the calling thread. The others are driven by threads
    /// of the pool, which call `drive` with them and end when it returns.
    ///
    /// # Errors
    ///
    /// As [`Executor::new`].
    ///
    /// # Panics
    ///
    /// As [`Executor::new`].
    pub fn hosted<D>(options: &Options, drive: D) -> io::Result<(Self, Worker)>
    where
        D: Fn(Worker) + Clone + Send + 'static,
    {
        let (executor, deques) = Self::unstarted(options);
        let mut deques = deques.into_iter().enumerate();
        let (index, deque) = deques.next().expect("a pool has a worker");
        let first = Core::new(Arc::clone(&executor.shared), index, deque, options);
        executor.shared.hosted(index);
        let first = Worker::enter(first);
        for (index, deque) in deques {
            executor.start(options, index, deque, drive.clone())?;
        }
        Ok((executor, first))
    }

    fn unstarted(options: &Options) -> (Self, Vec<Deque>) {
        options.check();
        let deques: Vec<_> = (0..options.workers).map(|_| options.queue()).collect();
        let shared = Shared::new(deques.iter().map(Deque::stealer), options.injected_max);
        (Self { shared: Arc::new(shared) }, deques)
    }

    fn start<D>(&self, options: &Options, index: usize, deque: Deque, drive: D) -> io::Result<()>
    where
        D: FnOnce(Worker) + Send + 'static,
    {
        let core = Core::new(Arc::clone(&self.shared), index, deque, options);
        let thread = options.thread(index).spawn(move || drive(Worker::enter(core)))?;
        self.shared.started(index, thread);
        Ok(())
    }

    /// Number of tasks that wait for a worker, at some recent moment.
    pub fn waiting(&self) -> usize {
        self.shared.waiting()
    }

    /// Whether a worker is parked, at some recent moment.
    pub fn has_parked(&self) -> bool {
        self.shared.signals().has_sleeper()
    }

    /// Has a worker call `task`; the handle says what became of it, and may be dropped. A task of
    /// this pool submits to its own worker's queue, where the oldest runs first.
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
        let submitted = match Core::current(&self.shared) {
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
    /// threads: the one with the shortest patience drops what has not begun, and the others wait on
    /// for what runs. A worker whose thread calls it is not waited for. One that another thread
    /// hosts is, until that polls or drops it. It takes longer than `patience` when the destructor
    /// of a dropped task does, or an observer.
    pub fn shutdown(&self, patience: Duration) -> Report {
        let own = Core::current(&self.shared).map(|worker| worker.index());
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
