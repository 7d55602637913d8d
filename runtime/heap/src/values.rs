//! The value word, the layouts of cells, and symbols.
//!
//! Everything that knows how a value is encoded is here. Does not know where cells lie or when they
//! move.

pub(crate) mod access;
pub(crate) mod forwarding;
pub(crate) mod host;
pub mod layout;
pub(crate) mod object;
pub(crate) mod symbol;
pub(crate) mod text;
pub(crate) mod value;
