//! Room for new connections: the longest idle one closes, and no address has all.

use super::*;
use std::time::Duration;

/// A server whose `/wait` is answered after a second.
fn waiting(limits: Limits) -> TestServer {
    TestServer::start(limits, |request| match request.path() {
        "/wait" => Reply::pending(async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            Response::text(200, "waited")
        }),
        _ => Reply::Ready(Response::text(200, "hello")),
    })
}

valk_harness::test! {
    fn the_longest_idle_connection_makes_room() {
        virtual_time(async {
            let server = waiting(Limits { max_connections: 3, ..Limits::default() });
            let mut busy = server.connect().await;
            let waits = spawn_local(read_answer(busy.start(get("/wait"), true).0));
            let mut first = server.connect().await;
            let mut second = server.connect().await;
            first.get("/").await.unwrap();
            second.get("/").await.unwrap();
            settle().await;
            first.get("/").await.unwrap();
            // The second has been idle for longer.
            let mut fresh = server.connect().await;
            assert_eq!(fresh.get("/").await.unwrap().status, 200);
            second.driver.await.unwrap().expect("it was told");
            assert_eq!(first.get("/").await.unwrap().status, 200);
            assert_eq!(waits.await.unwrap().unwrap().body, b"waited");
            assert_eq!(server.snapshot().connections_displaced, 1);
            let silent = server.pipe(1 << 16);
            let more = [server.connect().await, server.connect().await];
            for mut client in more {
                assert_eq!(client.get("/").await.unwrap().status, 200);
            }
            drop(silent);
            server.finish().await;
        });
    }

    fn without_an_idle_connection_the_next_one_waits_for_one() {
        virtual_time(async {
            let server = waiting(Limits { max_connections: 1, ..Limits::default() });
            let mut busy = server.connect().await;
            let waits = spawn_local(read_answer(busy.start(get("/wait"), true).0));
            settle().await;
            let began = tokio::time::Instant::now();
            let mut fresh = server.connect().await;
            assert_eq!(fresh.get("/").await.unwrap().status, 200);
            assert_eq!(began.elapsed().as_millis(), 999, "as soon as the other is idle");
            assert_eq!(waits.await.unwrap().unwrap().body, b"waited");
            server.finish().await;
        });
    }

    fn an_address_has_only_so_many_connections() {
        virtual_time(async {
            let server = waiting(Limits { address_connections: 2, ..Limits::default() });
            let first = server.connect().await;
            let _second = server.connect().await;
            assert!(talk(server.pipe(1 << 16), &greeting(&[])).await.is_empty(), "closed at once");
            assert_eq!(server.snapshot().connections_refused, 1);
            first.driver.abort();
            drop(first);
            settle().await;
            assert_eq!(server.connect().await.get("/").await.unwrap().status, 200);
            server.finish().await;
        });
    }
}
