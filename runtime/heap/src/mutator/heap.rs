//! The handle of one mutator: allocation, the write barrier, globals and root handles.
//!
//! 1. A [`Heap`] is a mutator's handle of a heap that several may share (`safepoint`). Its
//!    nursery and remembered set are its own; the rest is in `SharedHeap`.
//! 2. A handle belongs to the thread that made it, and that thread counts as running: a leader
//!    waits for it until it polls [`Heap::wants_safepoint`] and stops, or enters a blocking section
//!    ([`Heap::begin_blocking`]).
//! 3. An old cell that may hold a reference into the young region is listed in the remembered set
//!    of exactly one mutator, and is marked as such (in its header, or in the page's bit for
//!    pairs).
//!
//! Which `Value`s live is decided in `collector`; what they mean, elsewhere.

use crate::accounting::limits::{Config, TRIGGER_CHECK_BYTES, YOUNG_OBJECT_MAX_BYTES};
use crate::collector::schedule::{ScheduleRng, Stress};
use crate::error::HeapError;
use crate::memory::address;
use crate::mutator::interrupt::{Interrupt, PreemptFlag};
use crate::mutator::lock_stripes;
use crate::mutator::shared_heap::{LockedState, SharedHeap};
use crate::roots::root_table::Root;
use crate::spaces::nursery::Nursery;
use crate::spaces::page::Page;
use crate::values::host;
use crate::values::host::HostObject;
use crate::values::object::{
    self, DECIMAL_BYTES, ERROR_FIELDS, HOST_BYTES, Header, INTEGER_BYTES, Kind, PAIR_BYTES,
    UNLOGGED,
};
use crate::values::symbol::{SymbolId, SymbolTable};
use crate::values::value::Value;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use valk_sync::coordinator::Mutator;
use valk_sync::shim::lock;

/// One mutator's handle of a heap.
pub struct Heap {
    pub(crate) young: Nursery,
    pub(crate) young_base: usize,
    pub(crate) young_bytes: usize,
    /// Not 0 when a safepoint is requested; in `shared`.
    pub(crate) poll_flag: NonNull<AtomicUsize>,
    pub(crate) globals: NonNull<AtomicU64>,
    /// A ticket was made, so there may be other mutators.
    pub(crate) is_shared: bool,
    pub(crate) lock_key: usize,
    /// This mutator has requested a collection at its next safepoint.
    pub(crate) collection_requested: bool,
    pub(crate) generational: bool,
    pub(crate) stress: Stress,
    pub(crate) rng: ScheduleRng,
    pub(crate) refuse: Option<ScheduleRng>,
    /// Old cells that this mutator has changed and that may refer to young ones.
    pub(crate) remembered: Vec<Value>,
    /// The work list of local collections, kept for its capacity.
    pub(crate) work: Vec<Value>,
    /// The part of [`LockedState::external_bytes`] that this mutator has declared.
    pub(crate) external_bytes: usize,
    /// Bytes allocated directly in the old space since the trigger was last looked at.
    pub(crate) unchecked_bytes: usize,
    /// See [`Heap::epoch`].
    pub(crate) epoch: u64,
    pub(crate) interrupt: Interrupt,
    pub(crate) preempt_flag: PreemptFlag,
    /// The poll flag stays set, so that no safepoint is passed without notice.
    pub(crate) polls_always: bool,
    pub(crate) mutator: Mutator,
    pub(crate) shared: Arc<SharedHeap>,
}

impl Heap {
    /// An empty heap and its first mutator.
    ///
    /// # Errors
    /// When the limits contradict each other or the system gives no address space.
    #[expect(clippy::needless_pass_by_value, reason = "callers write the literal in place")]
    pub fn new(config: Config) -> Result<Heap, HeapError> {
        let shared = Arc::new(SharedHeap::new(&config)?);
        let mutator = shared.coordinator.register().expect("a new coordinator takes a member");
        let mut heap = Heap::over(mutator, shared);
        heap.generational = config.generational;
        heap.refuse = config.refuse.map(ScheduleRng::new);
        heap.set_stress(config.stress);
        Ok(heap)
    }

