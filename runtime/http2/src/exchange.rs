//! One request and its answer, from complete header block to last byte.
//!
//! An [`Exchange`] ends in exactly one way: answered, cancelled by the client, stalled, refused, or
//! aborted by the stop deadline. Its fast path ([`Exchange::call`] then [`Exchange::send`]) runs inside
//! the connection's task; what has to wait runs in a task of its own: [`Exchange::collect`] for a
//! body, [`Exchange::wait`] for a pending reply, [`Sending::run`] for a closed window.
//!
//! Every wait also watches for the end of its stream, so a client that cancels frees everything at
//! once, and the end of the connection ends its tasks.

mod room;
mod streamed;

use std::any::Any;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, RecvStream, SendStream};
use http::header::{CONTENT_LENGTH, EXPECT};
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{Method, StatusCode};
use tokio::time::{Instant, Sleep, sleep, timeout};
use valk_net::Place;

use crate::account::{Held, ProcessBudget};
use crate::body::Body;
use crate::connection::ConnectionState;
use crate::counters::{RequestGuard, RequestOutcome};
use crate::encode::{Encoded, decimal, encode};
use crate::limits::Limits;
use crate::message::{Event, Handler, PendingReply, Reply, Request, Response};
use crate::overload::Shed;
use crate::overload::large_responses::Taken;
use crate::streaming::ResponseStream;
use crate::validate::Refusal;
use streamed::Opening;

/// A request on its way to an answer.
pub(crate) struct Exchange {
    connection: Rc<ConnectionState>,
    respond: SendResponse<Bytes>,
    method: Method,
    path: Option<PathAndQuery>,
    guard: RequestGuard,
    /// Header and body bytes held for this request.
    header_bytes: Option<Held>,
    body_bytes: Option<Held>,
    /// The stream that the handler may open in place of a response.
    opening: Option<Opening>,
    /// What counts it among the requests in progress.
    places: Vec<Place>,
    /// The handler was called, so a response is its own.
    was_called: bool,
    /// The room for its response, if that is to be large.
    room: Option<Taken>,
}

impl Exchange {
    pub(crate) fn open(
        connection: &Rc<ConnectionState>,
        head: &Parts,
        respond: SendResponse<Bytes>,
    ) -> Self {
        Self {
            connection: Rc::clone(connection),
            respond,
            method: head.method.clone(),
            path: head.uri.path_and_query().cloned(),
            guard: RequestGuard::open(&connection.service.counters),
            header_bytes: None,
            body_bytes: None,
            opening: None,
            places: Vec::new(),
            was_called: false,
            room: None,
        }
    }

    /// Keeps the reservation for the header bytes until the answer is sent.
    pub(crate) fn keep_until_answered(&mut self, header_bytes: Held) {
        self.header_bytes = Some(header_bytes);
    }

    /// Keeps the places of a request in progress to its end.
    pub(crate) fn keep_places(&mut self, places: Vec<Place>) {
        self.places = places;
    }

    /// Turns the request away; what is left of that, if its body has not ended.
    pub(crate) fn turn_away(self, body: RecvStream) -> Option<impl Future<Output = ()> + use<>> {
        let service = Rc::clone(&self.connection.service);
        if service.shed == Shed::Refuse {
            self.refuse();
            return None;
        }
        let sending = self.send(overloaded(&*service.handler));
        let is_over = sending.is_none() && body.is_end_stream();
        (!is_over).then_some(async move {
            if let Some(sending) = sending {
                sending.run().await;
            }
            leave_body(&service.limits, body).await;
        })
    }

    /// Resets the stream with the promise that nothing was processed.
    pub(crate) fn refuse(mut self) {
        self.respond.send_reset(Reason::REFUSED_STREAM);
        self.guard.close(RequestOutcome::Refused);
    }

