//! One line a second on the error stream: phase, counts, latency of the last second.

use std::fmt::Write as _;
use std::io::Write;
use std::sync::Arc;

use crate::quantity::show_us;
use crate::recording::recorder::{Recorder, Tick};
use crate::schedule::timeline::Timeline;

/// Where the lines go; nowhere with `--quiet`.
pub struct Progress<'a> {
    out: Option<&'a mut dyn Write>,
}

impl<'a> Progress<'a> {
    /// Lines to `out`, if there is one.
    pub fn new(out: Option<&'a mut dyn Write>) -> Self {
        Progress { out }
    }

    /// Writes the line for now.
    pub fn line(&mut self, timeline: &Timeline, now_ns: u64, recorders: &[Arc<Recorder>]) {
        let Some(out) = &mut self.out else { return };
        let phase = &timeline.phases()[timeline.index_at(now_ns)];
        let late = if now_ns >= timeline.end_ns() { " (waiting for answers)" } else { "" };
        let mut line = format!("{:>4}s {}{late}", now_ns / 1_000_000_000, phase.name);
        let mut groups: Vec<(&str, Tick)> = Vec::new();
        for recorder in recorders {
            let tick = recorder.tick();
            match groups.iter_mut().find(|(name, _)| *name == recorder.name()) {
                Some((_, sum)) => sum.add(&tick),
                None => groups.push((recorder.name(), tick)),
            }
        }
        for (name, tick) in groups.iter().filter(|(_, tick)| tick.offered > 0) {
            write!(line, "  |  {name} {}", show(tick)).expect("writing to a string cannot fail");
        }
        // A closed error stream is no reason to end a run.
        let _ = writeln!(out, "{line}");
    }
}

fn show(tick: &Tick) -> String {
    let mut text = format!("sent {} ok {} err {}", tick.offered, tick.ok, tick.errors);
    if !tick.window.is_empty() {
        let at = |p| show_us(tick.window.value_at_percentile(p));
        write!(text, " p50 {} p99 {}", at(50.0), at(99.0))
            .expect("writing to a string cannot fail");
    }
    write!(text, " in flight {}", tick.in_flight).expect("writing to a string cannot fail");
    text
}
