//! Connections: their addresses, limits, replacement, and what is said when one fails.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;
use std::time::Duration;

use rustix::process::{Resource, getrlimit, setrlimit};

use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair};
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpSocket;
use tokio_rustls::TlsAcceptor;

use crate::attacks::frames::{settings, window_update};
use crate::connections::dialer::Dialer;
use crate::connections::failure::DialError;
use crate::connections::target::Target;
use crate::connections::tls::Trust;
use crate::limits::backoff;
use crate::recording::error_kind::ErrorKind;

use super::servers::{Setup, command, load, never, raw, start, start_with};
use super::tls::identity;
use super::weak_servers::{Weakness, weak};

valk_harness::test! {
    fn a_graceful_goaway_costs_no_request() {
        for flags in [
            &["--connections", "2", "--streams", "32"][..],
            &["--connections", "1", "--streams", "2"],
        ] {
            let server = start_with(Setup { leave: Some(20), max_streams: 5, ..Setup::default() });
            let more = ["--rate", "400", "--duration", "500ms", "--threshold", "errors<=0"];
            let outcome = load("steady", &server.base, &[flags, &more].concat());
            let json = outcome.json();
            let group = &json["groups"]["steady"];
            assert_eq!((outcome.code, &group["ok"]), (0, &200.into()), "{group:#}");
            assert!(group["replaced_connections"].as_u64().unwrap() >= 4, "{group:#}");
            assert_eq!(group["lost_connections"].get("goaway: NO_ERROR"), None, "{group:#}");
        }
    }
}

valk_harness::test! {
    fn what_the_server_did_not_begin_goes_out_again() {
        let base = weak(Weakness::LeavesOnce);
        let flags = ["--rate", "200", "--duration", "300ms", "--connections", "1", "--streams", "8"];
        let outcome = load("steady", &base, &[&flags[..], &["--threshold", "errors<=0"]].concat());
        let json = outcome.json();
        let group = &json["groups"]["steady"];
        assert_eq!((outcome.code, &group["ok"]), (0, &60.into()), "{group:#}");
        assert!(group["resent"].as_u64() >= Some(1), "{group:#}");
        assert_eq!(group["replaced_connections"], 1, "{group:#}");
    }
}

valk_harness::test! {
    fn nothing_is_opened_while_the_peer_does_not_read() {
        let base = takes_nothing();
        let path = std::env::temp_dir().join(format!("valk-load-big-{}", std::process::id()));
        std::fs::write(&path, vec![b'b'; 8 << 20]).unwrap();
        let args = [
            "run", "steady", "--target", &base, "--json", "--quiet", "--closed", "--connections", "1",
            "--streams", "4", "--duration", "2s", "--timeout", "1s", "--data-file",
        ];
        let outcome = command(&[&args[..], &[path.to_str().unwrap()]].concat(), never());
        std::fs::remove_file(&path).unwrap();
        let json = outcome.json();
        let group = &json["groups"]["steady"];
        // The four that left; those that came due after them wait for a peer that reads.
        assert_eq!(group["ok"], 0, "{group:#}");
        assert_eq!(group["errors_by_kind"]["timeout"], 4, "{group:#}");
    }
}

/// A server that allows the largest bodies and reads none.
fn takes_nothing() -> String {
    use std::io::Write;
    let listener = listener(|socket| socket.set_recv_buffer_size(4 << 10).unwrap());
    let base = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let greeting = [settings(&[(4, 0x7fff_ffff)]), window_update(0, 0x7fff_0000)].concat();
        let mut kept = Vec::new();
        for tcp in listener.incoming() {
            let mut tcp = tcp.unwrap();
            tcp.write_all(&greeting).unwrap();
            kept.push(tcp);
        }
    });
    base
}

