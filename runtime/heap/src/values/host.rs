//! Host objects: native objects that the heap owns.
//!
//! A host is a header followed by the two words of a `Box<dyn HostObject>`. It lies in the old
//! space. Does not know when it is traced or dropped.

use crate::collector::tracer::Tracer;
use crate::memory::address::at;
use crate::values::object::{HOST_BYTES, Header};
use crate::values::value::Value;
use std::any::Any;

/// A native object owned by the heap: found live by tracing, dropped once when it is dead.
///
/// Mutators on several threads may have it, and any of them may drop it.
pub trait HostObject: Any + Send + Sync + 'static {
    /// Shows every `Value` inside to the collector. Must not panic, and must not touch the heap.
    fn trace(&mut self, tracer: &mut Tracer<'_>);
    /// The name the language shows for this type.
    fn type_name(&self) -> &'static str;
    /// The value that this object refers to without keeping it alive, if it is made for that. Asked
    /// for when the object is given to the heap and by collections, which put
    /// [`Value::UNDEFINED`] there when the value is gone. It does not change otherwise.
    fn weak(&mut self) -> Option<&mut Value> {
        None
    }
    /// Bytes held outside the heap that should count against its limit, beside the object itself.
    fn external_bytes(&self) -> usize {
        0
    }
}

/// Bytes that a host object takes outside the heap: itself, what it holds, and its place in lists.
pub(crate) fn off_heap_bytes(host: &dyn HostObject) -> usize {
    size_of_val(host) + host.external_bytes() + LISTED_BYTES
}

/// The allocator's part of a host object, and the old space's list of them.
const LISTED_BYTES: usize = 24;

const _: () = assert!(size_of::<*mut dyn HostObject>() == HOST_BYTES - Header::BYTES);

/// The boxed native object of the host at `address`.
///
/// # Safety
/// A live host object lies at `address`.
#[inline]
pub(crate) unsafe fn host_of(address: usize) -> *mut dyn HostObject {
    // SAFETY: the caller's promise; a host's second and third word are this pointer.
    unsafe { at::<*mut dyn HostObject>(address + Header::BYTES).read() }
}
