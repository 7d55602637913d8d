//! One connection: a task that drives the frames, hands requests to the handler and sends answers.
//!
//! The order within one wake-up is what makes it fast, and is the protocol of this file:
//! 1. Take every request that is ready, without answering any. Taking one polls the connection, and
//!    polling flushes; answering in between would cost one write per response.
//! 2. Answer the batch. Answers that are ready go to the framing layer, everything that has to wait
//!    (bodies to collect, pending replies, closed windows) becomes a local task per stream.
//! 3. Ask to be woken again: that poll flushes all answers in one write, together with what other
//!    tasks of the thread have sent meanwhile. A batch that takes longer than `batch_time` is left
//!    there, and goes on after all others had their turn.
//!
//! Backpressure: while the client has not read `connection_response_bytes`, step 1 only drives the
//! connection and takes nothing, so its requests wait where the stream limit bounds them. One
//! response counts little there whatever its size, so a client that reads some of its streams
//! slowly gets its other answers at once.
//!
//! Generic over the byte stream; time is tokio's, so a test can stop the clock.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, RecvStream};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::JoinSet;
use tokio::time::{Instant, Sleep, sleep, timeout};
use valk_net::{Place, Places};

use crate::account::{Account, Held};
use crate::exchange::Exchange;
use crate::give_way::OthersTurn;
use crate::limits::Limits;
use crate::message::{Event, Reply, Request, Scheme};
use crate::metered::{Meter, Metered};
use crate::overload::Class;
use crate::overload::thread_load::Waiter;
use crate::phase::{Phase, PhaseEvent};
use crate::presence::Presence;
use crate::token_bucket::TokenBucket;
use crate::validate;
use crate::worker::Service;

type Incoming = (http::Request<RecvStream>, SendResponse<Bytes>);

/// Requests that were taken and wait for the handler.
struct Batch {
    requests: VecDeque<(Incoming, Vec<Place>)>,
    service: Rc<Service>,
}

impl Batch {
    fn take(&mut self, incoming: Incoming, places: Vec<Place>) {
        self.service.load.queueing.taken();
        self.requests.push_back((incoming, places));
    }

    fn next(&mut self) -> Option<(Incoming, Vec<Place>)> {
        let next = self.requests.pop_front()?;
        self.service.load.queueing.left(1);
        Some(next)
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        self.service.load.queueing.left(self.requests.len());
    }
}
type Signal = Pin<Box<dyn Future<Output = ()>>>;

/// What a connection shares with the tasks of its streams.
pub(crate) struct ConnectionState {
    pub(crate) service: Rc<Service>,
    pub(crate) scheme: Scheme,
    /// Header bytes of unanswered requests.
    pub(crate) header_bytes: Account,
    /// Collected request bodies.
    pub(crate) body_bytes: Account,
    /// Response bytes that wait for the client's windows.
    pub(crate) response_bytes: Account,
    /// Response bytes handed to the framing layer that the socket has not taken.
    unflushed_bytes: Cell<usize>,
    /// The same for the process, as far as the socket has refused them.
    unflushed_held: RefCell<Held>,
    peer_resets: RefCell<TokenBucket>,
    resets_exceeded: Cell<bool>,
    /// Counted among the connections that wait for their client to read.
    waiting: Cell<bool>,
}

impl ConnectionState {
    fn new(service: Rc<Service>, scheme: Scheme) -> Rc<Self> {
        let limits = &service.limits;
        let bucket =
            TokenBucket::full(limits.peer_resets, limits.peer_resets_per_second, Instant::now());
        let budgets = &service.budgets;
        let response_bytes = Account::new(limits.connection_response_bytes, &budgets.responses);
        Rc::new(Self {
            scheme,
            header_bytes: Account::new(limits.connection_header_bytes, &budgets.headers),
            body_bytes: Account::new(limits.connection_body_bytes, &budgets.bodies),
            unflushed_bytes: Cell::new(0),
            unflushed_held: RefCell::new(response_bytes.open()),
            response_bytes,
            peer_resets: RefCell::new(bucket),
            resets_exceeded: Cell::new(false),
            waiting: Cell::new(false),
            service,
        })
    }

