//! The command line of a test binary: everything libtest accepts that makes sense here, and ours.
//!
//! Parsed by us because libtest-mimic ends the process at the first word it does not know. One
//! table names every flag; help text and the hints for rusty-fork come from it.

use std::fmt::Write as _;
use std::path::PathBuf;

use libtest_mimic::{ColorSetting, FormatSetting};

use crate::error::Error;
use crate::ffi;
use crate::random;
use crate::reports::skips::Budget;

/// Further attempts of one test, at most.
pub const RETRIES_MAX: u32 = 100;

/// A flag: names, name of its value if it takes one, and what it does.
struct Flag {
    names: &'static [&'static str],
    value: Option<&'static str>,
    help: &'static str,
}

const fn flag(names: &'static [&'static str], help: &'static str) -> Flag {
    Flag { names, value: None, help }
}

const fn valued(names: &'static [&'static str], value: &'static str, help: &'static str) -> Flag {
    Flag { names, value: Some(value), help }
}

/// Every flag. `[VALUE]` in brackets may be left out.
const FLAGS: &[Flag] = &[
    flag(&["--exact"], "filters must equal the whole name"),
    valued(&["--skip"], "FILTER", "leave out tests whose name contains FILTER (repeatable)"),
    flag(&["--ignored"], "run only tests marked #[ignore = …]"),
    flag(&["--include-ignored"], "run those as well"),
    flag(&["--list"], "list the selected tests and run nothing"),
    valued(&["--test-threads"], "N", "tests in flight at once (default: number of cores)"),
    flag(&["--no-capture", "--nocapture"], "let tests print directly"),
    flag(&["--show-output"], "show the output of passed tests as well"),
    flag(&["--fail-fast"], "start no further test after the first failure"),
    valued(&["--shuffle"], "[SEED]", "run in random order; the seed is printed"),
    valued(&["--seed"], "N", "run seed, from which valk_harness::seed() derives"),
    valued(&["--repeat"], "N", "run every selected test N times"),
    valued(&["--shard"], "I/N", "run the I-th of N parts; a test's part depends on its name only"),
    flag(&["--last-failed"], "run only tests that failed when they last ran; all if none is known"),
    flag(&["--failed-first"], "run those first"),
    valued(&["--retries"], "N", "run a test that fails again, up to N times; a pass is then flaky"),
    flag(&["--no-flaky"], "a flaky test is red (env VALK_TEST_NO_FLAKY=1)"),
    flag(
        &["--list-skips"],
        "list the skips in the source and run nothing (--format json: a line each)",
    ),
    valued(&["--max-skips"], "N", "a run in which more tests are skipped is red"),
    valued(&["--max-broken"], "N", "likewise of tests skipped as broken, with an owner and a day"),
    valued(&["--slowest"], "N", "show the N slowest tests"),
    valued(&["--junit"], "FILE", "write a JUnit report"),
    valued(&["--ledger"], "FILE", "write a ledger: JSON lines, one record per test"),
    flag(&["--allow-empty"], "a run of zero tests is green (env VALK_TEST_ALLOW_EMPTY=1)"),
    valued(&["--format"], "pretty|terse|json", "form of the progress lines"),
    flag(&["--quiet", "-q"], "same as --format terse"),
    valued(&["--color"], "auto|always|never", "colour of the progress lines"),
    valued(&["--logfile"], "FILE", "progress lines go to FILE"),
    flag(&["--bench"], "run benchmarks: there are none here, so nothing runs"),
    flag(&["--test"], "accepted for cargo; tests always run"),
    valued(&["-Z"], "NAME", "accepted for cargo"),
    flag(&["--help", "-h"], "this text"),
];

/// Order of the tests.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Order {
    /// By name.
    #[default]
    Sorted,
    /// Random, decided by the run seed.
    Shuffled,
    /// Random, decided by a seed of its own.
    ShuffledBy(u64),
}

/// The command line, understood.
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own on the command line")]
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Words without a flag: a test is selected if its name matches any of them.
    pub filters: Vec<String>,
    /// Flags that libtest-mimic acts on.
    pub mimic: libtest_mimic::Arguments,
    /// Let tests print directly.
    pub no_capture: bool,
    /// Stop after the first failure.
    pub fail_fast: bool,
    /// Order of the tests.
    pub order: Order,
    /// Run seed.
    pub seed: Option<u64>,
    /// Runs of every test.
    pub repeat: u32,
    /// Part of the tests that runs, from 1, and number of parts.
    pub shard: Option<(u64, u64)>,
    /// Run what failed before only.
    pub last_failed: bool,
    /// Run what failed before first.
    pub failed_first: bool,
    /// Further attempts of a test that fails, whatever the test says.
    pub retries: Option<u32>,
    /// A test that fails and then passes is red.
    pub no_flaky: bool,
    /// List skips and run nothing.
    pub list_skips: bool,
    /// How many skips a run may have.
    pub budget: Budget,
    /// Number of slow tests shown.
    pub slowest: usize,
    /// `JUnit` report.
    pub junit: Option<PathBuf>,
    /// Ledger.
    pub ledger: Option<PathBuf>,
    /// A run of zero tests is green.
    pub allow_empty: bool,
    /// Print the help text only.
    pub help: bool,
}

