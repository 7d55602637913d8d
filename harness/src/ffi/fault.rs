//! What a bad test does to its process; used by the specimens of the fault suite, and by its benchmark.

use std::io;

use super::process::Pid;
use super::signals::SIGTERM;

pub use super::process::{exit_now, fork, fork_runner, lead_own_group, wait};

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

/// Closes every descriptor from `first` on.
pub fn close_from(first: u32) {
    // SAFETY: rule 3 is broken on purpose, as programs that become daemons do.
    unsafe { libc::close_range(first, libc::c_uint::MAX, 0) };
}

/// Closes standard output and standard error.
pub fn close_output() {
    // SAFETY: std treats closed standard descriptors as if everything had been written.
    unsafe {
        libc::close(1);
        libc::close(2);
    }
}

/// Makes standard output refuse bytes where it would have to wait.
pub fn make_output_nonblocking() {
    // SAFETY: changes a flag of an open descriptor.
    unsafe {
        let flags = libc::fcntl(1, libc::F_GETFL);
        libc::fcntl(1, libc::F_SETFL, flags | libc::O_NONBLOCK);
    }
}

/// The limits of core files, soft and hard.
pub fn core_limits() -> (u64, u64) {
    // SAFETY: the struct is valid for the call.
    unsafe {
        let mut limit: libc::rlimit = std::mem::zeroed();
        libc::getrlimit(libc::RLIMIT_CORE, &raw mut limit);
        (limit.rlim_cur, limit.rlim_max)
    }
}
