//! The symbol table: names of any length, each with one number for the life of the heap.
//!
//! 1. Names are bytes; equal bytes are one symbol. Entries are never removed, so their bytes count
//!    as used memory and the heap's hard limit bounds the table; the number is a `u32`.
//! 2. All mutators of a heap share the table. A name is never moved or freed before the table is,
//!    so it may be read without the lock once it was found.
//!
//! Knows nothing of values.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

/// Bytes one entry costs besides its name: map slot, list slot, reference counts.
const ENTRY_BYTES: usize = 64;

/// The number of an interned name.
#[repr(transparent)]
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SymbolId(pub u32);

/// All names seen so far.
#[derive(Default)]
pub struct SymbolTable {
    entries: RwLock<Entries>,
    bytes: AtomicUsize,
}

#[derive(Default)]
struct Entries {
    // SipHash with random keys: names may come from the network.
    ids: HashMap<Arc<[u8]>, SymbolId>,
    names: Vec<Arc<[u8]>>,
}

impl SymbolTable {
    /// An empty table.
    pub fn new() -> SymbolTable {
        SymbolTable::default()
    }

    fn entries(&self) -> RwLockReadGuard<'_, Entries> {
        self.entries.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The number of `name`, new or known.
    ///
    /// # Panics
    /// After 2³² different names; the hard limit is reached long before.
    pub fn intern(&self, name: &[u8]) -> SymbolId {
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(&id) = entries.ids.get(name) {
            return id;
        }
        let id = SymbolId(u32::try_from(entries.names.len()).expect("more than 2^32 symbols"));
        let name: Arc<[u8]> = name.into();
        // Relaxed: a number for the memory limit.
        self.bytes.fetch_add(name.len() + ENTRY_BYTES, Ordering::Relaxed);
        entries.names.push(Arc::clone(&name));
        entries.ids.insert(name, id);
        id
    }

    /// The number of `name`, if it was ever interned.
    pub fn find(&self, name: &[u8]) -> Option<SymbolId> {
        self.entries().ids.get(name).copied()
    }

    /// The name of a symbol of this table.
    ///
    /// # Panics
    /// When the number is not of this table.
    pub fn name(&self, id: SymbolId) -> &[u8] {
        let name: *const [u8] = &raw const *self.entries().names[id.0 as usize];
        // SAFETY: rule 2: the table, which is borrowed, keeps the name where it is.
        unsafe { &*name }
    }

    /// Number of names.
    pub fn len(&self) -> usize {
        self.entries().names.len()
    }

    /// Whether no name was interned yet.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Memory of the table in bytes, approximately.
    pub fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }
}
