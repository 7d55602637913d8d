//! Events that come when their handle has ended or waits for something else, tasks that wait, and
//! collections while work lies in queues.

use super::program::runtime_of;
use super::threads::threaded;
use crate::combinators::{Node, input_ended, put, returned, timer_fired};
use crate::event::JobObject;
use crate::handle::{end, handle_of, with_node};
use crate::task::AwaitHandle;
use crate::timers::{NO_SYSTEM, Timers};
use crate::{
    End, Executor, Status, await_handle, new_handle, new_operation, register, settle, status,
};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::{Mutex, Weak};
use std::task::{Context, Poll, Waker};
use valk_heap::{Config, HostObject, Stress, Value};
use valk_lang::{NoWaiting, Output, Ran, Runtime, SharedVm};

fn runtime() -> (Runtime, Executor) {
    runtime_of(threaded())
}

fn poll(task: &mut AwaitHandle) -> Poll<End<Value>> {
    Pin::new(task).poll(&mut Context::from_waker(Waker::noop()))
}

/// A pending handle, and a task that waits for it.
fn awaited(vm: &SharedVm) -> (Value, AwaitHandle) {
    let (handle, root) = {
        let vm = &mut *vm.borrow_mut();
        let handle = new_handle(vm);
        (handle, vm.heap.root(handle))
    };
    (handle, await_handle(vm, root))
}

valk_harness::test! {
    fn events_that_come_too_late_change_nothing() {
        let (runtime, _executor) = runtime();
        let vm = &mut *runtime.vm();
        let id = Timers::default().start(vm, Value::NIL, NO_SYSTEM, None);
        let node = Node::promise(vm);
        let promise = with_node(vm, node);
        // It waits for nothing that these could tell.
        input_ended(vm, promise, 0);
        timer_fired(vm, promise, id);
        assert_eq!(status(vm, promise), Some(Status::Running));
        assert!(settle(vm, promise, End::Completed(Value::ONE)));
        input_ended(vm, promise, 0);
        returned(vm, promise, Value::ZERO);
        let node = Box::new(Node::promise(vm));
        put(vm, promise, node);
        assert!(handle_of(&vm.heap, promise).expect("a handle").body().node.is_none());
        assert_eq!(end(vm, promise), Some(End::Completed(Value::ONE)));
    }
}

valk_harness::test! {
    fn a_timer_is_forgotten_once() {
        let (runtime, _executor) = runtime();
        let vm = &mut *runtime.vm();
        let mut timers = Timers::default();
        let first = timers.start(vm, Value::NIL, NO_SYSTEM, Some(5));
        let second = timers.start(vm, Value::NIL, NO_SYSTEM, Some(6));
        assert!(timers.cancel(vm, first));
        assert!(!timers.cancel(vm, first));
        timers.restart(first, 1);
        assert_eq!(timers.next_us(), Some(6));
        assert!(timers.cancel(vm, second));
        assert_eq!((timers.pending(), timers.next_us()), (0, None));
    }

    fn a_signal_for_a_program_that_is_gone_is_not_taken() {
        assert!(crate::signals::arrived(&Weak::new(), 15).is_zero());
    }

    fn a_signal_on_the_way_to_aio_run_lets_the_program_end_by_itself() {
        let (mut runtime, mut executor) = runtime();
        runtime.run_text("p", b"(def {sys} (aio/await (aio/start)))", &mut executor);
        crate::executor::pool(&runtime.vm()).set_signal(15);
        runtime.run_text("p", b"(do (aio/run sys) (print \"behind\"))", &mut executor);
        assert_eq!(runtime.take_output(), b"behind\n");
        executor.finish(&runtime.vm);
    }

    fn a_callback_that_calls_aio_run_does_not_let_the_program_go_on() {
        let (mut runtime, mut executor) = runtime();
        runtime.run_text("p", b"(def {sys} (aio/await (aio/start)))", &mut executor);
        crate::executor::pool(&runtime.vm()).set_signal(15);
        let program = b"(do (aio/await (aio/then (aio/pure 1) (\\ {_} {aio/run sys}))) (print \"behind\"))";
        runtime.run_text("p", program, &mut executor);
        assert!(!crate::executor::pool(&runtime.vm()).is_graceful());
        executor.finish(&runtime.vm);
    }

    fn a_thread_that_is_no_executor_has_no_vm_to_work_with() {
        crate::executor::with_thread_vm(|_, _| panic!("there is one"));
    }

    fn a_job_that_was_taken_holds_nothing() {
        let job = JobObject(Mutex::new(None));
        assert_eq!((job.type_name(), job.external_bytes()), ("job", 0));
    }
}

