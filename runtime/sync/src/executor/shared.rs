//! The lanes, the lock, and who wakes or waits for whom (rules 2, 4, 5 and 7).

use super::Thread;
use super::core::Deque;
use super::job::Task;
use super::refusal::Reason;
use super::remote::Lane;
use super::state::{Phase, Signals, Sleep, State};
use super::statistics::{Report, Statistics};
use crate::cache_padded::CachePadded;
use crate::deque::{Steal, Stealer};
use crate::shim::Ordering::{Relaxed, SeqCst};
use crate::shim::{AtomicUsize, Condvar, Mutex, MutexGuard, fence, lock, reached_if};
use crate::shim::{wait, wait_until};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

/// What a worker without work does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rest {
    /// Look again.
    Search,
    /// End: the worker has left.
    End,
}

/// What workers and owners of a pool share.
pub(super) struct Shared {
    pub(super) lanes: Box<[CachePadded<Lane>]>,
    state: Mutex<State>,
    /// Those who shut down wait here, for workers to end.
    watchers: Condvar,
    /// A copy of `state.signals()`, written under the lock.
    signals: CachePadded<AtomicUsize>,
}

impl Shared {
    pub(super) fn new(
        stealers: impl Iterator<Item = Stealer<Box<Task>>>,
        injected_max: usize,
    ) -> Self {
        let lanes: Box<[_]> = stealers.map(|stealer| CachePadded(Lane::new(stealer))).collect();
        Self {
            state: Mutex::new(State::new(lanes.len(), injected_max)),
            lanes,
            watchers: Condvar::new(),
            signals: CachePadded(AtomicUsize::new(0)),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    pub(super) fn workers(&self) -> usize {
        self.lanes.len()
    }

    pub(super) fn lane(&self, lane: usize) -> &Lane {
        &self.lanes[lane].0
    }

    /// Signals of some recent moment. Relaxed: who must not miss a change has a fence before.
    pub(super) fn signals(&self) -> Signals {
        Signals(self.signals.0.load(Relaxed))
    }

    /// Copies what the holder of the lock has changed.
    fn publish(&self, state: &mut State) {
        if let Some(signals) = state.changed_signals() {
            self.signals.0.store(signals.0, Relaxed);
        }
    }

    pub(super) fn started(&self, lane: usize, thread: Thread) {
        self.lock().sit_down(lane, thread);
    }

    /// Accepts a task from outside, or from a worker that cannot have it in its deque.
    pub(super) fn inject(&self, task: Task) -> Result<(), (Reason, Task)> {
        let mut state = self.lock();
        state.inject(task)?;
        self.wake(&mut state, 1);
        Ok(())
    }

    /// The worker has put a task into its deque: wakes a sleeper, if there is one. The signals,
    /// which the worker looks at next (rule 7).
    pub(super) fn announce(&self) -> Signals {
        // Rules 4 and 7, the submitter's side: the task is in the deque before the signals are
        // read. The other sides are in `rest` and in `discard`.
        fence(SeqCst);
        let signals = self.signals();
        if signals.has_sleeper() {
            self.wake(&mut self.lock(), 1);
        }
        signals
    }

    /// Wakes up to `most` sleepers, and publishes what has changed.
    fn wake(&self, state: &mut State, most: usize) {
        for _ in 0..most {
            // A waker takes no lock of the pool.
            match state.take_sleeper() {
                Some(waker) => waker.wake(),
                None => break,
            }
        }
        self.publish(state);
    }

    /// Takes the oldest injected task, and up to `more` of the next for `deque`, which has room
    /// for as many. They are in there before the lock is given back, so nobody who falls asleep
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

    /// Ready when there may be work or the worker has ended; until then it sleeps, and `cx` is
    /// woken when that changes. The caller has no work and has looked everywhere.
    pub(super) fn poll_rest(&self, lane: usize, cx: &mut Context<'_>) -> Poll<Rest> {
        let mut state = self.lock();
        match state.sleep(lane) {
            Sleep::Awake => {}
            Sleep::Woken => {
                state.stay_awake(lane);
                return Poll::Ready(Rest::Search);
            }
            Sleep::Asleep(waker) => {
                waker.clone_from(cx.waker());
                return Poll::Pending;
            }
        }
        state.fall_asleep(lane, cx.waker().clone());
        self.publish(&mut state);
        // Rule 4, the sleeper's side: it is known to sleep before the deques are read. Where others
        // sleep already the signals say so, by a store that the lock orders before this fence.
        fence(SeqCst);
        let sees_work = state.phase < Phase::Discarding
            && (state.injected() > 0 || self.lanes.iter().any(|lane| !lane.0.stealer.is_empty()));
        if !sees_work && state.phase == Phase::Open {
            self.lane(lane).counters.parked.count();
            reached_if(true, "executor: a worker slept");
            return Poll::Pending;
        }
        state.stay_awake(lane);
        self.publish(&mut state);
        if sees_work {
            reached_if(true, "executor: a worker saw work before it slept");
            return Poll::Ready(Rest::Search);
        }
        self.leave_under_lock(&mut state, lane);
        Poll::Ready(Rest::End)
    }

    /// The worker has something else to do: it sleeps no more. Returns whether it was woken, and
    /// then it must look for work.
    pub(super) fn stay_awake(&self, lane: usize) -> bool {
        let mut state = self.lock();
        let was_woken = state.stay_awake(lane);
        self.publish(&mut state);
        was_woken
    }

    /// Worker `lane` runs on a thread that is not the pool's.
    pub(super) fn hosted(&self, lane: usize) {
        self.lock().host(lane);
    }

    /// Number of tasks that wait, at some recent moment.
    pub(super) fn waiting(&self) -> usize {
        let queued: usize = self.lanes.iter().map(|lane| lane.0.stealer.len()).sum();
        queued + if self.signals().has_injected() { self.lock().injected() } else { 0 }
    }

    /// Worker `lane` is done, or was never started: it takes and counts nothing any more.
    pub(super) fn leave(&self, lane: usize) {
        self.leave_under_lock(&mut self.lock(), lane);
    }

    fn leave_under_lock(&self, state: &mut State, lane: usize) {
        state.leave(lane);
        self.watchers.notify_all();
    }

    /// See `Executor::shutdown`; `own` is the lane of the worker that calls it, if it is one.
    pub(super) fn shutdown(&self, patience: Duration, own: Option<usize>) -> Report {
        // A time that the clock cannot express never comes.
        let deadline = Instant::now().checked_add(patience);
        let mut state = self.drain(deadline, own);
        let busy: Vec<_> = self.lanes.iter().map(|lane| lane.0.forbid()).collect();
        let rest = self.discard(&mut state);
        if !rest.is_empty() {
            drop(state);
            let panicked: u64 = rest.into_iter().map(|task| u64::from(task.discard())).sum();
            state = self.lock();
            state.panicked += panicked;
        }
        while (0..self.workers()).any(|lane| state.is_at_work(lane) && !busy[lane]) {
            reached_if(true, "executor: shutdown waited for a worker on its way out");
            state = wait(&self.watchers, state);
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
            // Others who shut down have one less to wait for.
            self.watchers.notify_all();
        }
        let mut in_time = true;
        while in_time && (0..self.workers()).any(|lane| state.is_at_work(lane)) {
            (state, in_time) = wait_until(&self.watchers, state, deadline);
        }
        state
    }

    /// Takes every task that has not begun. No lane begins one any more (rules 6 and 7).
    fn discard(&self, state: &mut State) -> Vec<Task> {
        state.phase = Phase::Discarding;
        let mut rest = state.drain_injected(usize::MAX).collect::<Vec<_>>();
        self.publish(state);
        // Rule 7, this side: the phase is known before the deques are read, for each attempt to
        // steal has a fence before it reads whether there is something.
        for lane in &self.lanes {
            loop {
                match lane.0.stealer.steal() {
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
        for lane in &self.lanes {
            let (ran, running) = lane.0.progress();
            report.ran += ran;
            report.running += u64::from(running);
            report.dropped += lane.0.counters.dropped.get();
        }
        report
    }

    pub(super) fn statistics(&self) -> Statistics {
        let state = self.lock();
        let mut statistics = Statistics {
            injected: state.injected(),
            asleep: state.asleep(),
            refused: state.refused,
            panicked: state.panicked,
            workers: self.lanes.iter().map(|lane| lane.0.statistics()).collect(),
        };
        drop(state);
        for worker in &statistics.workers {
            statistics.panicked += worker.panicked;
        }
        statistics
    }
}
