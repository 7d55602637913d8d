//! The parent: selects models, explores each in a child process, compares, reports.
//!
//! A process per model, because loom's report of a deadlock panics, panics again while unwinding
//! and aborts; and because the parent must be able to doubt what the child did.

use crate::counts::{Counts, Expected};
use crate::model::{self, Model};
use crate::options::{Action, CountPolicy, HELP, Options};
use crate::report::Report;
use crate::verdict::{Fault, Verdict, judge};
use std::collections::{BTreeMap, BTreeSet};
use std::process::{Command, ExitCode, Output};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// One finished child.
pub struct Run {
    pub verdict: Verdict,
    pub output: Output,
    pub elapsed: Duration,
}

/// Exit status for a command line that is not understood.
const USAGE: u8 = 2;

/// The runner's `main`.
pub fn main(models: &[Model]) -> ExitCode {
    let outcome = Options::parse(std::env::args().skip(1)).and_then(|options| {
        check_names(models)?;
        match &options.child {
            Some((name, nonce)) => {
                let model = models.iter().find(|model| model.name == name);
                let model = model.ok_or_else(|| format!("no model is called {name}"))?;
                Ok(model::explore(model, nonce, options.locations))
            }
            None => parent(models, &options),
        }
    });
    outcome.unwrap_or_else(|message| {
        eprintln!("{message}");
        ExitCode::from(USAGE)
    })
}

fn check_names(models: &[Model]) -> Result<(), String> {
    let mut names = BTreeSet::new();
    match models.iter().find(|model| !names.insert(model.name)) {
        Some(twice) => Err(format!("two models are called {}", twice.name)),
        None => Ok(()),
    }
}

fn parent(models: &[Model], options: &Options) -> Result<ExitCode, String> {
    if options.action == Action::Help {
        print!("{HELP}");
        return Ok(ExitCode::SUCCESS);
    }
    let selected: Vec<Model> =
        models.iter().filter(|model| options.selects(model.name, model.set)).copied().collect();
    if options.action == Action::List {
        for model in &selected {
            println!("{:<34} {:>10}  {:?}", model.name, model.bound(), model.set);
        }
        return Ok(ExitCode::SUCCESS);
    }
    let mut counts = Counts::read()?;
    let mut report = Report::new(options.json);
    let mut found = Vec::new();
    explore_all(&selected, options, &counts, |model, run| {
        report.model(model, &run);
        let passed = model.planted.is_none() && run.verdict.fault.is_none();
        if let (true, Some(executions)) = (passed, run.verdict.executions) {
            found.push((*model, executions));
        }
    });
    match options.counts {
        CountPolicy::Bless => bless(models, &mut counts, &found, &report)?,
        CountPolicy::Compare => {
            for name in counts.stale(models) {
                report.failure(&format!("models.toml lists {name}, which is no model; --bless"));
            }
        }
        CountPolicy::Ignore => report.note("execution counts were not compared"),
    }
    Ok(if report.close() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Explores `models`, several at a time, and hands the results over in order.
fn explore_all(
    models: &[Model],
    options: &Options,
    counts: &Counts,
    mut each: impl FnMut(&Model, Run),
) {
    let (next, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
    let (send, receive) = mpsc::channel();
    thread::scope(|scope| {
        for _ in 0..options.jobs {
            let send = send.clone();
            let (next, stop) = (&next, &stop);
            scope.spawn(move || {
                while !stop.load(Relaxed) {
                    let index = next.fetch_add(1, Relaxed);
                    let Some(model) = models.get(index) else { break };
                    let run = run_child(model, options, counts);
                    let violation = run.verdict.fault == Some(Fault::Violation);
                    if options.fail_fast && violation && model.planted.is_none() {
                        stop.store(true, Relaxed);
                    }
                    send.send((index, run)).expect("the receiver outlives the scope");
                }
            });
        }
        drop(send);
        let mut early = BTreeMap::new();
        let mut due = 0;
        for (index, run) in receive {
            early.insert(index, run);
            while let Some(run) = early.remove(&due) {
                each(&models[due], run);
                due += 1;
            }
        }
        // Only a fail-fast run leaves gaps.
        for (index, run) in early {
            each(&models[index], run);
        }
    });
}

/// Explores `model` in a process of its own.
fn run_child(model: &Model, options: &Options, counts: &Counts) -> Run {
    let started = Instant::now();
    let nonce = format!("{:x}-{}", std::process::id(), model.name);
    let mut command = Command::new(std::env::current_exe().expect("the runner has a path"));
    command.args(["--child", model.name, &nonce]);
    if options.locations {
        command.arg("--locations");
    }
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("LOOM_") {
            command.env_remove(name);
        }
    }
    let output = command.output().expect("the runner can start itself");
    let expected = match model.planted {
        Some(Fault::Count) => Some(Expected::NotOnFile),
        None if options.counts == CountPolicy::Compare => Some(counts.of(model.name)),
        Some(_) | None => None,
    };
    Run {
        verdict: judge(model, &output, &nonce, expected.as_ref()),
        output,
        elapsed: started.elapsed(),
    }
}

/// Puts the counts of complete explorations on file.
fn bless(
    models: &[Model],
    counts: &mut Counts,
    found: &[(Model, u64)],
    report: &Report,
) -> Result<(), String> {
    let stale: Vec<String> = counts.stale(models).into_iter().map(Into::into).collect();
    for name in stale {
        counts.forget(&name);
        report.note(&format!("blessed {name}: no longer a model, removed"));
    }
    for (model, executions) in found {
        if let Some(difference) = counts.bless(model, *executions) {
            report.note(&format!("blessed {difference}"));
        }
    }
    counts.write()
}
