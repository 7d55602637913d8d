//! Why a request has no response.

use std::error::Error;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use valk_net::ConnectError;

/// Failure of [`Client::send`](crate::Client::send). Its text says what to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClientError {
    /// A part of the request is not valid HTTP; nothing was sent.
    InvalidRequest {
        /// What was found and what was expected.
        reason: String,
    },
    /// The name has no address.
    Unresolvable {
        /// What the resolver said.
        reason: String,
    },
    /// No address accepted a connection.
    Unreachable {
        /// The system's error number; 0 when it has none.
        errno: i32,
        /// What the system said.
        reason: String,
    },
    /// The TLS handshake failed.
    Tls {
        /// Host and port.
        server: String,
        /// What was wrong and what to do.
        reason: String,
    },
    /// A file with certificates of authorities is unusable.
    AuthorityFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The server does not speak HTTP/2.
    NoHttp2 {
        /// Host and port.
        server: String,
        /// What it did.
        reason: String,
    },
    /// A time limit of the request was reached.
    Timeout {
        /// What had not happened.
        step: Step,
        /// The limit.
        limit: Duration,
    },
    /// The server or the framing layer reset the stream.
    Reset {
        /// Name of the error code (RFC 9113 section 7).
        name: String,
        /// The error code.
        code: u32,
        /// The client's own reason; empty when it was the server.
        reason: &'static str,
    },
    /// The connection ended while the request was in progress.
    ConnectionClosed {
        /// What is known of the reason.
        reason: String,
    },
    /// The response's body is larger than the request allows.
    ResponseTooLarge {
        /// The limit in bytes.
        limit_bytes: usize,
    },
    /// What takes the body has given up.
    Sink {
        /// Its reason.
        reason: String,
    },
    /// The response sends the client elsewhere once too often, or where it must not go.
    Redirect {
        /// What is wrong.
        reason: String,
    },
    /// A bound of the client was reached.
    Busy {
        /// Which one.
        reason: String,
    },
    /// The client has been closed.
    Closed,
}

/// What a request waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// A connection.
    Connect,
    /// The response's head, once the request was sent.
    Headers,
    /// Further bytes, in either direction.
    Progress,
    /// The end of the whole request.
    Total,
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InvalidRequest { reason } => write!(f, "Could not submit HTTP request: {reason}"),
            Self::Unresolvable { reason } => write!(f, "Connect error: {reason}; check the name"),
            Self::Unreachable { errno, reason } => write!(
                f,
                "Client connection error: {}: {reason}; check that a server listens there",
                -errno
            ),
            Self::Tls { server, reason } => write!(f, "TLS handshake with {server}: {reason}"),
            Self::AuthorityFile { path, reason } => {
                write!(f, "cannot use {} for verification: {reason}", path.display())
            }
            Self::NoHttp2 { server, reason } => {
                write!(f, "{server} does not speak HTTP/2: {reason}")
            }
            Self::Timeout { step, limit } => {
                let limit_ms = limit.as_millis();
                let (what, key) = match step {
                    Step::Connect => ("no connection was ready", ":connect-timeout-ms"),
                    Step::Headers => ("no response came", ":headers-timeout-ms"),
                    Step::Progress => ("nothing more was sent or came", ":idle-timeout-ms"),
                    Step::Total => ("the response was not complete", ":timeout-ms"),
                };
                write!(f, "request timeout: {what} within {limit_ms} ms; {key} sets the limit")
            }
            Self::Reset { name, code, reason } => {
                write!(f, "HTTP/2 stream error: {name} (code={code})")?;
                if reason.is_empty() { Ok(()) } else { write!(f, ": {reason}") }
            }
            Self::ConnectionClosed { reason } => {
                write!(f, "Connection closed before response received: {reason}")
            }
            Self::ResponseTooLarge { limit_bytes } => write!(
                f,
                "the response has more than {limit_bytes} bytes; :max-response-size sets the limit"
            ),
            Self::Sink { reason } => f.write_str(reason),
            Self::Redirect { reason } => write!(f, "redirect: {reason}"),
            Self::Busy { reason } => write!(f, "{reason}"),
            Self::Closed => f.write_str("Client connection closing: the client has been closed"),
        }
    }
}

impl Error for ClientError {}

impl From<ConnectError> for ClientError {
    fn from(error: ConnectError) -> Self {
        let reason = error.to_string();
        match error {
            ConnectError::Unreachable { error, .. } => {
                Self::Unreachable { errno: errno(&error), reason }
            }
            _ => Self::Unresolvable { reason },
        }
    }
}

/// The system's number of an error, also of one that a simulated network made by its kind.
fn errno(error: &io::Error) -> i32 {
    const ECONNREFUSED: i32 = 111;
    error.raw_os_error().unwrap_or(match error.kind() {
        io::ErrorKind::ConnectionRefused => ECONNREFUSED,
        _ => 0,
    })
}
