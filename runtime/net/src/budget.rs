//! Byte budgets: how much may be held at once, and what is.
//!
//! A [`ByteBudget`] is the sum of its [`Reservation`]s. A reservation gives its bytes back when it
//! is dropped, whatever ended its owner, so a budget cannot leak. One thread owns a budget; cells
//! are enough and cost nothing on the request path.

use std::cell::Cell;
use std::rc::Rc;

/// Bytes held against a limit.
#[derive(Debug)]
pub struct ByteBudget {
    used: Cell<usize>,
    limit: usize,
}

impl ByteBudget {
    /// A budget of `limit` bytes, none of them reserved.
    pub fn new(limit: usize) -> Rc<Self> {
        Rc::new(Self { used: Cell::new(0), limit })
    }

    /// Bytes reserved now.
    pub fn used(&self) -> usize {
        self.used.get()
    }

    /// Bytes that may be reserved in all.
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// Reserves `bytes` if they fit.
    pub fn try_reserve(self: &Rc<Self>, bytes: usize) -> Option<Reservation> {
        let mut reservation = self.reserve_over_limit(0);
        reservation.try_grow(bytes).then_some(reservation)
    }

    /// Reserves `bytes` even above the limit: for bytes that exist already and can only be waited
    /// out.
    pub fn reserve_over_limit(self: &Rc<Self>, bytes: usize) -> Reservation {
        self.used.set(self.used.get() + bytes);
        Reservation { budget: Rc::clone(self), bytes }
    }
}

/// Part of a [`ByteBudget`], given back on drop.
#[derive(Debug)]
pub struct Reservation {
    budget: Rc<ByteBudget>,
    bytes: usize,
}

impl Reservation {
    /// Bytes reserved.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Adds `bytes` if they fit; otherwise changes nothing and returns false.
    pub fn try_grow(&mut self, bytes: usize) -> bool {
        let budget = &self.budget;
        let fits = bytes <= budget.limit.saturating_sub(budget.used.get());
        if fits {
            budget.used.set(budget.used.get() + bytes);
            self.bytes += bytes;
        }
        fits
    }

    /// Gives `bytes` back early.
    ///
    /// # Panics
    /// When the reservation has fewer.
    pub fn shrink(&mut self, bytes: usize) {
        assert!(bytes <= self.bytes, "a reservation gives back only what it has");
        self.bytes -= bytes;
        self.budget.used.set(self.budget.used.get() - bytes);
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.shrink(self.bytes);
    }
}
