//! What the threads of a pool share: queues, the lock, wake-ups and shutdown (rules 2, 4, 5 and 7).

use super::Thread;
use super::core::Deque;
use super::job::Task;
use super::refusal::Reason;
use super::remote::Remote;
use super::state::{ParkState, Phase, Signals, State};
use super::statistics::{Report, Statistics};
use super::worker::Idle;
use crate::cache_padded::CachePadded;
use crate::deque::{Steal, Stealer};
use crate::shim::Ordering::{Relaxed, SeqCst};
use crate::shim::{AtomicUsize, Condvar, Mutex, MutexGuard, fence, lock, reached_if};
use crate::shim::{wait, wait_until};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

/// What workers and owners of a pool share.
pub(super) struct Shared {
    pub(super) remotes: Box<[CachePadded<Remote>]>,
    state: Mutex<State>,
    /// Notified when a worker has ended; threads that shut down wait here.
    worker_ended: Condvar,
    /// A copy of `state.signals()`, written under the lock.
    signals: CachePadded<AtomicUsize>,
}

impl Shared {
    pub(super) fn new(
        stealers: impl Iterator<Item = Stealer<Box<Task>>>,
        injected_max: usize,
    ) -> Self {
        let remotes: Box<[_]> = stealers.map(|stealer| CachePadded(Remote::new(stealer))).collect();
        Self {
            state: Mutex::new(State::new(remotes.len(), injected_max)),
            remotes,
            worker_ended: Condvar::new(),
            signals: CachePadded(AtomicUsize::new(0)),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    pub(super) fn workers(&self) -> usize {
        self.remotes.len()
    }

    /// The public side of a worker.
    pub(super) fn remote(&self, worker: usize) -> &Remote {
        &self.remotes[worker].0
    }

    /// Signals of some recent moment. Relaxed: a caller that must not miss a change has a fence
    /// before.
    pub(super) fn signals(&self) -> Signals {
        Signals(self.signals.0.load(Relaxed))
    }

    /// Copies what the holder of the lock has changed.
    fn publish(&self, state: &mut State) {
        if let Some(signals) = state.changed_signals() {
            self.signals.0.store(signals.0, Relaxed);
        }
    }

    /// A thread of the pool drives this worker.
    pub(super) fn started(&self, worker: usize, thread: Thread) {
        self.lock().set_started(worker, thread);
    }

    /// Accepts a task from outside, or from a worker whose queue has no room.
    pub(super) fn inject(&self, task: Task) -> Result<(), (Reason, Task)> {
        let mut state = self.lock();
        state.inject(task)?;
        self.wake(&mut state, 1);
        Ok(())
    }

    /// The worker has put a task into its queue: wakes a parked one, if there is any. Returns the
    /// signals, which the caller looks at next (rule 7).
    pub(super) fn announce(&self) -> Signals {
        // Rules 4 and 7, the submitter's side: the task is in the queue before the signals are
        // read. The other sides are in `poll_idle` and in `discard`.
        fence(SeqCst);
        let signals = self.signals();
        if signals.has_sleeper() {
            self.wake(&mut self.lock(), 1);
        }
        signals
    }

    /// Wakes up to `workers_max` parked workers, and publishes what has changed.
    fn wake(&self, state: &mut State, workers_max: usize) {
        for _ in 0..workers_max {
            // A waker takes no lock of the pool.
            match state.take_sleeper() {
                Some(waker) => waker.wake(),
                None => break,
            }
        }
        self.publish(state);
    }

    /// Takes the oldest injected task, and up to `more` of the next for `deque`, which has room
    /// for as many. They are in there before the lock is given back, so no worker that parks
    /// overlooks them.
    pub(super) fn take_injected(&self, deque: &Deque, more: usize) -> Option<Task> {
        if !self.signals().has_injected() {
            return None;
        }
        let mut state = self.lock();
        let first = state.take_injected();
        // A fair share, so that a worker that is slow does not hold many.
        let share = (state.injected() / self.workers()).min(more);
        for task in state.drain_injected(share) {
            assert!(
                deque.push(Box::new(task)).is_ok(),
                "rule 2 of executor: a batch fits an empty deque"
            );
        }
        self.publish(&mut state);
        first
    }

    /// Ready when there may be work or the worker has ended; until then it is parked, and `cx` is
    /// woken when that changes. The caller has no work and has looked everywhere.
    pub(super) fn poll_idle(&self, worker: usize, cx: &mut Context<'_>) -> Poll<Idle> {
        let mut state = self.lock();
        match state.park_state(worker) {
            ParkState::Active => {}
            ParkState::Notified => {
                state.stay_awake(worker);
                return Poll::Ready(Idle::Search);
            }
            ParkState::Parked(waker) => {
                waker.clone_from(cx.waker());
                return Poll::Pending;
            }
        }
        state.park(worker, cx.waker().clone());
        self.publish(&mut state);
        // Rule 4, the parking side: it is known as parked before the queues are read. Where others
        // are parked already the signals say so, by a store that the lock orders before this fence.
        fence(SeqCst);
        let sees_work = state.phase < Phase::Discarding
            && (state.injected() > 0
                || self.remotes.iter().any(|remote| !remote.0.stealer.is_empty()));
        if !sees_work && state.phase == Phase::Open {
            self.remote(worker).counters.parked.count();
            reached_if(true, "executor: a worker parked");
            return Poll::Pending;
        }
        state.stay_awake(worker);
        self.publish(&mut state);
        if sees_work {
            reached_if(true, "executor: a worker saw work when it was about to park");
            return Poll::Ready(Idle::Search);
        }
        self.leave_under_lock(&mut state, worker);
        Poll::Ready(Idle::Ended)
    }

    /// The worker has something else to do: it is parked no more. Returns whether it was woken, and
    /// then it must look for work.
    pub(super) fn stay_awake(&self, worker: usize) -> bool {
        let mut state = self.lock();
        let was_woken = state.stay_awake(worker);
        reached_if(was_woken, "executor: a worker that stayed awake had been woken");
        self.publish(&mut state);
        was_woken
    }

    /// A thread that is not the pool's drives this worker.
    pub(super) fn hosted(&self, worker: usize) {
        self.lock().set_hosted(worker);
    }

    /// Number of tasks that wait, at some recent moment.
    pub(super) fn waiting(&self) -> usize {
        let queued: usize = self.remotes.iter().map(|remote| remote.0.stealer.len()).sum();
        queued + if self.signals().has_injected() { self.lock().injected() } else { 0 }
    }

    /// The worker has ended, or was never started: it takes and counts nothing any more.
    pub(super) fn leave(&self, worker: usize) {
        self.leave_under_lock(&mut self.lock(), worker);
    }

    fn leave_under_lock(&self, state: &mut State, worker: usize) {
        // The wake-up of a worker that leaves instead of looking is for another.
        let passed_on = usize::from(state.leave(worker));
        reached_if(passed_on > 0, "executor: a worker left that had been woken");
        self.wake(state, passed_on);
        self.worker_ended.notify_all();
    }

    /// See `Executor::shutdown`; `own` is the worker that calls it, if it is one.
    pub(super) fn shutdown(&self, patience: Duration, own: Option<usize>) -> Report {
        // A time that the clock cannot express never comes.
        let deadline = Instant::now().checked_add(patience);
        let mut state = self.drain(deadline, own);
        let busy: Vec<_> = self.remotes.iter().map(|remote| remote.0.forbid()).collect();
        let rest = self.discard(&mut state);
        if !rest.is_empty() {
            drop(state);
            let panicked: u64 = rest.into_iter().map(|task| u64::from(task.discard())).sum();
            state = self.lock();
            state.panicked += panicked;
        }
        while (0..self.workers()).any(|worker| state.is_at_work(worker) && !busy[worker]) {
            reached_if(true, "executor: shutdown waited for a worker on its way out");
            state = wait(&self.worker_ended, state);
        }
        if let Some(own) = own {
            state.leave_shutdown(own);
        }
        let report = self.report(&state);
        let threads = state.take_threads();
        drop(state);
        for thread in threads {
            thread.join().expect("rule 8 of executor: a worker does not panic");
        }
        report
    }

    /// Accepts nothing any more, and waits until all workers have ended but those that wait here
    /// themselves, or until the deadline.
    fn drain(&self, deadline: Option<Instant>, own: Option<usize>) -> MutexGuard<'_, State> {
        let mut state = self.lock();
        state.phase = state.phase.max(Phase::Draining);
        self.wake(&mut state, usize::MAX);
        if let Some(own) = own {
            state.enter_shutdown(own);
            // Other threads that shut down have one less to wait for.
            self.worker_ended.notify_all();
        }
        let mut is_in_time = true;
        while is_in_time && (0..self.workers()).any(|worker| state.is_at_work(worker)) {
            (state, is_in_time) = wait_until(&self.worker_ended, state, deadline);
        }
        state
    }

    /// Takes every task that has not begun. No worker begins one any more (rules 6 and 7).
    fn discard(&self, state: &mut State) -> Vec<Task> {
        state.phase = Phase::Discarding;
        let mut rest = state.drain_injected(usize::MAX).collect::<Vec<_>>();
        self.publish(state);
        // Rule 7, this side: the phase is published before the queues are read, for each attempt to
        // steal has a fence before it reads whether there is something.
        for remote in &self.remotes {
            loop {
                match remote.0.stealer.steal() {
                    Steal::Item(task) => rest.push(*task),
                    Steal::Retry => {}
                    Steal::Empty => break,
                }
            }
        }
        state.dropped += rest.len() as u64;
        rest
    }

    fn report(&self, state: &State) -> Report {
        let mut report = Report { ran: 0, dropped: state.dropped, running: 0 };
        for remote in &self.remotes {
            let (ran, running) = remote.0.progress();
            report.ran += ran;
            report.running += u64::from(running);
            report.dropped += remote.0.counters.dropped.get();
        }
        report
    }

    pub(super) fn statistics(&self) -> Statistics {
        let state = self.lock();
        let mut statistics = Statistics {
            injected: state.injected(),
            idle: state.idle(),
            refused: state.refused,
            panicked: state.panicked,
            workers: self.remotes.iter().map(|remote| remote.0.statistics()).collect(),
        };
        drop(state);
        for worker in &statistics.workers {
            statistics.panicked += worker.panicked;
        }
        statistics
    }
}
