//! The supervisor: a process that forks and supervises one test at a time.
//!
//! 1. A request arrives on the channel, a test is forked, the result goes back. A closed channel ends
//!    the supervisor and every process that it started.
//! 2. The supervisor adopts orphans. So every child that it still has after a test was left behind by
//!    that test, whatever group, session or descriptors the child gave itself.
//! 3. Time is measured by the monotonic clock against a fixed deadline; output does not move it.
//!
//! Collects the evidence; `verdict` judges it.

use std::cell::RefCell;
use std::io::{self, PipeReader, Read};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use super::groups;
use super::job::{Job, TokenPipe};
use super::output_buffer::OutputBuffer;
use super::plan::Plan;
use super::{body, channel, child, processes};
use crate::cases::account::BodyOutcome;
use crate::cases::context::Scope;
use crate::cases::definition::TestDefinition;
use crate::cases::fixture::{FixtureFailure, describe_failure};
use crate::ffi::memory::UnsharedBuffer;
use crate::ffi::{self, Pid, Wait};
use crate::verdicts::result::TestResult;
use crate::verdicts::token::{self, Identity, MAX_TOKEN_BYTES};
use crate::verdicts::verdict::{Evidence, Judgement, Overrun, Verdict, judge};

/// Bytes read from a stream at once.
const READ_BYTES: usize = 64 << 10;
/// Time for which only the end of a test is waited for. Most tests end within it, and their pipes, which
/// hold 64 KiB, are read once; waking for each of them costs as much as a fork.
const QUIET: Duration = Duration::from_millis(5);

/// Serves requests until the runner closes the channel. `name` is unlike that of any other supervisor
/// that is forked from the same process.
pub fn serve(channel: UnixStream, plan: &Plan, name: &str) {
    let buffer = match ffi::adopt_orphans().and_then(|()| UnsharedBuffer::new(READ_BYTES)) {
        Ok(buffer) => buffer,
        Err(error) => {
            eprintln!("harness: a supervisor of tests cannot start: {error}");
            return;
        }
    };
    let name = format!("{name}-{}", std::process::id());
    let mut supervisor = Supervisor {
        channel: Some(channel),
        plan,
        name,
        scratch: PathBuf::new(),
        scratches: 0,
        read_buffer: RefCell::new(buffer),
    };
    supervisor.make_scratch();
    warm_up();
    // What was written so far has split them.
    plan.has_many_tests().then(ffi::memory::use_huge_pages);
    while let Some(identity) = supervisor.next_request() {
        let reply = supervisor.run(identity);
        let channel = supervisor.channel.as_mut().expect("only forked children drop the channel");
        if channel::send_result(channel, &reply).is_err() {
            return;
        }
    }
}

/// Runs a body that does nothing, so that what happens in a process once, such as the binding of a
/// symbol, has happened before the tests are forked.
fn warm_up() {
    let _ = body::run(&TestDefinition::new("", || {}), 0, Scope::Thread);
}

struct Supervisor<'a> {
    /// `None` only in forked children.
    channel: Option<UnixStream>,
    plan: &'a Plan,
    /// Tells it from other supervisors.
    name: String,
    /// The running test's `TMPDIR`.
    scratch: PathBuf,
    /// Counts the directories used up, to name the next.
    scratches: usize,
    /// Target of reads.
    read_buffer: RefCell<UnsharedBuffer>,
}

/// A forked test and what has been read from it.
struct Running {
    pid: Pid,
    ended: OwnedFd,
    started: Instant,
    stdout: Option<PipeReader>,
    stderr: Option<PipeReader>,
    token: Option<PipeReader>,
    /// The token's pipe when nothing can write to it: a test that has closed all descriptors opens it
    /// again through this one.
    closed_token: Option<PipeReader>,
    stdout_buffer: OutputBuffer,
    stderr_buffer: OutputBuffer,
    token_bytes: Vec<u8>,
    /// Whether a read has filled the buffer, so that there may be more.
    filled: bool,
}

