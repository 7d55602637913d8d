//! The list of connections that wait, alone and at the server.

use super::*;
use crate::overload::waiting::{Added, WaitingList};
use std::time::Duration;
use tokio::time::Instant;

/// A list of numbers, of which some are closing.
struct Checked {
    list: WaitingList<u64>,
    began: Instant,
}

impl Checked {
    fn new(most: usize) -> Self {
        Self { list: WaitingList::new(most), began: Instant::now() }
    }

    fn at(&self, second: u64) -> Instant {
        self.began + Duration::from_secs(second)
    }

    fn add(&mut self, number: u64, second: u64) -> Added {
        let since = self.at(second);
        self.list.add(number, since, number)
    }

    /// Resumes with as many buffers as it takes.
    fn resume(&mut self) -> Option<u64> {
        self.list.resume(2, 4, |_| false)
    }
}

valk_harness::test! {
    fn the_newest_goes_on_first() {
        let mut waiting = Checked::new(10);
        assert_eq!(waiting.resume(), None);
        for number in 1..=3 {
            assert_eq!(waiting.add(number, number), Added::Waits);
        }
        assert_eq!([waiting.resume(), waiting.resume()], [Some(3), Some(2)]);
        assert!(!waiting.list.is_empty());
        assert_eq!([waiting.resume(), waiting.resume()], [Some(1), None]);
        assert!(waiting.list.is_empty());
    }

    fn none_is_in_it_twice_and_there_is_a_most() {
        let mut waiting = Checked::new(2);
        assert_eq!([waiting.add(1, 0), waiting.add(2, 1)], [Added::Waits; 2]);
        assert_eq!(waiting.add(3, 2), Added::Full);
        assert_eq!(waiting.add(1, 3), Added::Waits, "it is in it");
        assert_eq!([waiting.resume(), waiting.resume(), waiting.resume()], [Some(2), Some(1), None]);
        assert_eq!(Checked::new(0).add(1, 0), Added::Full);
    }

    fn those_that_leave_are_taken_out_anywhere() {
        for leaving in 1..=3 {
            let mut waiting = Checked::new(3);
            for number in 1..=3 {
                waiting.add(number, 0);
            }
            assert!(waiting.list.remove(leaving));
            assert!(!waiting.list.remove(leaving));
            let left = [waiting.resume(), waiting.resume(), waiting.resume()];
            let expected: Vec<_> = (1..=3).rev().filter(|number| *number != leaving).collect();
            assert_eq!(left[..2], [Some(expected[0]), Some(expected[1])]);
            assert_eq!(left[2], None);
        }
    }

    fn it_takes_half_of_the_buffers_that_a_connection_needs() {
        for (free, least, resumes) in [
            (0, 0, false), (1, 0, false), (2, 0, true), (3, 0, true),
            (0, 1, true), (0, 2, false), (1, 2, true), (1, 3, true),
            (1, 4, false), (2, 4, true), (4, 10, false), (5, 10, true),
        ] {
            let mut waiting = Checked::new(1);
            waiting.add(1, 0);
            let resumed = waiting.list.resume(free, least, |_| false);
            assert_eq!(resumed.is_some(), resumes, "{free} free of {least}");
            assert_eq!(waiting.list.is_empty(), resumes);
        }
    }

    fn those_that_are_closing_are_passed_over_and_forgotten() {
        let mut waiting = Checked::new(5);
        for number in 1..=5 {
            waiting.add(number, 0);
        }
        assert_eq!(waiting.list.resume(2, 4, |number| *number > 3), Some(3));
        assert!(!waiting.list.remove(5) && !waiting.list.remove(4));
        assert_eq!(waiting.list.resume(2, 4, |_| true), None);
        assert!(waiting.list.is_empty());
    }

    fn who_has_waited_longer_is_told_the_oldest_first() {
        let mut waiting = Checked::new(10);
        for number in 1..=6 {
            waiting.add(number, number);
        }
        let (third, sixth) = (waiting.at(3), waiting.at(7));
        assert_eq!(waiting.list.expired(third, 10), [1, 2], "not who waits since just then");
        assert!(waiting.list.expired(third, 10).is_empty());
        assert_eq!(waiting.list.expired(sixth, 3), [3, 4, 5]);
        assert!(waiting.list.expired(sixth, 0).is_empty());
        assert_eq!(waiting.list.expired(sixth, 3), [6]);
    }

    fn random_operations_agree_with_a_plain_vector() {
        const MOST: usize = 20;
        let mut waiting = Checked::new(MOST);
        // The newest last: number and second.
        let mut model: Vec<(u64, u64)> = Vec::new();
        let mut random = 88_172_645_463_325_252_u64;
        let mut draw = |below: u64| {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            random % below
        };
        for step in 0..10_000 {
            let number = draw(30);
            match draw(8) {
                0..=3 => {
                    let known = model.iter().any(|(known, _)| *known == number);
                    let is_full = !known && model.len() == MOST;
                    if !known && !is_full {
                        model.push((number, step));
                    }
                    let expected = if is_full { Added::Full } else { Added::Waits };
                    assert_eq!(waiting.add(number, step), expected);
                }
                4 => {
                    let before = model.len();
                    model.retain(|(known, _)| *known != number);
                    assert_eq!(waiting.list.remove(number), model.len() < before);
                }
                5 | 6 => {
                    let free = draw(4) as usize;
                    let closing = draw(4);
                    let mut expected = None;
                    while free >= 2 && expected.is_none() && !model.is_empty() {
                        expected = model.pop().filter(|(known, _)| known % 4 != closing);
                    }
                    let resumed = waiting.list.resume(free, 4, |known| known % 4 == closing);
                    assert_eq!(resumed, expected.map(|(known, _)| known));
                }
                _ => {
                    let (then, most) = (step.saturating_sub(draw(40)), draw(5) as usize);
                    let mut expected: Vec<_> = model.iter().filter(|(_, since)| *since < then).copied().collect();
                    expected.truncate(most);
                    model.retain(|entry| !expected.contains(entry));
                    let then = waiting.at(then);
                    let expired = waiting.list.expired(then, most);
                    assert_eq!(expired, expected.iter().map(|(known, _)| *known).collect::<Vec<_>>());
                }
            }
            assert_eq!(waiting.list.is_empty(), model.is_empty());
        }
    }
}

