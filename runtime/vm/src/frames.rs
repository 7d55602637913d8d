//! Fibers, the frames on their stacks, and what a frame tells of where it is.

pub(crate) mod call_site;
pub(crate) mod fiber;
pub(crate) mod link;
pub(crate) mod trace;
