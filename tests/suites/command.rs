//! The `valk` command from outside: output, diagnostics, exit status.

use std::io::{Read, Write};
use std::process::Command;
use valk_tests::program::{file, load_generator, run, run_with_input, stderr, stdout, valk};

valk_harness::test! {
    fn an_expression_prints_its_value() {
        let output = run(&["-e", "(+ 1 2)", "-e", "-5"]);
        assert_eq!(stdout(&output), "3\n-5\n");
        assert_eq!(output.status.code(), Some(0));
    }
}

valk_harness::test! {
    fn files_share_one_environment() {
        let (first, second) = (file("a.valk", "(def {x} 20)"), file("b.valk", "(print (+ x 1))"));
        let output = run(&["-f", &first, "-f", &second]);
        assert_eq!(stdout(&output), "21\n");
    }
}

/// Runs a file with this content: output, diagnostics, status.
fn program(content: impl AsRef<[u8]>) -> (String, String, Option<i32>) {
    let path = file("program.valk", content);
    let output = run(&[&path]);
    (stdout(&output), stderr(&output), output.status.code())
}

valk_harness::test! {
    fn an_uncaught_error_ends_the_program_with_one_and_shows_the_line() {
        let (out, err, status) = program("(print \"a\")\n(fun {f x} {+ 1 (g x)})\n(f 1)\n(print \"b\")");
        assert_eq!(out, "a\n");
        assert!(err.contains("LEnv: Symbol `g` is not bound"), "{err}");
        assert!(err.contains("program.valk:3:1"), "the top-level form: {err}");
        assert!(err.contains("program.valk:2:17") && err.contains("(g x)"), "{err}");
        assert!(!err.contains("panicked") && !err.contains("backtrace"), "{err}");
        assert_eq!(status, Some(1));
    }
}

valk_harness::test! {
    fn an_unbalanced_form_names_place_and_hint() {
        let (out, err, status) = program("(print 1)\n(print (+ 1 2)\n");
        assert_eq!(out, "1\n");
        assert!(err.contains("program.valk:") && err.contains("= help:"), "{err}");
        assert_eq!(err.matches("error[").count(), 1, "{err}");
        assert_eq!(status, Some(1));
    }
}

valk_harness::test! {
    fn a_file_that_is_not_utf8_names_the_byte() {
        let (_, err, status) = program(b"(print 1)\n(print \"\xff\")");
        assert!(err.contains("not UTF-8") && err.contains("program.valk:2:"), "{err}");
        assert_eq!(status, Some(1));
    }
}

valk_harness::test! {
    fn a_missing_file_is_reported_and_the_next_one_runs() {
        let second = file("second.valk", "(print \"second\")");
        let output = run(&["-f", "no-such-file.valk", "-f", &second]);
        assert!(stdout(&output).ends_with("second\n"));
        assert!(stderr(&output).contains("no-such-file.valk"));
        assert_eq!(output.status.code(), Some(1));
    }
}

valk_harness::test! {
    fn a_directory_is_no_program() {
        let output = run(&["examples"]);
        assert!(stderr(&output).contains("is a directory"));
        assert_eq!(output.status.code(), Some(1));
    }
}

valk_harness::test! {
    fn a_wrong_option_is_a_usage_error() {
        let output = run(&["--no-such-option"]);
        assert!(stderr(&output).contains("Usage:"));
        assert_eq!(output.status.code(), Some(2));
    }
}

valk_harness::test! {
    fn the_program_decides_the_exit_status() {
        assert_eq!(run(&["-e", "(exit 7)"]).status.code(), Some(7));
        assert_eq!(program("(exit 3) (nosuch)").2, Some(3));
        assert_eq!(program("(def {VALK_EXIT_CODE} 256)").2, Some(0));
    }
}

valk_harness::test! {
    fn help_and_version_teach() {
        let help = stdout(&run(&["--help"]));
        for part in ["Examples:", "check", "disasm", "doc", "--limits", "completions", "VALK_HEAP_HARD_LIMIT", "VALK_GC ", "VALK_GC_LOG", "VALK_LOG", "Exit status"] {
            assert!(help.contains(part), "{part}\n{help}");
        }
        assert!(stdout(&run(&["--version"])).starts_with("valk 0."));
    }
}

