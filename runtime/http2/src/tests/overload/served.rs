//! A server that is asked for more than it can do.

use super::*;
use crate::{Class, Shed};
use http::Method;
use std::time::Duration;
use valk_net::Places;

/// Runs a test in the time of the system.
fn real_time(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    LocalSet::new().block_on(&runtime.expect("a runtime"), test);
}

/// Keeps its thread for two milliseconds per request; the path is its class.
struct Costly(Rc<RefCell<Vec<String>>>);

impl Handler for Costly {
    fn handle(&self, _: Request) -> Reply {
        std::thread::sleep(Duration::from_millis(2));
        Reply::Ready(Response::text(200, "worth it"))
    }

    fn class(&self, _: &Method, target: &str) -> Class {
        match target {
            "/critical" => Class::Critical,
            "/sheddable" => Class::Sheddable,
            _ => Class::Normal,
        }
    }

    fn event(&self, event: &Event) {
        self.0.borrow_mut().push(event.to_string());
    }
}

fn costly(adjust: impl FnOnce(&mut Shared)) -> TestServer {
    let limits = Limits { target_delay: Duration::from_millis(20), ..Limits::default() };
    let events: Rc<RefCell<Vec<String>>> = Rc::default();
    TestServer::of(limits, Rc::new(Costly(Rc::clone(&events))), events, adjust)
}

/// Asks for so many requests at a time of each path until the server turns requests away, and once
/// more: how often each path was answered with which status, 0 for a refusal.
async fn press(server: &TestServer, paths: &[&str]) -> Vec<(String, u16)> {
    let mut outcomes = Vec::new();
    let mut clients = Vec::new();
    for _ in 0..4 {
        clients.push(server.connect().await);
    }
    let mut rounds_left = 2;
    for _ in 0..50 {
        let mut responses = Vec::new();
        for client in &mut clients {
            for path in paths.iter().cycle().take(60) {
                responses.push((*path, client.start(get(path), true).0));
            }
        }
        for (path, response) in responses {
            let status = match read_answer(response).await {
                Ok(answer) => {
                    if answer.status == 503 {
                        assert_eq!(answer.headers["retry-after"], "1");
                        assert!(answer.body.starts_with(b"<!doctype html>"), "{:?}", answer.body);
                    }
                    answer.status
                }
                Err(error) => {
                    assert_eq!(error.reason(), Some(h2::Reason::REFUSED_STREAM), "{error}");
                    0
                }
            };
            outcomes.push((path.to_owned(), status));
        }
        let totals = server.snapshot();
        rounds_left -= i32::from(totals.shed() > 0);
        if rounds_left == 0 {
            return outcomes;
        }
    }
    panic!("nothing was turned away");
}

fn count(outcomes: &[(String, u16)], path: &str, status: u16) -> u64 {
    outcomes.iter().filter(|(asked, was)| asked == path && *was == status).count() as u64
}

/// Waits until a request is answered again.
async fn recover(server: &TestServer) {
    let mut client = server.connect().await;
    for _ in 0..200 {
        tokio::time::sleep(Duration::from_millis(20)).await;
        let answered = client.get("/sheddable").await.is_ok_and(|answer| answer.status == 200);
        if answered && server.saw_event("no longer overloaded") {
            return;
        }
    }
    panic!("it does not recover: {:?}", server.events.borrow());
}

valk_harness::test! {
    fn requests_are_turned_away_by_class_and_none_that_is_critical() {
        real_time(async {
            let server = costly(|_| {});
            let paths = ["/critical", "/", "/sheddable"];
            let outcomes = press(&server, &paths).await;
            let totals = server.snapshot();
            assert_eq!(count(&outcomes, "/critical", 503), 0);
            assert_eq!(count(&outcomes, "/", 503), totals.shed_normal);
            assert_eq!(count(&outcomes, "/sheddable", 503), totals.shed_sheddable);
            assert!(totals.shed_normal > 0 && totals.shed_sheddable > 0, "{totals:?}");
            assert!(count(&outcomes, "/", 200) > 0, "goodput");
            assert!(server.saw_event("overloaded: requests wait"), "{:?}", server.events.borrow());
            recover(&server).await;
            let told = server.events.borrow().iter().filter(|event| event.contains("further")).count();
            assert_eq!(told, 1, "once in ten seconds");
            server.finish().await;
        });
    }

    fn requests_can_be_refused_instead() {
        real_time(async {
            let server = costly(|shared| shared.shed = Shed::Refuse);
            let outcomes = press(&server, &["/"]).await;
            let totals = server.snapshot();
            assert_eq!(count(&outcomes, "/", 0), totals.shed_normal);
            assert_eq!(totals.refused, totals.shed_normal);
            assert_eq!(totals.responses_5xx, 0);
            server.finish().await;
        });
    }
}

/// A server whose requests stay in progress until they are let go.
fn holding(places: Vec<Places>) -> (TestServer, Rc<tokio::sync::Semaphore>) {
    let ends = Rc::new(tokio::sync::Semaphore::new(0));
    let gate = Rc::clone(&ends);
    let answer = move |_: Request| {
        let gate = Rc::clone(&gate);
        Reply::pending(async move {
            gate.acquire().await.expect("it is not closed").forget();
            Response::text(200, "let go")
        })
    };
    let events = Rc::default();
    let handler = Rc::new(Recorder { answer, events: Rc::clone(&events) });
    let set = |shared: &mut Shared| shared.places = places;
    (TestServer::of(Limits::default(), handler, events, set), ends)
}

valk_harness::test! {
    fn only_so_many_requests_are_in_progress() {
        virtual_time(async {
            let (own, shared_places) = (Places::new(3), Places::new(2));
            let (server, ends) = holding(vec![own.clone(), shared_places.clone()]);
            let (other, _) = holding(vec![shared_places.clone()]);
            let mut client = server.connect().await;
            let begun: Vec<_> = (0..2).map(|_| client.start(get("/"), true).0).collect();
            settle().await;
            assert_eq!((own.taken(), shared_places.taken()), (2, 2));
            for answer in [client.get("/").await, client.post("a body").await] {
                assert_eq!(answer.expect("an answer").status, 503);
            }
            let refused = other.connect().await.get("/").await.expect("an answer");
            assert_eq!(refused.status, 503, "the places are those of both servers");
            assert_eq!((own.taken(), shared_places.taken()), (2, 2), "who is turned away has none");
            ends.add_permits(2);
            for response in begun {
                assert_eq!(read_answer(response).await.expect("an answer").status, 200);
            }
            assert_eq!((own.taken(), shared_places.taken()), (0, 0));
            ends.add_permits(1);
            assert_eq!(client.get("/").await.expect("an answer").status, 200);
            let totals = server.finish().await.totals;
            assert_eq!((totals.shed_in_progress, totals.responses_5xx), (2, 2));
            assert_eq!(other.finish().await.totals.shed(), 1);
        });
    }
}
