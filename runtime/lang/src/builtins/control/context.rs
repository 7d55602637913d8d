//! The request context: deadline, values by key, trace ids.
//!
//! 1. A context is immutable. `ctx/with` and `ctx/with-deadline` derive one that keeps the ids, adds
//!    a value in front or takes the earlier deadline; without one they start from a fresh root.
//! 2. The VM keeps the running fiber's context and restores the outer one on every way out
//!    of a body; a continuation brings back the context it was captured in.
//! 3. Ids are time in the high bits and a counter of the runtime in the low ones. All VMs of a
//!    runtime count with one counter.
//! 4. A context knows the updates of boxes on whose behalf it works ([`begin_update`]), so that one
//!    whose function waits for what changes the same box is found out.
//! 5. The context of a request comes from outside ([`RequestContext`]): ids of its caller, a
//!    deadline, no values.

use crate::builtins::row::{Row, fail};
use crate::compile::CONTEXT_MAKERS;
use crate::runtime::Language;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use valk_heap::{Kind, Value};
use valk_vm::{Arity, Outcome, Vm, equal, type_name};

pub(super) const TABLE: &[Row] = &[
    (CONTEXT_MAKERS[0], Arity::Exactly(2), with_value),
    (CONTEXT_MAKERS[1], Arity::Exactly(1), with_deadline),
    ("ctx/deadline", Arity::Any, deadline),
    ("ctx/deadline-exceeded?", Arity::Any, deadline_exceeded),
    ("ctx/get", Arity::Any, get),
    ("ctx/locals", Arity::Any, locals),
    ("trace/id", Arity::Any, trace_id),
    ("trace/span", Arity::Any, trace_span),
    ("trace/parent-span", Arity::Any, trace_parent_span),
];

/// Fields of a context.
const TRACE: usize = 0;
const SPAN: usize = 1;
const PARENT_SPAN: usize = 2;
/// Microseconds of the runtime's clock, or nil.
const DEADLINE: usize = 3;
/// List of `{key value}`, innermost first.
const LOCALS: usize = 4;
/// Cells of updates, innermost first.
const UPDATES: usize = 5;
const FIELDS: usize = 6;

const TRACE_COUNTER_BITS: u32 = 32;
const SPAN_COUNTER_BITS: u32 = 40;
const SPAN_TIME_SHIFT: u32 = 10;

/// Counter of the ids of a runtime. It starts anywhere, so that two runtimes differ.
#[derive(Clone, Default)]
pub(crate) struct IdCounter(Arc<OnceLock<AtomicU64>>);

/// A new trace id and a new span id.
fn new_ids(vm: &mut Vm) -> (i64, i64) {
    let language = vm.extension::<Language>();
    let counter = language.ids.0.get_or_init(|| AtomicU64::new(language.seeds.draw()));
    let count = counter.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
    let now_us = language.clock.unix_us().max(0) as u64;
    let low = |bits: u32| (1_u64 << bits) - 1;
    let trace = now_us & !low(TRACE_COUNTER_BITS) | count & low(TRACE_COUNTER_BITS);
    let span = now_us >> SPAN_TIME_SHIFT & !low(SPAN_COUNTER_BITS) | count & low(SPAN_COUNTER_BITS);
    (trace as i64, span as i64)
}

/// Microseconds since the runtime's clock started.
fn now_us(vm: &mut Vm) -> i64 {
    vm.extension::<Language>().clock.monotonic_us()
}

/// The fields of the current context; nil without one.
fn known(vm: &Vm) -> [Value; FIELDS] {
    std::array::from_fn(|index| field(vm, index))
}

/// The fields of the current context, or of a fresh root.
fn current(vm: &mut Vm) -> [Value; FIELDS] {
    let mut fields = known(vm);
    if fields[TRACE].is_nil() {
        let (trace, span) = new_ids(vm);
        fields[TRACE] = vm.heap.integer(trace);
        fields[SPAN] = vm.heap.integer(span);
        fields[PARENT_SPAN] = Value::ZERO;
    }
    fields
}

/// What a request brings along for the context of the function that answers it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RequestContext {
    /// The trace that it belongs to; a new one without.
    pub trace: Option<u64>,
    /// The span of its caller.
    pub parent_span: Option<u64>,
    /// The time in which the caller wants the answer, from now on.
    pub deadline: Option<Duration>,
}

impl RequestContext {
    /// The context as a value for [`Vm::set_context`]: with a span of its own and without values.
    pub fn make(self, vm: &mut Vm) -> Value {
        let (trace, span) = new_ids(vm);
        let trace = self.trace.map_or(trace, u64::cast_signed);
        let deadline = match self.deadline {
            Some(time) => {
                let us = i64::try_from(time.as_micros()).unwrap_or(i64::MAX);
                let at = now_us(vm).saturating_add(us);
                vm.heap.integer(at)
            }
            None => Value::NIL,
        };
        let parent_span = self.parent_span.map_or(0, u64::cast_signed);
        // Integers may lie in the heap; making one never moves another.
        let [trace, span, parent_span] = [trace, span, parent_span].map(|id| vm.heap.integer(id));
        vm.heap.fields(Kind::Record, &[trace, span, parent_span, deadline, Value::NIL, Value::NIL])
    }
}

