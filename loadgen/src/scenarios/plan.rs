//! The plan of a run: which engines put load on the target, and when.
//!
//! A plan is data; `run` executes it. `browse` has none: goose drives it.

use http::Uri;

use crate::engines::open_loop::EngineSpec;
use crate::engines::slow_readers::SlowSpec;
use crate::error::LoadError;
use crate::limits::{LARGE_CONNECTIONS, LARGE_STREAMS, VICTIM_CONNECTIONS, VICTIM_STREAMS};
use crate::options::Options;
use crate::schedule::arrivals::{PathMix, Schedule};

use super::catalog::{Kind, Scenario};

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
                    connections: LARGE_CONNECTIONS,
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
            connections,
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
