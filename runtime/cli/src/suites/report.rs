//! Results of suites as text, JSON and `JUnit` XML.

use super::count;
use super::lines::{State, Test};
use super::process::Suite;
use serde_json::{Value as Json, json};
use std::fmt::Write;

/// States of tests that make a suite fail.
const BAD: [State; 3] = [State::Failed, State::TimedOut, State::Broken];

/// A suite as it ends: a line, and below it what is wrong.
pub fn text(suite: &Suite) -> String {
    let mark = if suite.has_passed() { "ok  " } else { "FAIL" };
    let milliseconds = suite.duration.as_millis();
    let tests = suite.tests.len();
    let mut text = format!("{mark} {} ({tests} tests, {milliseconds} ms)\n", suite.path.display());
    for test in suite.tests.iter().filter(|test| test.state != State::Passed) {
        let _ = writeln!(text, "  {}: {}", test.state.name(), test.name);
        indent(&mut text, &test.reason);
        if test.state != State::Skipped {
            indent(&mut text, &test.output);
        }
    }
    if let Some(problem) = &suite.problem {
        let _ = writeln!(text, "  the suite {problem}");
    }
    if !suite.has_passed() {
        indent(&mut text, &suite.errors);
    }
    text
}

fn indent(text: &mut String, lines: &str) {
    for line in lines.lines() {
        let _ = writeln!(text, "    {line}");
    }
}

/// The last line: how many tests ended how.
pub fn summary(suites: &[Suite]) -> String {
    let passed = count(suites, &[State::Passed]);
    let (failed, skipped) = (count(suites, &BAD), count(suites, &[State::Skipped]));
    let bad = suites.iter().filter(|suite| !suite.has_passed()).count();
    format!(
        "{} suites, {bad} failed; {} tests: {passed} passed, {failed} failed, {skipped} skipped\n",
        suites.len(),
        passed + failed + skipped,
    )
}

/// The names of all tests, each with its suite.
pub fn list(suites: &[Suite]) -> String {
    let mut text = String::new();
    for suite in suites {
        for test in &suite.tests {
            let _ = writeln!(text, "{}: {}", suite.path.display(), test.name);
        }
        if let Some(problem) = &suite.problem {
            let _ = writeln!(text, "{}: the suite {problem}", suite.path.display());
        }
    }
    text
}

/// All results as one document.
pub fn json(suites: &[Suite]) -> String {
    let test = |test: &Test| {
        json!({
            "name": test.name,
            "state": test.state.name(),
            "duration_us": test.duration_us,
            "reason": test.reason,
            "output": test.output,
        })
    };
    let suite = |suite: &Suite| {
        json!({
            "path": suite.path.display().to_string(),
            "passed": suite.has_passed(),
            "problem": suite.problem,
            "duration_ms": u64::try_from(suite.duration.as_millis()).unwrap_or(u64::MAX),
            "tests": suite.tests.iter().map(test).collect::<Vec<Json>>(),
            "stderr": suite.errors,
        })
    };
    let document = json!({
        "suites": suites.iter().map(suite).collect::<Vec<Json>>(),
        "passed": count(suites, &[State::Passed]),
        "failed": count(suites, &BAD),
        "skipped": count(suites, &[State::Skipped]),
    });
    format!("{document}\n")
}

/// All results as `JUnit` XML: one `testsuite` per file.
pub fn junit(suites: &[Suite]) -> String {
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n");
    for suite in suites {
        let path = escaped(&suite.path.display().to_string());
        let of = |states: &[State]| count(std::slice::from_ref(suite), states);
        let errors = of(&[State::TimedOut]) + usize::from(suite.problem.is_some());
        let _ = writeln!(
            xml,
            "<testsuite name=\"{path}\" tests=\"{}\" failures=\"{}\" errors=\"{errors}\" \
             skipped=\"{}\" time=\"{:.6}\">",
            suite.tests.len() + usize::from(suite.problem.is_some()),
            of(&[State::Failed, State::Broken]),
            of(&[State::Skipped]),
            suite.duration.as_secs_f64(),
        );
        for test in &suite.tests {
            xml += &case(&path, test);
        }
        if let Some(problem) = &suite.problem {
            let (problem, errors) = (escaped(problem), escaped(&suite.errors));
            let _ = writeln!(
                xml,
                "<testcase classname=\"{path}\" name=\"(suite)\"><error message=\"the suite \
                 {problem}\">{errors}</error></testcase>"
            );
        }
        xml += "</testsuite>\n";
    }
    xml + "</testsuites>\n"
}

fn case(path: &str, test: &Test) -> String {
    let seconds = test.duration_us.unwrap_or(0) as f64 / 1e6;
    let (name, reason) = (escaped(&test.name), escaped(test.reason.trim_end()));
    let head = format!("<testcase classname=\"{path}\" name=\"{name}\" time=\"{seconds:.6}\"");
    let element = match test.state {
        State::Passed | State::Listed => return format!("{head}/>\n"),
        State::Skipped => return format!("{head}><skipped message=\"{reason}\"/></testcase>\n"),
        State::Failed | State::Broken => "failure",
        State::TimedOut => "error",
    };
    let output = escaped(&test.output);
    format!("{head}><{element} message=\"{reason}\">{output}</{element}></testcase>\n")
}

/// A text as XML may contain it; characters that it may not contain are replaced.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped += "&amp;",
            '<' => escaped += "&lt;",
            '>' => escaped += "&gt;",
            '"' => escaped += "&quot;",
            '\n' => escaped += "&#10;",
            '\t' => escaped.push('\t'),
            '\u{fffe}' | '\u{ffff}' => escaped.push('\u{fffd}'),
            control if control < ' ' => escaped.push('\u{fffd}'),
            other => escaped.push(other),
        }
    }
    escaped
}
