//! One end of a simulated connection.
//!
//! 1. An operation that cannot go on waits for a wake-up from the other end and, when something is
//!    on its way to it, for a timer of its own that fires at the arrival.
//! 2. Dropping an end resets the connection when bytes were sent to it that it has not read, as TCP
//!    does; otherwise the peer sees the end of the direction.
//! 3. The peer of a dropped end learns of it by a reset, one round trip after it has sent more.

use std::cell::Cell;
use std::io::{self, ErrorKind, IoSlice};
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

use super::Simulation;
use super::trace::hash_bytes;
use super::world::{Connection, ConnectionId, Gate, Side, World};
use crate::network::Stream;

/// A stream between two simulated hosts.
#[derive(Debug)]
pub(super) struct SimulatedStream {
    simulation: Simulation,
    id: ConnectionId,
    side: Side,
    addresses: [SocketAddr; 2],
    nodelay: Cell<bool>,
    read_timer: Option<Pin<Box<Sleep>>>,
    write_timer: Option<Pin<Box<Sleep>>>,
}

impl SimulatedStream {
    /// The end `side` of a connection that the world has added.
    pub(super) fn new(
        simulation: Simulation,
        id: ConnectionId,
        side: Side,
        addresses: [SocketAddr; 2],
    ) -> Self {
        let nodelay = Cell::new(false);
        Self { simulation, id, side, addresses, nodelay, read_timer: None, write_timer: None }
    }

    fn write(&mut self, cx: &mut Context<'_>, bytes: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        loop {
            let (id, side, waker) = (self.id, self.side, cx.waker());
            let due = match self.simulation.with(|world| world.write(id, side, bytes, waker)) {
                Progress::Done(result) => return Poll::Ready(result),
                Progress::Waiting(due) => due,
            };
            ready!(poll_timer(&mut self.write_timer, due, cx));
        }
    }
}

/// Ready at `due`; never when it is `None`.
fn poll_timer(
    timer: &mut Option<Pin<Box<Sleep>>>,
    due: Option<Instant>,
    cx: &mut Context<'_>,
) -> Poll<()> {
    let Some(due) = due else { return Poll::Pending };
    let timer = timer.get_or_insert_with(|| Box::pin(sleep_until(due)));
    if timer.deadline() != due {
        timer.as_mut().reset(due);
    }
    timer.as_mut().poll(cx)
}

impl Stream for SimulatedStream {
    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.addresses[self.side])
    }

    fn peer_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.addresses[1 - self.side])
    }

    fn nodelay(&self) -> io::Result<bool> {
        Ok(self.nodelay.get())
    }

    fn set_nodelay(&self, nodelay: bool) -> io::Result<()> {
        self.nodelay.set(nodelay);
        Ok(())
    }

    fn move_to_current_reactor(self: Box<Self>) -> io::Result<Box<dyn Stream>> {
        Ok(self)
    }
}

impl AsyncRead for SimulatedStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let stream = &mut *self;
        loop {
            let (id, side, waker) = (stream.id, stream.side, cx.waker());
            let due = match stream.simulation.with(|world| world.read(id, side, buf, waker)) {
                Progress::Done(result) => return Poll::Ready(result),
                Progress::Waiting(due) => due,
            };
            ready!(poll_timer(&mut stream.read_timer, due, cx));
        }
    }
}

impl AsyncWrite for SimulatedStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.write(cx, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.write(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.simulation.with(|world| world.end(self.id, self.side));
        Poll::Ready(Ok(()))
    }
}

impl Drop for SimulatedStream {
    fn drop(&mut self) {
        self.simulation.with(|world| world.drop_end(self.id, self.side));
    }
}

/// What came of an operation.
enum Progress<T> {
    Done(io::Result<T>),
    /// Nothing yet; something arrives at the given time.
    Waiting(Option<Instant>),
}

impl World {
    fn connection(&mut self, id: ConnectionId) -> (&mut Connection, Gate) {
        let hosts = self.connections[&id].hosts;
        let gate = self.link_of(hosts[0], hosts[1]).gate;
        let connection = self.connections.get_mut(&id);
        (connection.expect("rule 2 of world: a stream keeps its connection"), gate)
    }

    fn read(
        &mut self,
        id: ConnectionId,
        side: Side,
        buf: &mut ReadBuf<'_>,
        waker: &Waker,
    ) -> Progress<()> {
        let now = Instant::now();
        let (connection, gate) = self.connection(id);
        if connection.is_reset(side, gate, now) {
            return Progress::Done(Err(ErrorKind::ConnectionReset.into()));
        }
        let hosts = connection.hosts;
        let reset_at = connection.reset_at[side];
        let pipe = &mut connection.pipes[1 - side];
        pipe.arrive(|at| gate.has_passed(at, now));
        let Some(bytes) = pipe.read(buf) else {
            pipe.reader = Some(waker.clone());
            return Progress::Waiting(earliest(gate, [pipe.next_arrival(), reset_at]));
        };
        let writer = pipe.writer.take();
        self.woken.extend(writer);
        let latency = self.draw_latency(hosts[0], hosts[1]);
        let (connection, _) = self.connection(id);
        connection.pipes[1 - side].credit(bytes, now + latency);
        self.trace.record("read", id * 2 + side as u64, bytes as u64);
        Progress::Done(Ok(()))
    }