    /// Calls the handler.
    pub(crate) fn call(&mut self, request: Request) -> Reply {
        let mut request = request;
        let handler = &self.connection.service.handler;
        if handler.opens_streams() {
            let stream = ResponseStream::unopened();
            request.set_stream(stream.clone());
            self.opening = Some(Opening(stream));
        }
        self.was_called = true;
        let reply = catch_unwind(AssertUnwindSafe(|| handler.handle(request)))
            .unwrap_or_else(|panic| Reply::Ready(self.panicked(panic.as_ref())));
        match reply {
            Reply::Ready(_) if self.is_streamed() => Reply::pending(std::future::pending()),
            Reply::Ready(response) => {
                self.connection.service.load.queueing.answered(Duration::ZERO);
                Reply::Ready(response)
            }
            pending @ Reply::Pending(_) => pending,
        }
    }

    /// Whether the handler has opened a stream: that is the response then.
    fn is_streamed(&self) -> bool {
        self.opening.as_ref().is_some_and(|opening| opening.0.was_opened())
    }

    /// Hands `response` to the framing layer; gives back what the client's windows do not take yet.
    pub(crate) fn send(mut self, response: Response) -> Option<Sending> {
        // From now on it is too late for a stream.
        self.opening = None;
        let Encoded { head, body } = self.encode(response);
        let status = head.status().as_u16();
        let end_of_stream = body.is_empty();
        let Ok(mut stream) = self.respond.send_response(head, end_of_stream) else {
            self.cancelled();
            return None;
        };
        if end_of_stream {
            self.guard.close(RequestOutcome::Answered(status));
            return None;
        }
        let buffer_bytes = self.connection.service.limits.send_buffer_bytes;
        stream.reserve_capacity(body.len().min(buffer_bytes));
        if stream.capacity() < body.len() {
            let counted = self.connection.service.limits.stream_response_bytes;
            let account = &self.connection.response_bytes;
            let held = match self.room {
                Some(_) => Some(account.hold_made(body.len(), counted)),
                None => account.try_hold_made(body.len(), counted),
            };
            let Some(held) = held else {
                // The head is out: all that is left to say is that nothing more comes.
                stream.send_reset(Reason::CANCEL);
                self.guard.close(RequestOutcome::Stalled);
                return None;
            };
            return Some(Sending { exchange: self, stream, body, status, held });
        }
        self.connection.note_sent(body.len());
        match stream.send_data(body, true) {
            Ok(()) => self.guard.close(RequestOutcome::Answered(status)),
            Err(_) => self.cancelled(),
        }
        None
    }

    /// Waits for a reply and sends it.
    pub(crate) async fn wait(mut self, mut reply: PendingReply) {
        let called = Instant::now();
        let replied = poll_fn(|cx| self.poll_reply(cx, &mut reply)).await;
        if !matches!(replied, Replied::Gone) {
            self.connection.service.load.queueing.answered(called.elapsed());
        }
        if let Replied::Streamed { head, is_over } = replied {
            return self.stream(head, Some(reply).filter(|_| !is_over)).await;
        }
        // Also when cancelled: the reply must be gone before the cancellation is counted.
        drop(reply);
        match replied {
            Replied::Response(response) => self.send_all(response).await,
            Replied::Streamed { .. } | Replied::Gone => self.cancelled(),
        }
    }

    fn poll_reply(&mut self, cx: &mut Context<'_>, reply: &mut PendingReply) -> Poll<Replied> {
        let response = match catch_unwind(AssertUnwindSafe(|| reply.as_mut().poll(cx))) {
            Ok(Poll::Ready(response)) => Some(response),
            Ok(Poll::Pending) => None,
            Err(panic) => Some(self.panicked(panic.as_ref())),
        };
        if let Some(opening) = &self.opening
            && let Poll::Ready(head) = opening.0.poll_opened(cx)
        {
            return Poll::Ready(Replied::Streamed { head, is_over: response.is_some() });
        }
        match response {
            Some(response) => Poll::Ready(Replied::Response(response)),
            None => self.respond.poll_reset(cx).map(|_| Replied::Gone),
        }
    }

