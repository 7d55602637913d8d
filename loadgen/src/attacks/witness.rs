//! A well-behaved client beside an attack: what the attack does to others.

use std::sync::Arc;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use tokio::sync::watch;

use crate::connections::dialer::Dialer;
use crate::connections::session::Session;
use crate::recording::clock::Clock;
use crate::recording::counts::histogram;
use crate::recording::recorder::Recorder;
use crate::requests::template::Template;
use crate::schedule::timeline::Timeline;

/// Time between two requests of the witness.
const GAP: Duration = Duration::from_millis(20);
/// Longest time for one of its requests.
const TIMEOUT: Duration = Duration::from_secs(3);

/// What the witness saw.
#[derive(Clone, Debug)]
pub struct Testimony {
    /// Latencies of its answers, in microseconds.
    pub latency: Histogram<u64>,
    /// Its requests that failed.
    pub errors: u64,
    /// The kind of one of them.
    pub error: Option<String>,
}

impl Testimony {
    /// The 99th percentile; nothing without an answer.
    pub fn p99(&self) -> Option<Duration> {
        let has_answers = !self.latency.is_empty();
        has_answers.then(|| Duration::from_micros(self.latency.value_at_percentile(99.0)))
    }
}

fn recorder() -> Recorder {
    Recorder::new("witness", Timeline::new(&[("attack", 1)], u64::MAX / 2))
}

/// Asks on one connection until `stop`.
pub async fn watch(
    dialer: Dialer,
    template: Arc<Template>,
    mut stop: watch::Receiver<bool>,
) -> Testimony {
    let (recorder, clock) = (recorder(), Clock::new(Instant::now()));
    let mut testimony = Testimony { latency: histogram(), errors: 0, error: None };
    let mut session = Session::new(dialer);
    let mut ticks = tokio::time::interval(GAP);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop) => return testimony,
            _ = ticks.tick() => {}
        }
        match session.request(&template, 0, TIMEOUT, clock, &recorder).await {
            Ok(answer) => {
                let ns = answer.stamps.last - answer.stamps.intended;
                testimony.latency.saturating_record(ns / 1_000);
            }
            Err((kind, _)) => {
                testimony.errors += 1;
                testimony.error = Some(kind.to_string());
            }
        }
    }
}

/// Asks once on a new connection.
///
/// # Errors
/// Why it was not served.
pub async fn fresh(dialer: Dialer, template: &Template) -> Result<(), String> {
    let clock = Clock::new(Instant::now());
    let mut session = Session::new(dialer);
    match session.request(template, 0, TIMEOUT, clock, &recorder()).await {
        Ok(_) => Ok(()),
        Err((kind, _)) => Err(kind.to_string()),
    }
}
