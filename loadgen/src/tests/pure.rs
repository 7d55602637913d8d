//! Arithmetic without sockets: quantities, rules, schedules, counting.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::connections::target::Target;
use crate::error::LoadError;
use crate::quantity::{
    parse_bytes, parse_count, parse_duration, parse_rate, printable, show_duration, show_rate,
    show_us, whole_ns, whole_us,
};
use crate::recording::clock::Stamps;
use crate::recording::counts::PhaseCounts;
use crate::recording::cpu_time;
use crate::recording::error_kind::ErrorKind;
use crate::recording::recorder::Recorder;
use crate::reports::progress::Progress;
use crate::schedule::arrivals::{Arrivals, PathMix, Schedule, merged, of_connection};
use crate::schedule::profile::{Profile, Shape};
use crate::schedule::timeline::Timeline;
use crate::thresholds::{Metric, Sample, Threshold};

const SECOND: u64 = 1_000_000_000;

valk_harness::test! {
    fn durations_have_units() {
        for (text, us) in [("250us", 250), ("20ms", 20_000), ("1.5s", 1_500_000), ("2m", 120_000_000), ("1m30s", 90_000_000), ("1h", 3_600_000_000)] {
            assert_eq!(whole_us(parse_duration(text).unwrap()), us, "{text}");
        }
        for (text, why) in [
            ("10", "has no unit"),
            ("10d", "`d` is not a unit"),
            ("s", "is not a time"),
            ("1.2.3s", "is not a time"),
            ("1m30", "has no unit"),
            ("", "is not a time"),
            ("99999999999999999999999s", "too long"),
        ] {
            let error = parse_duration(text).unwrap_err();
            assert!(error.contains(why), "{text}: {error}");
        }
        assert_eq!(show_us(999), "999 us");
        assert_eq!(show_us(1_500), "1.50 ms");
        assert_eq!(show_us(2_250_000), "2.25 s");
        assert_eq!(whole_us(Duration::MAX), u64::MAX);
        assert_eq!(whole_ns(Duration::MAX), u64::MAX);
    }
}

const GROUPS: &[&str] = &["victim", "slow"];
const PHASES: &[&str] = &["before", "hold"];

valk_harness::test! {
    fn threshold_rules_parse() {
        let table: &[(&str, Option<&str>, Option<&str>, Metric)] = &[
            ("p99<50ms", None, None, Metric::Percentile(99.0)),
            ("p99.9 <= 1.5s", None, None, Metric::Percentile(99.9)),
            ("victim.p99<20ms", Some("victim"), None, Metric::Percentile(99.0)),
            ("victim.p99.9<20ms", Some("victim"), None, Metric::Percentile(99.9)),
            ("victim.hold.p50<20ms", Some("victim"), Some("hold"), Metric::Percentile(50.0)),
            ("hold.max<2s", None, Some("hold"), Metric::Max),
            ("mean>1us", None, None, Metric::Mean),
            ("avg>1us", None, None, Metric::Mean),
            ("error-rate<1%", None, None, Metric::ErrorRate),
            ("slow.errors<=0", Some("slow"), None, Metric::Errors),
            ("count>=3", None, None, Metric::Count),
            ("rps>=100", None, None, Metric::Rps),
        ];
        for (text, group, phase, metric) in table {
            let rule = Threshold::parse(text, GROUPS, PHASES).unwrap();
            assert_eq!(rule.group.as_deref(), *group, "{text}");
            assert_eq!(rule.phase.as_deref(), *phase, "{text}");
            assert_eq!(rule.metric, *metric, "{text}");
            assert_eq!(rule.to_string(), *text);
        }
    }
}