    /// Collects the body, then calls the handler and answers.
    pub(crate) async fn collect(mut self, head: Parts, mut body: RecvStream) {
        let limits = self.connection.service.limits.clone();
        match self.receive_body(&head, &mut body).await {
            CollectedBody::Whole(bytes) => {
                let id = body.stream_id().as_u32();
                // The stream may still bring trailers, which are not read.
                drop(body);
                let request = Request::received(head, bytes, id, self.connection.scheme);
                self.call_with_room(request).await;
            }
            CollectedBody::Refused(response) => {
                self.send_all(response).await;
                leave_body(&limits, body).await;
            }
            CollectedBody::Gone => self.cancelled(),
        }
    }

    async fn receive_body(&mut self, head: &Parts, body: &mut RecvStream) -> CollectedBody {
        let connection = Rc::clone(&self.connection);
        let limits = &connection.service.limits;
        let declared = head.headers.get(CONTENT_LENGTH);
        // The framing layer has checked that it is a number.
        let declared = declared.map_or(0, |text| decimal(text.as_bytes()).unwrap_or(usize::MAX));
        if declared > limits.body_bytes {
            return CollectedBody::Refused(too_large(limits));
        }
        if expects_continue(head) && self.send_continue().is_err() {
            return CollectedBody::Gone;
        }
        let mut held = connection.body_bytes.open();
        let mut whole = Body::new(connection.service.receive_buffers.as_deref(), declared);
        let mut watch = StallWatch::new(limits);
        loop {
            let chunk = match poll_fn(|cx| poll_chunk(cx, body, &mut watch)).await {
                Chunk::Data(chunk) => chunk,
                Chunk::End => break,
                Chunk::Stalled => return CollectedBody::Refused(too_slow()),
                Chunk::Gone => return CollectedBody::Gone,
            };
            if whole.len() + chunk.len() > limits.body_bytes {
                return CollectedBody::Refused(too_large(limits));
            }
            if !held.try_grow_alone(chunk.len()) {
                return CollectedBody::Refused(overloaded(&*connection.service.handler));
            }
            whole.push(&chunk);
            watch.moved(chunk.len());
            // Fails only for more than was received.
            let _ = body.flow_control().release_capacity(chunk.len());
        }
        self.body_bytes = Some(held);
        CollectedBody::Whole(whole.finish())
    }

    /// Tells a client that waits for it to send its body (RFC 9110 section 10.1.1).
    fn send_continue(&mut self) -> Result<(), h2::Error> {
        let mut head = http::Response::new(());
        *head.status_mut() = StatusCode::CONTINUE;
        self.respond.send_informational(head)
    }

    async fn send_all(self, response: Response) {
        if let Some(sending) = self.send(response) {
            sending.run().await;
        }
    }

    fn encode(&self, response: Response) -> Encoded {
        let service = &self.connection.service;
        if self.was_called {
            self.note_size(response.body.len());
        }
        let date = service.date.now();
        let must_wait = response.body.len() > service.limits.send_buffer_bytes;
        let has_room = self.room.is_some();
        let response = if must_wait
            && !has_room
            && !self.connection.response_bytes.allows(response.body.len())
        {
            service.load.response_shed(&*service.handler, &service.counters);
            overloaded(&*service.handler)
        } else {
            response
        };
        encode(response, &self.method, &service.limits, &date).unwrap_or_else(|reason| {
            service.handler.event(&Event::InvalidResponse { reason });
            Encoded::bare(StatusCode::INTERNAL_SERVER_ERROR, date)
        })
    }

    fn panicked(&self, panic: &(dyn Any + Send)) -> Response {
        let text = panic.downcast_ref::<&str>().copied();
        let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
        self.connection.service.handler.event(&Event::HandlerPanicked {
            method: self.method.to_string(),
            path: self.path.as_ref().map_or("/", PathAndQuery::as_str).to_owned(),
            message: text.unwrap_or("a panic without text").to_owned(),
        });
        Response::text(500, "internal server error\n")
    }

    /// The client reset the stream or disconnected. After the stop deadline it was the server.
    fn cancelled(self) {
        if !self.connection.service.abort.is_stopped() {
            self.connection.note_cancelled();
            self.guard.close(RequestOutcome::Cancelled);
        }
    }
}

