//! Checked options of one run: every value within its limit, every rule parsed.

use std::time::Duration;

use crate::command_line::RunArgs;
use crate::connections::target::Target;
use crate::connections::tls::Trust;
use crate::error::LoadError;
use crate::limits::{
    MAX_CONNECTIONS, MAX_DURATION, MAX_GROUP_STREAMS, MAX_HELD_WINDOW, MAX_PATHS, MAX_POST_BYTES,
    MAX_RATE, MAX_REQUESTS, MAX_STREAMS, MAX_THRESHOLDS, MAX_TIMEOUT, MAX_USERS, MAX_WEIGHT,
    MIN_DURATION,
};
use crate::scenarios::catalog::{Kind, Scenario, find};
use crate::schedule::arrivals::Arrivals;
use crate::thresholds::Threshold;

/// The options of a run.
#[derive(Debug)]
pub struct Options {
    /// What to run.
    pub scenario: &'static Scenario,
    /// The server under load.
    pub target: Target,
    /// Trusted certificates; absent for plain text, or without a flag.
    pub trust: Option<Trust>,
    /// Length of the schedule.
    pub duration: Duration,
    /// Connections of the group that `--connections` speaks of.
    pub connections: u32,
    /// Streams on each of them.
    pub streams: u32,
    /// goose users.
    pub users: usize,
    /// Requests per second of the measured group.
    pub rate: f64,
    /// Requests per second for large bodies.
    pub large_rate: f64,
    /// Shape of the arrivals.
    pub arrivals: Arrivals,
    /// Seed of arrivals and paths.
    pub seed: u64,
    /// Paths and weights; never empty.
    pub paths: Vec<(String, u32)>,
    /// Path with a large body.
    pub large_path: Option<String>,
    /// Window of slow readers, in bytes.
    pub window: u32,
    /// Path and body length of the POST.
    pub post: Option<(String, usize)>,
    /// Pause of a user.
    pub think: Duration,
    /// Time limit of one request.
    pub timeout: Duration,
    /// Bound of the generator's own lateness.
    pub max_lag: Duration,
    /// Rules to judge.
    pub thresholds: Vec<Threshold>,
}

impl Options {
    /// Checks the arguments.
    ///
    /// # Errors
    /// Usage errors that name the flag, the value and the limit.
    pub fn check(args: &RunArgs) -> Result<Options, LoadError> {
        let scenario = find(&args.scenario)?;
        let trust = if args.insecure {
            Some(Trust::AnyCertificate)
        } else {
            args.ca.clone().map(Trust::Authority)
        };
        let options = Options {
            scenario,
            target: Target::parse(&args.target, &args.allow_remote)?,
            trust,
            duration: args.duration,
            connections: args.connections.unwrap_or(4),
            streams: args.streams.unwrap_or(32),
            users: args.users.unwrap_or(10),
            rate: args.rate.unwrap_or(200.0),
            large_rate: args.large_rate,
            arrivals: args.arrivals.into(),
            seed: args.seed,
            paths: parse_paths(&args.paths)?,
            large_path: args.large_path.clone(),
            window: args.window,
            post: args.post_path.clone().map(|path| (path, args.post_bytes)),
            think: args.think,
            timeout: args.timeout,
            max_lag: args.max_lag,
            thresholds: parse_thresholds(&args.thresholds, scenario)?,
        };
        options.check_limits()?;
        check_fit(scenario, args)?;
        let asked = options.paths.iter().map(|(path, _)| path);
        let post = options.post.as_ref().map(|(path, _)| path);
        for path in asked.chain(&options.large_path).chain(post) {
            options.target.uri(path)?;
        }
        Ok(options)
    }

    /// The path of slow readers and large bodies.
    pub fn body_path(&self) -> &str {
        self.large_path.as_deref().unwrap_or(&self.paths[0].0)
    }

