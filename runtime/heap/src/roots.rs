//! The roots of a collection: what mutators hold, the table of rooted references, and the global
//! variables.
//!
//! Does not know how cells are traced.

pub(crate) mod globals;
pub(crate) mod mutator_roots;
pub(crate) mod root_table;
