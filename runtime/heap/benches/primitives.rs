//! What allocation, the write barrier and collections cost; run by `ci/bench-heap --primitives`.
//!
//! Beside every subject stands the same loop without the operation. Printed are the medians over
//! the rounds of the loop with the operation, of the loop without and of the difference.

use std::hint::black_box;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use valk_harness::benchmark::{self, Measure, Medians};
use valk_heap::{Collection, Config, Heap, Kind, Roots, Value};

/// Operations measured at a time.
const OPERATIONS: usize = 5_000_000;
/// Objects allocated between two collections that are not measured: less than fill a nursery.
const BATCH: usize = 16_000;
/// Objects written to in turn.
const OBJECTS: usize = 64;
/// Elements of the list that survives.
const LIST: usize = 1_000_000;

/// Figures are nanoseconds for each operation.
struct Subject {
    name: &'static str,
    with: Measure,
    /// The same without the operation; nothing where the loop does not matter.
    without: Option<Measure>,
    goal: &'static str,
}

const SUBJECTS: &[Subject] = &[
    Subject {
        name: "three words, without collections",
        with: || allocate_without_collections(closure),
        without: Some(|| allocate_without_collections(nothing)),
        goal: "1 ns",
    },
    Subject {
        name: "three words, with collections",
        with: || allocate(closure),
        without: Some(|| allocate(nothing)),
        goal: "-",
    },
    Subject {
        name: "list cell, without collections",
        with: || allocate_without_collections(cons),
        without: Some(|| allocate_without_collections(nothing)),
        goal: "-",
    },
    Subject {
        name: "list cell, with collections",
        with: || allocate(cons),
        without: Some(|| allocate(nothing)),
        goal: "-",
    },
    Subject {
        name: "string of 16 bytes, with collections",
        with: || allocate(string),
        without: Some(|| allocate(nothing)),
        goal: "-",
    },
    Subject {
        name: "write of an integer to a young object",
        with: || write(Age::Young, false),
        without: Some(|| write_plain(Age::Young)),
        goal: "0.3 ns",
    },
    Subject {
        name: "write of a reference to a young object",
        with: || write(Age::Young, true),
        without: Some(|| write_plain(Age::Young)),
        goal: "0.3 ns",
    },
    Subject {
        name: "write of a reference to an old, logged one",
        with: || write(Age::OldLogged, true),
        without: Some(|| write_plain(Age::OldLogged)),
        goal: "0.3 ns",
    },
    Subject { name: "list cell that survives", with: survive, without: None, goal: "-" },
    Subject {
        name: "full collection, for each live list cell",
        with: full,
        without: None,
        goal: "-",
    },
];

fn main() -> ExitCode {
    let measures = SUBJECTS.iter().map(|subject| (subject.with, subject.without));
    let medians = match benchmark::run(std::env::args().skip(1), measures) {
        Ok(medians) => medians,
        Err(refusal) => {
            eprintln!("error: {refusal}");
            return ExitCode::FAILURE;
        }
    };
    println!("{:<44} {:>9} {:>9} {:>10} {:>7}", "", "with", "without", "difference", "goal");
    for (Subject { name, goal, .. }, Medians { subject, peer, difference }) in
        SUBJECTS.iter().zip(medians)
    {
        let (with, without, difference) = (shown(Some(subject)), shown(peer), shown(difference));
        println!("{name:<44} {with:>9} {without:>9} {difference:>10} {goal:>7}");
    }
    ExitCode::SUCCESS
}

/// Nanoseconds; `-` where there are none.
fn shown(figure: Option<f64>) -> String {
    figure.map_or_else(|| "-".to_owned(), |figure| format!("{figure:.2} ns"))
}

fn heap() -> Heap {
    Heap::new(Config::default()).expect("the default configuration is valid")
}

/// Nanoseconds of each of that many operations.
fn each(taken: Duration, operations: usize) -> f64 {
    taken.as_nanos() as f64 / operations as f64
}

/// Collects when the heap asks for it; `roots` is all that is used afterwards.
fn safepoint(heap: &mut Heap, roots: &mut dyn Roots) {
    if heap.wants_collection() {
        // SAFETY: the callers keep nothing across this call but what is in `roots`.
        unsafe { heap.collect(Collection::Auto, roots) };
    }
}

