//! Large responses are made when there is room for them.

use super::*;
use crate::overload::large_responses::{Guesses, Room};
use http::Method;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::time::Instant;

const MIB: usize = 1 << 20;

/// A server with room for four responses of a mebibyte, which answers as many bytes as the path says,
/// and how often it was asked.
fn of_sizes(limits: &Limits) -> (TestServer, Rc<Cell<usize>>) {
    let calls = Rc::new(Cell::new(0));
    let counted = Rc::clone(&calls);
    let limits = Limits { process_response_bytes: 4 * MIB, ..limits.clone() };
    let server = TestServer::start(limits, move |request| {
        counted.set(counted.get() + 1);
        let bytes: usize = request.path()[1..].parse().expect("a number");
        Reply::Ready(Response::new(200).with_body(vec![b'x'; bytes]))
    });
    (server, calls)
}

/// A client that reads nothing of a response beyond its head.
async fn unreading(server: &TestServer) -> Client {
    server
        .connect_with(|client| {
            client.initial_window_size(0);
        })
        .await
}

valk_harness::test! {
    fn many_downloads_at_once_are_all_served() {
        virtual_time(async {
            let (server, _) = of_sizes(&Limits::default());
            let path = format!("/{MIB}");
            server.connect().await.get(&path).await.expect("the size is known now");
            let mut downloads = Vec::new();
            for _ in 0..50 {
                let mut client = server.connect().await;
                let path = path.clone();
                downloads.push(spawn_local(async move { client.get(&path).await }));
            }
            for download in downloads {
                let answer = download.await.unwrap().expect("an answer");
                assert_eq!((answer.status, answer.body.len()), (200, MIB));
            }
            assert_eq!(server.snapshot().responses_shed, 0);
            assert_eq!(server.budgets.responses.used(), 0);
            server.finish().await;
        });
    }

    fn those_that_wait_are_not_made_and_hold_up_nobody() {
        virtual_time(async {
            let (server, calls) = of_sizes(&Limits { room_timeout: Duration::from_millis(500), ..Limits::default() });
            let path = format!("/{MIB}");
            server.connect().await.get(&path).await.expect("the size is known now");
            let mut hoarders = Vec::new();
            for _ in 0..10 {
                let mut client = unreading(&server).await;
                hoarders.push((client.start(get(&path), true).0, client));
            }
            settle().await;
            assert_eq!(calls.get(), 1 + 4, "the others wait");
            assert_eq!(server.budgets.responses.used(), 4 * MIB);
            assert!(server.budgets.responses.is_pressed());
            let mut other = server.connect().await;
            assert_eq!(other.get("/7").await.unwrap().body.len(), 7, "small ones do not wait");
            // One that waits and leaves is gone.
            let (response, client) = hoarders.pop().expect("ten");
            drop((response, client.driver.abort()));
            settle().await;
            let began = Instant::now();
            let late = other.get(&path).await.expect("an answer");
            assert_eq!((late.status, late.headers["retry-after"].as_bytes()), (503, &b"1"[..]));
            assert_eq!(began.elapsed(), Duration::from_millis(500));
            assert_eq!(server.snapshot().responses_shed, 6, "five of them before");
            let told = server.events.borrow().iter().filter(|event| event.contains("became a 503")).count();
            assert_eq!(told, 1, "once in ten seconds");
            // Those that do not read are given up, and there is room again.
            tokio::time::sleep(Duration::from_secs(20)).await;
            assert_eq!(other.get(&path).await.unwrap().status, 200);
            drop(hoarders);
            server.finish().await;
        });
    }

    fn a_response_that_becomes_small_waits_no_more() {
        virtual_time(async {
            let size = Rc::new(Cell::new(2 * MIB));
            let told = Rc::clone(&size);
            let limits = Limits { process_response_bytes: MIB, ..Limits::default() };
            let server = TestServer::start(limits, move |_| {
                Reply::Ready(Response::new(200).with_body(vec![b'x'; told.get()]))
            });
            let mut client = server.connect().await;
            for _ in 0..3 {
                let answer = client.post("a body").await.expect("an answer");
                assert_eq!(answer.body.len(), 2 * MIB, "all the room is enough");
            }
            size.set(5);
            assert_eq!(client.post("a body").await.unwrap().body.len(), 5);
            let mut hoarder = unreading(&server).await;
            size.set(2 * MIB);
            let hoard = hoarder.start(get("/other"), true).0;
            settle().await;
            size.set(5);
            assert_eq!(client.post("a body").await.unwrap().body.len(), 5);
            drop(hoard);
            server.finish().await;
        });
    }

    fn guesses_are_of_method_and_path_and_bounded() {
        let guesses = Guesses::default();
        let get = Method::GET;
        guesses.note(&get, "/small", 5, false);
        guesses.note(&get, "/large?page=1", 100_000, true);
        assert_eq!(guesses.of(&get, "/large?page=2"), Some(100_000));
        assert_eq!(guesses.of(&get, "/small"), None);
        assert_eq!(guesses.of(&Method::HEAD, "/large"), None);
        guesses.note(&get, "/large", 5, false);
        assert_eq!(guesses.of(&get, "/large"), None);
        for number in 0..5000 {
            guesses.note(&get, &format!("/{number}"), number, true);
        }
        assert_eq!(guesses.of(&get, "/0"), None, "forgotten");
        assert_eq!(guesses.of(&get, "/4999"), Some(4999));
    }

    fn room_is_taken_in_turn() {
        virtual_time(async {
            let wanted = Arc::<AtomicUsize>::default();
            let room = Room::new(10 << 10, &wanted);
            let first = room.try_take(8 << 10).expect("it is free");
            assert!(room.try_take(3 << 10).is_none());
            let large = { let room = room.clone(); spawn_local(async move { room.take(1 << 30).await }) };
            settle().await;
            assert_eq!(wanted.load(Ordering::Relaxed), 1);
            assert!(room.try_take(1).is_none(), "another waits");
            drop(first);
            let all = large.await.expect("all of the room is enough");
            assert_eq!(wanted.load(Ordering::Relaxed), 0);
            assert!(room.try_take(1).is_none());
            drop(all);
            assert!(room.try_take(10 << 10).is_some());
        });
    }
}
