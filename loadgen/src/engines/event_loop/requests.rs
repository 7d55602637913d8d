//! What the loop asks for: the same template again and again, or journeys.
//!
//! 1. A journey that has begun has a number until it ends; its jobs carry the number. At any time it has
//!    one job: waiting, under way, or in its pause.
//! 2. The recorder of the engine counts whole journeys, from the intended time of the first request to
//!    the end of the last answer with all pauses between; each step has a recorder for its requests. A
//!    journey fails with the first of its requests that does.
//! 3. With the same template every request is counted by the recorder of the engine.

use std::sync::Arc;

use bytes::Bytes;
use http::Request;

use super::connection::{Done, Ended, Job};
use super::{EngineSpec, RequestSpec};
use crate::journeys::journey::{Common, Journeys};
use crate::limits::MAX_UNDERWAY;
use crate::quantity::whole_ns;
use crate::recording::clock::Stamps;
use crate::recording::error_kind::ErrorKind;
use crate::recording::recorder::Recorder;
use crate::requests::checks::Checks;
use crate::requests::template::Template;
use crate::schedule::arrivals::SplitMix64;

/// A journey that has begun.
#[derive(Debug, Default)]
struct Begun {
    due_ns: u64,
    values: Vec<Arc<str>>,
    /// The clocks of its first answer.
    first: Option<Stamps>,
    body_bytes: u64,
}

/// Journeys under way.
#[derive(Debug)]
pub struct Underway {
    journeys: Arc<Journeys>,
    common: Common,
    /// One for each step; steps of one name share it.
    recorders: Vec<Arc<Recorder>>,
    random: SplitMix64,
    begun: Vec<Begun>,
    free: Vec<u32>,
}

/// What one loop asks for.
#[derive(Debug)]
pub enum Requests {
    /// Requests that differ in their path only.
    Same(Arc<Template>),
    /// Journeys.
    Journeys(Box<Underway>),
}

impl Requests {
    /// The requests of an engine; `recorders` has one for each step of journeys.
    pub fn new(spec: &EngineSpec, recorders: Vec<Arc<Recorder>>) -> Requests {
        match &spec.requests {
            RequestSpec::Same(template) => Requests::Same(Arc::clone(template)),
            RequestSpec::Journeys(journeys, common) => Requests::Journeys(Box::new(Underway {
                journeys: Arc::clone(journeys),
                common: common.clone(),
                recorders,
                // Another stream of random numbers than those of the connections.
                random: SplitMix64::new(spec.schedule.seed ^ u64::MAX, u64::from(spec.part.0)),
                begun: Vec::new(),
                free: Vec::new(),
            })),
        }
    }

    /// A job that may leave; one that came due as a whole journey becomes its first step.
    ///
    /// # Errors
    /// The job, if too many journeys are under way.
    pub fn begin(&mut self, job: Job) -> Result<Job, Job> {
        match self {
            Requests::Journeys(underway) if job.journey.is_none() => underway.begin(job),
            _ => Ok(job),
        }
    }

    /// The request of a job and its body.
    ///
    /// # Errors
    /// If captured values make it one that cannot be sent.
    #[inline]
    pub fn build(&self, job: &Job) -> Result<(Request<()>, Bytes), ErrorKind> {
        match self {
            Requests::Same(template) => {
                Ok((template.request(job.path as usize), template.body.clone()))
            }
            Requests::Journeys(underway) => {
                let step = &underway.journeys.steps[job.path as usize];
                step.request(&underway.begun[number(job)].values, &underway.common)
            }
        }
    }

    /// What the answer must be.
    pub fn checks(&self, job: &Job) -> &Checks {
        match self {
            Requests::Same(template) => &template.checks,
            Requests::Journeys(underway) => &underway.journeys.steps[job.path as usize].checks,
        }
    }

    /// Takes what later steps need from a body.
    ///
    /// # Errors
    /// If it is not there.
    pub fn accept(&mut self, job: &Job, body: &[u8]) -> Result<(), ErrorKind> {
        match self {
            Requests::Same(_) => Ok(()),
            Requests::Journeys(underway) => underway.journeys.steps[job.path as usize]
                .capture(body, &mut underway.begun[number(job)].values),
        }
    }

    /// A job has come due and leaves.
    pub fn offered(&self, engine: &Recorder, job: &Job) {
        if let Requests::Journeys(underway) = self {
            underway.recorders[job.path as usize].offered(job.due_ns);
            if !underway.journeys.is_first(job.path as usize) {
                return;
            }
        }
        engine.offered(job.due_ns);
    }

