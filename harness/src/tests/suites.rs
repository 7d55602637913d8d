//! The line grammar of `.valk` suites.

use crate as valk_harness;
use crate::cases::account::{Subtest, SubtestState};
use crate::valk_suites::{parse, skipped_whole};

valk_harness::cases! {
    fn result_line((line, name, state, duration_us): (&str, &str, SubtestState, u64)) [
        "pass" => ("✅ adds.....  PASS : in 12(µs)", "adds", SubtestState::Pass, 12),
        "fail" => ("❌ adds two..  FAIL : in 7(ms)", "adds two", SubtestState::Fail, 7_000),
        "timeout" => ("⏰ waits....  TIMEOUT : after 5000ms", "waits", SubtestState::Timeout, 5_000_000),
        "skip" => ("⏭\u{fe0f}  later....  SKIP", "later", SubtestState::Skip, 0),
        "crash" => ("🌀 dies....  CRSH : in 0(us)", "dies", SubtestState::Crash, 0),
        "bug" => ("🐞 dies....  FAIL : in 2(s)", "dies", SubtestState::Fail, 2_000_000),
        "unknown" => ("❓ odd....  UNKNOWN(type=9)", "odd", SubtestState::Undeclared, 0),
        "undefined" => ("❓ odd....  UNDEFINED", "odd", SubtestState::Undeclared, 0),
        "dots in the name" => ("✅ a...b.. c....  PASS : in 5000(ns)", "a...b.. c", SubtestState::Pass, 5),
        "indented" => ("   ✅ a..  PASS  ", "a", SubtestState::Pass, 0),
    ] {
        assert_eq!(parse(line), [Subtest { name: name.into(), state, duration_us }]);
    }
}

valk_harness::cases! {
    fn no_result_line(line: &str) [
        "empty" => "",
        "header" => "🧪 [1/1] Suite",
        "summary" => "🏁 Test Results: ✨ All 2 tests passed! ✨",
        "no icon" => "adds....  PASS : in 1(µs)",
        "no space after the icon" => "✅adds....  PASS : in 1(µs)",
        "one dot" => "✅ adds.  PASS : in 1(µs)",
        "no name" => "✅ ....  PASS : in 1(µs)",
        "no space after the dots" => "✅ adds....PASS : in 1(µs)",
        "unknown state" => "✅ adds....  GOOD : in 1(µs)",
        "longer state" => "✅ adds....  PASSED",
        "unknown unit" => "✅ adds....  PASS : in 1(h)",
        "no time" => "✅ adds....  PASS : in (µs)",
        "no preposition" => "✅ adds....  PASS : 1(µs)",
        "trailing text" => "✅ adds....  PASS and so on",
        "none registered" => "❌ No tests registered!",
    ] {
        assert_eq!(parse(line), []);
    }
}

valk_harness::test! {
    fn captured_blocks_are_not_read() {
        let text = "❌ a....  FAIL : in 1(µs)\n<<<CAPTURED name=a\n<<<STDOUT\n✅ fake....  PASS\n>>>STDOUT\n\
                    <<<STDERR\n\n>>>STDERR\n>>>CAPTURED\n✅ b....  PASS\n";
        let names: Vec<String> = parse(text).into_iter().map(|subtest| subtest.name).collect();
        assert_eq!(names, ["a", "b"]);
    }

    fn wholly_skipped_suites_give_their_reason() {
        let text = "🧪 [1/1] S (SKIPPED: no (net) here)\n⏭\u{fe0f}  a....  SKIP";
        let subtests = parse(text);
        let reason = skipped_whole(text, &subtests).expect("all are skipped");
        assert!(reason.ends_with("no (net) here"), "{reason}");
        assert!(
            skipped_whole("", &subtests).is_some_and(|reason| reason.ends_with("no reason given"))
        );
        assert_eq!(skipped_whole(text, &[]), None);
        assert_eq!(skipped_whole(text, &parse("✅ b....  PASS")), None);
    }
}
