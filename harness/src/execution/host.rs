//! The host of a group: the process from which the supervisors of the group's tests are forked.
//!
//! 1. Each fixture of the group is built in a process forked for it, which goes on to the next one;
//!    the last is the host. The process that forked it watches: if the builder fails, ends or takes
//!    too long, it marks the fixture as failed and goes on without it.
//! 2. The host obeys the control socket: it forks supervisors and hosts of child groups. A closed
//!    control socket ends it when they have ended.
//! 3. Each process then tears down the fixture that it built, so they end in reverse order, and a
//!    teardown that crashes does not keep the earlier fixtures from theirs.
//! 4. A stopped supervisor or child host is killed: nothing continues it.
//!
//! Failures of a teardown concern no test; they are lines on the pipe for faults of the run.

use std::io::{self, PipeReader, PipeWriter, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::Duration;

use super::control::{self, Order};
use super::groups::AnyFixture;
use super::plan::Plan;
use super::{channel, processes, supervisor};
use crate::cases::account::{Account, BodyOutcome};
use crate::cases::fixture::{self, FixtureFailure};
use crate::ffi::signals::Signals;
use crate::ffi::{self, Pid, Wait};
use crate::verdicts::verdict::signal_name;

/// Serves one group.
pub struct Host<'a> {
    /// Rules of the run.
    pub plan: &'a Plan,
    /// Number of the group.
    pub group: usize,
    /// The runner's orders; `None` once they have ended.
    pub control: Option<OwnedFd>,
    /// Where faults of the run are told, a line each; `None` in forked tests.
    pub faults: Option<PipeWriter>,
}

