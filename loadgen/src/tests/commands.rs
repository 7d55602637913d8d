//! Command lines: help, lists, and every refused value.

use super::servers::{CommandOutput, command, never, start};

fn refused(args: &[&str]) -> String {
    let outcome = command(args, never());
    assert_eq!(outcome.code, 2, "{args:?}: {}{}", outcome.out, outcome.err);
    assert!(outcome.err.starts_with("error: "), "{}", outcome.err);
    outcome.err
}

fn shown(args: &[&str]) -> String {
    let CommandOutput { code, out, err } = command(args, never());
    assert_eq!((code, err.as_str()), (0, ""), "{args:?}");
    out
}

valk_harness::test! {
    fn list_and_explain_name_every_scenario() {
        let list = shown(&["list"]);
        for name in ["browse", "steady", "slow-reader", "backpressure"] {
            assert!(list.lines().any(|line| line.starts_with(name)), "{list}");
            assert!(shown(&["explain", name]).contains("Phases: "), "{name}");
        }
        assert!(refused(&["explain", "nothing"]).contains("there are browse, steady"));
    }
}

valk_harness::test! {
    fn help_teaches_with_examples() {
        let help = shown(&["--help"]);
        assert!(help.contains("valk-load run steady --target http://127.0.0.1:8080"), "{help}");
        assert!(help.contains("Exit codes: 0 passed"), "{help}");
        assert!(shown(&["run", "--help"]).contains("--threshold <RULE>"));
    }
}

valk_harness::test! {
    fn senseless_values_are_refused_with_reasons() {
        let base = ["run", "steady", "--target", "http://127.0.0.1:1"];
        for (flags, why) in [
            (&["--duration", "5"][..], "has no unit"),
            (&["--duration", "1us"], "--duration 1us is outside 100ms to 24h"),
            (&["--duration", "25h"], "--duration 25h is outside"),
            (&["--timeout", "2m"], "--timeout 2m is outside 1ms to 1m"),
            (&["--think", "2m", "--closed"], "--think 2m is outside"),
            (&["--connections", "0"], "--connections 0 is outside 1 to 10000"),
            (&["--streams", "1001"], "--streams 1001 is outside 1 to 1000"),
            (&["--connections", "10000", "--streams", "1000"], "--connections times --streams"),
            (&["--rate", "0"], "--rate 0/s is outside 0.1/s to 1000000/s"),
            (&["--rate", "nan"], "`nan` is not a rate; write it like 1000, 1k or 1000/s"),
            (&["--rate", "-1"], "`-1` is not a rate"),
            (&["--large-rate", "0"], "--large-rate has no effect in `steady`: it has one in `backpressure`"),
            (&["--rate", "1M", "--duration", "10h"], "the number of requests"),
            (&["--window", "9999999"], "--window has no effect in `steady`: it has one in `slow-reader`, `backpressure`"),
            (&["--users", "3"], "--users has no effect in `steady`: it has one in `browse`"),
            (&["--post-path", "/x"], "--post-path has no effect in `steady`"),
            (&["--path", "x"], "does not start with `/`"),
            (&["--path", "/x=0"], "a weight is a number from 1 to 100"),
            (&["--path", "/x=many"], "a weight is a number from 1 to 100"),
            (&["--large-path", "x"], "--large-path has no effect"),
            (&["--path", "http://127.0.0.2/"], "is a URL; give the host with --target"),
            (&["--path", "/a#b"], "write %23"),
            (&["--threshold", "fast"], "threshold `fast`: no comparison"),
            (&["--insecure", "--ca", "x"], "cannot be used with"),
            (&["--nonsense"], "unexpected argument"),
        ] {
            let error = refused(&[&base, flags].concat());
            assert!(error.contains(why), "{flags:?}: {error}");
        }
    }
}

valk_harness::test! {
    fn browse_refuses_flags_of_open_loops() {
        let base = ["run", "browse", "--target", "http://127.0.0.1:1"];
        for (flags, why) in [
            (&["--rate", "5"][..], "--rate has no effect in `browse`: it has one in `steady`"),
            (&["--streams", "5"], "--streams has no effect in `browse`"),
            (&["--connections", "5"], "--connections has no effect in `browse`"),
            (&["--users", "501"], "--users 501 is outside 1 to 500"),
            (&["--post-path", "x"], "does not start with `/`"),
            (&["--post-path", "/x", "--post-bytes", "9999999"], "--post-bytes 9999999 is outside"),
        ] {
            let error = refused(&[&base, flags].concat());
            assert!(error.contains(why), "{flags:?}: {error}");
        }
    }
}

valk_harness::test! {
    fn lists_of_flags_are_bounded() {
        let base = ["run", "steady", "--target", "http://127.0.0.1:1"];
        let paths = ["--path", "/"].repeat(65);
        assert!(refused(&[&base, &paths[..]].concat()).contains("65 paths; at most 64"));
        let rules = ["--threshold", "p99<1s"].repeat(65);
        assert!(refused(&[&base, &rules[..]].concat()).contains("65 thresholds; at most 64"));
    }
}

valk_harness::test! {
    fn an_equals_sign_in_a_query_is_not_a_weight() {
        let server = start();
        let args = ["run", "steady", "--target", &server.base, "--duration", "100ms", "--quiet"];
        let outcome = command(&[&args[..], &["--json", "--path", "/a?q=1"]].concat(), never());
        assert_eq!(outcome.json()["config"]["paths"][0]["path"], "/a?q=1");
    }
}

valk_harness::test! {
    fn the_table_shows_phases_rules_and_verdict() {
        let server = start();
        let CommandOutput { code, out, err } = command(
            &[
                "run", "slow-reader", "--target", &server.base, "--duration", "1200ms",
                "--connections", "1", "--streams", "2", "--large-path", "/big", "--rate", "50",
                "--max-lag", "60s", "--threshold", "victim.hold.count>=1",
                "--threshold", "slow.errors>1",
            ],
            never(),
        );
        assert_eq!(code, 1, "{out}{err}");
        for part in [
            "victim.before", "victim.hold", "victim.after", "slow.hold",
            "victim responses: HTTP/2 60",
            "slow held: 2 streams, 0 body bytes",
            "pass  victim.hold.count>=1",
            "FAIL  slow.errors>1  (was 0)",
            "measurement: VALID", "result: FAIL (slow.errors>1)", "own lag, part of the above",
        ] {
            assert!(out.contains(part), "`{part}` in {out}");
        }
        assert!(err.starts_with("   1s "), "{err}");
    }
}

valk_harness::test! {
    fn the_table_of_a_broken_run_names_kinds_and_reasons() {
        let server = start();
        let CommandOutput { code, out, err } = command(
            &[
                "run", "steady", "--target", &server.base, "--duration", "200ms", "--quiet",
                "--path", "/drop", "--connections", "1",
            ],
            never(),
        );
        assert_eq!((code, err.as_str()), (1, ""), "{out}");
        assert!(out.contains("steady errors: "), "{out}");
        assert!(out.contains("steady lost connections: "), "{out}");
        assert!(out.contains("measurement: INVALID (no response to `steady`"), "{out}");
        assert!(out.contains("result: FAIL (error-rate<1%"), "{out}");
    }
}