    /// Notes that the client cancelled a request. The end of the stream's task, or the batch this
    /// happens in, makes the driver look at the result.
    pub(crate) fn note_cancelled(&self) {
        if !self.peer_resets.borrow_mut().take(Instant::now()) {
            self.resets_exceeded.set(true);
        }
    }

    /// Notes response bytes handed to the framing layer.
    pub(crate) fn note_sent(&self, bytes: usize) {
        self.unflushed_bytes.set(self.unflushed_bytes.get() + bytes);
    }

    /// Counts whether the connection waits for its client to read.
    fn note_waiting(&self, waiting: bool) {
        let count = &self.service.counters.connections_waiting;
        match (self.waiting.replace(waiting), waiting) {
            (false, true) => count.add(1),
            (true, false) => count.subtract(1),
            _ => {}
        }
    }

    /// Notes how many bytes the socket took, and whether it refuses more.
    fn note_taken(&self, bytes: usize, is_blocked: bool) {
        let unflushed = self.unflushed_bytes.get();
        let unflushed = if is_blocked { unflushed.saturating_sub(bytes) } else { 0 };
        self.unflushed_bytes.set(unflushed);
        self.unflushed_held.borrow_mut().set_for_process(unflushed);
    }

    /// The client has more response bytes to read than one connection may hold.
    fn is_backlogged(&self) -> bool {
        let unflushed = self.unflushed_bytes.get();
        let waiting = self.response_bytes.used() + unflushed;
        waiting >= self.service.limits.connection_response_bytes || {
            let uncounted = unflushed.saturating_sub(self.unflushed_held.borrow().bytes());
            self.response_bytes.has_its_share(uncounted, unflushed)
        }
    }
}

impl Drop for ConnectionState {
    fn drop(&mut self) {
        self.note_waiting(false);
    }
}

/// Serves one connection to its end.
pub(crate) async fn drive<IO>(io: IO, service: Rc<Service>, scheme: Scheme)
where
    IO: AsyncRead + AsyncWrite + Unpin,
{
    let (io, meter) = Metered::new(io, &service.counters);
    let handshake = builder(&service.limits).handshake(io);
    let greeted = tokio::select! {
        biased;
        () = service.stop.stopped() => return,
        greeted = timeout(service.limits.preface_timeout, handshake) => greeted,
    };
    let h2 = match greeted {
        Ok(Ok(h2)) => h2,
        Ok(Err(error)) => return service.handshake_failed(format!("HTTP/2 preface: {error}")),
        Err(_) => {
            return service.handshake_failed("HTTP/2 preface: none came in time".to_owned());
        }
    };
    let (number, presence) = service.presences.enter();
    let state = ConnectionState::new(Rc::clone(&service), scheme);
    let mut driver = Driver::new(h2, meter, state, (number, presence));
    let end = poll_fn(|cx| driver.poll(cx)).await;
    service.presences.leave(number);
    // Streams see the end of the framing layer and drop what they were doing.
    if driver.waits.is_some() {
        service.load.end_wait(number);
    }
    let Driver { h2, mut tasks, batch, .. } = driver;
    drop((batch, h2));
    while tasks.join_next().await.is_some() {}
    if let Err(reason) = end {
        service.handler.event(&Event::ConnectionFailed { reason });
    }
}

fn builder(limits: &Limits) -> h2::server::Builder {
    let mut builder = h2::server::Builder::new();
    builder
        .max_concurrent_streams(limits.max_streams)
        .max_header_list_size(limits.header_list_bytes)
        .initial_connection_window_size(limits.connection_window)
        .initial_window_size(limits.stream_window)
        .max_send_buffer_size(limits.send_buffer_bytes)
        .reset_stream_duration(limits.reset_stream_memory)
        .max_local_error_reset_streams(Some(limits.local_error_resets))
        .max_pending_accept_reset_streams(limits.pending_accept_resets)
        .data_frame_budget(limits.data_frame_budget);
    builder
}

/// What became of a batch in one turn.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Answered {
    Nothing,
    Some,
    /// Requests are left for the next turn.
    OutOfTime,
}

