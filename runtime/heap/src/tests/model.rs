//! A model of the heap in plain Rust collections, and a world that drives both alike.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};

use super::{Random, collect};
use crate::{Collected, Collection, Config, Heap, HostObject, Kind, Tracer, Value};

/// What a slot holds, in the model: a cell by number and the reference's quoted bit.
#[derive(Clone, Copy, Debug)]
enum Slot {
    Immediate(Value),
    Cell(usize, bool),
}

#[derive(Debug)]
enum Body {
    Slots(Kind, Vec<Slot>),
    Host(Vec<Slot>),
    Text(Vec<u8>),
    Integer(i64),
    Decimal(i128),
}

/// Numbers of the hosts that were dropped, in order.
pub type Dropped = Arc<Mutex<Vec<usize>>>;

/// A native object that says when it is dropped.
pub struct Recorded {
    pub number: usize,
    pub values: Mutex<Vec<Value>>,
    pub dropped: Dropped,
}

impl HostObject for Recorded {
    fn trace(&mut self, tracer: &mut Tracer<'_>) {
        tracer.slice(self.values.get_mut().expect("no holder panics"));
    }
    fn type_name(&self) -> &'static str {
        "recorded"
    }
}

impl Drop for Recorded {
    fn drop(&mut self) {
        self.dropped.lock().expect("no holder panics").push(self.number);
    }
}

const ROOTS: usize = 24;

/// A heap and its model in step.
pub struct World {
    pub heap: Heap,
    pub dropped: Dropped,
    random: Random,
    roots: Vec<Value>,
    model_roots: Vec<Slot>,
    cells: Vec<Body>,
}

impl World {
    pub fn new(config: Config, seed: u64) -> World {
        World {
            heap: Heap::new(config).expect("the test's configuration"),
            dropped: Arc::default(),
            random: Random::new(seed),
            roots: vec![Value::NIL; ROOTS],
            model_roots: vec![Slot::Immediate(Value::NIL); ROOTS],
            cells: Vec::new(),
        }
    }

    /// One random operation; none collects.
    pub fn step(&mut self) {
        match self.random.below(20) {
            0..=9 => self.allocate(),
            10..=14 => self.write(),
            15..=17 => self.descend(),
            _ => {
                let at = self.random.below(ROOTS);
                self.set_root(at, Value::NIL, Slot::Immediate(Value::NIL));
            }
        }
    }

    fn set_root(&mut self, at: usize, value: Value, slot: Slot) {
        self.roots[at] = value;
        self.model_roots[at] = slot;
    }

    /// A value that may be stored: an immediate or what a root holds.
    fn pick(&mut self) -> (Value, Slot) {
        if self.random.below(4) == 0 {
            let value = Value::fixnum(self.random.next() as i64 >> 3);
            return (value, Slot::Immediate(value));
        }
        let at = self.random.below(ROOTS);
        (self.roots[at], self.model_roots[at])
    }

    fn pick_many(&mut self, count: usize) -> (Vec<Value>, Vec<Slot>) {
        (0..count).map(|_| self.pick()).unzip()
    }

    fn allocate(&mut self) {
        let quoted = self.random.below(2) == 0;
        let number = self.cells.len();
        let (value, body) = match self.random.below(32) {
            0..=11 => {
                let (values, slots) = self.pick_many(2);
                (self.heap.cons(values[0], values[1], quoted), Body::Slots(Kind::Pair, slots))
            }
            12 => {
                let (values, slots) = self.pick_many(2);
                (self.heap.old_cons(values[0], values[1], quoted), Body::Slots(Kind::Pair, slots))
            }
            13..=18 => {
                let kinds = [Kind::Cell, Kind::Closure, Kind::Partial, Kind::Environment];
                let kind = kinds[self.random.below(4)];
                let count = self.random.below(9);
                let (values, slots) = self.pick_many(count);
                (self.heap.fields(kind, &values), Body::Slots(kind, slots))
            }
            19..=20 => {
                let count = [30, 30, 30, 30, 1500, 10_000][self.random.below(6)];
                let count = self.random.below(count);
                let (values, slots) = self.pick_many(count);
                (self.heap.fields(Kind::Record, &values), Body::Slots(Kind::Record, slots))
            }
            21..=24 => {
                let length = [40, 40, 40, 400, 20_000, 100_000][self.random.below(6)];
                let length = self.random.below(length);
                let text: Vec<u8> = (0..length).map(|_| self.random.next() as u8).collect();
                (self.heap.string(&text), Body::Text(text))
            }
            25 => {
                let units = i128::MAX >> self.random.below(127);
                (self.heap.decimal(-units), Body::Decimal(-units))
            }
            26 => {
                let integer = i64::MAX - self.random.below(1000) as i64;
                (self.heap.integer(integer), Body::Integer(integer))
            }
            _ => {
                let count = self.random.below(4);
                let (values, slots) = self.pick_many(count);
                let dropped = Arc::clone(&self.dropped);
                let host = Recorded { number, values: Mutex::new(values), dropped };
                (self.heap.host(Box::new(host)), Body::Host(slots))
            }
        };
        self.cells.push(body);
        let at = self.random.below(ROOTS);
        self.set_root(at, value, Slot::Cell(number, value.is_quoted()));
    }

