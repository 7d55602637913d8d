//! The contents of strings and hosts, borrowed together with the heap.
//!
//! The borrow of the heap excludes collections, so the contents neither move nor go away while it
//! lasts.

use crate::mutator::heap::Heap;
use crate::values::host::{self, HostObject};
use crate::values::object::Kind;
use crate::values::text;
use crate::values::value::Value;

impl Value {
    /// The bytes of a string.
    ///
    /// # Panics
    /// When this is not a string.
    #[inline]
    pub fn bytes(self, heap: &Heap) -> &[u8] {
        self.as_bytes(heap).expect("Value::bytes of a value that is not a String")
    }

    /// The bytes, if this is a string. The heap is borrowed so that no collection can happen
    /// while the slice is in use.
    #[inline]
    pub fn as_bytes(self, _heap: &Heap) -> Option<&[u8]> {
        if !self.is_string() {
            return None;
        }
        // SAFETY: nothing moves while the heap is borrowed.
        Some(unsafe { text::bytes(self) })
    }

    /// The native object inside a host value, whatever its type.
    #[inline]
    pub fn host_object(self, _heap: &Heap) -> Option<&dyn HostObject> {
        if !(self.is_object() && self.object_kind() == Kind::Host as u8) {
            return None;
        }
        // SAFETY: rules 1 and 2; a host object holds a live box, and a borrow of the heap excludes
        // collections, which alone take it as their own.
        Some(unsafe { &*host::host_of(self.address()) })
    }

    /// The native object inside a host value, if it is a `T`.
    #[inline]
    pub fn host<T: HostObject>(self, heap: &Heap) -> Option<&T> {
        let host: &dyn std::any::Any = self.host_object(heap)?;
        host.downcast_ref()
    }
}
