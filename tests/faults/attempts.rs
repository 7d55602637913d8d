//! Tests that are tried again, and what failed in an earlier run.

use std::path::PathBuf;

use valk_harness::merge::Merge;

use crate::specimen::{Ended, run_with};

fn scratch(name: &str) -> String {
    std::env::temp_dir().join(name).display().to_string()
}

fn read(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Runs specimens whose attempts are counted from the beginning.
fn run(arguments: &[&str], environment: &[(&str, &str)]) -> Ended {
    let marks = scratch("marks");
    let _ = std::fs::remove_file(&marks);
    let state = scratch("state");
    let ours = [("FAULT_MARKS", marks.as_str()), ("VALK_TEST_STATE_DIR", state.as_str())];
    run_with(&[&["--exact"], arguments].concat(), &[&ours, environment].concat())
}

valk_harness::test! {
    fn a_test_that_passes_later_is_flaky() {
        let (ledgers, junit) = (scratch("ledgers"), scratch("junit.xml"));
        let ended = run(
            &["unsteady::passes_at_the_third_attempt", "--retries", "4", "--junit", &junit],
            &[("VALK_TEST_LEDGER_DIR", &ledgers)],
        );
        ended.expect_status(0);
        ended.expect(&[
            "==== unsteady::passes_at_the_third_attempt  [fork",
            "---- attempt 1 of 3  [",
            "not yet: 1",
            "---- stdout\nthis is attempt 1",
            "---- attempt 2 of 3  [",
            "not yet: 2",
            "---- attempt 3 of 3\nflaky: tests/faults/unsteady.rs:",
            "\nflaky:\n    unsteady::passes_at_the_third_attempt\n        flaky: tests",
            "passed at attempt 3; before: fail: not yet: 2",
            "1 of those that passed are flaky\n",
            "\n1 passed, 0 failed, 0 skipped\n",
        ]);
        let xml = read(&junit);
        assert!(xml.contains("failures=\"0\" errors=\"0\""), "{xml}");
        assert_eq!(xml.matches("<flakyFailure type=\"fail\" message=\"not yet: ").count(), 2, "{xml}");
        assert!(xml.contains("<system-out>this is attempt 2&#10;</system-out>"), "{xml}");
        let words = [ledgers].into_iter();
        let (text, green) = Merge::parse(words).expect("right").expect("no help").run().expect("read");
        assert!(green && text.contains("\nflaky:\n"), "{text}");
    }

    fn a_flaky_test_is_red_where_it_is_not_accepted() {
        let name = "unsteady::passes_at_the_second_attempt";
        run(&[name], &[]).expect_status(0);
        for (flag, variable) in [("--no-flaky", "FAULT_NONE"), ("--seed=1", "VALK_TEST_NO_FLAKY")] {
            let ended = run(&[name, flag], &[(variable, "1")]);
            ended.expect_status(101);
            ended.expect(&[
                "flaky-fail: tests/faults/unsteady.rs:",
                "passed at attempt 2; before: fail: not yet",
                "---- run it again\n",
                "0 passed, 1 failed, 0 skipped\n",
            ]);
        }
    }

    fn a_crash_is_tried_again() {
        let ended = run(&["unsteady::aborts_at_first"], &[]);
        ended.expect_status(0);
        ended.expect(&["before: crash: crashed with SIGABRT"]);
    }

    fn a_test_that_never_passes_keeps_every_attempt() {
        let junit = scratch("junit.xml");
        let ended = run(&["unsteady::never_passes", "--junit", &junit], &[]);
        ended.expect_status(101);
        ended.expect(&[
            "attempt 1 of 3", "attempt 2 of 3", "---- attempt 3 of 3\nfail: tests",
            "this is attempt 1", "this is attempt 2", "this is attempt 3", "0 passed, 1 failed",
        ]);
        let xml = read(&junit);
        assert_eq!(xml.matches("<rerunFailure type=\"fail\" message=\"never\">").count(), 2, "{xml}");
        assert_eq!(xml.matches("<failure type=\"fail\" message=\"never\"/>").count(), 1, "{xml}");
    }

    /// The command line decides for all tests, the environment for those that say nothing.
    fn who_says_how_often() {
        let run_once = |arguments: &[&str], variable| run(arguments, &[("VALK_TEST_RETRIES", variable)]);
        run_once(&["unsteady::passes_at_the_second_attempt", "--retries=0"], "5").expect_status(101);
        run_once(&["unsteady::passes_at_the_third_attempt"], "2").expect_status(0);
        run_once(&["unsteady::passes_at_the_third_attempt"], "1").expect_status(101);
        let never = run_once(&["unsteady::never_passes"], "9");
        never.expect(&["attempt 3 of 3"]);
        run_once(&["passes"], "101").expect_status(2);
    }

    fn an_attempt_finds_no_trace_of_another() {
        let ended = run(&["unsteady::sees_no_trace_of_an_attempt"], &[]);
        ended.expect_status(0);
        ended.expect(&["passed at attempt 2; before: fail: not yet", "1 passed"]);
    }

    fn a_test_in_the_runner_is_tried_once() {
        let ended = run(&["unsteady::in_the_runner_is_tried_once", "--retries=9"], &[]);
        ended.expect_status(101);
        assert_eq!(read(&scratch("marks")).lines().count(), 1);
    }

    fn a_skip_after_a_failure_is_a_skip() {
        let ended = run(&["unsteady::skips_at_the_second_attempt"], &[]);
        ended.expect_status(0);
        ended.expect(&["0 passed, 0 failed, 1 skipped\n", "needs-cores(4096)"]);
    }

    fn what_failed_runs_again() {
        let all = ["passes", "unsteady::follows_a_variable", "fails_an_assertion"];
        let with = |flags: &[&str], fail: &str| run(&[&all[..], flags].concat(), &[(fail, "1")]);
        let first = with(&["--last-failed"], "FAULT_FAIL");
        first.expect_status(101);
        first.expect(&["no test is known to have failed before: all 3 run", "1 passed, 2 failed"]);
        let rerun = |text: &str| text.lines().filter(|line| line.contains("--exact '")).count();
        let again = with(&["--last-failed"], "FAULT_NONE");
        again.expect(&["2 of 3 tests failed before and run again", "1 passed, 1 failed, 0 skipped\n"]);
        assert_eq!((rerun(&first.text), rerun(&again.text)), (2, 1));
        assert!(!again.text.contains("--last-failed -"), "the command stays the same: {}", again.text);
        // Filters: what is not selected keeps its entry.
        let other = run(&["passes", "--last-failed"], &[]);
        other.expect_status(0);
        other.expect(&["none of the 1 tests that failed before is selected: none runs", "0 passed"]);
        let list = with(&["--last-failed", "--list", "--format=terse"], "FAULT_NONE");
        list.expect(&["fails_an_assertion: test\n", "1 of 3 tests failed before"]);
        assert!(!list.text.contains("passes: test"), "{}", list.text);
        let first = with(&["--failed-first", "--test-threads=1"], "FAULT_NONE");
        let at = |name: &str| first.text.find(&format!("test {name}")).expect("it ran");
        assert!(at("fails_an_assertion") < at("passes"), "{}", first.text);
    }

    fn a_damaged_record_is_told_and_replaced() {
        let names = ["passes", "fails_an_assertion", "--last-failed"];
        run(&names, &[]).expect_status(101);
        let files = std::fs::read_dir(scratch("state")).expect("it was made").flatten();
        let files: Vec<PathBuf> = files.map(|entry| entry.path()).collect();
        let [file] = files.as_slice() else { panic!("one file: {files:?}") };
        std::fs::write(file, "{\"format\":1").expect("it is writable");
        let ended = run(&names, &[]);
        ended.expect(&["the record of failed tests is not used", "is damaged", "all 2 run"]);
        ended.expect(&["1 passed, 1 failed"]);
        run(&names, &[]).expect(&["1 of 2 tests failed before and run again", "0 passed, 1 failed"]);
    }

    fn a_record_that_cannot_be_written_disturbs_nothing() {
        let ended = run(&["passes", "fails_an_assertion"], &[("VALK_TEST_STATE_DIR", "/proc/nowhere")]);
        ended.expect_status(101);
        ended.expect(&["which tests failed is not remembered: ", "1 passed, 1 failed"]);
    }
}
