//! A piece of a source line as it appears on a screen: text cut to a window, and the screen column
//! of every byte in it.
//!
//! 1. Tabs become blanks up to the next tab stop; controls and undecodable bytes become escapes.
//! 2. A line wider than [`EXCERPT_CELLS_MAX`] is cut around the byte of interest, with `…` at the
//!    cuts.
//! 3. Work and memory depend on the window, not on the length of the line.

use super::ink::is_unprintable;
use std::ops::{Range, RangeInclusive};

/// Widest excerpt of one source line, in screen cells, without gutter and `…`.
pub const EXCERPT_CELLS_MAX: usize = 100;

/// Cells kept before the byte of interest when a line is cut.
const LEAD_CELLS: usize = 40;

/// Distance of tab stops, in cells.
const TAB_CELLS: usize = 4;

/// Bytes looked at on either side of the byte of interest. A code point has at most four bytes, and
/// zero-width characters are few, so this fills the window in all but contrived lines.
const REACH_BYTES: usize = EXCERPT_CELLS_MAX * 8;

/// A line, or a window of it, ready to print.
#[derive(Debug)]
pub(super) struct ScreenLine {
    /// The text to print.
    pub(super) text: String,
    /// Bytes of the file that `text` shows.
    pub(super) shown: Range<u32>,
    /// Byte offset in the file and first cell of each character shown, plus the end.
    columns: Vec<(u32, usize)>,
}

impl ScreenLine {
    /// Lays out `line` (bytes of the file at `range`) so that the byte at `focus` is visible.
    pub(super) fn new(source: &[u8], range: Range<u32>, focus: u32) -> Self {
        let focus = focus.clamp(range.start, range.end);
        let glyphs = glyphs(source, &range, focus);
        let whole = glyphs.iter().map(|glyph| glyph.cells).sum::<usize>() <= EXCERPT_CELLS_MAX
            && glyphs.first().is_none_or(|glyph| glyph.at == range.start)
            && glyphs.last().is_none_or(|glyph| glyph.end == range.end);
        let visible = if whole { 0..glyphs.len() } else { window(&glyphs, focus) };
        Self::from_glyphs(&glyphs[visible], &range)
    }

    fn from_glyphs(glyphs: &[Glyph], range: &Range<u32>) -> Self {
        let start = glyphs.first().map_or(range.start, |glyph| glyph.at);
        let end = glyphs.last().map_or(range.end, |glyph| glyph.end);
        let mut text = String::new();
        let mut cell = 0;
        if start > range.start {
            text.push('…');
            cell = 1;
        }
        let mut columns = Vec::with_capacity(glyphs.len() + 1);
        for glyph in glyphs {
            columns.push((glyph.at, cell));
            text.push_str(&glyph.text);
            cell += glyph.cells;
        }
        columns.push((end, cell));
        if end < range.end {
            text.push('…');
        }
        Self { text, shown: start..end, columns }
    }

    /// Whether the character at `offset` is in the window; the end of the shown text is.
    pub(super) fn shows(&self, offset: u32) -> bool {
        self.shown.start <= offset && offset <= self.shown.end
    }

    /// Screen column (from 0) of the character that holds the byte at `offset`, clamped to the
    /// window.
    pub(super) fn cell(&self, offset: u32) -> usize {
        let after = self.columns.partition_point(|&(at, _)| at <= offset);
        self.columns[after.saturating_sub(1)].1
    }
}

/// One character of the source and how it is shown.
struct Glyph {
    at: u32,
    end: u32,
    text: String,
    cells: usize,
}

/// The characters of the line near `focus`.
fn glyphs(source: &[u8], range: &Range<u32>, focus: u32) -> Vec<Glyph> {
    let (line_start, line_end) = (range.start as usize, range.end as usize);
    let mut start = (focus as usize).saturating_sub(REACH_BYTES).max(line_start);
    let end = (focus as usize + REACH_BYTES).min(line_end);
    if start > line_start {
        // Do not begin in the middle of a code point; at most three continuation bytes follow one.
        start += source[start..end].iter().take(3).take_while(|&&byte| byte & 0xc0 == 0x80).count();
    }
    let mut glyphs = Vec::new();
    let mut cell = 0;
    let mut at = start;
    let mut put = |length: usize, text: String, cells: usize| {
        glyphs.push(Glyph { at: at as u32, end: (at + length) as u32, text, cells });
        at += length;
        cell += cells;
        cell
    };
    let mut column = 0;
    for chunk in source[start..end].utf8_chunks() {
        for c in chunk.valid().chars() {
            let (text, cells) = shown(c, column);
            column = put(c.len_utf8(), text, cells);
        }
        for byte in chunk.invalid() {
            column = put(1, format!("\\x{byte:02X}"), 4);
        }
    }
    glyphs
}

/// The glyphs to keep when the line is too wide: some before `focus`, the rest after it.
fn window(glyphs: &[Glyph], focus: u32) -> Range<usize> {
    let at_focus = glyphs.partition_point(|glyph| glyph.end <= focus);
    let mut start = at_focus;
    let mut cells = 0;
    while start > 0 && cells + glyphs[start - 1].cells <= LEAD_CELLS {
        start -= 1;
        cells += glyphs[start].cells;
    }
    let mut end = at_focus;
    while end < glyphs.len() && cells + glyphs[end].cells <= EXCERPT_CELLS_MAX {
        cells += glyphs[end].cells;
        end += 1;
    }
    start..end
}

/// How `c` is printed at a screen column, and its width in cells.
fn shown(c: char, column: usize) -> (String, usize) {
    if c == '\t' {
        let cells = TAB_CELLS - column % TAB_CELLS;
        return (" ".repeat(cells), cells);
    }
    if is_unprintable(c) {
        let text = c.escape_default().to_string();
        let cells = text.len();
        return (text, cells);
    }
    (c.to_string(), width(c))
}

/// Characters that terminals draw over the one before: combining marks, joiners, variation selectors.
const ZERO_CELLS: [RangeInclusive<char>; 4] = [
    '\u{300}'..='\u{36f}',
    '\u{200c}'..='\u{200d}',
    '\u{20d0}'..='\u{20ff}',
    '\u{fe00}'..='\u{fe0f}',
];

/// East Asian wide blocks and pictographs (Unicode Standard Annex 11, by block).
const TWO_CELLS: [RangeInclusive<char>; 11] = [
    '\u{1100}'..='\u{115f}',
    '\u{2e80}'..='\u{303e}',
    '\u{3041}'..='\u{a4cf}',
    '\u{ac00}'..='\u{d7a3}',
    '\u{f900}'..='\u{faff}',
    '\u{fe30}'..='\u{fe6f}',
    '\u{ff00}'..='\u{ff60}',
    '\u{ffe0}'..='\u{ffe6}',
    '\u{1f300}'..='\u{1f64f}',
    '\u{1f900}'..='\u{1f9ff}',
    '\u{20000}'..='\u{3fffd}',
];

/// Cells that terminals give to a printable character.
fn width(c: char) -> usize {
    let among = |table: &[RangeInclusive<char>]| table.iter().any(|r| r.contains(&c));
    if among(&ZERO_CELLS) { 0 } else { 1 + usize::from(among(&TWO_CELLS)) }
}
