//! Process control: the one file of the harness with `unsafe` code.
//!
//! 1. [`fork`] is called only by a process with one thread: `main` before libtest-mimic starts its
//!    workers, the zygote, a supervisor. The child never returns into its caller.
//! 2. The environment is changed only under rule 1, so no other thread can read it meanwhile.
//! 3. Descriptors are borrowed from or given to owning std types; none is closed by number.
//!
//! Knows system calls. Does not know what a test is.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitStatus;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::Duration;

pub use libc::{SIGKILL, SIGTERM};

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

/// Ends the process at once: no destructors, no exit handlers, no flush of inherited buffers.
#[cfg_attr(coverage_nightly, coverage(off))]
pub fn exit_now(status: i32) -> ! {
    // SAFETY: always allowed; that nothing is cleaned up is the purpose.
    unsafe { libc::_exit(status) }
}

/// The process that must not end by `exit`, and the message if it does.
static GUARDED: AtomicI32 = AtomicI32::new(0);
static EXIT_MESSAGE: OnceLock<&'static str> = OnceLock::new();

/// From now on `exit` in this process prints `message` and ends with status 101: an in-process test
/// that calls `exit(0)` would otherwise end the whole run in green. Forked children are free.
pub fn forbid_exit(message: &'static str) {
    extern "C" fn report_exit() {
        if GUARDED.load(Ordering::Relaxed) == std::process::id() as Pid {
            eprintln!("{}", EXIT_MESSAGE.get().unwrap_or(&""));
            exit_now(101);
        }
    }
    let _ = EXIT_MESSAGE.set(message);
    GUARDED.store(std::process::id() as Pid, Ordering::Relaxed);
    #[cfg(not(miri))] // which has no `atexit`
    // SAFETY: `report_exit` is a function without captures that does not unwind.
    unsafe {
        libc::atexit(report_exit)
    };
}

/// Allows `exit` again: the run is over.
pub fn allow_exit() {
    GUARDED.store(0, Ordering::Relaxed);
}

/// Turns a `-1` result into the error of the system call.
fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(result) }
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
    check(unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::c_long::from(SIGKILL)) })?;
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

/// Default handling and no blocking for every signal, and no core files.
///
/// SIGPIPE stays ignored and SIGSEGV and SIGBUS stay with the Rust runtime (it names a stack
/// overflow before it aborts): the state in which every Rust `main` starts.
pub fn reset_signals() {
    let no_core = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `set` is initialised by sigemptyset before use; SIG_DFL installs no code of ours;
    // setrlimit reads one valid struct.
    unsafe {
        let mut set = std::mem::zeroed();
        libc::sigemptyset(&raw mut set);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const set, std::ptr::null_mut());
        for signal in [
            libc::SIGHUP,
            libc::SIGINT,
            libc::SIGQUIT,
            libc::SIGTERM,
            libc::SIGALRM,
            libc::SIGCHLD,
            libc::SIGUSR1,
            libc::SIGUSR2,
        ] {
            libc::signal(signal, libc::SIG_DFL);
        }
        libc::setrlimit(libc::RLIMIT_CORE, &raw const no_core);
    }
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

