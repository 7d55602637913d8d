//! The fault suite: the harness must notice every way in which a test can go wrong.
//!
//! Each case starts the specimens, a binary of deliberately bad tests, and asserts the exit status
//! *and* the words: a red run for the wrong reason is a failure here.
#![forbid(unsafe_code)]

mod reports;
mod specimen;
mod suites;

use std::process::ExitCode;

use specimen::{run, run_with};
use valk_harness::cases;

fn main() -> ExitCode {
    valk_harness::main()
}

/// What is run and what must be said.
struct Fault {
    arguments: &'static [&'static str],
    says: &'static [&'static str],
}

const fn exact(arguments: &'static [&'static str], says: &'static [&'static str]) -> Fault {
    Fault { arguments, says }
}

cases! {
    /// One specimen each: red, with the right words, and counted as failed.
    fn red(fault: Fault) in bad_tests() {
        let arguments = [&["--exact"], fault.arguments].concat();
        let ended = run(&arguments);
        ended.expect_status(101);
        ended.expect(fault.says);
        ended.expect(&["0 passed, 1 failed, 0 skipped\n", "---- run it again\n"]);
        assert!(ended.text.len() < 400_000, "{} bytes of report", ended.text.len());
    }
}

fn bad_tests() -> Vec<(&'static str, Fault)> {
    vec![
        ("exit 0 before the end", exact(&["exits_early"], &["early-exit", "status 0", "without the token"])),
        ("exit 3 before the end", exact(&["exits_with_three"], &["early-exit", "status 3"])),
        ("_exit 0 before the token", exact(&["exits_now"], &["early-exit", "status 0", "without the token"])),
        ("exec of another program", exact(&["becomes_another_program"], &["early-exit", "status 0"])),
        ("abort", exact(&["aborts"], &["crash", "SIGABRT"])),
        ("segmentation fault", exact(&["segfaults"], &["crash", "SIGSEGV"])),
        ("stack overflow", exact(&["overflows_the_stack"], &["crash", "SIGABRT", "has overflowed its stack"])),
        ("double panic", exact(&["panics_while_panicking"], &["crash", "SIGABRT", "first panic", "second panic"])),
        ("payload that is no text", exact(&["panics_with_a_number"], &["fail", "payload that is not text"])),
        ("assertion", exact(&["fails_an_assertion"], &["specimens.rs:", "left: 2", "right: 3", "arithmetic"])),
        ("in process", exact(&["in_process_fails"], &["fail", "in the runner", "[in-process"])),
        ("supervisor killed", exact(&["kills_its_supervisor"], &["crash", "supervised the test was lost"])),
        ("hang", exact(&["hangs"], &["timeout", "timed out after 50 ms; it ended after SIGTERM", "threads at the time limit", "waits in"])),
        ("hang that ignores SIGTERM", exact(&["hangs_ignoring_sigterm"], &["timed out after 50 ms; it ignored SIGTERM for 1000 ms", "SIGKILL"])),
        ("hang that prints", exact(&["chatters_for_ever"], &["timed out after 200 ms", "still here"])),
        ("child left behind", exact(&["leaves_a_child"], &["leak", "leaked 1 process", "sleep (pid"])),
        ("daemon left behind", exact(&["leaves_a_daemon"], &["leak", "leaked 1 process", "fault-specimens"])),
        ("failure and leak", exact(&["fails_and_leaves_a_child"], &["fail", "and fails; it also leaked 1 process"])),
        ("fake pass line", exact(&["prints_a_fake_pass"], &["early-exit", "0 passed, 1 failed, 0 skipped\n"])),
        ("fake token on stdout", exact(&["prints_a_fake_token"], &["early-exit", "without the token"])),
        ("fake token on every descriptor", exact(&["writes_a_fake_token_everywhere"], &["early-exit", "damaged token"])),
        ("closed output", exact(&["closes_its_output"], &["fail", "after closing"])),
        ("50 megabytes", exact(&["prints_much"], &["the beginning", "bytes left out", "the end", "after 50 megabytes"])),
        ("invalid UTF-8", exact(&["prints_garbage"], &["a\u{fffd}\u{fffd}b \\x1b[31mred\\x07"])),
        ("broken skip", exact(&["skips_as_broken"], &["skip-broken", "skipped as broken [VALK-7]: deque loses an element"])),
        ("broken skip in the source", exact(&["skipped_as_broken"], &["skip-broken", "[VALK-8]: never worked"])),
        ("stale skip", exact(&["skips_for_a_stale_reason"], &["skip-stale", "stale skip [needs-cores(1)]: wants one core - but on this host cores = "])),
        ("stale skip in the source", exact(&["skipped_for_a_stale_reason"], &["skip-stale", "[needs-cores(1)]"])),
        ("exec: panic", exact(&["exec_panics"], &["fail", "in the fresh process", "printed afresh", "[exec"])),
        ("exec: exit 0", exact(&["exec_exits_early"], &["fail", "fresh process ended", "without the token"])),
        ("exec: abort", exact(&["exec_aborts"], &["fail", "fresh process ended", "without the token"])),
        ("exec: hang", exact(&["exec_hangs"], &["timeout", "timed out after 500 ms"])),
        ("exec: child runs nothing", exact(&["exec_runs_nothing"], &["fail", "no test named `exec_runs_nothing` in the fresh process"])),
        ("exec: --nocapture", exact(&["exec_panics", "--nocapture", "--include-ignored"], &["fail", "in the fresh process"])),
        ("exec: --no-capture", exact(&["exec_panics", "--no-capture"], &["fail", "in the fresh process"])),
        ("ignored test panics under --nocapture --ignored", exact(&["--nocapture", "--ignored", "ignored_panics"], &["fail", "ran although ignored"])),
        ("ignored exec test panics under --nocapture --ignored", exact(&["--nocapture", "--ignored", "ignored_exec_panics"], &["fail", "ran afresh although ignored"])),
        ("fixture cannot be built", exact(&["wants_an_unbuildable_fixture"], &["session fixture `unbuildable` could not be built: no such table"])),
        ("fixture with threads", exact(&["wants_a_threaded_fixture"], &["crash", "session fixture `threaded` left 1 threads running"])),
        ("case", exact(&["doubles/two"], &["doubles/two", "left: 4"])),
        ("case from data", exact(&["counted/row 2"], &["counted/row 2", "row 2"])),
        ("missing snapshot", exact(&["matches_a_missing_snapshot"], &["there is no snapshot", "VALK_UPDATE_SNAPSHOTS=1", "value"])),
    ]
}

