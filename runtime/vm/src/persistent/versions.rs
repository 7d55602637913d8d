//! Versions of a table and the links between them.
//!
//! A current version links to its table, an older one to the version it was changed into, with the
//! change that leads back.

use valk_heap::{Heap, Kind, StripeGuard, Value};

pub(crate) const LINK: usize = 0;
pub(crate) const SIZE: usize = 1;
const KEY: usize = 2;
const VALUE: usize = 3;
const STAMP: usize = 4;

/// The field of every table that says how many more changes it takes.
pub(super) const BUDGET: usize = 0;

/// Bytes of a version.
pub(super) const VERSION_BYTES: usize = 48;

/// Links a reader follows before it turns them round.
const READ_LINKS_MAX: usize = 16;

/// What one key has in a version; an undefined value is none.
#[derive(Clone, Copy, Debug)]
pub(super) struct Change {
    pub key: Value,
    pub value: Value,
    /// The place of the key in the order of entries, where that matters; nil for a new one.
    pub stamp: Value,
}

/// The table that versions share: a heap object whose field 0 is [`BUDGET`].
pub(super) trait Table {
    /// What versions are.
    const KIND: Kind;
    /// Makes a change and returns the one that undoes it.
    fn exchange(heap: &mut Heap, table: Value, change: Change) -> Change;
    /// A table with the same entries and a new budget.
    fn copy(heap: &mut Heap, table: Value) -> Value;
    /// Number of changes a new table takes.
    fn budget(table: Value) -> usize;
    /// Whether two keys are one.
    fn same_key(heap: &Heap, a: Value, b: Value) -> bool;
}

/// A version that is current in `table`.
pub(super) fn current(heap: &mut Heap, kind: Kind, table: Value, size: usize) -> Value {
    let nil = Value::NIL;
    heap.fields(kind, &[table, Value::fixnum(size as i64), nil, nil, nil])
}

/// Number of entries.
pub(super) fn size(version: Value) -> usize {
    version.field(SIZE).as_fixnum() as usize
}

/// The table of a version, if it is current.
pub(super) fn table(version: Value) -> Option<Value> {
    let link = version.field(LINK);
    (link.kind() == Kind::Record).then_some(link)
}

/// The turn at the table of a version, and the table, if the version is current.
#[inline]
pub(super) fn lock_table(heap: &Heap, version: Value) -> Option<(StripeGuard, Value)> {
    let found = table(version)?;
    let guard = heap.lock_stripe_of(found);
    // It may have changed while others had their turns.
    (!heap.is_shared() || table(version) == Some(found)).then_some((guard, found))
}

/// Whether the table takes another change without being copied.
pub(super) fn has_budget(table: Value) -> bool {
    table.field(BUDGET).as_fixnum() > 0
}

/// The table that shows this version, after the links are turned round if they must be.
pub(super) fn make_current<T: Table>(heap: &mut Heap, version: Value) -> Value {
    if let Some(table) = table(version) {
        return table;
    }
    let (path, table) = path(version);
    if !spend::<T>(heap, table, path.len()) {
        let own = T::copy(heap, table);
        for older in path.iter().rev() {
            let _ = T::exchange(heap, own, change(*older));
        }
        heap.write(version, LINK, own);
        return own;
    }
    for older in path.iter().rev() {
        let newer = older.field(LINK);
        let undo = T::exchange(heap, table, change(*older));
        link_back(heap, newer, *older, undo);
        heap.write(*older, LINK, table);
    }
    table
}

/// A version with one key changed; `size` tells its number of entries from what undoes that.
pub(super) fn derive<T: Table>(
    heap: &mut Heap,
    version: Value,
    change: Change,
    size: impl FnOnce(Change) -> usize,
) -> Value {
    let table = make_current::<T>(heap, version);
    if spend::<T>(heap, table, 1) {
        let undo = T::exchange(heap, table, change);
        let newer = current(heap, T::KIND, table, size(undo));
        link_back(heap, version, newer, undo);
        newer
    } else {
        let own = T::copy(heap, table);
        let undo = T::exchange(heap, own, change);
        current(heap, T::KIND, own, size(undo))
    }
}

/// What an older version says of `key`, or the table to ask.
pub(super) fn search<T: Table>(
    heap: &mut Heap,
    version: Value,
    key: Value,
) -> Result<Change, Value> {
    let mut at = version;
    for _ in 0..READ_LINKS_MAX {
        if let Some(table) = table(at) {
            return Err(table);
        }
        if T::same_key(heap, at.field(KEY), key) {
            return Ok(change(at));
        }
        at = at.field(LINK);
    }
    Err(make_current::<T>(heap, version))
}

/// The same as [`changes`], if they are few.
pub(super) fn few_changes(version: Value) -> Option<(Vec<Change>, Value)> {
    let mut found = Vec::new();
    let mut at = version;
    for _ in 0..READ_LINKS_MAX {
        if let Some(table) = table(at) {
            return Some((found, table));
        }
        found.push(change(at));
        at = at.field(LINK);
    }
    None
}

/// The changes that lead from the table to this version, the nearest to the version first, and
/// the table.
pub(super) fn changes(version: Value) -> (impl Iterator<Item = Change>, Value) {
    let (path, table) = path(version);
    (path.into_iter().map(change), table)
}

/// The table that shows this version in the end, how many changes make it do so, and how many more it
/// takes before it is copied.
pub(super) fn budget(version: Value) -> (Value, usize, usize) {
    let (path, table) = path(version);
    let left = (table.field(BUDGET).as_fixnum() as usize).saturating_sub(path.len());
    (table, path.len(), left)
}

/// The versions from this one to the last that is not current, and the table.
fn path(version: Value) -> (Vec<Value>, Value) {
    let mut path = Vec::new();
    let mut at = version;
    loop {
        if let Some(table) = table(at) {
            return (path, table);
        }
        path.push(at);
        at = at.field(LINK);
    }
}

/// Takes from the budget; if there is not enough, renews it and returns false.
fn spend<T: Table>(heap: &mut Heap, table: Value, count: usize) -> bool {
    let left = table.field(BUDGET).as_fixnum() - count as i64;
    let kept = if left < 0 { T::budget(table) as i64 } else { left };
    heap.write(table, BUDGET, Value::fixnum(kept));
    left >= 0
}

fn change(older: Value) -> Change {
    Change { key: older.field(KEY), value: older.field(VALUE), stamp: older.field(STAMP) }
}

/// Makes `version` an older one: `newer` with `undo` made to it.
fn link_back(heap: &mut Heap, version: Value, newer: Value, undo: Change) {
    heap.write(version, LINK, newer);
    heap.write(version, KEY, undo.key);
    heap.write(version, VALUE, undo.value);
    heap.write(version, STAMP, undo.stamp);
}
