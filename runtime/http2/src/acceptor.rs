//! Accepting connections, and dealing them to the threads that serve.
//!
//! 1. Each connection goes to the worker that has the fewest open ones, beginning after the one
//!    that got the last. A worker that has not begun to serve gets none while another has.
//! 2. A connection counts for its worker from the deal until it has ended, so what waits in a
//!    worker's queue weighs as much as what it serves. All together are at most
//!    `max_connections`. Then one more is accepted if a connection is idle, which closes for it;
//!    otherwise nothing until one ends. Of one address there are at most `address_connections`.
//! 3. A failing `accept` pauses the loop and never ends it.
//! 4. A worker that is gone is noticed at the next deal: it is told of once, and the connection goes
//!    to another. Without any worker the connection is closed.
//!
//! Knows sockets and counts. Does not know what a worker does with a connection.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::{Instant, sleep};
use valk_net::{BoundSocket, Listener, Stream, accept};

use crate::counters::Counters;
use crate::error::ServerError;
use crate::message::{Event, Handler};
use crate::overload::admission::{Admission, Rejection, Watermarks};
use crate::server::Shared;

/// The shortest time between two messages that connections are rejected.
const REJECTED_TOLD_AGAIN_AFTER: Duration = Duration::from_secs(10);

/// What acceptor and worker know of a worker.
#[derive(Debug, Default)]
pub(crate) struct WorkerState {
    /// Connections dealt to it that have not ended.
    open: AtomicUsize,
    /// Those of them that are idle.
    idle: AtomicUsize,
    is_serving: AtomicBool,
    /// Told when a connection becomes idle while there is no room.
    room: Arc<Room>,
}

/// What workers know of the acceptor.
#[derive(Debug, Default)]
struct Room {
    is_wanted: AtomicBool,
    /// A connection has ended, or is idle while room is wanted.
    changed: Notify,
}

impl WorkerState {
    /// The worker takes connections from now on.
    pub(crate) fn begin(&self) {
        self.is_serving.store(true, Ordering::Relaxed);
    }

    /// Connections that are idle now.
    #[cfg(test)]
    pub(crate) fn idle(&self) -> usize {
        self.idle.load(Ordering::Relaxed)
    }

    /// A connection is idle from now on, or no longer.
    pub(crate) fn note_idle(&self, is_idle: bool) {
        if !is_idle {
            self.idle.fetch_sub(1, Ordering::Relaxed);
            return;
        }
        self.idle.fetch_add(1, Ordering::SeqCst);
        if self.room.is_wanted.load(Ordering::SeqCst) {
            self.room.changed.notify_one();
        }
    }
}

/// A connection on its way to its worker. Counts as open until it is dropped.
#[derive(Debug)]
pub(crate) struct Dealt {
    io: Box<dyn Stream>,
    open: OpenConnection,
}

/// What an acceptor has for a worker.
#[derive(Debug)]
pub(crate) enum Order {
    /// Serve a connection.
    Serve(Dealt),
    /// Close the connection that has been idle longest.
    MakeRoom,
}

impl Dealt {
    /// The byte stream, and what is dropped when the connection has ended.
    pub(crate) fn into_parts(self) -> (Box<dyn Stream>, OpenConnection) {
        (self.io, self.open)
    }
}

/// Counts a connection of a worker.
#[derive(Debug)]
pub(crate) struct OpenConnection {
    worker: Arc<WorkerState>,
    addresses: Addresses,
    address: IpAddr,
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.worker.open.fetch_sub(1, Ordering::Relaxed);
        self.addresses.leave(self.address);
        self.worker.room.changed.notify_one();
    }
}

/// Open connections by address. This machine's own are not counted.
#[derive(Clone, Debug, Default)]
struct Addresses(Arc<Mutex<HashMap<IpAddr, usize>>>);

impl Addresses {
    /// Counts a connection, unless its address has `most`.
    fn enter(&self, address: IpAddr, most: usize) -> bool {
        if address.is_loopback() {
            return true;
        }
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(address).or_default();
        let has_room = *count < most;
        *count += usize::from(has_room);
        has_room
    }

    fn leave(&self, address: IpAddr) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&address);
            }
        }
    }
}

