//! Handlers that misbehave, time limits, clients that leave, and the request context: the whole
//! process, over HTTP/2.

use http::Method;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use valk_tests::client::{Answer, Client, block_on};
use valk_tests::program::{Service, file, valk};

/// The service: a route for each kind of handler.
const PROGRAM: &str = r#"
(def {sys} (aio/await (aio/start {EXECUTORS})))
(fun {spin n} {spin (+ n 1)})
(fun {hog l} {hog (cons (make-string 10000 "0123456789") l)})
(fun {deep n} {+ 1 (deep n)})
(def {left} (box 0))
(fun {context} {list (trace/id) (trace/span) (trace/parent-span) (ctx/locals)})
(fun {h req} {
 (= {p} (req/path req))
 (select
  {(== p "/spin") (spin 0)}
  {(== p "/hog") (hog nil)}
  {(== p "/deep") (deep 0)}
  {(== p "/throw") (error "boom")}
  {(== p "/never") (do (aio/await (promise)) (list :body "never"))}
  {(== p "/slow") (do (aio/await (aio/sleep sys 300000)) (list :body "slow"))}
  {(== p "/handle") (aio/sleep sys 300000)}
  {(== p "/future") (do (aio/await (future (\ {} {spin 0}))) (list :body "no"))}
  {(== p "/print") (do (print (make-string 2000 "0123456789")) (list :body "printed"))}
  {(== p "/short-future") (list :body (str (aio/await (future (\ {} {+ 40 2})))))}
  {(== p "/cleanup") (aio/await (aio/on-cancel (aio/sleep sys 300000)
     (\ {} {box/update left (\ {n} {+ n 1})})))}
  {(== p "/waits") (do (aio/await (aio/sleep sys 1)) (list :body "waited"))}
  {(== p "/hands-on") (do (aio/await (aio/sleep sys 1))
     (aio/then (aio/sleep sys 1) (\ {_} {list :body "handed on"})))}
  {(== p "/fails") (aio/fail 5)}
  {(== p "/fails-later") (do (aio/await (aio/sleep sys 1)) (aio/fail 5))}
  {(== p "/memory") (do (mem/gc/collect) (list :body (vm/metrics-json sys)))}
  {(== p "/left") (list :body (str (box/get left)))}
  {(== p "/block") (do (sleep 300000) (list :body "slept"))}
  {(== p "/context") (list :body (str (context)))}
  {(== p "/deadline") (list :body (str (> (ctx/deadline) 1000) (ctx/deadline-exceeded?)))}
  {(== p "/inherits") (do
    (= {own} (context))
    (list :body (str
      (== own (aio/await (future (\ {} {context}))))
      (== own (aio/await (aio/then (aio/sleep sys 1) (\ {_} {context}))))
      (== own (aio/await (aio/schedule sys 1 (\ {} {context}))))
      (== own (nth 1 (pmap (\ {_} {context}) {1 2}))))))}
  {(== p "/definition") (list :body (str (aio/await (aio/then (aio/sleep sys 1) (\ {_} {def {x} 1})))))}
  {otherwise (list :body "ok")})})
(def {server} (aio/await (http2/server-listen sys 0 h {:host "127.0.0.1" :tls 0 OPTIONS})))
(println "port:%d" (http2/server-port server))
(aio/run sys)
(print "over")
"#;

/// How the service is started.
#[derive(Clone, Copy)]
struct Setting {
    executors: usize,
    system: &'static str,
    listener: &'static str,
}

const SETTING: Setting = Setting { executors: 1, system: "", listener: "" };

fn start(setting: Setting) -> (Service, u16) {
    let mut service = Service::spawn(command(setting));
    let port = service.port();
    (service, port)
}

fn command(setting: Setting) -> Command {
    let program = PROGRAM.replace("EXECUTORS", setting.system).replace("OPTIONS", setting.listener);
    let mut command = valk(&[&file("handlers.valk", program)]);
    command.env("VALK_EXECUTORS", setting.executors.to_string()).env("VALK_LOG", "error");
    command.env("VALK_HEAP_HARD_LIMIT", (64 << 20).to_string());
    command
}

