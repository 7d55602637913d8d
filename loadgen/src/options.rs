//! Checked options of one run: every value within its limit, every rule parsed, nothing given in
//! vain.

mod effects;
mod limits_of_run;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Method;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderValue};

use crate::command_line::RunArgs;
use crate::connections::target::Target;
use crate::connections::tls::Trust;
use crate::engines::event_loop::{Churn, Pacing};
use crate::error::LoadError;
use crate::journeys::file;
use crate::journeys::journey::{Common, Journeys};
use crate::limits::{MAX_BODY, MAX_HEADERS, MAX_PATHS, MAX_THRESHOLDS, MAX_WEIGHT};
use crate::requests::checks::Checks;
use crate::requests::template::{Template, parse_headers};
use crate::scenarios::catalog::{Kind, Scenario, find};
use crate::schedule::arrivals::Arrivals;
use crate::schedule::profile::{Profile, Shape};
use crate::thresholds::Threshold;

pub use effects::has_effect;
pub use limits_of_run::descriptors;

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
    /// Threads of the engine.
    pub threads: u32,
    /// Requests per second of the measured group over time.
    pub profile: Profile,
    /// Open or closed loop.
    pub pacing: Pacing,
    /// New connections on purpose.
    pub churn: Churn,
    /// Requests per second for large bodies.
    pub large_rate: f64,
    /// Shape of the arrivals.
    pub arrivals: Arrivals,
    /// Requests that come due together on a connection.
    pub burst: u32,
    /// Seed of arrivals and paths.
    pub seed: u64,
    /// Paths and weights; never empty.
    pub paths: Vec<(String, u32)>,
    /// The journeys, in the scenario of that name.
    pub journeys: Option<Arc<Journeys>>,
    /// The file that they came from.
    pub file: Option<String>,
    /// Method, fields, body and checks of the requests.
    pub request: RequestOptions,
    /// `:authority` if it is not that of the target.
    pub authority: Option<String>,
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
    /// Bound of the generator's own lateness, if the user set one.
    pub max_lag: Option<Duration>,
    /// Rules to judge.
    pub thresholds: Vec<Threshold>,
    /// The server's metrics, if they are looked at.
    pub scrape: Option<Scrape>,
    /// Whether the rules are those of the scenario, as the user gave none.
    pub default_rules: bool,
}

/// The page of a server's metrics, and what is wanted of it.
#[derive(Debug, Clone)]
pub struct Scrape {
    /// Its URL.
    pub url: String,
    /// Names of series, with labels or without.
    pub series: Vec<String>,
    /// Hosts that may be remote.
    pub allowed: Vec<String>,
    /// Trusted certificates.
    pub trust: Option<Trust>,
}

/// What requests are made of.
#[derive(Debug, Clone)]
pub struct RequestOptions {
    /// Method.
    pub method: Method,
    /// Fields.
    pub headers: HeaderMap,
    /// Body.
    pub body: Bytes,
    /// What answers must be.
    pub checks: Checks,
}

