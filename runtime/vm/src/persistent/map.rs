//! Persistent hash maps, whose entries are in the order in which their keys came.
//!
//! A map is a *state* of a table (`versions`) and a limit: it has those entries of the
//! state whose stamps are below the limit.
//!
//! 1. A new key is entered into the table without a new state if the map has all of its entries:
//!    the map that results has a higher limit, and those before it do not see the entry. So maps
//!    that grow leave nothing to the collector that keeps something alive.
//! 2. A map that has not all of the entries, for keys were added to it otherwise, first gets a
//!    state without the later ones.
//! 3. What an entry has in a state does not depend on which state the table shows: stamps travel
//!    with changes.
//! 4. A decimal that equals a small integer is that integer as a key: `as_key`.

use super::direct;
use super::hash::hash;
use super::limits::{CAPACITY_MIN, CHUNK_ENTRIES};
use super::table::{self, same};
use super::versions::{self, Change, Table};
use crate::values::equality::equal;
use crate::values::number::as_key;
use std::collections::{HashMap, HashSet};
use valk_heap::{Heap, Kind, StripeGuard, Value};

const STATE: usize = 0;
const SIZE: usize = 1;
const LIMIT: usize = 2;

/// A map without entries.
pub fn new(heap: &mut Heap) -> Value {
    let table = table::create(heap, CAPACITY_MIN);
    let state = versions::current(heap, Keyed::KIND, table, 0);
    heap.fields(Kind::Map, &[state, Value::ZERO, Value::ZERO])
}

/// Number of entries.
#[inline]
pub fn size(map: Value) -> usize {
    map.field(SIZE).as_fixnum() as usize
}

fn limit(map: Value) -> i64 {
    map.field(LIMIT).as_fixnum()
}

/// The value of `key`.
pub fn get(heap: &mut Heap, map: Value, key: Value) -> Option<Value> {
    let key = as_key(key);
    if let Some(found) = get_newest(heap, map, key) {
        return found;
    }
    let _guard = heap.lock_all_stripes();
    match table_of(map) {
        Some(table) => table::value(heap, table, key),
        None => look_back(heap, map, key),
    }
}

/// The value of `key`, if that can be told at once and without allocation: `None` for a map that its
/// table does not show, and for some keys.
#[inline(always)]
pub fn get_newest(heap: &Heap, map: Value, key: Value) -> Option<Option<Value>> {
    let key = as_key(key);
    if !heap.is_shared() {
        return Some(table::value(heap, table_of(map)?, key));
    }
    let (_guard, table) = lock_own_table(heap, map, key)?;
    Some(table::value(heap, table, key))
}

/// The turn at the table of a map, and the table, if that shows the map and nothing else and no
/// other table is needed to look for the key.
#[inline(never)]
fn lock_own_table(heap: &Heap, map: Value, key: Value) -> Option<(StripeGuard, Value)> {
    if heap.is_shared() && !is_simple(key) {
        return None;
    }
    let state = map.field(STATE);
    let (guard, table) = versions::lock_table(heap, state)?;
    let shows = map.field(STATE) == state && table::live(table) == size(map);
    shows.then_some((guard, table))
}

/// Whether a key has no table itself, nor has anything in it.
fn is_simple(key: Value) -> bool {
    key.is_fixnum()
        || matches!(key.kind(), Kind::Symbol | Kind::String | Kind::Integer | Kind::Decimal)
}

/// The table of a map, if it shows the map and nothing else.
#[inline]
fn table_of(map: Value) -> Option<Value> {
    versions::table(map.field(STATE)).filter(|table| table::live(*table) == size(map))
}

/// The value of `key` in a map that its table does not show.
#[inline(never)]
fn look_back(heap: &mut Heap, map: Value, key: Value) -> Option<Value> {
    let entry = match versions::search::<Keyed>(heap, map.field(STATE), key) {
        Ok(change) => change,
        Err(table) => {
            let place = table::find(heap, table, key)?;
            direct::ensure_stamped(heap, table);
            table::entry(heap, table, &place)
        }
    };
    is_in(map, &entry).then_some(entry.value)
}

