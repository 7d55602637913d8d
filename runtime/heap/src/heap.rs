//! The heap: allocation, the write barrier, root handles, limits and what is in use.
//!
//! Holds the two spaces, the remembered set, the root table and the symbol table of one runtime.
//! Which `Value`s live is decided in `collect`; what they mean, elsewhere.
//!
//! Invariant of the remembered set: an old cell that may hold a reference into the young region is
//! listed in it exactly once, and says so (object header, or the page's bit for pairs).

use crate::error::{HeapError, OutOfMemory};
use crate::interrupt::{self, Interrupt, Own};
use crate::limits::{
    Config, Limits, TRIGGER_CHECK_BYTES, YOUNG_OBJECT_MAX_BYTES, YOUNG_RESERVE_MAX_BYTES,
};
use crate::nursery::Young;
use crate::object::{
    self, ERROR_FIELDS, HOST_BYTES, Header, HostObject, INTEGER_BYTES, Kind, PAIR_BYTES, UNLOGGED,
};
use crate::old::{OldSpace, Page};
use crate::roots::{Root, RootTable};
use crate::statistics::{ClassUsage, Statistics};
use crate::stress::{Dice, Stress};
use crate::symbol::SymbolTable;
use crate::value::Value;
use std::hash::{BuildHasher, RandomState};
use std::time::Instant;

/// The memory of one runtime: one mutator at a time.
pub struct Heap {
    pub(crate) young: Young,
    /// A collection is wanted at the next safepoint.
    pub(crate) poll: bool,
    interrupt: Own,
    pub(crate) generational: bool,
    pub(crate) stress: Stress,
    pub(crate) dice: Dice,
    pub(crate) refuse: Option<Dice>,
    pub(crate) old: OldSpace,
    /// Old cells that may refer to young ones.
    pub(crate) remembered: Vec<Value>,
    pub(crate) roots: RootTable,
    pub(crate) limits: Limits,
    pub(crate) statistics: Statistics,
    external_bytes: usize,
    hash_seed: u64,
    /// The least time between two automatic full collections, in milliseconds.
    pub(crate) full_interval_ms: u64,
    pub(crate) last_full: Option<Instant>,
    /// Bytes allocated directly in the old space since the trigger was last looked at.
    unchecked_bytes: usize,
    /// The collector's work list, kept for its capacity.
    pub(crate) work: Vec<Value>,
    /// Interned names; [`Heap::intern`] makes values of them.
    pub symbols: SymbolTable,
}

impl Heap {
    /// An empty heap.
    ///
    /// # Errors
    /// When the limits contradict each other or the system gives no address space.
    #[expect(clippy::needless_pass_by_value, reason = "callers write the literal in place")]
    pub fn new(config: Config) -> Result<Heap, HeapError> {
        let limits = Limits::new(&config)?;
        let mut heap = Heap {
            young: Young::new(
                config.nursery_bytes,
                config.hard_limit_bytes.min(YOUNG_RESERVE_MAX_BYTES),
            )?,
            poll: false,
            interrupt: Own::default(),
            generational: config.generational,
            stress: Stress::Off,
            dice: Dice::new(0),
            refuse: config.refuse.map(Dice::new),
            old: OldSpace::new(),
            remembered: Vec::new(),
            roots: RootTable::default(),
            limits,
            statistics: Statistics::default(),
            external_bytes: 0,
            full_interval_ms: 0,
            last_full: None,
            hash_seed: RandomState::new().hash_one(0),
            unchecked_bytes: 0,
            work: Vec::new(),
            symbols: SymbolTable::new(),
        };
        heap.set_stress(config.stress);
        Ok(heap)
    }

    /// Whether the mutator should collect at its next safepoint.
    #[inline(always)]
    pub fn wants_collection(&self) -> bool {
        self.poll
    }

    /// Whether the mutator should collect, or may have been interrupted. Two bytes are read.
    #[inline(always)]
    pub fn wants_safepoint(&self) -> bool {
        self.poll || interrupt::pending()
    }

    /// Whether some mutator of this process may have been interrupted.
    #[inline(always)]
    pub fn interrupt_pending(&self) -> bool {
        interrupt::pending()
    }

    /// The handle by which other threads interrupt the mutator.
    pub fn interrupt(&self) -> &Interrupt {
        &self.interrupt.0
    }

    // ---- allocation; none of these collects ----

