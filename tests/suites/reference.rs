//! The reference against a whole session: names and examples of the families above the language.

use std::collections::HashSet;
use valk_aio::Executor;
use valk_heap::Config;
use valk_lang::reference::{entries, lookup};
use valk_lang::{Output, Runtime};
use valk_stdlib::{MODULES, defining, definitions};

/// Families whose names other crates bind; the rest is checked beside the language.
const ABOVE: [&str; 7] = ["aio", "async", "combinators", "futures", "handles", "http2", "metrics"];

fn language() -> Runtime {
    let config = Config { mutators_max: 2, ..Config::default() };
    Runtime::new(config, Output::memory()).expect("a heap")
}

/// A runtime with everything that the command binds.
pub(crate) fn session() -> Runtime {
    let runtime = language();
    valk_aio::register(&runtime.vm);
    valk_web::register(&runtime.vm);
    runtime
}

fn bound(runtime: &Runtime) -> HashSet<String> {
    let vm = runtime.vm();
    let globals = vm.global_bindings();
    let name = |symbol| String::from_utf8_lossy(vm.heap.symbols().name(symbol)).into_owned();
    // No program can write a name with a space in it; such names are steps of other builtins.
    globals.into_iter().map(|(symbol, _)| name(symbol)).filter(|name| !name.contains(' ')).collect()
}

valk_harness::test! {
    fn names_of_a_session_and_of_the_reference_are_the_same() {
        let below = bound(&language());
        let all = bound(&session());
        let added: Vec<&String> = all.difference(&below).collect();
        assert!(added.len() > 10, "the crates above bind names: {added:?}");
        let missing: Vec<&&String> = added.iter().filter(|name| lookup(name).is_none()).collect();
        assert!(missing.is_empty(), "no entry in stdlib/reference: {missing:?}");
        let above = entries().iter().filter(|entry| ABOVE.contains(&entry.family));
        let exists = |name: &str| all.contains(name) || defining(name).is_some();
        let unbound: Vec<&str> =
            above.map(|entry| entry.name).filter(|name| !exists(name)).collect();
        assert!(unbound.is_empty(), "entries of nothing: {unbound:?}");
    }
}

valk_harness::test! {
    fn what_library_modules_define_is_described() {
        let modules = MODULES.iter().filter(|module| !module.preloaded);
        // The last part of a name that is not for programs begins with `_`.
        let is_public = |name: &str| !name.rsplit('/').next().unwrap_or(name).starts_with('_');
        let public = modules.flat_map(definitions).filter(|name| is_public(name));
        let missing: Vec<&str> = public.filter(|name| lookup(name).is_none()).collect();
        assert!(missing.is_empty(), "no entry in stdlib/reference: {missing:?}");
    }
}

valk_harness::test! {
    fn examples_of_the_families_above_give_what_the_reference_says() {
        let mut checked = 0;
        for entry in entries().iter().filter(|entry| ABOVE.contains(&entry.family)) {
            for example in &entry.examples {
                let mut runtime = session();
                let mut executor = Executor::new(&runtime.vm).expect("an event loop");
                let code = format!("(print {})", example.code);
                let _ = runtime.run_text("example", code.as_bytes(), &mut executor);
                let printed = String::from_utf8_lossy(&runtime.take_output()).into_owned();
                let place = format!("stdlib/reference/{}.txt:{}", entry.family, example.line);
                assert_eq!(printed.trim_end_matches('\n'), example.value, "{place}");
                checked += 1;
            }
        }
        assert!(checked > 5, "the families have examples: {checked}");
    }
}
