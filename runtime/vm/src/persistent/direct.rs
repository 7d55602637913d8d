//! Direct tables: every key is an integer from 0 on and is itself the number of its slot.
//!
//! A slot is one word, the value, undefined when the key is not there. A bit for each slot says the
//! same, so that entering a key does not wait for the memory of its slot. The order in which keys
//! came is told in one of two ways. A *plain* table lists the keys in that order, and a key's stamp
//! is its place in the list. A *stamped* table has the stamp of each slot.
//!
//! 1. In a plain table the stamps are those from 0 to the number of entries, and so is the next one:
//!    all that happened to it is that keys were entered.
//! 2. Whoever needs the stamp of a key makes the table a stamped one, which it remains.

use super::ENTRIES_MAX;
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
const STAMP_BYTES: usize = 8;

/// Slots of a chunk, which is what a minor collection looks at when one of them was changed.
const CHUNK_SLOTS: usize = 64;

/// Chunks from which on they are born old.
const OLD_CHUNKS_MIN: usize = 256;

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

/// The value in a slot, undefined when there is none.
#[inline]
pub(super) fn value(table: Value, slot: usize) -> Value {
    let chunk = table.field(DIRECTORY).field(slot / CHUNK_SLOTS);
    if chunk.is_nil() { Value::UNDEFINED } else { chunk.field(slot % CHUNK_SLOTS) }
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
    let directory = table.field(DIRECTORY);
    let mut chunk = directory.field(slot / CHUNK_SLOTS);
    if chunk.is_nil() {
        chunk = make_chunk(heap);
        heap.write(directory, slot / CHUNK_SLOTS, chunk);
    }
    if value.is_fixnum() {
        // SAFETY: chunks have this many fields, and numbers are no references.
        unsafe { heap.write_plain(chunk, slot % CHUNK_SLOTS, value) };
    } else {
        heap.write(chunk, slot % CHUNK_SLOTS, value);
    }
}

/// Whether an entry of this key would have a place.
#[inline]
pub(super) fn has_room(heap: &Heap, table: Value, key: Value) -> bool {
    slot(table, key).is_some() && (!is_plain(table) || order_has_room(heap, table))
}

#[inline]
fn order_has_room(heap: &Heap, table: Value) -> bool {
    (number(table, LIVE) + 1) * KEY_BYTES <= table.field(ORDER).bytes(heap).len()
}

/// Enters a key that is not there into a plain table, as its newest; false when the table is another
/// one, or the key is there or has no room.
#[inline]
pub(super) fn extend(heap: &mut Heap, table: Value, key: Value, value: Value) -> bool {
    let Some(slot) = slot(table, key).filter(|_| is_plain(table)) else { return false };
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

/// Writes an entry into a slot that has none. Counts nothing.
pub(super) fn enter(heap: &mut Heap, table: Value, slot: usize, value: Value, stamp: Value) {
    let is_next = stamp.as_fixnum() as usize == number(table, LIVE);
    if is_plain(table) && is_next {
        let listed = push(heap, table, number(table, LIVE), slot);
        assert!(listed, "the order of a plain table has room for an entry");
    } else {
        ensure_stamped(heap, table);
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
    Change { key: Value::fixnum(slot as i64), value: value(table, slot), stamp }
}

/// The keys of a plain table in the order they came.
pub(super) fn order(heap: &Heap, table: Value) -> impl Iterator<Item = usize> {
    let keys = table.field(ORDER).bytes(heap).chunks_exact(KEY_BYTES).take(number(table, LIVE));
    keys.map(|key| u32::from_le_bytes(key.try_into().expect("four bytes")) as usize)
}

/// All entries: of a plain table as they came, of a stamped one as their keys ascend.
pub(super) fn entries(heap: &Heap, table: Value) -> Vec<Change> {
    if is_plain(table) {
        let entry = |(stamp, slot): (usize, usize)| Change {
            key: Value::fixnum(slot as i64),
            value: value(table, slot),
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

/// Bytes that are allocated at most for a table of so many keys and one, or to make it a stamped
/// one or wider.
pub(super) fn rebuilt_bytes(keys: usize) -> usize {
    // A word for the value, one for the stamp, one for directory, order and bits.
    2 * (keys + 1) * RANGE_PER_KEY * 3 * size_of::<Value>()
}

/// A direct table without entries whose largest key will be `last`: a plain one with room for the
/// order of so many keys, or else a stamped one.
pub(super) fn create(heap: &mut Heap, last: usize, plain: Option<usize>) -> Value {
    let table = table::make(heap, capacity(last));
    reach(heap, table, last);
    if let Some(keys) = plain {
        lengthen(heap, table, keys);
    } else {
        let stamps = longer(heap, Value::NIL, capacity(last) * STAMP_BYTES);
        heap.write(table, STAMPS, stamps);
    }
    table
}

fn capacity(last: usize) -> usize {
    (last + 1).next_power_of_two().max(CHUNK_SLOTS)
}

/// Makes room for a key with this number that has none.
pub(super) fn widen(heap: &mut Heap, table: Value, last: usize) {
    if last >= number(table, CAPACITY) {
        reach(heap, table, last);
        let (stamps, bytes) = (table.field(STAMPS), capacity(last) * STAMP_BYTES);
        if !stamps.is_nil() {
            let wider = longer(heap, stamps, bytes);
            heap.write(table, STAMPS, wider);
        }
    }
    if is_plain(table) && !order_has_room(heap, table) {
        lengthen(heap, table, 2 * number(table, LIVE));
    }
}

/// Gives the order of a plain table room for so many keys.
fn lengthen(heap: &mut Heap, table: Value, keys: usize) {
    let order = longer(heap, table.field(ORDER), keys * KEY_BYTES);
    heap.write(table, ORDER, order);
}

/// A string of so many bytes that begins with those of another, which may be nil.
fn longer(heap: &mut Heap, string: Value, bytes: usize) -> Value {
    let known = if string.is_nil() { Vec::new() } else { string.bytes(heap).to_vec() };
    heap.string_from(bytes, |longer| longer[..known.len()].copy_from_slice(&known))
}

/// Gives a table the slots up to `last`, and keeps those it has.
fn reach(heap: &mut Heap, table: Value, last: usize) {
    let capacity = capacity(last);
    let before = table.field(DIRECTORY);
    let mut chunks = vec![Value::NIL; capacity / CHUNK_SLOTS];
    if !before.is_nil() {
        for (at, chunk) in chunks[..before.field_count()].iter_mut().enumerate() {
            *chunk = before.field(at);
        }
    }
    let directory = heap.fields(Kind::Record, &chunks);
    let used = last / CHUNK_SLOTS + 1;
    for (at, _) in chunks[..used].iter().enumerate().filter(|(_, chunk)| chunk.is_nil()) {
        // Nearly all will be needed; made in order they lie in order.
        let chunk = if used < OLD_CHUNKS_MIN {
            make_chunk(heap)
        } else {
            heap.old_fields(Kind::Record, Value::UNDEFINED, CHUNK_SLOTS)
        };
        heap.write(directory, at, chunk);
    }
    let present = longer(heap, table.field(PRESENT), capacity / 8);
    heap.write(table, DIRECTORY, directory);
    heap.write(table, PRESENT, present);
    set_number(heap, table, CAPACITY, capacity);
}

fn make_chunk(heap: &mut Heap) -> Value {
    heap.fields(Kind::Record, &[Value::UNDEFINED; CHUNK_SLOTS])
}
