//! The loop itself: what one pass does, and when it sleeps.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::sync::{mpsc, watch};

use super::connection::{Ended, Job, Live, NotOpened, Polled};
use super::links::{Link, LinkState};
use super::requests::Requests;
use super::signals::Signals;
use super::timer::Timer;
use super::{Engine, EngineSpec, Pacing, Stop};
use crate::connections::dialer::{Dialer, Opened};
use crate::connections::failure::DialError;
use crate::limits::{
    INTERRUPT_DRAIN, OWN_STREAM_WINDOW, RESENDS_MAX, SLEEP_MAX, SLEEP_MIN, backoff,
};
use crate::quantity::whole_ns;
use crate::recording::clock::Clock;
use crate::recording::error_kind::ErrorKind;
use crate::recording::recorder::Recorder;
use crate::schedule::arrivals::{MergedArrivals, merged};

type DialResult = (usize, Result<Opened, DialError>);

/// Requests on one connection before it is replaced even if nobody asked for that: stream numbers
/// are odd and have 31 bits.
const REQUESTS_MAX: u64 = 1 << 29;

/// Something that happens at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Timed {
    /// The pause of a stream of this link is over.
    Due(usize),
    /// The pause before this step of a journey is over.
    Step(usize, Job),
    /// This link tries to connect again.
    Dial(usize),
    /// The next connection is replaced.
    Churn,
}

/// How far the run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Requests come due.
    Running,
    /// No more come due; those that are may leave until then.
    Backlog { until_ns: u64 },
    /// Nothing leaves; answers are waited for until then.
    Answers { until_ns: u64 },
}

/// One engine thread at work.
pub struct EventLoop {
    spec: EngineSpec,
    recorder: Arc<Recorder>,
    dialer: Dialer,
    signals: Arc<Signals>,
    clock: Clock,
    stop: watch::Receiver<Stop>,
    stop_watcher: tokio::task::JoinHandle<()>,
    stop_woken: mpsc::UnboundedReceiver<()>,
    links: Vec<Link>,
    /// Boxed, for they are taken out and put back at every pass.
    live: Vec<Option<Box<Live>>>,
    unused: Vec<usize>,
    schedule: Option<MergedArrivals>,
    requests: Requests,
    timed: BinaryHeap<Reverse<(u64, Timed)>>,
    dialed: mpsc::UnboundedSender<DialResult>,
    results: mpsc::UnboundedReceiver<DialResult>,
    timer: Timer,
    /// What the timer is set to.
    set_ns: Option<u64>,
    stage: Stage,
    in_flight: u64,
    next_sweep_ns: u64,
    churned: u64,
    listed: Vec<usize>,
    ready: Vec<u32>,
    ready_streams: Vec<u32>,
}

impl Drop for EventLoop {
    fn drop(&mut self) {
        self.stop_watcher.abort();
    }
}

impl EventLoop {
    /// The loop of a connected engine.
    ///
    /// # Errors
    /// If the system has no timer for us.
    pub fn new(
        engine: Engine,
        clock: Clock,
        stop: watch::Receiver<Stop>,
        dialed: mpsc::UnboundedSender<DialResult>,
        results: mpsc::UnboundedReceiver<DialResult>,
    ) -> std::io::Result<EventLoop> {
        let Engine { spec, recorder, dialer, signals, mut links, requests } = engine;
        let live: Vec<Option<Box<Live>>> = links.iter_mut().map(|link| link.first.take()).collect();
        let schedule =
            (spec.pacing == Pacing::Open).then(|| merged(&spec.schedule, spec.connections()));
        let mut timed = BinaryHeap::new();
        if let Some(gap_ns) = churn_gap_ns(&spec) {
            timed.push(Reverse((spec.schedule.start_ns + gap_ns, Timed::Churn)));
        }
        let (wake, stop_woken) = mpsc::unbounded_channel();
        let mut changes = stop.clone();
        let stop_watcher = tokio::spawn(async move {
            while changes.changed().await.is_ok() && wake.send(()).is_ok() {}
        });
        let mut event_loop = EventLoop {
            recorder,
            dialer,
            signals,
            clock,
            stop,
            stop_watcher,
            stop_woken,
            unused: Vec::new(),
            schedule,
            requests,
            timed,
            dialed,
            results,
            timer: Timer::new()?,
            set_ns: None,
            stage: Stage::Running,
            in_flight: 0,
            next_sweep_ns: 0,
            churned: 0,
            listed: Vec::with_capacity(links.len()),
            ready: Vec::with_capacity(links.len()),
            ready_streams: Vec::with_capacity(spec.streams as usize),
            links,
            live,
            spec,
        };
        for link in 0..event_loop.links.len() {
            event_loop.list(link);
        }
        Ok(event_loop)
    }

