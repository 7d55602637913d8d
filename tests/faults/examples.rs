//! The example package of the harness, built and run as a stranger would.

use std::path::Path;
use std::process::Command;

/// `harness/examples`.
fn directory() -> String {
    format!("{}/../../harness/examples", env!("CARGO_MANIFEST_DIR"))
}

/// Cargo in the example package, sharing the compiled dependencies of this build.
fn cargo(words: &[&str]) -> (Option<i32>, String) {
    let program = Path::new(env!("CARGO_BIN_EXE_fault-specimens"));
    let target = program.ancestors().nth(2).expect("target/debug/fault-specimens");
    let mut command = Command::new("cargo");
    command.args(words).current_dir(directory()).env("CARGO_TARGET_DIR", target);
    for variable in ["RUST_BACKTRACE", "CARGO_PKG_NAME", "CARGO_MANIFEST_DIR"] {
        command.env_remove(variable);
    }
    let output = command.output().expect("cargo starts");
    let text = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
    (output.status.code(), String::from_utf8_lossy(&text).into_owned())
}

valk_harness::test! {
    #[timeout_ms = 600_000]
    #[require = ToolMissing("cargo")]
    #[require = CoverageBuild]
    fn the_example_package_does_what_its_readme_says() {
        let (status, text) = cargo(&["test", "--offline", "--test", "first-steps"]);
        assert_eq!(status, Some(101), "{text}");
        for words in [
            "timeout: tests/first-steps.rs:",
            "timed out after 500 ms",
            "fail: tests/first-steps.rs:",
            "the test returned an error: invalid digit found in string",
            "test doubles/number=3,negative=true",
            "test leaves_out/number=3",
            "test reads/negative",
            "needs_a_large_computer - skipped [needs-cores(4096)]",
            "12 passed, 2 failed, 1 skipped\n",
        ] {
            assert!(text.contains(words), "no {words:?} in {text}");
        }
        assert!(!text.contains("leaves_out/number=2"), "{text}");
        // The line under "run it again" runs exactly that test, in the same build.
        let again = text.lines().find(|line| line.ends_with("--exact 'hangs'")).expect("it is printed");
        assert_eq!(
            again,
            "cargo test -p harness-example --test first-steps -- --exact 'hangs'"
        );
        let words = ["test", "--offline", "-p", "harness-example", "--test", "first-steps", "--",
            "--exact", "hangs"];
        let (status, text) = cargo(&words);
        assert_eq!(status, Some(101), "{text}");
        assert!(text.contains("0 passed, 1 failed, 0 skipped\n"), "{text}");
    }
}