async fn get_with(port: u16, path: &str, headers: &[(&str, &str)]) -> Answer {
    let mut client = Client::connect(port).await;
    client.send(Method::GET, path, headers, b"").await.await.expect("an answer")
}

/// Sends requests that nothing answers, and waits for the acknowledgement of the last.
async fn abandon(client: &mut Client, path: &str, count: usize) {
    let mut pending = Vec::new();
    for _ in 0..count {
        pending.push(client.send(Method::GET, path, &[], b"").await);
    }
    assert_eq!(client.get("/").await.body, "ok");
}

fn settings() -> Vec<(String, Setting)> {
    [1, 2].map(|executors| (executors.to_string(), Setting { executors, ..SETTING })).into()
}

valk_harness::cases! {
    fn a_handler_that_loops_stops_neither_others_nor_the_end(setting: Setting) in settings() {
        let (service, port) = start(setting);
        let began = block_on(async {
            let mut looping = Client::connect(port).await;
            let spins = [
                looping.send(Method::GET, "/spin", &[], b"").await,
                looping.send(Method::GET, "/future", &[], b"").await,
            ];
            for _ in 0..5 {
                assert_eq!(Client::connect(port).await.get("/").await.body, "ok");
                assert_eq!(looping.get("/").await.body, "ok", "of the same connection");
            }
            service.signal("TERM");
            let began = Instant::now();
            drop(spins);
            began
        });
        // The first wait ends the connection, so the service ends at once or after its time to stop.
        assert_eq!(service.wait(), (Some(0), "over\n".to_string()));
        assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    }
}

valk_harness::cases! {
    fn a_stop_does_not_wait_for_a_handler_that_loops(setting: Setting) in settings() {
        let (service, port) = start(setting);
        let answer = block_on(async {
            let mut looping = Client::connect(port).await;
            let spin = looping.send(Method::GET, "/spin", &[], b"").await;
            assert_eq!(looping.get("/").await.body, "ok");
            service.signal("TERM");
            spin.await.map(|answer| answer.status)
        });
        assert!(answer.is_err(), "aborted at the end of the time to stop: {answer:?}");
        assert_eq!(service.wait(), (Some(0), "over\n".to_string()));
    }
}

/// Handlers that fail by themselves, and what their answer begins with.
const FAILURES: &[(&str, &str)] = &[
    ("/hog", ""),
    ("/deep", ""),
    ("/throw", "boom"),
    // A failure need not be an error.
    ("/fails", "Async operation failed"),
    ("/fails-later", "Async operation failed"),
];

fn failures() -> Vec<(String, (&'static str, &'static str))> {
    FAILURES.iter().map(|row| (row.0.trim_start_matches('/').to_string(), *row)).collect()
}

valk_harness::cases! {
    fn a_handler_that_fails_is_a_500_of_its_own((path, text): (&'static str, &'static str)) in failures() {
        let (_service, port) = start(SETTING);
        block_on(async {
            let mut client = Client::connect(port).await;
            let answer = client.get(path).await;
            assert_eq!(answer.status, 500, "{}", answer.body);
            assert!(answer.body.starts_with(text), "{}", answer.body);
            assert_eq!(client.get("/").await.body, "ok");
            assert_eq!(client.get(path).await.status, 500);
        });
    }
}

/// Handlers without an end, of each kind.
const ENDLESS: &[&str] = &["/spin", "/never", "/slow", "/handle", "/future", "/block"];