/// Whether a map has this entry of its state.
fn is_in(map: Value, entry: &Change) -> bool {
    !entry.value.is_undefined() && entry.stamp.as_fixnum() < limit(map)
}

/// The map with `key` set to `value`; a key that is there keeps its place and its form.
pub fn set(heap: &mut Heap, map: Value, key: Value, value: Value) -> Value {
    let key = as_key(key);
    if let Some(changed) = set_at_once(heap, map, key, value) {
        return changed;
    }
    let _guard = heap.lock_all_stripes();
    let table = table_of(map).unwrap_or_else(|| make_newest(heap, map));
    if table::find(heap, table, key).is_none() {
        insert(heap, map, table, key, value)
    } else {
        replace(heap, map, key, value)
    }
}

/// As [`set`], if it needs neither memory to speak of nor another table.
#[inline]
pub fn set_at_once(heap: &mut Heap, map: Value, key: Value, value: Value) -> Option<Value> {
    let key = as_key(key);
    if !heap.is_shared()
        && let Some(table) = table_of(map)
        && direct::extend(heap, table, key, value)
    {
        return Some(longer(heap, map, table));
    }
    set_newest(heap, map, key, value)
}

#[inline(never)]
fn set_newest(heap: &mut Heap, map: Value, key: Value, value: Value) -> Option<Value> {
    let (_guard, table) = lock_own_table(heap, map, key)?;
    if direct::extend(heap, table, key, value) {
        return Some(longer(heap, map, table));
    }
    match table::find(heap, table, key) {
        None if table::has_room(heap, table, key, 0) && direct::suits(table, value) => {
            Some(insert(heap, map, table, key, value))
        }
        Some(_)
            if versions::has_budget(table)
                && !direct::is_plain(table)
                && direct::suits(table, value) =>
        {
            Some(replace(heap, map, key, value))
        }
        _ => None,
    }
}

/// Enters a new key into the table of a map, which shows the map.
fn insert(heap: &mut Heap, map: Value, table: Value, key: Value, value: Value) -> Value {
    table::insert(heap, table, Change { key, value, stamp: Value::NIL });
    longer(heap, map, table)
}

/// Gives a key that is there a value.
fn replace(heap: &mut Heap, map: Value, key: Value, value: Value) -> Value {
    let change = Change { key, value, stamp: Value::NIL };
    let state = versions::derive::<Keyed>(heap, map.field(STATE), change, |_| 0);
    heap.fields(Kind::Map, &[state, map.field(SIZE), map.field(LIMIT)])
}

/// The map with one entry more, which the table has just got.
fn longer(heap: &mut Heap, map: Value, table: Value) -> Value {
    let size = Value::fixnum(size(map) as i64 + 1);
    heap.fields(Kind::Map, &[map.field(STATE), size, table::next_stamp(table)])
}

/// The map without `key`.
pub fn remove(heap: &mut Heap, map: Value, key: Value) -> Value {
    let key = as_key(key);
    let _guard = heap.lock_all_stripes();
    if get(heap, map, key).is_none() {
        return map;
    }
    let _ = make_newest(heap, map);
    let change = Change { key, value: Value::UNDEFINED, stamp: Value::NIL };
    let state = versions::derive::<Keyed>(heap, map.field(STATE), change, |_| 0);
    let size = Value::fixnum(size(map) as i64 - 1);
    heap.fields(Kind::Map, &[state, size, map.field(LIMIT)])
}

/// Whether a map that is to be the newest gets a copy of the table without these many later keys, and
/// not the table after they were taken out.
fn is_copied(map: Value, later: usize) -> bool {
    later > size(map) + CHUNK_ENTRIES
}

/// Makes the table show a map and nothing else (rule 2).
#[inline(never)]
fn make_newest(heap: &mut Heap, map: Value) -> Value {
    let mut state = map.field(STATE);
    let mut table = versions::make_current::<Keyed>(heap, state);
    if table::live(table) == size(map) {
        return table;
    }
    if is_copied(map, table::live(table) - size(map)) {
        table = table::copy_below(heap, table, limit(map));
        state = versions::current(heap, Keyed::KIND, table, 0);
    }
    while table::live(table) > size(map) {
        let key = table::key_from(heap, table, limit(map));
        let change = Change { key, value: Value::UNDEFINED, stamp: Value::NIL };
        state = versions::derive::<Keyed>(heap, state, change, |_| 0);
        table = versions::table(state).expect("what was just derived is current");
    }
    heap.write(map, STATE, state);
    table
}

