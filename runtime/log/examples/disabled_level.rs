//! Measures what a log line costs whose level is off: nanoseconds per line, the best of ten runs.
//!
//! `cargo run --release -p valk-log --example disabled_level`

use std::hint::black_box;
use std::time::Instant;
use valk_log::{Level, Threshold};

const LINES: u64 = 100_000_000;

fn main() {
    let threshold = Threshold::new(Level::Warn);
    valk_log::install(&threshold);
    // A line that is shown, so that the queue and its thread exist.
    tracing::warn!(target: "valk::example", lines = LINES, "measuring");
    let run = |body: fn(u64)| {
        let start = Instant::now();
        (0..LINES).for_each(|n| body(black_box(n)));
        start.elapsed().as_nanos() as f64 / LINES as f64
    };
    let best = |body: fn(u64)| (0..10).map(|_| run(body)).fold(f64::MAX, f64::min);
    let loop_alone = best(|n| {
        black_box(n);
    });
    let disabled = best(|n| {
        black_box(n);
        tracing::debug!(target: "valk::example", n, "not shown");
    });
    println!("loop {loop_alone:.2} ns, with a disabled line {disabled:.2} ns");
}
