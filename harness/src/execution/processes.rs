//! Processes left behind by tests, and the threads of a test that hangs; read from `/proc`.

use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, Instant};

use crate::ffi::{self, Pid, Wait};
use crate::verdicts::verdict::Leaked;

/// Time a test's descendants get to end by themselves after the test: a killed process takes a
/// moment to vanish, and that is no leak.
const LEAK_GRACE: Duration = Duration::from_millis(100);
/// Attempts to kill a process; more are no use in an uninterruptible sleep of the kernel.
const KILL_ATTEMPTS_MAX: usize = 500;
/// Time killed processes get to vanish before they are killed again.
const KILL_TIMEOUT: Duration = Duration::from_millis(10);
/// Pause between two checks.
const PAUSE: Duration = Duration::from_millis(1);
/// Threads described of a hanging test.
const MAX_THREADS_SHOWN: usize = 64;

/// Kills the processes that a test left behind and returns them.
///
/// Call when the caller's only child has been reaped.
pub fn sweep() -> Vec<Leaked> {
    if all_gone_within(LEAK_GRACE) {
        return Vec::new();
    }
    let leaked = descendants();
    // Killing again catches what was forked meanwhile.
    (0..KILL_ATTEMPTS_MAX).any(|_| {
        for process in descendants() {
            ffi::kill(process.pid, ffi::SIGKILL);
        }
        all_gone_within(KILL_TIMEOUT)
    });
    leaked
}

/// Reaps ended children and waits for the last ones. Returns whether none is left.
fn all_gone_within(timeout: Duration) -> bool {
    let mut started = None;
    loop {
        match ffi::try_wait(None) {
            Wait::NoChild => return true,
            Wait::Ended(..) => {}
            Wait::Running => {
                // The clock is not read in the usual case, where nothing is left.
                if started.get_or_insert_with(Instant::now).elapsed() >= timeout {
                    return false;
                }
                std::thread::sleep(PAUSE);
            }
        }
    }
}

/// All living descendants of the calling process.
fn descendants() -> Vec<Leaked> {
    let mut children: BTreeMap<Pid, Vec<Leaked>> = BTreeMap::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let stat = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        if let Some((parent, process)) = parse_stat(&stat) {
            children.entry(parent).or_default().push(process);
        }
    }
    let mut found = Vec::new();
    let mut parents = vec![std::process::id() as Pid];
    while let Some(parent) = parents.pop() {
        for process in children.remove(&parent).unwrap_or_default() {
            parents.push(process.pid);
            found.push(process);
        }
    }
    found
}

/// Parent and process of a line `pid (command) state parent …`; `None` for zombies and others.
pub(crate) fn parse_stat(stat: &str) -> Option<(Pid, Leaked)> {
    let (pid, rest) = stat.split_once(" (")?;
    let (command, rest) = rest.rsplit_once(") ")?;
    let mut fields = rest.split(' ');
    let state = fields.next()?;
    let parent = fields.next()?.parse().ok()?;
    let process = Leaked { command: command.into(), pid: pid.parse().ok()? };
    (state != "Z").then_some((parent, process))
}

/// One line per thread of a process: number, name, state, and where in the kernel it waits.
pub fn describe_threads(pid: Pid) -> String {
    let Ok(tasks) = fs::read_dir(format!("/proc/{pid}/task")) else { return String::new() };
    let mut lines = Vec::new();
    for task in tasks.flatten().take(MAX_THREADS_SHOWN) {
        let read = |file| fs::read_to_string(task.path().join(file)).unwrap_or_default();
        let stat = read("stat");
        let name = parse_stat(&stat).map_or_else(String::new, |(_, process)| process.command);
        let state = stat.rsplit_once(") ").and_then(|(_, rest)| rest.split(' ').next());
        let wait = read("wchan");
        lines.push(format!(
            "thread {} `{name}` state {} waits in {}",
            task.file_name().to_string_lossy(),
            state.unwrap_or("?"),
            if wait.is_empty() || wait == "0" { "user code" } else { &wait },
        ));
    }
    lines.join("\n")
}
