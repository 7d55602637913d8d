//! Persistent hash maps, whose entries are in the order in which their keys came.
//!
//! The table: slots in the order they were handed out, in chunks, each with key, value and stamp
//! (the key's place in the order of entries); a dead slot has no key. Up to
//! eight entries are searched one by one, more by a hash index.
//!
//! 1. No two live slots have equal keys.
//! 2. Stamps of live slots ascend but where the removal of a key was undone; whoever lists entries
//!    sorts them then.
//! 3. Capacity is a power of two; chunks are made when their first slot is handed out.

use super::versions::{self, BUDGET, Change, Table};
use super::{CAPACITY_MIN, CHUNK_ENTRIES, ENTRIES_MAX, hash::hash, index};
use crate::equality::equal;
use std::collections::HashMap;
use valk_heap::{Heap, Kind, Turn, Value};

const INDEX: usize = 1;
const DIRECTORY: usize = 2;
/// Slots handed out.
const USED: usize = 3;
/// Slots that have a key.
const LIVE: usize = 4;
/// Cells of the index that are not empty.
const FILLED: usize = 5;
const NEXT_STAMP: usize = 6;
const FIELDS: usize = 7;

/// Words of a slot: key, value, stamp.
const SLOT_WORDS: usize = 3;

/// Largest capacity of a table without an index.
const UNINDEXED_CAPACITY_MAX: usize = 8;

/// A map without entries.
pub fn new(heap: &mut Heap) -> Value {
    let table = create(heap, CAPACITY_MIN);
    versions::current(heap, Kind::Map, table, 0)
}

/// Number of entries.
pub fn size(map: Value) -> usize {
    versions::size(map)
}

/// The value of `key`.
#[inline]
pub fn get(heap: &mut Heap, map: Value, key: Value) -> Option<Value> {
    let _turn = heap.turn();
    let table = match versions::table(map) {
        Some(table) => table,
        None => match versions::search::<Hashed>(heap, map, key) {
            Ok(value) => return Some(value).filter(|value| !value.is_undefined()),
            Err(table) => table,
        },
    };
    find(heap, table, key).map(|place| slot_word(table, place.slot, 1))
}

/// The map with `key` set to `value`; a key that is there keeps its place and its form.
pub fn set(heap: &mut Heap, map: Value, key: Value, value: Value) -> Value {
    let _turn = heap.turn();
    let before = size(map);
    let change = Change { key, value, stamp: Value::NIL };
    let after = |undo: Change| before + usize::from(undo.value.is_undefined());
    versions::derive::<Hashed>(heap, map, change, after)
}

/// The map without `key`.
pub fn remove(heap: &mut Heap, map: Value, key: Value) -> Value {
    let _turn = heap.turn();
    if get(heap, map, key).is_none() {
        return map;
    }
    let change = Change { key, value: Value::UNDEFINED, stamp: Value::NIL };
    let after = size(map) - 1;
    versions::derive::<Hashed>(heap, map, change, |_| after)
}

/// Bytes that the next change may allocate.
pub fn change_bytes(heap: &Heap, map: Value) -> usize {
    let _turn = heap.turn();
    let (table, copies) = versions::next_change(map);
    let full = number(table, USED) == capacity(table);
    let slots = if copies || full { 2 * capacity(table) } else { 0 };
    (slots + 2 * CHUNK_ENTRIES) * SLOT_WORDS * size_of::<Value>() + index::index_bytes(slots)
}

/// Keys and values in order.
pub fn entries(heap: &Heap, map: Value) -> Vec<(Value, Value)> {
    let view = View::new(heap, map);
    let mut found = view.in_table();
    let (mut ordered, mut last) = (true, i64::MIN);
    found.retain(|entry| {
        ordered &= last < entry.stamp.as_fixnum();
        last = entry.stamp.as_fixnum();
        !view.changed(entry.key)
    });
    let changed = view.changes.values().flatten().filter(|change| !change.value.is_undefined());
    found.extend(changed);
    if !ordered || !view.changes.is_empty() {
        found.sort_by_key(|entry| entry.stamp.as_fixnum());
    }
    found.into_iter().map(|entry| (entry.key, entry.value)).collect()
}

