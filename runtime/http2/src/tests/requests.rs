//! What handlers see, and which requests never reach them.

use super::*;
use crate::limits::Limits;
use std::time::Duration;

valk_harness::test! {
    fn handler_sees_the_request_as_it_was_sent() {
        virtual_time(async {
            let server = TestServer::start(Limits::default(), |request| {
                let headers: Vec<_> = request
                    .headers()
                    .map(|(name, value)| format!("{name}={}", String::from_utf8_lossy(value)))
                    .collect();
                let body = format!(
                    "{} {} {} {:?} {} {:?} {:?} {:?}",
                    request.method(),
                    request.path(),
                    request.scheme(),
                    request.authority(),
                    headers.join(","),
                    request.header("X-B"),
                    request.body(),
                    request.stream_id(),
                );
                Reply::Ready(Response::text(200, body))
            });
            let mut client = server.connect().await;
            let mut ask = request("PUT", "/a?b=c");
            ask.headers_mut().insert("x-b", "1".parse().unwrap());
            ask.headers_mut().insert("a", "2".parse().unwrap());
            ask.headers_mut().append("x-b", "3".parse().unwrap());
            let answer = client.ask(ask, Bytes::from_static(b"body\0!")).await.unwrap();
            assert_eq!(
                String::from_utf8(answer.body).unwrap(),
                "PUT /a?b=c http Some(\"example.test\") x-b=1,x-b=3,a=2 Some([49, 44, 32, 51]) \
                 b\"body\\0!\" 1"
            );
            let report = server.finish().await;
            assert_eq!((report.totals.requests, report.totals.responses_2xx), (1, 1));
        });
    }
}

valk_harness::test! {
    fn crumbs_of_a_cookie_are_one_field() {
        virtual_time(async {
            let server = TestServer::start(Limits::default(), |request| {
                let cookies: Vec<_> = request.header_values("cookie").collect();
                assert_eq!(cookies, [b"a=1; session=s; c=3"]);
                assert_eq!(request.headers().count(), 2);
                assert_eq!(request.header("Cookie").as_deref(), Some(cookies[0]));
                assert_eq!(request.header("x").as_deref(), Some(&b"y"[..]));
                Reply::Ready(Response::new(200))
            });
            let mut client = server.connect().await;
            let mut ask = get("/");
            ask.headers_mut().append("cookie", "a=1".parse().unwrap());
            ask.headers_mut().append("x", "y".parse().unwrap());
            ask.headers_mut().append("cookie", "session=s".parse().unwrap());
            ask.headers_mut().append("cookie", "c=3".parse().unwrap());
            assert_eq!(client.ask(ask, Bytes::new()).await.unwrap().status, 200);
            server.finish().await;
        });
    }

    fn a_client_that_waits_to_be_told_to_go_on_is_told() {
        virtual_time(async {
            let server = TestServer::hello(Limits { body_bytes: 10, ..Limits::default() });
            let expect = [&[0x83, 0x86, 0x84, 0x41, 1, b'x', 0, 6][..], b"expect", &[12], b"100-Continue"];
            let expect = expect.concat();
            let mut pipe = server.pipe(1 << 16);
            pipe.write_all(&greeting(&frame(HEADERS, END_HEADERS, 1, &expect))).await.unwrap();
            settle().await;
            let body = frame(DATA, 1, 1, b"the body");
            pipe.write_all(&body).await.unwrap();
            settle().await;
            server.stop.stop();
            let frames = talk(pipe, &[]).await;
            let heads: Vec<_> = frames.iter().filter(|frame| frame.kind == HEADERS).collect();
            // :status 100 is a literal with the indexed name 8, then comes the answer, 200.
            assert_eq!(heads[0].payload, [0x48, 0x82, 0x08, 0x01], "{heads:?}");
            assert_eq!((heads.len(), heads[1].payload[0]), (2, 0x88));
            server.finish().await;
        });
    }

    fn a_body_that_is_too_long_is_refused_before_it_is_sent() {
        virtual_time(async {
            let server = TestServer::hello(Limits { body_bytes: 10, ..Limits::default() });
            let mut client = server.connect().await;
            let mut ask = request("POST", "/");
            ask.headers_mut().insert("expect", "100-continue".parse().unwrap());
            ask.headers_mut().insert("content-length", "11".parse().unwrap());
            let (mut response, _body) = client.start(ask, false);
            let told = std::future::poll_fn(|cx| response.poll_informational(cx));
            assert!(told.await.is_none(), "nothing but the answer");
            assert_eq!(read_answer(response).await.unwrap().status, 413);
            server.finish().await;
        });
    }

    fn an_answer_comes_to_clients_that_send_their_whole_body_first() {
        virtual_time(async {
            let limits = Limits { body_bytes: 100, ..Limits::default() };
            let server = TestServer::hello(limits.clone());
            let mut client = server.connect().await;
            let (response, mut stream) = client.start(request("POST", "/"), false);
            let mut left = vec![0; 3_000_000];
            while !left.is_empty() {
                stream.reserve_capacity(left.len());
                let room = std::future::poll_fn(|cx| stream.poll_capacity(cx)).await;
                let room = room.expect("not reset").unwrap().min(left.len());
                stream.send_data(left.split_off(left.len() - room).into(), left.is_empty()).unwrap();
            }
            assert_eq!(read_answer(response).await.unwrap().status, 413);
            // One that never ends is reset in the end.
            let (response, mut stream) = client.start(request("POST", "/"), false);
            stream.send_data(vec![0; 101].into(), false).unwrap();
            assert_eq!(read_answer(response).await.unwrap().status, 413);
            let began = tokio::time::Instant::now();
            let reset = std::future::poll_fn(|cx| stream.poll_reset(cx)).await.unwrap();
            assert_eq!(reset, h2::Reason::NO_ERROR);
            assert_eq!(began.elapsed(), limits.refused_body_timeout);
            server.finish().await;
        });
    }

    fn bodies_of_any_configured_size_arrive() {
        virtual_time(async {
            let limits = Limits {
                body_bytes: 3 << 20,
                connection_body_bytes: 1 << 20,
                process_body_bytes: 1 << 20,
                ..Limits::default()
            };
            let server = TestServer::start(limits, |request| {
                Reply::Ready(Response::text(200, request.body().len().to_string()))
            });
            let mut client = server.connect().await;
            let answer = client.post(vec![0; 1 << 20]).await.unwrap();
            assert_eq!(answer.body, b"1048576");
            server.finish().await;
        });
    }
}