valk_harness::test! {
    fn threshold_mistakes_are_explained() {
        for (text, why) in [
            ("p99", "no comparison"),
            ("p99<", "no value"),
            ("p99=5ms", "no comparison"),
            ("p99<50", "has no unit"),
            ("p101<50ms", "not between p0 and p100"),
            ("p0<50ms", "not between p0 and p100"),
            ("latency<5ms", "`latency` is not a metric"),
            ("error-rate<1", "write `1%`"),
            ("error-rate<x%", "not a number"),
            ("rps>5%", "has a %"),
            ("rps>-5", "at least 0"),
            ("rps>nan", "at least 0"),
            ("attacker.p99<5ms", "neither a group (victim, slow) nor a phase (before, hold)"),
            ("victim.later.p99<5ms", "`later` is neither"),
            ("p.9<5ms", "`p` is neither"),
        ] {
            let error = Threshold::parse(text, GROUPS, PHASES).unwrap_err();
            assert!(error.contains(why) && error.contains(text), "{text}: {error}");
        }
    }
}

fn timeline() -> Timeline {
    Timeline::new(&[("before", 1), ("hold", 1)], 2 * SECOND)
}

fn counts(latencies_us: &[u64], errors: u64) -> PhaseCounts {
    let recorder = Recorder::new("victim", timeline());
    for us in latencies_us {
        recorder.offered(0);
        let last = us * 1_000;
        recorder.answered(0, Stamps { intended: 0, sent: 0, first: last, last }, 10);
    }
    for _ in 0..errors {
        recorder.offered(0);
        recorder.failed(0, 1, ErrorKind::Reset(8), false);
    }
    recorder.result().total()
}

valk_harness::test! {
    fn thresholds_judge_values() {
        let some = counts(&[100, 200, 300], 1);
        for (text, passed, shown) in [
            ("p50<201us", true, "200 us"),
            ("p50<200us", false, "200 us"),
            ("p50<=200us", true, "200 us"),
            ("p50>200us", false, "200 us"),
            ("p50>=200us", true, "200 us"),
            ("max<1ms", true, "300 us"),
            ("mean<1ms", true, "200 us"),
            ("error-rate<25%", false, "25.000%"),
            ("errors<2", true, "1"),
            ("count>=3", true, "3"),
            ("rps>=2", false, "1.5/s"),
        ] {
            let judged = Threshold::parse(text, GROUPS, PHASES).unwrap().judge(Some(&sample(&some, 1.5)));
            assert_eq!((judged.passed, judged.shown.as_str()), (passed, shown), "{text}");
        }
    }
}

valk_harness::test! {
    fn silence_is_not_success() {
        for text in ["p99<1s", "error-rate<100%", "errors<1", "count>=0", "rps>=0"] {
            let rule = Threshold::parse(text, GROUPS, PHASES).unwrap();
            for counts in [None, Some(&PhaseCounts::default())] {
                let judged = rule.judge(counts.map(|c| sample(c, 0.0)).as_ref());
                assert!(!judged.passed && judged.shown == "no samples", "{text}");
            }
        }
        // Only errors: a latency rule has nothing to look at, an error rule has.
        let failed = counts(&[], 2);
        let judge = |text| Threshold::parse(text, GROUPS, PHASES).unwrap().judge(Some(&sample(&failed, 0.0)));
        assert!(!judge("p99<1s").passed);
        assert!(judge("error-rate>=100%").passed);
    }
}

fn sample(counts: &PhaseCounts, rps: f64) -> Sample<'_> {
    Sample { counts, rps, held: None }
}

fn schedule(arrivals: Arrivals, rate: f64, connections: u32, seed: u64) -> Schedule {
    Schedule {
        arrivals,
        burst: 1,
        profile: Profile::constant(rate, Duration::from_secs(2)),
        start_ns: SECOND,
        connections,
        seed,
        paths: PathMix::new(&[1, 3]),
    }
}

valk_harness::test! {
    fn constant_arrivals_are_an_even_grid_over_all_connections() {
        let s = Arc::new(schedule(Arrivals::Constant, 400.0, 3, 1));
        let all: Vec<(u64, usize)> = merged(&s, 0..3).collect();
        let expected: Vec<(u64, usize)> =
            (0..800).map(|i| (SECOND + i * 2_500_000, i as usize % 3)).collect();
        assert_eq!(all, expected);
        let alone: usize = (0..3).map(|connection| of_connection(&s, connection).count()).sum();
        assert_eq!(alone, 800);
    }
}

