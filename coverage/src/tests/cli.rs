use std::ffi::OsString;
use std::process::{Command, ExitCode};

use super::{Tree, export, file};
use crate::cli::run;

const LIB: &str =
    "fn f(x: u8) -> u8 {\n    if x > 3 {\n        1\n    } else {\n        0\n    }\n}\n";

/// `f` never called with more than three.
const HALF: (&str, &str) = (
    "[1,1,4,true,true,false],[2,8,4,true,true,false],[2,13,0,true,false,true],\
     [2,14,0,true,true,false],[4,6,4,true,true,false],[4,12,4,true,true,false],\
     [6,6,4,true,false,false],[7,2,0,false,false,false]",
    "[2,8,2,13,0,4,0,0,4]",
);
/// The calls that were missing.
const REST: (&str, &str) = (
    "[1,1,2,true,true,false],[2,8,2,true,true,false],[2,14,2,true,true,false],\
     [4,6,0,true,true,false],[6,6,2,true,false,false],[7,2,0,false,false,false]",
    "[2,8,2,13,2,0,0,0,4]",
);

fn tree() -> Tree {
    let tree = Tree::new(&[("src/lib.rs", LIB)]);
    let root = tree.root().display().to_string();
    for (name, (segments, branches)) in [("half.json", HALF), ("rest.json", REST)] {
        let path = format!("{root}/src/lib.rs");
        tree.add(name, export(&file(&path, segments, branches), "").as_bytes());
    }
    tree
}

/// Runs `gate ARGS` in the tree; `@x` stands for the path of x. Status, stdout and stderr.
fn gate(tree: &Tree, args: &str) -> (ExitCode, String, String) {
    let root = tree.root().display().to_string();
    let args = format!("valk-coverage gate --root {root} {args}").replace('@', &format!("{root}/"));
    call(&args.split_whitespace().collect::<Vec<_>>())
}

