//! The table of a map: entries by key, in one of three forms.
//!
//! *Searched*: slots in the order they were handed out, in chunks, each with key, value and stamp
//! (the key's place in the order of entries); a dead slot has no key. Up to eight of them are
//! looked at one by one. *Indexed*: the same, and a hash index tells which slot a key has.
//! *Direct*: every key is an integer from 0 on and is itself the number of its slot, which has
//! value and stamp; one that is not there has no value. A bit for each slot says the same, so that
//! entering a key does not wait for the memory of its slot.
//!
//! 1. No two live slots have equal keys.
//! 2. Stamps of live slots ascend but where the removal of a key was undone, and in direct tables
//!    where keys came in another order; whoever lists entries sorts them then.
//! 3. Stamps are handed out once: a new entry's stamp is above all that the table and those it was
//!    copied from ever had.
//! 4. Capacity is a power of two; chunks are made when their first slot is needed.
//! 5. A table becomes direct when it is full and the keys use an eighth of their range, which makes
//!    it at most about twice as large; with a key that does not fit it becomes an indexed one, that
//!    has room for half as many entries more before it is full again.

use super::versions::{BUDGET, Change};
use super::{CAPACITY_MIN, CHUNK_ENTRIES, ENTRIES_MAX, hash::hash, index};
use crate::equality::equal;
use valk_heap::{Heap, Kind, Value};

const INDEX: usize = 1;
const DIRECTORY: usize = 2;
/// Slots handed out; not used by direct tables.
const USED: usize = 3;
/// Slots that have an entry.
const LIVE: usize = 4;
/// Cells of the index that are not empty.
const FILLED: usize = 5;
const NEXT_STAMP: usize = 6;
const CAPACITY: usize = 7;
/// The bits of a direct table in a string; nil in others.
const PRESENT: usize = 8;
const FIELDS: usize = 9;

/// Words of a slot: key, value, stamp.
const SLOT_WORDS: usize = 3;

/// Words of a direct table's slot: value, stamp.
const DIRECT_WORDS: usize = 2;

/// Chunks of a direct table from which on they are born old.
const OLD_CHUNKS_MIN: usize = 256;

/// Numbers in the range of a direct table for each of its keys.
const RANGE_PER_KEY: usize = 8;

/// Largest capacity of a table without an index.
const UNINDEXED_CAPACITY_MAX: usize = 8;

/// Where a key is.
pub(super) struct Place {
    slot: usize,
    /// Its cell in the index, if there is one.
    cell: usize,
}

#[inline]
pub(super) fn same(heap: &Heap, a: Value, b: Value) -> bool {
    a == b || (!b.is_fixnum() && !b.is_symbol() && equal(heap, a, b))
}

#[inline]
fn number(table: Value, field: usize) -> usize {
    table.field(field).as_fixnum() as usize
}

#[inline]
fn set_number(heap: &mut Heap, table: Value, field: usize, number: usize) {
    heap.write(table, field, Value::fixnum(number as i64));
}

/// Number of entries.
#[inline]
pub(super) fn live(table: Value) -> usize {
    number(table, LIVE)
}

/// The stamp of the next entry.
#[inline]
pub(super) fn next_stamp(table: Value) -> Value {
    table.field(NEXT_STAMP)
}

pub(super) fn capacity(table: Value) -> usize {
    number(table, CAPACITY)
}

