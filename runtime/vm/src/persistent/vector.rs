//! Persistent vectors: elements by index, from 0.
//!
//! The table: elements in chunks; what lies behind the current version's size is undefined.

pub(crate) use super::limits::CHUNK_ENTRIES;
use super::limits::{CAPACITY_MIN, ENTRIES_MAX};
use super::versions::{self, BUDGET, Change, Table};
pub(crate) use super::versions::{LINK, SIZE};
use valk_heap::{Heap, Kind, Value};

pub(crate) const DIRECTORY: usize = 1;

/// A vector of these elements.
pub fn from_slice(heap: &mut Heap, elements: &[Value]) -> Value {
    let table = create(heap, elements.len().next_power_of_two(), elements);
    versions::current(heap, Kind::Vector, table, elements.len())
}

/// Number of elements.
pub fn size(vector: Value) -> usize {
    versions::size(vector)
}

/// Element `index`, if there is one.
#[inline]
pub fn get(heap: &mut Heap, vector: Value, index: usize) -> Option<Value> {
    if index >= size(vector) {
        return None;
    }
    if let Some((_guard, table)) = versions::lock_table(heap, vector) {
        return Some(element(table, index));
    }
    let _guard = heap.lock_all_stripes();
    let key = Value::fixnum(index as i64);
    Some(match versions::search::<Array>(heap, vector, key) {
        Ok(change) => change.value,
        Err(table) => element(table, index),
    })
}

/// Element `index`, if it is there and that can be told at once: the vector is the newest of its table,
/// and there are no other threads.
#[inline]
pub fn get_newest(heap: &Heap, vector: Value, index: usize) -> Option<Value> {
    if heap.is_shared() || index >= size(vector) {
        return None;
    }
    versions::table(vector).map(|table| element(table, index))
}

/// The vector with element `index`, which must be there or be the next one, set.
pub fn set(heap: &mut Heap, vector: Value, index: usize, value: Value) -> Value {
    let size = size(vector);
    assert!(index <= size, "element {index} of {size}");
    change(heap, vector, index, value, size.max(index + 1))
}

/// As [`set`] for an element that is there or the next one, if that takes no memory to speak of and no
/// other table.
#[inline]
pub fn set_at_once(heap: &mut Heap, vector: Value, index: usize, value: Value) -> Option<Value> {
    let size = size(vector);
    if heap.is_shared() || index > size {
        return None;
    }
    let table = versions::table(vector)?;
    if index >= capacity(table) || !versions::has_budget(table) {
        return None;
    }
    let change = Change { key: Value::fixnum(index as i64), value, stamp: Value::NIL };
    Some(versions::derive::<Array>(heap, vector, change, |_| size.max(index + 1)))
}

/// The vector without its last element; an empty one as it is.
pub fn pop(heap: &mut Heap, vector: Value) -> Value {
    match size(vector) {
        0 => vector,
        size => change(heap, vector, size - 1, Value::UNDEFINED, size - 1),
    }
}

fn change(heap: &mut Heap, vector: Value, index: usize, value: Value, size: usize) -> Value {
    let change = Change { key: Value::fixnum(index as i64), value, stamp: Value::NIL };
    if let Some((_guard, table)) = versions::lock_table(heap, vector)
        && versions::has_budget(table)
    {
        return versions::derive::<Array>(heap, vector, change, |_| size);
    }
    let _guard = heap.lock_all_stripes();
    versions::derive::<Array>(heap, vector, change, |_| size)
}

/// Bytes that the next change may allocate.
pub fn change_bytes(heap: &Heap, vector: Value) -> usize {
    let bytes = |table, left| {
        let full = capacity(table) == size(vector);
        let elements = if left == 0 || full { 2 * capacity(table) } else { 0 };
        (elements + 2 * CHUNK_ENTRIES) * size_of::<Value>()
    };
    if let Some((_guard, table)) = versions::lock_table(heap, vector) {
        return bytes(table, usize::from(versions::has_budget(table)));
    }
    let _guard = heap.lock_all_stripes();
    let (table, _, left) = versions::budget(vector);
    bytes(table, left)
}

