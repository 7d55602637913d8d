//! The `valk` command: arguments and wiring.
//!
//! Exit status: 0, or what the program set; 128 and the number of the signal that ended it; 1 after
//! an uncaught error or a file that cannot be read; 2 for a wrong command line. Programs write to
//! standard output, diagnostics go to standard error.
#![forbid(unsafe_code)]

mod arguments;
mod commands;
mod editor;
mod environment;
mod history;
mod limits;
mod repl;
mod report;
mod session;
mod suites;

use arguments::{Arguments, Command};
use clap::{CommandFactory, Parser};
use report::{Format, Reporter};
use session::Session;
use std::fmt::Display;
use std::process::ExitCode;
use valk_lang::Output;
use valk_log::{Level, Threshold};

/// The target of this crate's log lines.
const LOG_TARGET: &str = "valk::command";

/// A request allocates and frees many small blocks, which costs less here than with the system's
/// allocator (docs/performance.md). Objects of the language live in a heap of their own.
#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let line = arguments::split(std::env::args_os(), environment::is_compatible());
    let level = std::env::var("VALK_LOG").unwrap_or_default();
    let threshold = Threshold::new(Level::from_name(&level));
    valk_log::install(&threshold);
    let code = match Arguments::try_parse_from(line.own) {
        Ok(mut arguments) => {
            arguments.given.extend(line.program);
            command(&arguments, threshold)
        }
        Err(error) if error.use_stderr() => error.exit(),
        Err(help) => show(help.render()),
    };
    valk_log::flush();
    ExitCode::from(code)
}

/// Prints what the command says about itself; the exit status.
fn show(text: impl Display) -> u8 {
    let out = Output::default();
    out.write(text.to_string().as_bytes());
    out.flush();
    u8::from(out.has_lost_output())
}

/// Does what the command line asks for; the exit status.
fn command(arguments: &Arguments, threshold: Threshold) -> u8 {
    let reporter = Reporter::new(arguments.error_format);
    if let Some(text) = about_itself(arguments) {
        return show(text);
    }
    if let Some(Command::Test(tests)) = &arguments.command {
        return suites::run(tests, &reporter);
    }
    let mut session = match Session::new(reporter.clone()) {
        Ok(session) => session,
        Err(problem) => {
            reporter.failure(&problem);
            return 1;
        }
    };
    session.runtime.set_log_threshold(threshold);
    let code = run(&mut session, arguments, &reporter);
    session.finish();
    // Functions that were still running may have asked for another status.
    let code = session.exit_code().unwrap_or(code);
    if let Some(format) = arguments.stats {
        session.show_statistics(format);
    }
    let has_failed = session.has_failed() || session.has_lost_output();
    if code == 0 && has_failed { 1 } else { code }
}

/// What the command prints without running anything.
fn about_itself(arguments: &Arguments) -> Option<String> {
    if let Some(Command::Completions { shell }) = arguments.command {
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut Arguments::command(), "valk", &mut script);
        return Some(String::from_utf8_lossy(&script).into_owned());
    }
    if arguments.dump_fsm {
        return Some(valk_http2::phase_table());
    }
    arguments.limits.then(|| match arguments.format {
        Format::Text => limits::text(&environment::config()),
        Format::Json => limits::json(&environment::config()),
    })
}

/// Runs the subcommand, the program or the prompt; the exit status.
fn run(session: &mut Session, arguments: &Arguments, reporter: &Reporter) -> u8 {
    let given = arguments.given.iter();
    let given = given.map(|argument| argument.as_encoded_bytes().to_vec()).collect();
    session.runtime.set_arguments(given);
    match &arguments.command {
        Some(Command::Check { files }) => return session.check(files, reporter),
        Some(Command::Disasm { files }) => return session.disasm(files, reporter),
        Some(Command::Doc { names }) => return session.describe(names, reporter),
        // Done before there is a session.
        Some(Command::Completions { .. } | Command::Test(_)) => return 0,
        Some(Command::Repl) => return repl::run(session, reporter).0,
        None => {}
    }
    let mut failed = false;
    for expression in &arguments.expressions {
        if session.has_ended() {
            break;
        }
        failed |= session.evaluate(expression, reporter);
    }
    for file in arguments.files.iter().chain(&arguments.programs) {
        if session.has_ended() {
            break;
        }
        failed |= match file.to_str() {
            Some("-") => repl::run_standard_input(session, reporter),
            _ => session.run_file(file, reporter),
        };
    }
    let files = arguments.files.len() + arguments.programs.len();
    let nothing = files == 0 && arguments.expressions.is_empty();
    if !session.has_ended() && (arguments.repl || nothing && !arguments.script) {
        let (status, inputs_failed) = repl::run(session, reporter);
        // What is piped in, without a word of a prompt, is a program.
        let failed = failed || inputs_failed && !arguments.repl;
        return session.exit_code().unwrap_or(status.max(status_of(failed)));
    }
    session.exit_code().unwrap_or(status_of(failed))
}

/// The exit status of a program that has set none.
fn status_of(failed: bool) -> u8 {
    u8::from(failed && !environment::is_compatible())
}

impl Reporter {
    /// A reporter for this process's standard error.
    fn new(format: Format) -> Reporter {
        use std::io::IsTerminal;
        Reporter { format, colour: std::io::stderr().is_terminal() }
    }
}
