//! A slot: the process that forks and supervises one test at a time.
//!
//! 1. An order arrives on the lane, a test is forked, the result goes back; closing the lane ends
//!    the slot and everything it started.
//! 2. The slot adopts orphans, so after a test has ended every child the slot still has was left
//!    behind by that test, whatever group, session or descriptors it gave itself.
//! 3. Time is measured by the monotonic clock against a fixed deadline; output does not move it.
//!
//! Evidence is gathered here and judged in `verdict`.

use std::io::{self, PipeReader, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use super::output_buffer::Spool;
use super::plan::Plan;
use super::{channel, child, processes};
use crate::cases::definition::TestDefinition;
use crate::ffi::{self, Pid, Wait};
use crate::verdicts::result::TestResult;
use crate::verdicts::token::{self, Identity, MAX_TOKEN_BYTES};
use crate::verdicts::verdict::{Evidence, Judgement, Overrun, Verdict, judge};

/// Bytes read from a stream at once.
const READ_BYTES: usize = 64 << 10;

/// Serves orders until the runner closes the lane.
pub fn serve(lane: UnixStream, plan: &Plan, number: usize) {
    if let Err(error) = ffi::adopt_orphans() {
        eprintln!("harness: orphans of tests cannot be adopted: {error}");
        return;
    }
    let mut slot = Slot { lane: Some(lane), plan, number, scratch: PathBuf::new(), scratches: 0 };
    slot.make_scratch();
    while let Some(identity) = slot.next_order() {
        let reply = slot.run(identity);
        let lane = slot.lane.as_mut().expect("only forked children drop the lane");
        if channel::send_result(lane, &reply).is_err() {
            return;
        }
    }
}

struct Slot<'a> {
    /// `None` only in forked children.
    lane: Option<UnixStream>,
    plan: &'a Plan,
    number: usize,
    /// The running test's `TMPDIR`.
    scratch: PathBuf,
    /// Counts the directories used up, to name the next.
    scratches: usize,
}

/// A forked test and what has been read from it.
struct Running {
    pid: Pid,
    ended: OwnedFd,
    started: Instant,
    stdout: Option<PipeReader>,
    stderr: Option<PipeReader>,
    token: Option<PipeReader>,
    stdout_spool: Spool,
    stderr_spool: Spool,
    token_bytes: Vec<u8>,
    /// Where streams are read to; zero pages until something is.
    buffer: Vec<u8>,
}

