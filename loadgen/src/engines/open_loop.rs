//! The open-loop engine: requests leave when the schedule says so, not when answers arrive.
//!
//! 1. Every connection has an arrival queue and a fixed number of *stream tasks*.
//! 2. A stream task takes the next arrival of its queue once it is due, sends the request and waits
//!    for the whole response. When all streams are busy, arrivals wait, and their clock keeps running
//!    from the intended time: no coordinated omission.
//! 3. The *pacer* is a plain thread that sleeps until the next arrival (the reactor's timer has a
//!    resolution of 1 ms, which would be the generator's own latency) and wakes the *dispatcher*
//!    task, which wakes as many waiting stream tasks as arrivals are due.
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
use crate::connections::persistent::{PersistentConnection, SenderCache};
use crate::limits::{PACER_PAUSE_MAX, PACER_PAUSE_MIN};
use crate::recording::clock::Clock;
use crate::recording::error_kind::ErrorKind;
use crate::recording::recorder::Recorder;
use crate::schedule::arrivals::{Arrival, ConnectionArrivals, MergedArrivals, Schedule};

/// What one engine does.
#[derive(Clone, Debug)]
pub struct EngineSpec {
    /// Name of its group.
    pub group: &'static str,
    /// When requests are due, for each connection.
    pub schedule: Schedule,
    /// Stream tasks per connection.
    pub streams: u32,
    /// Targets the schedule's path indices refer to.
    pub uris: Vec<Uri>,
    /// Longest time from sending to the last byte.
    pub timeout: Duration,
}

/// The arrivals of one connection and the stream tasks that wait for them.
#[derive(Debug)]
struct ArrivalQueue {
    inner: Mutex<QueuedArrivals>,
}

#[derive(Debug)]
struct QueuedArrivals {
    arrivals: Peekable<ConnectionArrivals>,
    waiters: Vec<Waker>,
    closed: bool,
}

impl ArrivalQueue {
    fn new(arrivals: ConnectionArrivals) -> ArrivalQueue {
        let arrivals = arrivals.peekable();
        ArrivalQueue {
            inner: Mutex::new(QueuedArrivals { arrivals, waiters: Vec::new(), closed: false }),
        }
    }

    fn lock(&self) -> MutexGuard<'_, QueuedArrivals> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the next due arrival. Returns it with the present time, or nothing when there is no
    /// arrival left.
    async fn next_due(&self, clock: Clock) -> Option<(Arrival, u64)> {
        poll_fn(|cx| {
            let mut queue = self.lock();
            let due_ns = queue.arrivals.peek().map(|next| next.due_ns);
            let Some(due_ns) = due_ns.filter(|_| !queue.closed) else { return Poll::Ready(None) };
            let now_ns = clock.now_ns();
            if due_ns <= now_ns {
                return Poll::Ready(queue.arrivals.next().map(|arrival| (arrival, now_ns)));
            }
            queue.waiters.push(cx.waker().clone());
            Poll::Pending
        })
        .await
    }

    fn wake_one(&self) {
        let waker = self.lock().waiters.pop();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn wake_all(&self) {
        let waiters = std::mem::take(&mut self.lock().waiters);
        for waker in waiters {
            waker.wake();
        }
    }

    /// Closes the queue and calls `unsent` for each arrival that was due before `until_ns`.
    fn close(&self, until_ns: u64, mut unsent: impl FnMut(u64)) {
        let mut queue = self.lock();
        queue.closed = true;
        while let Some(arrival) = queue.arrivals.next_if(|a| a.due_ns < until_ns) {
            unsent(arrival.due_ns);
        }
        drop(queue);
        self.wake_all();
    }
}

/// An engine with open connections, ready to start.
pub struct Engine {
    spec: EngineSpec,
    recorder: Arc<Recorder>,
    connections: Vec<Arc<PersistentConnection>>,
}

impl Engine {
    /// An engine over these connections, one for each that the schedule knows.
    pub fn new(
        spec: EngineSpec,
        recorder: Arc<Recorder>,
        connections: Vec<Arc<PersistentConnection>>,
    ) -> Engine {
        assert_eq!(
            connections.len(),
            spec.schedule.connections as usize,
            "as many connections as the schedule knows"
        );
        Engine { spec, recorder, connections }
    }

