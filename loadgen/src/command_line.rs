//! The command line: its flags, defaults and help.
//!
//! Only shapes are checked here; what the values mean together is checked by `options`.

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::quantity::parse_duration;
use crate::schedule::arrivals::Arrivals;

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
  valk-load run steady --target http://127.0.0.1:8080 --rate 1000 --duration 10s
  valk-load run steady --target https://localhost:8443 --ca ca.pem --threshold 'p99<20ms'
  valk-load run slow-reader --target http://127.0.0.1:8080 --large-path /big \\
      --connections 20 --streams 50 --threshold 'victim.hold.p99<50ms'
  valk-load run browse --target https://localhost:8443 --insecure --users 20 \\
      --path / --path /news=3 --post-path /echo --report report.json

Exit codes: 0 passed, 1 threshold failed or run invalid, 2 usage, 3 target unreachable,
130 interrupted."
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
}

/// Flags of `run`.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// Name of the scenario, from `valk-load list`
    pub scenario: String,
    /// Server, like `http://127.0.0.1:8080` (h2c) or `https://localhost:8443`
    #[arg(long, value_name = "URL")]
    pub target: String,
    /// Length of the measured run
    #[arg(long, default_value = "10s", value_parser = parse_duration, value_name = "TIME")]
    pub duration: std::time::Duration,
    /// Connections (of the slow readers, in scenarios that have them) [default: 4]
    #[arg(long, value_name = "N")]
    pub connections: Option<u32>,
    /// Concurrent streams on each of these connections [default: 32]
    #[arg(long, value_name = "N")]
    pub streams: Option<u32>,
    /// Users of `browse` [default: 10]
    #[arg(long, value_name = "N")]
    pub users: Option<usize>,
    /// Requests per second of the measured group [default: 200]
    #[arg(long, value_name = "R")]
    pub rate: Option<f64>,
    /// Spacing of the requests
    #[arg(long, value_enum, default_value = "constant")]
    pub arrivals: ArrivalsArg,
    /// Seed of arrival times and paths: the same seed repeats them
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub seed: u64,
    /// Path to ask for, with an optional weight; repeatable [default: /]
    #[arg(long = "path", value_name = "PATH[=WEIGHT]")]
    pub paths: Vec<String>,
    /// Path with a large body, for slow readers and `backpressure` [default: the first --path]
    #[arg(long, value_name = "PATH")]
    pub large_path: Option<String>,
    /// Requests per second for large bodies in `backpressure`
    #[arg(long, default_value_t = 20.0, value_name = "R")]
    pub large_rate: f64,
    /// Stream window of slow readers while they hold, in bytes
    #[arg(long, default_value_t = 0, value_name = "BYTES")]
    pub window: u32,
    /// Path that `browse` posts to; without it nothing is posted
    #[arg(long, value_name = "PATH")]
    pub post_path: Option<String>,
    /// Length of the posted body
    #[arg(long, default_value_t = 256, value_name = "BYTES")]
    pub post_bytes: usize,
    /// Pause of a `browse` user after each page
    #[arg(long, default_value = "0s", value_parser = parse_duration, value_name = "TIME")]
    pub think: std::time::Duration,
    /// Longest time for one request, from sending to the last byte
    #[arg(long, default_value = "5s", value_parser = parse_duration, value_name = "TIME")]
    pub timeout: std::time::Duration,
    /// Accept any TLS certificate
    #[arg(long, conflicts_with = "ca")]
    pub insecure: bool,
    /// PEM file of the authority that signed the server's certificate
    #[arg(long, value_name = "FILE")]
    pub ca: Option<String>,
    /// Permit a target that is not on this machine; repeatable
    #[arg(long, value_name = "HOST")]
    pub allow_remote: Vec<String>,
    /// Rule that must hold, like 'p99<50ms', 'error-rate<1%', 'victim.hold.p99<20ms'; repeatable
    #[arg(long = "threshold", value_name = "RULE")]
    pub thresholds: Vec<String>,
    /// The run is invalid if the generator itself was later than this (99th percentile)
    #[arg(long, default_value = "10ms", value_parser = parse_duration, value_name = "TIME")]
    pub max_lag: std::time::Duration,
    /// Also write the JSON report to this file
    #[arg(long, value_name = "FILE")]
    pub report: Option<String>,
    /// Print the JSON report instead of the table
    #[arg(long)]
    pub json: bool,
    /// No progress lines
    #[arg(long)]
    pub quiet: bool,
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