impl Supervisor<'_> {
    fn next_request(&mut self) -> Option<Identity> {
        self.channel.as_mut().and_then(|channel| channel::receive_request(channel).ok())
    }

    fn run(&mut self, identity: Identity) -> TestResult {
        let plan = self.plan;
        let test = &plan.tests[identity.test as usize];
        let started = match fixture_failure(test) {
            Some(judgement) => return TestResult::new(judgement),
            None => self.start(test, identity),
        };
        let result = match started {
            Ok(running) => self.supervise(running, test, identity),
            Err(error) => TestResult::new(Judgement::new(
                Verdict::Fail,
                format!("the test could not be started: {error}"),
            )),
        };
        self.clear_scratch();
        result
    }

    /// Gives the next test an empty `TMPDIR`. One that stayed empty serves again, because making
    /// and removing directories costs as much as forking.
    fn clear_scratch(&mut self) {
        let untouched =
            std::fs::read_dir(&self.scratch).is_ok_and(|mut entries| entries.next().is_none());
        if !untouched {
            // What cannot be removed now is tried again at the end of the run.
            let _ = std::fs::remove_dir_all(&self.scratch);
            self.scratches += 1;
            self.make_scratch();
        }
    }

    fn make_scratch(&mut self) {
        self.scratch = self.plan.scratch.join(format!("{}-{}", self.name, self.scratches));
        std::fs::create_dir(&self.scratch).unwrap_or_else(|error| {
            eprintln!("harness: no TMPDIR {}: {error}", self.scratch.display());
        });
        ffi::set_env("TMPDIR", &self.scratch);
    }

    /// Forks the test.
    fn start(&mut self, test: &TestDefinition, identity: Identity) -> io::Result<Running> {
        let (token, token_end) = io::pipe()?;
        let (mut stdout, mut stderr, mut outputs) = (None, None, None);
        if self.plan.capture {
            let (out, out_end) = io::pipe()?;
            let (err, err_end) = io::pipe()?;
            (stdout, stderr, outputs) = (Some(out), Some(err), Some((out_end, err_end)));
        }
        let (mut token, mut token_end) = (Some(token), Some(token_end));
        let (plan, channel, supervisor) = (self.plan, &mut self.channel, std::process::id() as Pid);
        let reader = token.as_ref().map_or(-1, AsRawFd::as_raw_fd);
        let started = Instant::now();
        let pid = ffi::fork(&mut || {
            // The child must not hold what only the supervisor may hold.
            drop((channel.take(), stdout.take(), stderr.take(), token.take()));
            let job = Job { test, identity, plan, supervisor };
            let token_end = token_end.take().expect("runs once");
            child::enter(&job, outputs.take(), TokenPipe::new(token_end, supervisor, reader));
        })?;
        Ok(Running {
            pid,
            ended: ffi::process_descriptor(pid)?,
            started,
            stdout,
            stderr,
            token,
            closed_token: None,
            stdout_buffer: OutputBuffer::default(),
            stderr_buffer: OutputBuffer::default(),
            token_bytes: Vec::new(),
            filled: false,
        })
    }

    /// Waits for the end of a test, collects the evidence and judges it.
    fn supervise(
        &self,
        mut running: Running,
        test: &TestDefinition,
        identity: Identity,
    ) -> TestResult {
        let mut threads = String::new();
        let overrun = self.watch(&mut running, self.plan.limit_ms(test), &mut threads);
        let status = match ffi::wait(Some(running.pid)) {
            Wait::Ended(_, status) => status,
            // A test that reaps its own process is impossible; treat it as an unclean end.
            Wait::Running | Wait::Stopped(..) | Wait::NoChild => ExitStatus::from_raw(0xff00),
        };
        let duration_us = running.started.elapsed().as_micros() as u64;
        let leaked = processes::sweep(self.plan.leak_grace());
        let mut buffer = self.read_buffer.borrow_mut();
        running.token = running.token.take().or(running.closed_token.take());
        running.read_rest(buffer.bytes());
        drop(buffer);

        let account = token::receive(&running.token_bytes, identity);
        let (subtests, seed_used, thread_panics) = match &account {
            Ok(account) => {
                (account.subtests.clone(), account.seed_used, account.thread_panics.clone())
            }
            Err(_) => (Vec::new(), false, Vec::new()),
        };
        let judgement = judge(&Evidence { account, status, overrun, leaked });
        let mut result = TestResult::new(judgement);
        if result.verdict().is_red() || self.plan.keep_output || !thread_panics.is_empty() {
            result.stdout = running.stdout_buffer.into_text();
            result.stderr = running.stderr_buffer.into_text();
        }
        TestResult { duration_us, threads, subtests, seed_used, thread_panics, ..result }
    }

    /// Returns when the process has ended; enforces the time limit.
    fn watch(&self, running: &mut Running, limit_ms: u64, threads: &mut String) -> Option<Overrun> {
        let channel = self.channel.as_ref().map(AsFd::as_fd);
        let mut deadline = running.started + Duration::from_millis(limit_ms);
        let mut overrun: Option<Overrun> = None;
        let quiet = QUIET.min(Duration::from_millis(limit_ms));
        match ffi::poll([Some(running.ended.as_fd()), channel], Some(quiet)) {
            [true, _] => return None,
            [false, true] => abandon(running.pid),
            [false, false] => {}
        }
        loop {
            let wait = deadline.saturating_duration_since(Instant::now());
            let ready =
                running.read_ready(self.read_buffer.borrow_mut().bytes(), channel, Some(wait));
            if ready.ended {
                return overrun;
            }
            if ready.channel {
                abandon(running.pid);
            }
            if Instant::now() < deadline {
                continue;
            }
            let grace_ms = self.plan.grace_ms();
            deadline += Duration::from_millis(grace_ms);
            match &mut overrun {
                None => {
                    *threads = processes::describe_threads(running.pid);
                    let stopped_by = match ffi::wait_for_change(Some(running.pid), false) {
                        Wait::Stopped(_, signal) => Some(signal),
                        _ => None,
                    };
                    ffi::kill_group(running.pid, ffi::SIGTERM);
                    // A stopped process ends only after it has been continued.
                    ffi::kill_group(running.pid, ffi::signals::SIGCONT);
                    overrun = Some(Overrun { limit_ms, grace_ms, killed: false, stopped_by });
                }
                Some(overrun) => {
                    overrun.killed = true;
                    ffi::kill_group(running.pid, ffi::SIGKILL);
                    // The group may not exist (yet): the process itself always does.
                    ffi::kill(running.pid, ffi::SIGKILL);
                }
            }
        }
    }
}

