//! Options that would have no effect are errors that say where they have one.

use crate::command_line::{Command, parse};
use crate::options::has_effect;
use crate::scenarios::catalog::SCENARIOS;

use super::servers::{command, never};

fn refused(scenario: &str, flags: &[&str]) -> String {
    let base = ["run", scenario, "--target", "http://127.0.0.1:1"];
    let outcome = command(&[&base, flags].concat(), never());
    assert_eq!(outcome.code, 2, "{scenario} {flags:?}: {}{}", outcome.out, outcome.err);
    outcome.err
}

valk_harness::test! {
    fn options_without_effect_are_errors() {
        for (scenario, flags, why) in [
            ("steady", &["--window", "5"][..], "--window has no effect in `steady`: it has one in `slow-reader`"),
            ("steady", &["--large-path", "/x"], "--large-path has no effect"),
            ("steady", &["--think", "5s"], "--think has no effect in `steady`"),
            ("steady", &["--large-rate", "7"], "--large-rate has no effect"),
            ("steady", &["--post-bytes", "9"], "--post-bytes has no effect"),
            ("steady", &["--insecure"], "--insecure has no effect in `steady`: the target is http://"),
            ("steady", &["--ca", "x"], "--ca has no effect"),
            ("steady", &["--peak", "9"], "--peak has no effect"),
            ("steady", &["--max", "--rate", "9"], "--rate has no effect in `steady`: --max sends as much"),
            ("steady", &["--closed", "--arrivals", "poisson"], "--arrivals has no effect"),
            ("steady", &["--max", "--burst", "9"], "without a rate there are no arrivals"),
            ("steady", &["--burst", "1001"], "--burst 1001 is outside 1 to 1000"),
            ("steady", &["--max", "--think", "1s"], "use --closed for pauses"),
            ("steady", &["--max", "--max-lag", "1s"], "nothing can be late"),
            ("steady", &["--shape", "ramp"], "--shape needs --peak"),
            ("browse", &["--arrivals", "poisson"], "--arrivals has no effect in `browse`"),
            ("browse", &["--seed", "2"], "--seed has no effect in `browse`"),
            ("browse", &["--window", "7"], "--window has no effect"),
            ("browse", &["--large-path", "/x"], "--large-path has no effect"),
            ("browse", &["--max-lag", "1us"], "--max-lag has no effect"),
            ("browse", &["--post-bytes", "9"], "without --post-path nothing is posted"),
            ("slow-reader", &["--large-rate", "7"], "--large-rate has no effect"),
            ("slow-reader", &["--users", "7"], "--users has no effect"),
            ("backpressure", &["--max"], "--max has no effect in `backpressure`: it has one in `steady`"),
        ] {
            let error = refused(scenario, flags);
            assert!(error.contains(why), "{scenario} {flags:?}: {error}");
        }
    }
}

valk_harness::test! {
    fn defaults_are_not_given() {
        let given = |flags: &[&str]| {
            let base = ["valk-load", "run", "steady", "--target", "x"];
            let Command::Run(args) = parse([&base, flags].concat()).unwrap().command else { panic!("run") };
            args.given
        };
        let names = |flags: &[&str]| given(flags).into_iter().collect::<Vec<_>>().join(" ");
        assert_eq!(names(&[]), "scenario target");
        assert_eq!(names(&["--think", "0s", "-c", "3"]), "connections scenario target think");
    }
}

valk_harness::test! {
    fn each_scenario_has_effects_of_its_own() {
        let of = |id: &str| -> Vec<&str> {
            SCENARIOS.iter().filter(|s| has_effect(id, s)).map(|s| s.name).collect()
        };
        assert_eq!(of("users"), ["browse"]);
        assert_eq!(of("window"), ["slow-reader", "backpressure"]);
        assert_eq!(of("target").len(), SCENARIOS.len());
    }
}

valk_harness::test! {
    fn control_characters_do_not_reach_the_terminal() {
        let error = refused("steady", &["--path", "x\u{1b}[31m"]);
        assert!(!error.contains('\u{1b}') && error.contains("\\u{1b}"), "{error:?}");
    }
}
