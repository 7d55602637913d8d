//! The run of one test binary: selects tests, has them run, collects results, writes reports.
//!
//! 1. Changes of the environment and forks happen while the process has one thread; the workers of
//!    libtest-mimic start after them.
//! 2. The runner decides the exit status: libtest-mimic knows passed, failed and ignored only. Where
//!    its counts and those of the runner disagree, the run is red.
//! 3. A failure is told in full as soon as it is known, and again at the end as a line of a list.
//! 4. A signal that asks the run to end still leaves complete reports.

pub(crate) mod attempts;
pub(crate) mod last_failed;
mod listing;
pub(crate) mod record;
mod selection;
mod sentinel;
pub(crate) mod settings;
pub(crate) mod setup;
mod terminal;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use libtest_mimic::{Completion, Conclusion, Failed, FormatSetting, Trial};

use crate::cases::context::Scope;
use crate::cases::debt::Day;
use crate::cases::definition::{self, Isolation, TestDefinition};
use crate::cases::{fixture, foreign_tests, panics};
use crate::error::Error;
use crate::execution::groups::{self, Groups};
use crate::execution::plan::Plan;
use crate::execution::zygote::Zygote;
use crate::execution::{body, fresh_process};
use crate::ffi::{exit_guard, memory, signals};
use crate::options::{self, Options};
use crate::reports::invocation::Invocation;
use crate::reports::ledger::Counts;
use crate::reports::test_binary::Rerun;
use crate::reports::{junit, summary};
use crate::verdicts::result::TestResult;
use crate::verdicts::token::Identity;
use crate::verdicts::verdict::{Judgement, Verdict, signal_name};
use crate::{random, snapshot};

use attempts::Attempts;
use last_failed::LastFailed;
use record::Record;
use selection::Selected;
use settings::Settings;
use setup::Setup;
use terminal::Terminal;

/// Exit status of a red run.
const RED: u8 = 101;
/// Exit status of a run in which no test was selected.
const EMPTY: u8 = 4;

/// Runs the tests of this binary as its command line says; the whole of a test binary's `main`.
pub fn main() -> ExitCode {
    main_with(Setup::new())
}

/// As [`main`], with rules of the binary's own.
fn main_with(setup: Setup) -> ExitCode {
    exit_guard::main_was_called();
    fresh_process::run_job();
    let status = run(setup).unwrap_or_else(|error| {
        eprintln!("error: {error}");
        error.exit_code()
    });
    ExitCode::from(status)
}

fn run(setup: Setup) -> Result<u8, Error> {
    let mut options = Options::parse(std::env::args().skip(1))?;
    if options.help {
        print!("{}", options::help());
        return Ok(0);
    }
    options.budget = options.budget.or(setup.budget());
    let settings = Settings::read()?;
    memory::begin_huge_page();
    let tests = definition::collect()?;
    groups::check_names(&tests)?;
    refuse_foreign_tests(&options)?;
    let invocation = Invocation::read();
    let last_failed = LastFailed::read(&invocation);
    if options.mimic.list || options.mimic.bench {
        listing::tests(&options, tests, &last_failed);
        return Ok(0);
    }
    let run_seed = options.seed.or(settings.seed).unwrap_or(random::secret() >> 16);
    let mut selected = selection::select(&mut options, &tests, run_seed, &last_failed);
    for one in &mut selected {
        let debt = &tests[one.test as usize].attributes.debt;
        one.decided = one.decided.take().map(|judgement| judgement.with_debt(debt, settings.today));
    }
    if options.list_skips {
        print!("{}", listing::skips(&options, &tests, &selected));
        return Ok(0);
    }
    panics::install_hook();
    snapshot::configure();
    let runs_here = |one: &Selected| {
        one.runs() && tests[one.test as usize].attributes.isolation == Isolation::InProcess
    };
    let has_tests_in_process = selected.iter().any(runs_here);
    let mut announcement = if has_tests_in_process && !settings.no_fork {
        Some(sentinel::start().map_err(Error::Zygote)?)
    } else {
        None
    };
    let asked = Asked { options, settings, invocation, last_failed, run_seed };
    let run = Run::prepare(asked, tests, selected)?;
    exit_guard::forbid_exit(
        "harness: a test that runs in the runner's process ended the whole run",
    );
    let status = run.execute(has_tests_in_process);
    exit_guard::allow_exit();
    if let Some(announcement) = &mut announcement {
        announcement.send();
    }
    status
}