valk_harness::test! {
    fn many_streams_share_a_connection() {
        virtual_time(async {
            let server = TestServer::start(Limits::default(), |request| {
                Reply::Ready(Response::text(200, request.path().to_owned()))
            });
            let mut client = server.connect().await;
            // The first answer brings the server's SETTINGS: until then the client knows no limit.
            client.get("/").await.unwrap();
            let mut waiting = Vec::new();
            for n in 0..1000 {
                client.send = client.send.clone().ready().await.unwrap();
                let (response, _) = client.start(get(&format!("/{n}")), true);
                waiting.push((n, spawn_local(read_answer(response))));
            }
            for (n, answer) in waiting {
                let answer = answer.await.unwrap().unwrap();
                assert_eq!(answer.body, format!("/{n}").into_bytes());
            }
            assert_eq!(server.finish().await.totals.responses_2xx, 1001);
        });
    }
}

valk_harness::test! {
    fn big_bodies_go_both_ways_byte_exact() {
        virtual_time(async {
            let server = TestServer::start(Limits::default(), |request| {
                Reply::Ready(Response::new(200).with_body(request.body().clone()))
            });
            let mut client = server.connect().await;
            let body: Vec<u8> = (0..8 * 1024 * 1024_u32).map(|n| (n % 251) as u8).collect();
            let answer = client.post(body.clone()).await.unwrap();
            assert_eq!(answer.status, 200);
            assert_eq!(answer.headers["content-length"], "8388608");
            assert!(answer.body == body, "the body came back changed");
            server.finish().await;
        });
    }
}

