//! The run of one test binary: selects tests, has them run, collects results, writes reports.
//!
//! 1. Changes of the environment and forks happen while the process has one thread; the workers of
//!    libtest-mimic start after them.
//!
//! 2. The runner decides the exit status: libtest-mimic knows passed, failed and ignored only. Where
//!    its counts and those of the runner disagree, the run is red.

use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use libtest_mimic::{Completion, Conclusion, Failed, FormatSetting, Trial};
use serde_json::{Value, json};

use crate::cases::context::Scope;
use crate::cases::definition::{self, Isolation, TestDefinition};
use crate::cases::fixture::SessionFixture;
use crate::cases::panics;
use crate::cases::skip::{self, Skip, SkipClass};
use crate::error::Error;
use crate::execution::plan::{DEFAULT_GRACE_MS, DEFAULT_LIMIT_MS, Plan};
use crate::execution::zygote::Zygote;
use crate::execution::{body, fresh_process};
use crate::ffi;
use crate::options::{self, Options};
use crate::reports::ledger::{self, Counts, Ledger};
use crate::reports::summary::{self, Summary};
use crate::reports::{junit, test_binary};
use crate::verdicts::result::TestResult;
use crate::verdicts::token::Identity;
use crate::verdicts::verdict::{Judgement, Verdict};
use crate::{random, snapshot};

/// Exit status of a red run.
const RED: u8 = 101;
/// Exit status of a run in which no test was selected.
const EMPTY: u8 = 4;

/// Runs the tests of this binary as its command line says; the whole of a test binary's `main`.
pub fn main() -> ExitCode {
    fresh_process::run_job();
    let status = run().unwrap_or_else(|error| {
        eprintln!("error: {error}");
        error.exit_code()
    });
    ExitCode::from(status)
}

fn run() -> Result<u8, Error> {
    let options = Options::parse(std::env::args().skip(1))?;
    if options.help {
        print!("{}", options::help());
        return Ok(0);
    }
    let tests = definition::collect()?;
    if options.mimic.list || options.mimic.bench {
        list(&options, tests);
        return Ok(0);
    }
    panics::install_hook();
    snapshot::configure();
    let run = Run::prepare(options, tests)?;
    ffi::forbid_exit("harness: a test that runs in the runner's process ended the whole run");
    let status = run.execute();
    ffi::allow_exit();
    status
}

/// `--list`, and `--bench`: nothing is run.
fn list(options: &Options, tests: Vec<TestDefinition>) {
    let trials = tests
        .into_iter()
        .filter(|test| options.selects(&test.name) && !options.mimic.bench)
        .map(|test| {
            Trial::test(test.name, || Ok(())).with_ignored_flag(test.attributes.ignore.is_some())
        })
        .collect();
    let _ = libtest_mimic::run(&options.mimic, trials);
}

/// One run, shared by the workers.
struct Run {
    options: Options,
    plan: Plan,
    selected: Vec<Selected>,
    zygote: Option<Zygote>,
    ledger: Ledger,
    secret: u64,
    failed: AtomicBool,
    /// Results and the first error of the ledger.
    collected: Mutex<(Vec<TestResult>, Option<Error>)>,
}

/// One run of one test.
#[derive(Clone, Copy)]
struct Selected {
    test: u32,
    attempt: u32,
    /// Marked `#[ignore]` and not asked for.
    ignored: bool,
}

