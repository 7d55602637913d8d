//! The marked source lines of one file: which lines to show, and the marks under them.
//!
//! 1. A label inside one line is one mark. A label over several lines is two: from its start to the
//!    end of that line, and from the first character of its last line to its end, where the text is.
//! 2. Marks of one line share its excerpt when they fall into the same window, else the line is
//!    shown again around the other mark.
//! 3. All marks of an excerpt are drawn on one row, primary over secondary; the rightmost says its
//!    text there, the others below, joined by `|`.

use super::cells::ScreenLine;
use super::ink::{Ink, Style};
use crate::{Label, SourceFile};

/// A marked range inside one line.
struct Mark<'d> {
    line: u32,
    start: u32,
    end: u32,
    text: &'d str,
    primary: bool,
}

/// An excerpt of one line with the marks under it.
struct Row<'d> {
    line: u32,
    screen: ScreenLine,
    marks: Vec<Mark<'d>>,
}

/// All excerpts of one file, in the order they are printed.
pub(super) struct Excerpt<'d> {
    rows: Vec<Row<'d>>,
}

impl<'d> Excerpt<'d> {
    /// Lays out the labels of one file.
    pub(super) fn new(file: &SourceFile, labels: &[&'d Label]) -> Self {
        let mut marks: Vec<Mark> = Vec::new();
        for label in labels {
            push_marks(file, label, &mut marks);
        }
        // Primary marks choose the windows, so they come first.
        marks.sort_by_key(|mark| (!mark.primary, mark.line, mark.start));
        let mut rows: Vec<Row> = Vec::new();
        for mark in marks {
            let row =
                rows.iter_mut().find(|row| row.line == mark.line && row.screen.shows(mark.start));
            if let Some(row) = row {
                row.marks.push(mark);
            } else {
                let range = file.line_range(mark.line);
                let screen = ScreenLine::new(file.text(), range, mark.start);
                rows.push(Row { line: mark.line, screen, marks: vec![mark] });
            }
        }
        rows.sort_by_key(|row| (row.line, row.screen.shown.start));
        Self { rows }
    }

    /// Largest line number shown.
    pub(super) fn last_line(&self) -> u32 {
        self.rows.iter().map(|row| row.line).max().unwrap_or(0)
    }

    /// Prints the excerpts with line numbers `gutter` digits wide.
    pub(super) fn put(&self, ink: &mut Ink, gutter: usize, primary: Style) {
        let mut previous: Option<u32> = None;
        for row in &self.rows {
            if previous.is_some_and(|line| line + 1 < row.line) {
                ink.put(Style::Gutter, "...");
                ink.newline();
            }
            previous = Some(row.line);
            ink.put(Style::Gutter, &format!("{:>gutter$} | ", row.line));
            ink.put(Style::Text, &row.screen.text);
            ink.newline();
            row.put_marks(ink, gutter, primary);
        }
    }
}

/// Splits a label into marks of single lines.
fn push_marks<'d>(file: &SourceFile, label: &'d Label, marks: &mut Vec<Mark<'d>>) {
    let start = label.span.start.min(file.text().len() as u32);
    let end = label.span.end.clamp(start, file.text().len() as u32);
    let first = file.line(start);
    // A span that ends with a newline ends on the line that the newline ends.
    let last = if end > start { file.line(end - 1) } else { first };
    let primary = label.primary;
    let text = label.text.as_str();
    if first == last {
        marks.push(Mark { line: first, start, end, text, primary });
        return;
    }
    let head_end = file.line_range(first).end;
    marks.push(Mark { line: first, start, end: head_end, text: "", primary });
    let range = file.line_range(last);
    let line = &file.text()[range.start as usize..end as usize];
    let blanks = line.iter().take_while(|byte| byte.is_ascii_whitespace()).count() as u32;
    // A tail of blanks only is marked whole.
    let tail = if range.start + blanks < end { range.start + blanks } else { range.start };
    marks.push(Mark { line: last, start: tail, end, text, primary });
}

impl Row<'_> {
    /// First cell and one past the last cell of a mark; at least one cell.
    fn cells(&self, mark: &Mark) -> (usize, usize) {
        let start = self.screen.cell(mark.start);
        (start, self.screen.cell(mark.end).max(start + 1))
    }

    fn put_marks(&self, ink: &mut Ink, gutter: usize, primary: Style) {
        let style = |mark: &Mark| if mark.primary { primary } else { Style::Secondary };
        let mut marks: Vec<&Mark> = self.marks.iter().collect();
        marks.sort_by_key(|mark| (mark.start, mark.end, mark.primary));

        put_empty_gutter(ink, gutter);
        self.put_underlines(ink, &marks, style);
        if let Some(rightmost) = marks.pop() {
            ink.put(Style::Text, " ");
            ink.put_foreign(style(rightmost), rightmost.text);
        }
        ink.newline();

        marks.retain(|mark| !mark.text.is_empty());
        while let Some(mark) = marks.pop() {
            put_empty_gutter(ink, gutter);
            let mut column = 0;
            let start = self.cells(mark).0;
            for pending in &marks {
                let at = self.cells(pending).0;
                if at >= column && at < start {
                    ink.put(Style::Text, &" ".repeat(at - column));
                    ink.put(style(pending), "|");
                    column = at + 1;
                }
            }
            ink.put(Style::Text, &" ".repeat(start - column));
            ink.put_foreign(style(mark), mark.text);
            ink.newline();
        }
    }

    fn put_underlines(&self, ink: &mut Ink, marks: &[&Mark], style: impl Fn(&Mark) -> Style) {
        let mut drawn: Vec<Option<&Mark>> = Vec::new();
        for wanted in [false, true] {
            for mark in marks.iter().filter(|mark| mark.primary == wanted) {
                let (start, end) = self.cells(mark);
                drawn.resize(drawn.len().max(end), None);
                drawn[start..end].fill(Some(mark));
            }
        }
        for run in drawn.chunk_by(|a, b| a.map(|mark| mark.primary) == b.map(|mark| mark.primary)) {
            match run[0] {
                None => ink.put(Style::Text, &" ".repeat(run.len())),
                Some(mark) => {
                    let stroke = if mark.primary { "^" } else { "-" };
                    ink.put(style(mark), &stroke.repeat(run.len()));
                }
            }
        }
    }
}

/// The gutter of a row that shows no source line, and the blank after it.
pub(super) fn put_empty_gutter(ink: &mut Ink, gutter: usize) {
    ink.put(Style::Gutter, &format!("{:gutter$} | ", ""));
}