fn call(args: &[&str]) -> (ExitCode, String, String) {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let status = run(args.iter().map(OsString::from), &mut out, &mut err);
    (status, String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
}

fn is(status: ExitCode, number: u8) {
    // ExitCode has no comparison; its debug text has the number.
    assert_eq!(format!("{status:?}"), format!("{:?}", ExitCode::from(number)));
}

valk_harness::test! {
    fn a_red_file_is_explained() {
        let tree = tree();
        let (status, out, _) = gate(&tree, "@half.json --source src");
        is(status, 1);
        assert_eq!(out, "                  lines         branches          regions  file
RED           85.7% 6/7        50.0% 1/2            - 0/0  src/lib.rs

src/lib.rs
  lines: 85.7% 6/7, needed 90%: 1 more
  branch outcomes: 50.0% 1/2, needed 85%: 1 more
    2:8: never true: if x > 3 {
    3: never executed: 1

all files: lines 85.7%, branches 50.0%, regions -
required of each file: lines 90%, branches 85%; waivers 0 of at most 10
coverage gate RED: 1 files, 1 red, 0 waived, 0 waiver problems
");
    }
}

valk_harness::test! {
    fn several_inputs_are_added_up() {
        let tree = tree();
        let (status, out, err) = gate(&tree, "@half.json @rest.json --source src --all");
        is(status, 0);
        assert!(out.starts_with("        "), "{out}{err}");
        assert!(out.contains("ok           100.0% 7/7       100.0% 2/2            - 0/0  src/lib.rs\n"));
        assert!(out.ends_with("gate green: 1 files, 0 red, 0 waived, 0 waiver problems\n"), "{out}");
    }
}

valk_harness::test! {
    fn passing_files_are_listed_on_request_only() {
        let tree = tree();
        let (status, out, _) =
            gate(&tree, "@half.json --source src --lines 80 --branches 50 --spans 1");
        is(status, 0);
        assert!(!out.contains("src/lib.rs"), "{out}");
    }
}

valk_harness::test! {
    fn thresholds_come_from_the_command_line() {
        let tree = tree();
        let (status, out, _) =
            gate(&tree, "@half.json --source src --lines 0 --branches 0 --regions 90");
        is(status, 1);
        assert!(out.contains("  regions: - 0/0, needed 90%: 1 more\n"), "{out}");
    }
}

valk_harness::test! {
    fn long_lists_are_cut_and_counted() {
        let tree = tree();
        let (_, out, _) = gate(&tree, "@half.json --source src --spans 1");
        assert!(out.contains("never true"), "{out}");
        assert!(out.contains("    … and 1 more, all of them in the JSON report\n"), "{out}");
    }
}

valk_harness::test! {
    fn reports_are_written_for_red_verdicts_too() {
        let tree = tree();
        let (status, ..) =
            gate(&tree, "@half.json --source src --json @gate.json --markdown @summary.md");
        is(status, 1);
        let report: serde_json::Value = serde_json::from_str(&tree.read("gate.json")).unwrap();
        assert_eq!(report["format"], "valk-coverage/1");
        assert_eq!(report["green"], false);
        assert_eq!(report["lines"], serde_json::json!({"covered": 6, "total": 7}));
        assert_eq!(report["thresholds"]["branches"], 85);
        let first = &report["files"][0];
        assert_eq!(first["path"], "src/lib.rs");
        assert_eq!(first["source"], "rust");
        assert_eq!(first["missed_lines"], serde_json::json!([[3, 3]]));
        assert_eq!(
            first["missed_branches"],
            serde_json::json!([{"line": 2, "column": 8, "end_line": 2, "end_column": 13, "missing": "true"}])
        );
        assert_eq!(
            first["failures"],
            serde_json::json!([{"kind": "lines", "gap": 1}, {"kind": "branches", "gap": 1}])
        );
        assert_eq!(tree.read("summary.md"), "# Coverage gate: red

| | lines | branches | regions | file |
|---|---:|---:|---:|---|
| RED | 85.7% 6/7 | 50.0% 1/2 | - 0/0 | `src/lib.rs` |

```text
src/lib.rs
  lines: 85.7% 6/7, needed 90%: 1 more
  branch outcomes: 50.0% 1/2, needed 85%: 1 more
    2:8: never true: if x > 3 {
    3: never executed: 1

all files: lines 85.7%, branches 50.0%, regions -
required of each file: lines 90%, branches 85%; waivers 0 of at most 10
coverage gate RED: 1 files, 1 red, 0 waived, 0 waiver problems
```
");
    }
}

valk_harness::test! {
    fn the_markdown_of_a_green_gate_lists_all_files() {
        let tree = tree();
        let (status, ..) = gate(&tree, "@half.json @rest.json --source src --markdown @summary.md");
        is(status, 0);
        let text = tree.read("summary.md");
        assert!(text.starts_with("# Coverage gate: green\n"), "{text}");
        assert!(text.contains("| ok | 100.0% 7/7 |"), "{text}");
    }
}

valk_harness::test! {
    fn every_kind_of_failure_has_words() {
        let tree = tree();
        let root = tree.root().display().to_string();
        let long = format!("fn g() {{ /* {} */ if\u{7} }}\n", "é".repeat(100));
        tree.add("src/absent.rs", b"fn g() {}\n");
        tree.add("src/none.rs", b"fn g() {}\n");
        tree.add("src/never.rs", long.as_bytes());
        tree.add("src/short.rs", b"fn g() {}\n");
        let files = [
            file(&format!("{root}/src/none.rs"), "", ""),
            file(
                &format!("{root}/src/never.rs"),
                "[1,1,0,true,true,false],[1,9,0,false,false,false]",
                "[1,1,1,2,0,0,0,0,4],[1,3,1,4,1,0,0,0,4]",
            ),
            file(&format!("{root}/src/short.rs"), "[1,1,1,true,true,false],[5,9,0,false,false,false]", ""),
        ];
        tree.add("more.json", export(&files.join(","), "").as_bytes());
        let (status, out, _) = gate(&tree, "@half.json @rest.json @more.json --source src");
        is(status, 1);
        for expected in [
            "src/absent.rs\n  holds code, but no report knows it",
            "src/none.rs\n  the report has no line for it; 0 of 0 is not 100%\n",
            "src/short.rs\n  the report speaks of lines this file does not have",
            "    1: never executed: fn g() { /* éééé",
            "é…\n",
            "    1:1: never evaluated: ",
            "    1:3: never false: ",
        ] {
            assert!(out.contains(expected), "{expected}:\n{out}");
        }
        assert!(!out.contains('\u{7}'));
    }
}

valk_harness::test! {
    fn waivers_are_read_counted_and_shown() {
        let tree = tree();
        let waiver = "[[waiver]]\npath = \"src/lib.rs\"\ncategory = \"platform\"\n\
                      reason = \"because\"\nowner = \"me\"\nexpires = \"2026-12-31\"\n";
        tree.add("w.toml", waiver.as_bytes());
        let base = "@half.json --source src --waivers @w.toml --today";
        let (status, out, _) = gate(&tree, &format!("{base} 2026-12-31"));
        is(status, 0);
        assert!(out.contains("waived        85.7% 6/7"), "{out}");
        assert!(out.contains("waivers 1 of at most 10"), "{out}");
        assert!(out.contains("0 red, 1 waived"), "{out}");
        let (status, out, _) = gate(&tree, &format!("{base} 2027-01-01"));
        is(status, 1);
        assert!(
            out.contains("\nwaivers\n  line 1: waiver for src/lib.rs: expired on 2026-12-31: "),
            "{out}"
        );
    }
}

valk_harness::test! {
    fn no_verdict_is_red_and_says_why() {
        let tree = tree();
        tree.add("empty.json", b"");
        tree.add("cut.json", b"{\"data\":[{");
        tree.add("bad.json", b"?");
        tree.add("kind.json", b"{\"data\":[],\"type\":\"x\",\"version\":\"3\"}");
        tree.add("version.json", br#"{"data":[],"type":"llvm.coverage.json.export","version":"9"}"#);
        tree.add("nofiles.json", export("", "").as_bytes());
        tree.add("nobranches.json", export(&file("a.rs", "", ""), "").as_bytes());
        tree.add("row.json", export(&file("a.rs", "", "[1]"), "").as_bytes());
        tree.add("summary.json", export("{\"filename\":\"a.rs\"}", "").as_bytes());
        tree.add("w.toml", b"waiver\n");
        for (args, expected) in [
            ("@none.json --source src", "cannot read"),
            ("@empty.json --source src", "is empty; no data is not full coverage"),
            ("@cut.json --source src", "ends in the middle after 10 bytes"),
            ("@bad.json --source src", "is not a coverage export"),
            ("@kind.json --source src", "holds `x`, expected `llvm.coverage.json.export`"),
            ("@version.json --source src", "has export format 9, expected 2.x or 3.x"),
            ("@nofiles.json --source src", "names no file"),
            ("@nobranches.json --source src", "has no branch in any file"),
            ("@row.json --source src", "has a branch row that cannot be read: [1]"),
            ("@summary.json --source src", "export it without --summary-only"),
            ("@half.json --source nowhere", "cannot read"),
            ("@half.json --source src --waivers @w.toml", "w.toml:1: expected [[waiver]]"),
            ("@half.json --source src --waivers @none.toml", "cannot read"),
            ("@half.json --source src --today never", "`never` is not a date"),
            ("@half.json --source src --json @no/where.json", "cannot write"),
            ("@half.json --source src --markdown @no/where.md", "cannot write"),
            ("@half.json --root @none --source src", "cannot be used multiple times"),
            ("@half.json", "--source <DIR>"),
        ] {
            let (status, out, err) = gate(&tree, args);
            is(status, 2);
            assert!(out.is_empty() && err.contains(expected), "{args}: {err}");
        }
        std::fs::create_dir(tree.path("void")).unwrap();
        let (status, _, err) = gate(&tree, "@half.json --source void");
        is(status, 2);
        assert!(err.contains("no source file below"), "{err}");
        let (status, _, err) =
            call(&["valk-coverage", "gate", "x.json", "--source", "src", "--root", "/no/where"]);
        is(status, 2);
        assert!(err.contains("cannot read /no/where"), "{err}");
    }
}

valk_harness::test! {
    fn help_is_no_error() {
        let (status, out, err) = call(&["valk-coverage", "gate", "--help"]);
        is(status, 0);
        assert!(out.contains("--waivers <FILE>") && err.is_empty(), "{out}");
    }
}

valk_harness::test! {
    fn the_program_passes_the_verdict_on() {
        let tree = tree();
        let program = std::env::var_os("VALK_COVERAGE_BIN");
        // Run by hand: cargo has the program or builds it.
        let mut command = Command::new(program.clone().unwrap_or_else(|| env!("CARGO").into()));
        if program.is_none() {
            command.current_dir(env!("CARGO_MANIFEST_DIR")).args(["run", "--quiet", "--"]);
        }
        let input = tree.path("half.json");
        command.arg("gate").arg(input).arg("--root").arg(tree.root()).args(["--source", "src"]);
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        assert!(String::from_utf8_lossy(&output.stdout).contains("coverage gate RED"));
    }
}
