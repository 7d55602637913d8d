//! Processes: starting, waiting for, ending them.

use std::io;
use std::os::fd::{FromRawFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitStatus;

use super::{check, signals};

/// Process number.
pub type Pid = libc::pid_t;

/// Exit status of a forked child whose closure returned or panicked instead of ending the process.
const RETURNED_STATUS: i32 = 99;

/// Runs `child` in a new process; the caller gets its number.
///
/// # Errors
/// Too many processes, too little memory.
///
/// Kept to these few lines and out of coverage: LLVM derives the parent's count from the child's,
/// which is wrong for everything behind the call.
#[cfg_attr(coverage_nightly, coverage(off))]
pub fn fork(child: &mut dyn FnMut()) -> io::Result<Pid> {
    // SAFETY: rule 1: one thread, so no lock is held by a thread that vanishes in the child.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => {
            let _ = catch_unwind(AssertUnwindSafe(child));
            exit_now(RETURNED_STATUS)
        }
        pid => Ok(pid),
    }
}

/// Goes on in two processes: `None` in the new one, its number in the other.
///
/// # Errors
/// Too many processes, too little memory.
#[cfg_attr(coverage_nightly, coverage(off))]
pub fn fork_runner() -> io::Result<Option<Pid>> {
    // SAFETY: rule 1, as in `fork`; the new process goes on as the one that the caller was.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => Ok(None),
        pid => Ok(Some(pid)),
    }
}

/// Ends the process at once: no destructors, no exit handlers, no flush of inherited buffers.
#[cfg_attr(coverage_nightly, coverage(off))]
pub fn exit_now(status: i32) -> ! {
    // SAFETY: always allowed; that nothing is cleaned up is the purpose.
    unsafe { libc::_exit(status) }
}

/// Makes the caller the leader of a new process group.
///
/// # Errors
/// The caller leads a session.
pub fn lead_own_group() -> io::Result<()> {
    // SAFETY: plain integers.
    check(unsafe { libc::setpgid(0, 0) }).map(drop)
}

/// Asks the kernel to kill the caller when `parent`, which forked it, ends.
pub fn die_with_parent(parent: Pid) -> io::Result<()> {
    // SAFETY: plain integers.
    check(unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::c_long::from(signals::SIGKILL)) })?;
    // SAFETY: cannot fail.
    if unsafe { libc::getppid() } == parent {
        return Ok(());
    }
    // The parent ended before the call above.
    Err(io::Error::other("the process that forked this one is gone"))
}

/// Makes orphaned descendants children of the caller instead of children of process 1.
pub fn adopt_orphans() -> io::Result<()> {
    // SAFETY: plain integers.
    check(unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1 as libc::c_long) }).map(drop)
}

/// Whether the caller has the rights of the superuser.
pub fn is_root() -> bool {
    // SAFETY: cannot fail.
    unsafe { libc::geteuid() == 0 }
}

/// Sends `signal` to one process; an already ended process is no error.
pub fn kill(pid: Pid, signal: i32) {
    // SAFETY: plain integers; the only errors are "no such process" and "not permitted", and in
    // both there is nothing left for us to do.
    unsafe { libc::kill(pid, signal) };
}

/// Sends `signal` to every process of the group led by `leader`.
pub fn kill_group(leader: Pid, signal: i32) {
    kill(-leader, signal);
}

/// Result of a wait for a child.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// Children exist, none has ended.
    Running,
    /// A child has ended and is reaped.
    Ended(Pid, ExitStatus),
    /// A child was stopped by this signal; only [`wait_for_change`] tells.
    Stopped(Pid, i32),
    /// There is no child left.
    NoChild,
}

/// Reaps an ended child: a given one, or any with `None`. Never blocks.
pub fn try_wait(pid: Option<Pid>) -> Wait {
    wait_with(pid, libc::WNOHANG)
}

/// Blocks until a child ends: a given one, or any with `None`.
pub fn wait(pid: Option<Pid>) -> Wait {
    wait_with(pid, 0)
}

/// As [`try_wait`], or [`wait`] if it may block; a stopped child is told as well, once.
pub fn wait_for_change(pid: Option<Pid>, may_block: bool) -> Wait {
    wait_with(pid, libc::WUNTRACED | if may_block { 0 } else { libc::WNOHANG })
}

fn wait_with(pid: Option<Pid>, flags: i32) -> Wait {
    let mut status = 0;
    loop {
        // SAFETY: `status` outlives the call.
        match unsafe { libc::waitpid(pid.unwrap_or(-1), &raw mut status, flags) } {
            0 => return Wait::Running,
            -1 if io::Error::last_os_error().kind() == io::ErrorKind::Interrupted => {}
            -1 => return Wait::NoChild,
            pid if libc::WIFSTOPPED(status) => {
                return Wait::Stopped(pid, libc::WSTOPSIG(status));
            }
            pid => return Wait::Ended(pid, ExitStatus::from_raw(status)),
        }
    }
}

/// A descriptor that becomes readable when the child `pid` ends.
pub fn process_descriptor(pid: Pid) -> io::Result<OwnedFd> {
    // SAFETY: plain integers; the result is checked before it is owned.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
    let fd = check(i32::try_from(fd).unwrap_or(-1))?;
    // SAFETY: the kernel has just made this descriptor, so nothing else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}