valk_harness::test! {
    fn a_task_waits_however_often_it_is_polled() {
        let (runtime, _executor) = runtime();
        let (handle, mut task) = awaited(&runtime.vm);
        assert_eq!(poll(&mut task), Poll::Pending);
        assert_eq!(poll(&mut task), Poll::Pending);
        assert_eq!(handle_of(&runtime.vm().heap, handle).expect("a handle").cell.waiters(), 1);
        settle(&mut runtime.vm(), handle, End::Completed(Value::ONE));
        assert_eq!(poll(&mut task), Poll::Ready(End::Completed(Value::ONE)));
        assert_eq!(poll(&mut task), Poll::Ready(End::Cancelled));
    }

    fn a_task_that_is_dropped_cancels_what_only_it_waits_for() {
        let (runtime, _executor) = runtime();
        let (alone, mut task) = awaited(&runtime.vm);
        assert_eq!(poll(&mut task), Poll::Pending);
        drop(task);
        assert_eq!(status(&runtime.vm(), alone), Some(Status::Cancelled));
        let (unpolled, task) = awaited(&runtime.vm);
        drop(task);
        assert_eq!(status(&runtime.vm(), unpolled), Some(Status::Cancelled));
        let (shared, mut task) = awaited(&runtime.vm);
        let root = runtime.vm().heap.root(shared);
        let mut other = await_handle(&runtime.vm, root);
        assert_eq!([poll(&mut task), poll(&mut other)], [Poll::Pending; 2]);
        drop(task);
        assert_eq!(status(&runtime.vm(), shared), Some(Status::Running));
        // Code of the VM runs: nothing can be told to it now.
        let guard = runtime.vm();
        drop(other);
        assert_eq!(status(&guard, shared), Some(Status::Running));
    }

    fn a_task_whose_vm_is_gone_is_cancelled() {
        let (runtime, executor) = runtime();
        let vm = Rc::downgrade(&runtime.vm);
        let (_, mut task) = awaited(&runtime.vm);
        drop((runtime, executor));
        assert!(vm.upgrade().is_none());
        assert_eq!(poll(&mut task), Poll::Ready(End::Cancelled));
    }
}

valk_harness::test! {
    fn after_the_end_no_function_starts() {
        let (mut runtime, mut executor) = runtime();
        assert!(matches!(runtime.run_text("p", b"(aio/await (future (\\ {} {1})))", &mut executor), Ran::Value(_)));
        executor.finish(&runtime.vm);
        let ran = runtime.run_text("p", b"(future (\\ {} {1}))", &mut NoWaiting);
        let Ran::Value(handle) = ran else { panic!("a handle that has failed") };
        let Some(End::Failed(error)) = end(&runtime.vm(), handle) else { panic!("it has failed") };
        let text = runtime.repr(error);
        assert!(text.contains("the program is ending and starts no function"), "{text}");
    }
}

valk_harness::test! {
    fn work_that_waits_survives_collections() {
        for (stress, rounds) in [(Stress::EverySafepoint, 200), (Stress::Random { seed: 3 }, 200_000)] {
            let calm = Config { stress: Stress::Off, ..threaded() };
            let mut runtime = Runtime::new(calm, Output::memory()).expect("a heap");
            register(&runtime.vm);
            let mut executor = Executor::new(&runtime.vm).expect("a reactor");
            // Functions of cancelled handles, calls for any executor, fibers that use their slice
            // inside a builtin while timers fire, each beside a collection.
            let program = format!("(def {{sys}} (aio/await (aio/start)))
                (def {{seen}} (box {{}}))
                (fun {{note v}} {{box/update seen (\\ {{l}} {{join l (list v)}})}})
                (fun {{spin n}} {{if (== n 0) {{:done}} {{spin (- n 1)}}}})
                (= {{running}} (map (\\ {{i}} {{aio/never sys}}) {{1 2 3}}))
                (map (\\ {{h}} {{aio/on-cancel h (\\ {{}} {{do (mem/gc/collect) (note \"released\")}})}}) running)
                (= {{group}} (aio/all running))
                (= {{spinning}} (map (\\ {{i}} {{aio/spawn (\\ {{}} {{do (spin {rounds}) (+ i 1)}})}}) {{1 2 3}}))
                (= {{timed}} (map (\\ {{i}} {{aio/schedule sys 1 (\\ {{}} {{do (mem/gc/collect) i}})}}) {{1 2 3}}))
                (= {{slow}} (aio/then (aio/pure 1) (\\ {{_}} {{do (spin {rounds}) (sleep 2) (spin {rounds})}})))
                (aio/cancel group)
                (mem/gc/collect)
                (print (aio/await (aio/all spinning)) (aio/await (aio/all timed)) (aio/await slow) (len (box/get seen)))");
            runtime.vm().heap.set_stress(stress);
            let ran = runtime.run_text("p", program.as_bytes(), &mut executor);
            runtime.vm().heap.set_stress(Stress::Off);
            executor.finish(&runtime.vm);
            let text = String::from_utf8(runtime.take_output()).expect("text");
            if let Ran::Failed(error, _) = ran {
                panic!("{}", runtime.repr(error));
            }
            assert_eq!(text, "{2 3 4} {1 2 3} :done 3\n");
        }
    }
}

valk_harness::test! {
    fn the_task_of_an_operation_learns_that_its_handle_has_ended() {
        let (runtime, _executor) = runtime();
        let vm = &mut *runtime.vm();
        let mut context = Context::from_waker(Waker::noop());
        let (cancelled, mut abandoned) = new_operation(vm);
        assert!(Pin::new(&mut abandoned).poll(&mut context).is_pending());
        // Events of inputs concern it as little as those of a promise.
        input_ended(vm, cancelled, 0);
        assert!(Pin::new(&mut abandoned).poll(&mut context).is_pending());
        assert!(crate::cancel(vm, cancelled));
        assert!(Pin::new(&mut abandoned).poll(&mut context).is_ready());
        let (settled, mut abandoned) = new_operation(vm);
        assert!(settle(vm, settled, End::Completed(Value::ONE)));
        assert!(Pin::new(&mut abandoned).poll(&mut context).is_ready());
        assert_eq!(end(vm, settled), Some(End::Completed(Value::ONE)));
    }
}
