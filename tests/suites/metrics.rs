//! Metrics of a service: what its servers, its program and its dashboard count and tell.

use http::Method;
use serde_json::Value as Json;
use tokio::net::TcpStream;
use valk_tests::client::{Answer, Client, block_on};
use valk_tests::program::{Service, file};

/// A service with its dashboard on a port of its own.
const PROGRAM: &str = r#"
(def {sys} (aio/await (aio/start)))
(def {jobs} (metrics/counter "jobs" "queue" "a\"b\\c"))
(fun {h req} {
  (metrics/counter-inc jobs)
  (select
    {(== "/fail" (req/path req)) (error "boom")}
    {(== "/waits" (req/path req)) (do (aio/await (aio/sleep sys 1)) (list :body "waited"))}
    {otherwise (list :body "ok")})})
(def {server} (aio/await (http2/server-listen sys 0 h {:host "127.0.0.1" :tls 0})))
(def {board} (aio/await (http2/server-listen sys 0 (aio/debug-handler sys) {:host "127.0.0.1" :tls 0})))
(println "%d %d" (http2/server-port server) (http2/server-port board))
(aio/run sys)
"#;

/// A service that answers every request with all kinds of events; `/viewers` tells how many watch.
const EVENTS: &str = r#"
(def {sys} (aio/await (aio/start)))
(fun {all stream req} {
  (sse/send stream "a\nb\r\nc") (sse/send stream {:key "value" :num 42}) (sse/send stream "")
  (sse/message stream "m") (sse/event stream "tick" "e") (sse/id stream "7" "i")
  (sse/full stream "tick" "8" "f") (sse/retry stream 500) (sse/comment stream "one\ntwo")
  (sse/heartbeat stream) (sse/json stream {1 2}) (sse/json-event stream "state" {:a 1})
  (sse/send-event stream "x" "1") (sse/send-id stream "9" "2") (sse/send-full stream "y" "10" "3")
  (sse/send-retry stream 7) (sse/set-timeout stream 1000) (sse/on-drain stream (\ {} {do 1}))
  (sse/comment stream (str (sse/writable? stream)))
  (= {refused} (sse/event stream "bad\ntype" "x"))
  (sse/close stream)})
(def {events} (aio/await (http2/server-listen sys 0 (sse/handler all) {:host "127.0.0.1" :tls 0})))
(fun {board req} {
  if (== (req/path req) "/viewers")
    {list :body (str (debug/get-subscriber-count))}
    {if (== (req/path req) "/once")
      {metrics/single-shot-handler req nil}
      {aio/debug-handle-request sys req}}})
(def {board} (aio/await (http2/server-listen sys 0 board {:host "127.0.0.1" :tls 0})))
(println "%d %d" (http2/server-port events) (http2/server-port board))
(aio/run sys)
"#;

/// What the events look like on the wire.
const WIRE: &str = "data: a\ndata: b\ndata: c\n\ndata: {:key value :num 42}\n\ndata: \n\n\
    data: m\n\nevent: tick\ndata: e\n\nid: 7\ndata: i\n\nid: 8\nevent: tick\ndata: f\n\n\
    retry: 500\n\n: one\n: two\n:\ndata: {1 2}\n\nevent: state\ndata: {:a 1}\n\n\
    event: x\ndata: 1\n\nid: 9\ndata: 2\n\nid: 10\nevent: y\ndata: 3\n\nretry: 7\n\n: 1\n";

/// The service with the ports of its server and its dashboard.
fn start() -> (Service, u16, u16) {
    start_program(PROGRAM)
}

fn start_program(text: &str) -> (Service, u16, u16) {
    let mut service = Service::start(&[&file("metrics.valk", text)]);
    let line = service.line();
    let mut ports = line.split_whitespace().map(|port| port.parse().expect("a port"));
    let (server, board) = (ports.next().expect("a port"), ports.next().expect("a port"));
    (service, server, board)
}

async fn get(client: &mut Client, path: &str) -> Answer {
    client.send(Method::GET, path, &[], b"").await.await.expect("an answer")
}

/// The value of a series in a text for Prometheus.
fn value(text: &str, series: &str) -> Option<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '))?;
    Some(line.parse().expect("a number"))
}

/// Checks the form of a text for Prometheus: comments, or a name, labels and a number; each family once.
fn check_form(text: &str) {
    let mut families = std::collections::HashSet::new();
    for line in text.lines().filter(|line| !line.is_empty()) {
        if let Some(comment) = line.strip_prefix('#') {
            if let Some(family) = comment.strip_prefix(" TYPE ") {
                assert!(families.insert(family.to_string()), "twice: {family}");
            }
            continue;
        }
        let (series, number) = line.rsplit_once(' ').unwrap_or_else(|| panic!("{line}"));
        assert!(number.parse::<f64>().is_ok(), "{line}");
        let name = series.split('{').next().expect("a name");
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
        assert!(!name.is_empty() && name.chars().all(is_name), "{line}");
        assert_eq!(series.contains('{'), series.ends_with('}'), "{line}");
    }
    assert!(families.len() > 10, "{text}");
}

