//! The test framework for programs: what it prints and how it ends, for suites of all kinds.

use std::process::Output;
use valk_tests::program::{file, stderr, stdout, valk};

/// Runs a suite, with these variables.
fn suite(text: &str, variables: &[(&str, &str)]) -> Output {
    let mut command = valk(&[&file("suite.valk", text)]);
    for (name, value) in variables {
        command.env(name, value);
    }
    command.output().expect("the program runs")
}

/// What a suite prints, with times and the dots behind names replaced; then its status.
fn printed(text: &str) -> String {
    told(&suite(text, &[]))
}

fn told(output: &Output) -> String {
    let mut told = String::new();
    for line in stdout(output).lines() {
        let line = match line.split_once(" : in ") {
            Some((before, time)) => {
                let digits = time.trim_end_matches("(µs)");
                let is_time = digits.bytes().all(|b| b.is_ascii_digit()) && time.ends_with("(µs)");
                assert!(is_time, "a time: {line}");
                format!("{before} : in N(µs)")
            }
            None => line.to_string(),
        };
        match line.find("..") {
            Some(at) => told.extend([&line[..at], "..", line[at..].trim_start_matches('.')]),
            None => told += &line,
        }
        told.push('\n');
    }
    assert_eq!(stderr(output), "");
    told + &format!("status {:?}\n", output.status.code())
}

valk_harness::test! {
    fn a_suite_prints_a_line_for_each_test_and_a_summary() {
        let suite = "(test/run (list (test \"one\" {do 1}) (test \"two\" (== 1 1))) {:suite-name \"s\"})";
        let expected = "🧪 [2/2] s\n✅ one..  PASS : in N(µs)\n✅ two..  PASS : in N(µs)\n\n\
            🏁 Test Results: ✨ All 2 tests passed! ✨\nstatus Some(0)\n";
        assert_eq!(printed(suite), expected);
    }

    fn names_are_padded_to_97_bytes_with_at_least_two_dots() {
        let names = ["short", "ümlaut"].map(String::from).into_iter().chain([95, 96, 200].map(|n| "x".repeat(n)));
        for name in names {
            let output = suite(&format!("(test/run (list (test \"{name}\" {{do 1}})))"), &[]);
            let text = stdout(&output);
            let line = text.lines().nth(1).expect("a line").strip_prefix("✅ ").expect("a mark");
            let padded = line.split("  PASS").next().expect("a name");
            assert_eq!(padded.len(), 97.max(name.len() + 2), "{line}");
        }
    }
}

valk_harness::test! {
    fn a_failed_assertion_fails_its_test_wherever_it_stands() {
        let text = "(test/run (list\n(test \"middle\" {do (print \"said\") (test/assert-eq 1 2 \"m\") 1})\n\
            (test \"called\" {do (map (\\ {x} {test/assert x \"each\"}) {1 0}) 1})))";
        let told = printed(text);
        let block = "<<<CAPTURED name=middle\n<<<STDOUT\nsaid\n\n>>>STDOUT\n<<<STDERR\n\n>>>STDERR\n>>>CAPTURED\n";
        assert!(told.contains(block), "{told}");
        let reason = ":2:35: m\n     (test/assert-eq 1 2 \"m\")\n     expected: 1\n     actual:   2\n";
        assert!(told.contains(reason), "{told}");
        assert!(told.contains(":3:32: each\n     {test/assert x \"each\"}\n"), "{told}");
        assert!(told.ends_with("⚠️  0 passed, 2 failed\nstatus Some(1)\n"), "{told}");
    }

    fn earlier_versions_judged_by_the_last_value() {
        let text = "(test/run (list (test \"middle\" {do (test/assert 0 \"m\") 1}) (test \"last\" {test/assert 0 \"m\"}))\n\
            {:expected-exit 1})";
        let output = suite(text, &[("VALK_COMPAT", "1")]);
        let told = told(&output);
        assert!(told.contains("✅ middle..  PASS") && told.contains("❌ last..  FAIL"), "{told}");
        assert!(told.ends_with("⚠️  1 passed, 1 failed\nstatus Some(0)\n"), "{told}");
        let text = "(test/run (list (test \"a\" {do 1})) {:expected-exit 1})";
        assert_eq!(suite(text, &[("VALK_COMPAT", "1")]).status.code(), Some(0));
    }
}

valk_harness::cases! {
    fn what_is_not_1_fails((body, reason): (&str, &str)) [
        "another number" => ("{+ 2 3}", "   the value is 5, not 1\n"),
        "nil" => ("{do nil}", "   the value is (), not 1\n"),
        "an error" => ("{do (head 5)}", "Error: Actual: Number, Expected(One-Of): [List, List]\n"),
        "an assertion of an error" => ("{test/assert (nope) \"m\"}", "LEnv: Symbol `nope` is not bound\n"),
    ] {
        let told = printed(&format!("(test/run (list (test \"t\" {body})))"));
        assert!(told.contains("❌ t..  FAIL") && told.contains(reason), "{told}");
        assert!(told.ends_with("status Some(1)\n"), "{told}");
    }
}

