//! Waiting for a time, and for many handles at once.

use super::threads::threaded;
use crate::clock::Clock;
use crate::executor::Reactor;
use crate::handle::{self, Handle};
use crate::{Executor, HandleState, complete, drive, new_handle, register};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};
use valk_heap::Value;
use valk_lang::{Driver, Output, Ran, Runtime};
use valk_vm::{FiberId, Vm};

fn runtime() -> (Runtime, Executor) {
    let runtime = Runtime::new(threaded(), Output::memory()).expect("a heap");
    register(&runtime.vm);
    let executor = Executor::new(&runtime.vm).expect("a reactor");
    (runtime, executor)
}

/// A fiber that waits for `handle`, not yet running.
fn waiter(vm: &mut Vm, handle: Value) -> FiberId {
    let name = vm.intern("aio/await");
    let await_ = vm.global(name).expect("registered");
    vm.spawn(await_, &[handle])
}

valk_harness::test! {
    fn what_came_in_time_leaves_nothing_behind() {
        let (mut runtime, mut executor) = runtime();
        let roots = runtime.vm().heap.live_roots();
        let program = "
            (fun {timed n} {if (== n 0) {0} {+ (aio/await (future (\\ {} {1})) 600000) (timed (- n 1))}})
            (print (timed 300) (aio/await (future (\\ {} {timed 300}))))
            (= {p} (promise))
            (fun {poll n} {if (== n 0) {()} {do (aio/await p 0) (poll (- n 1))}})
            (poll 200)";
        let ran = runtime.run_text("p", program.as_bytes(), &mut executor);
        assert!(!matches!(ran, Ran::Failed(..)));
        assert_eq!(runtime.take_output(), b"300 300\n");
        executor.finish(&runtime.vm);
        let mut vm = runtime.vm();
        assert_eq!(vm.extension::<Reactor>().clock.pending(), 0);
        let name = vm.intern("p");
        let promise = vm.global(name).expect("defined");
        let followers = promise.host::<Handle>(&vm.heap).map(Handle::followers);
        assert!(followers.is_some_and(|count| count <= 32), "{followers:?} of 200");
        // The program itself has some.
        assert!(vm.heap.live_roots() < roots + 50, "{} roots left", vm.heap.live_roots());
    }

    fn a_program_that_ends_with_a_letter_leaves_no_machine() {
        let (mut runtime, mut executor) = runtime();
        let machine = Rc::downgrade(&runtime.vm);
        for program in ["(aio/await (future (\\ {} {1})))", "(aio/await (promise) 1)"] {
            runtime.run_text("p", program.as_bytes(), &mut executor);
        }
        executor.finish(&runtime.vm);
        drop((runtime, executor));
        assert!(machine.upgrade().is_none(), "something still has the machine");
    }

    fn alarms_of_the_same_time_all_ring() {
        let (runtime, _executor) = runtime();
        let (sender, rung) = mpsc::channel();
        let clock = Arc::new(Clock::default());
        let at = Instant::now() + Duration::from_millis(5);
        let set = |at| {
            let root = runtime.vm().heap.root(Value::ONE);
            let sender = sender.clone();
            let ring = Box::new(move |root| sender.send(root).expect("somebody listens"));
            clock.set(at, root, ring).expect("a thread")
        };
        let late = set(at + Duration::from_mins(10));
        let _kept: Vec<_> = (0..3).map(|_| set(at)).collect();
        for _ in 0..3 {
            let root = rung.recv_timeout(Duration::from_secs(30)).expect("rings");
            assert_eq!(runtime.vm().heap.release(root), Value::ONE);
        }
        assert_eq!(clock.pending(), 1);
        assert!(late.take_back().is_some());
    }

    fn a_flood_of_ended_handles_leaves_turns_to_others() {
        const HANDLES: usize = 4096;
        let (runtime, mut executor) = runtime();
        let turns = Rc::new(Cell::new(0));
        let tasks = runtime.vm().extension::<Reactor>().tasks.clone().expect("an executor");
        let counted = Rc::clone(&turns);
        tasks.spawn_local(async move {
            loop {
                counted.set(counted.get() + 1);
                tokio::task::yield_now().await;
            }
        });
        let (end, ender) = {
            let mut vm = runtime.vm();
            let end = new_handle(&mut vm);
            (end, waiter(&mut vm, end))
        };
        let seen = Rc::new(RefCell::new(Vec::new()));
        for _ in 0..HANDLES {
            let (seen, turns) = (Rc::clone(&seen), Rc::clone(&turns));
            let (handle, fiber) = {
                let mut vm = runtime.vm();
                let handle = new_handle(&mut vm);
                (handle, waiter(&mut vm, handle))
            };
            let then = Box::new(move |vm: &_, _| {
                seen.borrow_mut().push(turns.get());
                if seen.borrow().len() == HANDLES {
                    complete(vm, end, HandleState::Completed(Value::ONE));
                }
            });
            drive(&runtime.vm, fiber, Value::NIL, then);
            let state = HandleState::Completed(Value::ONE);
            assert!(handle::settle(&mut runtime.vm(), handle, state, None));
        }
        assert_eq!(executor.run(&runtime.vm, ender), Value::ONE);
        let seen = seen.borrow();
        let between = seen[HANDLES - 1] - seen[0];
        assert!(between >= HANDLES / 256 - 2, "{between} turns of another task meanwhile");
    }
}
