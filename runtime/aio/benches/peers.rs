//! What handles, fibers and timers cost, in time and in memory; run by `ci/bench-aio`.
//!
//! Every subject runs in a process of its own, so what one leaves in memory is not another's. Where
//! there is a peer, bare tokio, it is measured in the same process, one after the other. Printed is
//! the median over the rounds.

use std::cell::RefCell;
use std::process::{Command, ExitCode};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use valk_aio::{Executor, register};
use valk_heap::{Config, Value};
use valk_lang::{Output, Ran, Runtime};
use valk_vm::Step;

/// Calls in a loop that is measured.
const CALLS: usize = 1_000_000;
/// Handles of which the memory is measured, and that a group is over.
const HANDLES: usize = 100_000;
/// Fibers that sleep.
const SLEEPERS: usize = 1_000_000;
/// Timers that are pending at once.
const TIMERS: usize = 100_000;
/// Messages to and fro between two threads.
const WAKE_UPS: usize = 20_000;
/// The heap's limit, in bytes.
const LIMIT: usize = 2 << 30;

struct Subject {
    name: &'static str,
    /// Its figure, and the peer's.
    measure: fn() -> (f64, Option<f64>),
    unit: &'static str,
    goal: &'static str,
}

const fn subject(
    name: &'static str,
    measure: fn() -> (f64, Option<f64>),
    unit: &'static str,
    goal: &'static str,
) -> Subject {
    Subject { name, measure, unit, goal }
}

const SUBJECTS: &[Subject] = &[
    subject("then-on-settled", then_on_settled, "ns", "150 ns"),
    subject("fiber-spawn-finish", spawn_and_finish, "ns", "250 ns"),
    subject("all-over-settled", all_over_settled, "ms", "20 ms"),
    subject("handle-with-waiter", handle_with_waiter, "bytes", "200 bytes"),
    subject("sleeping-fibers", sleeping_fibers, "MB", "600 MB"),
    subject("timer-lateness-p99", timer_lateness, "us", "1.2 of tokio's"),
    subject("wake-up", wake_up, "us", "1.5 of tokio's"),
];

struct Program {
    runtime: Runtime,
    executor: Executor,
}

impl Program {
    fn new() -> Program {
        let config = Config { hard_limit_bytes: LIMIT, mutators_max: 3, ..Config::default() };
        let runtime = Runtime::new(config, Output::memory()).expect("a heap");
        register(&runtime.vm);
        let executor = Executor::new(&runtime.vm).expect("a reactor");
        Program { runtime, executor }
    }

    /// Runs forms; the value of the last one.
    fn run(&mut self, text: &str) -> Value {
        match self.runtime.run_text("bench", text.as_bytes(), &mut self.executor) {
            Ran::Value(value) => value,
            Ran::Failed(error, _) => panic!("{}", self.runtime.repr(error)),
        }
    }

    /// How long forms take.
    fn time(&mut self, text: &str) -> Duration {
        let begin = Instant::now();
        self.run(text);
        begin.elapsed()
    }
}

fn per(time: Duration, count: usize) -> f64 {
    time.as_nanos() as f64 / count as f64
}

/// Resident bytes of this process.
fn resident() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("a line");
    line.split_whitespace().nth(1).and_then(|kib| kib.parse::<f64>().ok()).expect("KiB") * 1024.0
}

fn then_on_settled() -> (f64, Option<f64>) {
    let mut program = Program::new();
    program.run(
        "(def {h} (aio/pure 1)) (def {f} (\\ {x} {x}))
         (fun {with n} {if (== n 0) {0} {do (aio/then h f) (with (- n 1))}})
         (fun {without n} {if (== n 0) {0} {do (f h) (without (- n 1))}}) (with 10000) (without 10000)",
    );
    let with = program.time(&format!("(with {CALLS})"));
    let without = program.time(&format!("(without {CALLS})"));
    (per(with.saturating_sub(without), CALLS), None)
}

fn spawn_and_finish() -> (f64, Option<f64>) {
    let mut program = Program::new();
    let function = program.run("(\\ {} {1})");
    let vm = &mut *program.runtime.vm();
    let begin = Instant::now();
    for _ in 0..CALLS {
        let fiber = vm.spawn(function, &[]);
        assert!(matches!(vm.resume(fiber, Value::NIL), Step::Done(_)));
    }
    (per(begin.elapsed(), CALLS), None)
}

fn all_over_settled() -> (f64, Option<f64>) {
    let mut program = Program::new();
    program.run(&format!("(def {{hs}} (map (\\ {{i}} {{aio/pure i}}) (range 0 {HANDLES})))"));
    (program.time("(aio/await (aio/all hs))").as_secs_f64() * 1e3, None)
}

fn handle_with_waiter() -> (f64, Option<f64>) {
    let mut program = Program::new();
    program.run(
        "(def {f} (\\ {x} {x})) (def {p} (promise))
         (fun {chain n h} {if (== n 0) {do h} {chain (- n 1) (aio/then h f)}}) (mem/gc/collect)",
    );
    let before = resident();
    program.run(&format!("(def {{last}} (chain {HANDLES} p)) (mem/gc/collect)"));
    ((resident() - before) / HANDLES as f64, None)
}