valk_harness::test! {
    fn check_compiles_without_running() {
        let (good, bad) = (file("good.valk", "(print \"no\")"), file("bad.valk", "(print"));
        let output = run(&["check", &good]);
        assert_eq!((stdout(&output).as_str(), output.status.code()), ("", Some(0)));
        let output = run(&["check", &bad, &good, "missing.valk"]);
        assert!(stderr(&output).contains("bad.valk:1:") && stderr(&output).contains("missing.valk"));
        assert_eq!(output.status.code(), Some(1));
    }
}

valk_harness::test! {
    fn disasm_lists_functions() {
        let path = file("listing.valk", "(fun {f x} {+ x 1})");
        let output = run(&["disasm", &path]);
        assert!(stdout(&output).contains("add-number"), "{}", stdout(&output));
        let output = run(&["disasm", "missing.valk"]);
        assert_eq!(output.status.code(), Some(1));
    }
}

valk_harness::test! {
    fn diagnostics_can_be_json() {
        let path = file("json.valk", "(f");
        let output = run(&["--error-format", "json", &path]);
        let line = stderr(&output);
        assert!(line.starts_with('{') && line.contains("\"code\"") && line.ends_with("}\n"), "{line}");
    }
}

valk_harness::test! {
    fn the_prompt_reads_over_several_lines() {
        let output = run_with_input(&[], b"(+ 1\n   2)\n\"a\nb\"\n1 2 3\n(nosuch)\n(def {x} 5)\nx\n(+ 1");
        let text = stdout(&output);
        let expected = "Num[3]\n\"a\\nb\"\nNum[3]\nError[LEnv: Symbol `nosuch` is not bound]\n()\nNum[5]\n";
        assert!(text.starts_with(expected), "{text}");
        assert!(text.contains("Unexpected end of input"), "{text}");
        assert_eq!(output.status.code(), Some(1), "a piped program has the status of a file");
    }
}

valk_harness::test! {
    fn the_prompt_survives_input_that_is_not_text() {
        let output = run_with_input(&["repl"], b"1\n\xff\xfe\n2\n");
        assert!(stdout(&output).starts_with("Num[1]\n"));
        assert!(stderr(&output).contains("not UTF-8"));
    }
}

valk_harness::test! {
    fn the_prompt_after_files_knows_their_definitions() {
        let path = file("defs.valk", "(def {x} 41)");
        let output = run_with_input(&["--repl", &path], b"(+ x 1)\n");
        assert_eq!(stdout(&output), "Num[42]\n");
        assert_eq!(stdout(&run_with_input(&["--script"], b"(+ 1 1)\n")), "");
    }
}

valk_harness::test! {
    fn the_memory_limit_is_an_error_of_the_language() {
        let mut command = valk(&["-e", "(do (fun {f n} {+ 1 (f n)}) (f 0))"]);
        command.env("VALK_HEAP_HARD_LIMIT", "16777216");
        let output = command.output().expect("it runs");
        assert!(stderr(&output).contains("out of memory"), "{}", stderr(&output));
        assert_eq!(output.status.code(), Some(1));
    }
}

valk_harness::test! {
    fn an_impossible_memory_limit_is_reported() {
        let mut command = valk(&["-e", "1"]);
        command.env("VALK_HEAP_HARD_LIMIT", "1000");
        let output = command.output().expect("it runs");
        assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
        assert!(!stderr(&output).contains("panicked"), "{}", stderr(&output));
    }
}

valk_harness::test! {
    fn deep_programs_need_no_host_stack() {
        let depth = 100_000;
        let nested = format!("(print (len {{{}{}}}))", "(".repeat(depth), ")".repeat(depth));
        let path = file("deep.valk", nested);
        let line = format!("ulimit -s 256 && exec {} {path}", valk_tests::program::binary().display());
        let output = std::process::Command::new("sh").args(["-c", &line]).output().expect("sh runs");
        assert_eq!(stdout(&output), "1\n", "{}", stderr(&output));
    }
}