valk_harness::test! {
    fn requests_are_counted_and_metrics_are_text() {
        let (service, server, board) = start();
        block_on(async {
            let mut client = Client::connect(server).await;
            for path in ["/", "/waits", "/fail", "/"] {
                get(&mut client, path).await;
            }
            let mut viewer = Client::connect(board).await;
            let answer = get(&mut viewer, "/metrics").await;
            assert_eq!((answer.status, &answer.headers["content-type"]), (200, &"text/plain; version=0.0.4".parse().expect("a value")));
            let text = answer.body;
            check_form(&text);
            let labels = format!("loop=\"main\",port=\"{server}\",protocol=\"http\",server=\"127.0.0.1\"");
            let of = |name: &str, more: &str| value(&text, &format!("{name}{{{labels}{more}}}"));
            assert_eq!(of("http_requests_total", ""), Some(4.0), "{text}");
            assert_eq!(of("http_requests_total", ",status=\"2xx\""), Some(3.0));
            assert_eq!(of("http_requests_total", ",status=\"5xx\""), Some(1.0));
            assert_eq!(of("http_connections_active", ""), Some(1.0));
            assert!(of("http_bytes_sent_total", "") > Some(50.0));
            assert_eq!(value(&text, "aio_requests_total{system=\"main\"}"), Some(4.0));
            assert_eq!(value(&text, "aio_requests_errors{system=\"main\"}"), Some(1.0));
            assert_eq!(value(&text, "aio_requests_active{system=\"main\"}"), Some(1.0), "this one");
            assert_eq!(value(&text, "aio_servers_count{system=\"main\"}"), Some(2.0));
            assert_eq!(value(&text, "aio_request_duration_seconds_count{system=\"main\"}"), Some(4.0));
            assert_eq!(value(&text, "jobs{queue=\"a\\\"b\\\\c\"}"), Some(4.0), "{text}");
            for name in ["valk_gc_cycles_total", "valk_gc_heap_used_bytes", "process_resident_memory_bytes"] {
                assert!(value(&text, name).is_some(), "{name}: {text}");
            }
        });
        drop(service);
    }
}