    /// A new list cell; `quoted` goes into the reference.
    #[inline(always)]
    pub fn cons(&mut self, head: Value, tail: Value, quoted: bool) -> Value {
        let at = self.young.cursor;
        let next = at + PAIR_BYTES;
        if next > self.young.limit {
            return self.cons_slow(head, tail, quoted);
        }
        self.young.cursor = next;
        // SAFETY: the bumped range is mapped, ours, and of a pair's size.
        unsafe {
            object::store(at, head.bits());
            object::store(at + 8, tail.bits());
        }
        Value::from_pair_address(at, quoted)
    }

    #[cold]
    #[inline(never)]
    fn cons_slow(&mut self, head: Value, tail: Value, quoted: bool) -> Value {
        let Some(at) = self.bump_slow(PAIR_BYTES) else {
            return self.old_cons(head, tail, quoted);
        };
        // SAFETY: the bumped range is mapped, ours, and of a pair's size.
        unsafe {
            object::store(at, head.bits());
            object::store(at + 8, tail.bits());
        }
        Value::from_pair_address(at, quoted)
    }

    /// A new list cell whose address will never change: for forms read from source.
    pub fn old_cons(&mut self, head: Value, tail: Value, quoted: bool) -> Value {
        let at = self.allocate_old(PAIR_BYTES);
        // SAFETY: the old space has just given out a pair's memory at `at`.
        unsafe {
            object::store(at, head.bits());
            object::store(at + 8, tail.bits());
        }
        let pair = Value::from_pair_address(at, quoted);
        self.log_pair(pair);
        pair
    }

    /// An integer, boxed only if it must be.
    #[inline(always)]
    pub fn integer(&mut self, number: i64) -> Value {
        if Value::fits_fixnum(number) { Value::fixnum(number) } else { self.boxed(number) }
    }

    #[cold]
    #[inline(never)]
    fn boxed(&mut self, number: i64) -> Value {
        let at = self.allocate(INTEGER_BYTES, Header::new(Kind::Integer, 0, 0));
        // SAFETY: a boxed integer is a header and one word.
        unsafe { object::store(at + Header::BYTES, number as u64) };
        Value::from_object_address(at)
    }

    /// A string of these bytes.
    ///
    /// # Panics
    /// Above 4 GiB; ask [`Heap::room`] first.
    pub fn string(&mut self, bytes: &[u8]) -> Value {
        let at = self.allocate_string(bytes.len());
        // SAFETY: the string's bytes are fresh memory of that length.
        unsafe {
            object::bytes_of(at).copy_from_nonoverlapping(bytes.as_ptr(), bytes.len());
        }
        Value::from_object_address(at)
    }

    /// The bytes of a string that nobody else has seen as a value of the language: a table of the
    /// runtime's own.
    ///
    /// # Panics
    /// When this is not a string.
    #[inline]
    pub fn bytes_mut(&mut self, string: Value) -> &mut [u8] {
        assert!(string.is_string(), "bytes of {string:?}, expected a String");
        let length = string.header().len as usize;
        // SAFETY: a string's header is followed by `len` initialised bytes; the exclusive borrow
        // of the heap excludes collections and every slice made by `as_bytes`.
        unsafe { std::slice::from_raw_parts_mut(object::bytes_of(string.address()), length) }
    }

    /// A random number, the same for the life of the heap: for hashes that outsiders cannot
    /// predict.
    #[inline]
    pub fn hash_seed(&self) -> u64 {
        self.hash_seed
    }

    /// A string of `length` bytes, zeroed, then written by `fill`.
    ///
    /// # Panics
    /// Above 4 GiB; ask [`Heap::room`] first.
    pub fn string_from(&mut self, length: usize, fill: impl FnOnce(&mut [u8])) -> Value {
        let at = self.allocate_string(length);
        let bytes = object::bytes_of(at);
        // SAFETY: the string's bytes are fresh memory of that length, initialised here before
        // they are borrowed, and nobody else has seen them.
        fill(unsafe {
            bytes.write_bytes(0, length);
            std::slice::from_raw_parts_mut(bytes, length)
        });
        Value::from_object_address(at)
    }

    fn allocate_string(&mut self, length: usize) -> usize {
        let len = u32::try_from(length)
            .unwrap_or_else(|_| panic!("a string of {length} bytes, the most is {}", u32::MAX));
        self.allocate(object::string_bytes(length), Header::new(Kind::String, 0, len))
    }