/// Once for each start by a person: a run of single tests by a runner of its own begins with a list.
fn refuse_foreign_tests(options: &Options) -> Result<(), Error> {
    if options.mimic.exact {
        return Ok(());
    }
    match foreign_tests::find() {
        places if places.is_empty() => Ok(()),
        places => Err(Error::ForeignTests { places }),
    }
}

/// What the user asked for, and what is known from before.
struct Asked {
    options: Options,
    settings: Settings,
    invocation: Invocation,
    last_failed: LastFailed,
    run_seed: u64,
}

/// One run, shared by the workers.
struct Run {
    options: Options,
    plan: Plan,
    selected: Vec<Selected>,
    zygote: Option<Zygote>,
    record: Record,
    rerun: String,
    secret: u64,
    /// Attempts that have begun: no two have one nonce.
    begun: AtomicU64,
    attempts: Attempts,
    /// The day that skips are judged by.
    today: Day,
    last_failed: LastFailed,
    failed: AtomicBool,
    /// A signal ends the run: no other thread reports anything any more.
    interrupted: AtomicBool,
    terminal: std::sync::Mutex<Option<Terminal>>,
}

impl Run {
    /// Prepares a run, up to and including the start of the zygote.
    fn prepare(
        asked: Asked,
        tests: Vec<TestDefinition>,
        selected: Vec<Selected>,
    ) -> Result<Arc<Self>, Error> {
        let Asked { options, settings, invocation, last_failed, run_seed } = asked;
        let secret = random::secret();
        let forked: Vec<usize> = selected
            .iter()
            .filter(|one| one.runs() && !settings.no_fork)
            .map(|one| one.test as usize)
            .filter(|test| tests[*test].attributes.isolation != Isolation::InProcess)
            .collect();
        let plan = Plan {
            groups: Groups::new(&tests, &forked),
            tests,
            run_seed,
            capture: !options.no_capture,
            keep_output: options.mimic.show_output,
            default_limit_ms: settings.limit_ms,
            time_scale: settings.time_scale,
            scratch: std::env::temp_dir().join(format!(
                "valk-test-{}-{:x}",
                std::process::id(),
                secret as u32
            )),
        };
        let first = record::first(&options, &plan, &selected, &invocation);
        let record = Record::create(&options, &invocation, secret, &first)?;
        let rerun = Rerun::of_this(&invocation, definition::build_target()).template();
        let attempts = Attempts::new(&options, &settings);
        let mut run = Self {
            options,
            plan,
            selected,
            zygote: None,
            record,
            rerun,
            secret,
            begun: AtomicU64::new(0),
            attempts,
            today: settings.today,
            last_failed,
            failed: AtomicBool::new(false),
            interrupted: AtomicBool::new(false),
            terminal: std::sync::Mutex::new(None),
        };
        if !forked.is_empty() {
            std::fs::create_dir_all(&run.plan.scratch).map_err(Error::Zygote)?;
            if run.plan.has_many_tests() {
                memory::set_heap_apart();
            }
            let zygote = Zygote::start(&run.plan, forked.into_iter()).map_err(Error::Zygote)?;
            run.zygote = Some(zygote);
        }
        Ok(Arc::new(run))
    }

    fn workers(&self) -> usize {
        let cores = || std::thread::available_parallelism().map_or(1, Into::into);
        self.options.mimic.test_threads.unwrap_or_else(cores)
    }

    /// Runs everything and reports.
    fn execute(self: Arc<Self>, has_tests_in_process: bool) -> Result<u8, Error> {
        let mut mimic = libtest_mimic::Arguments {
            // No more workers than tests: a worker without a test would only be started.
            test_threads: Some(self.workers().min(self.selected.len().max(1))),
            // It gets selected trials only; filters of its own would count twice.
            skip: Vec::new(),
            exact: false,
            ..self.options.mimic.clone()
        };
        self.listen_for_interrupts();
        *self.terminal() = Some(Terminal::new(&mut mimic, has_tests_in_process));
        if let Some(seed) = self.options.shuffle_seed(self.plan.run_seed) {
            eprintln!("shuffled with --shuffle={seed}");
        }
        let trials = self.trials();
        // A closed stdout makes the printer panic; that is red, but the reports are still written.
        let conclusion = catch_unwind(AssertUnwindSafe(|| libtest_mimic::run(&mimic, trials))).ok();
        self.stay_if_interrupted();
        let faults = self.end_fixtures();
        let status = self.conclude(conclusion.as_ref(), faults);
        if let Some(terminal) = self.terminal().as_mut() {
            terminal.finish();
        }
        status
    }

