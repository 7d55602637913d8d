//! Signals: default handling for tests, and signals that are waited for instead of handled.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use super::check;

pub use libc::{SIGCONT, SIGKILL, SIGTERM};

/// Signals that ask a run to end.
pub const INTERRUPTS: [i32; 3] = [libc::SIGINT, libc::SIGTERM, libc::SIGHUP];

/// The signals that [`reset`] gives their default handling.
const RESET: [i32; 8] = [
    libc::SIGHUP,
    libc::SIGINT,
    libc::SIGQUIT,
    libc::SIGTERM,
    libc::SIGALRM,
    libc::SIGCHLD,
    libc::SIGUSR1,
    libc::SIGUSR2,
];

/// Default handling and no blocking for every signal.
///
/// SIGPIPE stays ignored and SIGSEGV and SIGBUS stay with the Rust runtime (it names a stack
/// overflow before it aborts): the state in which every Rust `main` starts.
pub fn reset() {
    unblock();
    for signal in RESET {
        // SAFETY: SIG_DFL installs no code of ours.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
}

/// Blocks no signal any more.
pub fn unblock() {
    set_mask(libc::SIG_SETMASK, &[]);
}

/// Keeps the signals of this thread, and of those it starts, for [`Signals`].
pub fn block(signals: &[i32]) {
    set_mask(libc::SIG_BLOCK, signals);
}

/// The signals among these that the process does not ignore, as `nohup` has it ignore SIGHUP.
pub fn not_ignored(signals: &[i32]) -> Vec<i32> {
    let is_ignored = |signal: i32| {
        // SAFETY: asks only; the struct is valid for the call.
        unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            libc::sigaction(signal, std::ptr::null(), &raw mut action);
            action.sa_sigaction == libc::SIG_IGN
        }
    };
    signals.iter().copied().filter(|signal| !is_ignored(*signal)).collect()
}

fn set_mask(how: i32, signals: &[i32]) {
    let set = set_of(signals);
    // SAFETY: `set` is initialised; the old mask is not asked for.
    unsafe { libc::pthread_sigmask(how, &raw const set, std::ptr::null_mut()) };
}

fn set_of(signals: &[i32]) -> libc::sigset_t {
    // SAFETY: sigemptyset initialises the whole set before sigaddset changes it.
    unsafe {
        let mut set = std::mem::zeroed();
        libc::sigemptyset(&raw mut set);
        for signal in signals {
            libc::sigaddset(&raw mut set, *signal);
        }
        set
    }
}

/// A blocked signal that has arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrived {
    /// Its number.
    pub signal: i32,
    /// Whether a process sent it; the terminal sends it to the whole foreground group at once.
    pub by_process: bool,
}

/// Waits for one of `signals`, which the caller has blocked.
pub fn wait_for(signals: &[i32]) -> Arrived {
    let set = set_of(signals);
    loop {
        // SAFETY: both structs are valid for the call; siginfo is plain data.
        let (signal, info) = unsafe {
            let mut info: libc::siginfo_t = std::mem::zeroed();
            (libc::sigwaitinfo(&raw const set, &raw mut info), info)
        };
        if signal > 0 {
            return Arrived { signal, by_process: info.si_code <= 0 };
        }
    }
}

/// A descriptor that is readable while a blocked signal is pending.
pub struct Signals(OwnedFd);

impl Signals {
    /// Blocks the signals of this thread and makes the descriptor.
    ///
    /// # Errors
    /// No descriptor is free.
    pub fn new(signals: &[i32]) -> io::Result<Self> {
        block(signals);
        let set = set_of(signals);
        let flags = libc::SFD_CLOEXEC | libc::SFD_NONBLOCK;
        // SAFETY: `set` is initialised; the result is checked before it is owned.
        let fd = check(unsafe { libc::signalfd(-1, &raw const set, flags) })?;
        // SAFETY: the kernel has just made this descriptor, so nothing else owns it.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    /// For [`super::poll`].
    pub fn descriptor(&self) -> BorrowedFd<'_> {
        std::os::fd::AsFd::as_fd(&self.0)
    }

    /// Takes everything that is pending.
    pub fn drain(&self) {
        let mut buffer = [0_u8; 1024];
        // SAFETY: the buffer is valid for its length; the descriptor does not block.
        while unsafe { libc::read(self.0.as_raw_fd(), buffer.as_mut_ptr().cast(), buffer.len()) }
            > 0
        {}
    }
}

/// Ends this process by `signal`, as if it had never been blocked.
pub fn end_by(signal: i32) -> ! {
    // SAFETY: SIG_DFL installs no code of ours; raise sends to the calling thread.
    unsafe {
        libc::signal(signal, libc::SIG_DFL);
        unblock();
        libc::raise(signal);
    }
    super::exit_now(128 + signal)
}

/// No core file from this process and its children, unless they raise the limit again.
pub fn forbid_core_files() {
    // SAFETY: both calls get one valid struct; asking for a limit that exists cannot fail.
    unsafe {
        let mut limit: libc::rlimit = std::mem::zeroed();
        libc::getrlimit(libc::RLIMIT_CORE, &raw mut limit);
        limit.rlim_cur = 0;
        libc::setrlimit(libc::RLIMIT_CORE, &raw const limit);
    }
}
