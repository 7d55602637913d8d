//! Command line of the runner.

use crate::model::Set;

/// Text for `--help`.
pub const HELP: &str = "\
usage: ci/loom [OPTIONS] [FILTER]...

Explores the loom models whose names contain one of the FILTERs, each in its own process.

  --list             print the models and stop
  --set SET          pull (default), nightly, or all; a FILTER selects from all
  --jobs N           processes at a time; default: the number of processors
  --fail-fast        start no further model after a violation
  --bless            write the counts found to models.toml and print the differences
  --ignore-counts    do not compare counts; for ci/loom-mutants
  --locations        have loom name source lines in its reports (slow)
  --json             one JSON object per model on standard output
";

/// What is to be done with the selected models.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    Help,
    List,
    Explore,
}

/// What is to be done with the execution counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CountPolicy {
    /// A difference from the file is a failure.
    Compare,
    /// The file is rewritten.
    Bless,
    /// Nothing.
    Ignore,
}

/// What the command line asks for.
#[derive(Debug)]
pub struct Options {
    pub action: Action,
    pub counts: CountPolicy,
    /// `None`: every set.
    pub set: Option<Set>,
    pub jobs: usize,
    pub fail_fast: bool,
    pub locations: bool,
    pub json: bool,
    pub filters: Vec<String>,
    /// In a child: the model to explore and the parent's nonce.
    pub child: Option<(String, String)>,
}

impl Options {
    /// Reads the arguments after the program's name.
    pub fn parse(args: impl IntoIterator<Item = String>) -> Result<Self, String> {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let mut set = None;
        let mut options = Self {
            action: Action::Explore,
            counts: CountPolicy::Compare,
            set: None,
            jobs: processors,
            fail_fast: false,
            locations: false,
            json: false,
            filters: Vec::new(),
            child: None,
        };
        let mut args = args.into_iter();
        while let Some(arg) = args.next() {
            let mut value =
                || args.next().ok_or_else(|| format!("{arg} needs a value; see --help"));
            match arg.as_str() {
                "--list" => options.action = Action::List,
                "--help" | "-h" => options.action = Action::Help,
                "--fail-fast" => options.fail_fast = true,
                "--bless" => options.counts = CountPolicy::Bless,
                "--ignore-counts" => options.counts = CountPolicy::Ignore,
                "--locations" => options.locations = true,
                "--json" => options.json = true,
                "--set" => set = Some(Self::parse_set(&value()?)?),
                "--jobs" => options.jobs = Self::parse_jobs(&value()?)?,
                "--child" => options.child = Some((value()?, value()?)),
                flag if flag.starts_with('-') => {
                    return Err(format!("unknown option {flag}; see --help"));
                }
                filter => options.filters.push(filter.to_owned()),
            }
        }
        let default = if options.filters.is_empty() { Some(Set::Pull) } else { None };
        options.set = set.unwrap_or(default);
        Ok(options)
    }

    fn parse_set(name: &str) -> Result<Option<Set>, String> {
        match name {
            "pull" => Ok(Some(Set::Pull)),
            "nightly" => Ok(Some(Set::Nightly)),
            "all" => Ok(None),
            other => Err(format!("--set {other}: expected pull, nightly or all")),
        }
    }

    fn parse_jobs(text: &str) -> Result<usize, String> {
        match text.parse() {
            Ok(jobs) if jobs > 0 => Ok(jobs),
            _ => Err(format!("--jobs {text}: expected a number of at least 1")),
        }
    }

    /// Whether the command line selects a model of this name and set.
    pub fn selects(&self, name: &str, set: Set) -> bool {
        let by_name =
            self.filters.is_empty() || self.filters.iter().any(|f| name.contains(f.as_str()));
        by_name && self.set.is_none_or(|wanted| wanted == set)
    }
}
