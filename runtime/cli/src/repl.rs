//! The prompt: read, evaluate, print.
//!
//! Input goes on over several lines while brackets or a string are open. The last value of an
//! input is printed in repr form. At a terminal Ctrl-C abandons the input, Ctrl-D ends the session;
//! what is typed is kept in the history file.

use crate::history;
use crate::report::Reporter;
use crate::session::Session;
use rustyline::error::ReadlineError;
use rustyline::history::FileHistory;
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{Completer, Config, Editor, Helper, Highlighter, Hinter};
use std::io::{BufRead, IsTerminal};
use valk_syntax::{Balance, balance};

const PROMPT: &str = "valk> ";

/// Tells the line editor when an input is complete.
#[derive(Completer, Helper, Highlighter, Hinter)]
struct Brackets;

impl Validator for Brackets {
    fn validate(&self, context: &mut ValidationContext<'_>) -> rustyline::Result<ValidationResult> {
        Ok(if complete(context.input()) {
            ValidationResult::Valid(None)
        } else {
            ValidationResult::Incomplete
        })
    }
}

/// True when more lines would not complete the input.
fn complete(input: &str) -> bool {
    matches!(balance(input.as_bytes()), Balance::Complete | Balance::Broken)
}

/// Runs the prompt until the input ends; the exit status.
pub fn run(session: &mut Session, reporter: &Reporter) -> u8 {
    if std::io::stdin().is_terminal() {
        match interactive(session, reporter) {
            Ok(()) => {}
            Err(error) => {
                reporter.failure(&format!("the line editor failed: {error}"));
                return 1;
            }
        }
    } else {
        piped(session, reporter);
    }
    0
}

fn interactive(session: &mut Session, reporter: &Reporter) -> rustyline::Result<()> {
    let config = Config::builder().max_history_size(history::HISTORY_LINES_MAX)?.build();
    let mut editor: Editor<Brackets, FileHistory> = Editor::with_config(config)?;
    editor.set_helper(Some(Brackets));
    let history = history::prepare();
    if let Some(path) = &history {
        // Absent at the first start.
        let _ = editor.load_history(path);
    }
    loop {
        match editor.readline(PROMPT) {
            Ok(input) => {
                editor.add_history_entry(input.as_str())?;
                answer(session, &input, reporter);
            }
            Err(ReadlineError::Interrupted) => {}
            Err(ReadlineError::Eof) => break,
            Err(error) => return Err(error),
        }
    }
    if let Some(path) = &history {
        editor.append_history(path)?;
    }
    Ok(())
}

/// Lines from a file or pipe: no prompt, no history.
fn piped(session: &mut Session, reporter: &Reporter) {
    let mut input = String::new();
    for line in std::io::stdin().lock().lines() {
        let Ok(line) = line else {
            reporter.failure("standard input is not UTF-8 text");
            return;
        };
        input.push_str(&line);
        input.push('\n');
        if complete(&input) {
            answer(session, input.trim_end_matches('\n'), reporter);
            input.clear();
        }
    }
    if !input.is_empty() {
        answer(session, input.trim_end_matches('\n'), reporter);
    }
}

/// Evaluates one input and prints its value.
fn answer(session: &mut Session, input: &str, reporter: &Reporter) {
    if let Some(value) = session.evaluate_line(input, reporter) {
        let line = format!("{}\n", session.runtime.repr(value));
        session.print(line.as_bytes());
    }
}
