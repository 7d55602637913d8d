//! Async handles: values that arrive later.
//!
//! 1. A handle becomes terminal once, on any thread; who comes later finds out.
//! 2. A machine with an event loop that waits for a handle keeps its fibers outside the heap, keyed
//!    by the handle's address, which does not change; a root keeps the handle alive meanwhile. It is
//!    told by its mailbox. A fiber of a worker waits inside the handle, and whoever ends the handle
//!    hands it to the workers again.
//! 3. A wait with a time-out is one for a *follower*: a handle that ends as the one it follows does, or
//!    when its alarm rings.
//! 4. Before the values inside are changed the handle is announced to the heap.

use crate::clock::Alarm;
use crate::executor::{Continuation, Reactor, Waiting, drive};
use crate::mailbox::{Letter, Mailbox};
use crate::workers;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use valk_heap::{Heap, HostObject, Tracer, Value};
use valk_lang::SharedVm;
use valk_sync::shim::lock;
use valk_vm::{AUX_HANDLE, DetachedFiber, FiberId, Vm};

/// What is known about a handle's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HandleState {
    /// Nothing yet.
    Pending,
    /// The value.
    Completed(Value),
    /// Why there will be none: an error value.
    Failed(Value),
}

impl HandleState {
    /// The end that a function's value means: an error is a failure.
    pub(crate) fn of(value: Value) -> HandleState {
        if value.is_error() { HandleState::Failed(value) } else { HandleState::Completed(value) }
    }

    /// What waiting gives, once there is an end.
    fn value(self) -> Option<Value> {
        match self {
            HandleState::Pending => None,
            HandleState::Completed(value) | HandleState::Failed(value) => Some(value),
        }
    }
}

/// An operation in progress.
#[derive(Debug)]
pub struct Handle {
    progress: Mutex<Progress>,
    /// Programs may end it.
    is_promise: bool,
}

#[derive(Debug)]
struct Progress {
    state: HandleState,
    waiting: Audience,
}

/// Who waits for a handle, on whatever thread.
#[derive(Debug, Default)]
struct Audience {
    machines: Vec<Arc<Mailbox>>,
    fibers: Vec<Parked>,
    followers: Vec<Value>,
    /// What would end the handle.
    alarm: Option<Alarm>,
}

/// Followers from which on those that have ended are looked for when another one comes.
const FOLLOWERS_KEPT: usize = 16;

/// A fiber of a worker that waits, and whom its value is for.
#[derive(Debug)]
pub(crate) struct Parked {
    pub fiber: DetachedFiber,
    pub then: workers::Addressee,
}

impl Handle {
    fn new(state: HandleState, is_promise: bool) -> Handle {
        let progress = Progress { state, waiting: Audience::default() };
        Handle { progress: Mutex::new(progress), is_promise }
    }

    fn progress(&self) -> MutexGuard<'_, Progress> {
        lock(&self.progress)
    }

    fn state(&self) -> HandleState {
        self.progress().state
    }

    /// Has a machine told of the end; the value when it has come already.
    pub(crate) fn watch(&self, mailbox: &Arc<Mailbox>) -> Option<Value> {
        let mut progress = self.progress();
        if progress.state == HandleState::Pending {
            let machines = &mut progress.waiting.machines;
            if !machines.iter().any(|known| Arc::ptr_eq(known, mailbox)) {
                machines.push(Arc::clone(mailbox));
            }
        }
        progress.state.value()
    }

    /// Has a fiber wait in here; it and the value come back when the end has come already.
    /// The handle was announced to the heap.
    pub(crate) fn park(&self, parked: Parked) -> Result<(), (Parked, Value)> {
        let mut progress = self.progress();
        match progress.state.value() {
            Some(value) => Err((parked, value)),
            None => {
                progress.waiting.fibers.push(parked);
                Ok(())
            }
        }
    }

    /// Has a handle end as this one does; the end when it has come already. This one was announced to
    /// the heap.
    fn lead(&self, heap: &Heap, follower: Value) -> Option<HandleState> {
        let mut progress = self.progress();
        if progress.state != HandleState::Pending {
            return Some(progress.state);
        }
        let followers = &mut progress.waiting.followers;
        if followers.len() >= FOLLOWERS_KEPT && followers.len().is_power_of_two() {
            let state = |value: &Value| value.host::<Handle>(heap).map(Handle::state);
            followers.retain(|value| state(value) == Some(HandleState::Pending));
        }
        followers.push(follower);
        None
    }

    /// Number of those that end as this one does.
    #[cfg(test)]
    pub(crate) fn followers(&self) -> usize {
        self.progress().waiting.followers.len()
    }

    /// Has an alarm end this handle, unless it has ended; the alarm then comes back.
    fn expect_alarm(&self, alarm: Alarm) -> Option<Alarm> {
        let mut progress = self.progress();
        if progress.state != HandleState::Pending {
            return Some(alarm);
        }
        progress.waiting.alarm = Some(alarm);
        None
    }

    /// Gives the handle its end, unless it has one; who waited for it. The handle was announced to
    /// the heap.
    fn settle(&self, state: HandleState) -> Option<Audience> {
        let mut progress = self.progress();
        if progress.state != HandleState::Pending {
            return None;
        }
        progress.state = state;
        Some(std::mem::take(&mut progress.waiting))
    }
}

impl HostObject for Handle {
    fn trace(&mut self, tracer: &mut Tracer<'_>) {
        let progress = self.progress.get_mut().unwrap_or_else(PoisonError::into_inner);
        match &mut progress.state {
            HandleState::Pending => {}
            HandleState::Completed(value) | HandleState::Failed(value) => tracer.value(value),
        }
        for parked in &mut progress.waiting.fibers {
            parked.fiber.trace(tracer);
            parked.then.trace(tracer);
        }
        tracer.slice(&mut progress.waiting.followers);
    }
    fn type_name(&self) -> &'static str {
        "handle"
    }
}

