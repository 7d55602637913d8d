//! Floods and hoarding: each ends in GOAWAY, a reset or a bound, and fresh clients are served.

use super::*;
use std::time::Duration;

const ENHANCE_YOUR_CALM: Option<u32> = Some(11);

/// Sends `attack` on a connection of its own; checks that another client is served afterwards.
async fn attack(server: &TestServer, attack: &[u8]) -> Vec<Frame> {
    let frames = talk(server.pipe(1 << 20), &greeting(attack)).await;
    let mut fresh = server.connect().await;
    assert_eq!(fresh.get("/").await.expect("a fresh connection is served").status, 200);
    frames
}

valk_harness::test! {
    fn rapid_reset_ends_the_connection() {
        virtual_time(async {
            let server = TestServer::hello(Limits::default());
            let flood: Vec<u8> = (0..1000)
                .flat_map(|n| {
                    let mut pair = frame(HEADERS, END_HEADERS, 2 * n + 1, GET_BLOCK);
                    pair.extend(frame(RST_STREAM, 0, 2 * n + 1, &8_u32.to_be_bytes()));
                    pair
                })
                .collect();
            let frames = attack(&server, &flood).await;
            assert_eq!(goaway_code(&frames), ENHANCE_YOUR_CALM);
            assert!(server.snapshot().requests < 50, "{:?}", server.snapshot());
            server.finish().await;
        });
    }
}

valk_harness::test! {
    fn made_you_reset_ends_the_connection() {
        virtual_time(async {
            let limits = Limits { local_error_resets: 20, ..Limits::default() };
            let server = TestServer::start(limits, |request| match request.authority() {
                Some("x") => Reply::pending(std::future::pending()),
                _ => Reply::Ready(Response::new(200)),
            });
            let overflow = (1_u32 << 31) - 1;
            let flood: Vec<u8> = (0..100)
                .flat_map(|n| {
                    let mut pair = frame(HEADERS, WHOLE, 2 * n + 1, GET_BLOCK);
                    pair.extend(frame(WINDOW_UPDATE, 0, 2 * n + 1, &overflow.to_be_bytes()));
                    pair
                })
                .collect();
            let frames = attack(&server, &flood).await;
            assert_eq!(goaway_code(&frames), ENHANCE_YOUR_CALM);
            server.finish().await;
        });
    }
}

