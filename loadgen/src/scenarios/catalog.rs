//! The scenarios: their names, what they teach, their groups and phases.
//!
//! A table; what a scenario does with the options of a run is in `plan`.

use std::time::Duration;

use crate::error::LoadError;
use crate::quantity::{whole_ns, whole_seconds};
use crate::schedule::timeline::Timeline;

/// Time in which goose starts its users, before `--duration` begins.
const RAMP_UP: Duration = Duration::from_secs(1);

/// Which scenario.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// goose users on a journey.
    Browse,
    /// Open-loop requests.
    Steady,
    /// Journeys from a file.
    Journey,
    /// Held windows beside a measured victim.
    SlowReader,
    /// Victim, slow readers and large bodies in phases.
    Backpressure,
    /// A rate that the server bears, many times that, and the first again.
    Overload,
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

Every request goes over HTTP/2; a target that does not speak it is refused before the run.",
        groups: &["users"],
        phases: &[("browse", 1)],
    },
    Scenario {
        name: "steady",
        kind: Kind::Steady,
        summary: "requests at a fixed rate whatever the server does; latency from intended time",
        explanation: "\
An open loop: --rate requests per second are due at fixed (or --arrivals poisson) times over
--connections x --streams; --shape with --peak, or --stages, changes the rate. A request that
cannot leave on time keeps its intended time, so a stall of the server shows in every request that
came during it. Four latencies are reported: intended to last byte (the one thresholds judge), to
first byte, to sent, and sent to last byte.

With --closed each of --connections x --streams waits for its answer, and --think, before it sends
again; --max is the same without pauses, the highest rate that server and generator reach. Their
latency is that of a loop that slows down with the server.",
        groups: &["steady"],
        phases: &[("steady", 1)],
    },
    Scenario {
        name: "journey",
        kind: Kind::Journey,
        summary: "requests that follow each other, from a file: logins, captured values, pauses",
        explanation: "\
--file names a TOML file with journeys: steps with path, method, fields, body, what the answer must be,
and what later steps need of it. Each journey draws its values from lists and CSV columns. `--dry-run`
shows what would be sent.

An open loop: --rate journeys per second begin, whatever the server does; with --closed each of
--connections x --streams is a user who begins another when one is over (--max: without --think).
Group `journey` counts whole journeys, from the intended time of the first request to the end of the
last answer with all pauses; each step has a group for its requests. A journey fails with the first of
its requests that does. Those that have begun may finish after the schedule.",
        groups: &["journey"],
        phases: &[("run", 1)],
    },
    Scenario {
        name: "slow-reader",
        kind: Kind::SlowReader,
        summary: "streams that do not read, beside a victim whose latency is measured",
        explanation: "\
For the first quarter only the victim asks, at --rate. Then --connections x --streams slow readers
GET --large-path (or the first --path) with a stream window of --window bytes and send no WINDOW_UPDATE for half of the
duration. At the release they enlarge their windows and read; every body must complete. The
victim's latency before, during and after shows whether slow readers hurt others.

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
    Scenario {
        name: "overload",
        kind: Kind::Overload,
        summary: "a rate that the server bears, then many times that, then the first again",
        explanation: "\
Three phases of equal length. `calm` and `recovery` have --rate requests per second, `overload` has
--peak (ten times --rate unless given). A good server goes on to answer as many requests as it can
while it refuses the others at once, and is as it was before when the rate falls: compare ok/s of
`overload` with what the server can do, its errors by kind (how it sheds), and the p99 of `recovery`
with that of `calm`.

Take a --rate that the server holds with ease, and enough --connections x --streams for the peak:
what finds no free stream waits here, and the server never sees it. Unless --threshold says otherwise
`calm` and `recovery` must be without errors (below 1 %).",
        groups: &["load"],
        phases: &[("calm", 1), ("overload", 1), ("recovery", 1)],
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

impl Scenario {
    /// The same scenario with more groups. It lives as long as the process, as all scenarios do.
    pub fn with_groups(&self, more: &[&str]) -> &'static Scenario {
        let more = more.iter().map(|name| &*String::leak((*name).to_string()));
        let groups: Vec<&'static str> = self.groups.iter().copied().chain(more).collect();
        Box::leak(Box::new(Scenario { groups: Vec::leak(groups), ..*self }))
    }

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
