//! Collections: one tracing pass that moves live young cells to the old space and, when it is a
//! full one, marks live old cells, after which the unmarked ones are free.
//!
//! 1. Minor: the roots, the root table and the remembered set are all there is that can point into
//!    the young region. Old cells found on the way are not followed.
//! 2. Full: everything reachable is followed, the remembered set is not needed. Cells arriving
//!    from the young region are marked on arrival.
//! 3. A moved cell leaves its new address behind: a pair [`Value::FORWARD`] in its head and the
//!    address in its tail, an object [`FORWARDED`] in its header and the address in its second
//!    word. References keep their own quoted bit.
//! 4. The work list is explicit, so no shape of data exhausts the native stack.
//! 5. Survivors are promoted at once; ages would be a second destination in [`Tracer::destination`].
//! 6. The mutator that leads a collection does all of it, in a stopped world, for all nurseries; the
//!    coordinator of the heap orders what it does with what every mutator did and will do.
//!
//! Does not know what the roots are.

use std::sync::{Arc, MutexGuard};
use std::time::Instant;

use crate::heap::Heap;
use crate::limits::RETAINED_WORK_ENTRIES;
use crate::object::{self, FORWARDED, Header, Kind, PAIR_BYTES, UNLOGGED};
use crate::old::{OldSpace, Page};
use crate::roots::Roots;
use crate::shared::{Common, Part, Shared};
use crate::value::Value;
use valk_sync::coordinator::Outcome;

/// How much to collect.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Collection {
    /// The nursery.
    Minor,
    /// Everything.
    Full,
    /// What the heap thinks is due.
    Auto,
}

/// What a collection did.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Collected {
    /// What was collected: [`Collection::Minor`] or [`Collection::Full`].
    pub kind: Collection,
    /// Bytes of the nursery in use before.
    pub young_bytes: usize,
    /// Bytes in use before less bytes in use after; never negative.
    pub reclaimed_bytes: usize,
    /// Bytes moved from the nursery to the old space.
    pub promoted_bytes: usize,
    /// Bytes in use afterwards.
    pub used_bytes: usize,
    /// How long it took, in microseconds.
    pub pause_us: u64,
    /// It was the caller that did it, and not another mutator at the same time.
    pub led: bool,
}

#[derive(Copy, Clone, PartialEq, Eq)]
pub(crate) enum Pass {
    Minor,
    Full,
    /// Lists references without following or changing them; for the checker.
    Inspect,
}

/// Receives every `Value` outside the heap, and inside hosts, during a collection.
pub struct Tracer<'h> {
    young_base: usize,
    young_bytes: usize,
    pass: Pass,
    old: &'h mut OldSpace,
    /// Old cells whose slots have not been looked at yet.
    work: Vec<Value>,
    promoted_bytes: usize,
    promoted_cells: u64,
    updated_slots: u64,
}

