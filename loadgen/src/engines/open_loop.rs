//! The open-loop engine: requests leave when the schedule says so, not when answers arrive.
//!
//! 1. Every connection has a lane of the schedule and a fixed number of *stream tasks*.
//! 2. A stream task takes the lane's next arrival once it is due, sends it and waits for the
//!    complete answer. When all streams are busy, arrivals wait, and their clock keeps running
//!    from the intended time: no coordinated omission.
//! 3. The *pacer* is a plain thread that sleeps until the next arrival (the reactor's timer has a
//!    resolution of 1 ms, which would be the generator's own latency) and wakes the *dispatcher*
//!    task, which wakes as many parked streams as arrivals are due.
//! 4. After the last arrival, streams have one request timeout to work off the backlog; what is
//!    still unsent is counted as such. So a run ends at most two timeouts after its schedule.

use std::future::poll_fn;
use std::iter::Peekable;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

use http::{Request, Uri};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio::time::Sleep;

use crate::connections::exchange::{Failure, exchange};
use crate::connections::persistent::{Link, LinkUser};
use crate::limits::{PACER_GAP, PACER_NAP};
use crate::recording::clock::Clock;
use crate::recording::error_kind::ErrorKind;
use crate::recording::recorder::Recorder;
use crate::schedule::arrivals::{Arrival, Lane, Merged, Schedule};

/// What one engine does.
#[derive(Clone, Debug)]
pub struct EngineSpec {
    /// Name of its group.
    pub group: &'static str,
    /// When and what; its lanes are the connections.
    pub schedule: Schedule,
    /// Stream tasks per connection.
    pub streams: u32,
    /// Targets the schedule's path indices refer to.
    pub uris: Vec<Uri>,
    /// Longest time from sending to the last byte.
    pub timeout: Duration,
}

/// The arrivals of one connection and the streams that wait for them.
#[derive(Debug)]
struct Gate {
    state: Mutex<GateState>,
}

#[derive(Debug)]
struct GateState {
    arrivals: Peekable<Lane>,
    parked: Vec<Waker>,
    closed: bool,
}

impl Gate {
    fn new(lane: Lane) -> Gate {
        let arrivals = lane.peekable();
        Gate { state: Mutex::new(GateState { arrivals, parked: Vec::new(), closed: false }) }
    }

    fn lock(&self) -> MutexGuard<'_, GateState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the next due arrival; nothing when there will be none. Also tells the time, which
    /// costs enough to be worth passing on.
    async fn next_due(&self, clock: Clock) -> Option<(Arrival, u64)> {
        poll_fn(|cx| {
            let mut state = self.lock();
            let due_ns = state.arrivals.peek().map(|next| next.due_ns);
            let Some(due_ns) = due_ns.filter(|_| !state.closed) else { return Poll::Ready(None) };
            let now_ns = clock.now_ns();
            if due_ns <= now_ns {
                return Poll::Ready(state.arrivals.next().map(|arrival| (arrival, now_ns)));
            }
            state.parked.push(cx.waker().clone());
            Poll::Pending
        })
        .await
    }

    fn wake_one(&self) {
        let waker = self.lock().parked.pop();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn wake_all(&self) {
        let parked = std::mem::take(&mut self.lock().parked);
        for waker in parked {
            waker.wake();
        }
    }

    /// Ends the lane; hands what was due until `until_ns` but not taken to `unsent`.
    fn close(&self, until_ns: u64, mut unsent: impl FnMut(u64)) {
        let mut state = self.lock();
        state.closed = true;
        while let Some(arrival) = state.arrivals.next_if(|a| a.due_ns < until_ns) {
            unsent(arrival.due_ns);
        }
        drop(state);
        self.wake_all();
    }
}

/// An engine with open connections, ready to start.
pub struct Engine {
    spec: EngineSpec,
    recorder: Arc<Recorder>,
    links: Vec<Arc<Link>>,
}

impl Engine {
    /// An engine over these connections, one for each lane of the schedule.
    pub fn new(spec: EngineSpec, recorder: Arc<Recorder>, links: Vec<Arc<Link>>) -> Engine {
        assert_eq!(links.len(), spec.schedule.lanes as usize, "one connection for each lane");
        Engine { spec, recorder, links }
    }

