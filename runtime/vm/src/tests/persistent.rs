//! Persistent maps and vectors beside plain vectors of entries, one per version.

use super::vm;
use crate::Vm;
use crate::equal;
use crate::persistent::{map, vector};
use valk_decimal::UNITS_PER_ONE;
use valk_heap::Value;

/// A small pseudorandom generator (xorshift), so that a failing seed replays.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % limit
    }
}

/// Key number `number`: an integer, a string, a symbol, a list, a boxed integer or a decimal, made
/// anew; now and then a decimal that equals the integer.
fn key(vm: &mut Vm, number: usize) -> Value {
    let text = format!("key {number}");
    match number % 6 {
        0 if number.is_multiple_of(4) => vm.heap.decimal(number as i128 * UNITS_PER_ONE),
        0 => Value::fixnum(number as i64),
        1 => vm.heap.string(text.as_bytes()),
        2 => vm.heap.intern(text.as_bytes()),
        3 => {
            let quoted = number.is_multiple_of(2);
            let inner = vm.heap.string(text.as_bytes());
            vm.heap.cons(inner, Value::NIL, quoted)
        }
        4 => vm.heap.integer(i64::MAX - number as i64),
        _ => vm.heap.decimal(number as i128),
    }
}

/// Key number `number`, mostly the integer itself, so that tables are direct until another comes.
fn dense_key(vm: &mut Vm, number: usize) -> Value {
    match number % 50 {
        46 => vm.heap.decimal(number as i128 * UNITS_PER_ONE),
        47 => Value::fixnum(-(number as i64)),
        48 => Value::fixnum(number as i64 * 1_000_000),
        49 => key(vm, number),
        _ => Value::fixnum(number as i64),
    }
}

/// Makes keys.
type Keys = fn(&mut Vm, usize) -> Value;

/// A version and what it holds: numbers of keys, in order, with values.
type MapVersion = (Value, Vec<(usize, i64)>);

fn check_map(vm: &mut Vm, (version, model): &MapVersion, key: Keys, seed: u64) {
    assert_eq!(map::size(*version), model.len(), "seed {seed}");
    let entries = map::entries(&vm.heap, *version);
    assert_eq!(entries.len(), model.len(), "seed {seed}");
    for ((found, value), (number, expected)) in entries.into_iter().zip(model) {
        let key = key(vm, *number);
        assert!(equal(&vm.heap, found, key), "order, seed {seed}");
        assert_eq!(value.as_integer(), Some(*expected), "seed {seed}");
    }
}

fn check_ends(vm: &mut Vm, (version, model): &MapVersion, key: Keys, seed: u64) {
    check_end(vm, (version, model), key, seed);
    let (mut from, mut parts) = (0, Vec::new());
    loop {
        let (part, next) = map::part(&mut vm.heap, *version, from, 3);
        if part.is_empty() {
            break;
        }
        assert!(part.len() == 3 || parts.len() + part.len() == model.len(), "seed {seed}");
        (from, parts) = (next, [parts, part].concat());
    }
    assert_eq!(parts.len(), model.len(), "seed {seed}");
    for ((found, value), (number, expected)) in parts.into_iter().zip(model) {
        let key = key(vm, *number);
        assert!(equal(&vm.heap, found, key), "parts, seed {seed}");
        assert_eq!(value.as_integer(), Some(*expected), "seed {seed}");
    }
    check_end(vm, (version, model), key, seed);
}

fn check_end(vm: &mut Vm, (version, model): (&Value, &[(usize, i64)]), key: Keys, seed: u64) {
    for (last, expected) in [(false, model.first()), (true, model.last())] {
        let found = map::end(&mut vm.heap, *version, last);
        assert_eq!(found.is_some(), expected.is_some(), "seed {seed}");
        if let Some(((found, value), (number, expected))) = found.zip(expected) {
            let key = key(vm, *number);
            assert!(equal(&vm.heap, found, key), "last: {last}, seed {seed}");
            assert_eq!(value.as_integer(), Some(*expected), "seed {seed}");
        }
    }
}