impl<'h> Tracer<'h> {
    pub(crate) fn new(
        pass: Pass,
        (young_base, young_bytes): (usize, usize),
        old: &'h mut OldSpace,
        work: Vec<Value>,
    ) -> Tracer<'h> {
        Tracer {
            young_base,
            young_bytes,
            pass,
            old,
            work,
            promoted_bytes: 0,
            promoted_cells: 0,
            updated_slots: 0,
        }
    }

    /// Shows one value, which is updated if what it refers to moves.
    #[inline(always)]
    pub fn value(&mut self, slot: &mut Value) {
        let value = *slot;
        if !value.is_reference() {
            return;
        }
        if self.is_young(value) {
            self.updated_slots += 1;
            *slot = self.evacuate(value);
        } else if self.pass != Pass::Minor {
            self.reach(value);
        }
    }

    /// Shows a run of values.
    #[inline]
    pub fn slice(&mut self, slots: &mut [Value]) {
        for slot in slots {
            self.value(slot);
        }
    }

    /// Whether only references into the nursery matter to this pass: slots that were shown to an
    /// earlier collection and not assigned since hold none and may be left out.
    pub fn only_young(&self) -> bool {
        self.pass == Pass::Minor
    }

    /// Follows what was found until nothing is left.
    fn drain(&mut self) {
        while let Some(cell) = self.work.pop() {
            self.scan(cell);
        }
    }

    /// Shows every slot of a cell.
    #[inline]
    pub(crate) fn scan(&mut self, cell: Value) {
        let address = cell.address();
        if cell.is_pair() {
            self.scan_list(address);
            return;
        }
        let header = cell.header();
        if header.has_fields() {
            let first = object::field_address(address, 0);
            // SAFETY: cells on the work list or in the remembered set are initialised and not
            // moved; the collector has exclusive access to the heap; a header with fields is
            // followed by `len` of them.
            self.slice(unsafe { object::slots(first, header.len as usize) });
        } else if header.kind == Kind::Host as u8 {
            // SAFETY: as above; a live host object owns its box, and no reference into the box
            // outlives the borrow of the heap that `collect` excludes.
            unsafe { &mut *object::host_of(address) }.trace(self);
        }
    }

    /// Shows both slots of the pair at `address` and goes on with the tail as long as that is a
    /// pair found just now: the cells of a list skip the work list and land side by side.
    #[inline]
    fn scan_list(&mut self, mut address: usize) {
        loop {
            // SAFETY: as in `scan`; a pair is two slots.
            let slots = unsafe { object::slots(address, 2) };
            self.value(&mut slots[0]);
            let tail = slots[1];
            if !tail.is_pair() || self.pass == Pass::Inspect {
                self.value(&mut slots[1]);
                return;
            }
            let fresh = if self.is_young(tail) {
                let (moved, fresh) = self.move_pair(tail);
                slots[1] = moved;
                self.updated_slots += 1;
                fresh
            } else {
                // SAFETY: a live reference that is not young points to a cell of the old space.
                self.pass == Pass::Full && unsafe { Page::of(tail.address()) }.mark(tail.address())
            };
            if !fresh {
                return;
            }
            address = slots[1].address();
        }
    }

    #[inline(always)]
    fn is_young(&self, value: Value) -> bool {
        value.address().wrapping_sub(self.young_base) < self.young_bytes
    }

    /// An old cell was found by a pass that follows everything.
    #[inline]
    fn reach(&mut self, value: Value) {
        if self.pass == Pass::Inspect {
            self.work.push(value);
            return;
        }
        // SAFETY: a live reference that is not young points to a cell of the old space.
        let page = unsafe { Page::of(value.address()) };
        if page.mark(value.address()) {
            self.work.push(value);
        }
    }

    /// The new reference for a reference into the young region, moving the cell if that has not
    /// happened yet.
    #[inline]
    fn evacuate(&mut self, value: Value) -> Value {
        if !value.is_pair() {
            return self.evacuate_object(value);
        }
        let (moved, fresh) = self.move_pair(value);
        if fresh {
            self.work.push(moved);
        }
        moved
    }

    /// The new reference to a young pair, and whether it has moved just now.
    #[inline]
    fn move_pair(&mut self, value: Value) -> (Value, bool) {
        let from = value.address();
        // SAFETY: a live young pair is two words, of which rule 3 may have taken over both.
        let (head, tail) = unsafe { (object::load(from), object::load(from + 8)) };
        if head == Value::FORWARD.bits() {
            return (value.moved_to(tail as usize), false);
        }
        let to = self.destination(PAIR_BYTES);
        // SAFETY: `to` is fresh memory of a pair's size; `from` is not used as a pair again.
        unsafe {
            object::store(to, head);
            object::store(to + 8, tail);
            object::store(from, Value::FORWARD.bits());
            object::store(from + 8, to as u64);
        }
        (value.moved_to(to), true)
    }

    #[inline]
    fn evacuate_object(&mut self, value: Value) -> Value {
        let from = value.address();
        let header = value.header();
        if header.kind == FORWARDED {
            // SAFETY: rule 3; every cell has a second word.
            return value.moved_to(unsafe { object::load(from + Header::BYTES) } as usize);
        }
        let bytes = header.object_bytes();
        let to = self.destination(bytes);
        // SAFETY: `to` is fresh memory of the object's size and overlaps nothing; `from` is not
        // used as an object again.
        unsafe {
            object::at::<u64>(to).copy_from_nonoverlapping(object::at(from), bytes / 8);
            Header { flags: UNLOGGED, ..header }.store(to);
            Header { kind: FORWARDED, ..header }.store(from);
            object::store(from + Header::BYTES, to as u64);
        }
        let moved = value.moved_to(to);
        if header.has_fields() {
            self.work.push(moved);
        }
        moved
    }

    /// Memory for a cell that moves.
    #[inline]
    fn destination(&mut self, bytes: usize) -> usize {
        let to = self.old.allocate(bytes);
        self.promoted_bytes += bytes;
        self.promoted_cells += 1;
        if self.pass == Pass::Full {
            // SAFETY: the old space has just given out this address.
            unsafe { Page::of(to) }.mark(to);
        }
        to
    }

    pub(crate) fn take_work(&mut self) -> Vec<Value> {
        std::mem::take(&mut self.work)
    }
}

