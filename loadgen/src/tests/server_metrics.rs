//! What the server says of itself, beside a run; and verdicts for CI systems.

use crate::server_metrics::scraper::ServerSeries;
use crate::server_metrics::text::samples;

use super::servers::{CommandOutput, load, raw, start};

fn scrape(base: &str, url: &str, duration: &str, more: &[&str]) -> CommandOutput {
    let flags = ["--rate", "50", "--duration", duration, "-c", "1", "--scrape", url];
    load("steady", base, &[&flags, more].concat())
}

valk_harness::test! {
    fn samples_have_names_labels_and_values() {
        let page = "# HELP a says\n# TYPE a counter\n# TYPE b gauge\n\na 1\nb{x=\"} {\"} -2.5 1700\n b_total{y=\"z\"} 1e3\nc NaN\nnothing\nd x\n{ 3\n";
        let found = samples(page);
        let shown: Vec<String> =
            found.iter().map(|s| format!("{} {} {} {}", s.series, s.name, s.value, s.is_counter)).collect();
        assert_eq!(shown, [
            "a a 1 true", "b{x=\"} {\"} b -2.5 false", "b_total{y=\"z\"} b_total 1000 true", "c c NaN false",
            "{  3 false",
        ]);
    }
}

valk_harness::test! {
    fn charts_show_the_growth_of_counters() {
        let samples = vec![(0.0, 5.0), (1.0, 7.0), (3.0, 17.0), (4.0, 0.0)];
        let mut series = ServerSeries { series: "a".to_string(), is_counter: true, samples: samples.clone() };
        assert_eq!(series.points(), [(1.0, 2.0), (3.0, 5.0), (4.0, 0.0)], "a restart is no growth");
        series.is_counter = false;
        assert_eq!(series.points(), samples);
    }
}

valk_harness::test! {
    fn series_are_on_the_time_axis_of_the_run() {
        let server = start();
        let html = std::env::temp_dir().join(format!("valk-load-scrape-{}.html", std::process::id()));
        let flags = ["--series", "asked", "--series", "memory{kind=\"a b\"}", "--html", html.to_str().unwrap()];
        // Without a path it is the usual one.
        let outcome = scrape(&server.base, &server.base, "2500ms", &flags);
        let json = outcome.json();
        let server = &json["server"];
        assert_eq!(server["failed_looks"], 0, "{json:#}");
        let asked = server["series"][0]["samples"].as_array().unwrap();
        assert!((2..=3).contains(&asked.len()), "{server:#}");
        let (first, last) = (&asked[0], asked.last().unwrap());
        assert!(last[0].as_f64().unwrap() - first[0].as_f64().unwrap() > 0.5, "{server:#}");
        assert!(last[1].as_f64() > first[1].as_f64(), "{server:#}");
        assert_eq!((&server["series"][0]["counter"], &server["series"][1]["counter"]), (&true.into(), &false.into()));
        assert_eq!(server["series"][1]["name"], "memory{kind=\"a b\"}");
        assert_eq!(server["series"][1]["samples"][0][1], 7.0);
        let text = std::fs::read_to_string(&html).unwrap();
        assert!(text.contains("<h2>Server: asked, growth per second</h2>"));
        assert!(text.contains("<h2>Server: memory{kind=&quot;a b&quot;}</h2>"));
        let plain = load("steady", &raw_page_server().0, &["--duration", "100ms"]);
        assert_eq!(plain.json()["server"], serde_json::Value::Null);
    }
}

/// A server for load, and the URL of a page in HTTP/1.
fn raw_page_server() -> (String, String) {
    (start().base, raw(b"HTTP/1.1 200 OK\r\nserver: x\r\n\r\nasked 3\n"))
}

valk_harness::test! {
    fn a_page_may_be_http1() {
        let (base, page) = raw_page_server();
        let json = scrape(&base, &format!("{page}/metrics?all"), "200ms", &["--series", "asked"]).json();
        assert_eq!(json["server"]["series"][0]["samples"][0][1], 3.0, "{json:#}");
    }
}

