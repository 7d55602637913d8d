//! System calls: the one folder of the harness with `unsafe` code.
//!
//! 1. [`process::fork`] is called only by a process with one thread: `main` before the workers start, a
//!    process that serves a group of tests, a supervisor. The child never returns into its caller.
//! 2. The environment is changed only under rule 1, so no other thread can read it meanwhile.
//! 3. Descriptors are borrowed from or given to owning std types; none is closed by number.
//!
//! Knows system calls. Does not know what a test is.

pub mod descriptors;
pub mod exit_guard;
pub mod fault;
pub mod memory;
pub mod process;
pub mod signals;
pub mod static_value;

pub use descriptors::{Waiting, adopt_descriptor, inherit, poll, redirect, waiting};
pub use process::{
    Pid, Wait, adopt_orphans, die_with_parent, exit_now, fork, is_root, kill, kill_group,
    lead_own_group, process_descriptor, try_wait, wait, wait_for_change,
};
pub use signals::{SIGKILL, SIGTERM};

use std::ffi::OsStr;
use std::io;

/// Turns a `-1` result into the error of the system call.
fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(result) }
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
