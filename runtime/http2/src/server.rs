//! Listening, accepting, stopping.
//!
//! 1. [`bind`] reports everything that can be wrong with address and certificate, before any
//!    runtime exists; a [`Server`] may then move to the thread that serves it.
//! 2. A server is an acceptor and workers, each of them on a thread of its own; [`Server::serve`]
//!    has both on the calling thread, [`Server::split`] leaves that to the caller.
//! 3. A stop closes the listener and ends the workers, each as it does by itself.
//!
//! Knows how the parts fit together. Does not know what they do.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use valk_net::{BoundSocket, Clock, Listener, Network, Places};

use crate::acceptor::{Acceptor, Dealer, Dealing};
use crate::account::ProcessBudgets;
use crate::counters::{Counters, Snapshot};
use crate::error::ServerError;
use crate::limits::Limits;
use crate::message::Handler;
use crate::overload::Shed;
use crate::overload::large_responses::Room;
use crate::receive_buffers::ReceiveBuffers;
use crate::stop::StopSignal;
use crate::tls::{self, Certificate};
use crate::worker::Worker;

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
    /// How requests are turned away that there is no time or no place for.
    pub shed: Shed,
    /// The places of requests in progress, where several servers share them; in addition to
    /// `max_requests` of the limits.
    pub places: Option<Places>,
    /// Where the `date` of responses comes from.
    pub clock: Clock,
}

/// A server that is bound and does not accept yet. Servers made by [`Server::try_clone`] share the
/// socket, so that several threads can serve one port.
#[derive(Debug)]
pub struct Server {
    socket: Box<dyn BoundSocket>,
    tls: Option<Arc<rustls::ServerConfig>>,
    limits: Limits,
    receive_buffers: Option<Arc<dyn ReceiveBuffers>>,
    shed: Shed,
    places: Vec<Places>,
    clock: Clock,
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
    let (limits, clock) = (config.limits.clone(), config.clock);
    let own = Some(limits.max_requests).filter(|most| *most > 0).map(Places::new);
    let places = own.into_iter().chain(config.places.clone()).collect();
    Ok(Server { socket, tls, limits, receive_buffers, shed: config.shed, places, clock })
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
            shed: self.shed,
            places: self.places.clone(),
            clock: self.clock,
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
        self.serve_counted(handler, stop, Arc::default()).await
    }

    /// As [`Server::serve`], with counters the caller can read meanwhile.
    ///
    /// # Errors
    /// As [`Server::serve`].
    pub async fn serve_counted(
        self,
        handler: Rc<dyn Handler>,
        stop: StopSignal,
        counters: Arc<Counters>,
    ) -> Result<ServeReport, ServerError> {
        let address = self.local_addr();
        let (socket, shared) = self.into_parts(stop);
        let listener = socket.listen();
        let listener = listener.map_err(|error| ServerError::listen(address, error))?;
        Ok(serve_on_one_thread(listener, shared, handler, counters).await)
    }

    /// The server as one acceptor and `workers` workers, for as many threads. The acceptor belongs
    /// on the thread of the first worker, whose counters it may share.
    ///
    /// # Panics
    /// When `workers` is 0.
    pub fn split(self, workers: usize, stop: StopSignal) -> (Acceptor, Vec<Worker>) {
        let (socket, shared) = self.into_parts(stop);
        let (dealing, workers) = shared.deal_to(workers);
        (Acceptor { socket, dealing }, workers)
    }

    fn into_parts(self, stop: StopSignal) -> (Box<dyn BoundSocket>, Shared) {
        let Self { socket, tls, limits, receive_buffers, shed, places, clock } = self;
        let budgets = ProcessBudgets::of_process(&limits);
        let room = Room::new(limits.process_response_bytes, budgets.responses.wanted());
        (socket, Shared { limits, tls, receive_buffers, shed, places, room, clock, budgets, stop })
    }
}

/// What acceptor and workers share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) limits: Limits,
    pub(crate) tls: Option<Arc<rustls::ServerConfig>>,
    pub(crate) receive_buffers: Option<Arc<dyn ReceiveBuffers>>,
    pub(crate) shed: Shed,
    /// A request needs one of each.
    pub(crate) places: Vec<Places>,
    /// For large responses.
    pub(crate) room: Room,
    pub(crate) clock: Clock,
    pub(crate) budgets: ProcessBudgets,
    pub(crate) stop: StopSignal,
}

impl Shared {
    /// The part of the receive buffers that is lent.
    pub(crate) fn occupancy(&self) -> f64 {
        self.receive_buffers.as_ref().map_or(0.0, |buffers| buffers.occupancy())
    }

    pub(crate) fn deal_to(self, workers: usize) -> (Dealing, Vec<Worker>) {
        assert!(workers > 0, "a server has at least one worker");
        let shared = Arc::new(self);
        let (dealer, queues) = Dealer::new(workers);
        let workers = queues.into_iter().map(|(state, queue)| Worker {
            shared: Arc::clone(&shared),
            state,
            queue,
        });
        let workers = workers.collect();
        (Dealing { shared, dealer }, workers)
    }
}

/// How serving ended, on one thread.
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

/// Serves on the calling thread alone what `listener` accepts.
pub(crate) async fn serve_on_one_thread(
    listener: Box<dyn Listener>,
    shared: Shared,
    handler: Rc<dyn Handler>,
    counters: Arc<Counters>,
) -> ServeReport {
    let (dealing, mut workers) = shared.deal_to(1);
    let worker = workers.pop().expect("one was asked for");
    let accepting = dealing.accept_from(listener, &*handler, &counters);
    let serving = worker.serve(Rc::clone(&handler), Arc::clone(&counters));
    tokio::join!(accepting, serving).1
}