    /// The handle of a mutator that has just been registered.
    pub(crate) fn over(mutator: Mutator, shared: Arc<SharedHeap>) -> Heap {
        // SAFETY: registered a moment ago, and running since.
        let (young, remembered) = unsafe { shared.attach(mutator.slot()) };
        let (young_base, young_bytes) = shared.young();
        let poll_flag = mutator.poll_flag();
        // The last mutator of this slot may have left a request behind.
        poll_flag.acknowledge();
        let globals = shared.globals.first().cast_mut();
        Heap {
            young,
            young_base,
            young_bytes,
            poll_flag: NonNull::from(poll_flag.word()),
            globals: NonNull::new(globals).expect("mappings do not lie at 0"),
            is_shared: false,
            lock_key: lock_stripes::new_key(),
            collection_requested: false,
            generational: true,
            stress: Stress::Off,
            rng: ScheduleRng::new(0),
            refuse: None,
            remembered,
            work: Vec::new(),
            external_bytes: 0,
            unchecked_bytes: 0,
            epoch: 0,
            interrupt: Interrupt::new(poll_flag.clone()),
            preempt_flag: PreemptFlag::new(poll_flag),
            polls_always: false,
            mutator,
            shared,
        }
    }

    /// Number of mutators of this heap.
    pub fn mutators(&self) -> usize {
        self.shared.coordinator.members()
    }

    /// A number that stays the same as long as this mutator passes no safepoint at which anything
    /// may move or be freed: what was noted about a `Value` holds until then.
    #[inline]
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Number of mutators it was made for.
    pub fn mutators_max(&self) -> usize {
        self.shared.slots()
    }

    /// The state under the lock, held briefly (rule 3 of `shared_heap`).
    pub(crate) fn locked(&self) -> std::sync::MutexGuard<'_, LockedState> {
        self.shared.lock()
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

    /// A new list cell in the old space, whose address never changes: for forms read from source.
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

    /// A decimal of this many units; what a unit is, the caller knows.
    pub fn decimal(&mut self, units: i128) -> Value {
        let at = self.allocate(DECIMAL_BYTES, Header::new(Kind::Decimal, 0, 0));
        // SAFETY: a decimal is a header and two words.
        unsafe {
            object::store(at + Header::BYTES, units as u64);
            object::store(at + Header::BYTES + 8, (units >> 64) as u64);
        }
        Value::from_object_address(at)
    }

