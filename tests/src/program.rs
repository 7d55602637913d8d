//! The `valk` program as a child process.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};

/// Repository root.
pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The program under test: `VALK_BIN`, else the sibling of this test binary.
pub fn binary() -> PathBuf {
    program("valk", "VALK_BIN")
}

/// The load generator: `VALK_LOAD_BIN`, else the sibling of this test binary.
pub fn load_generator() -> PathBuf {
    program("valk-load", "VALK_LOAD_BIN")
}

fn program(name: &str, variable: &str) -> PathBuf {
    if let Some(path) = std::env::var_os(variable) {
        return PathBuf::from(path);
    }
    let own = std::env::current_exe().expect("this test has a path");
    let profile = own.parent().and_then(|deps| deps.parent()).expect("target/profile/deps/test");
    profile.join(name)
}

/// A command that runs the program from the repository root.
pub fn valk(arguments: &[&str]) -> Command {
    let mut command = Command::new(binary());
    command.args(arguments).current_dir(root()).stdin(Stdio::null());
    command.env_remove("VALK_HEAP_HARD_LIMIT").env("VALK_HISTORY", "");
    command
}

/// Runs the program to its end.
pub fn run(arguments: &[&str]) -> Output {
    let output = valk(arguments).output();
    output.unwrap_or_else(|error| panic!("{}: {error}", binary().display()))
}

/// Runs the program with this standard input.
pub fn run_with_input(arguments: &[&str], input: &[u8]) -> Output {
    let mut command = valk(arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the program starts");
    let mut stdin = child.stdin.take().expect("piped above");
    stdin.write_all(input).expect("the program reads");
    drop(stdin);
    child.wait_with_output().expect("the program ends")
}

/// Standard output as text.
pub fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Standard error as text.
pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A file in the test's temporary directory.
pub fn file(name: &str, content: impl AsRef<[u8]>) -> String {
    let path = std::env::temp_dir().join(format!("{}-{name}", std::process::id()));
    std::fs::write(&path, content).expect("the temporary directory is writable");
    path.display().to_string()
}

/// A program that serves; killed when dropped.
pub struct Service {
    child: Child,
    output: BufReader<std::process::ChildStdout>,
}

impl Service {
    /// Starts the program.
    pub fn start(arguments: &[&str]) -> Service {
        Service::spawn(valk(arguments))
    }

    /// Starts a prepared command of [`valk`].
    pub fn spawn(mut command: Command) -> Service {
        command.stdout(Stdio::piped());
        let mut child = command.spawn().expect("the program starts");
        let output = BufReader::new(child.stdout.take().expect("piped above"));
        Service { child, output }
    }

    /// The number of the process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The next line it prints.
    pub fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).expect("the program prints text");
        line.trim_end().to_string()
    }

    /// The port at the end of the next line it prints.
    pub fn port(&mut self) -> u16 {
        let line = self.line();
        let digits = line.rsplit(':').next().unwrap_or_default();
        digits.parse().unwrap_or_else(|_| panic!("a line ending in a port, got {line:?}"))
    }

    /// Sends a signal by name.
    pub fn signal(&self, name: &str) {
        let status = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status();
        assert!(status.expect("kill runs").success(), "the signal is sent");
    }

    /// Waits for its end: exit status and what it printed since the last line read.
    pub fn wait(mut self) -> (Option<i32>, String) {
        let mut rest = String::new();
        self.output.read_to_string(&mut rest).expect("the program prints text");
        let status = self.child.wait().expect("the program ends");
        (status.code(), rest)
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // Fails when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