impl Heap {
    /// Collects garbage, for all mutators of the heap: they are stopped meanwhile. When another one
    /// is collecting already this takes part in that, and then collects itself if it was told
    /// [`Collection::Full`] and that was none. May run native destructors of dead hosts, last of all.
    ///
    /// Set apart from every other operation in that it invalidates: after it, a `Value` may be
    /// used only if it was shown by `roots` (and is read again from there), or is reached from
    /// such a one or from a [`crate::Root`].
    ///
    /// # Safety
    /// The caller uses no `Value`, and nothing that borrows from one, beyond what is said above;
    /// every `Value` inside a host that was changed was announced by [`Heap::touch_host`].
    pub unsafe fn collect(&mut self, kind: Collection, roots: &mut dyn Roots) -> Collected {
        self.interrupt().answer();
        // SAFETY: the caller's promise; `roots` is borrowed until this returns.
        unsafe { self.show(roots) };
        let shared = Arc::clone(&self.shared);
        let request = Request {
            kind,
            generational: self.generational,
            full_by_chance: kind == Collection::Auto && self.full_by_chance(),
            refused: self.refuses(),
        };
        let (collected, dead) = loop {
            // SAFETY: `lead` runs in the stopped world.
            match self.mutator.collect(|_| unsafe { lead(&shared, &request) }) {
                Outcome::Led(result) => break result,
                Outcome::Joined | Outcome::Refused => {
                    let last = self.common().last;
                    if let Some(last) = last
                        && (kind != Collection::Full || last.kind == Collection::Full)
                    {
                        break (Collected { led: false, ..last }, Vec::new());
                    }
                }
            }
        };
        self.arrange();
        // Destructors are foreign code: they run when the heap is whole again.
        drop(dead);
        collected
    }
}

/// What the leader of a collection was asked for.
struct Request {
    kind: Collection,
    generational: bool,
    full_by_chance: bool,
    /// A failure to stay below the hard limit is made up.
    refused: bool,
}

type Dead = Vec<Box<dyn object::HostObject>>;

/// A collection as its leader runs it.
struct Leader<'a> {
    shared: &'a Shared,
    common: MutexGuard<'a, Common>,
    parts: Vec<Part<'a>>,
}

/// Collects; what it did and the dead hosts, to be dropped afterwards.
///
/// # Safety
/// The world is stopped and the caller leads it.
unsafe fn lead(shared: &Shared, request: &Request) -> (Collected, Dead) {
    // SAFETY: the caller's promise.
    let parts = unsafe { shared.parts() };
    Leader { shared, common: shared.lock(), parts }.collect(request)
}

