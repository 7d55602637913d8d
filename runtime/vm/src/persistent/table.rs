//! The table of a map: entries by key, in one of three forms.
//!
//! *Searched*: slots in the order they were handed out, in chunks, each with key, value and stamp
//! (the key's place in the order of entries); a dead slot has no key. Up to eight of them are
//! looked at one by one. *Indexed*: the same, and a hash index tells which slot a key has.
//! *Direct*: see `direct`.
//!
//! 1. No two live slots have equal keys.
//! 2. Stamps of live slots ascend but where the removal of a key was undone, and in direct tables;
//!    listing the entries sorts them.
//! 3. Stamps are handed out once: a new entry's stamp is above all that the table and those it was
//!    copied from ever had.
//! 4. Capacity is a power of two but for direct tables; chunks are made when their first slot is
//!    needed.
//! 5. A table becomes direct when it is full and the keys use a sixteenth of their range; with a key
//!    that does not fit it becomes an indexed one, that has room for half as many entries more before
//!    it is full again.

use super::limits::{CAPACITY_MIN, CHUNK_ENTRIES, ENTRIES_MAX};
use super::versions::{BUDGET, Change};
use super::{direct, hash::hash, index};
use crate::values::equality::equal;
use valk_heap::{Heap, Kind, Value};

const INDEX: usize = 1;
pub(super) const DIRECTORY: usize = 2;
/// Slots handed out; not used by direct tables.
const USED: usize = 3;
/// Slots that have an entry.
pub(super) const LIVE: usize = 4;
/// Cells of the index that are not empty.
const FILLED: usize = 5;
pub(super) const NEXT_STAMP: usize = 6;
pub(super) const CAPACITY: usize = 7;
/// A slot below which all are dead; not used by direct tables. Three fields before it are of direct
/// tables, nil in others.
const FIRST: usize = 11;
/// The slot from which on stamps may not ascend (rule 2), or [`ALL`]; not used by direct tables.
const ORDERED: usize = 12;
const FIELDS: usize = 13;

/// No slot is out of order.
const ALL: usize = i32::MAX as usize;

/// Slots out of order at the end of a table in which ends are looked for one by one.
pub(super) const UNORDERED_MAX: usize = 16;

/// Words of a slot: key, value, stamp.
const SLOT_WORDS: usize = 3;

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
pub(super) fn number(table: Value, field: usize) -> usize {
    table.field(field).as_fixnum() as usize
}

