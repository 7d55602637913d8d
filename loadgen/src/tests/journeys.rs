//! Journeys against servers: what arrives, in which order, and how it is counted.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::watch;

use crate::engines::event_loop::{Churn, EngineSpec, Job, Pacing, RequestSpec, Requests};
use crate::interrupt::Interrupt;
use crate::journeys::file::parse;
use crate::journeys::journey::Common;
use crate::limits::MAX_UNDERWAY;
use crate::recording::recorder::Recorder;
use crate::schedule::arrivals::{Arrivals, PathMix, Schedule};
use crate::schedule::profile::Profile;
use crate::schedule::timeline::Timeline;

use super::journey_files::directory;
use super::servers::{CommandOutput, Server, Setup, load_until, never, start, start_with};

fn run_until(
    name: &str,
    server: &Server,
    text: &str,
    flags: &[&str],
    interrupt: Interrupt,
) -> CommandOutput {
    let file = directory(name, &[("journey.toml", text)]).join("journey.toml");
    let all = [&["--file", file.to_str().unwrap()], flags].concat();
    load_until("journey", &server.base, &all, interrupt)
}

fn run(name: &str, server: &Server, text: &str, flags: &[&str]) -> Value {
    run_until(name, server, text, flags, never()).json()
}

/// Offered, answered and failed requests of a group.
fn counts(json: &Value, group: &str) -> (u64, u64, u64) {
    let count = |name: &str| json["groups"][group][name].as_u64().unwrap();
    (count("offered"), count("ok"), count("errors"))
}

fn errors<'a>(json: &'a Value, group: &str) -> &'a Value {
    &json["groups"][group]["errors_by_kind"]
}

const LOGIN: &str = r#"
[variables]
user = ["ann", "b&b"]
[[journey]]
[[journey.step]]
name = "login"
path = "/token?user={{user}}"
think = "1ms"
capture = { token = { json = "/token" }, number = { regex = '\[(\d)\]' } }
[[journey.step]]
name = "secret"
path = "/secret?n={{number}}"
headers = { authorization = "Bearer {{token}}" }
[[journey.step]]
name = "echo"
path = "/echo"
body = "{{user}}:{{token}}"
"#;

valk_harness::test! {
    fn steps_follow_each_other_with_what_was_captured() {
        let server = start();
        let flags = ["--rate", "50", "--duration", "200ms", "-c", "1", "--threshold", "login.count>=10"];
        let json = run("captured", &server, LOGIN, &flags);
        assert_eq!(json["result"], "PASS", "{json:#}");
        for group in ["journey", "login", "secret", "echo"] {
            assert_eq!(counts(&json, group), (10, 10, 0), "{group} {json:#}");
        }
        let paths = server.seen.paths.lock().unwrap();
        let of = |begin: &str| paths.iter().filter(|p| p.starts_with(begin)).cloned().collect::<Vec<_>>();
        assert_eq!(of("/token")[..3], ["/token?user=ann", "/token?user=b%26b", "/token?user=ann"]);
        assert!(of("/secret").iter().all(|path| path == "/secret?n=7"));
        assert_eq!(server.seen.posted.load(Ordering::SeqCst), 10 * "ann:t 1".len());
        // The pause is part of the journey and of no request.
        let p50 = |group: &str| json["groups"][group]["latency_us"]["p50"].as_u64().unwrap();
        assert!(p50("journey") >= 1_000 + p50("login").min(p50("echo")), "{json:#}");
        assert!(json["config"]["file"].as_str().unwrap().ends_with("journey.toml"));
    }
}

valk_harness::test! {
    fn users_begin_another_journey_when_one_is_over() {
        let server = start();
        let flags = ["--closed", "-c", "2", "-s", "1", "--threads", "2", "--duration", "300ms", "--think", "10ms"];
        let json = run("closed", &server, LOGIN, &flags);
        let (offered, ok, errors) = counts(&json, "journey");
        assert!(offered > 2 && ok == offered && errors == 0, "{json:#}");
        assert_eq!(counts(&json, "echo"), (offered, offered, 0));
        assert_eq!(json["generator"]["send_lag_p99_us"], Value::Null);
        let paths = server.seen.paths.lock().unwrap();
        let ann = paths.iter().filter(|path| *path == "/token?user=ann").count() as u64;
        assert_eq!(ann, offered.div_ceil(2), "threads take turns with the values");
    }
}

