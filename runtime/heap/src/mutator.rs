//! What one mutator does: allocation, the write barrier, safepoints, locks; and the state that all
//! mutators of a heap share.
//!
//! Does not know how cells are traced.

pub(crate) mod heap;
pub(crate) mod interrupt;
pub(crate) mod lock_stripes;
pub(crate) mod locking;
pub(crate) mod native_context;
pub(crate) mod safepoint;
pub(crate) mod shared_heap;
pub(crate) mod ticket;
