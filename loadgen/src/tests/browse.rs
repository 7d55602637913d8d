//! Journeys by goose. One test after the other in one body: goose keeps its stop flag in a global.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use http::Version;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use crate::engines::goose_users::protocol_name;
use crate::run::Interrupt;

use super::servers::{CommandOutput, Setup, load, load_until, start_with};
use super::tls::{Identity, identity};

const SHORT: &[&str] = &["--duration", "1s", "--users", "2", "--think", "20ms"];

valk_harness::test! {
    fn journeys_prove_http2() {
        plain_text();
        verified_tls();
        http1_is_invalid();
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

fn http1_is_invalid() {
    let known = identity("browse-h1", &[b"http/1.1"]);
    let outcome = load("browse", &http1_server(&known), &[SHORT, &["--insecure"]].concat());
    let json = outcome.json();
    assert_eq!(outcome.code, 1, "{json:#}");
    assert_eq!(json["verdict"], "INVALID");
    let answered = json["groups"]["users"]["protocols"]["HTTP/1.1"].as_u64().unwrap();
    assert!(answered > 0);
    let reason = json["invalid_reasons"][0].to_string();
    assert!(reason.contains(&format!("{answered} of {answered} responses")), "{reason}");
}

fn errors_are_counted() {
    let server = start_with(Setup::default());
    let paths = ["/reset", "/overloaded", "/cut", "/silent", "/drop"];
    let flags: Vec<&str> = paths.iter().flat_map(|path| ["--path", path]).collect();
    let limits = ["--users", "8", "--timeout", "100ms", "--duration", "1s"];
    let json = load("browse", &server.base, &[&limits[..], &flags].concat()).json();
    let kinds = &json["groups"]["users"]["errors_by_kind"];
    for kind in ["reset", "status-503", "timeout"] {
        assert!(kinds[kind].as_u64().is_some(), "{kind}: {kinds:#}");
    }
}

fn interrupted() {
    let (flag, raised) = watch::channel(false);
    let server = start_with(Setup { raise: Some((3, flag)), ..Setup::default() });
    let long = ["--users", "2", "--duration", "9m", "--think", "20ms"];
    let outcome = load_until("browse", &server.base, &long, Interrupt::Flag(raised));
    assert_eq!(outcome.code, 130);
    assert_eq!(outcome.json()["interrupted"], true);
}

valk_harness::test! {
    fn protocol_versions_have_names() {
        let versions = [Version::HTTP_2, Version::HTTP_11, Version::HTTP_10, Version::HTTP_3];
        assert_eq!(versions.map(protocol_name), ["HTTP/2", "HTTP/1.1", "HTTP/1.0", "other"]);
    }
}