cases! {
    /// The run itself is at fault.
    fn refused((status, fault): (i32, Fault)) in bad_runs() {
        let environment: &[(&str, &str)] =
            if environment.is_empty() { &[] } else { &[(environment, "1")] };
        let ended = run_with(arguments, environment);
        ended.expect_status(status);
        ended.expect(says);
    }
}

fn bad_runs() -> Vec<(&'static str, (i32, Fault))> {
    vec![
        ("renamed test", (4, "", &["--exact", "passed"], &["no test is selected by [\"passed\"]", "0 passed, 0 failed, 0 skipped\n"])),
        ("zero tests", (4, "", &["no such name at all"], &["no test is selected"])),
        ("duplicate names", (2, "FAULT_DUPLICATE", &["passes"], &["duplicate test name `passes`", "specimens.rs:"])),
        ("duplicate names in the list", (2, "FAULT_DUPLICATE", &["--list"], &["duplicate test name `passes`"])),
        ("name of two lines", (2, "FAULT_BAD_NAME", &["passes"], &["\"two\\nlines\"", "control character"])),
        ("order that is none", (101, "VALK_TEST_EXEC_ORDER", &[], &["VALK_TEST_EXEC_ORDER is \"1\", not descriptor:nonce:seed:name"])),
        ("unknown flag", (2, "", &["--shufle"], &["unknown flag `--shufle`. Did you mean `--shuffle`?"])),
        ("flag without value", (2, "", &["--junit"], &["--junit needs a value: --junit FILE"])),
        ("malformed number", (2, "", &["--repeat", "many"], &["--repeat needs a whole number, found `many`"])),
        ("zero repetitions", (2, "", &["--repeat=0"], &["at least 1"])),
        ("ledger cannot be written", (101, "", &["--exact", "passes", "--ledger", "/proc/nowhere/x"], &["cannot write the ledger /proc/nowhere/x"])),
        ("JUnit cannot be written", (101, "", &["--exact", "passes", "--junit", "/proc/nowhere/x"], &["cannot write the JUnit report"])),
        ("disk full", (101, "", &["--exact", "passes", "--ledger", "/dev/full"], &["cannot write the ledger /dev/full"])),
    ]
}

cases! {
    /// Controls: the same machinery says green where green is due.
    fn green(control: Fault) in good_tests() {
        let ended = run(arguments);
        ended.expect_status(0);
        ended.expect(says);
    }
}

