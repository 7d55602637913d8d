//! Reads the JSON that `llvm-cov export` (and so `cargo llvm-cov report --json`) writes.
//!
//! 1. Lines come from the file's segments, by the rule of LLVM's line iterator: a line counts when
//!    a region begins on it or reaches into it, with the highest count of these. Segments already
//!    hold the sum over instances of generics; the summary holds the best single instance, so it
//!    is not used.
//! 2. Branches come from the `branches` rows of the file and of its macro expansions, added by
//!    span. The summary again shows the best instance only and would call two half-covered
//!    instances half covered.
//! 3. Regions come from the functions' code regions, added by span.
//! 4. Anything unexpected is an [`Error`], never an empty result: no data is not full coverage.
//!
//! Does not know which files matter or what is enough.

use std::path::Path;

use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::error::Error;
use crate::model::{Coverage, FileCoverage, Outcomes, Span};

/// Value of `type` in the export.
const KIND: &str = "llvm.coverage.json.export";
/// Major versions of the export format whose rows are read here.
const MAJORS: [&str; 2] = ["2", "3"];
/// `kind` of a plain code region; others are gaps, expansions, skipped text and branches.
const CODE_REGION: u64 = 0;

#[derive(Deserialize)]
struct Export {
    #[serde(rename = "type")]
    kind: String,
    version: String,
    data: Vec<Data>,
}

#[derive(Deserialize)]
struct Data {
    files: Vec<File>,
    #[serde(default)]
    functions: Vec<Function>,
}

#[derive(Deserialize)]
struct File {
    filename: String,
    segments: Option<Vec<Segment>>,
    #[serde(default)]
    branches: Vec<Row>,
    #[serde(default)]
    expansions: Vec<Expansion>,
}

#[derive(Deserialize)]
struct Expansion {
    filenames: Vec<String>,
    #[serde(default)]
    branches: Vec<Row>,
}

#[derive(Deserialize)]
struct Function {
    filenames: Vec<String>,
    #[serde(default)]
    regions: Vec<Row>,
}

/// Numbers of a branch (`span, true, false, file, …`) or region (`span, count, file, …, kind`).
type Row = Vec<u64>;

/// `line, column, count, has_count, is_region_entry, is_gap`: the count that holds from here on.
#[derive(Clone, Copy, Deserialize)]
struct Segment(u32, IgnoredAny, u64, bool, bool, bool);

impl Segment {
    /// Whether a counted region that holds text begins here.
    fn begins_region(self) -> bool {
        self.3 && self.4 && !self.5
    }
}

/// Reads one export file.
///
/// # Errors
/// The file cannot be read, is empty, cut off, not such an export, or without any file or branch.
pub fn read(path: &Path) -> Result<Coverage, Error> {
    let name = path.display().to_string();
    let text = std::fs::read(path)
        .map_err(|cause| Error::Read { path: name.clone(), cause: cause.to_string() })?;
    parse(&name, &text)
}

/// Reads one export held in memory; `name` is used in messages only.
///
/// # Errors
/// As [`read`].
pub fn parse(name: &str, text: &[u8]) -> Result<Coverage, Error> {
    let input = || name.to_owned();
    if text.iter().all(u8::is_ascii_whitespace) {
        return Err(Error::Empty { path: input() });
    }
    let export: Export = serde_json::from_slice(text).map_err(|cause| {
        if cause.is_eof() {
            Error::Truncated { path: input(), bytes: text.len() }
        } else {
            Error::Corrupt { path: input(), detail: cause.to_string() }
        }
    })?;
    if export.kind != KIND {
        return Err(Error::WrongKind { path: input(), found: export.kind });
    }
    let major = export.version.split('.').next().unwrap_or_default();
    if !MAJORS.contains(&major) {
        return Err(Error::WrongVersion { path: input(), found: export.version });
    }
    let coverage = collect(name, export.data)?;
    if coverage.files.is_empty() {
        return Err(Error::NoFiles { path: input() });
    }
    if coverage.files.values().all(|file| file.branches.is_empty()) {
        return Err(Error::NoBranches { path: input() });
    }
    Ok(coverage)
}

