//! More requests than a service can answer: the whole process, over HTTP/2.

use http::Method;
use valk_tests::client::{Client, block_on};
use valk_tests::program::{Service, file, run, stdout, valk};

const PROGRAM: &str = r#"
(def {sys} (aio/await (aio/start {SYSTEM})))
(fun {fib n} {if (< n 2) {n} {+ (fib (- n 1)) (fib (- n 2))}})
(def {gate} (promise))
(fun {h req} {
 (= {p} (req/path req))
 (select
  {(== p "/numbers") (list :body (str (aio/pool-stats sys) "\n" (metrics/prometheus)))}
  {(== p "/waits") (do (aio/await gate) (list :body "waited"))}
  {(== p "/go") (do (promise/deliver gate 1) (list :body "gone"))}
  {otherwise (list :body (str (fib 26)))})})
(def {server} (aio/await (http2/server-listen sys 0 h {:host "127.0.0.1" :tls 0 OPTIONS})))
(println "port:%d" (http2/server-port server))
(aio/run sys)
"#;

fn start(system: &str, options: &str) -> (Service, u16) {
    let program = PROGRAM.replace("SYSTEM", system).replace("OPTIONS", options);
    let mut command = valk(&[&file("overload.valk", program)]);
    command.env("VALK_EXECUTORS", "1").env("VALK_LOG", "error");
    let mut service = Service::spawn(command);
    let port = service.port();
    (service, port)
}

/// The number of a series of servers or systems.
fn number(text: &str, name: &str) -> usize {
    let line = text.lines().find(|line| line.starts_with(&format!("{name}{{")));
    let line = line.unwrap_or_else(|| panic!("no {name}: {text}"));
    line.rsplit(' ').next().and_then(|number| number.parse().ok()).expect("a number")
}

/// Asks for each path so many times at once, on three connections, until requests are turned away;
/// the statuses of each path.
async fn press(port: u16, paths: [&str; 3]) -> [Vec<u16>; 3] {
    let mut statuses = [vec![], vec![], vec![]];
    let mut clients = Vec::new();
    for _ in 0..3 {
        clients.push(Client::connect(port).await);
    }
    for _ in 0..100 {
        let mut answers = Vec::new();
        for client in &mut clients {
            for (at, path) in paths.iter().enumerate().cycle().take(90) {
                answers.push((at, client.send(Method::GET, path, &[], b"").await));
            }
        }
        for (at, answer) in answers {
            // A refusal is an error.
            statuses[at].push(answer.await.map_or(0, |answer| answer.status));
        }
        if statuses.iter().flatten().any(|status| *status != 200) {
            return statuses;
        }
    }
    panic!("nothing was turned away");
}

valk_harness::test! {
    fn what_matters_less_is_turned_away_first_and_counted() {
        let options = ":critical {\"/health\" \"/numbers\"} :sheddable {\"/batch/*\"} :target-delay-ms 20";
        let (_service, port) = start("", options);
        block_on(async {
            let [critical, normal, sheddable] = press(port, ["/health?deep=1", "/", "/batch/7"]).await;
            assert!(critical.iter().all(|status| *status == 200));
            let turned_away = |statuses: &[u16]| statuses.iter().filter(|status| **status == 503).count();
            let (normal, sheddable) = (turned_away(&normal), turned_away(&sheddable));
            assert!(sheddable > 0 && sheddable >= normal, "{sheddable}, {normal}");
            let numbers = Client::connect(port).await.get("/numbers").await;
            assert_eq!(numbers.status, 200);
            let counted = number(&numbers.body, "http_overload_responses_total");
            assert_eq!(counted, normal + sheddable);
            assert_eq!(number(&numbers.body, "aio_arena_pool_overflow_total"), 0);
            assert_eq!(number(&numbers.body, "aio_connections_rejected_load_total"), 0);
        });
    }

    fn requests_may_be_refused_instead_of_answered() {
        let (_service, port) = start("", ":shed refused :target-delay-ms 20");
        block_on(async {
            let statuses = press(port, ["/"; 3]).await;
            assert!(statuses.iter().flatten().all(|status| [0, 200].contains(status)));
        });
    }

    fn a_system_has_so_many_requests_in_progress() {
        let (_service, port) = start(":arena-pool-size 3", "");
        block_on(async {
            let mut client = Client::connect(port).await;
            let mut waiting = Vec::new();
            for _ in 0..2 {
                waiting.push(client.send(Method::GET, "/waits", &[], b"").await);
            }
            let numbers = client.get("/numbers").await.body;
            assert!(numbers.contains(":arenas {:available 0 :total 3 :usage-percent 100}"), "{numbers}");
            waiting.push(client.send(Method::GET, "/waits", &[], b"").await);
            // Behind the third on its connection, so that has its place by then.
            let refused = client.get("/").await;
            assert_eq!((refused.status, refused.headers["retry-after"].as_bytes()), (503, &b"1"[..]));
            let mut other = Client::connect(port).await;
            assert_eq!(other.get("/").await.status, 503, "for all connections");
            // Dropping the wait resets its stream.
            drop(waiting.pop());
            // The place is free when the stream has ended.
            while other.get("/go").await.status == 503 {}
            for (at, answer) in waiting.into_iter().enumerate() {
                assert_eq!(answer.await.expect("an answer").body, "waited", "{at}");
            }
            let numbers = client.get("/numbers").await.body;
            assert!(numbers.contains(":arenas {:available 2 :total 3 :usage-percent 33}"), "{numbers}");
            assert!(number(&numbers, "aio_arena_pool_overflow_total") >= 2);
        });
    }

    fn wrong_options_are_told() {
        for (options, problem) in [
            (":critical {5}", ":critical must be a list of paths such as \"/health\" or \"/batch/*\", got Number"),
            (":sheddable {\"batch\"}", ":sheddable must be a list of paths such as"),
            (":shed 404", ":shed must be one of 503 refused :refused, got Number"),
            (":high-watermark 101", ":high-watermark must be between 1 and 100 percent of receive buffers"),
        ] {
            let program = format!(
                "(def {{sys}} (aio/await (aio/start))) (print (aio/await (http2/server-listen sys 0 (\\ {{r}} {{nil}}) {{{options}}})))"
            );
            let text = stdout(&run(&["-e", &program]));
            assert!(text.contains(problem), "{options}: {text}");
        }
    }
}