impl Slot<'_> {
    fn next_order(&mut self) -> Option<Identity> {
        self.lane.as_mut().and_then(|lane| channel::receive_order(lane).ok())
    }

    fn run(&mut self, identity: Identity) -> TestResult {
        let plan = self.plan;
        let test = &plan.tests[identity.test as usize];
        let result = match self.start(test, identity) {
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
        self.scratch = self.plan.scratch.join(format!("{}-{}", self.number, self.scratches));
        if let Err(error) = std::fs::create_dir(&self.scratch) {
            eprintln!("harness: no TMPDIR {}: {error}", self.scratch.display());
        }
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
        let (plan, lane, slot) = (self.plan, &mut self.lane, std::process::id() as Pid);
        let started = Instant::now();
        let pid = ffi::fork(&mut || {
            // The child must not hold what only the slot may hold.
            drop((lane.take(), stdout.take(), stderr.take(), token.take()));
            let errand = child::Errand { test, identity, plan, slot };
            child::enter(&errand, outputs.take(), token_end.take().expect("runs once"));
        })?;
        Ok(Running {
            pid,
            ended: ffi::process_descriptor(pid)?,
            started,
            stdout,
            stderr,
            token,
            stdout_spool: Spool::default(),
            stderr_spool: Spool::default(),
            token_bytes: Vec::new(),
            buffer: vec![0; READ_BYTES],
        })
    }

    /// Watches a test to its end, gathers the evidence and judges it.
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
            Wait::Running | Wait::NoChild => ExitStatus::from_raw(0xff00),
        };
        let duration_us = running.started.elapsed().as_micros() as u64;
        let leaked = processes::sweep();
        while running.read_ready(None, Some(Duration::ZERO)).any {}

        let account = token::receive(&running.token_bytes, identity);
        let (subtests, seed_used) = match &account {
            Ok(account) => (account.subtests.clone(), account.seed_used),
            Err(_) => (Vec::new(), false),
        };
        let judgement = judge(&Evidence { account, status, overrun, leaked });
        let mut result = TestResult::new(judgement);
        if result.verdict().is_red() || self.plan.keep_output {
            result.stdout = running.stdout_spool.into_text();
            result.stderr = running.stderr_spool.into_text();
        }
        TestResult { duration_us, threads, subtests, seed_used, ..result }
    }

    /// Returns when the process has ended; enforces the time limit on the way.
    fn watch(&self, running: &mut Running, limit_ms: u64, threads: &mut String) -> Option<Overrun> {
        let lane = self.lane.as_ref().map(AsFd::as_fd);
        let mut deadline = running.started + Duration::from_millis(limit_ms);
        let mut overrun: Option<Overrun> = None;
        loop {
            let wait = deadline.saturating_duration_since(Instant::now());
            let ready = running.read_ready(lane, Some(wait));
            if ready.ended {
                return overrun;
            }
            if ready.lane {
                abandon(running.pid);
            }
            if Instant::now() < deadline {
                continue;
            }
            let grace = Duration::from_millis(self.plan.grace_ms);
            deadline += grace.max(Duration::from_millis(1));
            match &mut overrun {
                None => {
                    *threads = processes::describe_threads(running.pid);
                    ffi::kill_group(running.pid, ffi::SIGTERM);
                    let grace_ms = self.plan.grace_ms;
                    overrun = Some(Overrun { limit_ms, grace_ms, killed: false });
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

/// The runner is gone: nobody waits for this test any more.
fn abandon(pid: Pid) -> ! {
    ffi::kill_group(pid, ffi::SIGKILL);
    ffi::kill(pid, ffi::SIGKILL);
    ffi::wait(Some(pid));
    processes::sweep();
    ffi::exit_now(1)
}

/// What a wait found.
struct Ready {
    any: bool,
    ended: bool,
    lane: bool,
}

impl Running {
    /// Waits for something to happen and reads what has arrived.
    fn read_ready(&mut self, lane: Option<BorrowedFd<'_>>, timeout: Option<Duration>) -> Ready {
        fn fd(stream: Option<&PipeReader>) -> Option<BorrowedFd<'_>> {
            stream.map(AsFd::as_fd)
        }
        let ended = lane.is_some().then(|| self.ended.as_fd());
        let streams = [fd(self.stdout.as_ref()), fd(self.stderr.as_ref()), fd(self.token.as_ref())];
        let [ended, lane, out, err, token] =
            ffi::poll([ended, lane, streams[0], streams[1], streams[2]], timeout);
        if out {
            read_some(&mut self.stdout, &mut self.buffer, |bytes| self.stdout_spool.push(bytes));
        }
        if err {
            read_some(&mut self.stderr, &mut self.buffer, |bytes| self.stderr_spool.push(bytes));
        }
        if token {
            read_some(&mut self.token, &mut self.buffer, |bytes| {
                // Beyond the bound one byte too many is kept, which voids the token.
                let room = (MAX_TOKEN_BYTES + 1).saturating_sub(self.token_bytes.len());
                self.token_bytes.extend_from_slice(&bytes[..bytes.len().min(room)]);
            });
        }
        Ready { any: out || err || token, ended, lane }
    }
}

/// Reads once from a stream that is ready; forgets it at its end.
fn read_some(stream: &mut Option<PipeReader>, buffer: &mut [u8], mut take: impl FnMut(&[u8])) {
    let Some(reader) = stream else { return };
    match reader.read(buffer) {
        Ok(0) => *stream = None,
        Ok(n) => take(&buffer[..n]),
        Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
        Err(_) => *stream = None,
    }
}
