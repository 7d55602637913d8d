//! How long the requests of a thread wait for their turn, and which are turned away for it.
//!
//! 1. Three things are seen: requests that were taken from their connections and wait for the handler;
//!    requests that the handler has begun and could go on with, where it shares the thread between them;
//!    and the lag of the thread, which is how late it does what is due. Times follow from numbers by
//!    Little's law: what is there, over what is completed in a time, is how long it stays. Of
//!    those that were begun some may never end, and harm nobody as long as others are answered in time: a
//!    few do not count, and no more than the shortest time in which the handler has answered.
//! 2. A delay counts when it stood: in each window of 100 ms the least of it is taken, so a burst
//!    that is worked off meanwhile is none. Above the target in two windows in a row the thread is
//!    overloaded, and stays so until one is below half of it. (A single request that keeps the thread
//!    for long makes one window long, and is no queue.) The idea is that of controlled delay (Nichols and Jacobson,
//!    "Controlling Queue Delay", 2012).
//! 3. An overloaded thread has learnt how long a request takes it. From that and from the number that
//!    wait it knows how long a further one would, and turns it away at once if that is too long for
//!    its [`Class`]. A connection of which no request waits has one let in, unless those
//!    that were begun, and the lag, take too long already: what a greedy connection has queued does not
//!    shut out others.
//!
//! So the limit of requests that wait is learnt, not configured: it is what the thread works off in
//! the target time. Knows times and numbers; does not know requests.

use super::Class;
use std::cell::Cell;
use std::time::Duration;
use tokio::time::Instant;

/// The time over which a delay must stand.
const WINDOW: Duration = Duration::from_millis(100);

/// So many requests that were begun, and could go on, count.
const BEGUN_LEAST: usize = 16;

/// The delays of one thread.
#[derive(Debug)]
pub(crate) struct Queueing {
    /// The longest that a normal request is to wait; zero for any time.
    target: Duration,
    state: Cell<State>,
}

#[derive(Clone, Copy, Debug)]
struct State {
    /// Requests that were taken and wait for the handler.
    waiting: usize,
    /// The lag at the last look.
    lag: Duration,
    window: Window,
    /// The last window was above the target.
    was_above: bool,
    /// What is known of the thread while it is overloaded.
    overloaded: Option<Pace>,
}

/// How long requests take.
#[derive(Clone, Copy, Debug)]
struct Pace {
    /// The thread.
    per_request: Duration,
    /// From the call of the handler to its answer, the shortest.
    shortest: Duration,
}

impl Pace {
    /// The time that so many requests take that wait.
    fn of_waiting(self, waiting: usize) -> Duration {
        self.per_request.saturating_mul(u32::try_from(waiting).unwrap_or(u32::MAX))
    }

    /// The time that so many requests take that were begun (rule 1).
    fn of_begun(self, begun: usize) -> Duration {
        if begun < BEGUN_LEAST { Duration::ZERO } else { self.of_waiting(begun).min(self.shortest) }
    }
}

/// What was seen since the window began.
#[derive(Clone, Copy, Debug)]
struct Window {
    began: Instant,
    least_waiting: usize,
    /// Without any, what was seen last holds: the watch itself is late.
    least_lag: Option<Duration>,
    least_begun: Option<usize>,
    answered: u32,
    shortest: Option<Duration>,
}

impl Window {
    fn new(began: Instant, waiting: usize) -> Self {
        Self {
            began,
            least_waiting: waiting,
            least_lag: None,
            least_begun: None,
            answered: 0,
            shortest: None,
        }
    }
}

/// A thread has become overloaded, or is no longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// Requests wait for so long.
    Overloaded(Duration),
    Relieved,
}

impl Queueing {
    pub(crate) fn new(target: Duration, now: Instant) -> Self {
        let window = Window::new(now, 0);
        let lag = Duration::ZERO;
        let state = State { waiting: 0, lag, window, was_above: false, overloaded: None };
        Self { target, state: Cell::new(state) }
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.state.get();
        change(&mut state);
        self.state.set(state);
    }

    /// A request was taken, and waits.
    pub(crate) fn taken(&self) {
        self.change(|state| state.waiting += 1);
    }

    /// The handler has answered, so long after it was called.
    pub(crate) fn answered(&self, took: Duration) {
        self.change(|state| {
            state.window.answered += 1;
            let shortest = state.window.shortest.get_or_insert(took);
            *shortest = took.min(*shortest);
        });
    }

    /// So many requests that waited have got their turn, or are gone.
    pub(crate) fn left(&self, count: usize) {
        self.change(|state| {
            state.waiting -= count;
            state.window.least_waiting = state.window.least_waiting.min(state.waiting);
        });
    }

    /// The thread was so late, and the handler could go on with so many requests.
    pub(crate) fn seen(&self, lag: Duration, begun: usize) {
        self.change(|state| {
            state.lag = lag;
            let least = state.window.least_begun.get_or_insert(begun);
            *least = begun.min(*least);
            let least = state.window.least_lag.get_or_insert(lag);
            *least = lag.min(*least);
        });
    }

    /// Whether requests may have to be turned away.
    pub(crate) fn is_overloaded(&self) -> bool {
        self.state.get().overloaded.is_some()
    }

    /// Whether a request of this class may be taken, while the handler could go on with `begun` others;
    /// of whose connection others wait already, or not.
    pub(crate) fn admits(&self, class: Class, begun: usize, others_wait: bool) -> bool {
        let State { waiting, lag, overloaded, .. } = self.state.get();
        let Some(pace) = overloaded else { return true };
        let most = match class {
            Class::Critical => return true,
            Class::Normal => self.target,
            Class::Sheddable => self.target / 2,
        };
        let begun = lag + pace.of_begun(begun);
        begun <= most && (!others_wait || begun + pace.of_waiting(waiting) <= most)
    }

    /// Ends the window when it is over.
    pub(crate) fn look(&self, now: Instant) -> Option<Change> {
        let mut state = self.state.get();
        let Window { began, least_waiting, least_lag, least_begun, answered, shortest } =
            state.window;
        let length = now.saturating_duration_since(began);
        if self.target.is_zero() || length < WINDOW {
            return None;
        }
        let per_request = length / answered.max(1);
        let pace = Pace { per_request, shortest: shortest.unwrap_or_default() };
        let queued =
            pace.of_waiting(least_waiting) + pace.of_begun(least_begun.unwrap_or_default());
        let delay = queued.max(least_lag.unwrap_or(state.lag));
        let was_overloaded = state.overloaded.is_some();
        let is_above = delay > self.target;
        let stands = is_above && state.was_above;
        let is_overloaded = stands || was_overloaded && delay > self.target / 2;
        state.was_above = is_above;
        state.overloaded = is_overloaded.then_some(pace);
        state.window = Window::new(now, state.waiting);
        self.state.set(state);
        match (was_overloaded, is_overloaded) {
            (false, true) => Some(Change::Overloaded(delay)),
            (true, false) => Some(Change::Relieved),
            _ => None,
        }
    }
}
