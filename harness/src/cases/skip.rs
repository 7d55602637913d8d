//! Skips: the closed catalogue of reasons that may excuse a test, and the host facts they rest on.
//!
//! 1. An *expected* skip names a [`SkipCode`]; the code's predicate over host facts must hold,
//!    otherwise the skip is *stale* and the run is red.
//! 2. A *broken* skip (a known defect) turns the run red, unless the test has an owner and a day until
//!    which that is accepted: then it is *owed*. After its day a skip of any kind is *expired*, and red.
//! 3. Every skip has a reason, and every output contains it.
//!
//! Skipping unwinds with a private payload, so destructors of the test run.

use std::path::PathBuf;
use std::sync::OnceLock;

use serde_json::{Value, json};

use super::debt::{Day, Debt};
use crate::ffi;

/// Why a test may be left out on this host; the catalogue is closed on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SkipCode {
    /// The test needs the superuser.
    NeedsRoot,
    /// The test needs to create a network namespace of its own.
    NeedsNetworkNamespace,
    /// The test needs at least so many processor cores.
    NeedsCores(usize),
    /// The test needs this operating system (`linux`, `macos`, …).
    NeedsPlatform(&'static str),
    /// The test needs this program on `PATH`.
    ToolMissing(&'static str),
    /// The test needs IPv6 on the loopback interface.
    NeedsIpv6,
    /// The test measures speed and is meaningless without optimisation.
    NeedsReleaseBuild,
    /// The test is meaningless or too slow when coverage counters are compiled in.
    CoverageBuild,
    /// The test runs only on request: when this environment variable is set.
    NotRequested(&'static str),
}

impl SkipCode {
    /// Stable name in reports; a parameter follows in parentheses.
    pub fn name(self) -> String {
        match self {
            Self::NeedsRoot => "needs-root".into(),
            Self::NeedsNetworkNamespace => "needs-network-namespace".into(),
            Self::NeedsCores(n) => format!("needs-cores({n})"),
            Self::NeedsPlatform(os) => format!("not-on-this-platform({os})"),
            Self::ToolMissing(tool) => format!("tool-missing({tool})"),
            Self::NeedsIpv6 => "needs-ipv6".into(),
            Self::NeedsReleaseBuild => "needs-release-build".into(),
            Self::CoverageBuild => "coverage-build".into(),
            Self::NotRequested(variable) => format!("not-requested({variable})"),
        }
    }

    /// Whether the code applies to this host, so that the skip is an expected one.
    pub fn holds(self) -> bool {
        match self {
            Self::NeedsRoot => !ffi::is_root(),
            Self::NeedsNetworkNamespace => !network_namespace_works(),
            Self::NeedsCores(n) => cores() < n,
            Self::NeedsPlatform(os) => std::env::consts::OS != os,
            Self::ToolMissing(tool) => find_tool(tool).is_none(),
            Self::NeedsIpv6 => std::net::TcpListener::bind("[::1]:0").is_err(),
            Self::NeedsReleaseBuild => cfg!(debug_assertions),
            Self::CoverageBuild => coverage_build(),
            Self::NotRequested(variable) => std::env::var_os(variable).is_none(),
        }
    }

    /// The host fact that [`SkipCode::holds`] looks at, in words.
    pub fn fact(self) -> String {
        match self {
            Self::NeedsRoot => format!("root = {}", ffi::is_root()),
            Self::NeedsNetworkNamespace => {
                format!("network namespaces work = {}", network_namespace_works())
            }
            Self::NeedsCores(_) => format!("cores = {}", cores()),
            Self::NeedsPlatform(_) => format!("platform = {}", std::env::consts::OS),
            Self::ToolMissing(tool) => match find_tool(tool) {
                Some(path) => format!("`{tool}` is {}", path.display()),
                None => format!("`{tool}` is not on PATH"),
            },
            Self::NeedsIpv6 => format!("IPv6 loopback missing = {}", self.holds()),
            Self::NeedsReleaseBuild => {
                format!("debug assertions = {}", cfg!(debug_assertions))
            }
            Self::CoverageBuild => format!("coverage build = {}", coverage_build()),
            Self::NotRequested(variable) => {
                format!("{variable} is set = {}", std::env::var_os(variable).is_some())
            }
        }
    }
}

/// The facts that every ledger header records, so that skips can be judged again later.
pub fn host_facts() -> Value {
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    json!({
        "os": std::env::consts::OS,
        "arch": std::env::consts::ARCH,
        "kernel": kernel.trim(),
        "cores": cores(),
        "root": ffi::is_root(),
        "debug_assertions": cfg!(debug_assertions),
        "coverage": coverage_build(),
    })
}

/// A skip fixed in the source: `#[skip = expected(CODE, "reason")]` or
/// `#[skip = broken("id", "reason")]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StaticSkip {
    /// Not applicable on some hosts; the predicate is checked.
    Expected(SkipCode, &'static str),
    /// Does not work: an identifier of the defect, and the reason.
    Broken(&'static str, &'static str),
}

/// A skip as decided: class, code and reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skip {
    /// Whether the code applies to the host.
    pub class: SkipClass,
    /// Catalogue name, or the identifier of the defect.
    pub code: String,
    /// Reason in the words of the author; stale and expired skips add what contradicts it.
    pub reason: String,
    /// Who is to mend it; empty if nobody is named.
    pub owner: String,
    /// The last day on which it is accepted; empty without one.
    pub until: String,
}

/// The kinds of skip.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SkipClass {
    /// The predicate holds: green.
    Expected,
    /// A known defect: red.
    Broken,
    /// The predicate does not hold on this host: red.
    Stale,
    /// A known defect with an owner and a day that has not passed: green.
    Owed,
    /// The day until which the skip was accepted has passed: red.
    Expired,
}

