//! Report files: CSV, `HdrHistogram` log, HTML, standard output.

use crate::reports::charts::{Chart, Scale, Series, escape, svg};
use crate::reports::hdr_log;
use crate::reports::json::rfc3339;

use super::servers::{command, load, never, start};

const SHORT: &[&str] = &["--duration", "300ms", "--rate", "100"];

fn temporary(name: &str) -> std::path::PathBuf {
    std::env::temp_dir().join(format!("valk-load-{}-{name}", std::process::id()))
}

valk_harness::test! {
    fn one_run_has_all_faces() {
        let server = start();
        let (html, csv, hdr) = (temporary("a.html"), temporary("a.csv"), temporary("a.hdr"));
        let files = [
            "--html", html.to_str().unwrap(), "--csv", csv.to_str().unwrap(), "--hdr",
            hdr.to_str().unwrap(),
        ];
        let outcome = load("steady", &server.base, &[SHORT, &files].concat());
        assert_eq!(outcome.code, 0, "{}{}", outcome.out, outcome.err);
        let json = outcome.json();

        let text = std::fs::read_to_string(&html).unwrap();
        assert!(text.starts_with("<!doctype html>") && text.ends_with("</html>\n"));
        assert!(text.contains("measurement: VALID") && text.contains("result: PASS"));
        assert!(text.matches("<svg").count() >= 4, "{}", text.matches("<svg").count());
        assert!(!text.contains("<script") && !text.contains("src=") && text.len() < 1_000_000);

        let text = std::fs::read_to_string(&csv).unwrap();
        let mut lines = text.lines();
        assert_eq!(lines.next(), Some("second,group,offered,ok,errors,p50_us,p90_us,p99_us,p99_9_us,max_us"));
        let offered: u64 = lines.map(|line| line.split(',').nth(2).unwrap().parse::<u64>().unwrap()).sum();
        assert_eq!(offered, 30);

        let groups = hdr_log::read(&std::fs::read(&hdr).unwrap()).unwrap();
        assert_eq!((groups[0].0.as_str(), groups[0].1.len()), ("steady", 30));
        assert_eq!(groups[0].1.max(), json["groups"]["steady"]["latency_us"]["max"].as_u64().unwrap());
        for path in [html, csv, hdr] {
            std::fs::remove_file(path).unwrap();
        }
    }
}

valk_harness::test! {
    fn a_dash_is_standard_output() {
        let server = start();
        let args = ["run", "steady", "--target", &server.base, "--quiet", "--max-lag", "60s"];
        let outcome = command(&[&args[..], SHORT, &["--report", "-"]].concat(), never());
        assert_eq!(outcome.json()["groups"]["steady"]["ok"], 30);
        assert!(outcome.err.contains("measurement: VALID"), "{}", outcome.err);
        assert!(!std::path::Path::new("-").exists());
        let outcome = command(&[&args[..], &["--report", "-", "--csv", "-"]].concat(), never());
        assert_eq!(outcome.code, 2);
        assert!(outcome.err.contains("cannot both go to standard output"), "{}", outcome.err);
    }
}

valk_harness::test! {
    fn a_full_disk_is_said_after_the_table() {
        let server = start();
        let args = ["run", "steady", "--target", &server.base, "--quiet", "--max-lag", "60s"];
        for face in ["--report", "--html", "--csv", "--hdr"] {
            let outcome = command(&[&args[..], SHORT, &[face, "/dev/full"]].concat(), never());
            assert_eq!(outcome.code, 1);
            assert!(outcome.err.contains("cannot write /dev/full"), "{}", outcome.err);
            assert!(outcome.out.contains("measurement: VALID"), "{}", outcome.out);
        }
    }
}

valk_harness::test! {
    fn files_of_runs_that_did_not_happen_are_as_before() {
        let (new, old) = (temporary("new"), temporary("old"));
        std::fs::write(&old, "precious").unwrap();
        for path in [&new, &old] {
            let flags = ["--report", path.to_str().unwrap()];
            assert_eq!(load("steady", "http://127.0.0.1:1", &flags).code, 3);
        }
        assert!(!new.exists());
        assert_eq!(std::fs::read_to_string(&old).unwrap(), "precious");
        std::fs::remove_file(&old).unwrap();
        let outcome = load("steady", "http://127.0.0.1:1", &["--html", "/nowhere/x.html"]);
        assert_eq!(outcome.code, 1, "the file is opened before the target is asked");
        assert!(outcome.err.contains("cannot write /nowhere/x.html"), "{}", outcome.err);
    }
}

