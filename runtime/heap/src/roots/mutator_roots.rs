//! The values that a mutator holds outside the heap.

use crate::collector::tracer::Tracer;
use crate::values::value::Value;

/// The values that a mutator holds outside the heap, such as those on its stacks.
pub trait Roots {
    /// Shows every `Value` to the collector, which may change it. Must not panic.
    fn trace(&mut self, tracer: &mut Tracer<'_>);
}

/// No roots.
impl Roots for () {
    fn trace(&mut self, _tracer: &mut Tracer<'_>) {}
}

impl Roots for [Value] {
    fn trace(&mut self, tracer: &mut Tracer<'_>) {
        tracer.slice(self);
    }
}

impl<const N: usize> Roots for [Value; N] {
    fn trace(&mut self, tracer: &mut Tracer<'_>) {
        tracer.slice(self);
    }
}

impl Roots for Vec<Value> {
    fn trace(&mut self, tracer: &mut Tracer<'_>) {
        tracer.slice(self);
    }
}
