//! Executor 0: the event loop runs while the program's own fiber waits.
//!
//! 1. A form that never waits never enters the event loop.
//! 2. A wait of the program's own fiber ends with its handle, with an error because nothing is alive
//!    that could end it, or because the program ends: by `exit` elsewhere or by a signal.
//! 3. SIGTERM, and SIGINT of a program, end it with 128 and the signal's number, unless it waits
//!    for a system to stop (`aio/run`): then it goes on when the systems have stopped.

use super::serve::{self, Entered};
use super::{ExecutorState, Pool, here, run};
use crate::builtins::register_with;
use crate::event::{Parked, Target};
use crate::handle::{self, Waiter};
use crate::interrupt::Interrupts;
use crate::system;
use std::cell::Cell;
use std::io;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, SystemTime};
use tokio::runtime::Runtime;
use tokio::task::LocalSet;
use tokio::time::Instant;
use valk_heap::{Root, Value};
use valk_lang::{Driver, Language, SharedVm};
use valk_net::Clock;
use valk_sync::cell::End;
use valk_sync::shim::lock;
use valk_vm::{FiberId, Vm};

/// How long a program that has ended lets its functions finish.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long they then have to notice that they are to leave.
const INTERRUPTION: Duration = Duration::from_millis(500);

/// How long a program that computes when a signal comes has to get to its wait for a system.
const COMPUTING_MAX: Duration = Duration::from_millis(100);

/// Between two looks whether a signal has come while the reader of the output is waited for.
const OUTPUT_LOOK: Duration = Duration::from_millis(50);

/// How long it is waited for after a signal.
const OUTPUT_PATIENCE: Duration = Duration::from_millis(500);

/// The error of a wait that nothing can end.
const NOTHING_ALIVE: &str = "await: nothing can end this wait: no function runs or can go on, no \
                             timer is pending and no system runs; deliver the promise first, or \
                             wait for a time with (aio/await HANDLE MILLISECONDS)";

/// A program's driver: its fiber, and every task it starts, on this thread.
pub struct Executor {
    runtime: Runtime,
    tasks: Rc<LocalSet>,
    state: Arc<ExecutorState>,
    pub(crate) interrupts: Option<Interrupts>,
    has_ended_program: bool,
    /// A wait has seen that `exit` was called.
    has_seen_stop: Cell<bool>,
    /// When a signal was seen first.
    signal_seen: Cell<Option<Instant>>,
}

/// Why the program's fiber is not to wait any longer.
enum Ended {
    /// Its handle has ended.
    Handle,
    /// SIGINT at a prompt.
    Interrupted,
    /// The program ends.
    Program,
    /// Nothing can end the wait.
    NothingAlive,
}

impl Pool {
    /// The program's thread has nothing to do: if that may be the end of its wait, it looks.
    pub fn program_is_idle(&self) {
        if self.alive() == 0 || self.signal().is_some() || self.is_stopping() || self.is_finishing()
        {
            self.program_idle.notify_one();
        }
    }
}

impl Executor {
    /// An executor for this VM; tasks of its programs are spawned here.
    ///
    /// # Errors
    /// When the system refuses a reactor.
    pub fn new(vm: &SharedVm) -> io::Result<Executor> {
        Ok(Executor::with_reactor(vm, serve::reactor(false)?))
    }

    /// Registers the builtins in the first VM of a runtime, and makes an executor in virtual time:
    /// its clock moves when nothing else happens, to the next timer. Fibers have no time slices;
    /// [`Vm::set_safepoint_budget`] may give them some.
    ///
    /// # Errors
    /// When the system refuses a reactor.
    pub fn simulated(vm: &SharedVm) -> io::Result<Executor> {
        let runtime = serve::reactor(true)?;
        let entered = runtime.enter();
        register_with(vm, Clock::simulated(SystemTime::UNIX_EPOCH));
        drop(entered);
        let executor = Executor::with_reactor(vm, runtime);
        executor.state.pool.monitor.disable();
        lock(&executor.state.pool.systems).ignore_signals();
        Ok(executor)
    }

    fn with_reactor(vm: &SharedVm, runtime: Runtime) -> Executor {
        let tasks = Rc::new(LocalSet::new());
        let state = here(&vm.borrow());
        tasks.spawn_local(serve::serve(Rc::downgrade(vm), Arc::clone(&state)));
        system::install_reactor(vm, &tasks, &runtime);
        let has_seen_stop = Cell::new(false);
        Executor {
            runtime,
            tasks,
            state,
            interrupts: None,
            has_ended_program: false,
            has_seen_stop,
            signal_seen: Cell::new(None),
        }
    }

    /// The executors of the program.
    pub(crate) fn pool(&self) -> &Pool {
        &self.state.pool
    }

