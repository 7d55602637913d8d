//! Executors: threads that each run a tokio reactor and one VM.
//!
//! 1. Executor 0 is the program's own thread. The others are started when the first function is
//!    handed over, or the first listener wants them; all have the same builtins and globals.
//! 2. What other threads tell an executor is an [`Event`] in its inbox: many threads post, its own
//!    thread reads, and a post wakes it.
//! 3. A fiber runs until it finishes, awaits a handle, or has used its time slice. A fiber that
//!    awaits is a waiter of that handle, and an event makes it runnable once.
//! 4. Functions that a builtin has just caused to be called run before that builtin returns, up to
//!    where they wait: the fiber that called it is *interrupted* meanwhile. One of them that uses up
//!    its slice takes the interrupted fibers with it, so they do not go on before it returns.
//! 5. A VM is a stopped mutator whenever its reactor waits, so a collection never waits for I/O.
//!
//! Knows fibers and handles. Does not know what a builtin is called.

mod idle;
mod monitor;
mod pool;
mod program;
mod run;
mod serve;

pub use pool::{EXECUTORS_MAX, JOBS_WAITING_MAX, current_executor, executors, spawn_on};
pub(crate) use pool::{Pool, pool, submit};
pub use program::Executor;
pub(crate) use run::{start, stop_system};
#[cfg(test)]
pub(crate) use serve::with_thread_vm;

use crate::event::{Call, Event, Job, Parked, Target};
use crate::timers::{TimerId, Timers};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::task::Waker;
use std::time::Duration;
use tokio::time::Instant;
use valk_heap::{HostObject, Kind, PreemptFlag, Root, Tracer, Value};
use valk_sync::inbox::Inbox;
use valk_sync::shim::lock;
use valk_vm::{Outcome, Vm};

/// The executor of a fiber that any of them may go on with.
pub(crate) const ANY_EXECUTOR: u16 = u16::MAX;

/// What only the executor's own thread uses, and collections.
#[derive(Default)]
pub(crate) struct Local {
    /// Events that builtins of the running fiber have caused (rule 4).
    pub urgent: VecDeque<Event>,
    /// Fibers that wait for those, with what they go on with.
    pub interrupted: Vec<(Parked, Value)>,
    /// Inputs of nodes of this executor that a cancellation under way has ended. Empty in between.
    pub ended_inputs: VecDeque<(Value, u32)>,
    /// A cancellation is under way.
    pub is_cancelling: bool,
    /// Targets of the fibers that run: one, but for nested calls of the host.
    pub running: Vec<Target>,
    pub timers: Timers,
    /// Turns in a row that ended before the jobs had theirs.
    pub turns_without_jobs: usize,
}

/// One executor, as all threads see it.
pub(crate) struct ExecutorState {
    pub index: u16,
    pub pool: Arc<Pool>,
    /// Events for this executor; also woken for other reasons to look around.
    pub inbox: Inbox<Event>,
    local: Mutex<Local>,
    /// The object in the heap by which collections find this.
    core: OnceLock<Root>,
    pub preempt: OnceLock<PreemptFlag>,
    /// Resumptions that began and ended; odd while a fiber runs.
    pub resumptions: AtomicU64,
    /// Wake-ups of Rust tasks by handles, anywhere, at the beginning of this turn.
    wakes_seen: AtomicU64,
    /// Fibers that were preempted here.
    pub slices_used: AtomicU64,
    /// Functions of the pool that have used their slice and go on here: they lie in the inbox.
    begun_jobs: AtomicUsize,
    /// Events and timers processed here.
    pub events: AtomicU64,
}

impl std::fmt::Debug for ExecutorState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ExecutorState").field("index", &self.index).finish_non_exhaustive()
    }
}

/// An executor's state as an object of the heap; the VM's embedder object.
pub(crate) struct Core(pub Arc<ExecutorState>);

impl HostObject for Core {
    fn trace(&mut self, tracer: &mut Tracer<'_>) {
        self.0.inbox.for_each_mut(|event| event.trace(tracer));
        let mut local = lock(&self.0.local);
        for event in &mut local.urgent {
            event.trace(tracer);
        }
        for (parked, answer) in &mut local.interrupted {
            parked.trace(tracer);
            tracer.value(answer);
        }
        for target in &mut local.running {
            target.trace(tracer);
        }
        for (node, _) in &mut local.ended_inputs {
            tracer.value(node);
        }
        local.timers.trace(tracer);
    }

    fn type_name(&self) -> &'static str {
        "executor"
    }

    fn external_bytes(&self) -> usize {
        self.0.inbox.len() * size_of::<Event>()
    }
}