valk_harness::test! {
    fn bursts_come_together_and_keep_the_rate() {
        let s = Schedule { burst: 3, ..schedule(Arrivals::Constant, 400.0, 2, 1) };
        let all: Vec<(u64, usize)> = merged(&Arc::new(s), 0..2).collect();
        // Three times the gap of single requests, on one connection and then on the other; the last
        // burst of 800 has two.
        let expected: Vec<(u64, usize)> =
            (0..800).map(|i| (SECOND + i / 3 * 7_500_000, i as usize / 3 % 2)).collect();
        assert_eq!(all, expected);
    }
}

valk_harness::test! {
    fn poisson_bursts_have_the_rate_too() {
        let s = Schedule { burst: 4, ..schedule(Arrivals::Poisson, 10_000.0, 4, 7) };
        let due: Vec<u64> = merged(&Arc::new(s), 0..4).map(|(due, _)| due).collect();
        // 20 000 expected, standard deviation 283; the seed is fixed.
        assert!((19_000..21_000).contains(&due.len()), "{}", due.len());
        assert!(due.chunks(4).all(|burst| burst.iter().all(|due| due == &burst[0])));
    }
}

valk_harness::test! {
    fn poisson_arrivals_have_the_rate_and_no_memory() {
        let s = Arc::new(schedule(Arrivals::Poisson, 10_000.0, 4, 7));
        let due: Vec<u64> = merged(&s, 0..4).map(|(due, _)| due).collect();
        assert!(due.is_sorted());
        // 20 000 expected, standard deviation 141; the seed is fixed, so this cannot flake.
        assert!((19_500..20_500).contains(&due.len()), "{}", due.len());
        // A share of 1/e of exponential gaps is longer than their mean.
        let gaps: Vec<u64> = due.windows(2).map(|w| w[1] - w[0]).collect();
        let long = gaps.iter().filter(|gap| **gap > 100_000).count();
        let share = long as f64 / gaps.len() as f64;
        assert!((0.35..0.385).contains(&share), "{share}");
    }
}

valk_harness::test! {
    fn seeds_repeat_and_differ() {
        let poisson = |seed| Arc::new(schedule(Arrivals::Poisson, 1_000.0, 2, seed));
        let arrivals_of = |seed| of_connection(&poisson(seed), 1).collect::<Vec<_>>();
        assert_eq!(arrivals_of(5), arrivals_of(5));
        assert_ne!(arrivals_of(5), arrivals_of(6));
        let other = of_connection(&poisson(5), 0).collect::<Vec<_>>();
        assert_ne!(arrivals_of(5), other);
    }
}

valk_harness::test! {
    fn paths_follow_their_weights() {
        let arrivals = of_connection(&Arc::new(schedule(Arrivals::Constant, 5_000.0, 1, 3)), 0);
        let mut drawn = BTreeMap::new();
        for arrival in arrivals {
            *drawn.entry(arrival.path).or_insert(0) += 1;
        }
        assert_eq!(drawn.len(), 2);
        assert!((2_350..2_650).contains(&drawn[&0]), "{drawn:?}");
        assert_eq!(drawn[&0] + drawn[&1], 10_000);
    }
}

valk_harness::test! {
    fn timelines_are_cut_by_shares() {
        let t = Timeline::new(&[("before", 1), ("hold", 2), ("after", 1)], 4 * SECOND);
        let ends: Vec<u64> = t.phases().iter().map(|p| p.end_ns / SECOND).collect();
        assert_eq!(ends, [1, 3, 4]);
        for (at, index) in [(0, 0), (SECOND - 1, 0), (SECOND, 1), (3 * SECOND, 2), (9 * SECOND, 2)] {
            assert_eq!(t.index_at(at), index, "{at}");
        }
        assert_eq!(t.find("hold").unwrap().0, 1);
        assert!(t.find("never").is_none());
    }
}

