//! The open loop against a good server, a stalling one, and an impatient user.

use serde_json::Value;
use tokio::sync::watch;

use crate::interrupt::Interrupt;

use super::servers::{Setup, load, load_until, never, start, start_with};

valk_harness::test! {
    fn a_run_offers_what_was_planned_and_reports_it() {
        let server = start();
        let outcome = load("steady", &server.base, &[
            "--duration", "500ms", "--rate", "200", "--connections", "2", "--streams", "5",
            "--seed", "9", "--path", "/", "--path", "/other=3",
            "--threshold", "p99<1m", "--threshold", "error-rate<=0%", "--threshold", "rps>=150",
        ]);
        let json = outcome.json();
        assert_eq!(outcome.code, 0, "{json:#}");
        assert_eq!(json["schema"], "valk-load-report");
        assert_eq!(json["version"], 2);
        assert_eq!(json["tool"]["version"], env!("CARGO_PKG_VERSION"));
        assert!(json["started"].as_str().unwrap().starts_with("20"), "{}", json["started"]);
        assert!(json["host"]["processors"].as_u64() >= Some(1));
        assert_eq!(json["measurement"], "VALID");
        assert_eq!(json["result"], "PASS");
        assert!(json["config"].get("users").is_none() && json["config"].get("large_rate").is_none());
        assert!(group_mean_is_whole(&json));
        assert_eq!(json["invalid_reasons"], Value::Array(Vec::new()));
        assert_eq!(json["interrupted"], false);
        assert_eq!(json["config"]["seed"], 9);
        assert_eq!(json["config"]["paths"][1]["weight"], 3);
        assert_eq!(json["config"]["duration_us"], 500_000);
        let group = &json["groups"]["steady"];
        assert_eq!(group["offered"], 100);
        assert_eq!(group["ok"], 100);
        assert_eq!(group["errors"], 0);
        assert_eq!(group["body_bytes"], 500);
        assert_eq!(group["protocols"]["HTTP/2"], 100);
        assert_eq!(group["phases"][0]["name"], "steady");
        assert_eq!(group["phases"][0]["ok"], 100);
        for clock in ["latency_us", "first_byte_us", "send_wait_us", "service_us"] {
            for field in ["p50", "p90", "p99", "p99_9", "max", "mean"] {
                assert!(group[clock][field].is_number(), "{clock}.{field}");
            }
            assert_eq!(group[clock]["samples"], 100);
        }
        assert_eq!(json["thresholds"].as_array().unwrap().len(), 3);
        assert_eq!(json["thresholds"][0]["passed"], true);
        assert!(json["thresholds"][0]["actual"].is_number());
        assert!(json["generator"]["send_lag_p99_us"].is_number());
        assert_eq!(server.seen.paths.lock().unwrap().len(), 100);
    }
}

valk_harness::test! {
    fn the_same_seed_asks_for_the_same_paths() {
        let paths = |seed: &str| {
            let server = start();
            // One stream on one connection, so the server sees the order of the schedule.
            load("steady", &server.base, &[
                "--duration", "200ms", "--rate", "200", "--connections", "1", "--streams", "1",
                "--arrivals", "poisson", "--seed", seed, "--path", "/a", "--path", "/b",
            ]);
            let paths = server.seen.paths.lock().unwrap().clone();
            assert!(paths.len() > 20, "{}", paths.len());
            paths
        };
        assert_eq!(paths("1"), paths("1"));
        assert_ne!(paths("1"), paths("2"));
    }
}

valk_harness::test! {
    fn a_stall_counts_from_the_intended_time() {
        // A server frozen for 400 ms in a run of 1 s: at least 20 % of the arrivals wait longer
        // than 200 ms. A busy machine makes them wait longer, never shorter.
        let server = start_with(Setup { stall: Some((40, 400)), ..Setup::default() });
        let outcome = load("steady", &server.base, &[
            "--duration", "1s", "--rate", "200", "--connections", "1", "--streams", "1",
            "--threshold", "p80>=190ms", "--threshold", "max>=399ms",
        ]);
        let json = outcome.json();
        assert_eq!(outcome.code, 0, "{:#}", json["thresholds"]);
        // With one stream, a clock that starts at sending sees only one slow request.
        let group = &json["groups"]["steady"];
        assert!(
            group["latency_us"]["p90"].as_u64() > group["service_us"]["p90"].as_u64(),
            "{group:#}"
        );
    }
}

valk_harness::test! {
    fn a_failed_threshold_fails_the_run() {
        let server = start();
        let outcome = load("steady", &server.base, &["--duration", "100ms", "--threshold", "p50<=0us"]);
        let json = outcome.json();
        assert_eq!((outcome.code, &json["measurement"]), (1, &Value::from("VALID")));
        assert_eq!(json["result"], "FAIL");
        assert_eq!(json["thresholds"][0]["passed"], false);
        assert_eq!(json["exit_code"], 1);
    }
}

valk_harness::test! {
    fn a_late_generator_makes_the_run_invalid() {
        let server = start();
        let outcome = load("steady", &server.base, &["--duration", "100ms"]);
        assert_eq!(outcome.code, 0);
        // `--max-lag` may be given once; this command line does without the fixed flags of `load`.
        let args = ["run", "steady", "--target", &server.base, "--json", "--quiet"];
        let strict = ["--duration", "100ms", "--max-lag", "0us", "--rate", "1000"];
        let outcome = super::servers::command(&[&args[..], &strict].concat(), never());
        assert_eq!(outcome.code, 1);
        let reason = outcome.json()["invalid_reasons"][0].to_string();
        assert!(reason.contains("the generator was late itself"), "{reason}");
    }
}

valk_harness::test! {
    fn reports_go_to_files() {
        let server = start();
        let path = std::env::temp_dir().join(format!("valk-load-{}.json", std::process::id()));
        let name = path.to_str().unwrap();
        let outcome = load("steady", &server.base, &["--duration", "100ms", "--report", name]);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), outcome.out);
        std::fs::remove_file(&path).unwrap();
        let nowhere = path.join("below-a-missing-folder");
        let outcome =
            load("steady", &server.base, &["--duration", "100ms", "--report", nowhere.to_str().unwrap()]);
        assert_eq!(outcome.code, 1);
        assert!(outcome.err.starts_with("error: cannot write "), "{}", outcome.err);
        let requests = server.seen.requests.load(std::sync::atomic::Ordering::SeqCst);
        assert_eq!(requests, 20, "the second run did not begin");
    }
}

valk_harness::test! {
    fn an_interrupt_ends_early_with_a_report() {
        let (flag, raised) = watch::channel(0);
        let server = start_with(Setup { raise: Some((5, flag)), ..Setup::default() });
        let outcome = load_until(
            "steady",
            &server.base,
            &["--duration", "10m", "--rate", "50"],
            Interrupt::counted(raised),
        );
        let json = outcome.json();
        assert_eq!(outcome.code, 130);
        assert_eq!(json["interrupted"], true);
        assert!(json["groups"]["steady"]["ok"].as_u64().unwrap() >= 5, "{json:#}");
        assert_eq!(json["measurement"], "VALID");
    }
}

fn group_mean_is_whole(json: &Value) -> bool {
    json["groups"]["steady"]["latency_us"]["mean"].is_u64()
}
