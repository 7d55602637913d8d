//! Listening, accepting, stopping.
//!
//! 1. [`bind`] reports everything that can be wrong with address and certificate, before any
//!    runtime exists; a [`Server`] may then move to the thread that serves it.
//! 2. Serving spawns one local task per connection and stops accepting at `max_connections`.
//! 3. A failing `accept` pauses the loop and never ends it.
//! 4. A stop closes the listener, lets every connection finish, and aborts what is left at
//!    `stop_timeout`. The report is made after the last task has ended.
//!
//! Knows sockets and tasks. Does not know frames.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use tokio_rustls::TlsAcceptor;
use valk_net::{BoundSocket, Listener, Network, Stream, accept};

use crate::connection::drive;
use crate::counters::{ConnectionGuard, Counters, Snapshot};
use crate::error::ServerError;
use crate::limits::Limits;
use crate::message::{Event, Handler, Scheme};
use crate::receive_buffers::ReceiveBuffers;
use crate::stop::StopSignal;
use crate::tls::{self, Certificate};

/// Configuration of a server.
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

/// A server that is bound and does not accept yet. Servers made by [`Server::try_clone`] share the
/// socket, so that several threads can serve one port.
#[derive(Debug)]
pub struct Server {
    socket: Box<dyn BoundSocket>,
    tls: Option<Arc<rustls::ServerConfig>>,
    limits: Limits,
    receive_buffers: Option<Arc<dyn ReceiveBuffers>>,
}

/// Binds `address` of `network` (port 0 picks a free port) and prepares TLS.
///
/// # Errors
/// Each [`ServerError`] names the address or file and what to do about it.
pub fn bind(
    network: &dyn Network,
    address: SocketAddr,
    config: &ServerConfig,
) -> Result<Server, ServerError> {
    let tls = config.tls.as_ref().map(tls::server_config).transpose()?;
    let socket = network.bind(address).map_err(|error| ServerError::listen(address, error))?;
    let receive_buffers = config.receive_buffers.clone();
    Ok(Server { socket, tls, limits: config.limits.clone(), receive_buffers })
}

impl Server {
    /// The bound address, with the port the system chose for port 0.
    pub fn local_addr(&self) -> SocketAddr {
        self.socket.local_addr()
    }

    /// A second server on the same socket.
    ///
    /// # Errors
    /// [`ServerError::Listen`] when the process has no descriptor left.
    pub fn try_clone(&self) -> Result<Self, ServerError> {
        let socket = self.socket.try_clone();
        Ok(Self {
            socket: socket.map_err(|error| ServerError::listen(self.local_addr(), error))?,
            tls: self.tls.clone(),
            limits: self.limits.clone(),
            receive_buffers: self.receive_buffers.clone(),
        })
    }

    /// Serves until `stop` is set. Must run inside a [`tokio::task::LocalSet`] with time, and with
    /// I/O when the network has sockets.
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

    /// As [`Server::serve`], with counters the caller can read meanwhile.
    ///
    /// # Errors
    /// As [`Server::serve`].
    pub async fn serve_counted(
        self,
        handler: Rc<dyn Handler>,
        stop: StopSignal,
        counters: Rc<Counters>,
    ) -> Result<ServeReport, ServerError> {
        let address = self.local_addr();
        let listener = self.socket.listen();
        let listener = listener.map_err(|error| ServerError::listen(address, error))?;
        let service = Service::new(handler, self.limits, self.receive_buffers, counters, stop);
        Ok(service.serve(listener, self.tls).await)
    }
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
    pub(crate) abort: StopSignal,
}

impl Service {
    pub(crate) fn new(
        handler: Rc<dyn Handler>,
        limits: Limits,
        receive_buffers: Option<Arc<dyn ReceiveBuffers>>,
        counters: Rc<Counters>,
        stop: StopSignal,
    ) -> Rc<Self> {
        Rc::new(Self { handler, limits, receive_buffers, counters, stop, abort: StopSignal::new() })
    }

    pub(crate) async fn serve(
        self: Rc<Self>,
        mut listener: Box<dyn Listener>,
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
                accepted = accept(&mut *listener), if room => {
                    match accepted {
                        Ok((io, _)) => {
                            // Without it a small answer may wait for the client's delayed
                            // acknowledgement. A socket that refuses the option is broken and will
                            // say so at its first read.
                            let _ = io.set_nodelay(true);
                            pause = self.limits.accept_backoff;
                            let guard = ConnectionGuard::open(&self.counters);
                            let service = Rc::clone(&self);
                            let tls = tls.clone();
                            connections.spawn_local(async move {
                                service.run_connection(io, tls).await;
                                drop(guard);
                            });
                        }
                        Err(error) => pause = self.accept_failed(error, pause).await,
                    }
                }
            }
        }
        drop(listener);
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
            self.abort.stop();
            while connections.join_next().await.is_some() {}
        }
        ServeReport { totals: self.counters.snapshot(), stop_took: began.elapsed() }
    }

    async fn run_connection(self: Rc<Self>, io: Box<dyn Stream>, tls: Option<TlsAcceptor>) {
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
