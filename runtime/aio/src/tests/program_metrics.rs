//! `metrics/*`: what they answer, what they refuse, and what is exported.

use super::output;

/// What a program prints as JSON.
fn json(program: &str) -> serde_json::Value {
    let text = output(program);
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

valk_harness::cases! {
    fn wrong_arguments_are_errors((call, problem): (&str, &str)) [
        "counter without a name" => ("metrics/counter", "expected at least 1 argument (name)"),
        "counter of a number" => ("metrics/counter 5", "name must be a string"),
        "counter label" =>
            ("metrics/counter \"n\" \"k\" 5", "labels must be string key-value pairs"),
        "inc nothing" => ("metrics/counter-inc", "expected 1-2 arguments"),
        "inc a name" => ("metrics/counter-inc \"n\"", "first argument must be counter handle"),
        "inc by text" => ("metrics/counter-inc (metrics/counter \"n\") \"1\"",
            "second argument must be a number"),
        "inc by less than nothing" => ("metrics/counter-inc (metrics/counter \"n\") -1",
            "the number must not be negative"),
        "gauge without a name" => ("metrics/gauge", "expected at least 1 argument (name)"),
        "gauge label" => ("metrics/gauge \"n\" 5 \"v\"", "labels must be string key-value pairs"),
        "set one" => ("metrics/gauge-set (metrics/gauge \"n\")", "expected 2 arguments"),
        "set a counter" => ("metrics/gauge-set (metrics/counter \"n\") 1",
            "first argument must be gauge handle"),
        "set text" => ("metrics/gauge-set (metrics/gauge \"n\") \"1\"",
            "second argument must be a number"),
        "gauge inc two" => ("metrics/gauge-inc 1 2", "expected 1 argument"),
        "gauge dec a number" => ("metrics/gauge-dec 1", "argument must be gauge handle"),
        "histogram without a name" => ("metrics/histogram", "expected at least 1 argument (name)"),
        "histogram of a number" => ("metrics/histogram 5", "name must be a string"),
        "no bounds" => ("metrics/histogram \"n\" :buckets {}", ":buckets must be followed by a list"),
        "histogram label" => ("metrics/histogram \"n\" \"k\" 5", "label value must be a string"),
        "observe one" => ("metrics/histogram-observe 1", "expected 2 arguments"),
        "observe a number" => ("metrics/histogram-observe 1 2",
            "first argument must be histogram handle"),
        "observe the past" => ("metrics/histogram-observe (metrics/histogram \"n\") -5",
            "the number must not be negative"),
        "baseline of something" => ("metrics/baseline 1", "expected 0 arguments, got 1"),
        "delta of something" => ("metrics/collect-delta 1", "expected 0 arguments, got 1"),
        "delta of nothing" => ("metrics/collect-delta-stateless",
            "expected 1 argument (baseline), got 0"),
        "delta of a number" => ("metrics/collect-delta-stateless 5",
            "argument must be baseline handle"),
        "delta text of nothing" => ("metrics/delta-json", "expected 1 argument"),
        "delta text of a number" => ("metrics/delta-json 5",
            "argument must be delta snapshot handle"),
        "json of something" => ("metrics/json 1", "expected 0 arguments, got 1"),
        "text of something" => ("metrics/prometheus 1", "expected 0 arguments, got 1"),
        "registry of something" => ("metrics/registry-json 1", "expected 0 arguments"),
    ] {
        let name = call.split(' ').next().expect("a name");
        assert_eq!(output(&format!("(print ({call}))")), format!("Error: {name}: {problem}\n"));
    }
}

valk_harness::test! {
    fn series_are_recorded_and_exported() {
        let program = r#"
            (= {c g} (metrics/counter "jobs" "b" "2" "a" "1" "dangling") (metrics/gauge "depth"))
            (= {h} (metrics/histogram "took" :other 5 :buckets {1 "x" 5} "k" "v" "dangling"))
            (metrics/counter-inc c) (metrics/counter-inc c 4)
            (metrics/counter-inc (metrics/counter "jobs" "a" "1" "b" "2"))
            (metrics/gauge-set g 7) (metrics/gauge-inc g) (metrics/gauge-dec g) (metrics/gauge-dec g)
            (metrics/histogram-observe h 1500000)
            (print c g h (metrics/baseline) (metrics/collect-delta))
            (print (metrics/json)) (print (metrics/prometheus))"#;
        let text = output(program);
        let mut lines = text.lines();
        assert_eq!(lines.next(), Some("<ref:metrics_counter> <ref:metrics_gauge> \
            <ref:metrics_histogram> <ref:metrics_baseline> <ref:metrics_delta>"));
        let whole: serde_json::Value =
            serde_json::from_str(lines.next().expect("JSON")).expect("JSON");
        assert_eq!(whole["counters"], serde_json::json!([
            { "name": "jobs", "value": 6, "labels": { "a": "1", "b": "2" } }]));
        assert_eq!(whole["gauges"][0]["value"], 6);
        assert_eq!(whole["histograms"][0]["buckets"][1], serde_json::json!({ "le": 5.0, "count": 1 }));
        for line in ["jobs{a=\"1\",b=\"2\"} 6", "depth 6", "took_bucket{k=\"v\",le=\"1\"} 0",
            "took_count{k=\"v\"} 1"] {
            assert!(text.contains(line), "{line}: {text}");
        }
    }

    fn bounds_are_seconds_and_parts_of_them() {
        let text = output(r#"
            (metrics/histogram-observe (metrics/histogram "h" :buckets {2 0.25 -1 -0.5 "x"}) 300000)
            (print (metrics/prometheus))"#);
        for line in ["h_bucket{le=\"0.25\"} 0", "h_bucket{le=\"2\"} 1", "h_bucket{le=\"+Inf\"} 1"] {
            assert!(text.contains(line), "{line}: {text}");
        }
        assert_eq!(text.matches("h_bucket").count(), 3, "{text}");
    }

    fn a_baseline_is_of_one_reader() {
        let delta = json(r#"
            (= {c one} (metrics/counter "jobs") (metrics/baseline))
            (metrics/collect-delta-stateless one)
            (metrics/counter-inc c 3)
            (metrics/prometheus)
            (metrics/collect-delta-stateless (metrics/baseline))
            (print (metrics/delta-json (metrics/collect-delta-stateless one)))"#);
        assert_eq!(delta["deltas"], serde_json::json!([{ "n": "jobs", "t": "c", "d": 3 }]));
        let usage = json("(metrics/counter \"jobs\") (print (metrics/registry-json))");
        assert_eq!(usage["counters"]["active"], 1);
    }

    fn increments_of_all_threads_are_counted() {
        let text = output(r#"
            (= {c} (metrics/counter "n"))
            (pmap (\ {i} {do (repeat (\ {j} {metrics/counter-inc c}) 1000) 1}) (range 0 16))
            (print (metrics/prometheus))"#);
        assert!(text.contains("\nn 16000\n"), "{text}");
    }

    fn a_registry_without_room_is_an_error() {
        let text = output(r#"
            (print (last (map (\ {i} {metrics/counter (str "c" i)}) (range 0 1025))))
            (print (last (map (\ {i} {metrics/gauge (str "g" i)}) (range 0 513))))
            (print (last (map (\ {i} {metrics/histogram (str "h" i)}) (range 0 129))))"#);
        let full = ["counter", "gauge", "histogram"].map(|k| format!("Error: metrics/{k}: registry full"));
        assert_eq!(text.lines().collect::<Vec<_>>(), full);
        let text = output("(map (\\ {i} {metrics/counter (str i)}) (range 0 1024))
            (print (aio/status (aio/start)))");
        assert_eq!(text, ":completed\n", "a system that is not counted starts all the same");
    }

    fn systems_have_series_of_their_own() {
        let text = output(r#"
            (= {one two} (aio/await (aio/start)) (aio/await (aio/start)))
            (= {c} (metrics/counter "mine"))
            (print (aio/metrics-prometheus one))
            (print (aio/system-stats-prometheus one))"#);
        for line in ["aio_servers_count{system=\"main\"} 0", "aio_servers_count{system=\"main-2\"} 0",
            "# TYPE process_resident_memory_bytes gauge", "valk_receive_buffers_used_max 0"] {
            assert!(text.contains(line), "{line}: {text}");
        }
        assert!(!text.contains("mine"), "{text}");
        for name in ["aio/metrics-prometheus", "aio/system-stats-prometheus"] {
            let text = output(&format!("(print ({name})) (print ({name} 5))"));
            let wrong = "Error: Actual: Number, Expected(One-Of): [Reference]\n";
            assert_eq!(text, format!("Error: {name}: expected 1 argument (sys)\n{wrong}"));
        }
    }
}
