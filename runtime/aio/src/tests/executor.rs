//! Turns of the event loop, timers, time slices, what is alive.

use super::program::{printed, runtime_of};
use super::threads::threaded;
use crate::executor::here;
use crate::{End, Started, settle, start};
use std::cell::Cell;
use std::rc::Rc;
use valk_heap::{Config, Value};
use valk_lang::Runtime;

fn pending_timers(runtime: &Runtime) -> usize {
    let vm = &mut *runtime.vm();
    let state = here(vm);
    let local = state.local();
    local.timers.pending()
}

valk_harness::test! {
    fn a_flood_of_events_leaves_turns_to_others() {
        const FIBERS: usize = 4096;
        let (mut runtime, mut executor) = runtime_of(Config::default());
        let turns = Rc::new(Cell::new(0_usize));
        let counted = Rc::clone(&turns);
        let spawned = crate::spawn_task(&mut runtime.vm(), async move {
            loop {
                counted.set(counted.get() + 1);
                tokio::task::yield_now().await;
            }
        });
        assert!(spawned);
        let gate = {
            let vm = &mut *runtime.vm();
            let gate = crate::new_handle(vm);
            let name = vm.intern("gate");
            vm.set_global(name, gate);
            gate
        };
        printed(&mut runtime, &mut executor, "(fun {wait i} {do (aio/await gate) i})");
        let fibers: Vec<_> = (0..FIBERS)
            .map(|i| {
                let fiber = {
                    let vm = &mut *runtime.vm();
                    let name = vm.intern("wait");
                    let wait = vm.global(name).expect("defined");
                    vm.spawn(wait, &[Value::fixnum(i as i64)])
                };
                match start(&runtime.vm, fiber) {
                    Started::Waiting(root) => root,
                    Started::Done(_) => panic!("the gate is closed"),
                }
            })
            .collect();
        settle(&mut runtime.vm(), gate, End::Completed(Value::ONE));
        let before = turns.get();
        {
            let vm = &mut *runtime.vm();
            let last = vm.heap.resolve(&fibers[FIBERS - 1]);
            let name = vm.intern("last");
            vm.set_global(name, last);
        }
        assert_eq!(printed(&mut runtime, &mut executor, "(print (aio/await last))"), "4095\n");
        let between = turns.get() - before;
        assert!(between >= FIBERS / 256 - 2, "{between} turns of another task meanwhile");
    }

    fn waits_that_end_in_time_leave_no_timer() {
        let (mut runtime, mut executor) = runtime_of(threaded());
        let text = printed(&mut runtime, &mut executor,
            "(fun {timed n} {if (== n 0) {0} {+ (aio/await (future (\\ {} {1})) 600000) (timed (- n 1))}})
             (print (timed 300) (aio/await (future (\\ {} {timed 300}))))
             (= {p} (promise))
             (fun {poll n} {if (== n 0) {()} {do (aio/await p 0) (poll (- n 1))}})
             (poll 200)");
        assert_eq!(text, "300 300\n");
        assert_eq!(pending_timers(&runtime), 0);
        executor.finish(&runtime.vm);
        let vm = &mut *runtime.vm();
        assert_eq!(here(vm).pool.alive(), 0);
    }

    fn timers_that_are_cancelled_are_forgotten() {
        let (mut runtime, mut executor) = runtime_of(Config::default());
        let text = printed(&mut runtime, &mut executor,
            "(def {sys} (aio/await (aio/start)))
             (= {hs} (map (\\ {i} {aio/sleep sys 600000}) (range 0 3000)))
             (map aio/cancel (drop 10 hs))
             (print (aio/await (aio/sleep sys 1)) (len (filter (\\ {h} {== (aio/status h) :running}) hs)))");
        assert_eq!(text, "() 10\n");
        assert_eq!(pending_timers(&runtime), 10);
        assert_eq!(printed(&mut runtime, &mut executor, "(aio/stop sys) (print (aio/run sys))"), "()\n");
        assert_eq!(pending_timers(&runtime), 0, "what the system had pending is gone");
    }

    fn a_function_that_computes_does_not_hold_up_timers() {
        let (mut runtime, mut executor) = runtime_of(Config::default());
        let text = printed(&mut runtime, &mut executor,
            "(def {sys} (aio/await (aio/start)))
             (def {stop} (box 0))
             (fun {spin n} {if (== 1 (box/get stop)) {do :stopped} {spin (+ n 1)}})
             (def {busy} (future (\\ {} {spin 0})))
             (def {order} (box {}))
             (aio/await (aio/all (map (\\ {i} {aio/schedule sys i (\\ {} {box/update order (\\ {l} {join l (list i)})})}) {1 2 3 4})))
             (box/set stop 1)
             (print (box/get order) (aio/await busy))");
        assert_eq!(text, "{1 2 3 4} :stopped\n", "on one executor");
    }

    fn an_interval_stops_when_it_says_so() {
        let (mut runtime, mut executor) = runtime_of(Config::default());
        let text = printed(&mut runtime, &mut executor,
            "(def {sys} (aio/await (aio/start))) (def {n} (box 0))
             (print (aio/await (aio/interval sys 1 (\\ {} {if (== 3 (box/update n (\\ {n} {+ n 1}))) {do :stop} {do :on}}))))
             (print (box/get n))");
        assert_eq!(text, "()\n3\n");
        assert_eq!(pending_timers(&runtime), 0);
    }

    fn a_wait_that_nothing_can_end_is_an_error() {
        let (mut runtime, mut executor) = runtime_of(threaded());
        for program in ["(aio/await (promise))", "(aio/await (future (\\ {} {aio/await (promise)})))"] {
            let text = printed(&mut runtime, &mut executor, program);
            assert!(text.starts_with("Error[await: nothing can end this wait"), "{text}");
        }
    }
    fn what_a_builtin_calls_has_returned_before_it_does_whatever_slices_are_used() {
        let (mut runtime, mut executor) = runtime_of(threaded());
        let program = "(fun {count n} {if (== n 0) {0} {count (- n 1)}})
             (def {seen p} (box {}) (promise))
             (fun {note v} {do (count 50) (box/update seen (\\ {l} {join l (list v)}))})
             (aio/on-cancel p (\\ {} {note 1}))
             (aio/on-cancel p (\\ {} {note (aio/status (aio/then (aio/pure 1) (\\ {_} {note 2})))}))
             (aio/cancel p)
             (print (box/get seen))
             (print (aio/status (aio/scope (\\ {_} {count 100}))))";
        for budget in [1, 2, 3, 7, 20] {
            runtime.vm().set_safepoint_budget(std::num::NonZeroU64::new(budget));
            let text = printed(&mut runtime, &mut executor, program);
            assert_eq!(text, "{1 2 :completed}\n:completed\n", "{budget}");
        }
    }
}