// ---- allocation: what `make` returns is garbage at once ----

/// A header, the code, one captured value.
#[inline(always)]
fn closure(heap: &mut Heap, value: Value) -> Value {
    heap.closure(Value::NIL, &[value])
}

#[inline(always)]
fn cons(heap: &mut Heap, value: Value) -> Value {
    heap.cons(value, Value::NIL, false)
}

#[inline(always)]
fn string(heap: &mut Heap, _: Value) -> Value {
    heap.string(black_box(b"sixteen bytes .."))
}

#[inline(always)]
fn nothing(_: &mut Heap, value: Value) -> Value {
    value
}

/// Allocates, and collects whenever the nursery is full.
fn allocate(make: impl Fn(&mut Heap, Value) -> Value) -> f64 {
    let mut heap = heap();
    let began = Instant::now();
    for number in 0..OPERATIONS {
        black_box(make(&mut heap, Value::fixnum(number as i64)));
        safepoint(&mut heap, &mut ());
    }
    each(began.elapsed(), OPERATIONS)
}

/// Allocates in batches that fit the nursery; the collections in between are not measured.
fn allocate_without_collections(make: impl Fn(&mut Heap, Value) -> Value) -> f64 {
    let mut heap = heap();
    let mut taken = Duration::ZERO;
    for _ in 0..OPERATIONS / BATCH {
        let began = Instant::now();
        for number in 0..BATCH {
            black_box(make(&mut heap, Value::fixnum(number as i64)));
        }
        taken += began.elapsed();
        // SAFETY: nothing is kept.
        unsafe { heap.collect(Collection::Minor, &mut ()) };
    }
    each(taken, OPERATIONS / BATCH * BATCH)
}

// ---- writes ----

#[derive(Copy, Clone, PartialEq, Eq)]
enum Age {
    Young,
    /// Written to before, since the last collection.
    OldLogged,
}

/// Cells of this age.
fn cells(heap: &mut Heap, age: Age) -> Vec<Value> {
    let mut cells: Vec<Value> =
        (0..OBJECTS).map(|_| heap.fields(Kind::Cell, &[Value::NIL])).collect();
    if age == Age::OldLogged {
        // SAFETY: the cells are read again from `cells`.
        unsafe { heap.collect(Collection::Minor, &mut cells) };
        let young = heap.cons(Value::ONE, Value::NIL, false);
        for cell in &cells {
            heap.write(*cell, 0, young);
        }
    }
    cells
}

fn write(age: Age, reference: bool) -> f64 {
    let mut heap = heap();
    let cells = cells(&mut heap, age);
    let young = heap.cons(Value::ONE, Value::NIL, false);
    let value = black_box(if reference { young } else { Value::ONE });
    let began = Instant::now();
    for _ in 0..OPERATIONS / OBJECTS {
        for cell in black_box(&cells) {
            heap.write(*cell, 0, value);
        }
    }
    each(began.elapsed(), OPERATIONS)
}

/// The same stores without a barrier.
fn write_plain(age: Age) -> f64 {
    let mut heap = heap();
    let cells = cells(&mut heap, age);
    let value = black_box(Value::ONE);
    let began = Instant::now();
    for _ in 0..OPERATIONS / OBJECTS {
        for cell in black_box(&cells) {
            // SAFETY: a cell has a field 0, and an integer is no reference.
            unsafe { heap.write_plain(*cell, 0, value) };
        }
    }
    each(began.elapsed(), OPERATIONS)
}

// ---- collections ----

/// A list of which every cell is copied once.
fn list(heap: &mut Heap) -> [Value; 1] {
    let mut roots = [Value::NIL];
    for number in 0..LIST {
        roots[0] = heap.cons(Value::fixnum(number as i64), roots[0], false);
        safepoint(heap, &mut roots);
    }
    roots
}

fn survive() -> f64 {
    let mut heap = heap();
    let began = Instant::now();
    list(&mut heap);
    each(began.elapsed(), LIST)
}

fn full() -> f64 {
    let mut heap = heap();
    let mut roots = list(&mut heap);
    let began = Instant::now();
    // SAFETY: nothing is kept but what is in `roots`.
    unsafe { heap.collect(Collection::Full, &mut roots) };
    each(began.elapsed(), LIST)
}
