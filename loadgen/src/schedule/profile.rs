//! The rate over time: a chain of stretches in which it is constant or changes evenly.

use std::time::Duration;

use crate::limits::{MAX_RATE, MAX_STAGES};
use crate::quantity::{parse_duration, parse_rate, whole_ns};

/// A stretch of time in which the rate goes evenly from one value to another.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stretch {
    /// Length.
    pub length_ns: u64,
    /// Requests per second at its begin.
    pub from: f64,
    /// Requests per second at its end.
    pub to: f64,
}

impl Stretch {
    /// Requests that are due in it.
    fn requests(&self) -> f64 {
        f64::midpoint(self.from, self.to) * self.length_ns as f64 / 1e9
    }

    /// When request number `count` of it is due, nanoseconds from its begin.
    fn offset_ns(&self, count: f64) -> f64 {
        if self.from.to_bits() == self.to.to_bits() {
            return count * 1e9 / self.from;
        }
        // The root of from*t + slope*t*t/2 = count that does not lose digits when the slope is small.
        let slope = (self.to - self.from) / (self.length_ns as f64 / 1e9);
        let root = (self.from * self.from + 2.0 * slope * count).max(0.0).sqrt();
        2e9 * count / (self.from + root)
    }
}

/// Shapes of the rate with names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Shape {
    /// --rate all the time
    Constant,
    /// Evenly from --rate to --peak
    Ramp,
    /// Five steps from --rate to --peak
    Steps,
    /// --rate, with --peak in the middle fifth of the time
    Spike,
    /// Four ramps from --rate to --peak, each followed by a fall at once
    Sawtooth,
}

/// The rate over the whole run.
#[derive(Clone, Debug, PartialEq)]
pub struct Profile {
    stretches: Vec<Stretch>,
}

impl Profile {
    /// The same rate for this long.
    pub fn constant(rate: f64, length: Duration) -> Profile {
        Profile::shape(Shape::Constant, rate, rate, length)
    }

    /// A shape between two rates.
    pub fn shape(shape: Shape, rate: f64, peak: f64, length: Duration) -> Profile {
        const STEPS: u64 = 5;
        const TEETH: u64 = 4;
        let whole = whole_ns(length);
        let part = |share: u64, from: f64, to: f64| Stretch { length_ns: whole / share, from, to };
        let stretches = match shape {
            Shape::Constant => vec![part(1, rate, rate)],
            Shape::Ramp => vec![part(1, rate, peak)],
            Shape::Steps => (0..STEPS)
                .map(|step| {
                    let here = rate + (peak - rate) * step as f64 / (STEPS - 1) as f64;
                    part(STEPS, here, here)
                })
                .collect(),
            Shape::Spike => {
                let calm = Stretch { length_ns: whole / 5 * 2, from: rate, to: rate };
                vec![calm, part(5, peak, peak), calm]
            }
            Shape::Sawtooth => vec![part(TEETH, rate, peak); TEETH as usize],
        };
        Profile { stretches }
    }

    /// Three stretches of equal length: `rate`, `peak`, `rate`.
    pub fn overload(rate: f64, peak: f64, length: Duration) -> Profile {
        let length_ns = whole_ns(length) / 3;
        let even = |rate: f64| Stretch { length_ns, from: rate, to: rate };
        Profile { stretches: vec![even(rate), even(peak), even(rate)] }
    }

    /// Parses `10s:100,30s:1k,10s:0`: in each stage the rate goes evenly from where it is to the
    /// value named. The first begins at `start`.
    ///
    /// # Errors
    /// Says which stage is wrong.
    pub fn parse_stages(text: &str, start: f64) -> Result<Profile, String> {
        let mut from = start;
        let mut stretches = Vec::new();
        for stage in text.split(',') {
            let (length, rate) = stage.split_once(':').ok_or_else(|| {
                format!("stage `{stage}` is not TIME:RATE; write them like 10s:100,30s:1k,10s:0")
            })?;
            let to = parse_rate(rate)?;
            if to > MAX_RATE {
                return Err(format!("stage `{stage}`: at most {MAX_RATE} requests per second"));
            }
            stretches.push(Stretch { length_ns: whole_ns(parse_duration(length)?), from, to });
            from = to;
        }
        if stretches.len() > MAX_STAGES {
            return Err(format!("{} stages; at most {MAX_STAGES}", stretches.len()));
        }
        Ok(Profile { stretches })
    }

    /// Length of the whole.
    pub fn length(&self) -> Duration {
        Duration::from_nanos(self.stretches.iter().map(|s| s.length_ns).sum())
    }

    /// All requests.
    pub fn requests(&self) -> f64 {
        self.stretches.iter().map(Stretch::requests).sum()
    }

    /// The highest rate.
    pub fn peak(&self) -> f64 {
        self.stretches.iter().fold(0.0, |peak, s| peak.max(s.from).max(s.to))
    }

    /// The rate if it never changes.
    pub fn constant_rate(&self) -> Option<f64> {
        match &self.stretches[..] {
            [one] if one.from.to_bits() == one.to.to_bits() => Some(one.from),
            _ => None,
        }
    }

    /// The stretches in order.
    pub fn stretches(&self) -> &[Stretch] {
        &self.stretches
    }
}

/// Where in a profile the last request was.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cursor {
    stretch: usize,
    /// Requests and time before this stretch.
    requests_before: f64,
    ns_before: u64,
}

impl Cursor {
    /// When request number `count` (from zero, any fraction) is due, nanoseconds from the begin of the
    /// profile; nothing behind its end. Numbers must not fall from call to call.
    pub fn due_ns(&mut self, profile: &Profile, count: f64) -> Option<u64> {
        loop {
            let stretch = profile.stretches.get(self.stretch)?;
            let here = stretch.requests();
            let inside = count - self.requests_before;
            if inside < here {
                return Some(self.ns_before + stretch.offset_ns(inside) as u64);
            }
            self.requests_before += here;
            self.ns_before += stretch.length_ns;
            self.stretch += 1;
        }
    }
}
