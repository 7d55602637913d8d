//! When requests are due and which paths they have: pure arithmetic from a seed, no clock.
//!
//! 1. Every connection has an arrival process of its own; time is nanoseconds since the run's origin.
//! 2. Request number n is due when the integral of the rate over time reaches n. Constant arrivals
//!    interleave the connections evenly. Poisson arrivals of N connections are independent processes
//!    of rate R/N, whose sum is a Poisson process of rate R. So the arrivals of one connection depend
//!    on no other.
//! 3. Requests may come in bursts: those of a burst are due together, when the first of them is. The
//!    rate is the same, and each connection has whole bursts.
//! 4. The same seed, rate and number of connections give the same arrivals and the same paths.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

use super::profile::{Cursor, Profile};

/// `SplitMix64` (Steele, Lea, Flood, 2014): small, seedable, good enough to spread load.
#[derive(Clone, Debug)]
pub struct SplitMix64(u64);

impl SplitMix64 {
    /// A generator whose stream is a function of seed and connection.
    pub fn new(seed: u64, connection: u64) -> Self {
        let mut mixer = SplitMix64(seed ^ connection.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        SplitMix64(mixer.next_u64())
    }

    /// The next 64 bits.
    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Uniform in (0, 1]: never zero, so its logarithm is finite.
    fn next_unit(&mut self) -> f64 {
        ((self.next_u64() >> 11) + 1) as f64 / (1_u64 << 53) as f64
    }
}

/// Shape of the arrival process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrivals {
    /// Evenly spaced.
    Constant,
    /// Exponential gaps: independent users.
    Poisson,
}

/// The requested paths with their weights.
#[derive(Clone, Debug)]
pub struct PathMix {
    /// `cumulative[i]` is the sum of the weights of the paths up to `i`.
    cumulative: Vec<u64>,
}

impl PathMix {
    /// A mix of as many paths as there are weights. Weights are positive.
    pub fn new(weights: &[u32]) -> Self {
        assert!(!weights.is_empty() && !weights.contains(&0), "path weights are positive");
        let mut total = 0;
        let cumulative = weights
            .iter()
            .map(|w| {
                total += u64::from(*w);
                total
            })
            .collect();
        PathMix { cumulative }
    }

    /// Draws a path.
    pub fn pick(&self, random: &mut SplitMix64) -> u32 {
        let total = self.cumulative[self.cumulative.len() - 1];
        let draw = random.next_u64() % total;
        self.cumulative.partition_point(|sum| *sum <= draw) as u32
    }
}

/// One due request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// When it should leave, in nanoseconds since the origin.
    pub due_ns: u64,
    /// Index into the list of paths.
    pub path: u32,
}

/// The arrival process of a whole group, divided between its connections.
#[derive(Clone, Debug)]
pub struct Schedule {
    /// Shape.
    pub arrivals: Arrivals,
    /// Requests that come due together on a connection; at least one.
    pub burst: u32,
    /// Requests per second over all connections, from `start_ns` on.
    pub profile: Profile,
    /// First possible arrival, nanoseconds since the origin.
    pub start_ns: u64,
    /// Number of connections.
    pub connections: u32,
    /// Seed of gaps and paths.
    pub seed: u64,
    /// Paths to draw from.
    pub paths: PathMix,
}

impl Schedule {
    /// No arrival at or after this.
    pub fn end_ns(&self) -> u64 {
        self.start_ns + crate::quantity::whole_ns(self.profile.length())
    }
}

/// The arrivals of one connection, in order of time.
pub fn of_connection(schedule: &Arc<Schedule>, connection: u32) -> ConnectionArrivals {
    let random = SplitMix64::new(schedule.seed, u64::from(connection));
    ConnectionArrivals {
        schedule: Arc::clone(schedule),
        number: connection,
        index: 0,
        count: 0.0,
        cursor: Cursor::default(),
        random,
    }
}

/// The arrivals of some connections, in order of time: each with the place of its connection in
/// `connections`.
pub fn merged(
    schedule: &Arc<Schedule>,
    connections: impl IntoIterator<Item = u32>,
) -> MergedArrivals {
    let mut connections: Vec<ConnectionArrivals> =
        connections.into_iter().map(|connection| of_connection(schedule, connection)).collect();
    let heap = connections
        .iter_mut()
        .enumerate()
        .filter_map(|(i, arrivals)| arrivals.next().map(|a| Reverse((a.due_ns, i))))
        .collect();
    MergedArrivals { connections, heap }
}

/// Iterator over the arrivals of one connection.
#[derive(Clone, Debug)]
pub struct ConnectionArrivals {
    schedule: Arc<Schedule>,
    number: u32,
    index: u64,
    /// Expected number of requests of the whole group up to the last arrival.
    count: f64,
    cursor: Cursor,
    random: SplitMix64,
}

impl Iterator for ConnectionArrivals {
    type Item = Arrival;

    fn next(&mut self) -> Option<Arrival> {
        let s = &self.schedule;
        let burst = u64::from(s.burst);
        let (number, place) = (self.index / burst, self.index % burst);
        match s.arrivals {
            Arrivals::Constant => {
                let bursts_before = number * u64::from(s.connections) + u64::from(self.number);
                self.count = (bursts_before * burst) as f64;
                // The last burst is cut where the requests of the rate are used up.
                if self.count + place as f64 >= s.profile.requests() && place > 0 {
                    return None;
                }
            }
            Arrivals::Poisson if place == 0 => {
                let mean = f64::from(s.connections) * burst as f64;
                self.count -= self.random.next_unit().ln() * mean;
            }
            Arrivals::Poisson => {}
        }
        let due_ns = s.start_ns + self.cursor.due_ns(&s.profile, self.count)?;
        self.index += 1;
        Some(Arrival { due_ns, path: s.paths.pick(&mut self.random) })
    }
}

/// Iterator over `(due_ns, connection)` of a whole schedule.
#[derive(Debug)]
pub struct MergedArrivals {
    connections: Vec<ConnectionArrivals>,
    heap: BinaryHeap<Reverse<(u64, usize)>>,
}

impl MergedArrivals {
    /// When the next arrival is due.
    pub fn next_due_ns(&self) -> Option<u64> {
        self.heap.peek().map(|Reverse((due_ns, _))| *due_ns)
    }
}

impl Iterator for MergedArrivals {
    type Item = (u64, usize);

    fn next(&mut self) -> Option<(u64, usize)> {
        let Reverse((due_ns, connection)) = self.heap.pop()?;
        if let Some(next) = self.connections[connection].next() {
            self.heap.push(Reverse((next.due_ns, connection)));
        }
        Some((due_ns, connection))
    }
}
