//! The zygote: the single-threaded process from which everything is forked.
//!
//! 1. Started in `main` before any thread exists, in a process group of its own, so that a
//!    keyboard interrupt reaches the runner only and the zygote still cleans up.
//! 2. Builds the session fixtures of the selected tests, then forks one supervisor per worker.
//! 3. The zygote ends when its supervisors have ended, and those end when the runner closes their
//!    channels or ends; the zygote then removes the scratch directory.

use std::io::{self, Write};
use std::os::unix::net::UnixStream;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::plan::Plan;
use super::{channel, child, processes, supervisor};
use crate::cases::fixture::SessionFixture;
use crate::ffi::{self, Pid, Wait};
use crate::verdicts::result::TestResult;
use crate::verdicts::token::Identity;
use crate::verdicts::verdict::{Judgement, Verdict};

/// Time beyond a test's own limit after which its supervisor counts as lost. Building the session
/// fixtures must fit in it.
const SUPERVISOR_TIMEOUT: Duration = Duration::from_mins(1);
/// Time the zygote gets to end after the channels are closed.
const EXIT_TIMEOUT: Duration = Duration::from_secs(10);

/// The runner's handle to the zygote process.
pub struct Zygote {
    pid: Pid,
    channels: Mutex<Vec<UnixStream>>,
}

impl Zygote {
    /// Forks the zygote. The caller must be single-threaded.
    pub fn start(
        plan: &Plan,
        fixtures: &[&'static dyn SessionFixture],
        workers: usize,
    ) -> io::Result<Self> {
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for _ in 0..workers {
            let (our_end, their_end) = UnixStream::pair()?;
            ours.push(our_end);
            theirs.push(their_end);
        }
        // Inherited buffers would be written twice.
        io::stdout().flush()?;
        io::stderr().flush()?;
        let pid = ffi::fork(&mut || {
            drop(std::mem::take(&mut ours));
            run_zygote(plan, fixtures, std::mem::take(&mut theirs));
            ffi::exit_now(0)
        })?;
        Ok(Self { pid, channels: Mutex::new(ours) })
    }

    /// Runs a test under a free supervisor. There are as many supervisors as workers that call this.
    pub fn run(&self, identity: Identity, limit: Duration) -> TestResult {
        let free = self.channels().pop();
        let result = match free {
            None => Err(io::Error::other("no supervisor is left")),
            Some(mut channel) => request(&mut channel, identity, limit).inspect(|_| {
                self.channels().push(channel);
            }),
        };
        result.unwrap_or_else(|error| {
            let text = format!(
                "the process that supervised the test was lost ({error}); a test that kills its \
                 parent or exhausts the computer's memory does this"
            );
            TestResult::new(Judgement::new(Verdict::Crash, text))
        })
    }

    fn channels(&self) -> std::sync::MutexGuard<'_, Vec<UnixStream>> {
        self.channels.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Closes the channels and waits until all processes are gone.
    pub fn end(&self) {
        self.channels().clear();
        let started = Instant::now();
        while let Wait::Running = ffi::try_wait(Some(self.pid)) {
            if started.elapsed() > EXIT_TIMEOUT {
                // Supervisors are in the group; tests end with their supervisors.
                ffi::kill_group(self.pid, ffi::SIGKILL);
                ffi::wait(Some(self.pid));
                return;
            }
            std::thread::sleep(Duration::from_micros(200));
        }
    }
}

fn request(
    channel: &mut UnixStream,
    identity: Identity,
    limit: Duration,
) -> io::Result<TestResult> {
    channel.set_read_timeout(Some(limit + SUPERVISOR_TIMEOUT))?;
    channel::send_request(&mut *channel, identity)?;
    channel::receive_result(&mut *channel)
}

/// Does what the zygote is for: rules 2 and 3.
fn run_zygote(plan: &Plan, fixtures: &[&'static dyn SessionFixture], channels: Vec<UnixStream>) {
    let set_up = ffi::lead_own_group()
        .and_then(|()| ffi::adopt_orphans())
        .and_then(|()| child::prepare_for_all());
    if let Err(error) = set_up {
        eprintln!("harness: the zygote could not be set up: {error}");
        return;
    }
    for fixture in fixtures {
        fixture.prepare();
        assert_single_threaded(fixture.name());
    }
    let mut supervisors = Vec::new();
    let mut channels = channels.into_iter().enumerate();
    while let Some((number, channel)) = channels.next() {
        let mut channel = Some(channel);
        let forked = ffi::fork(&mut || {
            // Later channels belong to later supervisors and must close with them.
            channels.by_ref().for_each(drop);
            supervisor::serve(channel.take().expect("the closure runs once"), plan, number);
            ffi::exit_now(0)
        });
        match forked {
            Ok(pid) => supervisors.push(pid),
            Err(error) => eprintln!("harness: a supervisor could not be forked: {error}"),
        }
    }
    while !supervisors.is_empty() {
        // Orphans of a killed supervisor are reaped here as well.
        let Wait::Ended(ended, _) = ffi::wait(None) else { break };
        supervisors.retain(|supervisor| *supervisor != ended);
    }
    processes::sweep();
    let _ = std::fs::remove_dir_all(&plan.scratch);
}

/// Rule 3 of fixtures: a forked child would lack the threads, and their locks would stay taken.
fn assert_single_threaded(fixture: &str) {
    let threads = std::fs::read_dir("/proc/self/task").map_or(1, Iterator::count);
    if threads > 1 {
        eprintln!(
            "harness: session fixture `{fixture}` left {} threads running; build it without \
             threads, or start them in the test",
            threads - 1
        );
        ffi::exit_now(1)
    }
}
