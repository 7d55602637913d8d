//! `valk test`: which suites it finds, what it says of suites of all kinds, and how it ends.

use serde_json::Value as Json;
use std::fs;
use std::path::PathBuf;
use std::process::Output;
use valk_tests::program::{stderr, stdout, valk};

/// Suites of all kinds: file, text, and what its problem contains.
const KINDS: &[(&str, &str, Option<&str>)] = &[
    ("passes", "(test/run (list (test \"one\" {do 1}) (test \"two\" {do 1})))", None),
    (
        "fails",
        "(test/run (list (test \"bad\" {do (print \"said <&> this\") (test/assert 0 \"no \\\"way\\\"\") 1})))",
        None,
    ),
    ("skips", "(test/run (list (test/expected-skip \"dials\" \"no modem\" {do 1})))", None),
    ("broken", "(test/run (list (test/broken-skip \"prints\" \"#7\" \"no ink\" {do 1})))", None),
    ("late", "(test/run (list (test \"never\" {sleep 60000})) {:timeout-ms 20})", None),
    (
        "hangs",
        "(print \"(test/run\") (fun {spin n} {spin (+ n 1)}) (spin 0)",
        Some("did not end within 1 s"),
    ),
    ("silent", "(print \"no (test/run here\")", Some("never called a runner")),
    ("unreadable", "(test/run (list (test \"one\" {do 1})", Some("ended with status 1")),
    ("dies", "(nope) (test/run (list (test \"one\" {do 1})))", Some("ended with status 1")),
    ("early", "(test/run (list (test \"one\" {do 1}))) (exit 3)", Some("ended with status 3")),
    (
        "loud",
        "(test/run (list (test \"shouts\" {do (print (make-string 3000000 \"x\")) (repeat (\\ {i} {print \"line\"}) 20000) 0})))",
        None,
    ),
    (
        "binary",
        "(test/run (list (test \"mutters\" {do (print (str/from-bytes {255 254 7})) 0})))",
        None,
    ),
    ("expected", "(test/run (list (test \"bad\" {do 0})) {:expected-exit 1})", None),
];

/// A directory with these suites.
fn directory(suites: &[(&str, &str)]) -> PathBuf {
    let directory = std::env::temp_dir().join("suites");
    fs::create_dir_all(directory.join("deeper")).expect("a directory");
    for (name, text) in suites {
        fs::write(directory.join(format!("{name}.valk")), text).expect("a file");
    }
    directory
}

fn run(arguments: &[&str]) -> Output {
    valk(&[&["test"], arguments].concat()).output().expect("the program runs")
}

valk_harness::test! {
    fn suites_of_all_kinds_are_told_apart() {
        let suites: Vec<(&str, &str)> = KINDS.iter().map(|(name, text, _)| (*name, *text)).collect();
        let directory = directory(&suites).display().to_string();
        let junit = std::env::temp_dir().join("junit.xml");
        let junit_path = junit.display().to_string();
        let output = run(&[&directory, "--json", "--limit", "10", "--junit", &junit_path, "--jobs", "2"]);
        assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
        let document: Json = serde_json::from_str(&stdout(&output)).expect("JSON");
        let all = document["suites"].as_array().expect("a list");
        assert_eq!(all.len(), KINDS.len());
        let of = |name: &str| {
            let file = format!("/{name}.valk");
            let is = |suite: &&Json| suite["path"].as_str().is_some_and(|path| path.ends_with(&file));
            all.iter().find(is).unwrap_or_else(|| panic!("{name} was run"))
        };
        for (name, _, problem) in KINDS {
            let told = of(name)["problem"].as_str();
            match problem {
                // The limit above is for slow computers.
                Some(part) => assert!(told.is_some_and(|told| told.contains(&part.replace("within 1 s", "within 10 s"))), "{name}: {told:?}"),
                None => assert_eq!(told, None, "{name}"),
            }
        }
        let states = |name: &str| -> Vec<String> {
            let tests = of(name)["tests"].as_array().expect("a list").iter();
            tests.map(|test| format!("{} {}", test["name"].as_str().unwrap(), test["state"].as_str().unwrap())).collect()
        };
        assert_eq!(states("passes"), ["one pass", "two pass"]);
        assert_eq!(states("fails"), ["bad fail"]);
        assert_eq!(states("skips"), ["dials skip"]);
        assert_eq!(states("broken"), ["prints broken"]);
        assert_eq!(states("late"), ["never timeout"]);
        assert_eq!(states("loud"), ["shouts fail"]);
        assert_eq!(states("expected"), ["bad fail"]);
        let passed = ["passes", "skips", "expected"];
        for (name, _, _) in KINDS {
            assert_eq!(of(name)["passed"].as_bool(), Some(passed.contains(name)), "{name}");
        }
        assert!(of("fails")["tests"][0]["reason"].as_str().expect("text").contains("no \"way\""));
        assert!(of("skips")["tests"][0]["reason"].as_str().expect("text").contains("no modem"));
        let kept = of("loud")["tests"][0]["output"].as_str().expect("text").len();
        assert!(kept < 200_000, "{kept} bytes are kept");
        assert_eq!((&document["passed"], &document["skipped"]), (&3.into(), &1.into()));
        let xml = fs::read_to_string(junit).expect("the file");
        assert!(xml.contains("said &lt;&amp;&gt; this") && xml.contains("no &quot;way&quot;"), "{xml}");
        assert!(xml.contains("<skipped message=\"expected: no modem\"/>"), "{xml}");
        assert_eq!(xml.matches("<testsuite ").count(), KINDS.len());
        assert!(!xml.contains('\u{7}'), "characters that XML may not contain");
    }
}