fn wait_with(pid: Option<Pid>, flags: i32) -> Wait {
    let mut status = 0;
    loop {
        // SAFETY: `status` outlives the call.
        match unsafe { libc::waitpid(pid.unwrap_or(-1), &raw mut status, flags) } {
            0 => return Wait::Running,
            -1 if io::Error::last_os_error().kind() == io::ErrorKind::Interrupted => {}
            -1 => return Wait::NoChild,
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

/// Waits until a descriptor is readable or hung up; `None` entries are left out.
///
/// Without a timeout it waits for ever. An interrupted wait reports nothing ready.
pub fn poll<const N: usize>(
    descriptors: [Option<BorrowedFd<'_>>; N],
    timeout: Option<Duration>,
) -> [bool; N] {
    let mut entries = descriptors.map(|fd| libc::pollfd {
        fd: fd.map_or(-1, |fd| fd.as_raw_fd()),
        events: libc::POLLIN,
        revents: 0,
    });
    // Rounded up: rounding down would spin through the last millisecond before a deadline.
    let milliseconds =
        timeout.map_or(-1, |t| i32::try_from(t.as_micros().div_ceil(1000)).unwrap_or(i32::MAX));
    // SAFETY: `entries` is an array of N initialised entries.
    let ready = unsafe { libc::poll(entries.as_mut_ptr(), N as libc::nfds_t, milliseconds) };
    if ready <= 0 {
        return [false; N];
    }
    entries.map(|entry| entry.revents != 0)
}

/// Makes descriptor `number` (0, 1 or 2) a duplicate of `source`.
pub fn redirect(source: BorrowedFd<'_>, number: i32) -> io::Result<()> {
    assert!((0..=2).contains(&number), "only standard descriptors are redirected, not {number}");
    // SAFETY: std never owns descriptors 0 to 2, so no owner is surprised (rule 3).
    check(unsafe { libc::dup2(source.as_raw_fd(), number) }).map(drop)
}

/// Lets `descriptor` survive `exec`, or not.
pub fn inherit(descriptor: BorrowedFd<'_>, across_exec: bool) -> io::Result<()> {
    let flags = if across_exec { 0 } else { libc::FD_CLOEXEC };
    // SAFETY: a borrowed descriptor is open.
    check(unsafe { libc::fcntl(descriptor.as_raw_fd(), libc::F_SETFD, flags) }).map(drop)
}

/// Takes over a descriptor that the parent left open for us, if it is open at all.
pub fn adopt_descriptor(number: i32) -> io::Result<File> {
    // SAFETY: F_GETFD only asks whether the number is open.
    check(unsafe { libc::fcntl(number, libc::F_GETFD) })?;
    // SAFETY: the parent passed this number to this process, and the caller is the only one
    // that takes it, once, at start-up (rule 3).
    Ok(unsafe { File::from_raw_fd(number) })
}

/// Sets an environment variable.
pub fn set_env(key: &str, value: impl AsRef<OsStr>) {
    // SAFETY: rule 2.
    unsafe { std::env::set_var(key, value) };
}

/// Removes an environment variable.
pub fn remove_env(key: &str) {
    // SAFETY: rule 2.
    unsafe { std::env::remove_var(key) };
}

/// What a bad test does to its process; used by the specimens of the fault suite only.
pub mod fault {
    use super::{Pid, SIGTERM};
    use std::io;

    pub use super::{exit_now, fork, lead_own_group};

    /// Reads through a null pointer.
    pub fn crash() {
        let nowhere: *const u8 = std::ptr::null();
        // SAFETY: none; the invalid read is what the caller wants to see survived by others.
        unsafe { std::ptr::read_volatile(std::hint::black_box(nowhere)) };
    }

    /// From now on SIGTERM does nothing.
    pub fn ignore_sigterm() {
        // SAFETY: SIG_IGN installs no code of ours.
        unsafe { libc::signal(SIGTERM, libc::SIG_IGN) };
    }

    /// Leaves session and process group, as daemons do.
    ///
    /// # Errors
    /// The caller leads a process group.
    pub fn start_session() -> io::Result<Pid> {
        // SAFETY: plain integers.
        super::check(unsafe { libc::setsid() })
    }

    /// Closes every descriptor, the standard ones included.
    pub fn close_all() {
        // SAFETY: rule 3 is broken on purpose; the calling process does nothing but sleep or end.
        unsafe { libc::close_range(0, libc::c_uint::MAX, 0) };
    }

    /// Closes standard output and standard error.
    pub fn close_output() {
        // SAFETY: std treats closed standard descriptors as if everything had been written.
        unsafe {
            libc::close(1);
            libc::close(2);
        }
    }
}
