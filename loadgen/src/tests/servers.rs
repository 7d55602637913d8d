//! Small servers on 127.0.0.1 for whole runs, and the call that runs the generator against them.
//!
//! A server is a thread with its own reactor; it lives until the process ends.

use std::future::poll_fn;
use std::net::TcpListener as StdListener;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, RecvStream};
use http::{Request, Response};
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio_rustls::TlsAcceptor;

use crate::commands;
use crate::interrupt::Interrupt;

/// Length of the body of `/big`, in bytes.
pub const BIG: usize = 100_000;

/// What the connection loop is asked to do by a handler.
enum Order {
    GoAway,
    Drop,
}

/// Seen by the server, read by the test.
#[derive(Default)]
pub struct Seen {
    /// Requests so far.
    pub requests: AtomicU64,
    /// For each `/big` stream: capacity granted first, and requests seen between that and the next
    /// grant.
    pub grants: Mutex<Vec<(usize, u64)>>,
    /// Bytes of all POST bodies.
    pub posted: AtomicUsize,
    /// Paths in the order of their arrival.
    pub paths: Mutex<Vec<String>>,
    /// Method, authority and fields of all requests.
    pub heads: Mutex<Vec<(String, String, http::HeaderMap)>>,
    /// Connections so far.
    pub connections: AtomicU64,
    /// Requests to `/slow` that are open on one connection at the same time, at most.
    pub most_open: AtomicU64,
    /// Held by the one request to `/serial` that is served.
    serial: tokio::sync::Mutex<()>,
}

pub struct Server {
    pub base: String,
    pub seen: Arc<Seen>,
}

/// How the server is built.
#[derive(Clone)]
pub struct Setup {
    pub tls: Option<Arc<rustls::ServerConfig>>,
    pub max_streams: u32,
    /// An interrupt when this many requests have come.
    pub raise: Option<(u64, watch::Sender<u32>)>,
    /// The server's only thread sleeps this many milliseconds at this request.
    pub stall: Option<(u64, u64)>,
    /// Each connection gets GOAWAY without an error after this many requests.
    pub leave: Option<u64>,
    /// Where to listen.
    pub address: &'static str,
}

impl Default for Setup {
    fn default() -> Self {
        Setup {
            tls: None,
            max_streams: 1_000,
            raise: None,
            stall: None,
            leave: None,
            address: "127.0.0.1:0",
        }
    }
}

pub fn start() -> Server {
    start_with(Setup::default())
}

pub fn start_with(setup: Setup) -> Server {
    let listener = StdListener::bind(setup.address).unwrap();
    listener.set_nonblocking(true).unwrap();
    let scheme = if setup.tls.is_some() { "https" } else { "http" };
    let base = format!("{scheme}://127.0.0.1:{}", listener.local_addr().unwrap().port());
    let seen = Arc::new(Seen::default());
    let side = Arc::clone(&seen);
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(accept_all(listener, setup, side));
    });
    Server { base, seen }
}

async fn accept_all(listener: StdListener, setup: Setup, seen: Arc<Seen>) {
    let listener = TcpListener::from_std(listener).unwrap();
    let (die, mut dying) = mpsc::unbounded_channel();
    loop {
        let (tcp, _) = tokio::select! {
            accepted = listener.accept() => accepted.unwrap(),
            _ = dying.recv() => break,
        };
        tcp.set_nodelay(true).unwrap();
        seen.connections.fetch_add(1, Ordering::SeqCst);
        let (setup, seen, die) = (setup.clone(), Arc::clone(&seen), die.clone());
        tokio::spawn(async move {
            match &setup.tls {
                None => serve(tcp, &setup, seen, die).await,
                Some(config) => {
                    let acceptor = TlsAcceptor::from(Arc::clone(config));
                    if let Ok(tls) = acceptor.accept(tcp).await {
                        serve(tls, &setup, seen, die).await;
                    }
                }
            }
        });
    }
    drop(listener);
    std::future::pending::<()>().await;
}

