//! Accepting connections, and dealing them to the threads that serve.
//!
//! 1. Each connection goes to the worker that has the fewest open ones, beginning after the one
//!    that got the last. A worker that has not begun to serve gets none while another has.
//! 2. A connection counts for its worker from the deal until it has ended, so what waits in a
//!    worker's queue weighs as much as what it serves. All together are at most
//!    `max_connections`: then nothing is accepted until one ends.
//! 3. A failing `accept` pauses the loop and never ends it.
//! 4. A worker that is gone is noticed at the next deal: it is told of once, and the connection goes
//!    to another. Without any worker the connection is closed.
//!
//! Knows sockets and counts. Does not know what a worker does with a connection.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::sleep;
use valk_net::{BoundSocket, Listener, Stream, accept};

use crate::counters::Counters;
use crate::error::ServerError;
use crate::message::{Event, Handler};
use crate::server::Shared;

/// What acceptor and worker know of a worker.
#[derive(Debug, Default)]
pub(crate) struct WorkerState {
    /// Connections dealt to it that have not ended.
    open: AtomicUsize,
    is_serving: AtomicBool,
}

impl WorkerState {
    /// The worker takes connections from now on.
    pub(crate) fn begin(&self) {
        self.is_serving.store(true, Ordering::Relaxed);
    }
}

/// A connection on its way to its worker. Counts as open until it is dropped.
#[derive(Debug)]
pub(crate) struct Dealt {
    io: Box<dyn Stream>,
    open: OpenConnection,
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
    ended: Arc<Notify>,
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.worker.open.fetch_sub(1, Ordering::Relaxed);
        self.ended.notify_one();
    }
}

/// The acceptor's end of a worker's queue.
struct Lane {
    number: usize,
    state: Arc<WorkerState>,
    queue: UnboundedSender<Dealt>,
}

/// Chooses workers (rules 1, 2 and 4).
pub(crate) struct Dealer {
    lanes: Vec<Lane>,
    /// Where the next choice begins.
    next: usize,
    ended: Arc<Notify>,
}

/// A worker's end of its queue.
pub(crate) type Queue = (Arc<WorkerState>, UnboundedReceiver<Dealt>);

impl Dealer {
    /// A dealer for so many workers, and their ends of the queues.
    pub(crate) fn new(workers: usize) -> (Self, Vec<Queue>) {
        let (lanes, queues) = (0..workers)
            .map(|number| {
                let state = Arc::<WorkerState>::default();
                let (queue, receiver) = unbounded_channel();
                (Lane { number, state: Arc::clone(&state), queue }, (state, receiver))
            })
            .unzip();
        (Self { lanes, next: 0, ended: Arc::default() }, queues)
    }

    /// Connections that have not ended.
    fn open(&self) -> usize {
        self.lanes.iter().map(|lane| lane.state.open.load(Ordering::Relaxed)).sum()
    }

    /// The index of the worker that the next connection goes to.
    fn choose(&self) -> Option<usize> {
        let count = self.lanes.len();
        (0..count).map(|step| (self.next + step) % count).min_by_key(|index| {
            let state = &self.lanes[*index].state;
            let is_waited_for = !state.is_serving.load(Ordering::Relaxed);
            (is_waited_for, state.open.load(Ordering::Relaxed))
        })
    }

    /// Gives a connection to a worker. The numbers of workers that were found to be gone.
    fn deal(&mut self, mut io: Box<dyn Stream>) -> Vec<usize> {
        let mut gone = Vec::new();
        while let Some(index) = self.choose() {
            let lane = &self.lanes[index];
            lane.state.open.fetch_add(1, Ordering::Relaxed);
            let worker = Arc::clone(&lane.state);
            let open = OpenConnection { worker, ended: Arc::clone(&self.ended) };
            match lane.queue.send(Dealt { io, open }) {
                Ok(()) => {
                    self.next = index + 1;
                    break;
                }
                Err(refused) => {
                    io = refused.0.into_parts().0;
                    gone.push(self.lanes.remove(index).number);
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
        let mut stopped = pin!(self.shared.stop.stopped());
        loop {
            let has_room = self.dealer.open() < limits.max_connections;
            tokio::select! {
                biased;
                () = &mut stopped => break,
                () = self.dealer.ended.notified(), if !has_room => {}
                accepted = accept(&mut *listener), if has_room => match accepted {
                    Ok((io, _)) => {
                        // Without it a small answer may wait for the client's delayed
                        // acknowledgement. A socket that refuses the option is broken and will
                        // say so at its first read.
                        let _ = io.set_nodelay(true);
                        pause = limits.accept_backoff;
                        for worker in self.dealer.deal(io) {
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