    /// Assigns a random slot of a random root's cell.
    fn write(&mut self) {
        let at = self.random.below(ROOTS);
        let object = self.roots[at];
        let Slot::Cell(number, _) = self.model_roots[at] else { return };
        let (value, slot) = self.pick();
        let draw = self.random.next() as usize;
        match &mut self.cells[number] {
            Body::Slots(_, slots) if !slots.is_empty() => {
                let index = draw % slots.len();
                slots[index] = slot;
                self.heap.write(object, index, value);
            }
            Body::Host(slots) if !slots.is_empty() => {
                let index = draw % slots.len();
                slots[index] = slot;
                self.heap.touch_host(object);
                let host = object.host::<Recorded>(&self.heap).expect("a host");
                host.values.lock().expect("no holder panics")[index] = value;
            }
            _ => {}
        }
    }

    /// Makes a root of something inside a root.
    fn descend(&mut self) {
        let at = self.random.below(ROOTS);
        let Slot::Cell(number, _) = self.model_roots[at] else { return };
        let (Body::Slots(_, slots) | Body::Host(slots)) = &self.cells[number] else { return };
        if slots.is_empty() {
            return;
        }
        let index = self.random.next() as usize % slots.len();
        let (slot, value) = (slots[index], self.slot_of(self.roots[at], index));
        let to = self.random.below(ROOTS);
        self.set_root(to, value, slot);
    }

    fn slot_of(&self, object: Value, index: usize) -> Value {
        match object.kind() {
            Kind::Pair if index == 0 => object.head(),
            Kind::Pair => object.tail(),
            Kind::Host => {
                let host = object.host::<Recorded>(&self.heap).expect("a host");
                host.values.lock().expect("no holder panics")[index]
            }
            _ => object.field(index),
        }
    }

    pub fn collect(&mut self, kind: Collection) -> Collected {
        collect(&mut self.heap, kind, &mut self.roots)
    }

    /// Compares everything reachable with the model; returns the numbers of the cells reached.
    pub fn check(&mut self) -> HashSet<usize> {
        let mut places: HashMap<usize, usize> = HashMap::new();
        let mut work: Vec<(Value, Slot)> =
            self.roots.iter().copied().zip(self.model_roots.iter().copied()).collect();
        while let Some((value, slot)) = work.pop() {
            match slot {
                Slot::Immediate(expected) => assert_eq!(value, expected),
                Slot::Cell(number, quoted) => {
                    assert_eq!(value.is_quoted(), quoted, "cell {number}");
                    match places.insert(number, value.address()) {
                        Some(place) => assert_eq!(place, value.address(), "cell {number} split"),
                        None => self.check_cell(value, number, &mut work),
                    }
                }
            }
        }
        let distinct: HashSet<usize> = places.values().copied().collect();
        assert_eq!(distinct.len(), places.len(), "two cells at one address");
        if self.heap.mutators() == 1 {
            assert_eq!(self.heap.verify(&mut self.roots), places.len());
        }
        places.into_keys().collect()
    }

    fn check_cell(&self, value: Value, number: usize, work: &mut Vec<(Value, Slot)>) {
        let (kind, slots) = match &self.cells[number] {
            Body::Slots(kind, slots) => (*kind, slots),
            Body::Host(slots) => {
                let host = value.host::<Recorded>(&self.heap).expect("a host");
                assert_eq!(host.number, number);
                (Kind::Host, slots)
            }
            Body::Text(text) => return assert_eq!(value.bytes(&self.heap), text),
            Body::Integer(integer) => return assert_eq!(value.as_integer(), Some(*integer)),
            Body::Decimal(units) => return assert_eq!(value.as_decimal_units(), Some(*units)),
        };
        assert_eq!(value.kind(), kind, "cell {number}");
        if kind.has_fields() {
            assert_eq!(value.field_count(), slots.len());
        }
        let values = (0..slots.len()).map(|index| self.slot_of(value, index));
        work.extend(values.zip(slots.iter().copied()));
    }

    /// Numbers of all hosts made.
    pub fn hosts(&self) -> HashSet<usize> {
        let hosts = self.cells.iter().enumerate().filter(|(_, body)| matches!(body, Body::Host(_)));
        hosts.map(|(number, _)| number).collect()
    }
}
