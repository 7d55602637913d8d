//! Test definitions: what the macros register, how names are made, and the complete sorted list.
//!
//! 1. Names are `module::name` or `module::name/case`: the module path without the crate and
//!    without `tests` segments. They are unique within a binary; two equal names are an error.
//! 2. Collecting is pure, fast and deterministic: the exec isolation class and `--list` repeat it
//!    in other processes and must find the same list.
//!
//! Does not know how a test is run.

use std::sync::Arc;

use super::debt::{Day, Debt};
use super::fixture::SessionFixture;
use super::skip::{SkipCode, StaticSkip};
use crate::error::Error;

/// Where the body of a test runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Isolation {
    /// A forked child of the zygote: own process, output, time limit. The default.
    #[default]
    Fork,
    /// A worker thread of the runner: no time limit, no capture, a crash ends the run.
    InProcess,
    /// A freshly started process of the same binary: nothing inherited, not even fixtures.
    Exec,
}

impl Isolation {
    /// Name in the ledger.
    pub fn name(self) -> &'static str {
        match self {
            Self::Fork => "fork",
            Self::InProcess => "in-process",
            Self::Exec => "exec",
        }
    }
}

/// Fixtures or requirements one test may name.
const MAX_PER_TEST: usize = 4;

/// Everything a test declares about itself; the macros build it from `#[key = value]` lines.
#[derive(Clone, Copy)]
pub struct Attributes {
    /// Time limit in milliseconds; the run's default without one.
    pub timeout_ms: Option<u64>,
    /// Where the body runs.
    pub isolation: Isolation,
    /// Further attempts after a failure; those of the run without a number.
    pub retries: Option<u32>,
    /// Skip fixed in the source.
    pub skip: Option<StaticSkip>,
    /// The body must panic, with a message that contains this.
    pub should_panic: Option<&'static str>,
    /// Off unless `--ignored` or `--include-ignored` asks for it; with the reason.
    pub ignore: Option<&'static str>,
    /// Who is to mend a test that is skipped, and until when the skip is accepted.
    pub debt: Debt,
    requirements: [Option<SkipCode>; MAX_PER_TEST],
    fixtures: [Option<&'static dyn SessionFixture>; MAX_PER_TEST],
}

impl Default for Attributes {
    fn default() -> Self {
        Self::new()
    }
}

impl Attributes {
    /// A forked test with the default time limit.
    pub const fn new() -> Self {
        Self {
            timeout_ms: None,
            isolation: Isolation::Fork,
            retries: None,
            skip: None,
            should_panic: None,
            ignore: None,
            debt: Debt { owner: None, until: None },
            requirements: [None; MAX_PER_TEST],
            fixtures: [None; MAX_PER_TEST],
        }
    }

    /// `#[timeout_ms = N]`
    #[must_use]
    pub const fn timeout_ms(mut self, limit: u64) -> Self {
        self.timeout_ms = Some(limit);
        self
    }

    /// `#[isolation = Fork | InProcess | Exec]`
    #[must_use]
    pub const fn isolation(mut self, isolation: Isolation) -> Self {
        self.isolation = isolation;
        self
    }

    /// `#[retries = N]`: a test that fails runs again, up to N times; never one in the runner's process.
    #[must_use]
    pub const fn retries(mut self, retries: u32) -> Self {
        self.retries = Some(retries);
        self
    }

    /// `#[skip = expected(CODE, "reason")]` or `#[skip = broken("id", "reason")]`
    #[must_use]
    pub const fn skip(mut self, skip: StaticSkip) -> Self {
        self.skip = Some(skip);
        self
    }

    /// `#[ignore = "reason"]`
    #[must_use]
    pub const fn ignore(mut self, reason: &'static str) -> Self {
        self.ignore = Some(reason);
        self
    }

