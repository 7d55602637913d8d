//! The prompt from outside: commands, the last value, completion, interruption.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use valk_tests::program::{binary, file, run_with_input, stderr, stdout, valk};

/// A session with these lines: output and diagnostics.
fn session(lines: &str) -> (String, String) {
    let output = run_with_input(&["repl"], lines.as_bytes());
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    (stdout(&output), stderr(&output))
}

valk_harness::test! {
    fn it_is_the_last_value() {
        let (out, _) = session("(+ 20 1)\n(* it 2)\nnosuch\nit\n");
        assert_eq!(out, "Num[21]\nNum[42]\nError[LEnv: Symbol `nosuch` is not bound]\nNum[42]\n");
    }

    fn a_keyword_alone_is_a_value_and_no_command() {
        let (out, err) = session(":status\n(== :status :status)\n");
        assert_eq!((out.as_str(), err.as_str()), (":status\nNum[1]\n", ""));
    }

    fn an_unknown_command_gets_the_list() {
        let (out, err) = session(":tiem (+ 1 2)\n1\n");
        assert_eq!(out, "Num[1]\n");
        assert!(err.contains(":tiem is no command") && err.contains(":time EXPR"), "{err}");
    }

    fn help_lists_the_commands_and_describes_names() {
        let (out, err) = session(
            "(fun {area w h} {* w h})\n:help\n:help area\n:doc error?\n:doc if\n:doc nosuchx\n:doc\n",
        );
        for part in [":quit", ":disasm EXPR", "the last value", "(area w h)", "error? VALUE", "if CONDITION THEN"] {
            assert!(out.contains(part), "{part}\n{out}");
        }
        assert!(err.contains("`nosuchx` is bound to nothing"), "{err}");
        assert!(err.contains(":doc is used so:"), "{err}");
    }

    fn commands_say_what_they_need() {
        let (_, err) = session(":time\n:load\n:disasm\n");
        for part in [":time is used so:", ":load is used so:", ":disasm is used so:"] {
            assert!(err.contains(part), "{part}\n{err}");
        }
    }

    fn time_shows_value_and_duration() {
        let (out, _) = session(":time (+ 1 2)\n");
        let lines: Vec<&str> = out.lines().collect();
        assert_eq!(lines[0], "Num[3]");
        assert!(lines[1].ends_with(" ms"), "{out}");
    }

    fn load_runs_a_file_in_the_session() {
        let path = file("loaded.valk", "(def {loaded} 5)");
        let (out, err) = session(&format!(":load {path}\nloaded\n:load no-such.valk\n"));
        assert!(out.starts_with("Num[5]\n"), "{out}");
        assert!(err.contains("no-such.valk"), "{err}");
    }

    fn disasm_lists_an_expression() {
        let (out, err) = session(":disasm (fun {f x} {+ x 1})\n:disasm (+ 1\n");
        assert!(out.contains("add-number"), "{out}");
        assert!(err.contains("E0001"), "{err}");
    }

    fn exit_during_a_wait_ends_the_session_with_its_status() {
        let wait = b"1\n(do (future (\\ {} {exit 3})) (aio/await (promise)))\n2\n";
        let output = run_with_input(&["repl"], wait);
        assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
        assert_eq!(stdout(&output), "Num[1]\n");
    }

    fn quit_ends_the_session() {
        assert_eq!(session("1\n:quit\n2\n").0, "Num[1]\n");
    }
}