impl Options {
    /// Reads the words after the program name.
    ///
    /// # Errors
    /// [`Error::Usage`] for unknown flags, missing and malformed values.
    pub fn parse(words: impl IntoIterator<Item = String>) -> Result<Self, Error> {
        let mut options = Self { repeat: 1, ..Self::default() };
        let mut words = words.into_iter();
        while let Some(word) = words.next() {
            if word == "--" {
                options.filters.extend(words.by_ref());
            } else if word.starts_with('-') && word.len() > 1 {
                options.take_flag(&word, &mut words)?;
            } else {
                options.filters.push(word);
            }
        }
        Ok(options)
    }

    fn take_flag(
        &mut self,
        word: &str,
        words: &mut impl Iterator<Item = String>,
    ) -> Result<(), Error> {
        let (name, attached) = match word.split_once('=') {
            Some((name, value)) => (name, Some(value.to_string())),
            None => (word, None),
        };
        let known = FLAGS
            .iter()
            .find(|flag| flag.names.contains(&name))
            .ok_or_else(|| Error::Usage(format!("unknown flag `{name}`.{}", hint(name))))?;
        let value = match (known.value, attached) {
            (None, None) => String::new(),
            (None, Some(value)) => {
                return Err(Error::Usage(format!("{name} takes no value, found `{value}`.")));
            }
            (Some(_), Some(value)) => value,
            (Some(optional), None) if optional.starts_with('[') => String::new(),
            (Some(what), None) => words
                .next()
                .ok_or_else(|| Error::Usage(format!("{name} needs a value: {name} {what}.")))?,
        };
        self.set(known.names[0], value)
    }

    fn set(&mut self, name: &str, value: String) -> Result<(), Error> {
        match name {
            "--exact" => self.mimic.exact = true,
            "--skip" => self.mimic.skip.push(value),
            "--ignored" => self.mimic.ignored = true,
            "--include-ignored" => self.mimic.include_ignored = true,
            "--list" => self.mimic.list = true,
            "--test-threads" => self.mimic.test_threads = Some(positive(name, &value)? as usize),
            "--no-capture" => self.no_capture = true,
            "--show-output" => self.mimic.show_output = true,
            "--fail-fast" => self.fail_fast = true,
            "--shuffle" if value.is_empty() => self.order = Order::Shuffled,
            "--shuffle" => self.order = Order::ShuffledBy(number(name, &value)?),
            "--seed" => self.seed = Some(number(name, &value)?),
            "--repeat" => self.repeat = positive(name, &value)? as u32,
            "--shard" => self.shard = Some(shard(&value)?),
            "--last-failed" => self.last_failed = true,
            "--failed-first" => self.failed_first = true,
            "--retries" => self.retries = Some(retries(&value)?),
            "--no-flaky" => self.no_flaky = true,
            "--list-skips" => self.list_skips = true,
            "--max-skips" => self.budget.skips = Some(number(name, &value)?),
            "--max-broken" => self.budget.broken = Some(number(name, &value)?),
            "--slowest" => self.slowest = number(name, &value)? as usize,
            "--junit" => self.junit = Some(value.into()),
            "--ledger" => self.ledger = Some(value.into()),
            "--allow-empty" => self.allow_empty = true,
            "--format" => self.mimic.format = Some(format_setting(&value)?),
            "--quiet" => self.mimic.quiet = true,
            "--color" => self.mimic.color = Some(color_setting(&value)?),
            "--logfile" => self.mimic.logfile = Some(value),
            "--bench" => self.mimic.bench = true,
            "--help" => self.help = true,
            _ => {} // --test and -Z: accepted, without effect
        }
        Ok(())
    }

    /// Seed of the order, if it is random.
    pub fn shuffle_seed(&self, run_seed: u64) -> Option<u64> {
        match self.order {
            Order::Sorted => None,
            Order::Shuffled => Some(run_seed),
            Order::ShuffledBy(seed) => Some(seed),
        }
    }

    /// Whether the words without a flag, and the shard, select a test.
    pub fn selects(&self, name: &str) -> bool {
        let is_named = self.filters.is_empty()
            || self.filters.iter().any(|filter| {
                if self.mimic.exact { name == filter } else { name.contains(filter.as_str()) }
            });
        let is_here = |(part, parts): (u64, u64)| random::hash(name) % parts == part - 1;
        is_named && self.shard.is_none_or(is_here)
    }
}

