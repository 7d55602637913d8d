//! Root handles.

use super::{collect, panic_message, small_heap};
use crate::{Collection, Kind, Root, Value};

valk_harness::test! {
    fn a_root_follows_its_value_through_collections() {
        let mut heap = small_heap();
        let text = heap.string(b"kept");
        let root = heap.root(text);
        for kind in [Collection::Minor, Collection::Full, Collection::Auto] {
            collect(&mut heap, kind, &mut ());
            assert_eq!(heap.resolve(&root).bytes(&heap), b"kept");
        }
        assert_eq!(heap.verify(&mut ()), 1);
        heap.release(root);
        collect(&mut heap, Collection::Full, &mut ());
        assert_eq!(heap.verify(&mut ()), 0);
        assert_eq!(heap.statistics().old_bytes, 0);
    }
}

valk_harness::test! {
    fn slots_are_reused_latest_first_with_a_larger_generation() {
        let mut heap = small_heap();
        let first = heap.root(Value::fixnum(1));
        let second = heap.root(Value::fixnum(2));
        assert_eq!((first.generation(), second.generation()), (1, 1));
        let (index, generation) = (second.index(), second.generation());
        assert_eq!(heap.release(second), Value::fixnum(2));
        assert_eq!(heap.live_roots(), 1);
        let third = heap.root(Value::fixnum(3));
        assert_eq!(third.index(), index);
        assert!(third.generation() > generation);
        assert_eq!(heap.resolve(&third), Value::fixnum(3));
        assert_eq!(heap.resolve(&first), Value::fixnum(1));
        heap.set_root(&first, Value::NIL);
        assert_eq!(heap.release(first), Value::NIL);
        heap.release(third);
    }
}

valk_harness::test! {
    fn a_root_of_another_life_or_heap_is_refused() {
        let (mut heap, mut other) = (small_heap(), small_heap());
        let foreign = |heap: &mut crate::Heap| -> Root {
            // Two lives of the same slot.
            let first = heap.root(Value::NIL);
            heap.release(first);
            heap.root(Value::NIL)
        };
        let stale = foreign(&mut other);
        assert!(panic_message(|| heap.resolve(&stale)).contains("not live in this heap"));
        let own = heap.root(Value::ONE);
        assert_eq!(own.index(), stale.index());
        let refused = [
            panic_message(|| heap.resolve(&stale)),
            panic_message(|| heap.set_root(&stale, Value::NIL)),
            panic_message(|| heap.release(stale)),
        ];
        for message in refused {
            assert!(message.contains("root 0 of generation 2 is not live"), "{message}");
        }
        assert_eq!(heap.resolve(&own), Value::ONE);
        heap.release(own);
    }
}

valk_harness::test! {
    fn many_roots_are_each_traced() {
        let mut heap = small_heap();
        let roots: Vec<Root> = (0..5000)
            .map(|number| {
                let cell = heap.fields(Kind::Cell, &[Value::fixnum(number)]);
                heap.root(cell)
            })
            .collect();
        let mut arrays = [Value::NIL; 2];
        collect(&mut heap, Collection::Minor, &mut arrays);
        for (number, root) in roots.into_iter().enumerate() {
            assert_eq!(heap.release(root).field(0), Value::fixnum(number as i64));
        }
        assert_eq!(heap.live_roots(), 0);
    }
}

valk_harness::test! {
    fn slices_are_roots() {
        let mut heap = small_heap();
        let mut stack = vec![heap.string(b"one"), Value::ONE, heap.string(b"two")];
        let slice: &mut [Value] = &mut stack;
        let mut slice = Slice(slice);
        collect(&mut heap, Collection::Minor, &mut slice);
        assert_eq!(stack[0].bytes(&heap), b"one");
        assert_eq!(stack[2].bytes(&heap), b"two");
    }
}

struct Slice<'a>(&'a mut [Value]);

impl crate::Roots for Slice<'_> {
    fn trace(&mut self, tracer: &mut crate::Tracer<'_>) {
        self.0.trace(tracer);
    }
}

/// A stack of which everything below the mark was shown to an earlier collection.
struct Watermarked {
    stack: Vec<Value>,
    clean: usize,
    shown: usize,
}

impl crate::Roots for Watermarked {
    fn trace(&mut self, tracer: &mut crate::Tracer<'_>) {
        let first = if tracer.only_young() { self.clean } else { 0 };
        tracer.slice(&mut self.stack[first..]);
        self.shown = self.stack.len() - first;
        self.clean = self.stack.len();
    }
}

valk_harness::test! {
    fn a_minor_collection_may_skip_what_an_earlier_one_saw() {
        let mut heap = small_heap();
        let mut roots = Watermarked { stack: Vec::new(), clean: 0, shown: 0 };
        for (round, kind, shown) in
            [(1, Collection::Minor, 1), (2, Collection::Minor, 1), (3, Collection::Full, 3)]
        {
            let text = heap.string(b"pushed");
            roots.stack.push(text);
            collect(&mut heap, kind, &mut roots);
            assert_eq!((roots.stack.len(), roots.shown), (round, shown));
            for text in &roots.stack {
                assert_eq!(text.bytes(&heap), b"pushed");
            }
        }
    }
}
