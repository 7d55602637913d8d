//! The log of this process: installed once, flushed by everything that ends the process.

use crate::level::Threshold;
use crate::queue::LogQueue;
use crate::subscriber::LogSubscriber;
use std::ffi::OsStr;
use std::io::Write;
use std::sync::OnceLock;
use std::time::Duration;

/// How long [`flush`] waits for a standard error that takes nothing, in milliseconds.
pub const FLUSH_MS_MAX: u64 = 500;

/// The installed queue. Standard error belongs to the process, and so does this.
static QUEUE: OnceLock<LogQueue> = OnceLock::new();

/// Makes lines at or above the threshold go to standard error. Panics are logged as errors from
/// then on, and with the environment variable `RUST_BACKTRACE` told as before too. Does nothing
/// when a subscriber is installed already; returns whether it did.
pub fn install(threshold: &Threshold) -> bool {
    let backtrace = std::env::var_os("RUST_BACKTRACE");
    let queue = LogQueue::new(Box::new(std::io::stderr()));
    install_queue(threshold, queue, asks_for_backtrace(backtrace.as_deref()))
}

/// Whether a value of `RUST_BACKTRACE` asks for a backtrace.
pub(crate) fn asks_for_backtrace(value: Option<&OsStr>) -> bool {
    value.is_some_and(|value| value != "0")
}

/// The same with another target of lines than standard error, and panics told as before too or not.
pub(crate) fn install_queue(threshold: &Threshold, queue: LogQueue, tells_as_before: bool) -> bool {
    let subscriber = LogSubscriber::new(threshold.clone(), queue.clone());
    if tracing::subscriber::set_global_default(subscriber).is_err() {
        return false;
    }
    let _ = QUEUE.set(queue);
    log_panics(tells_as_before);
    true
}

fn log_panics(tells_as_before: bool) {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let text = panic.payload_as_str().unwrap_or("without a text");
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let thread = std::thread::current();
        let thread = thread.name().unwrap_or("unnamed");
        tracing::error!(target: "valk::panic", place, thread, "panic: {text}");
        flush();
        if tells_as_before {
            before(panic);
        }
    }));
}

/// Waits a bounded time until all lines are written. Returns whether they are.
pub fn flush() -> bool {
    QUEUE.get().is_none_or(|queue| queue.flush(Duration::from_millis(FLUSH_MS_MAX)))
}

/// Log lines dropped so far.
pub fn dropped() -> u64 {
    QUEUE.get().map_or(0, LogQueue::dropped)
}

/// Writes other output than log lines to standard error, after the lines logged before it. It is
/// dropped when standard error is closed, or takes nothing while log lines wait for it.
pub fn write_error(bytes: &[u8]) {
    if flush() {
        let _ = std::io::stderr().write_all(bytes);
    }
}

/// Ends the process after the lines logged before.
pub fn exit(status: i32) -> ! {
    flush();
    std::process::exit(status)
}