valk_harness::test! {
    fn a_flush_that_waits_is_a_write_that_waits() {
        let known = identity("flush", &[b"h2"]);
        let listener = listener(|_| {});
        let base = format!("https://{}", listener.local_addr().unwrap());
        let dialer = Dialer::new(&Target::parse(&base, &[]).unwrap(), Some(&Trust::AnyCertificate));
        let dialer = dialer.unwrap().with_send_buffer(4 << 10);
        in_reactor(async move {
            listener.set_nonblocking(true).unwrap();
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            let server = async {
                let (tcp, _) = listener.accept().await.unwrap();
                TlsAcceptor::from(Arc::clone(&known.server)).accept(tcp).await.unwrap()
            };
            let (wire, mut server) = tokio::join!(dialer.connect(), server);
            let mut wire = wire.unwrap();
            let blocked = wire.blocked();
            // The server does not read. TLS takes the bytes, and cannot get rid of all of them.
            let part = [b'x'; 16 << 10];
            let mut written = 0;
            let waits = std::future::poll_fn(|cx| {
                loop {
                    match Pin::new(&mut wire).poll_write(cx, &part) {
                        Poll::Ready(taken) => written += taken.unwrap(),
                        Poll::Pending => return Poll::Ready(false),
                    }
                    if Pin::new(&mut wire).poll_flush(cx).is_pending() {
                        return Poll::Ready(true);
                    }
                }
            });
            assert!(waits.await, "the flush waits");
            assert!(blocked.load(Ordering::SeqCst));
            let mut read = vec![0; written];
            let (flushed, got) = tokio::join!(wire.flush(), server.read_exact(&mut read));
            flushed.unwrap();
            assert_eq!(got.unwrap(), written);
            wire.write_all(b"more").await.unwrap();
            assert!(!blocked.load(Ordering::SeqCst));
        });
    }
}

valk_harness::test! {
    fn users_survive_a_graceful_goaway_too() {
        let server = start_with(Setup { leave: Some(5), ..Setup::default() });
        let flags = ["--users", "2", "--duration", "1s", "--think", "5ms", "--threshold", "errors<=0"];
        let outcome = load("browse", &server.base, &flags);
        let json = outcome.json();
        assert_eq!(outcome.code, 0, "{json:#}");
        assert!(server.seen.connections.load(Ordering::SeqCst) > 3, "{json:#}");
    }
}

valk_harness::test! {
    fn a_dead_server_is_not_hammered() {
        let server = start();
        let flags = ["--users", "3", "--duration", "1s", "--path", "/die"];
        let json = load("browse", &server.base, &flags).json();
        let errors = json["groups"]["users"]["errors_by_kind"].as_object().unwrap();
        let refused = errors.get("refused").and_then(serde_json::Value::as_u64).unwrap_or(0);
        // Without a pause there are tens of thousands.
        assert!(refused > 0 && refused < 200, "{errors:?}");
        assert_eq!(backoff(1), Duration::from_millis(100));
        assert_eq!(backoff(3), Duration::from_millis(400));
        assert_eq!(backoff(99), Duration::from_secs(2));
    }
}

valk_harness::test! {
    fn a_closed_loop_waits_before_it_tries_a_dead_server_again() {
        let server = start();
        let flags = ["--closed", "--duration", "1s", "--path", "/die", "--connections", "1", "--streams", "2"];
        let json = load("steady", &server.base, &flags).json();
        let errors = &json["groups"]["steady"]["errors_by_kind"];
        let refused = errors["refused"].as_u64().unwrap();
        assert!(refused > 0 && refused < 100, "{errors:#}");
    }
}

fn in_reactor<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(work)
}

valk_harness::test! {
    fn the_second_address_of_a_name_is_tried() {
        // The first address refuses, the second answers, as with a server on ::1 only.
        let server = start_with(Setup { address: "[::1]:0", ..Setup::default() });
        let port: u16 = server.base.rsplit(':').next().unwrap().parse().unwrap();
        let mut target = Target::parse(&format!("http://localhost:{port}"), &[]).unwrap();
        target.addresses = vec![([127, 0, 0, 1], port).into(), (std::net::Ipv6Addr::LOCALHOST, port).into()];
        let dialer = Dialer::new(&target, None).unwrap();
        in_reactor(async {
            dialer.probe().await.unwrap();
            assert!(dialer.tcp().await.unwrap().peer_addr().unwrap().is_ipv6());
        });
        // When none answers, the failure is that of the first.
        target.addresses = vec![([127, 0, 0, 1], 1).into(), (std::net::Ipv6Addr::LOCALHOST, 1).into()];
        let error = in_reactor(Dialer::new(&target, None).unwrap().probe()).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Refused);
        assert!(error.hint.contains("127.0.0.1:1"), "{}", error.hint);
    }
}

