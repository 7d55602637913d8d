//! Faults of and in the reports: ledgers, `JUnit`, merging, snapshots, a closed terminal.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use valk_harness::merge::Merge;
use valk_harness::test;

use crate::specimen::{command, run, run_with};

/// The directory that is this test's own and goes with it.
fn scratch() -> PathBuf {
    std::env::temp_dir()
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn merge(words: &[&str]) -> (String, bool) {
    let merge = Merge::parse(words.iter().map(ToString::to_string)).expect("words are right");
    merge.expect("not asked for help").run().expect("the directory is readable")
}

/// Runs specimens that leave a ledger in the directory, and returns the directory.
fn ledgers(arguments: &[&str]) -> String {
    let directory = scratch().join("ledgers").display().to_string();
    run_with(arguments, &[("VALK_TEST_LEDGER_DIR", &directory)]);
    directory
}

fn only_file(directory: &str) -> PathBuf {
    let mut files =
        fs::read_dir(directory).expect("was made").map(|entry| entry.expect("is readable").path());
    files.next().expect("one ledger")
}

test! {
    fn a_skip_reason_reaches_ledger_and_junit() {
        let (ledger, junit) = (scratch().join("l.jsonl"), scratch().join("j.xml"));
        let flags =
            [format!("--ledger={}", ledger.display()), format!("--junit={}", junit.display())];
        run(&["--exact", "skips_as_expected", &flags[0], &flags[1]]).expect_status(0);
        let ledger = read(&ledger);
        let skip =
            r#"{"class":"expected","code":"needs-cores(4096)","reason":"wants <4096> \"cores\""}"#;
        assert!(ledger.contains(skip), "{ledger}");
        assert!(ledger.contains(r#""cores":"#), "{ledger}");
        let junit = read(&junit);
        let skip = "<skipped type=\"skip-expected\" message=\"skipped [needs-cores(4096)]: \
                    wants &lt;4096&gt; &quot;cores&quot;\"/>";
        assert!(junit.contains(skip), "{junit}");
    }

    fn subtests_reach_the_ledger() {
        let directory = ledgers(&["--exact", "records_subtests"]);
        let ledger = read(&only_file(&directory));
        assert!(ledger.contains(r#""subtests":[["inner","pass",7]]"#), "{ledger}");
    }

    fn garbage_does_not_damage_junit() {
        let junit = scratch().join("j.xml").display().to_string();
        run(&["--exact", "prints_garbage", "--junit", &junit]).expect_status(101);
        let xml = read(junit.as_ref());
        assert!(xml.contains("<failure type=\"fail\"") && !xml.contains('\u{1b}'), "{xml}");
    }

    fn junit_of_a_directory() {
        let directory = scratch().join("reports").display().to_string();
        run_with(&["--exact", "aborts"], &[("VALK_TEST_JUNIT_DIR", &directory)]);
        assert!(read(&only_file(&directory)).contains("<error type=\"crash\""));
    }

    fn merging_green_ledgers_is_green() {
        let directory = ledgers(&["--exact", "passes", "skips_as_expected"]);
        run_with(&["--exact", "requires_a_core"], &[("VALK_TEST_LEDGER_DIR", &directory)]);
        let junit = scratch().join("all.xml").display().to_string();
        let (text, green) = merge(&[&directory, "--expect", "fault-specimens", "--junit", &junit]);
        assert!(green, "{text}");
        assert!(text.contains("wants <4096>") && text.contains("slowest:"), "{text}");
        assert!(text.ends_with("\n2 passed, 0 failed, 1 skipped\n"), "{text}");
        let xml = read(junit.as_ref());
        assert!(xml.contains("<testsuites tests=\"3\" failures=\"0\" errors=\"0\" skipped=\"1\">"), "{xml}");
    }

    fn merging_a_red_ledger_is_red() {
        let directory = ledgers(&["--exact", "passes", "aborts", "skips_as_broken"]);
        let (text, green) = merge(&[&directory]);
        assert!(!green);
        assert!(text.contains("crashed with SIGABRT") && text.contains("VALK-7"), "{text}");
        assert!(text.ends_with("\n1 passed, 2 failed, 0 skipped\n"), "{text}");
    }

    fn merging_an_empty_run_is_red() {
        let directory = ledgers(&["no such test"]);
        let (text, green) = merge(&[&directory]);
        assert!(!green && text.contains("ended with status 4"), "{text}");
    }

    fn merging_nothing_is_red() {
        let directory = scratch().display().to_string();
        let (text, green) = merge(&[&directory]);
        assert!(!green && text.contains("no ledger at all"), "{text}");
    }

    fn a_missing_ledger_is_red() {
        let directory = ledgers(&["--exact", "passes"]);
        let (text, green) = merge(&[&directory, "--expect", "valk_heap"]);
        assert!(!green && text.contains("no ledger of `valk_heap`"), "{text}");
    }

    fn a_truncated_ledger_is_red() {
        let directory = ledgers(&["--exact", "passes"]);
        let path = only_file(&directory);
        let whole = read(&path);
        let lines: Vec<&str> = whole.lines().collect();
        let damaged = [
            (lines[..2].join("\n"), "the last record is not an end record"),
            (lines[..1].join("\n"), "fewer than two records"),
            (String::new(), "fewer than two records"),
            (whole[..whole.len() - 20].to_string(), "is not JSON"),
            ([lines[0], lines[2]].join("\n"), "but its records count 0 passed"),
            ([lines[1], lines[1], lines[2]].join("\n"), "does not start with a run record"),
            (whole.replace("\"pass\"", "\"splendid\""), "a damaged test record"),
        ];
        for (text, says) in damaged {
            fs::write(&path, text).expect("scratch is writable");
            let (report, green) = merge(&[&directory]);
            assert!(!green && report.contains(says), "no {says:?} in {report}");
        }
    }

    fn a_killed_run_leaves_a_red_ledger_and_no_process() {
        let directory = scratch().join("ledgers").display().to_string();
        let mut child = command(&["chatters_for_ever", "exec_hangs", "hangs", "--nocapture"])
            .env("VALK_TEST_LEDGER_DIR", &directory)
            .env("VALK_TEST_TIME_SCALE", "1000")
            .stdout(Stdio::piped())
            .spawn()
            .expect("the specimens were built");
        let mut stdout = child.stdout.take().expect("is piped");
        let mut seen = String::new();
        while !seen.contains("still here") {
            let mut buffer = [0; 256];
            let n = stdout.read(&mut buffer).expect("is open");
            assert!(n > 0, "ended before the test printed:\n{seen}");
            seen.push_str(&String::from_utf8_lossy(&buffer[..n]));
        }
        child.kill().expect("it is ours");
        child.wait().expect("it is ours");
        // The pipe ends when the last process that holds it has been cleaned up.
        std::io::copy(&mut stdout, &mut std::io::sink()).expect("is open");
        let (text, green) = merge(&[&directory]);
        assert!(!green && text.contains("is truncated"), "{text}");
    }

    fn a_closed_terminal_is_red() {
        let mut child = command(&["passes"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the specimens were built");
        drop(child.stdout.take());
        let output = child.wait_with_output().expect("it is ours");
        assert_eq!(output.status.code(), Some(101));
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(stderr.contains("the summary could not be printed"), "{stderr}");
    }

    fn snapshots_are_stored_and_compared() {
        let directory = scratch().display().to_string();
        let run = |value: &str, update: &str| {
            run_with(
                &["--exact", "matches_a_snapshot_of_its_own"],
                &[
                    ("FAULT_SNAPSHOTS", &directory),
                    ("FAULT_FILTERS", "1"),
                    ("FAULT_VALUE", value),
                    ("VALK_UPDATE_SNAPSHOTS", update),
                    ("CI", "true"),
                ],
            )
        };
        run("at 127.0.0.1:4433 in 12 ms", "0").expect_status(101);
        run("at 127.0.0.1:4433 in 12 ms", "1").expect_status(0);
        let stored = read(&scratch().join("matches_a_snapshot_of_its_own.value.snap"));
        assert!(stored.contains("at 127.0.0.1:[port] in [time]"), "{stored}");
        run("at 127.0.0.1:5544 in 3 ms", "0").expect_status(0);
        let ended = run("elsewhere", "0");
        ended.expect_status(101);
        ended.expect(&["differs", "elsewhere", "VALK_UPDATE_SNAPSHOTS=1"]);
        let files = fs::read_dir(scratch()).expect("is readable").count();
        assert_eq!(files, 1, "a comparison must not write");
    }
}
