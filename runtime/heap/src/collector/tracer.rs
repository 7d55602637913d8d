//! The tracer: follows references, moves live young cells to the old space and, in a full pass,
//! marks live old cells.
//!
//! 1. A minor pass does not follow old cells that it finds; the collector shows it every root and
//!    remembered cell that may refer to the young region. A full pass follows everything. Cells
//!    promoted from the young region are marked when they arrive.
//! 2. A moved cell leaves its new address in its first word. References keep their own quoted bit.
//! 3. Several tracers may run in parallel (`gc_workers`). A young cell belongs to the tracer that
//!    replaces its first word; the others drop their copies. An old cell belongs to the tracer that
//!    sets its mark. So each cell is scanned by one tracer, which alone writes to it.
//! 4. The work list is explicit, so no shape of data exhausts the native stack.
//! 5. Survivors are promoted at once; ages would be a second destination of moving cells.
//! 6. A tracer fills holes of its own and gives back what is left of them, except in a full pass,
//!    after which the sweep finds what is free.
//!
//! Does not know what the roots are.

use crate::accounting::limits::LARGE_OBJECT_BYTES;
use crate::memory::address;
use crate::spaces::old_space::{Hole, OldSpace};
use crate::spaces::page::Page;
use crate::spaces::size_class::{CLASS_BYTES, CLASS_COUNT, class_of};
use crate::values::forwarding;
use crate::values::host;
use crate::values::object::{self, Header, Kind, PAIR_BYTES, UNLOGGED};
use crate::values::value;
use crate::values::value::Value;
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

/// The value after tracing: itself, the reference to where it was moved, or [`Value::UNDEFINED`]
/// when it was not reached.
pub(crate) fn after_collection(value: Value, pass: Pass, (base, bytes): (usize, usize)) -> Value {
    if !value.is_reference() {
        return value;
    }
    let address = value.address();
    if address.wrapping_sub(base) < bytes {
        // SAFETY: what lies in the young region is there until it is emptied.
        let first = unsafe { object::load_shared(address) };
        let moved = if value.is_pair() {
            forwarding::pair_moved_to(first)
        } else {
            forwarding::object_moved_to(first)
        };
        return moved.map_or(Value::UNDEFINED, |to| value.moved_to(to));
    }
    // SAFETY: a reference that is not young leads to a cell of the old space that is not swept yet.
    let is_kept = pass == Pass::Minor || unsafe { Page::of(address) }.is_marked(address);
    if is_kept { value } else { Value::UNDEFINED }
}

const CACHE_LINE_BYTES: usize = 64;
/// How far ahead of the fields that it visits a full pass prefetches.
const PREFETCH_AHEAD_BYTES: usize = 4 * CACHE_LINE_BYTES;

/// The mode of a tracer, a type so that the inner loops do not branch on it at every cell.
trait Mode {
    const PASS: Pass;
    /// Other tracers run in parallel.
    const PARALLEL: bool;
}

struct Inspecting;
impl Mode for Inspecting {
    const PASS: Pass = Pass::Inspect;
    const PARALLEL: bool = false;
}

struct Minor<const PARALLEL: bool>;
impl<const PARALLEL: bool> Mode for Minor<PARALLEL> {
    const PASS: Pass = Pass::Minor;
    const PARALLEL: bool = PARALLEL;
}

struct Full<const PARALLEL: bool>;
impl<const PARALLEL: bool> Mode for Full<PARALLEL> {
    const PASS: Pass = Pass::Full;
    const PARALLEL: bool = PARALLEL;
}

/// Calls a method of a tracer that is generic over its mode.
macro_rules! in_mode {
    ($tracer:ident.$method:ident($($argument:expr),*)) => {
        match ($tracer.pass, $tracer.is_parallel) {
            (Pass::Inspect, _) => $tracer.$method::<Inspecting>($($argument),*),
            (Pass::Minor, false) => $tracer.$method::<Minor<false>>($($argument),*),
            (Pass::Minor, true) => $tracer.$method::<Minor<true>>($($argument),*),
            (Pass::Full, false) => $tracer.$method::<Full<false>>($($argument),*),
            (Pass::Full, true) => $tracer.$method::<Full<true>>($($argument),*),
        }
    };
}

