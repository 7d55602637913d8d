//! The command line: its flags, defaults and help.
//!
//! Only shapes are checked here; what the values mean together is checked by `options`.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::time::Duration;

use clap::parser::ValueSource;
use clap::{ArgMatches, Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};

use crate::quantity::{parse_bytes, parse_count, parse_duration, parse_rate};
use crate::schedule::arrivals::Arrivals;
use crate::schedule::profile::Shape;

/// Top of the command line.
#[derive(Debug, Parser)]
#[command(
    name = "valk-load",
    version,
    about = "Load generator for HTTP/2 servers: open-loop latency, slow readers, user journeys",
    after_help = "\
Examples:
  valk-load list                        what can be run
  valk-load explain slow-reader         what a scenario does and how to read its numbers
  valk-load run steady --target http://127.0.0.1:8080 --rate 1k --duration 10s --html report.html
  valk-load run steady --target http://127.0.0.1:8080 --max --connections 10
  valk-load run steady --target http://127.0.0.1:8080 --stages 10s:100,30s:1k,10s:0
  valk-load run steady --target http://127.0.0.1:8080 --path /api --data '{}' -H 'content-type: application/json'
  valk-load run steady --target https://localhost:8443 --ca ca.pem --threshold 'p99<20ms'
  valk-load run slow-reader --target http://127.0.0.1:8080 --large-path /big \\
      --connections 20 --streams 50 --threshold 'victim.hold.p99<50ms'
  valk-load run journey --target http://127.0.0.1:8080 --file shop.toml --rate 50
  valk-load knee --target http://127.0.0.1:8080 --p99 2ms -- --path /api
  valk-load compare http://127.0.0.1:8080 http://127.0.0.1:8081 -- --max
  valk-load attack all --target http://127.0.0.1:8080
  valk-load run browse --target https://localhost:8443 --insecure --users 20 \\
      --path / --path /news=3 --post-path /echo --report report.json

A run has two verdicts: `measurement` says whether the numbers can be trusted, `result` whether
the rules hold (without --threshold: error-rate<1%, and held>=95% at a given rate).

Exit codes: 0 passed, 1 rule failed or measurement invalid, 2 usage, 3 target unreachable or not
HTTP/2, 130 interrupted."
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List the scenarios
    List,
    /// Explain a scenario: phases, groups, how to read the numbers
    Explain {
        /// Name of the scenario, from `valk-load list`
        scenario: String,
    },
    /// Run a scenario against a server
    Run(Box<RunArgs>),
    /// Attack a server that is yours, and judge how it takes it
    Attack(AttackArgs),
    /// Find the highest rate with a p99 within a bound
    Knee(KneeArgs),
    /// Measure two targets in turns, and say how sure their difference is
    Compare(CompareArgs),
    /// Add `HdrHistogram` logs of several runs
    Merge(MergeArgs),
}

/// Flags of `attack`.
#[derive(Debug, Args)]
pub struct AttackArgs {
    /// Names divided by commas, `all`, or `list` to see them
    pub attacks: String,
    /// Server, like `http://127.0.0.1:8080` (h2c) or `https://localhost:8443`
    #[arg(long, value_name = "URL")]
    pub target: Option<String>,
    /// Permit a target that is not on this machine: you own it
    #[arg(long, value_name = "HOST")]
    pub i_own: Vec<String>,
    /// What the witness asks for: a client beside the attack whose latency is measured
    #[arg(long, value_name = "PATH", default_value = "/")]
    pub path: String,
    /// Longest p99 of the witness
    #[arg(long, value_parser = parse_duration, value_name = "TIME", default_value = "500ms")]
    pub witness_p99: Duration,
    /// Process of the server, whose memory is watched
    #[arg(long, value_name = "PID")]
    pub pid: Option<u32>,
    /// Accept any TLS certificate
    #[arg(long, conflicts_with = "ca")]
    pub insecure: bool,
    /// PEM file of the authority that signed the server's certificate
    #[arg(long, value_name = "FILE")]
    pub ca: Option<String>,
    /// Print the verdicts as JSON
    #[arg(long)]
    pub json: bool,
}

