//! The zygote: the single-threaded process from which everything is forked.
//!
//! 1. Started in `main` before any thread exists, in a process group of its own, so that a
//!    keyboard interrupt reaches the runner only and the cleaning up below still happens.
//! 2. Builds the session fixtures of the selected tests, then forks one slot per worker.
//! 3. Ends when its slots have ended, and those end when the runner closes their lanes or dies;
//!    removes the scratch directory on the way.

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

/// Time beyond a test's own limit after which its slot is given up. Building the session fixtures
/// must fit in it.
const SLOT_PATIENCE: Duration = Duration::from_mins(1);
/// Time the zygote gets to end after the lanes are closed.
const END_PATIENCE: Duration = Duration::from_secs(10);

/// The runner's end.
pub struct Zygote {
    pid: Pid,
    lanes: Mutex<Vec<UnixStream>>,
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
            live(plan, fixtures, std::mem::take(&mut theirs));
            ffi::exit_now(0)
        })?;
        Ok(Self { pid, lanes: Mutex::new(ours) })
    }

    /// Has a test run by a free slot. There are as many slots as workers that call this.
    pub fn run(&self, identity: Identity, limit: Duration) -> TestResult {
        let free = self.lanes().pop();
        let outcome = match free {
            None => Err(io::Error::other("no slot is left")),
            Some(mut lane) => converse(&mut lane, identity, limit).inspect(|_| {
                self.lanes().push(lane);
            }),
        };
        outcome.unwrap_or_else(|error| {
            let text = format!(
                "the process that supervised the test was lost ({error}); a test that kills its \
                 parent or exhausts the machine's memory does this"
            );
            TestResult::new(Judgement::new(Verdict::Crash, text))
        })
    }

    fn lanes(&self) -> std::sync::MutexGuard<'_, Vec<UnixStream>> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Closes the lanes and waits until all processes are gone.
    pub fn end(&self) {
        self.lanes().clear();
        let started = Instant::now();
        while let Wait::Running = ffi::try_wait(Some(self.pid)) {
            if started.elapsed() > END_PATIENCE {
                // Slots share the group; tests die with their slots.
                ffi::kill_group(self.pid, ffi::SIGKILL);
                ffi::wait(Some(self.pid));
                return;
            }
            std::thread::sleep(Duration::from_micros(200));
        }
    }
}

fn converse(lane: &mut UnixStream, identity: Identity, limit: Duration) -> io::Result<TestResult> {
    lane.set_read_timeout(Some(limit + SLOT_PATIENCE))?;
    channel::send_order(&mut *lane, identity)?;
    channel::receive_result(&mut *lane)
}

/// The life of the zygote: rules 2 and 3.
fn live(plan: &Plan, fixtures: &[&'static dyn SessionFixture], lanes: Vec<UnixStream>) {
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
    let mut slots = Vec::new();
    let mut lanes = lanes.into_iter().enumerate();
    while let Some((number, lane)) = lanes.next() {
        let mut lane = Some(lane);
        let forked = ffi::fork(&mut || {
            // Later lanes belong to later slots; their ends must close with those.
            lanes.by_ref().for_each(drop);
            supervisor::serve(lane.take().expect("the closure runs once"), plan, number);
            ffi::exit_now(0)
        });
        match forked {
            Ok(pid) => slots.push(pid),
            Err(error) => eprintln!("harness: a slot could not be forked: {error}"),
        }
    }
    while !slots.is_empty() {
        // Orphans of a killed slot are reaped here as well.
        let Wait::Ended(ended, _) = ffi::wait(None) else { break };
        slots.retain(|slot| *slot != ended);
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