    /// An error with this message; location, trace and cause are nil until written.
    pub fn error(&mut self, message: Value) -> Value {
        let mut fields = [Value::NIL; ERROR_FIELDS];
        fields[object::ERROR_MESSAGE] = message;
        self.fields(Kind::Error, &fields)
    }

    /// A closure: `code` is field 0, the captured values follow.
    #[inline]
    pub fn closure(&mut self, code: Value, captures: &[Value]) -> Value {
        let at = self.allocate_fields(Kind::Closure, captures.len() + 1);
        // SAFETY: the object has one field more than there are captures.
        unsafe {
            object::store(object::field_address(at, 0), code.bits());
            let rest = object::at::<Value>(object::field_address(at, 1));
            rest.copy_from_nonoverlapping(captures.as_ptr(), captures.len());
        }
        Value::from_object_address(at)
    }

    /// An object made of fields: Error, Cell, Closure, Partial, Environment, Record, Map or Vector.
    ///
    /// # Panics
    /// For a kind that has no fields, and above 2³² fields; ask [`Heap::room`] first.
    #[inline]
    pub fn fields(&mut self, kind: Kind, values: &[Value]) -> Value {
        let at = self.allocate_fields(kind, values.len());
        // SAFETY: the object has as many fields as there are values.
        unsafe {
            let first = object::at::<Value>(object::field_address(at, 0));
            first.copy_from_nonoverlapping(values.as_ptr(), values.len());
        }
        Value::from_object_address(at)
    }

    #[inline]
    fn allocate_fields(&mut self, kind: Kind, count: usize) -> usize {
        assert!(kind.has_fields(), "an object of kind {kind:?} is not made of fields");
        let len = u32::try_from(count)
            .unwrap_or_else(|_| panic!("{count} fields, the most is {}", u32::MAX));
        self.allocate(object::fields_bytes(count), Header::new(kind, 0, len))
    }

    /// A native object, owned by the heap from now on and dropped once when it is dead. Hosts
    /// never move, so raw pointers to their contents stay valid as long as they live.
    pub fn host(&mut self, host: Box<dyn HostObject>) -> Value {
        let external_bytes = host.external_bytes();
        let at = self.allocate_old(object::round_to_granules(HOST_BYTES));
        // SAFETY: the old space has just given out a host's memory at `at`.
        unsafe {
            Header::new(Kind::Host, 0, 0).store(at);
            object::at::<*mut dyn HostObject>(at + Header::BYTES).write(Box::into_raw(host));
        }
        self.old.add_host(at, external_bytes);
        if external_bytes > 0 {
            self.poll_if_due();
        }
        let value = Value::from_object_address(at);
        // Born logged (no flag in its header): its values may be young.
        self.remembered.push(value);
        value
    }

    /// Memory with a header for an object of `bytes`, whole granules, young if possible. An old
    /// one with fields is remembered.
    #[inline(always)]
    fn allocate(&mut self, bytes: usize, header: Header) -> usize {
        let at = self.young.cursor;
        if bytes > YOUNG_OBJECT_MAX_BYTES || bytes > self.young.limit - at {
            return self.allocate_slow(bytes, header);
        }
        self.young.cursor = at + bytes;
        // SAFETY: the bumped range is mapped and ours.
        unsafe { header.store(at) };
        at
    }

    #[cold]
    #[inline(never)]
    fn allocate_slow(&mut self, bytes: usize, mut header: Header) -> usize {
        let bumped = if bytes > YOUNG_OBJECT_MAX_BYTES { None } else { self.bump_slow(bytes) };
        let at = bumped.unwrap_or_else(|| {
            let at = self.allocate_old(bytes);
            if header.has_fields() {
                self.remembered.push(Value::from_object_address(at));
            } else {
                header.flags |= UNLOGGED;
            }
            at
        });
        // SAFETY: `at` is fresh memory of the object's size.
        unsafe { header.store(at) };
        at
    }

    /// Goes on in the overflow room and asks for a collection.
    fn bump_slow(&mut self, bytes: usize) -> Option<usize> {
        self.poll = true;
        self.statistics.nursery_overflows += u64::from(!self.young.overflows());
        self.young.bump_overflow(bytes)
    }

    fn allocate_old(&mut self, bytes: usize) -> usize {
        self.statistics.allocated_bytes += bytes as u64;
        let at = self.old.allocate(bytes);
        self.unchecked_bytes += bytes;
        if self.unchecked_bytes > TRIGGER_CHECK_BYTES {
            self.poll_if_due();
        }
        at
    }

