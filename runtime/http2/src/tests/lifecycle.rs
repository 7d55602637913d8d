//! How connections begin, idle and end, and how a server stops.

use super::*;
use std::time::Duration;
use tokio::time::Instant;

valk_harness::test! {
    fn silent_client_is_dropped_at_the_preface_timeout() {
        virtual_time(async {
            let server = TestServer::hello(Limits::default());
            let began = Instant::now();
            let frames = talk(server.pipe(1 << 16), &PREFACE[..10]).await;
            assert_eq!(began.elapsed().as_secs(), Limits::default().preface_timeout.as_secs());
            assert_eq!(frames.len(), 1, "only the server's SETTINGS: {frames:?}");
            assert_eq!(server.snapshot().handshakes_failed, 1);
            assert!(server.saw_event("none came in time"));
            server.finish().await;
        });
    }
}

valk_harness::test! {
    fn garbage_and_hangups_end_only_their_connection() {
        virtual_time(async {
            let server = TestServer::hello(Limits::default());
            let mut client = server.connect().await;
            talk(server.pipe(1 << 16), b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
            drop(server.pipe(1 << 16));
            // A frame longer than allowed, then one on a stream that cannot be a client's.
            for attack in [frame(DATA, 0, 1, &vec![0; 20_000]), frame(HEADERS, WHOLE, 2, GET_BLOCK)] {
                let frames = talk(server.pipe(1 << 16), &greeting(&attack)).await;
                assert!(goaway_code(&frames).is_some_and(|code| code != 0), "{frames:?}");
            }
            settle().await;
            assert_eq!(server.snapshot().handshakes_failed, 2);
            assert!(server.saw_event("connection failed"), "{:?}", server.events.borrow());
            assert_eq!(client.get("/").await.unwrap().status, 200);
            server.finish().await;
        });
    }
}

valk_harness::test! {
    fn idle_connection_is_told_and_closed() {
        virtual_time(async {
            let server = TestServer::hello(Limits::default());
            let mut client = server.connect().await;
            tokio::time::sleep(Duration::from_secs(50)).await;
            client.get("/").await.unwrap();
            let began = Instant::now();
            client.driver.await.unwrap().expect("a clean end");
            assert_eq!(began.elapsed().as_secs(), 60, "idle counts from the last request");
            assert_eq!(server.snapshot().connections_open, 0);
            // A peer that answers nothing is told and closed, too.
            let frames = talk(server.pipe(1 << 16), &greeting(&[])).await;
            assert_eq!(goaway_code(&frames), Some(0));
            server.finish().await;
        });
    }
}

valk_harness::test! {
    fn waiting_request_keeps_its_connection() {
        virtual_time(async {
            let server = TestServer::start(Limits::default(), |_| {
                Reply::pending(async {
                    tokio::time::sleep(Duration::from_hours(1)).await;
                    Response::text(200, "late")
                })
            });
            let mut client = server.connect().await;
            assert_eq!(client.get("/").await.unwrap().body, b"late");
            server.finish().await;
        });
    }
}

valk_harness::test! {
    fn socket_that_takes_no_bytes_is_closed() {
        virtual_time(async {
            let server = TestServer::start(Limits::default(), |_| {
                Reply::Ready(Response::new(200).with_body(vec![1; 60_000]))
            });
            // Open HTTP/2 windows, closed pipe.
            let mut pipe = server.pipe(1000);
            pipe.write_all(&greeting(&frame(HEADERS, WHOLE, 1, GET_BLOCK))).await.unwrap();
            settle().await;
            let began = Instant::now();
            while server.snapshot().connections_open > 0 {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            let stall = Limits::default().stall_timeout.as_secs();
            let took = began.elapsed().as_secs();
            assert!((stall..=2 * stall + 1).contains(&took), "{took}");
            assert!(server.saw_event("takes no bytes"));
            server.finish().await;
        });
    }
}

valk_harness::test! {
    fn reader_of_a_slow_socket_is_kept() {
        virtual_time(async {
            let server = TestServer::start(Limits::default(), |_| {
                Reply::Ready(Response::new(200).with_body(vec![1; 60_000]))
            });
            let mut pipe = server.pipe(1000);
            pipe.write_all(&greeting(&frame(HEADERS, WHOLE, 1, GET_BLOCK))).await.unwrap();
            let mut received = 0;
            while received < 60_000 {
                tokio::time::sleep(Duration::from_millis(900)).await;
                let mut some = [0; 1000];
                received += pipe.read(&mut some).await.unwrap();
            }
            drop(pipe);
            server.finish().await;
        });
    }
}

valk_harness::test! {
    fn stop_finishes_what_is_in_flight() {
        virtual_time(async {
            let server = TestServer::start(Limits::default(), |_| {
                Reply::pending(async {
                    tokio::time::sleep(Duration::from_secs(2)).await;
                    Response::text(200, "finished")
                })
            });
            let mut client = server.connect().await;
            let mut idle = server.connect().await;
            let (response, _) = client.start(get("/"), true);
            let uploading = server.connect().await.start(request("POST", "/"), false);
            settle().await;
            let listening = server.pipes.clone();
            server.stop.stop();
            settle().await;
            assert!(listening.is_closed(), "the listener is gone");
            assert!(idle.get("/").await.is_err(), "idle connections are gone");
            let (late, mut body) = uploading;
            body.send_data("rest".into(), true).unwrap();
            assert_eq!(read_answer(response).await.unwrap().body, b"finished");
            assert_eq!(read_answer(late).await.unwrap().body, b"finished");
            let report = server.finish().await;
            assert!(report.is_clean());
            assert_eq!(report.totals.responses_2xx, 2);
            assert_eq!(report.stop_took.as_secs(), 2);
        });
    }
}

valk_harness::test! {
    fn silent_connections_do_not_delay_a_stop() {
        virtual_time(async {
            let server = TestServer::hello(Limits::default());
            let silent = server.pipe(1 << 16);
            let mut deaf = server.pipe(1 << 16);
            deaf.write_all(&greeting(&[])).await.unwrap();
            // Takes not even the GOAWAY.
            let mut shut = server.pipe(48);
            shut.write_all(PREFACE).await.unwrap();
            settle().await;
            assert_eq!(server.snapshot().connections_open, 3);
            let report = server.finish().await;
            assert!(report.stop_took <= Limits::default().goaway_grace * 2, "{report:?}");
            assert!(report.is_clean());
            drop((silent, deaf, shut));
        });
    }
}

valk_harness::test! {
    fn deadline_cuts_what_does_not_finish() {
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
            let (response, _) = client.start(get("/"), true);
            settle().await;
            let report = server.finish().await;
            assert_eq!(report.stop_took, Limits::default().stop_timeout);
            assert!(!report.is_clean());
            assert_eq!((report.totals.connections_aborted, report.totals.aborted), (1, 1));
            assert!(dropped.get());
            assert!(read_answer(response).await.is_err());
        });
    }
}