valk_harness::test! {
    fn charts_are_drawn_for_any_numbers() {
        let chart = |points: Vec<(f64, f64)>, scale, bars| Chart {
            title: "a <b>".to_string(),
            x_label: "x".to_string(),
            y_label: "y".to_string(),
            scale,
            bars,
            x_marks: Vec::new(),
            series: vec![Series { name: "s".to_string(), points }],
        };
        for scale in [Scale::Linear, Scale::Logarithmic] {
            for points in [vec![], vec![(3.0, 5.0)], vec![(0.0, 0.0), (1.0, 2e7)], (0..5_000).map(|i| (f64::from(i), f64::from(i % 7))).collect()] {
                for bars in [false, true] {
                    let text = svg(&chart(points.clone(), scale, bars));
                    assert!(text.contains("a &lt;b&gt;") && !text.contains("NaN") && !text.contains("inf"), "{text}");
                }
            }
        }
        // A line has as many points as a screen can show, and its peak is one of them.
        let mut points: Vec<(f64, f64)> = (0..10_000).map(|i| (f64::from(i), 1.0)).collect();
        points[4_321].1 = 50.0;
        let text = svg(&chart(points, Scale::Linear, false));
        let line = text.split("points=\"").nth(1).unwrap().split('"').next().unwrap();
        assert_eq!(line.split_whitespace().count(), 1_000);
        let ys = line.split_whitespace().map(|p| p.split(',').nth(1).unwrap().parse::<f64>().unwrap());
        assert!(ys.fold(f64::INFINITY, f64::min) < 40.0);
        assert_eq!(escape("<a \"b\"> & \u{7}"), "&lt;a &quot;b&quot;&gt; &amp;  ");
    }
}

valk_harness::test! {
    fn times_are_written_as_dates() {
        for (ms, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_709_251_199_999, "2024-02-29T23:59:59.999Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
        ] {
            assert_eq!(rfc3339(ms), text);
        }
    }
}

valk_harness::test! {
    fn broken_logs_are_explained() {
        for (text, why) in [
            (&b"not a log"[..], "not a HdrHistogram log"),
            (b"", "no histogram in it"),
            (b"Tag=a,0.0,1.0,0.5,*!*\n", "is not base64"),
            (b"Tag=a,0.0,1.0,0.5,AAAA\n", "cannot be read"),
        ] {
            let error = hdr_log::read(text).unwrap_err();
            assert!(error.contains(why), "{error}");
        }
    }
}

valk_harness::test! {
    fn logs_of_several_runs_add_up() {
        let server = start();
        let (one, two, sum) = (temporary("1.hdr"), temporary("2.hdr"), temporary("sum.hdr"));
        for path in [&one, &two] {
            load("steady", &server.base, &[SHORT, &["--hdr", path.to_str().unwrap()]].concat());
        }
        let paths = [one.to_str().unwrap(), two.to_str().unwrap(), sum.to_str().unwrap()];
        let outcome = command(&["merge", paths[0], paths[1], "--hdr", paths[2]], never());
        assert_eq!(outcome.code, 0, "{}", outcome.err);
        let row = outcome.out.lines().nth(1).unwrap();
        assert_eq!(row.split_whitespace().take(2).collect::<Vec<_>>(), ["steady", "60"]);
        let groups = hdr_log::read(&std::fs::read(&sum).unwrap()).unwrap();
        assert_eq!(groups[0].1.len(), 60);
        let shown = command(&["merge", paths[0], paths[1]], never());
        assert_eq!((shown.code, &shown.out), (0, &outcome.out), "{}", shown.err);
        let outcome = command(&["merge", paths[0], "--hdr", "-"], never());
        assert!(outcome.out.starts_with("#valk-load merge"), "{}", outcome.out);
        std::fs::write(&two, "no log").unwrap();
        let outcome = command(&["merge", paths[0], paths[1]], never());
        assert_eq!(outcome.code, 2);
        assert!(outcome.err.contains(paths[1]), "{}", outcome.err);
        assert_eq!(command(&["merge", "/nowhere/x"], never()).code, 1);
        for path in [one, two, sum] {
            std::fs::remove_file(path).unwrap();
        }
    }
}