/// Flags of `knee`.
#[derive(Debug, Args)]
pub struct KneeArgs {
    /// Server
    #[arg(long, value_name = "URL")]
    pub target: String,
    /// Bound of the p99
    #[arg(long, value_parser = parse_duration, value_name = "TIME")]
    pub p99: Duration,
    /// First rate
    #[arg(long, value_parser = parse_rate, value_name = "R", default_value = "100")]
    pub from: f64,
    /// Highest rate
    #[arg(long, value_parser = parse_rate, value_name = "R", default_value = "1M")]
    pub to: f64,
    /// Length of one step
    #[arg(long, value_parser = parse_duration, value_name = "TIME", default_value = "2s")]
    pub step: Duration,
    /// Options of `run steady` for every step
    #[arg(last = true, value_name = "OPTIONS OF RUN")]
    pub run: Vec<String>,
}

/// Flags of `compare`.
#[derive(Debug, Args)]
pub struct CompareArgs {
    /// One server
    #[arg(value_name = "URL A")]
    pub a: String,
    /// The other
    #[arg(value_name = "URL B")]
    pub b: String,
    /// Rounds; each measures both
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub rounds: u32,
    /// Length of one measurement
    #[arg(long, value_parser = parse_duration, value_name = "TIME", default_value = "1s")]
    pub duration: Duration,
    /// Process of A, for its CPU time
    #[arg(long, value_name = "PID")]
    pub pid_a: Option<u32>,
    /// Process of B
    #[arg(long, value_name = "PID")]
    pub pid_b: Option<u32>,
    /// Options of `run steady` for every measurement, like `--rate 1k` or `--max`
    #[arg(last = true, value_name = "OPTIONS OF RUN")]
    pub run: Vec<String>,
}

/// Flags of `merge`.
#[derive(Debug, Args)]
pub struct MergeArgs {
    /// Logs of `--hdr`
    #[arg(required = true, value_name = "LOG")]
    pub logs: Vec<String>,
    /// Write the sums as a log to this file
    #[arg(long, value_name = "FILE")]
    pub hdr: Option<String>,
}

