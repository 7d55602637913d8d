//! Tracing: follows references, moves live young cells to the old space and, in a full pass, marks
//! live old cells.
//!
//! 1. A minor pass does not follow old cells that it finds; whoever holds a reference into the young
//!    region is shown to it. A full pass follows everything. Cells arriving from the young region are
//!    marked on arrival.
//! 2. A moved cell leaves its new address behind, in its first word. References keep their own quoted
//!    bit.
//! 3. Several tracers may be at work (`team`). A young cell belongs to whoever replaces its first word;
//!    the others throw their copies away. An old cell belongs to whoever sets its mark. So each cell
//!    is scanned by one tracer, which alone writes to it.
//! 4. The work list is explicit, so no shape of data exhausts the native stack.
//! 5. Survivors are promoted at once; ages would be a second destination in [`Tracer::allocate`].
//! 6. A tracer fills holes of its own and gives back what is left of them, but for a full pass, after
//!    which the sweep finds what is free.
//!
//! Does not know what the roots are.

use crate::limits::LARGE_OBJECT_BYTES;
use crate::object::{self, Header, Kind, PAIR_BYTES, UNLOGGED};
use crate::old::{CLASS_BYTES, CLASS_COUNT, Hole, OldSpace, Page, class_of};
use crate::value::Value;
use std::sync::Mutex;
use valk_sync::shim::lock;

#[derive(Copy, Clone, PartialEq, Eq)]
pub(crate) enum Pass {
    Minor,
    Full,
    /// Lists references without following or changing them; for the checker.
    Inspect,
}

/// The old space, for tracers that need a hole.
pub(crate) type SharedOldSpace = Mutex<OldSpace>;

/// What has become of a value when everything that is kept was found: itself, the reference to where it
/// was moved, or [`Value::UNDEFINED`].
pub(crate) fn survivor(value: Value, pass: Pass, (base, bytes): (usize, usize)) -> Value {
    if !value.is_reference() {
        return value;
    }
    let address = value.address();
    if address.wrapping_sub(base) < bytes {
        // SAFETY: what lies in the young region is there until it is emptied.
        let first = unsafe { object::load_among_others(address) };
        let moved = if value.is_pair() {
            object::pair_moved_to(first)
        } else {
            object::object_moved_to(first)
        };
        return moved.map_or(Value::UNDEFINED, |to| value.moved_to(to));
    }
    // SAFETY: a reference that is not young leads to a cell of the old space that is not swept yet.
    let is_kept = pass == Pass::Minor || unsafe { Page::of(address) }.is_marked(address);
    if is_kept { value } else { Value::UNDEFINED }
}

/// What a tracer has done.
#[derive(Default)]
pub(crate) struct Done {
    /// Cells found and not scanned.
    pub work: Vec<Value>,
    pub promoted_bytes: usize,
    pub promoted_cells: u64,
    pub updated_slots: u64,
}

/// Receives every `Value` outside the heap, and inside hosts, during a collection.
pub struct Tracer<'h> {
    young_base: usize,
    young_bytes: usize,
    pass: Pass,
    /// Others trace at the same time.
    among_others: bool,
    holes: [Hole; CLASS_COUNT],
    old: &'h SharedOldSpace,
    done: Done,
}

