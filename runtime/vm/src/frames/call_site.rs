//! A call as the interpreter is about to perform it.

use valk_heap::Value;

/// A call about to happen.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CallSite {
    /// Register of the callee.
    pub window: usize,
    /// Number of arguments in the window.
    pub count: usize,
    /// Reuse the running frame.
    pub tail: bool,
    /// The calling instruction is executed again when the result is there.
    pub again: bool,
    /// The environment reflective builtins see; undefined when the frame has none.
    pub environment: Value,
}
