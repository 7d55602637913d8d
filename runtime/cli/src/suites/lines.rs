//! The lines that the test framework prints, and the tests that they tell of.
//!
//! ```text
//! MARK NAME…..  WORD : in N(µs)      a result
//!    TEXT                            why, below the result
//! <<<CAPTURED name=NAME              what the test printed, up to
//! >>>CAPTURED
//! ```

/// Bytes of what a test printed, and of its reason, that are kept.
const KEPT_BYTES_MAX: usize = 64 << 10;

/// How a test ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It passed.
    Passed,
    /// It failed.
    Failed,
    /// It did not end in time.
    TimedOut,
    /// It was not run, as it should be.
    Skipped,
    /// It was not run because something is broken.
    Broken,
    /// Only its name was asked for.
    Listed,
}

impl State {
    /// Its name in JSON.
    pub fn name(self) -> &'static str {
        match self {
            State::Passed => "pass",
            State::Failed => "fail",
            State::TimedOut => "timeout",
            State::Skipped => "skip",
            State::Broken => "broken",
            State::Listed => "listed",
        }
    }
}

/// A test that was reported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Test {
    /// Its name.
    pub name: String,
    /// How it ended.
    pub state: State,
    /// How long it took; `None` when it was not run.
    pub duration_us: Option<u64>,
    /// Why it failed or was skipped.
    pub reason: String,
    /// What it printed, of a test that failed.
    pub output: String,
}

/// The words behind the names.
const WORDS: [(&str, State); 4] = [
    ("PASS", State::Passed),
    ("FAIL", State::Failed),
    ("TIMEOUT", State::TimedOut),
    ("SKIP", State::Skipped),
];
/// What stands before the reason of a test that is not run because something is broken.
const BROKEN: &str = "broken: ";
/// What stands before a name when only names are asked for.
const LISTED: &str = "test: ";

/// Reads lines one after another.
#[derive(Debug, Default)]
pub struct Reading {
    /// The tests so far.
    pub tests: Vec<Test>,
    is_captured: bool,
}

impl Reading {
    /// Takes in a line without its end.
    pub fn line(&mut self, line: &str) {
        if self.is_captured {
            if line == ">>>CAPTURED" {
                self.is_captured = false;
            } else if let Some(test) = self.tests.last_mut() {
                keep(&mut test.output, line);
            }
        } else if line.starts_with("<<<CAPTURED name=") {
            self.is_captured = true;
        } else if let Some(test) = result(line) {
            self.tests.push(test);
        } else if let Some(name) = line.strip_prefix(LISTED) {
            self.tests.push(test(name, State::Listed, None));
        } else if let (Some(reason), Some(test)) = (line.strip_prefix("   "), self.tests.last_mut())
        {
            keep(&mut test.reason, reason);
            if test.state == State::Skipped && reason.starts_with(BROKEN) {
                test.state = State::Broken;
            }
        }
    }
}

/// Adds a line to what is kept, as long as there is room.
fn keep(text: &mut String, line: &str) {
    if text.len() + line.len() < KEPT_BYTES_MAX {
        *text += line;
        text.push('\n');
    } else if !text.ends_with("…\n") {
        *text += "…\n";
    }
}

fn test(name: &str, state: State, duration_us: Option<u64>) -> Test {
    let name = name.to_string();
    Test { name, state, duration_us, reason: String::new(), output: String::new() }
}

/// The test of a result line.
fn result(line: &str) -> Option<Test> {
    let (mark, rest) = line.split_once(' ')?;
    if !["✅", "❌", "⏰", "⏭️"].contains(&mark) {
        return None;
    }
    // A name may contain anything but the last dots of the line.
    let at = rest.rfind("..  ")?;
    let (name, told) = (rest[..at].trim_matches(['.', ' ']), &rest[at + 4..]);
    let word = told.split(' ').next()?;
    let (_, state) = *WORDS.iter().find(|(known, _)| *known == word)?;
    let digits = told.rsplit(' ').next()?.trim_start_matches(|c: char| !c.is_ascii_digit());
    let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
    let number: Option<u64> = digits[..end].parse().ok();
    let is_ms = digits[end..].starts_with("ms");
    Some(test(name, state, number.map(|number| if is_ms { number * 1000 } else { number })))
}
