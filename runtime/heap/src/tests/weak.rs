//! Weak values: they do not keep anything, follow what moves and notice what is gone.

use super::{collect, small_heap};
use crate::{Collection, Heap, HostObject, Kind, Tracer, Value};

struct Weak(Value);

impl HostObject for Weak {
    fn trace(&mut self, _tracer: &mut Tracer<'_>) {}
    fn type_name(&self) -> &'static str {
        "weak"
    }
    fn weak(&mut self) -> Option<&mut Value> {
        Some(&mut self.0)
    }
}

fn weak(heap: &mut Heap, value: Value) -> Value {
    heap.host(Box::new(Weak(value)))
}

fn seen(heap: &Heap, weak: Value) -> Value {
    weak.host::<Weak>(heap).expect("a weak reference").0
}

valk_harness::test! {
    fn a_weak_value_follows_and_ends() {
        for kind in [Collection::Minor, Collection::Full] {
            let mut heap = small_heap();
            let kept = [heap.string(b"object"), heap.cons(Value::ONE, Value::NIL, true)];
            let lost = [heap.string(b"object"), heap.fields(Kind::Cell, &[Value::NIL]), heap.cons(Value::ONE, Value::NIL, false)];
            let mut roots: Vec<Value> = kept.to_vec();
            for value in kept.into_iter().chain(lost).chain([Value::fixnum(7)]) {
                let weak = weak(&mut heap, value);
                roots.push(weak);
            }
            collect(&mut heap, kind, &mut roots);
            let values: Vec<Value> = roots[2..].iter().map(|weak| seen(&heap, *weak)).collect();
            let gone = Value::UNDEFINED;
            assert_eq!(values, [roots[0], roots[1], gone, gone, gone, Value::fixnum(7)]);
            // The old ones end at a full collection only.
            roots[1] = Value::NIL;
            collect(&mut heap, Collection::Minor, &mut roots);
            assert_eq!(seen(&heap, roots[3]).head(), Value::ONE);
            collect(&mut heap, Collection::Full, &mut roots);
            assert_eq!((seen(&heap, roots[2]), seen(&heap, roots[3])), (roots[0], gone));
            roots.truncate(1);
            collect(&mut heap, Collection::Full, &mut roots);
            assert_eq!(heap.verify(&mut roots), 1);
            collect(&mut heap, Collection::Full, &mut roots);
        }
    }

    fn a_weak_value_of_a_cycle_and_a_large_object_end() {
        let mut heap = small_heap();
        let cycle = heap.fields(Kind::Record, &[Value::NIL]);
        let itself = weak(&mut heap, cycle);
        heap.write(cycle, 0, itself);
        let large = heap.string_from(200_000, |_| ());
        let mut roots = [cycle, large, itself, weak(&mut heap, large)];
        collect(&mut heap, Collection::Full, &mut roots);
        assert_eq!((seen(&heap, roots[2]), seen(&heap, roots[3])), (roots[0], roots[1]));
        (roots[0], roots[1]) = (Value::NIL, Value::NIL);
        collect(&mut heap, Collection::Full, &mut roots);
        assert_eq!((seen(&heap, roots[2]), seen(&heap, roots[3])), (Value::UNDEFINED, Value::UNDEFINED));
    }
}
