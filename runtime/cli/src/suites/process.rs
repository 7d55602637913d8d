//! The process of a suite.

use super::lines::{Reading, State, Test};
use std::fmt::Write;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// Bytes of a line that are read; the rest of it is passed over.
const LINE_BYTES_MAX: usize = 64 << 10;
/// Bytes of standard error that are kept.
const ERROR_BYTES_MAX: u64 = 64 << 10;
/// How long the readers of a process that was killed are waited for.
const GRACE: Duration = Duration::from_secs(1);

/// What came of a suite.
#[derive(Debug)]
pub struct Suite {
    /// Its file.
    pub path: PathBuf,
    /// The tests it reported.
    pub tests: Vec<Test>,
    /// What is wrong beyond its tests.
    pub problem: Option<String>,
    /// What it wrote to standard error.
    pub errors: String,
    /// How long it took.
    pub duration: Duration,
    /// Its exit status was 0.
    is_success: bool,
}

impl Suite {
    /// Whether nothing is wrong with it.
    pub fn has_passed(&self) -> bool {
        self.is_success && self.problem.is_none()
    }
}

/// How a process ended.
enum Ended {
    Status(ExitStatus),
    OutOfTime,
    NotStarted(String),
}

/// Runs a suite.
pub fn run(path: &Path, filter: Option<&str>, is_list: bool, limit: Duration) -> Suite {
    let started = Instant::now();
    // A file whose path is meant is meant with all its tests.
    let filter = filter.filter(|text| !path.to_string_lossy().contains(text));
    let (ended, tests, errors) = match start(path, filter, is_list) {
        Ok(mut child) => {
            let results = in_background(child.stdout.take(), read_results);
            let errors = in_background(child.stderr.take(), read_errors);
            let ended = wait(&mut child, started + limit);
            let tests = results.recv_timeout(GRACE).unwrap_or_default();
            (ended, tests, errors.recv_timeout(GRACE).unwrap_or_default())
        }
        Err(error) => (Ended::NotStarted(error.to_string()), Vec::new(), String::new()),
    };
    let is_partial = filter.is_some() || is_list;
    Suite {
        path: path.to_path_buf(),
        problem: problem(&ended, &tests, is_partial, limit),
        is_success: matches!(&ended, Ended::Status(status) if status.success()) || is_list,
        tests,
        errors,
        duration: started.elapsed(),
    }
}

fn start(path: &Path, filter: Option<&str>, is_list: bool) -> std::io::Result<Child> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("--script").arg(path);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.env_remove("VALK_TEST_FILTER").env_remove("VALK_TEST_LIST");
    if let Some(filter) = filter {
        command.env("VALK_TEST_FILTER", filter);
    }
    if is_list {
        command.env("VALK_TEST_LIST", "1");
    }
    command.spawn()
}

/// Reads a stream on a thread of its own, which is left alone when somebody keeps the stream open.
fn in_background<S: Read + Send + 'static, T: Send + 'static>(
    stream: Option<S>,
    read: fn(S) -> T,
) -> Receiver<T> {
    let (sender, receiver) = channel();
    if let Some(stream) = stream {
        std::thread::spawn(move || {
            // The receiver may have given up.
            let _ = sender.send(read(stream));
        });
    }
    receiver
}

/// Waits for the end of a process; kills it when the time is up.
fn wait(child: &mut Child, deadline: Instant) -> Ended {
    let mut pause = Duration::from_millis(1);
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Ended::Status(status),
            Ok(None) if Instant::now() >= deadline => {
                // It may have ended meanwhile.
                let _ = child.kill();
                let _ = child.wait();
                return Ended::OutOfTime;
            }
            Ok(None) => std::thread::sleep(pause),
            Err(error) => return Ended::NotStarted(error.to_string()),
        }
        pause = (pause * 2).min(Duration::from_millis(20));
    }
}

fn read_results(stream: impl Read) -> Vec<Test> {
    let mut reader = BufReader::new(stream);
    let (mut reading, mut line) = (Reading::default(), Vec::new());
    loop {
        line.clear();
        let limited = (&mut reader).take(LINE_BYTES_MAX as u64).read_until(b'\n', &mut line);
        if !matches!(limited, Ok(count) if count > 0) {
            return reading.tests;
        }
        if line.last() != Some(&b'\n') {
            skip_line(&mut reader);
        }
        let text = String::from_utf8_lossy(&line);
        reading.line(text.trim_end_matches(['\n', '\r']));
    }
}

/// Passes over the rest of a line.
fn skip_line(reader: &mut impl BufRead) {
    while let Ok(buffer) = reader.fill_buf() {
        let end = buffer.iter().position(|byte| *byte == b'\n');
        let (count, is_end) = (end.map_or(buffer.len(), |at| at + 1), end.is_some());
        reader.consume(count);
        if is_end || count == 0 {
            return;
        }
    }
}

fn read_errors(mut stream: impl Read) -> String {
    let mut kept = Vec::new();
    // What cannot be read is not shown.
    let _ = (&mut stream).take(ERROR_BYTES_MAX).read_to_end(&mut kept);
    let omitted = std::io::copy(&mut stream, &mut std::io::sink()).unwrap_or(0);
    let mut text = String::from_utf8_lossy(&kept).into_owned();
    if omitted > 0 {
        let _ = writeln!(text, "… ({omitted} bytes more)");
    }
    text
}

/// What is wrong with a suite beyond its tests.
fn problem(ended: &Ended, tests: &[Test], is_partial: bool, limit: Duration) -> Option<String> {
    let is_bad = |test: &Test| !matches!(test.state, State::Passed | State::Skipped);
    match ended {
        Ended::NotStarted(error) => Some(format!("cannot be run: {error}")),
        Ended::OutOfTime => {
            Some(format!("did not end within {} s and was killed", limit.as_secs()))
        }
        Ended::Status(status) => match (status.signal(), status.code()) {
            (Some(signal), _) => Some(format!("was ended by signal {signal}")),
            (None, Some(0)) if tests.is_empty() && !is_partial => {
                Some("reported no test: it never called a runner".to_string())
            }
            (None, Some(0)) => None,
            (None, Some(code)) if !tests.iter().any(is_bad) => {
                Some(format!("ended with status {code} though no test failed"))
            }
            (None, _) => None,
        },
    }
}
