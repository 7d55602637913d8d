//! Rules of handles that random trees have found broken, and operations at sizes that programs reach
//! only in the long run; all in virtual time.

use super::program::printed;
use crate::Executor;
use valk_heap::{Config, Stress};
use valk_lang::{Output, Runtime};

fn simulated(stress: Stress) -> (Runtime, Executor) {
    let runtime = Runtime::new(Config::default(), Output::memory()).expect("a heap");
    let executor = Executor::simulated(&runtime.vm).expect("a reactor");
    runtime.vm().heap.set_stress(stress);
    (runtime, executor)
}

/// What a program prints whose system is `sys`.
fn output(program: &str) -> String {
    let (mut runtime, mut executor) = simulated(Stress::Off);
    let program = format!("(def {{sys}} (aio/await (aio/start))) {program}");
    let text = printed(&mut runtime, &mut executor, &program);
    executor.finish(&runtime.vm);
    text
}

valk_harness::test! {
    fn a_traversal_calls_its_function_with_each_element() {
        let text = output(
            "(print (aio/await (aio/traverse {1 2 3} (\\ {x} {aio/then (aio/sleep sys x) (\\ {n} {* x x})}))))
             (print (aio/await (aio/traverse {} (\\ {x} {x}))))
             (print (aio/traverse {1} (\\ {x} {x})) (aio/traverse {1} (\\ {x} {error \"no\"})))",
        );
        let refused = "aio/traverse: function must return handles (got type Number for item)";
        assert_eq!(text, format!("{{1 4 9}}\n()\nError: {refused} Error: no\n"));
    }

    fn what_do_binds_is_seen_to_its_end() {
        let text = output(
            "(fun {f a} {aio/do {(x <- (aio/pure 1)) (y <- (aio/sleep sys 5)) (<- z (aio/pure 3))
               (w <- (aio/pure 4)) (list a x y z w)}})
             (print (aio/await (f 0)))
             (fun {g a} {aio/let {((x (aio/pure 1)) (y (aio/pure 2)) :then (z (aio/pure (+ x a))) :then (w (aio/pure y)))}
               {(list a x y z w)}})
             (print (aio/await (g 7)) (aio/await (aio/let {(x (aio/pure 1))} 5)))",
        );
        assert_eq!(text, "{0 1 () 3 4}\n{7 1 2 8 2} 5\n");
    }

    fn a_function_that_cancels_its_own_handle_does_no_more() {
        let text = output(
            "(= {p} (promise))
             (def {h} (aio/then p (\\ {x} {do (print \"before\") (aio/cancel h) (print \"behind\")})))
             (aio/finally h (\\ {} {print \"at last\"}))
             (promise/deliver p 1) (print (aio/await h))",
        );
        assert_eq!(text, "before\nat last\nError: async operation cancelled\n");
    }

    fn cancelling_reaches_what_those_above_have_left() {
        let text = output(
            "(def {s} (aio/sleep sys 10)) (def {a} (aio/within s 100)) (def {g} (aio/all (list a s)))
             (aio/cancel g) (print (aio/status a) (aio/status s))
             (def {n} (aio/sleep sys 10)) (def {t} (aio/then n id)) (def {k} (aio/all (list t n)))
             (aio/cancel k) (print (aio/status t) (aio/status n))",
        );
        assert_eq!(text, ":cancelled :cancelled\n:cancelled :cancelled\n");
    }

    fn timers_due_at_once_fire_in_the_order_of_their_start() {
        let text = output(
            "(aio/cancel (aio/schedule sys 1 (\\ {} {0}))) (aio/cancel (aio/schedule sys 1 (\\ {} {0})))
             (map (\\ {i} {do (aio/schedule sys 50 (\\ {} {print i})) (aio/cancel (aio/sleep sys 1))}) {1 2 3 4 5})
             (aio/await (aio/sleep sys 60))",
        );
        assert_eq!(text, "1\n2\n3\n4\n5\n");
    }

    fn what_waits_for_a_function_ends_with_its_system() {
        let text = output(
            "(def {p} (promise))
             (def {r} (aio/retry sys (\\ {} {aio/then (aio/sleep sys 5) (\\ {x} {error \"again\"})}) {:max-attempts 1000}))
             (def {w} (aio/retry sys (\\ {} {do (aio/await p) (aio/pure 1)}) {}))
             (def {s} (aio/schedule sys 1 (\\ {} {do (aio/await p) (print \"never\")})))
             (aio/await (aio/sleep sys 50)) (print (aio/status r) (aio/status w) (aio/status s))
             (aio/stop sys) (aio/run sys)
             (print (aio/status r) (aio/status w) (aio/status s) (aio/status (aio/retry sys (\\ {} {1}) {})))",
        );
        assert_eq!(text, ":running :running :running\n:cancelled :cancelled :cancelled :cancelled\n");
    }
}

/// Operations of every kind, in lists, and counters of what ran at their ends.
const PENDING: &str = "
    (def {ended} 0) (def {told} 0) (def {p} (promise))
    (fun {end} {def {ended} (+ ended 1)})
    (fun {tell} {def {told} (+ told 1)})
    (fun {one i} {select
      {(== (mod i 10) 0) (aio/sleep sys 1000000)}
      {(== (mod i 10) 1) (aio/schedule sys 1000000 (\\ {} {1}))}
      {(== (mod i 10) 2) (aio/interval sys 1000000 (\\ {} {1}))}
      {(== (mod i 10) 3) (aio/never sys)}
      {(== (mod i 10) 4) (aio/within (aio/never sys) 1000000)}
      {(== (mod i 10) 5) (aio/retry sys (\\ {} {aio/never sys}) {})}
      {(== (mod i 10) 6) (aio/race (list (aio/never sys) (aio/sleep sys 1000000)))}
      {(== (mod i 10) 7) (aio/bracket (aio/pure i) (\\ {r} {end}) (\\ {r} {aio/never sys}))}
      {(== (mod i 10) 8) (aio/scope (\\ {s} {aio/await (aio/never sys)}))}
      {otherwise (aio/all (list (aio/never sys) p))}})
    (def {all} (map (\\ {i} {do (= {h} (one i)) (aio/on-cancel h end) (aio/finally h end)
      (aio/then (aio/all-settled (list h)) (\\ {x} {tell})) h}) (range 0 many)))";

valk_harness::test! {
    fn a_stopped_system_has_told_every_waiter_and_run_every_cleanup() {
        const MANY: usize = 3000;
        let (mut runtime, mut executor) = simulated(Stress::Off);
        printed(&mut runtime, &mut executor, "(def {sys} (aio/await (aio/start)))");
        let timers = executor.check_nothing_left();
        let roots = runtime.vm().heap.live_roots();
        let program = format!("(def {{many}} {MANY}) {PENDING} (aio/await (aio/sleep sys 10)) (print (len all) told)");
        assert_eq!(printed(&mut runtime, &mut executor, &program), format!("{MANY} 0\n"));
        assert!(executor.check_nothing_left() > MANY);
        let text = printed(&mut runtime, &mut executor,
            "(aio/stop sys) (aio/run sys)
             (aio/await (aio/all-settled all)) (sleep 5)
             (print told ended (len (filter (\\ {h} {== (aio/status h) :running}) all)))");
        // Each was told once. `finally` ran for each; so did what was to run when it is cancelled,
        // but for those that fail when an input of theirs is cancelled; brackets released.
        let failing = MANY / 10 * 2;
        assert_eq!(text, format!("{MANY} {} 0\n", MANY + (MANY - failing) + MANY / 10));
        assert_eq!(executor.check_nothing_left(), timers);
        assert_eq!(executor.pending_of_systems(), 0);
        // The program's own code has some.
        assert!(runtime.vm().heap.live_roots() < roots + MANY / 10);
        executor.finish(&runtime.vm);
    }

    fn memory_is_back_after_many_waiters() {
        let (mut runtime, mut executor) = simulated(Stress::Off);
        let program = "(def {p} (promise))
            (def {hs} (map (\\ {i} {aio/then p (\\ {x} {+ x i})}) (range 0 20000)))
            (map (\\ {h} {aio/cancel h}) (take 10000 hs))
            (promise/deliver p 1) (aio/await (aio/all (drop 10000 hs)))
            (def {hs} ()) (def {p} ()) (mem/gc/collect)";
        let used = |runtime: &mut Runtime, executor: &mut Executor| {
            printed(runtime, executor, program);
            printed(runtime, executor, "(mem/gc/collect) (print (mem/heap/usage))")
                .trim()
                .parse::<usize>()
                .expect("bytes")
        };
        let first = used(&mut runtime, &mut executor);
        let second = used(&mut runtime, &mut executor);
        assert!(second < first + first / 4 + 100_000, "{first} and then {second} bytes");
    }
}

valk_harness::test! {
    /// The functions that wait hold on to the builtin they were called by, and to nothing stale.
    fn a_program_that_has_rebound_await_keeps_its_handles() {
        let (mut runtime, mut executor) = simulated(Stress::Off);
        let text = printed(&mut runtime, &mut executor,
            "(def {sys} (aio/await (aio/start))) (def {old} aio/await)
             (def {calls} 0)
             (def {aio/await} (\\ {h} {do (def {calls} (+ calls 1)) (old h)}))");
        assert_eq!(text, "");
        runtime.vm().heap.set_stress(Stress::EverySafepoint);
        let text = printed(&mut runtime, &mut executor,
            "(def {p} (promise))
             (def {s} (aio/scope (\\ {me} {do (aio/await (aio/sleep sys 5)) (list 1 2)})))
             (def {t} (aio/then s (\\ {x} {do (aio/await (aio/sleep sys 5)) x})))
             (def {c} (aio/catch (aio/fail (error \"no\")) (\\ {e} {list e})))
             (def {w} (aio/within (aio/never sys) 20))
             (def {i} (aio/interval sys 3 (\\ {} {if (> calls 2) {:stop} {list calls}})))
             (def {r} (aio/retry sys (\\ {} {aio/then (aio/sleep sys 1) (\\ {x} {error \"r\"})}) {:base-ms 1}))
             (def {b} (aio/bracket (aio/pure (list 7)) (\\ {x} {print x}) (\\ {x} {aio/then (aio/sleep sys 2) (\\ {n} {x})})))
             (def {d} (aio/do {(x <- t) (y <- (aio/pure (list 3))) (list x y)}))
             (def {l} (aio/let {((x t) (y (aio/pure (list 4))))} {(list x y)}))
             (def {o} (aio/traverse {1 2} (\\ {x} {aio/then (aio/sleep sys x) (\\ {n} {list x})})))
             (aio/on-cancel p (\\ {} {print \"cancelled\"}))
             (aio/schedule sys 30 (\\ {} {aio/cancel p}))
             (print (aio/await (aio/all-settled (list s t c w i r b d l o p))))
             (print (aio/await (aio/race (list (aio/sleep sys 1) p))) (> calls 3))");
        let expected = "{7}\ncancelled\n\
            {{:status :ok :value {1 2}} {:status :ok :value {1 2}} {:status :ok :value {Error: no}} \
            {:status :error :error Error: :timeout} {:status :ok :value ()} \
            {:status :error :error Error: r} {:status :ok :value {7}} {:status :ok :value {{1 2} {3}}} \
            {:status :ok :value {{1 2} {4}}} {:status :ok :value {{1} {2}}} \
            {:status :error :error Error: cancelled}}\n() 1\n";
        assert_eq!(text, expected);
        runtime.vm().heap.set_stress(Stress::Off);
        executor.finish(&runtime.vm);
    }
}
