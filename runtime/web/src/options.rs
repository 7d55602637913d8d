//! The options of `http2/server-listen`: a property list or a map.
//!
//! Every bound of the server is a key of the macro below, with its range; the value that applies
//! without the key is that of [`Limits`].

use crate::classes::Classes;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::time::Duration;
use valk_aio::Backpressure;
use valk_heap::Value;
use valk_http2::{Certificate, Limits, ServerConfig, Shed};
use valk_lang::elements;
use valk_lang::property_list::{OptionKey, OptionKind, OptionTable, Options, WrongKind};
use valk_vm::{Vm, type_name};

/// The time that a handler has for its response unless a server is told otherwise.
pub const HANDLER_TIMEOUT_MS: i64 = 30_000;

const MIB: i64 = 1 << 20;
const GIB: i64 = 1 << 30;
const DAY_MS: i64 = 86_400_000;

/// The kinds that limits have.
trait Limit {
    fn of(number: i64) -> Self;
}

impl Limit for usize {
    fn of(number: i64) -> usize {
        number as usize
    }
}

impl Limit for u32 {
    fn of(number: i64) -> u32 {
        number as u32
    }
}

impl Limit for Duration {
    fn of(number: i64) -> Duration {
        Duration::from_millis(number as u64)
    }
}

macro_rules! options {
    ($($key:literal $field:ident $range:expr, $default:expr, $unit:literal, $text:literal;)+) => {
        /// The options of `http2/server-listen`.
        pub(super) static LISTEN: OptionTable = OptionTable {
            builtin: "http2/server-listen",
            wrong_kind: WrongKind::Fails,
            keys: &[
                OptionKey::new(":tls", OptionKind::Boolean, "TLS; otherwise clear text."),
                OptionKey::new(":cert", OptionKind::Text, "PEM file with the certificate."),
                OptionKey::new(":key", OptionKind::Text, "PEM file with its key."),
                OptionKey::new(":host", OptionKind::Text, "Address to listen on; all by default."),
                OptionKey::integer(
                    ":max-request-body-size",
                    (1 << 10, GIB),
                    8 * MIB,
                    "bytes",
                    "The largest request body.",
                )
                .with_error("max_request_body_size must be between 1KB and 1GB"),
                OptionKey::integer(
                    ":handler-timeout-ms",
                    (0, u32::MAX as i64),
                    HANDLER_TIMEOUT_MS,
                    "ms",
                    "The time that a handler has for its response; 0 for no limit.",
                ),
                OptionKey::new(
                    ":error-handler",
                    OptionKind::Function,
                    "Called once with 503: the body of responses to requests that are turned away.",
                ),
                OptionKey::new(
                    ":shed",
                    OptionKind::Choice(&["503", "refused", ":refused"]),
                    "How requests are turned away: 503, or refused for RST_STREAM(REFUSED_STREAM).",
                ),
                OptionKey::new(
                    ":critical",
                    OptionKind::List,
                    "Paths that are answered under overload too; with a * at the end all that begin so.",
                ),
                OptionKey::new(
                    ":sheddable",
                    OptionKind::List,
                    "Paths that are turned away first.",
                ),
                $(OptionKey::integer($key, $range, $default, $unit, $text),)+
            ],
        };

        /// Sets what the options give.
        fn set_limits(options: &Options, limits: &mut Limits) {
            $(if options.is_given($key) {
                limits.$field = Limit::of(options.integer($key));
            })+
        }

        /// The key that sets a limit, by the name of its field.
        pub fn key_of_limit(field: &str) -> Option<&'static str> {
            match field {
                "body_bytes" => Some(":max-request-body-size"),
                $(stringify!($field) => Some($key),)+
                _ => None,
            }
        }
    };
}

options! {
    ":max-connections" max_connections (1, 1_000_000), 16_384, "connections",
        "Connections open at once.";
    ":address-connections" address_connections (1, 1_000_000), 1024, "connections per address",
        "Connections open at once from one address that is not this machine's own.";
    ":max-streams" max_streams (1, 10_000), 128, "streams per connection",
        "Requests at once on a connection.";
    ":max-header-bytes" header_list_bytes (1 << 10, MIB), 16 << 10, "bytes",
        "Header fields of a request or a response.";
    ":max-header-fields" header_fields (1, 10_000), 100, "fields",
        "Header fields of a request or a response, cookies counted by their parts.";
    ":connection-header-bytes" connection_header_bytes (1 << 10, GIB), 2 * MIB,
        "bytes per connection", "Header fields of unanswered requests.";
    ":process-header-bytes" process_header_bytes (1 << 10, 64 * GIB), 64 * MIB, "bytes",
        "The same for all connections.";
    ":connection-body-bytes" connection_body_bytes (1 << 10, 64 * GIB), 32 * MIB,
        "bytes per connection", "Request bodies at once.";
    ":process-body-bytes" process_body_bytes (1 << 10, 1024 * GIB), 256 * MIB, "bytes",
        "The same for all connections.";
    ":connection-response-bytes" connection_response_bytes (1 << 10, 64 * GIB), 129 << 16,
        "bytes per connection", "Responses that wait for the client.";
    ":process-response-bytes" process_response_bytes (1 << 10, 1024 * GIB), 32 * MIB, "bytes",
        "The same for all connections, of each response all of it.";
    ":peer-resets" peer_resets (1, 1_000_000), 200, "cancelled requests per connection",
        "Requests that a client may cancel in a burst.";
    ":peer-resets-per-second" peer_resets_per_second (0, 1_000_000), 20,
        "cancelled requests per second", "The same in the long run.";
    ":target-delay-ms" target_delay (0, DAY_MS), 100, "ms",
        "The longest that a request should wait for the handler; 0 for any time.";
    ":max-requests" max_requests (0, 1_000_000), 0, "requests",
        "Requests in progress; further ones are turned away. 0 for as many as streams permit.";
    ":high-watermark" high_watermark (1, 100), 85, "percent of receive buffers",
        "In use: then new connections are closed at once, some of them from 70 % of it on.";
    ":critical-watermark" critical_watermark (1, 100), 95, "percent of receive buffers",
        "The same, counted apart.";
    ":waiting-connections" waiting_connections (0, 1_000_000), 1000, "connections per thread",
        "Connections that may wait for their clients to read.";
    ":waiting-timeout-ms" waiting_timeout (1, DAY_MS), 30_000, "ms", "How long they may.";
    ":room-timeout-ms" room_timeout (1, DAY_MS), 30_000, "ms",
        "How long a request waits for the memory of a large response.";
    ":tls-timeout-ms" tls_timeout (1, DAY_MS), 5000, "ms", "Time for the TLS handshake.";
    ":preface-timeout-ms" preface_timeout (1, DAY_MS), 3000, "ms",
        "Time for the beginning of HTTP/2.";
    ":idle-timeout-ms" idle_timeout (1, DAY_MS), 60_000, "ms",
        "Time without a request after which a connection is closed.";
    ":stall-timeout-ms" stall_timeout (1, DAY_MS), 15_000, "ms",
        "Period in which a body, in either direction, must make progress.";
    ":stall-bytes" stall_bytes (1, GIB), 15 << 10, "bytes per period", "That progress.";
    ":stop-timeout-ms" stop_timeout (0, DAY_MS), 5000, "ms",
        "Time from a stop to the end of the last request.";
}