/// Flags of `run`.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// Name of the scenario, from `valk-load list`
    pub scenario: String,
    /// Server, like `http://127.0.0.1:8080` (h2c) or `https://localhost:8443`
    #[arg(long, value_name = "URL")]
    pub target: String,
    /// Length of the measured run [default: 10s]
    #[arg(long, value_parser = parse_duration, value_name = "TIME")]
    pub duration: Option<Duration>,
    /// Connections (of the slow readers, in scenarios that have them) [default: 4]
    #[arg(long, short = 'c', value_parser = parse_count, value_name = "N")]
    pub connections: Option<u32>,
    /// Concurrent streams on each of these connections [default: 32]
    #[arg(long, short = 's', value_parser = parse_count, value_name = "N")]
    pub streams: Option<u32>,
    /// Users of `browse` [default: 10]
    #[arg(long, value_parser = parse_count, value_name = "N")]
    pub users: Option<u32>,
    /// Threads of the engine [default: 1; with --max and --closed half of the processors]
    #[arg(long, value_parser = parse_count, value_name = "N")]
    pub threads: Option<u32>,

    /// Requests per second of the measured group, like 1000, 1k, 60/m [default: 200]
    #[arg(long, short = 'r', value_parser = parse_rate, value_name = "R", allow_hyphen_values = true, help_heading = "Arrivals")]
    pub rate: Option<f64>,
    /// Spacing of the requests [default: constant]
    #[arg(long, value_enum, help_heading = "Arrivals")]
    pub arrivals: Option<ArrivalsArg>,
    /// Requests that come due together on a connection, as those of one page do [default: 1]
    #[arg(long, value_parser = parse_count, value_name = "N", help_heading = "Arrivals")]
    pub burst: Option<u32>,
    /// How the rate changes between --rate and --peak [default: constant]
    #[arg(long, value_enum, help_heading = "Arrivals")]
    pub shape: Option<Shape>,
    /// The other rate of --shape
    #[arg(long, value_parser = parse_rate, value_name = "R", allow_hyphen_values = true, help_heading = "Arrivals")]
    pub peak: Option<f64>,
    /// Stages of the rate, like 10s:100,30s:1k,10s:0: in each it goes evenly to the value named
    #[arg(long, value_name = "TIME:RATE,...", conflicts_with_all = ["duration", "shape"], help_heading = "Arrivals")]
    pub stages: Option<String>,
    /// Closed loop: each stream sends its next request when the answer has come, after --think
    #[arg(long, conflicts_with = "max", help_heading = "Arrivals")]
    pub closed: bool,
    /// As much as the server takes: every stream is always busy
    #[arg(long, help_heading = "Arrivals")]
    pub max: bool,
    /// Pause of a user of `browse` after each page, or with --closed behind each answer or journey [default: 0s]
    #[arg(long, value_parser = parse_duration, value_name = "TIME", help_heading = "Arrivals")]
    pub think: Option<Duration>,
    /// A connection is replaced after this many requests
    #[arg(long, value_parser = parse_count, value_name = "N", help_heading = "Arrivals")]
    pub requests_per_connection: Option<u32>,
    /// So many connections are replaced each second
    #[arg(long, value_parser = parse_rate, value_name = "R", allow_hyphen_values = true, help_heading = "Arrivals")]
    pub connections_per_second: Option<f64>,
    /// Seed of arrival times and paths: the same seed repeats them [default: 1]
    #[arg(long, value_name = "N", help_heading = "Arrivals")]
    pub seed: Option<u64>,

    /// Path to ask for, with an optional weight; repeatable; sent byte for byte [default: /]
    #[arg(long = "path", value_name = "PATH[=WEIGHT]", help_heading = "Requests")]
    pub paths: Vec<String>,
    /// Method [default: GET, or POST with a body]
    #[arg(long, short = 'X', value_name = "NAME", help_heading = "Requests")]
    pub method: Option<String>,
    /// Field of every request, like 'accept: text/html' or ':authority: name'; repeatable
    #[arg(long = "header", short = 'H', value_name = "NAME: VALUE", help_heading = "Requests")]
    pub headers: Vec<String>,
    /// Body of every request
    #[arg(long, short = 'd', value_name = "TEXT", conflicts_with_all = ["data_file", "data_json"], help_heading = "Requests")]
    pub data: Option<String>,
    /// File with the body of every request
    #[arg(long, value_name = "FILE", conflicts_with = "data_json", help_heading = "Requests")]
    pub data_file: Option<String>,
    /// JSON body of every request; sets content-type
    #[arg(long, value_name = "JSON", help_heading = "Requests")]
    pub data_json: Option<String>,
    /// Longest time for one request, from sending to the last byte [default: 5s]
    #[arg(long, value_parser = parse_duration, value_name = "TIME", help_heading = "Requests")]
    pub timeout: Option<Duration>,
    /// Statuses that are right, like 200 or 2xx,304 [default: everything below 400]
    #[arg(long, value_name = "LIST", help_heading = "Requests")]
    pub expect_status: Option<String>,
    /// Text that every body must hold
    #[arg(long, value_name = "TEXT", help_heading = "Requests")]
    pub expect_contains: Option<String>,
    /// Length that every body must have
    #[arg(long, value_parser = parse_bytes, value_name = "BYTES", help_heading = "Requests")]
    pub expect_bytes: Option<u64>,

    /// TOML file with the journeys of `journey`
    #[arg(long, value_name = "FILE", help_heading = "Scenarios")]
    pub file: Option<String>,
    /// Show what `journey` would send, and send nothing
    #[arg(long, help_heading = "Scenarios")]
    pub dry_run: bool,
    /// Path with a large body, for slow readers and `backpressure` [default: the first --path]
    #[arg(long, value_name = "PATH", help_heading = "Scenarios")]
    pub large_path: Option<String>,
    /// Requests per second for large bodies in `backpressure` [default: 20]
    #[arg(long, value_parser = parse_rate, value_name = "R", allow_hyphen_values = true, help_heading = "Scenarios")]
    pub large_rate: Option<f64>,
    /// Stream window of slow readers while they hold [default: 0]
    #[arg(long, value_parser = parse_bytes, value_name = "BYTES", help_heading = "Scenarios")]
    pub window: Option<u64>,
    /// Path that `browse` posts to; without it nothing is posted
    #[arg(long, value_name = "PATH", help_heading = "Scenarios")]
    pub post_path: Option<String>,
    /// Length of the posted body [default: 256]
    #[arg(long, value_parser = parse_bytes, value_name = "BYTES", help_heading = "Scenarios")]
    pub post_bytes: Option<u64>,

    /// Accept any TLS certificate
    #[arg(long, conflicts_with = "ca", help_heading = "Target")]
    pub insecure: bool,
    /// PEM file of the authority that signed the server's certificate
    #[arg(long, value_name = "FILE", help_heading = "Target")]
    pub ca: Option<String>,
    /// Permit a target that is not on this machine; repeatable
    #[arg(long, value_name = "HOST", help_heading = "Target")]
    pub allow_remote: Vec<String>,

    /// Rule that must hold, like 'p99<50ms', 'error-rate<1%', 'victim.hold.p99<20ms'; repeatable
    #[arg(long = "threshold", short = 't', value_name = "RULE", help_heading = "Verdicts")]
    pub thresholds: Vec<String>,
    /// The measurement is invalid if the generator itself was later than this (99th percentile)
    /// [default: 200 us and a tenth of the reported percentile]
    #[arg(long, value_parser = parse_duration, value_name = "TIME", help_heading = "Verdicts")]
    pub max_lag: Option<Duration>,

    /// Also write the JSON report to this file; `-` is standard output, here and below
    #[arg(long, value_name = "FILE", help_heading = "Reports")]
    pub report: Option<String>,
    /// Write a report with charts to this HTML file
    #[arg(long, value_name = "FILE", help_heading = "Reports")]
    pub html: Option<String>,
    /// Write the seconds of the run to this CSV file
    #[arg(long, value_name = "FILE", help_heading = "Reports")]
    pub csv: Option<String>,
    /// Write the latencies of every second to this `HdrHistogram` log
    #[arg(long, value_name = "FILE", help_heading = "Reports")]
    pub hdr: Option<String>,
    /// Write the verdicts to this file as `JUnit` XML
    #[arg(long, value_name = "FILE", help_heading = "Reports")]
    pub junit: Option<String>,
    /// Look at this page of the server's metrics (Prometheus text) once a second during the run
    #[arg(long, value_name = "URL", requires = "series", help_heading = "Reports")]
    pub scrape: Option<String>,
    /// Series of --scrape to keep: a name, or a name with labels; repeatable
    #[arg(long, value_name = "NAME", requires = "scrape", help_heading = "Reports")]
    pub series: Vec<String>,
    /// Print the JSON report instead of the table
    #[arg(long, help_heading = "Reports")]
    pub json: bool,
    /// No progress lines
    #[arg(long, short = 'q', help_heading = "Reports")]
    pub quiet: bool,

    /// Names of the options that the user gave.
    #[arg(skip)]
    pub given: BTreeSet<String>,
}