/// A server of responses that soon are more than a connection may hold.
fn of_large_responses(limits: &Limits) -> TestServer {
    let limits = Limits { connection_response_bytes: 500, ..limits.clone() };
    TestServer::start(limits, |_| Reply::Ready(Response::new(200).with_body(vec![1; 1000])))
}

/// A client that reads ten bytes of a stream and no more.
async fn reluctant(server: &TestServer) -> Client {
    server
        .connect_with(|client| {
            client.initial_window_size(10);
        })
        .await
}

valk_harness::test! {
    fn a_connection_that_waits_too_long_ends() {
        virtual_time(async {
            let waiting_timeout = Duration::from_secs(3);
            let server = of_large_responses(&Limits { waiting_timeout, ..Limits::default() });
            let mut client = reluctant(&server).await;
            let unread = client.start(get("/"), true).0;
            let began = Instant::now();
            let end = client.driver.await.unwrap().expect_err("it is told");
            assert_eq!(end.reason(), Some(h2::Reason::ENHANCE_YOUR_CALM), "{end}");
            let waited = began.elapsed();
            assert!((3..4).contains(&waited.as_secs()), "{waited:?}");
            assert_eq!(server.snapshot().connections_stalled, 1);
            drop(unread);
            server.finish().await;
        });
    }

    fn only_so_many_connections_may_wait() {
        virtual_time(async {
            let server = of_large_responses(&Limits { waiting_connections: 2, ..Limits::default() });
            let mut waiting = Vec::new();
            for _ in 0..2 {
                let mut client = reluctant(&server).await;
                waiting.push((client.start(get("/"), true).0, client));
            }
            settle().await;
            assert_eq!(server.snapshot().connections_waiting, 2);
            let mut surplus = reluctant(&server).await;
            let unread = surplus.start(get("/"), true).0;
            let end = surplus.driver.await.unwrap().expect_err("it is told");
            assert_eq!(end.reason(), Some(h2::Reason::ENHANCE_YOUR_CALM), "{end}");
            drop(unread);
            assert_eq!(server.snapshot().connections_stalled, 1);
            // One that has read makes room for another.
            let (response, _client) = waiting.pop().expect("two");
            assert_eq!(read_answer(response).await.unwrap().body.len(), 1000);
            let mut next = reluctant(&server).await;
            let unread = next.start(get("/"), true).0;
            settle().await;
            assert_eq!(server.snapshot().connections_waiting, 2);
            assert_eq!(read_answer(unread).await.unwrap().body.len(), 1000);
            drop(waiting);
            server.finish().await;
        });
    }

    fn memory_that_others_give_back_lets_a_connection_go_on() {
        virtual_time(async {
            // A response of the hoarder fills the process; the other connection has its share then.
            let limits = Limits { process_response_bytes: 200_000, ..Limits::default() };
            let server = TestServer::start(limits, |request| {
                let bytes: usize = request.path()[1..].parse().expect("a number");
                Reply::Ready(Response::new(200).with_body(vec![1; bytes]))
            });
            let mut waits = reluctant(&server).await;
            let own = waits.start(get("/60000"), true).0;
            settle().await;
            let mut hoarder = reluctant(&server).await;
            let hoard = hoarder.start(get("/150000"), true).0;
            settle().await;
            // Taken, but no answer is made before there is memory.
            let held_up = spawn_local(read_answer(waits.start(get("/5"), true).0));
            tokio::time::sleep(Duration::from_millis(200)).await;
            assert!(!held_up.is_finished());
            hoarder.driver.abort();
            drop((hoarder, hoard));
            tokio::time::sleep(Duration::from_millis(100)).await;
            assert!(held_up.is_finished(), "it was told although its own client reads nothing");
            assert_eq!(held_up.await.unwrap().unwrap().body.len(), 5);
            drop(own);
            server.finish().await;
        });
    }
}
