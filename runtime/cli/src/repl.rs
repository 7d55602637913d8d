//! The prompt: read, evaluate, print.
//!
//! Input goes on over several lines while brackets or a string are open. The last value of an
//! input is printed in repr form and bound to `it`. Lines that begin with `:` may be commands. At a
//! terminal Ctrl-C abandons the input or ends the evaluation, Ctrl-D ends the session; what is typed
//! is kept in the history file.

use crate::commands::{self, Next};
use crate::editor::{Language, complete};
use crate::history;
use crate::report::Reporter;
use crate::session::Session;
use rustyline::error::ReadlineError;
use rustyline::history::FileHistory;
use rustyline::{CompletionType, Config, Editor};
use std::io::{BufRead, IsTerminal};

const PROMPT: &str = "valk> ";

/// Runs the prompt until the input ends; the exit status.
pub fn run(session: &mut Session, reporter: &Reporter) -> u8 {
    let terminal = std::io::stdin().is_terminal();
    if let Err(problem) = session.watch_interrupts(terminal) {
        reporter.failure(&problem);
        return 1;
    }
    if terminal {
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
    if session.has_ended() { session.exit_code().unwrap_or(0) } else { 0 }
}

fn interactive(session: &mut Session, reporter: &Reporter) -> rustyline::Result<()> {
    let config = Config::builder()
        .max_history_size(history::HISTORY_LINES_MAX)?
        .completion_type(CompletionType::List)
        .build();
    let mut editor: Editor<Language, FileHistory> = Editor::with_config(config)?;
    editor.set_helper(Some(Language::new()));
    let history = history::prepare();
    if let Some(path) = &history {
        // Absent at the first start.
        let _ = editor.load_history(path);
    }
    loop {
        if let Some(language) = editor.helper_mut() {
            language.names = session.runtime.names();
        }
        let input = session.runtime.vm().outside(|| editor.readline(PROMPT));
        match input {
            Ok(input) => {
                editor.add_history_entry(input.as_str())?;
                if take(session, &input, reporter) == Next::Quit {
                    break;
                }
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
    let mut lines = std::io::stdin().lock().lines();
    loop {
        let line = session.runtime.vm().outside(|| lines.next());
        let Some(line) = line else { break };
        let Ok(line) = line else {
            reporter.failure("standard input is not UTF-8 text");
            return;
        };
        input.push_str(&line);
        input.push('\n');
        if commands::is_command(&input) || complete(&input) {
            if take(session, input.trim_end_matches('\n'), reporter) == Next::Quit {
                return;
            }
            input.clear();
        }
    }
    if !input.is_empty() {
        take(session, input.trim_end_matches('\n'), reporter);
    }
}

/// Does what an input says.
fn take(session: &mut Session, input: &str, reporter: &Reporter) -> Next {
    if commands::is_command(input) {
        return commands::run(session, input, reporter);
    }
    session.answer(input, reporter);
    if session.has_ended() { Next::Quit } else { Next::Continue }
}
