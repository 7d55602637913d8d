//! Journeys as data: steps, their requests, and the values of one journey on its way.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use http::{Method, Request};

use super::capture::Capture;
use super::text::Text;
use super::variables::Variable;
use crate::connections::target::Target;
use crate::recording::error_kind::ErrorKind;
use crate::requests::checks::Checks;
use crate::schedule::arrivals::SplitMix64;

/// One request of a journey.
#[derive(Debug)]
pub struct Step {
    /// Its name, which is that of its group in the report.
    pub name: String,
    /// Method.
    pub method: Method,
    /// Path and query.
    pub path: Text,
    /// Fields.
    pub headers: Vec<(HeaderName, Text)>,
    /// Body; empty: none.
    pub body: Text,
    /// What the answer must be.
    pub checks: Checks,
    /// Values for later steps: the number of each, and where it is.
    pub captures: Vec<(usize, Capture)>,
    /// Pause behind its answer.
    pub think: Duration,
}

/// A journey: some steps in a row.
#[derive(Debug)]
pub struct Journey {
    /// Its name.
    pub name: String,
    /// How often it is taken, against the others.
    pub weight: u32,
    /// Its steps, as numbers of [`Journeys::steps`].
    pub steps: std::ops::Range<usize>,
}

/// The journeys of a run.
#[derive(Debug)]
pub struct Journeys {
    /// The journeys; never empty, and none is without a step.
    pub journeys: Vec<Journey>,
    /// The steps of all journeys.
    pub steps: Vec<Step>,
    /// Variables; their numbers are the first numbers of values.
    pub variables: Vec<Variable>,
    /// Names of captured values, whose numbers follow.
    pub captured: Vec<String>,
}

/// What all requests of a run have in common.
#[derive(Clone, Debug)]
pub struct Common {
    /// The server.
    pub target: Target,
    /// `:authority` if it is not that of the target.
    pub authority: Option<String>,
    /// Fields of requests that have none of that name.
    pub headers: HeaderMap,
}

impl Journeys {
    /// Names of the groups of steps, each once.
    pub fn step_groups(&self) -> Vec<&str> {
        let mut names: Vec<&str> = Vec::new();
        for step in &self.steps {
            if !names.contains(&step.name.as_str()) {
                names.push(&step.name);
            }
        }
        names
    }

    /// The pauses of the longest journey.
    pub fn longest_pauses(&self) -> Duration {
        let pauses = |journey: &Journey| -> Duration {
            self.steps[journey.steps.clone()].iter().map(|step| step.think).sum()
        };
        self.journeys.iter().map(pauses).max().unwrap_or_default()
    }

    /// The step behind this one in its journey.
    pub fn next(&self, step: usize) -> Option<usize> {
        let journey = self.journeys.iter().find(|journey| journey.steps.contains(&step))?;
        (step + 1 < journey.steps.end).then_some(step + 1)
    }

    /// Whether a journey begins with this step.
    pub fn is_first(&self, step: usize) -> bool {
        self.journeys.iter().any(|journey| journey.steps.start == step)
    }

    /// The values that another journey begins with; those that it captures are empty.
    pub fn values(&self, random: &mut SplitMix64) -> Vec<Arc<str>> {
        let drawn = self.variables.iter().map(|variable| variable.draw(random));
        let empty = self.captured.iter().map(|_| Arc::from(""));
        drawn.chain(empty).collect()
    }
}

impl Step {
    /// The request of this step and its body.
    ///
    /// # Errors
    /// [`ErrorKind::Capture`] if a captured value makes it one that cannot be sent.
    pub fn request(
        &self,
        values: &[Arc<str>],
        common: &Common,
    ) -> Result<(Request<()>, Bytes), ErrorKind> {
        let path = self.path.render_path(values);
        let authority = common.authority.as_deref();
        let uri = common.target.uri(&path, authority).map_err(|_| ErrorKind::Capture)?;
        let mut headers = common.headers.clone();
        for (name, _) in &self.headers {
            headers.remove(name);
        }
        for (name, text) in &self.headers {
            let value = HeaderValue::try_from(text.render(values));
            headers.append(name, value.map_err(|_| ErrorKind::Capture)?);
        }
        let mut request = Request::new(());
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = uri;
        *request.headers_mut() = headers;
        Ok((request, Bytes::from(self.body.render(values))))
    }

    /// Takes the values for later steps from a body.
    ///
    /// # Errors
    /// [`ErrorKind::Capture`] if one is not there.
    pub fn capture(&self, body: &[u8], values: &mut [Arc<str>]) -> Result<(), ErrorKind> {
        for (number, capture) in &self.captures {
            values[*number] = capture.find(body).ok_or(ErrorKind::Capture)?;
        }
        Ok(())
    }
}
