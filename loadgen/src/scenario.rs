//! The scenarios: their names, what they teach, their groups and phases, and the plan each one
//! makes from the options of a run.
//!
//! Plans are data; `run` executes them. `browse` has no plan here: goose drives it.

use std::time::Duration;

use http::Uri;

use crate::engine::EngineSpec;
use crate::error::LoadError;
use crate::limits::{LARGE_CONNECTIONS, LARGE_STREAMS, VICTIM_CONNECTIONS, VICTIM_STREAMS};
use crate::options::Options;
use crate::quantity::whole_ns;
use crate::schedule::{PathMix, Schedule, Timeline};
use crate::slow::SlowSpec;

/// Time in which goose starts its users, before `--duration` begins.
const RAMP_UP: Duration = Duration::from_secs(1);

/// Which scenario.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// goose users on a journey.
    Browse,
    /// Open-loop requests.
    Steady,
    /// Held windows beside a measured victim.
    SlowReader,
    /// Victim, slow readers and large bodies in phases.
    Backpressure,
}

/// A scenario as `list` and `explain` show it.
#[derive(Debug)]
pub struct Scenario {
    /// Name on the command line.
    pub name: &'static str,
    /// Which one.
    pub kind: Kind,
    /// One line for `list`.
    pub summary: &'static str,
    /// Text of `explain`.
    pub explanation: &'static str,
    /// Groups in the report; the first is the measured one.
    pub groups: &'static [&'static str],
    /// Phases and their shares of the duration.
    pub phases: &'static [(&'static str, u64)],
}

/// All scenarios.
pub const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "browse",
        kind: Kind::Browse,
        summary: "users on a small journey: landing page, weighted pages, optional POST (goose)",
        explanation: "\
A closed loop: each of --users asks for the first --path, then for the pages by weight
(--path /news=3), then posts --post-bytes bytes to --post-path if given, pauses for --think, and
starts again. All users start within the first second, the journey then lasts --duration.

Use it for journeys and mixes. A closed loop sends less while the server is slow, so its
percentiles are kinder than those of `steady`; use `steady` for latency at a given rate.

The run is INVALID unless every single response was HTTP/2.",
        groups: &["users"],
        phases: &[("browse", 1)],
    },
    Scenario {
        name: "steady",
        kind: Kind::Steady,
        summary: "requests at a fixed rate whatever the server does; latency from intended time",
        explanation: "\
An open loop: --rate requests per second are due at fixed (or --arrivals poisson) times over
--connections x --streams. A request that cannot leave on time keeps its intended time, so a
stall of the server shows in every request that came during it. Four latencies are reported:
intended to last byte (the one thresholds judge), to first byte, to sent, and sent to last byte.",
        groups: &["steady"],
        phases: &[("steady", 1)],
    },
    Scenario {
        name: "slow-reader",
        kind: Kind::SlowReader,
        summary: "streams that do not read, beside a victim whose latency is measured",
        explanation: "\
For the first quarter only the victim asks, at --rate. Then --connections x --streams slow readers
GET --large-path (or the first --path) with a stream window of --window bytes and send no WINDOW_UPDATE for half of the
duration. At the release they enlarge their windows and read; every body must complete. The
victim's latency before, during and after tells whether slow readers hurt others.

The path should answer with more than --window bytes, or nothing is held and the run is INVALID.
A server that resets stalled streams is within its rights: that shows as errors of group `slow`.",
        groups: &["victim", "slow"],
        phases: &[("before", 1), ("hold", 2), ("after", 1)],
    },
    Scenario {
        name: "backpressure",
        kind: Kind::Backpressure,
        summary: "victim, then large bodies, then also slow readers, then recovery",
        explanation: "\
Four phases of equal length. `calm`: only the victim, --rate requests per second to --path.
`large`: also --large-rate requests per second to --large-path, read at full speed. `slow`: also
--connections x --streams slow readers that ask for --large-path and do not read. `recovery`: the
slow readers are released and the large bodies stop. Compare the victim's phases.",
        groups: &["victim", "large", "slow"],
        phases: &[("calm", 1), ("large", 1), ("slow", 1), ("recovery", 1)],
    },
];

