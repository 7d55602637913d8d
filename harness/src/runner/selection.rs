//! Which tests run, in which order, and which are decided without running.

use libtest_mimic::Trial;

use super::last_failed::{Again, LastFailed};
use crate::cases::definition::TestDefinition;
use crate::cases::skip::{Skip, SkipClass};
use crate::options::Options;
use crate::random;
use crate::verdicts::verdict::Judgement;

/// One run of one test.
#[derive(Clone)]
pub struct Selected {
    /// Position in the list of tests.
    pub test: u32,
    /// 1 for the first run, 2 and more under `--repeat`.
    pub attempt: u32,
    /// Marked `#[ignore]` and not asked for.
    pub ignored: bool,
    /// The verdict on a test that does not run.
    pub decided: Option<Judgement>,
}

impl Selected {
    /// Whether the test's body will run.
    pub fn runs(&self) -> bool {
        self.decided.is_none()
    }
}

/// The runs that the command line asks for, in the order in which they start.
///
/// With `--last-failed`, a selection of tests none of which failed before may run nothing.
pub fn select(
    options: &mut Options,
    tests: &[TestDefinition],
    run_seed: u64,
    last_failed: &LastFailed,
) -> Vec<Selected> {
    let mut once = Vec::new();
    for (at, test) in tests.iter().enumerate().filter(|(_, test)| options.selects(&test.name)) {
        let probe = Trial::test(test.name.as_str(), || Ok(()))
            .with_ignored_flag(test.attributes.ignore.is_some());
        if !options.mimic.is_filtered_out(&probe) {
            let ignored = options.mimic.is_ignored(&probe);
            let decided = if ignored { Some(unrequested(test)) } else { without_running(test) };
            once.push(Selected { test: at as u32, attempt: 1, ignored, decided });
        }
    }
    let name = |one: &Selected| tests[one.test as usize].name.clone();
    if narrow(options, &mut once, last_failed, name) {
        options.allow_empty = true;
    }
    let mut selected = Vec::with_capacity(once.len() * options.repeat as usize);
    for attempt in 1..=options.repeat {
        selected.extend(once.iter().cloned().map(|one| Selected { attempt, ..one }));
    }
    if let Some(seed) = options.shuffle_seed(run_seed) {
        random::shuffle(&mut selected, seed);
    }
    if options.failed_first {
        // Stable: the order of the others does not change.
        selected.sort_by_key(|one| !last_failed.contains(&name(one)));
    }
    selected
}

/// Leaves what `--last-failed` asks for, and says what that is. Whether it rightly leaves nothing.
pub fn narrow<T>(
    options: &Options,
    selected: &mut Vec<T>,
    last_failed: &LastFailed,
    name: impl Fn(&T) -> String,
) -> bool {
    if options.last_failed || options.failed_first {
        last_failed.note().iter().for_each(|note| eprintln!("{note}"));
    }
    if !options.last_failed || selected.is_empty() {
        return false;
    }
    let names: Vec<String> = selected.iter().map(&name).collect();
    let (again, text) = last_failed.again(names.iter().map(String::as_str));
    eprintln!("--last-failed: {text}");
    match again {
        Again::All => {}
        Again::Failed => selected.retain(|one| last_failed.contains(&name(one))),
        Again::Nothing => selected.clear(),
    }
    again == Again::Nothing
}

/// A skip in the source, or a requirement that this host does not meet.
fn without_running(test: &TestDefinition) -> Option<Judgement> {
    if let Some(skip) = test.attributes.skip {
        return Some(Judgement::of_skip(Skip::from_static(skip)));
    }
    let unmet = test.attributes.requirements().find(|code| code.holds())?;
    let reason = format!("required by the test; {}", unmet.fact());
    Some(Judgement::of_skip(Skip::expected(unmet, &reason)))
}

/// The judgement on a test that is off by default.
fn unrequested(test: &TestDefinition) -> Judgement {
    let reason = test.attributes.ignore.unwrap_or_default();
    let code = "not-requested(--ignored)".into();
    Judgement::of_skip(Skip::of(SkipClass::Expected, code, reason.into()))
}
