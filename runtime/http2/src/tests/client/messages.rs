//! What is sent and what comes back, against our own server.

use super::*;
use crate::client::redirect::resolve;
use crate::{BodySink, Taken};

/// A field of a request; `none` without it.
fn field(request: &Request, name: &str) -> Vec<u8> {
    request.header(name).map_or_else(|| b"none".to_vec(), std::borrow::Cow::into_owned)
}

fn echo(request: &Request) -> Reply {
    let line = format!(
        "{} {} {} {}",
        request.method(),
        request.path(),
        request.scheme(),
        request.authority().unwrap_or("none")
    );
    let response = Response::new(200)
        .with_header("x-line", line)
        .with_header("x-length", field(request, "content-length"))
        .with_header("x-sent", field(request, "x-sent"));
    Reply::Ready(response.with_body(request.body().clone()))
}

fn text(response: &ClientResponse, name: &str) -> String {
    String::from_utf8_lossy(response.header(name).unwrap_or(b"missing")).into_owned()
}

valk_harness::test! {
    fn a_request_is_sent_as_it_was_made() {
        simulated(|simulation| async move {
            let server = Running::clear(&simulation, echo);
            let client = client(&simulation, ClientLimits::default());
            let response = client.send(get_from("server", "/a?b=c")).await.unwrap();
            assert_eq!(response.status, 200);
            assert_eq!(text(&response, "X-LINE"), "GET /a?b=c http server:443");
            assert_eq!(text(&response, "x-length"), "none", "GET without a body has no length");
            assert_eq!((text(&response, "x-sent"), &response.body[..]), ("none".to_owned(), &b""[..]));
            let mut request = post_to("SERVER", "body");
            request.headers.push(("X-Sent".to_owned(), Bytes::from_static(b"yes")));
            request.headers.push(("content-length".to_owned(), Bytes::from_static(b"4")));
            request.authority = Some("other.test".to_owned());
            let response = client.send(request).await.unwrap();
            assert_eq!(text(&response, "x-line"), "POST / http other.test");
            assert_eq!((text(&response, "x-length"), text(&response, "x-sent")), ("4".into(), "yes".into()));
            assert_eq!(response.body, "body");
            let response = client.send(post_to("server", "")).await.unwrap();
            assert_eq!(text(&response, "x-length"), "0", "POST says that it has no body");
            for method in ["PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "REPORT"] {
                let request = ClientRequest { method: method.to_owned(), ..get_from("server", "/") };
                let response = client.send(request).await.unwrap();
                assert_eq!(text(&response, "x-line"), format!("{method} / http server:443"));
            }
            assert_eq!(server.finish().await.connections, 1, "one connection for all");
        });
    }

    fn bodies_of_any_size_are_identical_both_ways() {
        simulated(|simulation| async move {
            let limits = Limits { body_bytes: 32 << 20, ..Limits::default() };
            let config = ServerConfig { limits, ..ServerConfig::default() };
            let server = Running::start(&simulation, "server", &config, echo);
            let client = client(&simulation, ClientLimits::default());
            for bytes in [0, 1, 65_535, 1 << 20, 5 << 20] {
                let body: Vec<u8> = (0..bytes).map(|n: usize| (n * 7 % 256) as u8).collect();
                let response = client.send(post_to("server", body.clone())).await.unwrap();
                assert!(response.body == body, "{bytes} bytes");
            }
            server.finish().await;
        });
    }

    fn a_server_that_wants_no_more_of_a_body_is_heard() {
        simulated(|simulation| async move {
            let server = Running::clear(&simulation, echo);
            let client = client(&simulation, ClientLimits::default());
            let response = client.send(post_to("server", vec![b'x'; 20 << 20])).await.unwrap();
            assert_eq!(response.status, 413);
            assert_eq!(client.send(get_from("server", "/")).await.unwrap().status, 200);
            assert_eq!(server.finish().await.connections, 1);
        });
    }

    fn trailers_go_both_ways() {
        simulated(|simulation| async move {
            let mut peer = Peer::listen(&simulation);
            let client = client(&simulation, ClientLimits::default());
            let mut request = post_to("server", "");
            request.trailers.push(("x-after".to_owned(), Bytes::from_static(b"1")));
            let sent = send(&client, request);
            let mut talk = peer.accept().await;
            let stream = talk.request().await;
            let trailers = talk.until(HEADERS).await;
            assert!(!trailers.payload.is_empty(), "the request's trailers");
            talk.say(&frame(HEADERS, END_HEADERS, stream, OK_BLOCK)).await;
            talk.say(&frame(DATA, 0, stream, b"text")).await;
            // Literal field without indexing: x 1.
            talk.say(&frame(HEADERS, WHOLE, stream, &[0, 1, b'x', 1, b'1'])).await;
            let response = sent.await.unwrap().unwrap();
            assert_eq!(response.body, "text");
            assert_eq!(response.trailers, [("x".to_owned(), Bytes::from_static(b"1"))]);
        });
    }

    fn a_response_above_the_limit_is_an_error_and_the_connection_goes_on() {
        simulated(|simulation| async move {
            let server = Running::clear(&simulation, echo);
            let client = client(&simulation, ClientLimits::default());
            let limited = |bytes: usize| {
                with_options(post_to("server", vec![0; bytes]), |options| options.response_bytes_max = 1000)
            };
            assert_eq!(client.send(limited(1000)).await.unwrap().body.len(), 1000);
            let error = client.send(limited(1001)).await.unwrap_err();
            assert_eq!(error, ClientError::ResponseTooLarge { limit_bytes: 1000 });
            assert_eq!(client.send(limited(1)).await.unwrap().status, 200);
            assert_eq!(server.finish().await.connections, 1);
        });
    }
}

