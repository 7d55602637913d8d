//! The engine for rates: one thread, one future, a fixed table of streams for each connection.
//!
//! 1. A *link* is one of the connections that the load asks for. It has one connection that takes new
//!    requests; connections that end in good order beside it finish what they have.
//! 2. Requests of a link that are *due* wait for a free stream of its connection, and their clock
//!    keeps running from the intended time: no coordinated omission. The engine keeps the account of
//!    streams itself and never opens more than the server's SETTINGS allow.
//! 3. One pass of the loop: read what came on connections that are ready, follow the streams that it
//!    woke, open streams for what is due, write all of it at once.
//! 4. While a link's first attempt to get a connection runs, its requests wait. When that fails they
//!    fail at once, so that an outage shows as errors at the offered rate, never as a pause, and
//!    further attempts are made with growing pauses.
//! 5. After the last arrival, the backlog has one request timeout to leave; what is still unsent is
//!    counted as such. So a run ends at most two timeouts after its schedule.
//!
//! In a closed loop there is no schedule: a stream is due again when its answer has come and the
//! pause is over.

mod connection;
mod links;
mod pass;
mod requests;
mod signals;
mod timer;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};

use crate::connections::dialer::{Dialer, Opened};
use crate::connections::failure::DialError;
use crate::journeys::journey::{Common, Journeys};
use crate::limits::{DIALS_AT_ONCE, OWN_STREAM_WINDOW};
use crate::recording::clock::Clock;
use crate::recording::recorder::Recorder;
use crate::requests::template::Template;
use crate::schedule::arrivals::Schedule;

use links::Link;
use pass::EventLoop;
#[cfg(not(test))]
use requests::Requests;
pub use signals::Signals;
#[cfg(test)]
pub use {connection::Job, requests::Requests, signals::StreamSignals};

/// When requests leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pacing {
    /// When the schedule says so.
    Open,
    /// When the answer to the last of the stream has come and this pause is over.
    Closed {
        /// The pause.
        think: Duration,
    },
}

/// When connections are given up for new ones on purpose.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Churn {
    /// After this many requests.
    pub requests: Option<u64>,
    /// This many of all connections of the engine each second, one after the other.
    pub per_second: Option<f64>,
}

/// What an engine asks for.
#[derive(Clone, Debug)]
pub enum RequestSpec {
    /// Requests that differ in their path only: arrivals name the path.
    Same(Arc<Template>),
    /// Journeys: arrivals name the journey that begins.
    Journeys(Arc<Journeys>, Common),
}

/// What one engine does. It may be divided between threads.
#[derive(Clone, Debug)]
pub struct EngineSpec {
    /// Name of its group.
    pub group: &'static str,
    /// When requests are due, and which paths they have; in a closed loop only the paths and times.
    pub schedule: Arc<Schedule>,
    /// Open or closed loop.
    pub pacing: Pacing,
    /// Streams per connection at most.
    pub streams: u32,
    /// What is asked for.
    pub requests: RequestSpec,
    /// Longest time from sending to the last byte.
    pub timeout: Duration,
    /// New connections on purpose.
    pub churn: Churn,
    /// This thread's part: connections `part.0`, `part.0 + part.1`, and so on.
    pub part: (u32, u32),
}

impl EngineSpec {
    /// The numbers of this part's connections.
    pub fn connections(&self) -> impl Iterator<Item = u32> + use<> {
        let (first, step) = self.part;
        (first..self.schedule.connections).step_by(step as usize)
    }

    /// The parts for this many threads.
    pub fn divided(&self, threads: u32) -> Vec<EngineSpec> {
        let threads = threads.clamp(1, self.schedule.connections);
        (0..threads).map(|i| EngineSpec { part: (i, threads), ..self.clone() }).collect()
    }
}

/// How a run ends before its schedule.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stop {
    /// It does not.
    #[default]
    No,
    /// No new requests; a short wait for answers.
    Drain,
    /// At once.
    Abort,
}

impl Stop {
    /// Waits until the run is to end in some way; for ever if nobody is left who could say so.
    pub async fn asked(stop: &mut watch::Receiver<Stop>) {
        if stop.wait_for(|stop| *stop > Stop::No).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// An engine whose connections are open.
pub struct Engine {
    spec: EngineSpec,
    recorder: Arc<Recorder>,
    dialer: Dialer,
    signals: Arc<Signals>,
    links: Vec<Link>,
    requests: Requests,
}

impl Engine {
    /// Opens all connections and builds their tables of streams. `steps` has a recorder for each step
    /// of journeys.
    ///
    /// # Errors
    /// If a connection cannot be opened: nothing has been sent yet.
    pub async fn connect(
        spec: EngineSpec,
        recorder: Arc<Recorder>,
        steps: Vec<Arc<Recorder>>,
        dialer: Dialer,
    ) -> Result<Engine, DialError> {
        let numbers: Vec<u32> = spec.connections().collect();
        let signals = Signals::new();
        let mut links = Vec::with_capacity(numbers.len());
        for some in numbers.chunks(DIALS_AT_ONCE) {
            let dials: Vec<_> = some.iter().map(|_| dial(dialer.clone())).collect();
            for (number, dial) in some.iter().zip(dials) {
                let opened = dial.await.expect("dialing does not panic")?;
                links.push(Link::new(&spec, *number, links.len(), opened, &signals));
            }
        }
        let requests = Requests::new(&spec, steps);
        Ok(Engine { spec, recorder, dialer, signals, links, requests })
    }

    /// Runs the schedule. Ends early when `stop` says so.
    ///
    /// # Errors
    /// If the system has no timer for us.
    pub async fn run(self, clock: Clock, stop: watch::Receiver<Stop>) -> std::io::Result<()> {
        clock.started().await;
        let (dialed, results) = mpsc::unbounded_channel();
        let mut event_loop = EventLoop::new(self, clock, stop, dialed, results)?;
        // The loop has its own account of what it does at a time.
        tokio::task::unconstrained(std::future::poll_fn(move |cx| event_loop.poll(cx))).await;
        Ok(())
    }
}

/// Opens a connection beside the loop.
fn dial(dialer: Dialer) -> tokio::task::JoinHandle<Result<Opened, DialError>> {
    tokio::spawn(async move { dialer.open(OWN_STREAM_WINDOW).await })
}