impl Host<'_> {
    /// Builds the group's fixtures, serves the group, and tears down.
    pub fn run(&mut self) {
        ffi::adopt_orphans().unwrap_or_else(|error| {
            self.tell_fault(&format!("orphans of tests cannot be adopted: {error}"));
        });
        let plan = self.plan;
        self.build(&plan.groups.all[self.group].fixtures);
    }

    /// Rule 1; the process that comes to the end of the list serves.
    fn build(&mut self, fixtures: &[AnyFixture]) {
        let Some((fixture, later)) = fixtures.split_first() else { return self.serve() };
        let failure = match fixture.needed().iter().find_map(|need| inherited_failure(*need)) {
            Some(failure) => failure,
            None => match self.build_watched(*fixture, later) {
                Ok(()) => return,
                Err(failure) => failure,
            },
        };
        fixture.fail(failure);
        self.build(later);
    }

    /// Builds one fixture in a process of its own, which serves the group if it can.
    fn build_watched(
        &mut self,
        fixture: AnyFixture,
        later: &[AnyFixture],
    ) -> Result<(), FixtureFailure> {
        let limit = Duration::from_millis(self.plan.fixture_limit_ms(fixture.limit_ms()));
        let refusal = |error: io::Error| failed(format!("no process for it: {error}"));
        let (reader, writer) = io::pipe().map_err(refusal)?;
        let (mut reader, mut writer) = (Some(reader), Some(writer));
        let pid = ffi::fork(&mut || {
            drop(reader.take());
            if let Some(report) = writer.take() {
                self.build_here(fixture, later, report);
            }
            ffi::exit_now(0)
        })
        .map_err(refusal)?;
        drop(writer);
        let mut reader = reader.ok_or_else(|| failed("it was taken".into()))?;
        self.watch_building(pid, &mut reader, limit)?;
        // The child serves the group now, with the orders that this process does not need.
        self.control = None;
        // The pipe ends when the child begins to tear down, or ends.
        let _ = io::copy(&mut reader, &mut io::sink());
        self.watch_teardown(pid, fixture.name(), limit);
        processes::sweep(Duration::ZERO);
        Ok(())
    }

    /// In the forked process: builds, goes on, tears down.
    fn build_here(&mut self, fixture: AnyFixture, later: &[AnyFixture], mut report: PipeWriter) {
        let started = prepare_builder(self.plan);
        let outcome = match started.map_err(|error| failed(error.to_string())) {
            Ok(()) => fixture.prepare().and_then(|()| refuse_threads()),
            Err(failure) => Err(failure),
        };
        let is_built = outcome.is_ok();
        let account = Account::of(outcome.err().unwrap_or(BodyOutcome::Passed));
        let told = channel::send_account(&mut report, &account);
        if !is_built || told.is_err() {
            return;
        }
        ffi::memory::use_huge_pages();
        self.build(later);
        drop(report);
        for failure in fixture::tear_down_here() {
            self.tell_fault(&failure);
        }
        let left = processes::sweep(self.plan.leak_grace());
        if !left.is_empty() {
            let list: Vec<String> = left.iter().map(ToString::to_string).collect();
            let (name, list) = (fixture.name(), list.join(", "));
            self.tell_fault(&format!("fixture `{name}` left processes behind: {list}"));
        }
    }

    /// Waits until the builder has told how it ended.
    fn watch_building(
        &self,
        pid: Pid,
        report: &mut PipeReader,
        limit: Duration,
    ) -> Result<(), FixtureFailure> {
        if !ffi::poll([Some(report.as_fd())], Some(limit))[0] {
            let threads = processes::describe_threads(pid);
            kill_whole(pid);
            ffi::wait(Some(pid));
            processes::sweep(Duration::ZERO);
            let limit = limit.as_millis();
            return Err(failed(format!("it was not built within {limit} ms\n{threads}")));
        }
        let account = channel::receive_account(report);
        let outcome = match account {
            Ok(account) if account.outcome == BodyOutcome::Passed => return Ok(()),
            Ok(account) => account.outcome,
            Err(_) => failed(describe_end(ffi::wait(Some(pid)))),
        };
        ffi::wait(Some(pid));
        processes::sweep(self.plan.leak_grace());
        Err(outcome)
    }

    /// Rule 3: waits for the end of the process that has the fixture.
    fn watch_teardown(&self, pid: Pid, name: &str, limit: Duration) {
        // Without a descriptor it is waited for without a limit.
        let is_over = ffi::process_descriptor(pid)
            .map_or(true, |ended| ffi::poll([Some(ended.as_fd())], Some(limit))[0]);
        if !is_over {
            kill_whole(pid);
            ffi::wait(Some(pid));
            let limit = limit.as_millis();
            let text = format!("fixture `{name}` was not torn down within {limit} ms");
            return self.tell_fault(&text);
        }
        match ffi::wait(Some(pid)) {
            Wait::Ended(_, status) if status.success() => {}
            end => {
                self.tell_fault(&format!("the process of fixture `{name}`: {}", describe_end(end)));
            }
        }
    }

    /// Rule 2.
    fn serve(&mut self) {
        let signals = match Signals::new(&[libc::SIGCHLD]) {
            Ok(signals) => signals,
            Err(error) => return self.tell_fault(&format!("no supervisors: {error}")),
        };
        // What the fixtures started is not ours to end.
        let of_fixtures: Vec<Pid> = processes::children();
        let mut forked: Vec<Pid> = Vec::new();
        let mut number = 0;
        while let Some(control) = &self.control {
            let [ordered, signalled] =
                ffi::poll([Some(control.as_fd()), Some(signals.descriptor())], None);
            if signalled {
                signals.drain();
                reap(&mut forked, &of_fixtures, false);
            }
            if ordered {
                let Ok(order) = control::receive(control) else { break };
                number += 1;
                match self.fork_for(order, number) {
                    Ok(pid) => forked.push(pid),
                    Err(error) => self.tell_fault(&format!("no process for a test: {error}")),
                }
            }
        }
        self.control = None;
        while !forked.is_empty() {
            reap(&mut forked, &of_fixtures, true);
        }
        drop(signals);
        ffi::signals::unblock();
    }

    fn fork_for(&mut self, order: Order, number: usize) -> io::Result<Pid> {
        let (plan, group) = (self.plan, self.group);
        let mut order = Some(order);
        ffi::fork(&mut || {
            self.control = None;
            ffi::signals::unblock();
            match order.take() {
                Some(Order::Supervisor(channel)) => {
                    self.faults = None;
                    supervisor::serve(channel, plan, &format!("{group}-{number}"));
                }
                Some(Order::Child(group, control)) => {
                    let faults = self.faults.take();
                    Host { plan, group, control: Some(control), faults }.run();
                }
                None => {}
            }
            ffi::exit_now(0)
        })
    }

    /// Tells the runner what makes the run red although no test failed.
    pub fn tell_fault(&self, text: &str) {
        if let Some(mut faults) = self.faults.as_ref() {
            let line = format!("{}\n", text.replace('\n', "; "));
            let _ = faults.write_all(line.as_bytes());
        }
    }
}

