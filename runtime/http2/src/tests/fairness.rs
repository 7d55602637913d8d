//! Nobody waits for another's windows, batches or memory.

use super::*;
use std::time::Duration;
use tokio::time::Instant;

const MIB: usize = 1 << 20;

/// Answers as many bytes as the path says.
fn of_size(request: &Request) -> Reply {
    let bytes: usize = request.path()[1..].parse().expect("a number");
    Reply::Ready(Response::new(200).with_body(vec![b'x'; bytes]))
}

/// A client whose connection has all the window there is, and whose streams have the usual one.
async fn patient(server: &TestServer) -> Client {
    let wide = |client: &mut h2::client::Builder| {
        client.initial_connection_window_size(1 << 30);
    };
    server.connect_with(wide).await
}

valk_harness::test! {
    fn downloads_that_are_not_read_hold_up_no_other_request() {
        virtual_time(async {
            let limits = Limits { process_response_bytes: 1 << 30, ..Limits::default() };
            let server = TestServer::start(limits, |request| of_size(&request));
            let mut client = patient(&server).await;
            client.get("/0").await.unwrap();
            let began = Instant::now();
            let unread: Vec<_> =
                (0..100).map(|_| client.start(get(&format!("/{MIB}")), true).0).collect();
            let large = client.start(get(&format!("/{}", 10 * MIB)), true).0;
            settle().await;
            for _ in 0..20 {
                assert_eq!(client.get("/7").await.unwrap().body.len(), 7);
            }
            assert!(began.elapsed() < Duration::from_millis(5), "{:?}", began.elapsed());
            assert_eq!(server.snapshot().connections_waiting, 0);
            drop((unread, large));
            server.finish().await;
        });
    }

    fn a_download_at_a_slow_pace_holds_up_no_other_request() {
        virtual_time(async {
            let server = TestServer::start(Limits::default(), |request| of_size(&request));
            let mut client = patient(&server).await;
            let response = client.start(get(&format!("/{}", 10 * MIB)), true).0;
            let mut slow = response.await.unwrap().into_body();
            let mut received = 0;
            while let Some(chunk) = slow.data().await {
                received += chunk.as_ref().unwrap().len();
                slow.flow_control().release_capacity(chunk.unwrap().len()).unwrap();
                tokio::time::sleep(Duration::from_millis(10)).await;
                let began = Instant::now();
                assert_eq!(client.get("/7").await.unwrap().body.len(), 7);
                assert!(began.elapsed().is_zero(), "{:?}", began.elapsed());
            }
            assert_eq!(received, 10 * MIB);
            server.finish().await;
        });
    }

    fn responses_that_nobody_reads_are_bounded_in_the_process() {
        virtual_time(async {
            let limits = Limits::default();
            let server = TestServer::start(limits.clone(), |request| of_size(&request));
            let budget = server.budgets.responses.clone();
            let closed = |client: &mut h2::client::Builder| {
                client.initial_window_size(0);
            };
            let mut hoarders = Vec::new();
            for _ in 0..100 {
                let mut client = server.connect_with(closed).await;
                let unread = client.start(get(&format!("/{MIB}")), true).0;
                hoarders.push((client, unread));
            }
            settle().await;
            // The first was made before it was known how large it is; the others wait for room.
            assert_eq!(budget.used(), 33 * MIB);
            assert_eq!(server.snapshot().responses_shed, 0);
            // Who holds nothing is served, as long as it can be sent at once.
            let began = Instant::now();
            let mut fresh = server.connect().await;
            assert_eq!(fresh.get("/60000").await.unwrap().body.len(), 60_000);
            assert!(began.elapsed().is_zero());
            // What turns out large without being expected is refused, and waits the next time.
            let refused = fresh.get(&format!("/{}", MIB + 1)).await.unwrap();
            assert_eq!((refused.status, &refused.headers["retry-after"]), (503, &"1".parse().unwrap()));
            let large = fresh.start(get(&format!("/{MIB}")), true).0;
            // Who holds something waits.
            let (hoarder, _) = &mut hoarders[0];
            let waiting = spawn_local(read_answer(hoarder.start(get("/0"), true).0));
            settle().await;
            assert!(!waiting.is_finished());
            tokio::time::sleep(limits.pressed_stall_timeout).await;
            assert!(server.snapshot().stalled > 0);
            assert_eq!(waiting.await.unwrap().unwrap().status, 200);
            assert_eq!(read_answer(large).await.unwrap().body.len(), MIB, "behind those that came before");
            assert!(began.elapsed() <= 5 * limits.pressed_stall_timeout, "{:?}", began.elapsed());
            drop((hoarders, fresh));
            server.finish().await;
            assert_eq!(budget.used(), 0);
        });
    }

    fn who_reads_keeps_its_response_under_pressure() {
        virtual_time(async {
            let limits = Limits { process_response_bytes: MIB, ..Limits::default() };
            let server = TestServer::start(limits, |request| of_size(&request));
            let mut client = server.connect().await;
            let response = client.start(get(&format!("/{}", 2 * MIB)), true).0;
            let mut slow = response.await.unwrap().into_body();
            let mut received = 0;
            while let Some(chunk) = slow.data().await {
                let chunk = chunk.unwrap();
                received += chunk.len();
                slow.flow_control().release_capacity(chunk.len()).unwrap();
                tokio::time::sleep(Duration::from_millis(400)).await;
            }
            assert_eq!(received, 2 * MIB);
            assert_eq!(server.finish().await.totals.stalled, 0);
        });
    }

    fn a_socket_that_takes_nothing_is_closed_sooner_under_pressure() {
        virtual_time(async {
            let limits = Limits { process_response_bytes: MIB, ..Limits::default() };
            let server = TestServer::start(limits.clone(), |request| of_size(&request));
            let budget = server.budgets.responses.clone();
            let began = Instant::now();
            let mut pipe = server.pipe(1000);
            let wide = 0x7fff_0000_u32.to_be_bytes();
            let settings = [&[0, 4][..], &wide].concat();
            let requests: Vec<u8> = (0..40)
                .flat_map(|n| {
                    let block = [&[0x82, 0x86, 0x04, 6][..], b"/60000", &[0x41, 1, b'x']].concat();
                    frame(HEADERS, WHOLE, 2 * n + 1, &block)
                })
                .collect();
            let more = frame(WINDOW_UPDATE, 0, 0, &wide);
            let start = [PREFACE, &frame(SETTINGS, 0, 0, &settings), &more, &requests].concat();
            pipe.write_all(&start).await.unwrap();
            settle().await;
            assert!(budget.used() >= MIB && budget.used() < 2 * MIB, "{}", budget.used());
            while server.snapshot().connections_open > 0 {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            assert!(began.elapsed() < 3 * limits.pressed_stall_timeout, "{:?}", began.elapsed());
            assert_eq!(budget.used(), 0);
            server.finish().await;
        });
    }

    fn requests_of_one_connection_do_not_hold_up_those_of_another() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
        LocalSet::new().block_on(&runtime.expect("a runtime"), async {
            let order: Rc<RefCell<Vec<bool>>> = Rc::default();
            let told = Rc::clone(&order);
            let limits = Limits::default();
            let server = TestServer::start(limits.clone(), move |request| {
                let is_long = request.path() == "/long";
                told.borrow_mut().push(is_long);
                if is_long {
                    std::thread::sleep(2 * limits.batch_time);
                }
                Reply::Ready(Response::new(200))
            });
            let mut client = server.connect().await;
            let mut other = server.connect().await;
            client.get("/").await.unwrap();
            other.get("/").await.unwrap();
            order.borrow_mut().clear();
            let mut long: Vec<_> = (0..50)
                .map(|_| spawn_local(read_answer(client.start(get("/long"), true).0)))
                .collect();
            let first = long.remove(0);
            let quick = spawn_local(read_answer(other.start(get("/quick"), true).0));
            quick.await.unwrap().unwrap();
            assert!(order.borrow().len() <= 4, "{:?}", order.borrow());
            first.await.unwrap().unwrap();
            assert!(order.borrow().len() <= 6, "the first answers have left: {:?}", order.borrow());
            for answer in long {
                assert_eq!(answer.await.unwrap().unwrap().status, 200);
            }
            drop((client, other));
            server.finish().await;
        });
    }
}
