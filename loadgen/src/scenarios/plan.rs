//! The plan of a run: which engines put load on the target, and when.
//!
//! A plan is data; `run` executes it. `browse` has none: goose drives it.

use std::sync::Arc;
use std::time::Duration;

use crate::engines::event_loop::{Churn, EngineSpec, Pacing, RequestSpec};
use crate::engines::slow_readers::SlowSpec;
use crate::error::LoadError;
use crate::limits::{LARGE_CONNECTIONS, LARGE_STREAMS, VICTIM_CONNECTIONS, VICTIM_STREAMS};
use crate::options::Options;
use crate::requests::template::Template;
use crate::schedule::arrivals::{PathMix, Schedule};
use crate::schedule::profile::Profile;

use super::catalog::{Kind, Scenario};

/// What `run` executes.
#[derive(Debug)]
pub struct Plan {
    /// The measured engine, divided between threads of their own.
    pub measured: Vec<EngineSpec>,
    /// Other engines, which share a thread.
    pub others: Vec<EngineSpec>,
    /// Slow readers, if any, on that thread too.
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
    match scenario.kind {
        Kind::Browse | Kind::Steady | Kind::Journey | Kind::Overload => {
            let engine =
                measured(scenario.groups[0], options, options.connections, options.streams)?;
            Ok(Plan { measured: engine.divided(options.threads), others: Vec::new(), slow: None })
        }
        Kind::SlowReader => {
            let victim = measured("victim", options, VICTIM_CONNECTIONS, VICTIM_STREAMS)?;
            let slow = slow(options, options.body_template()?, bounds("hold", "hold"));
            Ok(Plan { measured: vec![victim], others: Vec::new(), slow: Some(slow) })
        }
        Kind::Backpressure => {
            let victim = measured("victim", options, VICTIM_CONNECTIONS, VICTIM_STREAMS)?;
            let template = options.body_template()?;
            let (start_ns, end_ns) = bounds("large", "slow");
            let length = Duration::from_nanos(end_ns - start_ns);
            let schedule = Schedule {
                arrivals: options.arrivals,
                burst: 1,
                profile: Profile::constant(options.large_rate, length),
                start_ns,
                connections: LARGE_CONNECTIONS,
                // Another stream of random numbers than the victim's.
                seed: options.seed ^ u64::MAX,
                paths: PathMix::new(&[1]),
            };
            let large = EngineSpec {
                group: "large",
                schedule: Arc::new(schedule),
                pacing: Pacing::Open,
                streams: LARGE_STREAMS,
                requests: RequestSpec::Same(Arc::clone(&template)),
                timeout: options.timeout,
                churn: Churn::default(),
                part: (0, 1),
            };
            let slow = slow(options, template, bounds("slow", "slow"));
            Ok(Plan { measured: vec![victim], others: vec![large], slow: Some(slow) })
        }
    }
}

fn measured(
    group: &'static str,
    options: &Options,
    connections: u32,
    streams: u32,
) -> Result<EngineSpec, LoadError> {
    let weights: Vec<u32> = match &options.journeys {
        Some(journeys) => journeys.journeys.iter().map(|journey| journey.weight).collect(),
        None => options.paths.iter().map(|(_, weight)| *weight).collect(),
    };
    let schedule = Schedule {
        arrivals: options.arrivals,
        burst: options.burst,
        profile: options.profile.clone(),
        start_ns: 0,
        connections,
        seed: options.seed,
        paths: PathMix::new(&weights),
    };
    Ok(EngineSpec {
        group,
        schedule: Arc::new(schedule),
        pacing: options.pacing,
        streams,
        requests: match &options.journeys {
            Some(journeys) => RequestSpec::Journeys(Arc::clone(journeys), options.common()),
            None => RequestSpec::Same(Arc::new(options.template()?)),
        },
        timeout: options.timeout,
        churn: options.churn,
        part: (0, 1),
    })
}

fn slow(
    options: &Options,
    template: Arc<Template>,
    (start_ns, release_ns): (u64, u64),
) -> SlowSpec {
    SlowSpec {
        group: "slow",
        connections: options.connections,
        streams: options.streams,
        window: options.window,
        template,
        start_ns,
        release_ns,
        timeout: options.timeout,
    }
}
