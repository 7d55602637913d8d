//! Byte accounts and token buckets: the two ways a connection is kept within its limits.
//!
//! An [`Account`] is a sum of [`Hold`]s; a hold gives its bytes back when dropped, whatever ended
//! its owner, so an account cannot leak.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use tokio::time::Instant;

/// Bytes held against a limit.
#[derive(Debug)]
pub(crate) struct Account {
    used: Cell<usize>,
    limit: usize,
}

impl Account {
    pub(crate) fn new(limit: usize) -> Rc<Self> {
        Rc::new(Self { used: Cell::new(0), limit })
    }

    /// Bytes held now.
    pub(crate) fn used(&self) -> usize {
        self.used.get()
    }

    /// Holds `bytes` if they fit.
    pub(crate) fn try_hold(self: &Rc<Self>, bytes: usize) -> Option<Hold> {
        let mut hold = self.hold(0);
        hold.try_grow(bytes).then_some(hold)
    }

    /// Holds `bytes` even above the limit: for bytes that exist already and can only be waited out.
    pub(crate) fn hold(self: &Rc<Self>, bytes: usize) -> Hold {
        self.used.set(self.used.get() + bytes);
        Hold { account: Rc::clone(self), bytes }
    }
}

/// Part of an [`Account`], given back on drop.
#[derive(Debug)]
pub(crate) struct Hold {
    account: Rc<Account>,
    bytes: usize,
}

impl Hold {
    /// Adds `bytes` if they fit; otherwise changes nothing and says false.
    pub(crate) fn try_grow(&mut self, bytes: usize) -> bool {
        let account = &self.account;
        let fits = bytes <= account.limit.saturating_sub(account.used.get());
        if fits {
            account.used.set(account.used.get() + bytes);
            self.bytes += bytes;
        }
        fits
    }

    /// Gives `bytes` back early.
    pub(crate) fn shrink(&mut self, bytes: usize) {
        assert!(bytes <= self.bytes, "a hold gives back only what it holds");
        self.bytes -= bytes;
        self.account.used.set(self.account.used.get() - bytes);
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.shrink(self.bytes);
    }
}

/// A burst allowance that refills with time.
#[derive(Debug)]
pub(crate) struct TokenBucket {
    /// Tokens now, in thousandths, so that slow refills lose nothing to rounding.
    milli: u64,
    burst: u32,
    per_second: u32,
    refilled: Instant,
}

impl TokenBucket {
    pub(crate) fn full(burst: u32, per_second: u32, now: Instant) -> Self {
        Self { milli: u64::from(burst) * 1000, burst, per_second, refilled: now }
    }

    /// Takes one token; false when there is none.
    pub(crate) fn take(&mut self, now: Instant) -> bool {
        let elapsed_ms = now.saturating_duration_since(self.refilled).as_millis() as u64;
        self.refilled += Duration::from_millis(elapsed_ms);
        let refill = elapsed_ms.saturating_mul(u64::from(self.per_second));
        self.milli = self.milli.saturating_add(refill).min(u64::from(self.burst) * 1000);
        let some = self.milli >= 1000;
        if some {
            self.milli -= 1000;
        }
        some
    }
}
