//! A token bucket: how often something may happen in a burst and in the long run.

use std::time::Duration;

use tokio::time::Instant;

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