impl Options {
    /// Checks the arguments.
    ///
    /// # Errors
    /// Usage errors that name the flag, the value and the limit; file errors of `--data-file`.
    pub fn check(args: &RunArgs) -> Result<Options, LoadError> {
        let scenario = find(&args.scenario)?;
        effects::check_scenario(scenario, &args.given)?;
        let (scenario, journeys) = journeys(args, scenario)?;
        let trust = if args.insecure {
            Some(Trust::AnyCertificate)
        } else {
            args.ca.clone().map(Trust::Authority)
        };
        let think = args.think.unwrap_or_default();
        let pacing = if args.max || args.closed { Pacing::Closed { think } } else { Pacing::Open };
        let profile = profile(args, scenario.kind)?;
        let connections = args.connections.unwrap_or(4);
        let (headers, authority) = headers(args)?;
        let default_rules = args.thresholds.is_empty();
        let options = Options {
            scenario,
            target: Target::parse(&args.target, &args.allow_remote)?,
            duration: profile.length(),
            connections,
            streams: args.streams.unwrap_or(32),
            users: args.users.unwrap_or(10) as usize,
            threads: args
                .threads
                .unwrap_or_else(|| default_threads(pacing))
                .min(connections.max(1)),
            profile,
            pacing,
            churn: Churn {
                requests: args.requests_per_connection.map(u64::from),
                per_second: args.connections_per_second,
            },
            large_rate: args.large_rate.unwrap_or(20.0),
            arrivals: args.arrivals.map_or(Arrivals::Constant, Into::into),
            burst: args.burst.unwrap_or(1),
            seed: args.seed.unwrap_or(1),
            paths: parse_paths(&args.paths)?,
            journeys,
            file: args.file.clone(),
            request: request(args, headers)?,
            authority,
            large_path: args.large_path.clone(),
            window: u32::try_from(args.window.unwrap_or(0)).unwrap_or(u32::MAX),
            post: args
                .post_path
                .clone()
                .map(|path| (path, args.post_bytes.unwrap_or(256) as usize)),
            think,
            timeout: args.timeout.unwrap_or(Duration::from_secs(5)),
            max_lag: args.max_lag,
            thresholds: parse_thresholds(args, scenario, pacing)?,
            scrape: args.scrape.clone().map(|url| Scrape {
                url,
                series: args.series.clone(),
                allowed: args.allow_remote.clone(),
                trust: trust.clone(),
            }),
            trust,
            default_rules,
        };
        effects::check(scenario, options.target.tls, &args.given)?;
        limits_of_run::check(&options)?;
        options.template()?;
        let others = options.large_path.iter().chain(options.post.as_ref().map(|(path, _)| path));
        for path in others {
            options.target.uri(path, None)?;
        }
        Ok(options)
    }

    /// The requests of the measured group.
    ///
    /// # Errors
    /// Usage error if a path is not one.
    pub fn template(&self) -> Result<Template, LoadError> {
        let authority = self.authority.as_deref();
        let uris: Result<_, LoadError> =
            self.paths.iter().map(|(path, _)| self.target.uri(path, authority)).collect();
        Ok(Template {
            method: self.request.method.clone(),
            headers: self.request.headers.clone(),
            body: self.request.body.clone(),
            uris: uris?,
            checks: self.request.checks.clone(),
        })
    }

    /// What the requests of journeys have in common.
    pub fn common(&self) -> Common {
        Common {
            target: self.target.clone(),
            authority: self.authority.clone(),
            headers: self.request.headers.clone(),
        }
    }

    /// GET for the path of slow readers and large bodies, with the same fields.
    ///
    /// # Errors
    /// Usage error if the path is not one.
    pub fn body_template(&self) -> Result<Arc<Template>, LoadError> {
        let uri = self.target.uri(self.body_path(), self.authority.as_deref())?;
        let headers = self.request.headers.clone();
        Ok(Arc::new(Template { headers, ..Template::get(vec![uri]) }))
    }

    /// The path of slow readers and large bodies.
    pub fn body_path(&self) -> &str {
        self.large_path.as_deref().unwrap_or(&self.paths[0].0)
    }

    /// Whether the measured group follows a schedule.
    pub fn is_open_loop(&self) -> bool {
        self.scenario.kind != Kind::Browse && self.pacing == Pacing::Open
    }
}

/// The journeys of `--file`, and the scenario with a group for each step.
fn journeys(
    args: &RunArgs,
    scenario: &'static Scenario,
) -> Result<(&'static Scenario, Option<Arc<Journeys>>), LoadError> {
    if scenario.kind != Kind::Journey {
        return Ok((scenario, None));
    }
    let path = args.file.as_deref().ok_or_else(|| {
        LoadError::usage(
            "`journey` needs --file FILE, with journeys in TOML; see the documentation",
        )
    })?;
    let journeys = file::read(path)?;
    Ok((scenario.with_groups(&journeys.step_groups()), Some(Arc::new(journeys))))
}

/// One thread keeps up with any rate that is not a test of the generator; flat out, half of the
/// processors leave the other half to a server on the same machine.
fn default_threads(pacing: Pacing) -> u32 {
    let processors = std::thread::available_parallelism().map_or(1, usize::from) as u32;
    match pacing {
        Pacing::Open => 1,
        Pacing::Closed { .. } => (processors / 2).max(1),
    }
}

