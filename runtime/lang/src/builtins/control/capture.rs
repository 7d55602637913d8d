//! What a test captures of a program's output: `test/capture-start` and `test/capture-stop`.

use crate::builtins::row::{Row, fail, wrong_type};
use crate::output::CaptureId;
use crate::runtime::Language;
use valk_heap::{HostObject, Kind, Tracer, Value};
use valk_vm::{Arity, Outcome, Vm};

pub(super) const TABLE: &[Row] = &[
    ("test/capture-start", Arity::Exactly(0), start),
    ("test/capture-stop", Arity::Exactly(1), stop),
];

/// The reference that stands for a capture.
struct Capture(CaptureId);

impl HostObject for Capture {
    fn trace(&mut self, _: &mut Tracer<'_>) {}

    fn type_name(&self) -> &'static str {
        "capture_state"
    }
}

fn start(vm: &mut Vm, _: &[Value]) -> Outcome {
    let id = vm.extension::<Language>().output.capture();
    vm.heap.host(Box::new(Capture(id))).into()
}

/// `{:stdout TEXT :stderr TEXT}`, both empty when the capture was stopped before.
fn stop(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let reference = arguments[0];
    if reference.kind() != Kind::Host {
        return wrong_type(vm, reference, "Reference");
    }
    let Some(id) = reference.host::<Capture>(&vm.heap).map(|capture| capture.0) else {
        return fail(vm, "test/capture-stop: expected capture_state ref");
    };
    let captured = vm.extension::<Language>().output.release(id);
    let parts = [(":stderr", captured.error), (":stdout", captured.standard)];
    let mut result = Value::NIL;
    for (key, text) in parts {
        let text = vm.heap.string(&text);
        result = vm.heap.cons(text, result, true);
        let key = vm.heap.intern(key.as_bytes());
        result = vm.heap.cons(key, result, true);
    }
    result.into()
}
