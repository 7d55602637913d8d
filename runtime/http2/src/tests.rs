//! A server on in-memory pipes with a stopped clock, clients for it, and raw frames.

mod accounts;
mod attacks;
mod bodies;
mod client;
mod dealing;
mod fairness;
mod lifecycle;
mod overload;
mod parts;
mod phases;
mod presences;
mod requests;
mod responses;
mod room;
mod sockets;
mod streams;

use std::cell::{Cell, RefCell};
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use h2::client::SendRequest;
use tokio::io::{
    AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf, duplex,
};
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, LocalSet, spawn_local};
use valk_net::{Clock, Listener, Stream};

use crate::account::ProcessBudgets;
use crate::overload::large_responses::Room;
use crate::server::{Shared, serve_on_one_thread};
use crate::{
    Counters, Event, Handler, Limits, ReceiveBuffers, Reply, Request, Response, ServeReport, Shed,
    Snapshot, StopSignal,
};

/// Runs a test on a clock that jumps to the next timer when everything waits.
fn virtual_time(test: impl Future<Output = ()>) {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    LocalSet::new().block_on(&runtime.expect("a runtime"), test);
}

struct Recorder<F> {
    answer: F,
    events: Rc<RefCell<Vec<String>>>,
}

impl<F: Fn(Request) -> Reply> Handler for Recorder<F> {
    fn handle(&self, request: Request) -> Reply {
        (self.answer)(request)
    }

    fn opens_streams(&self) -> bool {
        true
    }

    fn event(&self, event: &Event) {
        self.events.borrow_mut().push(event.to_string());
    }
}

struct Pipes(mpsc::UnboundedReceiver<io::Result<DuplexStream>>);

impl Listener for Pipes {
    fn local_addr(&self) -> SocketAddr {
        NOWHERE
    }

    fn poll_accept(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<(Box<dyn Stream>, SocketAddr)>> {
        match self.0.poll_recv(cx) {
            Poll::Ready(Some(result)) => Poll::Ready(result.map(|pipe| {
                let stream: Box<dyn Stream> = Box::new(Pipe(pipe));
                (stream, NOWHERE)
            })),
            Poll::Ready(None) | Poll::Pending => Poll::Pending,
        }
    }
}

/// When the simulated clocks of tests begin: Thu, 01 Jan 2026 00:00:00 GMT.
const DATE: std::time::Duration = std::time::Duration::from_hours(490_896);

/// The address of both ends of a pipe.
const NOWHERE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);

/// A pipe as a stream.
#[derive(Debug)]
struct Pipe(DuplexStream);

impl Stream for Pipe {
    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(NOWHERE)
    }

    fn peer_addr(&self) -> io::Result<SocketAddr> {
        Ok(NOWHERE)
    }

    fn nodelay(&self) -> io::Result<bool> {
        Ok(true)
    }

    fn set_nodelay(&self, _nodelay: bool) -> io::Result<()> {
        Ok(())
    }

    fn move_to_current_reactor(self: Box<Self>) -> io::Result<Box<dyn Stream>> {
        Ok(self)
    }
}

impl AsyncRead for Pipe {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for Pipe {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

/// What a server in clear text shares, with a clock that begins at [`DATE`].
fn shared(limits: Limits, stop: &StopSignal) -> Shared {
    let budgets = ProcessBudgets::of_one_server(&limits);
    let clock = Clock::simulated(std::time::UNIX_EPOCH + DATE);
    let room = Room::new(limits.process_response_bytes, budgets.responses.wanted());
    Shared {
        limits,
        room,
        tls: None,
        receive_buffers: None,
        shed: Shed::default(),
        places: Vec::new(),
        clock,
        budgets,
        stop: stop.clone(),
    }
}

struct TestServer {
    pipes: mpsc::UnboundedSender<io::Result<DuplexStream>>,
    counters: Arc<Counters>,
    stop: StopSignal,
    budgets: ProcessBudgets,
    events: Rc<RefCell<Vec<String>>>,
    report: JoinHandle<ServeReport>,
}

impl TestServer {
    fn start(limits: Limits, answer: impl Fn(Request) -> Reply + 'static) -> Self {
        Self::start_with(limits, None, answer)
    }

    fn start_with(
        limits: Limits,
        buffers: Option<Arc<dyn ReceiveBuffers>>,
        answer: impl Fn(Request) -> Reply + 'static,
    ) -> Self {
        let events = Rc::default();
        let handler = Rc::new(Recorder { answer, events: Rc::clone(&events) });
        Self::of(limits, handler, events, |shared| shared.receive_buffers = buffers)
    }

    /// A server with this handler, which tells its events there, and an adjusted configuration.
    fn of(
        limits: Limits,
        handler: Rc<dyn Handler>,
        events: Rc<RefCell<Vec<String>>>,
        adjust: impl FnOnce(&mut Shared),
    ) -> Self {
        let (pipes, receiver) = mpsc::unbounded_channel();
        let counters = Arc::<Counters>::default();
        let stop = StopSignal::new();
        let mut shared = shared(limits, &stop);
        adjust(&mut shared);
        let budgets = shared.budgets.clone();
        let listener = Box::new(Pipes(receiver));
        let serving = serve_on_one_thread(listener, shared, handler, Arc::clone(&counters));
        Self { pipes, counters, stop, budgets, events, report: spawn_local(serving) }
    }

    fn hello(limits: Limits) -> Self {
        Self::start(limits, |_| Reply::Ready(Response::text(200, "hello")))
    }

    /// A client's end of a pipe that holds `bytes` in each direction.
    fn pipe(&self, bytes: usize) -> DuplexStream {
        let (near, far) = duplex(bytes);
        self.pipes.send(Ok(far)).expect("the server listens");
        near
    }

