//! The zygote and the runner's side of it: the process from which every test is forked.
//!
//! 1. Started in `main` before any thread exists, in a process group of its own, so that a
//!    keyboard interrupt reaches the runner only and the zygote still cleans up.
//! 2. It is the host of group 0. The runner asks hosts for supervisors and for hosts of further groups
//!    as tests need them; a supervisor or host that is lost is asked for again.
//! 3. A group is closed, and its fixtures are torn down, when its last test has ended. When all are
//!    closed, or the runner ends, the zygote removes the scratch directory and ends.

use std::io::{self, PipeReader, Write};
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::control::{self, Order};
use super::host::Host;
use super::plan::Plan;
use super::{channel, child, processes};
use crate::ffi::{self, Pid, Wait, descriptors};
use crate::verdicts::result::TestResult;
use crate::verdicts::token::Identity;
use crate::verdicts::verdict::{Judgement, Verdict};

/// Time beyond a test's own limit, and that of its fixtures, after which its supervisor is lost.
const SUPERVISOR_TIMEOUT: Duration = Duration::from_mins(1);
/// Supervisors that may be lost before one begins a test.
const LOST_MAX: usize = 100;
/// Time the zygote gets to end after the channels are closed, beyond that of teardowns.
const EXIT_TIMEOUT: Duration = Duration::from_secs(10);

/// The runner's handle to the zygote process.
pub struct Zygote {
    pid: Pid,
    groups: Mutex<Vec<OpenGroup>>,
    faults: Option<PipeReader>,
}

/// What the runner knows of a group.
#[derive(Default)]
struct OpenGroup {
    control: Option<OwnedFd>,
    /// Channels of supervisors that have nothing to do.
    idle: Vec<Arc<Channel>>,
    /// Channels of supervisors whose tests run.
    busy: Vec<Arc<Channel>>,
    /// Runs of its tests that have not ended, and child groups that are open.
    users: usize,
}

/// The runner's end of a channel.
struct Channel {
    socket: UnixStream,
    /// The longest that it waits for a reply, in milliseconds; 0 at first.
    wait_ms: AtomicU64,
}

/// A channel that failed.
enum Lost {
    /// Before the request was accepted: the test has not begun.
    Idle,
    /// While the test ran.
    Busy(io::Error),
}

impl Zygote {
    /// Forks the zygote. The caller must be single-threaded. `runs` has the test of each run.
    pub fn start(plan: &Plan, runs: impl Iterator<Item = usize>) -> io::Result<Self> {
        let (ours, theirs) = control::sockets()?;
        let (faults, faults_end) = io::pipe()?;
        // Inherited buffers would be written twice.
        io::stdout().flush()?;
        io::stderr().flush()?;
        let (mut ours, mut theirs) = (Some(ours), Some(theirs));
        let (mut faults, mut faults_end) = (Some(faults), Some(faults_end));
        let pid = ffi::fork(&mut || {
            drop((ours.take(), faults.take()));
            run_zygote(plan, theirs.take(), faults_end.take());
            ffi::exit_now(0)
        })?;
        let mut groups: Vec<OpenGroup> =
            plan.groups.all.iter().map(|_| OpenGroup::default()).collect();
        groups[0].control = ours;
        groups[0].users = 1; // open until `end`
        for test in runs {
            groups[plan.groups.of(test)].users += 1;
        }
        Ok(Self { pid, groups: Mutex::new(groups), faults })
    }

    /// Runs a test under a supervisor of its group; call [`Zygote::release`] after its last run.
    pub fn run(&self, plan: &Plan, identity: Identity) -> TestResult {
        let group = plan.groups.of(identity.test as usize);
        let limit = Duration::from_millis(plan.longest_ms(identity.test as usize));
        let mut lost = 0;
        let result = loop {
            let idle = self.groups()[group].idle.pop();
            let channel = match idle.map_or_else(|| self.supervisor(plan, group), Ok) {
                Ok(channel) => channel,
                Err(error) => break Err(error),
            };
            self.groups()[group].busy.push(channel.clone());
            let result = request(&channel, identity, limit);
            let mut groups = self.groups();
            groups[group].busy.retain(|busy| !Arc::ptr_eq(busy, &channel));
            match result {
                Ok(result) => {
                    groups[group].idle.push(channel);
                    break Ok(result);
                }
                // It died while it had nothing to do, or its host was dying when it took the order.
                Err(Lost::Idle) if lost < LOST_MAX => lost += 1,
                Err(Lost::Idle) => break Err(io::Error::other("it ended before the test")),
                Err(Lost::Busy(error)) => break Err(error),
            }
        };
        result.unwrap_or_else(|error| {
            let text = format!(
                "the process that supervised the test was lost ({error}); a test that kills its \
                 parent or exhausts the computer's memory does this"
            );
            TestResult::new(Judgement::new(Verdict::Crash, text))
        })
    }