    fn write(
        &mut self,
        id: ConnectionId,
        side: Side,
        slices: &[IoSlice<'_>],
        waker: &Waker,
    ) -> Progress<usize> {
        let now = Instant::now();
        let window_bytes = self.config.window_bytes;
        let (connection, gate) = self.connection(id);
        if connection.is_reset(side, gate, now) {
            return Progress::Done(Err(ErrorKind::ConnectionReset.into()));
        }
        let (hosts, reset_at) = (connection.hosts, connection.reset_at[side]);
        let pipe = &mut connection.pipes[side];
        if pipe.is_ended {
            return Progress::Done(Err(ErrorKind::BrokenPipe.into()));
        }
        let room = pipe.room(window_bytes, |at| gate.has_passed(at, now));
        let bytes = gather(slices, room);
        if bytes.is_empty() && slices.iter().any(|slice| !slice.is_empty()) {
            pipe.writer = Some(waker.clone());
            return Progress::Waiting(earliest(gate, [pipe.next_credit(), reset_at]));
        }
        let (count, hash) = (bytes.len(), hash_bytes(&bytes));
        let arrival = now + self.draw_latency(hosts[0], hosts[1]);
        let back = arrival + self.draw_latency(hosts[0], hosts[1]);
        let (connection, _) = self.connection(id);
        if connection.is_dropped[1 - side] {
            connection.reset_at[side].get_or_insert(back);
        }
        let pipe = &mut connection.pipes[side];
        pipe.send(bytes, arrival);
        let reader = pipe.reader.take();
        self.woken.extend(reader);
        self.trace.record("write", id * 2 + side as u64, hash);
        Progress::Done(Ok(count))
    }

    /// Ends the direction from `side`, once.
    fn end(&mut self, id: ConnectionId, side: Side) {
        let hosts = self.connections[&id].hosts;
        if self.connections[&id].pipes[side].is_ended {
            return;
        }
        let arrival = Instant::now() + self.draw_latency(hosts[0], hosts[1]);
        let (connection, _) = self.connection(id);
        let pipe = &mut connection.pipes[side];
        pipe.end(arrival);
        let reader = pipe.reader.take();
        self.woken.extend(reader);
        self.trace.record("end", id * 2 + side as u64, 0);
    }

    /// Gives up the end `side` (rule 2).
    pub(super) fn drop_end(&mut self, id: ConnectionId, side: Side) {
        let (connection, _) = self.connection(id);
        if connection.pipes[1 - side].has_unread() {
            self.reset_end(id, side);
        } else {
            self.end(id, side);
            self.forget_end(id, side);
        }
    }

    /// Gives up the end `side` and resets the other.
    pub(super) fn reset_end(&mut self, id: ConnectionId, side: Side) {
        let hosts = self.connections[&id].hosts;
        let arrival = Instant::now() + self.draw_latency(hosts[0], hosts[1]);
        let (connection, _) = self.connection(id);
        connection.reset_at[1 - side].get_or_insert(arrival);
        let reader = connection.pipes[side].reader.take();
        let writer = connection.pipes[1 - side].writer.take();
        self.woken.extend(reader.into_iter().chain(writer));
        self.trace.record("reset", id * 2 + side as u64, 0);
        self.forget_end(id, side);
    }

    /// The connection goes with its second end.
    fn forget_end(&mut self, id: ConnectionId, side: Side) {
        self.trace.record("close", id * 2 + side as u64, 0);
        let (connection, _) = self.connection(id);
        connection.is_dropped[side] = true;
        if connection.is_dropped[1 - side] {
            self.connections.remove(&id);
        }
    }
}

impl Connection {
    fn is_reset(&self, side: Side, gate: Gate, now: Instant) -> bool {
        self.reset_at[side].is_some_and(|at| gate.has_passed(at, now))
    }
}

/// When the first of these arrives.
fn earliest(gate: Gate, times: [Option<Instant>; 2]) -> Option<Instant> {
    times.into_iter().flatten().min().and_then(|at| gate.arrival(at))
}

/// The first `most` bytes of `slices`.
fn gather(slices: &[IoSlice<'_>], most: usize) -> Bytes {
    let total: usize = slices.iter().map(|slice| slice.len()).sum();
    let mut bytes = Vec::with_capacity(total.min(most));
    for slice in slices {
        let rest = most - bytes.len();
        bytes.extend_from_slice(&slice[..slice.len().min(rest)]);
    }
    Bytes::from(bytes)
}
