//! What a model is, and how the child process explores one.
//!
//! 1. A child explores exactly one model to the end of its (bounded) state space and then prints a
//!    [`Token`] as its last line. No token, no verdict: loom returns silently when it stops early.
//! 2. loom's own environment variables are not consulted; bounds come from the model alone.

use crate::verdict::Fault;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;
use valk_sync::shim;

/// Longest schedule loom may build for one execution, in branches; a model that exceeds it is a
/// failure, never a pass.
const BRANCHES_MAX: usize = 5_000;

/// No model takes longer than this on any computer we know; a child that does is a failure.
pub const TIME_LIMIT: Duration = Duration::from_mins(30);

/// When a model is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Set {
    /// With every change; the whole set stays under a minute.
    Pull,
    /// Every night: larger, or without a preemption bound.
    Nightly,
}

/// One program to explore, and what must be true of the exploration.
#[derive(Clone, Copy)]
pub struct Model {
    /// `structure::behaviour`, unique.
    pub name: &'static str,
    /// When it is run.
    pub set: Set,
    /// Most preemptions per execution; `None` explores everything.
    pub preemptions: Option<usize>,
    /// States that at least one execution must reach, or the model proves nothing about them.
    pub states: &'static [&'static str],
    /// The child is stopped after this.
    pub time_limit: Duration,
    /// The fault a planted model must be caught for; `None` for a real model, which must pass.
    pub planted: Option<Fault>,
    /// One execution.
    pub body: fn(),
}

impl Model {
    /// An exhaustive model of the pull-request set without required states; change with `..`.
    pub const EMPTY: Self = Self {
        name: "",
        set: Set::Pull,
        preemptions: None,
        states: &[],
        time_limit: TIME_LIMIT,
        planted: None,
        body: || (),
    };

    /// `exhaustive` or `bound N`, as in the file of counts.
    pub fn bound(&self) -> String {
        self.preemptions.map_or_else(|| "exhaustive".into(), |bound| format!("bound {bound}"))
    }
}

/// The evidence a child hands back.
#[derive(Debug, PartialEq, Eq)]
pub struct Token {
    /// Executions that ran to their end.
    pub executions: u64,
    /// Required states that no execution reached.
    pub unreached: Vec<String>,
}

impl Token {
    const PREFIX: &'static str = "explored ";

    /// The line for `nonce`, which the parent made up.
    fn line(&self, nonce: &str) -> String {
        let states = self.unreached.join("|");
        format!("{}{nonce} {} [{states}]", Self::PREFIX, self.executions)
    }

    /// The token in a child's output; it must be the last line and carry the parent's nonce.
    pub fn find(output: &str, nonce: &str) -> Option<Self> {
        let last = output.lines().next_back()?;
        let rest = last.strip_prefix(Self::PREFIX)?.strip_prefix(nonce)?;
        let (executions, states) = rest.trim_start().split_once(' ')?;
        let states = states.strip_prefix('[')?.strip_suffix(']')?;
        Some(Self {
            executions: executions.parse().ok()?,
            unreached: states
                .split('|')
                .filter(|state| !state.is_empty())
                .map(Into::into)
                .collect(),
        })
    }
}

/// Explores `model` in this process. A violation panics or aborts, as loom does.
pub fn explore(model: &Model, nonce: &str, locations: bool) -> ExitCode {
    stop_after(model.time_limit);
    let mut explorer = loom::model::Builder::new();
    explorer.preemption_bound = model.preemptions;
    explorer.max_branches = BRANCHES_MAX;
    explorer.max_permutations = None;
    explorer.max_duration = None;
    explorer.checkpoint_file = None;
    explorer.location = locations;
    explorer.log = false;

    let executions = Arc::new(AtomicU64::new(0));
    report_panics(executions.clone());
    let (counter, body) = (executions.clone(), model.body);
    explorer.check(move || {
        body();
        counter.fetch_add(1, Relaxed);
    });

    let reached = shim::reached_states();
    for (state, times) in &reached {
        println!("reached {times} times: {state}");
    }
    let unreached = model.states.iter().filter(|state| !reached.contains_key(*state));
    let token = Token {
        executions: executions.load(Relaxed),
        unreached: unreached.map(ToString::to_string).collect(),
    };
    println!("{}", token.line(nonce));
    ExitCode::SUCCESS
}

/// Starts the line of standard error that says in which execution a rule was broken.
pub const BROKEN_IN: &str = "in execution ";

/// Has every panic say in which execution it happened.
fn report_panics(complete: Arc<AtomicU64>) {
    let default = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        eprintln!("{BROKEN_IN}{}", complete.load(Relaxed) + 1);
        default(info);
    }));
}

/// Exit status of a child that ran out of time.
pub const TIMED_OUT: i32 = 124;

/// Ends this process after `limit`. A thread of its own, so that it works while a model is stuck.
fn stop_after(limit: Duration) {
    std::thread::spawn(move || {
        std::thread::sleep(limit);
        eprintln!("the model was not explored within {limit:?}");
        std::process::exit(TIMED_OUT);
    });
}