valk_harness::test! {
    fn journeys_that_have_begun_may_finish() {
        let server = start();
        let text = LOGIN.replace("\"1ms\"", "\"300ms\"");
        for flags in [&["--rate", "20"][..], &["--max"]] {
            let flags = [&["--duration", "100ms", "-c", "1", "-s", "2"], flags].concat();
            let json = run("finish", &server, &text, &flags);
            assert_eq!(counts(&json, "journey"), (2, 2, 0), "{json:#}");
            assert_eq!(json["groups"]["journey"]["late"], 2);
            assert_eq!(json["groups"]["echo"]["late"], 2);
            assert_eq!(json["groups"]["login"]["late"], 0);
        }
    }
}

valk_harness::test! {
    fn a_journey_fails_with_its_first_request_that_does() {
        let server = start();
        let flags = ["--rate", "50", "--duration", "100ms", "-c", "1"];
        for (from, to, step, kind) in [
            ("/secret?", "/overloaded?", "secret", "status-503"),
            ("Bearer", "Bear", "secret", "status-401"),
            ("\"/token\" }", "\"/tokens\" }", "login", "check: capture"),
            ("\"/token\" }", "\"/lines\" }", "secret", "check: capture"),
            ("/token?", "/reset?", "login", "reset: CANCEL"),
        ] {
            let json = run("fails", &server, &LOGIN.replacen(from, to, 1), &flags);
            assert_eq!(json["result"], "FAIL");
            assert_eq!(counts(&json, "journey"), (5, 0, 5), "{to} {json:#}");
            for group in ["journey", step] {
                assert_eq!(errors(&json, group)[kind], 5, "{to} {group} {json:#}");
            }
            assert_eq!(counts(&json, "echo"), (0, 0, 0), "{to}");
            assert_eq!(json["measurement"], if step == "login" && kind.starts_with("reset") { "INVALID" } else { "VALID" }, "{json:#}");
        }
    }
}

valk_harness::test! {
    fn what_cannot_leave_is_unsent() {
        let server = start();
        let text = r#"
            [[journey]]
            [[journey.step]]
            name = "first"
            path = "/slow"
            [[journey.step]]
            name = "second"
            path = "/slow"
        "#;
        let flags = ["--rate", "1k", "--duration", "100ms", "-c", "1", "-s", "1", "--timeout", "100ms"];
        let json = run("unsent", &server, text, &flags);
        let (offered, ok, failed) = counts(&json, "journey");
        assert_eq!((offered, ok + failed), (100, 100), "{json:#}");
        assert!(errors(&json, "journey")["unsent"].as_u64().unwrap() > 50, "{json:#}");
        let (first, ..) = counts(&json, "first");
        let (second, _, unsent) = counts(&json, "second");
        assert!(second <= first && unsent <= 1, "{json:#}");
    }
}

valk_harness::test! {
    fn steps_that_still_wait_for_a_stream_are_unsent_too() {
        let server = start();
        // Two journeys, one stream: the second steps wait for it behind a request that is never answered.
        let text = r#"
            [[journey]]
            [[journey.step]]
            name = "first"
            path = "/"
            think = "30ms"
            [[journey.step]]
            name = "second"
            path = "/silent"
        "#;
        let flags = ["--rate", "100", "--duration", "100ms", "-c", "1", "-s", "1", "--timeout", "400ms"];
        let json = run("steps-unsent", &server, text, &flags);
        let (offered, ok, failed) = counts(&json, "journey");
        assert_eq!((offered, ok, failed), (10, 0, 10), "{json:#}");
        assert!(errors(&json, "second")["unsent"].as_u64() > Some(0), "{json:#}");
        assert!(errors(&json, "journey")["unsent"].as_u64() > Some(0), "{json:#}");
    }
}

valk_harness::test! {
    fn an_interrupt_leaves_journeys_unfinished() {
        let (raise, flag) = watch::channel(0);
        let server = start_with(Setup { raise: Some((10, raise)), ..Setup::default() });
        let text = LOGIN.replace("\"1ms\"", "\"10s\"");
        let flags = ["--rate", "200", "--duration", "10s", "-c", "1"];
        let outcome = run_until("interrupt", &server, &text, &flags, Interrupt::counted(flag));
        assert_eq!(outcome.code, 130);
        let json = outcome.json();
        let (offered, ok, failed) = counts(&json, "journey");
        assert!(offered >= 10 && ok == 0 && failed == offered, "{json:#}");
        assert_eq!(errors(&json, "journey")["unfinished"], offered, "{json:#}");
        assert_eq!(counts(&json, "secret"), (0, 0, 0));
    }
}