/// Bytes that [`get`] may allocate.
pub fn get_bytes(heap: &Heap, map: Value) -> usize {
    let _guard = heap.lock_all_stripes();
    table::rebuilt_bytes(versions::budget(map.field(STATE)).0, Value::UNDEFINED)
}

/// Bytes that may be allocated when `key` is set to `value` next, or removed, when that is undefined.
pub fn change_bytes(heap: &Heap, map: Value, key: Value, value: Value) -> usize {
    let key = as_key(key);
    let _guard = heap.lock_all_stripes();
    let (table, before, left) = versions::budget(map.field(STATE));
    // At most: the table may get as many more when it shows the map's state.
    let later = (table::live(table) + before).saturating_sub(size(map));
    let chunks = 1 + before.div_ceil(CHUNK_ENTRIES);
    let changes = chunks * table::ENTRY_BYTES + later * versions::VERSION_BYTES;
    let is_kept = if direct::is(table) {
        table_of(map).is_some() && remains(heap, table, key, value)
    } else {
        !is_copied(map, later)
    };
    if is_kept && left > later && table::has_room(heap, table, key, before) {
        return changes;
    }
    changes + table::rebuilt_bytes(table, key)
}

/// Whether a table keeps its form when a key of the map that it shows is set or removed.
fn remains(heap: &Heap, table: Value, key: Value, value: Value) -> bool {
    let is_plain_and_set = || direct::is_plain(table) && table::find(heap, table, key).is_some();
    !direct::is(table) || direct::suits(table, value) && !is_plain_and_set()
}

/// The entry whose key came first, or last. Takes what [`get_bytes`] says, once for many questions.
pub fn end(heap: &mut Heap, map: Value, last: bool) -> Option<(Value, Value)> {
    let _guard = heap.lock_all_stripes();
    let walk = Walk::new(heap, map);
    let entry = walk.next(heap, i64::MIN, last)?;
    Some((entry.key, entry.value))
}

/// Up to so many entries in order, those whose places are at least `from`, and the place behind them.
/// Takes what [`get_bytes`] says.
pub fn part(heap: &mut Heap, map: Value, from: i64, count: usize) -> (Vec<(Value, Value)>, i64) {
    let _guard = heap.lock_all_stripes();
    let walk = Walk::new(heap, map);
    let (mut found, mut from) = (Vec::new(), from);
    while found.len() < count
        && let Some(entry) = walk.next(heap, from, false)
    {
        found.push((entry.key, entry.value));
        from = entry.stamp.as_fixnum() + 1;
    }
    (found, from)
}

/// A walk over the entries of a map in their order: its table, and the few changes by which the map's
/// state differs.
struct Walk {
    table: Value,
    changes: Vec<Change>,
    limit: i64,
}

impl Walk {
    fn new(heap: &mut Heap, map: Value) -> Walk {
        let (path, table) = versions::few_changes(map.field(STATE)).unwrap_or_else(|| {
            (Vec::new(), versions::make_current::<Keyed>(heap, map.field(STATE)))
        });
        let mut changes: Vec<Change> = Vec::new();
        // The nearest to the state counts.
        for change in path {
            if !changes.iter().any(|known| same(heap, known.key, change.key)) {
                changes.push(change);
            }
        }
        table::make_walkable(heap, table);
        Walk { table, changes, limit: limit(map) }
    }

    fn next(&self, heap: &Heap, from: i64, last: bool) -> Option<Change> {
        let bounds = (from, self.limit);
        let is_unchanged =
            |entry: &Change| !self.changes.iter().any(|change| same(heap, change.key, entry.key));
        let in_table = table::walk(heap, self.table, bounds, last, is_unchanged);
        let is_in = |change: &&Change| {
            !change.value.is_undefined() && (from..self.limit).contains(&change.stamp.as_fixnum())
        };
        let all = self.changes.iter().filter(is_in).copied().chain(in_table);
        let stamp = |entry: &Change| entry.stamp.as_fixnum();
        if last { all.max_by_key(stamp) } else { all.min_by_key(stamp) }
    }
}

