//! The private side of a worker: where it finds its next task, and how it runs it (rules 3 and 8).

use super::Options;
use super::job::Task;
use super::refusal::Reason;
use super::shared::Shared;
use super::victims::Victims;
use super::worker::Idle;
use crate::deque::{self, Full, Steal};
use crate::limits::EXECUTOR_GLOBAL_QUEUE_INTERVAL;
use crate::limits::{EXECUTOR_BATCH_MAX, EXECUTOR_SEARCHES_MAX};
use crate::shim::{Arc, reached_if, thread_local};
use std::cell::{Cell, RefCell};
use std::hint;
use std::rc::Rc;
use std::task::{Context, Poll};

/// A worker's own end of its queue.
pub(super) type Deque = deque::Worker<Box<Task>>;

thread_local! {
    /// The worker that this thread drives.
    static CURRENT: RefCell<Option<Rc<Core>>> = RefCell::default();
}

/// The private side of a worker; lives on the thread that drives it.
pub(super) struct Core {
    shared: Arc<Shared>,
    index: usize,
    deque: Deque,
    /// Most injected tasks that it moves into its queue at a time.
    batch_max: usize,
    victims: Victims,
    /// Tasks asked for, to count up to the next look at the injected ones.
    tick: Cell<u32>,
    /// The pool knows that it has ended.
    has_left: Cell<bool>,
}

impl Core {
    pub(super) fn new(shared: Arc<Shared>, index: usize, deque: Deque, options: &Options) -> Self {
        let victims = Victims::new(index, shared.workers(), options.seed);
        let batch_max = EXECUTOR_BATCH_MAX.min(options.local_max);
        Self {
            shared,
            index,
            deque,
            batch_max,
            victims,
            tick: Cell::new(0),
            has_left: Cell::new(false),
        }
    }

    /// Makes this the calling thread's worker, until [`Core::resign`].
    pub(super) fn enter(self) -> Rc<Self> {
        let own = Rc::new(self);
        CURRENT.with(|current| *current.borrow_mut() = Some(Rc::clone(&own)));
        own
    }

    /// Ends that this is the calling thread's worker.
    pub(super) fn resign(self: &Rc<Self>) {
        let forget = |current: &RefCell<Option<Rc<Self>>>| {
            let is_own = current.borrow().as_ref().is_some_and(|known| Rc::ptr_eq(known, self));
            if is_own { current.borrow_mut().take() } else { None }
        };
        // A thread that ends may have destroyed its locals.
        drop(CURRENT.try_with(forget));
    }

    /// The calling thread's worker, if it is one of this pool.
    pub(super) fn current(shared: &Arc<Shared>) -> Option<Rc<Self>> {
        let find = |current: &RefCell<Option<Rc<Self>>>| {
            current.borrow().as_ref().filter(|own| Arc::ptr_eq(&own.shared, shared)).cloned()
        };
        // No worker is at work while its thread destroys its locals.
        CURRENT.try_with(find).ok().flatten()
    }

    pub(super) fn index(&self) -> usize {
        self.index
    }

    /// Whether a task waits anywhere, at some recent moment.
    pub(super) fn sees_work(&self) -> bool {
        self.shared.signals().has_injected()
            || self.shared.remotes.iter().any(|remote| !remote.0.stealer.is_empty())
    }

    /// Runs the next task that waits anywhere. Returns false if there is none, or if the worker
    /// may begin no more; then it is idle.
    pub(super) fn run_next(&self) -> bool {
        self.next().is_some_and(|task| self.run(task))
    }

    /// Ready when there may be work, or when the worker has ended.
    pub(super) fn poll_idle(&self, cx: &mut Context<'_>) -> Poll<Idle> {
        let idle = self.shared.poll_idle(self.index, cx);
        if idle == Poll::Ready(Idle::Ended) {
            self.has_left.set(true);
        }
        idle
    }

    /// See [`Shared::stay_awake`].
    pub(super) fn stay_awake(&self) -> bool {
        self.shared.stay_awake(self.index)
    }

    /// Accepts a task from the task that is running.
    pub(super) fn submit(&self, task: Task) -> Result<(), (Reason, Task)> {
        if self.shared.signals().is_closed() {
            return self.shared.inject(task);
        }
        if let Err(Full(task)) = self.deque.push(Box::new(task)) {
            return self.shared.inject(*task);
        }
        // Rule 7: perhaps no thread looks at the queue any more. The task is the newest, so if it
        // is not at this end of the queue, another thread has taken it.
        let is_late = self.shared.announce().is_discarding();
        let taken_back = is_late.then(|| self.deque.pop()).flatten();
        reached_if(taken_back.is_some(), "executor: a task was submitted too late");
        match taken_back {
            Some(task) => self.shared.inject(*task),
            None => Ok(()),
        }
    }

    /// Runs `task`. Returns whether the worker goes on.
    fn run(&self, task: Task) -> bool {
        let remote = self.shared.remote(self.index);
        let begun = remote.begin();
        reached_if(!begun, "executor: a task was taken too late");
        if !begun {
            remote.counters.dropped.count();
        }
        let panicked = if begun { task.run() } else { task.discard() };
        if panicked {
            remote.counters.panicked.count();
        }
        begun && remote.end()
    }

    /// The next task (rule 3).
    fn next(&self) -> Option<Task> {
        let tick = self.tick.get() + 1;
        self.tick.set(tick % EXECUTOR_GLOBAL_QUEUE_INTERVAL);
        let injected = if tick == EXECUTOR_GLOBAL_QUEUE_INTERVAL {
            self.shared.take_injected(&self.deque, 0)
        } else {
            None
        };
        injected.or_else(|| self.oldest()).or_else(|| self.search())
    }

    /// The oldest task of the own queue: what was submitted first runs first, so a task that
    /// submits its successor keeps no other from running.
    fn oldest(&self) -> Option<Task> {
        loop {
            match self.shared.remote(self.index).stealer.steal() {
                Steal::Item(task) => return Some(*task),
                // Another worker took it; the next one may be there.
                Steal::Retry => {}
                Steal::Empty => return None,
            }
        }
    }

    /// Looks everywhere but in the own queue, a few times.
    fn search(&self) -> Option<Task> {
        (0..EXECUTOR_SEARCHES_MAX).find_map(|attempt| {
            for _ in 1..1_u32 << attempt {
                hint::spin_loop();
            }
            self.shared.remote(self.index).counters.searches.count();
            let injected = self.shared.take_injected(&self.deque, self.batch_max);
            injected.or_else(|| self.steal())
        })
    }

    /// Tries each victim once.
    fn steal(&self) -> Option<Task> {
        let stolen = self.victims.round().find_map(|victim| {
            match self.shared.remote(victim).stealer.steal() {
                Steal::Item(task) => Some(*task),
                // Another thread got it; `poll_idle` looks again.
                Steal::Retry | Steal::Empty => None,
            }
        });
        if stolen.is_some() {
            self.shared.remote(self.index).counters.stolen.count();
        }
        stolen
    }
}

impl Drop for Core {
    fn drop(&mut self) {
        // It was not started, or its thread drives it no more: no thread must wait for it.
        if !self.has_left.get() {
            self.shared.leave(self.index);
        }
    }
}
