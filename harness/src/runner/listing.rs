//! `--list` and `--list-skips`: what would run, and what would be skipped. Nothing runs.

use libtest_mimic::{FormatSetting, Trial};

use super::last_failed::LastFailed;
use super::selection::{self, Selected};
use crate::cases::definition::TestDefinition;
use crate::options::Options;
use crate::reports::skips::{list, list_as_json};
use crate::verdicts::result::TestResult;

/// `--list`, and `--bench`: nothing is run.
pub fn tests(options: &Options, tests: Vec<TestDefinition>, last_failed: &LastFailed) {
    let mut selected: Vec<_> = tests.into_iter().filter(|one| options.selects(&one.name)).collect();
    selection::narrow(options, &mut selected, last_failed, |test| test.name.clone());
    let trials = selected
        .into_iter()
        .filter(|_| !options.mimic.bench)
        .map(|test| {
            Trial::test(test.name, || Ok(())).with_ignored_flag(test.attributes.ignore.is_some())
        })
        .collect();
    let _ = libtest_mimic::run(&options.mimic, trials);
}

/// `--list-skips`: what is decided without running.
pub fn skips(options: &Options, tests: &[TestDefinition], selected: &[Selected]) -> String {
    let decided = selected.iter().filter_map(|one| {
        let test = &tests[one.test as usize];
        Some(TestResult {
            name: test.name.clone(),
            test_file: test.file.clone(),
            test_line: test.line,
            ..TestResult::new(one.decided.clone()?)
        })
    });
    let decided: Vec<TestResult> = decided.collect();
    if options.mimic.format == Some(FormatSetting::Json) {
        return list_as_json(&decided);
    }
    let (skips, all) = (decided.len(), selected.len());
    let list = list(&decided);
    format!(
        "{list}\n{skips} of {all} tests are skipped by their source; others may skip as they run\n"
    )
}
