//! Memory from the operating system, and what is made of it beside the heap: pools, buffers,
//! arenas.
//!
//! Does not know values.

pub(crate) mod address;
pub(crate) mod arena;
pub(crate) mod buffers;
pub(crate) mod os;
pub(crate) mod process_memory;
pub(crate) mod slab_pool;