    /// Works until there is nothing to do; ready when the run is over.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            if self.timer.poll(cx) {
                self.set_ns = None;
            }
            while self.stop_woken.poll_recv(cx).is_ready_some() {}
            let now_ns = self.clock.now_ns();
            self.obey_stop(now_ns);
            while let Poll::Ready(Some((link, result))) = self.results.poll_recv(cx) {
                self.dial_ended(link, result, now_ns);
            }
            self.run_timed(now_ns);
            self.notice_due(now_ns);
            let mut ready = std::mem::take(&mut self.ready);
            self.signals.take(&mut ready);
            for index in ready.drain(..) {
                self.serve(index as usize);
            }
            self.ready = ready;
            while let Some(link) = self.listed.pop() {
                self.links[link].is_listed = false;
                self.send_due(link, now_ns);
            }
            self.sweep(now_ns);
            if self.is_over(now_ns) {
                return Poll::Ready(());
            }
            if self.sleep(cx) {
                return Poll::Pending;
            }
        }
    }

    /// Arranges the next wake-up; false if there is something to do already.
    fn sleep(&mut self, cx: &mut Context<'_>) -> bool {
        let now_ns = self.clock.now_ns();
        let mut wake_ns = now_ns + whole_ns(SLEEP_MAX);
        if self.stage == Stage::Running
            && let Some(due_ns) = self.schedule.as_ref().and_then(MergedArrivals::next_due_ns)
        {
            wake_ns = wake_ns.min(due_ns);
        }
        if let Some(Reverse((at_ns, _))) = self.timed.peek() {
            wake_ns = wake_ns.min(*at_ns);
        }
        if self.in_flight > 0 {
            wake_ns = wake_ns.min(self.next_sweep_ns);
        }
        if let Stage::Backlog { until_ns } | Stage::Answers { until_ns } = self.stage {
            wake_ns = wake_ns.min(until_ns);
        }
        if wake_ns <= now_ns + whole_ns(SLEEP_MIN) {
            // Too short a time to sleep, but the reactor must look at the sockets.
            cx.waker().wake_by_ref();
            return true;
        }
        if !self.signals.sleep(cx) {
            return false;
        }
        if self.set_ns.is_none_or(|set_ns| set_ns > wake_ns) {
            self.timer.set(Duration::from_nanos(wake_ns - now_ns));
            self.set_ns = Some(wake_ns);
        }
        true
    }

    fn list(&mut self, link: usize) {
        if !self.links[link].is_listed {
            self.links[link].is_listed = true;
            self.listed.push(link);
        }
    }

    fn notice_due(&mut self, now_ns: u64) {
        if self.stage != Stage::Running {
            return;
        }
        while let Some(schedule) = &mut self.schedule
            && let Some(due_ns) = schedule.next_due_ns().filter(|due_ns| *due_ns <= now_ns)
        {
            let Some((_, link)) = schedule.next() else { break };
            self.recorder.lag(due_ns, now_ns);
            self.links[link].due += 1;
            self.list(link);
        }
    }

    fn run_timed(&mut self, now_ns: u64) {
        while let Some(Reverse((at_ns, timed))) = self.timed.peek().copied()
            && at_ns <= now_ns
        {
            self.timed.pop();
            match timed {
                Timed::Due(link) => {
                    self.links[link].due += u64::from(self.stage == Stage::Running);
                    self.list(link);
                }
                Timed::Step(link, job) => {
                    if self.schedule.is_some() {
                        self.recorder.lag(at_ns, now_ns);
                    }
                    self.links[link].send_again(job);
                    self.list(link);
                }
                Timed::Dial(link) => self.dial(link),
                Timed::Churn => {
                    let link = (self.churned % self.links.len() as u64) as usize;
                    self.churned += 1;
                    self.replace(link);
                    if let Some(gap_ns) = churn_gap_ns(&self.spec) {
                        self.timed.push(Reverse((at_ns + gap_ns, Timed::Churn)));
                    }
                }
            }
        }
    }

    /// Reads and writes on a connection and follows the streams that this woke.
    fn serve(&mut self, index: usize) {
        let Some(mut live) = self.live[index].take() else { return };
        self.signals.begin_serving(index);
        let polled = live.poll();
        let now_ns = self.clock.now_ns();
        live.stamp_written(now_ns);
        let mut streams = std::mem::take(&mut self.ready_streams);
        let mut broke_off = false;
        let breaks_off = |ended: &Ended| matches!(ended.1, Err((ErrorKind::Disconnected, _)));
        loop {
            live.take_ready(&mut streams);
            if streams.is_empty() {
                break;
            }
            for number in streams.drain(..) {
                if let Some(ended) = live.follow(number, &mut self.requests, now_ns) {
                    broke_off |= breaks_off(&ended);
                    self.ended(live.link, ended, now_ns);
                }
            }
        }
        self.ready_streams = streams;
        self.signals.end_serving();
        let link = live.link;
        match polled {
            Polled::Open => self.live[index] = Some(live),
            Polled::Leaving => {
                self.live[index] = Some(live);
                self.replace(link);
            }
            Polled::Over(kind) => {
                while let Some(ended) = live.abandon(&mut self.requests, now_ns) {
                    broke_off |= breaks_off(&ended);
                    self.ended(link, ended, now_ns);
                }
                self.unused.push(index);
                if live.is_current() {
                    match kind {
                        ErrorKind::GRACEFUL => self.recorder.connection_replaced(),
                        // h2 says so after a graceful GOAWAY too.
                        ErrorKind::Closed if !broke_off => self.recorder.connection_replaced(),
                        _ => self.recorder.connection_lost(kind),
                    }
                    self.dial_anew(link);
                }
            }
        }
        self.list(link);
    }

    /// Another connection takes the place of the link's, which finishes what it has.
    fn replace(&mut self, link: usize) {
        if let LinkState::Up(index) = self.links[link].state
            && let Some(live) = &mut self.live[index]
        {
            live.leave();
            // Without requests it ends when it is polled.
            self.signals.set(index);
            self.recorder.connection_replaced();
            self.dial_anew(link);
        }
    }

    fn dial_anew(&mut self, link: usize) {
        self.links[link].state = LinkState::Down { failures: 0, failed: None };
        self.dial(link);
    }

    fn dial(&self, link: usize) {
        let (dialer, dialed) = (self.dialer.clone(), self.dialed.clone());
        tokio::spawn(async move {
            // The loop may be over.
            let _ = dialed.send((link, dialer.open(OWN_STREAM_WINDOW).await));
        });
    }

    fn dial_ended(&mut self, link: usize, result: Result<Opened, DialError>, now_ns: u64) {
        match result {
            Ok(opened) => {
                let index = self.unused.pop().unwrap_or(self.live.len());
                let live =
                    Box::new(Live::new(opened, link, index, self.spec.streams, &self.signals));
                if index == self.live.len() {
                    self.live.push(Some(live));
                } else {
                    self.live[index] = Some(live);
                }
                self.links[link].state = LinkState::Up(index);
            }
            Err(error) => {
                self.recorder.connection_lost(error.kind);
                let before = match self.links[link].state {
                    LinkState::Down { failures, .. } => failures,
                    LinkState::Up(_) => 0,
                };
                let failures = before + 1;
                self.links[link].state = LinkState::Down { failures, failed: Some(error.kind) };
                let at_ns = now_ns + whole_ns(backoff(failures));
                self.timed.push(Reverse((at_ns, Timed::Dial(link))));
            }
        }
        self.list(link);
    }

    /// Opens streams for what is due on a link, and writes them.
    fn send_due(&mut self, link: usize, now_ns: u64) {
        if matches!(self.stage, Stage::Answers { .. }) {
            return;
        }
        let index = match self.links[link].state {
            LinkState::Up(index) => index,
            LinkState::Down { failed: None, .. } => return,
            LinkState::Down { failed: Some(kind), .. } => return self.fail_due(link, kind, now_ns),
        };
        let requests_max = self.spec.churn.requests.unwrap_or(REQUESTS_MAX);
        let Some(mut live) = self.live[index].take() else { return };
        let mut opened = false;
        while live.can_open() && live.opened < requests_max {
            let Some(job) = self.next_due(link, now_ns) else { break };
            match live.open(job, &mut self.requests, now_ns) {
                Ok(()) => {
                    self.offer(&job);
                    opened = true;
                }
                Err(NotOpened::Busy) => {
                    self.links[link].put_back(job);
                    break;
                }
                Err(NotOpened::Impossible(kind)) => {
                    self.offer(&job);
                    self.ended(link, (job, Err((kind, false))), now_ns);
                }
            }
        }
        let used_up = live.opened >= requests_max && live.is_current();
        self.live[index] = Some(live);
        if opened {
            self.serve(index);
        }
        if used_up {
            self.replace(link);
        }
    }

    /// The next request of a link that may leave.
    fn next_due(&mut self, link: usize, now_ns: u64) -> Option<Job> {
        loop {
            let job = self.links[link].take_due(now_ns)?;
            match self.requests.begin(job) {
                Ok(job) => return Some(job),
                Err(job) => self.recorder.unsent(job.due_ns, now_ns),
            }
        }
    }

    fn offer(&mut self, job: &Job) {
        if job.resends == 0 {
            self.requests.offered(&self.recorder, job);
            self.in_flight += 1;
        }
    }

    /// There is no connection and none in sight: what is due has failed.
    fn fail_due(&mut self, link: usize, kind: ErrorKind, now_ns: u64) {
        while let Some(job) = self.next_due(link, now_ns) {
            self.offer(&job);
            self.ended(link, (job, Err((kind, false))), now_ns);
        }
    }

    /// Records the end of a request, or sends it again; in a closed loop its stream comes due.
    fn ended(&mut self, link: usize, (job, outcome): Ended, now_ns: u64) {
        let goes_on = !matches!(self.stage, Stage::Answers { .. });
        if matches!(outcome, Err((ErrorKind::GRACEFUL, _))) && job.resends < RESENDS_MAX && goes_on
        {
            self.recorder.resent();
            self.links[link].send_again(Job { resends: job.resends + 1, ..job });
            return;
        }
        self.in_flight -= 1;
        match self.requests.ended(&self.recorder, (job, outcome), now_ns, goes_on) {
            Some(next) if next.due_ns <= now_ns => return self.links[link].send_again(next),
            Some(next) => {
                self.timed.push(Reverse((next.due_ns, Timed::Step(link, next))));
                return;
            }
            None => {}
        }
        let Pacing::Closed { think } = self.spec.pacing else { return };
        let no_connection = matches!(outcome, Err((kind, _)) if kind.is_connect());
        let pause = if no_connection { think.max(backoff(1)) } else { think };
        if self.stage != Stage::Running {
            return;
        }
        if pause.is_zero() {
            self.links[link].due += 1;
        } else {
            self.timed.push(Reverse((now_ns + whole_ns(pause), Timed::Due(link))));
        }
    }

    /// Ends the requests whose time is over.
    fn sweep(&mut self, now_ns: u64) {
        if now_ns < self.next_sweep_ns || self.in_flight == 0 {
            return;
        }
        let timeout_ns = whole_ns(self.spec.timeout);
        self.next_sweep_ns = now_ns + (timeout_ns / 50).clamp(1_000_000, 100_000_000);
        let Some(oldest_ns) = now_ns.checked_sub(timeout_ns) else { return };
        for index in 0..self.live.len() {
            while let Some(live) = &mut self.live[index]
                && let Some(ended) = live.expire(oldest_ns)
            {
                let link = live.link;
                self.ended(link, ended, now_ns);
                self.list(link);
                self.signals.set(index);
            }
        }
    }

    fn obey_stop(&mut self, now_ns: u64) {
        let stop = *self.stop.borrow();
        if stop == Stop::No || matches!(self.stage, Stage::Answers { until_ns: 0 }) {
            return;
        }
        if !matches!(self.stage, Stage::Answers { .. }) {
            self.requests.cut(&self.recorder, now_ns);
            self.give_up_backlog(now_ns);
            let drain = INTERRUPT_DRAIN.min(self.spec.timeout);
            self.stage = Stage::Answers { until_ns: now_ns + whole_ns(drain) };
        }
        if stop == Stop::Abort {
            self.stage = Stage::Answers { until_ns: 0 };
        }
    }

    /// What is due and has not left will not leave.
    fn give_up_backlog(&mut self, now_ns: u64) {
        for link in 0..self.links.len() {
            if self.schedule.is_none() {
                self.links[link].due = 0;
            }
            while let Some(job) = self.links[link].take_due(now_ns) {
                if job.resends == 0 {
                    self.requests.unsent(&self.recorder, &job, now_ns);
                } else {
                    self.in_flight -= 1;
                    let outcome = Err((ErrorKind::GRACEFUL, false));
                    self.requests.ended(&self.recorder, (job, outcome), now_ns, false);
                }
            }
        }
    }

    fn is_over(&mut self, now_ns: u64) -> bool {
        let end_ns = self.spec.schedule.end_ns();
        if self.stage == Stage::Running && now_ns >= end_ns {
            let until_ns = end_ns + whole_ns(self.spec.timeout) + self.requests.pauses_ns();
            self.stage = match &self.schedule {
                Some(schedule) if schedule.next_due_ns().is_some() => return false,
                Some(_) => Stage::Backlog { until_ns },
                None if self.requests.is_underway() => {
                    self.links.iter_mut().for_each(|link| link.due = 0);
                    Stage::Backlog { until_ns }
                }
                None => {
                    self.give_up_backlog(now_ns);
                    Stage::Answers { until_ns: until_ns + whole_ns(SLEEP_MAX) }
                }
            };
        }
        let has_due = self.links.iter().any(Link::has_due) || self.requests.is_underway();
        match self.stage {
            Stage::Running => false,
            Stage::Backlog { until_ns } if has_due && now_ns >= until_ns => {
                self.give_up_backlog(now_ns);
                let until_ns = now_ns + whole_ns(self.spec.timeout) + whole_ns(SLEEP_MAX);
                self.stage = Stage::Answers { until_ns };
                self.in_flight == 0
            }
            Stage::Backlog { .. } => !has_due && self.in_flight == 0,
            Stage::Answers { until_ns } => self.in_flight == 0 || now_ns >= until_ns,
        }
    }
}

/// Time between two connections that are replaced on purpose; for this thread's part of them.
fn churn_gap_ns(spec: &EngineSpec) -> Option<u64> {
    let per_second = spec.churn.per_second? / f64::from(spec.part.1);
    Some((1e9 / per_second) as u64)
}

/// A channel's poll that brought something.
trait ReadySome {
    fn is_ready_some(&self) -> bool;
}

impl<T> ReadySome for Poll<Option<T>> {
    fn is_ready_some(&self) -> bool {
        matches!(self, Poll::Ready(Some(_)))
    }
}