fn good_tests() -> Vec<(&'static str, Fault)> {
    vec![
        ("pass", (&["--exact", "passes"], &["1 passed, 0 failed, 0 skipped\n"])),
        ("several filters", (&["--exact", "passes", "in_process_passes"], &["2 passed, 0 failed"])),
        ("exec", (&["--exact", "exec_passes", "--test-threads", "1", "--seed=5"], &["1 passed, 0 failed"])),
        ("exec skip", (&["--exact", "exec_skips"], &["0 passed, 0 failed, 1 skipped\n", "needs-cores(4096)"])),
        ("shared fixture", (&["shares_a_fixture"], &["2 passed, 0 failed"])),
        ("killed child, not waited for", (&["--exact", "ends_its_children"], &["1 passed"])),
        ("expected skip", (&["--exact", "skips_as_expected"], &["0 passed, 0 failed, 1 skipped\n", "skipped [needs-cores(4096)]: wants <4096> \"cores\""])),
        ("requirement not met", (&["--exact", "requires_a_tool"], &["1 skipped\n", "[tool-missing(no-such-tool)]", "not on PATH"])),
        ("requirement met", (&["--exact", "requires_a_core"], &["1 passed"])),
        ("expected skip in the source", (&["--exact", "skipped_in_the_source"], &["1 skipped\n", "no /net here"])),
        ("ignored by default", (&["--exact", "ignored_panics"], &["1 skipped\n", "takes an hour"])),
        ("allowed to be empty", (&["no such name", "--allow-empty"], &["0 passed, 0 failed, 0 skipped\n"])),
        ("repeat", (&["--exact", "passes", "--repeat", "3"], &["passes#3", "3 passed"])),
        ("no capture", (&["--exact", "prints_and_passes", "--nocapture"], &["a word\n", "1 passed"])),
        ("captured", (&["--exact", "prints_and_passes", "--show-output"], &["output of prints_and_passes", "a word", "1 passed"])),
        ("slowest", (&["--exact", "passes", "--slowest", "2"], &["slowest:"])),
        ("case", (&["--exact", "doubles/one"], &["1 passed"])),
        ("shuffle", (&["shares", "--shuffle=7"], &["shuffled with --shuffle=7", "2 passed"])),
        ("help", (&["--help"], &["--shuffle[=SEED]", "EXIT STATUS"])),
        ("skip filter", (&["shares", "--skip", "_1"], &["1 passed", "not selected"])),
        ("json", (&["--exact", "passes", "--format", "json"], &["\"event\": \"ok\"", "1 passed"])),
        ("bench", (&["--bench"], &["running 0 tests"])),
    ]
}

valk_harness::test! {
    fn lists_for_nextest() {
        let all = run(&["--list", "--format", "terse"]);
        all.expect_status(0);
        assert!(all.text.lines().all(|line| line.ends_with(": test")), "{}", all.text);
        let ignored = run(&["--list", "--format", "terse", "--ignored"]);
        assert_eq!(ignored.text, "ignored_exec_panics: test\nignored_panics: test\n");
    }

    fn an_in_process_exit_is_red() {
        let ended = run(&["--exact", "in_process_exits"]);
        ended.expect_status(101);
        ended.expect(&["ended the whole run"]);
    }

    fn a_session_fixture_is_built_once() {
        let ended = run(&["shares_a_fixture", "--test-threads=2"]);
        assert_eq!(ended.text.matches("building the answer").count(), 1, "{}", ended.text);
        let ended = run(&["--exact", "passes"]);
        assert!(!ended.text.contains("building"), "{}", ended.text);
    }

    fn leaves_no_files_behind() {
        run(&["--exact", "passes", "aborts", "hangs", "leaves_a_daemon"]).expect_status(101);
        let left: Vec<_> = std::fs::read_dir(std::env::temp_dir()).expect("is ours").collect();
        assert!(left.is_empty(), "{left:?}");
    }

    fn counts_kinds_of_skips() {
        let ended = run(&["--exact", "skips_as_expected", "skips_as_broken", "skips_for_a_stale_reason"]);
        ended.expect(&["1 skipped as expected; 1 as broken and 1 for a stale reason", "0 passed, 2 failed, 1 skipped\n"]);
    }

    fn stops_after_the_first_failure() {
        let ended =
            run(&["fails_an_assertion", "passes", "--fail-fast", "--test-threads=1", "--skip=_passes"]);
        ended.expect_status(101);
        ended.expect(&["1 not run after the first failure", "0 passed, 1 failed, 0 skipped\n"]);
    }

    fn repeats_a_seed() {
        let first = run(&["--exact", "fails_with_a_seed", "--seed", "12"]);
        first.expect(&["--exact 'fails_with_a_seed' --seed 12"]);
        let words = |text: &str| text.lines().find(|line| line.starts_with("fail: ")).map(String::from);
        let again = run(&["--exact", "fails_with_a_seed", "--seed", "12"]);
        let other = run(&["--exact", "fails_with_a_seed", "--seed", "13"]);
        assert_eq!(words(&first.text), words(&again.text));
        assert_ne!(words(&first.text), words(&other.text));
    }

    fn runs_without_forking() {
        let ended = run_with(&["--exact", "passes", "fails_an_assertion"], &[("VALK_TEST_NO_FORK", "1")]);
        ended.expect_status(101);
        ended.expect(&["1 passed, 1 failed"]);
    }

    fn specimens_hide_from_people() {
        let output = std::process::Command::new(specimen::PATH)
            .env_remove("FAULT_SPECIMENS")
            .output()
            .expect("the specimens were built");
        assert_eq!(output.status.code(), Some(2));
    }
}
