//! Whether to ask the system for huge pages, decided by how long the last one took.
//!
//! A huge page that the system has ready costs a fifth of the small ones in its place. It may cost
//! several times as much where memory has to be moved to make one, or where a hypervisor has taken
//! back free memory and returns it in small pages. After a slow one, chunks get small pages for a
//! while, each time twice as long as before.
//!
//! Pure: knows durations, not memory.

use std::time::Duration;

/// The small pages of a chunk take less.
const SLOW: Duration = Duration::from_millis(1);
/// Chunks that get small pages after the first slow huge page, and at most.
const PAUSE_MIN: usize = 8;
const PAUSE_MAX: usize = 64;

/// The state of the policy.
pub(crate) struct HugePagePolicy {
    /// Next chunks that get small pages.
    without: usize,
    /// Number of chunks that get small pages after the next slow huge page.
    pause: usize,
}

impl HugePagePolicy {
    pub fn new() -> HugePagePolicy {
        HugePagePolicy { without: 0, pause: PAUSE_MIN }
    }

    /// Whether the next chunk is to be a huge page. If so, the caller reports how long it took.
    pub fn wants_huge_page(&mut self) -> bool {
        let is_wanted = self.without == 0;
        self.without = self.without.saturating_sub(1);
        is_wanted
    }

    /// Records how long a huge page took.
    pub fn report(&mut self, took: Duration) {
        if took < SLOW {
            self.pause = PAUSE_MIN;
        } else {
            self.without = self.pause;
            self.pause = (self.pause * 2).min(PAUSE_MAX);
        }
    }
}