    /// The status with which a signal ended the program.
    pub fn signal_status(&self) -> Option<u8> {
        self.state.pool.ended_by_signal().map(|signal| (128 + signal) as u8)
    }

    /// Whether `exit` elsewhere or a signal ended a wait of the program. The error that its fiber then
    /// gave is not the program's.
    pub fn has_ended_program(&self) -> bool {
        self.has_ended_program
    }

    /// Lets functions on other executors finish, but not for long, then stops every system that
    /// the program left running and waits for them; each has its own deadline.
    pub fn finish(&mut self, vm: &SharedVm) {
        let pool = Arc::clone(&self.state.pool);
        let entered = Entered::new(vm, &self.state);
        pool.begin_finishing();
        let deadline = Instant::now() + PATIENCE;
        if pool.has_open_jobs() {
            self.tasks.block_on(&self.runtime, async {
                while pool.has_open_jobs() && pool.signal().is_none() {
                    let idle = pool.program_idle.notified();
                    if tokio::time::timeout_at(deadline, idle).await.is_err() {
                        break;
                    }
                }
            });
        }
        system::stop_all(&mut vm.borrow_mut());
        if pool.any_system_running() {
            self.tasks.block_on(&self.runtime, async {
                while pool.any_system_running() {
                    pool.program_idle.notified().await;
                }
            });
        }
        drop(entered);
        serve::blocked_while(vm, || {
            pool.end(INTERRUPTION);
            pass_on_output(&pool);
        });
        serve::clear_worker();
        pool.lost_failures.tell_remaining();
    }

    /// Why the wait for `task` is over, if it is.
    fn ended(&self, vm: &SharedVm, task: &Root) -> Option<Ended> {
        let vm = &mut *vm.borrow_mut();
        let task = vm.heap.resolve(task);
        if handle::has_ended(vm, task) {
            return Some(Ended::Handle);
        }
        if self.interrupts.as_ref().is_some_and(Interrupts::take) {
            return Some(Ended::Interrupted);
        }
        let pool = &self.state.pool;
        if pool.signal().is_some() {
            // This finds out whether the program waits for one of them.
            system::stop_all(vm);
            if !pool.is_graceful() {
                // It may be about to wait for a system.
                let since = self.signal_seen.get().unwrap_or_else(Instant::now);
                self.signal_seen.set(Some(since));
                if !is_parked(vm, task) && since.elapsed() < COMPUTING_MAX {
                    return None;
                }
                return Some(Ended::Program);
            }
        }
        let is_inbox_empty = self.state.inbox.is_empty();
        if pool.is_stopping() && !pool.any_system_running() && is_waiting(vm, task) {
            // What had come by the first look is processed before the second.
            if self.has_seen_stop.replace(true) || is_inbox_empty {
                return Some(Ended::Program);
            }
        }
        if !is_inbox_empty {
            return None;
        }
        (pool.alive() == 0).then_some(Ended::NothingAlive)
    }

    /// Goes on with the program's fiber, whose wait nothing can end, with an error. Returns false if
    /// it does not wait.
    fn go_on(&self, vm: &SharedVm, task: &Root) -> bool {
        let (parked, error) = {
            let vm = &mut *vm.borrow_mut();
            let task = vm.heap.resolve(task);
            let Some(parked) = take_waiter(vm, task) else { return false };
            let Parked { fiber, target, home } = *parked;
            let fiber = vm.attach(fiber);
            let error = vm.error_at(fiber, NOTHING_ALIVE);
            (Parked { fiber: vm.detach(fiber), target, home }, error)
        };
        run::resume(vm, &self.state, parked, error);
        run::settle_urgent(vm, &self.state);
        true
    }

    /// Runs the event loop until the program's fiber is not to wait any longer.
    fn wait(&self, vm: &SharedVm, task: &Root) -> Ended {
        vm.borrow_mut().extension::<Language>().output.flush();
        let _entered = Entered::new(vm, &self.state);
        self.tasks.block_on(&self.runtime, async {
            let waker = std::future::poll_fn(|cx| Poll::Ready(cx.waker().clone())).await;
            {
                let vm = &mut *vm.borrow_mut();
                let task = vm.heap.resolve(task);
                // An end that has come already is seen next.
                let _ = handle::subscribe(vm, task, Waiter::Task(waker));
            }
            loop {
                if let Some(ended) = self.ended(vm, task) {
                    return ended;
                }
                let idle = woken(self.state.pool.program_idle.notified());
                match &self.interrupts {
                    None => idle.await,
                    Some(interrupts) => tokio::select! {
                        biased;
                        () = interrupts.wake.notified() => {}
                        () = idle => {}
                    },
                }
            }
        })
    }
}

