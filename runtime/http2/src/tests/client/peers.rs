//! Peers that refuse, reset, say goodbye or break off: what is sent again, and what is not.

use super::*;

/// A client, a peer, and a request that is on its way.
async fn begin(
    simulation: &Simulation,
    limits: ClientLimits,
) -> (Rc<HttpClient>, Peer, Talk, u32, JoinHandle<Result<ClientResponse, ClientError>>) {
    let mut peer = Peer::listen(simulation);
    let client = client(simulation, limits);
    let sent = send(&client, post_to("server", "body"));
    let mut talk = peer.accept().await;
    let stream = talk.request().await;
    talk.until(DATA).await;
    (client, peer, talk, stream, sent)
}

valk_harness::test! {
    fn a_refused_request_is_sent_again_whole() {
        simulated(|simulation| async move {
            let (_client, _peer, mut talk, stream, sent) =
                begin(&simulation, ClientLimits::default()).await;
            talk.say(&frame(RST_STREAM, 0, stream, &REFUSED_STREAM)).await;
            let again = talk.request().await;
            assert_eq!(again, stream + 2, "on the same connection");
            assert_eq!(talk.until(DATA).await.payload, b"body");
            talk.answer(again).await;
            assert_eq!(sent.await.unwrap().unwrap().status, 200);
        });
    }

    fn refusals_have_a_budget_that_refills() {
        simulated(|simulation| async move {
            let limits = ClientLimits {
                refused_retries: 2,
                refused_retries_per_second: 1,
                ..ClientLimits::default()
            };
            let (client, _peer, mut talk, stream, sent) = begin(&simulation, limits).await;
            talk.say(&frame(RST_STREAM, 0, stream, &REFUSED_STREAM)).await;
            for _ in 0..2 {
                let again = talk.request().await;
                talk.say(&frame(RST_STREAM, 0, again, &REFUSED_STREAM)).await;
            }
            let error = sent.await.unwrap().unwrap_err();
            assert_eq!(error.to_string(), "HTTP/2 stream error: REFUSED_STREAM (code=7)");
            tokio::time::sleep(Duration::from_secs(1)).await;
            let sent = send(&client, get_from("server", "/"));
            let stream = talk.request().await;
            talk.say(&frame(RST_STREAM, 0, stream, &REFUSED_STREAM)).await;
            let again = talk.request().await;
            talk.answer(again).await;
            assert_eq!(sent.await.unwrap().unwrap().status, 200);
        });
    }

    fn attempts_are_counted() {
        simulated(|simulation| async move {
            let limits = ClientLimits { attempts: 3, ..ClientLimits::default() };
            let (_client, _peer, mut talk, stream, sent) = begin(&simulation, limits).await;
            talk.say(&frame(RST_STREAM, 0, stream, &REFUSED_STREAM)).await;
            for _ in 0..2 {
                let again = talk.request().await;
                talk.say(&frame(RST_STREAM, 0, again, &REFUSED_STREAM)).await;
            }
            assert!(matches!(sent.await.unwrap(), Err(ClientError::Reset { code: 7, .. })));
        });
    }

    fn what_lies_behind_a_goaway_goes_to_another_connection() {
        simulated(|simulation| async move {
            let (client, mut peer, mut talk, first, sent) =
                begin(&simulation, ClientLimits::default()).await;
            let other = send(&client, get_from("server", "/other"));
            let second = talk.request().await;
            talk.say(&goaway(first)).await;
            let mut next = peer.accept().await;
            let again = next.request().await;
            next.answer(again).await;
            assert_eq!(other.await.unwrap().unwrap().status, 200);
            assert!(second > first);
            talk.answer(first).await;
            assert_eq!(sent.await.unwrap().unwrap().status, 200, "what lies before it goes on");
            let later = send(&client, get_from("server", "/later"));
            let stream = next.request().await;
            next.answer(stream).await;
            assert_eq!(later.await.unwrap().unwrap().status, 200, "the old one takes nothing more");
        });
    }

    fn what_may_have_been_processed_is_not_sent_again() {
        simulated(|simulation| async move {
            let (client, mut peer, mut talk, stream, sent) =
                begin(&simulation, ClientLimits::default()).await;
            talk.say(&frame(RST_STREAM, 0, stream, &[0, 0, 0, 2])).await;
            let error = sent.await.unwrap().unwrap_err();
            assert_eq!(error.to_string(), "HTTP/2 stream error: INTERNAL_ERROR (code=2)");
            // Reset in the middle of the body.
            let sent = send(&client, get_from("server", "/"));
            let stream = talk.request().await;
            talk.say(&frame(HEADERS, END_HEADERS, stream, OK_BLOCK)).await;
            talk.say(&frame(DATA, 0, stream, b"half")).await;
            talk.say(&frame(RST_STREAM, 0, stream, &[0, 0, 0, 8])).await;
            let error = sent.await.unwrap().unwrap_err();
            assert_eq!(error.to_string(), "HTTP/2 stream error: CANCEL (code=8)");
            // Broken off without a word.
            let sent = send(&client, get_from("server", "/"));
            talk.request().await;
            drop(talk);
            let error = sent.await.unwrap().unwrap_err().to_string();
            assert!(error.starts_with("Connection closed before response received: "), "{error}");
            // The next request finds a new connection.
            let sent = send(&client, get_from("server", "/"));
            let mut talk = peer.accept().await;
            let stream = talk.request().await;
            talk.answer(stream).await;
            assert_eq!(sent.await.unwrap().unwrap().status, 200);
        });
    }

    fn a_request_that_is_given_up_is_reset() {
        simulated(|simulation| async move {
            let (client, _peer, mut talk, stream, sent) =
                begin(&simulation, ClientLimits::default()).await;
            sent.abort();
            let reset = talk.until(RST_STREAM).await;
            assert_eq!((reset.stream, reset.code()), (stream, CANCEL));
            let sent = send(&client, get_from("server", "/"));
            let stream = talk.request().await;
            talk.answer(stream).await;
            assert_eq!(sent.await.unwrap().unwrap().status, 200, "the connection goes on");
        });
    }

    fn ten_thousand_headers_are_an_error() {
        simulated(|simulation| async move {
            let (client, _peer, mut talk, stream, sent) =
                begin(&simulation, ClientLimits::default()).await;
            // References to `accept-encoding: gzip, deflate` of the static table.
            let block = |count| [OK_BLOCK, &vec![0x90; count]].concat();
            talk.say(&frame(HEADERS, WHOLE, stream, &block(2000))).await;
            let error = sent.await.unwrap().unwrap_err().to_string();
            assert!(error.contains("headers are too large"), "{error}");
            let sent = send(&client, get_from("server", "/"));
            let stream = talk.request().await;
            talk.say(&frame(HEADERS, WHOLE, stream, &block(10_000))).await;
            let error = sent.await.unwrap().unwrap_err().to_string();
            assert!(error.contains("more than is allowed"), "{error}");
        });
    }

    fn ten_thousand_tiny_frames_are_a_body() {
        simulated(|simulation| async move {
            let (_client, _peer, mut talk, stream, sent) =
                begin(&simulation, ClientLimits::default()).await;
            talk.say(&frame(HEADERS, END_HEADERS, stream, OK_BLOCK)).await;
            for _ in 0..100 {
                talk.say(&frame(DATA, 0, stream, b"x").repeat(100)).await;
            }
            talk.say(&frame(DATA, 1, stream, b"")).await;
            assert_eq!(sent.await.unwrap().unwrap().body.len(), 10_000);
        });
    }

    fn a_peer_that_does_not_speak_http2_is_told_apart() {
        simulated(|simulation| async move {
            let address = SocketAddr::from((Ipv4Addr::UNSPECIFIED, PORT));
            let mut listener = simulation.host("server").bind(address).unwrap().listen().unwrap();
            let client = client(&simulation, ClientLimits::default());
            let sent = send(&client, get_from("server", "/"));
            let answering = spawn_local(async move {
                let mut open = Vec::new();
                loop {
                    let (mut stream, _) = accept(&mut *listener).await.unwrap();
                    stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
                    open.push(stream);
                }
            });
            let error = sent.await.unwrap().unwrap_err().to_string();
            assert!(error.contains("what came is not HTTP/2"), "{error}");
            answering.abort();
        });
    }

    fn a_restart_of_the_server_costs_no_request() {
        simulated(|simulation| async move {
            let slow = |_: &Request| Reply::pending(async {
                tokio::time::sleep(Duration::from_millis(20)).await;
                Response::text(200, "done")
            });
            let mut server = Running::clear(&simulation, slow);
            let client = client(&simulation, ClientLimits::default());
            let mut sent = Vec::new();
            let mut processed = 0;
            for round in 0..5 {
                for _ in 0..40 {
                    sent.push(send(&client, post_to("server", vec![b'x'; 1000])));
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
                if round < 4 {
                    let ended = spawn_local(server.finish());
                    settle().await;
                    server = Running::clear(&simulation, slow);
                    processed += ended.await.unwrap().requests;
                }
            }
            for response in sent {
                let response = response.await.unwrap();
                assert_eq!(response.expect("no request is lost").status, 200);
            }
            processed += server.finish().await.requests;
            assert_eq!(processed, 200, "and none was processed twice");
        });
    }
}