impl ExecutorState {
    pub fn new(index: u16, pool: Arc<Pool>) -> ExecutorState {
        ExecutorState {
            index,
            pool,
            inbox: Inbox::new(),
            local: Mutex::default(),
            core: OnceLock::new(),
            preempt: OnceLock::new(),
            resumptions: AtomicU64::new(0),
            wakes_seen: AtomicU64::new(0),
            slices_used: AtomicU64::new(0),
            begun_jobs: AtomicUsize::new(0),
            events: AtomicU64::new(0),
        }
    }

    /// Makes this the state of a VM, on whose thread it is called.
    pub fn install(self: &Arc<Self>, vm: &mut Vm) {
        let core = vm.heap.host(Box::new(Core(Arc::clone(self))));
        vm.embedder = core;
        // Set once: an executor has one VM.
        let _ = self.core.set(vm.heap.root(core));
        let _ = self.preempt.set(vm.preempt_flag().clone());
    }

    /// What the thread of this executor alone uses. What is put in does not move: handles and other
    /// objects of the host.
    pub fn local(&self) -> MutexGuard<'_, Local> {
        lock(&self.local)
    }

    /// The same, announced to the heap, so that any value may be put in.
    pub fn local_for_values(&self, vm: &mut Vm) -> MutexGuard<'_, Local> {
        vm.heap.touch_host(vm.embedder);
        lock(&self.local)
    }

    /// Microseconds since the clock of the timers started.
    pub fn now_us(&self) -> u64 {
        self.pool.clock.now_us()
    }

    /// When a time of the timers' clock is.
    pub fn instant(&self, at_us: u64) -> Instant {
        self.pool.clock.instant(at_us)
    }

    /// Adds an event and wakes the thread. `vm` is that of the calling thread.
    fn post(&self, vm: &mut Vm, event: Event) {
        let core = match self.core.get() {
            Some(core) if here(vm).index != self.index => vm.heap.resolve(core),
            _ => vm.embedder,
        };
        vm.heap.touch_host(core);
        self.pool.add_live();
        self.inbox.post(event);
    }

    /// Takes the oldest event. It counts as alive until [`Pool::end_live`].
    fn take(&self) -> Option<Event> {
        self.inbox.take()
    }

    /// A turn begins: tasks that were woken before have run.
    pub fn begin_turn(&self) {
        self.wakes_seen.store(self.pool.wakes(), Ordering::Relaxed);
    }

    /// Functions of the pool that have begun here and wait for their next slice.
    pub fn begun_jobs(&self) -> usize {
        self.begun_jobs.load(Ordering::Relaxed)
    }

    /// Whether anything else than such functions waits in the inbox, at some recent moment.
    pub fn has_events(&self) -> bool {
        self.inbox.len() > self.begun_jobs()
    }

    /// Whether a Rust task was woken in this turn, perhaps one of this executor.
    pub fn has_woken_tasks(&self) -> bool {
        self.wakes_seen.load(Ordering::Relaxed) != self.pool.wakes()
    }

    /// Whether a timer is pending that has a time or a system.
    pub fn has_timers(&self) -> bool {
        self.local().timers.pending() > 0
    }
}

/// The executor of a VM's thread.
///
/// # Panics
/// When the builtins of this crate were not registered in it.
pub(crate) fn here(vm: &Vm) -> Arc<ExecutorState> {
    let core = vm.embedder.host::<Core>(&vm.heap).expect("`register` was called for this VM");
    Arc::clone(&core.0)
}

/// What an executor has to do, to be asked by a task on its thread.
pub struct Runnable(Arc<ExecutorState>);

impl Runnable {
    /// That of a VM's executor.
    pub fn of(vm: &Vm) -> Runnable {
        Runnable(here(vm))
    }

    /// Fibers that could go on, and events that wait.
    pub fn count(&self) -> usize {
        self.0.inbox.len()
    }
}

/// Whether the running function was called by an event loop, and not by the program's own thread.
pub(crate) fn is_in_callback(vm: &mut Vm) -> bool {
    let state = here(vm);
    let local = state.local();
    !matches!(local.running.last(), Some(Target::Program(_)) | None)
}

/// Tells an executor to do something.
pub(crate) fn post(vm: &mut Vm, executor: u16, event: Event) {
    let state = here(vm);
    if state.index == executor {
        state.post(vm, event);
        return;
    }
    match state.pool.executor(executor) {
        Some(other) => other.post(vm, event),
        None => state.post(vm, event),
    }
}

/// Wakes a Rust task.
pub(crate) fn wake_task(vm: &Vm, task: Waker) {
    here(vm).pool.count_wake();
    task.wake();
}

