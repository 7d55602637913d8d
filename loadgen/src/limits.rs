//! Every bound of the load generator, each with its unit.
//!
//! A run that asks for more is refused before the first connection; nothing here grows at run time.

use std::time::Duration;

/// Longest accepted `--duration`.
pub const MAX_DURATION: Duration = Duration::from_mins(10);
/// Shortest accepted `--duration`: below it a phase has no length worth measuring.
pub const MIN_DURATION: Duration = Duration::from_millis(100);
/// Most connections of one group.
pub const MAX_CONNECTIONS: u32 = 10_000;
/// Most concurrent streams on one connection.
pub const MAX_STREAMS: u32 = 1_000;
/// Most streams of one group: connections times streams per connection.
pub const MAX_GROUP_STREAMS: u64 = 100_000;
/// Most goose users: each one owns an HTTP client.
pub const MAX_USERS: usize = 500;
/// Highest arrival rate in requests per second.
pub const MAX_RATE: f64 = 1_000_000.0;
/// Most requests one run may offer.
pub const MAX_REQUESTS: f64 = 100_000_000.0;
/// Longest accepted `--timeout` of one request.
pub const MAX_TIMEOUT: Duration = Duration::from_mins(1);
/// Most `--threshold` rules.
pub const MAX_THRESHOLDS: usize = 64;
/// Most `--path` values.
pub const MAX_PATHS: usize = 64;
/// Largest weight of one path.
pub const MAX_WEIGHT: u32 = 100;
/// Largest request body of `--post-bytes`, in bytes.
pub const MAX_POST_BYTES: usize = 1 << 20;
/// Largest stream window a slow reader may advertise while it holds, in bytes.
pub const MAX_HELD_WINDOW: u32 = 1 << 20;
/// Longest latency that the histograms record exactly, in microseconds: one hour.
pub const MAX_LATENCY_US: u64 = 3_600_000_000;
/// Significant decimal digits of a histogram value (0.1 %).
pub const HISTOGRAM_DIGITS: u8 = 3;
/// Stream window of a connection that reads at once, in bytes. Large, or the generator would
/// measure its own flow control.
pub const OWN_STREAM_WINDOW: u32 = 4 << 20;
/// Connection window of every connection we open, in bytes.
pub const OWN_CONNECTION_WINDOW: u32 = 64 << 20;
/// Budget for small DATA frames: h2 ends a connection whose reader pauses while frames below
/// about 171 bytes arrive, which is exactly what a slow reader provokes.
pub const DATA_FRAME_BUDGET: usize = 1 << 30;
/// Pause before a lost connection is opened again.
pub const RECONNECT_PAUSE: Duration = Duration::from_millis(100);
/// Time to establish one connection: TCP, TLS, HTTP/2 preface.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Shortest pause of the pacing thread. Arrivals closer than this leave in one batch, which
/// bounds its wake-ups to 16 000 a second.
pub const PACER_PAUSE_MIN: Duration = Duration::from_micros(60);
/// Longest pause of the pacing thread, so that it notices an early end.
pub const PACER_PAUSE_MAX: Duration = Duration::from_millis(50);
/// Connections of the measured, well-behaved client beside slow readers.
pub const VICTIM_CONNECTIONS: u32 = 1;
/// Streams on each of its connections.
pub const VICTIM_STREAMS: u32 = 100;
/// Connections that read large bodies in `backpressure`.
pub const LARGE_CONNECTIONS: u32 = 1;
/// Streams on each of them.
pub const LARGE_STREAMS: u32 = 16;
