//! Direct tables: every key is an integer from 0 on and is itself the number of its slot.
//!
//! *Values*: while all of them are small integers they stand in a string, which the collector does
//! not look into: the table is *packed*. With the first other value they move to chunks of slots, an
//! undefined one for a key that is not there. A bit for each slot says what is there too, so that
//! entering a key does not wait for the memory of its slot.
//!
//! *Order*: a *plain* table lists the keys in the order they came, and a key's stamp is its place in
//! the list. A *stamped* table has the stamp of each slot.
//!
//! 1. In a plain table the stamps are those from 0 to the number of entries, and so is the next one:
//!    all that happened to it is that keys were entered.
//! 2. An operation that needs the stamp of a key makes the table a stamped one. It remains that, and what is not
//!    packed any more remains so too.

use super::limits::ENTRIES_MAX;
use super::table::{self, CAPACITY, DIRECTORY, LIVE, NEXT_STAMP, number, set_number};
use super::versions::Change;
use valk_heap::{Heap, Kind, Value};

/// The bits of the slots in a string; nil in tables that are not direct.
pub(super) const PRESENT: usize = 8;
/// The keys of a plain table in the order they came, four bytes each, in a string with room for more;
/// nil in others.
const ORDER: usize = 9;
/// The stamps of a stamped table by slot, eight bytes each, in a string; nil in others.
const STAMPS: usize = 10;

const KEY_BYTES: usize = 4;
const NUMBER_BYTES: usize = 8;
const STAMP_BYTES: usize = 8;

/// Slots of a chunk, which is what a minor collection looks at when one of them was changed.
const CHUNK_SLOTS: usize = 64;

/// Numbers in the range of a table for each of its keys.
const RANGE_PER_KEY: usize = 16;

#[inline]
pub(super) fn is(table: Value) -> bool {
    !table.field(PRESENT).is_nil()
}

/// Whether a table, direct or not, is a plain one.
#[inline]
pub(super) fn is_plain(table: Value) -> bool {
    !table.field(ORDER).is_nil()
}

/// The slot of a key, if the table reaches to it.
#[inline]
pub(super) fn slot(table: Value, key: Value) -> Option<usize> {
    // Both are numbers, so a negative key is above every capacity.
    let fits = key.is_fixnum() && key.bits() < table.field(CAPACITY).bits();
    fits.then(|| key.as_fixnum() as usize)
}

#[inline]
fn is_packed(table: Value) -> bool {
    table.field(DIRECTORY).is_string()
}

/// The value in a slot, undefined when there is none.
#[inline]
pub(super) fn value(heap: &Heap, table: Value, slot: usize) -> Value {
    let values = table.field(DIRECTORY);
    if is_packed(table) {
        let number = values.bytes(heap)[slot * NUMBER_BYTES..][..NUMBER_BYTES].try_into();
        return unpacked(i64::from_le_bytes(number.expect("eight bytes")));
    }
    let chunk = values.field(slot / CHUNK_SLOTS);
    if chunk.is_nil() { Value::UNDEFINED } else { chunk.field(slot % CHUNK_SLOTS) }
}

/// The value that a packed table has as this number, which is 0 when there is none.
#[inline]
fn unpacked(number: i64) -> Value {
    if number == 0 { Value::UNDEFINED } else { Value::fixnum(number >> 1) }
}

/// What [`unpacked`] makes this value of, if there is such a thing.
#[inline]
fn packed(value: Value) -> Option<i64> {
    if value.is_fixnum() {
        return Some(value.as_fixnum() << 1 | 1);
    }
    value.is_undefined().then_some(0)
}

/// Whether a slot has an entry.
#[inline]
pub(super) fn is_present(heap: &Heap, table: Value, slot: usize) -> bool {
    table.field(PRESENT).bytes(heap)[slot / 8] >> (slot % 8) & 1 == 1
}

