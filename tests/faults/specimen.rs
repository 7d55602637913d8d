//! Starting the specimens and looking at what they said.

use std::process::{Command, Output, Stdio};

/// The binary of bad tests, built by cargo together with this suite.
pub const PATH: &str = env!("CARGO_BIN_EXE_fault-specimens");

/// A finished run.
pub struct Ended {
    pub status: Option<i32>,
    /// Standard output, then standard error.
    pub text: String,
}

/// A command that runs the specimens in a clean environment.
pub fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(PATH);
    command.args(arguments).env("FAULT_SPECIMENS", "1").stdin(Stdio::null());
    for variable in [
        "CARGO_PKG_NAME",
        "CARGO_MANIFEST_DIR",
        "NEXTEST_RUN_ID",
        "RUST_BACKTRACE",
        "VALK_TEST_TIME_SCALE",
        "VALK_UPDATE_SNAPSHOTS",
    ] {
        command.env_remove(variable);
    }
    command
}

/// Runs the specimens.
pub fn run(arguments: &[&str]) -> Ended {
    run_with(arguments, &[])
}

/// Runs the specimens with additional variables.
pub fn run_with(arguments: &[&str], environment: &[(&str, &str)]) -> Ended {
    let output = command(arguments)
        .envs(environment.iter().copied())
        .output()
        .expect("the specimens were built");
    ended(&output)
}

fn ended(output: &Output) -> Ended {
    let text = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
    Ended { status: output.status.code(), text: String::from_utf8_lossy(&text).into_owned() }
}

impl Ended {
    #[track_caller]
    pub fn expect_status(&self, status: i32) {
        assert_eq!(self.status, Some(status), "exit status; output:\n{}", self.text);
    }

    #[track_caller]
    pub fn expect(&self, words: &[&str]) {
        for word in words {
            assert!(self.text.contains(word), "no {word:?} in:\n{}", self.text);
        }
    }
}
