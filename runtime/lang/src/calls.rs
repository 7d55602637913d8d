//! The calls that led to an error, in words of the language.

use crate::runtime::Language;
use crate::source::Place;
use valk_diagnostics::{FileId, Span};
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
    let frames = valk_vm::trace(&vm.heap, error);
    // A full trace may have lost the outermost frames.
    let whole = frames.len() < TRACE_FRAMES_MAX;
    let last = frames.len().saturating_sub(1);
    let mut calls = Vec::with_capacity(frames.len());
    for (index, frame) in frames.iter().enumerate() {
        let name = name(vm, frame, whole && index == last);
        let sources = &vm.extension::<Language>().sources;
        calls.push(Call { name, place: span(frame).and_then(|span| sources.place(span)) });
    }
    calls
}

/// Where the frame stood.
pub fn span(frame: &TraceFrame) -> Option<Span> {
    let position = frame.position?;
    Some(Span::new(FileId(position.file), position.start, position.end))
}

fn name(vm: &Vm, frame: &TraceFrame, outermost: bool) -> String {
    match (frame.name, frame.kind) {
        (Some(id), _) => String::from_utf8_lossy(vm.heap.symbols.name(id)).into_owned(),
        (None, CodeKind::Function) => ANONYMOUS.to_string(),
        (None, CodeKind::Thunk) if outermost => TOP_LEVEL.to_string(),
        (None, CodeKind::Thunk) => CODE.to_string(),
    }
}
