//! Running fibers on the reactor's thread.
//!
//! [`drive`] resumes a fiber until it ends or waits; a waiting fiber is parked under the handle it
//! waits for, with a continuation that gets its final value. [`Executor`] is the driver of a
//! program: it runs the event loop while the program's own fiber waits.

use crate::clock::Clock;
use crate::handle::{Handle, Waiter, complete, resume_waiting, timed_out};
use crate::interrupt::{self, Interrupts};
use crate::mailbox::{Letter, Mailbox};
use crate::system::{self, Systems};
use crate::workers;
use std::cell::RefCell;
use std::collections::HashMap;
use std::io;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::Instant;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Notify;
use tokio::task::LocalSet;
use valk_heap::{Root, Value};
use valk_lang::{Driver, Language, SharedVm};
use valk_vm::{FiberId, ParkedVm, Step, Vm};

/// The machine whose event loop runs on this thread, and that it is asleep while the loop waits for
/// events, so that collections of other machines do not wait for events.
#[derive(Default)]
struct Waits {
    machine: Weak<RefCell<Vm>>,
    asleep: Option<ParkedVm>,
}

thread_local! {
    static WAITS: RefCell<Waits> = RefCell::default();
}

fn fall_asleep() {
    WAITS.with_borrow_mut(|waits| {
        waits.asleep = waits.machine.upgrade().and_then(|machine| ParkedVm::new(&machine));
    });
}

fn wake_up() {
    WAITS.with_borrow_mut(|waits| waits.asleep = None);
}

/// While it exists the event loop on this thread is that of one machine.
struct Here {
    before: Weak<RefCell<Vm>>,
}

impl Here {
    fn enter(vm: &SharedVm) -> Here {
        let machine = Rc::downgrade(vm);
        let before = WAITS.with_borrow_mut(|waits| std::mem::replace(&mut waits.machine, machine));
        Here { before }
    }
}

impl Drop for Here {
    fn drop(&mut self) {
        WAITS.with_borrow_mut(|waits| std::mem::swap(&mut waits.machine, &mut self.before));
    }
}

/// Letters that are read in one turn of the event loop, so that timers and connections get theirs.
const LETTERS_PER_TURN: usize = 256;

/// Has fibers go on whose handles have ended on other threads, and ends those whose time is over.
async fn read_letters(machine: Weak<RefCell<Vm>>, mailbox: Arc<Mailbox>) {
    loop {
        let mut letters = mailbox.receive().await.into_iter();
        while letters.len() > 0 {
            // The machine owns this task, so the task does not own the machine while it waits.
            let Some(vm) = machine.upgrade() else { return };
            read(&vm, letters.by_ref().take(LETTERS_PER_TURN));
            drop(vm);
            tokio::task::yield_now().await;
        }
        let Some(vm) = machine.upgrade() else { return };
        if vm.borrow_mut().extension::<Language>().is_stopping() {
            system::stop_all(&vm);
        }
    }
}

fn read(vm: &SharedVm, letters: impl Iterator<Item = Letter>) {
    for letter in letters {
        match letter {
            Letter::Ended(address) => resume_waiting(vm, address),
            Letter::Expired(root) => expire(vm, root),
        }
    }
}

/// Ends a handle whose time is over.
fn expire(vm: &SharedVm, root: Root) {
    let (handle, state) = {
        let mut vm = vm.borrow_mut();
        (vm.heap.release(root), timed_out(&mut vm))
    };
    complete(vm, handle, state);
}

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
    /// Where other threads tell of handles that have ended.
    pub(crate) mailbox: Arc<Mailbox>,
    pub(crate) clock: Arc<Clock>,
}

/// Resumes `fiber` with `answer`. Its final value goes to `then`, now or after it has waited.
pub fn drive(vm: &SharedVm, fiber: FiberId, answer: Value, then: Continuation) {
    let mut answer = answer;
    loop {
        let mut machine = vm.borrow_mut();
        let question = match machine.resume(fiber, answer) {
            Step::Suspended(question) => question,
            Step::Preempted => continue,
            Step::Done(value) => {
                let stopping = machine.extension::<Language>().is_stopping();
                drop(machine);
                if stopping {
                    system::stop_all(vm);
                }
                return then(vm, value);
            }
        };
        let mailbox = Arc::clone(&machine.extension::<Reactor>().mailbox);
        let known = question.host::<Handle>(&machine.heap).map(|handle| handle.watch(&mailbox));
        match known {
            Some(Some(value)) => answer = value,
            Some(None) => {
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
        let runtime = Builder::new_current_thread()
            .enable_all()
            .on_thread_park(fall_asleep)
            .on_thread_unpark(wake_up)
            .build()?;
        let tasks = Rc::new(LocalSet::new());
        let mut machine = vm.borrow_mut();
        let reactor = machine.extension::<Reactor>();
        let mailbox = Arc::clone(&reactor.mailbox);
        tasks.spawn_local(read_letters(Rc::downgrade(vm), mailbox));
        reactor.tasks = Some(Rc::clone(&tasks));
        reactor.handle = Some(runtime.handle().clone());
        reactor.started = Some(Instant::now());
        let wake = Rc::clone(&reactor.wake);
        drop(machine);
        Ok(Executor { runtime, tasks, wake, interrupts: None })
    }

    /// Lets functions on other threads finish, but not for long, then stops every system the program
    /// left running and waits for them; each has its own deadline.
    pub fn finish(&mut self, vm: &SharedVm) {
        workers::finish(vm);
        if !vm.borrow_mut().extension::<Systems>().any_running() {
            return;
        }
        system::stop_all(vm);
        let wake = Rc::clone(&self.wake);
        let _here = Here::enter(vm);
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
            let _here = Here::enter(vm);
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
