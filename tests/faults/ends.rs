//! How runs end that are interrupted, and what reaches an output that does not take it at once.

use std::io::{PipeWriter, Read, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use valk_harness::merge::Merge;

use crate::specimen::{command, run, run_with};

fn scratch() -> PathBuf {
    std::env::temp_dir()
}

/// Starts a run in which one test fails and one hangs, and waits until it hangs.
fn start_hanging(flags: &[&str]) -> Child {
    let names = ["--exact", "fails_an_assertion", "fixtures::uses_a_fixture_and_hangs", "passes"];
    let child = command(&[&names, flags].concat())
        .env("VALK_TEST_TIME_SCALE", "1000")
        .env("VALK_TEST_LEDGER_DIR", scratch().join("ledgers"))
        .env("FAULT_MARKS", scratch().join("marks"))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the specimens were built");
    let marks = || std::fs::read_to_string(scratch().join("marks")).unwrap_or_default();
    while !marks().contains("hanging") {
        std::thread::yield_now();
    }
    child
}

/// What a pipe holds, unless its size is changed.
const PIPE_BYTES: usize = 64 << 10;

/// Starts a run of so many tests whose output does not wait; returns it and the path of its ledger.
fn start_nonblocking(output: PipeWriter, tests: &str) -> (Child, PathBuf) {
    let ledger = scratch().join("ledger");
    let child = command(&["bulk/", "--test-threads=1", &format!("--ledger={}", ledger.display())])
        .env("FAULT_BULK", tests)
        .env("FAULT_NONBLOCKING", "1")
        .stdout(Stdio::from(output))
        .spawn()
        .expect("the specimens were built");
    (child, ledger)
}

valk_harness::cases! {
    fn an_interrupt_reports_what_is_known(signal: &str) [
        "SIGINT" => "INT",
        "SIGTERM" => "TERM",
        "SIGHUP" => "HUP",
    ] {
        let junit = scratch().join("junit.xml");
        let child = start_hanging(&["--test-threads=1", &format!("--junit={}", junit.display())]);
        let pid = child.id().to_string();
        Command::new("kill").args([&format!("-{signal}"), &pid]).status().expect("kill exists");
        let output = child.wait_with_output().expect("it is ours");
        assert_eq!(output.status.code(), None, "it ends by the signal");
        let text = String::from_utf8_lossy(&output.stdout);
        for words in [
            "left: 2".to_string(),
            format!("FAULT: SIG{signal} ended the run"),
            "interrupted: tests/faults/fixtures.rs:".to_string(),
            format!("when SIG{signal} ended the run"),
            "\n1 not run\n".to_string(),
            "0 passed, 2 failed, 0 skipped\n".to_string(),
        ] {
            assert!(text.contains(&words), "no {words:?} in {text}");
        }
        let junit = std::fs::read_to_string(junit).expect("it was written");
        assert!(junit.contains("tests=\"3\" failures=\"1\" errors=\"1\" skipped=\"1\""), "{junit}");
        let marks = std::fs::read_to_string(scratch().join("marks")).expect("it was written");
        assert!(marks.ends_with("drop upper\ndrop base\n"), "fixtures end: {marks}");
        let words = [scratch().join("ledgers").display().to_string()];
        let merge = Merge::parse(words).expect("right").expect("no help");
        let (text, green) = merge.run().expect("readable");
        assert!(!green && text.contains("ended the run") && !text.contains("truncated"), "{text}");
    }
}

valk_harness::test! {
    fn a_signal_reaches_a_run_with_tests_in_its_process() {
        let child = start_hanging(&["in_process_passes", "--test-threads=2"]);
        Command::new("kill").arg(child.id().to_string()).status().expect("kill exists");
        let output = child.wait_with_output().expect("it is ours");
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(text.contains("FAULT: SIGTERM ended the run"), "{text}");
    }

    fn an_output_that_does_not_wait_loses_nothing() {
        let (mut reader, mut writer) = std::io::pipe().expect("a pipe");
        // It is full from the beginning, and read only when all tests have ended.
        writer.write_all(&vec![b'.'; PIPE_BYTES]).expect("it has room");
        let (mut child, ledger) = start_nonblocking(writer, "200");
        while !std::fs::read_to_string(&ledger).is_ok_and(|text| text.contains("\"end\"")) {
            std::thread::yield_now();
        }
        let mut text = String::new();
        reader.read_to_string(&mut text).expect("it is text");
        assert_eq!(child.wait().expect("it is ours").code(), Some(0), "{text}");
        assert_eq!(text.matches(" ... ").count(), 200);
        assert!(text.ends_with("200 passed, 0 failed, 0 skipped\n"), "{text}");
    }

    fn an_output_that_does_not_wait_may_lose_its_reader() {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        // More than is kept for a reader that is slow.
        let (mut child, ledger) = start_nonblocking(writer, "6000");
        assert_eq!(child.wait().expect("it is ours").code(), Some(101));
        let ledger = std::fs::read_to_string(ledger).expect("it was written");
        assert!(ledger.contains("6000 tests were selected, but "), "{ledger}");
        assert!(ledger.contains("\"record\":\"end\""), "the reports are whole: {ledger}");
    }

    fn progress_in_a_file_leaves_an_output_that_does_not_wait() {
        let log = scratch().join("log");
        let names = ["--exact", "passes", "--color=never", &format!("--logfile={}", log.display())];
        let ended = run_with(&names, &[("FAULT_NONBLOCKING", "1")]);
        ended.expect_status(0);
        assert!(!ended.text.contains("test passes"), "{}", ended.text);
        ended.expect(&["1 passed, 0 failed, 0 skipped\n"]);
        let text = std::fs::read_to_string(log).expect("it was written");
        assert!(text.contains("test passes ... ok"), "{text}");
    }

    fn colours_that_are_asked_for_reach_an_output_that_does_not_wait() {
        let names = ["--exact", "passes", "--color=always"];
        let ended = run_with(&names, &[("FAULT_NONBLOCKING", "1")]);
        ended.expect_status(0);
        ended.expect(&["test passes ... \u{1b}[", "1 passed, 0 failed, 0 skipped\n"]);
    }

    fn a_stream_of_json_in_a_file_holds_nothing_else() {
        let log = scratch().join("log");
        let logfile = format!("--logfile={}", log.display());
        run(&["--exact", "in_process_prints", "--format=json", &logfile]).expect_status(0);
        let text = std::fs::read_to_string(log).expect("it was written");
        for line in text.lines() {
            serde_json::from_str::<serde_json::Value>(line).expect("every line is JSON");
        }
        assert!(text.contains("\"event\": \"ok\""), "{text}");
    }

    fn a_stream_of_json_holds_nothing_else() {
        let names = ["--exact", "in_process_prints", "fails_an_assertion", "--format=json"];
        let output = command(&names).output().expect("the specimens were built");
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(text.lines().count() >= 5, "{text}");
        let mut failure = String::new();
        for line in text.lines() {
            let event: serde_json::Value = serde_json::from_str(line).expect("every line is JSON");
            failure.extend(event["stdout"].as_str());
        }
        assert!(failure.contains("left: 2") && failure.contains("run it again"), "{failure}");
    }

    fn reports_of_several_binaries_share_a_file() {
        let (ledger, junit) = (scratch().join("l.jsonl"), scratch().join("j.xml"));
        let flags =
            [format!("--ledger={}", ledger.display()), format!("--junit={}", junit.display())];
        let run = |name: &str, id: &str| {
            let arguments = ["--exact", name, &flags[0], &flags[1]];
            run_with(&arguments, &[("VALK_TEST_RUN_ID", id)])
        };
        let read = |path: &PathBuf| std::fs::read_to_string(path).expect("it was written");
        run("passes", "earlier").expect_status(0);
        run("fails_an_assertion", "one").expect_status(101);
        run("passes", "one").expect_status(0);
        let xml = read(&junit);
        assert!(xml.contains("<testsuites tests=\"2\" failures=\"1\" errors=\"0\""), "{xml}");
        assert_eq!(xml.matches("<testsuite ").count(), 2, "{xml}");
        assert_eq!(read(&ledger).matches("\"record\":\"run\"").count(), 2);
        let merge = |words: &[&str]| {
            let words = words.iter().map(ToString::to_string);
            Merge::parse(words).expect("right").expect("no help").run().expect("readable")
        };
        let directory = scratch().display().to_string();
        let (text, green) = merge(&[&directory, "--run-id", "one"]);
        assert!(!green && text.ends_with("\n1 passed, 1 failed, 0 skipped\n"), "{text}");
        run("passes", "two").expect_status(0);
        let (text, green) = merge(&[&directory, "--run-id", "two"]);
        assert!(green && text.ends_with("\n1 passed, 0 failed, 0 skipped\n"), "{text}");
        let (text, green) = merge(&[&directory, "--run-id", "three"]);
        assert!(!green && text.contains("is of run `two`, expected `three`"), "{text}");
    }

    fn ledgers_of_a_directory_are_never_overwritten() {
        let directory = scratch().join("ledgers").display().to_string();
        for name in ["fails_an_assertion", "passes"] {
            run_with(&["--exact", name], &[("VALK_TEST_LEDGER_DIR", &directory)]);
        }
        let files: Vec<_> = std::fs::read_dir(&directory).expect("was made").flatten().collect();
        assert_eq!(files.len(), 2);
        let nonces = files.iter().map(|file| {
            let name = file.file_name().to_string_lossy().into_owned();
            name.rsplit_once('-').map(|(_, nonce)| nonce.len())
        });
        assert!(nonces.clone().all(|length| length == Some(16 + ".jsonl".len())));
    }

    fn progress_reaches_a_file() {
        let log = scratch().join("log");
        run(&["--exact", "passes", &format!("--logfile={}", log.display())]).expect_status(0);
        let mut text = String::new();
        let mut file = std::fs::File::open(log).expect("it was written");
        file.read_to_string(&mut text).expect("it is text");
        assert!(text.contains("test passes ... ok"), "{text}");
    }
}