    /// Rule 2: a channel to a new supervisor.
    fn supervisor(&self, plan: &Plan, group: usize) -> io::Result<Arc<Channel>> {
        let (ours, theirs) = UnixStream::pair()?;
        let order = Order::Supervisor(theirs);
        let mut groups = self.groups();
        open(&mut groups, plan, group)?;
        if order_from(&groups[group], &order).is_err() {
            // Its host is lost, and what was forked from it.
            close(&mut groups, plan, group);
            open(&mut groups, plan, group)?;
            order_from(&groups[group], &order)?;
        }
        Ok(Arc::new(Channel { socket: ours, wait_ms: AtomicU64::new(0) }))
    }

    /// Rule 3: one of the runs that the zygote was started for will not run (again).
    pub fn release(&self, plan: &Plan, test: usize) {
        let group = plan.groups.of(test);
        let mut groups = self.groups();
        groups[group].users = groups[group].users.saturating_sub(1);
        if groups[group].users == 0 {
            close(&mut groups, plan, group);
        }
    }

    fn groups(&self) -> MutexGuard<'_, Vec<OpenGroup>> {
        self.groups.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Closes everything and waits until all processes are gone; faults that concern no test.
    pub fn end(&self, plan: &Plan) -> Vec<String> {
        for group in self.groups().iter_mut() {
            // A supervisor ends its test when the channel closes.
            for busy in group.busy.drain(..) {
                let _ = busy.socket.shutdown(Shutdown::Both);
            }
            group.idle.clear();
            group.control = None;
        }
        let started = Instant::now();
        let timeout = EXIT_TIMEOUT + Duration::from_millis(plan.teardown_ms());
        while let Wait::Running = ffi::try_wait(Some(self.pid)) {
            if started.elapsed() > timeout {
                // Supervisors are in the group; tests end with their supervisors.
                ffi::kill_group(self.pid, ffi::SIGKILL);
                ffi::wait(Some(self.pid));
                break;
            }
            std::thread::sleep(Duration::from_micros(200));
        }
        // A zygote that was killed has not cleaned up.
        let _ = std::fs::remove_dir_all(&plan.scratch);
        let text = self.faults.as_ref().map(descriptors::read_available).unwrap_or_default();
        String::from_utf8_lossy(&text).lines().map(ToString::to_string).collect()
    }
}

/// Makes sure that a group has a host, and its parents before it.
fn open(groups: &mut [OpenGroup], plan: &Plan, group: usize) -> io::Result<()> {
    if groups[group].control.is_some() {
        return Ok(());
    }
    let parent = plan.groups.all[group].parent;
    if parent == group {
        return Err(io::Error::other("the process that forks the tests is gone"));
    }
    for _ in 0..2 {
        open(groups, plan, parent)?;
        let (ours, theirs) = control::sockets()?;
        if order_from(&groups[parent], &Order::Child(group, theirs)).is_ok() {
            groups[group].control = Some(ours);
            groups[parent].users += 1;
            return Ok(());
        }
        // The parent's host is lost, and what was forked from it.
        close(groups, plan, parent);
    }
    Err(io::Error::other("the process that forks the tests is gone"))
}

fn order_from(group: &OpenGroup, order: &Order) -> io::Result<()> {
    match &group.control {
        Some(control) => control::send(control, order),
        None => Err(io::ErrorKind::NotConnected.into()),
    }
}

/// Has a group end, which no longer uses its parent.
fn close(groups: &mut [OpenGroup], plan: &Plan, group: usize) {
    groups[group].idle.clear();
    let parent = plan.groups.all[group].parent;
    if groups[group].control.take().is_some() && parent != group {
        groups[parent].users = groups[parent].users.saturating_sub(1);
        if groups[parent].users == 0 {
            close(groups, plan, parent);
        }
    }
}

fn request(channel: &Channel, identity: Identity, limit: Duration) -> Result<TestResult, Lost> {
    let wait = limit + SUPERVISOR_TIMEOUT;
    let milliseconds = wait.as_millis() as u64;
    if channel.wait_ms.swap(milliseconds, Ordering::Relaxed) != milliseconds {
        channel.socket.set_read_timeout(Some(wait)).map_err(Lost::Busy)?;
    }
    channel::send_request(&channel.socket, identity).map_err(|_| Lost::Idle)?;
    channel::receive_result(&channel.socket).map_err(|error| match error.kind() {
        // The other end was closed with the request unread.
        io::ErrorKind::ConnectionReset => Lost::Idle,
        _ => Lost::Busy(error),
    })
}

fn run_zygote(plan: &Plan, control: Option<OwnedFd>, faults: Option<io::PipeWriter>) {
    // What every fork copies includes the list of tests.
    ffi::memory::use_huge_pages();
    let mut host = Host { plan, group: 0, control, faults };
    match ffi::lead_own_group().and_then(|()| child::prepare_for_all()) {
        Ok(()) => host.run(),
        Err(error) => host.tell_fault(&format!("the zygote could not be set up: {error}")),
    }
    processes::sweep(Duration::ZERO);
    let _ = std::fs::remove_dir_all(&plan.scratch);
}