valk_harness::test! {
    fn body_over_the_limit_gets_413_and_is_not_read() {
        virtual_time(async {
            let server = TestServer::hello(Limits { body_bytes: 100, ..Limits::default() });
            let mut client = server.connect().await;
            assert_eq!(client.post(vec![0; 100]).await.unwrap().status, 200);
            // Announced: refused before a byte.
            let mut announced = request("POST", "/");
            announced.headers_mut().insert("content-length", "101".parse().unwrap());
            let (response, mut stream) = client.start(announced, false);
            let answer = read_answer(response).await.unwrap();
            assert_eq!(answer.status, 413);
            assert!(answer.body.ends_with(b"at most 100 bytes\n"));
            let reset = std::future::poll_fn(|cx| stream.poll_reset(cx)).await.unwrap();
            assert_eq!(reset, h2::Reason::NO_ERROR);
            // Found out.
            let (response, mut stream) = client.start(request("POST", "/"), false);
            stream.send_data(vec![0; 101].into(), false).unwrap();
            assert_eq!(read_answer(response).await.unwrap().status, 413);
            assert_eq!(client.get("/").await.unwrap().status, 200);
            assert_eq!(server.finish().await.totals.responses_4xx, 2);
        });
    }
}

valk_harness::test! {
    fn body_that_stops_arriving_gets_408() {
        virtual_time(async {
            let limits = Limits { stall_bytes: 10, ..Limits::default() };
            let server = TestServer::hello(limits.clone());
            let mut client = server.connect().await;
            let (response, mut stream) = client.start(request("POST", "/"), false);
            // Enough for the first period, too little for the second.
            stream.send_data(vec![0; 10].into(), false).unwrap();
            tokio::time::sleep(limits.stall_timeout + Duration::from_secs(1)).await;
            assert_eq!(server.snapshot().requests_open, 1);
            stream.send_data(vec![0; 9].into(), false).unwrap();
            assert_eq!(read_answer(response).await.unwrap().status, 408);
            server.finish().await;
        });
    }
}

valk_harness::test! {
    fn bodies_of_one_connection_are_bounded() {
        virtual_time(async {
            let limits = Limits { connection_body_bytes: 1000, ..Limits::default() };
            let server = TestServer::hello(limits);
            let mut client = server.connect().await;
            let (first, mut first_body) = client.start(request("POST", "/"), false);
            first_body.send_data(vec![0; 900].into(), false).unwrap();
            settle().await;
            let refused = client.post(vec![0; 200]).await.unwrap();
            assert_eq!(refused.status, 503);
            assert_eq!(refused.headers["retry-after"], "1");
            first_body.send_data(Bytes::new(), true).unwrap();
            assert_eq!(read_answer(first).await.unwrap().status, 200);
            assert_eq!(client.post(vec![0; 1000]).await.unwrap().status, 200);
            server.finish().await;
        });
    }
}

valk_harness::test! {
    fn too_many_fields_get_431() {
        virtual_time(async {
            let server = TestServer::hello(Limits { header_fields: 5, ..Limits::default() });
            let mut client = server.connect().await;
            let mut ask = get("/");
            for n in 0..5 {
                ask.headers_mut().append("cookie", n.to_string().parse().unwrap());
            }
            assert_eq!(client.ask(ask.clone(), Bytes::new()).await.unwrap().status, 200);
            ask.headers_mut().append("cookie", "6".parse().unwrap());
            assert_eq!(client.ask(ask, Bytes::new()).await.unwrap().status, 431);
            server.finish().await;
        });
    }
}

