//! Failures that nobody asks for: each is told once, in the log, and what was asked for is not.

use valk_tests::program::{file, run, stderr, stdout};

/// The lines of the log about lost failures that a program causes. It ends well.
fn told(code: &str) -> Vec<String> {
    let path = file("lost.valk", code);
    let output = run(&[&path]);
    let log = stderr(&output);
    assert_eq!(output.status.code(), Some(0), "{log}");
    assert_eq!(stdout(&output), "end\n", "{log}");
    let lines: Vec<String> = log.lines().map(str::to_string).collect();
    assert!(
        lines.iter().all(|line| line.starts_with("[WARN] ") && line.contains(" failed")),
        "{log}"
    );
    lines
}

valk_harness::cases! {
    fn a_failure_that_nobody_asks_for_is_told((code, parts): (&str, &[&str])) [
        "of a future" => (
            "(future (\\ {} {error \"lost failure\"}))", &["Error: lost failure", "lost.valk:2:"],
        ),
        "of a function that was spawned" => ("(aio/spawn (\\ {} {head 5}))", &["Actual: Number"]),
        "at the end of a chain" => (
            "(aio/then (aio/then (aio/fail \"first\") id) (\\ {x} {x}))", &["failed", "first"],
        ),
        "of a value that is no error" => ("(aio/fail :refused)", &[":refused"]),
        "of a promise" => ("(promise/deliver (promise) (error \"delivered\"))", &["Error: delivered"]),
        "of one that a program waits for something else after" => (
            "(def {h} (future (\\ {} {error \"kept\"}))) (sleep 5)", &["Error: kept"],
        ),
        "of a server that cannot listen" => (
            "(http2/server-listen (aio/await (aio/start)) 70000 id)", &["Error on Bind"],
        ),
    ] {
        let lines = told(&format!("(do 0)\n{code}\n(sleep 20)\n(print \"end\")"));
        assert_eq!(lines.len(), 1, "{lines:?}");
        for part in parts {
            assert!(lines[0].contains(part), "{part}: {lines:?}");
        }
    }

    fn a_failure_that_somebody_asks_for_is_not_told(code: &str) [
        "awaited" => "(error? (aio/await (future (\\ {} {error \"e\"}))))",
        "awaited later" => "(def {h} (future (\\ {} {error \"e\"}))) (sleep 20) (error? (aio/await h))",
        "awaited before" => "(error? (aio/await (future (\\ {} {do (sleep 20) (error \"e\")}))))",
        "its error" => "(def {h} (aio/fail \"e\")) (aio/error h)",
        "its status" => "(def {h} (aio/fail \"e\")) (aio/status h)",
        "caught" => "(aio/await (aio/catch (future (\\ {} {error \"e\"})) (\\ {e} {do 1})))",
        "settled" => "(aio/await (aio/all-settled (list (aio/fail 1) (future (\\ {} {error \"e\"})))))",
        "of a group that has failed" => "(error? (aio/await (aio/all (list (aio/fail 1) (aio/fail 2)))))",
        "of a parallel map" => "(error? (pmap (\\ {n} {error \"part\"}) (range 0 100)))",
        "cancelled" => "(aio/cancel (future (\\ {} {sleep 100000})))",
        "too late" => "(error? (aio/await (future (\\ {} {do (sleep 30) (error \"e\")})) 1)) (sleep 50)",
        "a value" => "(future (\\ {} {do 1}))",
    ] {
        let lines = told(&format!("(def {{asked}} (error? (do {code})))\n(sleep 20)\n(print \"end\")"));
        assert!(lines.is_empty(), "{lines:?}");
    }
}

valk_harness::test! {
    fn lost_failures_are_told_when_their_handles_are_collected() {
        let path = file("collected.valk", "(future (\\ {} {error \"early\"}))
            (sleep 20) (do (mem/gc/collect) (mem/gc/collect) 0) (sleep 5) (eprint \"later\") (exit 0)");
        let log = stderr(&run(&[&path]));
        let lines: Vec<&str> = log.lines().collect();
        assert!(lines.len() == 2 && lines[0].contains("Error: early") && lines[1] == "later", "{log}");
    }

    fn of_many_lost_failures_some_are_told_and_that_there_are_more() {
        let lines = told("(map (\\ {n} {future (\\ {} {error (str \"number \" n)})}) (range 0 1000))
            (sleep 200) (print \"end\")");
        assert_eq!(lines.len(), 101, "{lines:?}");
        assert!(lines[99].contains("number ") && lines[100].contains("more operations failed"), "{lines:?}");
    }

    fn the_text_of_a_lost_failure_is_cut() {
        let lines = told("(future (\\ {} {error (make-string 9000 \"x\")})) (sleep 20) (print \"end\")");
        assert!(lines.len() == 1 && lines[0].len() < 2000, "{lines:?}");
    }
}
