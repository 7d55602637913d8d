//! Specimens that fail at first and pass later, which `FAULT_MARKS` counts, or always fail.

use std::io::Write;
use std::sync::atomic::{AtomicU32, Ordering};

use valk_harness::{Fixture, test};

/// The number of this attempt at the running test.
fn attempt() -> usize {
    let Some(path) = std::env::var_os("FAULT_MARKS") else { return 1 };
    let name = valk_harness::current_test();
    let mut file =
        std::fs::File::options().append(true).create(true).open(&path).expect("it is writable");
    writeln!(file, "{name}").expect("it is writable");
    let marks = std::fs::read_to_string(path).expect("it was written");
    marks.lines().filter(|line| *line == name).count()
}

static CHANGED: AtomicU32 = AtomicU32::new(0);

static LENT: Fixture<AtomicU32> = Fixture::new("lent", || AtomicU32::new(0));

test! {
    fn passes_at_the_third_attempt() {
        let attempt = attempt();
        println!("this is attempt {attempt}");
        assert!(attempt >= 3, "not yet: {attempt}");
    }
    #[retries = 1]
    fn passes_at_the_second_attempt() {
        assert!(attempt() >= 2, "not yet");
    }
    #[retries = 1]
    fn aborts_at_first() {
        if attempt() == 1 {
            std::process::abort();
        }
    }
    #[retries = 2]
    fn never_passes() {
        println!("this is attempt {}", attempt());
        panic!("never");
    }
    /// What an attempt leaves in memory, another must not find.
    #[retries = 1]
    #[fixture = LENT]
    fn sees_no_trace_of_an_attempt() {
        let before = (CHANGED.fetch_add(1, Ordering::SeqCst), LENT.get().fetch_add(1, Ordering::SeqCst));
        assert_eq!(before, (0, 0));
        assert!(attempt() >= 2, "not yet");
    }
    #[retries = 3]
    #[isolation = InProcess]
    fn in_the_runner_is_tried_once() {
        assert!(attempt() >= 2, "not yet");
    }
    #[retries = 3]
    fn skips_at_the_second_attempt() {
        assert!(attempt() >= 2, "not yet");
        valk_harness::skip_expected(valk_harness::SkipCode::NeedsCores(4096), "wants many");
    }
    /// For `--last-failed`: fails while it is told to.
    fn follows_a_variable() {
        assert!(std::env::var_os("FAULT_FAIL").is_none(), "as told");
    }
}
