//! The hash index of a map's table: from a key's hash to the slots that may have it.
//!
//! Open addressing with linear probing in a string object, which the collector does not look
//! into. A cell is 8 bytes: the hash in the upper half, the slot plus two in the lower. A power of
//! two of cells, of which always at least a quarter is empty.

use valk_heap::{Heap, Value};

const CELL_BYTES: usize = 8;
const EMPTY: u64 = 0;
const DELETED: u64 = 1;
const FIRST_SLOT: u64 = 2;

/// Bytes of an index for a table of `capacity` entries.
pub(super) const fn index_bytes(capacity: usize) -> usize {
    capacity * 2 * CELL_BYTES
}

/// An empty index for a table of `capacity` entries, a power of two.
pub(super) fn create(heap: &mut Heap, capacity: usize) -> Value {
    heap.string_from(index_bytes(capacity), |_| ())
}

/// Number of cells that may be used before the index must be made anew.
pub(super) fn cells_max(heap: &Heap, index: Value) -> usize {
    index.bytes(heap).len() / CELL_BYTES / 4 * 3
}

#[inline]
fn cell(bytes: &[u8], at: usize) -> u64 {
    let start = at * CELL_BYTES;
    u64::from_le_bytes(bytes[start..start + CELL_BYTES].try_into().expect("eight bytes"))
}

/// The first slot of this hash that `wanted` accepts, and its cell.
#[inline]
pub(super) fn find(
    heap: &Heap,
    index: Value,
    hash: u32,
    mut wanted: impl FnMut(usize) -> bool,
) -> Option<(usize, usize)> {
    let bytes = index.bytes(heap);
    let mask = bytes.len() / CELL_BYTES - 1;
    let mut at = hash as usize & mask;
    loop {
        let cell = cell(bytes, at);
        if cell == EMPTY {
            return None;
        }
        if cell >> 32 == u64::from(hash) && cell as u32 as u64 >= FIRST_SLOT {
            let slot = (cell as u32 as u64 - FIRST_SLOT) as usize;
            if wanted(slot) {
                return Some((slot, at));
            }
        }
        at = (at + 1) & mask;
    }
}

/// Enters a slot that is not there yet; true when that took an empty cell.
pub(super) fn insert(heap: &mut Heap, index: Value, hash: u32, slot: usize) -> bool {
    let bytes = heap.bytes_mut(index);
    let mask = bytes.len() / CELL_BYTES - 1;
    let mut at = hash as usize & mask;
    let before = loop {
        let cell = cell(bytes, at);
        if cell == EMPTY || cell as u32 as u64 == DELETED {
            break cell;
        }
        at = (at + 1) & mask;
    };
    set_cell(bytes, at, u64::from(hash) << 32 | (slot as u64 + FIRST_SLOT));
    before == EMPTY
}

/// Takes out what [`find`] found in this cell.
pub(super) fn delete(heap: &mut Heap, index: Value, at: usize) {
    set_cell(heap.bytes_mut(index), at, DELETED);
}

fn set_cell(bytes: &mut [u8], at: usize, cell: u64) {
    let start = at * CELL_BYTES;
    bytes[start..start + CELL_BYTES].copy_from_slice(&cell.to_le_bytes());
}

/// Enters every slot of `from`, under the number that `renumber` gives it, into `to`, which is empty.
pub(super) fn transfer(heap: &mut Heap, from: Value, to: Value, renumber: impl Fn(usize) -> usize) {
    for at in 0..from.bytes(heap).len() / CELL_BYTES {
        let cell = cell(from.bytes(heap), at);
        if cell as u32 as u64 >= FIRST_SLOT {
            let slot = (cell as u32 as u64 - FIRST_SLOT) as usize;
            let _ = insert(heap, to, (cell >> 32) as u32, renumber(slot));
        }
    }
}
