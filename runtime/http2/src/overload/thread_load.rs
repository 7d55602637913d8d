//! The load of one thread: what its connections ask before they take a request, and the task that
//! watches.
//!
//! 1. The watch runs while requests are open or connections wait, and sleeps otherwise: an idle
//!    server does nothing.
//! 2. That a thread is overloaded is told once in ten seconds at most, and its end only if its
//!    beginning was told.

use super::queueing::{Change, Queueing};
use super::waiting::{Added, WaitingList};
use crate::account::ProcessBudget;
use crate::counters::Counters;
use crate::limits::Limits;
use crate::message::{Event, Handler};
use crate::worker::Service;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::Waker;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

/// How often the watch looks.
const PERIOD: Duration = Duration::from_millis(20);
/// The shortest time between two messages that the thread is overloaded.
const TOLD_AGAIN_AFTER: Duration = Duration::from_secs(10);
/// Connections that are told at one look that they have waited too long.
const EXPIRED_MAX: usize = 16;
/// Buffers that a connection needs to go on; half of them must be free.
const BUFFERS_PER_CONNECTION: usize = 4;

/// A connection that waits for its client to read.
#[derive(Debug)]
pub(crate) struct Waiter {
    task: Waker,
    is_closing: Cell<bool>,
    is_expired: Cell<bool>,
}

impl Waiter {
    pub(crate) fn new(task: Waker) -> Rc<Self> {
        Rc::new(Self { task, is_closing: Cell::new(false), is_expired: Cell::new(false) })
    }

    /// Whether the connection has waited too long.
    pub(crate) fn is_expired(&self) -> bool {
        self.is_expired.get()
    }

    /// The connection ends: nothing is to be resumed.
    pub(crate) fn close(&self) {
        self.is_closing.set(true);
    }
}

/// The load of one thread.
pub(crate) struct ThreadLoad {
    pub(crate) queueing: Queueing,
    waiting: RefCell<WaitingList<Rc<Waiter>>>,
    timeout: Duration,
    responses: ProcessBudget,
    buffer_bytes: usize,
    told: Cell<Told>,
    told_of_response: Cell<Option<Instant>>,
    /// Requests came since the watch looked.
    had_work: Cell<bool>,
    is_asleep: Cell<bool>,
    begun: Notify,
}

/// What was told of overload.
#[derive(Clone, Copy, Default)]
struct Told {
    at: Option<Instant>,
    /// Set while the end is to be told: the requests that had been turned away at the beginning.
    turned_away_before: Option<u64>,
}

impl ThreadLoad {
    pub(crate) fn new(limits: &Limits, responses: &ProcessBudget) -> Self {
        Self {
            queueing: Queueing::new(limits.target_delay, Instant::now()),
            waiting: RefCell::new(WaitingList::new(limits.waiting_connections)),
            timeout: limits.waiting_timeout,
            responses: responses.clone(),
            buffer_bytes: limits.stream_response_bytes.max(1),
            told: Cell::default(),
            told_of_response: Cell::default(),
            had_work: Cell::new(false),
            is_asleep: Cell::new(false),
            begun: Notify::new(),
        }
    }

    /// There is something to watch.
    pub(crate) fn begin(&self) {
        self.had_work.set(true);
        if self.is_asleep.replace(false) {
            self.begun.notify_one();
        }
    }

    /// A connection waits since then; false when there are too many.
    pub(crate) fn wait(&self, number: u64, since: Instant, waiter: &Rc<Waiter>) -> bool {
        self.begin();
        self.waiting.borrow_mut().add(number, since, Rc::clone(waiter)) == Added::Waits
    }

    /// A connection waits no longer, so that another may go on.
    pub(crate) fn end_wait(&self, number: u64) {
        self.waiting.borrow_mut().remove(number);
        self.resume();
    }

    fn resume(&self) {
        let free = self.responses.free() / self.buffer_bytes;
        let is_closing = |waiter: &Rc<Waiter>| waiter.is_closing.get();
        let resumed = self.waiting.borrow_mut().resume(free, BUFFERS_PER_CONNECTION, is_closing);
        if let Some(waiter) = resumed {
            waiter.task.wake_by_ref();
        }
    }

    /// A response was replaced by a 503 for want of memory.
    pub(crate) fn response_shed(&self, handler: &dyn Handler, counters: &Counters) {
        counters.responses_shed.add(1);
        let now = Instant::now();
        if self.told_of_response.get().is_none_or(|at| now.duration_since(at) >= TOLD_AGAIN_AFTER) {
            self.told_of_response.set(Some(now));
            handler.event(&Event::ResponseShed { limit: self.responses.limit() });
        }
    }

    /// Looks at the delays, and tells the handler of a change.
    pub(crate) fn look(&self, now: Instant, handler: &dyn Handler, counters: &Counters) {
        let Some(change) = self.queueing.look(now) else { return };
        let mut told = self.told.get();
        let turned_away = counters.shed_normal.get() + counters.shed_sheddable.get();
        match change {
            Change::Overloaded(delay) => {
                if told.at.is_none_or(|at| now.duration_since(at) >= TOLD_AGAIN_AFTER) {
                    told = Told { at: Some(now), turned_away_before: Some(turned_away) };
                    handler.event(&Event::Overloaded { delay });
                }
            }
            Change::Relieved => {
                if let Some(before) = told.turned_away_before.take() {
                    handler.event(&Event::Relieved { turned_away: turned_away - before });
                }
            }
        }
        self.told.set(told);
    }

    fn is_needed(&self, counters: &Counters) -> bool {
        self.had_work.take()
            || counters.requests_open.get() > 0
            || !self.waiting.borrow().is_empty()
    }

    fn attend(&self, now: Instant) {
        if let Some(then) = now.checked_sub(self.timeout) {
            for waiter in self.waiting.borrow_mut().expired(then, EXPIRED_MAX) {
                waiter.is_expired.set(true);
                waiter.task.wake_by_ref();
            }
        }
        self.resume();
    }
}

/// The watch of a thread (rule 1); never ends.
pub(crate) async fn watch(service: Rc<Service>) {
    let load = &service.load;
    loop {
        if !load.is_needed(&service.counters) {
            load.queueing.seen(Duration::ZERO, 0);
            load.is_asleep.set(true);
            load.begun.notified().await;
        }
        let due = Instant::now() + PERIOD;
        sleep_until(due).await;
        let now = Instant::now();
        load.queueing.seen(now - due, service.handler.begun());
        load.look(now, &*service.handler, &service.counters);
        load.attend(now);
    }
}
