//! Running fibers on the reactor's thread.
//!
//! [`drive`] resumes a fiber until it ends or waits; a waiting fiber is parked under the handle it
//! waits for, with a continuation that gets its final value. [`Executor`] is the driver of a
//! program: it runs the event loop while the program's own fiber waits.

use crate::handle::{HandleState, Waiter, settled};
use crate::interrupt::{self, Interrupts};
use crate::system::{self, Systems};
use std::cell::RefCell;
use std::collections::HashMap;
use std::io;
use std::rc::Rc;
use std::time::Instant;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Notify;
use tokio::task::LocalSet;
use valk_heap::{Root, Value};
use valk_lang::{Driver, Language, SharedVm};
use valk_vm::{FiberId, Step};

/// Receives a fiber's final value.
pub type Continuation = Box<dyn FnOnce(&SharedVm, Value)>;

/// Fibers that wait, by the address of the handle they wait for.
#[derive(Default)]
pub(crate) struct Waiting {
    pub(crate) handles: HashMap<usize, (Vec<Waiter>, Root)>,
}

/// Where tasks are spawned; present while an [`Executor`] exists.
#[derive(Default, Clone)]
pub(crate) struct Reactor {
    pub(crate) tasks: Option<Rc<LocalSet>>,
    pub(crate) wake: Rc<Notify>,
    pub(crate) handle: Option<tokio::runtime::Handle>,
    pub(crate) started: Option<Instant>,
    /// Handles that were given their end by the event loop.
    pub(crate) completions: u64,
}

/// Resumes `fiber` with `answer`. Its final value goes to `then`, now or after it has waited.
pub fn drive(vm: &SharedVm, fiber: FiberId, answer: Value, then: Continuation) {
    let mut answer = answer;
    loop {
        let mut machine = vm.borrow_mut();
        let question = match machine.resume(fiber, answer) {
            Step::Suspended(question) => question,
            Step::Done(value) => {
                let stopping = machine.extension::<Language>().stopping;
                drop(machine);
                if stopping {
                    system::stop_all(vm);
                }
                return then(vm, value);
            }
        };
        match settled(&machine, question) {
            Some(HandleState::Completed(value) | HandleState::Failed(value)) => answer = value,
            Some(HandleState::Pending) => {
                let root = machine.heap.root(question);
                let waiting = &mut machine.extension::<Waiting>().handles;
                let waiter = Waiter { fiber, then };
                if let Some((waiters, _)) = waiting.get_mut(&question.address()) {
                    waiters.push(waiter);
                    machine.heap.release(root);
                } else {
                    waiting.insert(question.address(), (vec![waiter], root));
                }
                return;
            }
            None => answer = machine.error("only handles can be waited for"),
        }
    }
}

/// A program's driver: its fiber, and every task it starts, on this thread.
pub struct Executor {
    runtime: Runtime,
    tasks: Rc<LocalSet>,
    wake: Rc<Notify>,
    pub(crate) interrupts: Option<Interrupts>,
}

impl Executor {
    /// An executor for this machine; tasks of its programs are spawned here.
    ///
    /// # Errors
    /// When the system refuses a reactor.
    pub fn new(vm: &SharedVm) -> io::Result<Executor> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let tasks = Rc::new(LocalSet::new());
        let mut machine = vm.borrow_mut();
        let reactor = machine.extension::<Reactor>();
        reactor.tasks = Some(Rc::clone(&tasks));
        reactor.handle = Some(runtime.handle().clone());
        reactor.started = Some(Instant::now());
        let wake = Rc::clone(&reactor.wake);
        drop(machine);
        Ok(Executor { runtime, tasks, wake, interrupts: None })
    }

    /// Stops every system the program left running and waits for them; each has its own deadline.
    pub fn finish(&mut self, vm: &SharedVm) {
        if !vm.borrow_mut().extension::<Systems>().any_running() {
            return;
        }
        system::stop_all(vm);
        let wake = Rc::clone(&self.wake);
        self.tasks.block_on(&self.runtime, async {
            while vm.borrow_mut().extension::<Systems>().any_running() {
                wake.notified().await;
            }
        });
    }
}

impl Driver for Executor {
    fn run(&mut self, vm: &SharedVm, fiber: FiberId) -> Value {
        let result: Rc<RefCell<Option<Root>>> = Rc::default();
        let (slot, wake) = (Rc::clone(&result), Rc::clone(&self.wake));
        let finished: Continuation = Box::new(move |vm, value| {
            *slot.borrow_mut() = Some(vm.borrow_mut().heap.root(value));
            wake.notify_one();
        });
        drive(vm, fiber, Value::NIL, finished);
        if result.borrow().is_none() {
            vm.borrow_mut().extension::<Language>().output.flush();
            let (wake, interrupts) = (Rc::clone(&self.wake), self.interrupts.as_ref());
            let interrupted = || interrupts.is_some_and(Interrupts::take);
            let ended = self.tasks.block_on(&self.runtime, async {
                while result.borrow().is_none() {
                    if interrupted() {
                        return false;
                    }
                    interrupt::either(&wake, interrupts).await;
                }
                true
            });
            if !ended {
                return interrupt::give_up(vm, fiber);
            }
        }
        let root = result.borrow_mut().take().expect("the loop ends when it is there");
        vm.borrow_mut().heap.release(root)
    }
}