#[inline]
pub(super) fn set_number(heap: &mut Heap, table: Value, field: usize, number: usize) {
    assert!(field < FIELDS, "no field {field} of a table");
    // SAFETY: tables have this field, and numbers are no references.
    unsafe { heap.write_plain(table, field, Value::fixnum(number as i64)) };
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

/// The entry in a slot, which has one. A plain table must be made a stamped one before.
pub(super) fn entry(heap: &Heap, table: Value, place: &Place) -> Change {
    if direct::is(table) {
        return direct::entry(heap, table, place.slot);
    }
    slot_entry(table, place.slot)
}

/// The entry in a slot of a table that is not direct.
fn slot_entry(table: Value, slot: usize) -> Change {
    let word = |word| slot_word(table, slot, word);
    Change { key: word(0), value: word(1), stamp: word(2) }
}

/// All entries, in the order of their slots but for those of a plain table.
pub(super) fn entries(heap: &Heap, table: Value) -> Vec<Change> {
    if direct::is(table) {
        return direct::entries(heap, table);
    }
    let entries = (0..number(table, USED)).map(|slot| slot_entry(table, slot));
    entries.filter(|entry| !entry.key.is_undefined()).collect()
}

/// The value of a key.
#[inline]
pub(super) fn value(heap: &Heap, table: Value, key: Value) -> Option<Value> {
    if direct::is(table) {
        let value = direct::value(heap, table, direct::slot(table, key)?);
        return Some(value).filter(|value| !value.is_undefined());
    }
    search(heap, table, key).map(|place| slot_word(table, place.slot, 1))
}

#[inline]
pub(super) fn find(heap: &Heap, table: Value, key: Value) -> Option<Place> {
    if direct::is(table) {
        let slot = direct::slot(table, key)?;
        return direct::is_present(heap, table, slot).then_some(Place { slot, cell: 0 });
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
    let table = make(heap, capacity);
    let mut chunks = vec![Value::NIL; capacity.div_ceil(CHUNK_ENTRIES)];
    chunks[0] = chunk(heap, capacity);
    let directory = heap.fields(Kind::Record, &chunks);
    heap.write(table, DIRECTORY, directory);
    if capacity > UNINDEXED_CAPACITY_MAX {
        let index = index::create(heap, capacity);
        heap.write(table, INDEX, index);
    }
    table
}

/// A table of no form yet.
pub(super) fn make(heap: &mut Heap, capacity: usize) -> Value {
    assert!(capacity <= ENTRIES_MAX, "a map of {capacity} entries, the most is {ENTRIES_MAX}");
    let mut fields = [Value::NIL; FIELDS];
    for field in [USED, LIVE, FILLED, NEXT_STAMP, FIRST] {
        fields[field] = Value::ZERO;
    }
    fields[ORDERED] = Value::fixnum(ALL as i64);
    fields[BUDGET] = Value::fixnum(capacity as i64);
    fields[CAPACITY] = fields[BUDGET];
    heap.fields(Kind::Record, &fields)
}

fn chunk(heap: &mut Heap, capacity: usize) -> Value {
    let words = [Value::UNDEFINED; CHUNK_ENTRIES * SLOT_WORDS];
    heap.fields(Kind::Record, &words[..capacity.min(CHUNK_ENTRIES) * SLOT_WORDS])
}

/// Whether `key` can be entered as the table is, if it is a new one, and before it `others` of those
/// that the table had once.
#[inline]
pub(super) fn has_room(heap: &Heap, table: Value, key: Value, others: usize) -> bool {
    if direct::is(table) {
        return direct::has_room(heap, table, key);
    }
    let index = table.field(INDEX);
    number(table, USED) + others < capacity(table)
        && (index.is_nil() || number(table, FILLED) + others < index::cells_max(heap, index))
}

/// Bytes that an entered key allocates at most while there is room.
pub(super) const ENTRY_BYTES: usize = 2 * CHUNK_ENTRIES * SLOT_WORDS * size_of::<Value>();

/// Bytes that growing or copying the table allocates at most, growing for `key`.
pub(super) fn rebuilt_bytes(table: Value, key: Value) -> usize {
    let (keys, capacity) = (live(table), capacity(table));
    let (slots, last) = if direct::is(table) {
        let last = direct::slot_among(key, keys).unwrap_or(0).max(capacity);
        (roomy(keys + 1), Some(last))
    } else {
        (2 * capacity, last(table, key))
    };
    let indexed = slots * SLOT_WORDS * size_of::<Value>() + index::index_bytes(slots);
    ENTRY_BYTES + indexed.max(last.map_or(0, |last| direct::rebuilt_bytes(last, keys)))
}

/// Enters a key that is not there.
pub(super) fn insert(heap: &mut Heap, table: Value, change: Change) {
    if !has_room(heap, table, change.key, 0) {
        rebuild(heap, table, change.key);
    }
    let next = next_stamp(table).as_fixnum();
    let stamp = if change.stamp.is_nil() { Value::fixnum(next) } else { change.stamp };
    if direct::is(table) {
        direct::enter(heap, table, change.key.as_fixnum() as usize, change.value, stamp);
    } else {
        if stamp.as_fixnum() < next {
            out_of_order(heap, table, number(table, USED));
        }
        append(heap, table, Change { stamp, ..change });
    }
    heap.write(table, NEXT_STAMP, Value::fixnum(next.max(stamp.as_fixnum() + 1)));
    set_number(heap, table, LIVE, live(table) + 1);
}

/// Writes the next slot, and makes its chunk if it is the first one there. Counts no entry.
fn append(heap: &mut Heap, table: Value, entry: Change) {
    let slot = number(table, USED);
    let directory = table.field(DIRECTORY);
    if directory.field(slot / CHUNK_ENTRIES).is_nil() {
        let chunk = chunk(heap, CHUNK_ENTRIES);
        heap.write(directory, slot / CHUNK_ENTRIES, chunk);
    }
    for (word, value) in [entry.key, entry.value, entry.stamp].into_iter().enumerate() {
        write_slot(heap, table, slot, word, value);
    }
    set_number(heap, table, USED, slot + 1);
    if slot < number(table, FIRST) {
        set_number(heap, table, FIRST, slot);
    }
    let index = table.field(INDEX);
    if !index.is_nil() {
        let hash = hash(heap, entry.key);
        if index::insert(heap, index, hash, slot) {
            set_number(heap, table, FILLED, number(table, FILLED) + 1);
        }
    }
}

/// Gives a key that is there a value and, unless it is nil, a stamp; the change that undoes that.
pub(super) fn replace(heap: &mut Heap, table: Value, place: &Place, change: Change) -> Change {
    direct::ensure_stamped(heap, table);
    let before = entry(heap, table, place);
    let stamp = if change.stamp.is_nil() { before.stamp } else { change.stamp };
    if direct::is(table) {
        direct::overwrite(heap, table, place.slot, change.value, stamp);
    } else {
        write_slot(heap, table, place.slot, 1, change.value);
        write_slot(heap, table, place.slot, 2, stamp);
        if stamp != before.stamp {
            out_of_order(heap, table, place.slot);
        }
    }
    before
}

/// From this slot on stamps may not ascend.
fn out_of_order(heap: &mut Heap, table: Value, slot: usize) {
    if slot < number(table, ORDERED) {
        set_number(heap, table, ORDERED, slot);
    }
}

/// Slots are handed out up to this one only.
fn set_used(heap: &mut Heap, table: Value, used: usize) {
    set_number(heap, table, USED, used);
    if used <= number(table, ORDERED) {
        set_number(heap, table, ORDERED, ALL);
    }
}

/// Makes a slot dead; the change that brings it back.
pub(super) fn kill(heap: &mut Heap, table: Value, place: &Place) -> Change {
    direct::ensure_stamped(heap, table);
    let before = entry(heap, table, place);
    set_number(heap, table, LIVE, live(table) - 1);
    if direct::is(table) {
        direct::kill(heap, table, place.slot);
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
        set_used(heap, table, place.slot);
    }
    before
}

/// Makes room for a new key: without dead slots, in another form, larger.
fn rebuild(heap: &mut Heap, table: Value, key: Value) {
    let before = capacity(table);
    let is_direct = direct::is(table);
    let last = if is_direct { direct::slot_among(key, live(table)) } else { last(table, key) };
    match last {
        Some(last) if is_direct => direct::widen(heap, table, last),
        Some(last) => {
            let fresh = create_direct(heap, table, last, &entries(heap, table));
            adopt(heap, table, fresh);
        }
        None if is_direct => index(heap, table),
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

/// The largest key of a table that is not direct, and of `key`, if it may be a direct one.
fn last(table: Value, key: Value) -> Option<usize> {
    let keys = live(table);
    if keys < UNINDEXED_CAPACITY_MAX {
        return None;
    }
    let known = (0..number(table, USED)).map(|slot| slot_word(table, slot, 0));
    known
        .filter(|known| !known.is_undefined())
        .try_fold(direct::slot_among(key, keys)?, |last, known| {
            Some(last.max(direct::slot_among(known, keys)?))
        })
}

/// Takes over what another table has.
fn adopt(heap: &mut Heap, table: Value, fresh: Value) {
    for field in INDEX..FIELDS {
        heap.write(table, field, fresh.field(field));
    }
}

/// A direct table with these entries of `table`; the largest key is `last`, now or soon.
fn create_direct(heap: &mut Heap, table: Value, last: usize, entries: &[Change]) -> Value {
    let numbered = entries.iter().zip(0..).all(|(entry, at)| entry.stamp.as_fixnum() == at);
    let plain = numbered && next_stamp(table).as_fixnum() as usize == entries.len();
    let fresh = direct::create(heap, last, plain.then_some(2 * entries.len()));
    refill(heap, fresh, table, entries);
    fresh
}

/// Makes a table an indexed one whose entries are in order.
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
    let largest = entries.iter().map(|entry| entry.key).filter(|_| direct::is(table));
    let last = largest.max_by_key(|key| key.as_fixnum());
    if let Some(last) = last.and_then(|key| direct::slot_among(key, entries.len())) {
        return create_direct(heap, table, last, &entries);
    }
    let own = create(heap, roomy(entries.len()));
    refill(heap, own, table, &in_order(entries));
    own
}

/// A table with the same entries.
pub(super) fn copy(heap: &mut Heap, table: Value) -> Value {
    if direct::is(table) {
        return copy_below(heap, table, i64::MAX);
    }
    let own = create(heap, roomy(live(table)));
    fill(heap, table, own);
    own
}

/// Makes a table one whose entries can be walked in their order, by [`walk`], which takes what
/// [`rebuilt_bytes`] says.
pub(super) fn make_walkable(heap: &mut Heap, table: Value) {
    if direct::is_plain(table) {
        return;
    }
    let is_mixed =
        |table| number(table, USED).saturating_sub(number(table, ORDERED)) > UNORDERED_MAX;
    if direct::is(table) || is_mixed(table) {
        index(heap, table);
    }
    // What is dead at the ends is not looked at again.
    let is_dead = |slot: usize| slot_word(table, slot, 0).is_undefined();
    let (mut first, mut used) = (number(table, FIRST), number(table, USED));
    while used > 0 && is_dead(used - 1) {
        used -= 1;
    }
    while first < used && is_dead(first) {
        first += 1;
    }
    set_used(heap, table, used);
    set_number(heap, table, FIRST, first);
}

/// The entry of a table that [`make_walkable`] has made so, with the smallest stamp that is at least
/// `from` and below `limit`, or with the largest if `last`; of those that `wanted` accepts.
pub(super) fn walk(
    heap: &Heap,
    table: Value,
    (from, limit): (i64, i64),
    last: bool,
    wanted: impl Fn(&Change) -> bool,
) -> Option<Change> {
    if direct::is_plain(table) {
        return direct::walk(heap, table, (from, limit), last, wanted);
    }
    let used = number(table, USED);
    let (first, ordered) = (number(table, FIRST).min(used), number(table, ORDERED).min(used));
    let live =
        |slot: usize| Some(slot_entry(table, slot)).filter(|entry| !entry.key.is_undefined());
    let is_wanted =
        |entry: &Change| (from..limit).contains(&entry.stamp.as_fixnum()) && wanted(entry);
    let (first, ordered) = (first.min(ordered), ordered);
    let found = if last {
        let end = lower_bound(table, first..ordered, limit);
        let mut below = (first..end).rev().filter_map(live);
        below.find(|entry| entry.stamp.as_fixnum() < from || is_wanted(entry)).filter(is_wanted)
    } else {
        let start = lower_bound(table, first..ordered, from);
        let mut above = (start..ordered).filter_map(live);
        above.find(|entry| entry.stamp.as_fixnum() >= limit || is_wanted(entry)).filter(is_wanted)
    };
    let others = (ordered..used).filter_map(live).filter(is_wanted);
    let all = found.into_iter().chain(others);
    let stamp = |entry: &Change| entry.stamp.as_fixnum();
    if last { all.max_by_key(stamp) } else { all.min_by_key(stamp) }
}

/// The first of these slots, whose stamps ascend, behind all live ones with stamps below `stamp`.
fn lower_bound(table: Value, slots: std::ops::Range<usize>, stamp: i64) -> usize {
    let (mut low, mut high) = (slots.start, slots.end);
    while low < high {
        let middle = low.midpoint(high);
        let is_live = |slot: &usize| !slot_word(table, *slot, 0).is_undefined();
        match (low..=middle).rev().find(is_live) {
            Some(slot) if slot_word(table, slot, 2).as_fixnum() >= stamp => high = slot,
            _ => low = middle + 1,
        }
    }
    low
}

/// The key of an entry whose stamp is not below `limit`; there is one. Makes a direct table an
/// indexed one, which finds it at its end.
pub(super) fn key_from(heap: &mut Heap, table: Value, limit: i64) -> Value {
    if direct::is(table) {
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
    if number(table, ORDERED) < used {
        set_number(
            heap,
            fresh,
            ORDERED,
            slots.partition_point(|slot| *slot < number(table, ORDERED)),
        );
    }
    heap.write(fresh, NEXT_STAMP, next_stamp(table));
}