async fn serve<T: AsyncRead + AsyncWrite + Unpin>(
    io: T,
    setup: &Setup,
    seen: Arc<Seen>,
    die: mpsc::UnboundedSender<()>,
) {
    let mut builder = h2::server::Builder::new();
    builder.max_concurrent_streams(setup.max_streams);
    let Ok(mut connection) = builder.handshake::<_, Bytes>(io).await else { return };
    let (order, mut orders) = mpsc::unbounded_channel();
    let mut served = 0;
    let opened = Arc::new(AtomicU64::new(0));
    loop {
        tokio::select! {
            accepted = connection.accept() => {
                let Some(Ok((request, respond))) = accepted else { return };
                let count = seen.requests.fetch_add(1, Ordering::SeqCst) + 1;
                let path = request.uri().path_and_query().unwrap().as_str().to_string();
                seen.paths.lock().unwrap().push(path);
                seen.heads.lock().unwrap().push((
                    request.method().to_string(),
                    request.uri().authority().unwrap().to_string(),
                    request.headers().clone(),
                ));
                served += 1;
                if setup.leave == Some(served) {
                    connection.graceful_shutdown();
                }
                if let Some((at, flag)) = &setup.raise
                    && count == *at
                {
                    flag.send_modify(|count| *count += 1);
                }
                if let Some((at, ms)) = setup.stall
                    && count == at
                {
                    std::thread::sleep(std::time::Duration::from_millis(ms));
                }
                tokio::spawn(handle(request, respond, Arc::clone(&seen), order.clone(), die.clone(), Arc::clone(&opened)));
            }
            Some(order) = orders.recv() => match order {
                Order::GoAway => connection.abrupt_shutdown(Reason::ENHANCE_YOUR_CALM),
                Order::Drop => return,
            },
        }
    }
}

async fn handle(
    request: Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
    seen: Arc<Seen>,
    order: mpsc::UnboundedSender<Order>,
    die: mpsc::UnboundedSender<()>,
    opened: Arc<AtomicU64>,
) {
    let plain = |status: u16| Response::builder().status(status).body(()).unwrap();
    match request.uri().path() {
        "/big" => big(respond, &seen).await,
        "/drip" => drip(respond),
        "/reset" => respond.send_reset(Reason::CANCEL),
        "/refuse" => respond.send_reset(Reason::REFUSED_STREAM),
        "/overloaded" => drop(respond.send_response(plain(503), true)),
        "/empty" => drop(respond.send_response(plain(204), true)),
        "/cut" => {
            let mut body = respond.send_response(plain(200), false).unwrap();
            body.send_data(Bytes::from_static(b"abc"), false).unwrap();
            body.send_reset(Reason::INTERNAL_ERROR);
        }
        "/short" => {
            let head = Response::builder().header("content-length", 10).body(()).unwrap();
            let mut body = respond.send_response(head, false).unwrap();
            body.send_data(Bytes::from_static(b"abc"), true).unwrap();
        }
        "/silent" => std::future::pending().await,
        "/serial" => {
            let _one = seen.serial.lock().await;
            tokio::time::sleep(std::time::Duration::from_millis(4)).await;
            let _ = respond.send_response(plain(200), true);
        }
        "/slow" => {
            let open = opened.fetch_add(1, Ordering::SeqCst) + 1;
            seen.most_open.fetch_max(open, Ordering::SeqCst);
            tokio::time::sleep(std::time::Duration::from_millis(15)).await;
            opened.fetch_sub(1, Ordering::SeqCst);
            let _ = respond.send_response(plain(200), true);
        }
        "/token" => {
            let mut body = respond.send_response(plain(200), false).unwrap();
            body.send_data(Bytes::from_static(b"{\"token\":\"t 1\",\"list\":[7],"), false).unwrap();
            body.send_data(Bytes::from_static(b"\"lines\":\"a\\nb\"}"), true).unwrap();
        }
        "/secret" => {
            let known = request.headers().get("authorization").is_some_and(|v| v == "Bearer t 1");
            drop(respond.send_response(plain(if known { 200 } else { 401 }), true));
        }
        "/metrics" | "/flaky" => {
            let looks = seen.paths.lock().unwrap().iter().filter(|path| *path == "/flaky").count();
            let count = seen.requests.load(Ordering::SeqCst);
            let page = format!("# TYPE asked counter\nasked {count}\nmemory{{kind=\"a b\"}} 7 1\n");
            let head = plain(if looks > 1 { 503 } else { 200 });
            let mut body = respond.send_response(head, false).unwrap();
            body.send_data(page.into(), true).unwrap();
        }
        "/moved" => drop(respond.send_response(plain(302), true)),
        // Waiting keeps the stream open: a dropped one would be reset before the order is obeyed.
        "/goaway" => {
            let _ = order.send(Order::GoAway);
            std::future::pending::<()>().await;
        }
        "/drop" => {
            let _ = order.send(Order::Drop);
            std::future::pending::<()>().await;
        }
        "/die" => {
            let _ = die.send(());
            let _ = order.send(Order::Drop);
            std::future::pending::<()>().await;
        }
        "/echo" => {
            let mut body = request.into_body();
            while let Some(Ok(chunk)) = body.data().await {
                seen.posted.fetch_add(chunk.len(), Ordering::SeqCst);
                let _ = body.flow_control().release_capacity(chunk.len());
            }
            let _ = respond.send_response(plain(200), true);
        }
        _ => {
            let head = Response::builder().header("content-length", 5).body(()).unwrap();
            if let Ok(mut body) = respond.send_response(head, false) {
                let _ = body.send_data(Bytes::from_static(b"hello"), true);
            }
        }
    }
}

