//! Renderers: text for users (with or without ANSI colour) and JSON for tools.
//!
//! ```text
//! error[E0003]: headline                     severity, code, first line of the message
//!  --> file.valk:3:9                         where the main label starts
//!   |
//! 3 | (print "a\qb")                         the line; tabs widened, controls escaped
//!   |          ^^ what the label says        `^` primary, `-` secondary
//!   |
//!   = calls: f (file.valk:3:1)               innermost first; runs of equal calls are one line
//!            called from <top level> (file.valk:9:1)
//!   = cause: …
//!   = note: …
//!   = help: …
//! ```
//!
//! Both text forms come from one layout; colour only wraps its pieces. Whether a terminal wants
//! colour is the caller's decision.

mod cells;
mod excerpt;
mod ink;
mod json;
mod text;

pub use cells::EXCERPT_CELLS_MAX;
pub use json::render_json;
pub use text::{render_ansi, render_plain};
