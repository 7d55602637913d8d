//! The verdict: what the evidence says about a test.
//!
//! 1. A test is green if its token says so, its exit status is 0 and no process is leaked.
//! 2. The strongest evidence decides the verdict: time limit, signal, missing token, the account,
//!    leaked processes.
//! 3. Pure: no clock, no processes; every row of the table is a unit test.

use std::fmt;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use super::token::TokenError;
use crate::cases::account::{Account, BodyOutcome};
use crate::cases::debt::{Day, Debt};
use crate::cases::skip::{Skip, SkipClass};

/// The verdict on one run of a test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The body returned and everything agrees.
    Pass,
    /// Failed, and passed when it ran again.
    Flaky,
    /// The same, where that is not accepted.
    FlakyFail,
    /// The body panicked.
    Fail,
    /// A signal ended the process.
    Crash,
    /// The time limit was reached.
    Timeout,
    /// The process ended, but the body did not return.
    EarlyExit,
    /// The body returned, but left processes behind.
    Leak,
    /// Not applicable on this host, confirmed.
    SkipExpected,
    /// Skipped because it does not work.
    SkipBroken,
    /// Skipped for a reason that does not hold on this host.
    SkipStale,
    /// Skipped because it does not work, with an owner and a day that has not passed.
    SkipOwed,
    /// Skipped after the day until which that was accepted.
    SkipExpired,
    /// Ran when a signal ended the whole run.
    Interrupted,
    /// Left out after an earlier failure (`--fail-fast`) or an interrupt.
    NotRun,
}

impl Verdict {
    const NAMES: [(Self, &'static str); 15] = [
        (Self::Pass, "pass"),
        (Self::Flaky, "flaky"),
        (Self::FlakyFail, "flaky-fail"),
        (Self::Fail, "fail"),
        (Self::Crash, "crash"),
        (Self::Timeout, "timeout"),
        (Self::EarlyExit, "early-exit"),
        (Self::Leak, "leak"),
        (Self::SkipExpected, "skip-expected"),
        (Self::SkipBroken, "skip-broken"),
        (Self::SkipStale, "skip-stale"),
        (Self::SkipOwed, "skip-owed"),
        (Self::SkipExpired, "skip-expired"),
        (Self::Interrupted, "interrupted"),
        (Self::NotRun, "not-run"),
    ];

    /// Name in ledger and reports.
    pub fn name(self) -> &'static str {
        Self::NAMES
            .into_iter()
            .find(|(verdict, _)| *verdict == self)
            .map(|(_, name)| name)
            .expect("NAMES lists every verdict")
    }

    /// The verdict with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::NAMES.into_iter().find(|(_, n)| *n == name).map(|(verdict, _)| verdict)
    }

    /// Whether the run turns red.
    pub fn is_red(self) -> bool {
        let is_green = matches!(
            self,
            Self::Pass | Self::Flaky | Self::SkipExpected | Self::SkipOwed | Self::NotRun
        );
        !is_green
    }

    /// Whether another run may end otherwise.
    pub fn may_change(self) -> bool {
        matches!(self, Self::Fail | Self::Crash | Self::Timeout | Self::EarlyExit | Self::Leak)
    }
}

/// What happened when the time limit was reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overrun {
    /// The limit in milliseconds.
    pub limit_ms: u64,
    /// Time between SIGTERM and SIGKILL in milliseconds.
    pub grace_ms: u64,
    /// Whether SIGKILL was needed.
    pub killed: bool,
    /// The signal that had stopped the process, if it was stopped.
    pub stopped_by: Option<i32>,
}

/// A process that outlived its test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leaked {
    /// Command name.
    pub command: String,
    /// Process number.
    pub pid: i32,
}

impl fmt::Display for Leaked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.pid {
            0 => f.write_str(&self.command),
            pid => write!(f, "{} (pid {pid})", self.command),
        }
    }
}

/// Everything observed about one run of one test.
pub struct Evidence {
    /// The account from the token, or why there is none.
    pub account: Result<Account, TokenError>,
    /// How the process ended.
    pub status: ExitStatus,
    /// Set if the time limit was reached.
    pub overrun: Option<Overrun>,
    /// Processes found and killed after the test.
    pub leaked: Vec<Leaked>,
}

/// A verdict with its explanation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    /// The verdict.
    pub verdict: Verdict,
    /// Why; empty for a pass.
    pub message: String,
    /// Place of the failure; empty if unknown.
    pub file: String,
    /// Line in `file`; 0 if unknown.
    pub line: u32,
    /// Set for the skip verdicts.
    pub skip: Option<Skip>,
}

impl Judgement {
    /// A judgement without place or skip.
    pub fn new(verdict: Verdict, message: impl Into<String>) -> Self {
        Self { verdict, message: message.into(), file: String::new(), line: 0, skip: None }
    }

