//! Whether to ask the system for huge pages: by how long it took to get the last one.
//!
//! A huge page that the system has at hand costs a fifth of the small ones in its place. It may cost
//! several times as much where memory has to be moved to make one, or where a hypervisor has taken
//! back what was free and fetches it in small pages. Then chunks get small ones for a while, each time
//! twice as long as before.
//!
//! Pure: knows durations, not memory.

use std::time::Duration;

/// Small pages for a chunk take less.
const SLOW: Duration = Duration::from_millis(1);
/// Chunks that go without after the first slow one, and at most.
const PAUSE_MIN: usize = 8;
const PAUSE_MAX: usize = 64;

/// The state of asking.
pub(crate) struct HugePagePolicy {
    /// Chunks to come that go without.
    without: usize,
    /// How many these will be after the next slow one.
    pause: usize,
}

impl HugePagePolicy {
    pub fn new() -> HugePagePolicy {
        HugePagePolicy { without: 0, pause: PAUSE_MIN }
    }

    /// Whether the next chunk shall be a huge page; who is told so reports.
    pub fn wanted(&mut self) -> bool {
        let wanted = self.without == 0;
        self.without = self.without.saturating_sub(1);
        wanted
    }

    /// Notes how long a huge page took.
    pub fn report(&mut self, took: Duration) {
        if took < SLOW {
            self.pause = PAUSE_MIN;
        } else {
            self.without = self.pause;
            self.pause = (self.pause * 2).min(PAUSE_MAX);
        }
    }
}