valk_harness::test! {
    fn too_long_a_header_list_gets_431_and_a_far_too_long_one_ends_the_connection() {
        virtual_time(async {
            let server = TestServer::hello(Limits { header_list_bytes: 1000, ..Limits::default() });
            let mut client = server.connect().await;
            // The server's SETTINGS would make an honest client refuse to send this.
            let long = |bytes: usize| {
                let mut block = GET_BLOCK.to_vec();
                let value = vec![b'v'; bytes];
                block.extend([0x40, 1, b'n', 0x7f]);
                let mut rest = bytes - 127;
                while rest >= 128 {
                    block.push((rest % 128 + 128) as u8);
                    rest /= 128;
                }
                block.push(rest as u8);
                block.extend(value);
                greeting(&frame(HEADERS, WHOLE, 1, &block))
            };
            let mut pipe = server.pipe(1 << 16);
            pipe.write_all(&long(1200)).await.unwrap();
            settle().await;
            server.stop.stop();
            let frames = talk(pipe, &[]).await;
            let answer = frames.iter().find(|frame| frame.kind == HEADERS).unwrap();
            // HPACK of :status 431: a literal with the indexed name 8, Huffman-coded.
            assert_eq!(&answer.payload[..5], &[0x48, 0x83, 0x69, 0x90, 0xff]);
            assert!(client.get("/").await.is_err());
            server.finish().await;

            let server = TestServer::hello(Limits { header_list_bytes: 1000, ..Limits::default() });
            let frames = talk(server.pipe(1 << 16), &long(8000)).await;
            assert_eq!(goaway_code(&frames), Some(11), "{frames:?}");
            server.finish().await;
        });
    }
}

valk_harness::test! {
    fn header_bytes_of_unanswered_requests_are_bounded() {
        virtual_time(async {
            let limits = Limits { connection_header_bytes: 300, ..Limits::default() };
            let server = TestServer::start(limits, |request| match request.path() {
                "/wait" => Reply::pending(std::future::pending()),
                _ => Reply::Ready(Response::new(200)),
            });
            let mut client = server.connect().await;
            let padded = |path: &str| {
                let mut ask = get(path);
                ask.headers_mut().insert("x", "v".repeat(200).parse().unwrap());
                ask
            };
            let (waiting, _) = client.start(padded("/wait"), true);
            settle().await;
            let refused = client.ask(padded("/"), Bytes::new()).await.map(|_| ()).unwrap_err();
            assert_eq!(refused.reason(), Some(h2::Reason::REFUSED_STREAM));
            drop(waiting);
            settle().await;
            assert_eq!(client.ask(padded("/"), Bytes::new()).await.unwrap().status, 200);
            let totals = server.finish().await.totals;
            assert_eq!((totals.refused, totals.cancelled, totals.responses_2xx), (1, 1, 1));
        });
    }
}

valk_harness::test! {
    fn malformed_requests_get_400() {
        virtual_time(async {
            let server = TestServer::hello(Limits::default());
            let mut client = server.connect().await;
            let with = |name: &'static str, value: &'static str| {
                let mut ask = get("/");
                ask.headers_mut().insert(name, http::HeaderValue::from_static(value));
                ask
            };
            let mut two_hosts = with("host", "example.test");
            two_hosts.headers_mut().append("host", "example.test".parse().unwrap());
            let mut user = get("/");
            *user.uri_mut() = "http://me@example.test/".parse().unwrap();
            for bad in
                [with("host", "other.test"), with("x", " v"), with("x", "v\t"), two_hosts, user]
            {
                let text = format!("{bad:?}");
                assert_eq!(client.ask(bad, Bytes::new()).await.unwrap().status, 400, "{text}");
            }
            for good in [with("host", "EXAMPLE.test"), with("x", "")] {
                assert_eq!(client.ask(good, Bytes::new()).await.unwrap().status, 200);
            }
            let totals = server.finish().await.totals;
            assert_eq!((totals.responses_4xx, totals.responses_2xx), (5, 2));
        });
    }

    fn a_request_names_the_host_it_is_for() {
        virtual_time(async {
            let server = TestServer::hello(Limits::default());
            let mut sent = 0;
            let mut ask = async |scheme: &[u8], host: Option<&str>| {
                let mut block = [&[0x82][..], scheme, &[0x84]].concat();
                if let Some(host) = host {
                    block.extend([0, 4]);
                    block.extend(b"host");
                    block.push(host.len() as u8);
                    block.extend(host.as_bytes());
                }
                let before = server.snapshot();
                let mut pipe = server.pipe(1 << 16);
                let request = frame(HEADERS, WHOLE, 1, &block);
                pipe.write_all(&greeting(&request)).await.unwrap();
                settle().await;
                sent += 1;
                let after = server.snapshot();
                assert_eq!(after.answered(), sent);
                after.responses_4xx > before.responses_4xx
            };
            let http = &[0x86][..];
            for bad in [None, Some(""), Some("u@a"), Some("a b"), Some("u@a b"), Some("/")] {
                assert!(ask(http, bad).await, "{bad:?}");
            }
            for good in ["a", "a:80", "[::1]:80", "127.0.0.1"] {
                assert!(!ask(http, Some(good)).await, "{good}");
            }
            server.finish().await;
        });
    }

    fn an_empty_scheme_gets_400() {
        virtual_time(async {
            let server = TestServer::hello(Limits::default());
            // A literal with the indexed name 6, :scheme.
            let block = [&[0x82, 0x06, 0], &GET_BLOCK[2..]].concat();
            let mut pipe = server.pipe(1 << 16);
            pipe.write_all(&greeting(&frame(HEADERS, WHOLE, 1, &block))).await.unwrap();
            settle().await;
            assert_eq!(server.snapshot().responses_4xx, 1);
            drop(pipe);
            server.finish().await;
        });
    }

    fn small_frames_of_an_upload_may_wait_for_a_while() {
        virtual_time(async {
            let server = TestServer::start(Limits::default(), |request| {
                Reply::Ready(Response::text(200, request.body().len().to_string()))
            });
            let upload: Vec<u8> = (0..3000).flat_map(|_| frame(DATA, 0, 1, &[b'x'; 20])).collect();
            let head = frame(HEADERS, END_HEADERS, 1, &[&[0x83], &GET_BLOCK[1..]].concat());
            let end = frame(DATA, 1, 1, &[]);
            let mut pipe = server.pipe(1 << 20);
            pipe.write_all(&greeting(&[head, upload, end].concat())).await.unwrap();
            settle().await;
            assert_eq!(server.snapshot().responses_2xx, 1);
            drop(pipe);
            server.finish().await;
        });
    }
}

