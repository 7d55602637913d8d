//! The arguments of the command `valk`.
//!
//! What follows the name of the program is the program's, also when it begins with `-`; [`split`] takes
//! that away before the rest is looked at.

use crate::report::Format;
use crate::suites::TestArguments;
use clap::{CommandFactory, Parser, Subcommand};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// A small Lisp with an HTTP/2 server in its runtime.
#[derive(Debug, Parser)]
#[command(
    name = "valk",
    version,
    args_conflicts_with_subcommands = true,
    after_help = "Examples:\n  \
        valk program.valk          run a program\n  \
        valk program.valk a -b     run it; (args) is {a -b}\n  \
        valk -f a.valk -f b.valk   run programs one after the other\n  \
        valk -                     run the program on standard input\n  \
        valk -e '(+ 1 2)'          evaluate an expression, print its value\n  \
        valk                       read, evaluate, print, again and again\n  \
        valk check program.valk    read and compile without running\n  \
        valk disasm program.valk   its bytecode\n  \
        valk doc head map          what names mean, with examples\n  \
        valk test                  run the suites in test and tests (--filter, --json, --junit)\n  \
        valk --limits              every limit and how it is set\n  \
        valk --dump-fsm            the states of HTTP/2 connections\n  \
        valk --stats program.valk  run it; what it cost to standard error (--stats=json)\n  \
        valk completions bash      for a shell: source <(valk completions bash)\n\n\
        Environment:\n  \
        VALK_HEAP_HARD_LIMIT       memory limit in bytes (default 536870912)\n  \
        VALK_GC                    full: no generations; every, random, random:SEED: collect more\n  \
        \x20                          often; refuse, refuse:SEED: run out of memory at times\n  \
        VALK_EXECUTORS             threads that run programs and serve, 1 to 63 (default: processors;\n  \
        \x20                          VALK_WORKERS is an older name)\n  \
        VALK_GC_LOG                1: a line for every collection, to standard error\n  \
        VALK_JIT                   off: bytecode only; N: native code after N calls (default 1000)\n  \
        VALK_PATH                  directories where import looks for modules\n  \
        VALK_COMPAT                1: exit status, output of errors and several files as in older\n  \
        \x20                          versions\n  \
        VALK_LOG                   error, warn (default), info, debug or trace, to standard error\n  \
        VALK_CA_FILE               PEM file with the authorities that requests believe, in place of\n  \
        \x20                          those of the system\n  \
        VALK_HISTORY               file with the lines typed at the prompt\n\n\
        Exit status: 0 or what the program sets with (exit n), 1 after an uncaught error, 2 for a \
        wrong command line, 128 and its number when a signal ended the program, 141 when nobody reads the output."
)]
pub struct Arguments {
    /// What to do other than running files.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// The program; `-` is standard input. All that follows belongs to it.
    #[arg(value_name = "PROGRAM")]
    pub programs: Vec<PathBuf>,
    /// What the program gets from `(args)`; without a program, after `--`.
    #[arg(last = true, value_name = "ARGS")]
    pub given: Vec<OsString>,
    /// A program to run, given several times for several in one environment.
    #[arg(short = 'f', long = "file", value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Evaluate an expression and print its value; may be given several times, before files.
    #[arg(short = 'e', long = "eval", value_name = "EXPR", allow_hyphen_values = true)]
    pub expressions: Vec<String>,
    /// Do not start the prompt when there is nothing to run.
    #[arg(long)]
    pub script: bool,
    /// Start the prompt after the files.
    #[arg(long)]
    pub repl: bool,
    /// Print every limit with its value, its unit and how it is set.
    #[arg(long)]
    pub limits: bool,
    /// Print the state machine of connections: a line for each state, event and next state.
    #[arg(long)]
    pub dump_fsm: bool,
    /// How `--limits` prints.
    #[arg(long, value_enum, default_value_t = Format::Text, requires = "limits")]
    pub format: Format,
    /// At the end, print what collector, interpreter and event loop have counted, to standard error.
    #[arg(
        long,
        value_enum,
        value_name = "FORMAT",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "text"
    )]
    pub stats: Option<Format>,
    /// How diagnostics are written to standard error.
    #[arg(long, value_enum, default_value_t = Format::Text, global = true)]
    pub error_format: Format,
}

/// Subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Read and compile files without running them.
    Check {
        /// Programs.
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
    /// Print the bytecode of the top-level forms of files and of the functions in them.
    Disasm {
        /// Programs.
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
    /// Start the prompt.
    Repl,
    /// Say how builtins and other names are called.
    Doc {
        /// Names.
        #[arg(required = true)]
        names: Vec<String>,
    },
    /// Run suites of tests, each in a process of its own.
    Test(TestArguments),
    /// Print the completions of this command for a shell.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
}

/// Options whose value is the next argument.
const WITH_VALUE: [&str; 6] = ["-e", "--eval", "-f", "--file", "--format", "--error-format"];

/// A command line: what is the command's own, and what belongs to the program.
#[derive(Debug, PartialEq, Eq)]
pub struct CommandLine {
    /// The command's own part, its name first.
    pub own: Vec<OsString>,
    /// The program's arguments; those that the own part names behind `--` are not among them.
    pub program: Vec<OsString>,
}

/// Takes the program's arguments off a command line. Older versions (`compatible`) take every file as a
/// program.
pub fn split(line: impl IntoIterator<Item = OsString>, compatible: bool) -> CommandLine {
    let mut line = line.into_iter();
    let mut own: Vec<OsString> = line.next().into_iter().collect();
    let mut has_files = false;
    while let Some(argument) = line.next() {
        let text = argument.to_string_lossy().into_owned();
        let is_program = !text.starts_with('-') || text == "-";
        let is_first = own.len() == 1;
        own.push(argument);
        if text == "--" || is_first && is_subcommand(&text) {
            own.extend(line);
            return CommandLine { own, program: Vec::new() };
        }
        if is_program && has_files && !compatible {
            let first = own.pop();
            return CommandLine { own, program: first.into_iter().chain(line).collect() };
        }
        if is_program && !compatible && !is_library(&text) {
            return CommandLine { own, program: line.collect() };
        }
        if WITH_VALUE.contains(&text.as_str()) {
            has_files |= text == "-f" || text == "--file";
            own.extend(line.next());
        }
        has_files |= text.starts_with("--file=") || text.starts_with("-f") && text.len() > 2;
    }
    CommandLine { own, program: Vec::new() }
}

fn is_subcommand(text: &str) -> bool {
    text == "help" || Arguments::command().get_subcommands().any(|known| known.get_name() == text)
}

/// Whether this names a part of the library that older programs were started with.
fn is_library(text: &str) -> bool {
    valk_lang::is_library_path(text) && !Path::new(text).exists()
}