impl Run {
    /// Prepares a run, up to and including the start of the zygote.
    fn prepare(options: Options, tests: Vec<TestDefinition>) -> Result<Arc<Self>, Error> {
        let secret = random::secret();
        let run_seed = options.seed.or(number_from("VALK_TEST_SEED")).unwrap_or(secret >> 16);
        let plan = Plan {
            tests,
            run_seed,
            capture: !options.no_capture,
            keep_output: options.mimic.show_output,
            no_fork: cfg!(miri) || std::env::var_os("VALK_TEST_NO_FORK").is_some(),
            default_limit_ms: number_from::<u64>("VALK_TEST_TIMEOUT_SECONDS")
                .filter(|seconds| *seconds > 0)
                .map_or(DEFAULT_LIMIT_MS, |seconds| seconds * 1_000),
            time_scale: number_from("VALK_TEST_TIME_SCALE").unwrap_or(1.0),
            grace_ms: DEFAULT_GRACE_MS,
            scratch: std::env::temp_dir().join(format!(
                "valk-test-{}-{:x}",
                std::process::id(),
                secret as u32
            )),
        };
        let selected = select(&options, &plan);
        let ledger = Ledger::create(
            &test_binary::ledger_paths(&options),
            &run_record(&options, &plan, &selected),
        )?;
        let mut run = Self {
            options,
            plan,
            selected,
            zygote: None,
            ledger,
            secret,
            failed: AtomicBool::new(false),
            collected: Mutex::default(),
        };
        run.zygote = run.start_zygote()?;
        Ok(Arc::new(run))
    }

    fn start_zygote(&self) -> Result<Option<Zygote>, Error> {
        let forked: Vec<&TestDefinition> = self
            .selected
            .iter()
            .filter(|selected| !selected.ignored)
            .map(|selected| &self.plan.tests[selected.test as usize])
            .filter(|test| test.attributes.isolation != Isolation::InProcess && !self.plan.no_fork)
            .collect();
        if forked.is_empty() {
            return Ok(None);
        }
        std::fs::create_dir_all(&self.plan.scratch).map_err(Error::Zygote)?;
        let mut fixtures: Vec<&'static dyn SessionFixture> = Vec::new();
        for fixture in forked.iter().flat_map(|test| test.attributes.fixtures()) {
            if !fixtures.iter().any(|known| known.name() == fixture.name()) {
                fixtures.push(fixture);
            }
        }
        let workers = self.workers().min(forked.len());
        Zygote::start(&self.plan, &fixtures, workers).map(Some).map_err(Error::Zygote)
    }

    fn workers(&self) -> usize {
        let cores = || std::thread::available_parallelism().map_or(1, Into::into);
        self.options.mimic.test_threads.unwrap_or_else(cores)
    }

    /// Runs everything and reports.
    fn execute(self: Arc<Self>) -> Result<u8, Error> {
        if let Some(seed) = self.options.shuffle_seed(self.plan.run_seed) {
            // In one write: the zygote may be writing at the same time.
            let line = format!("shuffled with --shuffle={seed}\n");
            let _ = std::io::stderr().write_all(line.as_bytes());
        }
        let mimic = libtest_mimic::Arguments {
            // No more workers than supervisors: a worker without a supervisor could only fail.
            test_threads: Some(self.workers().min(self.selected.len().max(1))),
            ..mimic_arguments(&self.options)
        };
        let trials = self.trials();
        // A closed stdout makes the printer panic; that is red, but the reports are still written.
        let conclusion = catch_unwind(AssertUnwindSafe(|| libtest_mimic::run(&mimic, trials))).ok();
        if let Some(zygote) = &self.zygote {
            zygote.end();
        }
        self.conclude(conclusion.as_ref())
    }

    fn trials(self: &Arc<Self>) -> Vec<Trial> {
        let mut trials = Vec::with_capacity(self.selected.len());
        for selected in self.selected.iter().copied() {
            let test = &self.plan.tests[selected.test as usize];
            let name = match selected.attempt {
                1 => test.name.clone(),
                n => format!("{}#{n}", test.name),
            };
            if selected.ignored {
                self.record(selected, unrequested(test), Duration::ZERO);
            }
            let run = self.clone();
            let trial = Trial::ignorable_test(name, move || run.run_one(selected));
            trials.push(trial.with_ignored_flag(test.attributes.ignore.is_some()));
        }
        trials
    }