/// Waits until what was printed is written: for as long as its reader takes, but not after a signal.
fn pass_on_output(pool: &Pool) {
    let mut signal_seen: Option<Instant> = None;
    while !pool.output.wait(OUTPUT_LOOK) {
        if pool.signal().is_none() {
            continue;
        }
        if signal_seen.get_or_insert_with(Instant::now).elapsed() > OUTPUT_PATIENCE {
            pool.output.give_up();
            return;
        }
    }
}

/// Completes when `notified` does, or when the task is woken for another reason.
async fn woken(notified: impl Future<Output = ()>) {
    let mut notified = pin!(notified);
    let mut is_registered = false;
    std::future::poll_fn(|cx| {
        let is_notified = notified.as_mut().poll(cx).is_ready();
        if is_notified || std::mem::replace(&mut is_registered, true) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
}

impl Driver for Executor {
    fn run(&mut self, vm: &SharedVm, fiber: FiberId) -> Value {
        let clock = self.runtime.enter();
        let task = {
            let vm = &mut *vm.borrow_mut();
            let task = handle::new_handle(vm);
            vm.heap.root(task)
        };
        let value = vm.borrow().heap.resolve(&task);
        run::start(vm, fiber, Target::Program(value));
        drop(clock);
        let ended = loop {
            let is_over = handle::has_ended(&vm.borrow(), value_of(vm, &task));
            let ended = if is_over { Ended::Handle } else { self.wait(vm, &task) };
            if !matches!(ended, Ended::NothingAlive) || !self.go_on(vm, &task) {
                break ended;
            }
        };
        self.has_ended_program |= matches!(ended, Ended::Program);
        let vm = &mut *vm.borrow_mut();
        let task = vm.heap.release(task);
        let text = match ended {
            Ended::Handle => {
                return match handle::end(vm, task) {
                    Some(End::Completed(value) | End::Failed(value)) => value,
                    Some(End::Cancelled) | None => vm.error("async operation cancelled"),
                };
            }
            Ended::Interrupted | Ended::Program => valk_vm::INTERRUPTED,
            Ended::NothingAlive => NOTHING_ALIVE,
        };
        // The error tells where the fiber waits, so it is taken before the fiber goes.
        let error = interrupt(vm, task, text);
        handle::cancel(vm, task);
        error
    }
}

#[cfg(test)]
impl Executor {
    /// Checks that no function is to be called and no event to be processed; the timers pending.
    pub(crate) fn check_nothing_left(&self) -> usize {
        assert!(self.state.inbox.is_empty(), "events are left");
        let local = self.state.local();
        assert!(local.urgent.is_empty() && local.interrupted.is_empty(), "functions are left");
        assert!(local.running.is_empty(), "a fiber runs");
        local.timers.pending()
    }

    /// Timers pending that end with a system.
    pub(crate) fn pending_of_systems(&self) -> usize {
        self.state.local().timers.pending_of_systems()
    }
}

fn value_of(vm: &SharedVm, root: &Root) -> Value {
    vm.borrow().heap.resolve(root)
}

/// Ends the fiber that computes `task`, if it waits for a handle; the error that stands for its
/// value.
fn interrupt(vm: &mut Vm, task: Value, text: &str) -> Value {
    let awaited = handle::handle_of(&vm.heap, task).and_then(|task| task.body().awaiting);
    let error = match take_waiter(vm, task) {
        Some(parked) => {
            let fiber = vm.attach(parked.fiber);
            vm.interrupt_with(fiber, text)
        }
        None => vm.error(text),
    };
    let private = awaited.map(|(awaited, _)| awaited).filter(|awaited| {
        handle::handle_of(&vm.heap, *awaited).is_some_and(|awaited| awaited.is_private)
    });
    if let Some(awaited) = private {
        handle::cancel(vm, awaited);
    }
    error
}

/// Takes the fiber that computes `task` off the handle that it waits for.
fn take_waiter(vm: &mut Vm, task: Value) -> Option<Box<Parked>> {
    let (awaited, token) = handle::handle_of(&vm.heap, task)?.body().awaiting.take()?;
    match handle::unsubscribe(vm, awaited, token) {
        Some(Waiter::Fiber(parked)) => Some(parked),
        _ => None,
    }
}

/// Whether the fiber that computes `task` has waited and not gone on yet.
fn is_parked(vm: &Vm, task: Value) -> bool {
    handle::handle_of(&vm.heap, task).is_some_and(|task| task.body().awaiting.is_some())
}

/// Whether the fiber that computes `task` waits for a handle that has not ended.
fn is_waiting(vm: &Vm, task: Value) -> bool {
    let awaiting = handle::handle_of(&vm.heap, task).and_then(|task| task.body().awaiting);
    awaiting.is_some_and(|(awaited, _)| !handle::has_ended(vm, awaited))
}
