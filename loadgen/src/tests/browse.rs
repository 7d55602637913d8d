//! Journeys by goose. One test after the other in one body: goose keeps its stop flag in a global.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use crate::interrupt::Interrupt;

use super::servers::{CommandOutput, Setup, load, load_until, start_with};
use super::tls::{Identity, identity};

const SHORT: &[&str] = &["--duration", "1s", "--users", "2", "--think", "20ms"];

valk_harness::test! {
    fn journeys_prove_http2() {
        plain_text();
        verified_tls();
        http1_is_refused();
        paths_stay_on_the_target();
        errors_are_counted();
        interrupted();
    }
}

fn plain_text() {
    let server = start_with(Setup::default());
    let journey =
        ["--path", "/", "--path", "/page=2", "--post-path", "/echo", "--post-bytes", "100"];
    let CommandOutput { code, out, err } =
        load("browse", &server.base, &[SHORT, &journey[..], &["--threshold", "p99<1m"]].concat());
    let json: serde_json::Value = serde_json::from_str(&out).expect("goose prints nothing");
    assert_eq!((code, err.as_str()), (0, ""), "{json:#}");
    let users = &json["groups"]["users"];
    let ok = users["ok"].as_u64().unwrap();
    assert!(ok >= 10, "{users:#}");
    assert_eq!(users["protocols"], serde_json::json!({"HTTP/2": ok}));
    assert_eq!(users["latency_us"]["samples"], ok);
    let posted = server.seen.posted.load(Ordering::SeqCst);
    assert!(posted > 0 && posted.is_multiple_of(100), "{posted}");
    let paths = server.seen.paths.lock().unwrap();
    let count = |path: &str| paths.iter().filter(|p| *p == path).count();
    assert!(count("/") > 0 && count("/page") > 0 && count("/echo") > 0);
}

fn verified_tls() {
    let known = identity("browse", &[b"h2"]);
    let tls = Some(Arc::clone(&known.server));
    let server = start_with(Setup { tls, ..Setup::default() });
    let ca = known.authority.to_str().unwrap();
    let outcome = load("browse", &server.base, &[SHORT, &["--ca", ca]].concat());
    let json = outcome.json();
    assert_eq!(outcome.code, 0, "{json:#}");
    assert!(json["groups"]["users"]["protocols"]["HTTP/2"].as_u64().unwrap() > 0);
}

/// A TLS server that knows only HTTP/1.1.
fn http1_server(known: &Identity) -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let base = format!("https://{}", listener.local_addr().unwrap());
    listener.set_nonblocking(true).unwrap();
    let acceptor = TlsAcceptor::from(Arc::clone(&known.server));
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async move {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            while let Ok((tcp, _)) = listener.accept().await {
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    let Ok(mut tls) = acceptor.accept(tcp).await else { return };
                    let mut buffer = [0; 4096];
                    while let Ok(1..) = tls.read(&mut buffer).await {
                        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
                        if tls.write_all(answer).await.is_err() {
                            return;
                        }
                    }
                });
            }
        });
    });
    base
}

fn http1_is_refused() {
    let known = identity("browse-h1", &[b"http/1.1"]);
    let outcome = load("browse", &http1_server(&known), &[SHORT, &["--insecure"]].concat());
    assert_eq!((outcome.code, outcome.out.as_str()), (3, ""), "{}", outcome.err);
    assert!(outcome.err.contains("offers no `h2` in ALPN"), "{}", outcome.err);
}

fn paths_stay_on_the_target() {
    let server = start_with(Setup::default());
    let elsewhere = start_with(Setup { address: "127.0.0.2:0", ..Setup::default() });
    let network_path = elsewhere.base.trim_start_matches("http:").to_string() + "/hit";
    let backslash = format!("/\\{}/hit", elsewhere.base.trim_start_matches("http://"));
    let dots = "/a/../b";
    let flags = ["--path", &network_path, "--path", &backslash, "--path", dots];
    let post = ["--post-path", network_path.as_str()];
    let outcome = load("browse", &server.base, &[SHORT, &flags[..], &post[..]].concat());
    assert_eq!(outcome.code, 0, "{}{}", outcome.out, outcome.err);
    let paths = server.seen.paths.lock().unwrap();
    for path in [network_path.as_str(), &backslash, dots] {
        assert!(paths.iter().any(|p| p == path), "{path}: {paths:?}");
    }
    assert_eq!(elsewhere.seen.connections.load(Ordering::SeqCst), 0);
}

fn errors_are_counted() {
    let server = start_with(Setup::default());
    let paths = ["/reset", "/overloaded", "/cut", "/silent", "/drop"];
    let flags: Vec<&str> = paths.iter().flat_map(|path| ["--path", path]).collect();
    let limits = ["--users", "8", "--timeout", "100ms", "--duration", "1s"];
    let json = load("browse", &server.base, &[&limits[..], &flags].concat()).json();
    let kinds = &json["groups"]["users"]["errors_by_kind"];
    for kind in ["reset: CANCEL", "status-503", "timeout"] {
        assert!(kinds[kind].as_u64().is_some(), "{kind}: {kinds:#}");
    }
}

fn interrupted() {
    let (flag, raised) = watch::channel(0);
    let server = start_with(Setup { raise: Some((3, flag)), ..Setup::default() });
    let long = ["--users", "2", "--duration", "9m", "--think", "20ms"];
    let outcome = load_until("browse", &server.base, &long, Interrupt::counted(raised));
    assert_eq!(outcome.code, 130);
    assert_eq!(outcome.json()["interrupted"], true);
}
