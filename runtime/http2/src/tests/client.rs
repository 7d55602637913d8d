//! The client on a simulated network: our server at the other end, or a peer that follows a script.

mod messages;
mod peers;
mod pool;
mod timeouts;
mod trust;

use super::*;
use crate::{
    Certificate, Client as HttpClient, ClientError, ClientLimits, ClientRequest, ClientResponse,
    RequestOptions, ServerConfig, bind,
};
use std::net::Ipv4Addr;
use std::time::Duration;
use valk_net::{Network, Simulation, SimulationConfig, accept, simulate};

const PORT: u16 = 443;

/// Runs a test on a simulated network.
fn simulated<F: Future<Output = ()>>(test: impl FnOnce(Simulation) -> F) {
    simulate(1, SimulationConfig::default(), test);
}

fn client(simulation: &Simulation, limits: ClientLimits) -> Rc<HttpClient> {
    Rc::new(HttpClient::new(Arc::new(simulation.host("client")), limits))
}

/// A server of this crate on the simulated host `name`.
struct Running {
    counters: Arc<Counters>,
    stop: StopSignal,
    report: JoinHandle<ServeReport>,
}

impl Running {
    fn start(
        simulation: &Simulation,
        name: &str,
        config: &ServerConfig,
        answer: impl Fn(&Request) -> Reply + 'static,
    ) -> Self {
        let address = SocketAddr::from((Ipv4Addr::UNSPECIFIED, PORT));
        let server = bind(&simulation.host(name), address, config).expect("the port is free");
        let answer = move |request: Request| answer(&request);
        let handler = Rc::new(Recorder { answer, events: Rc::default() });
        let (counters, stop) = (Arc::<Counters>::default(), StopSignal::new());
        let serving = server.serve_counted(handler, stop.clone(), Arc::clone(&counters));
        let report =
            spawn_local(async { serving.await.expect("a simulated socket can be watched") });
        Self { counters, stop, report }
    }

    fn clear(simulation: &Simulation, answer: impl Fn(&Request) -> Reply + 'static) -> Self {
        Self::start(simulation, "server", &ServerConfig::default(), answer)
    }

    fn totals(&self) -> Snapshot {
        self.counters.snapshot()
    }

    async fn finish(self) -> Snapshot {
        self.stop.stop();
        self.report.await.expect("serving does not panic").totals
    }
}

fn get_from(host: &str, path: &str) -> ClientRequest {
    ClientRequest::get(false, host, PORT, path)
}

fn post_to(host: &str, body: impl Into<Bytes>) -> ClientRequest {
    ClientRequest { method: "POST".to_owned(), body: body.into(), ..get_from(host, "/") }
}

fn with_options(request: ClientRequest, change: impl FnOnce(&mut RequestOptions)) -> ClientRequest {
    let mut options = RequestOptions::clone(&request.options);
    change(&mut options);
    ClientRequest { options: Arc::new(options), ..request }
}

/// Sends in a task of its own.
fn send(
    client: &Rc<HttpClient>,
    request: ClientRequest,
) -> JoinHandle<Result<ClientResponse, ClientError>> {
    let client = Rc::clone(client);
    spawn_local(async move { client.send(request).await })
}

/// The socket of a peer that follows a script.
struct Peer(Box<dyn Listener>);

impl Peer {
    fn listen(simulation: &Simulation) -> Self {
        let address = SocketAddr::from((Ipv4Addr::UNSPECIFIED, PORT));
        let bound = simulation.host("server").bind(address).expect("the port is free");
        Self(bound.listen().expect("a simulated socket can be watched"))
    }

    /// The next connection, with the client's preface and first SETTINGS read.
    async fn accept(&mut self) -> Talk {
        let (stream, _) = accept(&mut *self.0).await.expect("a client connects");
        let mut talk = Talk(stream);
        let mut preface = [0; PREFACE.len()];
        talk.0.read_exact(&mut preface).await.expect("the client's preface");
        assert_eq!(&preface, PREFACE);
        talk.say(&frame(SETTINGS, 0, 0, &[])).await;
        talk
    }
}

/// A connection of a [`Peer`].
struct Talk(Box<dyn Stream>);

impl Talk {
    async fn say(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).await.expect("the client reads");
    }

    /// The next frame; `None` at the end of the connection.
    async fn next(&mut self) -> Option<Frame> {
        let mut head = [0; 9];
        self.0.read_exact(&mut head).await.ok()?;
        let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
        self.0.read_exact(&mut payload).await.ok()?;
        let stream = u32::from_be_bytes(head[5..9].try_into().expect("four bytes"));
        Some(Frame { kind: head[3], stream, payload })
    }

    /// The next frame of this kind.
    async fn until(&mut self, kind: u8) -> Frame {
        loop {
            let frame = self.next().await.expect("the connection goes on");
            if frame.kind == kind {
                return frame;
            }
        }
    }

    /// The stream of the next request.
    async fn request(&mut self) -> u32 {
        self.until(HEADERS).await.stream
    }

    /// Answers 200 without a body.
    async fn answer(&mut self, stream: u32) {
        self.say(&frame(HEADERS, WHOLE, stream, OK_BLOCK)).await;
    }
}

/// HPACK of status 200.
const OK_BLOCK: &[u8] = &[0x88];
const REFUSED_STREAM: [u8; 4] = [0, 0, 0, 7];
const CANCEL: u32 = 8;

/// A GOAWAY without an error that says which stream was the last.
fn goaway(last: u32) -> Vec<u8> {
    frame(GOAWAY, 0, 0, &[last.to_be_bytes(), [0; 4]].concat())
}
