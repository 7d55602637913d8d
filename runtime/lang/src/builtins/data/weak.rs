//! Weak references, for caches: `weak` and `weak/get`.

use crate::builtins::row::{Row, wrong_type};
use valk_heap::{HostObject, Tracer, Value};
use valk_vm::{Arity, Outcome, Vm};

pub(super) const TABLE: &[Row] =
    &[("weak", Arity::Curried(1), make), ("weak/get", Arity::Curried(2), get)];

/// The reference.
struct Weak(Value);

impl HostObject for Weak {
    fn trace(&mut self, _: &mut Tracer<'_>) {}
    fn type_name(&self) -> &'static str {
        "weak"
    }
    fn weak(&mut self) -> Option<&mut Value> {
        Some(&mut self.0)
    }
}

fn make(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    vm.heap.host(Box::new(Weak(arguments[0]))).into()
}

/// `(weak/get w default)`
fn get(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let Some(weak) = arguments[0].host::<Weak>(&vm.heap) else {
        return wrong_type(vm, arguments[0], "Weak");
    };
    let value = weak.0;
    if value.is_undefined() { arguments[1] } else { value }.into()
}
