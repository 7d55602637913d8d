//! Functions on several threads: futures, parallel maps, promises, boxes.

use crate::{Executor, register};
use std::time::{Duration, Instant};
use valk_heap::{Config, Stress, Value};
use valk_lang::{Output, Ran, Runtime};
use valk_vm::{Arity, NativeKind, Outcome};

/// Threads beside the program's own.
const WORKERS: usize = 2;

/// What a program prints on a heap like this, and the error that ended it.
fn output_of(config: &Config, program: &str) -> String {
    let calm = Config { stress: Stress::Off, ..config.clone() };
    let mut runtime = Runtime::new(calm, Output::memory()).expect("a heap");
    runtime.vm().heap.set_stress(config.stress);
    register(&runtime.vm);
    let mut executor = Executor::new(&runtime.vm).expect("a reactor");
    let ran = runtime.run_text("p", program.as_bytes(), &mut executor);
    executor.finish(&runtime.vm);
    let mut text = String::from_utf8(runtime.take_output()).expect("text");
    if let Ran::Failed(error, _) = ran {
        text.push_str(&runtime.repr(error));
    }
    text
}

pub fn threaded() -> Config {
    Config { mutators_max: 1 + WORKERS, ..Config::default() }
}

struct Case {
    name: &'static str,
    program: &'static str,
    prints: &'static str,
}

const fn case(name: &'static str, program: &'static str, prints: &'static str) -> Case {
    Case { name, program, prints }
}

