//! The options of `aio/start`: keys, defaults, ranges, messages.
//!
//! 1. 0 stands for the default. Numbers out of range are an error; a value that is no number is
//!    ignored with a warning, as are unknown keys.
//! 2. Some defaults follow from other options: buffers from connections, arenas from streams.
//! 3. Keys that older programs give and nothing reads are accepted without a warning.

use crate::executor::EXECUTORS_MAX;
use valk_heap::Value;
use valk_lang::property_list::{OptionKey, OptionKind, OptionTable, Options, WrongKind};
use valk_vm::Vm;

/// Servers of a system, for the derived number of buffers.
const SERVERS: i64 = 8;
/// Clients of a system, for the derived number of buffers.
const CLIENTS: i64 = 8;
/// Connections of a client, for the derived number of buffers.
const CONNECTIONS_PER_CLIENT: i64 = 2;
/// Buffers of a connection, for the derived number of buffers.
const BUFFERS_PER_CONNECTION: i64 = 4;
/// Buffer pools up to this size may be smaller than the number of connections, for tests.
const SMALL_BUFFER_POOL: i64 = 16;
/// The most arenas of a system.
const ARENAS_MAX: i64 = 10_000;
/// Milliseconds fit timers whatever the clock.
const MS_MAX: i64 = u32::MAX as i64;

const CONNECTIONS: i64 = 16;
const STREAMS: i64 = 32;
const KIB: i64 = 1 << 10;
const MIB: i64 = 1 << 20;

/// A number of which 0 means the default.
pub(crate) const fn number(
    name: &'static str,
    range: (i64, i64),
    default: i64,
    unit: &'static str,
    text: &'static str,
    error: &'static str,
) -> OptionKey {
    OptionKey::integer(name, range, default, unit, text).with_zero_as_default().with_error(error)
}

/// A key of older programs that nothing reads.
pub(crate) const fn ignored(name: &'static str) -> OptionKey {
    OptionKey::new(name, OptionKind::Ignored, "Accepted for older programs; has no effect.")
}

/// The options of `aio/start`.
pub static START: OptionTable = OptionTable {
    builtin: "aio/start",
    wrong_kind: WrongKind::IsIgnored,
    keys: &[
        number(
            ":max-connections",
            (1, 100_000),
            CONNECTIONS,
            "connections",
            "Connections that a server accepts.",
            "max_connections must be between 1 and 100,000",
        ),
        number(
            ":max-concurrent-streams",
            (1, 1000),
            STREAMS,
            "streams",
            "Requests that a connection may have in progress.",
            "max_concurrent_streams must be between 1 and 1,000",
        ),
        number(
            ":tcp-buffer-pool-size",
            (2, 1_000_000),
            tcp_buffers(CONNECTIONS),
            "buffers",
            "Receive buffers of the system; by default from the number of connections.",
            "tcp_buffer_pool_size must be between 2 and 1,000,000",
        ),
        number(
            ":arena-pool-size",
            (1, ARENAS_MAX),
            CONNECTIONS * STREAMS,
            "arenas",
            "Requests in progress; further ones are turned away. Without it as many as streams permit.",
            "arena_pool_size must be between 1 and 10,000",
        ),
        number(
            ":arena-size",
            (MIB, 256 * MIB),
            4 * MIB,
            "bytes",
            "Memory of one request.",
            "arena_size must be between 1MB and 256MB",
        ),
        number(
            ":max-request-body-size",
            (KIB, 1 << 30),
            8 * MIB,
            "bytes",
            "The largest request body.",
            "max_request_body_size must be between 1KB and 1GB",
        ),
        number(
            ":backpressure-timeout-ms",
            (1000, 600_000),
            30_000,
            "ms",
            "How long a connection that waits for its reader is kept.",
            "backpressure_timeout_ms must be between 1,000 and 600,000 (1s-10min)",
        ),
        number(
            ":backpressure-list-max",
            (1, 100_000),
            1000,
            "connections",
            "Connections that may wait for their readers.",
            "backpressure_list_max must be between 1 and 100,000",
        ),
        number(
            ":maintenance-interval-ms",
            (1, MS_MAX),
            1000,
            "ms",
            "Time between rounds of maintenance.",
            "",
        ),
        number(
            ":connection-idle-timeout-ms",
            (1, MS_MAX),
            60_000,
            "ms",
            "How long a connection without requests is kept.",
            "",
        ),
        number(
            ":executors",
            (1, EXECUTORS_MAX as i64),
            EXECUTORS_MAX as i64,
            "executors",
            "Executors that serve, at most; there are as many as VALK_EXECUTORS says.",
            "",
        ),
        ignored(":pending-stream-pool-size"),
        ignored(":max-handles"),
        ignored(":max-servers"),
        ignored(":max-clients"),
        ignored(":max-connections-per-client"),
        ignored(":max-timers"),
        ignored(":queue-capacity"),
        ignored(":buffer-high-watermark"),
        ignored(":buffer-critical-watermark"),
        ignored(":min-buffers-per-conn"),
    ],
};

