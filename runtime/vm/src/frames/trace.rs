//! Where an error came from: its location and the calls that led there.
//!
//! 1. Both are filled in once, when the error value is first seen by the VM; handing an error
//!    on costs nothing and changes nothing.
//! 2. A trace keeps code and instruction index per frame, two words each and at most
//!    [`TRACE_FRAMES_MAX`] frames; names and positions are looked up on demand.
//! 3. A frame that was left by a tail call is gone, and so is not in the trace.
//!
//! Does not know source texts: positions are numbers of the embedder.

use super::fiber::Fiber;
use super::fiber::frame_code;
use super::link::link_distance;
use crate::code::code_of;
use crate::code::{Code, CodeKind, Position, WINDOW_SLOTS};
use crate::vm::Vm;
use valk_heap::{ERROR_LOCATION, ERROR_TRACE, Heap, Kind, SymbolId, Value};

/// Frames an error remembers, innermost first.
pub const TRACE_FRAMES_MAX: usize = 16;

/// Frames that are looked at for them: markers of `reset` and `ctx/with` do not count.
const FRAMES_WALKED_MAX: usize = 4 * TRACE_FRAMES_MAX;

/// A call in progress when an error was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceFrame {
    /// The function's name, if it has one.
    pub name: Option<SymbolId>,
    /// Function, or code outside of functions.
    pub kind: CodeKind,
    /// The call or operation in it that had not returned.
    pub position: Option<Position>,
}

/// The calls that led to an error, innermost first; empty for an error that no program made.
pub fn trace(heap: &Heap, error: Value) -> Vec<TraceFrame> {
    let kept = error.field(ERROR_TRACE);
    if kept.kind() != Kind::Record {
        return Vec::new();
    }
    let frame = |index: usize| {
        let code = kept.field(index).host::<Code>(heap).expect("a trace holds code");
        let position = code.position_at(kept.field(index + 1).as_fixnum() as usize);
        TraceFrame { name: code.name, kind: code.kind, position }
    };
    (0..kept.field_count()).step_by(2).map(frame).collect()
}

/// Names of the variables that the innermost of these calls could see, globals aside.
pub fn names_in_scope(heap: &Heap, error: Value) -> Vec<SymbolId> {
    let kept = error.field(ERROR_TRACE);
    if kept.kind() != Kind::Record {
        return Vec::new();
    }
    let code = kept.field(0).host::<Code>(heap).expect("a trace holds code");
    let variables = code.variables.iter().map(|variable| variable.name);
    code.formal_names.iter().copied().chain(variables).collect()
}

impl Vm {
    /// Gives a fresh error the position of the running instruction and the calls around it.
    #[inline]
    pub(crate) fn locate(&mut self, fiber: &Fiber, value: Value) {
        if value.is_error() && value.field(ERROR_TRACE).is_nil() {
            self.remember(fiber, value);
        }
    }

    #[cold]
    fn remember(&mut self, fiber: &Fiber, error: Value) {
        let mut kept = [Value::NIL; 2 * TRACE_FRAMES_MAX];
        let (count, position) = frames(fiber, &mut kept);
        if count == 0 {
            return;
        }
        let trace = self.heap.fields(Kind::Record, &kept[..count]);
        self.heap.write(error, ERROR_TRACE, trace);
        if let Some(position) = position
            && error.field(ERROR_LOCATION).is_nil()
        {
            let numbers = [position.file, position.start, position.end];
            let fields = numbers.map(|number| Value::fixnum(i64::from(number)));
            let location = self.heap.fields(Kind::Record, &fields);
            self.heap.write(error, ERROR_LOCATION, location);
        }
    }
}

/// Writes code and instruction of the fiber's frames; how many words, and the innermost position.
fn frames(fiber: &Fiber, kept: &mut [Value]) -> (usize, Option<Position>) {
    let (mut base, mut pc, mut count, mut innermost) = (fiber.base, fiber.pc, 0, None);
    if frame_code(fiber).is_none() {
        return (0, None);
    }
    for _ in 0..FRAMES_WALKED_MAX {
        if base == 0 || count == kept.len() {
            break;
        }
        let closure = fiber.stack[base - WINDOW_SLOTS];
        // SAFETY: rule 1 of code.rs — the closure of a frame on the stack keeps its code alive.
        let code = unsafe { &*code_of(closure) };
        // `pc` is behind the instruction it belongs to.
        let index =
            ((pc as usize).wrapping_sub(code.words.as_ptr() as usize) / 4).saturating_sub(1);
        if !code.positions.is_empty() || code.kind == CodeKind::Function {
            kept[count] = closure.field(0);
            kept[count + 1] = Value::fixnum(index as i64);
            count += 2;
            innermost = innermost.or_else(|| code.position_at(index));
        }
        pc = fiber.stack[base - 2].bits() as *const u32;
        base -= link_distance(fiber.stack[base - 1]);
    }
    (count, innermost)
}
