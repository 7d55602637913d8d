//! Running fibers and processing events, on the thread of their executor.

use super::{ANY_EXECUTOR, ExecutorState, here, resume_anywhere, yielded};
use crate::combinators;
use crate::event::{Call, Event, Parked, Preempted, Target};
use crate::handle::{self, Waiter, awaited, end_of, handle_of, settle, subscribe};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use valk_heap::Value;
use valk_lang::SharedVm;
use valk_sync::cell::End;
use valk_vm::{FiberId, Step, Vm};

/// The value of a function during which the runtime itself failed.
const PANICKED: &str = "the runtime failed while it ran this function; please report it";

/// Does something that runs fibers. A defect of the runtime in it ends the fiber that runs with an
/// error, and not the event loop, for which others wait.
pub(super) fn guarded(vm: &SharedVm, state: &Arc<ExecutorState>, runs: impl FnOnce()) {
    if catch_unwind(AssertUnwindSafe(runs)).is_ok() {
        return;
    }
    let vm = &mut *vm.borrow_mut();
    // An odd number would count as a fiber that runs.
    let resumptions = state.resumptions.load(Ordering::Relaxed);
    state.resumptions.store(resumptions.next_multiple_of(2), Ordering::Relaxed);
    let target = state.local().running.pop();
    if let Some(target) = target {
        let error = vm.error(PANICKED);
        deliver(vm, target, error);
    }
}

/// Processes one event, and then everything urgent that it caused.
pub(super) fn process(vm: &SharedVm, state: &Arc<ExecutorState>, event: Event) {
    perform(vm, state, event);
    settle_urgent(vm, state);
}

/// Processes urgent events, and goes on with the fibers that wait for them, innermost first.
pub(super) fn settle_urgent(vm: &SharedVm, state: &Arc<ExecutorState>) {
    loop {
        let (event, interrupted) = {
            let mut local = state.local();
            let event = local.urgent.pop_front();
            let interrupted = if event.is_none() { local.interrupted.pop() } else { None };
            (event, interrupted)
        };
        match (event, interrupted) {
            (Some(event), _) => perform(vm, state, event),
            (None, Some((parked, answer))) => {
                guarded(vm, state, || resume(vm, state, parked, answer));
            }
            (None, None) => return,
        }
    }
}

fn perform(vm: &SharedVm, state: &Arc<ExecutorState>, event: Event) {
    state.events.fetch_add(1, Ordering::Relaxed);
    guarded(vm, state, || dispatch(vm, state, event));
    state.pool.end_live();
}

fn dispatch(vm: &SharedVm, state: &Arc<ExecutorState>, event: Event) {
    match event {
        Event::Preempted(preempted) => {
            let Preempted { parked, interrupted, urgent } = *preempted;
            if parked.home == ANY_EXECUTOR {
                state.begun_jobs.fetch_sub(1, Ordering::Relaxed);
            }
            {
                let vm = &mut *vm.borrow_mut();
                let mut local = state.local_for_values(vm);
                local.interrupted.extend(interrupted);
                local.urgent.extend(urgent);
            }
            resume(vm, state, parked, Value::NIL);
        }
        Event::Resume(parked, answer) => resume(vm, state, *parked, answer),
        Event::Call(call) => call_function(vm, state, &call, state.index),
        Event::Input { node, input } => {
            combinators::input_ended(&mut vm.borrow_mut(), node, input as usize);
        }
        Event::CancelTimer(id) => {
            let vm = &mut *vm.borrow_mut();
            let mut local = state.local();
            local.timers.cancel(vm, id);
        }
        Event::StopSystem(system) => stop_system(&mut vm.borrow_mut(), system),
        Event::Host(call) => call(vm),
    }
}

/// Cancels what a system has pending on this executor.
pub(crate) fn stop_system(vm: &mut Vm, system: u32) {
    let state = here(vm);
    let handles = {
        let local = state.local();
        local.timers.of_system(vm, system)
    };
    for handle in handles {
        handle::cancel(vm, handle);
    }
}

/// Goes on with a fiber.
pub(super) fn resume(vm: &SharedVm, state: &Arc<ExecutorState>, parked: Parked, answer: Value) {
    let Parked { fiber, target, home } = parked;
    let id = vm.borrow_mut().attach(fiber);
    run(vm, state, id, answer, Runs { target, home });
}

/// Calls a function on a new fiber, which waits as one of executor `home`.
pub(super) fn call_function(vm: &SharedVm, state: &Arc<ExecutorState>, call: &Call, home: u16) {
    let id = {
        let vm = &mut *vm.borrow_mut();
        let id = vm.spawn(call.function, &call.arguments);
        vm.set_context(id, call.context);
        if call.forbids_definitions {
            vm.forbid_definitions(id);
        }
        id
    };
    run(vm, state, id, Value::NIL, Runs { target: call.target, home });
}

/// Runs a fiber of the host's, and everything urgent that it causes.
pub(crate) fn start(vm: &SharedVm, fiber: FiberId, target: Target) {
    let state = super::here(&vm.borrow());
    run(vm, &state, fiber, Value::NIL, Runs { target, home: state.index });
    settle_urgent(vm, &state);
}

/// Where the value of a fiber goes, and the executor that it waits on.
#[derive(Clone, Copy)]
struct Runs {
    target: Target,
    home: u16,
}

/// What comes after a resumption of a fiber.
enum Next {
    /// It goes on with this answer.
    GoOn(FiberId, Value),
    /// It has ended or waits.
    Leave,
}

