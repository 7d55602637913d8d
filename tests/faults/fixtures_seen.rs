//! When fixtures are built and torn down, by the marks that they leave in a file.

use std::fs;
use std::path::PathBuf;

use crate::specimen::{Ended, run_with};

fn marks_file() -> PathBuf {
    std::env::temp_dir().join("marks")
}

/// Runs these specimens, and returns how it ended and the marks.
fn run(names: &[&str]) -> (Ended, Vec<String>) {
    let file = marks_file();
    let arguments = [&["--exact", "--test-threads=1"], names].concat();
    let ended = run_with(&arguments, &[("FAULT_MARKS", &file.display().to_string())]);
    let marks = fs::read_to_string(&file).unwrap_or_default();
    let _ = fs::remove_file(&file);
    (ended, marks.lines().map(ToString::to_string).collect())
}

const BUILT: [&str; 2] = ["build base", "build upper"];
const ENDED: [&str; 3] = ["end upper", "drop upper", "drop base"];

/// Names in the module of the specimens with fixtures.
fn specimens(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| format!("fixtures::{name}")).collect()
}

fn run_specimens(names: &[&str]) -> (Ended, Vec<String>) {
    let names = specimens(names);
    run(&names.iter().map(String::as_str).collect::<Vec<_>>())
}

valk_harness::test! {
    fn fixtures_are_built_once_and_end_in_reverse_order() {
        let (ended, marks) = run_specimens(&["uses_a_fixture", "uses_the_base_only"]);
        ended.expect_status(0);
        let tests = ["test upper", "test base"];
        assert_eq!(marks, [&BUILT[..], &tests, &ENDED].concat());
    }

    fn fixtures_end_however_a_test_ended() {
        for (name, status) in [
            ("uses_a_fixture_and_aborts", "SIGABRT"),
            ("uses_a_fixture_and_hangs", "timed out after 100 ms"),
            ("uses_a_fixture_and_kills_its_parent", "was lost"),
        ] {
            let (ended, marks) = run_specimens(&[name]);
            ended.expect_status(101);
            ended.expect(&[status]);
            let marks: Vec<_> = marks.into_iter().filter(|mark| mark != "hanging").collect();
            assert_eq!(marks, [&BUILT[..], &ENDED].concat(), "{name}");
        }
    }

    fn a_lost_host_is_replaced() {
        let (ended, marks) = run_specimens(&["a_test_kills_all_above_it", "uses_the_base_only"]);
        ended.expect_status(101);
        ended.expect(&["1 passed, 1 failed", "was lost"]);
        ended.expect(&["FAULT: the process of fixture `base`: it crashed with SIGKILL"]);
        assert_eq!(marks, ["build base", "build base", "test base", "drop base"]);
        // Also when the next that it is asked for is a host itself.
        let names = ["a_test_kills_all_above_it", "has_its_own_fixture_2", "uses_the_base_only"];
        let (ended, marks) = run_specimens(&names);
        ended.expect(&["1 passed, 2 failed", "was lost", "crashed with SIGABRT"]);
        let count = |mark: &str| marks.iter().filter(|found| *found == mark).count();
        let counts = ["build base", "build test", "test test", "test base", "drop base"].map(count);
        assert_eq!(counts, [2, 1, 1, 1, 1], "{marks:?}");
    }

    fn a_fixture_of_a_test_is_built_for_each_and_of_a_module_for_each() {
        let (ended, marks) = run_specimens(&["has_its_own_fixture_1", "has_its_own_fixture_2"]);
        ended.expect(&["1 passed, 1 failed"]);
        let own = ["build test", "test test", "drop test"];
        let below = ["build base", "build test", "test test", "drop test", "drop base"];
        // The first one may end while the second is built.
        let mut expected = [&own[..], &below].concat();
        let mut found: Vec<&str> = marks.iter().map(String::as_str).collect();
        expected.sort_unstable();
        found.sort_unstable();
        assert_eq!(found, expected);
        let (ended, marks) = run_specimens(&[
            "first::is_in_a_module_1",
            "first::is_in_a_module_2",
            "second::is_in_a_module_3",
        ]);
        ended.expect(&["3 passed"]);
        let count = |mark: &str| marks.iter().filter(|found| *found == mark).count();
        let counts = ["build module", "test module", "drop module"].map(count);
        assert_eq!(counts, [2, 3, 2], "{marks:?}");
    }

    fn a_fixture_of_the_test_itself_ends_with_it() {
        let (ended, marks) = run_specimens(&["builds_a_fixture_itself"]);
        ended.expect_status(0);
        assert_eq!(marks, ["build base", "test base", "drop base"]);
    }

    fn a_bad_end_of_a_fixture_is_red_and_named() {
        for (name, says) in [
            ("bad", "fixture `bad end` could not be torn down: cannot end"),
            ("crashing", "the process of fixture `crashing end`: it crashed with SIGABRT"),
            ("hanging", "fixture `hanging end` was not torn down within 300 ms"),
        ] {
            let (ended, marks) = run_specimens(&[&format!("uses_a_fixture_with_a_{name}_end")]);
            ended.expect_status(101);
            ended.expect(&["FAULT: ", says, "1 passed, 0 failed"]);
            let has_ended = marks.iter().any(|mark| mark == "drop base");
            assert_eq!(has_ended, name == "crashing", "what it needs still ends");
        }
    }

    fn fixtures_have_a_directory_that_goes_with_them() {
        let names = specimens(&["uses_files"]);
        let ended = run_with(&["--exact", &names[0], "--show-output"], &[]);
        ended.expect_status(0);
        let line = ended.text.lines().find_map(|line| line.strip_prefix("files in "));
        let path = PathBuf::from(line.expect("it is printed"));
        assert!(path.starts_with(std::env::temp_dir()) && !path.exists(), "{}", path.display());
        assert!(fs::read_dir(std::env::temp_dir()).expect("is ours").next().is_none());
    }

    fn other_tests_do_not_suffer_from_a_fixture() {
        let names = specimens(&[
            "wants_a_fixture_that_exits",
            "wants_a_fixture_that_crashes",
            "wants_a_fixture_that_hangs",
            "wants_a_fixture_that_needs_itself",
        ]);
        let mut arguments = vec!["--exact", "passes", "exec_passes", "shares_a_fixture_1"];
        arguments.extend(names.iter().map(String::as_str));
        let ended = run_with(&arguments, &[]);
        ended.expect(&["3 passed, 4 failed, 0 skipped\n"]);
    }

    fn large_fixtures_are_shared() {
        let names = specimens(&["uses_memory"]);
        run_with(&["--exact", &names[0], "--repeat=20"], &[]).expect(&["20 passed"]);
    }
}
