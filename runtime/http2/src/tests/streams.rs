//! Responses that a program writes piece by piece.

use super::*;
use crate::{
    OpenError, ResponseStream, STREAM_QUEUE_BYTES_MAX, STREAM_QUEUE_PIECES_MAX, StreamEvent,
    WriteError,
};
use std::future::poll_fn;
use std::time::Duration;
use tokio::time::Instant;

/// Streams that handlers have opened.
type Opened = Rc<RefCell<Vec<ResponseStream>>>;

/// A server whose handler opens a stream for each request and never replies.
fn streaming(limits: Limits) -> (TestServer, Opened) {
    let opened = Opened::default();
    let kept = Rc::clone(&opened);
    let server = TestServer::start(limits, move |request| {
        let head = Response::new(200).with_header("x-stream", &b"yes"[..]);
        kept.borrow_mut().push(request.open_stream(head).expect("the first one"));
        Reply::pending(std::future::pending())
    });
    (server, opened)
}

/// A request whose stream is open: the stream, and the response at the client.
async fn begin(
    client: &mut Client,
    opened: &Opened,
) -> (ResponseStream, http::Response<h2::RecvStream>) {
    let (response, _) = client.start(get("/"), true);
    let response = response.await.expect("the head comes before any of the body");
    let stream = opened.borrow().last().expect("the handler has opened it").clone();
    (stream, response)
}

async fn event(stream: &ResponseStream) -> StreamEvent {
    poll_fn(|cx| stream.poll_event(cx)).await
}

/// The rest of a body, or the code that ended it.
async fn rest(mut body: h2::RecvStream) -> Result<Vec<u8>, u32> {
    let mut whole = Vec::new();
    while let Some(chunk) = body.data().await {
        let chunk = chunk.map_err(|error| error.reason().map_or(u32::MAX, u32::from))?;
        whole.extend_from_slice(&chunk);
        body.flow_control().release_capacity(chunk.len()).expect("it was received");
    }
    Ok(whole)
}

fn piece(text: &'static str) -> Bytes {
    Bytes::from_static(text.as_bytes())
}