fn collect(name: &str, data: Vec<Data>) -> Result<Coverage, Error> {
    let mut coverage = Coverage::default();
    for part in data {
        for file in part.files {
            let Some(segments) = file.segments else {
                return Err(Error::SummaryOnly { path: name.to_owned() });
            };
            let counts = coverage.files.entry(file.filename.clone()).or_default();
            add_lines(counts, &segments);
            for row in &file.branches {
                add_branch(name, counts, row)?;
            }
            for expansion in file.expansions {
                add_expansion(name, &mut coverage, &expansion)?;
            }
        }
        for function in part.functions {
            add_regions(name, &mut coverage, &function)?;
        }
    }
    Ok(coverage)
}

/// Turns segments into line counts (rule 1).
fn add_lines(counts: &mut FileCoverage, segments: &[Segment]) {
    let mut wrapped: Option<Segment> = None;
    for group in segments.chunk_by(|a, b| a.0 == b.0) {
        let line = group[0].0;
        if let Some(before) = wrapped {
            let from = before.0 + 1;
            fill(counts, from, line, before);
        }
        count_line(counts, line, group, wrapped);
        wrapped = group.last().copied();
    }
}

/// Lines between two groups of segments carry the count of the region around them.
fn fill(counts: &mut FileCoverage, from: u32, to: u32, around: Segment) {
    if around.3 {
        for line in from..to {
            counts.add_line(line, around.2);
        }
    }
}

fn count_line(counts: &mut FileCoverage, line: u32, group: &[Segment], wrapped: Option<Segment>) {
    let begun = group.iter().filter(|s| s.begins_region()).map(|s| s.2).max();
    let around = wrapped.filter(|s| s.3).map(|s| s.2);
    let begins_skipped = !group[0].3 && group[0].4;
    let reaches_in = !begins_skipped && around.is_some();
    if begun.is_some() || reaches_in {
        counts.add_line(line, begun.max(around).unwrap_or_default());
    }
}

fn add_branch(name: &str, counts: &mut FileCoverage, row: &[u64]) -> Result<(), Error> {
    let [l1, c1, l2, c2, on_true, on_false, ..] = *row else {
        return Err(bad_row(name, "branch", row));
    };
    counts.add_branch(span(name, [l1, c1, l2, c2])?, Outcomes { on_true, on_false });
    Ok(())
}

/// Branches inside a macro expansion belong to the file their row points at.
fn add_expansion(name: &str, coverage: &mut Coverage, from: &Expansion) -> Result<(), Error> {
    for row in &from.branches {
        let file = row.get(6).and_then(|index| from.filenames.get(*index as usize));
        let Some(file) = file else {
            return Err(bad_row(name, "expansion branch", row));
        };
        add_branch(name, coverage.files.entry(file.clone()).or_default(), row)?;
    }
    Ok(())
}

fn add_regions(name: &str, coverage: &mut Coverage, from: &Function) -> Result<(), Error> {
    for row in &from.regions {
        let [l1, c1, l2, c2, count, file, _, kind] = *row.as_slice() else {
            return Err(bad_row(name, "region", row));
        };
        // Files left out of the export by its filter still appear in the functions.
        let counts = from.filenames.get(file as usize).and_then(|f| coverage.files.get_mut(f));
        if let Some(counts) = counts
            && kind == CODE_REGION
        {
            counts.add_region(span(name, [l1, c1, l2, c2])?, count);
        }
    }
    Ok(())
}

fn span(name: &str, numbers: [u64; 4]) -> Result<Span, Error> {
    let mut narrow = [0; 4];
    for (to, from) in narrow.iter_mut().zip(numbers) {
        *to = u32::try_from(from).map_err(|_| bad_row(name, "span", &numbers))?;
    }
    let [line, column, end_line, end_column] = narrow;
    Ok(Span { line, column, end_line, end_column })
}

fn bad_row(name: &str, what: &'static str, row: &[u64]) -> Error {
    Error::BadRow { path: name.to_owned(), what, row: format!("{row:?}") }
}