/// The stall test in virtual time: a server frozen in the third of five seconds.
/// Arithmetic: a fifth of the arrivals wait uniformly 0-1 s.
fn stalled(stall: Duration, rate: f64) -> PhaseCounts {
    let service_ns = 100_000;
    let (from, length) = (2 * SECOND, whole_ns(stall));
    let recorder = Recorder::new("victim", Timeline::new(&[("all", 1)], 5 * SECOND));
    let profile = Profile::constant(rate, Duration::from_secs(5));
    let s = Schedule { start_ns: 0, profile, ..schedule(Arrivals::Constant, rate, 4, 1) };
    for (due, _) in merged(&Arc::new(s), 0..4) {
        let frozen = (from..from + length).contains(&due);
        let last = if frozen { from + length } else { due } + service_ns;
        recorder.offered(due);
        recorder.answered(due, Stamps { intended: due, sent: due, first: last, last }, 0);
    }
    recorder.result().total()
}

valk_harness::test! {
    fn a_stall_shows_as_arithmetic_says() {
        for rate in [100.0, 1_000.0, 50_000.0] {
            let latency = stalled(Duration::from_secs(1), rate).latencies.total;
            let near = |p: f64, expected: f64| {
                let actual = latency.value_at_percentile(p) as f64;
                assert!((actual / expected - 1.0).abs() < 0.02, "rate {rate} p{p}: {actual}");
            };
            near(50.0, 100.0);
            near(90.0, 500_100.0);
            near(99.0, 950_100.0);
        }
        // 100 ms: 2 % of the arrivals wait, so p99 is the middle of the stall.
        let p99 = stalled(Duration::from_millis(100), 10_000.0).latencies.total.value_at_percentile(99.0);
        assert!((49_000..51_100).contains(&p99), "{p99}");
    }
}

valk_harness::test! {
    fn every_offered_request_ends_once_in_its_phase() {
        let recorder = Recorder::new("victim", timeline());
        recorder.offered(10);
        recorder.lag(10, 5_010);
        recorder.offered(SECOND + 10);
        recorder.offered(SECOND + 20);
        assert_eq!(recorder.tick().in_flight, 3);
        // Due in the first phase, answered in the second.
        let stamps = Stamps { intended: 10, sent: 1_000_010, first: 2_000_010, last: SECOND + 10 };
        recorder.answered(10, stamps, 7);
        recorder.failed(SECOND + 10, SECOND + 11, ErrorKind::Status(503), true);
        recorder.failed(SECOND + 20, SECOND + 21, ErrorKind::Reset(8), false);
        recorder.unsent(SECOND + 30, 2 * SECOND);
        recorder.connection_lost(ErrorKind::GoAway(11));
        recorder.held(3);
        let tick = recorder.tick();
        assert_eq!((tick.offered, tick.ok, tick.errors, tick.in_flight), (4, 1, 3, 0));
        assert_eq!(tick.window.len(), 1);
        assert!(recorder.tick().window.is_empty());

        let result = recorder.result();
        let [before, hold] = &result.phases[..] else { panic!("two phases") };
        assert_eq!((before.offered, before.ok, before.error_count(), before.body_bytes), (1, 1, 0, 7));
        assert_eq!((hold.offered, hold.ok, hold.error_count()), (3, 0, 3));
        assert_eq!(hold.errors[&ErrorKind::Unsent], 1);
        assert_eq!(result.responses, 2);
        assert_eq!(result.came, [0, 1], "it came in the second phase");
        assert_eq!(result.lost_connections[&ErrorKind::GoAway(11)], 1);
        assert_eq!((result.held_streams, result.held_bytes), (1, 3));
        assert_eq!(result.send_lag.max(), 5);
        let l = &before.latencies;
        assert_eq!(l.first_byte.max(), l.first_byte.highest_equivalent(2_000));
        assert_eq!(l.send_wait.max(), 1_000);
        assert_eq!(l.total.max(), l.total.highest_equivalent(1_000_000));
        assert_eq!(l.service.max(), l.service.highest_equivalent(999_000));
    }
}

