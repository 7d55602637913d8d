//! The commands: from arguments to output and exit code.

use std::ffi::OsString;
use std::io::Write;
use std::sync::Arc;

use clap::Parser;

use crate::command_line::{Cli, Command, RunArgs};
use crate::error::LoadError;
use crate::options::Options;
use crate::reports::progress::Progress;
use crate::reports::report::Report;
use crate::reports::table;
use crate::run::{Interrupt, execute};
use crate::scenarios::catalog::{SCENARIOS, find};

/// Runs the command line `args` (with the program's name first) and returns the exit code.
pub fn run<I, A>(args: I, interrupt: Interrupt, out: &mut dyn Write, err: &mut dyn Write) -> u8
where
    I: IntoIterator<Item = A>,
    A: Into<OsString> + Clone,
{
    let exit_code = match Cli::try_parse_from(args) {
        Ok(cli) => match cli.command {
            Command::List => list(out),
            Command::Explain { scenario } => explain(&scenario, out),
            Command::Run(args) => run_scenario(&args, interrupt, out, err),
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
        let _ = writeln!(err, "{prefix}{}", text.trim_end());
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
        "{}: {}\n\n{}\n\nGroups: {} (thresholds judge `{}` unless they name another)\nPhases: {}",
        scenario.name,
        scenario.summary,
        scenario.explanation,
        scenario.groups.join(", "),
        scenario.groups[0],
        scenario.phase_names().join(", "),
    )?;
    Ok(0)
}

fn run_scenario(
    args: &RunArgs,
    interrupt: Interrupt,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> Result<u8, LoadError> {
    let options = Arc::new(Options::check(args)?);
    let mut progress = Progress::new((!args.quiet).then_some(err));
    let result = execute(&options, interrupt, &mut progress)?;
    let report = Report::new(&options, &result);
    let mut json = serde_json::to_string_pretty(&report.json())
        .expect("a JSON value with text keys always serializes");
    json.push('\n');
    if let Some(path) = &args.report {
        std::fs::write(path, &json).map_err(|cause| LoadError::File {
            path: path.clone(),
            action: "write",
            cause,
        })?;
    }
    if args.json {
        print(out, &json)?;
    } else {
        table::write(&report, out)?;
    }
    Ok(report.exit_code())
}
