//! Every bound of the client, each with its unit, its default and what happens at it.

use std::time::Duration;

/// The bounds of one [`Client`](crate::Client), shared by all its requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientLimits {
    /// Connections open or being opened at once, to all servers. At the limit the one that has been
    /// idle longest is closed; when none is idle, the request fails.
    pub connections: usize,
    /// Connections to one server. At the limit requests wait for a stream.
    pub connections_per_server: usize,
    /// Requests on one connection at a time, if the server allows so many.
    pub streams_per_connection: usize,
    /// Requests that wait for a connection to one server. At the limit a request fails.
    pub waiting_requests: usize,
    /// Time without a request after which a connection is closed.
    pub connection_idle_timeout: Duration,
    /// Decoded header list of a response (RFC 9113 section 6.5.2 counting). Above it the request fails.
    pub header_list_bytes: u32,
    /// Receive window of one stream, in bytes: response bytes that may be on their way unasked.
    pub stream_window: u32,
    /// Receive window of a connection, in bytes.
    pub connection_window: u32,
    /// Bookkeeping bytes of small frames that wait to be read, per connection. Above it the connection
    /// ends: a server that streams events in tiny frames is to have some patience with a busy client.
    pub data_frame_budget: usize,
    /// Request body bytes handed to the framing layer ahead of the socket, per stream.
    pub send_buffer_bytes: usize,
    /// How often a request is sent again after the server has proved that it processed nothing of it.
    pub attempts: u32,
    /// Pause before the second attempt; doubles with each further one.
    pub retry_pause: Duration,
    /// Requests refused by servers that may be sent again in a burst. Without the limit, clients
    /// would multiply the load of a server that has too much of it.
    pub refused_retries: u32,
    /// Refill of `refused_retries`.
    pub refused_retries_per_second: u32,
    /// How long a connection may take to say goodbye when the client is closed.
    pub close_timeout: Duration,
}

impl Default for ClientLimits {
    fn default() -> Self {
        Self {
            connections: 1024,
            connections_per_server: 8,
            streams_per_connection: 128,
            waiting_requests: 16 * 1024,
            connection_idle_timeout: Duration::from_mins(1),
            header_list_bytes: 64 * 1024,
            stream_window: 1024 * 1024,
            connection_window: 4 * 1024 * 1024,
            data_frame_budget: 4 * 1024 * 1024,
            send_buffer_bytes: 64 * 1024,
            attempts: 8,
            retry_pause: Duration::from_millis(5),
            refused_retries: 100,
            refused_retries_per_second: 10,
            close_timeout: Duration::from_millis(100),
        }
    }
}