/// Receive buffers that so many connections need.
const fn tcp_buffers(connections: i64) -> i64 {
    (SERVERS * connections + CLIENTS * CONNECTIONS_PER_CLIENT) * BUFFERS_PER_CONNECTION
}

/// What a system was started with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SystemConfig {
    /// Connections that a server accepts.
    pub connections_max: usize,
    /// Requests that a connection may have in progress.
    pub streams_per_connection_max: usize,
    /// Receive buffers of the system.
    pub receive_buffers: usize,
    /// Requests in progress.
    pub requests_max: usize,
    /// Whether that was given, so that further requests are turned away.
    pub limits_requests: bool,
    /// Memory of one request.
    pub request_memory_bytes: usize,
    /// The largest request body.
    pub request_body_bytes_max: usize,
    /// How long a connection that waits for its reader is kept.
    pub backpressure_timeout_ms: u64,
    /// Connections that may wait for their readers.
    pub backpressure_connections_max: usize,
    /// Time between rounds of maintenance.
    pub maintenance_interval_ms: u64,
    /// How long a connection without requests is kept.
    pub idle_timeout_ms: u64,
    /// Requests and responses that may wait.
    pub queue_capacity: usize,
    /// Executors that serve, at most.
    pub executors_max: usize,
}

impl SystemConfig {
    /// What the argument of `aio/start` says.
    ///
    /// # Errors
    /// The line that says which number is out of range.
    pub fn read(vm: &Vm, list: Value) -> Result<SystemConfig, String> {
        let config = START.read(vm, list).and_then(|options| SystemConfig::from_options(&options));
        config.map_err(|problem| format!("AIO config error: {problem}"))
    }

    fn from_options(options: &Options) -> Result<SystemConfig, String> {
        let connections = options.integer(":max-connections");
        let streams = options.integer(":max-concurrent-streams");
        let or_derived = |name: &str, derived: i64| {
            if options.is_given(name) { options.integer(name) } else { derived }
        };
        let buffers = or_derived(":tcp-buffer-pool-size", tcp_buffers(connections).min(1_000_000));
        let arenas = or_derived(":arena-pool-size", (connections * streams).min(ARENAS_MAX));
        if buffers > SMALL_BUFFER_POOL && buffers < connections {
            let text = "tcp_buffer_pool_size must be >= max_connections (or <= 16 for testing)";
            return Err(text.to_string());
        }
        if arenas < connections / 10 {
            return Err("arena_pool_size must be >= max_connections / 10".to_string());
        }
        Ok(SystemConfig {
            connections_max: connections as usize,
            streams_per_connection_max: streams as usize,
            receive_buffers: buffers as usize,
            requests_max: arenas as usize,
            limits_requests: options.is_given(":arena-pool-size"),
            request_memory_bytes: options.integer(":arena-size") as usize,
            request_body_bytes_max: options.integer(":max-request-body-size") as usize,
            backpressure_timeout_ms: options.integer(":backpressure-timeout-ms") as u64,
            backpressure_connections_max: options.integer(":backpressure-list-max") as usize,
            maintenance_interval_ms: options.integer(":maintenance-interval-ms") as u64,
            idle_timeout_ms: options.integer(":connection-idle-timeout-ms") as u64,
            queue_capacity: 2 * connections as usize,
            executors_max: options.integer(":executors") as usize,
        })
    }
}

impl Default for SystemConfig {
    fn default() -> SystemConfig {
        let options = START.defaults();
        SystemConfig::from_options(&options).expect("the defaults are within their ranges")
    }
}
