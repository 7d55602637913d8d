//! Which option has an effect where. One that would have none is an error that says where it has.

use std::collections::BTreeSet;

use crate::error::LoadError;
use crate::scenarios::catalog::{Kind, SCENARIOS, Scenario};

use Kind::{Backpressure, Browse, Journey, Overload, SlowReader, Steady};

/// Every scenario.
const ALL: &[Kind] = &[Browse, Steady, Journey, SlowReader, Backpressure, Overload];
/// Scenarios whose measured group follows a schedule.
const SCHEDULED: &[Kind] = &[Steady, Journey, SlowReader, Backpressure, Overload];
/// Scenarios that ask for paths.
const WITH_PATHS: &[Kind] = &[Browse, Steady, SlowReader, Backpressure, Overload];

/// Options of `run` by their names in the code, each with the scenarios that use it. Options about
/// the target and the reports are not here: they have an effect everywhere.
const EFFECTS: &[(&str, &[Kind])] = &[
    ("duration", ALL),
    ("connections", SCHEDULED),
    ("streams", SCHEDULED),
    ("users", &[Browse]),
    ("threads", &[Steady, Journey, Overload]),
    ("rate", SCHEDULED),
    ("arrivals", SCHEDULED),
    ("burst", SCHEDULED),
    ("shape", &[Steady, Journey]),
    ("peak", &[Steady, Journey, Overload]),
    ("stages", &[Steady, Journey]),
    ("closed", &[Steady, Journey]),
    ("max", &[Steady, Journey]),
    ("think", &[Browse, Steady, Journey]),
    ("requests_per_connection", &[Steady, Journey, Overload]),
    ("connections_per_second", &[Steady, Journey, Overload]),
    ("seed", SCHEDULED),
    ("file", &[Journey]),
    ("dry_run", &[Journey]),
    ("paths", WITH_PATHS),
    ("method", &[Steady, Overload]),
    ("headers", ALL),
    ("data", &[Steady, Overload]),
    ("data_file", &[Steady, Overload]),
    ("data_json", &[Steady, Overload]),
    ("timeout", ALL),
    ("expect_status", &[Browse, Steady, Overload]),
    ("expect_contains", &[Browse, Steady, Overload]),
    ("expect_bytes", &[Browse, Steady, Overload]),
    ("large_path", &[SlowReader, Backpressure]),
    ("large_rate", &[Backpressure]),
    ("window", &[SlowReader, Backpressure]),
    ("post_path", &[Browse]),
    ("post_bytes", &[Browse]),
    ("max_lag", SCHEDULED),
];

/// Options that need another one, or exclude it: name, whether the other must be there, the other,
/// and what to say.
const PAIRS: &[(&str, bool, &str, &str)] = &[
    ("post_bytes", true, "post_path", "without --post-path nothing is posted"),
    ("rate", false, "max", "--max sends as much as the server takes"),
    ("rate", false, "closed", "in a closed loop the answers decide; leave one of them away"),
    ("arrivals", false, "max", "without a rate there are no arrivals"),
    ("arrivals", false, "closed", "without a rate there are no arrivals"),
    ("burst", false, "max", "without a rate there are no arrivals"),
    ("burst", false, "closed", "without a rate there are no arrivals"),
    ("shape", false, "max", "without a rate there is no shape"),
    ("shape", false, "closed", "without a rate there is no shape"),
    ("stages", false, "max", "without a rate there are no stages"),
    ("stages", false, "closed", "without a rate there are no stages"),
    ("max_lag", false, "max", "without a schedule nothing can be late"),
    ("max_lag", false, "closed", "without a schedule nothing can be late"),
    ("think", false, "max", "use --closed for pauses"),
];

/// `--post-bytes` for `post_bytes`.
fn flag(id: &str) -> String {
    match id {
        "paths" | "headers" => format!("--{}", &id[..id.len() - 1]),
        id => format!("--{}", id.replace('_', "-")),
    }
}

/// Whether an option changes what this scenario does.
pub fn has_effect(id: &str, scenario: &Scenario) -> bool {
    EFFECTS.iter().all(|(name, kinds)| *name != id || kinds.contains(&scenario.kind))
}

/// Refuses options that would change nothing.
///
/// # Errors
/// Usage error that names the option and the scenarios in which it has an effect.
pub fn check_scenario(scenario: &Scenario, given: &BTreeSet<String>) -> Result<(), LoadError> {
    for (id, kinds) in EFFECTS {
        if given.contains(*id) && !kinds.contains(&scenario.kind) {
            let names: Vec<String> = SCENARIOS
                .iter()
                .filter(|s| kinds.contains(&s.kind))
                .map(|s| format!("`{}`", s.name))
                .collect();
            return refuse(scenario, id, &format!("it has one in {}", names.join(", ")));
        }
    }
    Ok(())
}

fn refuse(scenario: &Scenario, id: &str, why: &str) -> Result<(), LoadError> {
    let name = scenario.name;
    Err(LoadError::usage(format!("{} has no effect in `{name}`: {why}", flag(id))))
}

/// Refuses options that would change nothing beside others or with this target.
///
/// # Errors
/// Usage error that names the option and says why.
pub fn check(scenario: &Scenario, tls: bool, given: &BTreeSet<String>) -> Result<(), LoadError> {
    let refuse = |id: &str, why: &str| refuse(scenario, id, why);
    for (id, wanted, other, why) in PAIRS {
        if given.contains(*id) && given.contains(*other) != *wanted {
            return refuse(id, why);
        }
    }
    let is_engine_alone = matches!(scenario.kind, Steady | Journey);
    if is_engine_alone && given.contains("peak") && !given.contains("shape") {
        return refuse("peak", "it is the other rate of --shape");
    }
    if is_engine_alone && given.contains("think") && !given.contains("closed") {
        return refuse("think", "requests follow a schedule; pauses belong to --closed");
    }
    for id in ["insecure", "ca"] {
        if given.contains(id) && !tls {
            return refuse(id, "the target is http://, which has no certificate");
        }
    }
    Ok(())
}