valk_harness::test! {
    fn targets_stay_on_this_machine() {
        for (text, base, tls) in [
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080", false),
            ("https://127.9.9.9/", "https://127.9.9.9:443", true),
            ("http://localhost", "http://localhost:80", false),
            ("http://LOCALHOST:9", "http://localhost:9", false),
            ("https://[::1]:9", "https://[::1]:9", true),
        ] {
            let target = Target::parse(text, &[]).unwrap();
            assert_eq!((target.base.as_str(), target.tls), (base, tls), "{text}");
            assert!(target.addresses.iter().all(|a| a.ip().is_loopback()), "{text}");
        }
        for (text, why) in [
            ("http://10.0.0.1:80", "--allow-remote 10.0.0.1"),
            ("http://example.test", "--allow-remote example.test"),
            ("127.0.0.1:80", "no scheme"),
            ("ftp://127.0.0.1", "scheme `ftp`"),
            ("http://127.0.0.1/index", "has a path"),
            ("http://127.0.0.1/?a=b", "has a path"),
            ("http://127.0.0.1/#a", "has a path"),
            ("http://:80", "has no host"),
            ("not a url", "is not a URL"),
            ("http://127.0.0.1:99999", "port `99999`"),
            ("http://127.0.0.1:65616", "port `65616`"),
            ("http://127.0.0.1:0", "port `0`"),
            ("http://127.0.0.1:", "port ``"),
            ("http://[::1]:", "port ``"),
            ("http://user:secret@127.0.0.1:80", "has a user name"),
            ("http://user@127.0.0.1", "has a user name"),
        ] {
            let error = Target::parse(text, &["other".to_string()]).unwrap_err();
            assert_eq!(error.exit_code(), 2, "{text}");
            assert!(error.to_string().contains(why), "{text}: {error}");
        }
        let named = ["192.0.2.1".to_string()];
        assert_eq!(Target::parse("http://192.0.2.1", &named).unwrap().addresses[0].port(), 80);
        // Permitted, but no such name can exist (RFC 6761 reserves `.invalid`).
        let nowhere = ["nowhere.invalid".to_string()];
        assert_eq!(Target::parse("http://nowhere.invalid", &nowhere).unwrap_err().exit_code(), 3);
    }
}

valk_harness::test! {
    fn paths_are_checked() {
        let target = Target::parse("http://127.0.0.1:8080", &[]).unwrap();
        assert_eq!(target.uri("/a?b=c", None).unwrap().to_string(), "http://127.0.0.1:8080/a?b=c");
        let secure = Target::parse("https://127.0.0.1:8443", &[]).unwrap();
        for (target, uri) in [(&target, "http://name.test/a"), (&secure, "https://name.test/a")] {
            assert_eq!(target.uri("/a", Some("name.test")).unwrap().to_string(), uri);
        }
        assert!(target.uri("a", None).unwrap_err().to_string().contains("does not start with `/`"));
        assert!(target.uri("/a b", None).unwrap_err().to_string().contains("cannot have"));
    }
}

valk_harness::test! {
    fn error_kinds_have_stable_names() {
        for (kind, name) in [
            (ErrorKind::Refused, "refused"),
            (ErrorKind::ConnectTimeout, "connect timeout"),
            (ErrorKind::NoDescriptors, "no file descriptors"),
            (ErrorKind::NoPort, "no local port"),
            (ErrorKind::Tls, "tls"),
            (ErrorKind::NotHttp2, "not HTTP/2"),
            (ErrorKind::Connect, "connect"),
            (ErrorKind::Disconnected, "disconnected"),
            (ErrorKind::GoAway(0), "goaway: NO_ERROR"),
            (ErrorKind::Closed, "closed"),
            (ErrorKind::Reset(11), "reset: ENHANCE_YOUR_CALM"),
            (ErrorKind::Protocol(3), "protocol: FLOW_CONTROL_ERROR"),
            (ErrorKind::Timeout, "timeout"),
            (ErrorKind::Unsent, "unsent"),
            (ErrorKind::Unfinished, "unfinished"),
            (ErrorKind::Status(503), "status-503"),
            (ErrorKind::Contains, "check: contains"),
            (ErrorKind::Size, "check: size"),
        ] {
            assert_eq!(kind.to_string(), name);
            assert_eq!(kind.is_own(), name.starts_with("no "), "{name}");
        }
        let of = |code: i32| ErrorKind::from(&std::io::Error::from_raw_os_error(code));
        assert_eq!(of(24), ErrorKind::NoDescriptors);
        assert_eq!(of(23), ErrorKind::NoDescriptors);
        assert_eq!(of(99), ErrorKind::NoPort);
        assert_eq!(of(110), ErrorKind::ConnectTimeout);
        assert_eq!(of(111), ErrorKind::Refused);
        assert_eq!(of(104), ErrorKind::Connect);
        assert!(ErrorKind::Connect.is_connect() && !ErrorKind::Disconnected.is_connect());
    }
}