    fn check_limits(&self) -> Result<(), LoadError> {
        let seconds = |d: Duration| d.as_secs_f64();
        let in_range = |flag: &str, value: f64, low: f64, high: f64| {
            if (low..=high).contains(&value) {
                return Ok(());
            }
            Err(LoadError::usage(format!("{flag} {value} is outside {low} to {high}")))
        };
        let streams = f64::from(self.connections) * f64::from(self.streams);
        let requests = seconds(self.duration) * (self.rate + self.large_rate);
        let post_bytes = self.post.as_ref().map_or(0, |(_, bytes)| *bytes);
        in_range(
            "--duration (seconds)",
            seconds(self.duration),
            seconds(MIN_DURATION),
            seconds(MAX_DURATION),
        )?;
        in_range("--timeout (seconds)", seconds(self.timeout), 0.001, seconds(MAX_TIMEOUT))?;
        in_range("--think (seconds)", seconds(self.think), 0.0, seconds(MAX_TIMEOUT))?;
        in_range("--connections", f64::from(self.connections), 1.0, f64::from(MAX_CONNECTIONS))?;
        in_range("--streams", f64::from(self.streams), 1.0, f64::from(MAX_STREAMS))?;
        in_range("--connections times --streams", streams, 1.0, MAX_GROUP_STREAMS as f64)?;
        in_range("--users", self.users as f64, 1.0, MAX_USERS as f64)?;
        in_range("--rate", self.rate, 0.1, MAX_RATE)?;
        in_range("--large-rate", self.large_rate, 0.1, MAX_RATE)?;
        in_range("the number of requests", requests, 0.0, MAX_REQUESTS)?;
        in_range("--window", f64::from(self.window), 0.0, f64::from(MAX_HELD_WINDOW))?;
        in_range("--post-bytes", post_bytes as f64, 0.0, MAX_POST_BYTES as f64)
    }
}

/// Flags that the scenario would silently ignore are refused instead.
fn check_fit(scenario: &Scenario, args: &RunArgs) -> Result<(), LoadError> {
    let refuse = |flag: &str, why: &str| {
        Err(LoadError::usage(format!("{flag} has no meaning in `{}`: {why}", scenario.name)))
    };
    if scenario.kind == Kind::Browse {
        if args.rate.is_some() {
            return refuse("--rate", "users wait for answers; for a fixed rate run `steady`");
        }
        if args.connections.is_some() || args.streams.is_some() {
            return refuse("--connections/--streams", "each user has one connection; give --users");
        }
    } else if args.users.is_some() {
        return refuse("--users", "requests follow a schedule; give --rate, or run `browse`");
    } else if args.post_path.is_some() {
        return refuse("--post-path", "only `browse` posts");
    }
    Ok(())
}

fn parse_paths(texts: &[String]) -> Result<Vec<(String, u32)>, LoadError> {
    if texts.len() > MAX_PATHS {
        return Err(LoadError::usage(format!("{} paths; at most {MAX_PATHS}", texts.len())));
    }
    if texts.is_empty() {
        return Ok(vec![("/".to_string(), 1)]);
    }
    texts.iter().map(|text| parse_path(text)).collect()
}

/// `PATH` or `PATH=WEIGHT`; an `=` in the query part belongs to the path.
fn parse_path(text: &str) -> Result<(String, u32), LoadError> {
    let Some((path, weight)) = text.rsplit_once('=').filter(|_| !text.contains('?')) else {
        return Ok((text.to_string(), 1));
    };
    match weight.parse() {
        Ok(weight) if (1..=MAX_WEIGHT).contains(&weight) => Ok((path.to_string(), weight)),
        _ => Err(LoadError::usage(format!(
            "path `{text}` has the weight `{weight}`; a weight is a number from 1 to {MAX_WEIGHT}"
        ))),
    }
}

fn parse_thresholds(rules: &[String], scenario: &Scenario) -> Result<Vec<Threshold>, LoadError> {
    if rules.len() > MAX_THRESHOLDS {
        return Err(LoadError::usage(format!(
            "{} thresholds; at most {MAX_THRESHOLDS}",
            rules.len()
        )));
    }
    rules
        .iter()
        .map(|rule| {
            Threshold::parse(rule, scenario.groups, &scenario.phase_names())
                .map_err(LoadError::usage)
        })
        .collect()
}
