//! Which types of the runtime may have a field that is a value of the language.
//!
//! A collection moves young values and frees what nothing refers to. So a value is kept from one
//! turn to the next by a root, by an object that collections look into, or by the stack of a fiber,
//! and a type with a value in it is one of the two kinds below. Everything else is refused.

use std::collections::BTreeSet;
use valk_tests::program::root;

/// Types inside objects that collections look into, by crate: their `trace` shows every value.
const TRACED: &[(&str, &[&str])] = &[
    (
        "aio",
        &[
            "Body",
            "Bracket",
            "Call",
            "Chain",
            "Event",
            "Group",
            "Handle",
            "Input",
            "Job",
            "JoinAll",
            "Local",
            "Node",
            "OnTime",
            "Page",
            "Parts",
            "Preempted",
            "Retry",
            "Stage",
            "Target",
            "Timers",
            "Waiter",
        ],
    ),
    ("lang", &["Builder", "Held", "Macro", "Names", "Weak"]),
    ("web", &["Callback", "Table", "Values"]),
    ("vm", &["AllRoots", "Code", "Fiber", "Guard", "Markers", "Vm"]),
];

/// Types that live no longer than the call of a builtin, the compiler or the printer that made
/// them, in which nothing collects, and results that their receiver uses at once.
const MOMENTARY: &[(&str, &[&str])] = &[
    ("aio", &["Next", "Observed", "Started", "Step"]),
    (
        "lang",
        &[
            "Changer",
            "Expander",
            "Frame",
            "Lambda",
            "Loaded",
            "Node",
            "Ran",
            "Setting",
            "Target",
            "UncaughtError",
            "Work",
        ],
    ),
    ("web", &["Problem", "Settings"]),
    (
        "vm",
        &[
            "Builtin", "CallSite", "Change", "Context", "Exit", "JitExit", "Native", "Outcome",
            "Step", "View", "Walk",
        ],
    ),
];

fn allowed(krate: &str, name: &str) -> bool {
    let lists = TRACED.iter().chain(MOMENTARY);
    lists.into_iter().any(|(known, names)| *known == krate && names.contains(&name))
}

/// The name of the type that a line begins to define.
fn definition(line: &str) -> Option<&str> {
    let rest = line.strip_prefix("pub ").or_else(|| line.strip_prefix("pub(crate) "));
    let rest = rest.or_else(|| line.strip_prefix("pub(super) ")).unwrap_or(line);
    let rest = rest.strip_prefix("struct ").or_else(|| rest.strip_prefix("enum "))?;
    Some(rest.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default())
}

/// Whether code mentions `Value` as a type of its own.
fn mentions_value(code: &str) -> bool {
    let code = code.split("//").next().unwrap_or_default();
    code.match_indices("Value").any(|(at, word)| {
        let before = code[..at].chars().next_back();
        let after = code[at + word.len()..].chars().next();
        let is_part = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
        !is_part(before) && !is_part(after) && after != Some('(') && before != Some(':')
    })
}

/// Types with a field that is a value, in one source.
fn types_with_values(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut current: Option<&str> = None;
    for line in text.lines() {
        if let Some(name) = definition(line) {
            current = (!line.ends_with(';')).then_some(name);
            if line.ends_with(';') && mentions_value(line) {
                found.insert(name.to_string());
            }
            continue;
        }
        if line.starts_with('}') {
            current = None;
        }
        if let Some(name) = current.filter(|_| mentions_value(line)) {
            found.insert(name.to_string());
        }
    }
    found
}

fn sources(krate: &str) -> Vec<(String, String)> {
    let listing = std::process::Command::new("find")
        .args([&format!("runtime/{krate}/src"), "-name", "*.rs"])
        .current_dir(root())
        .output()
        .expect("find runs");
    String::from_utf8_lossy(&listing.stdout)
        .lines()
        .filter(|path| !path.contains("/tests"))
        .map(|path| (path.to_string(), std::fs::read_to_string(root().join(path)).expect("UTF-8")))
        .collect()
}

valk_harness::test! {
    fn only_named_types_keep_values() {
        let mut wrong = Vec::new();
        let mut seen = BTreeSet::new();
        for krate in ["aio", "cli", "http2", "lang", "log", "metrics", "net", "vm", "web"] {
            let sources = sources(krate);
            assert!(!sources.is_empty(), "runtime/{krate} has sources");
            for (path, text) in sources {
                for name in types_with_values(&text) {
                    if !allowed(krate, &name) {
                        wrong.push(format!(
                            "{path}: {name} has a field that is a value; keep a `Root`, or show it \
                             to collections and name it in tests/suites/rooting.rs"
                        ));
                    }
                    seen.insert((krate, name));
                }
            }
        }
        for (krate, names) in TRACED.iter().chain(MOMENTARY) {
            for name in names.iter().filter(|name| !seen.contains(&(*krate, (**name).to_string()))) {
                wrong.push(format!("tests/suites/rooting.rs names {name} of {krate} for nothing"));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    fn a_kept_value_is_noticed() {
        let text = "struct Handler {\n    /// A Value in a comment.\n    await_: Value,\n}\n\
                    struct Fine {\n    root: Root,\n}\npub(crate) struct Pair(Value, Json);\n\
                    struct Other(Json);\nenum Kind {\n    One(Vec<Value>),\n}\n";
        let found: Vec<String> = types_with_values(text).into_iter().collect();
        assert_eq!(found, ["Handler", "Kind", "Pair"]);
        assert!(!mentions_value("Outcome::Value(value)") && !mentions_value("json: JsonValue,"));
    }
}
