//! A worker: where it finds its next task, and how it runs it (rules 3 and 8).

use super::Options;
use super::job::Task;
use super::refusal::Reason;
use super::shared::{Rest, Shared};
use super::victims::Victims;
use crate::deque::{self, Full, Steal};
use crate::limits::{EXECUTOR_BATCH_MAX, EXECUTOR_SEARCHES_MAX, EXECUTOR_TURNS_BETWEEN_LOOKS};
use crate::shim::{Arc, reached_if, thread_local};
use std::cell::{Cell, RefCell};
use std::hint;
use std::rc::Rc;
use std::task::{Context, Poll};

/// A worker's own end of its deque.
pub(super) type Deque = deque::Worker<Box<Task>>;

thread_local! {
    /// The worker whose thread this is.
    static CURRENT: RefCell<Option<Rc<Worker>>> = RefCell::default();
}

/// The private side of a worker; lives on its thread.
pub(super) struct Worker {
    shared: Arc<Shared>,
    lane: usize,
    deque: Deque,
    /// Most injected tasks that it takes over into its deque at a time.
    batch_max: usize,
    victims: Victims,
    /// Tasks asked for, to count up to the next look at the injected ones.
    turn: Cell<u32>,
    /// The end of it is known to all.
    has_left: Cell<bool>,
}

impl Worker {
    pub(super) fn new(shared: Arc<Shared>, lane: usize, deque: Deque, options: &Options) -> Self {
        let victims = Victims::new(lane, shared.workers(), options.seed);
        let batch_max = EXECUTOR_BATCH_MAX.min(options.local_max);
        Self {
            shared,
            lane,
            deque,
            batch_max,
            victims,
            turn: Cell::new(0),
            has_left: Cell::new(false),
        }
    }

    /// Makes this the calling thread's worker, until [`Worker::resign`].
    pub(super) fn enter(self) -> Rc<Self> {
        let own = Rc::new(self);
        CURRENT.with(|current| *current.borrow_mut() = Some(Rc::clone(&own)));
        own
    }

    /// The calling thread's worker is this one no more.
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

    pub(super) fn lane(&self) -> usize {
        self.lane
    }

    /// Whether a task waits anywhere, at some recent moment.
    pub(super) fn sees_work(&self) -> bool {
        self.shared.signals().has_injected()
            || self.shared.lanes.iter().any(|lane| !lane.0.stealer.is_empty())
    }

    /// Runs the next task that waits anywhere. Returns false if there is none, or if the worker
    /// may begin no more; then it is to rest.
    pub(super) fn run_next(&self) -> bool {
        self.next().is_some_and(|task| self.run(task))
    }

    /// Ready when there may be work, or when the worker has ended.
    pub(super) fn poll_rest(&self, cx: &mut Context<'_>) -> Poll<Rest> {
        let rest = self.shared.poll_rest(self.lane, cx);
        if rest == Poll::Ready(Rest::End) {
            self.has_left.set(true);
        }
        rest
    }

    /// See [`Shared::stay_awake`].
    pub(super) fn stay_awake(&self) -> bool {
        self.shared.stay_awake(self.lane)
    }

    /// Accepts a task from the task that is running.
    pub(super) fn submit(&self, task: Task) -> Result<(), (Reason, Task)> {
        if self.shared.signals().is_closed() {
            return self.shared.inject(task);
        }
        if let Err(Full(task)) = self.deque.push(Box::new(task)) {
            return self.shared.inject(*task);
        }
        // Rule 7: nobody may come by any more. The task is the newest, so if it is not at this end
        // of the deque, somebody has.
        let is_late = self.shared.announce().is_discarding();
        let taken_back = is_late.then(|| self.deque.pop()).flatten();
        reached_if(taken_back.is_some(), "executor: a task was submitted too late");
        match taken_back {
            Some(task) => self.shared.inject(*task),
            None => Ok(()),
        }
    }

    /// Runs `task`; whether the worker goes on.
    fn run(&self, task: Task) -> bool {
        let lane = self.shared.lane(self.lane);
        let begun = lane.begin();
        reached_if(!begun, "executor: a task was taken too late");
        if !begun {
            lane.counters.dropped.count();
        }
        let panicked = if begun { task.run() } else { task.discard() };
        if panicked {
            lane.counters.panicked.count();
        }
        begun && lane.end()
    }

    /// The next task (rule 3).
    fn next(&self) -> Option<Task> {
        let turn = self.turn.get() + 1;
        self.turn.set(turn % EXECUTOR_TURNS_BETWEEN_LOOKS);
        let injected = if turn == EXECUTOR_TURNS_BETWEEN_LOOKS {
            self.shared.take_injected(&self.deque, 0)
        } else {
            None
        };
        injected.or_else(|| self.oldest()).or_else(|| self.search())
    }

    /// The oldest task of the own deque: what was submitted first runs first, so a task that
    /// submits its successor keeps no other from running.
    fn oldest(&self) -> Option<Task> {
        loop {
            match self.shared.lane(self.lane).stealer.steal() {
                Steal::Item(task) => return Some(*task),
                // Another worker took it; the next one may be there.
                Steal::Retry => {}
                Steal::Empty => return None,
            }
        }
    }

    /// Looks everywhere but in the own deque, a few times.
    fn search(&self) -> Option<Task> {
        (0..EXECUTOR_SEARCHES_MAX).find_map(|round| {
            for _ in 1..1_u32 << round {
                hint::spin_loop();
            }
            self.shared.lane(self.lane).counters.searches.count();
            let injected = self.shared.take_injected(&self.deque, self.batch_max);
            injected.or_else(|| self.steal())
        })
    }

    /// Tries each victim once.
    fn steal(&self) -> Option<Task> {
        let stolen = self.victims.round().find_map(|victim| {
            match self.shared.lane(victim).stealer.steal() {
                Steal::Item(task) => Some(*task),
                // Somebody else got it, and will see to the rest; `rest` looks again.
                Steal::Retry | Steal::Empty => None,
            }
        });
        if stolen.is_some() {
            self.shared.lane(self.lane).counters.stolen.count();
        }
        stolen
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // It was not started, or broke a rule: either way nobody must wait for it.
        if !self.has_left.get() {
            self.shared.leave(self.lane);
        }
    }
}