    /// Runs one test on a worker thread and translates its verdict for libtest-mimic.
    fn run_one(&self, selected: Selected) -> Result<Completion, Failed> {
        let started = Instant::now();
        let result = if self.options.fail_fast && self.failed.load(Ordering::Relaxed) {
            TestResult::new(Judgement::new(Verdict::NotRun, "an earlier test failed"))
        } else {
            self.obtain(selected)
        };
        let verdict = result.verdict();
        let heading = summary::heading(&result);
        let message = result.judgement.message.clone();
        self.record(selected, result, started.elapsed());
        match verdict {
            Verdict::Pass => Ok(Completion::Completed),
            Verdict::SkipExpected | Verdict::NotRun => Ok(Completion::ignored_with(message)),
            _ => {
                self.failed.store(true, Ordering::Relaxed);
                Err(Failed::from(heading))
            }
        }
    }

    /// The result of one test, run as its isolation class requires.
    fn obtain(&self, selected: Selected) -> TestResult {
        let test = &self.plan.tests[selected.test as usize];
        if let Some(skip) = test.attributes.skip {
            return TestResult::new(Judgement::of_skip(Skip::from_static(skip)));
        }
        if let Some(code) = test.attributes.requirements().find(|code| code.holds()) {
            let skip = Skip::expected(code, &format!("required by the test; {}", code.fact()));
            return TestResult::new(Judgement::of_skip(skip));
        }
        match &self.zygote {
            Some(zygote) if test.attributes.isolation != Isolation::InProcess => {
                let nonce = random::mix(
                    self.secret ^ (u64::from(selected.test) << 32 | u64::from(selected.attempt)),
                );
                let limit = self.plan.limit_ms(test) + self.plan.grace_ms;
                zygote.run(Identity { nonce, test: selected.test }, Duration::from_millis(limit))
            }
            _ => {
                let account = body::run(test, self.plan.run_seed, Scope::Thread);
                let result = TestResult::new(Judgement::of_outcome(account.outcome));
                TestResult { subtests: account.subtests, seed_used: account.seed_used, ..result }
            }
        }
    }

    fn record(&self, selected: Selected, mut result: TestResult, elapsed: Duration) {
        let test = &self.plan.tests[selected.test as usize];
        result.name.clone_from(&test.name);
        result.attempt = selected.attempt;
        result.isolation = test.attributes.isolation.name().into();
        if result.duration_us == 0 {
            result.duration_us = elapsed.as_micros() as u64;
        }
        if result.judgement.line == 0 {
            result.judgement.file.clone_from(&test.file);
            result.judgement.line = test.line;
        }
        let written = self.ledger.write(&result.to_json());
        let mut collected = self.collected.lock().unwrap_or_else(PoisonError::into_inner);
        collected.0.push(result);
        if let Err(error) = written {
            collected.1.get_or_insert(error);
        }
    }

    /// Reports and decides the exit status.
    fn conclude(&self, conclusion: Option<&Conclusion>) -> Result<u8, Error> {
        let (mut results, ledger_error) =
            std::mem::take(&mut *self.collected.lock().unwrap_or_else(PoisonError::into_inner));
        results.sort_by(|a, b| (&a.name, a.attempt).cmp(&(&b.name, b.attempt)));
        let counts = Counts::of(&results);
        let fault = disagreement(conclusion, counts, self.selected.len());
        let empty = self.selected.is_empty()
            && !self.options.allow_empty
            && std::env::var_os("VALK_TEST_ALLOW_EMPTY").is_none();
        let status = match () {
            () if counts.failed > 0 || fault.is_some() || ledger_error.is_some() => RED,
            () if empty => EMPTY,
            () => 0,
        };
        self.ledger.write(&ledger::end_record(counts, status))?;
        for path in test_binary::junit_paths(&self.options) {
            junit::write(&path, &[(&test_binary::name(), &results)])?;
        }
        self.print(&results, fault.as_deref(), empty);
        ledger_error.map_or(Ok(status), Err)
    }

