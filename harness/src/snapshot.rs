//! Snapshots: the only door to insta.
//!
//! 1. Names are explicit: test, then label. insta's own names come from the enclosing function and
//!    depend on the order of execution.
//! 2. Nothing is written unless `VALK_UPDATE_SNAPSHOTS=1`; a missing snapshot is a failure that
//!    says how to accept it.
//! 3. What changes from run to run is replaced before comparing, by the filters that a snapshot names
//!    itself: a filter that is not wanted would make different values equal. Only the test's own
//!    `TMPDIR` is always replaced.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use crate::ffi;
use crate::random;

/// Set to `1` to store snapshots instead of comparing them.
pub const UPDATE_VARIABLE: &str = "VALK_UPDATE_SNAPSHOTS";

/// A pattern (a regular expression) and what takes its place; `$1` stands for the first group.
pub type Filter<'a> = (&'a str, &'a str);

/// Filters for what often differs from run to run.
pub mod filters {
    use super::Filter;

    /// Hexadecimal numbers of five and more digits.
    pub const ADDRESSES: Filter<'static> = (r"0x[0-9a-fA-F]{5,16}\b", "[address]");
    /// Ports of the loopback.
    pub const PORTS: Filter<'static> =
        (r"\b(127\.0\.0\.1|\[::1\]|localhost):\d{2,5}\b", "$1:[port]");
    /// Dates with times of day.
    pub const TIMESTAMPS: Filter<'static> =
        (r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z?", "[timestamp]");
    /// Durations in units below a second.
    pub const TIMES: Filter<'static> =
        (r"\b\d+(\.\d+)?(\s?(ns|us|µs|ms)\b|\((ns|us|µs|ms)\))", "[time]");
}

/// The directory of the running test.
const SCRATCH: Filter<'static> = (r"/[^\s:]*/valk-test-[0-9a-f-]+/[0-9a-f-]+", "[tmp]");

/// Compares `value` with snapshot `label` of test `test` in `manifest_dir/tests/snapshots`.
///
/// # Panics
/// If they differ, or if there is no such snapshot.
#[track_caller]
pub fn assert_snapshot(
    manifest_dir: &str,
    test: &str,
    label: &str,
    value: &str,
    filters: &[Filter<'_>],
) {
    snapshot(&Path::new(manifest_dir).join("tests/snapshots"), test, label, value, filters);
}

/// The same with the directory of the snapshots named.
///
/// # Panics
/// If they differ, or if there is no such snapshot.
#[track_caller]
pub fn snapshot(directory: &Path, test: &str, label: &str, value: &str, filters: &[Filter<'_>]) {
    let name = file_stem(test, label);
    let path = directory.join(format!("{name}.snap"));
    let accept = format!("accept it with {UPDATE_VARIABLE}=1 and the test's rerun command");
    assert!(
        path.exists() || updating(),
        "there is no snapshot {}; {accept}. The value is:\n{value}",
        path.display()
    );
    let mut settings = insta::Settings::new();
    settings.set_snapshot_path(directory);
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.set_description(format!("{test} {label}"));
    for (pattern, replacement) in filters.iter().chain([&SCRATCH]) {
        settings.add_filter(pattern, *replacement);
    }
    let compare = || settings.bind(|| insta::assert_snapshot!(name.as_str(), value));
    assert!(
        catch_unwind(AssertUnwindSafe(compare)).is_ok(),
        "snapshot {} differs, see the difference in stdout; {accept}",
        path.display()
    );
}

/// `module__name.label`, and a hash where characters had to be replaced.
pub(crate) fn file_stem(test: &str, label: &str) -> String {
    let full = format!("{}.{label}", test.replace("::", "__"));
    let safe = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    if full.chars().all(safe) && !full.starts_with('.') {
        return full;
    }
    let replaced: String = full.chars().map(|c| if safe(c) { c } else { '-' }).collect();
    format!("{}-{:08x}", replaced.trim_start_matches('.'), random::hash(&full) as u32)
}

fn updating() -> bool {
    std::env::var(UPDATE_VARIABLE).is_ok_and(|value| value == "1")
}

/// Rule 2, in insta's terms. Call in `main`, before threads and forks.
pub(crate) fn configure() {
    ffi::set_env("INSTA_UPDATE", if updating() { "always" } else { "no" });
    ffi::set_env("INSTA_OUTPUT", "diff");
    // Snapshot directories are absolute; without this insta starts `cargo metadata` in each test.
    ffi::set_env("INSTA_WORKSPACE_ROOT", ".");
    for variable in ["INSTA_FORCE_PASS", "INSTA_FORCE_UPDATE", "INSTA_FORCE_UPDATE_SNAPSHOTS"] {
        ffi::remove_env(variable);
    }
}
