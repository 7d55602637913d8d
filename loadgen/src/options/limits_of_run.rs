//! Every value of a run within its limit, and the file descriptors that it needs.

use std::fmt::Display;
use std::time::Duration;

use rustix::process::{Resource, getrlimit, setrlimit};

use super::Options;
use crate::error::LoadError;
use crate::limits::{
    LARGE_CONNECTIONS, MAX_BURST, MAX_CONNECTIONS, MAX_DURATION, MAX_GROUP_STREAMS,
    MAX_HELD_WINDOW, MAX_POST_BYTES, MAX_RATE, MAX_REQUESTS, MAX_STREAMS, MAX_THREADS, MAX_TIMEOUT,
    MAX_USERS, MIN_DURATION, OWN_DESCRIPTORS, VICTIM_CONNECTIONS,
};
use crate::quantity::{show_duration, show_rate};
use crate::scenarios::catalog::Kind;

fn within<T: PartialOrd>(
    flag: &str,
    value: &T,
    low: &T,
    high: &T,
    show: impl Fn(&T) -> String,
) -> Result<(), LoadError> {
    if low <= value && value <= high {
        return Ok(());
    }
    let (value, low, high) = (show(value), show(low), show(high));
    Err(LoadError::usage(format!("{flag} {value} is outside {low} to {high}")))
}

#[expect(clippy::needless_pass_by_value, reason = "numbers")]
fn count<T: PartialOrd + Display>(flag: &str, value: T, low: T, high: T) -> Result<(), LoadError> {
    within(flag, &value, &low, &high, ToString::to_string)
}

fn time(flag: &str, value: Duration, low: Duration, high: Duration) -> Result<(), LoadError> {
    within(flag, &value, &low, &high, |time| show_duration(*time))
}

fn rate(flag: &str, value: f64) -> Result<(), LoadError> {
    within(flag, &value, &0.1, &MAX_RATE, |rate| show_rate(*rate))
}

/// Checks all values.
///
/// # Errors
/// Usage errors that name the flag, the value and the limit, in the units people write.
pub fn check(o: &Options) -> Result<(), LoadError> {
    let streams = u64::from(o.connections) * u64::from(o.streams);
    let requests = o.profile.requests() + o.duration.as_secs_f64() * o.large_rate;
    let post_bytes = o.post.as_ref().map_or(0, |(_, bytes)| *bytes);
    time("--duration", o.duration, MIN_DURATION, MAX_DURATION)?;
    time("--timeout", o.timeout, Duration::from_millis(1), MAX_TIMEOUT)?;
    time("--think", o.think, Duration::ZERO, MAX_TIMEOUT)?;
    count("--connections", o.connections, 1, MAX_CONNECTIONS)?;
    count("--streams", o.streams, 1, MAX_STREAMS)?;
    count("--connections times --streams", streams, 1, MAX_GROUP_STREAMS)?;
    count("--users", o.users, 1, MAX_USERS)?;
    count("--burst", o.burst, 1, MAX_BURST)?;
    count("--threads", o.threads, 1, MAX_THREADS)?;
    rate("--rate", o.profile.peak())?;
    rate("--large-rate", o.large_rate)?;
    if let Some(per_second) = o.churn.per_second {
        rate("--connections-per-second", per_second)?;
    }
    if let Some(requests) = o.churn.requests {
        count("--requests-per-connection", requests, 1, u64::from(u32::MAX))?;
    }
    within("the number of requests", &requests, &0.0, &MAX_REQUESTS, |n| format!("{n:.0}"))?;
    count("--window", o.window, 0, MAX_HELD_WINDOW)?;
    count("--post-bytes", post_bytes, 0, MAX_POST_BYTES)?;
    descriptors(needed_descriptors(o))
}

/// Connections of all groups, with those that replace others, and what else the process needs.
fn needed_descriptors(o: &Options) -> u64 {
    let own = u64::from(o.connections);
    let victim = u64::from(VICTIM_CONNECTIONS);
    let connections = match o.scenario.kind {
        Kind::Browse => o.users as u64,
        Kind::Steady | Kind::Journey | Kind::Overload
            if o.churn.requests.is_some() || o.churn.per_second.is_some() =>
        {
            2 * own
        }
        Kind::Steady | Kind::Journey | Kind::Overload => own,
        Kind::SlowReader => own + victim,
        Kind::Backpressure => own + victim + u64::from(LARGE_CONNECTIONS),
    };
    connections + OWN_DESCRIPTORS
}

/// Makes sure that the process may open so many descriptors, raising its own limit as far as it may.
///
/// # Errors
/// Usage error with the limit and how to raise it.
pub fn descriptors(needed: u64) -> Result<(), LoadError> {
    let limit = getrlimit(Resource::Nofile);
    let enough = |current: Option<u64>| current.is_none_or(|current| current >= needed);
    if enough(limit.current) {
        return Ok(());
    }
    let mut raised = limit;
    raised.current = limit.maximum;
    if enough(limit.maximum) && setrlimit(Resource::Nofile, raised).is_ok() {
        return Ok(());
    }
    let most = limit.maximum.or(limit.current).unwrap_or_default();
    Err(LoadError::usage(format!(
        "the run needs {needed} file descriptors and may open {most}: raise the limit with \
         `ulimit -n {needed}`, or use fewer connections"
    )))
}
