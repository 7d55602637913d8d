//! `aio/retry`: attempts with pauses in between, until one succeeds or all have failed.

use super::{Input, Kind, Node, Observed, observe, put, take};
use crate::executor;
use crate::handle::{end, is_handle, settle, settled, with_node};
use crate::system::System;
use crate::timers::{NO_SYSTEM, TimerId};
use std::time::Duration;
use valk_heap::{Tracer, Value};
use valk_sync::cell::End;
use valk_vm::Vm;

/// Longest pause between two attempts.
const PAUSE_MAX_MS: f64 = 30_000.0;

/// How often, and with which pauses.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RetryOptions {
    pub attempts_max: u64,
    pub base_ms: u64,
    /// Each pause is so many times the one before.
    pub factor: f64,
}

#[derive(Debug)]
pub(crate) struct Retry {
    function: Value,
    options: RetryOptions,
    /// Attempts begun.
    attempts: u64,
    /// Its place among what ends with its system.
    entry: (u16, TimerId),
    wait: Wait,
}

#[derive(Debug)]
enum Wait {
    /// For the function to return.
    Function,
    /// For the attempt to end.
    Attempt(Input),
    /// For the pause to be over.
    Pause((u16, TimerId)),
}

impl Retry {
    pub fn trace(&mut self, tracer: &mut Tracer<'_>) {
        tracer.value(&mut self.function);
        if let Wait::Attempt(input) = &mut self.wait {
            input.trace(tracer);
        }
    }

    /// Stops waiting, for good; the attempt that is going on.
    pub fn release(&mut self, vm: &mut Vm) -> Vec<Value> {
        let (executor, id) = self.entry;
        executor::cancel_timer(vm, executor, id, false);
        self.stop_waiting(vm)
    }

    fn stop_waiting(&mut self, vm: &mut Vm) -> Vec<Value> {
        match &mut self.wait {
            Wait::Function => Vec::new(),
            Wait::Attempt(input) => {
                input.release(vm);
                vec![input.handle]
            }
            Wait::Pause((executor, id)) => {
                executor::cancel_timer(vm, *executor, *id, true);
                Vec::new()
            }
        }
    }

    /// The pause before the next attempt.
    fn pause(&self) -> Duration {
        let exponent = i32::try_from(self.attempts.saturating_sub(1)).unwrap_or(i32::MAX);
        let pause_ms = self.options.base_ms as f64 * self.options.factor.powi(exponent);
        Duration::from_millis(pause_ms.clamp(0.0, PAUSE_MAX_MS) as u64)
    }
}

/// The handle of attempts to call `function`.
pub(crate) fn start(vm: &mut Vm, system: &System, function: Value, options: RetryOptions) -> Value {
    if system.is_stopping() {
        return settled(vm, End::Cancelled);
    }
    let node = Node::new(vm, Kind::Function);
    let handle = with_node(vm, node);
    let entry = executor::start_timer(vm, handle, system.id(), None);
    if let Some(mut node) = take(vm, handle) {
        let retry = Retry { function, options, attempts: 0, entry, wait: Wait::Function };
        node.kind = Kind::Retry(retry);
        attempt(vm, handle, node);
    }
    handle
}

fn parts(node: &mut Node) -> &mut Retry {
    match &mut node.kind {
        Kind::Retry(retry) => retry,
        _ => unreachable!("dispatched on the kind"),
    }
}

fn attempt(vm: &mut Vm, handle: Value, mut node: Box<Node>) {
    let retry = parts(&mut node);
    retry.attempts += 1;
    retry.wait = Wait::Function;
    let function = retry.function;
    let call = node.call(handle, function, &[]);
    executor::call_soon(vm, call);
    put(vm, handle, node);
}

pub(super) fn fired(vm: &mut Vm, handle: Value, mut node: Box<Node>) {
    parts(&mut node).stop_waiting(vm);
    attempt(vm, handle, node);
}

pub(super) fn returned(vm: &mut Vm, handle: Value, mut node: Box<Node>, value: Value) {
    if !is_handle(vm, value) {
        parts(&mut node).release(vm);
        let error = vm.error("aio/retry: fn must return a handle");
        settle(vm, handle, End::Failed(error));
        return;
    }
    match observe(vm, handle, node.executor, value, 0) {
        Observed::Pending(input) => {
            parts(&mut node).wait = Wait::Attempt(input);
            put(vm, handle, node);
        }
        Observed::Ended(end) => decide(vm, handle, node, end),
    }
}

pub(super) fn attempt_ended(vm: &mut Vm, handle: Value, mut node: Box<Node>) {
    let attempt_end = match &parts(&mut node).wait {
        Wait::Attempt(input) => end(vm, input.handle).unwrap_or(End::Cancelled),
        Wait::Function | Wait::Pause(_) => return put(vm, handle, node),
    };
    parts(&mut node).wait = Wait::Function;
    decide(vm, handle, node, attempt_end);
}

/// Ends with the attempt, or pauses before the next one.
fn decide(vm: &mut Vm, handle: Value, mut node: Box<Node>, attempt_end: End<Value>) {
    let retry = parts(&mut node);
    let is_over =
        matches!(attempt_end, End::Completed(_)) || retry.attempts >= retry.options.attempts_max;
    if is_over {
        let end = match attempt_end {
            End::Cancelled => End::Failed(Value::UNDEFINED),
            end => end,
        };
        retry.release(vm);
        settle(vm, handle, end);
        return;
    }
    let pause = retry.pause();
    let timer = executor::start_timer(vm, handle, NO_SYSTEM, Some(pause));
    parts(&mut node).wait = Wait::Pause(timer);
    put(vm, handle, node);
}
