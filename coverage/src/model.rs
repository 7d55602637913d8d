//! Counts of one run: per file, what was executed how often.
//!
//! 1. A line is present only if it holds code; 0 means "never executed".
//! 2. A branch or region is identified by its span, never by the function instance it came from:
//!    counts of all instances of a generic, of all binaries and of all inputs are added, so an
//!    outcome seen anywhere counts as seen.
//! 3. Counts saturate; only "zero or not" decides a gate.
//!
//! Does not know file systems, thresholds or input formats.

use std::collections::BTreeMap;

use serde::Serialize;

/// A source range, 1-based, end exclusive in its column as the compiler reports it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Span {
    /// First line.
    pub line: u32,
    /// First column, in bytes.
    pub column: u32,
    /// Last line.
    pub end_line: u32,
    /// Column after the last byte.
    pub end_column: u32,
}

/// How often a condition came out each way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcomes {
    /// Times the condition was true.
    pub on_true: u64,
    /// Times the condition was false.
    pub on_false: u64,
}

/// Counts of one file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FileCoverage {
    /// Executions by line number.
    pub lines: BTreeMap<u32, u64>,
    /// Outcomes by the span of the condition.
    pub branches: BTreeMap<Span, Outcomes>,
    /// Executions by code region; empty when the input carries no regions.
    pub regions: BTreeMap<Span, u64>,
}

/// Counts of one run, by the file's path as the input names it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Coverage {
    /// Files in path order.
    pub files: BTreeMap<String, FileCoverage>,
}

/// Covered of total, compared without rounding.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Ratio {
    /// Items executed.
    pub covered: u64,
    /// Items that could have been.
    pub total: u64,
}

impl FileCoverage {
    /// Adds executions of a line.
    pub fn add_line(&mut self, line: u32, count: u64) {
        let entry = self.lines.entry(line).or_default();
        *entry = entry.saturating_add(count);
    }

    /// Adds outcomes of a condition.
    pub fn add_branch(&mut self, span: Span, seen: Outcomes) {
        let entry = self.branches.entry(span).or_default();
        entry.on_true = entry.on_true.saturating_add(seen.on_true);
        entry.on_false = entry.on_false.saturating_add(seen.on_false);
    }

    /// Adds executions of a region.
    pub fn add_region(&mut self, span: Span, count: u64) {
        let entry = self.regions.entry(span).or_default();
        *entry = entry.saturating_add(count);
    }

    /// Highest line number named, 0 for an empty file.
    pub fn last_line(&self) -> u32 {
        self.lines.last_key_value().map_or(0, |(line, _)| *line)
    }
}

impl Coverage {
    /// Adds every count of `other`; the union of two runs.
    pub fn merge(&mut self, other: Self) {
        for (path, theirs) in other.files {
            let ours = self.files.entry(path).or_default();
            for (line, count) in theirs.lines {
                ours.add_line(line, count);
            }
            for (span, seen) in theirs.branches {
                ours.add_branch(span, seen);
            }
            for (span, count) in theirs.regions {
                ours.add_region(span, count);
            }
        }
    }
}

impl Ratio {
    /// Counts the true entries of `items`.
    pub fn of(items: impl IntoIterator<Item = bool>) -> Self {
        let mut ratio = Self::default();
        for covered in items {
            ratio.total += 1;
            ratio.covered += u64::from(covered);
        }
        ratio
    }

    /// Whether at least `percent` of the total is covered; an empty total reaches anything, so
    /// the caller decides first what nothing means.
    pub fn reaches(self, percent: u8) -> bool {
        u128::from(self.covered) * 100 >= u128::from(self.total) * u128::from(percent)
    }

    /// Items still needed to reach `percent`.
    pub fn gap(self, percent: u8) -> u64 {
        let needed = (u128::from(self.total) * u128::from(percent)).div_ceil(100) as u64;
        needed.saturating_sub(self.covered)
    }

    /// Tenths of a percent, rounded down so that 899 never prints as 90.0; `None` for 0 of 0.
    pub fn permille(self) -> Option<u64> {
        (u128::from(self.covered) * 1000).checked_div(u128::from(self.total)).map(|p| p as u64)
    }
}

impl std::ops::AddAssign for Ratio {
    fn add_assign(&mut self, other: Self) {
        self.covered += other.covered;
        self.total += other.total;
    }
}