/// What became of a pending reply.
enum Replied {
    Response(Response),
    /// A stream was opened; whether the reply has ended besides.
    Streamed {
        head: Response,
        is_over: bool,
    },
    /// The stream of frames ended first.
    Gone,
}

/// What became of a request body.
enum CollectedBody {
    Whole(Bytes),
    Refused(Response),
    Gone,
}

enum Chunk {
    Data(Bytes),
    End,
    Stalled,
    Gone,
}

fn poll_chunk(cx: &mut Context<'_>, body: &mut RecvStream, watch: &mut StallWatch) -> Poll<Chunk> {
    match body.poll_data(cx) {
        Poll::Ready(Some(Ok(chunk))) => Poll::Ready(Chunk::Data(chunk)),
        Poll::Ready(Some(Err(_))) => Poll::Ready(Chunk::Gone),
        Poll::Ready(None) => Poll::Ready(Chunk::End),
        Poll::Pending => watch.poll_stalled(cx).map(|()| Chunk::Stalled),
    }
}

/// Lets go of a body after an answer that was made without it. Dropping it makes the framing layer
/// reset the stream with `NO_ERROR`: stop sending, the answer is valid (RFC 9113 section 8.1). But
/// clients lose an answer whose stream is reset before they are done with it, so they have some time.
async fn leave_body(limits: &Limits, mut body: RecvStream) {
    // Ended by its time or by the stream, which is the same here.
    let _ = timeout(limits.refused_body_timeout, discard(&mut body)).await;
}

/// Reads a body to its end and throws it away.
async fn discard(body: &mut RecvStream) {
    while let Some(Ok(chunk)) = body.data().await {
        // Fails only for more than was received.
        let _ = body.flow_control().release_capacity(chunk.len());
    }
}

fn expects_continue(head: &Parts) -> bool {
    let expected = head.headers.get(EXPECT);
    expected.is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"))
}

/// A response whose body the client's windows have not taken yet.
pub(crate) struct Sending {
    exchange: Exchange,
    stream: SendStream<Bytes>,
    body: Bytes,
    status: u16,
    held: Held,
}

enum Window {
    Open(usize),
    Stalled,
    Gone,
}

impl Sending {
    /// Sends the body as the windows open.
    pub(crate) async fn run(mut self) {
        let connection = Rc::clone(&self.exchange.connection);
        let pressure = connection.response_bytes.process();
        let mut watch = StallWatch::under_pressure(&connection.service.limits, pressure);
        while !self.body.is_empty() {
            match poll_fn(|cx| self.poll_window(cx, &mut watch)).await {
                Window::Open(bytes) => {
                    let part = self.body.split_to(bytes.min(self.body.len()));
                    let bytes = part.len();
                    watch.moved(bytes);
                    self.held.shrink_to(self.body.len());
                    connection.note_sent(bytes);
                    if self.stream.send_data(part, self.body.is_empty()).is_err() {
                        return self.exchange.cancelled();
                    }
                }
                Window::Stalled => {
                    self.stream.send_reset(Reason::CANCEL);
                    return self.exchange.guard.close(RequestOutcome::Stalled);
                }
                Window::Gone => return self.exchange.cancelled(),
            }
        }
        self.exchange.guard.close(RequestOutcome::Answered(self.status));
    }

    fn poll_window(&mut self, cx: &mut Context<'_>, watch: &mut StallWatch) -> Poll<Window> {
        // Reserved window is taken from the other streams: only what can be sent at once.
        let buffer_bytes = self.exchange.connection.service.limits.send_buffer_bytes;
        self.stream.reserve_capacity(self.body.len().min(buffer_bytes));
        let capacity = self.stream.capacity();
        if capacity > 0 {
            return Poll::Ready(Window::Open(capacity));
        }
        match self.stream.poll_capacity(cx) {
            Poll::Ready(Some(Ok(bytes))) => Poll::Ready(Window::Open(bytes)),
            Poll::Ready(Some(Err(_)) | None) => Poll::Ready(Window::Gone),
            Poll::Pending => watch.poll_stalled(cx).map(|()| Window::Stalled),
        }
    }
}