    fn terminal(&self) -> std::sync::MutexGuard<'_, Option<Terminal>> {
        self.terminal.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Tears down what tests have built, here and in the zygote; what could not be.
    fn end_fixtures(&self) -> Vec<String> {
        let mut faults = fixture::tear_down_here();
        if let Some(zygote) = &self.zygote {
            faults.extend(zygote.end(&self.plan));
        }
        faults
    }

    fn trials(self: &Arc<Self>) -> Vec<Trial> {
        let mut trials = Vec::with_capacity(self.selected.len());
        for (at, selected) in self.selected.iter().enumerate() {
            let test = &self.plan.tests[selected.test as usize];
            let name = junit::numbered(&test.name, selected.attempt);
            let is_red = |judgement: &Judgement| judgement.verdict.is_red();
            let ignored = selected.decided.as_ref().filter(|_| selected.ignored);
            // One that may not be ignored any more is told like any other failure.
            let must_be_told = ignored.is_some_and(is_red);
            if let Some(judgement) = ignored.filter(|_| !must_be_told) {
                let result = TestResult::new(judgement.clone());
                self.record.end(at, self.completed(selected, result, Duration::ZERO));
            }
            let run = self.clone();
            let trial = Trial::ignorable_test(name, move || run.run_one(at));
            let is_ignored = test.attributes.ignore.is_some() && !must_be_told;
            trials.push(trial.with_ignored_flag(is_ignored));
        }
        trials
    }

    /// Runs one test on a worker thread and translates its verdict for libtest-mimic.
    fn run_one(&self, at: usize) -> Result<Completion, Failed> {
        let selected = &self.selected[at];
        let started = Instant::now();
        self.stay_if_interrupted();
        let result = if self.options.fail_fast && self.failed.load(Ordering::Relaxed) {
            TestResult::new(Judgement::new(Verdict::NotRun, "an earlier test failed"))
        } else {
            self.record.begin(at);
            let result = self.obtain(selected);
            let debt = &self.plan.tests[selected.test as usize].attributes.debt;
            TestResult { judgement: result.judgement.with_debt(debt, self.today), ..result }
        };
        self.stay_if_interrupted();
        let result = self.completed(selected, result, started.elapsed());
        let verdict = result.verdict();
        let message = result.judgement.message.clone();
        if verdict.is_red() {
            self.failed.store(true, Ordering::Relaxed);
            let text = summary::failure(&result, &self.rerun, self.plan.run_seed);
            self.record.end(at, result);
            return Err(self.tell_failure(text));
        }
        if verdict == Verdict::Flaky {
            let text = summary::failure(&result, &self.rerun, self.plan.run_seed);
            // Standard error in a stream of JSON, whose event of a passed test has no text.
            let _ = self.terminal().as_ref().map(|terminal| terminal.print(&text));
        }
        self.record.end(at, result);
        match verdict {
            Verdict::Pass | Verdict::Flaky => Ok(Completion::Completed),
            _ => Ok(Completion::ignored_with(message)),
        }
    }

    /// Rule 3. In a stream of JSON the failure is part of the event.
    fn tell_failure(&self, text: String) -> Failed {
        if self.options.mimic.format == Some(FormatSetting::Json) {
            return Failed::from(text);
        }
        if let Some(terminal) = self.terminal().as_ref() {
            // A closed output is told at the end.
            let _ = terminal.print(&text);
        }
        Failed::without_message()
    }

    /// The result of one test, run as its isolation class requires.
    fn obtain(&self, selected: &Selected) -> TestResult {
        if let Some(judgement) = &selected.decided {
            return TestResult::new(judgement.clone());
        }
        let test = &self.plan.tests[selected.test as usize];
        match &self.zygote {
            Some(zygote) if test.attributes.isolation != Isolation::InProcess => {
                let result = self.attempts.run(test, || {
                    self.stay_if_interrupted();
                    let nonce =
                        random::mix(self.secret ^ self.begun.fetch_add(1, Ordering::Relaxed));
                    let started = Instant::now();
                    let result = zygote.run(&self.plan, Identity { nonce, test: selected.test });
                    self.completed(selected, result, started.elapsed())
                });
                zygote.release(&self.plan, selected.test as usize);
                result
            }
            _ => {
                let account = body::run(test, self.plan.run_seed, Scope::Thread);
                let result = TestResult::new(Judgement::of_outcome(account.outcome));
                TestResult { subtests: account.subtests, seed_used: account.seed_used, ..result }
            }
        }
    }

