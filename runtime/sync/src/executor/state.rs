//! What the lock protects: the phase, the injected tasks, and each worker's park state and thread.

use super::Thread;
use super::job::Task;
use super::refusal::Reason;
use std::collections::VecDeque;
use std::mem;
use std::task::Waker;

/// Where the pool is in its life (rule 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    /// Tasks are accepted.
    Open,
    /// Those that were accepted run.
    Draining,
    /// Those that have not begun are dropped.
    Discarding,
}

/// What a worker reads without taking the lock: a copy of parts of [`State`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Signals(pub(super) usize);

impl Signals {
    const CLOSED: usize = 1;
    const DISCARDING: usize = 2;
    const INJECTED: usize = 4;
    const SLEEPER: usize = 8;

    /// Whether no task is accepted any more.
    pub(super) fn is_closed(self) -> bool {
        self.0 & Self::CLOSED != 0
    }

    /// Whether tasks that have not begun are dropped.
    pub(super) fn is_discarding(self) -> bool {
        self.0 & Self::DISCARDING != 0
    }

    /// Whether there are injected tasks.
    pub(super) fn has_injected(self) -> bool {
        self.0 & Self::INJECTED != 0
    }

    /// Whether there is a worker to wake.
    pub(super) fn has_sleeper(self) -> bool {
        self.0 & Self::SLEEPER != 0
    }
}

/// A worker's thread.
enum WorkerThread {
    /// Not started, or joined.
    None,
    /// It drives its worker.
    Started(Thread),
    /// It drives its worker, and is not the pool's.
    Hosted,
    /// At the end of its last function.
    Ended(Thread),
}

/// Whether a worker is parked.
pub(super) enum ParkState {
    /// It looks for work or does some.
    Active,
    /// Until this waker is used.
    Parked(Waker),
    /// It was woken and has not noticed.
    Notified,
}

pub(super) struct State {
    pub(super) phase: Phase,
    injected: VecDeque<Task>,
    injected_max: usize,
    /// Whether each worker is parked, and how to wake it.
    park_states: Vec<ParkState>,
    /// Workers that are parked and were not woken; the one that parked last is woken first.
    sleepers: Vec<usize>,
    threads: Vec<WorkerThread>,
    /// How many calls of `shutdown` each worker is in.
    in_shutdown: Vec<u32>,
    /// The signals that were published last.
    published: Signals,
    /// Tasks that were not accepted.
    pub(super) refused: u64,
    /// Tasks dropped by threads that shut down.
    pub(super) dropped: u64,
    /// Of these, the ones whose destructor or observer panicked.
    pub(super) panicked: u64,
}

impl State {
    pub(super) fn new(workers: usize, injected_max: usize) -> Self {
        Self {
            phase: Phase::Open,
            injected: VecDeque::new(),
            injected_max,
            park_states: (0..workers).map(|_| ParkState::Active).collect(),
            sleepers: Vec::new(),
            threads: (0..workers).map(|_| WorkerThread::None).collect(),
            in_shutdown: vec![0; workers],
            published: Signals(0),
            refused: 0,
            dropped: 0,
            panicked: 0,
        }
    }

    /// The signals to publish, if they are not those that were published last.
    pub(super) fn changed_signals(&mut self) -> Option<Signals> {
        let signals = self.signals();
        (mem::replace(&mut self.published, signals) != signals).then_some(signals)
    }

    fn signals(&self) -> Signals {
        let flag = |is_set, flag| if is_set { flag } else { 0 };
        Signals(
            flag(self.phase > Phase::Open, Signals::CLOSED)
                | flag(self.phase == Phase::Discarding, Signals::DISCARDING)
                | flag(!self.injected.is_empty(), Signals::INJECTED)
                | flag(!self.sleepers.is_empty(), Signals::SLEEPER),
        )
    }

    /// Adds a task as the newest, unless rule 2 forbids it.
    pub(super) fn inject(&mut self, task: Task) -> Result<(), (Reason, Task)> {
        let reason = if self.phase > Phase::Open {
            Reason::ShuttingDown
        } else if self.injected.len() >= self.injected_max {
            Reason::Full
        } else {
            self.injected.push_back(task);
            return Ok(());
        };
        self.refused += 1;
        Err((reason, task))
    }

