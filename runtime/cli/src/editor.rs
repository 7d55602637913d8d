//! Completeness, colours and completions of the input, for the line editor.

use crate::commands;
use rustyline::completion::{Completer, FilenameCompleter, Pair};
use rustyline::highlight::{CmdKind, Highlighter};
use rustyline::{Context, Helper, Hinter, Validator};
use std::borrow::Cow;
use valk_syntax::{Balance, TokenClass, balance, highlight};

/// Names offered at most for one completion.
const CANDIDATES_MAX: usize = 500;

/// What the editor asks while a line is typed.
#[derive(Helper, Hinter, Validator)]
pub struct Language {
    /// The names in scope, sorted.
    pub names: Vec<String>,
    files: FilenameCompleter,
}

impl Language {
    /// Without names.
    pub fn new() -> Language {
        Language { names: Vec::new(), files: FilenameCompleter::new() }
    }
}

/// True when more lines would not complete the input.
pub fn complete(input: &str) -> bool {
    matches!(balance(input.as_bytes()), Balance::Complete | Balance::Broken)
}

/// The names that may stand at the end of `line`, and where the name there begins.
pub fn candidates<'n>(line: &str, names: &'n [String]) -> (usize, Vec<&'n str>) {
    let start = line.trim_end_matches(valk_syntax::is_name_character).len();
    let begun = &line[start..];
    let command = start == 0 && begun.starts_with(':');
    let commands = commands::NAMES.iter().map(|(name, _)| *name).filter(|_| command);
    let names = names.iter().map(String::as_str).filter(|_| !begun.is_empty() && !command);
    let found = commands.chain(names).filter(|name| name.starts_with(begun));
    (start, found.take(CANDIDATES_MAX).collect())
}

/// True when the cursor is inside the path of `(load "…` or `:load …`.
pub fn in_path(line: &str) -> bool {
    let open = line.rfind("(load \"").map(|at| &line[at + "(load \"".len()..]);
    line.starts_with(":load ") || open.is_some_and(|path| !path.contains('"'))
}

impl Completer for Language {
    type Candidate = Pair;

    fn complete(
        &self,
        line: &str,
        position: usize,
        _: &Context<'_>,
    ) -> rustyline::Result<(usize, Vec<Pair>)> {
        let before = &line[..position];
        if in_path(before) {
            return self.files.complete_path(line, position);
        }
        let (start, found) = candidates(before, &self.names);
        let pair = |name: &str| Pair { display: name.into(), replacement: name.into() };
        Ok((start, found.into_iter().map(pair).collect()))
    }
}

/// The SGR parameters of a class; empty for the terminal's own colour.
fn colour(class: TokenClass) -> &'static str {
    match class {
        TokenClass::Comment => "2",
        TokenClass::String => "32",
        TokenClass::Number => "36",
        TokenClass::Keyword => "35",
        TokenClass::Callee => "1;34",
        TokenClass::Prefix => "33",
        TokenClass::Invalid => "31",
        TokenClass::Symbol | TokenClass::Bracket => "",
    }
}

/// The line with colours.
pub fn coloured(line: &str) -> String {
    let (mut out, mut at) = (String::new(), 0);
    for (range, class) in highlight(line.as_bytes()) {
        let parameters = colour(class);
        let (Some(blank), Some(text)) = (line.get(at..range.start), line.get(range.clone())) else {
            return line.into();
        };
        out.push_str(blank);
        if parameters.is_empty() {
            out.push_str(text);
        } else {
            out.extend(["\x1b[", parameters, "m", text, "\x1b[0m"]);
        }
        at = range.end;
    }
    out.push_str(&line[at..]);
    out
}

impl Highlighter for Language {
    fn highlight<'l>(&self, line: &'l str, _: usize) -> Cow<'l, str> {
        Cow::Owned(coloured(line))
    }

    fn highlight_char(&self, _: &str, _: usize, _: CmdKind) -> bool {
        true
    }
}