    fn poll_if_due(&mut self) {
        self.unchecked_bytes = 0;
        if self.tenured_bytes() > self.limits.full_at_bytes {
            self.poll = true;
        }
    }

    /// The symbol or keyword of this name.
    pub fn intern(&mut self, name: &[u8]) -> Value {
        let id = self.symbols.intern(name);
        if name.first() == Some(&b':') { Value::keyword(id) } else { Value::symbol(id) }
    }

    // ---- mutation ----

    /// Assigns field `index` of an object with fields, or the head (0) or tail (1) of a pair.
    ///
    /// # Panics
    /// When there is no such field.
    #[inline(always)]
    pub fn write(&mut self, object: Value, index: usize, value: Value) {
        if !object.is_object() {
            self.write_pair(object, index, value);
            return;
        }
        let header = object.header();
        assert!(header.has_fields() && index < header.len as usize, "no field {index} to write");
        if header.flags & UNLOGGED != 0 {
            self.log_object(object);
        }
        // SAFETY: the field exists.
        unsafe { object::store(object::field_address(object.address(), index), value.bits()) };
    }

    #[cold]
    #[inline(never)]
    fn write_pair(&mut self, pair: Value, index: usize, value: Value) {
        assert!(pair.is_pair() && index < 2, "no field {index} to write in {pair:?}");
        if !self.young.contains(pair.address()) {
            self.log_pair(pair);
        }
        // SAFETY: a pair has words 0 and 1.
        unsafe { object::store(pair.address() + index * 8, value.bits()) };
    }

    /// Stores 16 bits beside the object's length, for whoever made the object.
    pub fn set_aux(&mut self, object: Value, aux: u16) {
        let header = Header { aux, ..object.header() };
        // SAFETY: the header is rewritten in place.
        unsafe { header.store(object.address()) };
    }

    /// Announces that `Value`s inside a host were changed: the next collection asks it again.
    #[inline]
    pub fn touch_host(&mut self, host: Value) {
        if host.header().flags & UNLOGGED != 0 {
            self.log_object(host);
        }
    }

    #[cold]
    #[inline(never)]
    fn log_object(&mut self, object: Value) {
        let mut header = object.header();
        header.flags &= !UNLOGGED;
        // SAFETY: the header is rewritten in place.
        unsafe { header.store(object.address()) };
        self.remembered.push(object);
    }

    fn log_pair(&mut self, pair: Value) {
        // SAFETY: the caller made sure that the pair is old.
        let page = unsafe { Page::of(pair.address()) };
        if page.log(pair.address()) {
            self.remembered.push(pair);
        }
    }

    // ---- root handles ----

    /// Keeps `value` alive, and findable where it moves to, until [`Heap::release`].
    pub fn root(&mut self, value: Value) -> Root {
        self.roots.insert(value)
    }

    /// The rooted value.
    ///
    /// # Panics
    /// When the root was released or is of another heap.
    pub fn resolve(&self, root: &Root) -> Value {
        self.roots.peek(root).unwrap_or_else(|| stale_root(root))
    }

    /// Roots another value instead.
    ///
    /// # Panics
    /// When the root was released or is of another heap.
    pub fn set_root(&mut self, root: &Root, value: Value) {
        *self.roots.get(root).unwrap_or_else(|| stale_root(root)) = value;
    }

    /// Gives a root back and returns its value.
    ///
    /// # Panics
    /// When the root is of another heap.
    #[expect(clippy::needless_pass_by_value, reason = "the root must not be used afterwards")]
    pub fn release(&mut self, root: Root) -> Value {
        self.roots.remove(&root).unwrap_or_else(|| stale_root(&root))
    }

    /// Number of roots not yet released.
    pub fn live_roots(&self) -> usize {
        self.roots.live()
    }

    // ---- limits and accounting ----

    /// Asks whether `bytes` more fit under the hard limit, garbage counted as used. A native that
    /// is about to allocate much asks first; when refused, the mutator runs a full collection at
    /// a safepoint, lets the native ask once more and then raises the error.
    ///
    /// # Errors
    /// When they do not fit.
    pub fn room(&self, bytes: usize) -> Result<(), OutOfMemory> {
        let limit = self.limits.hard_bytes;
        let fits = |used| bytes <= limit.saturating_sub(used);
        let bound = self.young.used_bytes() + self.old.used_bytes_bound() + self.beside_bytes();
        if (fits(bound) || fits(self.used_bytes())) && !self.refuses() {
            return Ok(());
        }
        let used = self.used_bytes();
        Err(OutOfMemory { requested: bytes, used, limit })
    }