/// All elements.
pub fn elements(heap: &Heap, vector: Value) -> Vec<Value> {
    let _guard = heap.lock_all_stripes();
    let (changes, table) = versions::changes(vector);
    let mut elements: Vec<Value> =
        (0..size(vector).min(capacity(table))).map(|index| element(table, index)).collect();
    elements.resize(size(vector), Value::UNDEFINED);
    // The nearest to the version counts, so it comes last.
    for change in changes.collect::<Vec<_>>().into_iter().rev() {
        if let Some(element) = elements.get_mut(change.key.as_fixnum() as usize) {
            *element = change.value;
        }
    }
    elements
}

/// The table of a vector.
struct Array;

impl Table for Array {
    const KIND: Kind = Kind::Vector;

    fn exchange(heap: &mut Heap, table: Value, change: Change) -> Change {
        let index = change.key.as_fixnum() as usize;
        if index >= capacity(table) {
            instantiate(heap, table);
        }
        let before = element(table, index);
        let chunk = table.field(DIRECTORY).field(index / CHUNK_ENTRIES);
        heap.write(chunk, index % CHUNK_ENTRIES, change.value);
        Change { value: before, ..change }
    }

    fn copy(heap: &mut Heap, table: Value) -> Value {
        let elements: Vec<Value> =
            (0..capacity(table)).map(|index| element(table, index)).collect();
        let end = elements.iter().rposition(|element| !element.is_undefined());
        let elements = &elements[..end.map_or(0, |last| last + 1)];
        create(heap, (elements.len() + 1).next_power_of_two(), elements)
    }

    fn budget(table: Value) -> usize {
        capacity(table)
    }

    fn same_key(_: &Heap, a: Value, b: Value) -> bool {
        a == b
    }
}

fn capacity(table: Value) -> usize {
    let directory = table.field(DIRECTORY);
    directory.field_count() * directory.field(0).field_count()
}

#[inline]
fn element(table: Value, index: usize) -> Value {
    table.field(DIRECTORY).field(index / CHUNK_ENTRIES).field(index % CHUNK_ENTRIES)
}

fn create(heap: &mut Heap, capacity: usize, elements: &[Value]) -> Value {
    let capacity = capacity.max(CAPACITY_MIN);
    assert!(capacity <= ENTRIES_MAX, "a vector of {capacity} elements, the most is {ENTRIES_MAX}");
    let mut words = elements.to_vec();
    words.resize(capacity, Value::UNDEFINED);
    let chunks: Vec<Value> =
        words.chunks(CHUNK_ENTRIES).map(|chunk| heap.fields(Kind::Record, chunk)).collect();
    let directory = heap.fields(Kind::Record, &chunks);
    let mut fields = [Value::fixnum(capacity as i64); 2];
    fields[DIRECTORY] = directory;
    const { assert!(BUDGET == 0) };
    heap.fields(Kind::Record, &fields)
}

/// Doubles a table: by a longer chunk, or by more of them.
fn instantiate(heap: &mut Heap, table: Value) {
    let before = capacity(table);
    let elements: Vec<Value> = (0..before).map(|index| element(table, index)).collect();
    let directory = if before < CHUNK_ENTRIES {
        create(heap, before * 2, &elements).field(DIRECTORY)
    } else {
        assert!(before < ENTRIES_MAX, "a vector of more than {ENTRIES_MAX} elements");
        let old = table.field(DIRECTORY);
        let mut chunks: Vec<Value> = (0..old.field_count()).map(|at| old.field(at)).collect();
        let empty = [Value::UNDEFINED; CHUNK_ENTRIES];
        chunks.extend((0..old.field_count()).map(|_| heap.fields(Kind::Record, &empty)));
        heap.fields(Kind::Record, &chunks)
    };
    heap.write(table, DIRECTORY, directory);
}
