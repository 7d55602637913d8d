//! Names that a runtime binds and names that the reference knows are the same.

use crate::reference::{entries, lookup};
use crate::{Output, Runtime};
use std::collections::HashSet;
use valk_heap::Config;

/// Names that the compiler knows without a global.
const SPECIAL_FORMS: [&str; 7] =
    ["quote", "quasiquote", "unquote", "unquote-splicing", "if", "ctx/with", "ctx/with-deadline"];

/// Families of crates above; tests/suites/reference.rs compares them and runs their examples.
pub(super) const ABOVE: [&str; 10] = [
    "aio",
    "async",
    "combinators",
    "debug",
    "futures",
    "handles",
    "http2",
    "http_api",
    "metrics",
    "sse",
];

fn bound() -> HashSet<String> {
    let runtime = Runtime::new(Config::default(), Output::memory()).expect("a heap");
    let vm = runtime.vm();
    let globals = vm.global_bindings();
    let name = |symbol| String::from_utf8_lossy(vm.heap.symbols().name(symbol)).into_owned();
    globals.into_iter().map(|(symbol, _)| name(symbol)).collect()
}

valk_harness::test! {
    fn every_bound_name_has_an_entry() {
        let names = bound();
        let mut missing: Vec<&String> =
            names.iter().filter(|name| lookup(name).is_none()).collect();
        missing.sort();
        assert!(missing.is_empty(), "no entry in stdlib/reference: {missing:?}");
    }
}

valk_harness::test! {
    fn every_entry_is_of_a_name_that_exists() {
        let names = bound();
        let in_library = |name: &str| valk_stdlib::defining(name).is_some();
        let exists = |name: &str| {
            names.contains(name) || SPECIAL_FORMS.contains(&name) || in_library(name)
        };
        let below = entries().iter().filter(|entry| !ABOVE.contains(&entry.family));
        let unbound: Vec<&str> =
            below.map(|entry| entry.name).filter(|name| !exists(name)).collect();
        assert!(unbound.is_empty(), "entries of nothing: {unbound:?}");
    }
}
