//! Pointers for the addresses that the heap computes with.
//!
//! Knows nothing of what lies there.

/// The pointer for an address inside a mapping of this heap.
#[inline(always)]
pub(crate) fn at<T>(address: usize) -> *mut T {
    std::ptr::with_exposed_provenance_mut(address)
}
