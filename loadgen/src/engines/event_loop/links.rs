//! A link: one of the connections that the load asks for, with what is due on it.

use std::collections::VecDeque;
use std::sync::Arc;

use super::connection::{Job, Live};
use super::signals::Signals;
use super::{EngineSpec, Pacing};
use crate::connections::dialer::Opened;
use crate::recording::error_kind::ErrorKind;
use crate::schedule::arrivals::{Arrival, ConnectionArrivals, PathMix, SplitMix64, of_connection};

/// Whether a link has a connection.
pub enum LinkState {
    /// The connection with this number takes requests.
    Up(usize),
    /// None: an attempt to open one runs or waits for its time. `failed` is the kind of the last
    /// failure, if any: then requests do not wait.
    Down {
        /// Attempts that failed in a row.
        failures: u32,
        /// How the last one failed.
        failed: Option<ErrorKind>,
    },
}

/// Where the requests of a link come from.
enum Source {
    Schedule(ConnectionArrivals),
    Repeat { paths: PathMix, random: SplitMix64 },
}

/// A link of the load.
pub struct Link {
    /// Its connection.
    pub state: LinkState,
    /// The connection that it begins with, until the loop takes it.
    pub first: Option<Box<Live>>,
    /// Requests that may leave now.
    pub due: u64,
    /// Whether the loop has it on its list of links to look at.
    pub is_listed: bool,
    again: VecDeque<Job>,
    source: Source,
}

impl Link {
    /// A link with an open connection; in a closed loop all its streams are due at once.
    pub fn new(
        spec: &EngineSpec,
        number: u32,
        index: usize,
        opened: Opened,
        signals: &Arc<Signals>,
    ) -> Link {
        let (source, due) = match spec.pacing {
            Pacing::Open => (Source::Schedule(of_connection(&spec.schedule, number)), 0),
            Pacing::Closed { .. } => {
                let random = SplitMix64::new(spec.schedule.seed, u64::from(number));
                let paths = spec.schedule.paths.clone();
                (Source::Repeat { paths, random }, u64::from(spec.streams))
            }
        };
        Link {
            state: LinkState::Up(index),
            first: Some(Box::new(Live::new(opened, index, index, spec.streams, signals))),
            due,
            is_listed: false,
            again: VecDeque::new(),
            source,
        }
    }

    /// Whether a request may leave.
    pub fn has_due(&self) -> bool {
        self.due > 0 || !self.again.is_empty()
    }

    /// The next request that may leave, those first that go out again or continue a journey.
    pub fn take_due(&mut self, now_ns: u64) -> Option<Job> {
        if let Some(job) = self.again.pop_front() {
            return Some(job);
        }
        if self.due == 0 {
            return None;
        }
        self.due -= 1;
        match &mut self.source {
            Source::Schedule(arrivals) => {
                let Arrival { due_ns, path } =
                    arrivals.next().expect("the loop counted this arrival as due");
                Some(Job { due_ns, path, resends: 0, journey: None })
            }
            Source::Repeat { paths, random } => {
                let path = paths.pick(random);
                Some(Job { due_ns: now_ns, path, resends: 0, journey: None })
            }
        }
    }

    /// A request goes out before those of the schedule: again, or as the next of its journey.
    pub fn send_again(&mut self, job: Job) {
        self.again.push_back(job);
    }

    /// A request that was taken did not leave after all.
    pub fn put_back(&mut self, job: Job) {
        self.again.push_front(job);
    }
}