    /// Runs the schedule. Ends early when `stop` becomes true.
    ///
    /// # Errors
    /// If the pacing thread cannot be started.
    pub async fn run(self, clock: Clock, mut stop: watch::Receiver<bool>) -> std::io::Result<()> {
        let connections = 0..self.spec.schedule.connections;
        let queues: Vec<Arc<ArrivalQueue>> = connections
            .map(|i| Arc::new(ArrivalQueue::new(self.spec.schedule.of_connection(i))))
            .collect();
        let pacer = Pacer::start(self.spec.schedule.merged(), clock)?;
        let mut streams = JoinSet::new();
        for (queue, connection) in queues.iter().zip(&self.connections) {
            for _ in 0..self.spec.streams {
                let stream = StreamTask {
                    queue: Arc::clone(queue),
                    sender: SenderCache::new(connection),
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
            () = dispatch(schedule, &queues, &pacer, &self.recorder, clock) => {}
            _ = stop.wait_for(|stop| *stop) => {}
            () = tokio::time::sleep_until(end.into()) => {}
        }
        let until_ns = clock.now_ns();
        pacer.stop();
        for queue in &queues {
            queue.close(until_ns, |due_ns| self.recorder.unsent(due_ns));
        }
        drain(&mut streams).await;
        Ok(())
    }
}

/// Waits for all stream tasks. Cancel safe.
async fn drain(streams: &mut JoinSet<()>) {
    while streams.join_next().await.is_some() {}
}

/// Wakes one waiting stream task for each due arrival. Never returns: the stream tasks end the run.
///
/// The lateness of this task is that of the generator: the task waits for the scheduler like every
/// stream task, but never for the server.
async fn dispatch(
    mut schedule: MergedArrivals,
    queues: &[Arc<ArrivalQueue>],
    pacer: &Pacer,
    recorder: &Recorder,
    clock: Clock,
) {
    let mut next = schedule.next();
    while let Some((due_ns, connection)) = next {
        let now_ns = clock.now_ns();
        if due_ns > now_ns {
            pacer.wake.notified().await;
            continue;
        }
        recorder.lag(due_ns, now_ns);
        queues[connection].wake_one();
        next = schedule.next();
    }
    for queue in queues {
        queue.wake_all();
    }
    std::future::pending::<()>().await;
}

/// Thread that notifies the dispatcher when the next arrival is due.
struct Pacer {
    wake: Arc<Notify>,
    stop: Arc<AtomicBool>,
}

impl Pacer {
    fn start(schedule: MergedArrivals, clock: Clock) -> std::io::Result<Pacer> {
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

fn pace(mut schedule: MergedArrivals, clock: Clock, wake: &Notify, stop: &AtomicBool) {
    let mut next = schedule.next();
    while let Some((due_ns, _)) = next {
        let now_ns = clock.now_ns();
        if stop.load(Ordering::Relaxed) {
            return;
        }
        if due_ns > now_ns {
            let pause = clock.instant(due_ns).saturating_duration_since(Instant::now());
            std::thread::sleep(pause.clamp(PACER_PAUSE_MIN, PACER_PAUSE_MAX));
            continue;
        }
        while next.is_some_and(|(due_ns, _)| due_ns <= now_ns) {
            next = schedule.next();
        }
        wake.notify_one();
    }
    wake.notify_one();
}

/// One of the concurrent streams of a connection: one request at a time.
struct StreamTask {
    queue: Arc<ArrivalQueue>,
    sender: SenderCache,
    recorder: Arc<Recorder>,
    uris: Vec<Uri>,
    timeout: Duration,
    clock: Clock,
}

impl StreamTask {
    async fn run(mut self) {
        // One timer for the whole life of the task: moving its deadline is a single store.
        let mut deadline = Box::pin(tokio::time::sleep(self.timeout));
        while let Some((arrival, now_ns)) = self.queue.next_due(self.clock).await {
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
        let Some(sender) = self.sender.get() else { return Err((ErrorKind::Connect, None)) };
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
