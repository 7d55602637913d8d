//! The kinds of errors: short stable names by which reports count, with the code of HTTP/2 where
//! the protocol gave one.

use std::fmt;
use std::io;

/// One kind of failed request or lost connection. The name is part of the report format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ErrorKind {
    /// Nobody listens: the connection was refused.
    Refused,
    /// No connection within the time for one.
    ConnectTimeout,
    /// This process may open no more file descriptors: the generator's own limit.
    NoDescriptors,
    /// No local port is free: the generator's own limit.
    NoPort,
    /// The TLS handshake failed.
    Tls,
    /// The target answers, but not in HTTP/2.
    NotHttp2,
    /// Another failure while connecting.
    Connect,
    /// The connection broke under a request: end of file or an I/O error.
    Disconnected,
    /// The server sent GOAWAY with this code, and this request came after the last it serves.
    GoAway(u32),
    /// A connection (not a request) that the server closed in good order.
    Closed,
    /// The server reset the stream with this code. `REFUSED_STREAM` came before any work was done.
    Reset(u32),
    /// A response that broke HTTP/2, found by our side, with the code we answer with.
    Protocol(u32),
    /// No complete response within `--timeout`.
    Timeout,
    /// Never sent: every stream was still busy when the run ended.
    Unsent,
    /// Sent, and given up because the run was interrupted: nobody's fault.
    Unfinished,
    /// A status that counts as an error.
    Status(u16),
    /// The body lacks the text of `--expect-contains`.
    Contains,
    /// The body has another length than `--expect-bytes`.
    Size,
    /// A value that a later step of the journey needs is not in the body, or makes no request.
    Capture,
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let code = |f: &mut fmt::Formatter<'_>, name: &str, code: u32| {
            write!(f, "{name}: {:?}", h2::Reason::from(code))
        };
        f.write_str(match *self {
            ErrorKind::Refused => "refused",
            ErrorKind::ConnectTimeout => "connect timeout",
            ErrorKind::NoDescriptors => "no file descriptors",
            ErrorKind::NoPort => "no local port",
            ErrorKind::Tls => "tls",
            ErrorKind::NotHttp2 => "not HTTP/2",
            ErrorKind::Connect => "connect",
            ErrorKind::Disconnected => "disconnected",
            ErrorKind::GoAway(reason) => return code(f, "goaway", reason),
            ErrorKind::Closed => "closed",
            ErrorKind::Reset(reason) => return code(f, "reset", reason),
            ErrorKind::Protocol(reason) => return code(f, "protocol", reason),
            ErrorKind::Timeout => "timeout",
            ErrorKind::Unsent => "unsent",
            ErrorKind::Unfinished => "unfinished",
            ErrorKind::Status(status) => return write!(f, "status-{status}"),
            ErrorKind::Contains => "check: contains",
            ErrorKind::Size => "check: size",
            ErrorKind::Capture => "check: capture",
        })
    }
}

impl From<&h2::Error> for ErrorKind {
    fn from(error: &h2::Error) -> Self {
        let code = u32::from(error.reason().unwrap_or(h2::Reason::PROTOCOL_ERROR));
        if error.is_io() {
            ErrorKind::Disconnected
        } else if error.is_remote() && error.is_go_away() {
            ErrorKind::GoAway(code)
        } else if error.is_remote() && error.is_reset() {
            ErrorKind::Reset(code)
        } else {
            ErrorKind::Protocol(code)
        }
    }
}

impl From<&io::Error> for ErrorKind {
    /// The kind of a failure to connect.
    fn from(error: &io::Error) -> Self {
        if error.raw_os_error().is_some_and(|code| {
            code == rustix::io::Errno::MFILE.raw_os_error()
                || code == rustix::io::Errno::NFILE.raw_os_error()
        }) {
            return ErrorKind::NoDescriptors;
        }
        match error.kind() {
            io::ErrorKind::ConnectionRefused => ErrorKind::Refused,
            io::ErrorKind::TimedOut => ErrorKind::ConnectTimeout,
            io::ErrorKind::AddrNotAvailable => ErrorKind::NoPort,
            _ => ErrorKind::Connect,
        }
    }
}

impl ErrorKind {
    /// GOAWAY without an error: the server ends the connection, and did not begin this request.
    pub const GRACEFUL: ErrorKind = ErrorKind::GoAway(0);

    /// Whether the generator, not the server, is at its limit.
    pub fn is_own(self) -> bool {
        matches!(self, ErrorKind::NoDescriptors | ErrorKind::NoPort)
    }

    /// Whether the request failed for want of a connection.
    pub fn is_connect(self) -> bool {
        self <= ErrorKind::Connect
    }
}
