//! The clock of the executors, which the language asks as well.

use std::time::{Duration, SystemTime};
use tokio::time::Instant;
use valk_lang::TimeSource;
use valk_net::Clock;

/// A clock and the moment from which its monotonic time counts. Clones tell the same time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ExecutorClock {
    clock: Clock,
    epoch: Instant,
}

impl ExecutorClock {
    /// A clock whose monotonic time is zero now.
    pub fn new(clock: Clock) -> ExecutorClock {
        ExecutorClock { clock, epoch: clock.now() }
    }

    /// Microseconds since the clock was made.
    pub fn now_us(&self) -> u64 {
        u64::try_from(self.monotonic().as_micros()).unwrap_or(u64::MAX)
    }

    /// When a time in microseconds since the clock was made is.
    pub fn instant(&self, at_us: u64) -> Instant {
        self.epoch + Duration::from_micros(at_us)
    }
}

impl TimeSource for ExecutorClock {
    fn monotonic(&self) -> Duration {
        self.clock.now().saturating_duration_since(self.epoch)
    }

    fn wall(&self) -> SystemTime {
        self.clock.wall()
    }
}