valk_harness::test! {
    fn an_interrupt_between_two_steps_ends_the_journey() {
        let (raise, flag) = watch::channel(0);
        let server = start_with(Setup { raise: Some((1, raise)), ..Setup::default() });
        let text = LOGIN.replace("/token?", "/slow?").replace("capture =", "#").replace("{{number}}", "")
            .replace("{{token}}", "");
        let flags = ["--rate", "1", "--duration", "10s", "-c", "1"];
        let json = run_until("between", &server, &text, &flags, Interrupt::counted(flag)).json();
        assert_eq!(counts(&json, "login"), (1, 1, 0), "{json:#}");
        assert_eq!(errors(&json, "journey")["unfinished"], 1, "{json:#}");
    }
}

valk_harness::test! {
    fn journeys_survive_connections_that_end_in_good_order() {
        let server = start_with(Setup { leave: Some(4), ..Setup::default() });
        let flags = ["--rate", "100", "--duration", "300ms", "-c", "1"];
        let json = run("goaway", &server, LOGIN, &flags);
        assert_eq!(counts(&json, "journey"), (30, 30, 0), "{json:#}");
        assert!(json["groups"]["journey"]["replaced_connections"].as_u64() > Some(3), "{json:#}");
    }
}

valk_harness::test! {
    fn journeys_fail_while_there_is_no_connection() {
        let server = start();
        let text = LOGIN.replace("/secret?", "/die?");
        let flags = ["--rate", "100", "--duration", "300ms", "-c", "1", "--timeout", "200ms"];
        let json = run("outage", &server, &text, &flags);
        let (offered, ok, failed) = counts(&json, "journey");
        assert_eq!((offered, ok, failed), (30, 0, 30), "{json:#}");
        assert!(errors(&json, "login")["refused"].as_u64() > Some(0), "{json:#}");
    }
}

valk_harness::test! {
    fn the_table_and_the_help_know_journeys() {
        let server = start();
        let file = directory("table", &[("journey.toml", LOGIN)]).join("journey.toml");
        let args = ["run", "journey", "--target", &server.base, "--file", file.to_str().unwrap(), "--rate", "20",
            "--duration", "100ms", "-q", "--max-lag", "60s"];
        let outcome = super::servers::command(&args, never());
        assert!(outcome.out.contains("20/s journeys, 4 connections x 32 streams"), "{}", outcome.out);
        assert!(outcome.out.contains("\nsecret  "), "{}", outcome.out);
        let help = super::servers::command(&["run", "--help"], never()).out;
        assert!(help.contains("--file <FILE>") && help.contains("--dry-run"), "{help}");
    }
}

valk_harness::test! {
    fn only_so_many_journeys_are_under_way() {
        let target = crate::connections::target::Target::parse("http://127.0.0.1:9", &[]).unwrap();
        let journeys = Arc::new(parse("x", LOGIN).unwrap());
        let common = Common { target, authority: None, headers: http::HeaderMap::new() };
        let schedule = Schedule {
            arrivals: Arrivals::Constant,
            burst: 1,
            profile: Profile::constant(1.0, Duration::from_secs(1)),
            start_ns: 0,
            connections: 1,
            seed: 1,
            paths: PathMix::new(&[1]),
        };
        let spec = EngineSpec {
            group: "journey",
            schedule: Arc::new(schedule),
            pacing: Pacing::Open,
            streams: 1,
            requests: RequestSpec::Journeys(journeys, common),
            timeout: Duration::from_secs(1),
            churn: Churn::default(),
            part: (0, 1),
        };
        let recorder = |name| Arc::new(Recorder::new(name, Timeline::new(&[("run", 1)], 1_000)));
        let engine = recorder("journey");
        let mut requests = Requests::new(&spec, vec![recorder("step"), recorder("step"), recorder("step")]);
        let job = Job { due_ns: 5, path: 0, resends: 0, journey: None };
        let mut begun = (0..MAX_UNDERWAY).map(|_| requests.begin(job).unwrap());
        let first = begun.next().unwrap();
        assert_eq!(begun.count(), MAX_UNDERWAY - 1);
        assert_eq!(requests.begin(job), Err(job));
        requests.unsent(&engine, &first, 7);
        assert_eq!(requests.begin(job).unwrap().journey, first.journey, "its place is free again");
    }
}
