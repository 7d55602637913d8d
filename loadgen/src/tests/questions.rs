//! `knee` and `compare`: the search and the statistics first, then short runs.

use std::convert::Infallible;

use tokio::sync::watch;

use crate::commands::compare::Ratio;
use crate::commands::knee::search;
use crate::interrupt::Interrupt;

use super::servers::{Setup, command, never, start, start_with};

/// The knee of a server with a known limit, and the number of steps.
fn knee_of(limit: f64) -> (Option<f64>, Option<f64>, u32) {
    let mut steps = 0;
    let found = search(100.0, 100_000.0, |rate| {
        steps += 1;
        Ok::<bool, Infallible>(rate <= limit)
    });
    let (good, bad) = found.unwrap();
    (good, bad, steps)
}

valk_harness::test! {
    fn the_search_comes_within_five_percent() {
        for limit in [101.0, 500.0, 1_777.0, 43_210.0, 99_999.0] {
            let (good, bad, steps) = knee_of(limit);
            let good = good.unwrap();
            assert!(good <= limit && good > limit * 0.95, "{limit}: {good}");
            assert!(bad.unwrap() > limit);
            // At 2 s a step this is within a minute.
            assert!(steps <= 17, "{limit}: {steps}");
        }
        assert_eq!(knee_of(1.0).0, None);
        assert_eq!(knee_of(1e9).0, Some(100_000.0));
        assert_eq!(knee_of(1e9).1, None);
    }
}

valk_harness::test! {
    fn intervals_tell_noise_from_difference() {
        let noisy = |shift: f64| -> Vec<f64> {
            (0..20).map(|i| shift * (1.0 + 0.01 * f64::from(i * 7 % 11 - 5))).collect()
        };
        let same = Ratio::of(&noisy(1.0), 1).unwrap();
        assert!(same.low <= 1.0 && same.high >= 1.0, "{same:?}");
        let slower = Ratio::of(&noisy(1.1), 1).unwrap();
        assert!(slower.low > 1.0 && (slower.median - 1.1).abs() < 0.02, "{slower:?}");
        assert_eq!(Ratio::of(&[], 1), None);
        let pair = Ratio::of(&[1.0, 3.0], 1).unwrap();
        assert_eq!((pair.median, pair.low, pair.high), (2.0, 1.0, 3.0));
    }
}

const PATIENT: &[&str] = &["--max-lag", "60s"];

valk_harness::test! {
    fn a_knee_is_found_above_below_and_between() {
        let server = start();
        let base = ["knee", "--target", &server.base, "--step", "200ms"];
        let run = |flags: &[&str]| command(&[&base[..], flags, &["--"], PATIENT].concat(), never());
        let outcome = run(&["--p99", "1m", "--from", "50", "--to", "100"]);
        assert_eq!(outcome.code, 0, "{}{}", outcome.out, outcome.err);
        assert!(outcome.out.contains("knee: above 100/s"), "{}", outcome.out);
        let outcome = run(&["--p99", "0us", "--from", "50", "--to", "100"]);
        assert_eq!(outcome.code, 1, "{}{}", outcome.out, outcome.err);
        assert!(outcome.out.contains("over the bound") && outcome.out.contains("knee: below 50/s"), "{}", outcome.out);
        let outcome = run(&["--p99", "1s", "--from", "500", "--to", "100"]);
        assert_eq!(outcome.code, 2, "{}", outcome.err);

        // One request at a time, each 4 ms: less than 250 a second.
        let flags = ["--p99", "1m", "--from", "100", "--to", "3200", "--", "--path", "/serial", "--max-lag", "60s"];
        let outcome = command(&[&["knee", "--target", &server.base, "--step", "500ms"][..], &flags].concat(), never());
        assert_eq!(outcome.code, 0, "{}{}", outcome.out, outcome.err);
        let knee = outcome.out.lines().last().unwrap();
        let rate: f64 = knee.split(['/', ' ']).nth(1).unwrap().parse().unwrap();
        assert!((100.0..300.0).contains(&rate), "{}", outcome.out);
        assert!(outcome.out.contains("not held, or with errors"), "{}", outcome.out);

        let outcome = command(&["knee", "--target", &server.base, "--p99", "1s", "--", "--rate", "5"], never());
        assert_eq!(outcome.code, 2, "{}{}", outcome.out, outcome.err);
    }
}

valk_harness::test! {
    fn two_targets_are_compared() {
        let (a, b) = (start(), start());
        let pid = std::process::id().to_string();
        let fixed = ["compare", &a.base, &b.base, "--rounds", "2", "--duration", "100ms"];
        let more = ["--pid-a", &pid, "--pid-b", &pid, "--", "--max-lag", "60s", "--path"];
        let outcome = command(&[&fixed[..], &more, &["/slow"]].concat(), never());
        assert_eq!(outcome.code, 0, "{}{}", outcome.out, outcome.err);
        for part in ["median of 2 rounds", "p50 ", "p99 ", "answers per second"] {
            assert!(outcome.out.contains(part), "{part}: {}", outcome.out);
        }
        // Nothing to count: every run is invalid.
        let outcome = command(&[&fixed[..], &more, &["/reset"]].concat(), never());
        assert_eq!(outcome.code, 1, "{}{}", outcome.out, outcome.err);
        assert!(outcome.out.contains("A is not counted: no response"), "{}", outcome.out);
        let outcome = command(&[&fixed[..], &["--pid-a", "4194304"]].concat(), never());
        assert!(outcome.err.contains("no process 4194304"), "{}", outcome.err);
        let outcome = command(&["compare", &a.base, &b.base, "--rounds", "1"], never());
        assert_eq!(outcome.code, 2);
    }
}

valk_harness::test! {
    fn an_interrupt_ends_the_questions() {
        for args in [&["knee", "--p99", "1s", "--target"][..], &["compare", "http://127.0.0.1:1"]] {
            let (count, seen) = watch::channel(0);
            let server = start_with(Setup { raise: Some((2, count)), ..Setup::default() });
            let args = match args[0] {
                "knee" => [args, &[&server.base], &["--"], PATIENT].concat(),
                _ => [&["compare", &server.base, &server.base, "--duration", "1h", "--"][..], PATIENT].concat(),
            };
            let outcome = command(&args, Interrupt::counted(seen));
            assert_eq!(outcome.code, 130, "{}{}", outcome.out, outcome.err);
        }
    }
}

valk_harness::test! {
    fn reports_of_single_measurements_are_refused() {
        let server = start();
        for (report, value) in [("--html", "/dev/null"), ("--junit", "-"), ("--report", "-")] {
            let base = ["knee", "--target", &server.base, "--p99", "1s", "--", report, value];
            let outcome = command(&base, never());
            assert_eq!(outcome.code, 2, "{}{}", outcome.out, outcome.err);
            assert!(outcome.err.contains(&format!("{report} has no effect")), "{}", outcome.err);
        }
    }
}
