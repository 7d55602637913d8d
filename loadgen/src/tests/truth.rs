//! What a report says about a run is true: rates, phases, verdicts, interrupts.

use std::io::{Read, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::sync::watch;

use crate::command_line::{Command, parse};
use crate::interrupt::Interrupt;
use crate::options::Options;
use crate::recording::clock::Stamps;
use crate::recording::counts::HalfCounts;
use crate::recording::error_kind::ErrorKind;
use crate::recording::recorder::Recorder;
use crate::reports::report::Report;
use crate::run::RunResult;
use crate::schedule::timeline::Timeline;
use crate::server_metrics::scraper::Scraped;

use super::servers::{Setup, command, load, load_until, never, start, start_with};

const SECOND: u64 = 1_000_000_000;

fn answered(recorder: &Recorder, due: u64, last: u64) {
    recorder.offered(due);
    recorder.answered(due, Stamps { intended: due, sent: due, first: last, last }, 0);
}

valk_harness::test! {
    fn answers_after_the_schedule_are_in_no_rate() {
        // 1000 due in one second, answered at 500 a second: the case in virtual time.
        let recorder = Recorder::new("steady", Timeline::new(&[("steady", 1)], SECOND));
        for i in 0..1_000 {
            answered(&recorder, i * 1_000_000, (i + 1) * 2_000_000);
        }
        let result = recorder.result();
        assert_eq!(result.total().ok, 1_000);
        assert_eq!(result.came, [499]);
        assert_eq!(result.late, 501);
        let held = result.second_half.held_percent().unwrap();
        assert!((49.0..51.0).contains(&held), "{held}");
        assert_eq!(result.seconds.len(), 3);
        assert_eq!(result.seconds.iter().map(|row| row.ok).sum::<u64>(), 1_000);
        assert_eq!((result.seconds[0].offered, result.seconds[0].ok), (500, 499));
    }
}

valk_harness::test! {
    fn a_constant_delay_is_no_backlog() {
        let recorder = Recorder::new("steady", Timeline::new(&[("steady", 1)], 10 * SECOND));
        for i in 0..1_000 {
            answered(&recorder, i * 10_000_000, i * 10_000_000 + 400_000_000);
        }
        assert_eq!(recorder.result().second_half.held_percent(), Some(100.0));
        assert_eq!(HalfCounts::default().held_percent(), None);
        assert_eq!(HalfCounts { offered: 8, ended: 0 }.held_percent(), Some(100.0));
        assert_eq!(HalfCounts { offered: 80, ended: 20 }.held_percent(), Some(25.0));
    }
}

valk_harness::test! {
    fn what_nobody_waits_for_any_more_is_unfinished() {
        let recorder = Recorder::new("steady", Timeline::new(&[("steady", 1)], SECOND));
        recorder.offered(5);
        recorder.cut(100);
        answered(&recorder, 6, 200);
        let result = recorder.result();
        assert_eq!(result.total().errors[&ErrorKind::Unfinished], 1);
        assert_eq!((result.came[0], result.late), (0, 1));
    }
}

/// A server that answers one request at a time, each after 4 ms: 250 a second at most.
const SERIAL: &[&str] = &["--path", "/serial", "--rate", "1000", "--duration", "1s"];

valk_harness::test! {
    fn a_rate_above_the_servers_is_not_reported_as_held() {
        let server = start();
        let outcome = load("steady", &server.base, &[SERIAL, &["--threshold", "rps>=950"]].concat());
        let group = &outcome.json()["groups"]["steady"];
        assert_eq!(outcome.code, 1, "{group:#}");
        let rps = group["rps"].as_f64().unwrap();
        assert!(rps <= 260.0, "{rps}");
        assert!(group["late"].as_u64().unwrap() >= 100, "{group:#}");
        // Without rules of the user's the scenario has one for it.
        let outcome = load("steady", &server.base, SERIAL);
        let json = outcome.json();
        assert_eq!((outcome.code, &json["result"]), (1, &Value::from("FAIL")), "{json:#}");
        assert_eq!(json["thresholds"][1]["rule"], "held>=95%");
        assert_eq!(json["thresholds"][1]["passed"], false);
    }
}

valk_harness::test! {
    fn a_single_request_leaves_in_its_time_and_counts_once_a_second() {
        let server = start();
        for duration in ["1s", "500ms"] {
            let outcome = load("steady", &server.base, &["--path", "/slow", "--rate", "1", "--duration", duration]);
            let json = outcome.json();
            let group = &json["groups"]["steady"];
            assert_eq!(group["offered"], 1);
            let rps = if duration == "1s" { 1.0 } else { 2.0 };
            assert_eq!(group["rps"].as_f64(), Some(rps), "{group:#}");
            // The server waits for 15 ms.
            assert!(group["latency_us"]["p50"].as_u64().unwrap() >= 15_000, "{group:#}");
            assert!(group["service_us"]["p50"].as_u64().unwrap() >= 15_000, "{group:#}");
        }
    }
}

valk_harness::test! {
    fn a_run_in_which_everything_fails_fails() {
        let server = start();
        let flags = ["--duration", "200ms", "--path", "/overloaded"];
        let outcome = load("steady", &server.base, &flags);
        let json = outcome.json();
        assert_eq!(outcome.code, 1);
        assert_eq!((&json["measurement"], &json["result"]), (&"VALID".into(), &"FAIL".into()));
        assert_eq!(json["thresholds"][0]["rule"], "error-rate<1%");
        assert_eq!(json["thresholds"][0]["actual"], 100.0);
        // The table says both, apart.
        let args = ["run", "steady", "--target", &server.base, "--quiet", "--max-lag", "60s"];
        let table = command(&[&args[..], &flags].concat(), never()).out;
        assert!(table.contains("measurement: VALID\nresult: FAIL (error-rate<1%"), "{table}");
        assert!(table.starts_with("steady against http://127.0.0.1:"), "{table}");
        assert!(table.contains("for 200ms: 200/s, 4 connections x 32 streams"), "{table}");
        assert!(table.contains("offered 200.0/s"), "{table}");
    }
}

/// Runs until the interrupts of `server`, and says how long that took.
fn interrupted(
    setup: impl FnOnce(watch::Sender<u32>) -> Setup,
    scenario: &str,
    flags: &[&str],
) -> (Value, u8, Duration) {
    let (count, seen) = watch::channel(0);
    let server = start_with(setup(count));
    let begin = Instant::now();
    let outcome = load_until(scenario, &server.base, flags, Interrupt::counted(seen));
    (outcome.json(), outcome.code, begin.elapsed())
}

valk_harness::test! {
    fn a_second_interrupt_ends_at_once_with_a_report() {
        // No answer ever comes: only the interrupts end the run before the hour.
        for (scenario, flags) in [
            ("steady", &["--rate", "200"][..]),
            ("steady", &["--closed"]),
            ("browse", &["--users", "3"]),
        ] {
            let long = ["--path", "/silent", "--duration", "1h", "--timeout", "1m"];
            let (count, seen) = watch::channel(0);
            let at_third = count.clone();
            let setup = Setup { raise: Some((2, at_third)), ..Setup::default() };
            let server = start_with(setup);
            let second = std::thread::spawn(move || {
                while *count.borrow() == 0 {
                    std::thread::sleep(Duration::from_millis(5));
                }
                count.send_modify(|count| *count += 1);
            });
            let flags = [&long, flags].concat();
            let outcome = load_until(scenario, &server.base, &flags, Interrupt::counted(seen));
            second.join().unwrap();
            let json = outcome.json();
            assert_eq!(outcome.code, 130, "{scenario}");
            assert_eq!(json["interrupted"], true);
            let name = if scenario == "browse" { "users" } else { "steady" };
            let errors = &json["groups"][name]["errors_by_kind"];
            assert!(errors["unfinished"].as_u64() >= Some(2), "{errors:#}");
        }
    }
}

valk_harness::test! {
    fn one_interrupt_waits_for_answers_a_little_while() {
        let flags = ["--path", "/silent", "--duration", "1h", "--timeout", "1m", "--rate", "50"];
        let (json, code, took) = interrupted(
            |count| Setup { raise: Some((2, count)), ..Setup::default() }, "steady", &flags,
        );
        assert_eq!(code, 130);
        // An hour if nothing bounded the wait.
        assert!(took < Duration::from_mins(5), "{took:?}");
        let scheduled = json["scheduled_us"].as_u64().unwrap();
        assert!(scheduled < json["elapsed_us"].as_u64().unwrap(), "{json:#}");
        assert!(json["groups"]["steady"]["held_percent"].is_null());
    }
}

valk_harness::test! {
    fn rates_of_an_interrupted_run_cover_the_part_that_ran() {
        let (json, _, _) = interrupted(
            |count| Setup { raise: Some((100, count)), ..Setup::default() },
            "steady",
            &["--duration", "1h", "--rate", "200"],
        );
        let seconds = json["scheduled_us"].as_f64().unwrap() / 1e6;
        let group = &json["groups"]["steady"];
        let came = group["phases"][0]["came"].as_f64().unwrap();
        let rps = group["rps"].as_f64().unwrap();
        assert!((rps - came / seconds).abs() < 1.0, "{rps} {came} {seconds}");
        assert!(rps > 20.0, "{rps}");
    }
}

valk_harness::test! {
    fn an_interrupt_before_the_first_request_is_said() {
        // A server that never sends SETTINGS after the probe keeps the generator connecting.
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let (count, seen) = watch::channel(0);
        std::thread::spawn(move || {
            let (mut probe, _) = listener.accept().unwrap();
            probe.read_exact(&mut [0; 33]).unwrap();
            probe.write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0]).unwrap();
            let kept = listener.accept().unwrap();
            count.send_modify(|count| *count += 1);
            std::thread::park();
            drop(kept);
        });
        let outcome = load_until("steady", &base, &[], Interrupt::counted(seen));
        assert_eq!(outcome.code, 130);
        assert!(outcome.err.contains("interrupted before the first request"), "{}", outcome.err);
    }
}