/// Parses a command line, with the program's name first.
///
/// # Errors
/// Those of clap: also requests for help.
pub fn parse<I, A>(args: I) -> Result<Cli, clap::Error>
where
    I: IntoIterator<Item = A>,
    A: Into<OsString> + Clone,
{
    let matches = Cli::command().try_get_matches_from(args)?;
    let mut cli = Cli::from_arg_matches(&matches)?;
    if let Command::Run(run) = &mut cli.command {
        run.given = matches.subcommand().map(|(_, matches)| given(matches)).unwrap_or_default();
    }
    Ok(cli)
}

/// Parses the arguments of `run` alone.
///
/// # Errors
/// As [`parse`].
pub fn parse_run<I, A>(args: I) -> Result<RunArgs, clap::Error>
where
    I: IntoIterator<Item = A>,
    A: Into<OsString> + Clone,
{
    let command = clap::Command::new("valk-load run").no_binary_name(true);
    let matches = RunArgs::augment_args(command).try_get_matches_from(args)?;
    let mut run = RunArgs::from_arg_matches(&matches)?;
    run.given = given(&matches);
    Ok(run)
}

fn given(matches: &ArgMatches) -> BTreeSet<String> {
    let from_user =
        |id: &&clap::Id| matches.value_source(id.as_str()) == Some(ValueSource::CommandLine);
    let ids = matches.ids().filter(|id| *id != "RunArgs");
    ids.filter(from_user).map(|id| id.as_str().to_string()).collect()
}

/// `--arrivals`.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum ArrivalsArg {
    /// Evenly spaced
    Constant,
    /// Independent users: exponential gaps
    Poisson,
}

impl From<ArrivalsArg> for Arrivals {
    fn from(arg: ArrivalsArg) -> Arrivals {
        match arg {
            ArrivalsArg::Constant => Arrivals::Constant,
            ArrivalsArg::Poisson => Arrivals::Poisson,
        }
    }
}