valk_harness::test! {
    fn errors_have_exit_codes_and_texts() {
        let cause = || std::io::Error::other("why");
        let file = LoadError::File { path: "x".into(), action: "read", cause: cause() };
        assert_eq!((file.exit_code(), file.to_string().as_str()), (1, "cannot read x: why"));
        let system = LoadError::from(cause());
        assert_eq!((system.exit_code(), system.to_string().as_str()), (1, "the system refused: why"));
        let goose = LoadError::Goose("why".into());
        assert_eq!((goose.exit_code(), goose.to_string().as_str()), (1, "goose: why"));
    }
}

valk_harness::test! {
    fn cpu_time_is_read_behind_the_name() {
        let stat = "12 (a) b) S 1 2 3 4 5 6 7 8 9 10 250 50 0 0 20";
        assert_eq!(cpu_time::parse(stat), Some(Duration::from_secs(3)));
        for bad in ["", "12 (a", "12 (a) S 1 2", "12 (a) S 1 2 3 4 5 6 7 8 9 10 x 50", "1 (a) S 1 2 3 4 5 6 7 8 9 10 5 x"] {
            assert_eq!(cpu_time::parse(bad), None, "{bad}");
        }
    }
}

valk_harness::test! {
    fn progress_shows_phase_counts_and_the_last_second() {
        let recorders = [Recorder::new("victim", timeline()), Recorder::new("slow", timeline())];
        let recorders = recorders.map(std::sync::Arc::new);
        let mut out = Vec::new();
        let mut progress = Progress::new(Some(&mut out));
        recorders[0].offered(0);
        progress.line(&timeline(), SECOND - 1, &recorders);
        let stamps = Stamps { intended: 0, sent: 0, first: 1, last: 250_000 };
        recorders[0].answered(0, stamps, 0);
        progress.line(&timeline(), SECOND, &recorders);
        progress.line(&timeline(), 2 * SECOND, &recorders);
        let text = String::from_utf8(out).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "   0s before  |  victim sent 1 ok 0 err 0 in flight 1");
        assert_eq!(lines[1], "   1s hold  |  victim sent 1 ok 1 err 0 p50 250 us p99 250 us in flight 0");
        assert!(lines[2].starts_with("   2s hold (waiting for answers)"), "{}", lines[2]);
        Progress::new(None).line(&timeline(), 0, &recorders);
        // Threads of a group are one entry.
        let threads = [Recorder::new("victim", timeline()), Recorder::new("victim", timeline())];
        let threads = threads.map(std::sync::Arc::new);
        threads[0].offered(0);
        threads[1].offered(0);
        let mut out = Vec::new();
        Progress::new(Some(&mut out)).line(&timeline(), 0, &threads);
        assert_eq!(out, b"   0s before  |  victim sent 2 ok 0 err 0 in flight 2\n");
    }
}

valk_harness::test! {
    fn a_path_mix_without_weight_is_a_bug() {
        for weights in [&[][..], &[0], &[1, 0]] {
            assert!(std::panic::catch_unwind(|| PathMix::new(weights)).is_err(), "{weights:?}");
        }
    }
}

