//! Measures what allocation and collection cost; run in release.
//!
//! Prints nanoseconds per operation, the best of five rounds each.

use std::hint::black_box;
use std::time::Instant;

use valk_heap::{Collection, Config, Heap, Kind, Roots, Value};

const ROUNDS: usize = 5;
const OPERATIONS: usize = 10_000_000;
const LIST: usize = 1_000_000;

/// Collects when the heap asks for it; `roots` is all that is used afterwards.
fn safepoint(heap: &mut Heap, roots: &mut dyn Roots) {
    if heap.wants_collection() {
        // SAFETY: the loops below keep nothing across this call but what is in `roots`.
        unsafe { heap.collect(Collection::Auto, roots) };
    }
}

fn report(name: &str, operations: usize, mut body: impl FnMut()) {
    let best = (0..ROUNDS)
        .map(|_| {
            let started = Instant::now();
            body();
            started.elapsed().as_nanos()
        })
        .min();
    println!("{name:<44} {:>8.2} ns", best.unwrap_or(0) as f64 / operations as f64);
}

fn main() {
    let mut heap = Heap::new(Config::default()).expect("the default configuration is valid");

    report("cons, garbage", OPERATIONS, || {
        for number in 0..OPERATIONS {
            black_box(heap.cons(Value::fixnum(number as i64), Value::NIL, false));
            safepoint(&mut heap, &mut ());
        }
    });
    report("closure of two captures (4 words), garbage", OPERATIONS, || {
        for number in 0..OPERATIONS {
            black_box(heap.closure(Value::NIL, &[Value::fixnum(number as i64), Value::ONE]));
            safepoint(&mut heap, &mut ());
        }
    });
    report("cell (2 words), garbage", OPERATIONS, || {
        for _ in 0..OPERATIONS {
            black_box(heap.fields(Kind::Cell, &[Value::ONE]));
            safepoint(&mut heap, &mut ());
        }
    });
    report("string of 16 bytes, garbage", OPERATIONS, || {
        for _ in 0..OPERATIONS {
            black_box(heap.string(black_box(b"sixteen bytes ..")));
            safepoint(&mut heap, &mut ());
        }
    });
    report("string of 16 KiB, garbage", 10_000, || {
        for _ in 0..10_000 {
            black_box(heap.string_from(16 << 10, |bytes| bytes[0] = 1));
            safepoint(&mut heap, &mut ());
        }
    });

    let mut roots = [heap.fields(Kind::Cell, &[Value::NIL])];
    // SAFETY: the cell is read again from `roots`.
    unsafe { heap.collect(Collection::Minor, &mut roots) };
    report("write to an old cell, logged", OPERATIONS, || {
        for number in 0..OPERATIONS {
            heap.write(black_box(roots[0]), 0, Value::fixnum(number as i64));
        }
    });

    report("cons and promote, per pair of a long list", LIST, || {
        roots[0] = Value::NIL;
        for number in 0..LIST {
            roots[0] = heap.cons(Value::fixnum(number as i64), roots[0], false);
            safepoint(&mut heap, &mut roots);
        }
    });
    report("full collection, per live pair of that list", LIST, || {
        // SAFETY: the list is read again from `roots`.
        unsafe { heap.collect(Collection::Full, &mut roots) };
    });
    let statistics = heap.statistics();
    println!(
        "{} minor, {} full collections, longest pause {} us",
        statistics.collections_minor, statistics.collections_full, statistics.pause_us_max
    );
}
