//! The commands: from arguments to output and exit code.

mod attack;
pub mod compare;
pub mod knee;
pub mod measurement;
mod merge;

use std::ffi::OsString;
use std::io::Write;
use std::sync::Arc;

use crate::command_line::{Command, RunArgs, parse};
use crate::error::LoadError;
use crate::interrupt::Interrupt;
use crate::journeys::dry_run;
use crate::options::Options;
use crate::quantity::printable;
use crate::reports::files::ReportFile;
use crate::reports::html::WORDS;
use crate::reports::progress::Progress;
use crate::reports::report::Report;
use crate::reports::{csv, hdr_log, html, json, junit, table};
use crate::run::execute;
use crate::scenarios::catalog::{SCENARIOS, find};

/// Runs the command line `args` (with the program's name first) and returns the exit code.
pub fn run<I, A>(args: I, interrupt: Interrupt, out: &mut dyn Write, err: &mut dyn Write) -> u8
where
    I: IntoIterator<Item = A>,
    A: Into<OsString> + Clone,
{
    let exit_code = match parse(args) {
        Ok(cli) => match cli.command {
            Command::List => list(out),
            Command::Explain { scenario } => explain(&scenario, out),
            Command::Run(args) => run_scenario(&args, interrupt, out, err),
            Command::Attack(args) => attack::run(&args, interrupt, out),
            Command::Knee(args) => knee::run(&args, &interrupt, out),
            Command::Compare(args) => compare::run(&args, &interrupt, out),
            Command::Merge(args) => merge::run(&args, out),
        },
        Err(message) => {
            let text = message.render().to_string();
            if message.use_stderr() { Err(LoadError::Usage(text)) } else { print(out, &text) }
        }
    };
    exit_code.unwrap_or_else(|error| {
        // Nothing is left to do if even the error stream is closed.
        let text = error.to_string();
        let prefix = if text.starts_with("error:") { "" } else { "error: " };
        let _ = writeln!(err, "{prefix}{}", printable(text.trim_end()));
        error.exit_code()
    })
}

fn print(out: &mut dyn Write, text: &str) -> Result<u8, LoadError> {
    out.write_all(text.as_bytes())?;
    Ok(0)
}

fn list(out: &mut dyn Write) -> Result<u8, LoadError> {
    for scenario in SCENARIOS {
        writeln!(out, "{:<14} {}", scenario.name, scenario.summary)?;
    }
    Ok(0)
}

fn explain(name: &str, out: &mut dyn Write) -> Result<u8, LoadError> {
    let scenario = find(name)?;
    writeln!(
        out,
        "{}: {}\n\n{}\n\nGroups: {} (thresholds judge `{}` unless they name another)\nPhases: {}\n\nWords:",
        scenario.name,
        scenario.summary,
        scenario.explanation,
        scenario.groups.join(", "),
        scenario.groups[0],
        scenario.phase_names().join(", "),
    )?;
    for (word, meaning) in WORDS {
        writeln!(out, "  {word:<13} {meaning}")?;
    }
    Ok(0)
}

/// The reports that were asked for, open before the run.
struct Files {
    json: Option<ReportFile>,
    html: Option<ReportFile>,
    csv: Option<ReportFile>,
    hdr: Option<ReportFile>,
    junit: Option<ReportFile>,
}

impl Files {
    fn open(args: &RunArgs) -> Result<Files, LoadError> {
        let open = |path: &Option<String>| path.as_deref().map(ReportFile::open).transpose();
        let files = Files {
            json: open(&args.report)?,
            html: open(&args.html)?,
            csv: open(&args.csv)?,
            hdr: open(&args.hdr)?,
            junit: open(&args.junit)?,
        };
        if usize::from(args.json) + files.on_standard_output() > 1 {
            return Err(LoadError::usage("two reports cannot both go to standard output"));
        }
        Ok(files)
    }

    fn on_standard_output(&self) -> usize {
        [&self.json, &self.html, &self.csv, &self.hdr, &self.junit]
            .into_iter()
            .flatten()
            .filter(|file| file.is_standard_output())
            .count()
    }

    /// Writes all; returns the first failure after the others are written.
    fn write(self, report: &Report<'_>, out: &mut dyn Write) -> Result<(), LoadError> {
        let mut first = Ok(());
        let mut keep = |written: Result<(), LoadError>| {
            if first.is_ok() {
                first = written;
            }
        };
        if let Some(file) = self.json {
            keep(file.write(json::text(report).as_bytes(), out));
        }
        if let Some(file) = self.html {
            keep(file.write(html::text(report).as_bytes(), out));
        }
        if let Some(file) = self.csv {
            keep(file.write(csv::text(report).as_bytes(), out));
        }
        if let Some(file) = self.junit {
            keep(file.write(junit::text(report).as_bytes(), out));
        }
        if let Some(file) = self.hdr {
            keep(file.write(&hdr_log::bytes(report), out));
        }
        first
    }
}

fn run_scenario(
    args: &RunArgs,
    interrupt: Interrupt,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> Result<u8, LoadError> {
    let options = Arc::new(Options::check(args)?);
    if args.dry_run {
        return print(out, &dry_run::text(&options));
    }
    let files = Files::open(args)?;
    let mut progress = Progress::new((!args.quiet).then_some(&mut *err));
    let result = execute(&options, interrupt, &mut progress)?;
    let report = Report::new(&options, &result);
    if args.json {
        print(out, &json::text(&report))?;
    } else if files.on_standard_output() > 0 {
        // Standard output is for the report alone.
        table::write(&report, err)?;
    } else {
        table::write(&report, out)?;
    }
    files.write(&report, out)?;
    Ok(report.exit_code())
}
