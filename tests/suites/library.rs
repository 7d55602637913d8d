//! The standard library as programs see it: every name resolves without an import, modules are found
//! by the paths of older programs, and loading one twice changes nothing.

use crate::reference::session;
use std::collections::BTreeSet;
use valk_aio::Executor;
use valk_lang::{Ran, Runtime};
use valk_stdlib::{MODULES, PATHS};

/// The names that have to resolve, one a line.
const NAMES: &str = include_str!("names.txt");

/// Those that do not yet: since when, and what they wait for. The list only ever shrinks.
const PENDING: &str = include_str!("names-pending.txt");

/// Names that the compiler knows without a variable.
const SPECIAL_FORMS: [&str; 7] =
    ["quote", "quasiquote", "unquote", "unquote-splicing", "if", "ctx/with", "ctx/with-deadline"];

fn lines(text: &'static str) -> impl Iterator<Item = &'static str> {
    text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'))
}

/// Runs a program in a new session; what it printed.
fn printed(runtime: &mut Runtime, program: &str) -> String {
    let mut executor = Executor::new(&runtime.vm).expect("an event loop");
    let ran = runtime.run_text("program", program.as_bytes(), &mut executor);
    assert!(matches!(ran, Ran::Value(_)), "{program}");
    String::from_utf8_lossy(&runtime.take_output()).into_owned()
}

/// The names of these that are bound to nothing in a program that mentions them.
fn unresolved<'n>(names: &[&'n str]) -> BTreeSet<&'n str> {
    let mut runtime = session();
    let probe = |name: &&str| {
        let unbound = format!("LEnv: Symbol `{name}` is not bound").replace('\\', "\\\\");
        format!(
            "(= {{found}} {name})\n\
             (print (if (error? found) {{== (error/message found) \"{unbound}\"}} {{0}}))\n"
        )
    };
    let program: String = names.iter().map(probe).collect();
    let answers = printed(&mut runtime, &program);
    assert_eq!(answers.lines().count(), names.len(), "an answer for each name");
    names
        .iter()
        .zip(answers.lines())
        .filter(|(_, answer)| *answer == "1")
        .map(|(n, _)| *n)
        .collect()
}

valk_harness::test! {
    fn every_name_resolves_or_is_known_to_be_pending() {
        let names: Vec<&str> = lines(NAMES).filter(|name| !SPECIAL_FORMS.contains(name)).collect();
        assert!(names.len() > 300, "the list is there: {}", names.len());
        let unresolved = unresolved(&names);
        let pending: BTreeSet<&str> =
            lines(PENDING).map(|line| line.split(' ').next().unwrap_or(line)).collect();
        let lost: Vec<_> = unresolved.difference(&pending).collect();
        assert!(lost.is_empty(), "bound to nothing: {lost:?}");
        let made: Vec<_> = pending.difference(&unresolved).collect();
        assert!(made.is_empty(), "these resolve; take them off names-pending.txt: {made:?}");
    }
}

valk_harness::test! {
    fn a_pending_name_has_a_date_and_a_reason() {
        for line in lines(PENDING) {
            let mut parts = line.splitn(3, ' ');
            let (name, date) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
            let is_date = date.len() == 10 && date.split('-').count() == 3;
            assert!(is_date && parts.next().is_some(), "`{name}`: expected NAME YYYY-MM-DD REASON");
        }
    }
}

valk_harness::cases! {
    fn loading_twice_is_harmless_and_silent(path: &'static str) in paths() {
        let load = format!("(load \"{path}\")\n");
        let output = printed(&mut session(), &load.repeat(2));
        assert_eq!(output, "", "a module prints nothing");
    }
}

fn paths() -> impl Iterator<Item = (String, &'static str)> {
    PATHS.iter().map(|(path, _)| (path.replace('/', "-"), *path))
}

valk_harness::test! {
    fn a_module_runs_when_a_program_mentions_one_of_its_names() {
        let text = "(print (async/run (async/pure 5)))";
        assert_eq!(printed(&mut session(), text), "5\n");
        let own = "(fun {chain a b} {+ a b})\n(print (chain 1 2))";
        assert_eq!(printed(&mut session(), own), "3\n", "the program's own definition counts");
        for module in MODULES.iter().filter(|module| !module.preloaded) {
            let name = valk_stdlib::definitions(module).next().expect("a definition");
            let text = format!("(= {{found}} {name})\n(print (error? found))");
            assert_eq!(printed(&mut session(), &text), "0\n", "{name}");
        }
    }
}

valk_harness::test! {
    fn a_loaded_program_gets_the_modules_that_it_mentions() {
        std::fs::write("inner.valk", "(def {kept} (async/run (async/pure 7)))").expect("a file");
        let output = printed(&mut session(), "(load \"inner.valk\")\n(print kept)");
        std::fs::remove_file("inner.valk").expect("the file");
        assert_eq!(output, "7\n");
    }
}
