//! Skips with an owner and a day, their budget and their list.

use valk_harness::merge::Merge;

use crate::specimen::{Ended, run_with};

/// Runs the specimens on a day.
fn run(day: &str, arguments: &[&str]) -> Ended {
    run_with(arguments, &[("VALK_TEST_TODAY", day)])
}

const LAST: &str = "2027-01-31";
const LATER: &str = "2027-02-01";

valk_harness::test! {
    fn a_skip_with_a_day_is_red_after_it() {
        let names = ["owing::", "--skip=without_an_owner"];
        let ended = run(LAST, &names);
        ended.expect_status(0);
        ended.expect(&[
            "owing::as_broken_in_the_source - skipped as broken [VALK-9]: loses an element; accepted until 2027-01-31; owner: anna",
            "owing::as_broken_while_it_runs - skipped as broken [VALK-10]: loses another one; accepted",
            "owing::by_an_attribute - skipped [not-on-this-platform(plan9)]: no /net here; owner: bert",
            "2 skipped as broken until a day to come; 0 skipped after their day, which fail\n",
            "1 passed, 0 failed, 6 skipped\n",
        ]);
        let ended = run(LATER, &names);
        ended.expect_status(101);
        ended.expect(&[
            "expired skip [VALK-9]: loses an element - but this was accepted until 2027-01-31 only, and \
             today is 2027-02-01, 1 days later: mend the test, or agree on another day; owner: anna",
            "skip-expired: tests/faults/owing.rs:",
            "expired skip [not-requested(--ignored)]: takes an hour - but",
            "expired skip [needs-cores(4096)]: required by the test; cores = ",
            "---- run it again\n",
            "1 passed, 6 failed, 0 skipped\n",
        ]);
    }

    fn a_broken_skip_without_an_owner_is_red_at_once() {
        let ended = run(LAST, &["--exact", "owing::as_broken_without_an_owner"]);
        ended.expect_status(101);
        ended.expect(&["skip-broken: ", "[VALK-11]: nobody cares"]);
    }

    fn an_ignored_test_that_is_asked_for_runs_on_any_day() {
        for flag in ["--ignored", "--include-ignored"] {
            let ended = run(LATER, &["--exact", "owing::as_ignored", flag]);
            ended.expect_status(0);
            ended.expect(&["1 passed, 0 failed, 0 skipped\n"]);
        }
    }

    fn a_budget_of_skips_is_kept() {
        let names = ["owing::", "--skip=without_an_owner"];
        let with = |flags: &[&str]| run(LAST, &[&names[..], flags].concat());
        with(&["--max-skips=6", "--max-broken=2"]).expect_status(0);
        let ended = with(&["--max-skips", "5"]);
        ended.expect_status(101);
        ended.expect(&["FAULT: 6 tests are skipped, and --max-skips allows 5: owing::as_broken_in_the_source, "]);
        ended.expect(&["1 passed, 0 failed, 6 skipped\n"]);
        let ended = with(&["--max-broken", "1"]);
        ended.expect_status(101);
        ended.expect(&["FAULT: 2 tests are skipped as broken, and --max-broken allows 1: owing::"]);
    }

    fn a_suite_sets_its_own_budget_and_a_flag_outweighs_it() {
        let with = |flags: &[&str]| {
            let arguments = [&["owing::as_broken", "--skip=without"], flags].concat();
            run_with(&arguments, &[("VALK_TEST_TODAY", LAST), ("FAULT_BUDGET", "1")])
        };
        let ended = with(&[]);
        ended.expect_status(101);
        ended.expect(&["--max-skips allows 1", "--max-broken allows 1"]);
        with(&["--max-skips=2", "--max-broken=2"]).expect_status(0);
    }

    fn skips_in_the_source_are_listed() {
        let ended = run(LAST, &["owing::", "--list-skips"]);
        ended.expect_status(0);
        ended.expect(&[
            "owing::as_broken_in_the_source\n    skip-owed [VALK-9]: loses an element\n    at tests/faults/owing.rs:",
            ", owner anna, until 2027-01-31\n",
            "5 of 8 tests are skipped by their source",
        ]);
        let ended = run(LATER, &["owing::by", "--list-skips", "--format=json"]);
        let value: serde_json::Value = serde_json::from_str(&ended.text).expect("one line of JSON");
        assert_eq!(value["verdict"], "skip-expired");
        assert_eq!((&value["owner"], &value["until"]), (&"bert".into(), &LAST.into()));
        assert_eq!(value["code"], "not-on-this-platform(plan9)");
        assert!(value["line"].as_u64() > Some(30) && value["file"] == "tests/faults/owing.rs");
    }

    fn all_skips_of_a_run_are_in_its_ledgers() {
        let directory = std::env::temp_dir().join("ledgers").display().to_string();
        run_with(
            &["owing::", "--skip=without"],
            &[("VALK_TEST_TODAY", LAST), ("VALK_TEST_LEDGER_DIR", &directory)],
        )
        .expect_status(0);
        let merge = |words: &[&str]| {
            let words = [&[directory.as_str()], words].concat().into_iter().map(String::from);
            Merge::parse(words).expect("right").expect("no help").run().expect("readable")
        };
        let (text, green) = merge(&["--skips", "text"]);
        assert!(green && text.contains("fault-specimens owing::as_broken_while_it_runs\n    skip-owed [VALK-10]"), "{text}");
        let (json, green) = merge(&["--skips", "json"]);
        assert!(green && json.lines().count() == 6, "{json}");
        let (text, green) = merge(&["--max-skips", "5"]);
        assert!(!green && text.contains("FAULT: 6 tests are skipped, and --max-skips allows 5"), "{text}");
        assert!(merge(&["--max-skips", "6", "--max-broken", "2"]).1);
    }
}