    /// Runs the schedule. Ends early when `stop` becomes true.
    ///
    /// # Errors
    /// If the pacing thread cannot be started.
    pub async fn run(self, clock: Clock, mut stop: watch::Receiver<bool>) -> std::io::Result<()> {
        let lanes = 0..self.spec.schedule.lanes;
        let gates: Vec<Arc<Gate>> =
            lanes.map(|i| Arc::new(Gate::new(self.spec.schedule.lane(i)))).collect();
        let pacer = Pacer::start(self.spec.schedule.merged(), clock)?;
        let mut streams = JoinSet::new();
        for (gate, link) in gates.iter().zip(&self.links) {
            for _ in 0..self.spec.streams {
                let stream = StreamTask {
                    gate: Arc::clone(gate),
                    link: LinkUser::new(link),
                    recorder: Arc::clone(&self.recorder),
                    uris: self.spec.uris.clone(),
                    timeout: self.spec.timeout,
                    clock,
                };
                streams.spawn(stream.run());
            }
        }
        let schedule = self.spec.schedule.merged();
        let end = clock.instant(self.spec.schedule.end_ns) + self.spec.timeout;
        tokio::select! {
            () = drain(&mut streams) => {}
            () = dispatch(schedule, &gates, &pacer, &self.recorder, clock) => {}
            _ = stop.wait_for(|stop| *stop) => {}
            () = tokio::time::sleep_until(end.into()) => {}
        }
        let until_ns = clock.now_ns();
        pacer.stop();
        for gate in &gates {
            gate.close(until_ns, |due_ns| self.recorder.unsent(due_ns));
        }
        drain(&mut streams).await;
        Ok(())
    }
}

/// Waits for all stream tasks. Cancel safe.
async fn drain(streams: &mut JoinSet<()>) {
    while streams.join_next().await.is_some() {}
}

/// Wakes one parked stream for each due arrival. Never returns: the streams end the run.
///
/// Its own lateness is the generator's: this task waits for a turn of the reactor like every
/// stream, but never for the server.
async fn dispatch(
    mut schedule: Merged,
    gates: &[Arc<Gate>],
    pacer: &Pacer,
    recorder: &Recorder,
    clock: Clock,
) {
    let mut next = schedule.next();
    while let Some((due_ns, lane)) = next {
        let now_ns = clock.now_ns();
        if due_ns > now_ns {
            pacer.wake.notified().await;
            continue;
        }
        recorder.lag(due_ns, now_ns);
        gates[lane].wake_one();
        next = schedule.next();
    }
    for gate in gates {
        gate.wake_all();
    }
    std::future::pending::<()>().await;
}

/// Thread that notifies the dispatcher when the next arrival is due.
struct Pacer {
    wake: Arc<Notify>,
    stop: Arc<AtomicBool>,
}

impl Pacer {
    fn start(schedule: Merged, clock: Clock) -> std::io::Result<Pacer> {
        let wake = Arc::new(Notify::new());
        let stop = Arc::new(AtomicBool::new(false));
        let (thread_wake, thread_stop) = (Arc::clone(&wake), Arc::clone(&stop));
        std::thread::Builder::new()
            .name("pacer".to_string())
            .spawn(move || pace(schedule, clock, &thread_wake, &thread_stop))?;
        Ok(Pacer { wake, stop })
    }

    fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

fn pace(mut schedule: Merged, clock: Clock, wake: &Notify, stop: &AtomicBool) {
    let mut next = schedule.next();
    while let Some((due_ns, _)) = next {
        let now_ns = clock.now_ns();
        if stop.load(Ordering::Relaxed) {
            return;
        }
        if due_ns > now_ns {
            let pause = clock.instant(due_ns).saturating_duration_since(Instant::now());
            std::thread::sleep(pause.clamp(PACER_GAP, PACER_NAP));
            continue;
        }
        while next.is_some_and(|(due_ns, _)| due_ns <= now_ns) {
            next = schedule.next();
        }
        wake.notify_one();
    }
    wake.notify_one();
}

/// One slot of concurrency on one connection.
struct StreamTask {
    gate: Arc<Gate>,
    link: LinkUser,
    recorder: Arc<Recorder>,
    uris: Vec<Uri>,
    timeout: Duration,
    clock: Clock,
}

impl StreamTask {
    async fn run(mut self) {
        // One timer for the whole life of the task: moving its deadline is a single store.
        let mut deadline = Box::pin(tokio::time::sleep(self.timeout));
        while let Some((arrival, now_ns)) = self.gate.next_due(self.clock).await {
            self.recorder.offered(arrival.due_ns);
            let limit = self.clock.instant(now_ns) + self.timeout;
            deadline.as_mut().reset(limit.into());
            if let Err((kind, protocol)) = self.request(arrival, deadline.as_mut()).await {
                self.recorder.failed(arrival.due_ns, kind, protocol);
            }
        }
    }

    async fn request(
        &mut self,
        arrival: Arrival,
        deadline: Pin<&mut Sleep>,
    ) -> Result<(), Failure> {
        let Some(sender) = self.link.sender() else { return Err((ErrorKind::Connect, None)) };
        let mut request = Request::new(());
        *request.uri_mut() = self.uris[arrival.path as usize].clone();
        let answer = tokio::select! {
            biased;
            answer = exchange(sender, request, arrival.due_ns, self.clock) => answer?,
            () = deadline => return Err((ErrorKind::Timeout, None)),
        };
        self.recorder.answered(arrival.due_ns, answer.stamps, "HTTP/2", answer.body_bytes);
        Ok(())
    }
}
