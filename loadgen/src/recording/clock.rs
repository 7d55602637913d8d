//! The clock of a run, and the times of one request.

use std::time::{Duration, Instant};

use crate::quantity::whole_ns;

/// Nanoseconds since the origin of the run.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    origin: Instant,
}

impl Clock {
    /// A clock that reads zero at `origin`, which may be a little ahead.
    pub fn new(origin: Instant) -> Self {
        Clock { origin }
    }

    /// Waits until the clock runs. Nothing of a run happens before that: the clock would read zero
    /// all the while, and a request that is due at zero would leave too early.
    pub async fn started(&self) {
        tokio::time::sleep_until(self.origin.into()).await;
    }

    /// Now; zero before the origin.
    pub fn now_ns(&self) -> u64 {
        whole_ns(Instant::now().saturating_duration_since(self.origin))
    }

    /// The instant of an offset.
    pub fn instant(&self, at_ns: u64) -> Instant {
        self.origin + Duration::from_nanos(at_ns)
    }
}

/// The clocks of one finished request, in nanoseconds since the origin.
#[derive(Clone, Copy, Debug, Default)]
pub struct Stamps {
    /// When it should have left.
    pub intended: u64,
    /// When its HEADERS were written.
    pub sent: u64,
    /// When the response head arrived.
    pub first: u64,
    /// When the body was complete.
    pub last: u64,
}
