//! Records, lanes, terminal summary, `JUnit`, merging.

use std::io::Write;
use std::path::PathBuf;

use crate as valk_harness;
use crate::cases::account::{Subtest, SubtestState};
use crate::cases::debt::{Day, Debt};
use crate::cases::skip::{Skip, SkipCode};
use crate::execution::channel;
use crate::options::Options;
use crate::reports::invocation::Invocation;
use crate::reports::junit;
use crate::reports::ledger::{self, Counts};
use crate::reports::merge::{Merge, SkipFormat};
use crate::reports::report_file::ReportFile;
use crate::reports::skips::{self, Budget};
use crate::reports::summary::{self, Summary};
use crate::runner::record::Record;
use crate::verdicts::result::TestResult;
use crate::verdicts::token::Identity;
use crate::verdicts::verdict::{Judgement, Verdict};

fn result(name: &str, judgement: Judgement) -> TestResult {
    TestResult { name: name.into(), duration_us: 1500, ..TestResult::new(judgement) }
}

fn full() -> TestResult {
    TestResult {
        attempt: 2,
        isolation: "fork".into(),
        stdout: "out\n".into(),
        stderr: "err \u{1b}<&\"".into(),
        threads: "thread 1".into(),
        subtests: vec![Subtest { name: "s".into(), state: SubtestState::Fail, duration_us: 3 }],
        seed_used: true,
        thread_panics: vec!["thread 'x' panicked at f.rs:9: no".into()],
        test_file: "f.rs".into(),
        test_line: 2,
        ..result(
            "a::b",
            Judgement { file: "f.rs".into(), line: 4, ..Judgement::new(Verdict::Fail, "no\nway") },
        )
    }
}

/// A broken skip, accepted until the end of January 2027.
fn owed(today: Day) -> Judgement {
    let debt = Debt { owner: Some("anna"), until: Day::parse("2027-01-31") };
    Judgement::of_skip(Skip::broken("V-2", "why").with_debt(&debt, today))
}

fn all_verdicts() -> Vec<TestResult> {
    let skip = |code| Judgement::of_skip(Skip::expected(code, "why"));
    vec![
        result("pass", Judgement::new(Verdict::Pass, "")),
        full(),
        result("crash", Judgement::new(Verdict::Crash, "crashed")),
        result("timeout", Judgement::new(Verdict::Timeout, "slow")),
        result("early", Judgement::new(Verdict::EarlyExit, "early")),
        result("leak", Judgement::new(Verdict::Leak, "leaked")),
        result("expected", skip(SkipCode::NeedsCores(9999))),
        result("stale", skip(SkipCode::NeedsCores(1))),
        result("broken", Judgement::of_skip(Skip::broken("V-1", "why"))),
        result("owed", owed(Day::parse("2026-12-31").expect("a day"))),
        result("expired", owed(Day::parse("2027-02-01").expect("a day"))),
        result("later", Judgement::new(Verdict::NotRun, "an earlier test failed")),
        result("flaky", Judgement::new(Verdict::Pass, "")).after(vec![full()], Verdict::Flaky),
        result("refused", Judgement::new(Verdict::Pass, "")).after(
            vec![result("refused", Judgement::new(Verdict::Crash, "boom"))],
            Verdict::FlakyFail,
        ),
        result("in vain", Judgement::new(Verdict::Timeout, "slow"))
            .after(vec![result("in vain", Judgement::new(Verdict::Crash, "boom"))], Verdict::Flaky),
        result("cut", Judgement::new(Verdict::Interrupted, "SIGINT")),
    ]
}

fn record_to(ledger: Option<PathBuf>) -> Record {
    let options = Options { ledger, ..Options::default() };
    let first = serde_json::json!({"record": "run"});
    Record::create(&options, &Invocation::default(), 1, &first).expect("TMPDIR is writable")
}

fn summary_of(results: &[TestResult]) -> String {
    let about = Summary { slowest: 2, show_output: true, filtered_out: 3 };
    summary::summary(results, &about)
}

