//! The verdicts of a run as `JUnit` XML, which CI systems show as tests.

use std::fmt::Write as _;

use super::charts::escape;
use super::report::Report;

/// The whole file: a test for the measurement, and one for each rule.
pub fn text(report: &Report<'_>) -> String {
    let name = escape(report.options.scenario.name);
    let mut cases = String::new();
    let mut failures = 0;
    let mut case = |test: &str, failure: Option<String>| {
        write!(cases, "    <testcase classname=\"valk-load.{name}\" name=\"{}\"", escape(test))
            .expect("a string takes all text");
        match failure {
            None => cases += "/>\n",
            Some(why) => {
                failures += 1;
                let why = escape(&why);
                writeln!(cases, ">\n      <failure message=\"{why}\"/>\n    </testcase>")
                    .expect("a string takes all text");
            }
        }
    };
    let invalid = report.invalid.join("; ");
    case("measurement is valid", (!invalid.is_empty()).then_some(invalid));
    for judged in &report.judgements {
        case(&judged.rule, (!judged.passed).then(|| format!("was {}", judged.shown)));
    }
    let tests = 1 + report.judgements.len();
    let seconds = report.result.elapsed.as_secs_f64();
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n  <testsuite name=\"valk-load \
         {name}\" tests=\"{tests}\" failures=\"{failures}\" errors=\"0\" time=\"{seconds:.3}\">\n\
         {cases}  </testsuite>\n</testsuites>\n"
    )
}
