//! The exec isolation class: the body runs in a freshly started process of the same binary.
//!
//! rusty-fork starts the process. Two of its properties could turn a failure into a pass:
//!
//! 1. It rebuilds the child's arguments from ours and loses some (the word after `--nocapture`).
//!    Our child ignores its arguments: its job, test name and nonce, is in the environment.
//! 2. It accepts exit status 0, also of a child that ran nothing. We require a token, sent over a
//!    descriptor of its own after the body has returned.
//!
//! The surrounding forked process gives time limit, capture and leak detection.

use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd};

use super::body;
use super::job::{self, Job};
use crate::cases::account::{Account, BodyOutcome};
use crate::cases::context::Scope;
use crate::cases::definition::{self, TestDefinition};
use crate::cases::panics;
use crate::ffi;
use crate::options;
use crate::verdicts::token::{self, Identity, MAX_TOKEN_BYTES, TokenError};

/// `descriptor:nonce:seed:name` of the test that the fresh process runs.
const JOB_VARIABLE: &str = "VALK_TEST_EXEC_JOB";
/// One fork point per binary is enough: a process runs one test.
const FORK_POINT: &str = "valk-harness exec isolation";

/// In the forked test: starts a fresh process for it and returns that process's account.
pub fn run_fresh(job: &Job<'_>) -> Account {
    options::announce_flags_to_rusty_fork();
    start_and_receive(job).unwrap_or_else(Account::of_failure)
}

fn start_and_receive(job: &Job<'_>) -> Result<Account, String> {
    let identity = job.identity;
    let (reader, writer) = io::pipe().map_err(|error| format!("no pipe: {error}"))?;
    ffi::inherit(writer.as_fd(), true).map_err(|error| format!("no pipe: {error}"))?;
    let job_text = format!(
        "{}:{}:{}:{}",
        writer.as_raw_fd(),
        identity.nonce,
        job.plan.run_seed,
        job.test.name
    );
    let mut writer = Some(writer);
    let (bytes, status) = rusty_fork::fork(
        &job.test.name,
        FORK_POINT,
        |command| {
            command.env(JOB_VARIABLE, job_text);
        },
        |process, _output| {
            drop(writer.take()); // so that the reader ends with the child
            let mut bytes = Vec::new();
            let read = reader.take(MAX_TOKEN_BYTES as u64 + 1).read_to_end(&mut bytes);
            (read.map(|_| bytes), process.wait())
        },
        || unreachable!("the fresh process never comes here: it has a job"),
    )
    .map_err(|error| format!("the fresh process could not be started: {error}"))?;
    let bytes = bytes.map_err(|error| format!("the fresh process's token is lost: {error}"))?;
    let status = status.map_err(|error| format!("the fresh process is lost: {error}"))?;
    // The fresh process knows its test by name, not by position.
    let account = token::receive(&bytes, Identity { test: 0, ..identity });
    check_account(account, status.success(), &format!("{status:?}"))
}

/// Returns the account if token and exit status agree with it.
pub(crate) fn check_account(
    account: Result<Account, TokenError>,
    success: bool,
    status: &str,
) -> Result<Account, String> {
    let account = account
        .map_err(|error| format!("the fresh process ended ({status}) {}", error.describe()))?;
    if success || matches!(account.outcome, BodyOutcome::Failed { .. }) {
        return Ok(account);
    }
    Err(format!("the body returned, but the fresh process ended badly ({status})"))
}

/// Runs the job of a fresh process and ends the process; the first call of `main`.
///
/// Returns in every other process: it has no job.
pub fn run_job() {
    let Ok(job) = std::env::var(JOB_VARIABLE) else { return };
    // A program that the test starts must not inherit the job.
    ffi::remove_env(JOB_VARIABLE);
    let refusal = match run_named_test(&job) {
        Ok(never) => match never {},
        Err(refusal) => refusal,
    };
    eprintln!("harness: {refusal}");
    ffi::exit_now(job::RED_STATUS)
}

fn run_named_test(job: &str) -> Result<std::convert::Infallible, String> {
    let mut fields = job.splitn(4, ':');
    let mut number = || fields.next().and_then(|field| field.parse::<u64>().ok());
    let (Some(descriptor), Some(nonce), Some(run_seed)) = (number(), number(), number()) else {
        return Err(format!("{JOB_VARIABLE} is {job:?}, expected descriptor:nonce:seed:name"));
    };
    let name = fields.next().unwrap_or_default();
    let token = ffi::adopt_descriptor(descriptor as i32)
        .map_err(|error| format!("descriptor {descriptor} for the token: {error}"))?;
    ffi::inherit(token.as_fd(), false).map_err(|error| error.to_string())?;
    let tests = definition::collect().map_err(|error| error.to_string())?;
    let test = find(&tests, name).ok_or_else(|| {
        format!("no test named `{name}` in the fresh process; a provider is not deterministic")
    })?;
    panics::install_hook();
    let account = body::run(test, run_seed, Scope::Process);
    job::finish(account, Identity { nonce, test: 0 }, token)
}

/// The test with this name in a sorted list.
pub fn find<'a>(tests: &'a [TestDefinition], name: &str) -> Option<&'a TestDefinition> {
    let at = tests.binary_search_by(|test| test.name.as_str().cmp(name)).ok()?;
    Some(&tests[at])
}