struct Driver<IO> {
    h2: h2::server::Connection<Metered<IO>, Bytes>,
    meter: Rc<Meter>,
    state: Rc<ConnectionState>,
    /// Requests taken and not yet answered; with those turned away at most `max_streams`.
    batch: Batch,
    /// Requests that are turned away in this turn.
    turned_away: Vec<Incoming>,
    /// Streams that wait for something; at most `max_streams` live ones.
    tasks: JoinSet<()>,
    phase: Phase,
    stopped: Option<Signal>,
    abort: Signal,
    watchdog: Pin<Box<Sleep>>,
    /// Last time a request came or a stream task ended.
    last_active: Instant,
    /// When the socket was first seen to refuse bytes, and how many it had taken by then.
    write_blocked_since: Option<(Instant, u64)>,
    /// Bytes that the socket had taken at the last look.
    seen_written: u64,
    /// Set while others have their turn and the rest of the batch waits.
    others_turn: Option<OthersTurn>,
    presence: Rc<Presence>,
    number: u64,
    /// Since when it waits for its client to read, if it does.
    waits: Option<(Instant, Rc<Waiter>)>,
}

impl<IO: AsyncRead + AsyncWrite + Unpin> Driver<IO> {
    fn new(
        h2: h2::server::Connection<Metered<IO>, Bytes>,
        meter: Rc<Meter>,
        state: Rc<ConnectionState>,
        (number, presence): (u64, Rc<Presence>),
    ) -> Self {
        let service = &state.service;
        let patience = service.limits.idle_timeout.min(service.limits.stall_timeout);
        let mut phase = Phase::Init;
        phase.advance(PhaseEvent::HandshakeComplete);
        Self {
            h2,
            meter,
            batch: Batch { requests: VecDeque::new(), service: Rc::clone(service) },
            turned_away: Vec::new(),
            tasks: JoinSet::new(),
            phase,
            stopped: Some(Box::pin(service.stop.stopped())),
            abort: Box::pin(service.abort.stopped()),
            watchdog: Box::pin(sleep(patience)),
            last_active: Instant::now(),
            write_blocked_since: None,
            seen_written: 0,
            others_turn: None,
            presence,
            number,
            waits: None,
            state,
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), String>> {
        if self.poll_signals(cx).is_ready() {
            return Poll::Ready(Ok(()));
        }
        if let Poll::Ready(end) = self.poll_frames(cx) {
            return Poll::Ready(end.map_err(|error| error.to_string()));
        }
        let mut again = self.turn_away();
        let answered = self.answer_batch();
        again |= answered == Answered::Some;
        while let Poll::Ready(Some(_)) = self.tasks.poll_join_next(cx) {
            again = true;
        }
        if again || answered == Answered::OutOfTime {
            self.last_active = Instant::now();
        }
        if self.state.resets_exceeded.take() {
            self.close(PhaseEvent::Close, Reason::ENHANCE_YOUR_CALM);
            again = true;
        }
        if !self.note_waiting(cx) && self.phase != Phase::Closing {
            self.state.service.counters.connections_stalled.add(1);
            self.close(PhaseEvent::Close, Reason::ENHANCE_YOUR_CALM);
            again = true;
        }
        let is_idle = self.batch.requests.is_empty() && self.tasks.is_empty();
        let idle_since = is_idle.then_some(self.last_active);
        self.state.service.presences.note(&self.presence, idle_since, cx.waker());
        if is_idle && self.presence.is_chosen() && self.phase == Phase::Established {
            self.close(PhaseEvent::Close, Reason::NO_ERROR);
            again = true;
        }
        if self.phase == Phase::Draining && self.is_quiet() {
            self.close(PhaseEvent::StreamsDrained, Reason::NO_ERROR);
            again = true;
        }
        if answered == Answered::OutOfTime {
            self.others_turn = Some(OthersTurn::begin(cx));
        } else if again {
            cx.waker().wake_by_ref();
        }
        self.poll_watchdog(cx)
    }

    /// Ready when the connection must be aborted.
    fn poll_signals(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(stopped) = &mut self.stopped {
            if stopped.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            self.stopped = None;
            self.begin_draining();
        }
        self.abort.as_mut().poll(cx)
    }

    /// Reads and writes frames and fills the batch; ready when the connection has ended.
    fn poll_frames(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), h2::Error>> {
        if self.is_accept_paused() {
            let closed = self.h2.poll_closed(cx);
            self.note_flush();
            if let Poll::Ready(end) = closed {
                return Poll::Ready(ignore_disconnect(end));
            }
        }
        while !self.is_accept_paused() {
            match self.h2.poll_accept(cx) {
                Poll::Ready(Some(Ok(incoming))) => self.take(incoming),
                Poll::Ready(Some(Err(error))) => {
                    return Poll::Ready(ignore_disconnect(Err(error)));
                }
                Poll::Ready(None) => return Poll::Ready(Ok(())),
                Poll::Pending => {
                    self.note_flush();
                    break;
                }
            }
        }
        Poll::Pending
    }

    /// Takes a request, or turns it away.
    fn take(&mut self, incoming: Incoming) {
        let service = &self.state.service;
        let (load, counters) = (&service.load, &service.counters);
        load.begin();
        if load.queueing.is_overloaded() {
            let class = service.handler.class(incoming.0.method(), target(incoming.0.uri()));
            let others_wait = !self.batch.requests.is_empty() || !self.tasks.is_empty();
            if !load.queueing.admits(class, service.handler.begun(), others_wait) {
                match class {
                    Class::Sheddable => counters.shed_sheddable.add(1),
                    Class::Normal | Class::Critical => counters.shed_normal.add(1),
                }
                return self.turned_away.push(incoming);
            }
        }
        match service.places.iter().map(Places::take).collect() {
            Some(places) => self.batch.take(incoming, places),
            None => {
                counters.shed_in_progress.add(1);
                self.turned_away.push(incoming);
            }
        }
    }

    /// Answers the requests that are turned away.
    fn turn_away(&mut self) -> bool {
        let some = !self.turned_away.is_empty();
        for (request, respond) in std::mem::take(&mut self.turned_away) {
            let (head, body) = request.into_parts();
            if let Some(rest) = Exchange::open(&self.state, &head, respond).turn_away(body) {
                self.tasks.spawn_local(rest);
            }
        }
        some
    }

    /// No further request may be taken now.
    fn is_accept_paused(&self) -> bool {
        let most = self.state.service.limits.max_streams as usize;
        self.batch.requests.len() + self.turned_away.len() >= most || self.state.is_backlogged()
    }

    fn note_flush(&mut self) {
        let written = self.meter.written.get();
        let taken = written - std::mem::replace(&mut self.seen_written, written);
        let is_blocked = self.meter.write_blocked.get();
        self.state.note_taken(taken as usize, is_blocked);
        if is_blocked && self.write_blocked_since.is_none() {
            let now = Instant::now();
            self.write_blocked_since = Some((now, written));
            let soon = now + self.state.service.limits.pressed_stall_timeout;
            if soon < self.watchdog.deadline() {
                self.watchdog.as_mut().reset(soon);
            }
        } else if !is_blocked {
            self.write_blocked_since = None;
        }
    }

    /// Answers what the backlog and the time of a batch allow.
    fn answer_batch(&mut self) -> Answered {
        let mut answered = Answered::Nothing;
        let mut began = None;
        if self.others_turn.as_ref().is_some_and(|turn| !turn.is_over()) {
            return answered;
        }
        self.others_turn = None;
        while !self.state.is_backlogged() {
            let Some((incoming, places)) = self.batch.next() else { break };
            let began = *began.get_or_insert_with(|| self.state.service.now_looked_at());
            self.answer(incoming, places);
            answered = Answered::Some;
            if !self.batch.requests.is_empty()
                && began.elapsed() >= self.state.service.limits.batch_time
            {
                return Answered::OutOfTime;
            }
        }
        answered
    }

    /// Notes whether the connection waits for its client to read; false when it has waited too long,
    /// or too many do.
    fn note_waiting(&mut self, cx: &mut Context<'_>) -> bool {
        let waits = self.state.is_backlogged();
        self.state.note_waiting(waits);
        let load = &self.state.service.load;
        if !waits {
            if let Some((_, waiter)) = self.waits.take() {
                waiter.close();
                load.end_wait(self.number);
            }
            return true;
        }
        let new = || (Instant::now(), Waiter::new(cx.waker().clone()));
        let (since, waiter) = self.waits.get_or_insert_with(new);
        !waiter.is_expired() && load.wait(self.number, *since, waiter)
    }

    fn answer(&mut self, (request, respond): Incoming, places: Vec<Place>) {
        let (head, body) = request.into_parts();
        let mut exchange = Exchange::open(&self.state, &head, respond);
        exchange.keep_places(places);
        let header_bytes = match validate::check(&head, &self.state.service.limits) {
            Ok(bytes) => bytes,
            Err(refusal) => {
                if let Some(sending) = exchange.send(refusal.into()) {
                    self.tasks.spawn_local(sending.run());
                }
                return;
            }
        };
        let Some(reservation) = self.state.header_bytes.try_hold(header_bytes) else {
            return exchange.refuse();
        };
        exchange.keep_until_answered(reservation);
        if !body.is_end_stream() {
            self.tasks.spawn_local(exchange.collect(head, body));
            return;
        }
        let id = body.stream_id().as_u32();
        let request = Request::received(head, Bytes::new(), id, self.state.scheme);
        if !exchange.has_room() {
            self.tasks.spawn_local(exchange.call_with_room(request));
            return;
        }
        match exchange.call(request) {
            Reply::Ready(response) => {
                if let Some(sending) = exchange.send(response) {
                    self.tasks.spawn_local(sending.run());
                }
            }
            Reply::Pending(reply) => {
                self.tasks.spawn_local(exchange.wait(reply));
            }
        }
    }

    fn is_quiet(&self) -> bool {
        self.batch.requests.is_empty() && self.tasks.is_empty() && !self.h2.has_streams()
    }

    fn begin_draining(&mut self) {
        if self.phase.advance(PhaseEvent::SendGoaway) {
            self.h2.graceful_shutdown();
            let grace = self.state.service.limits.goaway_grace;
            self.watchdog.as_mut().reset(Instant::now() + grace);
        }
    }

    fn close(&mut self, event: PhaseEvent, reason: Reason) {
        if self.phase.advance(event) {
            self.h2.abrupt_shutdown(reason);
            let grace = self.state.service.limits.goaway_grace;
            self.watchdog.as_mut().reset(Instant::now() + grace);
        }
    }

    /// Ready when time has ended the connection.
    fn poll_watchdog(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), String>> {
        loop {
            ready!(self.watchdog.as_mut().poll(cx));
            let now = Instant::now();
            if self.phase == Phase::Closing {
                return Poll::Ready(Ok(()));
            }
            if self.phase.advance(PhaseEvent::GoawayAcked) {
                cx.waker().wake_by_ref();
            } else if self.is_stuck(now) {
                let reason = "the client takes no bytes from its socket".to_owned();
                return Poll::Ready(Err(reason));
            }
            let next = self.next_check(now);
            if next <= now {
                self.begin_draining();
                cx.waker().wake_by_ref();
            } else {
                self.watchdog.as_mut().reset(next);
            }
        }
    }

    /// When the watchdog must look again; not later than `now` when the connection is idle.
    fn next_check(&self, now: Instant) -> Instant {
        let limits = &self.state.service.limits;
        let is_blocked = self.meter.write_blocked.get();
        let patience = if is_blocked { limits.pressed_stall_timeout } else { limits.stall_timeout };
        let next = now + patience.min(limits.stall_timeout);
        if self.phase == Phase::Established && self.is_quiet() {
            next.min(self.last_active + limits.idle_timeout)
        } else {
            next
        }
    }

    /// Whether the socket has refused bytes for a whole stall period, or took only a trickle.
    fn is_stuck(&mut self, now: Instant) -> bool {
        let limits = &self.state.service.limits;
        let written = self.meter.written.get();
        if !self.meter.write_blocked.get() {
            self.write_blocked_since = None;
            return false;
        }
        let (since, before) = *self.write_blocked_since.get_or_insert((now, written));
        let moved = written - before;
        if self.state.response_bytes.process().is_pressed()
            && now >= since + limits.pressed_stall_timeout
            && moved == 0
        {
            return true;
        }
        if now < since + limits.stall_timeout {
            return false;
        }
        self.write_blocked_since = Some((now, written));
        moved < limits.stall_bytes as u64
    }
}

/// Path and query as they were sent.
fn target(uri: &http::Uri) -> &str {
    uri.path_and_query().map_or("", |target| target.as_str())
}

/// A client that disconnects is not a failure of the server.
fn ignore_disconnect(end: Result<(), h2::Error>) -> Result<(), h2::Error> {
    match end {
        Err(error) if !error.is_io() => Err(error),
        _ => Ok(()),
    }
}