valk_harness::test! {
    fn what_is_no_test_fails_as_one() {
        let told = printed("(test/run (list (tset \"a\" {do 1}) (test \"b\" {do 1})))");
        assert!(told.contains("❌ not a test: Error: LEnv: Symbol `tset` is not bound..  FAIL"), "{told}");
        assert!(told.ends_with("⚠️  1 passed, 1 failed\nstatus Some(1)\n"), "{told}");
    }

    fn a_body_has_a_scope_of_its_own() {
        let told = printed("(test/run (list
            (test \"binds\" {do (= {config name verdicts capture} 1 2 3 4) (== 2 name)})
            (test \"sees nothing of it\" {error? capture})
            (test \"defines\" {do (def {kept} 5) 1})
            (test \"sees that\" {== 5 kept})))");
        assert!(told.ends_with("✨ All 4 tests passed! ✨\nstatus Some(0)\n"), "{told}");
    }

    fn programs_may_rebind_what_the_framework_uses() {
        let told = printed("(fun {reverse l} {do l}) (fun {filter p l} {do 5}) (fun {last l} {do 5})
            (test/run (list (test \"a\" {== 5 (last {1})})))");
        assert!(told.starts_with("🧪 [1/1] Valkyria Test Suite\n✅ a..  PASS"), "{told}");
    }
}

valk_harness::test! {
    fn skips_have_reasons_and_broken_ones_are_failures() {
        let told = printed("(test/run (list (test/expected-skip \"dials\" \"no modem\" {do 0})
            (test/broken-skip \"prints\" \"#7\" \"no ink\" {do 0}) (test \"a\" {do 1})))");
        let lines = "⏭️  dials..  SKIP\n   expected: no modem\n⏭️  prints..  SKIP\n   broken: #7: no ink\n";
        assert!(told.contains(lines), "{told}");
        let end = "🏁 Test Results: ⏭️  2 skipped, ⚠️  1 passed, 1 failed\nstatus Some(1)\n";
        assert!(told.ends_with(end), "{told}");
        let told = printed("(test/run (list (test/expected-skip \"dials\" \"no modem\" {do 0})))");
        assert!(told.ends_with("⏭️  1 skipped, ✨ All 0 tests passed! ✨\nstatus Some(0)\n"), "{told}");
    }

    fn a_suite_can_be_skipped_whole() {
        let config = "(test/skip (test/suite (test/context-new) \"s\") \"why\")";
        let told = printed(&format!("(test/run (list (test \"a\" {{error \"ran\"}})) {config})"));
        let expected = "🧪 [1/1] s (SKIPPED: why)\n⏭️  a..  SKIP\n\n\
            🏁 Test Results: ⏭️  1 skipped, ✨ All 0 tests passed! ✨\nstatus Some(0)\n";
        assert_eq!(told, expected);
    }
}

valk_harness::cases! {
    fn the_exit_status_says_whether_it_went_as_expected((suite, end): (&str, &str)) [
        "no tests" => ("(test/run)", "❌ No tests registered!\nstatus Some(1)\n"),
        "no tests but a configuration" =>
            ("(test/run {:suite-name \"s\"})", "❌ No tests registered!\nstatus Some(1)\n"),
        "no tests, as expected" =>
            ("(test/run {} {:expected-exit 1})", "❌ No tests registered!\nstatus Some(0)\n"),
        "no asynchronous tests" => ("(test/run-async (aio/await (aio/start)))",
            "❌ No async tests registered!\nstatus Some(1)\n"),
        "a failure, as expected" => ("(test/run (list (test \"a\" {do 0})) {:expected-exit 1})",
            "⚠️  0 passed, 1 failed\nstatus Some(0)\n"),
        "no failure, against expectation" =>
            ("(test/run (list (test \"a\" {do 1})) {:expected-exit 1})",
            "✨ All 1 tests passed! ✨\nThe suite was expected to end with status 1, but nothing failed.\nstatus Some(1)\n"),
        "the last of several runs" =>
            ("(test/run (list (test \"a\" {do 0}))) (test/run (list (test \"b\" {do 1})))",
            "✨ All 1 tests passed! ✨\nstatus Some(0)\n"),
        "the program's own" => ("(test/run (list (test \"a\" {do 1}))) (exit 7)", "status Some(7)\n"),
    ] {
        let told = printed(suite);
        assert!(told.ends_with(end), "{told}");
    }
}

valk_harness::test! {
    fn a_test_that_does_not_end_is_stopped() {
        let spins = "(fun {spin n} {spin (+ n 1)})";
        let tests = "(list (test \"spins\" {do (print \"on\") (spin 0)}) (test \"b\" {do 1}))";
        let told = printed(&format!("{spins} (test/run {tests} {{:timeout-ms 30}})"));
        assert!(told.contains("⏰ spins..  TIMEOUT : after 30ms\n<<<CAPTURED name=spins\n<<<STDOUT\non\n"), "{told}");
        let end = "✅ b..  PASS : in N(µs)\n\n🏁 Test Results: ⏰ 1 timed out, ⚠️  1 passed, 1 failed\nstatus Some(1)\n";
        assert!(told.ends_with(end), "{told}");
        let told = printed(&format!("{spins} (test/run-with-timeout nil {tests} {{:suite-timeout-ms 30 :suite-name \"s\"}})"));
        assert!(told.starts_with("🧪 [2/2] s (timeout: 5000ms/test, 30ms/suite)\n⏰ spins"), "{told}");
        assert!(told.contains("\n\n⏰ SUITE TIMEOUT: s exceeded time limit\n"), "{told}");
        assert!(told.ends_with("⚠️  0 passed, 2 failed\nstatus Some(1)\n"), "{told}");
    }
}

valk_harness::test! {
    fn asynchronous_tests_end_as_their_handles() {
        let told = printed("(def {sys} (aio/await (aio/start)))
            (test/run-async sys (list
              (test-async \"passes\" (\\ {} {aio/pure :pass}))
              (test-async \"fails\" (\\ {} {aio/fail (error \"refused\")}))
              (test-async \"asserts\" (\\ {} {aio/then (aio/sleep sys 1) (\\ {_} {do (test/assert 0 \"late\") 1})}))
              (test-async \"gives a number\" (\\ {} {+ 1 1}))
              (test-async \"is cancelled\" (\\ {} {let {(= {h} (aio/never sys)) (aio/cancel h) (do h)}}))
              (test-async \"never ends\" (\\ {} {aio/never sys})))
              {:timeout-ms 30 :suite-timeout-ms 5000 :suite-name \"s\"})");
        assert!(told.starts_with("🧪 [6/6] s (async, timeout: 30ms/test, 5000ms/suite)\n✅ passes.."), "{told}");
        for part in [
            "❌ fails..  FAIL : in N(µs)\n   ", "Error: refused\n",
            "❌ asserts..  FAIL", ": late\n",
            "\n\nFATAL: test-async body must return a handle!\n  Test: gives a number\n  Got:  2\n\n❌ gives a number..  FAIL",
            "❌ is cancelled..  FAIL : in N(µs)\n   Error: async operation cancelled\n",
            "⏰ never ends..  TIMEOUT : after 30ms\n",
        ] {
            assert!(told.contains(part), "{part}: {told}");
        }
        let end = "🏁 Test Results: ⏰ 1 timed out, ⚠️  1 passed, 5 failed\nstatus Some(1)\n";
        assert!(told.ends_with(end), "{told}");
    }
}

valk_harness::test! {
    fn debugging_shows_tests_and_values() {
        let told = printed("(test/run (list (test \"a\" {do 1}) (test \"b\" {error \"e\"})) {:debug 1})");
        let before = "[DEBUG] Running test: {a {do 1}}\n[DEBUG] Test name: a\n[DEBUG] Test body: {do 1}\n[DEBUG] Result: 1\n✅ a";
        assert!(told.contains(before), "{told}");
        assert!(told.contains("[DEBUG] Result: Error: e\n[DEBUG] Result is an ERROR!\n❌ b"), "{told}");
    }

    fn fixtures_are_torn_down_and_cases_are_tests() {
        let told = printed("(test/run (join
            (test/cases \"doubles\" {1 2} (\\ {n} {== (* 2 n) (+ n n)}))
            (list (test/fixture \"fails\" (\\ {} {box 0}) (\\ {b} {print \"torn down\"}) (\\ {b} {do 0}))
              (test/fixture \"cannot\" (\\ {} {error \"no room\"}) id id)
              (test/fixture \"stuck\" (\\ {} {do 1}) (\\ {x} {error \"jammed\"}) (\\ {x} {do 1})))))");
        assert!(told.contains("✅ doubles [1]..  PASS") && told.contains("✅ doubles [2].."), "{told}");
        assert!(told.contains("<<<STDOUT\ntorn down\n"), "{told}");
        assert!(told.contains("Error: no room\n") && told.contains("Error: jammed\n"), "{told}");
        assert!(told.ends_with("⚠️  2 passed, 3 failed\nstatus Some(1)\n"), "{told}");
    }
}