    /// `#[owner = "name"]`: who is to mend the test, if it is skipped.
    #[must_use]
    pub const fn owner(mut self, name: &'static str) -> Self {
        self.debt.owner = Some(name);
        self
    }

    /// `#[until = "2027-01-31"]`: the last day on which a skip of the test is accepted, of any kind.
    ///
    /// # Panics
    /// The text is no day of that form; in a constant that does not compile.
    #[must_use]
    pub const fn until(mut self, day: &str) -> Self {
        let Some(day) = Day::parse(day) else {
            panic!("#[until = \"…\"] needs a day that exists, such as \"2027-01-31\"");
        };
        self.debt.until = Some(day);
        self
    }

    /// `#[should_panic(expected = "part of the message")]`; an empty part fits every message.
    #[must_use]
    pub const fn should_panic(mut self, part: &'static str) -> Self {
        self.should_panic = Some(part);
        self
    }

    /// `#[require = CODE]`: runs where the host can, is an expected skip where it cannot.
    #[must_use]
    pub const fn require(mut self, code: SkipCode) -> Self {
        let mut at = 0;
        while self.requirements[at].is_some() {
            at += 1; // one too many fails to compile: index out of range in a constant
        }
        self.requirements[at] = Some(code);
        self
    }

    /// `#[fixture = NAME]`: the fixture is built before the test is forked.
    #[must_use]
    pub const fn fixture(mut self, fixture: &'static dyn SessionFixture) -> Self {
        let mut at = 0;
        while self.fixtures[at].is_some() {
            at += 1;
        }
        self.fixtures[at] = Some(fixture);
        self
    }

    /// Requirements in the order they were written.
    pub fn requirements(&self) -> impl Iterator<Item = SkipCode> {
        self.requirements.iter().copied().flatten()
    }

    /// Fixtures in the order they were written.
    pub fn fixtures(&self) -> impl Iterator<Item = &'static dyn SessionFixture> {
        self.fixtures.iter().copied().flatten()
    }
}

/// The code of a test; a panic is a failure.
#[derive(Clone)]
pub enum Body {
    /// Written with a macro.
    Function(fn()),
    /// Made by a provider.
    Closure(Arc<dyn Fn() + Send + Sync>),
}

/// One test.
#[derive(Clone)]
pub struct TestDefinition {
    /// Unique name within the binary.
    pub name: String,
    /// Source file of the definition, or the data file it was made from.
    pub file: String,
    /// Line in `file`; 0 if the whole file is the test.
    pub line: u32,
    /// What the test declares about itself.
    pub attributes: Attributes,
    /// What it does.
    pub body: Body,
}

impl TestDefinition {
    /// A test made at start-up by a provider; the provider's module is put before `name`.
    pub fn new(name: impl Into<String>, body: impl Fn() + Send + Sync + 'static) -> Self {
        Self {
            name: name.into(),
            file: String::new(),
            line: 0,
            attributes: Attributes::new(),
            body: Body::Closure(Arc::new(body)),
        }
    }

    /// Names the data file (and line, or 0) that the test was made from.
    #[must_use]
    pub fn at(mut self, file: impl Into<String>, line: u32) -> Self {
        self.file = file.into();
        self.line = line;
        self
    }

    /// Replaces the attributes.
    #[must_use]
    pub fn with(mut self, attributes: Attributes) -> Self {
        self.attributes = attributes;
        self
    }
}

/// What a macro leaves for the runner; collected by `inventory`.
pub struct Registration {
    /// `module_path!()` of the caller.
    pub module: &'static str,
    /// `file!()` of the caller.
    pub file: &'static str,
    /// Line of the test's name.
    pub line: u32,
    /// The tests themselves.
    pub tests: Registered,
    /// What cargo said about the target when it was compiled.
    pub target: BuildTarget,
}