    /// A random number, the same for the life of the heap: for hashes that clients cannot predict.
    #[inline]
    pub fn hash_seed(&self) -> u64 {
        self.shared.hash_seed
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
            let rest = address::at::<Value>(object::field_address(at, 1));
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
            let first = address::at::<Value>(object::field_address(at, 0));
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
    pub fn host(&mut self, mut host: Box<dyn HostObject>) -> Value {
        let off_heap_bytes = host::off_heap_bytes(&*host);
        let is_weak = host.weak().is_some();
        let at = self.allocate_old(object::round_to_granules(HOST_BYTES));
        // SAFETY: the old space has just given out a host's memory at `at`.
        unsafe {
            Header::new(Kind::Host, 0, 0).store(at);
            address::at::<*mut dyn HostObject>(at + Header::BYTES).write(Box::into_raw(host));
        }
        lock(&self.shared.old).add_host(at, off_heap_bytes, is_weak);
        let common = self.locked();
        let is_due = self.shared.tenured_bytes(&common) > common.limits.full_at_bytes;
        drop(common);
        if is_due {
            self.request_collection();
        }
        let value = Value::from_object_address(at);
        // Born logged (no flag in its header): its values may be young.
        self.publish();
        self.remembered.push(value);
        value
    }

    /// Memory with a header for an object of `bytes`, whole granules, young if possible. An old
    /// one with fields is remembered.
    #[inline(always)]
    pub(crate) fn allocate(&mut self, bytes: usize, header: Header) -> usize {
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
                self.publish();
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

    /// Allocates in the overflow room and requests a collection.
    fn bump_slow(&mut self, bytes: usize) -> Option<usize> {
        self.request_collection();
        if !self.young.overflows() {
            self.locked().statistics.nursery_overflows += 1;
        }
        self.young.bump_overflow(bytes)
    }

    fn allocate_old(&mut self, bytes: usize) -> usize {
        let mut common = self.locked();
        common.statistics.allocated_bytes += bytes as u64;
        drop(common);
        let at = lock(&self.shared.old).allocate(bytes);
        self.unchecked_bytes += bytes;
        if self.unchecked_bytes > TRIGGER_CHECK_BYTES {
            self.poll_if_due();
        }
        at
    }

    pub(crate) fn poll_if_due(&mut self) {
        self.unchecked_bytes = 0;
        if self.full_is_due() {
            self.request_collection();
        }
    }

    /// Whether so much is tenured that a full collection is due.
    fn full_is_due(&self) -> bool {
        let common = self.locked();
        self.shared.tenured_bytes(&common) > common.limits.full_at_bytes
    }

    /// The symbol or keyword of this name.
    pub fn intern(&mut self, name: &[u8]) -> Value {
        let id = self.shared.symbols.intern(name);
        if name.first() == Some(&b':') { Value::keyword(id) } else { Value::symbol(id) }
    }

    /// Interned names; [`Heap::intern`] makes values of them.
    pub fn symbols(&self) -> &SymbolTable {
        &self.shared.symbols
    }

    // ---- global variables ----

    /// The value of a global variable, [`Value::UNDEFINED`] until it is set.
    pub fn global(&self, symbol: SymbolId) -> Value {
        self.shared.globals.get(symbol)
    }

    /// The same, for code that was checked.
    ///
    /// # Safety
    /// [`Heap::ensure_global`] was called for this symbol, or a later one.
    #[inline(always)]
    pub unsafe fn global_unchecked(&self, symbol: SymbolId) -> Value {
        // SAFETY: the variables that exist are initialised words of a mapping that lives as long as
        // `shared`.
        let bits = unsafe { self.globals.add(symbol.0 as usize).as_ref() }.load(Ordering::Acquire);
        // SAFETY: only values are stored there.
        unsafe { Value::from_bits(bits) }
    }

    /// Makes the variable of a symbol exist, undefined if it is new.
    ///
    /// # Panics
    /// When more than 2²⁷ symbols have variables.
    pub fn ensure_global(&self, symbol: SymbolId) {
        self.shared.globals.ensure(symbol);
    }

    /// Sets a global variable, for all mutators.
    ///
    /// # Panics
    /// As [`Heap::ensure_global`].
    pub fn set_global(&mut self, symbol: SymbolId, value: Value) {
        self.publish_young(value);
        self.shared.globals.set(symbol, value);
    }

    /// The defined global variables, by symbol.
    pub fn globals(&self) -> impl Iterator<Item = (SymbolId, Value)> {
        self.shared.globals.all().filter(|(_, value)| !value.is_undefined())
    }

    // ---- mutation ----

    /// Assigns field `index` of an object with fields, or the head (0) or tail (1) of a pair. An
    /// old object is remembered only for a reference, as nothing else can lead to a young cell.
    ///
    /// # Panics
    /// When there is no such field.
    #[inline(always)]
    pub fn write(&mut self, object: Value, index: usize, value: Value) {
        if !object.is_object() {
            self.write_pair(object, index, value);
            return;
        }
        let at = object.address();
        assert!(index < object.field_count(), "no field {index} to write");
        // SAFETY: the object is initialised and the field exists.
        unsafe {
            if value.is_reference() && object::is_unlogged(at) {
                self.log_object(object);
            }
            object::store_field(object::field_address(at, index), value.bits());
        }
    }

    /// Assigns field `index` of an object with fields without reading the object, which may not be
    /// in the cache.
    ///
    /// # Safety
    /// The field exists, and `value` is no reference.
    #[inline(always)]
    pub unsafe fn write_plain(&mut self, object: Value, index: usize, value: Value) {
        debug_assert!(index < object.field_count() && !value.is_reference(), "a plain field");
        // SAFETY: the caller's promise; rules 1 and 2 of `Value`.
        unsafe {
            object::store_field(object::field_address(object.address(), index), value.bits());
        };
    }

    /// Before another mutator has the pair: reads of pairs are not atomic.
    #[cold]
    #[inline(never)]
    fn write_pair(&mut self, pair: Value, index: usize, value: Value) {
        assert!(pair.is_pair() && index < 2, "no field {index} to write in {pair:?}");
        if !self.is_young(pair) {
            self.log_pair(pair);
        }
        // SAFETY: a pair has words 0 and 1.
        unsafe { object::store(pair.address() + index * 8, value.bits()) };
    }

    /// Whether a reference leads into a nursery.
    pub(crate) fn is_young(&self, value: Value) -> bool {
        value.address().wrapping_sub(self.young_base) < self.young_bytes
    }

    /// Stores 16 bits beside the object's length, before another mutator has the object. Their
    /// meaning is the caller's.
    pub fn set_aux(&mut self, object: Value, aux: u16) {
        assert!(object.is_object(), "{object:?} has no header");
        // SAFETY: an object begins with a header.
        unsafe { object::set_aux_at(object.address(), aux) };
    }

    /// Announces that `Value`s inside a host were changed: the next collection asks it again.
    #[inline]
    pub fn touch_host(&mut self, host: Value) {
        assert!(host.is_object(), "{host:?} is no host");
        // SAFETY: an object begins with a header.
        if unsafe { object::is_unlogged(host.address()) } {
            self.log_object(host);
        }
    }

    #[cold]
    #[inline(never)]
    fn log_object(&mut self, object: Value) {
        self.publish();
        // SAFETY: an object begins with a header.
        if unsafe { object::log(object.address()) } {
            self.remembered.push(object);
        }
    }

    fn log_pair(&mut self, pair: Value) {
        self.publish();
        // SAFETY: the caller made sure that the pair is old.
        let page = unsafe { Page::of(pair.address()) };
        if page.log(pair.address()) {
            self.remembered.push(pair);
        }
    }

    // ---- root handles ----

    /// Keeps `value` alive, and findable where it moves to, until [`Heap::release`].
    pub fn root(&mut self, value: Value) -> Root {
        self.publish_young(value);
        self.locked().roots.insert(value)
    }

    /// The rooted value.
    ///
    /// # Panics
    /// When the root was released or is of another heap.
    pub fn resolve(&self, root: &Root) -> Value {
        self.locked().roots.peek(root).unwrap_or_else(|| stale_root(root))
    }

    /// Roots another value instead.
    ///
    /// # Panics
    /// When the root was released or is of another heap.
    pub fn set_root(&mut self, root: &Root, value: Value) {
        self.publish_young(value);
        *self.locked().roots.get(root).unwrap_or_else(|| stale_root(root)) = value;
    }

    /// Gives a root back and returns its value.
    ///
    /// # Panics
    /// When the root is of another heap.
    #[expect(clippy::needless_pass_by_value, reason = "the root must not be used afterwards")]
    pub fn release(&mut self, root: Root) -> Value {
        self.locked().roots.remove(&root).unwrap_or_else(|| stale_root(&root))
    }

    /// Number of roots not yet released.
    pub fn live_roots(&self) -> usize {
        self.locked().roots.live()
    }
}

impl Drop for Heap {
    fn drop(&mut self) {
        // A leader may be using this mutator's state.
        self.mutator.end_blocking();
        let own = std::mem::take(&mut self.external_bytes);
        self.locked().external_bytes -= own;
        let remembered = std::mem::take(&mut self.remembered);
        // SAFETY: this mutator runs and leaves next, when the fields are dropped.
        unsafe { self.shared.detach(self.mutator.slot(), self.young.clone(), remembered) };
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