    /// Declares memory held elsewhere that counts against the limit (VM stacks), in all.
    pub fn set_external_bytes(&mut self, bytes: usize) {
        self.external_bytes = bytes;
        self.poll_if_due();
    }

    /// Bytes in use, garbage included: nursery, old space, symbols and external.
    pub fn used_bytes(&self) -> usize {
        self.young.used_bytes() + self.tenured_bytes()
    }

    /// All that is in use outside the nursery.
    pub(crate) fn tenured_bytes(&self) -> usize {
        self.old.used_bytes() + self.beside_bytes()
    }

    /// What is in use beside the spaces.
    fn beside_bytes(&self) -> usize {
        self.symbols.bytes() + self.old.host_external_bytes() + self.external_bytes
    }

    /// Whether more is in use than allowed. After a collection that means the program must get
    /// an error.
    pub fn over_hard_limit(&self) -> bool {
        self.used_bytes() > self.limits.hard_bytes || self.refuses()
    }

    /// The hard limit in bytes.
    pub fn hard_limit_bytes(&self) -> usize {
        self.limits.hard_bytes
    }

    /// Changes the hard limit and returns the one before; the soft limit follows.
    ///
    /// # Errors
    /// When more than `bytes` are in use, garbage included.
    pub fn set_hard_limit(&mut self, bytes: usize) -> Result<usize, HeapError> {
        let used = self.used_bytes();
        if bytes < used {
            return Err(HeapError::LimitBelowUsage { limit: bytes, used });
        }
        let before = std::mem::replace(&mut self.limits.hard_bytes, bytes);
        self.limits.rearm(self.tenured_bytes());
        Ok(before)
    }

    /// Share of the hard limit above which full collections are asked for, in percent.
    pub fn threshold_percent(&self) -> u8 {
        self.limits.threshold_percent
    }

    /// Changes that share, clamped to 1..=100, and returns the one before.
    pub fn set_threshold_percent(&mut self, percent: u8) -> u8 {
        let percent = percent.clamp(1, 100);
        let before = std::mem::replace(&mut self.limits.threshold_percent, percent);
        self.limits.rearm(self.tenured_bytes());
        before
    }

    /// The least time between two full collections that memory asks for, in milliseconds. The hard
    /// limit does not wait.
    pub fn full_interval_ms(&self) -> u64 {
        self.full_interval_ms
    }

    /// Changes that time and returns the one before.
    pub fn set_full_interval_ms(&mut self, milliseconds: u64) -> u64 {
        std::mem::replace(&mut self.full_interval_ms, milliseconds)
    }

    pub(crate) fn note_peak(&mut self) -> usize {
        let used = self.used_bytes();
        self.statistics.used_bytes_peak = self.statistics.used_bytes_peak.max(used);
        let young = self.young.used_bytes();
        self.statistics.young_bytes_peak = self.statistics.young_bytes_peak.max(young);
        used
    }

    /// Counters and sizes at this moment.
    pub fn statistics(&self) -> Statistics {
        let used_bytes = self.used_bytes();
        let young_bytes = self.young.used_bytes();
        Statistics {
            allocated_bytes: self.statistics.allocated_bytes + young_bytes as u64,
            used_bytes,
            used_bytes_peak: self.statistics.used_bytes_peak.max(used_bytes),
            young_bytes,
            young_bytes_peak: self.statistics.young_bytes_peak.max(young_bytes),
            old_bytes: self.old.used_bytes(),
            committed_bytes: self.old.committed_bytes()
                + self.young.nursery_bytes().max(young_bytes),
            large_objects: self.old.large_objects(),
            external_bytes: self.external_bytes + self.old.host_external_bytes(),
            nursery_bytes: self.young.nursery_bytes(),
            hard_limit_bytes: self.limits.hard_bytes,
            soft_limit_bytes: self.limits.soft_bytes(),
            ..self.statistics.clone()
        }
    }

    /// Occupancy of the old space by size class, ascending.
    pub fn class_usage(&self) -> impl Iterator<Item = ClassUsage> {
        self.old.class_usage()
    }
}

#[cold]
fn stale_root(root: &Root) -> ! {
    panic!(
        "root {} of generation {} is not live in this heap: it was released, or belongs to another",
        root.index(),
        root.generation()
    )
}