valk_harness::test! {
    fn records_survive_json() {
        for result in all_verdicts() {
            assert_eq!(TestResult::from_json(&result.to_json()), Some(result));
        }
    }

    fn lanes_carry_orders_and_results() {
        let identity = Identity { nonce: u64::MAX - 1, test: 77 };
        let mut bytes = Vec::new();
        channel::send_request(&mut bytes, identity).expect("memory is writable");
        assert_eq!(channel::receive_request(bytes.as_slice()).expect("it is whole"), identity);
        assert!(channel::receive_request(&bytes[..5]).is_err());

        let mut bytes = Vec::new();
        channel::send_result(&mut bytes, &full()).expect("memory is writable");
        assert_eq!(channel::receive_result(bytes.as_slice()).expect("it is whole"), full());
        assert!(channel::receive_result(&bytes[..bytes.len() - 1]).is_err());
        let mut bytes = Vec::new();
        channel::send_result(&mut bytes, &TestResult::plain_pass(7)).expect("memory is writable");
        assert_eq!(bytes.len(), 12, "a plain pass is short");
        let plain = channel::receive_result(bytes.as_slice()).expect("it is whole");
        assert_eq!(plain, TestResult::plain_pass(7));
        assert!(channel::receive_account([2, 0, 0, 0, b'{', b'}'].as_slice()).is_err());
        let error = channel::receive_result([0xfe; 12].as_slice()).expect_err("too long");
        assert!(error.to_string().starts_with("a reply of 4278124286 bytes, more than "), "{error}");
        assert!(channel::receive_result([2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, b'{', b'}'].as_slice()).is_err(), "no record");
    }

    fn a_shared_report_that_is_no_text_is_begun_anew() {
        let path = std::env::temp_dir().join("made").join("report");
        let file = ReportFile::Shared(path.clone());
        let (mut opened, kept) = file.open("write", |_| true).expect("TMPDIR is writable");
        assert_eq!(kept, "");
        opened.write_all(b"ours").expect("it is open");
        drop(opened);
        assert_eq!(file.open("write", |_| true).expect("it is there").1, "ours");
        std::fs::write(&path, b"\xff\xfe").expect("TMPDIR is writable");
        assert_eq!(file.open("write", |_| true).expect("it is there").1, "");
        assert_eq!(std::fs::read(&path).expect("it is there"), b"");
        let error = ReportFile::Own(path).open("write", |_| true).expect_err("it is there");
        assert!(error.to_string().starts_with("cannot write "), "{error}");
    }

    fn a_stopped_record_takes_no_result_of_a_run() {
        let record = record_to(None);
        record.begin(0);
        record.end(0, result("in time", Judgement::new(Verdict::Pass, "")));
        record.begin(1);
        let open: Vec<_> = record.stop(3).into_iter().map(|(at, began)| (at, began.is_some())).collect();
        assert_eq!(open, [(1, true), (2, false)]);
        record.end(1, result("late", Judgement::new(Verdict::Pass, "")));
        record.add(result("cut", Judgement::new(Verdict::Interrupted, "SIGINT")));
        let (results, error) = record.close();
        let names: Vec<_> = results.iter().map(|result| result.name.as_str()).collect();
        assert_eq!((names, error.is_none()), (vec!["cut", "in time"], true));
    }

    fn a_ledger_that_cannot_grow_loses_no_result_but_is_told() {
        let record = record_to(Some(std::env::temp_dir().join("ledger")));
        // SAFETY: no code of ours is installed, and the limits are valid for the call.
        unsafe {
            libc::signal(libc::SIGXFSZ, libc::SIG_IGN);
            let limit = libc::rlimit { rlim_cur: 1, rlim_max: 1 };
            assert_eq!(libc::setrlimit(libc::RLIMIT_FSIZE, &raw const limit), 0);
        }
        record.add(result("first", Judgement::new(Verdict::Pass, "")));
        record.add(result("second", Judgement::new(Verdict::Pass, "")));
        let (results, error) = record.close();
        assert_eq!(results.len(), 2);
        let error = error.expect("the file has reached its limit").to_string();
        assert!(error.starts_with("cannot write the ledger "), "{error}");
    }

    fn summary_tells_everything() {
        let mut results = all_verdicts();
        results[0].stdout = "a passed test's output".into();
        results.push(result("quiet", Judgement::new(Verdict::Pass, "")));
        results.push(result("expected too", results[6].judgement.clone()));
        let mut loud = result("loud", Judgement::new(Verdict::Pass, ""));
        loud.thread_panics = vec!["thread 'x' panicked at f.rs:9: no".into()];
        results.push(loud);
        let text = summary_of(&results) + &summary::failure(&full(), "run {}", 9);
        for words in [
            "other threads of passed tests panicked:\n    loud: thread 'x' panicked at f.rs:9: no",
            "failed:\n    a::b#2\n        fail: f.rs:4: no",
            "the test is at f.rs:2\nanother thread panicked: thread 'x'",
            "output of pass\n---- stdout\na passed test's output",
            "skipped:\n    expected - skipped [needs-cores(9999)]: why",
            "slowest:\n        1.5 ms  pass",
            "==== a::b (run 2)  [fork, 1.5 ms]\nfail: f.rs:4: no\nway",
            "---- threads at the time limit\nthread 1",
            "---- run it again\nrun 'a::b' --seed 9",
            "2 skipped as expected; 1 as broken and 1 for a stale reason",
            "1 not run\n",
            "3 not selected",
            "    owed - skipped as broken [V-2]: why; accepted until 2027-01-31; owner: anna\n",
            "skip-expired: expired skip [V-2]: why - but this was accepted until 2027-01-31 only, and today is 2027-02-01, 1 days later",
            "1 skipped as broken until a day to come; 1 skipped after their day, which fail\n",
            "flaky:\n    flaky\n        flaky: f.rs:4: passed at attempt 2; before: fail: no",
            "1 of those that passed are flaky\n",
        ] {
            assert!(text.contains(words), "no {words:?} in {text}");
        }
        assert!(text.contains("\n4 passed, 11 failed, 3 skipped\n"), "{text}");
    }

    fn summary_of_success_is_short() {
        let about = Summary { slowest: 0, show_output: false, filtered_out: 0 };
        let text = summary::summary(&[result("a", Judgement::new(Verdict::Pass, ""))], &about);
        assert_eq!(text, "\n1 passed, 0 failed, 0 skipped\n");
    }

    fn durations_are_readable() {
        assert_eq!(summary::duration(999), "999 us");
        assert_eq!(summary::duration(1_500), "1.5 ms");
        assert_eq!(summary::duration(2_500_000), "2.50 s");
    }

    fn junit_has_the_right_elements() {
        let results = all_verdicts();
        let xml = junit::suite("bin", &results);
        for words in [
            "tests=\"16\" failures=\"6\" errors=\"5\" skipped=\"3\" time",
            "<error type=\"interrupted\"",
            "<testcase classname=\"bin::a\" name=\"b#2\" time=\"0.001500\" file=\"f.rs\" line=\"4\">",
            "<failure type=\"fail\" message=\"no&#10;way\"/>",
            "<error type=\"crash\" message=\"crashed\"/>",
            "<skipped type=\"skip-expected\" message=\"skipped [needs-cores(9999)]: why\"/>",
            "<failure type=\"skip-broken\"",
            "<failure type=\"skip-expired\"",
            "<skipped type=\"skip-owed\" message=\"skipped as broken [V-2]: why; accepted until 2027-01-31; owner: anna\"/>",
            "<flakyFailure type=\"fail\" message=\"no&#10;way\">\n        <system-out>out&#10;</system-out>",
            "<flakyError type=\"crash\" message=\"boom\">\n      </flakyError>",
            "<failure type=\"flaky-fail\" message=\"passed at attempt 2; before: crash: boom\"/>",
            "<rerunError type=\"crash\" message=\"boom\">\n      </rerunError>",
            "<system-err>err \u{fffd}&lt;&amp;&quot;</system-err>",
        ] {
            assert!(xml.contains(words), "no {words:?} in {xml}");
        }
        assert_eq!(junit::escape("\u{ffff}\t\u{0}"), "\u{fffd}\t\u{fffd}");
    }

    fn skips_are_listed() {
        let mut results = all_verdicts();
        let place = |result: &mut TestResult| (result.test_file, result.test_line) = ("f.rs".into(), 7);
        results.iter_mut().for_each(place);
        let text = skips::list(&results);
        assert!(text.contains("expected\n    skip-expected [needs-cores(9999)]: why\n    at f.rs:7\n"), "{text}");
        let owed = "owed\n    skip-owed [V-2]: why\n    at f.rs:7, owner anna, until 2027-01-31\n";
        assert!(text.contains(owed), "{text}");
        assert_eq!(text.lines().filter(|line| !line.starts_with(' ')).count(), 5, "{text}");
        let json = skips::list_as_json(&results);
        let lines: Vec<serde_json::Value> =
            json.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        assert_eq!(lines.len(), 5);
        let expected = serde_json::json!({
            "name": "owed", "verdict": "skip-owed", "code": "V-2", "reason": "why",
            "file": "f.rs", "line": 7, "owner": "anna", "until": "2027-01-31",
        });
        assert_eq!(lines[3], expected);
        assert_eq!(lines[2].get("owner"), None);
    }

    fn a_budget_is_kept_or_named() {
        let results = all_verdicts();
        let faults = |skips, broken| Budget { skips, broken }.faults(&results);
        assert_eq!(faults(Some(2), Some(1)), [] as [String; 0]);
        assert_eq!(faults(None, None), [] as [String; 0]);
        let over = faults(Some(1), Some(0));
        assert_eq!(over[0], "2 tests are skipped, and --max-skips allows 1: expected, owed");
        assert_eq!(over[1], "1 tests are skipped as broken, and --max-broken allows 0: owed");
        let many: Vec<_> = (0..12).map(|_| results[6].clone()).collect();
        let over = Budget { skips: Some(11), broken: None }.faults(&many);
        assert!(over[0].ends_with("expected, expected and 2 more"), "{over:?}");
        let outer = Budget { skips: Some(1), broken: None };
        let both = outer.or(Budget { skips: Some(2), broken: Some(3) });
        assert_eq!(both, Budget { skips: Some(1), broken: Some(3) });
    }

    fn every_verdict_is_counted_once() {
        let counts = Counts::of(&all_verdicts());
        assert_eq!(counts, Counts { passed: 2, flaky: 1, failed: 11, skipped: 2, not_run: 1 });
        assert_eq!((counts.plus(counts).failed, counts.plus(counts).flaky), (22, 2));
        assert_eq!(ledger::end_record(counts, 101)["flaky"], 1);
        assert_eq!(ledger::end_record(Counts::default(), 0).get("flaky"), None);
    }
}

