//! The one source of time of a program.
//!
//! 1. Monotonic time is tokio's: real on an ordinary runtime, virtual on a paused one.
//! 2. Wall-clock time is the system's, or begins at a chosen moment and advances with the monotonic
//!    time, so a simulated program sees both move together.

use std::time::{Duration, SystemTime};

use tokio::time::Instant;

/// Tells the time. Clones tell the same time.
#[derive(Clone, Copy, Debug)]
pub struct Clock(WallClock);

#[derive(Clone, Copy, Debug)]
enum WallClock {
    System,
    Simulated { start: SystemTime, origin: Instant },
}

impl Clock {
    /// The clock of the system.
    pub fn system() -> Self {
        Self(WallClock::System)
    }

    /// A clock whose wall-clock time is `start` now and advances with the monotonic time. Must be
    /// called inside the runtime whose time it tells.
    pub fn simulated(start: SystemTime) -> Self {
        Self(WallClock::Simulated { start, origin: Instant::now() })
    }

    /// Monotonic time.
    pub fn now(&self) -> Instant {
        Instant::now()
    }

    /// Wall-clock time.
    pub fn wall(&self) -> SystemTime {
        match self.0 {
            WallClock::System => SystemTime::now(),
            WallClock::Simulated { start, origin } => start + origin.elapsed(),
        }
    }

    /// Wall-clock time since 1970-01-01 00:00 UTC; zero before it.
    pub fn unix_time(&self) -> Duration {
        self.wall().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::system()
    }
}