valk_harness::test! {
    fn pieces_arrive_as_they_are_written() {
        virtual_time(async {
            let (server, opened) = streaming(Limits::default());
            let mut client = server.connect().await;
            let (stream, response) = begin(&mut client, &opened).await;
            assert_eq!(response.headers()["x-stream"], "yes");
            assert!(!response.headers().contains_key("content-length"));
            let mut body = response.into_body();
            for text in ["one", "two"] {
                assert_eq!(stream.write(piece(text)), Ok(3));
                assert_eq!(body.data().await.unwrap().unwrap(), text);
                assert_eq!(event(&stream).await, StreamEvent::Drained);
            }
            assert_eq!(server.snapshot().streams_open, 1);
            assert_eq!((stream.write(Bytes::new()), stream.is_writable()), (Ok(0), true));
            stream.close();
            stream.close();
            assert_eq!(stream.write(piece("three")), Err(WriteError::Closed));
            assert_eq!(rest(body).await, Ok(Vec::new()));
            assert_eq!(event(&stream).await, StreamEvent::Closed);
            assert!(stream.is_closed() && stream.was_opened() && !stream.is_writable());
            assert_eq!((server.snapshot().streams_open, server.snapshot().responses_2xx), (0, 1));
            server.finish().await;
        });
    }

    fn a_full_queue_refuses_and_drains_to_half() {
        virtual_time(async {
            let (server, opened) = streaming(Limits::default());
            let mut client = server.connect().await;
            let (stream, response) = begin(&mut client, &opened).await;
            // Nothing is taken meanwhile: the connection has its turn when the test waits.
            let pieces = (0..10_000).take_while(|_| stream.write(Bytes::from(vec![b'x'; 20_000])).is_ok());
            let pieces = pieces.count();
            let before = stream.queued_bytes();
            assert_eq!(pieces, STREAM_QUEUE_BYTES_MAX.div_ceil(20_000));
            assert_eq!((before, stream.is_writable()), (pieces * 20_000, false));
            assert_eq!(stream.write(piece("x")), Err(WriteError::Full));
            assert_eq!(stream.queued_bytes(), before, "nothing has changed");
            let reading = spawn_local(rest(response.into_body()));
            assert_eq!(event(&stream).await, StreamEvent::Drained);
            let left = stream.queued_bytes();
            assert!(left > 0 && left < STREAM_QUEUE_BYTES_MAX / 2, "{left}");
            assert!(stream.is_writable());
            stream.close();
            assert_eq!(reading.await.unwrap().map(|body| body.len()), Ok(before));
            let (stream, response) = begin(&mut client, &opened).await;
            let pieces = (0..10_000).take_while(|_| stream.write(piece("x")).is_ok()).count();
            assert_eq!(pieces, STREAM_QUEUE_PIECES_MAX);
            stream.close();
            assert_eq!(rest(response.into_body()).await.map(|body| body.len()), Ok(pieces));
            server.finish().await;
        });
    }

    fn small_pieces_are_sent_together() {
        virtual_time(async {
            let (server, opened) = streaming(Limits::default());
            let mut client = server.connect().await;
            let (stream, response) = begin(&mut client, &opened).await;
            let texts: Vec<String> = (0..900).map(|n| format!("piece {n}\n")).collect();
            for text in &texts {
                stream.write(Bytes::from(text.clone())).unwrap();
            }
            stream.close();
            let mut body = response.into_body();
            let (mut frames, mut whole) = (0, Vec::new());
            while let Some(chunk) = body.data().await {
                frames += 1;
                whole.extend_from_slice(&chunk.unwrap());
            }
            assert_eq!(String::from_utf8(whole).unwrap(), texts.concat(), "in order");
            assert!(frames <= 3, "{frames} frames");
            server.finish().await;
        });
    }

    fn a_piece_of_any_size_fits_the_windows() {
        virtual_time(async {
            let (server, opened) = streaming(Limits::default());
            let mut client = server.connect_with(|builder| { builder.initial_window_size(1000); }).await;
            let (stream, response) = begin(&mut client, &opened).await;
            let large: Vec<u8> = (0..5_000_000).map(|n: usize| (n % 251) as u8).collect();
            assert_eq!(stream.write(Bytes::from(large.clone())), Ok(large.len()));
            stream.close();
            assert!(rest(response.into_body()).await == Ok(large));
            server.finish().await;
        });
    }

    fn a_client_that_leaves_ends_its_streams() {
        virtual_time(async {
            let (server, opened) = streaming(Limits::default());
            let mut client = server.connect().await;
            let (first, response) = begin(&mut client, &opened).await;
            drop(response);
            assert_eq!(event(&first).await, StreamEvent::Closed);
            let (second, _response) = begin(&mut client, &opened).await;
            let (third, _other) = begin(&mut client, &opened).await;
            second.write(Bytes::from(vec![0; 100])).unwrap();
            client.driver.abort();
            assert_eq!(event(&second).await, StreamEvent::Closed);
            assert_eq!(event(&third).await, StreamEvent::Closed);
            assert_eq!(second.write(piece("x")), Err(WriteError::Closed));
            assert_eq!((server.snapshot().cancelled, server.snapshot().streams_open), (3, 0));
            server.finish().await;
        });
    }

    fn a_cancelled_stream_is_reset() {
        virtual_time(async {
            let (server, opened) = streaming(Limits::default());
            let mut client = server.connect().await;
            let (stream, response) = begin(&mut client, &opened).await;
            stream.cancel();
            assert_eq!(rest(response.into_body()).await, Err(8));
            assert_eq!(event(&stream).await, StreamEvent::Closed);
            stream.cancel();
            server.finish().await;
        });
    }

    fn limits_end_a_stream_to_the_second() {
        virtual_time(async {
            let (server, opened) = streaming(Limits::default());
            let mut client = server.connect().await;
            let (idle, response) = begin(&mut client, &opened).await;
            let began = Instant::now();
            idle.set_idle_limit(Some(Duration::from_secs(10)));
            for _ in 0..3 {
                tokio::time::sleep(Duration::from_secs(8)).await;
                idle.write(piece("x")).unwrap();
            }
            assert_eq!(rest(response.into_body()).await, Err(0), "NO_ERROR");
            assert_eq!(began.elapsed().as_secs(), 34);
            let (session, response) = begin(&mut client, &opened).await;
            let began = Instant::now();
            session.set_session_limit(Some(Duration::from_secs(20)));
            session.set_idle_limit(Some(Duration::from_secs(10)));
            session.set_idle_limit(None);
            assert_eq!(rest(response.into_body()).await, Err(0));
            assert_eq!(began.elapsed().as_secs(), 20);
            assert_eq!(event(&session).await, StreamEvent::Closed);
            server.finish().await;
        });
    }

    fn a_client_that_does_not_read_has_the_time_of_others() {
        virtual_time(async {
            let (server, opened) = streaming(Limits::default());
            let mut client = server.connect_with(|builder| { builder.initial_window_size(100); }).await;
            let (stream, response) = begin(&mut client, &opened).await;
            // Waiting for the program is not the client's fault.
            tokio::time::sleep(Duration::from_mins(5)).await;
            assert!(stream.is_writable());
            let began = Instant::now();
            stream.write(Bytes::from(vec![0; 1000])).unwrap();
            assert_eq!(event(&stream).await, StreamEvent::Drained, "taken, not sent");
            assert_eq!(event(&stream).await, StreamEvent::Closed);
            assert_eq!(began.elapsed().as_secs(), Limits::default().stall_timeout.as_secs());
            assert_eq!(server.snapshot().stalled, 1);
            drop(response);
            server.finish().await;
        });
    }
}

