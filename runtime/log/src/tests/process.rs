//! The log of the process. Each test runs in a process of its own.

use super::queue;
use crate::process::{asks_for_backtrace, install_queue};
use crate::{Level, Threshold, dropped, flush, install, write_error};
use std::ffi::OsStr;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

/// Panics told to the hook that was there before the log.
static TOLD: AtomicUsize = AtomicUsize::new(0);

/// Makes two panics with a log that tells them as before or not; how many were told so.
fn told_as_before(tells_as_before: bool) -> usize {
    std::panic::set_hook(Box::new(|_| {
        TOLD.fetch_add(1, SeqCst);
    }));
    let (queue, target) = queue();
    assert!(install_queue(&Threshold::default(), queue, tells_as_before));
    for _ in 0..2 {
        assert!(std::thread::spawn(|| panic!("broken rule")).join().is_err());
    }
    assert_eq!(target.text().lines().count(), 2, "{}", target.text());
    TOLD.load(SeqCst)
}

valk_harness::test! {
    fn a_panic_is_a_log_line() {
        let (queue, target) = queue();
        assert!(install_queue(&Threshold::default(), queue, false));
        for thread in [None, Some("named")] {
            let mut builder = std::thread::Builder::new();
            if let Some(name) = thread {
                builder = builder.name(name.to_string());
            }
            let panicked = builder.spawn(|| panic!("broken\nrule")).expect("a thread").join();
            assert!(panicked.is_err());
        }
        let text = target.text();
        assert_eq!(text.lines().count(), 2, "{text}");
        assert!(text.contains(" | panic: broken\\nrule place="), "{text}");
        assert!(text.contains("src/tests/process.rs:") && text.contains("thread=unnamed"), "{text}");
        assert!(text.ends_with("thread=named\n"), "{text}");
    }

    fn a_panic_is_told_as_before_where_a_backtrace_is_asked_for() {
        assert_eq!(told_as_before(true), 2);
    }

    fn a_panic_is_not_told_twice_otherwise() {
        assert_eq!(told_as_before(false), 0);
    }

    fn every_value_but_0_asks_for_a_backtrace() {
        for (value, expected) in [(None, false), (Some("0"), false), (Some("1"), true), (Some("full"), true)] {
            assert_eq!(asks_for_backtrace(value.map(OsStr::new)), expected, "{value:?}");
        }
    }

    fn a_process_has_one_log() {
        assert!(flush() && dropped() == 0, "without a log nothing waits");
        let threshold = Threshold::new(Level::Error);
        assert!(install(&threshold));
        assert!(!install(&threshold), "the first stays");
        write_error(b"");
        tracing::warn!(target: "valk::test", "not shown");
        assert!(flush() && dropped() == 0);
    }

    fn the_process_s_log_counts_what_it_drops() {
        let (queue, target) = queue();
        target.change(|state| state.refuses = true);
        assert!(install_queue(&Threshold::default(), queue, false));
        tracing::warn!(target: "valk::test", "lost");
        assert!(flush());
        assert_eq!(dropped(), 1);
    }

    fn direct_output_is_dropped_while_lines_wait_for_a_stuck_target() {
        let (queue, target) = queue();
        target.change(|state| state.is_stuck = true);
        assert!(install_queue(&Threshold::default(), queue, false));
        tracing::warn!(target: "valk::test", "waits");
        target.wait_until_stuck();
        assert!(!flush());
        write_error(b"not written");
        target.change(|state| state.is_stuck = false);
        assert!(flush());
    }
}
