//! The arguments of the command `valk`.

use crate::report::Format;
use crate::suites::TestArguments;
use clap::{Parser, Subcommand};

/// A small Lisp with an HTTP/2 server in its runtime.
#[derive(Debug, Parser)]
#[command(
    name = "valk",
    version,
    args_conflicts_with_subcommands = true,
    after_help = "Examples:\n  \
        valk program.valk          run a program\n  \
        valk program.valk -- a b   run it; (args) is {a b}\n  \
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
    /// Programs, run one after the other in one environment.
    pub files: Vec<String>,
    /// What the program gets from `(args)`, after `--`.
    #[arg(last = true, value_name = "ARGS")]
    pub program: Vec<String>,
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
        files: Vec<String>,
    },
    /// Print the bytecode of the top-level forms of files and of the functions in them.
    Disasm {
        /// Programs.
        #[arg(required = true)]
        files: Vec<String>,
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