/// Sends `BIG` bytes as the client's window allows.
async fn big(mut respond: SendResponse<Bytes>, seen: &Seen) {
    let Ok(mut body) = respond.send_response(Response::new(()), false) else { return };
    let mut left = BIG;
    let mut first = None;
    while left > 0 {
        body.reserve_capacity(left);
        let Some(Ok(granted)) = poll_fn(|cx| body.poll_capacity(cx)).await else { return };
        let requests = seen.requests.load(Ordering::SeqCst);
        match &mut first {
            None => first = Some((granted, requests, None)),
            Some((_, before, between @ None)) => *between = Some(requests - *before),
            Some(_) => {}
        }
        let part = granted.min(left);
        left -= part;
        if body.send_data(Bytes::from(vec![0; part]), left == 0).is_err() {
            return;
        }
    }
    let (granted, _, between) = first.unwrap();
    seen.grants.lock().unwrap().push((granted, between.unwrap_or_default()));
}

/// Sends 60 000 bytes in frames of 30: poison for an h2 client with the default budget.
fn drip(mut respond: SendResponse<Bytes>) {
    let Ok(mut body) = respond.send_response(Response::new(()), false) else { return };
    for part in 1..=2_000 {
        if body.send_data(Bytes::from_static(&[b'd'; 30]), part == 2_000).is_err() {
            return;
        }
    }
}

/// A plain TCP server that sends `answer` on each connection once something has come in.
pub fn raw(answer: &'static [u8]) -> String {
    use std::io::{Read, Write};
    let listener = StdListener::bind("127.0.0.1:0").unwrap();
    let base = format!("http://127.0.0.1:{}", listener.local_addr().unwrap().port());
    std::thread::spawn(move || {
        for tcp in listener.incoming() {
            let mut tcp = tcp.unwrap();
            let _ = tcp.read(&mut [0; 1024]);
            let _ = tcp.write_all(answer);
        }
    });
    base
}

/// Exit code and output of a command.
pub struct CommandOutput {
    pub code: u8,
    pub out: String,
    pub err: String,
}

impl CommandOutput {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|e| panic!("{e}: {}{}", self.out, self.err))
    }
}

/// Nobody interrupts.
pub fn never() -> Interrupt {
    Interrupt::counted(watch::channel(0).1)
}

pub fn command(args: &[&str], interrupt: Interrupt) -> CommandOutput {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let all = std::iter::once("valk-load").chain(args.iter().copied());
    let code = commands::run(all, interrupt, &mut out, &mut err);
    let text = |bytes| String::from_utf8(bytes).unwrap();
    CommandOutput { code, out: text(out), err: text(err) }
}

/// Runs a scenario and reports in JSON. A busy machine must not make a run invalid.
pub fn load(scenario: &str, base: &str, flags: &[&str]) -> CommandOutput {
    load_until(scenario, base, flags, never())
}

pub fn load_until(
    scenario: &str,
    base: &str,
    flags: &[&str],
    interrupt: Interrupt,
) -> CommandOutput {
    let fixed = ["run", scenario, "--target", base, "--json", "--quiet"];
    let closed = scenario == "browse" || flags.contains(&"--closed") || flags.contains(&"--max");
    let patient: &[&str] = if closed { &[] } else { &["--max-lag", "60s"] };
    command(&[&fixed, patient, flags].concat(), interrupt)
}