/// Tells the node of `handle` that an input has ended: at once in a cancellation on this executor, so
/// that its effects are there when it returns, else by an event.
pub(crate) fn notify_node(vm: &mut Vm, executor: u16, node: Value, input: u32) {
    let state = here(vm);
    if state.index == executor {
        let mut local = state.local();
        if local.is_cancelling {
            local.ended_inputs.push_back((node, input));
            return;
        }
    }
    post(vm, executor, Event::Input { node, input });
}

/// Performs a cancellation, and then what it means for the nodes of this executor.
pub(crate) fn cancelling(vm: &mut Vm, cancel: impl FnOnce(&mut Vm)) {
    let state = here(vm);
    let is_nested = std::mem::replace(&mut state.local().is_cancelling, true);
    cancel(vm);
    if is_nested {
        return;
    }
    loop {
        let Some((node, input)) = state.local().ended_inputs.pop_front() else { break };
        crate::combinators::input_ended(vm, node, input as usize);
    }
    state.local().is_cancelling = false;
}

/// Has `call` performed before the running builtin returns, if that returns by [`after_urgent`];
/// soon otherwise.
pub(crate) fn call_soon(vm: &mut Vm, call: Call) {
    let state = here(vm);
    state.pool.add_live();
    let mut local = state.local_for_values(vm);
    local.urgent.push_back(Event::Call(Box::new(call)));
    let is_seen = !local.running.is_empty();
    drop(local);
    // Whoever runs a fiber looks for urgent events when it stops.
    if !is_seen {
        state.inbox.wake();
    }
}

/// Length of the record that stands for "go on with this after the urgent events".
const YIELD_FIELDS: usize = 2;

/// The outcome of a builtin whose result is `value`, after the functions that it has caused to be
/// called have run, each to its end or to where it waits. A fiber that it has cancelled leaves.
pub(crate) fn after_urgent(vm: &mut Vm, value: Value) -> Outcome {
    let state = here(vm);
    let (is_calm, target) = {
        let local = state.local();
        (local.urgent.is_empty(), local.running.last().copied())
    };
    if is_calm && !target.is_some_and(|target| target.is_cancelled(vm)) {
        return value.into();
    }
    let mark = vm.embedder;
    Outcome::Suspend(vm.heap.fields(Kind::Record, &[mark, value]))
}

/// The value of an [`after_urgent`] outcome.
fn yielded(vm: &Vm, question: Value) -> Option<Value> {
    let is_yield = question.kind() == Kind::Record
        && question.field_count() == YIELD_FIELDS
        && question.field(0) == vm.embedder;
    is_yield.then(|| question.field(1))
}

/// Hands a fiber that may run on any executor to the pool.
pub(crate) fn resume_anywhere(vm: &mut Vm, parked: Box<Parked>, answer: Value) {
    let target = parked.target;
    if let Err(problem) = submit(vm, Job::Resume(parked, answer)) {
        let error = vm.error(&problem);
        run::deliver(vm, target, error);
    }
}

/// Has fibers whose handles were cancelled noticed where they run.
pub(crate) fn interrupt_cancelled(vm: &Vm) {
    let state = here(vm);
    state.pool.preempt_others(state.index);
}

/// Starts a timer on this executor for `handle`; without a time it only ends with its system.
pub(crate) fn start_timer(
    vm: &mut Vm,
    handle: Value,
    system: u32,
    after: Option<Duration>,
) -> (u16, TimerId) {
    let state = here(vm);
    let at_us = after.map(|after| state.now_us().saturating_add(after.as_micros() as u64));
    if at_us.is_some() {
        state.pool.add_live();
    }
    let mut local = state.local();
    let id = local.timers.start(vm, handle, system, at_us);
    drop(local);
    state.inbox.wake();
    (state.index, id)
}

/// Starts a timer that fired again.
pub(crate) fn restart_timer(vm: &mut Vm, id: TimerId, after: Duration) {
    let state = here(vm);
    let at_us = state.now_us().saturating_add(after.as_micros() as u64);
    state.local().timers.restart(id, at_us);
    state.inbox.wake();
}

/// A timer that has fired fires no more, and is kept for its system.
pub(crate) fn timer_is_over(vm: &Vm) {
    here(vm).pool.end_live();
}

/// Forgets a timer; `is_timed` says whether it had a time.
pub(crate) fn cancel_timer(vm: &mut Vm, executor: u16, id: TimerId, is_timed: bool) {
    let state = here(vm);
    if state.index == executor {
        let mut local = state.local();
        local.timers.cancel(vm, id);
    } else {
        post(vm, executor, Event::CancelTimer(id));
    }
    if is_timed {
        state.pool.end_live();
    }
}