fn make(vm: &mut Vm, state: HandleState, is_promise: bool) -> Value {
    let handle = vm.heap.host(Box::new(Handle::new(state, is_promise)));
    vm.heap.set_aux(handle, AUX_HANDLE);
    handle
}

/// A pending handle.
pub fn new_handle(vm: &mut Vm) -> Value {
    make(vm, HandleState::Pending, false)
}

/// A pending handle that programs may end.
pub(crate) fn new_promise(vm: &mut Vm) -> Value {
    make(vm, HandleState::Pending, true)
}

/// Whether a value is a handle that programs may end.
pub(crate) fn is_promise(vm: &Vm, value: Value) -> bool {
    value.host::<Handle>(&vm.heap).is_some_and(|handle| handle.is_promise)
}

/// A handle that has its value.
pub fn completed(vm: &mut Vm, value: Value) -> Value {
    make(vm, HandleState::Completed(value), false)
}

/// A handle that failed with an error of this text.
pub fn failed(vm: &mut Vm, text: &str) -> Value {
    let error = vm.error(text);
    make(vm, HandleState::Failed(error), false)
}

/// The state of a value that is a handle.
pub fn settled(vm: &Vm, value: Value) -> Option<HandleState> {
    value.host::<Handle>(&vm.heap).map(Handle::state)
}

/// What waits for a handle on a machine with an event loop.
pub(crate) struct Waiter {
    pub(crate) fiber: FiberId,
    pub(crate) then: Continuation,
}

/// Gives a pending handle its end and has those who wait go on, each on a thread of its own kind;
/// false when it had one. `present` is told by other means.
pub(crate) fn settle(
    vm: &mut Vm,
    handle: Value,
    state: HandleState,
    present: Option<&Arc<Mailbox>>,
) -> bool {
    vm.heap.touch_host(handle);
    let ended = handle.host::<Handle>(&vm.heap).and_then(|handle| handle.settle(state));
    let (Some(audience), Some(value)) = (ended, state.value()) else { return false };
    for mailbox in audience.machines {
        if !present.is_some_and(|present| Arc::ptr_eq(present, &mailbox)) {
            mailbox.post(Letter::Ended(handle.address()));
        }
    }
    for parked in audience.fibers {
        workers::go_on(vm, parked, value);
    }
    for follower in audience.followers {
        settle(vm, follower, state, None);
    }
    if let Some(root) = audience.alarm.and_then(Alarm::take_back) {
        vm.heap.release(root);
    }
    true
}

/// The end of a handle whose time is over.
pub(crate) fn timed_out(vm: &mut Vm) -> HandleState {
    HandleState::Failed(vm.error("await: timeout"))
}

/// What a system can add to the present.
const LONGEST: Duration = Duration::from_hours(24 * 365 * 100);

/// A handle that ends as `handle` does, or with an error after that time.
///
/// # Errors
/// What to tell the program when there is no alarm to be had.
pub(crate) fn until(vm: &mut Vm, handle: Value, time: Duration) -> Result<Value, String> {
    let follower = new_handle(vm);
    vm.heap.touch_host(handle);
    let ended = handle.host::<Handle>(&vm.heap).and_then(|leader| leader.lead(&vm.heap, follower));
    if let Some(state) = ended {
        settle(vm, follower, state, None);
        return Ok(follower);
    }
    let at = Instant::now() + time.min(LONGEST);
    let (clock, ring) = workers::alarm(vm);
    let alarm = match clock.set(at, vm.heap.root(follower), ring) {
        Ok(alarm) => alarm,
        Err((root, error)) => {
            vm.heap.release(root);
            return Err(format!("aio/await: the system gives no thread for the clock: {error}"));
        }
    };
    let late = follower.host::<Handle>(&vm.heap).and_then(|handle| handle.expect_alarm(alarm));
    if let Some(root) = late.and_then(Alarm::take_back) {
        vm.heap.release(root);
    }
    Ok(follower)
}

/// Gives a pending handle its end and resumes who waits for it; does nothing to a terminal one.
/// Called from the event loop, with the machine free.
pub fn complete(vm: &SharedVm, handle: Value, state: HandleState) {
    let address = handle.address();
    {
        let mut vm = vm.borrow_mut();
        let own = Arc::clone(&vm.extension::<Reactor>().mailbox);
        if !settle(&mut vm, handle, state, Some(&own)) {
            return;
        }
        vm.extension::<Reactor>().completions += 1;
    }
    resume_waiting(vm, address);
}

/// Resumes the fibers of this machine that wait for the handle at `address`, if it has ended.
pub(crate) fn resume_waiting(vm: &SharedVm, address: usize) {
    let (waiters, root) = {
        let mut vm = vm.borrow_mut();
        let Some(waiting) = vm.extension::<Waiting>().handles.remove(&address) else { return };
        // The address may be that of another handle by now.
        if settled(&vm, vm.heap.resolve(&waiting.1)) == Some(HandleState::Pending) {
            vm.extension::<Waiting>().handles.insert(address, waiting);
            return;
        }
        waiting
    };
    for waiter in waiters {
        let answer = {
            let vm = vm.borrow();
            settled(&vm, vm.heap.resolve(&root)).and_then(HandleState::value)
        };
        drive(vm, waiter.fiber, answer.unwrap_or(Value::NIL), waiter.then);
    }
    vm.borrow_mut().heap.release(root);
}