const CASES: &[Case] = &[
    case("value", "(print (aio/await (future (\\ {} {+ 1 2}))))", "3\n"),
    case("error", "(print (aio/await (future (\\ {} {error \"no\"}))))", "Error: no\n"),
    case(
        "several wait for one",
        "(= {f} (future (\\ {} {do (sleep 20) 7})))
         (= {g} (map (\\ {i} {future (\\ {} {+ i (aio/await f)})}) {1 2 3}))
         (print (aio/await f) (map aio/await g))",
        "7 {8 9 10}\n",
    ),
    case(
        "more that wait than threads",
        "(fun {chain n} {if (== n 0) {0} {+ 1 (aio/await (future (\\ {} {chain (- n 1)})))}})
         (print (aio/await (future (\\ {} {chain 50}))))",
        "50\n",
    ),
    case("map", "(print (pmap (\\ {x} {* x x}) (range 0 20)) (pmap id nil))",
        "{0 1 4 9 16 25 36 49 64 81 100 121 144 169 196 225 256 289 324 361} ()\n"),
    case("map inside map", "(print (pmap (\\ {n} {sum (pmap (\\ {x} {+ x 1}) (range 0 n))}) (range 0 12)))",
        "{0 1 3 6 10 15 21 28 36 45 55 66}\n"),
    case("map with errors", "(print (pmap (\\ {x} {if (== x 2) {error \"two\"} {do x}}) {1 2 3}))",
        "{1 Error: two 3}\n"),
    case("many at once",
        "(= {h} (map (\\ {i} {future (\\ {} {do i})}) (range 0 6000))) (print (sum (map aio/await h)))
         (print (sum (aio/await (future (\\ {} {map aio/await (map (\\ {i} {future (\\ {} {do i})}) (range 0 6000))})))))",
        "17997000\n17997000\n"),
    case("promise, once",
        "(= {p} (promise)) (print (promise/deliver p 1) (promise/deliver p 2) (aio/await p))",
        "1 0 1\n"),
    case("promise with an error",
        "(= {p} (promise)) (promise/deliver p (error \"broken\")) (print (aio/await p))",
        "Error: broken\n"),
    case("promise raced for",
        "(= {p} (promise))
         (= {won} (pmap (\\ {i} {promise/deliver p i}) (range 0 40)))
         (print (sum won) (nth (+ 1 (aio/await p)) won))",
        "1 1\n"),
    case("promise from a thread to the program",
        "(= {p} (promise)) (future (\\ {} {do (sleep 10) (promise/deliver p :late)})) (print (aio/await p))",
        ":late\n"),
    case("promise from the program to a thread",
        "(= {p} (promise)) (= {f} (future (\\ {} {list (aio/await p) (aio/await p)})))
         (sleep 10) (promise/deliver p {1}) (print (aio/await f))",
        "{{1} {1}}\n"),
    case("no change of a box is lost",
        "(= {b} (box 0)) (pmap (\\ {i} {box/update b (\\ {n} {+ n 1})}) (range 0 3000)) (print (box/get b))",
        "3000\n"),
    case("an update that waits for a change of its box is an error",
        "(= {b} (box 0)) (fun {inc n} {+ n 1})
         (print (box/update b (\\ {n} {do (aio/await (future (\\ {} {box/update b inc}))) (+ n 1)})) (box/get b))
         (print (box/update b (\\ {n} {do (pmap (\\ {i} {box/update b inc}) {1 2 3}) (+ n 1)})) (box/get b))
         (print (box/update b (\\ {n} {do (aio/await (aio/then (aio/pure 1) (\\ {x} {box/set b (+ n 6)}))) (+ n 1)})) (box/get b))
         (= {other} (box 0))
         (print (box/update b (\\ {n} {do (aio/await (future (\\ {} {box/update other inc}))) (+ n 1)})) (box/get other) (box/update b inc)
                (aio/await (ctx/with :k 3 (future (\\ {} {box/update b (\\ {n} {ctx/get :k})})))) (trace/id))",
        "Error: box/update: the box is being updated by this function 2\n\
         Error: box/update: the box is being updated by this function 8\n\
         Error: box/update: the box is being updated by this function 20\n\
         21 1 22 3 ()\n"),
    case("a deadline ends pauses and maps",
        "(print (ctx/with-deadline 5 {sleep 600000}) (ctx/with-deadline 5 {pmap (\\ {_} {sleep 600000}) {1 2}}))
         (print (ctx/with-deadline 0 {sleep 1}) (ctx/with-deadline 0 {pmap id {1}}))
         (print (ctx/with-deadline 600000 {sleep 1}) (ctx/with-deadline 600000 {pmap id {1 2}}))",
        "Error: :deadline-exceeded Error: :deadline-exceeded\n\
         Error: :deadline-exceeded Error: :deadline-exceeded\n() {1 2}\n"),
    case("definitions are shared",
        "(def {x} 1) (aio/await (future (\\ {} {def {x} {2 3}}))) (print x (aio/await (future (\\ {} {do x}))))",
        "{2 3} {2 3}\n"),
    case("a builtin rebound for everybody",
        "(fun {spin n} {if (== (+ n 1) :no) {do :seen} {spin n}})
         (= {f} (future (\\ {} {spin 1}))) (sleep 10) (def {+} (\\ {a b} {:no})) (print (aio/await f))",
        ":seen\n"),
    case("continuations cross threads",
        "(= {k} (reset {+ 1 (shift {k} {do k})}))
         (= {j} (aio/await (future (\\ {} {reset {* 2 (shift {k} {do k})}}))))
         (print (aio/await (future (\\ {} {k 5}))) (j 5) (aio/await (future (\\ {} {reset {+ (j 1) (k 1)}}))))",
        "6 10 4\n"),
    case("run-time code",
        "(print (pmap (\\ {n} {eval (list + n 1)}) {1 2 3}) (aio/await (future (\\ {} {eval (read \"(+ 1 2)\")}))))",
        "{2 3 4} 3\n"),
    case("the context goes along",
        "(ctx/with :k 5 (print (aio/await (future (\\ {} {ctx/get :k})))))", "5\n"),
    case("maps and vectors are shared",
        "(= {m} (map/from-list (map (\\ {i} {list i (* i i)}) (range 0 500))))
         (= {v} (vec/from-list (range 0 500)))
         (fun {work i} {
           (= {own} (map/set (map/remove m i) :own i))
           (= {mine} (vec/set v i -1))
           (+ (+ (map/get m i) (map/get own :own)) (+ (map/size own) (vec/get mine i)))})
         (print (sum (pmap work (range 0 500))) (map/size m) (vec/get v 7) (map/get m 7))",
        "41916000 500 7 49\n"),
    // The table of `m` in turn for one change, for a look back, for keys with tables of their own and
    // for whole comparisons, beside tables that belong to one function.
    case("tables of one and of all",
        "(= {m} (map/from-list (map (\\ {i} {list (str \"k\" i) i}) (range 0 60))))
         (= {n} (map/of m :m (map/of 1 2) :small {1 2} :list))
         (= {v} (vec/from-list (range 0 60)))
         (fun {step part i own} {
           (= {changed} (map/set m (str \"k\" i) (list part i)))
           (= {longer} (map/set n (map/of part i) i))
           (= {mine} (map/set own (rem (* i 7) 60) part))
           (= {vector} (vec/set v i part))
           (if (== (list (map/get changed (str \"k\" i)) (map/get m (str \"k\" i)) (map/size changed)
                         (map/get n m) (map/get n (map/of 1 2)) (map/get longer (map/of part i))
                         (map/get longer {1 2}) (== (map/set changed (str \"k\" i) i) m)
                         (vec/get v i) (vec/get vector i))
                   (list (list part i) i 60 :m :small i :list 1 i part))
             {do mine} {error (str \"part \" part \" step \" i)})})
         (fun {steps part i own} {if (== i 60) {do own} {steps part (+ i 1) (step part i own)}})
         (fun {work part} {
           (= {own} (steps part 0 (map/of)))
           (list (map/size own) (== (map/keys own) (map (\\ {i} {rem (* i 7) 60}) (range 0 60))))})
         (print (== (pmap work (range 0 40)) (map (\\ {i} {list 60 1}) (range 0 40))) (map/size n))",
        "1 3\n"),
    case("waiting has a time", "(print (aio/await (promise) 20) (aio/await (promise) 0.5))",
        "Error: await: timeout Error: await: timeout\n"),
    case("waiting on a thread has a time",
        "(print (aio/await (future (\\ {} {aio/await (promise) 20}))) (pmap (\\ {n} {aio/await (promise) n}) {1 2}))",
        "Error: await: timeout {Error: await: timeout Error: await: timeout}\n"),
    case("what comes in time",
        "(= {p} (promise)) (= {f} (future (\\ {} {aio/await p 600000})))
         (print (aio/await p 5) (promise/deliver p 7) (aio/await p 0) (aio/await f 600000) (aio/await p 9000000000000000000))
         (print (aio/await (future (\\ {} {error \"no\"})) 600000) (aio/await p {}) (aio/await p 1 2))",
        "Error: await: timeout 1 7 7 7\n\
         Error: no Error: aio/await: second argument must be a number (milliseconds) Error: aio/await: expected 1 argument (handle)\n"),
    case("what followed a handle is not taken for another",
        "(= {p} (promise)) (fun {poll n} {if (== n 0) {()} {do (aio/await p 0) (poll (- n 1))}})
         (poll 10) (mem/gc/collect) (mem/gc/collect)
         (= {others} (map (\\ {i} {promise}) (range 0 50)))
         (print (promise/deliver p 7) (sum (map (\\ {q} {promise/deliver q 1}) others)) (aio/await p))",
        "1 50 7\n"),
    case("output is whole lines",
        "(pmap (\\ {i} {print \"a\" \"b\"}) (range 0 200)) (print :end)", ""),
    case("collections from everywhere",
        "(print (sum (pmap (\\ {i} {do (mem/gc/collect) (len (range 0 i))}) (range 0 60))))", "1770\n"),
    case("captured output",
        "(= {c} (test/capture-start)) (aio/await (future (\\ {} {print \"inside\"})))
         (print (plist/get (test/capture-stop c) :stdout))",
        "inside\n\n"),
    case("what the program calls `map` is its own",
        "(def {map} (\\ {f l} {error (str (fst l))})) (print (pmap id (range 0 5)) (map id {7}))",
        "{0 1 2 3 4} Error: 7\n"),
    case("not a function", "(print (future 5))", "Error: Actual: Number, Expected(One-Of): [Function]\n"),
    case("not a list", "(print (pmap id 5))", "Error: Actual: Number, Expected(One-Of): [List, Nil]\n"),
    case("not a promise", "(print (promise/deliver (future (\\ {} {1})) 5))",
        "Error: Actual: Handle, Expected(One-Of): [Promise]\n"),
    case("only handles can be waited for", "(print (aio/await (future (\\ {} {aio/await 5}))))",
        "Error: aio/await: argument must be a handle\n"),
    case("systems and timers are everywhere",
        "(= {s} (aio/await (aio/start)))
         (print (aio/await (future (\\ {} {list (aio/await (aio/sleep s 1)) (ref? (aio/await (aio/start)))}))))",
        "{() 1}\n"),
    case("a thread waits for an event of the program",
        "(= {s} (aio/await (aio/start))) (= {h} (aio/sleep s 5))
         (= {f} (future (\\ {} {list :slept (aio/await h)}))) (print (aio/await f)) (aio/stop s)",
        "{:slept ()}\n"),
];

fn rows() -> impl Iterator<Item = (&'static str, &'static Case)> {
    CASES.iter().map(|case| (case.name, case))
}

/// What the case prints, but for what has no order.
fn check(config: &Config, case: &Case) {
    let output = output_of(config, case.program);
    if case.prints.is_empty() {
        let lines: Vec<&str> = output.lines().collect();
        assert_eq!(lines.len(), 201, "{output}");
        assert!(lines[..200].iter().all(|line| *line == "a b"), "{output}");
    } else {
        assert_eq!(output, case.prints, "{}", case.program);
    }
}

valk_harness::cases! {
    fn threads(case: &'static Case) in rows() {
        check(&threaded(), case);
    }
}

valk_harness::cases! {
    /// The same, with collections at random and small nurseries.
    fn threads_under_collections(case: &'static Case) in rows() {
        for seed in 0..3 {
            let stress = Stress::Random { seed };
            check(&Config { stress, nursery_bytes: 64 << 10, ..threaded() }, case);
        }
    }
}

valk_harness::test! {
    fn a_builder_that_all_threads_add_to_loses_nothing() {
        let text = output_of(
            &threaded(),
            "(= {b} (builder))
             (pmap (\\ {i} {do (repeat (\\ {j} {builder/add b \"<\" i \">\"}) 4000) 1}) (range 0 8))
             (print (builder/size b) (sum (map (\\ {i} {len (regex/find-all (str \"<\" i \">\") (builder/text b))}) (range 0 8))))",
        );
        assert_eq!(text, "96000 32000\n");
    }
}

valk_harness::cases! {
    /// Functions that compute without end share their executors with what comes after them.
    fn functions_that_compute_let_others_begin(program: &str) [
        "one handed over later" => "(aio/await (future (\\ {} {+ 40 2})) 60000)",
        "one that has waited" => "(aio/await (future (\\ {} {do (sleep 20) 42})) 60000)",
        "many handed over later" => "(len (map (\\ {h} {aio/await h 60000}) (map (\\ {i} {future (\\ {} {do i})}) (range 0 42))))",
        "a parallel map" => "(sum (pmap id (range 0 42)))",
        "one that is handed over by another" => "(aio/await (future (\\ {} {aio/await (future (\\ {} {+ 40 2})) 60000})) 60000)",
    ] {
        let wants = if program.contains("pmap") { "861\n{1 2 3 4 5}\n" } else { "42\n{1 2 3 4 5}\n" };
        for config in [Config::default(), threaded()] {
            let program = format!(
                "(= {{stop}} (box 0)) (fun {{spin i}} {{if (== 1 (box/get stop)) {{do i}} {{spin i}}}})
                 (= {{spinning}} (map (\\ {{i}} {{future (\\ {{}} {{spin i}})}}) {{1 2 3 4 5}}))
                 (print {program}) (box/set stop 1) (print (map aio/await spinning))"
            );
            assert_eq!(output_of(&config, &program), wants, "{program}");
        }
    }
}

valk_harness::test! {
    fn functions_that_compute_begin_in_their_order() {
        let text = output_of(
            &Config::default(),
            "(= {begun} (box {})) (= {stop} (box 0))
             (fun {spin i} {if (== 1 (box/get stop)) {do i} {spin i}})
             (fun {work i} {do (box/update begun (\\ {l} {join l (list i)})) (spin i)})
             (= {working} (map (\\ {i} {future (\\ {} {work i})}) (range 0 40)))
             (aio/await (future (\\ {} {box/set stop 1})) 60000)
             (print (== (range 0 40) (map aio/await working)) (== (range 0 40) (box/get begun)))",
        );
        assert_eq!(text, "1 1\n");
    }

    fn a_function_that_computes_ends_though_others_begin_all_the_time() {
        let text = output_of(
            &Config::default(),
            "(= {stop} (box 0)) (fun {count n} {if (== n 0) {do :counted} {count (- n 1)}})
             (def {busy} (\\ {_} {if (== 1 (box/get stop)) {do 1} {do (count 3000) (future (\\ {} {busy 1})) 0}}))
             (repeat (\\ {_} {future (\\ {} {busy 1})}) 40)
             (print (aio/await (future (\\ {} {count 300000})) 60000)) (box/set stop 1)",
        );
        assert_eq!(text, ":counted\n");
    }

    fn a_function_that_has_begun_moves_to_an_executor_without_work() {
        // Two begin on one executor while the other is kept by the host; then both end only if each
        // has an executor, or the slices of one.
        let text = output_of(
            &Config { mutators_max: 2, ..Config::default() },
            "(= {stop} (box 0)) (fun {spin i} {if (== 1 (box/get stop)) {do i} {spin i}})
             (= {working} (map (\\ {i} {future (\\ {} {spin i})}) {1 2 3 4}))
             (repeat (\\ {_} {aio/await (future (\\ {} {do 1})) 60000}) 20)
             (box/set stop 1) (print (map aio/await working))",
        );
        assert_eq!(text, "{1 2 3 4}\n");
    }
}

valk_harness::test! {
    fn one_executor_does_everything() {
        let text = output_of(&Config::default(), "(print (aio/await (future (\\ {} {+ 0 1})))) (print (pmap id {1}))");
        assert_eq!(text, "1\n{1}\n");
    }
}

valk_harness::test! {
    fn what_still_runs_at_the_end_is_ended() {
        let started = Instant::now();
        let text = output_of(
            &threaded(),
            "(fun {spin} {spin}) (future spin)
             (= {p} (promise)) (future (\\ {} {aio/await p}))
             (future (\\ {} {do (sleep 50) (print \"finished\")})) (sleep 5)",
        );
        assert_eq!(text, "finished\n", "who is about to end may");
        assert!(started.elapsed() < Duration::from_secs(30), "{:?}", started.elapsed());
        // The endless one ends as well, and its thread with it.
        let mut runtime = Runtime::new(threaded(), Output::memory()).expect("a heap");
        register(&runtime.vm);
        let mut executor = Executor::new(&runtime.vm).expect("a reactor");
        runtime.run_text("p", b"(fun {spin} {spin}) (future spin) (sleep 5)", &mut executor);
                executor.finish(&runtime.vm);
        let deadline = Instant::now() + Duration::from_secs(30);
        while runtime.vm().heap.mutators() > 1 && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(5));
        }
        assert_eq!(runtime.vm().heap.mutators(), 1);
    }
}

valk_harness::test! {
    fn an_exit_on_a_thread_stops_the_systems() {
        let text = output_of(
            &threaded(),
            "(= {s} (aio/await (aio/start))) (future (\\ {} {do (sleep 10) (exit 3)}))
             (aio/run s) (print \"stopped\" VALK_EXIT_CODE)",
        );
        assert_eq!(text, "stopped 3\n");
    }
}

valk_harness::test! {
    fn what_threads_do_is_counted() {
        let text = output_of(
            &threaded(),
            "(fun {calls n} {if (== n 0) {0} {+ 1 (calls (- n 1))}})
             (= {before} (vm/metrics-json))
             (fun {work} {pmap (\\ {i} {do (calls 1000) (mem/gc/collect)}) (range 0 16)})
             (work) (sleep 20) (work)
             (mem/gc/stats)
             (print before (vm/metrics-json))",
        );
        let found = |text: &str, name: &str| -> u64 {
            let (_, rest) = text.split_once(&format!("\"{name}\":")).expect(name);
            rest.trim_start().split(|c: char| !c.is_ascii_digit()).next().unwrap_or("").parse().expect(name)
        };
        let (before, after) = text.rsplit_once("} {").expect("two documents");
        assert_eq!((found(before, "jobs_total"), found(before, "count")), (0, 0));
        // A job counts when its worker has put it away.
        assert!((28..=32).contains(&found(after, "jobs_total")), "{after}");
        assert_eq!(found(after, "count"), 3);
        assert!(found(after, "function_calls") >= 32_000, "{after}");
        assert!(found(after, "stops") <= found(after, "cycles_total"), "{after}");
        // Stops are told of if there were any.
        let is_told = text.contains("--- Threads ---\nTime to stop others: ");
        assert_eq!(is_told, found(after, "stops") > 0, "{text}");
    }
}

valk_harness::test! {
    fn what_the_runtime_gets_wrong_on_a_thread_is_an_error_of_that_function() {
        let mut runtime = Runtime::new(threaded(), Output::memory()).expect("a heap");
        register(&runtime.vm);
        {
            let mut vm = runtime.vm();
            let strange = NativeKind::Plain(|_, _| Outcome::Suspend(Value::ONE));
            vm.define_native("strange", Arity::Any, strange);
            vm.define_native("broken", Arity::Any, NativeKind::Plain(|_, _| panic!("on purpose")));
        }
        let mut executor = Executor::new(&runtime.vm).expect("a reactor");
        let program = "(print (aio/await (future strange))) (print (aio/await (future broken)))
                       (print (pmap broken {1 2})) (mem/gc/collect)
                       (print (aio/await (future (\\ {} {+ 1 2}))))
                       (def {sys} (aio/await (aio/start)))
                       (print (aio/await (aio/schedule sys 1 broken)))
                       (print (aio/await (aio/then (aio/sleep sys 1) (\\ {_} {broken 1}))))
                       (print (aio/await (aio/then (aio/pure 1) (\\ {_} {broken 1}))))
                       (print (aio/await (aio/sleep sys 1)))";
        runtime.run_text("p", program.as_bytes(), &mut executor);
        executor.finish(&runtime.vm);
        let text = String::from_utf8(runtime.take_output()).expect("text");
        let failed = "Error: the runtime failed while it ran this function; please report it\n";
        let thrice = failed.repeat(3);
        assert_eq!(
            text,
            format!("Error: only handles can be waited for\n{failed}{failed}3\n{thrice}()\n")
        );
    }
}

valk_harness::test! {
    fn calls_of_the_host_run_on_their_executor_once_it_has_started() {
        use crate::{current_executor, executors, spawn_on, system_of};
        use std::sync::{Arc, Mutex};
        let mut runtime = Runtime::new(threaded(), Output::memory()).expect("a heap");
        register(&runtime.vm);
        let mut executor = Executor::new(&runtime.vm).expect("a reactor");
        let seen = Arc::new(Mutex::new(Vec::new()));
        let tell = |vm: &mut valk_vm::Vm, index: usize| {
            let seen = Arc::clone(&seen);
            let call = move |shared: &valk_lang::SharedVm| {
                let ran_on = current_executor(&shared.borrow());
                seen.lock().expect("no panic").push((index, ran_on));
            };
            spawn_on(vm, index, Box::new(call));
        };
        {
            let mut vm = runtime.vm();
            assert_eq!(current_executor(&vm), 0);
            // No thread has been started.
            for index in 0..=WORKERS {
                tell(&mut vm, index);
            }
            assert_eq!(executors(&mut vm), Ok(1 + WORKERS));
            for index in 0..=WORKERS {
                tell(&mut vm, index);
            }
        }
        let until = Instant::now() + Duration::from_secs(30);
        while seen.lock().expect("no panic").len() < 2 * (1 + WORKERS) {
            assert!(Instant::now() < until, "{seen:?}");
            runtime.run_text("p", b"(sleep 1)", &mut executor);
        }
        assert!(seen.lock().expect("no panic").iter().all(|(asked, ran_on)| asked == ran_on));
        // A system serves on as many as it is told, the caller's first.
        for (options, served) in [("", vec![0, 1, 2]), (":executors 2", vec![0, 1]), (":executors 1", vec![0])] {
            let program = format!("(def {{sys}} (aio/await (aio/start {{{options}}})))");
            runtime.run_text("p", program.as_bytes(), &mut executor);
            let mut vm = runtime.vm();
            let name = vm.intern("sys");
            let value = vm.global(name).expect("defined");
            let system = system_of(&vm, value).expect("a system");
            assert_eq!(system.executors(&mut vm), Ok(served));
        }
        executor.finish(&runtime.vm);
    }
}