    /// A result with what the runner knows of its test.
    fn completed(&self, selected: &Selected, result: TestResult, elapsed: Duration) -> TestResult {
        let mut result = result;
        let test = &self.plan.tests[selected.test as usize];
        result.name.clone_from(&test.name);
        result.attempt = selected.attempt;
        result.isolation = test.attributes.isolation.name().into();
        if result.duration_us == 0 {
            result.duration_us = elapsed.as_micros() as u64;
        }
        result.test_file.clone_from(&test.file);
        result.test_line = test.line;
        if result.judgement.line == 0 {
            result.judgement.file.clone_from(&test.file);
            result.judgement.line = test.line;
        }
        result
    }

    /// Reports and decides the exit status.
    fn conclude(
        &self,
        conclusion: Option<&Conclusion>,
        mut faults: Vec<String>,
    ) -> Result<u8, Error> {
        let (results, ledger_error) = self.record.close();
        let counts = Counts::of(&results);
        faults.extend(self.options.budget.faults(&results));
        faults.extend(disagreement(conclusion, counts, self.selected.len()));
        let empty = self.selected.is_empty()
            && !self.options.allow_empty
            && std::env::var_os("VALK_TEST_ALLOW_EMPTY").is_none();
        let status = match () {
            () if counts.failed > 0 || !faults.is_empty() || ledger_error.is_some() => RED,
            () if empty => EMPTY,
            () => 0,
        };
        self.record.write_reports(&results, &faults, counts, status)?;
        if empty {
            faults.push(format!(
                "no test is selected by {:?} out of {}; see --list, or --allow-empty",
                self.options.filters,
                self.plan.tests.len()
            ));
        }
        self.print(&results, &faults);
        self.remember(&results);
        ledger_error.map_or(Ok(status), Err)
    }

    /// For `--last-failed`. What cannot be remembered does not make a run red.
    fn remember(&self, results: &[TestResult]) {
        if let Err(error) = self.last_failed.update(results, &self.plan.tests) {
            eprintln!("note: which tests failed is not remembered: {error}");
        }
    }

    fn print(&self, results: &[TestResult], faults: &[String]) {
        let once = self.selected.iter().filter(|selected| selected.attempt == 1).count();
        let about = summary::Summary {
            slowest: self.options.slowest,
            show_output: self.options.mimic.show_output,
            filtered_out: self.plan.tests.len() - once,
        };
        let text = summary::faults(faults) + &summary::summary(results, &about);
        let printed = self.terminal().as_ref().map_or(Ok(()), |terminal| terminal.print(&text));
        if let Err(error) = printed {
            eprintln!("FAULT: the summary could not be printed: {error}");
        }
    }

    /// Rule 4: waits for signals on a thread of its own.
    fn listen_for_interrupts(self: &Arc<Self>) {
        let waited = signals::not_ignored(&signals::INTERRUPTS);
        signals::block(&waited);
        let run = self.clone();
        let listen = move || {
            let signal = signals::wait_for(&waited).signal;
            // A second signal ends the process at once.
            signals::unblock();
            run.interrupt(signal);
        };
        let started = std::thread::Builder::new().name("interrupts".into()).spawn(listen);
        if let Err(error) = started {
            eprintln!("harness: signals end the run without a report: {error}");
            signals::unblock();
        }
    }

    /// Leaves the rest to the thread that [`Run::interrupt`] runs on, which ends the process.
    fn stay_if_interrupted(&self) {
        while self.interrupted.load(Ordering::Acquire) {
            std::thread::park();
        }
    }

    /// Reports what is known, ends every process, and ends as the signal asks.
    fn interrupt(&self, signal: i32) -> ! {
        self.interrupted.store(true, Ordering::Release);
        let name = signal_name(signal);
        for (at, begun) in self.record.stop(self.selected.len()) {
            let selected = &self.selected[at];
            let (verdict, message, elapsed) = match begun {
                Some(begun) => {
                    let elapsed = begun.elapsed();
                    let time = summary::duration(elapsed.as_micros() as u64);
                    let message = format!("had run for {time} when {name} ended the run");
                    (Verdict::Interrupted, message, elapsed)
                }
                None => (Verdict::NotRun, format!("{name} ended the run before"), Duration::ZERO),
            };
            let result = TestResult::new(Judgement::new(verdict, message));
            self.record.add(self.completed(selected, result, elapsed));
        }
        let (results, _) = self.record.close();
        let counts = Counts::of(&results);
        let faults = vec![format!("{name} ended the run")];
        let written = self.record.write_reports(&results, &faults, counts, 128 + signal as u8);
        if let Err(error) = written {
            eprintln!("error: {error}");
        }
        self.print(&results, &faults);
        self.remember(&results);
        for fault in self.end_fixtures() {
            eprintln!("FAULT: {fault}");
        }
        signals::end_by(signal)
    }
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
