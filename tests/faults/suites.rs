//! Faults of `.valk` suites, with a shell script in the place of `valk`.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use valk_harness::cases;

use crate::specimen::run_with;

const PASSED: &str = "✅ adds....  PASS : in 12(µs)";
const SKIPPED: &str = "🧪 [1/1] x (SKIPPED: no net)\n⏭️  a....  SKIP";
const FAILED: &str = "❌ subtracts....  FAIL : in 3ms";

cases! {
    /// A suite that prints a text and ends as told.
    fn suite((prints, ends, status, says): (&str, &str, i32, &[&str])) [
        "pass" => (PASSED, "exit 0", 0, &["1 passed, 0 failed"]),
        "failure" => (FAILED, "exit 1", 101, &["1 of 1 tests failed: subtracts", "..  FAIL"]),
        "failure that was expected" => (FAILED, "exit 0", 0, &["1 passed"]),
        "no result line" => ("hello", "exit 0", 101, &["tested nothing"]),
        "bad status although all passed" => (PASSED, "exit 5", 101, &["ended with status 5"]),
        "crash" => (PASSED, "kill -SEGV $$", 101, &["crashed with SIGSEGV"]),
        "crash of a wrapped process" => (PASSED, "exit 139", 101, &["crashed with SIGSEGV"]),
        "time limit" => (PASSED, "exit 124", 101, &["time limit"]),
        "all skipped" => (SKIPPED, "exit 0", 101, &["skipped as broken", "no net"]),
    ] {
        let directory = std::env::temp_dir();
        let valk = directory.join("valk");
        let script = format!("#!/bin/sh\ncat <<'END'\n{prints}\nEND\n{ends}\n");
        fs::write(&valk, script).expect("scratch is writable");
        fs::set_permissions(&valk, fs::Permissions::from_mode(0o755)).expect("it is ours");
        fs::create_dir(directory.join("suites")).expect("scratch is writable");
        fs::write(directory.join("suites/one.valk"), "()").expect("scratch is writable");
        let ended = run_with(&["--exact", "suite/one"], &[
            ("FAULT_SUITES", &directory.join("suites").display().to_string()),
            ("VALK_BIN", &valk.display().to_string()),
        ]);
        ended.expect_status(status);
        ended.expect(says);
    }
}

valk_harness::test! {
    fn a_missing_program_is_red() {
        let directory = std::env::temp_dir();
        fs::write(directory.join("one.valk"), "()").expect("scratch is writable");
        let ended = run_with(
            &["--exact", "suite/one"],
            &[("FAULT_SUITES", &directory.display().to_string()), ("VALK_BIN", "/nowhere/valk")],
        );
        ended.expect_status(101);
        ended.expect(&["there is no valk program at /nowhere/valk", "VALK_BIN"]);
    }

    fn an_empty_directory_is_red() {
        let directory = std::env::temp_dir().display().to_string();
        let ended = run_with(&["passes"], &[("FAULT_SUITES", &directory)]);
        ended.expect_status(101);
        ended.expect(&["no *.valk file"]);
    }
}
