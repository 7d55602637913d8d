//! The reference, stdlib/reference/*.txt: its form, its examples, `help`.

use super::reference_names::ABOVE;
use crate::reference::{Example, Malformed, contents, entries, families, lookup, parse, suggest};
use crate::{NoWaiting, Output, Runtime};
use std::collections::HashSet;
use valk_heap::Config;

/// Every example with its file and line.
fn examples() -> Vec<(String, Example)> {
    let below = entries().iter().filter(|entry| !ABOVE.contains(&entry.family));
    let examples = below.flat_map(|entry| {
        entry.examples.iter().map(|e| (format!("{}:{}", entry.family, e.line), *e))
    });
    examples.collect()
}

/// What a program prints.
fn printed(code: &str) -> String {
    let output = Output::memory();
    let mut runtime = Runtime::new(Config::default(), output).expect("a heap");
    let _ = runtime.run_text("example", code.as_bytes(), &mut NoWaiting);
    String::from_utf8(runtime.take_output()).expect("UTF-8 text")
}

valk_harness::cases! {
    fn example(example: Example) in examples() {
        let printed = printed(&format!("(print {})", example.code));
        // What the expression itself prints comes first.
        let value = printed.trim_end_matches('\n');
        assert_eq!(value.rsplit('\n').next(), Some(example.value), "{printed}");
    }
}

valk_harness::test! {
    fn every_file_of_the_reference_is_embedded_once_and_well_formed() {
        let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/../../stdlib/reference");
        let files = std::fs::read_dir(directory).expect("the reference");
        let mut files: Vec<String> = files
            .map(|file| file.expect("a readable entry").path())
            .map(|path| path.file_stem().unwrap_or_default().to_string_lossy().into_owned())
            .collect();
        files.sort();
        let mut embedded: Vec<&str> = families().collect();
        embedded.sort_unstable();
        assert_eq!(files, embedded);
        let mut names = HashSet::new();
        for entry in entries() {
            assert!(names.insert(entry.name), "{}: a second entry for {}", entry.family, entry.name);
            let widest = entry.render().lines().map(|line| line.chars().count()).max();
            assert!(widest <= Some(100), "{}: {} is wider than 100", entry.family, entry.name);
        }
    }
}

/// Where a text is malformed.
fn complaint(text: &'static str) -> String {
    match parse("birds", text) {
        Ok(entries) => panic!("this is well formed: {entries:?}"),
        Err(problem) => problem.to_string(),
    }
}

valk_harness::test! {
    fn a_malformed_reference_is_found_with_its_place() {
        let place = |line, problem| Malformed { family: "birds", line, problem }.to_string();
        let text = place(1, "an entry begins with a line that names it");
        assert_eq!(text, "stdlib/reference/birds.txt:1: an entry begins with a line that names it");
        assert_eq!(complaint("  text\n"), text);
        let text = "an entry says what its name means";
        assert_eq!(complaint("wren\n\nowl\n  Text.\n"), place(2, text));
        assert_eq!(complaint("wren\n  Text.\n\nowl\n"), place(4, text));
        let text = "an empty line separates entries";
        assert_eq!(complaint("wren\n  Text.\nowl\n  Text.\n"), place(3, text));
        let text = "every signature of an entry begins with its name";
        assert_eq!(complaint("wren A\nowl B\n  Text.\n"), place(2, text));
        let text = "an example is `(expression) => display form`";
        assert_eq!(complaint("wren\n  Text.\n  (wren) = 1\n"), place(3, text));
        let text = "the text comes before the examples";
        assert_eq!(complaint("wren\n  (wren) => 1\n  Text.\n"), place(3, text));
    }
}

valk_harness::test! {
    fn an_entry_is_rendered_as_it_is_written() {
        let text = "wren A\nwren A B\n  Sings\n  loud.\n  (wren 1) => 2\n";
        let parsed = parse("birds", text).expect("well formed");
        assert_eq!(parsed.len(), 1);
        assert_eq!((parsed[0].name, parsed[0].signature.as_str()), ("wren", "wren A\nwren A B"));
        assert_eq!(parsed[0].text, "Sings\nloud.");
        assert_eq!(parsed[0].examples, [Example { code: "(wren 1)", value: "2", line: 5 }]);
        assert_eq!(parsed[0].render(), text);
    }
}

valk_harness::test! {
    fn suggestions_are_near_and_few() {
        assert_eq!(suggest("upcase").first(), Some(&"str/upcase"));
        assert_eq!(suggest("fliter").first(), Some(&"filter"));
        assert_eq!(suggest("revers").first(), Some(&"reverse"));
        assert!(suggest("x").len() <= 3);
        assert!(suggest("nothing-is-called-like-this").is_empty());
    }
}

valk_harness::test! {
    fn help_shows_the_entry_however_it_is_asked_for() {
        let entry = lookup("map").expect("an entry").render();
        for question in ["map", "(quote map)", "\"map\"", "{map}"] {
            assert_eq!(printed(&format!("(help {question})")), entry, "{question}");
        }
        assert_eq!(printed("(help head)"), lookup("head").expect("an entry").render());
        assert_eq!(printed("(def {mine} map) (help mine)"), entry);
        assert_eq!(printed("(print (help map))"), format!("{entry}()\n"));
    }
}

valk_harness::test! {
    fn help_lists_families_and_names() {
        for question in ["(help)", "(help {})"] {
            assert_eq!(printed(question), contents());
        }
        let text = contents();
        assert!(text.contains("\nlists\n  list "), "{text}");
        assert!(text.lines().all(|line| line.len() <= 100), "{text}");
    }
}

valk_harness::test! {
    fn help_gives_an_error_for_what_it_does_not_know() {
        let answers = [
            ("\"fliter\"", "Error: help: there is no entry for fliter; did you mean filter"),
            (
                "\"nothing-is-called-like-this\"",
                "Error: help: there is no entry for nothing-is-called-like-this; \
                 (help) lists all names",
            ),
            ("(\\ {x} {x})", "Error: help: this function has no name"),
            ("(error \"mine\")", "Error: mine"),
            ("5", "Error: Actual: Number, Expected(One-Of): [Symbol, String, Function, List]"),
        ];
        for (question, answer) in answers {
            let printed = printed(&format!("(print (help {question}))"));
            assert!(printed.starts_with(answer), "{question}: {printed}");
        }
        let own = printed("(fun {wobble-the-bird x} {x}) (print (help wobble-the-bird))");
        assert!(own.contains("no entry for wobble-the-bird"), "{own}");
    }
}