/// Random changes of random versions; every version stays what it was.
fn random_maps(seed: u64, keys: usize, steps: usize, key: Keys) {
    let mut vm = vm();
    let mut random = Random(seed | 1);
    let mut versions: Vec<MapVersion> = vec![(map::new(&mut vm.heap), Vec::new())];
    for step in 0..steps {
        // Mostly the newest, as programs do; sometimes any.
        let at = match random.below(4) {
            0 => random.below(versions.len()),
            _ => versions.len() - 1,
        };
        let (version, mut model) = versions[at].clone();
        let number = random.below(keys);
        let known = model.iter().position(|entry| entry.0 == number);
        let wanted = key(&mut vm, number);
        let found = map::get(&mut vm.heap, version, wanted).and_then(Value::as_integer);
        assert_eq!(found, known.map(|at| model[at].1), "seed {seed} step {step}");
        let next = if random.below(3) == 0 {
            model.retain(|entry| entry.0 != number);
            map::remove(&mut vm.heap, version, wanted)
        } else {
            // Now and then one that is an object.
            let small = random.below(3) as i64;
            let value = if random.below(60) == 0 { i64::MAX - small } else { small };
            match known {
                Some(at) => model[at].1 = value,
                None => model.push((number, value)),
            }
            let value = vm.heap.integer(value);
            map::set(&mut vm.heap, version, wanted, value)
        };
        versions.push((next, model));
        if versions.len() > 40 {
            let gone = random.below(versions.len());
            versions.swap_remove(gone);
        }
        check_map(&mut vm, versions.last().expect("just pushed"), key, seed);
        let any = random.below(versions.len());
        check_map(&mut vm, &versions[any], key, seed);
        // Not always, for it changes the form of tables.
        if seed.is_multiple_of(3) && random.below(4) == 0 {
            check_ends(&mut vm, &versions[any], key, seed);
            check_ends(&mut vm, versions.last().expect("just pushed"), key, seed);
        }
    }
    for version in &versions {
        check_map(&mut vm, version, key, seed);
    }
}

fn random_vectors(seed: u64, steps: usize) {
    let mut vm = vm();
    let mut random = Random(seed | 1);
    let mut versions = vec![(vector::from_slice(&mut vm.heap, &[]), Vec::new())];
    for step in 0..steps {
        let at = match random.below(4) {
            0 => random.below(versions.len()),
            _ => versions.len() - 1,
        };
        let (version, mut model): (Value, Vec<i64>) = versions[at].clone();
        let value = random.below(1000) as i64;
        let next = match random.below(5) {
            0 => {
                let _ = model.pop();
                vector::pop(&mut vm.heap, version)
            }
            1 | 2 if !model.is_empty() => {
                let index = random.below(model.len());
                model[index] = value;
                let value = Value::fixnum(value);
                vector::set_at_once(&mut vm.heap, version, index, value)
                    .unwrap_or_else(|| vector::set(&mut vm.heap, version, index, value))
            }
            _ => {
                model.push(value);
                vector::set(&mut vm.heap, version, model.len() - 1, Value::fixnum(value))
            }
        };
        versions.push((next, model));
        if versions.len() > 40 {
            let gone = random.below(versions.len());
            versions.swap_remove(gone);
        }
        let any = random.below(versions.len());
        for (version, model) in [versions.last().expect("just pushed"), &versions[any]] {
            let elements = vector::elements(&vm.heap, *version).into_iter().map(Value::as_fixnum);
            assert_eq!(elements.collect::<Vec<_>>(), *model, "seed {seed} step {step}");
            let index = random.below(model.len() + 1);
            let found = vector::get(&mut vm.heap, *version, index).map(Value::as_fixnum);
            assert_eq!(found, model.get(index).copied(), "seed {seed} step {step}");
            if let Some(newest) = vector::get_newest(&vm.heap, *version, index) {
                assert_eq!(found, Some(newest.as_fixnum()), "seed {seed} step {step}");
            }
            let beyond = vector::set_at_once(&mut vm.heap, *version, model.len() + 1, Value::ZERO);
            assert_eq!(beyond, None, "seed {seed} step {step}");
        }
    }
}