impl Leader<'_> {
    fn collect(mut self, request: &Request) -> (Collected, Dead) {
        let started = Instant::now();
        let used_before = self.note_peak();
        let young_bytes = self.young_bytes();
        self.common.statistics.allocated_bytes += young_bytes as u64;
        let limit = self.common.limits.hard_bytes;
        let full_due = self.tenured_bytes() > self.common.limits.full_at_bytes
            && (self.full_interval_is_over(started) || used_before > limit);
        let full = match request.kind {
            Collection::Full => true,
            Collection::Minor => !request.generational,
            Collection::Auto => full_due || !request.generational || request.full_by_chance,
        };
        let mut pass = if full { Pass::Full } else { Pass::Minor };
        let (mut promoted_bytes, mut dead) = self.pass(pass);
        let is_over = self.tenured_bytes() > limit || request.refused;
        if request.kind == Collection::Auto && pass == Pass::Minor && is_over {
            self.common.statistics.collections_emergency += 1;
            pass = Pass::Full;
            let (more, hosts) = self.pass(pass);
            promoted_bytes += more;
            dead = hosts;
        }
        for wanted in self.parts.iter_mut().filter_map(|part| part.wanted.as_deref_mut()) {
            *wanted = false;
        }
        let used_bytes = self.note_peak();
        let reclaimed_bytes = used_before.saturating_sub(used_bytes);
        let pause_us = started.elapsed().as_micros() as u64;
        let kind = if pass == Pass::Full { Collection::Full } else { Collection::Minor };
        let collected = Collected {
            kind,
            young_bytes,
            reclaimed_bytes,
            promoted_bytes,
            used_bytes,
            pause_us,
            led: true,
        };
        self.common.statistics.count(&collected, dead.len());
        self.common.last = Some(collected);
        (collected, dead)
    }

    /// Whether the last full collection is long enough ago for one that nobody asked for.
    fn full_interval_is_over(&self, now: Instant) -> bool {
        let milliseconds = u128::from(self.common.full_interval_ms);
        let last = self.common.last_full;
        last.is_none_or(|last| now.duration_since(last).as_millis() >= milliseconds)
    }

    /// What is in use in all nurseries.
    fn young_bytes(&self) -> usize {
        self.parts.iter().map(|part| part.young.used_bytes()).sum()
    }

    fn tenured_bytes(&self) -> usize {
        self.shared.tenured_bytes(&self.common)
    }

    /// What is in use, noted if there was never more.
    fn note_peak(&mut self) -> usize {
        let young = self.young_bytes();
        let used = young + self.tenured_bytes();
        let statistics = &mut self.common.statistics;
        statistics.used_bytes_peak = statistics.used_bytes_peak.max(used);
        statistics.young_bytes_peak = statistics.young_bytes_peak.max(young);
        used
    }

    /// One tracing pass with everything it entails; returns the promoted bytes and dead hosts.
    fn pass(&mut self, pass: Pass) -> (usize, Dead) {
        let common = &mut *self.common;
        if pass == Pass::Full {
            common.old.begin_full();
        }
        let work = std::mem::take(&mut common.work);
        let mut tracer = Tracer::new(pass, self.shared.young(), &mut common.old, work);
        for part in &mut self.parts {
            if let Some(roots) = &mut part.roots {
                roots.trace(&mut tracer);
            }
        }
        self.shared.globals.trace(&mut tracer);
        common.roots.trace(&mut tracer);
        if pass == Pass::Minor {
            for &cell in self.parts.iter().flat_map(|part| part.remembered.iter()) {
                tracer.scan(cell);
            }
        }
        tracer.drain();
        let promoted_bytes = tracer.promoted_bytes;
        let (cells, slots) = (tracer.promoted_cells, tracer.updated_slots);
        common.work = tracer.take_work();
        common.statistics.promoted_cells += cells;
        common.statistics.updated_slots += slots;
        common.work.shrink_to(RETAINED_WORK_ENTRIES);
        for part in &mut self.parts {
            // Before the sweep: remembered cells may be dead, but are still there.
            forget(part.remembered);
            part.young.reset();
        }
        if pass == Pass::Minor {
            common.statistics.collections_minor += 1;
            return (promoted_bytes, Vec::new());
        }
        let dead = common.old.sweep();
        common.statistics.collections_full += 1;
        common.last_full = Some(Instant::now());
        let tenured = self.tenured_bytes();
        self.common.limits.rearm(tenured);
        (promoted_bytes, dead)
    }
}

/// Empties a remembered set.
fn forget(remembered: &mut Vec<Value>) {
    for cell in remembered.drain(..) {
        let address = cell.address();
        if cell.is_pair() {
            // SAFETY: remembered cells lie in the old space.
            unsafe { Page::of(address) }.unlog(address);
        } else {
            let mut header = cell.header();
            header.flags |= UNLOGGED;
            // SAFETY: as above; the header is rewritten in place, in a stopped world.
            unsafe { header.store(address) };
        }
    }
}
