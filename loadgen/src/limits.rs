//! Every bound of the load generator, each with its unit.
//!
//! A run that asks for more is refused before the first connection; nothing here grows at run time.

use std::time::Duration;

/// Longest accepted `--duration`.
pub const MAX_DURATION: Duration = Duration::from_hours(24);
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
/// Most requests of one `--burst`.
pub const MAX_BURST: u32 = 1_000;
/// Most requests one run may offer.
pub const MAX_REQUESTS: f64 = 10_000_000_000.0;
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
/// Shortest pause before another attempt to open a connection that could not be opened; it doubles.
pub const RECONNECT_PAUSE: Duration = Duration::from_millis(100);
/// Longest such pause.
pub const RECONNECT_PAUSE_MAX: Duration = Duration::from_secs(2);
/// How often one request goes out again because GOAWAY said that it had not begun.
pub const RESENDS_MAX: u8 = 5;
/// Time to establish one connection: TCP, TLS, HTTP/2 preface and SETTINGS.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Time for one of several addresses before the next is tried (RFC 8305 recommends 250 ms).
pub const ADDRESS_PATIENCE: Duration = Duration::from_millis(250);
/// Connections that one thread opens at the same time at the start.
pub const DIALS_AT_ONCE: usize = 64;
/// Arrivals closer than this are not worth a sleep: the thread looks again instead.
pub const SLEEP_MIN: Duration = Duration::from_micros(5);
/// Longest sleep of an engine, so that it notices time limits.
pub const SLEEP_MAX: Duration = Duration::from_millis(100);
/// Longest wait for answers after an interrupt; a second interrupt ends it.
pub const INTERRUPT_DRAIN: Duration = Duration::from_secs(2);
/// Threads of one engine.
pub const MAX_THREADS: u32 = 64;
/// Rows of one-second counts that a recorder keeps: 24 hours and the wait for the last answers.
pub const MAX_SECONDS: usize = 87_000;
/// Largest request body, in bytes.
pub const MAX_BODY: u64 = 16 << 20;
/// Most `--header` values.
pub const MAX_HEADERS: usize = 100;
/// Most steps of all journeys of a file.
pub const MAX_STEPS: usize = 1_000;
/// Bytes of a body in which captured values are looked for.
pub const KEPT_BODY: usize = 1 << 20;
/// Journeys that one thread has on their way at most.
pub const MAX_UNDERWAY: usize = 100_000;
/// Most series of `--series`.
pub const MAX_SERIES: usize = 32;
/// Largest page of a server's metrics, in bytes.
pub const PAGE_BYTES: usize = 4 << 20;
/// Time between two looks at it, and the longest time of one.
pub const SCRAPE_INTERVAL: Duration = Duration::from_secs(1);
/// Most stages of `--stages`.
pub const MAX_STAGES: usize = 1_000;
/// Bytes of an attack that the system may hold on this side: what the server does not read must show
/// as a write that waits. The system takes some more than it is told.
pub const ATTACK_SEND_BUFFER: u32 = 16 << 10;
/// Longest time of one attack.
pub const ATTACK_TIME: Duration = Duration::from_secs(20);
/// File descriptors for everything but connections: standard streams, reports, timers, reactors.
pub const OWN_DESCRIPTORS: u64 = 32;
/// Own lateness below this is no reason to doubt a measurement.
pub const LAG_HARMLESS_US: u64 = 200;
/// Own lateness above this share of a reported percentile makes it doubtful.
pub const LAG_SHARE: f64 = 0.1;
/// Connections of the measured, well-behaved client beside slow readers.
pub const VICTIM_CONNECTIONS: u32 = 1;
/// Streams on each of its connections.
pub const VICTIM_STREAMS: u32 = 100;
/// Connections that read large bodies in `backpressure`.
pub const LARGE_CONNECTIONS: u32 = 1;
/// Streams on each of them.
pub const LARGE_STREAMS: u32 = 16;

/// Pause after this many failed attempts in a row to open a connection.
pub fn backoff(failures: u32) -> Duration {
    let doubled = RECONNECT_PAUSE.saturating_mul(1 << failures.saturating_sub(1).min(10));
    doubled.min(RECONNECT_PAUSE_MAX)
}
