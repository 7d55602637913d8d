//! The connections of one thread of a server.
//!
//! 1. A worker spawns one local task per connection that the acceptor deals to it, and moves its
//!    socket to the reactor of this thread.
//! 2. At a stop every connection finishes; what is left at `stop_timeout` is aborted. The report is
//!    made after the last task has ended. Connections that wait in the queue by then are closed.
//! 3. Nothing here is shared with other threads but the counters, which they read.
//!
//! Knows tasks. Does not know frames, nor where connections come from.

use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;

use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsAcceptor;
use valk_net::{Places, Stream};

use crate::acceptor::{Dealt, Order, WorkerState};
use crate::account::ProcessBudgets;
use crate::connection::drive;
use crate::counters::{ConnectionGuard, Counters};
use crate::date::DateField;
use crate::limits::Limits;
use crate::message::{Event, Handler, Scheme};
use crate::overload::Shed;
use crate::overload::large_responses::{Guesses, Room};
use crate::overload::thread_load::{ThreadLoad, watch};
use crate::presence::Presences;
use crate::receive_buffers::ReceiveBuffers;
use crate::server::{ServeReport, Shared};
use crate::stop::StopSignal;

/// Serves the connections that are dealt to one thread. May be sent there before it serves.
pub struct Worker {
    pub(crate) shared: Arc<Shared>,
    pub(crate) state: Arc<WorkerState>,
    pub(crate) queue: UnboundedReceiver<Order>,
}

impl Worker {
    /// Serves until the server's stop signal is set, or the acceptor is gone, and the last
    /// connection has ended. Must run inside a [`tokio::task::LocalSet`] with time, and with I/O
    /// when the network has sockets.
    pub async fn serve(self, handler: Rc<dyn Handler>, counters: Arc<Counters>) -> ServeReport {
        let Self { shared, state, mut queue } = self;
        let mut stopped = pin!(shared.stop.stopped());
        let service = Service::new(handler, &shared, &state, counters);
        let tls = shared.tls.clone().map(TlsAcceptor::from);
        let mut connections = JoinSet::new();
        // Aborted when it is dropped, which is at the end.
        let mut watching = JoinSet::new();
        watching.spawn_local(watch(Rc::clone(&service)));
        state.begin();
        loop {
            tokio::select! {
                biased;
                () = &mut stopped => break,
                Some(_) = connections.join_next() => {}
                dealt = queue.recv() => match dealt {
                    Some(Order::Serve(dealt)) => service.spawn(&mut connections, dealt, tls.as_ref()),
                    Some(Order::MakeRoom) => {
                        service.counters.connections_displaced.add(service.presences.make_room().into());
                    }
                    None => break,
                }
            }
        }
        drop(queue);
        service.finish(connections).await
    }
}

/// What all connections of a thread share.
pub(crate) struct Service {
    pub(crate) handler: Rc<dyn Handler>,
    pub(crate) limits: Limits,
    pub(crate) receive_buffers: Option<Arc<dyn ReceiveBuffers>>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) date: DateField,
    pub(crate) presences: Presences,
    pub(crate) budgets: ProcessBudgets,
    pub(crate) load: ThreadLoad,
    pub(crate) shed: Shed,
    pub(crate) places: Vec<Places>,
    pub(crate) room: Room,
    pub(crate) guesses: Guesses,
    pub(crate) stop: StopSignal,
    /// Set when `stop_timeout` has passed.
    pub(crate) abort: StopSignal,
}

impl Service {
    fn new(
        handler: Rc<dyn Handler>,
        shared: &Shared,
        state: &Arc<WorkerState>,
        counters: Arc<Counters>,
    ) -> Rc<Self> {
        Rc::new(Self {
            handler,
            limits: shared.limits.clone(),
            receive_buffers: shared.receive_buffers.clone(),
            counters,
            date: DateField::new(shared.clock),
            presences: Presences::new(state),
            budgets: shared.budgets.clone(),
            load: ThreadLoad::new(&shared.limits, &shared.budgets.responses),
            shed: shared.shed,
            places: shared.places.clone(),
            room: shared.room.clone(),
            guesses: Guesses::default(),
            stop: shared.stop.clone(),
            abort: StopSignal::new(),
        })
    }

    /// Spawns the task of a connection.
    fn spawn(
        self: &Rc<Self>,
        connections: &mut JoinSet<()>,
        dealt: Dealt,
        tls: Option<&TlsAcceptor>,
    ) {
        let (io, open) = dealt.into_parts();
        let guard = ConnectionGuard::open(&self.counters);
        match io.move_to_current_reactor() {
            Ok(io) => {
                let (service, tls) = (Rc::clone(self), tls.cloned());
                connections.spawn_local(async move {
                    service.run_connection(io, tls).await;
                    drop((guard, open));
                });
            }
            Err(error) => {
                let reason = format!("this thread cannot watch its socket: {error}");
                self.handler.event(&Event::ConnectionFailed { reason });
            }
        }
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

    /// The time; on the occasion the delays of the thread are looked at.
    pub(crate) fn now_looked_at(&self) -> Instant {
        let now = Instant::now();
        self.load.look(now, &*self.handler, &self.counters);
        now
    }

    pub(crate) fn handshake_failed(&self, reason: String) {
        self.counters.handshakes_failed.add(1);
        self.handler.event(&Event::HandshakeFailed { reason });
    }
}