/// What a configuration says, checked.
pub(super) struct Settings {
    pub host: IpAddr,
    pub server: ServerConfig,
    /// The time that a handler has.
    pub time_limit: Option<Duration>,
    /// The function for the body of refusals.
    pub error_handler: Option<Value>,
    /// Which requests matter most.
    pub classes: Classes,
}

/// Reads a configuration; what it does not say may follow from the system's.
pub(super) fn settings(vm: &Vm, list: Value, waiting: Backpressure) -> Result<Settings, String> {
    let options = LISTEN.read(vm, list)?;
    let host = match options.text(":host") {
        None => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        Some(host) => host.parse().map_err(|_| {
            format!(":host must be an IP address such as \"127.0.0.1\", got \"{host}\"")
        })?,
    };
    let certificate = match (options.text(":cert"), options.text(":key")) {
        (None, None) => Certificate::Local,
        (Some(certificate), Some(key)) => {
            Certificate::Files { certificate: PathBuf::from(certificate), key: PathBuf::from(key) }
        }
        (Some(_), None) => return Err(":cert needs :key beside it".to_string()),
        (None, Some(_)) => return Err(":key needs :cert beside it".to_string()),
    };
    let mut limits = Limits {
        waiting_connections: waiting.connections_max,
        waiting_timeout: waiting.timeout,
        ..Limits::default()
    };
    set_limits(&options, &mut limits);
    if options.is_given(":max-request-body-size") {
        limits.body_bytes = options.integer(":max-request-body-size") as usize;
    }
    fit(&options, &mut limits);
    let shed = match options.choice(":shed") {
        None | Some("503") => Shed::Respond,
        Some(_) => Shed::Refuse,
    };
    let classes =
        Classes::new(paths(vm, &options, ":critical")?, paths(vm, &options, ":sheddable")?);
    let is_tls = options.boolean(":tls") != Some(false);
    let tls = is_tls.then_some(certificate);
    let server = ServerConfig { tls, limits, shed, ..ServerConfig::default() };
    let time_limit_ms = options.integer(":handler-timeout-ms") as u64;
    let time_limit = Some(Duration::from_millis(time_limit_ms)).filter(|limit| !limit.is_zero());
    let error_handler = options.function(":error-handler");
    Ok(Settings { host, server, time_limit, error_handler, classes })
}

/// A list of paths.
fn paths(vm: &Vm, options: &Options, key: &str) -> Result<Vec<String>, String> {
    let list = options.list(key).unwrap_or(Value::NIL);
    let text = |value: Value| {
        let path = value.as_bytes(&vm.heap).and_then(|path| std::str::from_utf8(path).ok());
        let path = path.filter(|path| path.starts_with('/') || *path == "*");
        path.map(str::to_owned).ok_or_else(|| {
            let found = type_name(value);
            format!(
                "{key} must be a list of paths such as \"/health\" or \"/batch/*\", got {found}"
            )
        })
    };
    elements(list).into_iter().map(text).collect()
}

/// Makes the limits of a connection, as far as they are not given, large enough for those of a
/// request: no client meets a limit that keeps to what it was told.
fn fit(options: &Options, limits: &mut Limits) {
    let streams = limits.max_streams as usize;
    if !options.is_given(":connection-header-bytes") {
        let needed = streams * limits.header_list_bytes as usize;
        limits.connection_header_bytes = limits.connection_header_bytes.max(needed);
    }
    if !options.is_given(":connection-body-bytes") {
        limits.connection_body_bytes = limits.connection_body_bytes.max(4 * limits.body_bytes);
    }
    if !options.is_given(":process-body-bytes") {
        limits.process_body_bytes = limits.process_body_bytes.max(4 * limits.body_bytes);
    }
    if !options.is_given(":connection-response-bytes") {
        let needed = (streams + 1) * limits.stream_response_bytes;
        limits.connection_response_bytes = limits.connection_response_bytes.max(needed);
    }
}
