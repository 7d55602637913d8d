//! Exit handlers: what is noticed when a process ends by `exit` or by returning from `main`.
//!
//! 1. A process in which tests are registered must call the harness's `main`. One that ends with
//!    status 0 without it has run none of them: it ends with status 101 instead.
//! 2. The runner must not be ended by a test that runs in its process.
//!
//! Forked children end by `_exit` and are free of both.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};

use super::process::{Pid, exit_now};

/// Exit status of a process that one of the rules refuses.
const RED: i32 = 101;

static WATCHES_START: AtomicBool = AtomicBool::new(false);
/// The process that must not end by `exit`, and the message if it does.
static GUARDED: AtomicI32 = AtomicI32::new(0);
static EXIT_MESSAGE: OnceLock<&'static str> = OnceLock::new();
/// The process in which tests are registered and `main` has not been called.
static UNSTARTED: AtomicI32 = AtomicI32::new(0);

/// Called before `main` for each registration: rule 1 holds from now on.
pub extern "C" fn expect_main() {
    if !WATCHES_START.swap(true, Ordering::Relaxed) {
        UNSTARTED.store(std::process::id() as Pid, Ordering::Relaxed);
        at_exit(refuse_unstarted);
    }
}

/// Ends rule 1 for this process: `main` has been called, or it is not a test binary today.
pub fn main_was_called() {
    UNSTARTED.store(0, Ordering::Relaxed);
}

extern "C" fn refuse_unstarted(status: libc::c_int, _: *mut libc::c_void) {
    if status == 0 && UNSTARTED.load(Ordering::Relaxed) == std::process::id() as Pid {
        eprintln!(
            "error: tests are registered with valk_harness in this program, but \
             valk_harness::main() has not been called: none of them has run. Set `harness = false` \
             for this target in Cargo.toml and let its `main` call valk_harness::main()."
        );
        exit_now(RED);
    }
}

/// From now on `exit` in this process prints `message` and ends with status 101: an in-process test
/// that calls `exit(0)` would otherwise end the whole run in green. Forked children are free.
pub fn forbid_exit(message: &'static str) {
    let _ = EXIT_MESSAGE.set(message);
    GUARDED.store(std::process::id() as Pid, Ordering::Relaxed);
    at_exit(refuse_exit);
}

extern "C" fn refuse_exit(_: libc::c_int, _: *mut libc::c_void) {
    if GUARDED.load(Ordering::Relaxed) == std::process::id() as Pid {
        eprintln!("{}", EXIT_MESSAGE.get().unwrap_or(&""));
        exit_now(RED);
    }
}

/// Allows `exit` again: the run is over.
pub fn allow_exit() {
    GUARDED.store(0, Ordering::Relaxed);
}

type Handler = extern "C" fn(libc::c_int, *mut libc::c_void);

#[cfg(all(target_env = "gnu", not(miri)))]
fn at_exit(handler: Handler) {
    unsafe extern "C" {
        fn on_exit(handler: Handler, argument: *mut libc::c_void) -> libc::c_int;
    }
    // SAFETY: a function without captures that does not unwind; it does not use its argument.
    unsafe { on_exit(handler, std::ptr::null_mut()) };
}

/// Without `on_exit` the status is not known, and Miri has no exit handlers.
#[cfg(not(all(target_env = "gnu", not(miri))))]
fn at_exit(_handler: Handler) {}
