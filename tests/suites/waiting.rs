//! Waits of a program, and what ends them: signals, `exit`, time, nothing at all.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Output, Stdio};
use valk_tests::program::{Service, file, run, stderr, stdout, valk};

/// A program that prints a line before it does `code`, or soon after that began, with a system
/// `sys`.
fn waiting(code: &str) -> Command {
    let ready = if code.starts_with("(stdin") {
        "(println \"ready\")"
    } else {
        "(aio/schedule sys 20 (\\ {} {println \"ready\"}))"
    };
    let start = "(def {sys} (aio/await (aio/start))) (fun {spin n} {spin (+ n 1)})";
    let start = format!("{start} {ready}");
    let path = file("waiting.valk", format!("{start}\n{code}\n(print \"after\")"));
    let mut command = valk(&[&path]);
    command.stdin(Stdio::piped()).stderr(Stdio::null());
    command
}

/// Runs a program with these variables of the environment.
fn run_program(code: &str, variables: &[(&str, &str)]) -> Output {
    let path = file("program.valk", code);
    let output = valk(&[&path]).envs(variables.iter().copied()).output();
    output.expect("the program runs")
}

/// What a signal does to a program once it waits: status, and what it prints.
fn signalled(code: &str, signal: &str) -> (Option<i32>, String) {
    let mut service = Service::spawn(waiting(code));
    assert_eq!(service.line(), "ready");
    service.signal(signal);
    service.wait()
}

valk_harness::cases! {
    fn a_signal_ends_a_wait_for(code: &str) [
        "a promise" => "(aio/await (promise))",
        "a promise for a time" => "(aio/await (promise) 600000)",
        "a sleep" => "(aio/await (aio/sleep sys 600000))",
        "what never ends" => "(aio/await (aio/never sys))",
        "a future that waits" => "(aio/await (future (\\ {} {aio/await (promise)})))",
        "a future that computes" => "(aio/await (future (\\ {} {spin 0})))",
        "a parallel map" => "(pmap (\\ {_} {aio/await (promise)}) {1 2 3})",
        "a pause" => "(sleep 600000)",
        "a loop" => "(spin 0)",
        "standard input" => "(stdin/read-line)",
        "a deadline" => "(ctx/with-deadline 600000 {aio/await (promise)})",
    ] {
        for (signal, status) in [("TERM", 143), ("INT", 130)] {
            assert_eq!(signalled(code, signal), (Some(status), String::new()), "{signal}");
        }
    }
}

valk_harness::test! {
    fn a_program_that_runs_a_system_goes_on_after_a_signal() {
        for signal in ["TERM", "INT"] {
            assert_eq!(signalled("(aio/run sys)", signal), (Some(0), "after\n".to_string()));
        }
        let code = "(aio/run sys) (print (aio/status (aio/sleep sys 1))) (exit 4)";
        assert_eq!(signalled(code, "TERM"), (Some(4), ":cancelled\nafter\n".to_string()));
    }

    fn nothing_that_follows_a_wait_ended_by_a_signal_runs() {
        let first = "(print (list 1 (aio/await (promise)))) (print 2)";
        assert_eq!(signalled(first, "TERM"), (Some(143), String::new()));
        let later = file("later.valk", "(print \"later\")");
        let mut command = waiting("(aio/await (promise))");
        command.arg(later);
        let mut service = Service::spawn(command);
        assert_eq!(service.line(), "ready");
        service.signal("TERM");
        assert_eq!(service.wait(), (Some(143), String::new()));
    }

    fn an_exit_status_wins_over_that_of_a_signal() {
        let code = "(aio/schedule sys 60 (\\ {} {do (exit 6) (println \"exits\")})) (spin 0)";
        let mut service = Service::spawn(waiting(code));
        assert_eq!((service.line(), service.line()), ("ready".to_string(), "exits".to_string()));
        service.signal("TERM");
        assert_eq!(service.wait().0, Some(6));
    }
}

valk_harness::cases! {
    fn exit_in_a_future_ends_a_wait_for(code: &str) [
        "a promise" => "(aio/await (promise))",
        "a promise for a time" => "(aio/await (promise) 600000)",
        "a future that waits" => "(aio/await (future (\\ {} {aio/await (promise)})))",
        "a group" => "(aio/await (aio/all (list (promise) (promise))))",
        "a parallel map" => "(pmap (\\ {_} {aio/await (promise)}) {1 2})",
        "a pause" => "(sleep 600000)",
        "standard input" => "(stdin/read-line)",
    ] {
        for executors in ["1", "3"] {
            // Reading keeps the only executor.
            if code.contains("stdin") && executors == "1" {
                continue;
            }
            let exits = "(println \"ready\") (future (\\ {} {do (sleep 20) (exit 5)}))";
            let path = file("exits.valk", format!("{exits} {code} (print \"after\")"));
            let mut command = valk(&[&path]);
            command.stdin(Stdio::piped()).env("VALK_EXECUTORS", executors);
            let mut service = Service::spawn(command);
            assert_eq!(service.line(), "ready");
            assert_eq!(service.wait(), (Some(5), String::new()), "{executors} executors");
        }
    }
}