/// The judgement on a test one of whose fixtures has no value.
fn fixture_failure(test: &TestDefinition) -> Option<Judgement> {
    // The last one is what the test declares; its failure names what it needs.
    groups::declared(test).into_iter().rev().find_map(|fixture| {
        let outcome = match fixture.failure()? {
            FixtureFailure::Failed { file, line, message } => {
                let failure = FixtureFailure::Failed { message, file: String::new(), line: 0 };
                let message = describe_failure(fixture.name(), &failure);
                BodyOutcome::Failed { message, file, line }
            }
            skip => skip,
        };
        Some(Judgement::of_outcome(outcome))
    })
}

/// Ends the test and the supervisor: the runner is gone, so the result has no reader.
fn abandon(pid: Pid) -> ! {
    ffi::kill_group(pid, ffi::SIGKILL);
    ffi::kill(pid, ffi::SIGKILL);
    ffi::wait(Some(pid));
    processes::sweep(Duration::ZERO);
    ffi::exit_now(0)
}

/// What a call of `poll` found.
struct Ready {
    ended: bool,
    channel: bool,
}

impl Running {
    /// Waits for something to happen and reads what has arrived.
    fn read_ready(
        &mut self,
        buffer: &mut [u8],
        channel: Option<BorrowedFd<'_>>,
        timeout: Option<Duration>,
    ) -> Ready {
        let [out, err, token] = self.streams();
        let [ended, channel, out, err, token] =
            ffi::poll([Some(self.ended.as_fd()), channel, out, err, token], timeout);
        self.read_those([out, err, token], buffer);
        Ready { ended, channel }
    }

    /// Reads what the pipes hold when the test and all that it started have ended. One that a process of
    /// others still holds is not waited for.
    fn read_rest(&mut self, buffer: &mut [u8]) {
        loop {
            let waiting = ffi::waiting(self.streams());
            self.read_those(waiting.map(|pipe| pipe.bytes), buffer);
            // A pipe that has ended and was read with room to spare is empty.
            let is_empty = |pipe: ffi::Waiting| !pipe.bytes || (pipe.ended && !self.filled);
            if waiting.into_iter().all(is_empty) {
                return;
            }
        }
    }

    fn streams(&self) -> [Option<BorrowedFd<'_>>; 3] {
        [&self.stdout, &self.stderr, &self.token].map(|pipe| pipe.as_ref().map(AsFd::as_fd))
    }

    /// Reads once from those of standard output, standard error and token that are ready.
    fn read_those(&mut self, [out, err, token]: [bool; 3], buffer: &mut [u8]) {
        self.filled = false;
        let size = buffer.len();
        let filled = &mut self.filled;
        if out {
            read_some(&mut self.stdout, buffer, |bytes| {
                *filled |= bytes.len() == size;
                self.stdout_buffer.push(bytes);
            });
        }
        if err {
            read_some(&mut self.stderr, buffer, |bytes| {
                *filled |= bytes.len() == size;
                self.stderr_buffer.push(bytes);
            });
        }
        if token {
            let left = read_some(&mut self.token, buffer, |bytes| {
                *filled |= bytes.len() == size;
                // Beyond the bound one byte too many is kept, which voids the token.
                let room = (MAX_TOKEN_BYTES + 1).saturating_sub(self.token_bytes.len());
                self.token_bytes.extend_from_slice(&bytes[..bytes.len().min(room)]);
            });
            self.closed_token = left;
        }
    }
}

/// Reads once from a stream that is ready; at its end takes it off and returns it.
fn read_some(
    stream: &mut Option<PipeReader>,
    buffer: &mut [u8],
    mut take: impl FnMut(&[u8]),
) -> Option<PipeReader> {
    let reader = stream.as_mut()?;
    match reader.read(buffer).map_err(|error| error.kind()) {
        Ok(bytes @ 1..) => take(&buffer[..bytes]),
        Err(io::ErrorKind::Interrupted) => {}
        _ => return stream.take(),
    }
    None
}