valk_harness::test! {
    fn full_server_lets_clients_wait() {
        virtual_time(async {
            let limits = Limits { max_connections: 2, ..Limits::default() };
            let server = TestServer::start(limits, |request| match request.path() {
                "/wait" => Reply::pending(std::future::pending()),
                _ => Reply::Ready(Response::new(200)),
            });
            let (mut first, mut second) = (server.connect().await, server.connect().await);
            let _busy = [first.start(get("/wait"), true), second.start(get("/wait"), true)];
            settle().await;
            let (near, far) = duplex(1 << 16);
            server.pipes.send(Ok(far)).unwrap();
            settle().await;
            assert_eq!(server.snapshot().connections, 2);
            first.driver.abort();
            drop(first.send);
            let mut third = Client::over(near, h2::client::Builder::new()).await;
            assert_eq!(third.get("/").await.unwrap().status, 200);
            server.finish().await;
        });
    }
}

valk_harness::test! {
    fn failing_accept_pauses_and_goes_on() {
        virtual_time(async {
            let server = TestServer::hello(Limits::default());
            let began = Instant::now();
            let exhausted = || Err(io::Error::other("too many open files"));
            server.pipes.send(Err(io::ErrorKind::ConnectionAborted.into())).unwrap();
            for _ in 0..3 {
                server.pipes.send(exhausted()).unwrap();
            }
            let mut client = server.connect().await;
            assert_eq!(client.get("/").await.unwrap().status, 200);
            assert_eq!(began.elapsed().as_millis(), 10 + 20 + 40);
            assert!(server.saw_event("connection aborted; next attempt in 0 ms"));
            assert!(server.saw_event("too many open files; next attempt in 40 ms"));
            assert_eq!(server.snapshot().accept_errors, 4);
            for _ in 0..10 {
                server.pipes.send(exhausted()).unwrap();
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
            // A stop does not wait for the end of a pause.
            server.stop.stop();
            let report = server.finish().await;
            assert!(report.stop_took < Duration::from_millis(200));
        });
    }
}