/// Demands progress from a client: some bytes in every period, so that one byte now and then does
/// not keep a stream alive. Under pressure the periods are shorter, and so is the demand of each.
struct StallWatch {
    /// Made at the first wait; most bodies never wait.
    timer: Option<Pin<Box<Sleep>>>,
    period: Duration,
    demanded_bytes: usize,
    moved_bytes: usize,
    pressure: Option<Pressure>,
}

/// A shorter period that counts while a budget is full.
struct Pressure {
    budget: ProcessBudget,
    period: Duration,
    /// Bytes moved at the last look.
    moved_bytes: usize,
    /// What is left of the long period.
    left: Duration,
}

impl StallWatch {
    fn new(limits: &Limits) -> Self {
        Self {
            timer: None,
            period: limits.stall_timeout,
            demanded_bytes: limits.stall_bytes,
            moved_bytes: 0,
            pressure: None,
        }
    }

    fn under_pressure(limits: &Limits, budget: &ProcessBudget) -> Self {
        let period = limits.pressed_stall_timeout.min(limits.stall_timeout);
        let pressure =
            Pressure { budget: budget.clone(), period, moved_bytes: 0, left: limits.stall_timeout };
        Self { pressure: Some(pressure), ..Self::new(limits) }
    }

    fn moved(&mut self, bytes: usize) {
        self.moved_bytes += bytes;
    }

    /// Nothing is demanded at present: a new period begins with the next wait.
    fn rest(&mut self) {
        self.timer = None;
        self.moved_bytes = 0;
        if let Some(pressure) = &mut self.pressure {
            (pressure.moved_bytes, pressure.left) = (0, self.period);
        }
    }

    fn poll_stalled(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let period = self.pressure.as_ref().map_or(self.period, |pressure| pressure.period);
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep(period)));
        while timer.as_mut().poll(cx).is_ready() {
            if let Some(pressure) = &mut self.pressure {
                let share = period.as_secs_f64() / self.period.as_secs_f64();
                let demanded_bytes = (self.demanded_bytes as f64 * share) as usize;
                let moved_bytes = self.moved_bytes - pressure.moved_bytes;
                if pressure.budget.is_pressed() && moved_bytes < demanded_bytes {
                    return Poll::Ready(());
                }
                pressure.moved_bytes = self.moved_bytes;
                pressure.left = pressure.left.saturating_sub(period);
                if !pressure.left.is_zero() {
                    timer.as_mut().reset(Instant::now() + period.min(pressure.left));
                    continue;
                }
                (pressure.left, pressure.moved_bytes) = (self.period, 0);
            }
            if self.moved_bytes < self.demanded_bytes {
                return Poll::Ready(());
            }
            self.moved_bytes = 0;
            timer.as_mut().reset(Instant::now() + period);
        }
        Poll::Pending
    }
}

impl From<Refusal> for Response {
    fn from(refusal: Refusal) -> Self {
        Self::text(refusal.status, refusal.reason)
    }
}

fn too_large(limits: &Limits) -> Response {
    Response::text(413, format!("the body may have at most {} bytes\n", limits.body_bytes))
}

fn too_slow() -> Response {
    Response::text(408, "the body did not arrive in time\n")
}

/// The answer to a request that there is no room for.
fn overloaded(handler: &dyn Handler) -> Response {
    Response::new(503)
        .with_header("content-type", &b"text/html; charset=utf-8"[..])
        .with_header("retry-after", &b"1"[..])
        .with_body(handler.overload_body().unwrap_or(Bytes::from_static(OVERLOAD_PAGE)))
}

const OVERLOAD_PAGE: &[u8] = b"<!doctype html>\n<html><head><title>503 Service Unavailable</title>\
    </head>\n<body><h1>503</h1>\n<p>Server is temporarily at capacity. Please try again shortly.</p>\n\
    </body></html>\n";
