//! What handlers answer, how it is sent, and what a handler cannot break.

use super::*;
use std::time::Duration;

/// The response named by the path.
fn catalogue(path: &str) -> Response {
    let fields = |name: &'static str, value: &'static str| {
        Response::new(200).with_header(name, value.as_bytes())
    };
    match path {
        "/204" => Response::text(204, "dropped"),
        "/304" => Response::text(304, "dropped"),
        "/length-304" => Response::new(304).with_header("content-length", &b"9"[..]),
        "/length" => fields("Content-Length", "2").with_body("ok"),
        "/head-length" => fields("content-length", "77"),
        "/bad-status" => Response::new(600),
        "/informational" => Response::new(103),
        "/bad-name" => fields("no spaces", "x"),
        "/bad-value" => fields("x", "line\nbreak"),
        "/padded-value" => fields("x", "v "),
        "/connection" => fields("connection", "close"),
        "/keep-alive" => fields("Keep-Alive", "5"),
        "/bad-length" => fields("content-length", "3").with_body("ok"),
        "/signed-length" => fields("content-length", "+2").with_body("ok"),
        "/date" => fields("Date", "Thu, 01 Jan 1970 00:00:00 GMT"),
        "/two-lengths" => {
            fields("content-length", "2").with_header("content-length", &b"2"[..]).with_body("ok")
        }
        "/many-fields" => (0..101).fold(Response::new(200), |r, _| r.with_header("x", &b"1"[..])),
        "/long-field" => Response::new(200).with_header("x", vec![b'v'; 20_000]),
        _ => Response::text(200, "found"),
    }
}

valk_harness::test! {
    fn bodies_are_left_out_where_http_forbids_them() {
        virtual_time(async {
            let server = TestServer::start(Limits::default(), |request| {
                Reply::Ready(catalogue(request.path()))
            });
            let mut client = server.connect().await;
            let mut ask = async |method: &str, path: &str| {
                let answer = client.ask(request(method, path), Bytes::new()).await.unwrap();
                let length = answer.headers.get("content-length").cloned();
                let length = length.map(|length| length.to_str().unwrap().to_owned());
                (answer.status, length, answer.body.len())
            };
            let length = |text: &str| Some(text.to_owned());
            assert_eq!(ask("GET", "/").await, (200, length("5"), 5));
            assert_eq!(ask("HEAD", "/").await, (200, length("5"), 0));
            assert_eq!(ask("HEAD", "/head-length").await, (200, length("77"), 0));
            assert_eq!(ask("GET", "/204").await, (204, None, 0));
            assert_eq!(ask("GET", "/304").await, (304, None, 0));
            assert_eq!(ask("GET", "/length-304").await, (304, length("9"), 0));
            assert_eq!(ask("GET", "/length").await, (200, length("2"), 2));
            let totals = server.finish().await.totals;
            assert_eq!((totals.responses_2xx, totals.responses_3xx), (5, 2));
        });
    }
}

valk_harness::test! {
    fn invalid_responses_become_500_with_a_reason() {
        virtual_time(async {
            let server = TestServer::start(Limits::default(), |request| {
                Reply::Ready(catalogue(request.path()))
            });
            let mut client = server.connect().await;
            for (path, reason) in [
                ("/bad-status", "status 600"),
                ("/informational", "status 103"),
                ("/bad-name", "\"no spaces\" is not a field name"),
                ("/bad-value", "the value of x contains a control character"),
                ("/padded-value", "the value of x begins or ends with white space"),
                ("/connection", "field connection belongs to HTTP/1"),
                ("/keep-alive", "field keep-alive belongs to HTTP/1"),
                ("/bad-length", "content-length \"3\", but the body has 2 bytes"),
                ("/signed-length", "content-length \"+2\", but the body has 2 bytes"),
                ("/two-lengths", "and another one"),
                ("/many-fields", "101 fields, expected at most 100"),
                ("/long-field", "bytes of fields, expected at most 16384"),
            ] {
                let answer = client.get(path).await.unwrap();
                assert_eq!((answer.status, answer.body.len()), (500, 0), "{path}");
                assert!(server.saw_event(reason), "{path}: {:?}", server.events.borrow());
            }
            assert_eq!(server.finish().await.totals.responses_5xx, 12);
        });
    }
}