/// What cargo tells the compiler about the target that a test belongs to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct BuildTarget {
    /// `CARGO_BIN_NAME`: set for programs and examples.
    pub binary: Option<&'static str>,
    /// `CARGO_TARGET_TMPDIR`: set for integration tests and benchmarks.
    pub temporary_directory: Option<&'static str>,
}

/// Tests behind one registration.
pub enum Registered {
    /// `test!`
    Single {
        /// Function name.
        name: &'static str,
        /// Declared attributes.
        attributes: Attributes,
        /// The body.
        body: fn(),
    },
    /// `cases!` with cases in the source: labels and lazily evaluated calls.
    Cases {
        /// Function name.
        name: &'static str,
        /// Declared attributes, the same for every case.
        attributes: Attributes,
        /// Label and call of each case.
        cases: &'static [(&'static str, fn())],
    },
    /// `cases! … in` and `dynamic!`: names are known at start-up only.
    Provider(fn() -> Vec<TestDefinition>),
}
inventory::collect!(Registration);

/// The target that the tests of this binary were compiled for.
pub fn build_target() -> BuildTarget {
    inventory::iter::<Registration>().next().map_or_else(BuildTarget::default, |one| one.target)
}

/// Every test of this binary, sorted by name.
///
/// # Errors
/// [`Error::DuplicateName`] if two tests have one name, [`Error::BadName`] for a name that cannot be
/// printed or looks like a flag, [`Error::NoTests`] for a provider or `cases!` that is empty.
pub fn collect() -> Result<Vec<TestDefinition>, Error> {
    let mut all = Vec::new();
    for registration in inventory::iter::<Registration>() {
        let mut tests = expand(registration);
        if tests.is_empty() {
            let at = format!("{}:{}", registration.file, registration.line);
            return Err(Error::NoTests { at });
        }
        all.append(&mut tests);
    }
    all.sort_by(|a, b| a.name.cmp(&b.name));
    check_names(&all)?;
    Ok(all)
}

/// Rule 1 for a sorted list.
pub(crate) fn check_names(sorted: &[TestDefinition]) -> Result<(), Error> {
    if let Some(bad) = sorted.iter().find(|test| {
        test.name.is_empty() || test.name.starts_with('-') || test.name.contains(char::is_control)
    }) {
        return Err(Error::BadName { name: bad.name.clone(), at: place(bad) });
    }
    match sorted.windows(2).find(|pair| pair[0].name == pair[1].name) {
        Some([first, second]) => Err(Error::DuplicateName {
            name: first.name.clone(),
            first: place(first),
            second: place(second),
        }),
        _ => Ok(()),
    }
}

fn place(test: &TestDefinition) -> String {
    format!("{}:{}", test.file, test.line)
}

/// The definitions behind one registration, with full names.
pub(crate) fn expand(registration: &Registration) -> Vec<TestDefinition> {
    let full = |name: &str| full_name(registration.module, name);
    let define = |name: String, attributes: &Attributes, body: fn()| TestDefinition {
        name,
        file: registration.file.into(),
        line: registration.line,
        attributes: *attributes,
        body: Body::Function(body),
    };
    match &registration.tests {
        Registered::Single { name, attributes, body } => {
            vec![define(full(name), attributes, *body)]
        }
        Registered::Cases { name, attributes, cases } => cases
            .iter()
            .map(|(label, body)| define(full(&format!("{name}/{label}")), attributes, *body))
            .collect(),
        Registered::Provider(provide) => provide()
            .into_iter()
            .map(|mut test| {
                test.name = full(&test.name);
                if test.file.is_empty() {
                    (test.file, test.line) = (registration.file.into(), registration.line);
                }
                test
            })
            .collect(),
    }
}

/// `crate::a::tests::b` and `name` give `a::b::name`.
pub(crate) fn full_name(module: &str, name: &str) -> String {
    let mut full = String::new();
    for segment in module.split("::").skip(1).filter(|segment| *segment != "tests") {
        full.push_str(segment);
        full.push_str("::");
    }
    full + name
}
