//! `aio/sleep`, `aio/schedule`, `aio/interval`, `aio/never`.

use super::{Kind, Node, change, put};
use crate::executor;
use crate::handle::{settle, with_node};
use crate::system::System;
use crate::timers::{NO_SYSTEM, TimerId};
use std::time::Duration;
use valk_heap::{Tracer, Value};
use valk_sync::cell::End;
use valk_vm::Vm;

/// What happens when a timer fires.
#[derive(Debug)]
pub(crate) enum OnTime {
    /// The handle completes with nil.
    Complete,
    /// The function is called, and its value completes the handle.
    Call(Value),
    /// The function is called again and again, until it returns `:stop`.
    Repeat(Value, Duration),
    /// It never fires.
    Never,
}

#[derive(Debug)]
pub(crate) struct Timer {
    /// Its place among the timers, until the handle ends.
    id: Option<(u16, TimerId)>,
    on_time: OnTime,
    /// It will fire.
    is_pending: bool,
}

impl Timer {
    pub fn trace(&mut self, tracer: &mut Tracer<'_>) {
        if let OnTime::Call(function) | OnTime::Repeat(function, _) = &mut self.on_time {
            tracer.value(function);
        }
    }

    /// Stops the timer.
    pub fn release(&mut self, vm: &mut Vm) {
        if let Some((executor, id)) = self.id.take() {
            executor::cancel_timer(vm, executor, id, self.is_pending);
        }
    }
}

/// The handle of a timer that fires after `time`. It ends with its system, if it has one.
pub(crate) fn start(
    vm: &mut Vm,
    system: Option<&System>,
    time: Duration,
    on_time: OnTime,
) -> Value {
    let is_timed = !matches!(on_time, OnTime::Never);
    let node = Node::new(vm, Kind::Timer(Timer { id: None, on_time, is_pending: is_timed }));
    if system.is_some_and(System::is_stopping) {
        let handle = with_node(vm, node);
        settle(vm, handle, End::Cancelled);
        return handle;
    }
    let handle = with_node(vm, node);
    let id = system.map_or(NO_SYSTEM, System::id);
    let timer = executor::start_timer(vm, handle, id, is_timed.then_some(time));
    change(vm, handle, |node| parts(node).id = Some(timer));
    handle
}

fn parts(node: &mut Node) -> &mut Timer {
    match &mut node.kind {
        Kind::Timer(timer) => timer,
        _ => unreachable!("dispatched on the kind"),
    }
}

pub(super) fn fired(vm: &mut Vm, handle: Value, mut node: Box<Node>) {
    let timer = parts(&mut node);
    let function = match timer.on_time {
        OnTime::Call(function) => {
            // It ends with its system while the function runs.
            timer.is_pending = false;
            executor::timer_is_over(vm);
            function
        }
        OnTime::Repeat(function, period) => {
            // From the time it fired, so a slow function does not pile up calls.
            if let Some((_, id)) = timer.id {
                executor::restart_timer(vm, id, period);
            }
            function
        }
        OnTime::Complete | OnTime::Never => {
            timer.release(vm);
            settle(vm, handle, End::Completed(Value::NIL));
            return;
        }
    };
    let call = node.call(handle, function, &[]);
    executor::call_soon(vm, call);
    put(vm, handle, node);
}

pub(super) fn returned(vm: &mut Vm, handle: Value, mut node: Box<Node>, value: Value) {
    if value.is_error() {
        let text = valk_lang::repr(&vm.heap, value);
        tracing::warn!(target: crate::LOG_TARGET, "a timer's function gave an error: {text}");
    }
    let timer = parts(&mut node);
    if let OnTime::Repeat(..) = timer.on_time {
        if value == vm.heap.intern(b":stop") {
            timer.release(vm);
            settle(vm, handle, End::Completed(Value::NIL));
        } else {
            put(vm, handle, node);
        }
        return;
    }
    timer.release(vm);
    settle(vm, handle, End::Completed(value));
}
