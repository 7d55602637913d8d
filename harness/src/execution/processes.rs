//! Processes left behind by tests, and the threads of a test that hangs; read from `/proc`.

use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, Instant};

use crate::ffi::{self, Pid, Wait};
use crate::verdicts::verdict::Leaked;

/// Attempts to kill a process; more are no use in an uninterruptible sleep of the kernel.
const KILL_ATTEMPTS_MAX: usize = 500;
/// Time killed processes get to vanish before they are killed again.
const KILL_TIMEOUT: Duration = Duration::from_millis(10);
/// Pause between two checks.
const PAUSE: Duration = Duration::from_millis(1);
/// Threads described of a hanging test.
const MAX_THREADS_SHOWN: usize = 64;
/// Processes named of a test that left more behind.
const LEAKED_MAX: usize = 64;

/// Kills the processes that a test left behind and returns them; empty if all ended within `grace`.
///
/// Call when the caller's only child has been reaped.
pub fn sweep(grace: Duration) -> Vec<Leaked> {
    if all_gone_within(grace) {
        return Vec::new();
    }
    let mut leaked = Vec::new();
    // Killing again catches what was forked meanwhile.
    for _ in 0..KILL_ATTEMPTS_MAX {
        kill_and_note(descendants(), &mut leaked);
        if all_gone_within(KILL_TIMEOUT) {
            break;
        }
    }
    if leaked.is_empty() {
        // Processes that fork and end all the time are missed by every look at the list.
        leaked.push(Leaked { command: "a process that keeps forking".into(), pid: 0 });
    }
    leaked
}

/// Kills the processes, and the groups they belong to: a whole group is killed at once, so that a
/// process which keeps forking inside it cannot slip away.
fn kill_and_note(found: Vec<Process>, leaked: &mut Vec<Leaked>) {
    let own_group = own_group();
    for process in found {
        if process.group != own_group && process.group > 1 {
            ffi::kill_group(process.group, ffi::SIGKILL);
        }
        ffi::kill(process.pid, ffi::SIGKILL);
        if leaked.len() < LEAKED_MAX && !leaked.iter().any(|known| known.pid == process.pid) {
            leaked.push(Leaked { command: process.command, pid: process.pid });
        }
    }
}

/// Kills the caller's children, and theirs, except `known` ones and what these started.
pub fn kill_strays(known: &[Pid]) {
    for _ in 0..KILL_ATTEMPTS_MAX {
        let mut listed = processes();
        let strays: Vec<Process> = listed
            .remove(&own_pid())
            .unwrap_or_default()
            .into_iter()
            .filter(|child| !known.contains(&child.pid))
            .collect();
        if strays.is_empty() {
            return;
        }
        let below: Vec<Process> =
            strays.iter().flat_map(|stray| below(stray.pid, &mut listed)).collect();
        kill_and_note(strays.into_iter().chain(below).collect(), &mut Vec::new());
        std::thread::sleep(PAUSE);
        while let Wait::Ended(..) = ffi::try_wait(None) {}
    }
}

/// Reaps ended children and waits for the last ones. Returns whether none is left.
fn all_gone_within(timeout: Duration) -> bool {
    let mut started = None;
    loop {
        match ffi::try_wait(None) {
            Wait::NoChild => return true,
            Wait::Ended(..) | Wait::Stopped(..) => {}
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

/// A living process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Process {
    pub(crate) command: String,
    pub(crate) pid: Pid,
    /// Number of its process group.
    pub(crate) group: Pid,
}

fn own_pid() -> Pid {
    std::process::id() as Pid
}

fn own_group() -> Pid {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    parse_stat(&stat).map_or(0, |(_, process)| process.group)
}

/// All living processes by their parent.
fn processes() -> BTreeMap<Pid, Vec<Process>> {
    let mut children: BTreeMap<Pid, Vec<Process>> = BTreeMap::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let is_process =
            entry.file_name().to_string_lossy().starts_with(|c: char| c.is_ascii_digit());
        if !is_process {
            continue;
        }
        let stat = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        if let Some((parent, process)) = parse_stat(&stat) {
            children.entry(parent).or_default().push(process);
        }
    }
    children
}

/// All living descendants of the calling process.
fn descendants() -> Vec<Process> {
    below(own_pid(), &mut processes())
}

fn below(ancestor: Pid, children: &mut BTreeMap<Pid, Vec<Process>>) -> Vec<Process> {
    let mut found = Vec::new();
    let mut parents = vec![ancestor];
    while let Some(parent) = parents.pop() {
        for process in children.remove(&parent).unwrap_or_default() {
            parents.push(process.pid);
            found.push(process);
        }
    }
    found
}

/// The living children of the calling process.
pub fn children() -> Vec<Pid> {
    let children = processes().remove(&own_pid()).unwrap_or_default();
    children.into_iter().map(|process| process.pid).collect()
}

/// Parent and process of a line `pid (command) state parent group …`; `None` for zombies and others.
pub(crate) fn parse_stat(stat: &str) -> Option<(Pid, Process)> {
    let (pid, rest) = stat.split_once(" (")?;
    let (command, rest) = rest.rsplit_once(") ")?;
    let mut fields = rest.split(' ');
    let state = fields.next()?;
    let parent = fields.next()?.parse().ok()?;
    let group = fields.next()?.parse().ok()?;
    let process = Process { command: command.into(), pid: pid.parse().ok()?, group };
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
            match wait.as_str() {
                "" | "0" => "user code",
                place => place,
            },
        ));
    }
    lines.join("\n")
}
