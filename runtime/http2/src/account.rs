//! What a server holds for its clients, counted per connection and per process.
//!
//! 1. A [`ProcessBudget`] is one number for all threads and servers that share it; an [`Account`] is
//!    a connection's view of it together with the connection's own [`ByteBudget`].
//! 2. Bytes are counted while a [`Held`] lives, and given back when it is dropped, whatever ended
//!    its owner.
//! 3. A full process budget refuses a connection only what is beyond its fair share. So the clients
//!    that fill it wait, and a client that holds nothing is served.
//! 4. A budget that is not full grants one request whatever its size: the overshoot is bounded by
//!    what one request may be.

use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};

use valk_net::{ByteBudget, Reservation};

use crate::limits::Limits;

/// Bytes held by all that share the count, against the limit of one server.
#[derive(Clone, Debug)]
pub(crate) struct ProcessBudget {
    used: Arc<AtomicUsize>,
    /// Requests that wait for bytes to be given back.
    wanted: Arc<AtomicUsize>,
    limit: usize,
    /// What a connection may hold when the budget is full.
    share: usize,
}

impl ProcessBudget {
    /// Bytes held now.
    pub(crate) fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    /// Bytes that may be held.
    pub(crate) fn limit(&self) -> usize {
        self.limit
    }

    /// Bytes that may still be held.
    pub(crate) fn free(&self) -> usize {
        self.limit.saturating_sub(self.used())
    }

    /// Counts the requests that wait for it here.
    pub(crate) fn wanted(&self) -> &Arc<AtomicUsize> {
        &self.wanted
    }

    /// Whether who holds some has to hurry.
    pub(crate) fn is_pressed(&self) -> bool {
        self.is_full() || self.wanted.load(Ordering::Relaxed) > 0
    }

    /// Whether nothing beyond fair shares is granted.
    pub(crate) fn is_full(&self) -> bool {
        self.used() >= self.limit
    }
}

/// The process budgets of a server.
#[derive(Clone, Debug)]
pub(crate) struct ProcessBudgets {
    pub(crate) headers: ProcessBudget,
    pub(crate) bodies: ProcessBudget,
    pub(crate) responses: ProcessBudget,
}

/// The counts of all servers of a process: headers, bodies, responses.
type Counts = [Arc<AtomicUsize>; 3];

impl ProcessBudgets {
    /// Budgets whose counts all servers of the process share.
    pub(crate) fn of_process(limits: &Limits) -> Self {
        static COUNTS: LazyLock<Counts> = LazyLock::new(Counts::default);
        Self::new(COUNTS.clone(), limits)
    }

    /// Budgets with counts of their own.
    #[cfg(test)]
    pub(crate) fn of_one_server(limits: &Limits) -> Self {
        Self::new(Counts::default(), limits)
    }

    fn new([headers, bodies, responses]: Counts, limits: &Limits) -> Self {
        let budget = |used, limit: usize, least: usize| {
            let share = (limit / limits.max_connections.max(1)).max(least);
            ProcessBudget { used, wanted: Arc::default(), limit, share }
        };
        Self {
            headers: budget(
                headers,
                limits.process_header_bytes,
                limits.header_list_bytes as usize,
            ),
            bodies: budget(bodies, limits.process_body_bytes, limits.stream_window as usize),
            responses: budget(responses, limits.process_response_bytes, 0),
        }
    }
}

/// A connection's account: its own budget, and its part of the process's.
#[derive(Debug)]
pub(crate) struct Account {
    own: Rc<ByteBudget>,
    process: ProcessBudget,
}

impl Account {
    pub(crate) fn new(limit: usize, process: &ProcessBudget) -> Self {
        Self { own: ByteBudget::new(limit), process: process.clone() }
    }

    /// Bytes counted for the connection.
    pub(crate) fn used(&self) -> usize {
        self.own.used()
    }

    /// Whether the process is full, with `uncounted` bytes more of this connection, and the
    /// connection has its fair share, with `beside` bytes more that are not counted for it.
    pub(crate) fn has_its_share(&self, uncounted: usize, beside: usize) -> bool {
        self.process.used() + uncounted >= self.process.limit
            && self.own.used() + beside > self.process.share
    }

    /// Whether the process lets this connection hold `bytes` more.
    pub(crate) fn allows(&self, bytes: usize) -> bool {
        !self.has_its_share(0, bytes)
    }

    /// The process's budget.
    pub(crate) fn process(&self) -> &ProcessBudget {
        &self.process
    }

    /// Nothing, to grow.
    pub(crate) fn open(&self) -> Held {
        let own = self.own.reserve_over_limit(0);
        Held { own, account: Rc::clone(&self.own), process: self.process.clone(), bytes: 0 }
    }

    /// Holds `bytes` if both budgets allow it.
    pub(crate) fn try_hold(&self, bytes: usize) -> Option<Held> {
        let mut held = self.open();
        held.try_grow(bytes).then_some(held)
    }

    /// Holds `bytes` that count for the connection as `counted` at most, if the process allows it:
    /// whether the connection has room was asked before they were made.
    pub(crate) fn try_hold_made(&self, bytes: usize, counted: usize) -> Option<Held> {
        self.allows(bytes).then(|| self.hold_made(bytes, counted))
    }

    /// The same, whatever the process allows: there is room for them.
    pub(crate) fn hold_made(&self, bytes: usize, counted: usize) -> Held {
        let mut held = self.open();
        held.own = self.own.reserve_over_limit(bytes.min(counted));
        held.add_to_process(bytes);
        held
    }
}

/// Bytes counted in an [`Account`].
#[derive(Debug)]
pub(crate) struct Held {
    own: Reservation,
    account: Rc<ByteBudget>,
    process: ProcessBudget,
    /// Bytes counted for the process.
    bytes: usize,
}

impl Held {
    /// Adds `bytes` if both budgets allow it; otherwise changes nothing and returns false.
    pub(crate) fn try_grow(&mut self, bytes: usize) -> bool {
        let grows = self.process_allows(bytes) && self.own.try_grow(bytes);
        if grows {
            self.add_to_process(bytes);
        }
        grows
    }

    /// As [`try_grow`](Self::try_grow), but the connection's budget allows anything to the only one
    /// that it holds.
    pub(crate) fn try_grow_alone(&mut self, bytes: usize) -> bool {
        let is_alone = self.account.used() == self.own.bytes();
        if !is_alone || !self.process_allows(bytes) {
            return self.try_grow(bytes);
        }
        self.own = self.account.reserve_over_limit(self.own.bytes() + bytes);
        self.add_to_process(bytes);
        true
    }

    fn process_allows(&self, bytes: usize) -> bool {
        !self.process.is_full() || self.account.used() + bytes <= self.process.share
    }

    /// Counts `bytes` for the process, and nothing for the connection, whatever the budgets say.
    pub(crate) fn set_for_process(&mut self, bytes: usize) {
        self.shrink_to(bytes);
        self.add_to_process(bytes - self.bytes);
    }

    fn add_to_process(&mut self, bytes: usize) {
        self.process.used.fetch_add(bytes, Ordering::Relaxed);
        self.bytes += bytes;
    }

    /// Bytes counted for the process.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Gives back all but `left` bytes.
    pub(crate) fn shrink_to(&mut self, left: usize) {
        let given = self.bytes.saturating_sub(left);
        self.process.used.fetch_sub(given, Ordering::Relaxed);
        self.bytes -= given;
        self.own.shrink(self.own.bytes().saturating_sub(left));
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.process.used.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}
