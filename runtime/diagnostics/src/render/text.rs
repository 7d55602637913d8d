//! Text for users: headline, excerpts per file, calls, causes, notes and help.

use super::excerpt::{Excerpt, put_empty_gutter};
use super::ink::{Ink, Style};
use crate::{Call, Diagnostic, FileId, Label, SourceMap, Span};

/// Renders without colour. The result ends with a newline.
pub fn render_plain(diagnostic: &Diagnostic, sources: &SourceMap) -> String {
    render(diagnostic, sources, Ink::new(false))
}

/// Renders the same text with ANSI colours, for terminals.
pub fn render_ansi(diagnostic: &Diagnostic, sources: &SourceMap) -> String {
    render(diagnostic, sources, Ink::new(true))
}

fn render(diagnostic: &Diagnostic, sources: &SourceMap, mut ink: Ink) -> String {
    put_headline(&mut ink, diagnostic);
    let sections = sections(diagnostic, sources);
    let last_line = sections.iter().map(|section| section.excerpt.last_line()).max().unwrap_or(0);
    let gutter = last_line.to_string().len();
    let primary = Style::Severity(diagnostic.severity);
    for (index, section) in sections.iter().enumerate() {
        let arrow = if index == 0 { "-->" } else { ":::" };
        ink.put(Style::Gutter, &format!("{:gutter$}{arrow} ", ""));
        ink.put_foreign(Style::Text, &section.location);
        ink.newline();
        put_empty_gutter(&mut ink, gutter);
        ink.newline();
        section.excerpt.put(&mut ink, gutter, primary);
    }
    let remarks = remarks(diagnostic, sources);
    if !sections.is_empty() && !remarks.is_empty() {
        put_empty_gutter(&mut ink, gutter);
        ink.newline();
    }
    for (kind, text) in &remarks {
        put_remark(&mut ink, gutter, kind, text);
    }
    ink.out
}

/// What stands below the excerpts: kind and text, a line per line.
fn remarks(diagnostic: &Diagnostic, sources: &SourceMap) -> Vec<(&'static str, String)> {
    let mut remarks = Vec::new();
    if !diagnostic.calls.is_empty() {
        remarks.push(("calls", call_chain(&diagnostic.calls, sources)));
    }
    for cause in &diagnostic.causes {
        let text = format!("{}: {}", cause.code.id(), cause.message);
        remarks.push(("cause", with_location(text, cause.span, sources)));
    }
    remarks.extend(diagnostic.notes.iter().map(|note| ("note", note.clone())));
    remarks.extend(diagnostic.help.iter().map(|help| ("help", help.clone())));
    remarks
}

/// The calls, one line for each run of equal ones.
fn call_chain(calls: &[Call], sources: &SourceMap) -> String {
    let line = |(index, run): (usize, &[Call])| {
        let text = if index == 0 { String::new() } else { "called from ".to_string() };
        let text = with_location(text + &run[0].name, run[0].span, sources);
        if run.len() == 1 { text } else { format!("{text}, {} times", run.len()) }
    };
    let lines: Vec<String> = calls.chunk_by(|a, b| a == b).enumerate().map(line).collect();
    lines.join("\n")
}

/// `text (file:line:column)`, without the place when it is not known.
fn with_location(text: String, span: Option<Span>, sources: &SourceMap) -> String {
    match span.and_then(|span| sources.location(span)) {
        Some(location) => format!("{text} ({location})"),
        None => text,
    }
}

fn put_headline(ink: &mut Ink, diagnostic: &Diagnostic) {
    let severity = diagnostic.severity;
    let title = format!("{}[{}]", severity.name(), diagnostic.code.id());
    ink.put(Style::Severity(severity), &title);
    ink.put(Style::Strong, ": ");
    for (index, line) in diagnostic.message.split('\n').enumerate() {
        if index > 0 {
            ink.newline();
            ink.put(Style::Text, "    ");
        }
        ink.put_foreign(Style::Strong, line);
    }
    ink.newline();
}

/// `  = kind: text`, further lines indented below the text.
fn put_remark(ink: &mut Ink, gutter: usize, kind: &str, text: &str) {
    for (index, line) in text.split('\n').enumerate() {
        if index == 0 {
            ink.put(Style::Gutter, &format!("{:gutter$} = ", ""));
            ink.put(Style::Help, kind);
            ink.put(Style::Text, ": ");
        } else {
            ink.put(Style::Text, &" ".repeat(gutter + kind.len() + 5));
        }
        ink.put_foreign(Style::Text, line);
        ink.newline();
    }
}

/// The labels of one file.
struct Section<'d> {
    location: String,
    excerpt: Excerpt<'d>,
}

/// Labels by file, the file of the main label first; labels of unknown files are left out.
fn sections<'d>(diagnostic: &'d Diagnostic, sources: &SourceMap) -> Vec<Section<'d>> {
    let mut groups: Vec<(FileId, Vec<&Label>)> = Vec::new();
    // The main label comes first, and once more in its turn, where it is recognised.
    for label in diagnostic.main_label().into_iter().chain(&diagnostic.labels) {
        match groups.iter_mut().find(|(file, _)| *file == label.span.file) {
            None => groups.push((label.span.file, vec![label])),
            Some((_, labels)) if labels.iter().any(|known| std::ptr::eq(*known, label)) => {}
            Some((_, labels)) => labels.push(label),
        }
    }
    let section = |(id, labels): (FileId, Vec<&'d Label>)| {
        let file = sources.file(id)?;
        let location = sources.location(labels[0].span)?;
        Some(Section { location, excerpt: Excerpt::new(file, &labels) })
    };
    groups.into_iter().filter_map(section).collect()
}