impl Skip {
    /// Judges an expected skip by its predicate.
    pub fn expected(code: SkipCode, reason: &str) -> Self {
        if code.holds() {
            return Self::of(SkipClass::Expected, code.name(), reason.into());
        }
        let reason = format!("{reason} - but on this host {}", code.fact());
        Self::of(SkipClass::Stale, code.name(), reason)
    }

    /// A skip of a test that names no owner and no day.
    pub fn of(class: SkipClass, code: String, reason: String) -> Self {
        Self { class, code, reason, owner: String::new(), until: String::new() }
    }

    /// The skip with what its test says about owner and day (rule 2).
    #[must_use]
    pub fn with_debt(mut self, debt: &Debt, today: Day) -> Self {
        self.owner = debt.owner.unwrap_or_default().into();
        self.until = debt.until.map(|day| day.to_string()).unwrap_or_default();
        let has_passed = debt.until.is_some_and(|day| day < today);
        match (self.class, debt.until) {
            (SkipClass::Expected | SkipClass::Broken, Some(day)) if has_passed => {
                self.class = SkipClass::Expired;
                let days = today.number() - day.number();
                self.reason = format!(
                    "{} - but this was accepted until {day} only, and today is {today}, {days} days \
                     later: mend the test, or agree on another day",
                    self.reason
                );
            }
            (SkipClass::Broken, Some(_)) if debt.owner.is_some() => self.class = SkipClass::Owed,
            _ => {}
        }
        self
    }

    /// A defect that hides a test.
    pub fn broken(code: &str, reason: &str) -> Self {
        Self::of(SkipClass::Broken, code.into(), reason.into())
    }

    /// Decides a skip written in the source.
    pub fn from_static(skip: StaticSkip) -> Self {
        match skip {
            StaticSkip::Expected(code, reason) => Self::expected(code, reason),
            StaticSkip::Broken(code, reason) => Self::broken(code, reason),
        }
    }
}

/// Leaves the running test: not applicable on this host, which `code` must confirm.
pub fn skip_expected(code: SkipCode, reason: &str) -> ! {
    // Not `panic_any`: the panic hook would report a failure that is none.
    std::panic::resume_unwind(Box::new(Skip::expected(code, reason)))
}

/// Leaves the running test: it does not work. The run turns red and names code and reason, unless the
/// test has an owner and a day that has not passed.
pub fn skip_broken(code: &str, reason: &str) -> ! {
    std::panic::resume_unwind(Box::new(Skip::broken(code, reason)))
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, Into::into)
}

fn coverage_build() -> bool {
    cfg!(coverage_nightly)
}

fn find_tool(tool: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|directory| directory.join(tool)).find(|file| file.is_file())
}

/// Makes a network namespace once, with the tool that would use it: sysctl values are wrong in
/// containers.
fn network_namespace_works() -> bool {
    static WORKS: OnceLock<bool> = OnceLock::new();
    *WORKS.get_or_init(|| {
        std::process::Command::new("unshare")
            .args(["--map-root-user", "--net", "true"])
            .stdin(std::process::Stdio::null())
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
    })
}