fn sleeping_fibers() -> (f64, Option<f64>) {
    let mut program = Program::new();
    program.run(
        "(def {sys} (aio/await (aio/start))) (def {f} (\\ {s} {aio/await (aio/sleep sys 3600000)}))
         (fun {make n l} {if (== n 0) {do l} {make (- n 1) (cons (aio/scope f) l)}})",
    );
    let before = resident();
    program.run(&format!("(def {{all}} (make {SLEEPERS} ())) 1"));
    let bytes = resident() - before;
    // They all sleep.
    program.run("(if (== (aio/status (head all)) :running) {1} {error \"it has ended\"})");
    (bytes / 1e6, None)
}

/// The 99th percentile of so many microseconds.
fn p99(mut lateness: Vec<f64>) -> f64 {
    lateness.sort_by(f64::total_cmp);
    lateness[lateness.len() * 99 / 100]
}

fn timer_lateness() -> (f64, Option<f64>) {
    let mut program = Program::new();
    program.run(&format!(
        "(def {{sys}} (aio/await (aio/start)))
         (fun {{late i}} {{do (= {{ms}} (+ 3000 (mod (* i 7919) 2000))) (= {{due}} (+ (time-us) (* 1000 ms)))
           (aio/then (aio/sleep sys ms) (\\ {{x}} {{- (time-us) due}}))}})
         (def {{all}} (aio/await (aio/all (map late (range 0 {TIMERS})))))"
    ));
    let list = program.run("all");
    let ours = valk_lang::elements(list);
    let ours = p99(ours.into_iter().filter_map(Value::as_integer).map(|us| us as f64).collect());
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().build().expect("tokio");
    let peers = runtime.block_on(async {
        let local = tokio::task::LocalSet::new();
        let seen = Rc::new(RefCell::new(Vec::with_capacity(TIMERS)));
        for timer in 0..TIMERS {
            let seen = Rc::clone(&seen);
            let due = Instant::now() + Duration::from_millis(3000 + (timer as u64 * 7919) % 2000);
            local.spawn_local(async move {
                tokio::time::sleep_until(due.into()).await;
                seen.borrow_mut().push(due.elapsed().as_nanos() as f64 / 1e3);
            });
        }
        local.await;
        Rc::try_unwrap(seen).expect("all have ended").into_inner()
    });
    (ours, Some(p99(peers)))
}

fn wake_up() -> (f64, Option<f64>) {
    let mut program = Program::new();
    program.run(
        "(fun {ping n} {if (== n 0) {0} {do (aio/await (future (\\ {} {n}))) (ping (- n 1))}}) (ping 100)",
    );
    let ours = per(program.time(&format!("(ping {WAKE_UPS})")), WAKE_UPS) / 1e3;
    let (there, back) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (asked, answered) = (Arc::clone(&there), Arc::clone(&back));
    let rounds = || tokio::runtime::Builder::new_current_thread().build().expect("tokio");
    let other = std::thread::spawn(move || {
        rounds().block_on(async {
            for _ in 0..WAKE_UPS {
                asked.notified().await;
                answered.notify_one();
            }
        });
    });
    let begin = Instant::now();
    rounds().block_on(async {
        for _ in 0..WAKE_UPS {
            there.notify_one();
            back.notified().await;
        }
    });
    let peer = per(begin.elapsed(), WAKE_UPS) / 1e3;
    other.join().expect("a thread");
    (ours, Some(peer))
}

/// Measures a subject in a child process.
fn measured(name: &str) -> Option<(f64, Option<f64>)> {
    let program = std::env::current_exe().ok()?;
    let output = Command::new(program).args(["--subject", name]).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let mut figures = text.split_whitespace().map(str::parse::<f64>);
    Some((figures.next()?.ok()?, figures.next().and_then(Result::ok)))
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    let mut rounds = 5;
    let mut chosen: Vec<&Subject> = Vec::new();
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        let find = |name: &str| SUBJECTS.iter().find(|subject| subject.name == name);
        match (argument.as_str(), rest.clone().next()) {
            ("--subject", Some(name)) => {
                let (own, peer) = find(name).map_or((0.0, None), |subject| (subject.measure)());
                println!("{own} {}", peer.map_or(String::new(), |peer| peer.to_string()));
                return ExitCode::SUCCESS;
            }
            ("--rounds", Some(count)) => {
                rounds = count.parse().unwrap_or(rounds);
                rest.next();
            }
            (name, _) => match find(name) {
                Some(subject) => chosen.push(subject),
                None => {
                    eprintln!("no subject `{name}`");
                    return ExitCode::FAILURE;
                }
            },
        }
    }
    if chosen.is_empty() {
        chosen = SUBJECTS.iter().collect();
    }
    println!("{:<22} {:>12} {:>10} {:>7}  goal", "", "", "tokio", "ratio");
    for subject in chosen {
        let all: Vec<_> = (0..rounds).filter_map(|_| measured(subject.name)).collect();
        if all.is_empty() {
            println!("{:<22} failed", subject.name);
            return ExitCode::FAILURE;
        }
        let own = median(all.iter().map(|(own, _)| *own).collect());
        let peers: Vec<f64> = all.iter().filter_map(|(_, peer)| *peer).collect();
        let (peer, ratio) = if peers.is_empty() {
            (String::new(), String::new())
        } else {
            let peer = median(peers);
            (format!("{peer:.1}"), format!("{:.2}", own / peer))
        };
        let Subject { name, unit, goal, .. } = subject;
        println!("{name:<22} {own:>6.1} {unit:<5} {peer:>10} {ratio:>7}  {goal}");
    }
    ExitCode::SUCCESS
}