/// A server whose certificate is that of an authority, as the usual openssl line makes it.
fn authority_as_server() -> (super::servers::Server, String) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec!["127.0.0.1".to_string()]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let certificate = params.self_signed(&key).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der())),
        )
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let server = start_with(Setup { tls: Some(Arc::new(config)), ..Setup::default() });
    (server, certificate.pem())
}

valk_harness::test! {
    fn tls_failures_say_what_is_wrong_and_what_to_do() {
        let (server, pem) = authority_as_server();
        let path = std::env::temp_dir().join(format!("valk-load-ca-{}.pem", std::process::id()));
        std::fs::write(&path, pem).unwrap();
        let outcome = load("steady", &server.base, &["--ca", path.to_str().unwrap()]);
        std::fs::remove_file(&path).unwrap();
        assert_eq!(outcome.code, 3);
        assert!(outcome.err.contains("CA:TRUE"), "{}", outcome.err);
        assert!(outcome.err.contains("CA:FALSE") && outcome.err.contains("--insecure"), "{}", outcome.err);

        // A plain-text server behind https://, where --insecure is no advice any more.
        let plain = start().base.replace("http:", "https:");
        let outcome = load("steady", &plain, &["--insecure"]);
        assert_eq!(outcome.code, 3);
        assert!(outcome.err.contains("does not speak TLS"), "{}", outcome.err);
        assert!(outcome.err.contains("use http://") && !outcome.err.contains("--insecure"), "{}", outcome.err);

        // A TLS server behind http://.
        let known = identity("expects", &[b"h2"]);
        let tls = start_with(Setup { tls: Some(Arc::clone(&known.server)), ..Setup::default() });
        let outcome = load("steady", &tls.base.replace("https:", "http:"), &[]);
        assert_eq!(outcome.code, 3);
        assert!(outcome.err.contains("speaks TLS") && outcome.err.contains("use https://"), "{}", outcome.err);
        // One that answers with an alert, as others do.
        let outcome = load("steady", &raw(b"\x15\x03\x01\x00\x02\x02\x28abcdef"), &[]);
        assert!(outcome.err.contains("use https://"), "{}", outcome.err);
    }
}

valk_harness::test! {
    fn other_tls_failures_have_hints() {
        for (text, verified, cause, hint) in [
            ("NoApplicationProtocol", true, "offers no `h2` in ALPN", "does the server offer it"),
            ("no application protocol", true, "offers no `h2` in ALPN", "does the server offer it"),
            ("certificate Expired", true, "has expired", "renew it"),
            ("certificate expired: verification time", true, "has expired", "renew it"),
            ("UnknownIssuer", true, "did not sign the server's certificate", "--insecure"),
            ("BadSignature", true, "did not sign the server's certificate", "--insecure"),
            ("NotValidForName", true, "is not for `host`", "a name of the certificate"),
            ("not valid for name \"a\"", true, "is not for `host`", "a name of the certificate"),
            ("something", true, "TLS handshake failed: something", "--insecure"),
            ("something", false, "TLS handshake failed: something", "no certificate was refused"),
        ] {
            let error = DialError::tls(text, "host", 1, verified);
            assert!(error.cause.contains(cause) && error.hint.contains(hint), "{error:?}");
            let kind = if cause.contains("ALPN") { ErrorKind::NotHttp2 } else { ErrorKind::Tls };
            assert_eq!(error.kind, kind);
        }
        let address = ([127, 0, 0, 1], 1).into();
        let of = |code| DialError::tcp(&std::io::Error::from_raw_os_error(code), address);
        assert!(of(24).hint.contains("ulimit -n"), "{:?}", of(24));
        assert!(of(99).hint.contains("no free local port"), "{:?}", of(99));
    }
}

valk_harness::test! {
    fn the_limit_of_streams_is_never_exceeded() {
        let server = start_with(Setup { max_streams: 3, ..Setup::default() });
        let flags = [
            "--rate", "2000", "--duration", "300ms", "--connections", "2", "--streams", "50",
            "--path", "/slow", "--threshold", "count>=10",
        ];
        let json = load("steady", &server.base, &flags).json();
        let group = &json["groups"]["steady"];
        assert_eq!(group["errors_by_kind"].get("reset: REFUSED_STREAM"), None, "{group:#}");
        assert_eq!(server.seen.most_open.load(Ordering::SeqCst), 3, "{group:#}");
    }
}