valk_harness::test! {
    fn every_response_has_a_date() {
        virtual_time(async {
            let server = TestServer::start(Limits::default(), |request| {
                Reply::Ready(catalogue(request.path()))
            });
            let mut client = server.connect().await;
            let mut date = async |path: &str| {
                let answer = client.get(path).await.unwrap();
                answer.headers["date"].to_str().unwrap().to_owned()
            };
            assert_eq!(date("/").await, "Thu, 01 Jan 2026 00:00:00 GMT");
            tokio::time::sleep(Duration::from_secs(3)).await;
            for path in ["/204", "/304", "/bad-name"] {
                assert_eq!(date(path).await, "Thu, 01 Jan 2026 00:00:03 GMT", "{path}");
            }
            assert_eq!(date("/date").await, "Thu, 01 Jan 1970 00:00:00 GMT");
            server.finish().await;
        });
    }
}

valk_harness::test! {
    fn panics_become_500_and_disturb_nobody() {
        virtual_time(async {
            let server = TestServer::start(Limits::default(), |request| match request.path() {
                "/now" => panic!("first words"),
                "/later" => Reply::pending(async {
                    settle().await;
                    panic!("{} words", "second")
                }),
                "/mute" => std::panic::panic_any(7),
                _ => Reply::pending(async {
                    tokio::time::sleep(Duration::from_secs(1)).await;
                    Response::text(200, "undisturbed")
                }),
            });
            let mut client = server.connect().await;
            let (calm, _) = client.start(get("/calm"), true);
            for path in ["/now", "/later", "/mute"] {
                assert_eq!(client.get(path).await.unwrap().status, 500, "{path}");
            }
            assert_eq!(read_answer(calm).await.unwrap().body, b"undisturbed");
            for text in ["GET /now: first words", "/later: second words", "a panic without text"] {
                assert!(server.saw_event(text), "{:?}", server.events.borrow());
            }
            server.finish().await;
        });
    }
}

valk_harness::test! {
    fn pending_replies_overtake_each_other() {
        virtual_time(async {
            let server = TestServer::start(Limits::default(), |request| {
                let seconds: u64 = request.path()[1..].parse().unwrap();
                Reply::pending(async move {
                    tokio::time::sleep(Duration::from_secs(seconds)).await;
                    Response::text(200, seconds.to_string())
                })
            });
            let mut client = server.connect().await;
            let began = tokio::time::Instant::now();
            let slow = client.start(get("/3"), true).0;
            let (response, mut body) = client.start(request("POST", "/2"), false);
            body.send_data("a body first".into(), true).unwrap();
            assert_eq!(client.get("/1").await.unwrap().body, b"1");
            assert_eq!(read_answer(response).await.unwrap().body, b"2");
            assert_eq!(read_answer(slow).await.unwrap().body, b"3");
            assert_eq!(began.elapsed().as_secs(), 3);
            server.finish().await;
        });
    }
}

valk_harness::test! {
    fn cancelled_request_drops_its_reply() {
        virtual_time(async {
            let dropped = Rc::new(Cell::new(false));
            let flag = Rc::clone(&dropped);
            let server = TestServer::start(Limits::default(), move |_| {
                let canary = Canary(Rc::clone(&flag));
                Reply::pending(async move {
                    let _canary = canary;
                    std::future::pending().await
                })
            });
            let mut client = server.connect().await;
            let (response, mut stream) = client.start(get("/"), true);
            settle().await;
            assert!(!dropped.get());
            stream.send_reset(h2::Reason::CANCEL);
            drop(response);
            settle().await;
            assert!(dropped.replace(false));
            // The same when the whole connection goes.
            let (_response, _stream) = client.start(get("/"), true);
            settle().await;
            client.driver.abort();
            settle().await;
            assert!(dropped.get());
            assert_eq!(server.finish().await.totals.cancelled, 2);
        });
    }
}