/// A look at a map that changes nothing: its table, and what in it is different.
pub(crate) struct View<'h> {
    heap: &'h Heap,
    table: Value,
    /// By the hash of the key.
    changes: HashMap<u32, Vec<Change>>,
    _turn: Turn,
}

impl<'h> View<'h> {
    pub(crate) fn new(heap: &'h Heap, map: Value) -> View<'h> {
        let turn = heap.turn();
        let (path, table) = versions::changes(map);
        let mut view = View { heap, table, changes: HashMap::new(), _turn: turn };
        // The nearest to the version counts.
        for change in path {
            if !view.changed(change.key) {
                view.changes.entry(hash(heap, change.key)).or_default().push(change);
            }
        }
        view
    }

    fn change(&self, key: Value) -> Option<&Change> {
        if self.changes.is_empty() {
            return None;
        }
        let known = self.changes.get(&hash(self.heap, key))?;
        known.iter().find(|change| equal(self.heap, change.key, key))
    }

    fn changed(&self, key: Value) -> bool {
        self.change(key).is_some()
    }

    /// The value of `key`.
    pub(crate) fn get(&self, key: Value) -> Option<Value> {
        match self.change(key) {
            Some(change) => Some(change.value).filter(|value| !value.is_undefined()),
            None => {
                find(self.heap, self.table, key).map(|place| slot_word(self.table, place.slot, 1))
            }
        }
    }

    fn in_table(&self) -> Vec<Change> {
        let slots = 0..number(self.table, USED);
        let entries = slots.map(|slot| entry(self.table, slot));
        entries.filter(|entry| !entry.key.is_undefined()).collect()
    }
}

/// The table of a map.
struct Hashed;

impl Table for Hashed {
    const KIND: Kind = Kind::Map;

    fn exchange(heap: &mut Heap, table: Value, change: Change) -> Change {
        let found = find(heap, table, change.key);
        match found {
            Some(place) if change.value.is_undefined() => kill(heap, table, &place),
            Some(place) => {
                let before = entry(table, place.slot);
                write_slot(heap, table, place.slot, 1, change.value);
                before
            }
            None => {
                if !change.value.is_undefined() {
                    insert(heap, table, change);
                }
                Change { value: Value::UNDEFINED, stamp: Value::NIL, ..change }
            }
        }
    }

    fn copy(heap: &mut Heap, table: Value) -> Value {
        let live = number(table, LIVE);
        let capacity = (live + live / 2 + 1).next_power_of_two().max(CAPACITY_MIN);
        let own = create(heap, capacity);
        fill(heap, table, own);
        own
    }

    fn budget(table: Value) -> usize {
        capacity(table)
    }