fn profile(args: &RunArgs, kind: Kind) -> Result<Profile, LoadError> {
    let rate = args.rate.unwrap_or(200.0);
    let duration = args.duration.unwrap_or(Duration::from_secs(10));
    if kind == Kind::Overload {
        return Ok(Profile::overload(rate, args.peak.unwrap_or(10.0 * rate), duration));
    }
    if let Some(stages) = &args.stages {
        return Profile::parse_stages(stages, args.rate.unwrap_or(0.0)).map_err(LoadError::usage);
    }
    let shape = args.shape.unwrap_or(Shape::Constant);
    match args.peak {
        Some(peak) => Ok(Profile::shape(shape, rate, peak, duration)),
        None if shape == Shape::Constant => Ok(Profile::constant(rate, duration)),
        None => Err(LoadError::usage("--shape needs --peak, the rate that it goes to from --rate")),
    }
}

fn headers(args: &RunArgs) -> Result<(HeaderMap, Option<String>), LoadError> {
    if args.headers.len() > MAX_HEADERS {
        let count = args.headers.len();
        return Err(LoadError::usage(format!("{count} headers; at most {MAX_HEADERS}")));
    }
    parse_headers(&args.headers).map_err(LoadError::usage)
}

fn request(args: &RunArgs, mut headers: HeaderMap) -> Result<RequestOptions, LoadError> {
    let body = match (&args.data, &args.data_file, &args.data_json) {
        (Some(text), ..) => Bytes::from(text.clone()),
        (_, Some(path), _) => read_body(path)?,
        (.., Some(json)) => {
            serde_json::from_str::<serde_json::Value>(json)
                .map_err(|e| LoadError::usage(format!("--data-json is not JSON: {e}")))?;
            headers.entry(CONTENT_TYPE).or_insert(HeaderValue::from_static("application/json"));
            Bytes::from(json.clone())
        }
        _ => Bytes::new(),
    };
    if body.len() as u64 > MAX_BODY {
        return Err(LoadError::usage(format!(
            "the body has {} bytes; at most {MAX_BODY}",
            body.len()
        )));
    }
    let method = match &args.method {
        Some(name) => Method::from_bytes(name.as_bytes())
            .ok()
            .filter(|method| *method != Method::CONNECT)
            .ok_or_else(|| LoadError::usage(format!("--method {name} is not a method to send")))?,
        None if body.is_empty() => Method::GET,
        None => Method::POST,
    };
    let statuses = match &args.expect_status {
        Some(text) => Checks::parse_statuses(text).map_err(LoadError::usage)?,
        None => Vec::new(),
    };
    let contains = args.expect_contains.clone().map(String::into_bytes);
    let checks = Checks { statuses, contains, bytes: args.expect_bytes, keep: 0 };
    Ok(RequestOptions { method, headers, body, checks })
}

fn read_body(path: &str) -> Result<Bytes, LoadError> {
    let file = |cause| LoadError::File { path: path.to_string(), action: "read", cause };
    let length = std::fs::metadata(path).map_err(file)?.len();
    if length > MAX_BODY {
        return Err(LoadError::usage(format!("{path} has {length} bytes; at most {MAX_BODY}")));
    }
    std::fs::read(path).map(Bytes::from).map_err(file)
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
            "path `{text}` has the weight `{weight}`; a weight is a number from 1 to {MAX_WEIGHT}; \
             behind a path that ends so, add `=1`"
        ))),
    }
}

fn parse_thresholds(
    args: &RunArgs,
    scenario: &Scenario,
    pacing: Pacing,
) -> Result<Vec<Threshold>, LoadError> {
    let rules = &args.thresholds;
    if rules.len() > MAX_THRESHOLDS {
        return Err(LoadError::usage(format!(
            "{} thresholds; at most {MAX_THRESHOLDS}",
            rules.len()
        )));
    }
    let mut texts: Vec<&str> = rules.iter().map(String::as_str).collect();
    if texts.is_empty() {
        texts.extend(match (scenario.kind, pacing) {
            (Kind::Overload, _) => &["calm.error-rate<1%", "recovery.error-rate<1%"][..],
            (Kind::Browse, _) | (_, Pacing::Closed { .. }) => &["error-rate<1%"],
            (_, Pacing::Open) => &["error-rate<1%", "held>=95%"],
        });
    }
    texts
        .iter()
        .map(|rule| {
            Threshold::parse(rule, scenario.groups, &scenario.phase_names())
                .map_err(LoadError::usage)
        })
        .collect()
}