/// A field of the current context; nil without one.
fn field(vm: &Vm, index: usize) -> Value {
    if vm.context.kind() == Kind::Record { vm.context.field(index) } else { Value::NIL }
}

/// Makes the running fiber work for the update of a box, and what it starts. Returns the update: a
/// cell of the list of all, with the context to go back to.
pub(in crate::builtins) fn begin_update(vm: &mut Vm) -> Value {
    let mut fields = known(vm);
    let update = vm.heap.cons(vm.context, fields[UPDATES], true);
    fields[UPDATES] = update;
    vm.context = vm.heap.fields(Kind::Record, &fields);
    update
}

/// Goes back to the context before the update.
pub(in crate::builtins) fn end_update(vm: &mut Vm, update: Value) {
    vm.context = update.head();
}

/// The updates for which the running fiber works, innermost first.
pub(in crate::builtins) fn updates(vm: &Vm) -> Value {
    field(vm, UPDATES)
}

fn with_value(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    if let Some(error) = arguments.iter().find(|value| value.is_error()) {
        return (*error).into();
    }
    let mut fields = current(vm);
    let rest = vm.heap.cons(arguments[1], Value::NIL, true);
    let local = vm.heap.cons(arguments[0], rest, true);
    fields[LOCALS] = vm.heap.cons(local, fields[LOCALS], false);
    vm.heap.fields(Kind::Record, &fields).into()
}

fn with_deadline(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let given = arguments[0];
    if given.is_error() {
        return given.into();
    }
    let Some(milliseconds) = given.as_integer() else {
        let name = type_name(given);
        return fail(vm, &format!("ctx/with-deadline timeout must be a number, got {name}"));
    };
    let wait_us = milliseconds.max(0).saturating_mul(1000);
    let mut at = now_us(vm).saturating_add(wait_us);
    let mut fields = current(vm);
    if let Some(outer) = fields[DEADLINE].as_integer() {
        at = at.min(outer);
    }
    fields[DEADLINE] = vm.heap.integer(at);
    vm.heap.fields(Kind::Record, &fields).into()
}

/// The error of a builtin that takes no arguments and got some.
fn no_arguments(vm: &mut Vm, name: &str, arguments: &[Value]) -> Option<Outcome> {
    let wrong = !arguments.is_empty();
    wrong.then(|| fail(vm, &format!("{name}: expected 0 arguments")))
}

/// Microseconds to the deadline, negative afterwards; `None` without one.
fn remaining_us(vm: &mut Vm) -> Option<i64> {
    let at = field(vm, DEADLINE).as_integer()?;
    Some(at - now_us(vm))
}

/// Trace and span of the running fiber's context; `None` without one.
pub fn current_trace(vm: &Vm) -> Option<(u64, u64)> {
    let id = |index| field(vm, index).as_integer().map(i64::cast_unsigned);
    Some((id(TRACE)?, id(SPAN)?))
}

/// The message of the error of a wait that the deadline of the context ended.
pub const DEADLINE_EXCEEDED: &str = ":deadline-exceeded";

/// The time until the deadline of the running fiber's context, zero when it has passed; `None`
/// without one.
pub fn remaining_deadline(vm: &mut Vm) -> Option<Duration> {
    let remaining_us = remaining_us(vm)?;
    Some(Duration::from_micros(remaining_us.max(0) as u64))
}

fn deadline(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    if let Some(error) = no_arguments(vm, "ctx/deadline", arguments) {
        return error;
    }
    match remaining_us(vm) {
        Some(remaining) => vm.heap.integer(remaining.max(0) / 1000).into(),
        None => Value::NIL.into(),
    }
}

fn deadline_exceeded(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    if let Some(error) = no_arguments(vm, "ctx/deadline-exceeded?", arguments) {
        return error;
    }
    match remaining_us(vm) {
        Some(remaining) if remaining <= 0 => vm.heap.intern(b":true").into(),
        _ => Value::NIL.into(),
    }
}

fn get(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let [key] = arguments else { return fail(vm, "ctx/get: expected 1 argument (key)") };
    if key.is_error() {
        return (*key).into();
    }
    if !matches!(key.kind(), Kind::Symbol | Kind::String | Kind::Integer) {
        return Value::NIL.into();
    }
    let mut locals = field(vm, LOCALS);
    while locals.is_pair() {
        let local = locals.head();
        if equal(&vm.heap, local.head(), *key) {
            return local.tail().head().into();
        }
        locals = locals.tail();
    }
    Value::NIL.into()
}

fn locals(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    match no_arguments(vm, "ctx/locals", arguments) {
        Some(error) => error,
        None => field(vm, LOCALS).into(),
    }
}

/// An id of the current context; nil when there is none.
fn id(vm: &mut Vm, name: &str, index: usize, arguments: &[Value]) -> Outcome {
    if let Some(error) = no_arguments(vm, name, arguments) {
        return error;
    }
    let value = field(vm, index);
    if value == Value::ZERO { Value::NIL.into() } else { value.into() }
}

fn trace_id(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    id(vm, "trace/id", TRACE, arguments)
}

fn trace_span(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    id(vm, "trace/span", SPAN, arguments)
}

fn trace_parent_span(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    id(vm, "trace/parent-span", PARENT_SPAN, arguments)
}