/// Keys and values in order.
pub fn entries(heap: &Heap, map: Value) -> Vec<(Value, Value)> {
    let view = View::new(heap, map);
    let mut found = table::entries(heap, view.table);
    let (mut ordered, mut last) = (true, i64::MIN);
    found.retain(|entry| {
        let is_in = is_in(map, entry) && !view.changed(entry.key);
        if is_in {
            ordered &= last < entry.stamp.as_fixnum();
            last = entry.stamp.as_fixnum();
        }
        is_in
    });
    let changed = view.changes.values().flatten().filter(|change| is_in(map, change));
    found.extend(changed);
    if !ordered || !view.changes.is_empty() {
        found.sort_unstable_by_key(|entry| entry.stamp.as_fixnum());
    }
    found.into_iter().map(|entry| (entry.key, entry.value)).collect()
}

/// A look at a map that changes nothing: its table, and what in its state is different.
pub(crate) struct View<'h> {
    heap: &'h Heap,
    map: Value,
    table: Value,
    /// By the hash of the key.
    changes: HashMap<u32, Vec<Change>>,
    /// Keys of a plain table that the map does not have.
    later: HashSet<usize>,
    _guard: StripeGuard,
}

impl<'h> View<'h> {
    pub(crate) fn new(heap: &'h Heap, map: Value) -> View<'h> {
        let guard = heap.lock_all_stripes();
        let (path, table) = versions::changes(map.field(STATE));
        let mut later = HashSet::new();
        if direct::is_plain(table) {
            later.extend(direct::order(heap, table).skip(limit(map) as usize));
        }
        let mut view = View { heap, map, table, changes: HashMap::new(), later, _guard: guard };
        // The nearest to the state counts.
        for change in path {
            if !view.changed(change.key) {
                view.changes.entry(hash(heap, change.key)).or_default().push(change);
            }
        }
        view
    }

    fn change(&self, key: Value) -> Option<Change> {
        if self.changes.is_empty() {
            return None;
        }
        let known = self.changes.get(&hash(self.heap, key))?;
        known.iter().find(|change| equal(self.heap, change.key, key)).copied()
    }

    fn changed(&self, key: Value) -> bool {
        self.change(key).is_some()
    }

    /// The value of `key`.
    pub(crate) fn get(&self, key: Value) -> Option<Value> {
        let key = as_key(key);
        let entry = match self.change(key) {
            Some(change) => change,
            None if direct::is_plain(self.table) => {
                let slot = direct::slot(self.table, key)?;
                let value = direct::value(self.heap, self.table, slot);
                let is_in = !value.is_undefined() && !self.later.contains(&slot);
                return is_in.then_some(value);
            }
            None => {
                let place = table::find(self.heap, self.table, key)?;
                table::entry(self.heap, self.table, &place)
            }
        };
        is_in(self.map, &entry).then_some(entry.value)
    }
}

/// The table of maps.
struct Keyed;

impl Table for Keyed {
    // Neither a map, which programs have, nor a record, which is a table.
    const KIND: Kind = Kind::Cell;

    fn exchange(heap: &mut Heap, table: Value, change: Change) -> Change {
        match table::find(heap, table, change.key) {
            Some(place) if change.value.is_undefined() => table::kill(heap, table, &place),
            Some(place) => table::replace(heap, table, &place, change),
            None => {
                if !change.value.is_undefined() {
                    table::insert(heap, table, change);
                }
                Change { value: Value::UNDEFINED, stamp: Value::NIL, ..change }
            }
        }
    }

    fn copy(heap: &mut Heap, table: Value) -> Value {
        table::copy(heap, table)
    }

    fn budget(table: Value) -> usize {
        table::capacity(table)
    }

    fn same_key(heap: &Heap, a: Value, b: Value) -> bool {
        same(heap, a, b)
    }
}