    fn print(&self, results: &[TestResult], fault: Option<&str>, empty: bool) {
        let mut text = summary::summary(
            results,
            &Summary {
                rerun: &test_binary::rerun_template(),
                run_seed: self.plan.run_seed,
                slowest: self.options.slowest,
                show_output: self.options.mimic.show_output,
                filtered_out: self.plan.tests.len()
                    - self.selected.iter().filter(|selected| selected.attempt == 1).count(),
            },
        );
        if let Some(fault) = fault {
            text.insert_str(0, &format!("\nFAULT: {fault}\n"));
        }
        if empty {
            let message = format!(
                "\nFAULT: no test is selected by {:?} out of {}; see --list, or --allow-empty\n",
                self.options.filters,
                self.plan.tests.len()
            );
            text.insert_str(0, &message);
        }
        // Stdout belongs to the JSON reader, if there is one.
        let written = if self.options.mimic.format == Some(FormatSetting::Json) {
            std::io::stderr().write_all(text.as_bytes())
        } else {
            std::io::stdout().write_all(text.as_bytes())
        };
        if let Err(error) = written {
            eprintln!("FAULT: the summary could not be printed: {error}");
        }
    }
}

/// The runs that the command line asks for, in the order in which they start.
fn select(options: &Options, plan: &Plan) -> Vec<Selected> {
    let mut selected = Vec::new();
    for attempt in 1..=options.repeat {
        let named = plan.tests.iter().enumerate().filter(|(_, test)| options.selects(&test.name));
        for (at, test) in named {
            let probe = Trial::test(test.name.as_str(), || Ok(()))
                .with_ignored_flag(test.attributes.ignore.is_some());
            if !options.mimic.is_filtered_out(&probe) {
                let ignored = options.mimic.is_ignored(&probe);
                selected.push(Selected { test: at as u32, attempt, ignored });
            }
        }
    }
    if let Some(seed) = options.shuffle_seed(plan.run_seed) {
        random::shuffle(&mut selected, seed);
    }
    selected
}

/// libtest-mimic gets selected trials only; filters of its own would count twice.
fn mimic_arguments(options: &Options) -> libtest_mimic::Arguments {
    libtest_mimic::Arguments { skip: Vec::new(), exact: false, ..options.mimic.clone() }
}

/// The result of a test that is off by default.
fn unrequested(test: &TestDefinition) -> TestResult {
    let reason = test.attributes.ignore.unwrap_or_default();
    let skip = Skip {
        class: SkipClass::Expected,
        code: "not-requested(--ignored)".into(),
        reason: reason.into(),
    };
    TestResult::new(Judgement::of_skip(skip))
}

/// The difference between the counts of libtest-mimic and of the runner, in words.
fn disagreement(
    conclusion: Option<&Conclusion>,
    counts: Counts,
    selected: usize,
) -> Option<String> {
    let total = counts.passed + counts.failed + counts.skipped + counts.not_run;
    if total != selected as u64 {
        return Some(format!("{selected} tests were selected, but {total} have a result"));
    }
    let Some(theirs) = conclusion else {
        return Some("the progress lines could not be printed".into());
    };
    let ours = (counts.passed, counts.failed, counts.skipped + counts.not_run);
    let theirs = (theirs.num_passed, theirs.num_failed, theirs.num_ignored);
    (ours != theirs).then(|| {
        format!("results count {ours:?}, libtest-mimic {theirs:?} (passed, failed, ignored)")
    })
}

fn number_from<T: std::str::FromStr>(variable: &str) -> Option<T> {
    std::env::var(variable).ok()?.parse().ok()
}

fn run_record(options: &Options, plan: &Plan, selected: &[Selected]) -> Value {
    json!({
        "record": "run",
        "format": ledger::FORMAT,
        "binary": test_binary::name(),
        "package": std::env::var("CARGO_PKG_NAME").unwrap_or_default(),
        "seed": plan.run_seed,
        "shuffle": options.shuffle_seed(plan.run_seed),
        "defined": plan.tests.len(),
        "selected": selected.len(),
        "facts": skip::host_facts(),
    })
}
