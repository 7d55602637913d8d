//! What a system counts of servers that run, that have ended, and that the registry has no room for.

use crate::system_metrics::{Counted, ServerCounts, SystemMetrics, register};
use std::sync::{Arc, Mutex};
use valk_metrics::{COUNTERS_MAX, Registry};

/// A server whose state the test sets.
type Server = Arc<Mutex<Counted>>;

/// A server with so many requests, of which one has not ended.
fn counts(requests: u64) -> ServerCounts {
    ServerCounts {
        connections: 1,
        connections_open: 1,
        requests,
        requests_open: 1,
        responses: [requests - 1, 0, 0, 0],
        ..ServerCounts::default()
    }
}

fn add(metrics: &SystemMetrics, registry: &Registry, port: &str, requests: u64) -> Server {
    let server = Arc::new(Mutex::new(Counted::SoFar(counts(requests))));
    let asked = Arc::clone(&server);
    let counted = move || *asked.lock().expect("no panic");
    metrics.add_server(registry, &[("port", port)], Box::new(counted));
    server
}

fn set(server: &Server, counted: Counted) {
    *server.lock().expect("no panic") = counted;
}

/// The value of a series.
fn value(registry: &Registry, series: &str) -> u64 {
    let text = registry.to_prometheus();
    let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {series}: {text}")).parse().expect("a number")
}

valk_harness::test! {
    fn the_last_requests_of_a_server_are_counted_when_it_has_ended() {
        let registry = Registry::new();
        let metrics = SystemMetrics::new(&registry, "main").expect("room");
        let (one, _two) = (add(&metrics, &registry, "1", 5), add(&metrics, &registry, "2", 7));
        let (total, running) = metrics.ask_servers();
        assert_eq!((total.requests, total.requests_open, running), (12, 2, 2));
        assert_eq!(value(&registry, "http_requests_total{port=\"1\"}"), 4);
        assert_eq!(value(&registry, "http_connections_active{port=\"1\"}"), 1);
        // It served two more before it ended, and nobody asked meanwhile.
        set(&one, Counted::AtTheEnd(counts(7)));
        let (total, running) = metrics.ask_servers();
        assert_eq!((total.requests, total.requests_open, running), (14, 1, 1));
        assert_eq!(value(&registry, "http_requests_total{port=\"1\"}"), 7);
        assert_eq!(value(&registry, "http_connections_active{port=\"1\"}"), 0);
        assert_eq!(Arc::strong_count(&one), 1, "it is asked no more");
        assert_eq!(metrics.ask_servers(), (total, running), "and stays in the totals");
    }

    fn servers_that_have_ended_are_forgotten_without_a_reader() {
        let registry = Registry::new();
        let metrics = SystemMetrics::new(&registry, "main").expect("room");
        for _ in 0..10 {
            let server = add(&metrics, &registry, "1", 1);
            set(&server, Counted::AtTheEnd(counts(3)));
        }
        let last = add(&metrics, &registry, "1", 1);
        assert_eq!(metrics.ask_servers().1, 1, "the last one");
        assert_eq!(metrics.ask_servers().0.requests, 31);
        drop(last);
    }

    fn a_request_that_comes_while_a_server_is_asked_is_no_harm() {
        let registry = Registry::new();
        let metrics = SystemMetrics::new(&registry, "main").expect("room");
        let server = add(&metrics, &registry, "1", 1);
        // Another thread counted the request as open after its number was read.
        let counts = ServerCounts { requests_open: 1, ..ServerCounts::default() };
        set(&server, Counted::SoFar(counts));
        assert_eq!(metrics.ask_servers(), (counts, 1));
        assert_eq!(value(&registry, "http_requests_total{port=\"1\"}"), 0);
    }

    fn a_system_that_the_registry_has_no_room_for_runs_uncounted() {
        let text = super::output(
            "(map (\\ {i} {metrics/gauge (str \"g\" i)}) (range 0 600))
             (def {sys} (aio/await (aio/start)))
             (print (str/contains? (metrics/prometheus) \"aio_uptime_seconds\") (aio/await (aio/sleep sys 0)))
             (aio/stop sys)
             (aio/run sys)
             (def {sys} (aio/await (aio/start)))
             (mem/gc/collect)
             (print (str/contains? (metrics/prometheus) \"g511\"))
             (aio/stop sys)",
        );
        assert_eq!(text, "0 ()\n1\n");
    }

    fn a_full_registry_has_no_series_of_a_server_but_the_totals_have_it() {
        let registry = Registry::new();
        let metrics = SystemMetrics::new(&registry, "main").expect("room");
        for number in 0..COUNTERS_MAX {
            // Refused when it is full.
            let _ = registry.counter(&format!("c{number}"), "", &[]);
        }
        let server = add(&metrics, &registry, "1", 5);
        assert_eq!(metrics.ask_servers().0.requests, 5);
        assert!(!registry.to_prometheus().contains("http_requests_total{port=\"1\"}"));
        set(&server, Counted::AtTheEnd(counts(6)));
        assert_eq!(metrics.ask_servers(), (ServerCounts { connections_open: 0, requests_open: 0, ..counts(6) }, 0));
        assert!(register(&registry, 1).is_none(), "no room for the series of a system");
        assert_eq!([0, 1].map(SystemMetrics::name_of), ["main", "main-2"]);
    }
}
