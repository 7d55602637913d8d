//! Listening, accepting, stopping.
//!
//! 1. [`bind`] reports everything that can be wrong with address and certificate, before any
//!    runtime exists; a [`Listener`] may then move to the thread that serves it.
//! 2. Serving spawns one local task per connection and stops accepting at `max_connections`.
//! 3. A failing `accept` pauses the loop and never ends it.
//! 4. A stop closes the listener, lets every connection finish, and cuts what is left at
//!    `stop_timeout`. The report is made after the last task has ended.
//!
//! Knows sockets and tasks. Does not know frames.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use tokio_rustls::TlsAcceptor;

use crate::connection::drive;
use crate::counters::{ConnectionTicket, Counters, Snapshot};
use crate::error::ServerError;
use crate::limits::Limits;
use crate::message::{Event, Handler, Scheme};
use crate::receive_buffers::ReceiveBuffers;
use crate::stop::StopSignal;
use crate::tls::{self, Certificate};

/// What a server is told at its start.
#[derive(Clone, Debug, Default)]
pub struct ServerConfig {
    /// Certificate for TLS; `None` is clear text with prior knowledge (RFC 9113 section 3.3).
    pub tls: Option<Certificate>,
    /// All bounds.
    pub limits: Limits,
    /// Where large request bodies are received; without it, and when all its buffers are taken, in
    /// memory that is moved as it grows.
    pub receive_buffers: Option<Arc<dyn ReceiveBuffers>>,
}

/// A bound socket with its configuration. Clones made by [`Listener::try_clone`] share the socket,
/// so that several threads can serve one port.
#[derive(Debug)]
pub struct Listener {
    socket: std::net::TcpListener,
    address: SocketAddr,
    tls: Option<Arc<rustls::ServerConfig>>,
    limits: Limits,
    receive_buffers: Option<Arc<dyn ReceiveBuffers>>,
}

/// Binds `address` (port 0 picks a free port) and prepares TLS.
///
/// # Errors
/// Each [`ServerError`] names the address or file and what to do about it.
pub fn bind(address: SocketAddr, config: &ServerConfig) -> Result<Listener, ServerError> {
    let tls = config.tls.as_ref().map(tls::server_config).transpose()?;
    let unbound = |error| ServerError::listen(address, error);
    let socket = std::net::TcpListener::bind(address).map_err(unbound)?;
    socket.set_nonblocking(true).map_err(unbound)?;
    let address = socket.local_addr().map_err(unbound)?;
    let receive_buffers = config.receive_buffers.clone();
    Ok(Listener { socket, address, tls, limits: config.limits.clone(), receive_buffers })
}

impl Listener {
    /// The bound address, with the port the system chose for port 0.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// A second listener on the same socket.
    ///
    /// # Errors
    /// [`ServerError::Listen`] when the process has no descriptor left.
    pub fn try_clone(&self) -> Result<Self, ServerError> {
        let socket = self.socket.try_clone();
        Ok(Self {
            socket: socket.map_err(|error| ServerError::listen(self.address, error))?,
            address: self.address,
            tls: self.tls.clone(),
            limits: self.limits.clone(),
            receive_buffers: self.receive_buffers.clone(),
        })
    }

    /// Serves until `stop` is set. Must run inside a [`tokio::task::LocalSet`] with I/O and time.
    ///
    /// # Errors
    /// [`ServerError::Listen`] when the reactor cannot watch the socket.
    pub async fn serve(
        self,
        handler: Rc<dyn Handler>,
        stop: StopSignal,
    ) -> Result<ServeReport, ServerError> {
        self.serve_counted(handler, stop, Rc::default()).await
    }

    /// As [`Listener::serve`], with counters the caller can read meanwhile.
    ///
    /// # Errors
    /// As [`Listener::serve`].
    pub async fn serve_counted(
        self,
        handler: Rc<dyn Handler>,
        stop: StopSignal,
        counters: Rc<Counters>,
    ) -> Result<ServeReport, ServerError> {
        let incoming = tokio::net::TcpListener::from_std(self.socket)
            .map_err(|error| ServerError::listen(self.address, error))?;
        let service = Service::new(handler, self.limits, self.receive_buffers, counters, stop);
        Ok(service.serve(incoming, self.tls).await)
    }
}

/// Where connections come from: a socket, or a simulated network.
pub trait Incoming {
    /// A connection.
    type Io: AsyncRead + AsyncWrite + Unpin + 'static;

    /// The next connection, as [`tokio::net::TcpListener::poll_accept`] gives it.
    ///
    /// # Errors
    /// Any error pauses the server and does not end it.
    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Self::Io>>;
}

impl Incoming for tokio::net::TcpListener {
    type Io = TcpStream;

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<TcpStream>> {
        Self::poll_accept(self, cx).map_ok(|(stream, _)| {
            // Without it a small answer may wait for the client's delayed acknowledgement. A
            // socket that refuses the option is broken and will say so at its first read.
            let _ = stream.set_nodelay(true);
            stream
        })
    }
}

