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
            (&["--duration", "1us"], "--duration (seconds) 0.000001 is outside 0.1 to 600"),
            (&["--duration", "11m"], "--duration (seconds) 660 is outside"),
            (&["--timeout", "2m"], "--timeout (seconds) 120 is outside"),
            (&["--think", "2m"], "--think (seconds) 120 is outside"),
            (&["--connections", "0"], "--connections 0 is outside 1 to 10000"),
            (&["--streams", "1001"], "--streams 1001 is outside 1 to 1000"),
            (&["--connections", "10000", "--streams", "1000"], "--connections times --streams"),
            (&["--rate", "0"], "--rate 0 is outside"),
            (&["--rate", "nan"], "--rate NaN is outside"),
            (&["--large-rate", "0"], "--large-rate 0 is outside"),
            (&["--rate", "1000000", "--duration", "10m"], "the number of requests"),
            (&["--window", "9999999"], "--window 9999999 is outside"),
            (&["--users", "3"], "--users has no meaning in `steady`"),
            (&["--post-path", "/x"], "--post-path has no meaning in `steady`"),
            (&["--path", "x"], "does not start with `/`"),
            (&["--path", "/x=0"], "a weight is a number from 1 to 100"),
            (&["--path", "/x=many"], "a weight is a number from 1 to 100"),
            (&["--large-path", "x"], "does not start with `/`"),
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
            (&["--rate", "5"][..], "for a fixed rate run `steady`"),
            (&["--streams", "5"], "give --users"),
            (&["--connections", "5"], "give --users"),
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
            "verdict: VALID",
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
        assert!(out.contains("verdict: INVALID\n  no response to `steady`"), "{out}");
    }
}
