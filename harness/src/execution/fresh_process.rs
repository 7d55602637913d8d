//! The exec isolation class: the body runs in a freshly started process of the same binary.
//!
//! rusty-fork starts the process. Two of its habits could turn a failure into a pass, so they are
//! made harmless here:
//!
//! 1. It rebuilds the child's arguments from ours and loses some (the word after `--nocapture`).
//!    Our child ignores its arguments: its order, test name and nonce, is in the environment.
//! 2. It believes exit status 0, also of a child that ran nothing. We believe a token, sent over a
//!    descriptor of its own after the body returned.
//!
//! The surrounding forked process gives time limit, capture and leak detection.

use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd};

use super::child::{self, Errand};
use crate::cases::account::{Account, Outcome};
use crate::cases::context::{self, Scope};
use crate::cases::definition::{self, TestDefinition};
use crate::ffi;
use crate::options;
use crate::verdicts::token::{self, Identity, MAX_TOKEN_BYTES, TokenError};

/// `descriptor:nonce:seed:name` of the one test that the fresh process runs.
const ORDER_VARIABLE: &str = "VALK_TEST_EXEC_ORDER";
/// One fork point per binary is enough: a process runs one test.
const FORK_POINT: &str = "valk-harness exec isolation";

/// In the forked test: starts a fresh process for it and returns that process's account.
pub fn run_fresh(errand: &Errand<'_>) -> Account {
    options::announce_flags_to_rusty_fork();
    start_and_receive(errand).unwrap_or_else(Account::of_failure)
}

fn start_and_receive(errand: &Errand<'_>) -> Result<Account, String> {
    let identity = errand.identity;
    let (reader, writer) = io::pipe().map_err(|error| format!("no pipe: {error}"))?;
    ffi::inherit(writer.as_fd(), true).map_err(|error| format!("no pipe: {error}"))?;
    let order = format!(
        "{}:{}:{}:{}",
        writer.as_raw_fd(),
        identity.nonce,
        errand.plan.run_seed,
        errand.test.name
    );
    let mut writer = Some(writer);
    let (bytes, status) = rusty_fork::fork(
        &errand.test.name,
        FORK_POINT,
        |command| {
            command.env(ORDER_VARIABLE, order);
        },
        |process, _output| {
            drop(writer.take()); // so that the reader ends with the child
            let mut bytes = Vec::new();
            let read = reader.take(MAX_TOKEN_BYTES as u64 + 1).read_to_end(&mut bytes);
            (read.map(|_| bytes), process.wait())
        },
        || unreachable!("the fresh process never comes here: it has an order"),
    )
    .map_err(|error| format!("the fresh process could not be started: {error}"))?;
    let bytes = bytes.map_err(|error| format!("the fresh process's token is lost: {error}"))?;
    let status = status.map_err(|error| format!("the fresh process is lost: {error}"))?;
    // The fresh process knows its test by name, not by position.
    let account = token::receive(&bytes, Identity { test: 0, ..identity });
    believe(account, status.success(), &format!("{status:?}"))
}

/// The account, if token and exit status support it.
pub(crate) fn believe(
    account: Result<Account, TokenError>,
    success: bool,
    status: &str,
) -> Result<Account, String> {
    let account = account
        .map_err(|error| format!("the fresh process ended ({status}) {}", error.describe()))?;
    if success || matches!(account.outcome, Outcome::Failed { .. }) {
        return Ok(account);
    }
    Err(format!("the body returned, but the fresh process ended badly ({status})"))
}

/// In `main` of the fresh process: runs the ordered test and ends the process.
///
/// Returns in every other process.
pub fn obey_order() {
    let Ok(order) = std::env::var(ORDER_VARIABLE) else { return };
    // Programs started by the test must not take the order for theirs.
    ffi::remove_env(ORDER_VARIABLE);
    let refusal = match carry_out(&order) {
        Ok(never) => match never {},
        Err(refusal) => refusal,
    };
    eprintln!("harness: {refusal}");
    ffi::exit_now(child::RED_STATUS)
}

fn carry_out(order: &str) -> Result<std::convert::Infallible, String> {
    let mut fields = order.splitn(4, ':');
    let mut number = || fields.next().and_then(|field| field.parse::<u64>().ok());
    let (Some(descriptor), Some(nonce), Some(run_seed)) = (number(), number(), number()) else {
        return Err(format!("{ORDER_VARIABLE} is {order:?}, not descriptor:nonce:seed:name"));
    };
    let name = fields.next().unwrap_or_default();
    let token = ffi::adopt_descriptor(descriptor as i32)
        .map_err(|error| format!("descriptor {descriptor} for the token: {error}"))?;
    ffi::inherit(token.as_fd(), false).map_err(|error| error.to_string())?;
    let tests = definition::collect().map_err(|error| error.to_string())?;
    let test = find(&tests, name).ok_or_else(|| {
        format!("no test named `{name}` in the fresh process; a provider is not deterministic")
    })?;
    context::note_panics();
    let account = context::run_body(test, run_seed, Scope::Process);
    child::finish(&account, Identity { nonce, test: 0 }, token)
}

/// The test with this name in a sorted list.
pub fn find<'a>(tests: &'a [TestDefinition], name: &str) -> Option<&'a TestDefinition> {
    let at = tests.binary_search_by(|test| test.name.as_str().cmp(name)).ok()?;
    Some(&tests[at])
}