fn number(name: &str, value: &str) -> Result<u64, Error> {
    value
        .parse()
        .map_err(|_| Error::Usage(format!("{name} needs a whole number, found `{value}`.")))
}

fn positive(name: &str, value: &str) -> Result<u64, Error> {
    match number(name, value)? {
        0 => Err(Error::Usage(format!("{name} needs at least 1, found 0."))),
        n => Ok(n),
    }
}

/// Number of further attempts.
fn retries(value: &str) -> Result<u32, Error> {
    let number = number("--retries", value)?;
    match u32::try_from(number) {
        Ok(retries) if retries <= RETRIES_MAX => Ok(retries),
        _ => Err(Error::Usage(format!("--retries needs at most {RETRIES_MAX}, found {number}."))),
    }
}

/// `I/N` with I from 1 to N.
fn shard(value: &str) -> Result<(u64, u64), Error> {
    let numbers = value
        .split_once('/')
        .and_then(|(part, parts)| Some((part.parse::<u64>().ok()?, parts.parse::<u64>().ok()?)));
    numbers.filter(|(part, parts)| (1..=*parts).contains(part)).ok_or_else(|| {
        Error::Usage(format!("--shard needs I/N with I from 1 to N, found `{value}`."))
    })
}

fn format_setting(value: &str) -> Result<FormatSetting, Error> {
    match value {
        "pretty" => Ok(FormatSetting::Pretty),
        "terse" => Ok(FormatSetting::Terse),
        "json" => Ok(FormatSetting::Json),
        _ => Err(Error::Usage(format!("--format is pretty, terse or json, found `{value}`."))),
    }
}

fn color_setting(value: &str) -> Result<ColorSetting, Error> {
    match value {
        "auto" => Ok(ColorSetting::Auto),
        "always" => Ok(ColorSetting::Always),
        "never" => Ok(ColorSetting::Never),
        _ => Err(Error::Usage(format!("--color is auto, always or never, found `{value}`."))),
    }
}

/// The known flag that starts like the unknown one.
fn hint(unknown: &str) -> String {
    let start: String = unknown.chars().take(5).collect();
    FLAGS
        .iter()
        .flat_map(|flag| flag.names)
        .find(|name| unknown.len() > 2 && name.starts_with(&start))
        .map_or_else(String::new, |name| format!(" Did you mean `{name}`?"))
}

/// The text of `--help`.
pub fn help() -> String {
    let mut text = String::from(
        "Runs the tests of this binary, each in a forked process of its own.\n\n\
         USAGE: [FLAGS] [FILTER]...\n\n\
         A test runs if its name contains any FILTER; without one, all run. A run in which no\n\
         test is selected is red.\n\nFLAGS\n",
    );
    for flag in FLAGS {
        let value = flag.value.map_or_else(String::new, |value| match value.strip_prefix('[') {
            Some(_) => value.replacen('[', "[=", 1),
            None => format!(" {value}"),
        });
        let left = format!("{}{value}", flag.names.join(", "));
        let _ = writeln!(text, "  {left:<34} {}", flag.help);
    }
    text.push_str(
        "\nENVIRONMENT\n  \
         VALK_TEST_LEDGER_DIR, VALK_TEST_JUNIT_DIR   every binary adds its report there\n  \
         VALK_TEST_TIMEOUT_SECONDS                   limit of tests without #[timeout_ms] (60)\n  \
         VALK_TEST_TIME_SCALE                        factor on all limits, for slow builds\n  \
         VALK_TEST_SEED, VALK_TEST_ALLOW_EMPTY       as --seed and --allow-empty\n  \
         VALK_TEST_RETRIES, VALK_TEST_NO_FLAKY       as --retries (tests without #[retries]), --no-flaky\n  \
         VALK_TEST_TODAY                             day that #[until] is compared with (the clock's)\n  \
         VALK_TEST_STATE_DIR                         where failed tests are remembered\n  \
         VALK_TEST_NO_FORK                           run in this process (Miri, debuggers)\n  \
         VALK_UPDATE_SNAPSHOTS=1                     store changed snapshots\n\n\
         EXIT STATUS\n  \
         0 green; 101 a test is red or the run cannot be trusted; 4 no test was selected;\n  \
         2 wrong command line or test definitions.\n",
    );
    text
}

/// Tells rusty-fork which of our flags to leave out of the fresh process's arguments.
///
/// Call in a forked test only: it changes the environment.
pub fn announce_flags_to_rusty_fork() {
    for flag in FLAGS {
        let treatment = match flag.value {
            Some(value) if !value.starts_with('[') => "drop-arg",
            _ => "drop",
        };
        for name in flag.names {
            let name = name.trim_start_matches('-').to_uppercase().replace('-', "_");
            ffi::set_env(&format!("RUSTY_FORK_FLAG_{name}"), treatment);
        }
    }
}