/// Notes that a slot gets an entry; false when it has one.
#[inline]
fn take(heap: &mut Heap, table: Value, slot: usize) -> bool {
    let bits = &mut heap.bytes_mut(table.field(PRESENT))[slot / 8];
    let taken = *bits >> (slot % 8) & 1 == 1;
    *bits |= 1 << (slot % 8);
    !taken
}

#[inline]
fn write_value(heap: &mut Heap, table: Value, slot: usize, value: Value) {
    if is_packed(table) {
        if let Some(number) = packed(value) {
            let numbers = heap.bytes_mut(table.field(DIRECTORY));
            let place = &mut numbers[slot * NUMBER_BYTES..][..NUMBER_BYTES];
            return place.copy_from_slice(&number.to_le_bytes());
        }
        unpack(heap, table);
    }
    let directory = table.field(DIRECTORY);
    let mut chunk = directory.field(slot / CHUNK_SLOTS);
    if chunk.is_nil() {
        chunk = heap.fields(Kind::Record, &[Value::UNDEFINED; CHUNK_SLOTS]);
        heap.write(directory, slot / CHUNK_SLOTS, chunk);
    }
    heap.write(chunk, slot % CHUNK_SLOTS, value);
}

/// Moves the values of a packed table to chunks.
#[cold]
fn unpack(heap: &mut Heap, table: Value) {
    let numbers = table.field(DIRECTORY).bytes(heap).to_vec();
    let chunks = vec![Value::NIL; number(table, CAPACITY).div_ceil(CHUNK_SLOTS)];
    let directory = heap.fields(Kind::Record, &chunks);
    for (at, numbers) in numbers.chunks(CHUNK_SLOTS * NUMBER_BYTES).enumerate() {
        let mut slots = [Value::UNDEFINED; CHUNK_SLOTS];
        for (slot, number) in slots.iter_mut().zip(numbers.chunks_exact(NUMBER_BYTES)) {
            *slot = unpacked(i64::from_le_bytes(number.try_into().expect("eight bytes")));
        }
        if slots.iter().any(|slot| !slot.is_undefined()) {
            let chunk = heap.fields(Kind::Record, &slots);
            heap.write(directory, at, chunk);
        }
    }
    heap.write(table, DIRECTORY, directory);
}

/// Whether an entry of this key would have a place.
#[inline]
pub(super) fn has_room(heap: &Heap, table: Value, key: Value) -> bool {
    slot(table, key).is_some() && (!is_plain(table) || order_has_room(heap, table))
}

/// Whether the table takes such a value without moving all others.
pub(super) fn suits(table: Value, value: Value) -> bool {
    !is_packed(table) || packed(value).is_some()
}

#[inline]
fn order_has_room(heap: &Heap, table: Value) -> bool {
    (number(table, LIVE) + 1) * KEY_BYTES <= table.field(ORDER).bytes(heap).len()
}

/// Enters a key that is not there into a plain table, as its newest; false when the table is another
/// one, or the key is there or has no room.
#[inline]
pub(super) fn extend(heap: &mut Heap, table: Value, key: Value, value: Value) -> bool {
    let Some(slot) = slot(table, key) else { return false };
    if !is_plain(table) || !suits(table, value) {
        return false;
    }
    let keys = number(table, LIVE);
    // What stands behind the last key is nothing yet.
    if !push(heap, table, keys, slot) || !take(heap, table, slot) {
        return false;
    }
    write_value(heap, table, slot, value);
    set_number(heap, table, LIVE, keys + 1);
    set_number(heap, table, NEXT_STAMP, keys + 1);
    true
}

/// Writes the key with this stamp into the list of a plain table; false when there is no room.
#[inline]
fn push(heap: &mut Heap, table: Value, stamp: usize, key: usize) -> bool {
    let order = heap.bytes_mut(table.field(ORDER));
    let place = order.get_mut(stamp * KEY_BYTES..(stamp + 1) * KEY_BYTES);
    let Some(place) = place else { return false };
    place.copy_from_slice(&(key as u32).to_le_bytes());
    true
}