/// Requests that cannot be sent, and a part of the error.
fn invalid_requests() -> Vec<(&'static str, (ClientRequest, &'static str))> {
    let get = || get_from("server", "/");
    let field = |name: &str, value: &'static [u8]| {
        let headers = vec![(name.to_owned(), Bytes::from_static(value))];
        ClientRequest { headers, ..get() }
    };
    let cases = vec![
        ("method", ClientRequest { method: "GE T".to_owned(), ..get() }, "is not a method"),
        ("connect", ClientRequest { method: "CONNECT".to_owned(), ..get() }, "is not a method"),
        ("no_path", get_from("server", ""), "is not a path"),
        ("path", get_from("server", "/a b"), "is not a path"),
        ("relative", get_from("server", "a"), "is not a path"),
        ("star", get_from("server", "*"), "is not a path"),
        ("fragment", get_from("server", "/a#b"), "is not a path"),
        ("host", get_from("a b", "/"), "is not a host"),
        ("name", field("a b", b"1"), "is not a field name"),
        ("pseudo", field(":method", b"GET"), "is not a field name"),
        ("value", field("a", b"1\n2"), "control character"),
        ("connection", field("Connection", b"close"), "does not exist in HTTP/2"),
        ("te", field("te", b"gzip"), "does not exist in HTTP/2"),
        ("host_field", field("Host", b"x"), "is :authority"),
        ("length", field("content-length", b"5"), "differs from the body's 0 bytes"),
        (
            "trailer",
            ClientRequest { trailers: vec![("a b".to_owned(), Bytes::new())], ..get() },
            "is not a field name",
        ),
    ];
    cases.into_iter().map(|(name, request, part)| (name, (request, part))).collect()
}

