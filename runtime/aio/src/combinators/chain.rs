//! `then`, `catch` and `finally`: a function called at the end of one handle.

use super::{Input, Kind, Node, Observed, change, finish, observe, put};
use crate::executor;
use crate::handle::{end, settle, with_node};
use valk_heap::{Tracer, Value};
use valk_lang::elements;
use valk_sync::cell::End;
use valk_vm::Vm;

/// At which end the function is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ChainKind {
    /// A value.
    Then,
    /// A list, whose elements are the arguments.
    Spread,
    /// A failure.
    Catch,
    /// Any; its value is ignored.
    Finally,
}

#[derive(Debug)]
pub(crate) struct Chain {
    kind: ChainKind,
    source: Input,
    function: Value,
}

impl Chain {
    pub fn trace(&mut self, tracer: &mut Tracer<'_>) {
        self.source.trace(tracer);
        tracer.value(&mut self.function);
    }
}

/// The handle of a new chain. A source that has ended has its function called before the running
/// builtin returns.
pub(super) fn start(vm: &mut Vm, kind: ChainKind, source: Value, function: Value) -> Value {
    let input = Input { handle: source, token: None };
    let chain = Chain { kind, source: input, function };
    let node = Node::new(vm, Kind::Chain(chain));
    let executor = node.executor;
    let handle = with_node(vm, node);
    match observe(vm, handle, executor, source, 0) {
        Observed::Pending(input) => {
            change(vm, handle, |node| parts(node).source = input);
        }
        Observed::Ended(_) => super::input_ended(vm, handle, 0),
    }
    handle
}

fn parts(node: &mut Node) -> &mut Chain {
    match &mut node.kind {
        Kind::Chain(chain) => chain,
        _ => unreachable!("dispatched on the kind"),
    }
}

pub(super) fn source_ended(vm: &mut Vm, handle: Value, mut node: Box<Node>) {
    let chain = parts(&mut node);
    chain.source.token = None;
    let (kind, source, function) = (chain.kind, chain.source.handle, chain.function);
    let source_end = end(vm, source).unwrap_or(End::Cancelled);
    let argument = match (kind, source_end) {
        (ChainKind::Then | ChainKind::Spread, End::Completed(value)) => Some(value),
        (ChainKind::Catch, End::Failed(value)) if value.is_undefined() => {
            Some(vm.error("async operation failed"))
        }
        (ChainKind::Catch, End::Failed(value)) => Some(value),
        _ => None,
    };
    if kind == ChainKind::Finally {
        let call = node.cleanup(function, &[]);
        executor::call_soon(vm, call);
        settle(vm, handle, source_end);
        return;
    }
    let Some(argument) = argument else {
        settle(vm, handle, source_end);
        return;
    };
    let call = if kind == ChainKind::Spread {
        node.call(handle, function, &elements(argument))
    } else {
        node.call(handle, function, &[argument])
    };
    executor::call_soon(vm, call);
    put(vm, handle, node);
}

pub(super) fn returned(vm: &mut Vm, handle: Value, node: Box<Node>, value: Value) {
    finish(vm, handle, node, value);
}

/// The source goes on by itself; a function for every end is called now.
pub(super) fn cancelled(vm: &mut Vm, mut node: Node) {
    let chain = parts(&mut node);
    chain.source.release(vm);
    let (kind, function) = (chain.kind, chain.function);
    if kind == ChainKind::Finally {
        let call = node.cleanup(function, &[]);
        executor::call_soon(vm, call);
    }
}
