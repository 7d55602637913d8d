//! A handle or a time, whichever comes first: `aio/within`, and awaiting for a time.

use super::{Input, Kind, Node, Observed, cancel_unobserved, change, observe};
use crate::executor;
use crate::handle::{end, settle, with_node};
use crate::timers::{NO_SYSTEM, TimerId};
use std::time::Duration;
use valk_heap::{Tracer, Value};
use valk_lang::builtins::DEADLINE_EXCEEDED;
use valk_sync::cell::End;
use valk_vm::Vm;

/// What becomes of the source when the time is over, and what the result then says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AtTimeout {
    /// `aio/within`: it is cancelled if nothing else observes it.
    Cancel,
    /// Awaiting for a time: it goes on.
    Leave,
    /// The deadline of the request context: it goes on.
    Deadline,
}

impl AtTimeout {
    fn text(self) -> &'static str {
        match self {
            AtTimeout::Cancel => ":timeout",
            AtTimeout::Leave => "await: timeout",
            AtTimeout::Deadline => DEADLINE_EXCEEDED,
        }
    }
}

#[derive(Debug)]
pub(crate) struct Within {
    source: Input,
    timer: (u16, TimerId),
    at_timeout: AtTimeout,
}

impl Within {
    pub fn trace(&mut self, tracer: &mut Tracer<'_>) {
        self.source.trace(tracer);
    }

    /// Takes the node off its source and its timer.
    pub fn release(&mut self, vm: &mut Vm) -> Vec<Value> {
        self.source.release(vm);
        let (executor, id) = self.timer;
        executor::cancel_timer(vm, executor, id, true);
        if self.at_timeout == AtTimeout::Cancel { vec![self.source.handle] } else { Vec::new() }
    }
}

/// A handle that ends as `source` does, or fails after that time.
pub(crate) fn start(vm: &mut Vm, source: Value, time: Duration, at_timeout: AtTimeout) -> Value {
    let node = Node::new(vm, Kind::Function);
    let executor = node.executor;
    let handle = with_node(vm, node);
    match observe(vm, handle, executor, source, 0) {
        Observed::Ended(end) => {
            settle(vm, handle, end);
        }
        Observed::Pending(source) => {
            let timer = executor::start_timer(vm, handle, NO_SYSTEM, Some(time));
            let within = Within { source, timer, at_timeout };
            change(vm, handle, |node| node.kind = Kind::Within(within));
        }
    }
    handle
}

fn parts(node: &mut Node) -> &mut Within {
    match &mut node.kind {
        Kind::Within(within) => within,
        _ => unreachable!("dispatched on the kind"),
    }
}

pub(super) fn source_ended(vm: &mut Vm, handle: Value, mut node: Box<Node>) {
    let within = parts(&mut node);
    within.source.token = None;
    within.release(vm);
    let source_end = end(vm, within.source.handle).unwrap_or(End::Cancelled);
    settle(vm, handle, source_end);
}

pub(super) fn fired(vm: &mut Vm, handle: Value, mut node: Box<Node>) {
    let within = parts(&mut node);
    let text = within.at_timeout.text();
    let left = within.release(vm);
    if let Some(end) = end(vm, within.source.handle) {
        // It came in time, and the event that says so is behind this one.
        settle(vm, handle, end);
        return;
    }
    let error = vm.error(text);
    settle(vm, handle, End::Failed(error));
    cancel_unobserved(vm, left);
}
