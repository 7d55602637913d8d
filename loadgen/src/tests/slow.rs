//! Slow readers: seen from the server, whose send window is the judge.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::connections::dialer::Dialer;
use crate::connections::target::Target;
use crate::engines::event_loop::Stop;
use crate::engines::slow_readers::{SlowSpec, run};
use crate::interrupt::Interrupt;
use crate::recording::clock::Clock;
use crate::recording::counts::GroupResult;
use crate::recording::error_kind::ErrorKind;
use crate::recording::recorder::Recorder;
use crate::requests::template::Template;
use crate::schedule::timeline::Timeline;

use super::servers::{BIG, Setup, load, load_until, start, start_with};

valk_harness::test! {
    fn the_server_gets_no_window_until_the_release() {
        let server = start();
        let outcome = load("slow-reader", &server.base, &[
            "--duration", "1200ms", "--connections", "2", "--streams", "3", "--rate", "100",
            "--large-path", "/big", "--window", "1000", "--threshold", "slow.errors<=0",
            "--threshold", "victim.hold.count>=1",
        ]);
        let json = outcome.json();
        assert_eq!(outcome.code, 0, "{json:#}");
        let slow = &json["groups"]["slow"];
        assert_eq!(slow["ok"], 6);
        assert_eq!(slow["held_streams"], 6);
        assert_eq!(slow["held_bytes"], 6_000);
        assert_eq!(slow["body_bytes"], 6 * BIG);
        assert_eq!(slow["phases"][1]["name"], "hold");
        assert_eq!(slow["phases"][1]["ok"], 6);
        let grants = server.seen.grants.lock().unwrap();
        assert_eq!(grants.len(), 6);
        for (first, requests_between) in grants.iter() {
            assert_eq!(*first, 1_000, "the initial window and nothing more");
            assert!(*requests_between > 0, "the victim was served while the window was shut");
        }
        let victim = &json["groups"]["victim"];
        assert_eq!(victim["offered"], 120);
        assert_eq!(victim["phases"].as_array().unwrap().len(), 3);
        for phase in victim["phases"].as_array().unwrap() {
            assert!(phase["latency_us"]["p99"].is_number(), "{phase:#}");
        }
    }
}

valk_harness::test! {
    fn a_body_that_fits_the_window_holds_nothing() {
        let server = start();
        let outcome = load("slow-reader", &server.base, &[
            "--duration", "400ms", "--connections", "1", "--streams", "2", "--window", "100",
        ]);
        assert_eq!(outcome.code, 1);
        let reason = outcome.json()["invalid_reasons"][0].to_string();
        assert!(reason.contains("the body of / fits in --window 100"), "{reason}");
    }
}

valk_harness::test! {
    fn backpressure_runs_four_phases_with_three_groups() {
        let server = start();
        let outcome = load("backpressure", &server.base, &[
            "--duration", "800ms", "--connections", "1", "--streams", "4", "--rate", "100",
            "--large-path", "/big", "--large-rate", "50",
        ]);
        let json = outcome.json();
        assert_eq!(outcome.code, 0, "{json:#}");
        let by_phase = |group: &str| -> Vec<u64> {
            let phases = json["groups"][group]["phases"].as_array().unwrap();
            phases.iter().map(|phase| phase["ok"].as_u64().unwrap()).collect()
        };
        assert_eq!(by_phase("victim"), [20, 20, 20, 20]);
        assert_eq!(by_phase("large"), [0, 10, 10, 0]);
        assert_eq!(by_phase("slow"), [0, 0, 4, 0]);
    }
}