valk_harness::cases! {
    fn merge_refuses((words, says): (&[&str], &str)) [
        "nothing" => (&[], "which directory"),
        "unknown flag" => (&["d", "--all"], "unknown flag `--all`"),
        "missing value" => (&["d", "--expect"], "--expect needs a value"),
        "no number" => (&["d", "--slowest", "x"], "whole number"),
        "no form" => (&["d", "--skips", "xml"], "--skips is text or json, found `xml`"),
        "no budget" => (&["d", "--max-skips=1"], "unknown flag"),
        "budget of words" => (&["d", "--max-broken", "few"], "--max-broken needs a whole number"),
        "two directories" => (&["d", "e"], "second directory"),
    ] {
        let error = Merge::parse(words.iter().map(ToString::to_string)).expect_err("refused");
        assert!(error.to_string().contains(says), "{error}");
    }
}

valk_harness::test! {
    fn merge_reads_its_flags() {
        let words = "d --expect a --junit j --slowest 0 --run-id r --max-skips 2 --max-broken 1 --skips json";
        let words = words.split(' ').map(String::from);
        let merge = Merge::parse(words).expect("they are right").expect("not asked for help");
        assert_eq!((merge.expect.as_slice(), merge.slowest), (["a".to_string()].as_slice(), 0));
        assert_eq!(merge.budget, Budget { skips: Some(2), broken: Some(1) });
        assert_eq!(merge.skips, Some(SkipFormat::Json));
        assert_eq!(merge.run_id.as_deref(), Some("r"));
        assert!(Merge::parse(["--help".to_string()]).expect("it is right").is_none());
        for (words, code) in
            [(vec!["--help"], 0), (vec!["--what"], 2), (vec!["/no/such/directory"], 1)]
        {
            let ended = crate::reports::merge::main(words.into_iter().map(String::from));
            assert_eq!(ended, std::process::ExitCode::from(code));
        }
        let missing = Merge { directory: "/no/such/directory".into(), ..Merge::default() };
        let error = missing.run().expect_err("it does not exist");
        assert!(
            error.to_string().contains("cannot read the ledgers in /no/such/directory"),
            "{error}"
        );
    }
}