/// What a tracer has done.
#[derive(Default)]
pub(crate) struct TraceResult {
    /// Cells found and not scanned.
    pub work: Vec<Value>,
    pub promoted_bytes: usize,
    pub promoted_cells: u64,
    pub updated_slots: u64,
}

/// The state that changes at every pair. Loops take it out of the tracer, so that the compiler
/// keeps it in registers.
#[derive(Default)]
struct LoopState {
    work: Vec<Value>,
    /// Where pairs go; other cells of that size have a hole of their own.
    pairs: Hole,
    moved_pairs: u64,
    updated_slots: u64,
}

impl LoopState {
    #[inline(always)]
    fn push(&mut self, cell: Value) {
        if self.work.len() == self.work.capacity() {
            self.work = grown(std::mem::take(&mut self.work));
        }
        let length = self.work.len();
        // SAFETY: there is room behind the last cell, which is initialised here.
        unsafe {
            self.work.as_mut_ptr().add(length).write(cell);
            self.work.set_len(length + 1);
        }
    }
}

/// The same work list with room. By value, so that the caller's stays in registers.
#[cold]
#[inline(never)]
fn grown(mut work: Vec<Value>) -> Vec<Value> {
    work.reserve(1);
    work
}

/// Receives every `Value` outside the heap, and inside hosts, during a collection.
pub struct Tracer<'h> {
    young_base: usize,
    young_bytes: usize,
    pass: Pass,
    /// Other tracers run in parallel.
    is_parallel: bool,
    state: LoopState,
    holes: [Hole; CLASS_COUNT],
    old: &'h SharedOldSpace,
    promoted_bytes: usize,
    promoted_objects: u64,
}

