//! The checker finds what is broken on purpose; debug builds refuse to follow stale values.

use super::{collect, panic_message, small_heap};
use crate::values::forwarding::FORWARDED;
use crate::values::object::{self, Header, UNLOGGED};
use crate::{Collection, Heap, Kind, Roots, Value};

fn broken(heap: &mut Heap, roots: &mut dyn Roots) -> String {
    panic_message(|| {
        heap.verify(roots);
    })
}

/// An old vector that can hold three values.
fn old_vector(heap: &mut Heap) -> Vec<Value> {
    let mut roots = vec![heap.fields(Kind::Record, &[Value::NIL; 3])];
    collect(heap, Collection::Minor, &mut roots);
    roots
}

valk_harness::test! {
    fn a_missed_barrier_is_found() {
        let mut heap = small_heap();
        let mut roots = old_vector(&mut heap);
        let text = heap.string(b"young");
        // SAFETY: the field exists; leaving out the barrier is the point.
        unsafe { object::store(object::field_address(roots[0].address(), 1), text.bits()) };
        assert!(broken(&mut heap, &mut roots).contains("rule 3"));
    }
}

valk_harness::test! {
    fn a_flag_that_contradicts_the_set_is_found() {
        let mut heap = small_heap();
        let mut roots = old_vector(&mut heap);
        let text = heap.string(b"young");
        heap.write(roots[0], 0, text);
        let header = roots[0].header();
        // SAFETY: the header is rewritten in place.
        unsafe { Header { flags: UNLOGGED, ..header }.store(roots[0].address()) };
        assert!(broken(&mut heap, &mut roots).contains("does not say so"));
        heap.write(roots[0], 0, text);
        assert!(broken(&mut heap, &mut roots).contains("remembered twice"));
    }
}

valk_harness::test! {
    fn wild_references_are_found() {
        let mut heap = small_heap();
        let pair = heap.cons(Value::NIL, Value::NIL, false);
        let mut roots = old_vector(&mut heap);
        let old = roots[0].address();
        let large = heap.string_from(100_000, |_| ()).address();
        let behind_cursor = pair.address() + 1024;
        let cases = [behind_cursor, 16, old + 16, old + 32, old - 16 * 1024, large + 16];
        for address in cases {
            roots.push(Value::from_pair_address(address, false));
            let message = broken(&mut heap, &mut roots);
            assert!(message.contains("rule 1"), "{message}");
            roots.pop();
        }
        heap.verify(&mut roots);
    }
}

valk_harness::test! {
    fn an_object_longer_than_its_slot_is_found() {
        let mut heap = small_heap();
        let mut roots = old_vector(&mut heap);
        let header = roots[0].header();
        // SAFETY: the header is rewritten in place; the checker does not read past the slot.
        unsafe { Header { len: 100, ..header }.store(roots[0].address()) };
        assert!(broken(&mut heap, &mut roots).contains("leaves its slot"));
    }
}

valk_harness::test! {
    fn moved_cells_are_found() {
        let mut heap = small_heap();
        let mut roots = vec![heap.cons(Value::FORWARD, Value::NIL, false)];
        assert!(broken(&mut heap, &mut roots).contains("a moved pair"));
        roots[0] = heap.fields(Kind::Cell, &[Value::NIL]);
        let header = roots[0].header();
        // SAFETY: the header is rewritten in place.
        unsafe { Header { kind: FORWARDED, ..header }.store(roots[0].address()) };
        assert!(broken(&mut heap, &mut roots).contains("a moved object"));
    }
}

valk_harness::test! {
    fn freed_memory_is_recognised() {
        if !cfg!(debug_assertions) {
            return;
        }
        let mut heap = small_heap();
        let stale = heap.cons(Value::ONE, Value::NIL, false);
        let text = heap.string(b"stale");
        let old = heap.old_cons(Value::ONE, Value::NIL, false);
        let mut kept = [heap.old_cons(Value::ONE, Value::NIL, false)];
        collect(&mut heap, Collection::Full, &mut kept);
        for value in [stale, old] {
            assert!(panic_message(|| value.head()).contains("freed"));
            assert!(panic_message(|| value.tail()).contains("freed"));
        }
        assert!(panic_message(|| text.kind()).contains("freed"));
        heap.cons(Value::NIL, Value::NIL, false);
        heap.cons(Value::NIL, Value::NIL, false);
        let mut roots = vec![Value::from_pair_address(heap.cons(Value::NIL, Value::NIL, false).address(), true)];
        // SAFETY: the pair is initialised memory of two words.
        unsafe { object::store(roots[0].address(), crate::values::object::POISON) };
        assert!(broken(&mut heap, &mut roots).contains("freed memory"));
    }
}