valk_harness::test! {
    fn rates_counts_and_bytes_are_written_as_people_do() {
        for (text, rate) in [("1000", 1e3), ("1k", 1e3), ("2.5M", 2.5e6), ("1000/s", 1e3), ("60/m", 1.0)] {
            assert_eq!(parse_rate(text), Ok(rate), "{text}");
        }
        for (text, why) in [("-1", "is not a rate"), ("x", "is not a rate"), ("1/h", "not a time of a rate"), ("inf", "is not a rate")] {
            let error = parse_rate(text).unwrap_err();
            assert!(error.contains(why), "{text}: {error}");
        }
        assert_eq!(parse_count("10k"), Ok(10_000));
        assert!(parse_count("1.5").unwrap_err().contains("not a whole number"));
        assert!(parse_count("9999M").unwrap_err().contains("not a whole number"));
        for (text, bytes) in [("100", 100), ("64KiB", 65_536), ("10kB", 10_000), ("2MB", 2_000_000), ("1MiB", 1 << 20), ("1GiB", 1 << 30), ("7B", 7)] {
            assert_eq!(parse_bytes(text), Ok(bytes), "{text}");
        }
        assert!(parse_bytes("5 apples").unwrap_err().contains("not a unit of bytes"));
        assert!(parse_bytes("0.5").unwrap_err().contains("not a number of bytes"));
        for (ms, text) in [(100, "100ms"), (90_000, "1m30s"), (3_600_000, "1h"), (0, "0s"), (1_500, "1.5s"), (5_000, "5s")] {
            assert_eq!(show_duration(Duration::from_millis(ms)), text);
        }
        assert_eq!(show_duration(Duration::from_micros(7)), "7us");
        assert_eq!(show_rate(0.5), "0.5/s");
        assert_eq!(printable("a\u{1b}[31mb\nc"), "a\\u{1b}[31mb\nc");
    }
}

valk_harness::test! {
    fn profiles_have_as_many_requests_as_their_area() {
        let four = Duration::from_secs(4);
        let count = |profile: &Profile| {
            let s = Schedule { profile: profile.clone(), start_ns: 0, ..schedule(Arrivals::Constant, 1.0, 3, 1) };
            let due: Vec<u64> = merged(&Arc::new(s), 0..3).map(|(due, _)| due).collect();
            assert!(due.is_sorted());
            due
        };
        for (shape, requests) in [
            (Shape::Constant, 400),
            (Shape::Ramp, 800),
            (Shape::Steps, 800),
            (Shape::Spike, 480),
            (Shape::Sawtooth, 800),
        ] {
            let profile = Profile::shape(shape, 100.0, if shape == Shape::Spike { 200.0 } else { 300.0 }, four);
            assert_eq!(profile.length(), four, "{shape:?}");
            assert_eq!(count(&profile).len(), requests, "{shape:?}");
        }
        // Up to 100 in one second, there for one second, and down to zero in one.
        let stages = Profile::parse_stages("1s:100,1s:100,1s:0", 0.0).unwrap();
        let due = count(&stages);
        assert_eq!(due.len(), 200);
        let first_second = due.iter().filter(|due| **due < SECOND).count();
        assert_eq!(first_second, 50);
        // Half of the requests of a ramp from zero come in the last 29 % of its time.
        let half = due[25] as f64 / SECOND as f64;
        assert!((half - 0.5_f64.sqrt()).abs() < 0.001, "{half}");
        assert_eq!(stages.peak().to_bits(), 100_f64.to_bits());
        assert_eq!(stages.constant_rate(), None);
        for (text, why) in [("10s", "is not TIME:RATE"), ("10:5", "has no unit"), ("1s:x", "is not a rate"), ("1s:9M", "at most")] {
            let error = Profile::parse_stages(text, 0.0).unwrap_err();
            assert!(error.contains(why), "{text}: {error}");
        }
        let many = vec!["1s:1"; 1_001].join(",");
        assert!(Profile::parse_stages(&many, 0.0).unwrap_err().contains("1001 stages"));
    }
}
