//! The commands of the prompt: lines that begin with `:`.
//!
//! A line whose first word is one of [`NAMES`] is that command. A keyword alone is an expression as
//! any other, so `:status` evaluates to itself. A keyword that is not a command and has something
//! behind it is refused with the list of commands.

use crate::report::Reporter;
use crate::session::Session;
use std::path::Path;
use std::time::Instant;

/// The commands: as they are typed, and what they do.
pub const NAMES: &[(&str, &str)] = &[
    (":help", ":help [NAME]   this list, or what the reference says about NAME"),
    (":doc", ":doc NAME      what the reference says about NAME"),
    (":time", ":time EXPR     the value, and how long it took"),
    (":load", ":load FILE     run a file in this session"),
    (":disasm", ":disasm EXPR   the bytecode of an expression"),
    (":quit", ":quit          end the session (as Ctrl-D)"),
];

/// What the prompt does after a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Read another one.
    Continue,
    /// End.
    Quit,
}

/// The first word and what follows it.
fn parts(line: &str) -> (&str, &str) {
    let line = line.trim();
    let (name, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    (name, rest.trim())
}

/// True for a line that [`run`] takes, and not the evaluator.
pub fn is_command(line: &str) -> bool {
    let (name, rest) = parts(line);
    let known = NAMES.iter().any(|(known, _)| *known == name);
    let word = name.len() > 1 && name.starts_with(':');
    known || word && !rest.is_empty() && !line.trim().contains('\n')
}

/// The list of commands.
fn list() -> String {
    NAMES.iter().flat_map(|(_, text)| ["  ", text, "\n"]).collect()
}

/// Runs a command line.
pub fn run(session: &mut Session, line: &str, reporter: &Reporter) -> Next {
    let (name, rest) = parts(line);
    match (name, rest) {
        (":quit", "") => return Next::Quit,
        (":help", "") => {
            let it = "  it             the last value\n";
            session.print(format!("{}{it}", list()).as_bytes());
        }
        (":help" | ":doc", name) if !name.is_empty() => {
            session.describe(&[name.to_string()], reporter);
        }
        (":time", code) if !code.is_empty() => time(session, code, reporter),
        (":load", path) if !path.is_empty() => {
            session.run_file(Path::new(path.trim_matches('"')), reporter);
        }
        (":disasm", code) if !code.is_empty() => session.disasm_text(code, reporter),
        _ if NAMES.iter().any(|(known, _)| *known == name) => {
            reporter.failure(&format!("{name} is used so:\n{}", usage(name)));
        }
        _ => reporter.failure(&format!("{name} is no command; these are:\n{}", list().trim_end())),
    }
    Next::Continue
}

fn usage(name: &str) -> &'static str {
    NAMES.iter().find(|(known, _)| *known == name).map_or("", |(_, text)| text)
}

fn time(session: &mut Session, code: &str, reporter: &Reporter) {
    let started = Instant::now();
    session.answer(code, reporter);
    let took = started.elapsed();
    session.print(format!("{:.3} ms\n", took.as_secs_f64() * 1e3).as_bytes());
}
