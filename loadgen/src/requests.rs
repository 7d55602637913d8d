//! What is asked, and what the answer must be.
//!
//! 1. A `template` makes the requests of a group: method, header fields, body, paths.
//! 2. `checks` judge the answer: its status, the length of its body, a text in it.

pub mod checks;
pub mod template;