valk_harness::test! {
    fn slow_reader_gets_everything_when_it_reads() {
        virtual_time(async {
            let body: Vec<u8> = (0..1_000_000_u32).map(|n| (n % 253) as u8).collect();
            let sent = Bytes::from(body.clone());
            let server = TestServer::start(Limits::default(), move |_| {
                Reply::Ready(Response::new(200).with_body(sent.clone()))
            });
            let mut client = server.connect_with(|client| {
                client.initial_window_size(100);
            }).await;
            let (response, _) = client.start(get("/"), true);
            let mut stream = response.await.unwrap().into_body();
            let mut received = Vec::new();
            while let Some(chunk) = stream.data().await {
                let chunk = chunk.unwrap();
                assert!(chunk.len() <= 100, "more than the window");
                received.extend_from_slice(&chunk);
                if received.len().is_multiple_of(50_000) {
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
                stream.flow_control().release_capacity(chunk.len()).unwrap();
            }
            assert!(received == body, "the body came changed");
            assert_eq!(server.finish().await.totals.responses_2xx, 1);
        });
    }
}

valk_harness::test! {
    fn unread_responses_hold_back_further_requests() {
        virtual_time(async {
            let calls = Rc::new(Cell::new(0));
            let counted = Rc::clone(&calls);
            let limits = Limits { connection_response_bytes: 2000, ..Limits::default() };
            let server = TestServer::start(limits, move |_| {
                counted.set(counted.get() + 1);
                Reply::Ready(Response::new(200).with_body(vec![1; 1000]))
            });
            let mut client = server.connect_with(|client| {
                client.initial_window_size(10);
            }).await;
            let waiting: Vec<_> = (0..10).map(|_| client.start(get("/"), true).0).collect();
            settle().await;
            assert_eq!(calls.get(), 3, "two responses, each less the window, are under the limit");
            assert_eq!(server.snapshot().connections_waiting, 1);
            let (impatient, mut stream) = client.start(get("/"), true);
            settle().await;
            stream.send_reset(h2::Reason::CANCEL);
            drop(impatient);
            for response in waiting {
                assert_eq!(read_answer(response).await.unwrap().body.len(), 1000);
            }
            assert!((10..=11).contains(&calls.get()));
            let totals = server.finish().await.totals;
            assert_eq!(totals.responses_2xx, 10);
        });
    }
}

valk_harness::test! {
    fn a_client_that_leaves_unread_responses_does_not_wait_any_more() {
        virtual_time(async {
            let limits = Limits { connection_response_bytes: 500, ..Limits::default() };
            let server = TestServer::start(limits, |_| {
                Reply::Ready(Response::new(200).with_body(vec![1; 1000]))
            });
            let mut client = server.connect_with(|client| {
                client.initial_window_size(10);
            }).await;
            let unread = client.start(get("/"), true).0;
            settle().await;
            assert_eq!(server.snapshot().connections_waiting, 1);
            client.driver.abort();
            drop((unread, client));
            settle().await;
            assert_eq!(server.snapshot().connections_waiting, 0);
            server.finish().await;
        });
    }
}

valk_harness::test! {
    fn reader_that_stops_is_reset() {
        virtual_time(async {
            let limits = Limits { stall_bytes: 100, ..Limits::default() };
            let server = TestServer::start(limits.clone(), |_| {
                Reply::Ready(Response::new(200).with_body(vec![1; 1000]))
            });
            let mut client = server.connect_with(|client| {
                client.initial_window_size(150);
            }).await;
            let (response, _) = client.start(get("/"), true);
            let mut stream = response.await.unwrap().into_body();
            let first = stream.data().await.unwrap().unwrap();
            // One byte at a time is not progress.
            tokio::time::sleep(limits.stall_timeout).await;
            stream.flow_control().release_capacity(80).unwrap();
            let mut received = first.len();
            let end = loop {
                match stream.data().await.unwrap() {
                    Ok(chunk) => received += chunk.len(),
                    Err(error) => break error,
                }
            };
            assert_eq!(end.reason(), Some(h2::Reason::CANCEL));
            assert!(received < 1000);
            assert_eq!(server.finish().await.totals.stalled, 1);
        });
    }
}

valk_harness::test! {
    fn client_that_resets_in_mid_response_frees_it() {
        virtual_time(async {
            let server = TestServer::start(Limits::default(), |_| {
                Reply::Ready(Response::new(200).with_body(vec![1; 1_000_000]))
            });
            let mut client = server.connect().await;
            let (response, mut stream) = client.start(get("/"), true);
            let body = response.await.unwrap().into_body();
            stream.send_reset(h2::Reason::CANCEL);
            drop(body);
            settle().await;
            let totals = server.finish().await.totals;
            assert_eq!((totals.cancelled, totals.answered()), (1, 0));
        });
    }
}

valk_harness::test! {
    fn refusal_waits_for_a_closed_window_too() {
        virtual_time(async {
            let server = TestServer::hello(Limits { header_fields: 1, ..Limits::default() });
            let mut client = server.connect_with(|client| {
                client.initial_window_size(1);
            }).await;
            let mut ask = get("/");
            ask.headers_mut().insert("x", "y".parse().unwrap());
            ask.headers_mut().append("x", "z".parse().unwrap());
            let answer = client.ask(ask, Bytes::new()).await.unwrap();
            assert_eq!(answer.body, b"too many header fields\n");
            server.finish().await;
        });
    }
}