valk_harness::test! {
    fn what_a_server_counted_last_stays_in_the_totals_when_it_has_stopped() {
        let program = PROGRAM.replace(
            "(def {board}",
            "(fun {stop req} {if (== (req/path req) \"/stop\")
               {do (http2/server-stop server) (list :body \"stopping\")} {aio/debug-handle-request sys req}})
             (def {board}",
        );
        let program = program.replace("(aio/debug-handler sys)", "stop");
        let (_service, server, board) = start_program(&program);
        block_on(async {
            let mut viewer = Client::connect(board).await;
            let mut client = Client::connect(server).await;
            get(&mut client, "/").await;
            let text = get(&mut viewer, "/metrics").await.body;
            assert_eq!(value(&text, "aio_servers_count{system=\"main\"}"), Some(2.0), "{text}");
            // Nobody asks between these requests and the end of their server.
            for _ in 0..3 {
                get(&mut client, "/").await;
            }
            get(&mut viewer, "/stop").await;
            while TcpStream::connect(("127.0.0.1", server)).await.is_ok() {
                tokio::task::yield_now().await;
            }
            drop(client);
            let mut seen = 0;
            let text = loop {
                let text = get(&mut viewer, "/metrics").await.body;
                seen += 1;
                if value(&text, "aio_servers_count{system=\"main\"}") == Some(1.0) {
                    break text;
                }
            };
            // Of the server that has ended 4, of the dashboard all that came before.
            let total = value(&text, "aio_requests_total{system=\"main\"}");
            assert_eq!(total, Some(f64::from(4 + 2 + seen - 1)), "{text}");
            let labels = format!("loop=\"main\",port=\"{server}\",protocol=\"http\",server=\"127.0.0.1\"");
            assert_eq!(value(&text, &format!("http_requests_total{{{labels}}}")), Some(4.0), "{text}");
            assert_eq!(value(&text, &format!("http_connections_active{{{labels}}}")), Some(0.0), "{text}");
        });
    }

    fn the_dashboard_answers_on_all_its_paths() {
        let (service, _, board) = start();
        block_on(async {
            let mut viewer = Client::connect(board).await;
            let page = get(&mut viewer, "/debug/?from=here").await;
            assert_eq!(page.headers["content-type"], "text/html; charset=utf-8");
            assert!(page.body.starts_with("<!DOCTYPE html>") && page.body.contains("EventSource"));
            assert!(page.body.len() < 64 << 10 && !page.body.contains("http://") && !page.body.contains("https://"), "nothing from elsewhere");
            let whole: Json = serde_json::from_str(&get(&mut viewer, "/debug/metrics").await.body).expect("JSON");
            for part in ["aio_metrics", "aio_systems", "modular_metrics", "vm_metrics"] {
                assert!(!whole[part].is_null(), "{part}");
            }
            let answer = get(&mut viewer, "/debug/metrics/state").await;
            assert_eq!(answer.headers["cache-control"], "no-cache, no-store, must-revalidate");
            let state: Json = serde_json::from_str(&answer.body).expect("JSON");
            for path in ["/metrics/aio", "/metrics/modular/counters", "/metrics/vm/gc", "/metrics/registry/counters", "/memory/slabs", "/memory/gc"] {
                assert!(state.pointer(path).is_some(), "{path}");
            }
            let answer = get(&mut viewer, "/debug/slab/buckets?slab=tcp_buffers&start=0&end=10&buckets=2&x").await;
            assert_eq!(answer.status, 200);
            assert_eq!(answer.body, r#"{"buckets":[{"u":0,"f":5},{"u":0,"f":5}],"total":576}"#);
            for query in ["slab=none", "start=x", "buckets=0"] {
                let answer = get(&mut viewer, &format!("/debug/slab/buckets?{query}")).await;
                assert_eq!(answer.status, 400, "{query}");
                let problem: Json = serde_json::from_str(&answer.body).expect("JSON");
                assert!(problem["error"].is_string(), "{query}");
            }
            let other = get(&mut viewer, "/elsewhere").await;
            assert!(other.status == 200 && other.body.contains("url=/debug/"));
        });
        drop(service);
    }
}

/// A request whose answer is watched as it comes.
struct Watch {
    body: h2::RecvStream,
    seen: String,
}

impl Watch {
    async fn open(port: u16, path: &str) -> Watch {
        let stream = TcpStream::connect(("127.0.0.1", port)).await.expect("the server listens");
        let (sender, connection) = h2::client::handshake(stream).await.expect("it speaks HTTP/2");
        tokio::spawn(async move {
            // It ends with the runtime.
            let _ = connection.await;
        });
        let request = http::Request::get(format!("http://127.0.0.1:{port}{path}"));
        let request = request.body(()).expect("a valid request");
        let mut sender = sender.ready().await.expect("the connection is open");
        let (response, _) = sender.send_request(request, true).expect("the stream opens");
        let response = response.await.expect("an answer");
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Watch { body: response.into_body(), seen: String::new() }
    }

    /// Reads until so many events of this type have come; the data of the last one.
    async fn event(&mut self, name: &str, count: usize) -> Json {
        let mark = format!("event: {name}\ndata: ");
        loop {
            let whole: Vec<&str> = self.seen.split("\n\n").collect();
            // What stands behind the last empty line is not whole.
            let events =
                whole[..whole.len() - 1].iter().filter_map(|event| event.strip_prefix(&mark));
            if let Some(data) = events.collect::<Vec<&str>>().get(count - 1) {
                return serde_json::from_str(data).expect("JSON");
            }
            let part = self.body.data().await.expect("the stream goes on").expect("data");
            self.body.flow_control().release_capacity(part.len()).expect("it was received");
            self.seen += &String::from_utf8_lossy(&part);
        }
    }
}

valk_harness::test! {
    fn events_have_their_form_on_the_wire() {
        let (service, events, board) = start_program(EVENTS);
        block_on(async {
            let mut client = Client::connect(events).await;
            let answer = get(&mut client, "/").await;
            assert_eq!(answer.headers["content-type"], "text/event-stream");
            assert_eq!(answer.headers["cache-control"], "no-cache");
            assert_eq!(answer.body, WIRE);
            let once = get(&mut Client::connect(board).await, "/once").await.body;
            let data = once.strip_prefix("event: metrics\ndata: ").expect("one event").trim_end();
            assert!(serde_json::from_str::<Json>(data).expect("JSON")["counters"].is_array());
        });
        drop(service);
    }
}

valk_harness::test! {
    fn viewers_get_the_state_and_then_their_own_changes() {
        let (service, events, board) = start_program(EVENTS);
        block_on(async {
            let mut client = Client::connect(board).await;
            let mut one = Watch::open(board, "/debug/diagnostics/memory").await;
            let state = one.event("diagnostics", 1).await;
            assert!(state["metrics"]["registry"].is_object() && state["memory"]["slabs"].is_array());
            let mut other = Watch::open(board, "/debug/diagnostics/memory").await;
            other.event("diagnostics", 1).await;
            assert_eq!(get(&mut client, "/viewers").await.body, "2");
            get(&mut Client::connect(events).await, "/").await;
            for watch in [&mut one, &mut other] {
                let mut count = 0;
                let changed = |delta: &Json| {
                    let deltas = delta["metrics"]["modular"]["deltas"].as_array().expect("a list");
                    let port = events.to_string();
                    deltas.iter().any(|d| d["n"] == "http_requests_total" && d["l"]["port"] == port.as_str())
                };
                loop {
                    count += 1;
                    let delta = watch.event("diagnostics-delta", count).await;
                    assert!(delta["memory"]["rss"].is_u64() && delta["metrics"]["vm"]["gc"].is_object());
                    if changed(&delta) {
                        break;
                    }
                }
            }
            drop((one, other));
            while get(&mut client, "/viewers").await.body != "0" {}
        });
        drop(service);
    }
}