valk_harness::test! {
    fn cancelling_running_requests_all_the_time_ends_the_connection() {
        virtual_time(async {
            let limits =
                Limits { peer_resets: 10, peer_resets_per_second: 10, ..Limits::default() };
            let server = TestServer::start(limits, |_| Reply::pending(std::future::pending()));
            let mut client = server.connect().await;
            let cancel = async |client: &mut Client| {
                let (_response, mut stream) = client.start(get("/"), true);
                settle().await;
                stream.send_reset(h2::Reason::CANCEL);
                settle().await;
            };
            // At the refill rate: never cut.
            for _ in 0..50 {
                cancel(&mut client).await;
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            assert!(!client.driver.is_finished());
            for _ in 0..20 {
                if client.driver.is_finished() {
                    break;
                }
                cancel(&mut client).await;
            }
            let end = client.driver.await.unwrap().unwrap_err();
            assert_eq!(end.reason(), Some(h2::Reason::ENHANCE_YOUR_CALM));
            let cancelled = server.snapshot().cancelled;
            assert!((55..=65).contains(&cancelled), "{cancelled}");
            server.finish().await;
        });
    }
}

valk_harness::test! {
    fn streams_over_the_limit_are_refused() {
        virtual_time(async {
            let limits = Limits { max_streams: 2, ..Limits::default() };
            let server = TestServer::start(limits, |_| Reply::pending(std::future::pending()));
            let flood: Vec<u8> =
                (0..5).flat_map(|n| frame(HEADERS, WHOLE, 2 * n + 1, GET_BLOCK)).collect();
            let mut pipe = server.pipe(1 << 16);
            pipe.write_all(&greeting(&flood)).await.unwrap();
            settle().await;
            assert_eq!(server.snapshot().requests, 2);
            server.stop.stop();
            let frames = talk(pipe, &[]).await;
            let refused: Vec<_> = frames
                .iter()
                .filter(|frame| frame.kind == RST_STREAM && frame.code() == 7)
                .map(|frame| frame.stream)
                .collect();
            assert_eq!(refused, [5, 7, 9]);
            server.finish().await;
        });
    }
}

valk_harness::test! {
    fn streams_that_were_reset_are_remembered_for_a_time() {
        /// Error codes of the resets that a refused request with a late body gets.
        async fn resets(reset_stream_memory: Duration) -> Vec<u32> {
            let limits =
                Limits { connection_header_bytes: 0, reset_stream_memory, ..Limits::default() };
            let server = TestServer::hello(limits);
            let mut pipe = server.pipe(1 << 16);
            // With a field a: b, which has no room.
            let block = [GET_BLOCK, &[0, 1, b'a', 1, b'b']].concat();
            let head = frame(HEADERS, END_HEADERS, 1, &block);
            pipe.write_all(&greeting(&head)).await.unwrap();
            settle().await;
            pipe.write_all(&frame(DATA, 0, 1, b"late")).await.unwrap();
            settle().await;
            server.stop.stop();
            let frames = talk(pipe, &[]).await;
            server.finish().await;
            frames.iter().filter(|frame| frame.kind == RST_STREAM).map(Frame::code).collect()
        }
        virtual_time(async {
            let (refused_stream, stream_closed) = (7, 5);
            assert_eq!(resets(Duration::MAX).await, [refused_stream]);
            assert_eq!(resets(Duration::ZERO).await, [refused_stream, stream_closed]);
        });
    }
}

valk_harness::test! {
    fn windows_are_the_configured_ones() {
        virtual_time(async {
            let limits = Limits {
                connection_window: 100_000,
                stream_window: 30_000,
                max_streams: 7,
                header_list_bytes: 9_000,
                ..Limits::default()
            };
            let server = TestServer::hello(limits);
            let mut pipe = server.pipe(1 << 16);
            pipe.write_all(&greeting(&[])).await.unwrap();
            settle().await;
            server.stop.stop();
            let frames = talk(pipe, &[]).await;
            let setting = |id: u16| {
                let settings = &frames.iter().find(|frame| frame.kind == SETTINGS).unwrap().payload;
                let found = settings.chunks(6).find(|pair| pair[..2] == id.to_be_bytes());
                u32::from_be_bytes(found.unwrap()[2..].try_into().unwrap())
            };
            assert_eq!((setting(3), setting(4), setting(6)), (7, 30_000, 9_000));
            let update = frames.iter().find(|frame| frame.kind == WINDOW_UPDATE).unwrap();
            assert_eq!(update.code(), 100_000 - 65_535);
            server.finish().await;
        });
    }
}

valk_harness::test! {
    fn small_data_frames_have_a_budget() {
        virtual_time(async {
            // A body collected as it comes gives the budget back; one that arrives in a burst
            // before the server reads it does not.
            let limits = Limits { data_frame_budget: 1000, ..Limits::default() };
            let server = TestServer::hello(limits);
            let mut flood = frame(HEADERS, END_HEADERS, 1, GET_BLOCK);
            for _ in 0..100 {
                flood.extend(frame(DATA, 0, 1, b"x"));
            }
            let frames = attack(&server, &flood).await;
            assert_eq!(goaway_code(&frames), ENHANCE_YOUR_CALM);
            server.finish().await;

            let server = TestServer::hello(Limits::default());
            let mut client = server.connect().await;
            let (response, mut stream) = client.start(request("POST", "/"), false);
            for _ in 0..1000 {
                stream.send_data("x".into(), false).unwrap();
            }
            stream.send_data("x".into(), true).unwrap();
            assert_eq!(read_answer(response).await.unwrap().status, 200);
            server.finish().await;
        });
    }
}

valk_harness::test! {
    fn send_buffer_bounds_what_one_stream_hands_over() {
        virtual_time(async {
            let limits = Limits {
                send_buffer_bytes: 2000,
                connection_response_bytes: 10_000,
                ..Limits::default()
            };
            let server = TestServer::start(limits, |_| {
                Reply::Ready(Response::new(200).with_body(vec![1; 50_000]))
            });
            // The client's windows take it all, its pipe almost nothing.
            let mut pipe = server.pipe(500);
            pipe.write_all(&greeting(&frame(HEADERS, WHOLE, 1, GET_BLOCK))).await.unwrap();
            settle().await;
            assert_eq!(server.snapshot().requests_open, 1, "the rest of the body waits");
            let (mut read, mut received) = ([0; 400], 0);
            while received < 50_000 {
                received += pipe.read(&mut read).await.unwrap();
            }
            settle().await;
            assert_eq!(server.snapshot().responses_2xx, 1);
            drop(pipe);
            server.finish().await;
        });
    }
}

valk_harness::test! {
    fn big_response_leaves_window_to_small_ones() {
        virtual_time(async {
            let limits = Limits {
                send_buffer_bytes: 2000,
                connection_response_bytes: 1_000_000,
                ..Limits::default()
            };
            let server = TestServer::start(limits, |request| {
                let bytes = if request.path() == "/" { 200_000 } else { 10 };
                Reply::Ready(Response::new(200).with_body(vec![1; bytes]))
            });
            // The first response could take the whole connection window; its socket is slow.
            let mut pipe = server.pipe(500);
            let first = frame(HEADERS, WHOLE, 1, GET_BLOCK);
            pipe.write_all(&greeting(&first)).await.unwrap();
            settle().await;
            // As GET_BLOCK, with the path /index.html.
            let index = [0x82, 0x86, 0x85, 0x41, 1, b'x'];
            pipe.write_all(&frame(HEADERS, WHOLE, 3, &index)).await.unwrap();
            settle().await;
            // Blocked writes must not keep the server from reading the second request.
            let mut some = [0; 5000];
            for _ in 0..10 {
                let _ = pipe.read(&mut some).await.unwrap();
                settle().await;
            }
            let totals = server.snapshot();
            assert_eq!((totals.requests, totals.responses_2xx), (2, 1), "{totals:?}");
            drop(pipe);
            server.finish().await;
        });
    }
}
