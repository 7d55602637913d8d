//! Long lists, deep nests, cycles and wide objects: no shape exhausts the native stack.

use super::{collect, small_config, small_heap};
use crate::{Collection, Config, Heap, Kind, Value};

const MILLION: i64 = 1_000_000;

fn roomy_heap() -> Heap {
    Heap::new(Config { hard_limit_bytes: 256 << 20, ..small_config() }).expect("256 MiB")
}

valk_harness::test! {
    fn a_list_of_a_million_survives_both_collections() {
        let mut heap = roomy_heap();
        let mut roots = [Value::NIL];
        for number in 0..MILLION {
            roots[0] = heap.cons(Value::fixnum(number), roots[0], number % 2 == 0);
        }
        for kind in [Collection::Minor, Collection::Full, Collection::Full] {
            collect(&mut heap, kind, &mut roots);
            let (mut list, mut number) = (roots[0], MILLION);
            while !list.is_nil() {
                number -= 1;
                assert_eq!(list.head(), Value::fixnum(number));
                assert_eq!(list.is_quoted(), number % 2 == 0);
                list = list.tail();
            }
            assert_eq!(number, 0);
            assert_eq!(heap.statistics().old_bytes, 16 * MILLION as usize);
        }
        roots[0] = Value::NIL;
        let collected = collect(&mut heap, Collection::Full, &mut roots);
        assert_eq!(collected.reclaimed_bytes, 16 * MILLION as usize);
        assert_eq!(heap.statistics().old_bytes, 0);
        let committed = heap.statistics().committed_bytes;
        assert!(committed < 4 << 20, "empty pages go back to the system, {committed} bytes held");
    }
}

/// A nest `depth` deep through `wrap`, collected young, then old, then dropped.
fn survives_depth(depth: i64, wrap: impl Fn(&mut Heap, Value) -> Value) {
    let mut heap = roomy_heap();
    let mut roots = [Value::NIL];
    for _ in 0..depth {
        roots[0] = wrap(&mut heap, roots[0]);
    }
    collect(&mut heap, Collection::Minor, &mut roots);
    collect(&mut heap, Collection::Full, &mut roots);
    let (mut value, mut found) = (roots[0], 0);
    while !value.is_nil() {
        value = if value.is_pair() { value.head() } else { value.field(0) };
        found += 1;
    }
    assert_eq!(found, depth);
    roots[0] = Value::NIL;
    collect(&mut heap, Collection::Full, &mut roots);
    assert_eq!(heap.statistics().old_bytes, 0);
}

valk_harness::test! {
    fn nests_a_million_deep_survive() {
        survives_depth(MILLION, |heap, inner| heap.cons(inner, Value::NIL, true));
        survives_depth(MILLION, |heap, inner| heap.fields(Kind::Cell, &[inner]));
        survives_depth(MILLION, |heap, inner| heap.closure(inner, &[Value::ONE]));
    }
}

valk_harness::test! {
    fn cycles_are_kept_and_freed() {
        let mut heap = small_heap();
        let cell = heap.fields(Kind::Cell, &[Value::NIL]);
        let pair = heap.cons(cell, cell, false);
        heap.write(cell, 0, pair);
        let mut roots = [cell];
        for kind in [Collection::Minor, Collection::Full] {
            collect(&mut heap, kind, &mut roots);
            assert_eq!(roots[0].field(0).head(), roots[0]);
            assert_eq!(heap.verify(&mut roots), 2);
        }
        collect(&mut heap, Collection::Full, &mut ());
        assert_eq!(heap.statistics().old_bytes, 0);
    }
}

valk_harness::test! {
    fn every_size_keeps_its_bytes() {
        let mut heap = small_heap();
        let lengths = [0, 1, 8, 9, 100, 1000, 8183, 8184, 8185, 9000, 65_536, 200_000];
        let mut roots: Vec<Value> = lengths
            .iter()
            .map(|&length| heap.string_from(length, |bytes| bytes.fill(length as u8)))
            .collect();
        assert_eq!(heap.statistics().large_objects, 2, "born old above 64 KiB, header included");
        for kind in [Collection::Minor, Collection::Full, Collection::Full] {
            collect(&mut heap, kind, &mut roots);
            assert_eq!(heap.statistics().large_objects, 4, "above 8 KiB, header included");
            for (&length, text) in lengths.iter().zip(&roots) {
                assert_eq!(text.bytes(&heap), vec![length as u8; length]);
            }
        }
        assert_eq!(heap.verify(&mut roots), lengths.len());
        collect(&mut heap, Collection::Full, &mut ());
        let after = heap.statistics();
        assert_eq!((after.large_objects, after.old_bytes), (0, 0));
    }
}

valk_harness::test! {
    fn freed_slots_are_used_again_between_survivors() {
        let mut heap = small_heap();
        let mut roots: Vec<Value> =
            (0..4000).map(|number| heap.fields(Kind::Record, &[Value::fixnum(number); 5])).collect();
        collect(&mut heap, Collection::Full, &mut roots);
        let before = heap.statistics();
        let mut number = 0;
        roots.retain(|_| {
            number += 1;
            number % 3 == 0
        });
        collect(&mut heap, Collection::Full, &mut roots);
        let kept = roots.len();
        for number in 4000..6600 {
            let vector = heap.fields(Kind::Record, &[Value::fixnum(number); 5]);
            roots.push(vector);
        }
        collect(&mut heap, Collection::Minor, &mut roots);
        assert_eq!(heap.statistics().committed_bytes, before.committed_bytes);
        for (index, vector) in roots.iter().enumerate() {
            let expected = if index < kept { index * 3 + 2 } else { 4000 + index - kept };
            for field in 0..5 {
                assert_eq!(vector.field(field), Value::fixnum(expected as i64));
            }
        }
        assert_eq!(heap.verify(&mut roots), roots.len());
    }
}

valk_harness::test! {
    fn allocation_goes_on_when_the_nursery_and_its_overflow_are_full() {
        let config = Config { hard_limit_bytes: 128 << 10, ..small_config() };
        let mut heap = Heap::new(config).expect("128 KiB");
        let mut roots = [Value::NIL];
        for number in 0..20_000 {
            let cell = heap.fields(Kind::Cell, &[Value::fixnum(number)]);
            roots[0] = heap.cons(cell, roots[0], true);
            if number % 1000 == 0 {
                let text = heap.string(b"somewhere");
                heap.write(cell, 0, text);
            }
        }
        let boxed = heap.integer(i64::MIN);
        roots[0] = heap.cons(boxed, roots[0], true);
        assert!(heap.wants_collection() && heap.over_hard_limit());
        assert_eq!(heap.statistics().nursery_overflows, 1);
        heap.verify(&mut roots);
        collect(&mut heap, Collection::Minor, &mut roots);
        assert_eq!(heap.verify(&mut roots), 40_000 + 2 + 20);
        assert_eq!(roots[0].head().as_integer(), Some(i64::MIN));
        let mut list = roots[0].tail();
        for number in (0..20_000).rev() {
            let held = list.head().field(0);
            if number % 1000 == 0 {
                assert_eq!(held.bytes(&heap), b"somewhere");
            } else {
                assert_eq!(held, Value::fixnum(number));
            }
            list = list.tail();
        }
    }
}
