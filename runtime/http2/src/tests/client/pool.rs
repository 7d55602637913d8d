//! How connections are shared, waited for, and ended.

use super::*;
use tokio::time::Instant;

fn slow(ms: u64) -> impl Fn(&Request) -> Reply + 'static {
    move |_| {
        Reply::pending(async move {
            tokio::time::sleep(Duration::from_millis(ms)).await;
            Response::text(200, "late")
        })
    }
}

fn narrow(max_streams: u32) -> ServerConfig {
    ServerConfig { limits: Limits { max_streams, ..Limits::default() }, ..ServerConfig::default() }
}

async fn all_answered(sent: Vec<JoinHandle<Result<ClientResponse, ClientError>>>) {
    for response in sent {
        assert_eq!(response.await.unwrap().unwrap().status, 200);
    }
}

valk_harness::test! {
    fn a_hundred_requests_share_one_connection() {
        simulated(|simulation| async move {
            let server = Running::clear(&simulation, slow(50));
            let client = client(&simulation, ClientLimits::default());
            let began = Instant::now();
            all_answered((0..100).map(|_| send(&client, get_from("server", "/"))).collect()).await;
            assert!(began.elapsed() < Duration::from_millis(100), "{:?}", began.elapsed());
            let totals = server.finish().await;
            assert_eq!((totals.connections, totals.refused), (1, 0));
        });
    }

    fn a_server_gets_no_more_streams_than_it_allows() {
        simulated(|simulation| async move {
            let server = Running::start(&simulation, "server", &narrow(5), slow(50));
            let limits = ClientLimits { connections_per_server: 2, ..ClientLimits::default() };
            let client = client(&simulation, limits);
            all_answered((0..100).map(|_| send(&client, get_from("server", "/"))).collect()).await;
            let totals = server.finish().await;
            assert_eq!((totals.connections, totals.refused, totals.requests), (2, 0, 100));
        });
    }

    fn requests_that_wait_are_bounded() {
        simulated(|simulation| async move {
            let server = Running::start(&simulation, "server", &narrow(1), slow(50));
            let limits = ClientLimits {
                connections_per_server: 1,
                waiting_requests: 2,
                ..ClientLimits::default()
            };
            let client = client(&simulation, limits);
            let mut sent: Vec<_> = (0..4).map(|_| send(&client, get_from("server", "/"))).collect();
            // None has a connection yet: two wait, the other two have no place.
            for _ in 0..2 {
                let error = sent.pop().unwrap().await.unwrap().unwrap_err().to_string();
                assert!(error.contains("2 requests wait for server:443 already"), "{error}");
            }
            all_answered(sent).await;
            server.finish().await;
        });
    }

    fn a_wait_that_is_given_up_takes_no_stream() {
        simulated(|simulation| async move {
            let server = Running::start(&simulation, "server", &narrow(1), slow(50));
            let limits = ClientLimits { connections_per_server: 1, ..ClientLimits::default() };
            let client = client(&simulation, limits);
            let sent: Vec<_> = (0..20).map(|_| send(&client, get_from("server", "/"))).collect();
            tokio::time::sleep(Duration::from_millis(20)).await;
            for waiting in &sent[1..19] {
                waiting.abort();
            }
            let mut sent = sent.into_iter();
            let (first, last) = (sent.next().unwrap(), sent.next_back().unwrap());
            all_answered(vec![first, last]).await;
            assert_eq!(server.finish().await.requests, 2);
        });
    }

    fn an_idle_connection_says_goodbye() {
        simulated(|simulation| async move {
            let mut peer = Peer::listen(&simulation);
            let client = client(&simulation, ClientLimits::default());
            let sent = send(&client, get_from("server", "/"));
            let mut talk = peer.accept().await;
            let stream = talk.request().await;
            talk.answer(stream).await;
            sent.await.unwrap().unwrap();
            assert_eq!(client.connections(), 1);
            let began = Instant::now();
            let goodbye = talk.until(GOAWAY).await;
            assert_eq!((goodbye.code(), began.elapsed().as_secs()), (0, 60));
            assert_eq!(client.connections(), 0);
            assert!(talk.next().await.is_none(), "the socket is closed");
        });
    }

    fn room_is_made_by_the_connection_that_was_idle_longest() {
        simulated(|simulation| async move {
            let hosts = ["one", "two", "three"];
            let servers = hosts.map(|name| {
                Running::start(&simulation, name, &ServerConfig::default(), slow(1000))
            });
            let limits = ClientLimits { connections: 2, ..ClientLimits::default() };
            let client = client(&simulation, limits);
            for name in ["one", "two", "three"] {
                assert_eq!(client.send(get_from(name, "/")).await.unwrap().status, 200);
            }
            settle().await;
            let open = servers.each_ref().map(|server| server.totals().connections_open);
            tokio::time::sleep(Duration::from_millis(50)).await;
            assert_eq!(client.connections(), 2, "{open:?}");
            // Both are busy: there is no room for a third.
            let busy = [send(&client, get_from("two", "/")), send(&client, get_from("three", "/"))];
            settle().await;
            let error = client.send(get_from("one", "/")).await.unwrap_err().to_string();
            assert!(error.contains("all 2 connections are in use"), "{error}");
            all_answered(busy.into()).await;
            let requests = servers.map(|server| server.totals().requests);
            assert_eq!(requests, [1, 2, 2]);
        });
    }

    fn a_closed_client_says_goodbye_and_sends_no_more() {
        simulated(|simulation| async move {
            let server = Running::start(&simulation, "server", &narrow(1), slow(50));
            let limits = ClientLimits { connections_per_server: 1, ..ClientLimits::default() };
            let client = client(&simulation, limits);
            let sent: Vec<_> = (0..3).map(|_| send(&client, get_from("server", "/"))).collect();
            tokio::time::sleep(Duration::from_millis(20)).await;
            client.close().await;
            let ends: Vec<_> = sent.into_iter().collect();
            for (number, end) in ends.into_iter().enumerate() {
                let end = end.await.unwrap();
                assert_eq!(end.is_ok(), number == 0, "{number}: {end:?}");
            }
            assert_eq!(client.send(get_from("server", "/")).await, Err(ClientError::Closed));
            tokio::time::sleep(Duration::from_millis(50)).await;
            assert_eq!(server.totals().connections_open, 0);
        });
    }

    fn a_connection_that_nobody_waits_for_is_not_opened() {
        simulated(|simulation| async move {
            simulation.partition("client", "server");
            let server = Running::clear(&simulation, slow(1));
            let client = client(&simulation, ClientLimits::default());
            let sent = send(&client, get_from("server", "/"));
            settle().await;
            assert_eq!(client.connections(), 1);
            sent.abort();
            settle().await;
            assert_eq!(client.connections(), 0);
            simulation.heal("client", "server");
            assert_eq!(client.send(get_from("server", "/")).await.unwrap().status, 200);
            server.finish().await;
        });
    }

    fn connecting_prepares_the_first_request() {
        simulated(|simulation| async move {
            let server = Running::clear(&simulation, slow(0));
            let client = client(&simulation, ClientLimits::default());
            client.connect(&get_from("server", "/")).await.unwrap();
            assert_eq!((client.connections(), server.totals().requests), (1, 0));
            client.send(get_from("server", "/")).await.unwrap();
            assert_eq!(server.finish().await.connections, 1);
        });
    }

    fn servers_that_are_not_there_are_named() {
        simulated(|simulation| async move {
            simulation.host("silent");
            let client = client(&simulation, ClientLimits::default());
            let error = client.send(get_from("silent", "/")).await.unwrap_err().to_string();
            assert!(error.starts_with("Client connection error: -111: cannot connect to `silent`"), "{error}");
            let error = client.send(get_from("nowhere", "/")).await.unwrap_err().to_string();
            assert!(error.starts_with("Connect error: cannot resolve `nowhere`"), "{error}");
            assert_eq!(client.connections(), 0);
        });
    }
}