/// The judgement of a run whose 100 requests took `latency_us` and were noticed `lag_us` late.
fn judged(lag_us: u64, latency_us: u64, flags: &[&str]) -> (Vec<String>, Vec<String>) {
    let words = ["valk-load", "run", "steady", "--target", "http://127.0.0.1:1"];
    let Command::Run(args) = parse([&words, flags].concat()).unwrap().command else {
        panic!("run")
    };
    let options = Options::check(&args).unwrap();
    let recorder = Recorder::new("steady", options.scenario.timeline(options.duration));
    for i in 0..100 {
        recorder.lag(i, i + lag_us * 1_000);
        answered(&recorder, i, i + latency_us * 1_000);
    }
    let result = RunResult {
        groups: vec![recorder.result()],
        interrupted: false,
        started: std::time::SystemTime::UNIX_EPOCH,
        elapsed: options.duration,
        scheduled: options.duration,
        scraped: Scraped::default(),
        cpu: None,
    };
    let report = Report::new(&options, &result);
    (report.invalid.clone(), report.warnings.clone())
}

valk_harness::test! {
    fn own_lag_is_compared_with_what_is_reported() {
        for (lag_us, latency_us, flags, invalid, warned) in [
            (10, 1_000, &[][..], false, false),
            // Over a tenth, but harmless.
            (150, 1_000, &[], false, true),
            // Over 200 us, but below a tenth.
            (900, 10_000, &[], false, false),
            (2_317, 3_315, &[], true, false),
            (250, 1_000, &[], true, false),
            // The user's own bound is the only one.
            (2_317, 3_315, &["--max-lag", "1s"], false, false),
            (10, 1_000, &["--max-lag", "5us"], true, false),
        ] {
            let (reasons, warnings) = judged(lag_us, latency_us, flags);
            assert_eq!((!reasons.is_empty(), !warnings.is_empty()), (invalid, warned), "{lag_us} {latency_us} {reasons:?} {warnings:?}");
            if invalid {
                assert!(reasons[0].contains("the generator was late itself"), "{reasons:?}");
            }
        }
        // Closed loops have no lag.
        let server = start();
        let json = load_closed(&server.base);
        assert_eq!(json["generator"]["send_lag_p99_us"], Value::Null);
        assert_eq!(json["measurement"], "VALID", "{json:#}");
    }
}

