//! Time slices: the thread that notices fibers which have run for long while others wait.
//!
//! 1. An executor counts the beginnings and the ends of resumptions: an odd count that has not
//!    changed since the last look belongs to a fiber that has run for a whole slice.
//! 2. Such a fiber is asked to leave at its next safepoint, if there is anything else that it
//!    keeps waiting. Code that runs pays nothing for that.
//! 3. The thread looks rarely while no fiber runs, and sleeps while no executor has run any for a
//!    while. The first resumption after that wakes it.
//! 4. When the program is to end and its own fiber takes no notice for [`BLOCKED_MAX`], it is in a
//!    call that blocks, such as reading standard input: then the process ends. While systems run it
//!    has twice the time.

use super::{ExecutorState, Pool};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, Weak};
use std::time::{Duration, Instant};
use valk_sync::shim::lock;

/// How long a fiber runs while others wait.
pub(crate) const SLICE: Duration = Duration::from_micros(200);

/// Time between two looks while no fiber runs.
const CALM: Duration = Duration::from_millis(1);

/// Looks in a row at which nothing ran, after which the thread sleeps.
const QUIET_LOOKS_MAX: u32 = 100;

/// How long the program's fiber may take to notice that the program ends.
const BLOCKED_MAX: Duration = Duration::from_millis(500);

/// The thread, as executors see it.
#[derive(Default)]
pub(crate) struct Monitor {
    is_asleep: AtomicBool,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// Or there is to be none.
    is_started: bool,
    is_woken: bool,
    is_ending: bool,
}

impl Monitor {
    /// Starts the thread, if it is not. Without one there are no slices, and programs still run.
    pub fn start(&self, pool: &Arc<Pool>) {
        let mut state = lock(&self.state);
        if std::mem::replace(&mut state.is_started, true) {
            return;
        }
        let pool = Arc::downgrade(pool);
        let thread = std::thread::Builder::new().name("valk-monitor".to_owned());
        if let Err(error) = thread.spawn(move || watch(&pool)) {
            tracing::warn!(target: crate::LOG_TARGET, "no thread for time slices: {error}");
        }
    }

    /// Has no thread started: fibers are to leave by what they did, not by how long it took.
    pub fn disable(&self) {
        lock(&self.state).is_started = true;
    }

    /// A fiber begins to run.
    pub fn wake(&self) {
        if self.is_asleep.load(Ordering::Relaxed) {
            lock(&self.state).is_woken = true;
            self.changed.notify_one();
        }
    }

    /// Ends the thread.
    pub fn end(&self) {
        lock(&self.state).is_ending = true;
        self.changed.notify_one();
    }

    /// Sleeps for `time`, or until a fiber runs. Returns false at the end.
    fn sleep(&self, time: Option<Duration>) -> bool {
        let state = lock(&self.state);
        if state.is_ending {
            return false;
        }
        if let Some(time) = time {
            drop(state);
            std::thread::sleep(time);
            return !lock(&self.state).is_ending;
        }
        self.is_asleep.store(true, Ordering::Relaxed);
        // The wake-up may be lost to a resumption that began before it saw the flag; the time
        // bounds what that costs.
        let bound = Duration::from_millis(50);
        let (mut state, _) = self
            .changed
            .wait_timeout_while(state, bound, |state| !state.is_woken && !state.is_ending)
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        self.is_asleep.store(false, Ordering::Relaxed);
        state.is_woken = false;
        !state.is_ending
    }
}

/// Looks after which a fiber leaves that keeps only functions waiting which are handed over, begun
/// or not: they compute as well, and each change costs a thread-local collection.
const JOB_SLICES: u32 = 50;

/// Whether a fiber that has run there for `looks` in a row keeps others waiting.
fn keeps_others_waiting(pool: &Pool, state: &ExecutorState, looks: u32) -> bool {
    state.has_events()
        || state.has_timers()
        || state.has_woken_tasks()
        || pool.any_system_running()
        || pool.end_status().is_some()
        || pool.is_finishing()
        || looks >= JOB_SLICES && (state.begun_jobs() > 0 || pool.waiting_jobs() > 0)
}

/// Since when the program's fiber has taken no notice of the program's end.
#[derive(Default)]
struct Unnoticed {
    since: Option<(Instant, u64)>,
}

impl Unnoticed {
    /// Ends the process by rule 4.
    fn look(&mut self, pool: &Pool, program: u64) {
        let Some(status) = pool.end_status() else { return };
        // Requests in progress may end meanwhile. The systems themselves end on the program's thread.
        let patience = if pool.any_system_running() { 2 * BLOCKED_MAX } else { BLOCKED_MAX };
        match self.since {
            Some((since, resumptions)) if resumptions == program && program % 2 == 1 => {
                if since.elapsed() > patience {
                    if !pool.output.wait(BLOCKED_MAX) {
                        pool.output.give_up();
                    }
                    valk_log::exit(status);
                }
            }
            _ => self.since = Some((Instant::now(), program)),
        }
    }
}

/// The thread's life.
fn watch(pool: &Weak<Pool>) {
    // By executor: resumptions, and looks in a row at which the same one was running.
    let mut seen: Vec<(u64, u32)> = Vec::new();
    let mut quiet = 0_u32;
    let mut unnoticed = Unnoticed::default();
    loop {
        let Some(pool) = pool.upgrade() else { return };
        let (mut ran, mut is_running_now) = (false, false);
        for state in pool.all() {
            let index = state.index as usize;
            if seen.len() <= index {
                seen.resize(index + 1, (0, 0));
            }
            let resumptions = state.resumptions.load(Ordering::Relaxed);
            if index == 0 {
                unnoticed.look(&pool, resumptions);
            }
            let (before, looks) = seen[index];
            let is_same = before == resumptions;
            let is_running = resumptions % 2 == 1;
            let looks = if is_same && is_running { looks + 1 } else { 0 };
            seen[index] = (resumptions, looks);
            ran |= is_running || !is_same;
            is_running_now |= is_running;
            if is_running
                && is_same
                && let Some(flag) = state.preempt.get()
                && keeps_others_waiting(&pool, &state, looks)
            {
                flag.request();
            }
        }
        quiet = if ran { 0 } else { quiet.saturating_add(1) };
        let time = match (is_running_now, quiet) {
            (true, _) => Some(SLICE),
            (false, 0..QUIET_LOOKS_MAX) => Some(CALM),
            (false, _) => None,
        };
        if !pool.monitor.sleep(time) {
            return;
        }
    }
}