    async fn connect(&self) -> Client {
        Client::over(self.pipe(1 << 20), h2::client::Builder::new()).await
    }

    async fn connect_with(&self, adjust: impl FnOnce(&mut h2::client::Builder)) -> Client {
        let mut builder = h2::client::Builder::new();
        adjust(&mut builder);
        Client::over(self.pipe(1 << 20), builder).await
    }

    fn snapshot(&self) -> Snapshot {
        self.counters.snapshot()
    }

    /// Stops the server and checks that every request ended in exactly one way.
    async fn finish(self) -> ServeReport {
        self.stop.stop();
        let report = self.report.await.expect("serving does not panic");
        let totals = report.totals;
        assert_eq!((totals.connections_open, totals.connections_waiting), (0, 0));
        assert_eq!(totals.requests_open, 0);
        let ended = totals.cancelled + totals.stalled + totals.refused + totals.aborted;
        assert_eq!(totals.requests, totals.answered() + ended, "{totals:?}");
        report
    }

    fn saw_event(&self, part: &str) -> bool {
        self.events.borrow().iter().any(|event| event.contains(part))
    }
}

struct Client {
    send: SendRequest<Bytes>,
    driver: JoinHandle<Result<(), h2::Error>>,
}

struct Answer {
    status: u16,
    headers: http::HeaderMap,
    body: Vec<u8>,
}

impl Client {
    async fn over<IO>(io: IO, builder: h2::client::Builder) -> Self
    where
        IO: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + 'static,
    {
        let (send, connection) = builder.handshake(io).await.expect("client handshake");
        Self { send, driver: spawn_local(connection) }
    }

    fn start(
        &mut self,
        request: http::Request<()>,
        last: bool,
    ) -> (h2::client::ResponseFuture, h2::SendStream<Bytes>) {
        self.send.send_request(request, last).expect("a request can be sent")
    }

    async fn ask(&mut self, request: http::Request<()>, body: Bytes) -> Result<Answer, h2::Error> {
        self.send = self.send.clone().ready().await?;
        let (response, mut stream) = self.start(request, body.is_empty());
        if !body.is_empty() {
            stream.send_data(body, true)?;
        }
        read_answer(response).await
    }

    async fn get(&mut self, path: &str) -> Result<Answer, h2::Error> {
        self.ask(get(path), Bytes::new()).await
    }

    async fn post(&mut self, body: impl Into<Bytes>) -> Result<Answer, h2::Error> {
        self.ask(request("POST", "/"), body.into()).await
    }
}

async fn read_answer(response: h2::client::ResponseFuture) -> Result<Answer, h2::Error> {
    let (head, mut stream) = response.await?.into_parts();
    let mut body = Vec::new();
    while let Some(chunk) = stream.data().await {
        let chunk = chunk?;
        body.extend_from_slice(&chunk);
        stream.flow_control().release_capacity(chunk.len())?;
    }
    Ok(Answer { status: head.status.as_u16(), headers: head.headers, body })
}

fn request(method: &str, path: &str) -> http::Request<()> {
    http::Request::builder()
        .method(method)
        .uri(format!("http://example.test{path}"))
        .body(())
        .expect("a valid request")
}

fn get(path: &str) -> http::Request<()> {
    request("GET", path)
}

/// Sets its flag when dropped.
struct Canary(Rc<Cell<bool>>);

impl Drop for Canary {
    fn drop(&mut self) {
        self.0.set(true);
    }
}

/// Lets every task that can run do so; the clock may move by a millisecond.
async fn settle() {
    tokio::time::sleep(std::time::Duration::from_millis(1)).await;
}

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
/// `END_HEADERS`, and with `END_STREAM`.
const END_HEADERS: u8 = 4;
const WHOLE: u8 = 5;
/// HPACK of GET http / with authority x.
const GET_BLOCK: &[u8] = &[0x82, 0x86, 0x84, 0x41, 1, b'x'];

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = (payload.len() as u32).to_be_bytes()[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// Preface and empty SETTINGS, with `rest` behind.
fn greeting(rest: &[u8]) -> Vec<u8> {
    [PREFACE, &frame(SETTINGS, 0, 0, &[]), rest].concat()
}

#[derive(Debug)]
struct Frame {
    kind: u8,
    stream: u32,
    payload: Vec<u8>,
}

impl Frame {
    /// Error code of `RST_STREAM` and GOAWAY.
    fn code(&self) -> u32 {
        let at = if self.kind == GOAWAY { 4 } else { 0 };
        u32::from_be_bytes(self.payload[at..at + 4].try_into().expect("four bytes"))
    }
}

/// Writes `bytes`, then reads frames until the server closes.
async fn talk(mut pipe: DuplexStream, bytes: &[u8]) -> Vec<Frame> {
    // A server that has enough closes; the rest of the attack then has nowhere to go.
    let _ = pipe.write_all(bytes).await;
    let mut frames = Vec::new();
    while let Ok(head) = read_array::<9>(&mut pipe).await {
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let mut payload = vec![0; length];
        if pipe.read_exact(&mut payload).await.is_err() {
            break;
        }
        let stream = u32::from_be_bytes(head[5..9].try_into().expect("four bytes"));
        frames.push(Frame { kind: head[3], stream, payload });
    }
    frames
}

async fn read_array<const N: usize>(pipe: &mut DuplexStream) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    pipe.read_exact(&mut bytes).await.map(|_| bytes)
}

/// Code of the last GOAWAY.
fn goaway_code(frames: &[Frame]) -> Option<u32> {
    frames.iter().rev().find(|frame| frame.kind == GOAWAY).map(Frame::code)
}