/// A prompt that reads from a pipe.
struct Piped {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Piped {
    fn start() -> Piped {
        let mut command = valk(&["repl"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().expect("the program starts");
        let input = child.stdin.take().expect("piped above");
        let output = BufReader::new(child.stdout.take().expect("piped above"));
        Piped { child, input, output }
    }

    fn say(&mut self, text: &str) {
        self.input.write_all(text.as_bytes()).expect("the program reads");
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).expect("the program writes");
        line
    }

    fn interrupt(&self) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-INT", &pid]).status().expect("kill").success());
    }
}

valk_harness::cases! {
    fn an_interrupt_ends_the_evaluation_only(endless: &str) [
        "a loop" => "(do (println \"on\") (forever 1))",
        "errors ignored" => "(do (println \"on\") (deaf 1))",
        "a pause" => "(do (println \"on\") (sleep 100000))",
        "recursion" => "(do (println \"on\") (fib 60))",
        "a wait" => "(do (println \"on\") (aio/await (aio/sleep sys 100000)))",
        "a parallel map" => "(do (println \"on\") (pmap forever {1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18}))",
        "a parallel map of pauses" => "(do (println \"on\") (pmap sleep {100000 100000}))",
    ] {
        let mut prompt = Piped::start();
        prompt.say("(fun {forever n} {forever (+ n 1)})\n(fun {deaf n} {do (forever 1) (deaf 1)})\n");
        prompt.say("(fun {fib n} {if (< n 2) {do n} {+ (fib (- n 1)) (fib (- n 2))}})\n");
        prompt.say("(def {sys} (aio/await (aio/start)))\n");
        for _ in 0..4 {
            prompt.line();
        }
        prompt.say(&format!("{endless}\n"));
        assert_eq!(prompt.line(), "on\n");
        prompt.interrupt();
        assert_eq!(prompt.line(), "Error[interrupted]\n");
        prompt.say("(+ 1 2)\n");
        assert_eq!(prompt.line(), "Num[3]\n");
        drop(prompt.input);
        assert_eq!(prompt.child.wait().expect("it ends").code(), Some(0));
    }
}

valk_harness::test! {
    fn an_interrupt_of_an_idle_pipe_ends_the_process() {
        let mut prompt = Piped::start();
        prompt.say("1\n");
        assert_eq!(prompt.line(), "Num[1]\n");
        // A value is printed when its evaluation is over.
        prompt.interrupt();
        assert_eq!(prompt.child.wait().expect("it ends").code(), Some(130));
    }
}

/// [`with_history`] without one.
fn at_a_terminal(dialogue: &[(&str, &str)]) -> String {
    with_history("", dialogue)
}

/// Types at a terminal that script(1) makes, each text once the awaited one has been shown: what is
/// typed before the editor listens would go to the terminal driver instead.
fn with_history(history: &str, dialogue: &[(&str, &str)]) -> String {
    // The shell of script(1) would take the interrupt too and report it, so it makes way.
    let command = format!("exec {} repl", binary().display());
    let mut script = Command::new("script");
    script.args(["-qec", &command, "/dev/null"]).env("VALK_HISTORY", history).env("TERM", "xterm");
    script.stdin(Stdio::piped()).stdout(Stdio::piped());
    let Ok(mut child) = script.spawn() else {
        valk_harness::skip_expected(
            valk_harness::SkipCode::ToolMissing("script"),
            "script(1) gives the prompt a terminal",
        );
    };
    let mut stdin = child.stdin.take().expect("piped above");
    let mut stdout = child.stdout.take().expect("piped above");
    let mut text = String::new();
    for (awaited, typed) in dialogue {
        let seen = text.len();
        while !text[seen..].contains(awaited) {
            let mut byte = [0];
            stdout.read_exact(&mut byte).unwrap_or_else(|_| panic!("no {awaited:?} in {text:?}"));
            text.push(char::from(byte[0]));
        }
        stdin.write_all(typed.as_bytes()).expect("the terminal takes input");
    }
    let mut rest = Vec::new();
    stdout.read_to_end(&mut rest).expect("it shows the end");
    let status = child.wait().expect("it ends");
    assert!(status.success(), "{status} after {text}{}", String::from_utf8_lossy(&rest));
    text
}

valk_harness::test! {
    fn tab_completes_names_and_control_c_ends_a_loop() {
        at_a_terminal(&[
            ("valk> ", "(def {quadruple} 4)\r"),
            ("()", ""),
            ("valk> ", "(* 2 quadru\t)\r"),
            ("Num[8]", ""),
            ("valk> ", "(+ \t3 4)\r"),
            ("Num[7]", ""),
            ("valk> ", "(fun {forever n} {forever (+ n 1)})\r"),
            ("()", ""),
            ("valk> ", "(do (println \"running\") (println \"on\") (forever 1))\r"),
            ("\nrunning\r\non\r\n", "\x03"),
            ("Error[interrupted]", ""),
            ("valk> ", "(+ 40 2)\r"),
            ("Num[42]", ""),
            ("valk> ", "\x04"),
        ]);
    }

    fn quit_ends_a_session_at_a_terminal() {
        let history = file("history-of-quit", "");
        with_history(&history, &[("valk> ", "(+ 40 2)\r"), ("Num[42]", ""), ("valk> ", ":quit\r")]);
        let kept = std::fs::read_to_string(&history).expect("the history is written");
        assert!(kept.contains("(+ 40 2)"), "{kept}");
    }

    fn a_history_is_kept() {
        let history = file("history", "");
        with_history(
            &history,
            &[
                ("valk> ", "(+ 40\r"),
                ("....> ", " 2)\r"),
                ("Num[42]", ""),
                ("valk> ", "(list 1\r"),
                ("....> ", "\x04"),
                ("Unexpected end of input", ""),
                ("valk> ", "(list 2\r"),
                ("....> ", "\x03"),
                ("valk> ", "exit\r"),
            ],
        );
        let kept = std::fs::read_to_string(&history).expect("the history is written");
        assert!(kept.contains("(+ 40"), "{kept}");
    }

    fn tab_completes_commands_and_the_path_of_load() {
        let path = file("loaded-here.valk", "(println \"by command\")");
        let begun = path.strip_suffix("-here.valk").expect("named above");
        at_a_terminal(&[
            ("valk> ", ":tim\t (+ 1 2)\r"),
            ("Num[3]", ""),
            ("valk> ", &format!(":load {begun}\t\r")),
            ("by command", ""),
            ("valk> ", "\x04"),
        ]);
    }

    fn tab_completes_paths_inside_load() {
        let path = file("completed-path.valk", "(println \"from the file\")");
        let begun = path.strip_suffix("-path.valk").expect("named above");
        at_a_terminal(&[
            ("valk> ", &format!("(load \"{begun}\t\")\r")),
            ("from the file", ""),
            ("valk> ", "\x04"),
        ]);
    }

    fn what_is_typed_has_colours() {
        let text = at_a_terminal(&[
            ("valk> ", "(len \"abc\")\r"),
            ("Num[3]", ""),
            ("valk> ", "(list :key '(1) \"å\") ; said\r"),
            ("Num[1]", ""),
            ("valk> ", "\x04"),
        ]);
        assert!(text.contains("\x1b[1;34mlen\x1b[0m"), "{text:?}");
        assert!(text.contains("\x1b[32m\"abc\"\x1b[0m"), "{text:?}");
    }
}