    /// Number of injected tasks.
    pub(super) fn injected(&self) -> usize {
        self.injected.len()
    }

    /// Takes the oldest injected task.
    pub(super) fn take_injected(&mut self) -> Option<Task> {
        self.injected.pop_front()
    }

    /// Takes the oldest injected tasks, at most `tasks_max`.
    pub(super) fn drain_injected(&mut self, tasks_max: usize) -> impl Iterator<Item = Task> {
        let count = tasks_max.min(self.injected.len());
        self.injected.drain(..count)
    }

    /// Number of workers that are parked and were not woken.
    pub(super) fn idle(&self) -> usize {
        self.sleepers.len()
    }

    /// Whether this worker is parked, and if so has been woken.
    pub(super) fn park_state(&mut self, worker: usize) -> &mut ParkState {
        &mut self.park_states[worker]
    }

    /// This worker parks; `waker` wakes it.
    pub(super) fn park(&mut self, worker: usize, waker: Waker) {
        self.park_states[worker] = ParkState::Parked(waker);
        self.sleepers.push(worker);
    }

    /// This worker is parked no more, for whatever reason. Returns whether it had been woken.
    pub(super) fn stay_awake(&mut self, worker: usize) -> bool {
        let before = mem::replace(&mut self.park_states[worker], ParkState::Active);
        if let ParkState::Parked(_) = before {
            self.sleepers.retain(|sleeper| *sleeper != worker);
        }
        matches!(before, ParkState::Notified)
    }

    /// Chooses a worker to be woken, if one is parked.
    pub(super) fn take_sleeper(&mut self) -> Option<Waker> {
        let worker = self.sleepers.pop()?;
        match mem::replace(&mut self.park_states[worker], ParkState::Notified) {
            ParkState::Parked(waker) => Some(waker),
            ParkState::Active | ParkState::Notified => None,
        }
    }

    /// A thread that is not the pool's drives this worker.
    pub(super) fn set_hosted(&mut self, worker: usize) {
        self.threads[worker] = WorkerThread::Hosted;
    }

    /// A thread of the pool drives this worker.
    pub(super) fn set_started(&mut self, worker: usize, thread: Thread) {
        self.threads[worker] = WorkerThread::Started(thread);
    }

    /// A worker has ended, and so has its thread but for the way out; or it could not be started.
    /// Returns whether it had been woken, and then another one is to be.
    pub(super) fn leave(&mut self, worker: usize) -> bool {
        let was_woken = self.stay_awake(worker);
        let thread = &mut self.threads[worker];
        *thread = match mem::replace(thread, WorkerThread::None) {
            WorkerThread::Started(thread) => WorkerThread::Ended(thread),
            WorkerThread::Hosted => WorkerThread::None,
            other => other,
        };
        was_woken
    }

    /// This worker calls `shutdown`.
    pub(super) fn enter_shutdown(&mut self, worker: usize) {
        self.in_shutdown[worker] += 1;
    }

    /// This worker returns from `shutdown`.
    pub(super) fn leave_shutdown(&mut self, worker: usize) {
        self.in_shutdown[worker] -= 1;
    }

    /// Whether this worker is still to end: it has a thread that does not itself wait, in
    /// `shutdown`, for others to end.
    pub(super) fn is_at_work(&self, worker: usize) -> bool {
        let thread = &self.threads[worker];
        matches!(thread, WorkerThread::Started(_) | WorkerThread::Hosted)
            && self.in_shutdown[worker] == 0
    }

    /// The threads of the workers that have ended, each once.
    pub(super) fn take_threads(&mut self) -> Vec<Thread> {
        let take = |thread: &mut WorkerThread| match mem::replace(thread, WorkerThread::None) {
            WorkerThread::Ended(thread) => Some(thread),
            other => {
                *thread = other;
                None
            }
        };
        self.threads.iter_mut().filter_map(take).collect()
    }
}
