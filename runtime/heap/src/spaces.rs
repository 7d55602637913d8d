//! The spaces that cells lie in: the nursery of each mutator, and the old space.
//!
//! Does not know references between cells, roots or collections.

pub(crate) mod huge_page_policy;
pub(crate) mod nursery;
pub(crate) mod old_space;
pub(crate) mod page;
pub(crate) mod size_class;
pub(crate) mod spare_mappings;
