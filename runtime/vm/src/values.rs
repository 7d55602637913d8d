//! What values of several kinds have in common: environments, equality, numbers.

pub mod environment;
pub(crate) mod equality;
pub(crate) mod number;