/// Writes an entry into a slot that has none; in a plain table the next one (rule 1). Counts nothing.
pub(super) fn enter(heap: &mut Heap, table: Value, slot: usize, value: Value, stamp: Value) {
    if is_plain(table) {
        let keys = number(table, LIVE);
        let listed = stamp.as_fixnum() as usize == keys && push(heap, table, keys, slot);
        assert!(listed, "a plain table takes entries in order and has room for them");
    } else {
        write_stamp(heap, table, slot, stamp);
    }
    let _ = take(heap, table, slot);
    write_value(heap, table, slot, value);
}

/// Gives a slot of a stamped table that has an entry another one.
pub(super) fn overwrite(heap: &mut Heap, table: Value, slot: usize, value: Value, stamp: Value) {
    write_value(heap, table, slot, value);
    write_stamp(heap, table, slot, stamp);
}

/// Takes the entry out of a slot of a stamped table.
pub(super) fn kill(heap: &mut Heap, table: Value, slot: usize) {
    heap.bytes_mut(table.field(PRESENT))[slot / 8] &= !(1 << (slot % 8));
    write_value(heap, table, slot, Value::UNDEFINED);
}

fn write_stamp(heap: &mut Heap, table: Value, slot: usize, stamp: Value) {
    let stamps = heap.bytes_mut(table.field(STAMPS));
    stamps[slot * STAMP_BYTES..][..STAMP_BYTES].copy_from_slice(&stamp.as_fixnum().to_le_bytes());
}

/// The entry in a slot of a stamped table, which has one.
pub(super) fn entry(heap: &Heap, table: Value, slot: usize) -> Change {
    let stamps = table.field(STAMPS).bytes(heap);
    let stamp = stamps[slot * STAMP_BYTES..][..STAMP_BYTES].try_into().expect("eight bytes");
    let stamp = Value::fixnum(i64::from_le_bytes(stamp));
    Change { key: Value::fixnum(slot as i64), value: value(heap, table, slot), stamp }
}

/// The keys of a plain table in the order they came.
pub(super) fn order(heap: &Heap, table: Value) -> impl DoubleEndedIterator<Item = usize> {
    let keys = table.field(ORDER).bytes(heap).chunks_exact(KEY_BYTES).take(number(table, LIVE));
    keys.map(|key| u32::from_le_bytes(key.try_into().expect("four bytes")) as usize)
}

/// The entry of a plain table as [`super::table::walk`] finds it.
pub(super) fn walk(
    heap: &Heap,
    table: Value,
    (from, limit): (i64, i64),
    last: bool,
    wanted: impl Fn(&Change) -> bool,
) -> Option<Change> {
    let place = |stamp: i64| (stamp.max(0) as usize).min(number(table, LIVE));
    let order = table.field(ORDER).bytes(heap);
    let entry = |stamp: usize| {
        let key = order[stamp * KEY_BYTES..][..KEY_BYTES].try_into().expect("four bytes");
        let slot = u32::from_le_bytes(key) as usize;
        let (key, value) = (Value::fixnum(slot as i64), value(heap, table, slot));
        Change { key, value, stamp: Value::fixnum(stamp as i64) }
    };
    let mut stamps = place(from)..place(limit);
    let mut next = || if last { stamps.next_back() } else { stamps.next() };
    std::iter::from_fn(|| next().map(entry)).find(wanted)
}

/// All entries: of a plain table as they came, of a stamped one as their keys ascend.
pub(super) fn entries(heap: &Heap, table: Value) -> Vec<Change> {
    if is_plain(table) {
        let entry = |(stamp, slot): (usize, usize)| Change {
            key: Value::fixnum(slot as i64),
            value: value(heap, table, slot),
            stamp: Value::fixnum(stamp as i64),
        };
        return order(heap, table).enumerate().map(entry).collect();
    }
    let slots = 0..number(table, CAPACITY);
    slots
        .filter(|&slot| is_present(heap, table, slot))
        .map(|slot| entry(heap, table, slot))
        .collect()
}