valk_harness::test! {
    fn connections_are_replaced_on_purpose() {
        let server = start();
        let flags = ["--rate", "200", "--duration", "500ms", "--connections", "2", "--threshold", "errors<=0"];
        let outcome = load("steady", &server.base, &[&flags[..], &["--requests-per-connection", "10"]].concat());
        let json = outcome.json();
        assert_eq!(outcome.code, 0, "{json:#}");
        // The probe, ten connections of ten requests each, and the two that took the place of the last
        // full ones, if they came before the end.
        let connections = server.seen.connections.load(Ordering::SeqCst);
        assert!((11..=13).contains(&connections), "{connections}: {json:#}");

        let server = start();
        let outcome = load("steady", &server.base, &[&flags[..], &["--connections-per-second", "20"]].concat());
        let json = outcome.json();
        assert_eq!(outcome.code, 0, "{json:#}");
        let connections = server.seen.connections.load(Ordering::SeqCst);
        assert!((6..=13).contains(&connections), "{connections}: {json:#}");
    }
}

valk_harness::test! {
    fn too_few_descriptors_are_found_before_the_start() {
        use crate::options::descriptors;
        descriptors(64).unwrap();
        let error = descriptors(u64::MAX).unwrap_err();
        assert_eq!(error.exit_code(), 2);
        assert!(error.to_string().contains("ulimit -n"), "{error}");
        // A soft limit is raised as far as it may be. Each test is a process of its own.
        let mut limit = getrlimit(Resource::Nofile);
        limit.current = Some(40);
        setrlimit(Resource::Nofile, limit).unwrap();
        descriptors(41).unwrap();
        assert_eq!(getrlimit(Resource::Nofile).current, limit.maximum);
    }
}

valk_harness::test! {
    fn a_server_that_closes_before_its_settings_is_not_http2() {
        use std::io::{Read, Write};
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            let (mut probe, _) = listener.accept().unwrap();
            probe.read_exact(&mut [0; 33]).unwrap();
            probe.write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0]).unwrap();
            for tcp in listener.incoming() {
                let _ = tcp.unwrap().read(&mut [0; 24]);
            }
        });
        let outcome = load("steady", &base, &[]);
        assert_eq!(outcome.code, 3, "{}{}", outcome.out, outcome.err);
        assert!(outcome.err.contains("does not speak HTTP/2"), "{}", outcome.err);
    }
}

valk_harness::test! {
    fn a_silent_address_is_left_for_the_next() {
        // A listener whose queue is full drops the handshakes of others.
        let full = socket_that_is_full();
        let server = start();
        let port: u16 = server.base.rsplit(':').next().unwrap().parse().unwrap();
        let mut target = Target::parse(&server.base, &[]).unwrap();
        target.addresses = vec![full.0.local_addr().unwrap(), ([127, 0, 0, 1], port).into()];
        let dialer = Dialer::new(&target, None).unwrap();
        let begin = std::time::Instant::now();
        in_reactor(dialer.probe()).unwrap();
        // Not at once, and not after the whole time for a connection.
        assert!(begin.elapsed() < Duration::from_secs(30));
        // The one that answered is tried first from now on.
        assert_eq!(in_reactor(dialer.tcp()).unwrap().peer_addr().unwrap().port(), port);
    }
}

/// A listener whose connections wait for who accepts them.
fn listener(prepare: impl Fn(&TcpSocket)) -> std::net::TcpListener {
    let listener = in_reactor(async { listener_in_reactor(16, prepare) });
    listener.set_nonblocking(false).unwrap();
    listener
}

fn listener_in_reactor(queue: u32, prepare: impl Fn(&TcpSocket)) -> std::net::TcpListener {
    let socket = TcpSocket::new_v4().unwrap();
    prepare(&socket);
    socket.bind(([127, 0, 0, 1], 0).into()).unwrap();
    socket.listen(queue).unwrap().into_std().unwrap()
}

/// A listener with connections that nobody accepts, as many as its queue holds.
fn socket_that_is_full() -> (std::net::TcpListener, Vec<std::net::TcpStream>) {
    in_reactor(async {
        let listener = listener_in_reactor(1, |_| {});
        let address = listener.local_addr().unwrap();
        let mut waiting = Vec::new();
        while let Ok(Ok(tcp)) =
            tokio::time::timeout(Duration::from_secs(1), tokio::net::TcpStream::connect(address))
                .await
        {
            waiting.push(tcp.into_std().unwrap());
        }
        (listener, waiting)
    })
}