valk_harness::test! {
    fn the_generators_own_limits_make_a_measurement_invalid() {
        let words = ["valk-load", "run", "steady", "--target", "http://127.0.0.1:1"];
        let Command::Run(args) = parse(words).unwrap().command else { panic!("run") };
        let options = Options::check(&args).unwrap();
        for in_requests in [true, false] {
            let recorder = Recorder::new("steady", options.scenario.timeline(options.duration));
            answered(&recorder, 0, 1_000);
            if in_requests {
                recorder.offered(0);
                recorder.failed(0, 1, ErrorKind::NoDescriptors, false);
            } else {
                recorder.connection_lost(ErrorKind::NoPort);
            }
            let result = RunResult {
                groups: vec![recorder.result()],
                interrupted: false,
                started: std::time::SystemTime::UNIX_EPOCH,
                elapsed: options.duration,
                scheduled: options.duration,
                scraped: Scraped::default(),
                cpu: None,
            };
            let report = Report::new(&options, &result);
            assert_eq!(report.exit_code(), 1);
            assert!(report.invalid[0].contains("the generator was at its own limit: `no "), "{:?}", report.invalid);
        }
    }
}

fn load_closed(base: &str) -> Value {
    let args =
        ["run", "steady", "--target", base, "--json", "--quiet", "--max", "--duration", "200ms"];
    command(&args, never()).json()
}

