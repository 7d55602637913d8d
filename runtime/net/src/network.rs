//! Transport as its users see it: addresses to listen on, hosts to connect to, streams of bytes.
//!
//! 1. [`Network::bind`] reports every fault of an address at once, before any runtime exists. A
//!    [`BoundSocket`] may move to another thread; [`BoundSocket::listen`] ties it to the reactor of
//!    the thread that serves it, and clones of one socket may listen on several threads.
//! 2. A [`Stream`] has two independent directions: `shutdown` ends the outgoing one, and reading
//!    goes on until the peer ends the other.
//! 3. A stream belongs to the reactor of the thread that accepted or connected it until
//!    [`Stream::move_to_current_reactor`] is called on another one.
//!
//! Implemented by tokio's sockets ([`TokioNetwork`](crate::TokioNetwork)) and by simulated hosts
//! ([`SimulatedHost`](crate::SimulatedHost)); one conformance suite runs on both.

use std::error::Error;
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite};

/// Where sockets come from.
pub trait Network: fmt::Debug + Send + Sync {
    /// Binds `address` and lets clients queue. Port 0 picks a free port.
    ///
    /// # Errors
    /// Kinds `AddrInUse`, `AddrNotAvailable` and `PermissionDenied` say what is wrong with the
    /// address; others come from the system.
    fn bind(&self, address: SocketAddr) -> io::Result<Box<dyn BoundSocket>>;

    /// Connects to `host`, a name or an IP address (IPv6 with or without brackets). The addresses
    /// of a name are tried in order.
    fn connect(&self, host: &str, port: u16) -> Connecting;
}

/// A connection attempt; dropping it gives up.
pub type Connecting =
    Pin<Box<dyn Future<Output = Result<Box<dyn Stream>, ConnectError>> + Send + 'static>>;

/// A socket that clients can already connect to and that no reactor watches yet.
pub trait BoundSocket: fmt::Debug + Send {
    /// The bound address, with the port chosen for port 0.
    fn local_addr(&self) -> SocketAddr;

    /// The same socket a second time; each client is accepted by one of them.
    ///
    /// # Errors
    /// The system's, when the process has no descriptor left.
    fn try_clone(&self) -> io::Result<Box<dyn BoundSocket>>;

    /// Begins to accept, on the reactor of the calling thread.
    ///
    /// # Errors
    /// The system's, when the reactor cannot watch the socket.
    fn listen(self: Box<Self>) -> io::Result<Box<dyn Listener>>;
}

/// A socket that accepts connections.
pub trait Listener {
    /// The bound address.
    fn local_addr(&self) -> SocketAddr;

    /// The next connection with the address of its client.
    ///
    /// # Errors
    /// Concern one connection or the process (no descriptors); the listener remains usable.
    fn poll_accept(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<(Box<dyn Stream>, SocketAddr)>>;
}

/// Accepts the next connection; as [`Listener::poll_accept`].
///
/// # Errors
/// As [`Listener::poll_accept`].
pub async fn accept(listener: &mut dyn Listener) -> io::Result<(Box<dyn Stream>, SocketAddr)> {
    poll_fn(|cx| listener.poll_accept(cx)).await
}

/// A connection.
pub trait Stream: AsyncRead + AsyncWrite + fmt::Debug + Unpin + Send {
    /// Address of this end.
    ///
    /// # Errors
    /// The system's, when the socket is no longer connected.
    fn local_addr(&self) -> io::Result<SocketAddr>;

    /// Address of the other end.
    ///
    /// # Errors
    /// As [`Stream::local_addr`].
    fn peer_addr(&self) -> io::Result<SocketAddr>;

    /// Whether small writes are sent at once.
    ///
    /// # Errors
    /// The system's.
    fn nodelay(&self) -> io::Result<bool>;

    /// Sets whether small writes are sent at once, without waiting for acknowledgements.
    ///
    /// # Errors
    /// The system's.
    fn set_nodelay(&self, nodelay: bool) -> io::Result<()>;

    /// Moves the stream to the reactor of the calling thread; does nothing when it is there.
    ///
    /// # Errors
    /// The system's, when the reactor cannot watch the socket.
    fn move_to_current_reactor(self: Box<Self>) -> io::Result<Box<dyn Stream>>;
}

/// Why a connection could not be made.
#[derive(Debug)]
#[non_exhaustive]
pub enum ConnectError {
    /// The host has no address.
    Unresolvable {
        /// The name asked for.
        host: String,
        /// The resolver's error.
        error: io::Error,
    },
    /// No address of the host accepted; the error is that of the last one tried.
    Unreachable {
        /// The name or address asked for.
        host: String,
        /// The port asked for.
        port: u16,
        /// The system's error: kinds such as `ConnectionRefused` and `TimedOut`.
        error: io::Error,
    },
}

impl ConnectError {
    /// Kind of the system's error.
    pub fn kind(&self) -> io::ErrorKind {
        match self {
            Self::Unresolvable { error, .. } | Self::Unreachable { error, .. } => error.kind(),
        }
    }
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unresolvable { host, error } => write!(f, "cannot resolve `{host}`: {error}"),
            Self::Unreachable { host, port, error } => {
                write!(f, "cannot connect to `{host}` port {port}: {error}")
            }
        }
    }
}

impl Error for ConnectError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Unresolvable { error, .. } | Self::Unreachable { error, .. } => Some(error),
        }
    }
}

/// `host` without the brackets that set off an IPv6 address in a URL.
pub(crate) fn without_brackets(host: &str) -> &str {
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
}
