//! Structural hash: equal values (`==`) have equal hashes.
//!
//! A folded multiply (128 bits of product, both halves) over the value's atoms in printing order,
//! seeded per heap, so that keys from a network cannot be chosen to collide. Without recursion.

use super::{map, vector};
use crate::code::FIRST_CAPTURE;
use crate::values::equality::{closure_code, with_stack};
use crate::values::number;
use valk_heap::{ERROR_MESSAGE, Heap, Kind, Value};

/// An odd number without structure (from the golden ratio).
const MULTIPLIER: u64 = 0x9E37_79B9_7F4A_7C15;

/// Neighbouring integers whose hashes are neighbours, so that a walk over dense keys stays in the
/// cache lines of an index. More would let chosen keys pile up in one place.
const NEIGHBOURS: u64 = 8;

/// 32 bits of hash.
#[inline]
pub(super) fn hash(heap: &Heap, value: Value) -> u32 {
    let seed = heap.hash_seed();
    if value.is_fixnum() {
        let number = value.as_fixnum() as u64;
        let place = number % NEIGHBOURS;
        return folded(mix(seed, number / NEIGHBOURS)) & !(NEIGHBOURS as u32 - 1) | place as u32;
    }
    if value.is_symbol() {
        return folded(mix(seed, value.bits()));
    }
    if value.is_string() {
        return folded(string(heap, value, seed));
    }
    folded(structure(heap, value, seed))
}

#[inline]
fn folded(state: u64) -> u32 {
    (state >> 32) as u32 ^ state as u32
}

#[inline]
fn mix(state: u64, word: u64) -> u64 {
    let product = u128::from(state ^ word) * u128::from(MULTIPLIER ^ state.rotate_left(32));
    (product >> 64) as u64 ^ product as u64
}

fn string(heap: &Heap, string: Value, state: u64) -> u64 {
    let mut state = mix(state, Kind::String as u64);
    let bytes = string.bytes(heap);
    let chunks = bytes.chunks_exact(8);
    let rest = chunks.remainder();
    for chunk in chunks {
        state = mix(state, u64::from_le_bytes(chunk.try_into().expect("eight bytes")));
    }
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    mix(state, u64::from_le_bytes(last) ^ (bytes.len() as u64) << 56)
}

fn structure(heap: &Heap, value: Value, mut state: u64) -> u64 {
    let mut pending = vec![value];
    while let Some(value) = pending.pop() {
        if value.is_string() {
            state = string(heap, value, state);
            continue;
        }
        if let Some(number) = number::whole(value) {
            // A decimal counts as the integer that it equals.
            state = mix(mix(state, Kind::Integer as u64), number as u64);
            continue;
        }
        state = mix(state, value.kind() as u64);
        match value.kind() {
            Kind::Decimal => {
                let units = value.as_decimal_units().unwrap_or(0);
                state = mix(mix(state, units as u64), (units >> 64) as u64);
            }
            Kind::Symbol | Kind::Builtin => state = mix(state, value.bits()),
            // The quoted bit does not count.
            Kind::Pair => pending.extend([value.tail(), value.head()]),
            Kind::Error => pending.push(value.field(ERROR_MESSAGE)),
            Kind::Closure => {
                let code = closure_code(heap, value);
                pending.extend([code.formals, code.body]);
                // Variables change, and may lead back here.
                let is_fixed =
                    |held: &Value| !matches!(held.kind(), Kind::Cell | Kind::Environment);
                let captures = (FIRST_CAPTURE..value.field_count()).map(|at| value.field(at));
                pending.extend(captures.filter(is_fixed));
            }
            Kind::Partial => pending.extend((0..value.field_count()).map(|at| value.field(at))),
            // Their words do not change, for hosts do not move.
            Kind::Host => state = mix(state, value.bits()),
            Kind::Vector => pending.extend(vector::elements(heap, value)),
            Kind::Map => state = mix(state, entries(heap, value)),
            // Equal only to themselves; these move.
            Kind::Nil
            | Kind::Integer
            | Kind::Undefined
            | Kind::Cell
            | Kind::Continuation
            | Kind::Environment
            | Kind::Record
            | Kind::String => {}
        }
    }
    state
}

/// A hash of a map that does not depend on the order of its entries.
fn entries(heap: &Heap, value: Value) -> u64 {
    let entries = map::entries(heap, value);
    // As in `equality`, maps in maps are the one thing that is looked into by recursion.
    with_stack(|| {
        entries.into_iter().fold(map::size(value) as u64, |sum, (key, value)| {
            let key = structure(heap, key, MULTIPLIER);
            sum.wrapping_add(structure(heap, value, key))
        })
    })
}