valk_harness::test! {
    fn the_handler_goes_on_and_ends_with_its_stream() {
        virtual_time(async {
            let gone = Rc::new(Cell::new(false));
            let canary = Rc::clone(&gone);
            let server = TestServer::start(Limits::default(), move |request| {
                let canary = Canary(Rc::clone(&canary));
                Reply::pending(async move {
                    tokio::time::sleep(Duration::from_secs(1)).await;
                    let stream = request.open_stream(Response::new(200)).unwrap();
                    loop {
                        tokio::time::sleep(Duration::from_secs(1)).await;
                        stream.write(piece("tick")).unwrap();
                        let _ = &canary;
                    }
                })
            });
            let mut client = server.connect().await;
            let (response, _) = client.start(get("/"), true);
            let mut body = response.await.unwrap().into_body();
            for _ in 0..3 {
                assert_eq!(body.data().await.unwrap().unwrap(), "tick");
            }
            assert!(!gone.get());
            drop(body);
            settle().await;
            assert!(gone.get());
            server.finish().await;
        });
    }

    fn what_a_handler_replies_after_opening_does_not_count() {
        virtual_time(async {
            let opened = Opened::default();
            let kept = Rc::clone(&opened);
            let server = TestServer::start(Limits::default(), move |request| {
                kept.borrow_mut().push(request.open_stream(Response::new(201)).unwrap());
                match request.path() {
                    "/ready" => Reply::Ready(Response::text(500, "no")),
                    "/panic" => panic!("after opening"),
                    _ => Reply::pending(async {
                        tokio::time::sleep(Duration::from_secs(1)).await;
                        panic!("later")
                    }),
                }
            });
            let mut client = server.connect().await;
            for path in ["/ready", "/panic", "/later"] {
                let (response, _) = client.start(get(path), true);
                let response = response.await.unwrap();
                assert_eq!(response.status().as_u16(), 201, "{path}");
                tokio::time::sleep(Duration::from_secs(2)).await;
                let stream = opened.borrow_mut().pop().unwrap();
                stream.write(piece("all")).unwrap();
                stream.close();
                assert_eq!(rest(response.into_body()).await.unwrap(), b"all", "{path}");
            }
            assert!(server.saw_event("after opening") && server.saw_event("later"));
            server.finish().await;
        });
    }

    fn a_stream_is_opened_once_and_in_time() {
        virtual_time(async {
            let late = Rc::new(RefCell::new(None));
            let kept = Rc::clone(&late);
            let server = TestServer::start(Limits::default(), move |request| {
                let invalid = request.open_stream(Response::new(200).with_header("a b", &b"c"[..]));
                assert!(matches!(invalid, Err(OpenError::Invalid(_))), "{invalid:?}");
                let invalid = request.open_stream(Response::new(99));
                assert!(matches!(invalid, Err(OpenError::Invalid(_))), "{invalid:?}");
                if request.path() == "/twice" {
                    let stream = request.open_stream(Response::new(200)).unwrap();
                    let again = request.open_stream(Response::new(200));
                    assert_eq!(again.err(), Some(OpenError::TooLate));
                    stream.close();
                    return Reply::pending(std::future::pending());
                }
                *kept.borrow_mut() = Some(request);
                Reply::Ready(Response::text(200, "answered"))
            });
            let mut client = server.connect().await;
            assert_eq!(client.get("/twice").await.unwrap().status, 200);
            assert_eq!(client.get("/").await.unwrap().body, b"answered");
            let request = late.borrow_mut().take().unwrap();
            assert_eq!(request.open_stream(Response::new(200)).err(), Some(OpenError::TooLate));
            assert!(request.stream().is_some_and(|stream| stream.is_closed() && !stream.was_opened()));
            let outside = Request::new(http::Request::new(Bytes::new()), 1);
            assert_eq!(outside.open_stream(Response::new(200)).err(), Some(OpenError::TooLate));
            assert!(outside.stream().is_none());
            server.finish().await;
        });
    }

    fn some_responses_have_no_body() {
        virtual_time(async {
            let server = TestServer::start(Limits::default(), move |request| {
                let status = if request.method() == "HEAD" { 200 } else { 204 };
                let stream = request.open_stream(Response::new(status)).unwrap();
                stream.write(piece("lost")).unwrap();
                Reply::pending(std::future::pending())
            });
            let mut client = server.connect().await;
            for method in ["HEAD", "GET"] {
                let answer = client.ask(request(method, "/"), Bytes::new()).await.unwrap();
                assert!(answer.body.is_empty(), "{method}");
            }
            let limits = Limits { header_fields: 0, ..Limits::default() };
            let (other, _opened) = streaming(limits);
            let mut client = other.connect().await;
            let (response, _) = client.start(get("/"), true);
            assert_eq!(response.await.unwrap().status().as_u16(), 500, "a head above the limits");
            assert!(other.saw_event("invalid response"));
            server.finish().await;
            other.finish().await;
        });
    }

    fn a_stop_ends_streams_in_its_time() {
        virtual_time(async {
            let (server, opened) = streaming(Limits::default());
            let mut client = server.connect().await;
            let (stream, _response) = begin(&mut client, &opened).await;
            let began = Instant::now();
            let report = server.finish().await;
            assert_eq!(began.elapsed().as_secs(), Limits::default().stop_timeout.as_secs());
            assert_eq!((report.totals.aborted, report.totals.streams_open), (1, 0));
            assert!(stream.is_closed());
        });
    }
}
