//! Why the interpreter stopped.

use valk_heap::Value;

/// Why the loop was left.
pub(crate) enum Exit {
    /// Go on in the guarded form.
    Guarded,
    /// The fiber's function returned this.
    Done(Value),
    /// The fiber waits for an answer to this.
    Suspended(Value),
    /// The fiber was preempted before a call, which it keeps.
    Preempted,
}