/// Finds a scenario.
///
/// # Errors
/// Usage error that lists the names.
pub fn find(name: &str) -> Result<&'static Scenario, LoadError> {
    SCENARIOS.iter().find(|s| s.name == name).ok_or_else(|| {
        let names: Vec<&str> = SCENARIOS.iter().map(|s| s.name).collect();
        LoadError::usage(format!("no scenario `{name}`; there are {}", names.join(", ")))
    })
}

/// goose counts whole seconds; a part of a second becomes a whole one.
pub fn whole_seconds(duration: Duration) -> u64 {
    duration.as_secs_f64().ceil() as u64
}

impl Scenario {
    /// Names of the phases.
    pub fn phase_names(&self) -> Vec<&'static str> {
        self.phases.iter().map(|(name, _)| *name).collect()
    }

    /// The phases of a run of this length.
    pub fn timeline(&self, duration: Duration) -> Timeline {
        let length = match self.kind {
            Kind::Browse => RAMP_UP + Duration::from_secs(whole_seconds(duration)),
            _ => duration,
        };
        Timeline::new(self.phases, whole_ns(length))
    }
}

/// What `run` executes.
#[derive(Debug)]
pub struct Plan {
    /// Engines; the first is the measured one and gets a thread of its own.
    pub engines: Vec<EngineSpec>,
    /// Slow readers, if any.
    pub slow: Option<SlowSpec>,
}

/// Makes the plan of a raw HTTP/2 scenario.
///
/// # Errors
/// Usage error if a path is not one.
pub fn plan(scenario: &Scenario, options: &Options) -> Result<Plan, LoadError> {
    let timeline = scenario.timeline(options.duration);
    let bounds = |from: &str, to: &str| {
        let phase = |name: &str| timeline.find(name).expect("the phase is in the table above").1;
        (phase(from).start_ns, phase(to).end_ns)
    };
    let whole = (0, timeline.end_ns());
    match scenario.kind {
        Kind::Browse | Kind::Steady => {
            let engine =
                measured(scenario.groups[0], options, options.connections, options.streams, whole)?;
            Ok(Plan { engines: vec![engine], slow: None })
        }
        Kind::SlowReader => {
            let victim = measured("victim", options, VICTIM_CONNECTIONS, VICTIM_STREAMS, whole)?;
            let uri = options.target.uri(options.body_path())?;
            let slow = slow(options, uri, bounds("hold", "hold"));
            Ok(Plan { engines: vec![victim], slow: Some(slow) })
        }
        Kind::Backpressure => {
            let victim = measured("victim", options, VICTIM_CONNECTIONS, VICTIM_STREAMS, whole)?;
            let large_uri = options.target.uri(options.body_path())?;
            let (start_ns, end_ns) = bounds("large", "slow");
            let large = EngineSpec {
                group: "large",
                schedule: Schedule {
                    arrivals: options.arrivals,
                    rate: options.large_rate,
                    start_ns,
                    end_ns,
                    lanes: LARGE_CONNECTIONS,
                    // Another stream of random numbers than the victim's.
                    seed: options.seed ^ u64::MAX,
                    paths: PathMix::new(&[1]),
                },
                streams: LARGE_STREAMS,
                uris: vec![large_uri.clone()],
                timeout: options.timeout,
            };
            let slow = slow(options, large_uri, bounds("slow", "slow"));
            Ok(Plan { engines: vec![victim, large], slow: Some(slow) })
        }
    }
}

fn measured(
    group: &'static str,
    options: &Options,
    connections: u32,
    streams: u32,
    (start_ns, end_ns): (u64, u64),
) -> Result<EngineSpec, LoadError> {
    let weights: Vec<u32> = options.paths.iter().map(|(_, weight)| *weight).collect();
    let uris: Result<Vec<Uri>, LoadError> =
        options.paths.iter().map(|(path, _)| options.target.uri(path)).collect();
    Ok(EngineSpec {
        group,
        schedule: Schedule {
            arrivals: options.arrivals,
            rate: options.rate,
            start_ns,
            end_ns,
            lanes: connections,
            seed: options.seed,
            paths: PathMix::new(&weights),
        },
        streams,
        uris: uris?,
        timeout: options.timeout,
    })
}

fn slow(options: &Options, uri: Uri, (start_ns, release_ns): (u64, u64)) -> SlowSpec {
    SlowSpec {
        group: "slow",
        connections: options.connections,
        streams: options.streams,
        window: options.window,
        uri,
        start_ns,
        release_ns,
        timeout: options.timeout,
    }
}