/// The acceptor's end of a worker's queue.
struct WorkerQueue {
    number: usize,
    state: Arc<WorkerState>,
    queue: UnboundedSender<Order>,
}

/// Chooses workers (rules 1, 2 and 4).
pub(crate) struct Dealer {
    worker_queues: Vec<WorkerQueue>,
    /// Where the next choice begins.
    next: usize,
    room: Arc<Room>,
    addresses: Addresses,
}

/// A worker's end of its queue.
pub(crate) type Queue = (Arc<WorkerState>, UnboundedReceiver<Order>);

impl Dealer {
    /// A dealer for so many workers, and their ends of the queues.
    pub(crate) fn new(workers: usize) -> (Self, Vec<Queue>) {
        let room = Arc::<Room>::default();
        let (worker_queues, queues) = (0..workers)
            .map(|number| {
                let state = WorkerState { room: Arc::clone(&room), ..WorkerState::default() };
                let state = Arc::new(state);
                let (queue, receiver) = unbounded_channel();
                (WorkerQueue { number, state: Arc::clone(&state), queue }, (state, receiver))
            })
            .unzip();
        (Self { worker_queues, next: 0, room, addresses: Addresses::default() }, queues)
    }

    /// Whether a connection may be accepted: below the limit, or at it when one is idle.
    fn has_room(&self, most: usize) -> bool {
        let open = self.open();
        // Wanted first: a connection that becomes idle in between is noticed then.
        self.room.is_wanted.store(open >= most, Ordering::SeqCst);
        open < most || open == most && self.idlest().is_some()
    }

    /// The worker that has the most idle connections.
    fn idlest(&self) -> Option<&WorkerQueue> {
        let idle = |queue: &&WorkerQueue| queue.state.idle.load(Ordering::SeqCst);
        self.worker_queues.iter().max_by_key(idle).filter(|queue| idle(queue) > 0)
    }

    /// Has a connection closed that is idle.
    fn make_room(&self) {
        if let Some(worker_queue) = self.idlest() {
            // A worker that is gone has none.
            let _ = worker_queue.queue.send(Order::MakeRoom);
        }
    }

    /// Connections that have not ended.
    fn open(&self) -> usize {
        self.worker_queues
            .iter()
            .map(|worker_queue| worker_queue.state.open.load(Ordering::Relaxed))
            .sum()
    }

    /// The index of the worker that the next connection goes to.
    fn choose(&self) -> Option<usize> {
        let count = self.worker_queues.len();
        (0..count).map(|step| (self.next + step) % count).min_by_key(|index| {
            let state = &self.worker_queues[*index].state;
            let is_waited_for = !state.is_serving.load(Ordering::Relaxed);
            (is_waited_for, state.open.load(Ordering::Relaxed))
        })
    }

    /// Gives a connection to a worker. The numbers of workers that were found to be gone.
    fn deal(&mut self, mut io: Box<dyn Stream>, address: IpAddr) -> Vec<usize> {
        let mut gone = Vec::new();
        while let Some(index) = self.choose() {
            let worker_queue = &self.worker_queues[index];
            worker_queue.state.open.fetch_add(1, Ordering::Relaxed);
            let worker = Arc::clone(&worker_queue.state);
            let addresses = self.addresses.clone();
            let open = OpenConnection { worker, addresses, address };
            match worker_queue.queue.send(Order::Serve(Dealt { io, open })) {
                Ok(()) => {
                    self.next = index + 1;
                    break;
                }
                Err(refused) => {
                    let Order::Serve(dealt) = refused.0 else { unreachable!("sent above") };
                    let (stream, open) = dealt.into_parts();
                    io = stream;
                    // Counts again with the next worker.
                    if !address.is_loopback() {
                        self.addresses.enter(address, usize::MAX);
                    }
                    drop(open);
                    gone.push(self.worker_queues.remove(index).number);
                }
            }
        }
        gone
    }
}

/// A socket that accepts for the workers of a server.
pub struct Acceptor {
    pub(crate) socket: Box<dyn BoundSocket>,
    pub(crate) dealing: Dealing,
}

impl Acceptor {
    /// The bound address.
    pub fn local_addr(&self) -> SocketAddr {
        self.socket.local_addr()
    }