valk_harness::test! {
    fn recorders_of_threads_add_up() {
        let timeline = Timeline::new(&[("steady", 1)], 4 * SECOND);
        let make = |from: u64| {
            let recorder = Arc::new(Recorder::new("steady", timeline.clone()));
            for i in 0..4 {
                answered(&recorder, from + i * SECOND, from + i * SECOND + 1_000_000);
            }
            recorder.connection_lost(ErrorKind::Closed);
            recorder.redirected();
            recorder.resent();
            recorder.connection_replaced();
            recorder.lag(0, 7_000);
            recorder.result()
        };
        let mut sum = make(0);
        sum.add(&make(500_000_000));
        assert_eq!((sum.total().ok, sum.came[0], sum.responses), (8, 8, 8));
        assert_eq!((sum.redirects, sum.resent, sum.replaced_connections), (2, 2, 2));
        assert_eq!(sum.lost_connections[&ErrorKind::Closed], 2);
        assert_eq!(sum.send_lag.len(), 2);
        assert_eq!(sum.seconds.len(), 4);
        assert!(sum.seconds.iter().all(|row| row.ok == 2 && row.latencies().len() == 2));
    }
}

valk_harness::test! {
    fn signals_of_the_process_are_interrupts() {
        use rustix::process::{Signal, getpid, kill_process};
        // This test is a process of its own.
        let mut interrupt = Interrupt::of_process();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        for (number, signal) in [Signal::INT, Signal::TERM, Signal::HUP].into_iter().enumerate() {
            kill_process(getpid(), signal).unwrap();
            runtime.block_on(interrupt.next());
            assert_eq!(interrupt.count(), number as u32 + 1);
        }
    }
}
