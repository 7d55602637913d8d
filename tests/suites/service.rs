//! A service written in the language, used over HTTP/2.

use http::Method;
use valk_tests::client::{Client, block_on};
use valk_tests::program::{Service, binary, file, run, stderr, stdout, valk};

/// A service on a free port in clear text; its first line is the port.
fn service(handler: &str) -> (Service, u16) {
    let program = format!(
        "(def {{sys}} (aio/await (aio/start)))
         (def {{handler}} {handler})
         (def {{server}} (aio/await (http2/server-listen sys 0 handler {{:host \"127.0.0.1\" :tls 0}})))
         (println \"port:%d\" (http2/server-port server))
         (aio/run sys)
         (print \"over\")"
    );
    let mut service = Service::start(&[&file("service.valk", program)]);
    let port = service.port();
    (service, port)
}

valk_harness::test! {
    fn a_handler_sees_the_request_and_makes_the_response() {
        let (_service, port) = service(
            "(\\ {r} {list :status 201 :headers (list (list \"x-one\" \"1\") (list \"content-type\" \"text/x\"))
               :body (str (req/method r) \" \" (req/path r) \" \" (req/header r \"X-Name\") \" \" (req/body r)
                 \" \" (req/scheme r) \" \" (> (req/stream-id r) 0) \" \" (len (req/headers r)))})",
        );
        let answer = block_on(async {
            let mut client = Client::connect(port).await;
            let headers = [("x-name", "valk"), ("x-other", "2")];
            let sent = client.send(Method::POST, "/a?b=c", &headers, b"the body").await;
            sent.await.expect("an answer")
        });
        assert_eq!(answer.status, 201);
        assert_eq!(answer.headers["x-one"], "1");
        assert_eq!(answer.headers["content-type"], "text/x");
        assert_eq!(answer.body, "POST /a?b=c valk the body http 1 2");
    }
}

/// Code that never ends.
const SPIN: &str = "(= {spin} (\\ {n} {spin (+ n 1)})) (spin 0)";

/// Handlers, and the status and body of their answer to `GET /`.
const HANDLERS: &[(&str, &str, u16, &str)] = &[
    ("plain list", "(\\ {r} {list :body \"text\"})", 200, "text"),
    ("map", "(\\ {r} {map/of :status 404 :body \"gone\"})", 404, "gone"),
    ("nil", "(\\ {r} {})", 200, ""),
    (
        "number",
        "(\\ {r} {+ 1 1})",
        500,
        "handler: a response must be a property list or a map, got Number",
    ),
    (
        "function that waits for more",
        "(\\ {r s} {list :body \"two\"})",
        500,
        "handler: a response must be a property list or a map, got Function",
    ),
    ("error in a part", "(\\ {r} {list :status 200 :body (/ 1 0)})", 500, "Division By Zero"),
    ("nil body", "(\\ {r} {list :body nil})", 200, ""),
    ("error", "(\\ {r} {error \"went wrong\"})", 500, "went wrong"),
    ("unbound", "(\\ {r} {nosuch r})", 500, "LEnv: Symbol `nosuch` is not bound"),
    (
        "wrong status",
        "(\\ {r} {list :status 99})",
        500,
        "handler: :status must be a number from 200 to 599, got 99",
    ),
    (
        "wrong headers",
        "(\\ {r} {list :headers (list (list 1))})",
        500,
        "handler: each of :headers must be a list {name value}",
    ),
    (
        "headers that are text",
        "(\\ {r} {list :headers \"x: y\"})",
        500,
        "handler: :headers must be a list of {name value} or a map, got String",
    ),
    ("headers of a map", "(\\ {r} {list :headers (map/of \"x-m\" \"v\") :body \"m\"})", 200, "m"),
    (
        "error in a header",
        "(\\ {r} {list :headers (list (list \"x\" (/ 1 0))) :body \"x\"})",
        500,
        "Division By Zero",
    ),
    ("status as text", "(\\ {r} {list :status \"404\" :body \"x\"})", 404, "x"),
    (
        "text as a key",
        "(\\ {r} {map/of \"status\" 404})",
        500,
        "handler: the keys of a response are such as :status, got status",
    ),
    (
        "no key",
        "(\\ {r} {list 1 2})",
        500,
        "handler: the keys of a response are such as :status, got 1",
    ),
    (
        "key without a value",
        "(\\ {r} {list :body})",
        500,
        "handler: a response is keys and values such as :status 200, got :body",
    ),
    (
        "body that is a function",
        "(\\ {r} {list :body head})",
        500,
        "handler: :body must be text, got Function",
    ),
    (
        "failure with text",
        "(\\ {r} {aio/fail \"no luck\"})",
        500,
        "Async operation failed: no luck",
    ),
    (
        "cache control",
        "(\\ {r} {list :content-type \"a/b\" :cache-control \"no-store\" :body \"c\"})",
        200,
        "c",
    ),
    (
        "global definition",
        "(\\ {r} {def {x} 1})",
        500,
        "def cannot be used in request handler context. Use = for local bindings instead.",
    ),
    (
        "global definition on a thread",
        "(\\ {r} {list :body (str (aio/await (future (\\ {} {def {x} 1}))))})",
        200,
        "Error: def cannot be used in request handler context. Use = for local bindings instead.",
    ),
    (
        "threads",
        "(\\ {r} {list :body (str (sum (pmap (\\ {n} {* n n}) (range 0 10))) (req/path r))})",
        200,
        "285/",
    ),
    (
        "sleeping",
        "(\\ {r} {do (aio/await (aio/sleep sys 5)) (list :body \"awake\")})",
        200,
        "awake",
    ),
    ("handle", "(\\ {r} {aio/sleep sys 5})", 200, ""),
    (
        "settled handle",
        "(\\ {r} {aio/start})",
        500,
        "handler: a response must be a property list or a map, got Reference",
    ),
    (
        "no body",
        "(\\ {r} {list :body (str \"body:\" (req/body r) (req/header r \"x-none\"))})",
        200,
        "body:()()",
    ),
    (
        "authority",
        "(\\ {r} {list :body (str (len (str/split (req/authority r) \":\")))})",
        200,
        "2",
    ),
    (
        "accessor without request",
        "(\\ {r} {req/path 5})",
        500,
        "req/path: argument must be http request",
    ),
    (
        "accessor arity",
        "(\\ {r} {req/path})",
        500,
        "req/path: expected 1 argument (request), got 0",
    ),
    (
        "header arity",
        "(\\ {r} {req/header r})",
        500,
        "req/header: expected 2 arguments (request name), got 1",
    ),
    (
        "header of nothing",
        "(\\ {r} {req/header 5 \"a\"})",
        500,
        "req/header: first argument must be http request",
    ),
    (
        "header by number",
        "(\\ {r} {req/header r 5})",
        500,
        "req/header: second argument must be string",
    ),
    ("error passed on", "(\\ {r} {req/body (error \"inner\")})", 500, "inner"),
];

fn handlers() -> Vec<(String, (&'static str, u16, &'static str))> {
    let rows = HANDLERS.iter();
    rows.map(|(name, handler, status, body)| (name.to_string(), (*handler, *status, *body)))
        .collect()
}

valk_harness::cases! {
    fn answers((handler, status, body): (&'static str, u16, &'static str)) in handlers() {
        let (_service, port) = service(handler);
        let (answer, again) = block_on(async {
            let mut client = Client::connect(port).await;
            (client.get("/").await, client.get("/").await)
        });
        assert_eq!((answer.status, answer.body.as_str()), (status, body));
        assert_eq!(again.status, status, "the server lives on");
    }
}

/// A service whose configuration is this expression; its first line is the port.
fn configured(handler: &str, configuration: &str) -> (Service, u16) {
    let program = format!(
        "(def {{sys}} (aio/await (aio/start)))
         (def {{handler}} {handler})
         (def {{server}} (aio/await (http2/server-listen sys 0 handler {configuration})))
         (println \"port:%d\" (http2/server-port server))
         (aio/run sys)"
    );
    let mut service = Service::start(&[&file("configured.valk", program)]);
    let port = service.port();
    (service, port)
}

/// Configurations in clear text.
const CLEAR: &[(&str, &str)] = &[
    ("map", "(map/of :host \"127.0.0.1\" :tls 0)"),
    ("nil in a literal", "{:host \"127.0.0.1\" :tls nil}"),
    ("nil", "(list :host \"127.0.0.1\" :tls nil)"),
    ("false", "{:tls false :host \"127.0.0.1\"}"),
];

fn clear() -> Vec<(String, &'static str)> {
    CLEAR.iter().map(|(name, configuration)| (name.to_string(), *configuration)).collect()
}

valk_harness::cases! {
    fn configurations_in_clear_text(configuration: &'static str) in clear() {
        let (_service, port) = configured("(\\ {r} {list :body \"clear\"})", configuration);
        let answer = block_on(async { Client::connect(port).await.get("/").await });
        assert_eq!(answer.body, "clear");
    }
}

valk_harness::test! {
    fn repeated_fields_and_cookies_are_seen_whole() {
        let (_service, port) = service(
            "(\\ {r} {list :body (str (req/header r \"Cookie\") \"|\" (req/header r \"x-forwarded-for\")
               \"|\" (len (req/headers r)))})",
        );
        let fields = [
            ("cookie", "a=1"),
            ("x-forwarded-for", "1.1.1.1"),
            ("cookie", "session=s"),
            ("x-forwarded-for", "2.2.2.2"),
            ("cookie", "c=3"),
        ];
        let answer = block_on(async {
            let mut client = Client::connect(port).await;
            client.send(Method::GET, "/", &fields, b"").await.await.expect("an answer")
        });
        assert_eq!(answer.body, "a=1; session=s; c=3|1.1.1.1, 2.2.2.2|3");
    }

    fn only_what_has_content_has_a_default_type() {
        let (_service, port) = service(
            "(\\ {r} {list :status (str/replace (req/path r) \"/\" \"\")})",
        );
        let types = block_on(async {
            let mut client = Client::connect(port).await;
            let mut types = Vec::new();
            for path in ["/204", "/304", "/200"] {
                let answer = client.get(path).await;
                assert!(answer.headers.contains_key("date"), "{path}");
                types.push(answer.headers.get("content-type").cloned());
            }
            types
        });
        assert_eq!(types, [None, None, Some("text/plain; charset=utf-8".parse().expect("a value"))]);
    }

    fn requests_that_there_is_no_room_for_get_the_page_of_the_error_handler() {
        let refused = |handler: &str| {
            let configuration = format!(
                "(list :host \"127.0.0.1\" :tls 0 :connection-body-bytes 1024 :error-handler {handler})"
            );
            let (_service, port) = configured("(\\ {r} {list :body \"taken\"})", &configuration);
            block_on(async {
                let mut client = Client::connect(port).await;
                let (first, mut rest) = client.begin("/", &[], &[b'x'; 1000]).await;
                client.get("/").await;
                let refused = client.send(Method::POST, "/", &[], &[b'x'; 1000]).await;
                let refused = refused.await.expect("an answer");
                rest.send_data(bytes::Bytes::new(), true).expect("sent");
                assert_eq!(first.await.expect("an answer").body, "taken");
                assert_eq!(refused.headers["retry-after"], "1");
                assert_eq!(refused.headers["content-type"], "text/html; charset=utf-8");
                (refused.status, refused.body)
            })
        };
        assert_eq!(refused("(\\ {n} {str \"<p>\" n})"), (503, "<p>503".to_string()));
        let waits = "(\\ {n} {do (aio/await (aio/sleep sys 1)) \"later\"})";
        assert_eq!(refused(waits), (503, "later".to_string()));
        for other in ["(\\ {n} {n})", "(\\ {n} {error \"no\"})"] {
            let (status, body) = refused(other);
            assert_eq!(status, 503);
            assert!(body.contains("temporarily at capacity"), "{body}");
        }
    }

    fn a_handler_is_replaced_for_the_requests_that_follow() {
        let (_service, port) = service(
            "(\\ {r} {if (== (req/path r) \"/swap\")
               {do (http2/server-handle server (\\ {r} {list :body \"second\"})) (list :body \"first\")}
               {list :body \"first\"}})",
        );
        block_on(async {
            let mut client = Client::connect(port).await;
            assert_eq!(client.get("/").await.body, "first");
            assert_eq!(client.get("/swap").await.body, "first");
            for _ in 0..8 {
                // New connections are dealt to all executors.
                let mut other = Client::connect(port).await;
                assert_eq!(other.get("/").await.body, "second");
            }
            assert_eq!(client.get("/").await.body, "second");
        });
    }

    fn a_500_is_told_with_handler_request_and_value() {
        let program = "(def {sys} (aio/await (aio/start)))
            (fun {hello r} {if (== (req/path r) \"/long\") {make-string 5000 \"x\"} {42}})
            (def {server} (aio/await (http2/server-listen sys 0 hello {:host \"127.0.0.1\" :tls 0})))
            (println \"port:%d\" (http2/server-port server))
            (aio/run sys)";
        let log = file("told.log", "");
        let mut command = valk(&[&file("told.valk", program)]);
        command.stderr(std::fs::File::create(&log).expect("made above"));
        let mut service = Service::spawn(command);
        let port = service.port();
        block_on(async {
            let mut client = Client::connect(port).await;
            assert_eq!(client.get("/a?b").await.status, 500);
            assert_eq!(client.get("/long").await.status, 500);
        });
        service.signal("INT");
        assert_eq!(service.wait(), (Some(0), String::new()));
        let text = std::fs::read_to_string(&log).expect("made above");
        let said = format!("handler hello of port {port}: GET /a?b returned 42: ");
        assert!(text.contains(&said), "{text}");
        assert!(text.contains("GET /long returned xxx") && text.len() < 2000, "{text}");
    }
}

valk_harness::test! {
    fn a_waiting_handler_does_not_hold_up_others() {
        let (_service, port) = service(
            "(\\ {r} {if (== (req/path r) \"/slow\")
               {do (aio/await (aio/sleep sys 300000)) (list :body \"slow\")}
               {list :body \"quick\"}})",
        );
        block_on(async {
            let mut client = Client::connect(port).await;
            let slow = client.send(Method::GET, "/slow", &[], b"").await;
            assert_eq!(client.get("/").await.body, "quick");
            drop(slow);
            assert_eq!(client.get("/").await.body, "quick");
        });
    }
}

valk_harness::test! {
    fn an_upload_has_a_buffer_until_its_body_is_whole() {
        let (_service, port) = service(
            "(\\ {r} {list :body (str (len (req/body r)) \" \"
               (aio/slab-buckets sys \"tcp_buffers\" 0 1000 1) \" \" (aio/pool-stats sys))})",
        );
        let free = "{\"buckets\":[{\"u\":0,\"f\":576}],\"total\":576} \
                    {:tcp-buffers {:available 576 :total 576 :usage-percent 0}";
        let used = "{\"buckets\":[{\"u\":1,\"f\":575}],\"total\":576} \
                    {:tcp-buffers {:available 575 :total 576 :usage-percent 0}";
        block_on(async {
            let mut client = Client::connect(port).await;
            let seen = client.get("/").await.body;
            assert!(seen.starts_with(&format!("0 {free}")), "{seen}");
            let length = [("content-length", "200000")];
            let (answer, mut stream) = client.begin("/", &length, &vec![b'x'; 100_000]).await;
            loop {
                // The part is on its way: the answer to the request after it may be earlier.
                let seen = client.get("/").await.body;
                if seen.starts_with(&format!("0 {used}")) {
                    break;
                }
                assert!(seen.starts_with(&format!("0 {free}")), "{seen}");
            }
            stream.send_data(vec![b'x'; 100_000].into(), true).expect("the rest is sent");
            let seen = answer.await.expect("an answer").body;
            assert!(seen.starts_with(&format!("200000 {free}")), "{seen}");
        });
    }
}

valk_harness::test! {
    fn stopping_finishes_requests_in_progress() {
        let (service, port) = service(
            "(\\ {r} {do (print \"begun\") (aio/await (aio/sleep sys 300000)) (list :body \"finished\")})",
        );
        let mut service = service;
        let answer = block_on(async {
            let mut client = Client::connect(port).await;
            let pending = client.send(Method::GET, "/", &[], b"").await;
            let pending = tokio::spawn(pending);
            let begun = tokio::task::block_in_place(|| service.line());
            assert_eq!(begun, "begun");
            service.signal("INT");
            pending.await.expect("the task ends").expect("an answer")
        });
        assert_eq!((answer.status, answer.body.as_str()), (200, "finished"));
        assert_eq!(service.wait(), (Some(0), "over\n".to_string()));
    }
}

valk_harness::test! {
    fn a_second_interrupt_ends_the_program_at_once() {
        let (mut service, port) = service(
            "(\\ {r} {do (print \"begun\") (list :body (make-string 1000000 \"x\"))})",
        );
        block_on(async {
            let mut client = Client::connect(port).await;
            // Not polled: the response fills the window and stays in progress.
            let pending = client.send(Method::GET, "/", &[], b"").await;
            let begun = tokio::task::block_in_place(|| service.line());
            assert_eq!(begun, "begun");
            service.signal("TERM");
            // The listener is closed when the first signal has been acted upon.
            while tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_ok() {
                tokio::task::yield_now().await;
            }
            service.signal("INT");
            assert!(pending.await.is_err(), "the response is cut");
        });
        assert_eq!(service.wait(), (Some(130), String::new()));
    }
}

valk_harness::test! {
    fn a_second_signal_does_not_wait_for_a_handler_that_loops() {
        let (mut service, port) = service(&format!("(\\ {{r}} {{do (print \"begun\") {SPIN}}})"));
        block_on(async {
            let mut client = Client::connect(port).await;
            let pending = client.send(Method::GET, "/", &[], b"").await;
            let begun = tokio::task::block_in_place(|| service.line());
            assert_eq!(begun, "begun");
            service.signal("INT");
            // Two pending signals of one number are one signal.
            service.signal("TERM");
            assert!(pending.await.is_err(), "the connection is gone");
        });
        let (status, rest) = service.wait();
        // Of two that are pending either may be taken first.
        assert!(matches!(status, Some(130 | 143)), "{status:?}");
        assert_eq!(rest, "");
    }
}

valk_harness::test! {
    fn an_invalid_response_is_a_500_and_a_warning() {
        let program = "(def {sys} (aio/await (aio/start)))
            (def {handler} (\\ {r} {list :headers (list (list \"bad name\" \"x\"))}))
            (def {server} (aio/await (http2/server-listen sys 0 handler {:host \"127.0.0.1\" :tls 0})))
            (println \"port:%d\" (http2/server-port server))
            (aio/run sys)";
        let log = file("invalid.log", "");
        let mut command = valk(&[&file("invalid.valk", program)]);
        command.stderr(std::fs::File::create(&log).expect("made above"));
        let mut service = Service::spawn(command);
        let port = service.port();
        let answer = block_on(async { Client::connect(port).await.get("/").await });
        assert_eq!(answer.status, 500);
        service.signal("INT");
        assert_eq!(service.wait(), (Some(0), String::new()));
        let text = std::fs::read_to_string(&log).expect("made above");
        assert!(text.starts_with("[WARN] runtime/") && text.contains("bad name"), "{text}");
    }
}

valk_harness::test! {
    fn exit_in_a_handler_ends_the_program_with_its_status() {
        let (service, port) = service("(\\ {r} {do (exit 4) (list :body \"bye\")})");
        let answer = block_on(async { Client::connect(port).await.get("/").await });
        assert_eq!(answer.body, "bye");
        assert_eq!(service.wait(), (Some(4), "over\n".to_string()));
    }
}

valk_harness::test! {
    fn a_system_that_cannot_start_says_why() {
        let program = |list: &str| file("start.valk", format!("(print (aio/start {list}))"));
        let starting = |list: &str| run(&[&program(list)]);
        let output = starting("{:tcp-buffer-pool-size 1}");
        assert_eq!(stdout(&output), "Error: Failed to start AIO system\n");
        let said = stderr(&output);
        let line = " | AIO config error: tcp_buffer_pool_size must be between 2 and 1,000,000\n";
        assert!(said.starts_with("[ERROR] runtime/aio/") && said.ends_with(line), "{said}");
        assert_eq!(stderr(&starting("{:tcp-buffer-pool-size 2}")), "");
        let limited = std::process::Command::new("sh")
            .args(["-c", "ulimit -v 100000000; exec \"$0\" \"$1\""])
            .arg(binary())
            .arg(program("{:tcp-buffer-pool-size 1000000}"))
            .output()
            .expect("sh runs");
        assert_eq!(stdout(&limited), "Error: Failed to start AIO system\n");
        let said = stderr(&limited);
        assert!(said.contains(" | the operating system refused to map"), "{said}");
    }
}

/// Programs without requests, and what they print.
const PROGRAMS: &[(&str, &str, &str)] = &[
    (
        "arguments",
        "(print (http2/server-listen 1))",
        "Error: http2/server-listen expects 3 or 4 arguments, got 1",
    ),
    (
        "no system",
        "(print (http2/server-listen 1 2 print))",
        "Error: Actual: Number, Expected(One-Of): [Reference]",
    ),
    (
        "no port",
        "(print (http2/server-listen sys \"80\" print))",
        "Error: Actual: String, Expected(One-Of): [Number]",
    ),
    (
        "no function",
        "(print (http2/server-listen sys 0 5))",
        "Error: Actual: Number, Expected(One-Of): [Function]",
    ),
    (
        "port range",
        "(print (aio/await (http2/server-listen sys 70000 print)))",
        "Error: Error on Bind: a port is a number from 0 to 65535",
    ),
    (
        "host",
        "(print (aio/await (http2/server-listen sys 0 print {:host \"nowhere\"})))",
        "Error: http2/server-listen: :host must be an IP address such as \"127.0.0.1\", got \"nowhere\"",
    ),
    (
        "host type",
        "(print (aio/await (http2/server-listen sys 0 print {:host 5})))",
        "Error: http2/server-listen: :host must be a string, got Number",
    ),
    (
        "key alone",
        "(print (aio/await (http2/server-listen sys 0 print {:key \"k\"})))",
        "Error: http2/server-listen: :key needs :cert beside it",
    ),
    (
        "certificate alone",
        "(print (aio/await (http2/server-listen sys 0 print {:cert \"c\"})))",
        "Error: http2/server-listen: :cert needs :key beside it",
    ),
    (
        "body limit",
        "(print (aio/await (http2/server-listen sys 0 print {:max-request-body-size 5})))",
        "Error: http2/server-listen: max_request_body_size must be between 1KB and 1GB",
    ),
    (
        "port of nothing",
        "(print (http2/server-port 5))",
        "Error: http2/server-port: expected Handle or Reference, got Number",
    ),
    ("port of an error", "(print (http2/server-port (error \"e\")))", "Error: e"),
    (
        "port of a system",
        "(print (http2/server-port (aio/start)))",
        "Error: http2/server-port: handle result is not a server ref",
    ),
    (
        "port of a failure",
        "(print (error? (http2/server-port (http2/server-listen sys 70000 print))))",
        "1",
    ),
    (
        "stop of nothing",
        "(print (http2/server-stop 5))",
        "Error: http2/server-stop: expected Handle or Reference, got Number",
    ),
    (
        "stop twice",
        "(= {s} (http2/server-listen sys 0 print {:host \"127.0.0.1\" :max-request-body-size 4096})) (print (> (http2/server-port s) 0) (aio/await (http2/server-stop s)) (aio/await (http2/server-stop s)) (http2/server-port s))",
        "1 () () Error: http2/server-port: server is stopped",
    ),
    (
        "configuration of another kind",
        "(print (aio/await (http2/server-listen sys 0 print 5)))",
        "Error: http2/server-listen: expected a property list or a map, got Number",
    ),
    (
        "unknown key in strict configuration",
        "(print (aio/await (http2/server-listen sys 0 print {:strict 1 :hots \"127.0.0.1\"})))",
        "Error: http2/server-listen: unknown key :hots; did you mean :host?",
    ),
    (
        "kind of a limit",
        "(print (aio/await (http2/server-listen sys 0 print (map/of :idle-timeout-ms \"1\"))))",
        "Error: http2/server-listen: :idle-timeout-ms must be a number, got String",
    ),
    (
        "error handler",
        "(print (aio/await (http2/server-listen sys 0 print {:error-handler 5})))",
        "Error: http2/server-listen: :error-handler must be a function, got Number",
    ),
    (
        "the port of a stopped server",
        "(def {o} {:host \"127.0.0.1\"})
         (fun {again port n} {if (== n 0) {0} {do
           (= {s} (aio/await (http2/server-listen sys port print o)))
           (aio/await (http2/server-stop s))
           (again port (- n 1))}})
         (= {first} (aio/await (http2/server-listen sys 0 print o)))
         (= {port} (http2/server-port first))
         (aio/await (http2/server-stop first))
         (print (again port 20))",
        "0",
    ),
    (
        "a server on a stopped system",
        "(aio/stop sys) (aio/run sys) (print (aio/await (http2/server-listen sys 0 print)))",
        "Error: http2/server-listen: the system has been stopped",
    ),
    (
        "handler swap",
        "(= {s} (http2/server-listen sys 0 print {:host \"127.0.0.1\"}))
         (print (http2/server-handle s 5) (== (http2/server-handle s print) s)
           (aio/await (http2/server-stop s)) (http2/server-handle s print))",
        "Error: Actual: Number, Expected(One-Of): [Function] 1 () Error: http2/server-handle: server is stopped",
    ),
    (
        "await nothing",
        "(print (aio/await 5) (handle? 5) (handle? (aio/sleep sys 0)))",
        "Error: aio/await: argument must be a handle 0 1",
    ),
    (
        "sleep",
        "(print (aio/await (aio/sleep sys 1)) (aio/sleep 5 1) (aio/sleep sys \"a\"))",
        "() Error: aio/sleep: Expected AIO system reference Error: aio/sleep: second argument must be a number",
    ),
    (
        "run and stop",
        "(print (aio/stop sys) (aio/run sys) (aio/run sys) (aio/stop 5) (aio/run 5))",
        "() () () Error: aio/stop: Expected AIO system reference Error: aio/run: Expected AIO system reference",
    ),
    (
        "two waiters",
        "(= {h} (aio/sleep sys 1)) (print (aio/await h) (aio/await h) h (ref? sys) (ref? h))",
        "() () <handle> 1 0",
    ),
];

fn programs() -> Vec<(String, (&'static str, &'static str))> {
    PROGRAMS.iter().map(|(name, code, text)| (name.to_string(), (*code, *text))).collect()
}

valk_harness::cases! {
    fn prints((code, expected): (&'static str, &'static str)) in programs() {
        let path = file("p.valk", format!("(def {{sys}} (aio/await (aio/start))) {code}"));
        let output = run(&[&path]);
        assert_eq!(stdout(&output), format!("{expected}\n"));
        assert_eq!(output.status.code(), Some(0));
    }
}

valk_harness::test! {
    fn a_port_in_use_and_a_bad_certificate_are_explained() {
        let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = taken.local_addr().expect("bound").port();
        let program = format!(
            "(def {{sys}} (aio/await (aio/start)))
             (print (aio/await (http2/server-listen sys {port} print {{:host \"127.0.0.1\"}})))
             (print (aio/await (http2/server-listen sys 0 print {{:cert \"no.pem\" :key \"no.key\"}})))
             (def {{server}} (aio/await (http2/server-listen sys {port} print {{:host \"127.0.0.1\"}})))"
        );
        let output = run(&[&file("taken.valk", program)]);
        let text = stdout(&output);
        assert!(text.contains("Error on Bind") && text.contains(&port.to_string()), "{text}");
        assert!(text.contains("no.pem"), "{text}");
        assert_eq!(output.status.code(), Some(1), "an uncaught error");
    }
}

valk_harness::test! {
    fn an_unknown_configuration_key_is_a_warning() {
        let program = "(def {sys} (aio/await (aio/start)))
            (print (ref? (aio/await (http2/server-listen sys 0 print {:host \"127.0.0.1\" :prot 5}))))";
        let output = run(&[&file("key.valk", program)]);
        assert_eq!(stdout(&output), "1\n");
        let warning = valk_tests::program::stderr(&output);
        assert!(warning.contains(":prot") && warning.contains(":host"), "{warning}");
    }
}
