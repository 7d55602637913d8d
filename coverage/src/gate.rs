//! The verdict: which files have enough coverage, and what is missing where they do not.
//!
//! 1. Every file is judged alone; the coverage of another file does not count.
//! 2. `covered × 100 ≥ total × threshold`, in integers: nothing is rounded up.
//! 3. A file without branches passes the branch gate. A file without lines, and a source file
//!    without data in the report although it contains code, are red.
//! 4. The head of a `match` has been executed if one of its arms has, whatever the report says: the
//!    compiler moves its count to an arm with a condition.
//! 5. A valid waiver takes *missed* items of its lines out of the total, or exempts a whole file.
//!    A waiver that is expired, incomplete, too many, or changes nothing is itself red.
//!
//! Does not read files or clocks; the day is an argument.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;

use crate::date::Day;
use crate::heads;
use crate::language::Language;
use crate::model::{Coverage, FileCoverage, Outcomes, Ratio, Span};
use crate::sources::{self, Sources};
use crate::waivers::{CATEGORIES, WAIVER_DAYS_MAX, WAIVERS_MAX, Waiver};

/// Percentages every file must reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Thresholds {
    /// Lines.
    pub lines: u8,
    /// Branch outcomes.
    pub branches: u8,
    /// Code regions; `None` reports them without judging.
    pub regions: Option<u8>,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self { lines: 90, branches: 85, regions: None }
    }
}

/// What is judged: one run and the tree it belongs to.
#[derive(Debug)]
pub struct Evidence<'a> {
    /// Repository root; report paths below it become relative.
    pub root: &'a Path,
    /// Folders whose files are judged, relative to the root.
    pub under: &'a [String],
    /// The counts.
    pub coverage: &'a Coverage,
    /// The files on disk.
    pub sources: &'a Sources,
    /// The exceptions.
    pub waivers: &'a [Waiver],
    /// Day on which waivers are judged.
    pub today: Day,
}

/// Outcome of a condition that never happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Missing {
    /// It was never true.
    True,
    /// It was never false.
    False,
    /// It was never evaluated.
    Both,
}

/// A condition with an outcome that never happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct MissedBranch {
    /// Where the condition stands.
    #[serde(flatten)]
    pub span: Span,
    /// What never happened.
    pub missing: Missing,
}

/// Why a file is red.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Failure {
    /// It contains code, and the report has no data of it.
    Absent,
    /// The report speaks of a file, or of lines, that the disk does not have.
    Stale,
    /// The report has no line for it.
    NoLines,
    /// Fewer lines than required.
    Lines {
        /// Lines still missing.
        gap: u64,
    },
    /// Fewer branch outcomes than required.
    Branches {
        /// Outcomes still missing.
        gap: u64,
    },
    /// Fewer regions than required.
    Regions {
        /// Regions still missing.
        gap: u64,
    },
}

/// The verdict on one file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FileVerdict {
    /// Path relative to the root.
    pub path: String,
    /// Its language.
    pub source: Language,
    /// Lines executed.
    pub lines: Ratio,
    /// Branch outcomes seen; two per condition.
    pub branches: Ratio,
    /// Regions executed.
    pub regions: Ratio,
    /// Runs of missed lines, first and last.
    pub missed_lines: Vec<(u32, u32)>,
    /// Missed outcomes.
    pub missed_branches: Vec<MissedBranch>,
    /// Lines in the bodies of macros that the compiler does not count.
    pub uncounted_macro_lines: u64,
    /// Everything that is too little; empty for a green file.
    pub failures: Vec<Failure>,
    /// Whether a waiver covers the failures.
    pub waived: bool,
}

/// Something wrong with a waiver.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Line of the waiver in its file; 0 for the file as a whole.
    pub line: usize,
    /// What is wrong and what to do.
    pub text: String,
}

/// The whole verdict.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// What was required.
    pub thresholds: Thresholds,
    /// Every judged file, the worst first.
    pub files: Vec<FileVerdict>,
    /// Everything wrong with waivers.
    pub problems: Vec<Problem>,
    /// Number of waivers on file.
    pub waivers: usize,
}

impl FileVerdict {
    /// Whether the file lets the gate pass.
    pub fn is_green(&self) -> bool {
        self.failures.is_empty() || self.waived
    }

    /// Distance to the nearest threshold in tenths of a percent; the worst file has the least.
    fn slack(&self, need: Thresholds) -> i64 {
        let over = |ratio: Ratio, percent: u8| {
            ratio.permille().map_or(i64::MAX, |p| p as i64 - i64::from(percent) * 10)
        };
        if self.lines.total == 0 {
            return i64::MIN;
        }
        over(self.lines, need.lines).min(over(self.branches, need.branches))
    }
}