    fn same_key(heap: &Heap, a: Value, b: Value) -> bool {
        same(heap, a, b)
    }
}

#[inline]
fn same(heap: &Heap, a: Value, b: Value) -> bool {
    a == b || (!b.is_fixnum() && !b.is_symbol() && equal(heap, a, b))
}

#[inline]
fn number(table: Value, field: usize) -> usize {
    table.field(field).as_fixnum() as usize
}

fn set_number(heap: &mut Heap, table: Value, field: usize, number: usize) {
    heap.write(table, field, Value::fixnum(number as i64));
}

fn chunk_entries(capacity: usize) -> usize {
    capacity.min(CHUNK_ENTRIES)
}

fn capacity(table: Value) -> usize {
    let directory = table.field(DIRECTORY);
    let entries = match directory.field_count() {
        1 => directory.field(0).field_count() / SLOT_WORDS,
        _ => CHUNK_ENTRIES,
    };
    directory.field_count() * entries
}

/// A word of a slot that was handed out: 0 its key, 1 its value, 2 its stamp.
#[inline]
fn slot_word(table: Value, slot: usize, word: usize) -> Value {
    let chunk = table.field(DIRECTORY).field(slot / CHUNK_ENTRIES);
    chunk.field(slot % CHUNK_ENTRIES * SLOT_WORDS + word)
}

fn write_slot(heap: &mut Heap, table: Value, slot: usize, word: usize, value: Value) {
    let chunk = table.field(DIRECTORY).field(slot / CHUNK_ENTRIES);
    heap.write(chunk, slot % CHUNK_ENTRIES * SLOT_WORDS + word, value);
}

fn entry(table: Value, slot: usize) -> Change {
    let word = |word| slot_word(table, slot, word);
    Change { key: word(0), value: word(1), stamp: word(2) }
}

/// Where a key is.
struct Place {
    slot: usize,
    /// Its cell in the index, if there is one.
    cell: usize,
}

#[inline]
fn find(heap: &Heap, table: Value, key: Value) -> Option<Place> {
    let index = table.field(INDEX);
    let wanted = |slot| same(heap, slot_word(table, slot, 0), key);
    if index.is_nil() {
        let slot = (0..number(table, USED)).find(|&slot| wanted(slot))?;
        return Some(Place { slot, cell: 0 });
    }
    let (slot, cell) = index::find(heap, index, hash(heap, key), wanted)?;
    Some(Place { slot, cell })
}

/// A table without entries; a single chunk is there from the start, for it tells the capacity.
fn create(heap: &mut Heap, capacity: usize) -> Value {
    assert!(capacity <= ENTRIES_MAX, "a map of {capacity} entries, the most is {ENTRIES_MAX}");
    let mut fields = [Value::ZERO; FIELDS];
    fields[BUDGET] = Value::fixnum(capacity as i64);
    fields[INDEX] = Value::NIL;
    if capacity > UNINDEXED_CAPACITY_MAX {
        fields[INDEX] = index::create(heap, capacity);
    }
    let mut chunks = vec![Value::NIL; capacity.div_ceil(CHUNK_ENTRIES)];
    if let [only] = &mut chunks[..] {
        *only = chunk(heap, capacity);
    }
    fields[DIRECTORY] = heap.fields(Kind::Record, &chunks);
    heap.fields(Kind::Record, &fields)
}

fn chunk(heap: &mut Heap, capacity: usize) -> Value {
    let words = [Value::UNDEFINED; CHUNK_ENTRIES * SLOT_WORDS];
    heap.fields(Kind::Record, &words[..chunk_entries(capacity) * SLOT_WORDS])
}

/// Enters a key that is not there.
fn insert(heap: &mut Heap, table: Value, change: Change) {
    if number(table, USED) == capacity(table) || index_is_full(heap, table) {
        rebuild(heap, table);
    }
    let slot = number(table, USED);
    let next = table.field(NEXT_STAMP).as_fixnum();
    let stamp = if change.stamp.is_nil() { Value::fixnum(next) } else { change.stamp };
    heap.write(table, NEXT_STAMP, Value::fixnum(next.max(stamp.as_fixnum() + 1)));
    append(heap, table, slot, Change { stamp, ..change });
    set_number(heap, table, USED, slot + 1);
    set_number(heap, table, LIVE, number(table, LIVE) + 1);
    let index = table.field(INDEX);
    if !index.is_nil() {
        let hash = hash(heap, change.key);
        if index::insert(heap, index, hash, slot) {
            set_number(heap, table, FILLED, number(table, FILLED) + 1);
        }
    }
}

fn index_is_full(heap: &Heap, table: Value) -> bool {
    let index = table.field(INDEX);
    !index.is_nil() && number(table, FILLED) >= index::cells_max(heap, index)
}

/// Writes the next slot, and makes its chunk if it is the first one there.
fn append(heap: &mut Heap, table: Value, slot: usize, entry: Change) {
    let directory = table.field(DIRECTORY);
    if directory.field(slot / CHUNK_ENTRIES).is_nil() {
        let chunk = chunk(heap, CHUNK_ENTRIES);
        heap.write(directory, slot / CHUNK_ENTRIES, chunk);
    }
    for (word, value) in [entry.key, entry.value, entry.stamp].into_iter().enumerate() {
        write_slot(heap, table, slot, word, value);
    }
}

/// Makes a slot dead; the change that brings it back.
fn kill(heap: &mut Heap, table: Value, place: &Place) -> Change {
    let before = entry(table, place.slot);
    for word in 0..SLOT_WORDS {
        write_slot(heap, table, place.slot, word, Value::UNDEFINED);
    }
    let index = table.field(INDEX);
    if !index.is_nil() {
        index::delete(heap, index, place.cell);
    }
    set_number(heap, table, LIVE, number(table, LIVE) - 1);
    if place.slot + 1 == number(table, USED) {
        set_number(heap, table, USED, place.slot);
    }
    before
}

/// Gives a table without a free slot, or with a full index, room: without its dead slots, and
/// larger if that is not enough.
fn rebuild(heap: &mut Heap, table: Value) {
    let capacity = capacity(table);
    if number(table, LIVE) == capacity && capacity >= CHUNK_ENTRIES {
        double(heap, table);
        return;
    }
    let enough = number(table, LIVE) * 2 <= capacity;
    let fresh = create(heap, if enough { capacity } else { capacity * 2 });
    fill(heap, table, fresh);
    for field in INDEX..FIELDS {
        heap.write(table, field, fresh.field(field));
    }
}

/// Doubles the capacity of a table whose slots are all live; they stay where they are.
fn double(heap: &mut Heap, table: Value) {
    let (full, capacity) = (table.field(DIRECTORY), capacity(table));
    let mut chunks = vec![Value::NIL; 2 * full.field_count()];
    for (at, chunk) in chunks[..full.field_count()].iter_mut().enumerate() {
        *chunk = full.field(at);
    }
    let directory = heap.fields(Kind::Record, &chunks);
    let wider = index::create(heap, 2 * capacity);
    index::transfer(heap, table.field(INDEX), wider, |slot| slot);
    heap.write(table, DIRECTORY, directory);
    heap.write(table, INDEX, wider);
    set_number(heap, table, FILLED, capacity);
}

/// Copies the live slots of `table` into the empty table `fresh`.
fn fill(heap: &mut Heap, table: Value, fresh: Value) {
    let used = number(table, USED);
    let is_live = |&slot: &usize| !slot_word(table, slot, 0).is_undefined();
    let slots: Vec<usize> = (0..used).filter(is_live).collect();
    let size = chunk_entries(capacity(fresh)) * SLOT_WORDS;
    for (at, part) in slots.chunks(CHUNK_ENTRIES).enumerate() {
        let mut words = [Value::UNDEFINED; CHUNK_ENTRIES * SLOT_WORDS];
        for (slot, words) in part.iter().zip(words.chunks_exact_mut(SLOT_WORDS)) {
            let entry = entry(table, *slot);
            words.copy_from_slice(&[entry.key, entry.value, entry.stamp]);
        }
        let chunk = heap.fields(Kind::Record, &words[..size]);
        heap.write(fresh.field(DIRECTORY), at, chunk);
    }
    let (from, to) = (table.field(INDEX), fresh.field(INDEX));
    if !to.is_nil() && !from.is_nil() {
        let mut numbers = vec![0; used];
        for (number, slot) in slots.iter().enumerate() {
            numbers[*slot] = number;
        }
        index::transfer(heap, from, to, |slot| numbers[slot]);
    } else if !to.is_nil() {
        for (number, slot) in slots.iter().enumerate() {
            let hash = hash(heap, slot_word(table, *slot, 0));
            let _ = index::insert(heap, to, hash, number);
        }
    }
    set_number(heap, fresh, USED, slots.len());
    set_number(heap, fresh, LIVE, slots.len());
    set_number(heap, fresh, FILLED, slots.len());
    heap.write(fresh, NEXT_STAMP, table.field(NEXT_STAMP));
}