    /// The judgement of a skip.
    pub fn of_skip(skip: Skip) -> Self {
        let (verdict, words) = match skip.class {
            SkipClass::Expected => (Verdict::SkipExpected, "skipped"),
            SkipClass::Broken => (Verdict::SkipBroken, "skipped as broken"),
            SkipClass::Stale => (Verdict::SkipStale, "stale skip"),
            SkipClass::Owed => (Verdict::SkipOwed, "skipped as broken"),
            SkipClass::Expired => (Verdict::SkipExpired, "expired skip"),
        };
        let mut message = format!("{words} [{}]: {}", skip.code, skip.reason);
        if skip.class == SkipClass::Owed {
            message = format!("{message}; accepted until {}", skip.until);
        }
        if !skip.owner.is_empty() {
            message = format!("{message}; owner: {}", skip.owner);
        }
        Self { skip: Some(skip), ..Self::new(verdict, message) }
    }

    /// The judgement with what the test says about owner and day of its skips.
    #[must_use]
    pub fn with_debt(mut self, debt: &Debt, today: Day) -> Self {
        match self.skip.take() {
            None => self,
            Some(skip) => Self::of_skip(skip.with_debt(debt, today)),
        }
    }

    /// The judgement of an account that is accepted.
    pub fn of_outcome(outcome: BodyOutcome) -> Self {
        match outcome {
            BodyOutcome::Passed => Self::new(Verdict::Pass, ""),
            BodyOutcome::Failed { message, file, line } => {
                Self { file, line, ..Self::new(Verdict::Fail, message) }
            }
            BodyOutcome::Skipped(skip) => Self::of_skip(skip),
        }
    }
}

/// Judges the evidence.
pub fn judge(evidence: &Evidence) -> Judgement {
    let mut judgement = judge_process(evidence);
    if evidence.leaked.is_empty() {
        return judgement;
    }
    let leaked = describe_leak(&evidence.leaked);
    if judgement.verdict.is_red() {
        judgement.message = format!("{}; it also {leaked}", judgement.message);
        judgement
    } else {
        Judgement::new(Verdict::Leak, leaked)
    }
}

fn judge_process(evidence: &Evidence) -> Judgement {
    if let Some(overrun) = &evidence.overrun {
        return Judgement::new(Verdict::Timeout, describe_overrun(overrun));
    }
    if let Some(signal) = evidence.status.signal() {
        let name = signal_name(signal);
        return Judgement::new(Verdict::Crash, format!("crashed with {name} (signal {signal})"));
    }
    let status = evidence.status.code().unwrap_or(-1);
    match &evidence.account {
        Err(error) => Judgement::new(
            Verdict::EarlyExit,
            format!("exited early with status {status}, {}", error.describe()),
        ),
        Ok(Account { outcome: failed @ BodyOutcome::Failed { .. }, .. }) => {
            Judgement::of_outcome(failed.clone())
        }
        Ok(account) if status == 0 => Judgement::of_outcome(account.outcome.clone()),
        Ok(_) => Judgement::new(
            Verdict::EarlyExit,
            format!("the body returned, but the process ended with status {status}"),
        ),
    }
}

fn describe_overrun(overrun: &Overrun) -> String {
    let Overrun { limit_ms, grace_ms, killed, stopped_by } = overrun;
    if let Some(signal) = stopped_by {
        let why = match *signal {
            libc::SIGTTIN => ", as a process in the background is that reads from the terminal",
            libc::SIGTTOU => ", as a process in the background is that changes the terminal",
            _ => "",
        };
        let name = signal_name(*signal);
        format!("timed out after {limit_ms} ms; it had been stopped by {name}{why}")
    } else if *killed {
        format!(
            "timed out after {limit_ms} ms; it ignored SIGTERM for {grace_ms} ms and was killed \
             with SIGKILL"
        )
    } else {
        format!("timed out after {limit_ms} ms; it ended after SIGTERM")
    }
}

fn describe_leak(leaked: &[Leaked]) -> String {
    let list: Vec<String> = leaked.iter().map(ToString::to_string).collect();
    let plural = if leaked.len() == 1 { "process" } else { "processes" };
    format!("leaked {} {plural}, now killed: {}", leaked.len(), list.join(", "))
}

/// `SIGSEGV` for 11, and so on; Linux numbers.
pub fn signal_name(signal: i32) -> String {
    const NAMES: [&str; 31] = [
        "SIGHUP",
        "SIGINT",
        "SIGQUIT",
        "SIGILL",
        "SIGTRAP",
        "SIGABRT",
        "SIGBUS",
        "SIGFPE",
        "SIGKILL",
        "SIGUSR1",
        "SIGSEGV",
        "SIGUSR2",
        "SIGPIPE",
        "SIGALRM",
        "SIGTERM",
        "SIGSTKFLT",
        "SIGCHLD",
        "SIGCONT",
        "SIGSTOP",
        "SIGTSTP",
        "SIGTTIN",
        "SIGTTOU",
        "SIGURG",
        "SIGXCPU",
        "SIGXFSZ",
        "SIGVTALRM",
        "SIGPROF",
        "SIGWINCH",
        "SIGIO",
        "SIGPWR",
        "SIGSYS",
    ];
    usize::try_from(signal - 1)
        .ok()
        .and_then(|at| NAMES.get(at))
        .map_or_else(|| format!("signal {signal}"), ToString::to_string)
}