valk_harness::test! {
    fn exit_in_a_callback_lets_a_program_that_runs_a_system_go_on() {
        let code = "(def {sys} (aio/await (aio/start))) \
                    (future (\\ {} {do (sleep 20) (exit 5)})) (aio/run sys) (print \"after\")";
        let output = run_program(code, &[]);
        assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(5), "after\n"));
    }

    fn exit_elsewhere_does_not_end_a_program_that_computes() {
        let code = "(future (\\ {} {exit 5})) (fun {count n} {if (== n 0) {0} {count (- n 1)}}) \
                    (count 300000) (print \"counted\")";
        let output = run_program(code, &[]);
        assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(5), "counted\n"));
    }

    fn functions_that_never_end_hold_up_the_end_for_a_while_only() {
        let code = "(fun {spin n} {spin (+ n 1)}) (future (\\ {} {spin 0})) \
                    (future (\\ {} {sleep 600000})) (exit 3)";
        assert_eq!(run_program(code, &[]).status.code(), Some(3));
    }
}

valk_harness::test! {
    fn a_function_that_makes_its_next_one_lets_others_run() {
        let code = "(def {stop turns} (box 0) (box 0))
            (fun {tick} {
              if (== 1 (box/get stop))
                {do :stopped}
                {do (box/update turns (\\ {n} {+ n 1})) (future (\\ {} {tick})) nil}})
            (def {clock} (future (\\ {} {tick})))
            (def {job} (future (\\ {} {+ 40 2})))
            (print (aio/await job))
            (box/set stop 1)";
        for variable in ["VALK_EXECUTORS", "VALK_WORKERS"] {
            let output = run_program(code, &[(variable, "1")]);
            assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(0), "42\n"));
        }
    }

    fn one_executor_takes_functions_in_the_order_they_were_handed_over() {
        let code = "(def {order} (box {}))
            (fun {note i} {box/update order (\\ {l} {join l (list i)})})
            (fun {notes n} {map (\\ {i} {future (\\ {} {note i})}) (range 0 n)})
            (map aio/await (notes 10))
            (print (box/get order))
            (box/set order {})
            (aio/await (future (\\ {} {map aio/await (notes 6)})))
            (print (box/get order))";
        let output = run_program(code, &[("VALK_EXECUTORS", "1")]);
        assert_eq!(stdout(&output), "{0 1 2 3 4 5 6 7 8 9}\n{0 1 2 3 4 5}\n", "{}", stderr(&output));
    }

    fn what_a_program_prints_comes_in_its_order_however_late_it_is_read() {
        let code = "(future (\\ {} {do 1})) (fun {text n} {str n \" \" (make-string 100 \"0123456789\")})
            (println \"ready\") (map (\\ {n} {println (text n)}) (range 0 3000)) (printf \"end\")";
        let path = file("prints.valk", code);
        let mut child = valk(&[&path]).stdout(Stdio::piped()).spawn().expect("it starts");
        let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        let mut line = || lines.next().expect("a line").expect("text");
        assert_eq!(line(), "ready");
        // It cannot end before that, for the pipe holds less.
        assert_eq!(child.try_wait().expect("its state").map(|status| status.code()), None);
        for number in 0..3000 {
            assert_eq!(line(), format!("{number} {}", "0123456789".repeat(100)));
        }
        assert_eq!(line(), "end");
        assert!(child.wait().expect("it ends").success());
    }

    fn a_deadline_ends_a_read_and_loses_nothing() {
        let code = "(print (error/message (ctx/with-deadline 20 {stdin/read-line})))
            (println \"ready\") (print (stdin/read-line))
            (print (ctx/with-deadline 600000 {stdin/read-line}) (stdin/read-all))
            (print (ctx/with-deadline 600000 {stdin/read-line}))";
        let path = file("reads.valk", code);
        let mut child = valk(&[&path]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it starts");
        let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        let mut line = || lines.next().expect("a line").expect("text");
        assert_eq!((line(), line()), (":deadline-exceeded".to_string(), "ready".to_string()));
        let mut input = child.stdin.take().expect("a pipe");
        input.write_all(b"first\nsecond\nthird\nfourth").expect("it reads");
        drop(input);
        assert_eq!((line(), line()), ("first".to_string(), "second third".to_string()));
        assert_eq!((line(), line()), ("fourth".to_string(), "()".to_string()));
        assert!(child.wait().expect("it ends").success());
    }

    fn functions_that_compute_do_not_keep_the_next_ones_from_beginning() {
        let spin = "(def {stop} (box 0)) (fun {s n} {if (== 1 (box/get stop)) {do n} {s (+ n 1)}})
            (map (\\ {i} {future (\\ {} {s 0})}) {1 2 3})";
        for executors in ["1", "2"] {
            for (before, code) in [
                ("", "(print (aio/await (future (\\ {} {+ 40 2})) 60000)) (box/set stop 1)"),
                ("", "(print (+ 39 (len (pmap id {1 2 3})))) (box/set stop 1)"),
                ("(def {f} (future (\\ {} {do (sleep 30) 42})))", "(print (aio/await f 60000)) (box/set stop 1)"),
                ("(def {sys} (aio/await (aio/start)))", "(print (aio/await (future (\\ {} {+ 40 2})) 60000)) (box/set stop 1)"),
            ] {
                let output = run_program(&format!("{before} {spin} {code}"), &[("VALK_EXECUTORS", executors)]);
                assert_eq!(stdout(&output), "42\n", "{executors} {code}: {}", stderr(&output));
            }
        }
    }

    fn many_pending_timers_do_not_make_the_next_one_dearer() {
        let code = "(def {sys} (aio/await (aio/start)))
            (fun {made n} {
              (= {start} (time-us))
              (= {timers} (map (\\ {_} {aio/sleep sys 600000}) (range 0 n)))
              (= {us} (- (time-us) start))
              (map aio/cancel timers)
              (do us)})
            (fun {least n rounds} {foldl min (made n) (map (\\ {_} {made n}) (range 0 rounds))})
            (print (< (least 64000 1) (* 100 (least 8000 2))))";
        assert_eq!(stdout(&run_program(code, &[])), "1\n", "eight times as many cost about eight times as much");
    }
}

valk_harness::cases! {
    fn a_wait_that_nothing_can_end_is_an_error(code: &str) [
        "a promise" => "(= {waited} (aio/await (promise)))",
        "a future that waits for itself" => "(def {f} (future (\\ {} {do (sleep 5) (aio/await f)}))) (= {waited} (aio/await f))",
        "futures that wait for each other" => "(def {a} (future (\\ {} {do (sleep 5) (aio/await b)}))) \
     (def {b} (future (\\ {} {do (sleep 5) (aio/await a)}))) (= {waited} (aio/await a))",
        "a chain" => "(= {waited} (aio/await (aio/then (promise) id)))",
        "a group" => "(= {waited} (aio/await (aio/race (list (promise) (promise)))))",
        "a parallel map" => "(= {waited} (pmap (\\ {_} {aio/await (promise)}) {1 2}))",
    ] {
        for executors in ["1", "3"] {
            let output = run_program(
                &format!("{code} (print (error/message waited)) (print \"after\")"),
                &[("VALK_EXECUTORS", executors)],
            );
            let text = stdout(&output);
            assert!(text.starts_with("await: nothing can end this wait"), "{text}{}", stderr(&output));
            assert!(text.contains("deliver the promise") && text.ends_with("after\n"), "{text}");
            assert_eq!(output.status.code(), Some(0));
        }
    }
}

valk_harness::test! {
    fn a_wait_that_something_can_end_goes_on() {
        let p = "(def {p} (promise))";
        for ends in [
            "(future (\\ {} {do (sleep 30) (promise/deliver p 7)}))",
            "(future (\\ {} {promise/deliver p (aio/await (future (\\ {} {do (sleep 10) 7})))}))",
            "(future (\\ {} {if (nil? (stdin/read-line)) {promise/deliver p 7} {nil}}))",
            "(def {sys} (aio/await (aio/start))) (aio/schedule sys 30 (\\ {} {promise/deliver p 7}))",
        ] {
            let output = run_program(&format!("{p} {ends} (print (aio/await p))"), &[]);
            assert_eq!(stdout(&output), "7\n", "{ends}: {}", stderr(&output));
        }
    }

    fn systems_work_on_every_executor() {
        let code = "(def {sys} (aio/await (aio/start)))
            (print (aio/await (future (\\ {} {aio/await (aio/sleep sys 5)}))))
            (print (aio/await (future (\\ {} {aio/await (aio/schedule sys 5 (\\ {} {do 6}))}))))
            (def {other} (aio/await (future (\\ {} {aio/await (aio/start)}))))
            (print (aio/await (aio/schedule other 5 (\\ {} {do 7}))))
            (print (aio/await (future (\\ {} {do (aio/stop other) (aio/run other)}))))";
        for executors in ["1", "2", "5"] {
            let output = run_program(code, &[("VALK_EXECUTORS", executors)]);
            assert_eq!(stdout(&output), "()\n6\n7\n()\n", "{executors}: {}", stderr(&output));
        }
    }

    fn the_number_of_executors_has_a_limit_that_is_told() {
        let output = run_program("(print (aio/await (future (\\ {} {do 1}))))", &[("VALK_EXECUTORS", "64")]);
        assert_eq!(stdout(&output), "1\n");
        assert!(stderr(&output).contains("VALK_EXECUTORS is no number from 1 to 63: 64"), "{}", stderr(&output));
        assert!(stdout(&run(&["--help"])).contains("1 to 63"));
        let limits = stdout(&valk(&["--limits"]).env("VALK_EXECUTORS", "5").output().expect("it runs"));
        let row = |name: &str| limits.lines().find(|line| line.starts_with(name)).expect("a row");
        let line = row("threads/executors ");
        assert!(line.contains(" 5 ") && line.contains("VALK_EXECUTORS, 1 to 63"), "{limits}");
    }
}