/// Runs a fiber until it ends, waits, is interrupted by urgent events, or has used its slice.
fn run(vm: &SharedVm, state: &Arc<ExecutorState>, fiber: FiberId, answer: Value, runs: Runs) {
    let vm = &mut *vm.borrow_mut();
    if runs.target.is_cancelled(vm) {
        abandon(vm, state, fiber, runs.home);
        return;
    }
    if let Some(own) = runs.target.handle().and_then(|own| handle_of(&vm.heap, own)) {
        own.body().awaiting = None;
    }
    state.local().running.push(runs.target);
    state.pool.monitor.wake();
    let (mut fiber, mut answer) = (fiber, answer);
    loop {
        state.resumptions.fetch_add(1, Ordering::Relaxed);
        let step = vm.resume(fiber, answer);
        state.resumptions.fetch_add(1, Ordering::Relaxed);
        match after(vm, state, fiber, step, runs.home) {
            Next::GoOn(same, value) => (fiber, answer) = (same, value),
            Next::Leave => break,
        }
    }
    state.pool.look_for_stop(vm);
}

/// Ends a fiber that runs no further step.
fn abandon(vm: &mut Vm, state: &ExecutorState, fiber: FiberId, home: u16) {
    vm.abandon(fiber);
    state.pool.fiber_ended(home);
}

fn target(state: &ExecutorState) -> Target {
    *state.local().running.last().expect("a fiber that runs has a target")
}

fn leave(state: &ExecutorState) -> Target {
    state.local().running.pop().expect("a fiber that runs has a target")
}

fn after(vm: &mut Vm, state: &Arc<ExecutorState>, fiber: FiberId, step: Step, home: u16) -> Next {
    match step {
        Step::Done(value) => {
            let target = leave(state);
            if state.index > 0 {
                // Where its value arrives, what it took is found counted.
                vm.hand_in_counters();
            }
            deliver(vm, target, value);
            state.pool.fiber_ended(home);
            Next::Leave
        }
        Step::Preempted => {
            state.slices_used.fetch_add(1, Ordering::Relaxed);
            let target = leave(state);
            if target.is_cancelled(vm) {
                abandon(vm, state, fiber, home);
            } else {
                let parked = Parked { fiber: vm.detach(fiber), target, home };
                // Fibers that wait for this one to return must not go on before it does.
                let (interrupted, urgent) = {
                    let mut local = state.local();
                    (std::mem::take(&mut local.interrupted), std::mem::take(&mut local.urgent))
                };
                let preempted = Preempted { parked, interrupted, urgent };
                go_on_later(vm, state, preempted);
            }
            Next::Leave
        }
        Step::Suspended(question) => suspend(vm, state, fiber, question, home),
    }
}

/// Has a fiber that has used its slice go on after those that wait here: elsewhere, if it may and
/// another executor has nothing to do.
fn go_on_later(vm: &mut Vm, state: &Arc<ExecutorState>, preempted: Preempted) {
    if preempted.parked.home == ANY_EXECUTOR {
        let is_alone = preempted.interrupted.is_empty() && preempted.urgent.is_empty();
        if is_alone && !state.inbox.is_empty() && state.pool.has_idle_executor() {
            resume_anywhere(vm, Box::new(preempted.parked), Value::NIL);
            return;
        }
        state.begun_jobs.fetch_add(1, Ordering::Relaxed);
    }
    state.post(vm, Event::Preempted(Box::new(preempted)));
}

fn suspend(
    vm: &mut Vm,
    state: &Arc<ExecutorState>,
    fiber: FiberId,
    question: Value,
    home: u16,
) -> Next {
    if let Some(value) = yielded(vm, question) {
        let target = leave(state);
        let parked = Parked { fiber: vm.detach(fiber), target, home };
        state.local_for_values(vm).interrupted.push((parked, value));
        return Next::Leave;
    }
    let Some(object) = handle_of(&vm.heap, question) else {
        return Next::GoOn(fiber, vm.error("only handles can be waited for"));
    };
    if let Some(end) = object.cell.end() {
        object.asked.ask();
        let answer = awaited(vm, end);
        return Next::GoOn(fiber, answer);
    }
    let target = target(state);
    if target.is_cancelled(vm) {
        leave(state);
        abandon(vm, state, fiber, home);
        return Next::Leave;
    }
    let mut waiting = vm.detach(fiber);
    waiting.shrink();
    let parked = Box::new(Parked { fiber: waiting, target, home });
    match subscribe(vm, question, Waiter::Fiber(parked)) {
        Ok(token) => {
            leave(state);
            if let Some(own) = target.handle() {
                vm.heap.touch_host(own);
                if let Some(own) = handle_of(&vm.heap, own) {
                    own.body().awaiting = Some((question, token));
                }
            }
            Next::Leave
        }
        Err((Waiter::Fiber(parked), end)) => {
            let fiber = vm.attach(parked.fiber);
            let answer = awaited(vm, end);
            Next::GoOn(fiber, answer)
        }
        Err(_) => unreachable!("a waiter comes back as it was"),
    }
}

/// Hands a fiber's final value to where it goes.
pub(super) fn deliver(vm: &mut Vm, target: Target, value: Value) {
    match target {
        Target::Handle(handle) => {
            settle(vm, handle, end_of(value));
        }
        Target::Program(handle) => {
            settle(vm, handle, End::Completed(value));
        }
        Target::Node(handle) => combinators::returned(vm, handle, value),
        Target::Part(join, part) => crate::futures::part_done(vm, join, part as usize, value),
        Target::Cleanup => {
            if value.is_error() {
                let text = valk_lang::repr(&vm.heap, value);
                tracing::warn!(target: crate::LOG_TARGET, "a cleanup function gave an error: {text}");
            }
        }
    }
}