impl Verdict {
    /// Whether the gate passes.
    pub fn is_green(&self) -> bool {
        self.problems.is_empty() && self.files.iter().all(FileVerdict::is_green)
    }

    /// Sums over all files, in the order lines, branches, regions; for information only.
    pub fn totals(&self) -> [Ratio; 3] {
        let mut totals = [Ratio::default(); 3];
        for file in &self.files {
            for (total, part) in totals.iter_mut().zip([file.lines, file.branches, file.regions]) {
                *total += part;
            }
        }
        totals
    }
}

/// Judges every file of the evidence.
pub fn judge(evidence: &Evidence, need: Thresholds) -> Verdict {
    let mut waivers = WaiverUse::new(evidence);
    let measured = measured_files(evidence);
    let mut files: Vec<FileVerdict> = Vec::new();
    for (path, counts) in &measured {
        let text = evidence.sources.get(path).map_or("", |source| source.text.as_str());
        let counts = &heads::correct(text, counts);
        let mut file = judge_file(path, counts, need, &mut waivers);
        let in_macros = sources::macro_lines(text).into_iter();
        let uncounted = in_macros.filter(|line| !counts.lines.contains_key(line)).count();
        file.uncounted_macro_lines = uncounted as u64;
        let lines_on_disk = evidence.sources.get(path).map(|source| source.text.lines().count());
        if lines_on_disk.is_none_or(|lines| counts.last_line() as usize > lines) {
            file.failures.push(Failure::Stale);
        }
        files.push(file);
    }
    for (path, source) in evidence.sources {
        if source.executable && !measured.contains_key(path) {
            files.push(unmeasured(path));
        }
    }
    for file in &mut files {
        file.waived = !file.failures.is_empty() && waivers.exempts(&file.path);
    }
    files.sort_by(|a, b| {
        let key = |file: &FileVerdict| (file.is_green(), file.slack(need));
        key(a).cmp(&key(b)).then_with(|| a.path.cmp(&b.path))
    });
    Verdict { thresholds: need, files, problems: waivers.finish(), waivers: evidence.waivers.len() }
}

/// Counts of the files that are judged, by path relative to the root.
fn measured_files(evidence: &Evidence) -> BTreeMap<String, FileCoverage> {
    let mut measured = Coverage::default();
    for (path, counts) in &evidence.coverage.files {
        let relative = Path::new(path).strip_prefix(evidence.root).unwrap_or(Path::new(path));
        let relative = relative.to_string_lossy().into_owned();
        if sources::belongs(&relative, evidence.under) && !Path::new(&relative).is_absolute() {
            measured.merge(Coverage { files: [(relative, counts.clone())].into() });
        }
    }
    measured.files
}

fn judge_file(
    path: &str,
    counts: &FileCoverage,
    need: Thresholds,
    waivers: &mut WaiverUse,
) -> FileVerdict {
    let mut file = unmeasured(path);
    file.failures.clear();
    let mut excused = |hit: bool, line: u32| !hit && waivers.excuses(path, line);

    let lines: Vec<(u32, bool)> = counts
        .lines
        .iter()
        .map(|(line, count)| (*line, *count > 0))
        .filter(|(line, hit)| !excused(*hit, *line))
        .collect();
    let mut outcomes: Vec<bool> = Vec::new();
    for (span, seen) in &counts.branches {
        let (on_true, on_false) = (seen.on_true > 0, seen.on_false > 0);
        if !excused(on_true && on_false, span.line) {
            outcomes.extend([on_true, on_false]);
            file.missed_branches.extend(missed(*span, *seen));
        }
    }
    let regions = counts.regions.iter().map(|(span, count)| (*count > 0, span.line));
    file.regions = Ratio::of(regions.filter(|r| !excused(r.0, r.1)).map(|r| r.0));
    file.lines = Ratio::of(lines.iter().map(|(_, hit)| *hit));
    file.branches = Ratio::of(outcomes);
    file.missed_lines = missed_ranges(&lines);
    file.failures = failures(&file, counts, need);
    file
}

/// A file without data in the report.
fn unmeasured(path: &str) -> FileVerdict {
    FileVerdict {
        path: path.to_owned(),
        source: Language::of(path).unwrap_or(Language::Rust),
        lines: Ratio::default(),
        branches: Ratio::default(),
        regions: Ratio::default(),
        missed_lines: Vec::new(),
        missed_branches: Vec::new(),
        uncounted_macro_lines: 0,
        failures: vec![Failure::Absent],
        waived: false,
    }
}