valk_harness::test! {
    fn results_are_shown_as_text_and_named_without_running() {
        let directory = directory(&[
            ("good", "(test/run (list (test \"one\" {do 1}) (test \"two\" {do (print \"ran\") 1})))"),
            ("deeper/bad", "(test/run (list (test \"three\" {test/assert-eq 1 2 \"not equal\"})))"),
        ]);
        fs::write(directory.join("module.valk"), "(print \"is no suite\")").expect("a file");
        let path = directory.display().to_string();
        let output = run(&[&path]);
        let text = stdout(&output);
        assert_eq!(output.status.code(), Some(1));
        assert!(text.contains("ok   ") && text.contains("good.valk (2 tests, "), "{text}");
        assert!(text.contains("FAIL ") && text.contains("  fail: three\n"), "{text}");
        assert!(text.contains("not equal\n") && text.contains("expected: 1\n"), "{text}");
        let summary = "2 suites, 1 failed; 3 tests: 2 passed, 1 failed, 0 skipped\n";
        assert!(text.ends_with(summary), "{text}");
        let output = run(&[&path, "--list"]);
        assert_eq!(output.status.code(), Some(0), "{}", stdout(&output));
        let names: Vec<String> =
            stdout(&output).lines().map(|line| line.rsplit('/').next().unwrap_or(line).to_string()).collect();
        assert_eq!(names, ["bad.valk: three", "good.valk: one", "good.valk: two"]);
        let output = run(&[&path, "--filter", "tw"]);
        assert_eq!(output.status.code(), Some(0), "{}", stdout(&output));
        assert!(stdout(&output).ends_with("2 suites, 0 failed; 1 tests: 1 passed, 0 failed, 0 skipped\n"));
        let output = run(&[&path, "--filter", "deeper"]);
        assert!(stdout(&output).contains("1 tests: 0 passed, 1 failed"), "{}", stdout(&output));
        let output = run(&[&path, "--filter", "no such test"]);
        assert_eq!(output.status.code(), Some(4), "{}", stdout(&output));
        assert!(stderr(&output).contains("no test was selected"), "{}", stderr(&output));
    }
}

valk_harness::test! {
    fn suites_are_found_in_the_directories_of_a_project_and_by_their_names() {
        let project = std::env::temp_dir().join("project");
        fs::create_dir_all(project.join("tests/deeper")).expect("a directory");
        fs::create_dir_all(project.join("source")).expect("a directory");
        let suite = "(test/run (list (test \"one\" {do 1})))";
        for path in ["tests/first.valk", "tests/deeper/second.valk", "tests/notes.txt", "source/third.valk"] {
            fs::write(project.join(path), suite).expect("a file");
        }
        let run_there = |arguments: &[&str]| {
            let mut command = valk(&[&["test"], arguments].concat());
            stdout(&command.current_dir(&project).output().expect("the program runs"))
        };
        let list = |text: &str| -> Vec<String> { text.lines().map(str::to_string).collect() };
        let found = ["tests/deeper/second.valk: one", "tests/first.valk: one"];
        assert_eq!(list(&run_there(&["--list"])), found);
        let named = run_there(&["--list", "tests/notes.txt", "source/third.valk", "source"]);
        assert_eq!(list(&named), ["source/third.valk: one", "tests/notes.txt: one"], "each once");
        fs::remove_dir_all(project.join("tests")).expect("made above");
        let mut command = valk(&["test"]);
        let output = command.current_dir(&project).output().expect("the program runs");
        assert!(stderr(&output).contains("found no *.valk file that calls test/run"));
    }

    fn a_suite_that_breaks_off_is_told_in_each_form() {
        let directory = directory(&[
            ("early", "(test/run (list (test \"one\" {do 1}))) (exit 3)"),
            ("skips", "(test/run (list (test/expected-skip \"dials\" \"no modem\" {do 1})))"),
            ("tabs", "(test/run (list (test \"bad\" {do (print \"a\\tb\\rc\") 0})))"),
        ]);
        let junit = directory.join("junit.xml").display().to_string();
        let path = directory.display().to_string();
        let text = stdout(&run(&[&path, "--junit", &junit]));
        assert!(text.contains("early.valk (1 tests, "), "{text}");
        assert!(text.contains("  the suite ended with status 3"), "{text}");
        assert!(text.contains("  skip: dials\n    expected: no modem\n"), "{text}");
        fs::write(directory.join("dies.valk"), "(nope) (test/run (list (test \"one\" {do 1})))").expect("a file");
        let list = stdout(&run(&[&path, "--list"]));
        assert!(list.contains("dies.valk: the suite ended with status 1"), "{list}");
        assert!(list.contains("skips.valk: dials"), "the others are listed: {list}");
        let xml = fs::read_to_string(&junit).expect("the file");
        assert!(xml.contains("a\tb\u{fffd}c"), "a tab is kept, XML has no other control characters: {xml}");
        assert!(xml.contains("<error message=\"the suite ended with status 3"), "{xml}");
    }
}

valk_harness::test! {
    fn what_is_no_suite_is_explained() {
        let output = run(&["no/such/file.valk"]);
        assert_eq!(output.status.code(), Some(1));
        assert!(stderr(&output).contains("no/such/file.valk is no file and no directory"));
        let empty = std::env::temp_dir().join("empty");
        fs::create_dir_all(&empty).expect("a directory");
        let output = run(&[&empty.display().to_string()]);
        assert!(stderr(&output).contains("found no *.valk file that calls test/run"));
        let directory = directory(&[("good", "(test/run (list (test \"one\" {do 1})))")]);
        let output = run(&[&directory.display().to_string(), "--junit", "/no/such/directory/file.xml"]);
        assert_eq!(output.status.code(), Some(1));
        assert!(stderr(&output).contains("cannot write /no/such/directory/file.xml"));
    }
}
