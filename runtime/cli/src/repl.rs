//! The prompt: read, evaluate, print.
//!
//! Input goes on over several lines, behind a prompt of their own, while brackets or a string are open. The last value of an
//! input is printed in repr form and bound to `it`. Lines that begin with `:` may be commands. At a
//! terminal Ctrl-C abandons the input or ends the evaluation, Ctrl-D ends the session, or the input when
//! it is open; `exit` ends the session too. What is typed is kept in the history file.

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

const CONTINUATION: &str = "....> ";

/// Runs the prompt until the input ends; the exit status, and whether an input that did not come from a
/// terminal failed.
pub fn run(session: &mut Session, reporter: &Reporter) -> (u8, bool) {
    let terminal = std::io::stdin().is_terminal();
    if let Err(problem) = session.watch_interrupts(terminal) {
        reporter.failure(&problem);
        return (1, false);
    }
    let mut failed = false;
    if terminal {
        if let Err(error) = interactive(session, reporter) {
            reporter.failure(&format!("the line editor failed: {error}"));
            return (1, false);
        }
    } else {
        failed = piped(session, reporter, take);
    }
    (if session.has_ended() { session.exit_code().unwrap_or(0) } else { 0 }, failed)
}

/// Runs the program on standard input, form by form, so that it can read what follows a form; true when
/// it failed.
pub fn run_standard_input(session: &mut Session, reporter: &Reporter) -> bool {
    piped(session, reporter, |session, input, reporter| {
        let failed = session.run_input(input, reporter);
        Taken {
            next: if failed || session.has_ended() { Next::Quit } else { Next::Continue },
            failed,
        }
    })
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
        match input(session, &mut editor) {
            Ok(input) => {
                editor.add_history_entry(input.as_str())?;
                if take(session, &input, reporter).next == Next::Quit {
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

/// Lines until they make an input. The end of the input within one is the input's end: what is open
/// is told.
fn input(
    session: &mut Session,
    editor: &mut Editor<Language, FileHistory>,
) -> rustyline::Result<String> {
    let mut input = session.runtime.vm().outside(|| editor.readline(PROMPT))?;
    while !commands::is_command(&input) && !complete(&input) {
        match session.runtime.vm().outside(|| editor.readline(CONTINUATION)) {
            Ok(line) => input = format!("{input}\n{line}"),
            Err(ReadlineError::Eof) => break,
            Err(error) => return Err(error),
        }
    }
    Ok(input)
}

/// The next line of standard input with its end; nothing when there is none. The program's builtins read
/// from the same buffer: nobody holds it meanwhile.
fn next_line() -> std::io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    let count = std::io::stdin().lock().read_until(b'\n', &mut line)?;
    Ok((count > 0).then_some(line))
}

/// Lines from a file or pipe: no prompt, no history. True when an input failed.
fn piped(
    session: &mut Session,
    reporter: &Reporter,
    take: fn(&mut Session, &str, &Reporter) -> Taken,
) -> bool {
    let (mut input, mut failed) = (String::new(), false);
    loop {
        let line = session.runtime.vm().outside(next_line);
        let line = match line {
            Ok(line) => line.map(String::from_utf8).transpose(),
            Err(error) => {
                reporter.failure(&format!("standard input cannot be read: {error}"));
                return true;
            }
        };
        let Ok(line) = line else {
            reporter.failure("standard input is not UTF-8 text");
            return true;
        };
        let ended = line.is_none();
        input.push_str(&line.unwrap_or_default());
        let has_input = !input.trim().is_empty();
        if ended && !has_input {
            return failed;
        }
        if ended || commands::is_command(&input) || complete(&input) {
            let taken = take(session, input.trim_end_matches('\n'), reporter);
            failed |= taken.failed;
            if ended || taken.next == Next::Quit {
                return failed;
            }
            input.clear();
        }
    }
}

/// What came of an input.
struct Taken {
    next: Next,
    /// It was an error.
    failed: bool,
}

/// Does what an input says.
fn take(session: &mut Session, input: &str, reporter: &Reporter) -> Taken {
    if commands::is_command(input) {
        return Taken { next: commands::run(session, input, reporter), failed: false };
    }
    if input.trim() == "exit" {
        return Taken { next: Next::Quit, failed: false };
    }
    let failed = session.answer(input, reporter);
    Taken { next: if session.has_ended() { Next::Quit } else { Next::Continue }, failed }
}