valk_harness::test! {
    fn an_interrupt_stops_the_systems() {
        use valk_tests::program::Service;
        let program = "(def {sys} (aio/await (aio/start)))
            (def {h} (http2/server-listen sys 0 print {:host \"127.0.0.1\"}))
            (aio/schedule sys 1 (\\ {} {print \"ready\"})) (aio/run sys) (print \"stopped\")";
        let mut service = Service::start(&[&file("interrupt.valk", program)]);
        assert_eq!(service.line(), "ready");
        service.signal("INT");
        assert_eq!(service.wait(), (Some(0), "stopped\n".to_string()));
    }
}

valk_harness::test! {
    fn the_history_file_lies_in_the_state_directory() {
        let state = std::env::temp_dir().join(format!("state-{}", std::process::id()));
        let command = format!("{} repl", valk_tests::program::binary().display());
        let mut script = std::process::Command::new("script");
        script.args(["-qec", &command, "/dev/null"]).env("XDG_STATE_HOME", &state);
        script.env_remove("VALK_HISTORY").env("TERM", "xterm");
        script.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
        let Ok(mut child) = script.spawn() else {
            valk_harness::skip_expected(
                valk_harness::SkipCode::ToolMissing("script"),
                "script(1) gives the prompt a terminal",
            );
        };
        let mut stdin = child.stdin.take().expect("piped above");
        let mut stdout = child.stdout.take().expect("piped above");
        let mut text = String::new();
        for (awaited, typed) in [("valk> ", "(+ 1 1\x03"), ("valk> ", "7\r"), ("Num[7]", ""), ("valk> ", "\x04")] {
            let seen = text.len();
            while !text[seen..].contains(awaited) {
                let mut byte = [0];
                stdout.read_exact(&mut byte).expect("the program goes on");
                text.push(char::from(byte[0]));
            }
            stdin.write_all(typed.as_bytes()).expect("the terminal takes input");
        }
        assert!(child.wait().expect("it ends").success(), "{text}");
        let kept = std::fs::read_to_string(state.join("valk/history")).expect("written");
        assert!(kept.contains('7'), "{kept}");
    }
}

valk_harness::test! {
    fn the_load_generator_lists_its_scenarios_and_refuses_others() {
        let load = |arguments: &[&str]| {
            let output = Command::new(load_generator()).args(arguments).output();
            output.expect("the load generator is built")
        };
        let list = load(&["list"]);
        assert_eq!(list.status.code(), Some(0));
        assert!(stdout(&list).lines().any(|line| line.starts_with("backpressure")));
        let refused = load(&["run", "nothing", "--target", "http://127.0.0.1:1"]);
        assert_eq!(refused.status.code(), Some(2));
        assert!(stderr(&refused).starts_with("error: "), "{}", stderr(&refused));
    }
}

valk_harness::test! {
    fn programs_read_arguments_and_standard_input() {
        let program = file(
            "input.valk",
            "(print (args) (stdin/read-line) (stdin/read-line)) (print (len (stdin/read-all)) (stdin/read-line))",
        );
        let output = run_with_input(&[&program, "a", "-b"], b"one\r\ntwo\nthe\0rest\n");
        assert_eq!(stdout(&output), "{a -b} one two\n9 ()\n");
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    }

    fn input_without_room_is_an_error_value() {
        for reader in ["stdin/read-line", "stdin/read-all"] {
            let program = file("much.valk", format!("(print ({reader}))"));
            let input = file("much.txt", vec![b'x'; 6 << 20]);
            let mut command = valk(&[&program]);
            command.env("VALK_HEAP_HARD_LIMIT", "4000000");
            command.stdin(std::fs::File::open(&input).expect("made above"));
            let output = command.output().expect("the program runs");
            let expected = format!("Error: {reader}: out of memory: the input does not fit the heap\n");
            assert_eq!(stdout(&output), expected, "{}", stderr(&output));
        }
    }
}

valk_harness::test! {
    fn limits_are_listed_with_units_and_how_to_set_them() {
        let mut command = valk(&["--limits"]);
        command.env("VALK_HEAP_HARD_LIMIT", "20000000");
        let text = stdout(&command.output().expect("it runs"));
        let line = |name: &str| {
            let line = text.lines().find(|line| line.starts_with(&format!("{name} ")));
            line.unwrap_or_else(|| panic!("no {name} in {text}")).split_whitespace().collect::<Vec<_>>()
        };
        assert_eq!(line("heap/hard-limit")[1..], ["20000000", "bytes", "VALK_HEAP_HARD_LIMIT"]);
        assert_eq!(line("heap/soft-limit")[1], "15000000");
        assert_eq!(line("http2/body-bytes")[3], ":max-request-body-size");
        assert_eq!(line("vm/frame")[2..], ["registers", "fixed"]);
        assert_eq!(line("jit/calls")[1..], ["1000", "calls", "VALK_JIT"]);

        let output = run(&["--limits", "--format", "json"]);
        let rows: serde_json::Value = serde_json::from_str(&stdout(&output)).expect("JSON");
        assert_eq!(rows.as_array().expect("an array").len(), text.lines().count());
        assert_eq!(rows[0]["name"], "heap/hard-limit");
        assert_eq!(rows[0]["value"], 512 << 20);
        assert_eq!(run(&["--format", "json"]).status.code(), Some(2), "it belongs to --limits");
    }

    fn the_state_machine_of_connections_is_printed() {
        let text = stdout(&run(&["--dump-fsm"]));
        assert_eq!(text.lines().count(), 80);
        assert!(text.contains("DRAINING    STREAMS_DRAINED    CLOSING\n"), "{text}");
    }

    fn names_are_described() {
        let output = run(&["doc", "error?", "if"]);
        let text = stdout(&output);
        assert!(text.starts_with("error? VALUE\n  1 when the value is an error"), "{text}");
        assert!(text.contains("\n\nif CONDITION THEN\n"), "{text}");
        let output = run(&["doc", "lenght"]);
        assert!(stderr(&output).contains("`lenght` is bound to nothing; did you mean `len`?"));
        assert_eq!(output.status.code(), Some(1));
    }

    fn a_reference_that_is_no_capture_cannot_be_stopped() {
        let output = run(&["-e", "(test/capture-stop (http2/server-listen (aio/await (aio/start)) 0 +))"]);
        assert!(stderr(&output).contains("expected capture_state ref"), "{}", stderr(&output));
    }

    fn completions_name_the_subcommands() {
        for shell in ["bash", "zsh", "fish"] {
            let output = run(&["completions", shell]);
            assert!(stdout(&output).contains("disasm"), "{shell}");
            assert_eq!(output.status.code(), Some(0));
        }
        assert_eq!(run(&["completions", "nosuch"]).status.code(), Some(2));
    }

    fn the_log_goes_to_standard_error_at_its_level() {
        let path = file("logged.valk", "(print 1)");
        for (level, running, info) in
            [("debug", true, true), ("INFO", false, true), ("warning", false, false), ("loud", false, false)]
        {
            let mut command = valk(&[&path]);
            command.env("VALK_LOG", level).env("VALK_HEAP_HARD_LIMIT", "much");
            let output = command.output().expect("it runs");
            assert_eq!(stdout(&output), "1\n");
            let log = stderr(&output);
            assert!(log.contains(":valk::environment | VALK_HEAP_HARD_LIMIT is no number of bytes: much\n"), "{log}");
            assert_eq!(log.contains(" | running "), running, "{level}: {log}");
            assert_eq!(log.contains("[INFO] "), info, "{level}: {log}");
        }
        let mut command = valk(&[&path]);
        command.env("VALK_LOG", "error").env("VALK_HEAP_HARD_LIMIT", "much");
        assert_eq!(stderr(&command.output().expect("it runs")), "");
        for line in ["[WARN] runtime/cli/src/", "[INFO] runtime/cli/src/", "[DEBUG] runtime/cli/src/"] {
            let mut command = valk(&[&path]);
            command.env("VALK_LOG", "trace").env("VALK_HEAP_HARD_LIMIT", "much");
            let log = stderr(&command.output().expect("it runs"));
            assert!(log.lines().any(|found| found.starts_with(line)), "{line}: {log}");
        }
        let set = run(&["-e", "(sys/log/set-level \"info\")"]);
        assert!(stderr(&set).contains("[INFO] "), "{}", stderr(&set));
    }

    fn every_collection_has_a_line_when_asked_for() {
        let path = file("churn.valk", "(fun {build n} {if (== n 0) {list 0} {list (build (- n 1)) (build (- n 1))}}) \
            (map (\\ {_} {do (build 12) 0}) (range 0 10)) (mem/gc/collect) (mem/gc/stats)");
        let output = valk(&[&path]).env("VALK_GC_LOG", "1").output().expect("it runs");
        assert_eq!(stdout(&output), "");
        let log = stderr(&output);
        let lines: Vec<&str> = log.lines().filter(|line| line.starts_with("gc n=")).collect();
        assert!(log.contains(&format!("\nCollections: {}\n", lines.len())), "{log}");
        let last = lines.last().expect("it collects");
        assert!(last.starts_with(&format!("gc n={} kind=full pause_us=", lines.len())), "{last}");
        for name in ["young=", "promoted=", "freed=", "used=", "committed=", "limit=536870912"] {
            assert!(lines.iter().all(|line| line.contains(&format!(" {name}"))), "{log}");
        }
        assert!(lines[0].contains(" kind=minor "), "{log}");
        for off in ["", "0"] {
            let output = valk(&[&path]).env("VALK_GC_LOG", off).output().expect("it runs");
            assert!(!stderr(&output).contains("gc n="), "{}", stderr(&output));
        }
    }

    fn the_numbers_of_a_run_are_printed_when_asked_for() {
        let path = file("counted.valk", "(fun {f x} {* 2 x}) (print (sum (map f (range 0 100)))) (mem/gc/collect)");
        let output = run(&["--stats", &path]);
        assert_eq!(stdout(&output), "9900\n");
        let text = stderr(&output);
        for part in ["=== GC Heap Statistics ===", "Collections: 1\n", "--- interpreter ---\n", "function_calls: ", "--- event_loop ---\n"] {
            assert!(text.contains(part), "{part:?} in {text}");
        }
        let output = run(&["--stats=json", &path]);
        let numbers: serde_json::Value = serde_json::from_str(&stderr(&output)).expect("JSON");
        assert_eq!(numbers["gc"]["cycles_full"], 1);
        assert!(numbers["interpreter"]["function_calls"].as_u64() > Some(300), "{numbers}");
        assert_eq!(run(&["--stats=xml", &path]).status.code(), Some(2));
    }

    fn the_collector_has_modes() {
        let path = file("modes.valk", "(print (sum (map (\\ {x} {* x x}) (range 0 100)))) (mem/gc/collect)");
        let with = |mode: &str| {
            let output = valk(&[&path]).env("VALK_GC", mode).env("VALK_GC_LOG", "1").output();
            let output = output.expect("it runs");
            (stdout(&output), stderr(&output))
        };
        let collections = |log: &str| log.lines().filter(|line| line.starts_with("gc n=")).count();
        let (calm, log) = with("");
        assert_eq!((calm.as_str(), collections(&log)), ("328350\n", 1), "{log}");
        let (same, log) = with("every");
        assert_eq!(same, calm);
        assert!(collections(&log) > 100 && log.contains("kind=minor"), "{log}");
        let (same, log) = with("full, every");
        assert_eq!(same, calm);
        assert!(collections(&log) > 100 && !log.contains("kind=minor"), "{log}");
        assert_eq!(with("random:5").0, calm);
        let (_, log) = with("random");
        let seed = log.lines().find_map(|line| line.strip_prefix("VALK_GC=random:"));
        assert!(seed.is_some_and(|seed| seed.parse::<u64>().is_ok()), "the seed is told: {log}");
        let (refused, log) = with("every,refuse:1");
        assert!(refused.contains("out of memory"), "{refused}{log}");
        for wrong in ["fast", "full:1", "random:x"] {
            let (same, log) = with(wrong);
            assert_eq!(same, calm);
            assert!(log.contains(&format!(" | VALK_GC does not know `{wrong}`")), "{log}");
        }
    }

    fn native_code_comes_when_it_is_asked_for() {
        let program = "(fun {sum n} {if (== n 0) {0} {+ n (sum (- n 1))}}) (print (sum 2000))";
        let path = file("jit.valk", program);
        let with = |jit: &str| {
            let output = valk(&["--stats=json", &path]).env("VALK_JIT", jit).output();
            let output = output.expect("it runs");
            assert_eq!(stdout(&output), "2001000\n");
            let log = stderr(&output);
            let (warnings, numbers) = log.split_at(log.find('{').expect("JSON"));
            let numbers: serde_json::Value = serde_json::from_str(numbers).expect("JSON");
            let compiled = numbers["interpreter"]["functions_compiled"].as_u64();
            (compiled.expect("a number"), warnings.to_string())
        };
        assert_eq!(with("off"), (0, String::new()));
        assert_eq!(with("1000000").0, 0);
        if cfg!(target_arch = "x86_64") {
            assert_eq!(with("").0, 1);
            assert!(with("0").0 >= 1);
            let (compiled, warnings) = with("fast");
            assert_eq!(compiled, 1);
            assert!(warnings.contains("VALK_JIT is neither off nor a number of calls: fast"), "{warnings}");
        }
    }

    fn a_closed_pipe_ends_the_program_quietly() {
        let path = file("endless.valk", "(fun {f n} {do (println \"line\") (f (+ n 1))}) (f 0)");
        let line = format!("{{ {} {path}; echo status $? >&2; }} | head -n 1", valk_tests::program::binary().display());
        let output = Command::new("sh").args(["-c", &line]).output().expect("sh runs");
        assert_eq!((stdout(&output).as_str(), stderr(&output).as_str()), ("line\n", "status 141\n"));
    }

    fn a_closed_standard_error_is_no_panic() {
        let line = format!("{} -e '(nosuch)' 2>&-", valk_tests::program::binary().display());
        let output = Command::new("sh").args(["-c", &line]).output().expect("sh runs");
        assert_eq!(output.status.code(), Some(1));
    }

    fn the_calls_and_causes_of_an_error_are_shown_as_text_and_as_json() {
        let path = file(
            "chain.valk",
            "(fun {open n} {error/with-cause (error \"no start\") (read-file n)})\n(+ 1 (open \"none\"))",
        );
        let text = stderr(&run(&[&path]));
        assert!(text.contains("= calls: open (") && text.contains("called from <top level> ("), "{text}");
        assert!(text.contains("= cause: E0021: Could not open file (none)"), "{text}");
        let json = stderr(&run(&["--error-format", "json", &path]));
        let object: serde_json::Value = serde_json::from_str(&json).expect("JSON");
        assert_eq!(object["calls"][1]["name"], "<top level>");
        assert_eq!(object["causes"][0]["code"], "E0021");
    }
}

valk_harness::cases! {
    fn what_follows_the_program_is_the_programs((given, expected): (&[&str], &str)) [
        "a file" => (&["PROGRAM", "input.txt"][..], "{input.txt}"),
        "options" => (&["PROGRAM", "--help", "-n", "5", "--verbose"][..], "{--help -n 5 --verbose}"),
        "dashes" => (&["PROGRAM", "--", "a"][..], "{-- a}"),
        "dashes twice" => (&["PROGRAM", "--", "--", "a"][..], "{-- -- a}"),
        "dashes alone" => (&["PROGRAM", "--"][..], "{--}"),
        "dashes behind a program by option" => (&["-f", "PROGRAM", "--", "a"][..], "{a}"),
        "a dash behind the first argument" => (&["PROGRAM", "a", "--"][..], "{a --}"),
        "the program again" => (&["PROGRAM", "PROGRAM"][..], "{PROGRAM}"),
        "options of the command before it" => (&["--script", "PROGRAM", "--script"][..], "{--script}"),
        "a part of the old library before it" => (&["src/prelude.valk", "PROGRAM", "z"][..], "{z}"),
        "programs by option" => (&["-f", "PROGRAM", "x", "-y"][..], "{x -y}"),
        "a long option" => (&["--file=PROGRAM", "x"][..], "{x}"),
        "an expression before it" => (&["-e", "(do 1)", "PROGRAM", "-e"][..], "1\n{-e}"),
        "nothing" => (&["PROGRAM"][..], "()"),
    ] {
        let path = file("arguments.valk", "#!/usr/bin/env valk\n(print (args))");
        let given: Vec<String> = given.iter().map(|part| part.replace("PROGRAM", &path)).collect();
        let given: Vec<&str> = given.iter().map(String::as_str).collect();
        let output = run(&given);
        assert_eq!(stdout(&output), expected.replace("PROGRAM", &path) + "\n", "{}", stderr(&output));
        assert_eq!(output.status.code(), Some(0));
    }
}

valk_harness::test! {
    fn arguments_and_paths_are_bytes() {
        use std::os::unix::ffi::OsStrExt;
        let name = std::ffi::OsStr::from_bytes(b"caf\xe9.valk");
        let path = std::env::temp_dir().join(name);
        std::fs::write(&path, "(print (len (fst (args))) (read-file (snd (args))))").expect("written");
        let data = std::env::temp_dir().join(std::ffi::OsStr::from_bytes(b"data\xff"));
        std::fs::write(&data, "inside").expect("written");
        let mut command = valk(&[]);
        command.arg(&path).arg(name).arg(&data);
        assert_eq!(stdout(&command.output().expect("it runs")), "9 inside\n");
    }

    fn older_versions_took_every_file_as_a_program() {
        let path = file("compatible.valk", "(print (args)) (nosuch)");
        let mut command = valk(&[&path, &path, "--", "a"]);
        let output = command.env("VALK_COMPAT", "1").output().expect("it runs");
        let once = "{a}\nError[LEnv: Symbol `nosuch` is not bound]\n";
        assert_eq!(stdout(&output), once.repeat(2));
        assert_eq!(output.status.code(), Some(0));
    }

    fn a_program_on_standard_input_reads_what_follows_it() {
        let program = b"(fun {f}\n {+ 1 1})\n(f)\n(print (stdin/read-line) (f))\nhello\n(nosuch)\n(print 2)\n";
        let output = run_with_input(&["-", "x"], program);
        assert_eq!(stdout(&output), "hello 2\n");
        assert!(stderr(&output).contains("`nosuch` is not bound"), "{}", stderr(&output));
        assert_eq!(output.status.code(), Some(1));
        assert_eq!(run_with_input(&["-"], b"(exit 4)\n").status.code(), Some(4));
    }

    fn a_prompt_and_its_program_read_one_input() {
        let output = run_with_input(&[], b"(stdin/read-line)\nhello\n(print 1)\n");
        assert_eq!(stdout(&output), "\"hello\"\n1\n()\n");
        let output = run_with_input(&["repl"], b"(print (stdin/read-all))\nhello\n");
        assert_eq!(stdout(&output), "hello\n\n()\n");
    }

    fn a_loaded_file_that_is_broken_is_told_and_gives_a_status() {
        let library = file("broken-lib.valk", "(fun {ok x} {+ x 1})\n(fun {broken x} {+ x 1)\n");
        let program = file("loads.valk", format!("(load \"{library}\")\n(print \"end\" (ok 1))"));
        let output = run(&[&program]);
        assert_eq!(stdout(&output), "end 2\n");
        assert!(stderr(&output).contains("broken-lib.valk:2:23"), "{}", stderr(&output));
        assert_eq!(output.status.code(), Some(1));
    }
}
