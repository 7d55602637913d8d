//! Simulated clients: each connects, sends requests with pauses, and connects again when its
//! connection is lost.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use h2::client::SendRequest;
use tokio::task::{JoinHandle, spawn_local};
use tokio::time::{Instant, sleep, timeout};
use valk_net::{Entropy, Network, SimulatedHost, Simulation};

use super::PORT;

/// Time in which a request is answered or given up.
const PATIENCE: Duration = Duration::from_secs(30);

/// Largest request body in bytes.
const UPLOAD_BYTES_MAX: u64 = 100_000;

/// Largest response body in bytes.
const DOWNLOAD_BYTES_MAX: u64 = 200_000;

/// What all clients have seen.
#[derive(Default)]
pub(super) struct Totals {
    pub(super) sent: Cell<u64>,
    pub(super) answered: Cell<u64>,
    pub(super) failed: Cell<u64>,
}

fn count(total: &Cell<u64>) {
    total.set(total.get() + 1);
}

pub(super) struct Client {
    simulation: Simulation,
    host: SimulatedHost,
    number: u64,
    entropy: Entropy,
    end: Instant,
    totals: Rc<Totals>,
}

/// A connection; its task ends with it.
struct Connection {
    send: SendRequest<Bytes>,
    driver: JoinHandle<Result<(), h2::Error>>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// Why a request was not answered.
#[derive(Debug)]
enum Failure {
    Cancelled,
    Lost,
    TimedOut,
}

impl From<h2::Error> for Failure {
    fn from(_: h2::Error) -> Self {
        Self::Lost
    }
}

impl Client {
    pub(super) fn new(
        simulation: &Simulation,
        number: usize,
        end: Instant,
        totals: Rc<Totals>,
    ) -> Self {
        Self {
            simulation: simulation.clone(),
            host: simulation.host("clients"),
            number: number as u64,
            entropy: simulation.entropy(),
            end,
            totals,
        }
    }

    fn is_slow_reader(&self) -> bool {
        self.number.is_multiple_of(20)
    }

    pub(super) async fn run(mut self) {
        let mut connection = None;
        loop {
            sleep(Duration::from_millis(100 + self.entropy.below(1900))).await;
            if Instant::now() >= self.end {
                return;
            }
            let Some(mut open) = connection.take() else {
                connection = timeout(PATIENCE, self.connect()).await.ok().flatten();
                continue;
            };
            count(&self.totals.sent);
            let outcome = timeout(PATIENCE, self.ask(&mut open)).await;
            match outcome.unwrap_or(Err(Failure::TimedOut)) {
                Ok(bytes) => {
                    count(&self.totals.answered);
                    self.simulation.record("answer", self.number, bytes);
                    // Now and then a client leaves and comes again.
                    connection = (self.entropy.below(100) > 0).then_some(open);
                }
                Err(failure) => {
                    count(&self.totals.failed);
                    self.simulation.record("no answer", self.number, failure as u64);
                    connection = (!open.driver.is_finished()).then_some(open);
                }
            }
        }
    }

    async fn connect(&self) -> Option<Connection> {
        let io = self.host.connect("server", PORT).await.ok()?;
        let mut builder = h2::client::Builder::new();
        // Measured in real time: never over.
        builder.reset_stream_duration(Duration::MAX);
        let (send, connection) = builder.handshake(io).await.ok()?;
        Some(Connection { send, driver: spawn_local(connection) })
    }

    /// Sends a request and reads its answer; the number of its bytes.
    async fn ask(&mut self, connection: &mut Connection) -> Result<u64, Failure> {
        let asked = self.size(DOWNLOAD_BYTES_MAX);
        let upload = if self.entropy.below(4) == 0 { self.size(UPLOAD_BYTES_MAX) } else { 0 };
        let method = if upload > 0 { "POST" } else { "GET" };
        let request = http::Request::builder().method(method);
        let request = request.uri(format!("http://server/{asked}")).body(());
        let send = &mut connection.send;
        *send = send.clone().ready().await?;
        let (response, mut body) =
            send.send_request(request.expect("a valid request"), upload == 0)?;
        if upload > 0 {
            body.send_data(vec![b'u'; upload as usize].into(), true)?;
        }
        if self.entropy.below(50) == 0 {
            sleep(Duration::from_millis(self.entropy.below(100))).await;
            body.send_reset(h2::Reason::CANCEL);
            return Err(Failure::Cancelled);
        }
        let response = response.await?;
        assert_eq!(response.status(), 200);
        self.read(response.into_body(), asked).await
    }

    async fn read(&self, mut body: h2::RecvStream, asked: u64) -> Result<u64, Failure> {
        let mut received = 0;
        while let Some(chunk) = body.data().await {
            let chunk = chunk?;
            assert!(chunk.iter().all(|byte| *byte == b'd'), "a body came changed");
            received += chunk.len() as u64;
            if self.is_slow_reader() {
                sleep(Duration::from_secs(1)).await;
            }
            body.flow_control().release_capacity(chunk.len())?;
        }
        assert_eq!(received, asked, "a body came short");
        Ok(received)
    }

    /// A size up to `max`; most are small.
    fn size(&mut self, max: u64) -> u64 {
        let most = if self.entropy.below(10) == 0 { max } else { 2000 };
        self.entropy.below(most) + 1
    }
}
