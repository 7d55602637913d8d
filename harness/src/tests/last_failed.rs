//! The record of failed tests.

use std::path::{Path, PathBuf};

use crate as valk_harness;
use crate::cases::definition::TestDefinition;
use crate::runner::last_failed::{Again, LastFailed, TESTS_MAX};
use crate::verdicts::result::TestResult;
use crate::verdicts::verdict::{Judgement, Verdict};

/// A binary that exists.
fn binary(name: &str) -> PathBuf {
    let path = std::env::temp_dir().join(name);
    std::fs::write(&path, "").expect("TMPDIR is writable");
    path
}

fn state(binary: &Path, command: &str) -> LastFailed {
    LastFailed::read_from(&std::env::temp_dir().join("state"), binary, command)
}

fn tests(number: usize) -> Vec<TestDefinition> {
    (0..number).map(|n| TestDefinition::new(format!("t{n:05}"), || {})).collect()
}

fn ended(name: &str, verdict: Verdict) -> TestResult {
    TestResult { name: name.into(), ..TestResult::new(Judgement::new(verdict, "")) }
}

fn update(record: &LastFailed, results: &[(&str, Verdict)]) {
    let results: Vec<_> = results.iter().map(|(name, verdict)| ended(name, *verdict)).collect();
    record.update(&results, &tests(4)).expect("TMPDIR is writable");
}

fn again(record: &LastFailed, names: &[&str]) -> Again {
    record.again(names.iter().copied()).0
}

valk_harness::test! {
    fn a_run_changes_what_it_ran() {
        let one = binary("one");
        update(&state(&one, "c"), &[("t00000", Verdict::Pass)]);
        assert!(!std::env::temp_dir().join("state").exists(), "nothing to remember");
        let failed = [("t00000", Verdict::Fail), ("t00001", Verdict::Crash), ("gone", Verdict::Fail)];
        update(&state(&one, "c"), &failed);
        let record = state(&one, "c");
        assert!(record.contains("t00000") && record.contains("t00001") && !record.contains("gone"));
        assert_eq!(again(&record, &["t00000", "t00003"]), Again::Failed);
        assert_eq!(again(&record, &["t00003"]), Again::Nothing);
        update(&record, &[("t00000", Verdict::Flaky), ("t00001", Verdict::NotRun)]);
        let record = state(&one, "c");
        assert!(!record.contains("t00000") && record.contains("t00001"), "what did not run stays");
        // A repetition that fails outweighs one that passes.
        update(&record, &[("t00001", Verdict::Fail), ("t00001", Verdict::Pass)]);
        assert!(state(&one, "c").contains("t00001"));
        // Two processes of one binary have read the same.
        update(&record, &[("t00002", Verdict::Fail)]);
        update(&record, &[("t00003", Verdict::Interrupted)]);
        let record = state(&one, "c");
        assert!(["t00001", "t00002", "t00003"].iter().all(|name| record.contains(name)));
    }

    fn binaries_of_one_command_know_of_each_other() {
        let (one, two) = (binary("one"), binary("two"));
        assert_eq!(again(&state(&two, "first"), &["t00000"]), Again::All);
        update(&state(&one, "first"), &[("t00000", Verdict::Fail)]);
        let (which, text) = state(&two, "second").again(["t00000"].into_iter());
        assert!(which == Again::Nothing && text.contains("tests of one did"), "{text}");
        // The command mends it in the first binary, and comes to the second one.
        update(&state(&one, "second"), &[("t00000", Verdict::Pass)]);
        assert_eq!(again(&state(&two, "second"), &["t00000"]), Again::Nothing);
        assert_eq!(again(&state(&two, "third"), &["t00000"]), Again::All);
        assert_eq!(again(&state(&two, ""), &["t00000"]), Again::All, "not started by cargo");
        update(&state(&one, "third"), &[("t00000", Verdict::Fail)]);
        std::fs::remove_file(one).expect("it is there");
        assert_eq!(again(&state(&two, "fourth"), &["t00000"]), Again::All, "built no more");
    }

    fn more_than_is_remembered_is_everything() {
        let one = binary("one");
        let tests = tests(TESTS_MAX + 2);
        let all = |verdict| tests.iter().map(|test| ended(&test.name, verdict)).collect::<Vec<_>>();
        state(&one, "").update(&all(Verdict::Fail), &tests).expect("TMPDIR is writable");
        let record = state(&one, "");
        assert_eq!(again(&record, &["t00000", "t10001"]), Again::All);
        assert!(record.contains("t10001"));
        record.update(&all(Verdict::Pass)[..5], &tests).expect("TMPDIR is writable");
        assert_eq!(again(&state(&one, ""), &["t10001"]), Again::All, "a part says little");
        record.update(&all(Verdict::Pass), &tests).expect("TMPDIR is writable");
        assert!(!state(&one, "").contains("t10001"));
    }
}

