//! Chains, groups, cancellation and memory of handles, at sizes that programs do not reach by hand.

use super::program::{printed, runtime_of};
use super::threads::threaded;
use crate::handle::handle_of;
use crate::{End, Executor, settle};
use std::rc::Rc;
use valk_heap::Value;
use valk_lang::Runtime;

fn runtime() -> (Runtime, Executor) {
    runtime_of(threaded())
}

valk_harness::test! {
    fn a_long_chain_settles_on_a_small_stack() {
        let (mut runtime, mut executor) = runtime();
        let text = printed(&mut runtime, &mut executor,
            "(= {p} (promise))
             (fun {chain n h} {if (== n 0) {do h} {chain (- n 1) (aio/then h (\\ {x} {+ x 1}))}})
             (= {last} (chain 100000 p)) (promise/deliver p 0) (print (aio/await last))");
        assert_eq!(text, "100000\n");
    }

    fn a_race_over_many_handles_leaves_no_waiter() {
        let (mut runtime, mut executor) = runtime();
        let text = printed(&mut runtime, &mut executor,
            "(def {ps} (map (\\ {i} {promise}) (range 0 20000))) (= {r} (aio/race ps))
             (promise/deliver (nth 7 ps) :seven) (print (aio/await r))");
        assert_eq!(text, ":seven\n");
        let vm = &mut *runtime.vm();
        let name = vm.intern("ps");
        let promises = valk_lang::elements(vm.global(name).expect("defined"));
        let left: usize = promises
            .iter()
            .map(|promise| handle_of(&vm.heap, *promise).expect("a handle").cell.waiters())
            .sum();
        assert_eq!(left, 0);
    }

    fn waiters_that_are_cancelled_leave() {
        let (mut runtime, mut executor) = runtime();
        let text = printed(&mut runtime, &mut executor,
            "(def {p} (promise)) (= {hs} (map (\\ {i} {aio/then p (\\ {x} {+ x i})}) (range 0 10000)))
             (= {odd} (filter (\\ {i} {== (mod i 2) 1}) (range 0 10000)))
             (map (\\ {h} {aio/cancel h}) (take 5000 hs))
             (promise/deliver p 1)
             (print (aio/await (aio/all (drop 9998 hs))) (aio/status (fst hs)))");
        assert_eq!(text, "{9999 10000} :cancelled\n");
    }

    fn a_program_that_has_ended_leaves_no_vm() {
        let (mut runtime, mut executor) = runtime();
        let vm = Rc::downgrade(&runtime.vm);
        for program in ["(aio/await (future (\\ {} {1})))", "(aio/await (promise) 1)"] {
            runtime.run_text("p", program.as_bytes(), &mut executor);
        }
        executor.finish(&runtime.vm);
        drop((runtime, executor));
        assert!(vm.upgrade().is_none(), "something still has the VM");
    }

    fn a_promise_ended_by_the_host_resumes_the_program() {
        let (mut runtime, mut executor) = runtime();
        let handle = {
            let vm = &mut *runtime.vm();
            let handle = crate::new_handle(vm);
            let name = vm.intern("h");
            vm.set_global(name, handle);
            handle
        };
        settle(&mut runtime.vm(), handle, End::Completed(Value::fixnum(5)));
        assert_eq!(printed(&mut runtime, &mut executor, "(print (aio/await h))"), "5\n");
    }
}