valk_harness::test! {
    fn connect_is_answered_by_the_server() {
        virtual_time(async {
            let server = TestServer::hello(Limits::default());
            let mut client = server.connect().await;
            let tunnel = http::Request::connect("example.test:443").body(()).unwrap();
            let (response, _stream) = client.start(tunnel, false);
            assert_eq!(read_answer(response).await.unwrap().status, 501);
            server.finish().await;
        });
    }
}

valk_harness::test! {
    fn connect_without_authority_gets_400() {
        virtual_time(async {
            let server = TestServer::hello(Limits::default());
            // :method as a literal with the indexed name 2.
            let block = [&[0x42, 7][..], b"CONNECT"].concat();
            let mut pipe = server.pipe(1 << 16);
            pipe.write_all(&greeting(&frame(HEADERS, WHOLE, 1, &block))).await.unwrap();
            settle().await;
            assert_eq!(server.snapshot().responses_4xx, 1);
            drop(pipe);
            server.finish().await;
        });
    }
}

valk_harness::test! {
    fn client_that_resets_in_mid_body_frees_the_request() {
        virtual_time(async {
            let server = TestServer::hello(Limits { connection_body_bytes: 50, ..Limits::default() });
            let mut client = server.connect().await;
            let (_response, mut stream) = client.start(request("POST", "/"), false);
            stream.send_data(vec![0; 50].into(), false).unwrap();
            settle().await;
            stream.send_reset(h2::Reason::CANCEL);
            settle().await;
            assert_eq!(server.snapshot().cancelled, 1);
            assert_eq!(client.post(vec![0; 50]).await.unwrap().status, 200, "bytes given back");
            server.finish().await;
        });
    }
}

valk_harness::test! {
    fn trailers_end_a_body() {
        virtual_time(async {
            let server = TestServer::start(Limits::default(), |request| {
                Reply::Ready(Response::new(200).with_body(request.body().clone()))
            });
            let mut client = server.connect().await;
            let (response, mut stream) = client.start(request("POST", "/"), false);
            stream.send_data("with trailers".into(), false).unwrap();
            stream.send_trailers(http::HeaderMap::new()).unwrap();
            assert_eq!(read_answer(response).await.unwrap().body, b"with trailers");
            server.finish().await;
        });
    }
}
