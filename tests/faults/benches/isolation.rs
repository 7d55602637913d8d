//! What a test in a process of its own costs, beside a bare loop of forks; run by `ci/bench-harness`.
//!
//! Each round runs the harness, the harness of an earlier commit if `VALK_BENCH_BASELINE` names its
//! specimens, and the loop, one after the other. The loop makes a pipe, forks, has the child write as
//! many bytes as a token has, reads to the end and waits; two of them run at a time, as many as the
//! harness has workers. Figures are medians over the rounds.

use std::io::{Read, Write};
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

use valk_harness::fault;

/// Tests of a run.
const TESTS: u32 = 10_000;
/// Tests in flight.
const WORKERS: u32 = 2;
/// Rounds unless the command line says otherwise.
const ROUNDS_DEFAULT: usize = 5;
/// Ticks of the processor times in `/proc/self/stat` in a second.
const TICKS_PER_SECOND: f64 = 100.0;

/// Seconds of wall clock and of processor, children included.
#[derive(Clone, Copy)]
struct Cost {
    wall: f64,
    processor: f64,
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let rounds = match words.as_slice() {
        [] => Some(ROUNDS_DEFAULT),
        [flag, rounds] if flag == "--rounds" => rounds.parse().ok().filter(|rounds| *rounds > 0),
        _ => None,
    };
    let Some(rounds) = rounds else {
        eprintln!("expected `--rounds N` with N of at least 1, found `{}`", words.join(" "));
        return ExitCode::from(2);
    };
    let baseline = std::env::var("VALK_BENCH_BASELINE").ok().filter(|path| !path.is_empty());
    let (mut ours, mut earlier, mut raw) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rounds {
        ours.push(measure(|| run_harness(env!("CARGO_BIN_EXE_fault-specimens"))));
        earlier.extend(baseline.as_ref().map(|path| measure(|| run_harness(path))));
        raw.push(measure(run_raw));
    }
    println!("{TESTS} tests that do nothing, {WORKERS} at a time, {rounds} rounds");
    println!(
        "{:<16} {:>8} {:>14} {:>8} {:>14}",
        "", "wall s", "of raw forks", "cpu s", "of raw forks"
    );
    let peer = medians(&raw);
    for (name, costs) in [("harness", &ours), ("earlier commit", &earlier), ("raw forks", &raw)] {
        if !costs.is_empty() {
            let Cost { wall, processor } = medians(costs);
            let (by_wall, by_processor) = (wall / peer.wall, processor / peer.processor);
            println!(
                "{name:<16} {wall:>8.2} {by_wall:>13.2}x {processor:>8.2} {by_processor:>13.2}x"
            );
        }
    }
    ExitCode::SUCCESS
}

fn measure(run: impl FnOnce()) -> Cost {
    let (before, started) = (processor_seconds(), Instant::now());
    run();
    Cost { wall: started.elapsed().as_secs_f64(), processor: processor_seconds() - before }
}

/// Processor time of children that have been waited for: fields 16 and 17 of the line.
fn processor_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("/proc is there");
    let (_, behind_name) = stat.rsplit_once(") ").expect("it has a name");
    let ticks =
        behind_name.split(' ').skip(13).take(2).map(|field| field.parse::<f64>().unwrap_or(0.0));
    ticks.sum::<f64>() / TICKS_PER_SECOND
}

fn run_harness(specimens: &str) {
    let workers = format!("--test-threads={WORKERS}");
    let status = Command::new(specimens)
        .args(["bulk/", &workers])
        .env("FAULT_SPECIMENS", "1")
        .env("FAULT_BULK", TESTS.to_string())
        .stdout(Stdio::null())
        .status()
        .expect("the specimens were built");
    assert!(status.success(), "{specimens}: {status}");
}

fn run_raw() {
    let start = |_| {
        fault::fork(&mut || {
            (0..TESTS / WORKERS).for_each(|_| fork_once());
            fault::exit_now(0)
        })
    };
    let loops: Vec<_> = (0..WORKERS).map(start).collect();
    for pid in loops {
        fault::wait(Some(pid.expect("a process is free")));
    }
}

fn fork_once() {
    let (mut reader, writer) = std::io::pipe().expect("descriptors are free");
    let mut writer = Some(writer);
    let pid = fault::fork(&mut || {
        let written = writer.take().map(|mut writer| writer.write_all(&[0; 20]));
        fault::exit_now(i32::from(!matches!(written, Some(Ok(())))))
    });
    drop(writer.take());
    let mut bytes = Vec::new();
    reader.read_to_end(&mut bytes).expect("it is open");
    assert_eq!(bytes.len(), 20);
    fault::wait(Some(pid.expect("a process is free")));
}

fn medians(costs: &[Cost]) -> Cost {
    let median = |value: fn(&Cost) -> f64| {
        let mut values: Vec<f64> = costs.iter().map(value).collect();
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    Cost { wall: median(|cost| cost.wall), processor: median(|cost| cost.processor) }
}
