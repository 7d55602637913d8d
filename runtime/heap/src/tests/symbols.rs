//! Interning.

use super::{panic_message, small_heap};
use crate::{SymbolId, SymbolTable, Value};

valk_harness::test! {
    fn equal_names_are_one_symbol() {
        let table = SymbolTable::new();
        assert!(table.is_empty());
        let first = table.intern(b"alpha");
        let second = table.intern(b"beta");
        assert_ne!(first, second);
        assert_eq!(table.intern(b"alpha"), first);
        assert_eq!(table.find(b"beta"), Some(second));
        assert_eq!(table.find(b"gamma"), None);
        assert_eq!(table.name(second), b"beta");
        assert_eq!(table.len(), 2);
    }
}

valk_harness::test! {
    fn names_have_any_length_and_any_bytes() {
        let table = SymbolTable::new();
        let long = vec![b'x'; 1 << 20];
        let names: [&[u8]; 4] = [b"", b"\0", &long, &[0xFF, 0xFE]];
        let ids = names.map(|name| table.intern(name));
        for (id, name) in ids.into_iter().zip(names) {
            assert_eq!(table.name(id), name);
        }
        assert!(table.bytes() > long.len());
    }
}

valk_harness::test! {
    fn a_leading_colon_makes_a_keyword() {
        let mut heap = small_heap();
        let before = heap.used_bytes();
        assert!(heap.intern(b":key").is_keyword());
        assert!(!heap.intern(b"key").is_keyword());
        assert!(!heap.intern(b"").is_keyword());
        assert_eq!(heap.intern(b"key"), Value::symbol(SymbolId(1)));
        assert!(heap.used_bytes() > before, "names count as used memory");
    }
}

valk_harness::test! {
    fn a_foreign_number_is_refused() {
        let table = SymbolTable::new();
        assert!(panic_message(|| table.name(SymbolId(0)).len()).contains("out of bounds"));
    }
}
