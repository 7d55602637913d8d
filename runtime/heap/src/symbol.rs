//! The symbol table: names of any length, each with one number for the life of the heap.
//!
//! Names are bytes; equal bytes are one symbol. Entries are never removed, so their bytes count
//! as used memory and the heap's hard limit bounds the table; the number is a `u32`.
//! Knows nothing of values.

use std::collections::HashMap;
use std::sync::Arc;

/// Bytes one entry costs besides its name: map slot, list slot, reference counts.
const ENTRY_BYTES: usize = 64;

/// The number of an interned name.
#[repr(transparent)]
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SymbolId(pub u32);

/// All names seen so far.
#[derive(Default)]
pub struct SymbolTable {
    // SipHash with random keys: names may come from the network.
    ids: HashMap<Arc<[u8]>, SymbolId>,
    names: Vec<Arc<[u8]>>,
    bytes: usize,
}

impl SymbolTable {
    /// An empty table.
    pub fn new() -> SymbolTable {
        SymbolTable::default()
    }

    /// The number of `name`, new or known.
    ///
    /// # Panics
    /// After 2³² different names; the hard limit is reached long before.
    pub fn intern(&mut self, name: &[u8]) -> SymbolId {
        if let Some(&id) = self.ids.get(name) {
            return id;
        }
        let id = SymbolId(u32::try_from(self.names.len()).expect("more than 2^32 symbols"));
        let name: Arc<[u8]> = name.into();
        self.bytes += name.len() + ENTRY_BYTES;
        self.names.push(Arc::clone(&name));
        self.ids.insert(name, id);
        id
    }

    /// The number of `name`, if it was ever interned.
    pub fn find(&self, name: &[u8]) -> Option<SymbolId> {
        self.ids.get(name).copied()
    }

    /// The name of a symbol of this table.
    ///
    /// # Panics
    /// When the number is not of this table.
    pub fn name(&self, id: SymbolId) -> &[u8] {
        &self.names[id.0 as usize]
    }

    /// Number of names.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether no name was interned yet.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// Memory of the table in bytes, approximately.
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}
