//! Every bound of the server, each with its unit, its default and what happens at it.
//!
//! The macro below is the only definition: the fields, the defaults and [`Limits::table`], which
//! documentation and configuration keys are made from, cannot disagree.
//!
//! Knows numbers. Does not know the code that enforces them; a row describes it, and a test reaches it.

use std::time::Duration;

/// Cost of a header field beside its text (RFC 9113 section 6.5.2).
pub(crate) const FIELD_OVERHEAD_BYTES: usize = 32;

/// One row of [`Limits::table`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitRow {
    /// Field name in [`Limits`]; also the configuration key.
    pub name: &'static str,
    /// Unit of `value`.
    pub unit: &'static str,
    /// Current value; durations are in milliseconds, as their unit says.
    pub value: u64,
}

/// A number a limit can have, as the table shows it.
trait LimitValue: Copy {
    fn in_units(self) -> u64;
}

impl LimitValue for u32 {
    fn in_units(self) -> u64 {
        u64::from(self)
    }
}

impl LimitValue for usize {
    fn in_units(self) -> u64 {
        self as u64
    }
}

impl LimitValue for Duration {
    fn in_units(self) -> u64 {
        u64::try_from(self.as_millis()).unwrap_or(u64::MAX)
    }
}

macro_rules! limits {
    ($($(#[$doc:meta])+ $name:ident: $kind:ty = $default:expr, $unit:literal;)+) => {
        /// The bounds of one server. Field documentation says what happens when one is reached.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct Limits {
            $($(#[$doc])+ pub $name: $kind,)+
        }

        impl Default for Limits {
            fn default() -> Self {
                Self { $($name: $default,)+ }
            }
        }

        impl Limits {
            /// Name, unit and current value of every limit, in the order of the fields.
            pub fn table(&self) -> Vec<LimitRow> {
                vec![$(LimitRow {
                    name: stringify!($name),
                    unit: $unit,
                    value: self.$name.in_units(),
                }),+]
            }
        }
    };
}

const KIB: u32 = 1024;
const MIB: u32 = 1024 * KIB;

limits! {
    /// Connections open at once. At the limit the connection that has been idle longest is closed
    /// for the next one. While none is idle the server stops accepting: further clients wait in the
    /// kernel's backlog, so an overloaded server costs them time and itself nothing.
    max_connections: usize = 16_384, "connections";
    /// Connections open at once from one address, loopback addresses excepted: further ones are
    /// closed at once.
    address_connections: usize = 1024, "connections per address";
    /// Streams a client may have open on one connection (`SETTINGS_MAX_CONCURRENT_STREAMS`).
    /// Further ones are refused with `REFUSED_STREAM`.
    max_streams: u32 = 128, "streams per connection";
    /// Decoded header list of a request (RFC 9113 section 6.5.2 counting): above it 431, above
    /// four times it the connection ends. Also bounds the header list of a response.
    header_list_bytes: u32 = 16 * KIB, "bytes";
    /// Fields in a request, cookie crumbs counted one by one: above it 431. Also bounds the fields
    /// of a response. This is what stops the small-reference header bomb.
    header_fields: usize = 100, "fields";
    /// Header bytes of unanswered requests on one connection: above it `REFUSED_STREAM`, which
    /// promises the client that nothing was processed. By default what `max_streams` requests of
    /// `header_list_bytes` need, so that no client meets it that keeps to what it was told.
    connection_header_bytes: usize = (2 * MIB) as usize, "bytes per connection";
    /// Header bytes of unanswered requests of the process: above it a connection that has its fair
    /// share of them gets `REFUSED_STREAM`.
    process_header_bytes: usize = (64 * MIB) as usize, "bytes";
    /// Body of one request: above it 413, and the rest of the body is not read.
    body_bytes: usize = (8 * MIB) as usize, "bytes";
    /// Request bodies held for one connection: above it 503 with `retry-after`, except for a body
    /// that is the only one.
    connection_body_bytes: usize = (32 * MIB) as usize, "bytes per connection";
    /// Request bodies of the process: above it 503 with `retry-after` for a connection that has its
    /// fair share of them.
    process_body_bytes: usize = (256 * MIB) as usize, "bytes";
    /// What a response that waits for its client counts at most in `connection_response_bytes`,
    /// whatever its size: a large download that is read slowly holds up no other request.
    stream_response_bytes: usize = (64 * KIB) as usize, "bytes per stream";
    /// Unsent response bytes of one connection. At the limit no further request of the connection
    /// reaches the handler until the client has read. By default `max_streams` responses that wait
    /// stay below it. Overshoot: one response.
    connection_response_bytes: usize = 129 * (64 * KIB) as usize, "bytes per connection";
    /// Response bytes of the process that wait for clients to read: above it a connection that has
    /// its fair share waits, requests whose responses were large wait before they are handled, another
    /// response that would have to wait is a 503 with `retry-after`, and
    /// clients that do not read have `pressed_stall_timeout`. Overshoot: one response.
    process_response_bytes: usize = (32 * MIB) as usize, "bytes";
    /// The longest that a request should wait for the handler. Where they wait longer for two tenths
    /// of a second, the thread is overloaded and turns further ones away at once, by their class, until
    /// they wait less than half of it. 0 for any time.
    target_delay: Duration = Duration::from_millis(100), "ms";
    /// Requests in progress in the whole server: above it they are turned away. 0 for as many as
    /// connections and streams permit.
    max_requests: usize = 0, "requests";
    /// Occupancy of the receive buffers from which on new connections are closed at once; from 70 %
    /// of it on, up to three in ten are.
    high_watermark: u32 = 85, "percent of receive buffers";
    /// The same with another reason in the counts.
    critical_watermark: u32 = 95, "percent of receive buffers";
    /// Connections of a thread that may wait for their clients to read: above it they end with
    /// `ENHANCE_YOUR_CALM`.
    waiting_connections: usize = 1000, "connections per thread";
    /// How long a connection may wait for its client to read; then it ends with
    /// `ENHANCE_YOUR_CALM`.
    waiting_timeout: Duration = Duration::from_secs(30), "ms";
    /// How long a request waits until there is room, in what `process_response_bytes` is, for the large
    /// response that it got the last time; then 503.
    room_timeout: Duration = Duration::from_secs(30), "ms";
    /// Receive window of the connection: body bytes that were received or announced and not yet collected.
    connection_window: u32 = MIB, "bytes";
    /// Receive window of one stream.
    stream_window: u32 = 64 * KIB, "bytes";
    /// Response bytes handed to the framing layer ahead of the socket, per stream.
    send_buffer_bytes: usize = (64 * KIB) as usize, "bytes per stream";
    /// Streams the server itself had to reset, for protocol errors or because they were over
    /// `max_streams`: above it the connection ends with `ENHANCE_YOUR_CALM` (the `MadeYouReset`
    /// class of attacks). Counted over the life of the connection; smaller values end connections of clients that
    /// open a large burst before they have read the server's SETTINGS.
    local_error_resets: usize = 1024, "streams per connection";
    /// Streams reset by the client before the server looked at them: above it the connection ends
    /// with `ENHANCE_YOUR_CALM` (rapid reset).
    pending_accept_resets: usize = 20, "streams";
    /// Requests a client may cancel in a burst: above it `ENHANCE_YOUR_CALM`. Refills, so that a
    /// long-lived client that cancels now and then keeps its connection.
    peer_resets: u32 = 200, "cancelled requests per connection";
    /// Refill of `peer_resets`.
    peer_resets_per_second: u32 = 20, "cancelled requests per second";
    /// How long a stream that the server has reset is remembered: what is still on its way to it is
    /// ignored meanwhile, and answered with a reset afterwards. The framing layer remembers at most
    /// 50 such streams, and measures this in real time even when time is simulated.
    reset_stream_memory: Duration = Duration::from_secs(1), "ms";
    /// Bookkeeping bytes that small DATA frames may pin before the application reads them: above
    /// it the connection ends with `ENHANCE_YOUR_CALM`.
    data_frame_budget: usize = (2 * MIB) as usize, "bytes per connection";
    /// Time in which the requests of one connection are answered before those of others have their
    /// turn, and the answers made so far leave.
    batch_time: Duration = Duration::from_millis(1), "ms";
    /// Time for the TLS handshake; then the socket is closed.
    tls_timeout: Duration = Duration::from_secs(5), "ms";
    /// Time for the HTTP/2 connection preface; then the socket is closed.
    preface_timeout: Duration = Duration::from_secs(3), "ms";
    /// Time without an open stream; then GOAWAY and close. Bytes that open no stream (PING, half a
    /// header block) do not count as activity.
    idle_timeout: Duration = Duration::from_mins(1), "ms";
    /// Period in which a stream that waits for its client, in either direction, must move
    /// `stall_bytes`. Otherwise: a body upload gets 408, a response gets `RST_STREAM(CANCEL)`, a
    /// socket that takes no bytes is closed.
    stall_timeout: Duration = Duration::from_secs(15), "ms";
    /// Progress demanded per `stall_timeout`.
    stall_bytes: usize = (15 * KIB) as usize, "bytes per period";
    /// Period in which a response must make progress, at the rate that `stall_bytes` is, while
    /// `process_response_bytes` is reached. Otherwise `RST_STREAM(CANCEL)`.
    pressed_stall_timeout: Duration = Duration::from_secs(1), "ms";
    /// How long the rest of a body is read and thrown away after the request was answered without
    /// it (413, 408, 503); then the stream is reset. Many clients show an answer only when they
    /// could send their body.
    refused_body_timeout: Duration = Duration::from_secs(2), "ms";
    /// How long a connection without streams may take to answer the first GOAWAY of a graceful
    /// stop; then it gets the final GOAWAY unasked and is closed.
    goaway_grace: Duration = Duration::from_millis(100), "ms";
    /// Time from the stop signal to the end of the last request; then connections are aborted.
    stop_timeout: Duration = Duration::from_secs(5), "ms";
    /// First pause after `accept` failed for want of descriptors or memory; doubles per failure.
    accept_backoff: Duration = Duration::from_millis(10), "ms";
    /// Longest pause between two attempts to accept.
    accept_backoff_max: Duration = Duration::from_secs(1), "ms";
}