valk_harness::cases! {
    fn what_is_not_http_is_not_sent((request, part): (ClientRequest, &'static str)) in invalid_requests()
    {
        simulated(|simulation| async move {
            let server = Running::clear(&simulation, echo);
            let error = client(&simulation, ClientLimits::default()).send(request).await.unwrap_err();
            let text = error.to_string();
            assert!(text.starts_with("Could not submit HTTP request: "), "{text}");
            assert!(text.contains(part), "{text}");
            assert_eq!(server.finish().await.requests, 0);
        });
    }
}

valk_harness::test! {
    fn urls_are_taken_apart() {
        let parts = |url: &str| {
            let request = ClientRequest::from_url(url).map_err(|error| error.to_string())?;
            let authority = request.authority();
            Ok::<_, String>((request.is_tls, request.host, request.port, request.path, authority))
        };
        for (url, tls, host, port, path, authority) in [
            ("https://a.test", true, "a.test", 443, "/", "a.test"),
            ("https://a.test:8443/x?y=z#w", true, "a.test", 8443, "/x?y=z", "a.test:8443"),
            ("http://a.test:80?q", false, "a.test", 80, "/?q", "a.test"),
            ("HTTP://[::1]:8080/", false, "[::1]", 8080, "/", "[::1]:8080"),
        ] {
            let expected = (tls, host.to_owned(), port, path.to_owned(), authority.to_owned());
            assert_eq!(parts(url), Ok(expected), "{url}");
        }
        for (url, part) in [
            ("a.test/x", "expected https:// or http://"),
            ("ftp://a.test", "expected https:// or http://"),
            ("", "expected https:// or http://"),
            ("https:// a.test", "does not belong there"),
            ("https://user:secret@a.test", "authorization header"),
            ("https://a.test:99999/", "0 to 65535"),
        ] {
            let error = parts(url).unwrap_err();
            assert!(error.contains(part), "{url}: {error}");
        }
        let v6 = ClientRequest::get(true, "::1", 8443, "/");
        assert_eq!((v6.authority(), v6.bracketed_host()), ("[::1]:8443".into(), "[::1]".into()));
    }

    fn references_are_resolved() {
        for (reference, url) in [
            ("https://b.test/x", "https://b.test/x"),
            ("//b.test/x", "https://b.test/x"),
            ("/x?y", "https://a.test/x?y"),
            ("x", "https://a.test/b/x"),
            ("./x", "https://a.test/b/x"),
            ("../x#f", "https://a.test/x"),
            ("../../x", "https://a.test/x"),
            ("x/..", "https://a.test/b/"),
            ("?z", "https://a.test/b/c?z"),
            ("", "https://a.test/b/c?q"),
            ("x?u=http://c.test/", "https://a.test/b/x?u=http://c.test/"),
        ] {
            assert_eq!(resolve("https", "a.test", "/b/c?q", reference), url, "{reference}");
        }
    }
}

/// Answers as the path says: `/302/there` sends to `/there`.
fn redirecting(request: &Request) -> Reply {
    let path = request.path().to_owned();
    let mut parts = path.splitn(3, '/').skip(1);
    let status = parts.next().and_then(|status| status.parse().ok());
    let Some(status) = status else {
        let secret = field(request, "authorization");
        let line = format!("{} {path} {}", request.method(), request.body().len());
        return Reply::Ready(Response::text(200, line).with_header("x-secret", secret));
    };
    let rest = parts.next().unwrap_or_default();
    let location = if rest.contains("://") { rest.to_owned() } else { format!("/{rest}") };
    Reply::Ready(Response::new(status).with_header("location", location))
}

valk_harness::test! {
    fn redirects_are_followed_when_asked_for() {
        simulated(|simulation| async move {
            let server = Running::clear(&simulation, redirecting);
            let other = Running::start(&simulation, "other", &ServerConfig::default(), redirecting);
            let client = client(&simulation, ClientLimits::default());
            let ask = async |method: &str, path: &str, redirects: u32| {
                let mut request = post_to("server", "1234");
                (request.method, request.path) = (method.to_owned(), path.to_owned());
                request.headers.push(("Authorization".to_owned(), Bytes::from_static(b"secret")));
                request.headers.push(("Content-Type".to_owned(), Bytes::from_static(b"a/b")));
                let response = client.send(with_options(request, |o| o.redirects = redirects)).await;
                response.map(|response| {
                    let body = String::from_utf8_lossy(&response.body).into_owned();
                    (response.status, body, text(&response, "x-secret"))
                })
            };
            let found = |line: &str, secret: &str| Ok((200, line.to_owned(), secret.to_owned()));
            assert_eq!(ask("POST", "/302/x", 0).await.unwrap().0, 302, "not unless asked for");
            assert_eq!(ask("POST", "/302/x", 1).await, found("GET /x 0", "secret"));
            assert_eq!(ask("PUT", "/308/x", 1).await, found("PUT /x 4", "secret"));
            assert_eq!(ask("POST", "/307/301/x", 2).await, found("GET /x 0", "secret"));
            assert_eq!(ask("GET", "/303/http://other:443/x", 1).await, found("GET /x 4", "none"));
            let error = ask("POST", "/307/307/x", 1).await.unwrap_err().to_string();
            assert!(error.contains("the 1 that :redirects allows"), "{error}");
            let error = ask("POST", "/301/ftp://x", 1).await.unwrap_err().to_string();
            assert!(error.contains("expected https:// or http://"), "{error}");
            server.finish().await;
            assert_eq!(other.finish().await.requests, 1);
        });
    }
}

/// Takes parts a second each, up to a number of bytes.
struct Slow {
    taken: Cell<usize>,
    most: usize,
}

impl BodySink for Slow {
    fn take(&self, part: Bytes) -> Taken<'_> {
        Box::pin(async move {
            tokio::time::sleep(Duration::from_secs(1)).await;
            self.taken.set(self.taken.get() + part.len());
            if self.taken.get() > self.most { Err("that is enough".to_owned()) } else { Ok(()) }
        })
    }
}

valk_harness::test! {
    fn a_sink_takes_the_body_at_its_own_pace() {
        simulated(|simulation| async move {
            // Its client is slow on purpose; that is not to end the stream.
            let limits = Limits { stall_timeout: Duration::from_hours(1), ..Limits::default() };
            let config = ServerConfig { limits, ..ServerConfig::default() };
            let server = Running::start(&simulation, "server", &config, |_| {
                Reply::Ready(Response::new(200).with_body(vec![b'x'; 3 << 20]))
            });
            let limits = ClientLimits { stream_window: 100_000, ..ClientLimits::default() };
            let client = client(&simulation, limits);
            let request = with_options(get_from("server", "/"), |o| {
                o.response_bytes_max = 10;
                o.idle_timeout = Duration::from_millis(500);
            });
            let sink = Slow { taken: Cell::new(0), most: usize::MAX };
            let response = client.send_to(request.clone(), Some(&sink)).await.unwrap();
            assert_eq!((response.status, response.body.len(), sink.taken.get()), (200, 0, 3 << 20));
            let sink = Slow { taken: Cell::new(0), most: 50_000 };
            let error = client.send_to(request, Some(&sink)).await.unwrap_err();
            assert_eq!(error, ClientError::Sink { reason: "that is enough".to_owned() });
            assert_eq!(error.to_string(), "that is enough");
            assert!(sink.taken.get() < 200_000);
            settle().await;
            tokio::time::sleep(Duration::from_millis(50)).await;
            assert_eq!(server.totals().cancelled, 1, "the server need not send the rest");
            server.finish().await;
        });
    }
}