fn failures(file: &FileVerdict, counts: &FileCoverage, need: Thresholds) -> Vec<Failure> {
    let mut failures = Vec::new();
    if counts.lines.is_empty() {
        failures.push(Failure::NoLines);
    }
    if !file.lines.reaches(need.lines) {
        failures.push(Failure::Lines { gap: file.lines.gap(need.lines) });
    }
    if !file.branches.reaches(need.branches) {
        failures.push(Failure::Branches { gap: file.branches.gap(need.branches) });
    }
    if let Some(percent) = need.regions
        && !(file.regions.total > 0 && file.regions.reaches(percent))
    {
        failures.push(Failure::Regions { gap: file.regions.gap(percent).max(1) });
    }
    failures
}

fn missed(span: Span, seen: Outcomes) -> Option<MissedBranch> {
    let missing = match (seen.on_true, seen.on_false) {
        (0, 0) => Missing::Both,
        (0, _) => Missing::True,
        (_, 0) => Missing::False,
        _ => return None,
    };
    Some(MissedBranch { span, missing })
}

/// Joins missed lines into ranges; lines without code between two missed ones do not end a range.
fn missed_ranges(lines: &[(u32, bool)]) -> Vec<(u32, u32)> {
    lines
        .chunk_by(|a, b| a.1 == b.1)
        .filter(|run| !run[0].1)
        .filter_map(|run| Some((run.first()?.0, run.last()?.0)))
        .collect()
}

/// The waivers of one judgement and whether each has been of use.
struct WaiverUse<'a> {
    waivers: &'a [Waiver],
    valid: Vec<bool>,
    used: Vec<bool>,
    /// Whether the file is outside what this run judges, so that the waiver cannot be of use.
    elsewhere: Vec<bool>,
    problems: Vec<Problem>,
}

impl<'a> WaiverUse<'a> {
    fn new(evidence: &Evidence<'a>) -> Self {
        let waivers = evidence.waivers;
        let mut problems = Vec::new();
        if waivers.len() > WAIVERS_MAX {
            let count = waivers.len();
            let text =
                format!("{count} waivers, at most {WAIVERS_MAX} are allowed: test or remove code");
            problems.push(Problem { line: 0, text });
        }
        let mut valid = Vec::new();
        for waiver in waivers {
            let wrong = defect(waiver, evidence.today);
            valid.push(wrong.is_none());
            problems.extend(wrong.map(|text| Problem {
                line: waiver.at_line,
                text: format!("waiver for {}: {text}", waiver.location()),
            }));
        }
        let elsewhere = waivers.iter().map(|waiver| {
            !sources::belongs(&waiver.path, evidence.under)
                && evidence.root.join(&waiver.path).is_file()
        });
        let elsewhere = elsewhere.collect();
        Self { waivers, valid, used: vec![false; waivers.len()], elsewhere, problems }
    }

    /// Whether a waiver with a line range takes this missed line out.
    fn excuses(&mut self, path: &str, line: u32) -> bool {
        self.apply(|waiver| waiver.lines.is_some() && waiver.path == path && waiver.covers(line))
    }

    /// Whether a waiver exempts the whole file.
    fn exempts(&mut self, path: &str) -> bool {
        self.apply(|waiver| waiver.lines.is_none() && waiver.path == path)
    }

    fn apply(&mut self, fits: impl Fn(&Waiver) -> bool) -> bool {
        let mut any = false;
        for (index, waiver) in self.waivers.iter().enumerate() {
            if self.valid[index] && fits(waiver) {
                self.used[index] = true;
                any = true;
            }
        }
        any
    }

    /// Adds a problem for each valid waiver that changed nothing.
    fn finish(mut self) -> Vec<Problem> {
        for (index, waiver) in self.waivers.iter().enumerate() {
            if self.valid[index] && !self.used[index] && !self.elsewhere[index] {
                let location = waiver.location();
                let text =
                    format!("waiver for {location} matches nothing that is missed: remove it");
                self.problems.push(Problem { line: waiver.at_line, text });
            }
        }
        self.problems
    }
}

/// What makes a waiver invalid by itself.
fn defect(waiver: &Waiver, today: Day) -> Option<String> {
    for (key, value) in [
        ("path", &waiver.path),
        ("reason", &waiver.reason),
        ("owner", &waiver.owner),
        ("expires", &waiver.expires),
    ] {
        if value.is_empty() {
            return Some(format!("no {key}: add {key} = \"…\""));
        }
    }
    if !CATEGORIES.iter().any(|(name, _)| *name == waiver.category) {
        let names: Vec<&str> = CATEGORIES.iter().map(|(name, _)| *name).collect();
        let expected = names.join(", ");
        return Some(format!("category `{}`, expected one of {expected}", waiver.category));
    }
    let expires = match Day::parse(&waiver.expires) {
        Ok(day) => day,
        Err(error) => return Some(error.to_string()),
    };
    if expires < today {
        return Some(format!("expired on {expires}: write the test, or renew it with its owner"));
    }
    let latest = today.plus(WAIVER_DAYS_MAX);
    (expires > latest).then(|| format!("expires on {expires}, later than {latest} is not allowed"))
}
