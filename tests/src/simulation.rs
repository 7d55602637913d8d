//! A server and its clients on a simulated network, for as much virtual time as one likes.
//!
//! 1. One host has the server, another all clients. Each client draws from a generator of its own,
//!    so what it does follows from the seed and its number.
//! 2. While they talk, the link between the hosts is partitioned and connections are broken; one
//!    client in twenty reads slowly.
//! 3. A run is a function of its [`Scenario`]: [`Report::trace_hash`] covers every connection, read,
//!    write, request and answer with its virtual time.
//!
//! Knows the public interfaces of `net` and `http2` and the client of `h2`.

mod clients;
mod server;

use std::rc::Rc;
use std::time::{Duration, SystemTime};

use tokio::task::{JoinSet, spawn_local};
use tokio::time::{Instant, sleep};
use valk_http2::{Limits, ServeReport, ServerConfig, StopSignal, bind};
use valk_net::{Clock, Simulation, SimulationConfig, simulate};

/// Port of the server.
const PORT: u16 = 80;

/// What is simulated.
#[derive(Clone, Copy, Debug)]
pub struct Scenario {
    /// Where everything that is drawn comes from.
    pub seed: u64,
    /// Virtual time in which clients send requests.
    pub time: Duration,
    /// Clients, each with one connection at a time.
    pub clients: usize,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Hash of all events.
    pub trace_hash: u64,
    /// Number of events.
    pub events: u64,
    /// Latest events, for comparing two runs that should be the same.
    pub latest: Vec<String>,
    /// Requests that clients sent.
    pub sent: u64,
    /// Requests whose answer came whole.
    pub answered: u64,
    /// Requests that the client cancelled, that timed out, or whose connection was lost.
    pub failed: u64,
    /// What the server counted.
    pub server: ServeReport,
}

/// Limits of the simulated server: those of every server, but for the one that the framing layer
/// measures in real time.
fn limits() -> Limits {
    Limits { reset_stream_memory: Duration::MAX, ..Limits::default() }
}

/// Runs a scenario.
///
/// # Panics
/// When the server or a client breaks a rule.
pub fn run(scenario: Scenario) -> Report {
    let config = SimulationConfig {
        latency: Duration::from_millis(1)..=Duration::from_millis(20),
        ..SimulationConfig::default()
    };
    simulate(scenario.seed, config, async |simulation| {
        let stop = StopSignal::new();
        let clock = Clock::simulated(SystemTime::UNIX_EPOCH);
        let config = ServerConfig { limits: limits(), clock, ..ServerConfig::default() };
        let address = "0.0.0.0:80".parse().expect("an address");
        let bound = bind(&simulation.host("server"), address, &config).expect("a free port");
        let handler = Rc::new(server::Handler::new(&simulation));
        let serving = spawn_local(bound.serve(handler, stop.clone()));
        let faults = spawn_local(disturb(simulation.clone()));
        let totals = Rc::new(clients::Totals::default());
        let mut clients = JoinSet::new();
        let end = Instant::now() + scenario.time;
        for number in 0..scenario.clients {
            let client = clients::Client::new(&simulation, number, end, Rc::clone(&totals));
            clients.spawn_local(client.run());
        }
        while let Some(ended) = clients.join_next().await {
            ended.expect("clients do not panic");
        }
        faults.abort();
        simulation.heal("clients", "server");
        stop.stop();
        let server = serving.await.expect("serving does not panic").expect("a simulated socket");
        let trace = simulation.trace();
        Report {
            trace_hash: trace.hash(),
            events: trace.count(),
            latest: trace.latest().map(ToString::to_string).collect(),
            sent: totals.sent.get(),
            answered: totals.answered.get(),
            failed: totals.failed.get(),
            server,
        }
    })
}

/// Every 5 to 35 seconds, breaks all connections or partitions the link for up to 20 seconds.
async fn disturb(simulation: Simulation) {
    let mut entropy = simulation.entropy();
    loop {
        sleep(Duration::from_millis(5_000 + entropy.below(30_000))).await;
        if entropy.below(2) == 0 {
            simulation.break_connections("clients", "server");
        } else {
            simulation.partition("clients", "server");
            sleep(Duration::from_millis(entropy.below(20_000))).await;
            simulation.heal("clients", "server");
        }
    }
}