    /// Accepts until the server's stop signal is set. Must run with the timer of a tokio runtime,
    /// and with I/O when the network has sockets, on the thread that adds to `counters`. The
    /// handler is told of failures.
    ///
    /// # Errors
    /// [`ServerError::Listen`] when the reactor cannot watch the socket.
    pub async fn accept(
        self,
        handler: Rc<dyn Handler>,
        counters: Arc<Counters>,
    ) -> Result<(), ServerError> {
        let address = self.local_addr();
        let listener = self.socket.listen();
        let listener = listener.map_err(|error| ServerError::listen(address, error))?;
        self.dealing.accept_from(listener, &*handler, &counters).await;
        Ok(())
    }
}

/// What accepting takes beside the socket.
pub(crate) struct Dealing {
    pub(crate) shared: Arc<Shared>,
    pub(crate) dealer: Dealer,
}

impl Dealing {
    pub(crate) async fn accept_from(
        mut self,
        mut listener: Box<dyn Listener>,
        handler: &dyn Handler,
        counters: &Counters,
    ) {
        let limits = &self.shared.limits;
        let mut pause = limits.accept_backoff;
        let mut admission = Admission::new(Watermarks::of_percents(
            limits.high_watermark,
            limits.critical_watermark,
        ));
        let mut rejected = Rejected::default();
        let mut stopped = pin!(self.shared.stop.stopped());
        loop {
            let has_room = self.dealer.has_room(limits.max_connections);
            tokio::select! {
                biased;
                () = &mut stopped => break,
                () = self.dealer.room.changed.notified(), if !has_room => {}
                accepted = accept(&mut *listener), if has_room => match accepted {
                    Ok((io, address)) => {
                        if let Err(rejection) = admission.decide(self.shared.occupancy()) {
                            rejected.count(rejection, handler, counters);
                            continue;
                        }
                        let address = address.ip().to_canonical();
                        if !self.dealer.addresses.enter(address, limits.address_connections) {
                            counters.connections_refused.add(1);
                            continue;
                        }
                        // What was idle may not be any more.
                        while !self.dealer.has_room(limits.max_connections) {
                            tokio::select! {
                                () = &mut stopped => return,
                                () = self.dealer.room.changed.notified() => {}
                            }
                        }
                        if self.dealer.open() >= limits.max_connections {
                            self.dealer.make_room();
                        }
                        // Without it a small answer may wait for the client's delayed
                        // acknowledgement. A socket that refuses the option is broken and will
                        // say so at its first read.
                        let _ = io.set_nodelay(true);
                        pause = limits.accept_backoff;
                        for worker in self.dealer.deal(io, address) {
                            handler.event(&Event::WorkerLost { worker });
                        }
                    }
                    Err(error) => {
                        counters.accept_errors.add(1);
                        pause = accept_failed(&self.shared, handler, error, pause).await;
                    }
                }
            }
        }
    }
}

/// When rejected connections were last told of.
#[derive(Default)]
struct Rejected(Option<Instant>);

impl Rejected {
    fn count(&mut self, rejection: Rejection, handler: &dyn Handler, counters: &Counters) {
        match rejection {
            Rejection::Critical => counters.rejected_critical.add(1),
            Rejection::High => counters.rejected_high.add(1),
            Rejection::Probabilistic => counters.rejected_by_chance.add(1),
        }
        let now = Instant::now();
        if self.0.is_none_or(|told| now.duration_since(told) >= REJECTED_TOLD_AGAIN_AFTER) {
            self.0 = Some(now);
            let (reason, count) = (rejection.to_string(), counters.snapshot().rejected());
            handler.event(&Event::ConnectionsRejected { reason, count });
        }
    }
}

/// Waits after a failed accept; gives the pause for the next failure.
async fn accept_failed(
    shared: &Shared,
    handler: &dyn Handler,
    error: io::Error,
    pause: Duration,
) -> Duration {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    // The connection was gone before it was accepted: no reason to keep the others waiting.
    let harmless = matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted);
    let wait = if harmless { Duration::ZERO } else { pause };
    let pause_ms = wait.as_millis() as u64;
    handler.event(&Event::AcceptFailed { error, pause_ms });
    if harmless {
        return pause;
    }
    tokio::select! {
        () = shared.stop.stopped() => {}
        () = sleep(wait) => {}
    }
    (pause * 2).min(shared.limits.accept_backoff_max)
}