#[inline]
fn is_direct(table: Value) -> bool {
    !table.field(PRESENT).is_nil()
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

/// The slot that a direct table has for a key.
#[inline]
fn direct_slot(table: Value, key: Value) -> Option<usize> {
    // Both are numbers, so a negative key is above every capacity.
    let fits = key.is_fixnum() && key.bits() < table.field(CAPACITY).bits();
    fits.then(|| key.as_fixnum() as usize)
}

/// The value in a slot of a direct table, undefined when there is none.
#[inline]
fn direct_value(table: Value, slot: usize) -> Value {
    let chunk = table.field(DIRECTORY).field(slot / CHUNK_ENTRIES);
    if chunk.is_nil() {
        return Value::UNDEFINED;
    }
    chunk.field(slot % CHUNK_ENTRIES * DIRECT_WORDS)
}

/// Whether a slot of a direct table has an entry.
#[inline]
fn is_present(heap: &Heap, table: Value, slot: usize) -> bool {
    table.field(PRESENT).bytes(heap)[slot / 8] >> (slot % 8) & 1 == 1
}

/// Notes that a slot of a direct table got an entry or lost it.
#[inline]
fn flip_present(heap: &mut Heap, table: Value, slot: usize) {
    heap.bytes_mut(table.field(PRESENT))[slot / 8] ^= 1 << (slot % 8);
}

/// Writes value and stamp into a slot of a direct table.
#[inline]
fn write_direct(heap: &mut Heap, table: Value, slot: usize, value: Value, stamp: Value) {
    let directory = table.field(DIRECTORY);
    let mut chunk = directory.field(slot / CHUNK_ENTRIES);
    if chunk.is_nil() {
        chunk = direct_chunk(heap);
        heap.write(directory, slot / CHUNK_ENTRIES, chunk);
    }
    let first = slot % CHUNK_ENTRIES * DIRECT_WORDS;
    if value.is_fixnum() && stamp.is_fixnum() {
        // SAFETY: chunks of direct tables have this many words, and numbers are no references.
        unsafe {
            heap.write_plain(chunk, first, value);
            heap.write_plain(chunk, first + 1, stamp);
        }
        return;
    }
    heap.write(chunk, first, value);
    heap.write(chunk, first + 1, stamp);
}

/// The entry in a slot, which has one.
pub(super) fn entry(table: Value, place: &Place) -> Change {
    slot_entry(table, place.slot)
}

fn slot_entry(table: Value, slot: usize) -> Change {
    if is_direct(table) {
        let chunk = table.field(DIRECTORY).field(slot / CHUNK_ENTRIES);
        let stamp = chunk.field(slot % CHUNK_ENTRIES * DIRECT_WORDS + 1);
        return Change { key: Value::fixnum(slot as i64), value: direct_value(table, slot), stamp };
    }
    let word = |word| slot_word(table, slot, word);
    Change { key: word(0), value: word(1), stamp: word(2) }
}

/// All entries, in the order of their slots.
pub(super) fn entries(heap: &Heap, table: Value) -> Vec<Change> {
    let is_live = |&slot: &usize| {
        if is_direct(table) {
            is_present(heap, table, slot)
        } else {
            !slot_word(table, slot, 0).is_undefined()
        }
    };
    let slots = if is_direct(table) { capacity(table) } else { number(table, USED) };
    (0..slots).filter(is_live).map(|slot| slot_entry(table, slot)).collect()
}

/// The value of a key.
#[inline]
pub(super) fn value(heap: &Heap, table: Value, key: Value) -> Option<Value> {
    if is_direct(table) {
        let value = direct_value(table, direct_slot(table, key)?);
        return Some(value).filter(|value| !value.is_undefined());
    }
    search(heap, table, key).map(|place| slot_word(table, place.slot, 1))
}

#[inline]
pub(super) fn find(heap: &Heap, table: Value, key: Value) -> Option<Place> {
    if is_direct(table) {
        let slot = direct_slot(table, key)?;
        return is_present(heap, table, slot).then_some(Place { slot, cell: 0 });
    }
    search(heap, table, key)
}

/// Finds a key in a table that is not direct.
#[inline]
fn search(heap: &Heap, table: Value, key: Value) -> Option<Place> {
    let index = table.field(INDEX);
    let wanted = |slot| same(heap, slot_word(table, slot, 0), key);
    if index.is_nil() {
        let slot = (0..number(table, USED)).find(|&slot| wanted(slot))?;
        return Some(Place { slot, cell: 0 });
    }
    let (slot, cell) = index::find(heap, index, hash(heap, key), wanted)?;
    Some(Place { slot, cell })
}

/// A table without entries.
pub(super) fn create(heap: &mut Heap, capacity: usize) -> Value {
    let first = chunk(heap, capacity);
    let index =
        if capacity > UNINDEXED_CAPACITY_MAX { index::create(heap, capacity) } else { Value::NIL };
    make(heap, capacity, first, index, Value::NIL)
}

/// A direct table without entries whose largest key will be `last`; it has the chunks of `known`.
fn create_direct(heap: &mut Heap, last: usize, known: &[Value]) -> Value {
    let capacity = (last + 1).next_power_of_two().max(CHUNK_ENTRIES);
    let present = heap.string_from(capacity / 8, |_| ());
    let table = make(heap, capacity, Value::NIL, Value::NIL, present);
    let directory = table.field(DIRECTORY);
    let chunks = known.len().max(last / CHUNK_ENTRIES + 1);
    for at in 0..chunks {
        // Nearly all will be needed; made in order they lie in order.
        let chunk = known.get(at).copied().filter(|chunk| !chunk.is_nil());
        let chunk = chunk.unwrap_or_else(|| {
            if chunks < OLD_CHUNKS_MIN {
                return direct_chunk(heap);
            }
            heap.old_fields(Kind::Record, Value::UNDEFINED, CHUNK_ENTRIES * DIRECT_WORDS)
        });
        heap.write(directory, at, chunk);
    }
    table
}

fn direct_chunk(heap: &mut Heap) -> Value {
    heap.fields(Kind::Record, &[Value::UNDEFINED; CHUNK_ENTRIES * DIRECT_WORDS])
}

fn make(heap: &mut Heap, capacity: usize, first: Value, index: Value, present: Value) -> Value {
    assert!(capacity <= ENTRIES_MAX, "a map of {capacity} entries, the most is {ENTRIES_MAX}");
    let mut chunks = vec![Value::NIL; capacity.div_ceil(CHUNK_ENTRIES)];
    chunks[0] = first;
    let mut fields = [Value::ZERO; FIELDS];
    fields[BUDGET] = Value::fixnum(capacity as i64);
    fields[CAPACITY] = fields[BUDGET];
    fields[INDEX] = index;
    fields[PRESENT] = present;
    fields[DIRECTORY] = heap.fields(Kind::Record, &chunks);
    heap.fields(Kind::Record, &fields)
}

fn chunk(heap: &mut Heap, capacity: usize) -> Value {
    let words = [Value::UNDEFINED; CHUNK_ENTRIES * SLOT_WORDS];
    heap.fields(Kind::Record, &words[..capacity.min(CHUNK_ENTRIES) * SLOT_WORDS])
}

/// Whether a new key can be entered as the table is.
#[inline]
pub(super) fn has_room(heap: &Heap, table: Value, key: Value) -> bool {
    if is_direct(table) {
        return direct_slot(table, key).is_some();
    }
    let index = table.field(INDEX);
    number(table, USED) < capacity(table)
        && (index.is_nil() || number(table, FILLED) < index::cells_max(heap, index))
}

/// Bytes that an entered key allocates at most while there is room.
pub(super) const ENTRY_BYTES: usize = 2 * CHUNK_ENTRIES * SLOT_WORDS * size_of::<Value>();

/// Bytes that growing or copying the table allocates at most.
pub(super) fn rebuilt_bytes(table: Value) -> usize {
    let slots = 2 * capacity(table);
    let indexed = slots * SLOT_WORDS * size_of::<Value>() + index::index_bytes(slots);
    // A third word for the directory.
    let direct = (live(table) + 1) * RANGE_PER_KEY * (DIRECT_WORDS + 1) * size_of::<Value>();
    ENTRY_BYTES + indexed.max(direct)
}

/// Enters a key that is not there.
pub(super) fn insert(heap: &mut Heap, table: Value, change: Change) {
    if !has_room(heap, table, change.key) {
        rebuild(heap, table, change.key);
    }
    let next = next_stamp(table).as_fixnum();
    let stamp = if change.stamp.is_nil() { Value::fixnum(next) } else { change.stamp };
    heap.write(table, NEXT_STAMP, Value::fixnum(next.max(stamp.as_fixnum() + 1)));
    set_number(heap, table, LIVE, live(table) + 1);
    if is_direct(table) {
        let slot = change.key.as_fixnum() as usize;
        flip_present(heap, table, slot);
        return write_direct(heap, table, slot, change.value, stamp);
    }
    let slot = number(table, USED);
    append(heap, table, slot, Change { stamp, ..change });
    set_number(heap, table, USED, slot + 1);
    let index = table.field(INDEX);
    if !index.is_nil() {
        let hash = hash(heap, change.key);
        if index::insert(heap, index, hash, slot) {
            set_number(heap, table, FILLED, number(table, FILLED) + 1);
        }
    }
}

/// Enters a key into a direct table; false when it is there, or out of range, or the table is not
/// direct.
#[inline]
pub(super) fn extend(heap: &mut Heap, table: Value, key: Value, value: Value) -> bool {
    if !is_direct(table) {
        return false;
    }
    let Some(slot) = direct_slot(table, key) else { return false };
    if is_present(heap, table, slot) {
        return false;
    }
    flip_present(heap, table, slot);
    let stamp = next_stamp(table);
    write_direct(heap, table, slot, value, stamp);
    heap.write(table, NEXT_STAMP, Value::fixnum(stamp.as_fixnum() + 1));
    set_number(heap, table, LIVE, live(table) + 1);
    true
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

/// Gives a key that is there a value and, unless it is nil, a stamp; the change that undoes that.
pub(super) fn replace(heap: &mut Heap, table: Value, place: &Place, change: Change) -> Change {
    let before = entry(table, place);
    let stamp = if change.stamp.is_nil() { before.stamp } else { change.stamp };
    if is_direct(table) {
        write_direct(heap, table, place.slot, change.value, stamp);
    } else {
        write_slot(heap, table, place.slot, 1, change.value);
        write_slot(heap, table, place.slot, 2, stamp);
    }
    before
}

/// Makes a slot dead; the change that brings it back.
pub(super) fn kill(heap: &mut Heap, table: Value, place: &Place) -> Change {
    let before = entry(table, place);
    set_number(heap, table, LIVE, live(table) - 1);
    if is_direct(table) {
        flip_present(heap, table, place.slot);
        write_direct(heap, table, place.slot, Value::UNDEFINED, Value::UNDEFINED);
        return before;
    }
    for word in 0..SLOT_WORDS {
        write_slot(heap, table, place.slot, word, Value::UNDEFINED);
    }
    let index = table.field(INDEX);
    if !index.is_nil() {
        index::delete(heap, index, place.cell);
    }
    if place.slot + 1 == number(table, USED) {
        set_number(heap, table, USED, place.slot);
    }
    before
}

/// Makes room for a new key: without dead slots, in another form, larger.
fn rebuild(heap: &mut Heap, table: Value, key: Value) {
    let before = capacity(table);
    let last = if is_direct(table) { direct_number(key, live(table)) } else { last(table, key) };
    match last {
        Some(last) if is_direct(table) => widen(heap, table, last),
        Some(last) => {
            let fresh = create_direct(heap, last, &[]);
            refill(heap, fresh, table, &entries(heap, table));
            adopt(heap, table, fresh);
        }
        None if is_direct(table) => index(heap, table),
        None if live(table) == before && before >= CHUNK_ENTRIES => double(heap, table),
        None => {
            let enough = live(table) * 2 <= before;
            let fresh = create(heap, if enough { before } else { before * 2 });
            fill(heap, table, fresh);
            adopt(heap, table, fresh);
        }
    }
    // What is larger takes more changes.
    let gained = capacity(table).saturating_sub(before);
    set_number(heap, table, BUDGET, number(table, BUDGET) + gained);
}

/// A key as the number of a slot, if that is not too far out for a table of so many keys and one.
fn direct_number(key: Value, keys: usize) -> Option<usize> {
    let end = ((keys + 1) * RANGE_PER_KEY).min(ENTRIES_MAX);
    let number = Some(key).filter(|key| key.is_fixnum()).map(Value::as_fixnum)?;
    usize::try_from(number).ok().filter(|&number| number < end)
}

/// The largest key of a table that is not direct, and of `key`, if it may be a direct one.
fn last(table: Value, key: Value) -> Option<usize> {
    let keys = live(table);
    if keys < UNINDEXED_CAPACITY_MAX {
        return None;
    }
    let known = (0..number(table, USED)).map(|slot| slot_word(table, slot, 0));
    known
        .filter(|known| !known.is_undefined())
        .try_fold(direct_number(key, keys)?, |last, known| {
            Some(last.max(direct_number(known, keys)?))
        })
}

/// Takes over what another table has.
fn adopt(heap: &mut Heap, table: Value, fresh: Value) {
    for field in INDEX..FIELDS {
        heap.write(table, field, fresh.field(field));
    }
}

/// Makes a direct table reach to `last`.
fn widen(heap: &mut Heap, table: Value, last: usize) {
    let directory = table.field(DIRECTORY);
    let known: Vec<Value> = (0..directory.field_count()).map(|at| directory.field(at)).collect();
    let wider = create_direct(heap, last, &known);
    let present = (table.field(PRESENT), wider.field(PRESENT));
    let known = present.0.bytes(heap).to_vec();
    heap.bytes_mut(present.1)[..known.len()].copy_from_slice(&known);
    heap.write(table, DIRECTORY, wider.field(DIRECTORY));
    heap.write(table, PRESENT, present.1);
    heap.write(table, CAPACITY, wider.field(CAPACITY));
}

/// Makes a direct table an indexed one.
fn index(heap: &mut Heap, table: Value) {
    let fresh = create(heap, roomy(live(table)));
    refill(heap, fresh, table, &in_order(entries(heap, table)));
    adopt(heap, table, fresh);
}

/// Capacity of a table that is made for so many entries.
fn roomy(entries: usize) -> usize {
    (entries + entries / 2 + 1).next_power_of_two().max(CAPACITY_MIN)
}

fn in_order(mut entries: Vec<Change>) -> Vec<Change> {
    entries.sort_unstable_by_key(|entry| entry.stamp.as_fixnum());
    entries
}

/// Enters entries of `table` into `fresh`, which is empty and has room for them.
fn refill(heap: &mut Heap, fresh: Value, table: Value, entries: &[Change]) {
    for entry in entries {
        insert(heap, fresh, *entry);
    }
    heap.write(fresh, NEXT_STAMP, next_stamp(table));
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
    set_number(heap, table, CAPACITY, 2 * capacity);
}

/// A table of its own with the entries whose stamps are below `limit`.
pub(super) fn copy_below(heap: &mut Heap, table: Value, limit: i64) -> Value {
    let mut entries = entries(heap, table);
    entries.retain(|entry| entry.stamp.as_fixnum() < limit);
    let own = match entries.last().filter(|_| is_direct(table)) {
        Some(last) if direct_number(last.key, entries.len()).is_some() => {
            create_direct(heap, last.key.as_fixnum() as usize, &[])
        }
        _ => {
            entries = in_order(entries);
            create(heap, roomy(entries.len()))
        }
    };
    refill(heap, own, table, &entries);
    own
}

/// A table with the same entries.
pub(super) fn copy(heap: &mut Heap, table: Value) -> Value {
    if is_direct(table) {
        return copy_below(heap, table, i64::MAX);
    }
    let own = create(heap, roomy(live(table)));
    fill(heap, table, own);
    own
}

/// The key of an entry whose stamp is not below `limit`; there is one. Makes a direct table an
/// indexed one, which finds it at its end.
pub(super) fn key_from(heap: &mut Heap, table: Value, limit: i64) -> Value {
    if is_direct(table) {
        index(heap, table);
    }
    let mut slots = (0..number(table, USED)).rev().map(|slot| slot_entry(table, slot));
    let found = slots.find(|entry| !entry.key.is_undefined() && entry.stamp.as_fixnum() >= limit);
    found.expect("a table with more entries than a map has a later one").key
}

/// Copies the live slots of `table`, which is not direct, into the empty table `fresh`.
fn fill(heap: &mut Heap, table: Value, fresh: Value) {
    let used = number(table, USED);
    let is_live = |&slot: &usize| !slot_word(table, slot, 0).is_undefined();
    let slots: Vec<usize> = (0..used).filter(is_live).collect();
    let size = capacity(fresh).min(CHUNK_ENTRIES) * SLOT_WORDS;
    for (at, part) in slots.chunks(CHUNK_ENTRIES).enumerate() {
        let mut words = [Value::UNDEFINED; CHUNK_ENTRIES * SLOT_WORDS];
        for (slot, words) in part.iter().zip(words.chunks_exact_mut(SLOT_WORDS)) {
            let entry = slot_entry(table, *slot);
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
    heap.write(fresh, NEXT_STAMP, next_stamp(table));
}
