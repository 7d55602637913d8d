//! `JUnit` XML, the subset that CI servers read: one suite per binary, one case per test.
//!
//! Panics and leaks are `failure`, crashes, time limits, early exits and interrupts `error`, expected
//! skips `skipped` with their reason, and so are owed ones; other skips are `failure`. The earlier attempts of a flaky
//! test are `flakyFailure` or `flakyError`, those of one that failed in the end `rerunFailure` or
//! `rerunError`. A repeated test has the number
//! of the repetition behind its name. Output is test-controlled text: everything is escaped and
//! characters that XML 1.0 forbids are replaced.
//!
//! Binaries of one run that write to one file add their suites to it; each suite begins a line.

use std::fmt::Write as _;
use std::io::Write as _;

use super::report_file::ReportFile;
use crate::error::Error;
use crate::verdicts::result::TestResult;
use crate::verdicts::verdict::Verdict;

const HEAD: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";
const SUITE: &str = "  <testsuite ";
const END: &str = "</testsuites>\n";

/// Writes a report of one or more binaries, after those that the same run has written.
///
/// # Errors
/// [`Error::File`] if it cannot be written.
pub fn write(
    file: &ReportFile,
    run_id: &str,
    binaries: &[(&str, &[TestResult])],
) -> Result<(), Error> {
    const ACTION: &str = "write the JUnit report";
    let mark = mark(run_id);
    let (mut opened, before) =
        file.open(ACTION, |text| !run_id.is_empty() && text.contains(&mark))?;
    let suites: String = binaries.iter().map(|(binary, results)| suite(binary, results)).collect();
    let text = document(&mark, &(suites_of(&before).to_owned() + &suites));
    let written = if before.is_empty() { Ok(()) } else { opened.set_len(0) };
    written.and_then(|()| opened.write_all(text.as_bytes())).map_err(|source| Error::File {
        action: ACTION,
        path: file.path().into(),
        source,
    })
}

/// Tells a report of one run from others.
fn mark(run_id: &str) -> String {
    if run_id.is_empty() { String::new() } else { format!("<!-- run {} -->\n", escape(run_id)) }
}

/// The suites of a report of ours.
fn suites_of(text: &str) -> &str {
    let start = text.find(SUITE).unwrap_or(text.len());
    let end = text.rfind(END).unwrap_or(text.len());
    text.get(start..end).unwrap_or_default()
}

/// The whole document.
fn document(mark: &str, suites: &str) -> String {
    let mut total = [0; 4];
    for line in suites.lines().filter(|line| line.starts_with(SUITE)) {
        for (sum, name) in total.iter_mut().zip(["tests", "failures", "errors", "skipped"]) {
            *sum += number_in(line, name);
        }
    }
    let [tests, failures, errors, skipped] = total;
    format!(
        "{HEAD}{mark}<testsuites tests=\"{tests}\" failures=\"{failures}\" errors=\"{errors}\" \
         skipped=\"{skipped}\">\n{suites}{END}"
    )
}

/// The number of an attribute in a line that [`suite`] has written.
fn number_in(line: &str, name: &str) -> u64 {
    let value = line.split_once(&format!(" {name}=\"")).map_or("", |(_, rest)| rest);
    value.split('"').next().and_then(|digits| digits.parse().ok()).unwrap_or(0)
}

/// The element that a verdict has in a test case.
fn element(verdict: Verdict) -> Option<&'static str> {
    match verdict {
        Verdict::Pass | Verdict::Flaky => None,
        Verdict::SkipExpected | Verdict::SkipOwed | Verdict::NotRun => Some("skipped"),
        Verdict::Crash | Verdict::Timeout | Verdict::EarlyExit | Verdict::Interrupted => {
            Some("error")
        }
        Verdict::Fail
        | Verdict::FlakyFail
        | Verdict::Leak
        | Verdict::SkipBroken
        | Verdict::SkipStale
        | Verdict::SkipExpired => Some("failure"),
    }
}

/// One suite, as text.
pub fn suite(binary: &str, results: &[TestResult]) -> String {
    let count = |name| results.iter().filter(|one| element(one.verdict()) == Some(name)).count();
    let time_us: u64 = results.iter().map(|result| result.duration_us).sum();
    let mut xml = format!(
        "{SUITE}name=\"{}\" tests=\"{}\" failures=\"{}\" errors=\"{}\" skipped=\"{}\" \
         time=\"{}\">\n",
        escape(binary),
        results.len(),
        count("failure"),
        count("error"),
        count("skipped"),
        seconds(time_us),
    );
    for result in results {
        case(&mut xml, binary, result);
    }
    xml.push_str("  </testsuite>\n");
    xml
}

fn case(xml: &mut String, binary: &str, result: &TestResult) {
    let (class, name) = result.name.rsplit_once("::").unwrap_or(("", &result.name));
    let class = if class.is_empty() { binary.to_string() } else { format!("{binary}::{class}") };
    let _ = write!(
        xml,
        "    <testcase classname=\"{}\" name=\"{}\" time=\"{}\"",
        escape(&class),
        escape(&numbered(name, result.attempt)),
        seconds(result.duration_us),
    );
    let judgement = &result.judgement;
    if judgement.line != 0 {
        let _ = write!(xml, " file=\"{}\" line=\"{}\"", escape(&judgement.file), judgement.line);
    }
    xml.push_str(">\n");
    if let Some(element) = element(judgement.verdict) {
        let _ = writeln!(
            xml,
            "      <{element} type=\"{}\" message=\"{}\"/>",
            judgement.verdict.name(),
            escape(&judgement.message),
        );
    }
    for earlier in &result.earlier {
        attempt(xml, result.verdict(), earlier);
    }
    outputs(xml, "      ", result);
    xml.push_str("    </testcase>\n");
}

/// An earlier attempt at a test that ended with `verdict`.
fn attempt(xml: &mut String, verdict: Verdict, earlier: &TestResult) {
    let is_flaky = matches!(verdict, Verdict::Flaky | Verdict::FlakyFail);
    let element = match (is_flaky, element(earlier.verdict())) {
        (true, Some("error")) => "flakyError",
        (true, _) => "flakyFailure",
        (false, Some("error")) => "rerunError",
        (false, _) => "rerunFailure",
    };
    let (how, message) = (earlier.verdict().name(), escape(&earlier.judgement.message));
    let _ = writeln!(xml, "      <{element} type=\"{how}\" message=\"{message}\">");
    outputs(xml, "        ", earlier);
    let _ = writeln!(xml, "      </{element}>");
}

fn outputs(xml: &mut String, indent: &str, result: &TestResult) {
    for (element, text) in [("system-out", &result.stdout), ("system-err", &result.stderr)] {
        if !text.is_empty() {
            let _ = writeln!(xml, "{indent}<{element}>{}</{element}>", escape(text));
        }
    }
}

/// The name of a repeated test with the number of the repetition.
pub fn numbered(name: &str, attempt: u32) -> String {
    if attempt > 1 { format!("{name}#{attempt}") } else { name.into() }
}

fn seconds(duration_us: u64) -> String {
    format!("{}.{:06}", duration_us / 1_000_000, duration_us % 1_000_000)
}

/// Text that is safe between tags and in attribute values.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\n' => escaped.push_str("&#10;"),
            '\t' => escaped.push('\t'),
            '\u{fffe}' | '\u{ffff}' => escaped.push('\u{fffd}'),
            c if c.is_control() => escaped.push('\u{fffd}'),
            c => escaped.push(c),
        }
    }
    escaped
}
