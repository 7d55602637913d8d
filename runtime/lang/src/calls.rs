//! The calls that led to an error: names of functions and places in the source.

use crate::runtime::Language;
use crate::source::{Place, span_of};
use valk_diagnostics::Span;
use valk_heap::Value;
use valk_vm::{CodeKind, TRACE_FRAMES_MAX, TraceFrame, Vm};

/// Name of a function without one.
const ANONYMOUS: &str = "<lambda>";
/// Name of code outside of functions, called by a function.
const CODE: &str = "<code>";
/// Name of the form that a program was executing.
pub const TOP_LEVEL: &str = "<top level>";

/// A call in progress when an error was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// The function, or one of the names above.
    pub name: String,
    /// What in it had not returned.
    pub place: Option<Place>,
}

/// The calls that led to an error, innermost first.
pub fn calls(vm: &mut Vm, error: Value) -> Vec<Call> {
    let frames = frames(vm, error);
    let sources = vm.extension::<Language>().sources.read();
    let place = |span: Option<Span>| span.and_then(|span| sources.place(span));
    frames.into_iter().map(|(name, span)| Call { name, place: place(span) }).collect()
}

/// The same as names and spans.
pub fn frames(vm: &Vm, error: Value) -> Vec<(String, Option<Span>)> {
    let frames = valk_vm::trace(&vm.heap, error);
    // A full trace may have lost the outermost frames.
    let whole = frames.len() < TRACE_FRAMES_MAX;
    let last = frames.len().saturating_sub(1);
    let named =
        |(index, frame)| (name(vm, frame, whole && index == last), frame.position.map(span_of));
    frames.iter().enumerate().map(named).collect()
}

fn name(vm: &Vm, frame: &TraceFrame, outermost: bool) -> String {
    match (frame.name, frame.kind) {
        (Some(id), _) => vm.cell_name(id),
        (None, CodeKind::Function) => ANONYMOUS.to_string(),
        (None, CodeKind::Thunk) if outermost => TOP_LEVEL.to_string(),
        (None, CodeKind::Thunk) => CODE.to_string(),
    }
}
