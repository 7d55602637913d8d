//! The fault suite: the harness must notice every way in which a test can go wrong.
//!
//! Each case starts the specimens, a binary of deliberately bad tests, and asserts the exit status
//! *and* the words: a red run for the wrong reason is a failure here.
#![forbid(unsafe_code)]

mod attempts;
mod catalogue;
mod debts;
mod ends;
mod examples;
mod fixtures_seen;
mod reports;
mod specimen;
mod suites;

use std::process::ExitCode;

use catalogue::{BadRun, Words, bad_runs, bad_tests, good_tests};
use specimen::{run, run_with};
use valk_harness::cases;

fn main() -> ExitCode {
    valk_harness::main()
}

cases! {
    /// One specimen each: red, with the right words, and counted as failed.
    fn red((arguments, says): (Words, Words)) in bad_tests() {
        let ended = run(&[&["--exact"], arguments].concat());
        ended.expect_status(101);
        ended.expect(says);
        ended.expect(&["0 passed, 1 failed, 0 skipped\n", "---- run it again\n"]);
        assert!(ended.text.len() < 400_000, "{} bytes of report", ended.text.len());
    }
}

cases! {
    /// The run itself is at fault.
    fn refused((status, variable, arguments, says): BadRun) in bad_runs() {
        let ended = run_with(arguments, &[(variable, "1")]);
        ended.expect_status(status);
        ended.expect(says);
    }
}

cases! {
    /// Controls: the same machinery says green where green is due.
    fn green((arguments, says): (Words, Words)) in good_tests() {
        let ended = run(arguments);
        ended.expect_status(0);
        ended.expect(says);
    }
}