/// Takes ended children off the list; rule 4 for the others.
fn reap(forked: &mut Vec<Pid>, of_fixtures: &[Pid], mut may_block: bool) {
    loop {
        match ffi::wait_for_change(None, may_block) {
            Wait::Stopped(pid, _) if forked.contains(&pid) => ffi::kill(pid, ffi::SIGKILL),
            Wait::Stopped(..) => {}
            Wait::Ended(pid, status) => {
                let known = forked.len();
                forked.retain(|one| *one != pid);
                if known != forked.len() && !status.success() {
                    // What its test left behind is nobody's child but ours.
                    processes::kill_strays(&[forked.as_slice(), of_fixtures].concat());
                }
                may_block = false;
            }
            Wait::Running => return,
            Wait::NoChild => return forked.clear(),
        }
    }
}

fn failed(message: String) -> FixtureFailure {
    FixtureFailure::Failed { message, file: String::new(), line: 0 }
}

/// The failure of a fixture that another one needs, told as the other's.
fn inherited_failure(need: AnyFixture) -> Option<FixtureFailure> {
    match need.failure()? {
        FixtureFailure::Failed { message, file, line } => {
            let message = format!("it needs fixture `{}`: {message}", need.name());
            Some(FixtureFailure::Failed { message, file, line })
        }
        other => Some(other),
    }
}

/// A directory of its own for what builders put into `TMPDIR`, and default signals.
fn prepare_builder(plan: &Plan) -> io::Result<()> {
    ffi::signals::unblock();
    ffi::lead_own_group()?;
    ffi::adopt_orphans()?;
    let scratch = plan.scratch.join(format!("fixture-{}", std::process::id()));
    std::fs::create_dir_all(&scratch)?;
    ffi::set_env("TMPDIR", scratch);
    Ok(())
}

/// Rule 3 of fixtures: a forked child would lack the threads, and their locks would stay taken.
fn refuse_threads() -> Result<(), FixtureFailure> {
    let threads = std::fs::read_dir("/proc/self/task").map_or(1, Iterator::count);
    if threads == 1 {
        return Ok(());
    }
    Err(failed(format!(
        "it left {} threads running; build it without threads, or start them in the test",
        threads - 1
    )))
}

fn kill_whole(pid: Pid) {
    ffi::kill_group(pid, ffi::SIGKILL);
    ffi::kill(pid, ffi::SIGKILL);
}

fn describe_end(end: Wait) -> String {
    match end {
        Wait::Ended(_, status) => describe_status(status),
        _ => "its process is gone".into(),
    }
}

fn describe_status(status: ExitStatus) -> String {
    match (status.signal(), status.code()) {
        (Some(signal), _) => format!("it crashed with {} (signal {signal})", signal_name(signal)),
        (None, code) => format!("it ended its process with status {}", code.unwrap_or(-1)),
    }
}