    /// A job came due and will not leave.
    pub fn unsent(&mut self, engine: &Recorder, job: &Job, now_ns: u64) {
        if let Requests::Journeys(underway) = self
            && job.journey.is_some()
        {
            underway.recorders[job.path as usize].unsent(job.due_ns, now_ns);
            let begun = underway.end(job);
            if !underway.journeys.is_first(job.path as usize) {
                return engine.failed(begun.due_ns, now_ns, ErrorKind::Unsent, true);
            }
        }
        engine.unsent(job.due_ns, now_ns);
    }

    /// Records the end of a request. Returns the next of its journey, if there is one and the run
    /// `goes_on`; it is due behind the pause.
    pub fn ended(
        &mut self,
        engine: &Recorder,
        (job, outcome): Ended,
        now_ns: u64,
        goes_on: bool,
    ) -> Option<Job> {
        match self {
            Requests::Same(_) => {
                record(engine, (job, outcome), now_ns);
                None
            }
            Requests::Journeys(underway) => {
                record(&underway.recorders[job.path as usize], (job, outcome), now_ns);
                underway.ended(engine, (job, outcome), now_ns, goes_on)
            }
        }
    }

    /// The run ends at `now_ns`, before its schedule.
    pub fn cut(&self, engine: &Recorder, now_ns: u64) {
        engine.cut(now_ns);
        if let Requests::Journeys(underway) = self {
            underway.recorders.iter().for_each(|recorder| recorder.cut(now_ns));
        }
    }

    /// Whether a journey has begun and not ended.
    pub fn is_underway(&self) -> bool {
        matches!(self, Requests::Journeys(underway) if underway.free.len() < underway.begun.len())
    }

    /// The longest time that the pauses of a journey take, in nanoseconds.
    pub fn pauses_ns(&self) -> u64 {
        match self {
            Requests::Same(_) => 0,
            Requests::Journeys(underway) => whole_ns(underway.journeys.longest_pauses()),
        }
    }
}

fn record(recorder: &Recorder, (job, outcome): Ended, now_ns: u64) {
    match outcome {
        Err((kind, responded)) => recorder.failed(job.due_ns, now_ns, kind, responded),
        Ok(done) => {
            recorder.answered(job.due_ns, done.stamps, done.body_bytes);
            if (300..400).contains(&done.status) {
                recorder.redirected();
            }
        }
    }
}

/// The number of a job's journey.
fn number(job: &Job) -> usize {
    job.journey.expect("jobs of steps belong to a journey") as usize
}

impl Underway {
    fn begin(&mut self, job: Job) -> Result<Job, Job> {
        if self.begun.len() - self.free.len() >= MAX_UNDERWAY {
            return Err(job);
        }
        let number = self.free.pop().unwrap_or(self.begun.len() as u32);
        if number as usize == self.begun.len() {
            self.begun.push(Begun::default());
        }
        let values = self.journeys.values(&mut self.random);
        self.begun[number as usize] = Begun { due_ns: job.due_ns, values, ..Begun::default() };
        let first = self.journeys.journeys[job.path as usize].steps.start;
        Ok(Job { path: first as u32, journey: Some(number), ..job })
    }

    fn end(&mut self, job: &Job) -> Begun {
        self.free.push(number(job) as u32);
        std::mem::take(&mut self.begun[number(job)])
    }

    fn ended(
        &mut self,
        engine: &Recorder,
        (job, outcome): Ended,
        now_ns: u64,
        goes_on: bool,
    ) -> Option<Job> {
        let done = match outcome {
            Ok(done) => done,
            Err((kind, responded)) => {
                let begun = self.end(&job);
                let responded = responded || begun.first.is_some();
                engine.failed(begun.due_ns, now_ns, kind, responded);
                return None;
            }
        };
        let begun = &mut self.begun[number(&job)];
        begun.first.get_or_insert(done.stamps);
        begun.body_bytes += done.body_bytes;
        match self.journeys.next(job.path as usize) {
            Some(next) if goes_on => {
                let think = self.journeys.steps[job.path as usize].think;
                let due_ns = now_ns + whole_ns(think);
                Some(Job { due_ns, path: next as u32, resends: 0, ..job })
            }
            Some(_) => {
                engine.failed(self.end(&job).due_ns, now_ns, ErrorKind::Unfinished, true);
                None
            }
            None => {
                let begun = self.end(&job);
                engine.answered(begun.due_ns, whole(&begun, &done), begun.body_bytes);
                None
            }
        }
    }
}

/// The clocks of a whole journey.
fn whole(begun: &Begun, last: &Done) -> Stamps {
    let first = begun.first.unwrap_or(last.stamps);
    Stamps { last: last.stamps.last, ..first }
}
