//! Which connections of a thread are idle, so that the longest idle one makes room for a new one.
//!
//! 1. A connection is idle while no request of it waits, runs or is answered. Noting that costs a
//!    few loads and stores; finding the longest idle one looks at all, and happens only when there
//!    is no room.
//! 2. An idle connection that is chosen is told by a GOAWAY, from which its client knows what was
//!    not processed.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Waker;

use tokio::time::Instant;

use crate::acceptor::WorkerState;

/// The connections of a thread.
pub(crate) struct Presences {
    all: RefCell<HashMap<u64, Rc<Presence>>>,
    next: Cell<u64>,
    worker: Arc<WorkerState>,
}

/// One of them.
#[derive(Default)]
pub(crate) struct Presence {
    idle_since: Cell<Option<Instant>>,
    is_chosen: Cell<bool>,
    task: RefCell<Option<Waker>>,
}

impl Presence {
    /// Whether the connection has to make room.
    pub(crate) fn is_chosen(&self) -> bool {
        self.is_chosen.get()
    }
}

impl Presences {
    pub(crate) fn new(worker: &Arc<WorkerState>) -> Self {
        Self { all: RefCell::default(), next: Cell::new(0), worker: Arc::clone(worker) }
    }

    /// Adds a connection, which is not idle.
    pub(crate) fn enter(&self) -> (u64, Rc<Presence>) {
        let number = self.next.replace(self.next.get() + 1);
        let presence = Rc::<Presence>::default();
        self.all.borrow_mut().insert(number, Rc::clone(&presence));
        (number, presence)
    }

    /// Notes since when a connection is idle, if it is, and the task to wake when it is chosen.
    pub(crate) fn note(&self, presence: &Presence, idle_since: Option<Instant>, task: &Waker) {
        let is_idle = idle_since.is_some();
        let was_idle = presence.idle_since.replace(idle_since).is_some();
        if is_idle == was_idle {
            return;
        }
        self.worker.note_idle(is_idle);
        let mut known = presence.task.borrow_mut();
        if is_idle && !known.as_ref().is_some_and(|known| known.will_wake(task)) {
            *known = Some(task.clone());
        }
    }

    pub(crate) fn leave(&self, number: u64) {
        if let Some(presence) = self.all.borrow_mut().remove(&number)
            && presence.idle_since.get().is_some()
        {
            self.worker.note_idle(false);
        }
    }

    /// Chooses the connection that has been idle longest; false when none is.
    pub(crate) fn make_room(&self) -> bool {
        let all = self.all.borrow();
        let idle = all.values().filter(|presence| !presence.is_chosen());
        let idle = idle.filter_map(|presence| Some((presence.idle_since.get()?, presence)));
        let Some((_, longest)) = idle.min_by_key(|(since, _)| *since) else { return false };
        longest.is_chosen.set(true);
        if let Some(task) = longest.task.borrow().as_ref() {
            task.wake_by_ref();
        }
        true
    }
}
