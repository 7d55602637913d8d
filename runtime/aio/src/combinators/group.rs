//! `all`, `race`, `any`, `all-settled`: one end out of many.

use super::{Input, Kind, Node, Observed, cancel_unobserved, observe, put, take};
use crate::handle::{self, completed, end, settle, with_node};
use valk_heap::{Tracer, Value};
use valk_lang::property_list;
use valk_sync::cell::End;
use valk_vm::Vm;

/// Which end that is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GroupKind {
    /// The list of all values, or the first failure.
    All,
    /// The first end that is no cancellation.
    Race,
    /// The first value, or the last failure.
    Any,
    /// The list of all ends.
    AllSettled,
}

#[derive(Debug)]
pub(crate) struct Group {
    kind: GroupKind,
    inputs: Vec<Input>,
    /// Inputs that have not ended.
    left: usize,
    /// What the last input that failed failed with.
    failure: Value,
}

impl Group {
    pub fn trace(&mut self, tracer: &mut Tracer<'_>) {
        for input in &mut self.inputs {
            input.trace(tracer);
        }
        tracer.value(&mut self.failure);
    }

    pub fn bytes(&self) -> usize {
        self.inputs.capacity() * size_of::<Input>()
    }

    /// Takes the group off its inputs; those that had not ended.
    pub fn release(&mut self, vm: &Vm) -> Vec<Value> {
        let mut open = Vec::new();
        for input in &mut self.inputs {
            if input.token.is_some() {
                input.release(vm);
                open.push(input.handle);
            }
        }
        open
    }
}

/// The handle of a group over `handles`.
pub(crate) fn start(vm: &mut Vm, kind: GroupKind, handles: &[Value]) -> Value {
    if handles.is_empty() {
        return completed(vm, Value::NIL);
    }
    for input in handles {
        // Also of those that are not looked at because the group has ended before.
        handle::ask(vm, *input);
    }
    let inputs = handles.iter().map(|&handle| Input { handle, token: None }).collect();
    let left = handles.len();
    let group = Group { kind, inputs, left, failure: Value::UNDEFINED };
    let node = Node::new(vm, Kind::Group(group));
    let executor = node.executor;
    let handle = with_node(vm, node);
    let Some(mut node) = take(vm, handle) else { return handle };
    for (number, &input) in handles.iter().enumerate() {
        match observe(vm, handle, executor, input, number) {
            Observed::Pending(input) => parts(&mut node).inputs[number] = input,
            Observed::Ended(input_end) => {
                match step(vm, node, input_end) {
                    Step::GoOn(same) => node = same,
                    Step::End(end, open) => {
                        settle(vm, handle, end);
                        // Inputs behind this one were never observed.
                        cancel_unobserved(vm, open);
                        let behind = handles[number + 1..].iter().copied();
                        cancel_unobserved(vm, behind);
                        return handle;
                    }
                }
            }
        }
    }
    put(vm, handle, node);
    handle
}

fn parts(node: &mut Node) -> &mut Group {
    match &mut node.kind {
        Kind::Group(group) => group,
        _ => unreachable!("dispatched on the kind"),
    }
}

enum Step {
    GoOn(Box<Node>),
    /// The group ends so, and leaves these inputs open.
    End(End<Value>, Vec<Value>),
}

/// One more input has ended.
fn step(vm: &mut Vm, mut node: Box<Node>, input_end: End<Value>) -> Step {
    let group = parts(&mut node);
    group.left -= 1;
    let is_last = group.left == 0;
    let decided = match (group.kind, input_end) {
        (GroupKind::All, End::Failed(_)) => Some(input_end),
        (GroupKind::All, End::Cancelled) => Some(End::Failed(Value::UNDEFINED)),
        (GroupKind::Race, End::Completed(_) | End::Failed(_)) => Some(input_end),
        (GroupKind::Race, End::Cancelled) => is_last.then_some(End::Cancelled),
        (GroupKind::Any, End::Completed(_)) => Some(input_end),
        (GroupKind::Any, failure) => {
            if let End::Failed(value) = failure {
                group.failure = value;
            }
            is_last.then_some(End::Failed(group.failure))
        }
        (GroupKind::All, End::Completed(_)) => is_last.then(|| values(vm, &node)),
        (GroupKind::AllSettled, _) => is_last.then(|| ends(vm, &node)),
    };
    match decided {
        Some(end) => Step::End(end, parts(&mut node).release(vm)),
        None => Step::GoOn(node),
    }
}

pub(super) fn input_ended(vm: &mut Vm, handle: Value, mut node: Box<Node>, number: usize) {
    let input = &mut parts(&mut node).inputs[number];
    input.token = None;
    let input_end = end(vm, input.handle).unwrap_or(End::Cancelled);
    match step(vm, node, input_end) {
        Step::GoOn(node) => put(vm, handle, node),
        Step::End(end, open) => {
            settle(vm, handle, end);
            cancel_unobserved(vm, open);
        }
    }
}

fn inputs(node: &Node) -> impl DoubleEndedIterator<Item = Value> + '_ {
    let inputs = match &node.kind {
        Kind::Group(group) => &group.inputs[..],
        _ => &[],
    };
    inputs.iter().map(|input| input.handle)
}

/// The list of the values of inputs that have all completed.
fn values(vm: &mut Vm, node: &Node) -> End<Value> {
    let list = inputs(node).rev().fold(Value::NIL, |rest, input| {
        let value = match end(vm, input) {
            Some(End::Completed(value)) => value,
            _ => Value::NIL,
        };
        vm.heap.cons(value, rest, true)
    });
    End::Completed(list)
}

/// The list of the ends of inputs that have all ended.
fn ends(vm: &mut Vm, node: &Node) -> End<Value> {
    let list = inputs(node).rev().fold(Value::NIL, |rest, input| {
        let (status, key, value) = match end(vm, input) {
            Some(End::Completed(value)) => (":ok", ":value", value),
            Some(End::Failed(value)) if value.is_undefined() => {
                (":error", ":error", vm.error("async operation failed"))
            }
            Some(End::Failed(value)) => (":error", ":error", value),
            Some(End::Cancelled) | None => (":error", ":error", vm.error("cancelled")),
        };
        let status = vm.heap.intern(status.as_bytes());
        let entry = property_list::build(vm, &[(":status", status), (key, value)]);
        vm.heap.cons(entry, rest, true)
    });
    End::Completed(list)
}
