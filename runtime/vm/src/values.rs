//! What values of several kinds have in common: environments, and equality.

pub mod environment;
pub(crate) mod equality;