/// Makes a plain table a stamped one.
pub(super) fn ensure_stamped(heap: &mut Heap, table: Value) {
    if !is_plain(table) {
        return;
    }
    let keys: Vec<usize> = order(heap, table).collect();
    let stamps = heap.string_from(number(table, CAPACITY) * STAMP_BYTES, |stamps| {
        for (stamp, slot) in keys.into_iter().enumerate() {
            stamps[slot * STAMP_BYTES..][..STAMP_BYTES].copy_from_slice(&stamp.to_le_bytes());
        }
    });
    heap.write(table, STAMPS, stamps);
    heap.write(table, ORDER, Value::NIL);
}

/// A key as the number of a slot, if that is not too far out for a table of so many keys and one.
pub(super) fn slot_among(key: Value, keys: usize) -> Option<usize> {
    let end = ((keys + 1) * RANGE_PER_KEY).min(ENTRIES_MAX);
    let number = Some(key).filter(|key| key.is_fixnum()).map(Value::as_fixnum)?;
    usize::try_from(number).ok().filter(|&number| number < end)
}

/// Bytes that are allocated at most for a table of so many keys and one whose largest is `last`, or to
/// make one that reaches as far wider, a stamped one or one that is not packed.
pub(super) fn rebuilt_bytes(last: usize, keys: usize) -> usize {
    // Values, stamps, then values in chunks; directory and bits take less than another word.
    let slot_bytes = NUMBER_BYTES + STAMP_BYTES + 2 * size_of::<Value>();
    capacity(last + last / 4) * slot_bytes + 2 * (keys + 1) * KEY_BYTES
}

/// A direct table without entries whose largest key will be `last`: a plain one with room for the
/// order of so many keys, or else a stamped one.
pub(super) fn create(heap: &mut Heap, last: usize, plain: Option<usize>) -> Value {
    let capacity = capacity(last);
    let table = table::make(heap, capacity);
    let mut give = |field, bytes| {
        let string = heap.string_from(bytes, |_| ());
        heap.write(table, field, string);
    };
    give(DIRECTORY, capacity * NUMBER_BYTES);
    give(PRESENT, capacity / 8);
    match plain {
        Some(keys) => give(ORDER, keys * KEY_BYTES),
        None => give(STAMPS, capacity * STAMP_BYTES),
    }
    table
}

/// Slots of a table whose largest key is `last`, with some more behind it.
fn capacity(last: usize) -> usize {
    (last + last / 8 + 1).next_multiple_of(CHUNK_SLOTS).min(ENTRIES_MAX)
}

/// Makes room for a key with this number that has none.
pub(super) fn widen(heap: &mut Heap, table: Value, last: usize) {
    let before = number(table, CAPACITY);
    if last >= before {
        let capacity = capacity(last.max(before + before / 4));
        lengthen(heap, table, PRESENT, capacity / 8);
        if is_packed(table) {
            lengthen(heap, table, DIRECTORY, capacity * NUMBER_BYTES);
        } else {
            let directory = table.field(DIRECTORY);
            let mut chunks = vec![Value::NIL; capacity.div_ceil(CHUNK_SLOTS)];
            for (at, chunk) in chunks[..directory.field_count()].iter_mut().enumerate() {
                *chunk = directory.field(at);
            }
            let directory = heap.fields(Kind::Record, &chunks);
            heap.write(table, DIRECTORY, directory);
        }
        if !is_plain(table) {
            lengthen(heap, table, STAMPS, capacity * STAMP_BYTES);
        }
        set_number(heap, table, CAPACITY, capacity);
    }
    if is_plain(table) && !order_has_room(heap, table) {
        lengthen(heap, table, ORDER, 2 * number(table, LIVE) * KEY_BYTES);
    }
}

/// Puts a longer string that begins in the same way in the place of another.
fn lengthen(heap: &mut Heap, table: Value, field: usize, bytes: usize) {
    let known = table.field(field).bytes(heap).to_vec();
    let longer = heap.string_from(bytes, |longer| longer[..known.len()].copy_from_slice(&known));
    heap.write(table, field, longer);
}
