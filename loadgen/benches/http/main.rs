//! Valk's server beside hyper's; run by `ci/bench-http`.
//!
//! 1. Every server is a process of its own that answers the same request with the same bytes.
//! 2. A round starts each server once, puts it under the same load and ends it; the next round
//!    begins with another one, so that a busy moment of the computer hits all of them.
//! 3. A ratio is the median of the ratios within a round, not a ratio of medians.
//!
//! CPU time of the server for each request is what this measures best: it does not depend on who
//! else wants a processor. Requests per second and latency do.

mod load;
mod peer;
mod server;
mod table;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;

use load::Load;
use server::{Recipe, Server};
use table::{Row, Sample};

/// Command line; ci/bench-http gives the programs.
#[derive(Debug, Parser)]
#[command(
    name = "ci/bench-http",
    override_usage = "ci/bench-http [OPTIONS] [--allocators]",
    about = "Valk's HTTP/2 server beside hyper's: CPU time per request, requests per second, latency, memory",
    after_help = "\
Rows: hyper and hyper-2-threads (the peer), native (a Rust handler on Valk's server), valk (a handler
in Lisp), valk-1-executor and valk-2-executors (with VALK_EXECUTORS=1 and 2), and one for each
--valk NAME=FILE; --allocators adds system-allocator, a valk without mimalloc. Each is measured at full load (every stream sends again when it is answered)
and at a fixed rate, where latency counts from the time at which a request should have left.

Reading the table: ratios are to the row `hyper` of the same round, medians over the rounds; below
1 is better for CPU time. `busy` is CPU time of server and load as a share of the time that went by:
where the load is near 100 % and the server is not, requests per second are those of the load.

Examples:
  ci/bench-http --rounds 9 --json report.json
  ci/bench-http --rows native,valk --seconds 5
  ci/bench-http --valk before=/tmp/valk-of-yesterday --rows valk,before"
)]
struct Arguments {
    /// Rounds; each measures every server once
    #[arg(long, default_value_t = 5, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    rounds: u32,
    /// Seconds of full load, and of the fixed rate, for each server in a round
    #[arg(long, default_value_t = 2, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    /// Requests per second of the fixed rate
    #[arg(long, default_value_t = 2000, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    rate: u32,
    /// Connections
    #[arg(long, default_value_t = 4, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    connections: u32,
    /// Streams on each connection
    #[arg(long, default_value_t = 32, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100))]
    streams: u32,
    /// Rows to measure beside `hyper`, separated by commas [default: all]
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    rows: Vec<String>,
    /// Also write the samples, medians and ratios to this file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Another row: the program in Lisp run by this `valk`; repeatable
    #[arg(long = "valk", value_name = "NAME=FILE")]
    others: Vec<String>,
    /// The `valk` of the usual rows
    #[arg(long, value_name = "FILE", hide = true)]
    valk_binary: PathBuf,
    /// The native server
    #[arg(long, value_name = "FILE", hide = true)]
    native_binary: PathBuf,
    /// The program in Lisp
    #[arg(long, value_name = "FILE", hide = true)]
    program: PathBuf,
    /// Passed by cargo
    #[arg(long, hide = true)]
    bench: bool,
}

/// First argument of this program as the peer; the second is its number of threads.
const SERVE_PEER: &str = "--serve-hyper";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().collect();
    let result = match &words[1..] {
        [flag, threads] if flag == SERVE_PEER => {
            peer::serve(threads.parse().unwrap_or(1)).map_err(|cause| cause.to_string())
        }
        _ => measure(&Arguments::parse()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("error: {reason}");
            ExitCode::FAILURE
        }
    }
}

fn measure(arguments: &Arguments) -> Result<(), String> {
    let recipes = recipes(arguments)?;
    let mut rows: Vec<Row> = recipes.iter().map(|recipe| Row::new(&recipe.name)).collect();
    let load = Load {
        connections: arguments.connections,
        streams: arguments.streams,
        duration: Duration::from_secs(arguments.seconds),
        rate: arguments.rate,
    };
    for round in 0..arguments.rounds as usize {
        for offset in 0..recipes.len() {
            let index = (round + offset) % recipes.len();
            let sample = sample(&recipes[index], load)
                .map_err(|reason| format!("{}: {reason}", recipes[index].name))?;
            rows[index].samples.push(sample);
        }
        eprintln!("round {} of {}", round + 1, arguments.rounds);
    }
    print!("{}", table::text(&rows, load));
    if let Some(path) = &arguments.json {
        let mut text = serde_json::to_string_pretty(&table::json(&rows, load))
            .map_err(|cause| cause.to_string())?;
        text.push('\n');
        std::fs::write(path, text)
            .map_err(|cause| format!("cannot write {}: {cause}", path.display()))?;
    }
    Ok(())
}

fn sample(recipe: &Recipe, load: Load) -> Result<Sample, String> {
    let server = Server::start(recipe)?;
    let full = load::full(&server, load)?;
    let fixed = load::fixed_rate(&server, load)?;
    let (resident_mib, resident_max_mib) = server.resident_mib()?;
    Ok(Sample { full, fixed, resident_mib, resident_max_mib })
}

/// The servers of the rows that are asked for; hyper is always the first.
fn recipes(arguments: &Arguments) -> Result<Vec<Recipe>, String> {
    let itself = std::env::current_exe().map_err(|cause| cause.to_string())?.into_os_string();
    let recipe = |name: &str, command: &[OsString]| Recipe {
        name: name.to_owned(),
        command: command.to_vec(),
        variables: Vec::new(),
    };
    let hyper = |name: &str, threads: &str| {
        recipe(name, &[itself.clone(), SERVE_PEER.into(), threads.into()])
    };
    let valk = |name: &str, binary: &PathBuf, executors: Option<u32>| {
        let command = [binary.clone().into_os_string(), arguments.program.clone().into()];
        let mut recipe = recipe(name, &command);
        recipe.variables.extend(executors.map(|n| ("VALK_EXECUTORS", n.to_string())));
        recipe
    };
    let binary = &arguments.valk_binary;
    let mut all = vec![
        hyper("hyper", "1"),
        hyper("hyper-2-threads", "2"),
        recipe("native", &[arguments.native_binary.clone().into(), "0".into()]),
        valk("valk", binary, None),
        valk("valk-1-executor", binary, Some(1)),
        valk("valk-2-executors", binary, Some(2)),
    ];
    for other in &arguments.others {
        let (name, file) = other
            .split_once('=')
            .ok_or_else(|| format!("--valk needs NAME=FILE, got `{other}`"))?;
        all.push(valk(name, &PathBuf::from(file), None));
    }
    for asked in &arguments.rows {
        if !all.iter().any(|recipe| recipe.name == *asked) {
            let known: Vec<&str> = all.iter().map(|recipe| recipe.name.as_str()).collect();
            return Err(format!("unknown row `{asked}`; rows: {}", known.join(" ")));
        }
    }
    let mut first = true;
    all.retain(|recipe| {
        std::mem::take(&mut first)
            || arguments.rows.is_empty()
            || arguments.rows.contains(&recipe.name)
    });
    Ok(all)
}