fn endless() -> Vec<(String, (&'static str, Setting))> {
    let rows = ENDLESS.iter().flat_map(|path| [1, 2].map(|executors| (*path, executors)));
    rows.map(|(path, executors)| {
        let name = format!("{}-{executors}", path.trim_start_matches('/'));
        (name, (path, Setting { executors, listener: ":handler-timeout-ms 100", ..SETTING }))
    })
    .collect()
}

valk_harness::cases! {
    fn a_handler_has_its_time((path, setting): (&'static str, Setting)) in endless() {
        let (_service, port) = start(setting);
        block_on(async {
            let mut client = Client::connect(port).await;
            let endless = client.send(Method::GET, path, &[], b"").await;
            assert_eq!(client.get("/").await.body, "ok");
            let answer = endless.await.expect("an answer");
            assert_eq!(answer.status, 503);
            assert_eq!(answer.body, "the handler gave no response in time\n");
            assert_eq!(client.get("/").await.body, "ok");
        });
    }
}

valk_harness::cases! {
    fn a_handler_may_wait_and_hand_on_to_another_handle(listener: &'static str) [
        "a time limit" => "",
        "no limit" => ":handler-timeout-ms 0",
    ] {
        let (_service, port) = start(Setting { listener, ..SETTING });
        block_on(async {
            let mut client = Client::connect(port).await;
            for (path, body) in [("/waits", "waited"), ("/hands-on", "handed on")] {
                let answer = client.get(path).await;
                assert_eq!((answer.status, answer.body.as_str()), (200, body), "{path}");
            }
        });
    }
}

valk_harness::test! {
    fn a_deadline_of_the_request_shortens_the_time() {
        let (_service, port) = start(Setting { listener: ":handler-timeout-ms 0", ..SETTING });
        block_on(async {
            for path in ["/spin", "/slow", "/never"] {
                let answer = get_with(port, path, &[("x-deadline-ms", "50")]).await;
                assert_eq!(answer.status, 503, "{path}");
            }
            let answer = get_with(port, "/", &[("x-deadline-ms", "18446744073709551615")]).await;
            assert_eq!(answer.status, 200);
        });
        let (_service, port) = start(Setting { listener: ":handler-timeout-ms 50", ..SETTING });
        let answer = block_on(get_with(port, "/never", &[("x-deadline-ms", "3600000")]));
        assert_eq!(answer.status, 503, "the shorter one counts");
    }
}

valk_harness::test! {
    fn a_time_out_runs_what_was_registered_for_it() {
        let (_service, port) = start(Setting { listener: ":handler-timeout-ms 30", ..SETTING });
        block_on(async {
            let mut client = Client::connect(port).await;
            assert_eq!(client.get("/cleanup").await.status, 503);
            assert_eq!(client.get("/left").await.body, "1");
        });
    }
}

valk_harness::cases! {
    fn a_client_that_leaves_ends_its_handler(setting: Setting) in settings() {
        let (_service, port) = start(setting);
        block_on(async {
            // By resetting the stream.
            let mut client = Client::connect(port).await;
            abandon(&mut client, "/cleanup", 3).await;
            // By closing the connection.
            let mut other = Client::connect(port).await;
            let waiting = other.send(Method::GET, "/cleanup", &[], b"").await;
            assert_eq!(other.get("/").await.body, "ok");
            drop((waiting, other));
            let until = Instant::now() + Duration::from_secs(20);
            while client.get("/left").await.body != "4" {
                assert!(Instant::now() < until, "{}", client.get("/left").await.body);
            }
        });
    }
}

/// Resident memory of a process in bytes.
fn resident_bytes(service: &Service) -> u64 {
    let path = format!("/proc/{}/status", service.id());
    let text = std::fs::read_to_string(path).expect("a process");
    let line = text.lines().find(|line| line.starts_with("VmRSS:")).expect("a line");
    let kib = line.split_whitespace().nth(1).and_then(|number| number.parse::<u64>().ok());
    kib.expect("a number") << 10
}

/// Bytes in use of the heap after a collection, waiting objects and their tables included.
async fn heap_bytes(client: &mut Client) -> u64 {
    let metrics = client.get("/memory").await.body;
    let metrics: serde_json::Value = serde_json::from_str(&metrics).expect("JSON");
    metrics["gc"]["heap_used_bytes"].as_u64().expect("a number")
}

/// Abandoned requests of a round: half of them by closing the connection.
const ABANDONED: u64 = 5_000;

valk_harness::cases! {
    fn abandoned_requests_leave_nothing_behind(setting: Setting) in settings() {
        let (service, port) = start(setting);
        let mut seen = Vec::new();
        block_on(async {
            let mut client = Client::connect(port).await;
            for _ in 0..6 {
                for _ in 0..ABANDONED / 100 {
                    let mut leaving = Client::connect(port).await;
                    abandon(&mut leaving, "/never", 25).await;
                    abandon(&mut leaving, "/slow", 25).await;
                    let mut closing = Vec::new();
                    for path in ["/never", "/slow"].repeat(25) {
                        closing.push(leaving.send(Method::GET, path, &[], b"").await);
                    }
                    assert_eq!(leaving.get("/").await.body, "ok");
                    drop(leaving);
                    drop(closing);
                }
                let mut heap = heap_bytes(&mut client).await;
                let until = Instant::now() + Duration::from_secs(20);
                // The last connection may still be on its way out.
                while seen.first().is_some_and(|(first, _)| heap > first + ABANDONED) {
                    assert!(Instant::now() < until, "{heap} bytes in use, after {seen:?}");
                    heap = heap_bytes(&mut client).await;
                }
                seen.push((heap, resident_bytes(&service)));
            }
        });
        // The resident set goes up and down by a megabyte, so the least of three rounds is compared
        // with the least of the three before: 133 bytes left behind by each request are seen.
        let least = |rounds: &[(u64, u64)]| rounds.iter().map(|(_, resident)| *resident).min();
        let (before, after) = (least(&seen[..3]), least(&seen[3..]));
        assert!(after < before.map(|bytes| bytes + 400 * ABANDONED), "{seen:?}");
    }
}

/// Headers, and what they make of trace and caller's span: `None` where an id is new.
type ContextCase = (&'static [(&'static str, &'static str)], Option<&'static str>, &'static str);

const TRACE_PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-00000000000000b7-01";

const CONTEXTS: &[(&str, ContextCase)] = &[
    ("nothing", (&[], None, "()")),
    ("trace", (&[("x-trace-id", "12")], Some("12"), "()")),
    ("span", (&[("x-span-id", "13")], None, "13")),
    ("both", (&[("x-trace-id", "12"), ("x-span-id", "13")], Some("12"), "13")),
    ("bad", (&[("x-trace-id", "+12"), ("x-span-id", "thirteen")], None, "()")),
    ("zero", (&[("x-trace-id", "0"), ("x-span-id", "0")], None, "()")),
    ("large", (&[("x-trace-id", "18446744073709551616")], None, "()")),
    ("twice", (&[("x-trace-id", "12"), ("x-trace-id", "13")], None, "()")),
    ("traceparent", (&[("traceparent", TRACE_PARENT)], Some("-8914616934935285348"), "183")),
    (
        "own before traceparent",
        (&[("x-trace-id", "12"), ("traceparent", TRACE_PARENT)], Some("12"), "()"),
    ),
    (
        "bad own and traceparent",
        (
            &[("x-trace-id", "no"), ("traceparent", TRACE_PARENT)],
            Some("-8914616934935285348"),
            "183",
        ),
    ),
];

fn contexts() -> Vec<(String, ContextCase)> {
    CONTEXTS.iter().map(|(name, case)| (name.replace(' ', "-"), *case)).collect()
}

valk_harness::cases! {
    fn headers_make_the_context((headers, trace, parent): ContextCase) in contexts() {
        let (_service, port) = start(SETTING);
        let [first, second] = block_on(async {
            [get_with(port, "/context", headers).await, get_with(port, "/context", headers).await]
        });
        let parts = |answer: &Answer| -> Vec<String> {
            let text = answer.body.trim_matches(['{', '}', '(']).to_string();
            text.split(' ').map(str::to_string).collect()
        };
        let (first, second) = (parts(&first), parts(&second));
        match trace {
            Some(trace) => assert_eq!([&first[0], &second[0]], [trace, trace]),
            None => assert_ne!(first[0], second[0]),
        }
        assert_ne!(first[1], second[1], "each request has a span of its own");
        assert_eq!(first[2], parent, "{first:?}");
        assert_eq!(first.len(), 4, "no values: {first:?}");
    }
}

valk_harness::cases! {
    fn what_a_handler_starts_has_its_context(setting: Setting) in settings() {
        let (_service, port) = start(setting);
        block_on(async {
            let mut client = Client::connect(port).await;
            assert_eq!(client.get("/inherits").await.body, "1111");
            let answer = get_with(port, "/deadline", &[("x-deadline-ms", "3600000")]).await;
            assert_eq!(answer.body, "1()");
        });
    }
}

valk_harness::cases! {
    fn futures_that_compute_keep_no_other_from_beginning(setting: Setting) in settings() {
        let (service, port) = start(setting);
        block_on(async {
            let mut computing = Client::connect(port).await;
            for _ in 0..3 {
                drop(computing.send(Method::GET, "/future", &[], b"").await);
            }
            for _ in 0..3 {
                assert_eq!(Client::connect(port).await.get("/short-future").await.body, "42");
            }
            service.signal("TERM");
        });
    }
}

valk_harness::cases! {
    /// Nobody reads standard output, and its pipe is full.
    fn handlers_that_print_to_nobody_stop_neither_others_nor_the_end(setting: Setting) in settings() {
        let mut child = command(setting).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
        let mut output = BufReader::new(child.stdout.take().expect("a pipe"));
        let mut line = String::new();
        output.read_line(&mut line).expect("a line");
        let port = line.trim().strip_prefix("port:").expect("the port").parse().expect("a number");
        block_on(async {
            let mut printing = Client::connect(port).await;
            let mut answers = Vec::new();
            for _ in 0..60 {
                answers.push(printing.send(Method::GET, "/print", &[], b"").await);
            }
            assert_eq!(printing.get("/").await.body, "ok");
            assert_eq!(Client::connect(port).await.get("/").await.body, "ok");
            // Those for which there was room have been answered.
            assert_eq!(answers.remove(0).await.expect("an answer").body, "printed");
            let killed = Command::new("kill").arg(child.id().to_string()).status();
            assert!(killed.expect("there is kill").success());
        });
        let status = child.wait().expect("it ends");
        assert_eq!(status.code(), Some(1), "it ends by itself, and tells that output is lost");
        let mut told = String::new();
        BufReader::new(child.stderr.take().expect("a pipe")).read_line(&mut told).expect("a line");
        assert!(told.contains("bytes of standard output are lost"), "{told}");
    }
}

valk_harness::test! {
    fn what_handlers_print_goes_on_when_it_is_read_again() {
        let (mut service, port) = start(SETTING);
        block_on(async {
            let mut printing = Client::connect(port).await;
            let mut answers = Vec::new();
            for _ in 0..60 {
                answers.push(printing.send(Method::GET, "/print", &[], b"").await);
            }
            assert_eq!(printing.get("/").await.body, "ok");
            let text = "0123456789".repeat(2000);
            for _ in 0..60 {
                assert_eq!(service.line(), text);
            }
            for answer in answers {
                assert_eq!(answer.await.expect("an answer").body, "printed");
            }
            service.signal("TERM");
        });
        assert_eq!(service.wait(), (Some(0), "over\n".to_string()));
    }

    fn connections_are_dealt_to_all_executors() {
        let (service, port) = start(Setting { executors: 3, ..SETTING });
        block_on(async {
            // On each executor one connection spins; all go on, and so do new ones.
            let mut clients = Vec::new();
            for _ in 0..6 {
                let mut client = Client::connect(port).await;
                let spin = client.send(Method::GET, "/spin", &[], b"").await;
                clients.push((client, spin));
            }
            for (client, _) in &mut clients {
                assert_eq!(client.get("/").await.body, "ok");
            }
            assert_eq!(Client::connect(port).await.get("/").await.body, "ok");
            service.signal("TERM");
        });
        assert_eq!(service.wait(), (Some(0), "over\n".to_string()));
    }
}
