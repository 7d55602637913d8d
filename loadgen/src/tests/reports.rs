//! What reports say about runs that are made up here: rare ones, and runs without answers.

use std::time::{Duration, SystemTime};

use crate::command_line::parse_run;
use crate::options::Options;
use crate::recording::clock::Stamps;
use crate::recording::error_kind::ErrorKind;
use crate::recording::recorder::Recorder;
use crate::reports::report::Report;
use crate::reports::{csv, html, table};
use crate::run::RunResult;
use crate::server_metrics::scraper::Scraped;

const SECOND: u64 = 1_000_000_000;

/// A run with these options and counts, as one of the faces shows it.
fn shown<T>(
    words: &[&str],
    interrupted: bool,
    count: impl Fn(&Recorder),
    show: impl Fn(&Report<'_>) -> T,
) -> T {
    let args = parse_run([words, &["--target", "http://127.0.0.1:1"]].concat()).unwrap();
    let options = Options::check(&args).unwrap();
    let groups = options.scenario.groups.iter().map(|name| {
        let recorder = Recorder::new(name, options.scenario.timeline(options.duration));
        count(&recorder);
        recorder.result()
    });
    let result = RunResult {
        groups: groups.collect(),
        interrupted,
        started: SystemTime::UNIX_EPOCH,
        elapsed: options.duration,
        scheduled: options.duration,
        scraped: Scraped::default(),
        cpu: Some(Duration::from_secs(1)),
    };
    show(&Report::new(&options, &result))
}

fn text_table(words: &[&str], interrupted: bool, count: impl Fn(&Recorder)) -> String {
    let table = |report: &Report<'_>| {
        let mut out = Vec::new();
        table::write(report, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    };
    shown(words, interrupted, count, table)
}

/// An answer after a millisecond.
fn answer(recorder: &Recorder, due: u64) {
    let last = due + 1_000_000;
    recorder.offered(due);
    recorder.answered(due, Stamps { intended: due, sent: due, first: last, last }, 5);
}

fn failure(recorder: &Recorder, due: u64) {
    recorder.offered(due);
    recorder.failed(due, due + 1, ErrorKind::Timeout, false);
}

valk_harness::test! {
    fn a_second_without_answers_has_no_latencies() {
        let count = |recorder: &Recorder| {
            answer(recorder, 0);
            failure(recorder, 2 * SECOND);
        };
        let text = shown(&["steady", "--duration", "3s"], false, count, csv::text);
        let lines: Vec<&str> = text.lines().skip(1).collect();
        assert_eq!(lines, ["0,steady,1,1,0,1000,1000,1000,1000,1000", "2,steady,1,0,1,,,,,"]);
    }
}

valk_harness::test! {
    fn pages_show_what_was_bad() {
        let good = shown(&["steady"], false, |recorder| answer(recorder, 0), html::text);
        assert!(!good.contains("verdict bad") && !good.contains("steady errors"), "{good}");
        assert!(good.contains("Distribution of steady"), "{good}");
        let failed = shown(&["steady"], false, |recorder| failure(recorder, 0), html::text);
        assert!(failed.contains("<span class=\"verdict bad\">result: FAIL"), "{failed}");
        assert!(failed.contains("steady errors"), "{failed}");
        // There is nothing to draw when nothing was due.
        let empty = shown(&["steady"], false, |_| {}, html::text);
        assert!(empty.contains("measurement: INVALID") && !empty.contains("Distribution of"), "{empty}");
    }
}

valk_harness::test! {
    fn a_table_begins_with_what_was_asked_for() {
        for (words, part, is_open) in [
            (&["steady", "--max"][..], "as much as it takes, 4 connections x 32 streams\n", false),
            (&["steady", "--closed", "--think", "5ms"], "closed loop, 4 connections x 32 streams\n", false),
            (&["browse", "--users", "7"], "7 users\n", false),
            (&["steady", "--shape", "ramp", "--rate", "10", "--peak", "300"], "up to 300/s, ", true),
            (&["slow-reader", "--rate", "10", "-c", "2"], "10/s beside 2 connections x ", true),
        ] {
            let table = text_table(words, false, |recorder| {
                answer(recorder, 0);
                if is_open {
                    recorder.lag(0, 0);
                }
            });
            assert!(table.contains(&format!(" for 10s: {part}")), "{part}: {table}");
            // Only what has a schedule can be behind it.
            assert_eq!(table.contains("\noffered "), is_open, "{table}");
            assert_eq!(table.contains("own lag, part of the above"), is_open, "{table}");
        }
    }
}

valk_harness::test! {
    fn a_table_ends_with_what_a_reader_should_know() {
        let count = |recorder: &Recorder| {
            // More than a tenth of the latency, and harmless all the same.
            answer(recorder, 0);
            recorder.lag(0, 150_000);
            recorder.redirected();
            recorder.resent();
            recorder.connection_replaced();
        };
        let table = text_table(&["steady"], true, count);
        for part in [
            "warning: ",
            "interrupted: the numbers cover only the part that ran\n",
            "steady: 1 responses point elsewhere and were not followed\n",
            "steady: 1 requests went out again: GOAWAY said that they had not begun\n",
            "steady: 1 connections ended in good order and were replaced\n",
        ] {
            assert!(table.contains(part), "{part}: {table}");
        }
        let calm = text_table(&["steady"], false, |recorder| answer(recorder, 0));
        for part in ["warning: ", "interrupted: ", "point elsewhere", "went out again", "were replaced"] {
            assert!(!calm.contains(part), "{part}: {calm}");
        }
        // A group in which nothing was due has no row.
        let empty = text_table(&["steady"], false, |_| {});
        assert!(!empty.lines().any(|line| line.starts_with("steady  ")), "{empty}");
        assert!(calm.lines().any(|line| line.starts_with("steady  ")), "{calm}");
    }
}