impl<'h> Tracer<'h> {
    pub(crate) fn new(
        pass: Pass,
        (young_base, young_bytes): (usize, usize),
        old: &'h SharedOldSpace,
        work: Vec<Value>,
    ) -> Tracer<'h> {
        let done = Done { work, ..Done::default() };
        let holes = [Hole::default(); CLASS_COUNT];
        Tracer { young_base, young_bytes, pass, among_others: false, holes, old, done }
    }

    /// From here on others trace at the same time.
    pub(crate) fn join_others(&mut self) {
        self.among_others = true;
    }

    /// Shows one value, which is updated if what it refers to moves.
    #[inline]
    pub fn value(&mut self, slot: &mut Value) {
        self.slice(std::slice::from_mut(slot));
    }

    /// Shows a run of values.
    #[inline]
    pub fn slice(&mut self, slots: &mut [Value]) {
        if self.among_others {
            for slot in slots {
                self.show::<true>(slot);
            }
        } else {
            for slot in slots {
                self.show::<false>(slot);
            }
        }
    }

    /// Shows one value. `SHARED`, here and below, is `among_others`, which the inner loop shall not ask
    /// for at every cell.
    #[inline(always)]
    fn show<const SHARED: bool>(&mut self, slot: &mut Value) {
        let value = *slot;
        if !value.is_reference() {
            return;
        }
        if self.is_young(value) {
            self.done.updated_slots += 1;
            *slot = self.evacuate::<SHARED>(value);
        } else if self.pass != Pass::Minor {
            self.reach::<SHARED>(value);
        }
    }

    /// Whether only references into the nursery matter to this pass: slots that were shown to an
    /// earlier collection and not assigned since hold none and may be left out.
    pub fn only_young(&self) -> bool {
        self.pass == Pass::Minor
    }

    /// Follows what was found, but not much more than so many cells; true when nothing is left.
    pub(crate) fn drain(&mut self, cells: usize) -> bool {
        if self.among_others { self.drain_as::<true>(cells) } else { self.drain_as::<false>(cells) }
    }

    #[inline(always)]
    fn drain_as<const SHARED: bool>(&mut self, mut cells: usize) -> bool {
        while let Some(cell) = self.done.work.pop() {
            self.scan_as::<SHARED>(cell);
            cells -= 1;
            if cells == 0 {
                return self.done.work.is_empty();
            }
        }
        true
    }

    /// Cells found and not scanned, for who shares them with others.
    pub(crate) fn work(&mut self) -> &mut Vec<Value> {
        &mut self.done.work
    }

    /// Shows every slot of a cell.
    #[inline(never)]
    pub(crate) fn scan(&mut self, cell: Value) {
        if self.among_others {
            self.scan_as::<true>(cell);
        } else {
            self.scan_as::<false>(cell);
        }
    }

    #[inline(always)]
    fn scan_as<const SHARED: bool>(&mut self, cell: Value) {
        let address = cell.address();
        if cell.is_pair() {
            self.scan_list::<SHARED>(address);
            return;
        }
        let header = cell.header();
        if header.has_fields() {
            let first = object::field_address(address, 0);
            // SAFETY: cells on the work list or in the remembered set are initialised and not
            // moved; rule 3; a header with fields is followed by `len` of them.
            for slot in unsafe { object::slots(first, header.len as usize) } {
                self.show::<SHARED>(slot);
            }
        } else if header.kind == Kind::Host as u8 {
            // SAFETY: as above; a live host object owns its box, and no reference into the box
            // outlives the borrow of the heap that a stop excludes.
            unsafe { &mut *object::host_of(address) }.trace(self);
        }
    }

    /// Shows both slots of the pair at `address` and goes on with the tail as long as that is a
    /// pair found just now: the cells of a list skip the work list and land side by side.
    #[inline(always)]
    fn scan_list<const SHARED: bool>(&mut self, mut address: usize) {
        loop {
            // SAFETY: as in `scan`; a pair is two slots.
            let slots = unsafe { object::slots(address, 2) };
            self.show::<SHARED>(&mut slots[0]);
            let tail = slots[1];
            if !tail.is_pair() || self.pass == Pass::Inspect {
                self.show::<SHARED>(&mut slots[1]);
                return;
            }
            let fresh = if self.is_young(tail) {
                let (moved, fresh) = self.move_pair::<SHARED>(tail);
                slots[1] = moved;
                self.done.updated_slots += 1;
                fresh
            } else {
                self.pass == Pass::Full && mark::<SHARED>(tail.address())
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
    fn reach<const SHARED: bool>(&mut self, value: Value) {
        if self.pass == Pass::Inspect || mark::<SHARED>(value.address()) {
            self.done.work.push(value);
        }
    }

    /// The new reference for a reference into the young region, moving the cell if that has not
    /// happened yet.
    #[inline]
    fn evacuate<const SHARED: bool>(&mut self, value: Value) -> Value {
        if !value.is_pair() {
            return self.evacuate_object::<SHARED>(value);
        }
        let (moved, fresh) = self.move_pair::<SHARED>(value);
        if fresh {
            self.done.work.push(moved);
        }
        moved
    }

    /// Makes the young cell at `from`, whose first word was `seen`, one that was moved, if no other
    /// tracer was faster; otherwise what the other one has put there.
    #[inline(always)]
    fn take<const SHARED: bool>(from: usize, seen: u64, forward: u64) -> Result<(), u64> {
        // SAFETY: the first word of a young cell belongs to the collectors in a stopped world; when
        // there is one, it writes as it likes.
        unsafe {
            if SHARED {
                object::take_among_others(from, seen, forward)
            } else {
                object::store(from, forward);
                Ok(())
            }
        }
    }

    /// The new reference to a young pair, and whether this tracer has moved it just now.
    #[inline]
    fn move_pair<const SHARED: bool>(&mut self, value: Value) -> (Value, bool) {
        let from = value.address();
        // SAFETY: a live young cell has an initialised first word, whoever moves it.
        let head = unsafe { object::load_among_others(from) };
        if let Some(to) = object::pair_moved_to(head) {
            return (value.moved_to(to), false);
        }
        let to = self.allocate(PAIR_BYTES);
        // SAFETY: a live young pair is two words of which the second does not change; `to` is fresh
        // memory of a pair's size.
        unsafe {
            object::store(to, head);
            object::store(to + 8, object::load(from + 8));
        }
        if let Err(there) = Self::take::<SHARED>(from, head, object::forward_pair(to)) {
            self.take_back(PAIR_BYTES);
            let to = object::pair_moved_to(there).expect("only tracers write to young cells");
            return (value.moved_to(to), false);
        }
        self.arrived::<SHARED>(to, PAIR_BYTES);
        (value.moved_to(to), true)
    }

    #[inline]
    fn evacuate_object<const SHARED: bool>(&mut self, value: Value) -> Value {
        let from = value.address();
        // SAFETY: as in `move_pair`.
        let first = unsafe { object::load_among_others(from) };
        if let Some(to) = object::object_moved_to(first) {
            return value.moved_to(to);
        }
        let header = Header::from_bits(first);
        let bytes = header.object_bytes();
        let to = self.allocate(bytes);
        let (body, words) = (Header::BYTES, (bytes - Header::BYTES) / 8);
        // SAFETY: `to` is fresh memory of the object's size and overlaps nothing; of a live young
        // object only the header is written by others.
        unsafe {
            Header { flags: UNLOGGED, ..header }.store(to);
            let fields = object::at::<u64>(to + body);
            fields.copy_from_nonoverlapping(object::at(from + body), words);
        }
        if let Err(there) = Self::take::<SHARED>(from, first, object::forward_object(to)) {
            self.take_back(bytes);
            let to = object::object_moved_to(there).expect("only tracers write to young cells");
            return value.moved_to(to);
        }
        self.arrived::<SHARED>(to, bytes);
        let moved = value.moved_to(to);
        if header.has_fields() {
            self.done.work.push(moved);
        }
        moved
    }

    /// Memory for a cell that is about to move.
    #[inline]
    fn allocate(&mut self, bytes: usize) -> usize {
        if bytes > LARGE_OBJECT_BYTES {
            return self.old().allocate(bytes);
        }
        let class = class_of(bytes);
        let hole = &mut self.holes[class];
        if hole.cursor == hole.end {
            return self.allocate_in_next_hole(class);
        }
        let at = hole.cursor;
        hole.cursor += CLASS_BYTES[class];
        at
    }

    #[cold]
    fn allocate_in_next_hole(&mut self, class: usize) -> usize {
        let mut hole = self.old().take_hole(class);
        let at = hole.cursor;
        hole.cursor += CLASS_BYTES[class];
        self.holes[class] = hole;
        at
    }

    fn old(&self) -> std::sync::MutexGuard<'h, OldSpace> {
        lock(self.old)
    }

    /// Undoes the last allocation, of so many bytes. A large object stays what a full pass does not
    /// reach.
    fn take_back(&mut self, bytes: usize) {
        if bytes <= LARGE_OBJECT_BYTES {
            let class = class_of(bytes);
            self.holes[class].cursor -= CLASS_BYTES[class];
        }
    }

    /// A cell of so many bytes has moved to `to`.
    #[inline]
    fn arrived<const SHARED: bool>(&mut self, to: usize, bytes: usize) {
        self.done.promoted_bytes += bytes;
        self.done.promoted_cells += 1;
        if self.pass == Pass::Full {
            mark::<SHARED>(to);
        }
    }

    /// Ends the tracing; what was done, and what is left to do.
    pub(crate) fn finish(self) -> Done {
        if self.pass == Pass::Minor {
            let mut old = self.old();
            for (class, hole) in self.holes.iter().enumerate() {
                if hole.cursor < hole.end {
                    old.give_back(class, *hole);
                }
            }
        }
        self.done
    }
}

/// Marks the old cell at `address`; true for the one tracer that did.
#[inline(always)]
fn mark<const SHARED: bool>(address: usize) -> bool {
    // SAFETY: a live reference that is not young points to a cell of the old space.
    let page = unsafe { Page::of(address) };
    if SHARED { page.mark_among_others(address) } else { page.mark(address) }
}