/// Slow readers alone, on this test's own reactor.
fn readers(base: &str, path: &str, spec: impl FnOnce(&mut SlowSpec)) -> GroupResult {
    let target = Target::parse(base, &[]).unwrap();
    let timeline = Timeline::new(&[("hold", 1)], 2_000_000_000);
    let recorder = Arc::new(Recorder::new("slow", timeline));
    let mut slow = SlowSpec {
        group: "slow",
        connections: 1,
        streams: 3,
        window: 0,
        template: Arc::new(Template::get(vec![target.uri(path, None).unwrap()])),
        start_ns: 0,
        // Far behind the moment when a busy machine has opened all streams.
        release_ns: 2_000_000_000,
        timeout: Duration::from_secs(5),
    };
    spec(&mut slow);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let dialer = Dialer::new(&target, None).unwrap();
    let (_stop, stopped) = watch::channel(Stop::No);
    let clock = Clock::new(Instant::now());
    runtime.block_on(run(slow, dialer, Arc::clone(&recorder), clock, stopped));
    recorder.result()
}

valk_harness::test! {
    fn small_frames_do_not_kill_our_own_connection() {
        let server = start();
        let result = readers(&server.base, "/drip", |spec| spec.window = 65_000);
        let total = result.total();
        assert_eq!((total.ok, total.body_bytes), (3, 180_000), "{:?}", total.errors);
        let result = readers(&server.base, "/drip", |spec| spec.window = 50_000);
        assert_eq!((result.total().ok, result.held_streams), (3, 3), "{:?}", result.total().errors);
        assert_eq!(result.held_bytes, 3 * 50_000);
    }
}

valk_harness::test! {
    fn failures_of_slow_streams_are_counted() {
        let server = start();
        for (path, kind) in [
            ("/reset", ErrorKind::Reset(8)),
            ("/overloaded", ErrorKind::Status(503)),
            ("/silent", ErrorKind::Timeout),
            ("/drop", ErrorKind::Disconnected),
            ("/goaway", ErrorKind::Disconnected),
        ] {
            let result = readers(&server.base, path, |spec| spec.timeout = Duration::from_millis(50));
            let total = result.total();
            assert_eq!((total.offered, total.ok), (3, 0), "{path}");
            assert!(total.errors.contains_key(&kind), "{path}: {:?}", total.errors);
            assert_eq!(total.error_count(), 3, "{path}: {:?}", total.errors);
            let calmed = result.lost_connections.contains_key(&ErrorKind::GoAway(11));
            assert_eq!(calmed, path == "/goaway", "{path}: {:?}", result.lost_connections);
        }
    }
}

valk_harness::test! {
    fn streams_the_server_does_not_allow_are_not_lost() {
        let server = start_with(Setup { max_streams: 2, ..Setup::default() });
        let result = readers(&server.base, "/big", |spec| spec.streams = 6);
        // The other four never leave.
        let total = result.total();
        assert_eq!((total.offered, total.ok), (6, 2), "{:?}", total.errors);
        assert_eq!(total.errors[&ErrorKind::Unsent], 4, "{:?}", total.errors);
        assert_eq!(server.seen.requests.load(std::sync::atomic::Ordering::SeqCst), 2);
        assert_eq!(result.held_streams, 2, "{:?}", total.errors);
    }
}

valk_harness::test! {
    fn slow_readers_without_a_server_are_connect_errors() {
        let result = readers("http://127.0.0.1:1", "/", |_| {});
        assert_eq!(result.total().errors[&ErrorKind::Refused], 3);
        assert_eq!(result.lost_connections[&ErrorKind::Refused], 1);
    }
}

valk_harness::test! {
    fn an_interrupt_releases_the_readers() {
        for at in [1, 30] {
            let (flag, raised) = watch::channel(0);
            let server = start_with(Setup { raise: Some((at, flag)), ..Setup::default() });
            // The first request comes before the slow readers start, the thirtieth while they hold:
            // a fourth of 1.6 s brings 20 requests of the victim.
            let outcome = load_until(
                "slow-reader",
                &server.base,
                &[
                    "--duration", "1600ms", "--connections", "1", "--streams", "2", "--rate", "50",
                    "--large-path", "/big",
                ],
                Interrupt::counted(raised),
            );
            let json = outcome.json();
            assert_eq!(outcome.code, 130, "{json:#}");
            let expected = if at == 1 { 0 } else { 2 };
            assert_eq!(json["groups"]["slow"]["ok"], expected, "{json:#}");
        }
    }
}
