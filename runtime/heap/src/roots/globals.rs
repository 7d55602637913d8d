//! Global variables: one word per symbol, shared by all mutators of a heap.
//!
//! 1. The words lie in one reservation that never moves, so that native code and the interpreter
//!    read them through a pointer. A variable exists once [`Globals::ensure`] has passed its
//!    symbol; until the first write it is undefined.
//! 2. A write publishes what it refers to (release), a read acquires it.
//!
//! Does not know what the variables are bound to.

use crate::collector::tracer::Tracer;
use crate::error::HeapError;
use crate::memory::address;
use crate::memory::os::Mapping;
use crate::values::symbol::SymbolId;
use crate::values::value;
use crate::values::value::Value;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use valk_sync::shim::lock;

/// Symbols that can have a variable. Their names alone would take several GiB.
pub(crate) const GLOBALS_MAX: usize = 1 << 27;

/// Variables made at once, at least.
const STEP: usize = 1024;

pub(crate) struct Globals {
    mapping: Mapping,
    /// Number of variables that exist.
    existing: AtomicUsize,
    growing: Mutex<()>,
}

impl Globals {
    pub fn new() -> Result<Globals, HeapError> {
        let mapping = Mapping::new(GLOBALS_MAX * size_of::<Value>())?;
        Ok(Globals { mapping, existing: AtomicUsize::new(0), growing: Mutex::new(()) })
    }

    /// Where the variables lie.
    pub fn first(&self) -> *const AtomicU64 {
        address::at(self.mapping.base())
    }

    fn word(&self, index: usize) -> &AtomicU64 {
        assert!(index < GLOBALS_MAX, "more than {GLOBALS_MAX} symbols have a variable");
        // SAFETY: the mapping has that many words and lives as long as `self`; zeroes are a word.
        unsafe { &*self.first().add(index) }
    }

    /// Makes the variable of `symbol` and all before it exist.
    ///
    /// # Panics
    /// When there are [`GLOBALS_MAX`] already.
    pub fn ensure(&self, symbol: SymbolId) {
        let wanted = symbol.0 as usize + 1;
        if self.existing.load(Ordering::Acquire) >= wanted {
            return;
        }
        let _growing = lock(&self.growing);
        let from = self.existing.load(Ordering::Relaxed);
        let to = wanted.next_multiple_of(STEP);
        for index in from..to {
            self.word(index).store(Value::UNDEFINED.bits(), Ordering::Relaxed);
        }
        // The maximum stays when another mutator was faster.
        self.existing.fetch_max(to, Ordering::Release);
    }

    pub fn get(&self, symbol: SymbolId) -> Value {
        if symbol.0 as usize >= self.existing.load(Ordering::Acquire) {
            return Value::UNDEFINED;
        }
        let bits = self.word(symbol.0 as usize).load(Ordering::Acquire);
        // SAFETY: only values are stored here, and collections see to those that move.
        unsafe { Value::from_bits(bits) }
    }

    pub fn set(&self, symbol: SymbolId, value: Value) {
        self.ensure(symbol);
        self.word(symbol.0 as usize).store(value.bits(), Ordering::Release);
    }

    /// The variables that exist, by symbol.
    pub fn all(&self) -> impl Iterator<Item = (SymbolId, Value)> {
        let existing = self.existing.load(Ordering::Acquire) as u32;
        (0..existing).map(|index| (SymbolId(index), self.get(SymbolId(index))))
    }

    /// Shows them to the collector, in a stopped world.
    pub fn trace(&self, tracer: &mut Tracer<'_>) {
        let count = self.existing.load(Ordering::Acquire);
        // SAFETY: that many words are initialised values; no mutator runs, and there is one
        // collector.
        tracer.slice(unsafe { value::slots(self.mapping.base(), count) });
    }
}
