//! The heap checker: walks everything reachable and asserts the invariants of the heap.
//!
//! 1. Every reference leads to an initialised cell inside one of the spaces.
//! 2. No reference leads to a cell that was freed or moved.
//! 3. An old cell that refers to a young one is in the remembered set, once.
//!
//! For tests and stress builds: it costs many times a full collection.

use crate::values::forwarding;
use crate::values::forwarding::FORWARDED;
use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use crate::collector::tracer::{Pass, Tracer};
use crate::mutator::heap::Heap;
use crate::roots::mutator_roots::Roots;
use crate::spaces::old_space::{OldMap, OldSpace};
use crate::spaces::page::Page;
use crate::values::object::{self, PAIR_BYTES, POISON, UNLOGGED};
use crate::values::value::Value;
use valk_sync::shim::lock;

impl Heap {
    /// Checks the heap as reached from `roots`, the root table and the globals; returns the number
    /// of cells.
    ///
    /// # Panics
    /// When a rule is broken, with the rule in the message, and when there are other mutators.
    pub fn verify(&mut self, roots: &mut dyn Roots) -> usize {
        assert_eq!(self.mutators(), 1, "another mutator may change what is checked");
        self.verify_remembered();
        let shared = Arc::clone(&self.shared);
        let mut work = self.inspect(Vec::new(), |tracer, table| {
            roots.trace(tracer);
            table.trace(tracer);
            shared.globals.trace(tracer);
        });
        let map = lock(&self.shared.old).map();
        let mut seen = HashSet::new();
        while let Some(cell) = work.pop() {
            if !seen.insert(cell.address()) {
                continue;
            }
            self.verify_cell(&map, cell);
            let known = work.len();
            work = self.inspect(work, |tracer, _| tracer.scan(cell));
            let refers_to_young = work[known..].iter().any(|child| self.is_young(*child));
            assert!(
                !refers_to_young || self.is_young(cell) || is_logged(cell),
                "rule 3: old {cell:?} refers to a young cell and is not remembered"
            );
        }
        seen.len()
    }

    fn inspect(
        &mut self,
        work: Vec<Value>,
        visit: impl FnOnce(&mut Tracer<'_>, &mut crate::roots::root_table::RootTable),
    ) -> Vec<Value> {
        let mut common = self.locked();
        let common = &mut *common;
        let old = Mutex::new(OldSpace::new());
        // To an inspection nothing is young: nothing may move.
        let mut tracer = Tracer::new(Pass::Inspect, (0, 0), &old, work);
        visit(&mut tracer, &mut common.roots);
        tracer.finish().work
    }

    fn verify_remembered(&self) {
        let distinct: HashSet<usize> = self.remembered.iter().map(|cell| cell.address()).collect();
        assert_eq!(distinct.len(), self.remembered.len(), "rule 3: a cell is remembered twice");
        for &cell in &self.remembered {
            assert!(!self.is_young(cell), "rule 3: young {cell:?} is remembered");
            assert!(is_logged(cell), "rule 3: {cell:?} is remembered and does not say so");
        }
    }

    fn verify_cell(&self, map: &OldMap, cell: Value) {
        let address = cell.address();
        let bytes = if cell.is_pair() { PAIR_BYTES } else { object::GRANULE_BYTES };
        assert!(self.holds(map, address, bytes), "rule 1: {cell:?} leads outside the spaces");
        // SAFETY: the address is that of at least one granule inside a space.
        let first = unsafe { object::load(address) };
        assert_ne!(first, POISON, "rule 2: {cell:?} leads to freed memory");
        if cell.is_pair() {
            let moved = forwarding::pair_moved_to(first).is_some();
            assert!(!moved, "rule 2: {cell:?} leads to a moved pair");
            return;
        }
        let header = cell.header();
        assert_ne!(header.kind, FORWARDED, "rule 2: {cell:?} leads to a moved object");
        let bytes = header.object_bytes();
        assert!(
            self.holds(map, address, bytes),
            "rule 1: {cell:?} of {bytes} bytes leaves its slot"
        );
    }

    fn holds(&self, map: &OldMap, address: usize, bytes: usize) -> bool {
        let (base, reserved) = self.shared.young();
        if address.wrapping_sub(base) < reserved {
            // SAFETY: `verify` made sure that there is no other mutator.
            let is_in_abandoned_nursery =
                unsafe { self.shared.is_in_abandoned_nursery(address, bytes) };
            return self.young.holds(address, bytes) || is_in_abandoned_nursery;
        }
        map.holds(address, bytes)
    }
}

fn is_logged(cell: Value) -> bool {
    if cell.is_pair() {
        // SAFETY: the callers pass old cells.
        return unsafe { Page::of(cell.address()) }.is_logged(cell.address());
    }
    cell.header().flags & UNLOGGED == 0
}
