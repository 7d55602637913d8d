//! `aio/bracket`: a resource is acquired, used, and released once whatever comes of its use.

use super::{Input, Kind, Node, Observed, chain, change, observe, put};
use crate::executor;
use crate::handle::{end, end_of, is_handle, settle, with_node};
use valk_heap::{Tracer, Value};
use valk_sync::cell::End;
use valk_vm::Vm;

#[derive(Debug)]
pub(crate) struct Bracket {
    release: Value,
    use_: Value,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    /// The handle of the resource has not ended.
    Acquiring(Input),
    /// The function that uses this resource has not returned.
    Calling(Value),
    /// The handle that it returned has not ended.
    Using(Value, Input),
}

impl Bracket {
    pub fn trace(&mut self, tracer: &mut Tracer<'_>) {
        tracer.value(&mut self.release);
        tracer.value(&mut self.use_);
        match &mut self.stage {
            Stage::Acquiring(input) => input.trace(tracer),
            Stage::Calling(resource) => tracer.value(resource),
            Stage::Using(resource, input) => {
                tracer.value(resource);
                input.trace(tracer);
            }
        }
    }
}

/// The handle of a bracket.
pub(crate) fn start(vm: &mut Vm, acquire: Value, release: Value, use_: Value) -> Value {
    let stage = Stage::Acquiring(Input { handle: acquire, token: None });
    let node = Node::new(vm, Kind::Bracket(Bracket { release, use_, stage }));
    let executor = node.executor;
    let handle = with_node(vm, node);
    match observe(vm, handle, executor, acquire, 0) {
        Observed::Ended(_) => super::input_ended(vm, handle, 0),
        Observed::Pending(input) => {
            change(vm, handle, |node| parts(node).stage = Stage::Acquiring(input));
        }
    }
    handle
}

fn parts(node: &mut Node) -> &mut Bracket {
    match &mut node.kind {
        Kind::Bracket(bracket) => bracket,
        _ => unreachable!("dispatched on the kind"),
    }
}

pub(super) fn input_ended(vm: &mut Vm, handle: Value, mut node: Box<Node>) {
    let bracket = parts(&mut node);
    match bracket.stage {
        Stage::Acquiring(input) => match end(vm, input.handle).unwrap_or(End::Cancelled) {
            End::Completed(resource) => {
                bracket.stage = Stage::Calling(resource);
                let function = bracket.use_;
                let call = node.call(handle, function, &[resource]);
                executor::call_soon(vm, call);
                put(vm, handle, node);
            }
            other => {
                settle(vm, handle, other);
            }
        },
        Stage::Using(resource, input) => {
            let used = end(vm, input.handle).unwrap_or(End::Cancelled);
            finish(vm, handle, &mut node, resource, used);
        }
        Stage::Calling(_) => put(vm, handle, node),
    }
}

pub(super) fn returned(vm: &mut Vm, handle: Value, mut node: Box<Node>, value: Value) {
    let resource = match parts(&mut node).stage {
        Stage::Calling(resource) => resource,
        Stage::Acquiring(_) | Stage::Using(..) => unreachable!("one function is called, once"),
    };
    if !is_handle(vm, value) {
        return finish(vm, handle, &mut node, resource, end_of(value));
    }
    match observe(vm, handle, node.executor, value, 0) {
        Observed::Ended(used) => finish(vm, handle, &mut node, resource, used),
        Observed::Pending(input) => {
            parts(&mut node).stage = Stage::Using(resource, input);
            put(vm, handle, node);
        }
    }
}

/// The use is over: the resource is released.
fn finish(vm: &mut Vm, handle: Value, node: &mut Node, resource: Value, used: End<Value>) {
    let release = parts(node).release;
    let call = node.cleanup(release, &[resource]);
    executor::call_soon(vm, call);
    settle(vm, handle, used);
}

/// The bracket is cancelled: a resource that is there is released now, one that still comes when
/// it comes.
pub(super) fn cancelled(vm: &mut Vm, mut node: Node) -> Vec<Value> {
    let bracket = parts(&mut node);
    let release = bracket.release;
    match &mut bracket.stage {
        Stage::Acquiring(input) => {
            input.release(vm);
            let acquire = input.handle;
            if let Some(acquire) = super::unobserved(vm, acquire) {
                return vec![acquire];
            }
            chain::start(vm, chain::ChainKind::Then, acquire, release);
            Vec::new()
        }
        Stage::Calling(resource) => {
            let resource = *resource;
            let call = node.cleanup(release, &[resource]);
            executor::call_soon(vm, call);
            Vec::new()
        }
        Stage::Using(resource, input) => {
            input.release(vm);
            let (resource, used) = (*resource, input.handle);
            let call = node.cleanup(release, &[resource]);
            executor::call_soon(vm, call);
            vec![used]
        }
    }
}
