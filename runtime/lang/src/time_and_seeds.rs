//! What the language takes from its host: the time, and where random numbers begin.
//!
//! 1. Everything that asks for the time asks [`HostClock`]; a host that simulates time replaces it.
//! 2. Every generator begins with a number drawn from [`Seeds`]; a host that repeats a run gives the
//!    seed.
//!
//! Does not know how time passes.

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

/// A source of time.
pub trait TimeSource: Send + Sync {
    /// Time since some moment before the program started. Never goes back.
    fn monotonic(&self) -> Duration;
    /// The date.
    fn wall(&self) -> SystemTime;
}

/// The time of the operating system.
struct SystemSource {
    start: Instant,
}

impl TimeSource for SystemSource {
    fn monotonic(&self) -> Duration {
        self.start.elapsed()
    }

    fn wall(&self) -> SystemTime {
        SystemTime::now()
    }
}

/// The clock of a program. Clones tell the same time.
#[derive(Clone)]
pub struct HostClock(Arc<dyn TimeSource>);

impl HostClock {
    /// A clock that tells the time of `source`.
    pub fn new(source: impl TimeSource + 'static) -> HostClock {
        HostClock(Arc::new(source))
    }

    /// Microseconds since some moment before the program started.
    pub fn monotonic_us(&self) -> i64 {
        i64::try_from(self.0.monotonic().as_micros()).unwrap_or(i64::MAX)
    }

    /// Microseconds since 1970-01-01T00:00:00Z, negative before.
    pub fn unix_us(&self) -> i64 {
        match self.0.wall().duration_since(SystemTime::UNIX_EPOCH) {
            Ok(after) => i64::try_from(after.as_micros()).unwrap_or(i64::MAX),
            Err(before) => {
                i64::try_from(before.duration().as_micros()).map_or(i64::MIN, std::ops::Neg::neg)
            }
        }
    }
}

impl Default for HostClock {
    fn default() -> HostClock {
        HostClock::new(SystemSource { start: Instant::now() })
    }
}

impl fmt::Debug for HostClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HostClock").finish_non_exhaustive()
    }
}

/// `SplitMix64`: the next state's output. (Steele, Lea, Flood, "Fast splittable pseudorandom number
/// generators", OOPSLA 2014.)
pub(crate) fn split_mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// Where the generators of a program begin. Clones draw from the same sequence.
#[derive(Clone, Debug)]
pub struct Seeds {
    seed: u64,
    state: Arc<Mutex<u64>>,
}

impl Seeds {
    /// The sequence of `seed`.
    pub fn new(seed: u64) -> Seeds {
        Seeds { seed, state: Arc::new(Mutex::new(seed)) }
    }

    /// The seed that repeats the sequence.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// The next number.
    pub fn draw(&self) -> u64 {
        split_mix(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Default for Seeds {
    fn default() -> Seeds {
        Seeds::new(RandomState::new().hash_one(0))
    }
}
