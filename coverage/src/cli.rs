//! The command line of `valk-coverage`.
//!
//! Exit status: 0 green, 1 red, 2 no verdict (usage, input, output). Reports asked for are written
//! for a red verdict too.

use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::date::Day;
use crate::error::Error;
use crate::gate::{self, Evidence, Thresholds};
use crate::model::Coverage;
use crate::render::{self, Options};
use crate::{llvm, sources, waivers};

/// Judges code coverage.
#[derive(Parser, Debug)]
#[command(name = "valk-coverage", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Requires enough coverage of every source file.
    Gate(GateArgs),
}

#[derive(Args, Debug)]
struct GateArgs {
    /// Exports of `cargo llvm-cov report --json`; several are added up.
    #[arg(required = true, value_name = "JSON")]
    inputs: Vec<PathBuf>,
    /// Repository root.
    #[arg(long, default_value = ".", value_name = "DIR")]
    root: PathBuf,
    /// Folder below the root whose files are judged; may be given several times.
    #[arg(long = "source", required = true, value_name = "DIR")]
    sources: Vec<String>,
    /// Waiver file.
    #[arg(long, value_name = "FILE")]
    waivers: Option<PathBuf>,
    /// Percentage of lines each file needs.
    #[arg(long, default_value_t = 90, value_name = "PERCENT")]
    lines: u8,
    /// Percentage of branch outcomes each file needs.
    #[arg(long, default_value_t = 85, value_name = "PERCENT")]
    branches: u8,
    /// Percentage of regions each file needs; not judged without this.
    #[arg(long, value_name = "PERCENT")]
    regions: Option<u8>,
    /// Day on which waivers are judged, YYYY-MM-DD; the current one by default.
    #[arg(long, value_name = "DATE")]
    today: Option<String>,
    /// Writes the whole verdict as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Writes a summary as Markdown.
    #[arg(long, value_name = "FILE")]
    markdown: Option<PathBuf>,
    /// Lists files that pass too.
    #[arg(long)]
    all: bool,
    /// Most missed spans shown per file.
    #[arg(long, default_value_t = 40, value_name = "COUNT")]
    spans: usize,
}

/// Runs the command line `args` (with the program name first), printing to `out` and `err`.
pub fn run(
    args: impl IntoIterator<Item = OsString>,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> ExitCode {
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(message) if message.use_stderr() => return say(err, &message.to_string(), 2),
        Err(help) => return say(out, &help.to_string(), 0),
    };
    let Command::Gate(args) = cli.command;
    match judge(&args) {
        Ok((text, green)) => say(out, &text, u8::from(!green)),
        Err(error) => say(err, &format!("valk-coverage: {error}\ncoverage gate RED\n"), 2),
    }
}

/// Prints `text` and returns `status`; a closed pipe must not turn a verdict into another.
fn say(to: &mut dyn Write, text: &str, status: u8) -> ExitCode {
    let _ = to.write_all(text.as_bytes()).and_then(|()| to.flush());
    ExitCode::from(status)
}

/// Reads everything, judges, writes the reports; the text for the terminal and the verdict.
fn judge(args: &GateArgs) -> Result<(String, bool), Error> {
    let root = std::fs::canonicalize(&args.root).map_err(|cause| Error::Read {
        path: args.root.display().to_string(),
        cause: cause.to_string(),
    })?;
    let mut coverage = Coverage::default();
    for input in &args.inputs {
        coverage.merge(llvm::read(input)?);
    }
    let sources = sources::read(&root, &args.sources)?;
    let waivers = args.waivers.as_deref().map(waivers::read).transpose()?.unwrap_or_default();
    let today = args.today.as_deref().map_or_else(|| Ok(Day::today()), Day::parse)?;
    let evidence = Evidence {
        root: &root,
        under: &args.sources,
        coverage: &coverage,
        sources: &sources,
        waivers: &waivers,
        today,
    };
    let need = Thresholds { lines: args.lines, branches: args.branches, regions: args.regions };
    let verdict = gate::judge(&evidence, need);
    let options = Options { spans_max: args.spans, all_files: args.all };
    if let Some(path) = &args.json {
        write(path, &render::json(&verdict))?;
    }
    if let Some(path) = &args.markdown {
        write(path, &render::markdown(&verdict, &sources, options))?;
    }
    Ok((render::terminal(&verdict, &sources, options), verdict.is_green()))
}

fn write(path: &Path, text: &str) -> Result<(), Error> {
    std::fs::write(path, text).map_err(|cause| Error::Write {
        path: path.display().to_string(),
        cause: cause.to_string(),
    })
}