impl<'h> Tracer<'h> {
    pub(crate) fn new(
        pass: Pass,
        (young_base, young_bytes): (usize, usize),
        old: &'h SharedOldSpace,
        work: Vec<Value>,
    ) -> Tracer<'h> {
        Tracer {
            young_base,
            young_bytes,
            pass,
            is_parallel: false,
            state: LoopState { work, ..LoopState::default() },
            holes: [Hole::default(); CLASS_COUNT],
            old,
            promoted_bytes: 0,
            promoted_objects: 0,
        }
    }

    /// Other tracers run in parallel from now on.
    pub(crate) fn set_parallel(&mut self) {
        self.is_parallel = true;
    }

    /// Shows one value, which is updated if what it refers to moves.
    #[inline]
    pub fn value(&mut self, slot: &mut Value) {
        self.slice(std::slice::from_mut(slot));
    }

    /// Shows a run of values.
    pub fn slice(&mut self, slots: &mut [Value]) {
        in_mode!(self.visit_slots(slots));
    }

    /// Whether only references into the nursery matter to this pass: slots that were shown to an
    /// earlier collection and not assigned since hold none and may be left out.
    pub fn only_young(&self) -> bool {
        self.pass == Pass::Minor
    }

    /// Scans cells of the work list, not many more than `cells`. Returns true when the list is
    /// empty.
    pub(crate) fn drain(&mut self, cells: usize) -> bool {
        in_mode!(self.drain_in(cells))
    }

    /// Cells found and not scanned, for sharing them with other tracers.
    pub(crate) fn work(&mut self) -> &mut Vec<Value> {
        &mut self.state.work
    }

    /// Visits every slot of a cell.
    pub(crate) fn scan(&mut self, cell: Value) {
        in_mode!(self.scan_one(cell));
    }

    fn visit_slots<M: Mode>(&mut self, slots: &mut [Value]) {
        let mut state = std::mem::take(&mut self.state);
        for slot in slots {
            self.visit_slot::<M, false>(&mut state, slot);
        }
        self.state = state;
    }

    fn drain_in<M: Mode>(&mut self, mut cells: usize) -> bool {
        let mut state = std::mem::take(&mut self.state);
        while cells > 0
            && let Some(cell) = state.work.pop()
        {
            self.scan_in::<M>(&mut state, cell);
            cells -= 1;
        }
        self.state = state;
        self.state.work.is_empty()
    }

    fn scan_one<M: Mode>(&mut self, cell: Value) {
        let mut state = std::mem::take(&mut self.state);
        self.scan_in::<M>(&mut state, cell);
        self.state = state;
    }

    #[inline(always)]
    fn scan_in<M: Mode>(&mut self, state: &mut LoopState, cell: Value) {
        let address = cell.address();
        if cell.is_pair() {
            self.scan_list::<M>(state, address);
            return;
        }
        let header = cell.header();
        if header.has_fields() {
            let first = object::field_address(address, 0);
            // SAFETY: cells on the work list or in the remembered set are initialised and not
            // moved; rule 3; a header with fields is followed by `len` of them.
            let slots = unsafe { value::slots(first, header.len as usize) };
            for line in slots.chunks_mut(CACHE_LINE_BYTES / 8) {
                if M::PASS == Pass::Full {
                    object::prefetch(line.as_ptr().addr() + PREFETCH_AHEAD_BYTES);
                }
                for slot in line {
                    self.visit_slot::<M, true>(state, slot);
                }
            }
        } else if header.kind == Kind::Host as u8 {
            *state = self.scan_host(std::mem::take(state), address);
        }
    }

    /// Calls the host object, which shows its values to `slice` or `value`.
    #[cold]
    #[inline(never)]
    fn scan_host(&mut self, state: LoopState, address: usize) -> LoopState {
        self.state = state;
        // SAFETY: as in `scan_in`; a live host object owns its box, and no reference into the box
        // outlives the borrow of the heap that a stop excludes.
        unsafe { &mut *host::host_of(address) }.trace(self);
        std::mem::take(&mut self.state)
    }

    /// Visits both slots of the pair at `address` and continues with the tail as long as that is a
    /// newly found pair: the cells of a list skip the work list and are moved side by side.
    #[inline(always)]
    fn scan_list<M: Mode>(&mut self, state: &mut LoopState, mut address: usize) {
        loop {
            // SAFETY: as in `scan_in`; a pair is two slots.
            let slots = unsafe { value::slots(address, 2) };
            self.visit_slot::<M, false>(state, &mut slots[0]);
            let tail = slots[1];
            if !tail.is_pair() || M::PASS == Pass::Inspect {
                self.visit_slot::<M, false>(state, &mut slots[1]);
                return;
            }
            let fresh = if self.is_young(tail) {
                let (moved, fresh) = self.move_pair::<M>(state, tail);
                slots[1] = moved;
                state.updated_slots += 1;
                fresh
            } else {
                M::PASS == Pass::Full && mark::<M>(tail.address())
            };
            if !fresh {
                return;
            }
            address = slots[1].address();
        }
    }

    /// Visits one slot.
    #[inline(always)]
    fn visit_slot<M: Mode, const IN_OBJECT: bool>(
        &mut self,
        state: &mut LoopState,
        slot: &mut Value,
    ) {
        let value = *slot;
        if !value.is_reference() {
            return;
        }
        if self.is_young(value) {
            state.updated_slots += 1;
            let (moved, is_new) = if value.is_pair() {
                self.move_pair::<M>(state, value)
            } else {
                self.move_object::<M>(value)
            };
            *slot = moved;
            if is_new {
                state.push(moved);
            }
        } else if M::PASS == Pass::Inspect || M::PASS == Pass::Full && mark::<M>(value.address()) {
            if IN_OBJECT && M::PASS == Pass::Full {
                object::prefetch(value.address());
                object::prefetch(value.address() + CACHE_LINE_BYTES);
            }
            state.push(value);
        }
    }

    #[inline(always)]
    fn is_young(&self, value: Value) -> bool {
        value.address().wrapping_sub(self.young_base) < self.young_bytes
    }

    /// Replaces the first word of the young cell at `from`, which was `seen`, by `forward`. Returns
    /// the word found there if another tracer was faster.
    #[inline(always)]
    fn take<M: Mode>(from: usize, seen: u64, forward: u64) -> Result<(), u64> {
        // SAFETY: in a stopped world only tracers access the first word of a young cell; a single
        // one needs no atomic operation.
        unsafe {
            if M::PARALLEL {
                object::forward_shared(from, seen, forward)
            } else {
                object::store(from, forward);
                Ok(())
            }
        }
    }

    /// The new reference to a young pair, and whether this tracer has moved it just now.
    #[inline(always)]
    fn move_pair<M: Mode>(&mut self, state: &mut LoopState, value: Value) -> (Value, bool) {
        let from = value.address();
        // SAFETY: a live young cell has an initialised first word, moved or not.
        let head = unsafe { object::load_shared(from) };
        if let Some(to) = forwarding::pair_moved_to(head) {
            return (value.moved_to(to), false);
        }
        if state.pairs.cursor == state.pairs.end {
            state.pairs = self.take_hole(class_of(PAIR_BYTES));
        }
        let to = state.pairs.cursor;
        // SAFETY: a live young pair is two words of which the second does not change; `to` is fresh
        // memory of a pair's size.
        unsafe {
            object::store(to, head);
            object::store(to + 8, object::load(from + 8));
        }
        if let Err(there) = Self::take::<M>(from, head, forwarding::forward_pair(to)) {
            let to = forwarding::pair_moved_to(there).expect("only tracers write to young cells");
            return (value.moved_to(to), false);
        }
        state.pairs.cursor = to + PAIR_BYTES;
        state.moved_pairs += 1;
        if M::PASS == Pass::Full {
            mark::<M>(to);
        }
        (value.moved_to(to), true)
    }

    /// The new reference to a young object, and whether it has to be scanned: this tracer has moved
    /// it just now, and there are slots in it.
    #[inline(never)]
    fn move_object<M: Mode>(&mut self, value: Value) -> (Value, bool) {
        let from = value.address();
        // SAFETY: as in `move_pair`.
        let first = unsafe { object::load_shared(from) };
        if let Some(to) = forwarding::object_moved_to(first) {
            return (value.moved_to(to), false);
        }
        let header = Header::from_bits(first);
        let bytes = header.object_bytes();
        let to = self.allocate(bytes);
        let (body, words) = (Header::BYTES, (bytes - Header::BYTES) / 8);
        // SAFETY: `to` is fresh memory of the object's size and overlaps nothing; of a live young
        // object only the header is written by others.
        unsafe {
            Header { flags: UNLOGGED, ..header }.store(to);
            let fields = address::at::<u64>(to + body);
            fields.copy_from_nonoverlapping(address::at(from + body), words);
        }
        if let Err(there) = Self::take::<M>(from, first, forwarding::forward_object(to)) {
            self.take_back(bytes);
            let to = forwarding::object_moved_to(there).expect("only tracers write to young cells");
            return (value.moved_to(to), false);
        }
        self.promoted_bytes += bytes;
        self.promoted_objects += 1;
        if M::PASS == Pass::Full {
            mark::<M>(to);
        }
        (value.moved_to(to), header.has_fields())
    }

    /// Memory for an object that is about to move.
    #[inline]
    fn allocate(&mut self, bytes: usize) -> usize {
        if bytes > LARGE_OBJECT_BYTES {
            return lock(self.old).allocate(bytes);
        }
        let class = class_of(bytes);
        if self.holes[class].cursor == self.holes[class].end {
            self.holes[class] = self.take_hole(class);
        }
        let at = self.holes[class].cursor;
        self.holes[class].cursor += CLASS_BYTES[class];
        at
    }

    #[cold]
    #[inline(never)]
    fn take_hole(&self, class: usize) -> Hole {
        lock(self.old).take_hole(class)
    }

    /// Undoes the last allocation of an object, of so many bytes. A large object stays what a full
    /// pass does not reach.
    fn take_back(&mut self, bytes: usize) {
        if bytes <= LARGE_OBJECT_BYTES {
            let class = class_of(bytes);
            self.holes[class].cursor -= CLASS_BYTES[class];
        }
    }

    /// Ends the tracing. Returns what was done, and what is left to do.
    pub(crate) fn finish(self) -> TraceResult {
        let LoopState { work, pairs, moved_pairs, updated_slots } = self.state;
        if self.pass == Pass::Minor {
            let mut old = lock(self.old);
            let holes = self.holes.iter().enumerate();
            for (class, hole) in holes.chain([(class_of(PAIR_BYTES), &pairs)]) {
                if hole.cursor < hole.end {
                    old.give_back(class, *hole);
                }
            }
        }
        TraceResult {
            work,
            promoted_bytes: self.promoted_bytes + moved_pairs as usize * PAIR_BYTES,
            promoted_cells: self.promoted_objects + moved_pairs,
            updated_slots,
        }
    }
}

/// Marks the old cell at `address`; true for the one tracer that did.
#[inline(always)]
fn mark<M: Mode>(address: usize) -> bool {
    // SAFETY: a live reference that is not young points to a cell of the old space.
    let page = unsafe { Page::of(address) };
    if M::PARALLEL { page.mark_shared(address) } else { page.mark(address) }
}
