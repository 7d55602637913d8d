//! The kinds of errors: short stable names by which reports count.

use std::fmt;

/// One kind of failed request or lost connection. The name is part of the report format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ErrorKind {
    /// No connection: refused, TLS failure, or down while it is re-established.
    Connect,
    /// The connection broke under a request: end of file or an I/O error.
    Disconnected,
    /// The server sent GOAWAY with an error, or with a last stream below this one.
    GoAway,
    /// A connection (not a request) that the server closed in good order: end of file, or GOAWAY
    /// without an error; h2 does not distinguish them.
    Closed,
    /// The server reset the stream.
    Reset,
    /// The server refused the stream before work began (`REFUSED_STREAM`): safe to retry.
    Refused,
    /// A response that broke HTTP/2 (found by our side), or was not HTTP/2.
    Protocol,
    /// No complete response within `--timeout`.
    Timeout,
    /// Never sent: every stream was still busy when the run ended.
    Unsent,
    /// A status of 400 and above.
    Status(u16),
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            ErrorKind::Connect => "connect",
            ErrorKind::Disconnected => "disconnected",
            ErrorKind::GoAway => "goaway",
            ErrorKind::Closed => "closed",
            ErrorKind::Reset => "reset",
            ErrorKind::Refused => "refused-stream",
            ErrorKind::Protocol => "protocol",
            ErrorKind::Timeout => "timeout",
            ErrorKind::Unsent => "unsent",
            ErrorKind::Status(code) => return write!(f, "status-{code}"),
        };
        f.write_str(name)
    }
}

impl From<&h2::Error> for ErrorKind {
    fn from(error: &h2::Error) -> Self {
        if error.is_io() {
            ErrorKind::Disconnected
        } else if error.is_remote() && error.is_go_away() {
            ErrorKind::GoAway
        } else if error.is_remote() && error.is_reset() {
            match error.reason() {
                Some(h2::Reason::REFUSED_STREAM) => ErrorKind::Refused,
                _ => ErrorKind::Reset,
            }
        } else {
            ErrorKind::Protocol
        }
    }
}

impl ErrorKind {
    /// Whether a status code counts as an error.
    pub fn of_status(status: u16) -> Option<ErrorKind> {
        (status >= 400).then_some(ErrorKind::Status(status))
    }
}
