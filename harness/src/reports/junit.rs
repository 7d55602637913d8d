//! `JUnit` XML, the subset that CI servers read: one suite per binary, one case per test.
//!
//! Panics and leaks are `failure`, crashes, time limits and early exits `error`, expected skips
//! `skipped` with their reason, broken and stale skips `failure`. Output is test-controlled text:
//! everything is escaped and characters that XML 1.0 forbids are replaced.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use super::ledger::Counts;
use crate::error::Error;
use crate::verdicts::result::TestResult;
use crate::verdicts::verdict::Verdict;

/// Writes a report of one or more binaries.
///
/// # Errors
/// [`Error::File`] if it cannot be written.
pub fn write(path: &Path, binaries: &[(&str, &[TestResult])]) -> Result<(), Error> {
    let failed =
        |source| Error::File { action: "write the JUnit report", path: path.into(), source };
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory).map_err(failed)?;
    }
    fs::write(path, document(binaries)).map_err(failed)
}

/// The whole document.
pub fn document(binaries: &[(&str, &[TestResult])]) -> String {
    let total =
        binaries.iter().fold(Counts::default(), |sum, (_, results)| sum.plus(Counts::of(results)));
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let _ = writeln!(
        xml,
        "<testsuites tests=\"{}\" failures=\"{}\" skipped=\"{}\">",
        total.passed + total.failed + total.skipped + total.not_run,
        total.failed,
        total.skipped + total.not_run,
    );
    for (binary, results) in binaries {
        suite(&mut xml, binary, results);
    }
    xml.push_str("</testsuites>\n");
    xml
}

fn suite(xml: &mut String, binary: &str, results: &[TestResult]) {
    let counts = Counts::of(results);
    let time_us: u64 = results.iter().map(|result| result.duration_us).sum();
    let _ = writeln!(
        xml,
        "  <testsuite name=\"{}\" tests=\"{}\" failures=\"{}\" skipped=\"{}\" time=\"{}\">",
        escape(binary),
        results.len(),
        counts.failed,
        counts.skipped + counts.not_run,
        seconds(time_us),
    );
    for result in results {
        case(xml, binary, result);
    }
    xml.push_str("  </testsuite>\n");
}

fn case(xml: &mut String, binary: &str, result: &TestResult) {
    let (class, name) = result.name.rsplit_once("::").unwrap_or(("", &result.name));
    let class = if class.is_empty() { binary.to_string() } else { format!("{binary}::{class}") };
    let _ = write!(
        xml,
        "    <testcase classname=\"{}\" name=\"{}\" time=\"{}\"",
        escape(&class),
        escape(name),
        seconds(result.duration_us),
    );
    let judgement = &result.judgement;
    if judgement.line != 0 {
        let _ = write!(xml, " file=\"{}\" line=\"{}\"", escape(&judgement.file), judgement.line);
    }
    xml.push_str(">\n");
    let element = match judgement.verdict {
        Verdict::Pass => None,
        Verdict::SkipExpected | Verdict::NotRun => Some("skipped"),
        Verdict::Crash | Verdict::Timeout | Verdict::EarlyExit => Some("error"),
        Verdict::Fail | Verdict::Leak | Verdict::SkipBroken | Verdict::SkipStale => Some("failure"),
    };
    if let Some(element) = element {
        let _ = writeln!(
            xml,
            "      <{element} type=\"{}\" message=\"{}\"/>",
            judgement.verdict.name(),
            escape(&judgement.message),
        );
    }
    for (element, text) in [("system-out", &result.stdout), ("system-err", &result.stderr)] {
        if !text.is_empty() {
            let _ = writeln!(xml, "      <{element}>{}</{element}>", escape(text));
        }
    }
    xml.push_str("    </testcase>\n");
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