/// Serves clear-text connections of any [`Incoming`], until `stop` is set. Must run inside a
/// [`tokio::task::LocalSet`]; needs no sockets, and with paused time no clock.
pub async fn serve_incoming(
    incoming: impl Incoming,
    limits: Limits,
    receive_buffers: Option<Arc<dyn ReceiveBuffers>>,
    handler: Rc<dyn Handler>,
    stop: StopSignal,
    counters: Rc<Counters>,
) -> ServeReport {
    let service = Service::new(handler, limits, receive_buffers, counters, stop);
    service.serve(incoming, None).await
}

/// How serving ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServeReport {
    /// Everything counted.
    pub totals: Snapshot,
    /// Time from the stop signal to the last connection's end.
    pub stop_took: Duration,
}

impl ServeReport {
    /// Whether every connection finished by itself before `stop_timeout`.
    pub fn is_clean(&self) -> bool {
        self.totals.connections_aborted == 0
    }
}

/// What all connections of a server share.
pub(crate) struct Service {
    pub(crate) handler: Rc<dyn Handler>,
    pub(crate) limits: Limits,
    pub(crate) receive_buffers: Option<Arc<dyn ReceiveBuffers>>,
    pub(crate) counters: Rc<Counters>,
    pub(crate) stop: StopSignal,
    /// Set when `stop_timeout` has passed.
    pub(crate) cut: StopSignal,
}

impl Service {
    pub(crate) fn new(
        handler: Rc<dyn Handler>,
        limits: Limits,
        receive_buffers: Option<Arc<dyn ReceiveBuffers>>,
        counters: Rc<Counters>,
        stop: StopSignal,
    ) -> Rc<Self> {
        Rc::new(Self { handler, limits, receive_buffers, counters, stop, cut: StopSignal::new() })
    }

    pub(crate) async fn serve(
        self: Rc<Self>,
        mut incoming: impl Incoming,
        tls: Option<Arc<rustls::ServerConfig>>,
    ) -> ServeReport {
        let tls = tls.map(TlsAcceptor::from);
        let mut connections = JoinSet::new();
        let mut pause = self.limits.accept_backoff;
        let mut stopped = pin!(self.stop.stopped());
        loop {
            let room = connections.len() < self.limits.max_connections;
            tokio::select! {
                biased;
                () = &mut stopped => break,
                Some(_) = connections.join_next() => {}
                accepted = std::future::poll_fn(|cx| incoming.poll_accept(cx)), if room => {
                    match accepted {
                        Ok(io) => {
                            pause = self.limits.accept_backoff;
                            let ticket = ConnectionTicket::open(&self.counters);
                            let service = Rc::clone(&self);
                            let tls = tls.clone();
                            connections.spawn_local(async move {
                                service.run_connection(io, tls).await;
                                drop(ticket);
                            });
                        }
                        Err(error) => pause = self.accept_failed(error, pause).await,
                    }
                }
            }
        }
        drop(incoming);
        self.finish(connections).await
    }

    /// Waits after a failed accept; gives the pause for the next failure.
    async fn accept_failed(&self, error: io::Error, pause: Duration) -> Duration {
        use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
        self.counters.accept_errors.add(1);
        // The connection was gone before it was accepted: no reason to keep the others waiting.
        let harmless = matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted);
        let wait = if harmless { Duration::ZERO } else { pause };
        let pause_ms = wait.as_millis() as u64;
        self.handler.event(&Event::AcceptFailed { error, pause_ms });
        if harmless {
            return pause;
        }
        tokio::select! {
            () = self.stop.stopped() => {}
            () = sleep(wait) => {}
        }
        (pause * 2).min(self.limits.accept_backoff_max)
    }

    async fn finish(&self, mut connections: JoinSet<()>) -> ServeReport {
        let began = Instant::now();
        let all_ended = async { while connections.join_next().await.is_some() {} };
        if timeout(self.limits.stop_timeout, all_ended).await.is_err() {
            self.counters.connections_aborted.add(connections.len() as u64);
            self.cut.stop();
            while connections.join_next().await.is_some() {}
        }
        ServeReport { totals: self.counters.snapshot(), stop_took: began.elapsed() }
    }

    async fn run_connection<IO>(self: Rc<Self>, io: IO, tls: Option<TlsAcceptor>)
    where
        IO: AsyncRead + AsyncWrite + Unpin + 'static,
    {
        let Some(tls) = tls else {
            return drive(io, self, Scheme::Http).await;
        };
        let handshake = timeout(self.limits.tls_timeout, tls.accept(io));
        let encrypted = tokio::select! {
            biased;
            () = self.stop.stopped() => return,
            encrypted = handshake => encrypted,
        };
        match encrypted {
            Ok(Ok(io)) => drive(io, self, Scheme::Https).await,
            Ok(Err(error)) => self.handshake_failed(format!("TLS: {error}")),
            Err(_) => self.handshake_failed("TLS: the client did not finish in time".to_owned()),
        }
    }

    pub(crate) fn handshake_failed(&self, reason: String) {
        self.counters.handshakes_failed.add(1);
        self.handler.event(&Event::HandshakeFailed { reason });
    }
}