valk_harness::test! {
    fn maps_agree_with_lists_of_entries() {
        for seed in 1..=40 {
            random_maps(seed, 12, 300, key);
            random_maps(seed, 200, 400, key);
        }
    }

    fn maps_of_dense_integers_agree_with_lists_of_entries() {
        for seed in 1..=40 {
            random_maps(seed, 40, 300, dense_key);
            random_maps(seed, 47, 500, dense_key);
            random_maps(seed, 150, 500, dense_key);
        }
    }

    fn maps_as_keys_are_told_apart_by_their_hashes() {
        let mut vm = vm();
        let mut hashes = std::collections::HashSet::new();
        for number in 0..1000_i64 {
            let empty = map::new(&mut vm.heap);
            let (name, text) = (vm.heap.string(b"n"), vm.heap.string(&number.to_le_bytes()));
            let inner = map::set(&mut vm.heap, empty, text, Value::ONE);
            let outer = map::set(&mut vm.heap, empty, name, inner);
            hashes.insert(crate::persistent::hash_of(&vm.heap, outer));
            let reordered = {
                let one = map::set(&mut vm.heap, outer, text, Value::ZERO);
                let other = map::set(&mut vm.heap, empty, text, Value::ZERO);
                (one, map::set(&mut vm.heap, other, name, inner))
            };
            let same = |map| crate::persistent::hash_of(&vm.heap, map);
            assert_eq!(same(reordered.0), same(reordered.1));
        }
        assert!(hashes.len() > 990, "{} hashes of 1000 maps", hashes.len());
    }

    fn a_map_of_integers_keeps_the_order_in_which_they_came() {
        let mut vm = vm();
        // 7919 has no factor in common with 50 000.
        let numbers: Vec<i64> = (0..50_000).map(|i| i * 7919 % 50_000).collect();
        let mut versions = vec![map::new(&mut vm.heap)];
        for &number in &numbers {
            let last = versions[versions.len() - 1];
            let key = Value::fixnum(number);
            let longer = match map::set_at_once(&mut vm.heap, last, key, Value::fixnum(-number)) {
                Some(longer) => longer,
                None => map::set(&mut vm.heap, last, key, Value::fixnum(-number)),
            };
            versions.push(longer);
        }
        let last = versions[numbers.len()];
        // What does not fit: absent from a direct table, and the end of one.
        for stranger in [Value::fixnum(-1), Value::fixnum(1 << 40), Value::NIL] {
            assert_eq!(map::set_at_once(&mut vm.heap, last, stranger, Value::ONE), None);
            assert_eq!(map::get(&mut vm.heap, last, stranger), None);
        }
        let stranger = vm.heap.string(b"stranger");
        let mixed = map::set(&mut vm.heap, last, stranger, Value::ONE);
        for count in [0, 1, 7, 8, 9, 100, 4_000, 49_999, 50_000] {
            let entries = map::entries(&vm.heap, versions[count]);
            let keys = entries.iter().map(|(key, _)| key.as_fixnum());
            assert!(keys.eq(numbers[..count].iter().copied()), "the first {count}");
            let next = numbers.get(count).copied().unwrap_or(-1);
            let next = map::get(&mut vm.heap, versions[count], Value::fixnum(next));
            assert_eq!(next, None, "an older version has no later key");
        }
        assert_eq!(map::size(mixed), 50_001);
        assert_eq!(map::get(&mut vm.heap, mixed, stranger), Some(Value::ONE));
        let key = Value::fixnum(numbers[3]);
        assert_eq!(map::get(&mut vm.heap, mixed, key), Some(Value::fixnum(-numbers[3])));
    }

    fn maps_before_the_newest_equal_those_made_alone() {
        let mut vm = vm();
        let numbers: Vec<i64> = (0..200).map(|i| i * 7 % 200).collect();
        let grown = |vm: &mut Vm, count: usize| {
            let mut versions = vec![map::new(&mut vm.heap)];
            for &number in &numbers[..count] {
                let last = versions[versions.len() - 1];
                let value = Value::fixnum(number * number);
                versions.push(map::set(&mut vm.heap, last, Value::fixnum(number), value));
            }
            versions
        };
        let versions = grown(&mut vm, 200);
        for count in (0..200).step_by(13) {
            let alone = grown(&mut vm, count)[count];
            for (a, b) in [(alone, versions[count]), (versions[count], alone)] {
                assert!(equal(&vm.heap, a, b), "{count} entries");
            }
            // As long, but with a key that the older one got later.
            let last = Value::fixnum(numbers[count]);
            let fewer = map::remove(&mut vm.heap, alone, Value::fixnum(numbers[0]));
            let other = map::set(&mut vm.heap, fewer, last, Value::fixnum(numbers[count].pow(2)));
            for (a, b) in [(other, versions[count]), (versions[count], other)] {
                assert!(!equal(&vm.heap, a, b), "another key, {count} entries");
            }
        }
        // Nothing of that made the newest one slower to extend.
        let value = Value::fixnum(-1);
        assert!(map::set_at_once(&mut vm.heap, versions[200], Value::fixnum(200), value).is_some());
    }

    fn a_copy_of_a_direct_table_hands_out_no_stamp_again() {
        let mut vm = vm();
        let number = Value::fixnum;
        let mut full = map::new(&mut vm.heap);
        for key in 0..=100 {
            full = map::set(&mut vm.heap, full, number(key), Value::ZERO);
        }
        let fewer = map::remove(&mut vm.heap, full, number(100));
        for round in 0..1000 {
            let _ = map::set(&mut vm.heap, fewer, number(5), number(round));
            let more = map::set(&mut vm.heap, fewer, number(110), Value::ONE);
            assert_eq!(map::get(&mut vm.heap, fewer, number(110)), None, "round {round}");
            assert_eq!(map::get(&mut vm.heap, more, number(110)), Some(Value::ONE));
        }
    }

    fn values_of_a_map_of_integers_become_objects() {
        let mut vm = vm();
        let mut last = map::new(&mut vm.heap);
        for number in 0..1000 {
            last = map::set(&mut vm.heap, last, Value::fixnum(number), Value::fixnum(-number));
        }
        let text = vm.heap.string(b"text");
        let next = Value::fixnum(1000);
        assert_eq!(map::set_at_once(&mut vm.heap, last, next, text), None, "all would have to move");
        let room = map::change_bytes(&vm.heap, last, next, text);
        let before = vm.heap.statistics().allocated_bytes;
        last = map::set(&mut vm.heap, last, next, text);
        let taken = vm.heap.statistics().allocated_bytes - before;
        assert!(taken as usize <= room, "{taken} bytes, {room} were said");
        for number in 1001..5000 {
            last = map::set(&mut vm.heap, last, Value::fixnum(number), text);
        }
        for number in 0..5000 {
            let found = map::get(&mut vm.heap, last, Value::fixnum(number));
            let expected = if number < 1000 { Value::fixnum(-number) } else { text };
            assert_eq!(found, Some(expected), "{number}");
        }
        assert_eq!(map::get(&mut vm.heap, last, Value::fixnum(5000)), None);
    }

    fn changes_take_no_more_than_they_said() {
        let mut vm = vm();
        let mut random = Random(77);
        let (mut versions, mut most) = (vec![map::new(&mut vm.heap)], 0);
        for step in 0..6000 {
            let older = random.below(50) == 0;
            let at = if older { random.below(versions.len()) } else { versions.len() - 1 };
            let map = versions[at];
            let key = dense_key(&mut vm, random.below(4000));
            let removes = random.below(20) == 0;
            let value = match (removes, random.below(900)) {
                (true, _) => Value::UNDEFINED,
                (false, 0) => vm.heap.integer(i64::MAX),
                (false, small) => Value::fixnum(small as i64),
            };
            let room = map::change_bytes(&vm.heap, map, key, value);
            let before = vm.heap.statistics().allocated_bytes;
            versions.push(if removes {
                map::remove(&mut vm.heap, map, key)
            } else {
                map::set(&mut vm.heap, map, key, value)
            });
            let taken = (vm.heap.statistics().allocated_bytes - before) as usize;
            assert!(taken <= room, "step {step}: {taken} bytes, {room} were said");
            most = most.max(map::size(map) + 8);
            assert!(room <= most * 2000, "step {step}: {room} bytes for {most} keys");
        }
    }

    fn a_direct_table_is_changed_and_undone() {
        let mut vm = vm();
        let mut full = map::new(&mut vm.heap);
        for number in 0..1000 {
            full = map::set(&mut vm.heap, full, Value::fixnum(number), Value::ZERO);
        }
        let number = Value::fixnum;
        let changed = map::set(&mut vm.heap, full, number(5), Value::ONE);
        let removed = map::remove(&mut vm.heap, changed, number(5));
        let again = map::set(&mut vm.heap, removed, number(5), number(2));
        let text = vm.heap.string(b"value");
        let texts = map::set(&mut vm.heap, again, number(1000), text);
        let mut seen = |map, key| map::get(&mut vm.heap, map, number(key));
        // In the order that turns links round most often.
        for _ in 0..3 {
            assert_eq!(seen(full, 5), Some(Value::ZERO));
            assert_eq!(seen(texts, 1000), Some(text));
            assert_eq!(seen(removed, 5), None);
            assert_eq!(seen(again, 1000), None);
            assert_eq!(seen(again, 5), Some(number(2)));
            assert_eq!(seen(changed, 5), Some(Value::ONE));
        }
        let place = |heap: &valk_heap::Heap, map| {
            map::entries(heap, map).iter().position(|(key, _)| *key == number(5))
        };
        for (map, expected) in [(full, Some(5)), (again, Some(999)), (removed, None)] {
            assert_eq!(place(&vm.heap, map), expected);
        }
        // Another table each: the older map is not the newest any more.
        for _ in 0..1000 {
            let other = map::set(&mut vm.heap, full, number(2000), Value::ONE);
            assert_eq!(map::size(other), 1001);
            assert_eq!(map::get(&mut vm.heap, full, number(2000)), None);
        }
        assert_eq!(place(&vm.heap, full), Some(5));
    }

    fn an_early_version_of_a_long_map_gets_a_table_of_its_own() {
        let mut vm = vm();
        let empty = map::new(&mut vm.heap);
        let early = map::set(&mut vm.heap, empty, Value::ZERO, Value::ZERO);
        let mut late = early;
        for number in 1..5000 {
            late = map::set(&mut vm.heap, late, Value::fixnum(number * 100_000), Value::ONE);
        }
        let before = vm.heap.statistics().allocated_bytes;
        for number in 0..100 {
            let other = map::set(&mut vm.heap, early, Value::fixnum(-1 - number), Value::ONE);
            assert_eq!(map::size(other), 2);
        }
        let bytes = vm.heap.statistics().allocated_bytes - before;
        assert!(bytes < 50_000, "{bytes} bytes for 100 changes of a small map");
        assert_eq!(map::entries(&vm.heap, early), [(Value::ZERO, Value::ZERO)]);
        assert_eq!(map::entries(&vm.heap, late).len(), 5000);
    }

    fn growing_leaves_nothing_behind_that_refers_to_what_comes() {
        let mut vm = vm();
        let first = map::new(&mut vm.heap);
        let mut last = first;
        for number in 0..100 {
            last = map::set(&mut vm.heap, last, Value::fixnum(number), Value::ONE);
        }
        assert_eq!(first.field(0), last.field(0), "one state");
        assert_eq!(map::size(first), 0);
        assert_eq!(map::entries(&vm.heap, first), []);
    }

    fn vectors_agree_with_arrays() {
        for seed in 1..=80 {
            random_vectors(seed, 400);
        }
    }

    fn an_old_version_does_not_keep_every_change() {
        let mut vm = vm();
        let mut newest = map::new(&mut vm.heap);
        newest = map::set(&mut vm.heap, newest, Value::ZERO, Value::ZERO);
        let oldest = newest;
        for round in 0..100 {
            newest = map::set(&mut vm.heap, newest, Value::ONE, Value::fixnum(round));
        }
        let kept = vm.heap.statistics().allocated_bytes;
        // From the oldest version, the way to its table is short: the rest is garbage.
        let mut links = 0;
        let mut at = oldest.field(0);
        while at.field(0).kind() != valk_heap::Kind::Record {
            at = at.field(0);
            links += 1;
        }
        assert!(links <= 8, "{links} links");
        assert!(kept < 100_000, "{kept} bytes allocated for 100 changes of a small map");
    }

    fn a_table_is_tidied_under_an_old_version() {
        let mut vm = vm();
        let mut base = map::new(&mut vm.heap);
        for number in 0..10 {
            let key = Value::fixnum(number);
            base = map::set(&mut vm.heap, base, key, key);
        }
        let before = vm.heap.statistics().allocated_bytes;
        for number in 100..10_100 {
            let derived = map::set(&mut vm.heap, base, Value::fixnum(number), Value::ONE);
            assert_eq!(map::size(derived), 11);
            assert_eq!(map::get(&mut vm.heap, base, Value::fixnum(number)), None);
        }
        let bytes = vm.heap.statistics().allocated_bytes - before;
        assert!(bytes < 10_000 * 400, "{bytes} bytes for 10 000 changes of one version");
        assert_eq!(map::entries(&vm.heap, base).len(), 10);
    }

    fn maps_as_keys_of_maps() {
        let mut vm = vm();
        let nested = |vm: &mut Vm| {
            let mut map = map::new(&mut vm.heap);
            for _ in 0..2000 {
                let outer = map::new(&mut vm.heap);
                map = map::set(&mut vm.heap, outer, map, Value::ONE);
            }
            map
        };
        let (a, b) = (nested(&mut vm), nested(&mut vm));
        assert!(equal(&vm.heap, a, b));
    }
}
