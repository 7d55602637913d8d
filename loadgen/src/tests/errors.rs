//! Servers that misbehave: every failure is counted by kind, none ends the generator.

use std::time::Duration;

use serde_json::Value;

use crate::connections::dialer::Dialer;
use crate::connections::target::Target;

use super::servers::{load, raw, start};

/// Errors by kind of a short run against one path.
fn kinds(path: &str, flags: &[&str]) -> (u8, Value) {
    let server = start();
    let fixed = ["--duration", "300ms", "--rate", "100", "--connections", "1", "--path", path];
    let outcome = load("steady", &server.base, &[&fixed, flags].concat());
    let json = outcome.json();
    let group = &json["groups"]["steady"];
    let counted = group["ok"].as_u64().unwrap() + group["errors"].as_u64().unwrap();
    assert_eq!(group["offered"].as_u64(), Some(counted), "{group:#}");
    (outcome.code, group.clone())
}

valk_harness::test! {
    fn resets_statuses_and_broken_bodies_are_counted() {
        for (path, kind) in [
            ("/reset", "reset: CANCEL"),
            ("/refuse", "reset: REFUSED_STREAM"),
            ("/overloaded", "status-503"),
            ("/cut", "reset: INTERNAL_ERROR"),
            ("/short", "protocol: PROTOCOL_ERROR"),
        ] {
            let (_, group) = kinds(path, &[]);
            assert_eq!(group["errors_by_kind"][kind], 30, "{path}: {group:#}");
            assert_eq!(group["latency_us"], Value::Null, "{path}");
        }
    }
}

valk_harness::test! {
    fn only_errors_leave_http2_unproven_only_without_a_response() {
        assert_eq!(kinds("/overloaded", &["--threshold", "error-rate>=100%"]).0, 0);
        assert_eq!(kinds("/reset", &["--threshold", "error-rate>=100%"]).0, 1);
        assert_eq!(kinds("/empty", &["--threshold", "error-rate<=0%"]).0, 0);
    }
}

valk_harness::test! {
    fn silence_becomes_timeouts() {
        let (_, group) = kinds("/silent", &["--timeout", "100ms"]);
        assert_eq!(group["errors_by_kind"]["timeout"], 30, "{group:#}");
    }
}

valk_harness::test! {
    fn what_found_no_free_stream_is_counted_as_unsent() {
        let (_, group) = kinds("/silent", &["--timeout", "200ms", "--streams", "1"]);
        let kinds = &group["errors_by_kind"];
        assert!(kinds["timeout"].as_u64().unwrap() >= 2, "{kinds:#}");
        assert!(kinds["unsent"].as_u64().unwrap() >= 20, "{kinds:#}");
    }
}

valk_harness::test! {
    fn goaway_is_counted_and_the_connection_reopened() {
        let (_, group) = kinds("/goaway", &[]);
        // The GOAWAY names the stream as processed, so only the closed connection ends it.
        assert!(group["errors_by_kind"]["disconnected"].as_u64().unwrap() >= 1, "{group:#}");
        // One loss for each new connection; with a pause of 100 ms there is time for a second.
        assert!(group["lost_connections"]["goaway: ENHANCE_YOUR_CALM"].as_u64().unwrap() >= 2, "{group:#}");
    }
}

valk_harness::test! {
    fn a_connection_closed_in_good_order_is_counted_and_reopened() {
        let (_, group) = kinds("/drop", &[]);
        assert!(group["errors"].as_u64().unwrap() == 30, "{group:#}");
        assert!(group["lost_connections"]["closed"].as_u64().unwrap() >= 1, "{group:#}");
    }
}

valk_harness::test! {
    fn a_server_that_dies_leaves_connect_errors() {
        let (code, group) = kinds("/die", &[]);
        assert_eq!(code, 1);
        assert!(group["errors_by_kind"]["refused"].as_u64().unwrap() >= 1, "{group:#}");
        assert!(group["lost_connections"]["refused"].as_u64().unwrap() >= 1, "{group:#}");
    }
}

valk_harness::test! {
    fn nobody_listening_is_unreachable() {
        let outcome = load("steady", "http://127.0.0.1:1", &[]);
        assert_eq!(outcome.code, 3);
        assert!(outcome.err.contains("hint: is the server running"), "{}", outcome.err);
        assert_eq!(load("browse", "http://127.0.0.1:1", &[]).code, 3);
    }
}

valk_harness::test! {
    fn other_protocols_are_refused_before_the_run() {
        for (answer, why) in [
            (&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], "answered in HTTP/1"),
            (b"SSH-2.0-server\r\n", "are not a SETTINGS frame"),
            (b"", "closed the connection on the HTTP/2 preface"),
        ] {
            let outcome = load("steady", &raw(answer), &["--threshold", "p99<1s"]);
            assert_eq!((outcome.code, outcome.out.as_str()), (3, ""), "{why}");
            assert!(outcome.err.contains("does not speak HTTP/2"), "{}", outcome.err);
            assert!(outcome.err.contains(why), "{}", outcome.err);
        }
    }
}

fn dialer(base: &str, millis: u64) -> Dialer {
    let target = Target::parse(base, &[]).unwrap();
    Dialer::new(&target, None).unwrap().with_timeout(Duration::from_millis(millis))
}

valk_harness::test! {
    fn an_open_but_silent_port_is_unreachable() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let error = runtime.block_on(dialer(&base, 50).probe()).unwrap_err();
        let (cause, hint) = (&error.cause, &error.hint);
        assert!(cause.contains("no answer within 50ms") && hint.contains("silent"), "{cause} {hint}");
    }
}

valk_harness::test! {
    fn a_thread_that_is_connected_ends_when_another_is_not() {
        use std::io::{Read, Write};
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let server = std::thread::spawn(move || {
            // The probe, and one of two connections: the other is shut out.
            let (mut probe, _) = listener.accept().unwrap();
            probe.write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0]).unwrap();
            let (mut one, _) = listener.accept().unwrap();
            one.write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0]).unwrap();
            let (other, _) = listener.accept().unwrap();
            // Its thread waits for the begin of the run when its SETTINGS are acknowledged.
            let mut seen = Vec::new();
            while !seen.windows(5).any(|frame| frame == [0, 0, 0, 4, 1]) {
                let mut part = [0; 256];
                let length = one.read(&mut part).unwrap();
                seen.extend_from_slice(&part[..length]);
            }
            drop(other);
            one.read_to_end(&mut seen)
        });
        let flags = ["--connections", "2", "--threads", "2", "--duration", "1h"];
        let outcome = load("steady", &base, &flags);
        assert_eq!(outcome.code, 3, "{}{}", outcome.out, outcome.err);
        assert!(outcome.err.contains("does not speak HTTP/2"), "{}", outcome.err);
        server.join().unwrap().expect("the connection ends in good order");
    }
}

valk_harness::test! {
    fn a_server_that_vanishes_after_the_probe_is_unreachable() {
        // The listener takes two connections, answers the first with SETTINGS and closes both
        // and itself, so later connections of the same run are refused.
        use std::io::{Read, Write};
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let server = std::thread::spawn(move || {
            let (mut tcp, _) = listener.accept().unwrap();
            drop(listener);
            tcp.read_exact(&mut [0; 33]).unwrap();
            tcp.write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0]).unwrap();
        });
        let outcome = load("steady", &base, &["--duration", "100ms"]);
        server.join().unwrap();
        assert_eq!(outcome.code, 3, "{}{}", outcome.out, outcome.err);
    }
}