valk_harness::test! {
    fn lists_for_nextest() {
        let all = run(&["--list", "--format", "terse"]);
        all.expect_status(0);
        assert!(all.text.lines().all(|line| line.ends_with(": test")), "{}", all.text);
        let ignored = run(&["--list", "--format", "terse", "--ignored"]);
        assert_eq!(ignored.text, "ignored_exec_panics: test\nignored_panics: test\nowing::as_ignored: test\n");
    }

    fn an_in_process_exit_is_red() {
        for name in
            ["in_process_exits", "in_process_exits_now", "in_process_becomes_another_program"]
        {
            let ended = run(&["--exact", name, "fails_an_assertion"]);
            ended.expect_status(101);
            ended.expect(&["ended the whole run"]);
        }
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
        let ended = run(&["skips_as_expected", "skips_as_broken", "skips_for_a_stale_reason"]);
        ended.expect(&["1 skipped as expected; 1 as broken and 1 for a stale reason"]);
        ended.expect(&["0 passed, 2 failed, 1 skipped\n"]);
    }

    fn stops_after_the_first_failure() {
        let ended =
            run(&["fails_an_", "passes", "--fail-fast", "--test-threads=1", "--skip=_passes", "--skip=unsteady"]);
        ended.expect_status(101);
        ended.expect(&["1 not run\n", "0 passed, 1 failed, 0 skipped\n"]);
    }

    fn repeats_a_seed() {
        let first = run(&["--exact", "fails_with_a_seed", "--seed", "12"]);
        first.expect(&["--exact 'fails_with_a_seed' --seed 12"]);
        let words =
            |text: &str| text.lines().find(|line| line.starts_with("fail: ")).map(String::from);
        let again = run(&["--exact", "fails_with_a_seed", "--seed", "12"]);
        let other = run(&["--exact", "fails_with_a_seed", "--seed", "13"]);
        assert_eq!(words(&first.text), words(&again.text));
        assert_ne!(words(&first.text), words(&other.text));
    }

    fn runs_without_forking() {
        let tests = ["--exact", "passes", "fails_an_assertion"];
        let ended = run_with(&tests, &[("VALK_TEST_NO_FORK", "1")]);
        ended.expect_status(101);
        ended.expect(&["1 passed, 1 failed"]);
    }

    /// One that has nothing to do costs none.
    fn an_idle_supervisor_is_replaced() {
        let marks = std::env::temp_dir().join("marks").display().to_string();
        let names = ["fixtures::idle_1_notes_its_supervisor", "fixtures::idle_2_kills_it"];
        let arguments = [&["--exact", "passes", "--test-threads=1"], &names[..]].concat();
        let ended = run_with(&arguments, &[("FAULT_MARKS", &marks)]);
        ended.expect_status(0);
        ended.expect(&["3 passed, 0 failed, 0 skipped\n"]);
    }

    /// What has to be forked afterwards cannot be, and says why.
    fn a_lost_zygote_is_told() {
        let names = ["--exact", "kills_the_zygote", "shares_a_fixture_1", "--test-threads=1"];
        let ended = run(&names);
        ended.expect_status(101);
        ended.expect(&["the process that forks the tests is gone", "1 passed, 1 failed"]);
    }

    /// A test's processes end with it, also when its supervisor cannot see to that any more.
    fn what_a_lost_supervisor_leaves_is_killed() {
        let marks = std::env::temp_dir().join("marks").display().to_string();
        let names = ["fixtures::stray_1_loses_its_supervisor", "fixtures::stray_2_is_gone"];
        let arguments = [&["--exact", "--test-threads=1"], &names[..]].concat();
        let ended = run_with(&arguments, &[("FAULT_MARKS", &marks)]);
        ended.expect(&["supervised the test was lost", "1 passed, 1 failed, 0 skipped\n"]);
    }

    fn a_stopped_process_of_a_fixture_is_left_alone() {
        let ended = run(&["--exact", "fixtures::stops_the_process_of_its_fixture"]);
        ended.expect_status(0);
        ended.expect(&["1 passed, 0 failed, 0 skipped\n"]);
    }

    /// One supervisor that is lost costs one test.
    fn a_lost_supervisor_is_replaced() {
        for fault in ["kills_its_supervisor", "stops_its_supervisor"] {
            let ended =
                run_with(&["bulk/", fault, "--test-threads=2"], &[("FAULT_BULK", "200")]);
            ended.expect_status(101);
            ended.expect(&["200 passed, 1 failed, 0 skipped\n"]);
        }
    }

    fn verdicts_without_a_panic_name_the_line_of_the_test() {
        let source = include_str!("specimens.rs");
        for name in ["aborts", "hangs", "exits_early", "leaves_a_child", "throws_another_payload"] {
            let start = format!("    fn {name}()");
            let line = source.lines().position(|line| line.starts_with(&start)).expect("it is there");
            run(&["--exact", name]).expect(&[&format!("tests/faults/specimens.rs:{}: ", line + 1)]);
        }
    }

    fn registered_tests_that_no_main_runs_are_red() {
        let unstarted = |words: &[&str]| {
            let path = env!("CARGO_BIN_EXE_fault-unstarted");
            std::process::Command::new(path).args(words).output().expect("it was built")
        };
        let forgotten = unstarted(&[]);
        assert_eq!(forgotten.status.code(), Some(101));
        let stderr = String::from_utf8_lossy(&forgotten.stderr);
        assert!(stderr.contains("none of them has run. Set `harness = false`"), "{stderr}");
        assert_eq!(unstarted(&["--declared"]).status.code(), Some(0));
    }

    fn a_test_of_another_harness_is_found() {
        // Programs lie beside their list of sources in cargo's directory for what it builds, where
        // this test lies, which need not be below the directory for finished programs.
        let this = std::env::current_exe().expect("/proc is there");
        let listed = std::fs::read_dir(this.with_file_name("")).expect("cargo made it").flatten();
        let programs: Vec<_> = listed
            .map(|entry| entry.path())
            .filter(|path| path.display().to_string().contains("/fault_vanishing-"))
            .filter(|path| path.extension().is_none() && path.with_extension("d").exists())
            .collect();
        assert!(!programs.is_empty());
        for (program, words) in
            programs.iter().flat_map(|program| [(program, None), (program, Some("--list"))])
        {
            let output =
                std::process::Command::new(program).args(words).output().expect("it was built");
            let text = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(2), "{text}");
            assert!(text.contains("tests/faults/vanishing.rs:9: #[test]"), "{text}");
        }
    }

    fn core_files_are_off_and_can_be_allowed() {
        let limits = |variable: &str| {
            let arguments = ["--exact", "has_a_core_limit", "--show-output"];
            let ended = run_with(&arguments, &[(variable, "1")]);
            let line = ended.text.lines().find(|line| line.starts_with("core ("));
            line.expect("it is printed").to_owned()
        };
        let (soft, hard) = valk_harness::fault::core_limits();
        assert_eq!(limits("FAULT_NONE"), format!("core (0, {hard})"));
        assert_eq!(limits("VALK_TEST_CORE"), format!("core ({soft}, {hard})"));
    }

    fn settings_that_are_not_understood_are_refused() {
        for value in ["inf", "NaN", "-1", "much"] {
            let ended = run_with(&["--exact", "passes"], &[("VALK_TEST_TIME_SCALE", value)]);
            ended.expect_status(2);
            ended.expect(&["VALK_TEST_TIME_SCALE needs a factor above 0, found"]);
        }
    }

    fn specimens_hide_from_people() {
        let output = std::process::Command::new(specimen::PATH)
            .env_remove("FAULT_SPECIMENS")
            .output()
            .expect("the specimens were built");
        assert_eq!(output.status.code(), Some(2));
    }
}

#[valk_harness::test_fn]
#[filter(one != other)]
fn combinations_are_filtered(#[values(1, 2)] one: u8, #[values(1, 2)] other: u8) {
    assert_ne!(one, other);
}

#[valk_harness::test_fn]
#[case("none", "", 0)]
#[case("two", "ab", 2)]
fn cases_have_labels(text: &str, length: usize) {
    assert_eq!(text.len(), length);
}