valk_harness::test! {
    fn a_page_that_is_none_is_an_error_before_the_run() {
        let server = start();
        let own = |path: &str| format!("{}{path}", server.base);
        let long: &'static [u8] = Vec::leak(vec![b' '; (4 << 20) + 100]);
        for (url, code, message) in [
            ("http://127.0.0.1:1/metrics".to_string(), 3, "Connection refused"),
            (own("/overloaded"), 3, "the answer has the status 503"),
            (own("/reset"), 3, "stream"),
            (own("/drop"), 3, "cannot reach"),
            (own("/cut"), 3, "cannot reach"),
            (own("/#x"), 2, "has a `#`"),
            ("ftp://127.0.0.1/".to_string(), 2, "use http://"),
            ("http://192.0.2.1/metrics".to_string(), 2, "is not on this machine"),
            (raw(b"HTTP/1.1 404 Not Found\r\n\r\n"), 3, "the answer has the status 404"),
            (raw(b"SSH-2.0-x\r\n\r\n"), 3, "the answer is not HTTP"),
            (raw(b"HTTP/1.1 200 OK\r\n\r\n\xff"), 3, "the page is not UTF-8"),
            (raw(long), 3, "the page is longer than 4194304 bytes"),
        ] {
            let before = server.seen.requests.load(std::sync::atomic::Ordering::SeqCst);
            let outcome = scrape(&server.base, &url, "100ms", &["--series", "asked"]);
            assert_eq!(outcome.code, code, "{url} {}{}", outcome.out, outcome.err);
            assert!(outcome.err.contains(message), "{url} {}", outcome.err);
            let requests = server.seen.requests.load(std::sync::atomic::Ordering::SeqCst) - before;
            assert!(requests <= 1, "{requests}: nothing but the look");
        }
    }
}

valk_harness::test! {
    fn wrong_names_and_too_many_are_errors() {
        let server = start();
        let url = format!("{}/metrics", server.base);
        let outcome = scrape(&server.base, &url, "100ms", &["--series", "aksed"]);
        assert_eq!(outcome.code, 2);
        assert!(outcome.err.contains("no series `aksed` (did you mean `asked`?); there are asked, memory"), "{}", outcome.err);
        let outcome = scrape(&server.base, &url, "100ms", &[]);
        assert!(outcome.err.contains("--series"), "{}", outcome.err);
        let many: String = (0..33).map(|i| ["asked{n=\"", &i.to_string(), "\"} 1\n"].concat()).collect();
        let page: &'static str = String::leak(format!("HTTP/1.1 200 OK\r\n\r\n{many}"));
        let outcome = scrape(&server.base, &raw(page.as_bytes()), "100ms", &["--series", "asked"]);
        assert!(outcome.err.contains("33 series; at most 32"), "{}", outcome.err);
    }
}

valk_harness::test! {
    fn looks_that_fail_are_a_warning() {
        let server = start();
        let url = format!("{}/flaky", server.base);
        let json = scrape(&server.base, &url, "500ms", &["--series", "asked"]).json();
        assert_eq!(json["server"]["failed_looks"], 1, "{json:#}");
        assert_eq!(json["server"]["series"][0]["samples"].as_array().unwrap().len(), 0);
        let warning = json["warnings"].to_string();
        assert!(warning.contains(&format!("1 looks at {url} failed")), "{warning}");
    }
}

valk_harness::test! {
    fn verdicts_are_tests_for_ci_systems() {
        let server = start();
        let flags = ["--duration", "100ms", "--junit", "-", "--threshold", "p99<60s", "--threshold", "rps>1000000"];
        let args = [&["run", "steady", "--target", &server.base, "-q", "--max-lag", "60s"], &flags[..]].concat();
        let outcome = super::servers::command(&args, super::servers::never());
        assert_eq!(outcome.code, 1);
        let text = outcome.out;
        assert!(text.starts_with("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n  <testsuite name=\"valk-load steady\" tests=\"3\" failures=\"1\" errors=\"0\" time=\"0."), "{text}");
        assert!(text.contains("    <testcase classname=\"valk-load.steady\" name=\"measurement is valid\"/>\n"), "{text}");
        assert!(text.contains("name=\"p99&lt;60s\"/>\n"), "{text}");
        assert!(text.contains("name=\"rps&gt;1000000\">\n      <failure message=\"was "), "{text}");
        assert!(text.ends_with("    </testcase>\n  </testsuite>\n</testsuites>\n"), "{text}");
        let broken = [&args[..7], &["--junit", "-", "--path", "/silent", "--timeout", "50ms", "--duration", "100ms"]].concat();
        let text = super::servers::command(&broken, super::servers::never()).out;
        assert!(text.contains("name=\"measurement is valid\">\n      <failure message=\"no response to `steady`\"/>"), "{text}");
    }
}