valk_harness::cases! {
    fn unusable((text, says): (&str, &str)) [
        "no JSON" => ("{", "is damaged: "),
        "another format" => ("{\"format\":2,\"binary\":\"b\",\"command\":\"\",\"had_failed\":false,\"has_more\":false,\"failed\":[]}", "is not of format 1"),
        "no list" => ("{\"format\":1}", "is not of format 1"),
        "list of numbers" => ("{\"format\":1,\"binary\":\"b\",\"command\":\"\",\"had_failed\":false,\"has_more\":false,\"failed\":[1]}", "is not of format 1"),
        "no flag" => ("{\"format\":1,\"binary\":\"b\",\"command\":\"\",\"had_failed\":false,\"failed\":[]}", "is not of format 1"),
    ] {
        let directory = std::env::temp_dir().join("state");
        std::fs::create_dir(&directory).expect("TMPDIR is writable");
        std::fs::write(directory.join("one.json"), text).expect("TMPDIR is writable");
        let record = state(&binary("one"), "");
        let note = record.note().expect("it is told");
        assert!(note.contains(says) && note.contains("this run replaces it"), "{note}");
        assert_eq!(again(&record, &["t00000"]), Again::All);
        update(&record, &[("t00001", Verdict::Fail)]);
        assert_eq!(state(&binary("one"), "").note(), None);
    }
}

valk_harness::test! {
    fn files_that_are_no_record_are_not_read_whole() {
        let directory = std::env::temp_dir().join("state");
        std::fs::create_dir_all(directory.join("one.json")).expect("TMPDIR is writable");
        let note = state(&binary("one"), "").note().expect("a directory");
        assert!(note.contains("cannot be read"), "{note}");
        let large = std::fs::File::create(directory.join("two.json")).expect("TMPDIR is writable");
        large.set_len(1 << 30).expect("it is sparse");
        let note = state(&binary("two"), "").note().expect("too large");
        assert!(note.contains("has more than 8388608 bytes"), "{note}");
    }
}

valk_harness::test! {
    fn the_record_of_a_binary_that_was_built_anew_counts_no_more() {
        let old = binary("suites-0123456789abcdef");
        update(&state(&old, "c"), &[("t00000", Verdict::Fail)]);
        let other = binary("faults-0123456789abcdef");
        assert_eq!(again(&state(&other, "d"), &["t00001"]), Again::Nothing);
        let built = std::fs::metadata(&old).and_then(|data| data.modified()).expect("it was written");
        // Of another name, or no binary of cargo's: both are something else.
        binary("suites-more-fedcba9876543210");
        binary("suites-short");
        assert_eq!(again(&state(&other, "d"), &["t00001"]), Again::Nothing);
        let new = std::fs::File::create(binary("suites-fedcba9876543210")).expect("TMPDIR is writable");
        new.set_modified(built + std::time::Duration::from_secs(1)).expect("it is ours");
        assert_eq!(again(&state(&other, "d"), &["t00001"]), Again::All);
        update(&state(&old, "d"), &[("t00000", Verdict::Pass)]);
        std::fs::remove_file(&old).expect("it was written");
        assert_eq!(again(&state(&other, "e"), &["t00001"]), Again::All, "it is gone");
    }
}
