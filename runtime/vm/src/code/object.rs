//! Compiled code: instruction words, constants, parameters, names and source positions.
//!
//! 1. Code is immutable once built and lives in a host object of the heap that never moves, so the
//!    interpreter may keep a raw pointer to it while a closure over it is on a VM stack.
//! 2. A closure object holds the code value in field 0, the address of its [`Code`] in field 1
//!    (aligned, so it reads as a fixnum and the collector ignores it) and captures from field 2.
//! 3. [`crate::code::verify::verify`] has accepted the words before the interpreter sees them.
//!
//! Does not know how code is made; that is the compiler's and the [`Assembler`]'s business.

use super::opcode::Opcode;
use crate::jit::NativeCode;
use crate::vm::ModuleId;
use std::ops::Range;
use valk_heap::{HostObject, SymbolId, Tracer, Value};

/// Index of the first capture among a closure's fields.
pub const FIRST_CAPTURE: usize = 2;

/// Slots of a call window before the arguments: callee, return address, link.
pub const WINDOW_SLOTS: usize = 3;

/// Registers a frame may have; operands are 8 bits wide.
pub const REGISTERS_MAX: usize = 250;

/// Where a form stands in its source: file number and byte range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct Position {
    /// File number, given out by the embedder.
    pub file: u32,
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

/// How a call of this code sets up its variables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CodeKind {
    /// A function; counts in `stack-depth`.
    Function,
    /// Top-level code, a branch run in an environment, evaluated data: no frame of the language.
    Thunk,
}

/// A variable a frame keeps in a register or capture, for looking it up by name.
#[derive(Clone, Debug)]
pub struct Variable {
    /// Its name.
    pub name: SymbolId,
    /// Register, or capture index.
    pub place: u32,
    /// Lives in the closure's captures rather than in a register.
    pub captured: bool,
    /// The place holds a cell with the value.
    pub cell: bool,
    /// Words of the code in which the place belongs to this variable.
    pub words: Range<u32>,
}

/// One compiled function or thunk.
#[derive(Debug)]
pub struct Code {
    /// Instructions.
    pub words: Box<[u32]>,
    /// Values the instructions refer to.
    pub constants: Vec<Value>,
    /// Number of required parameters, in registers 0..parameters.
    pub parameters: u32,
    /// `parameters` when a call with exactly that many needs nothing else, else `u32::MAX`; set by
    /// installation.
    pub simple_parameters: u32,
    /// Collects further arguments into a list in register `parameters`.
    pub rest: bool,
    /// Size of the frame.
    pub registers: u32,
    /// Kind of frame.
    pub kind: CodeKind,
    /// The module it belongs to.
    pub module: ModuleId,
    /// Name for listings and call chains.
    pub name: Option<SymbolId>,
    /// Parameter names in order, the rest parameter last.
    pub formal_names: Vec<SymbolId>,
    /// The formals as written, for printing and comparing functions.
    pub formals: Value,
    /// The body as written.
    pub body: Value,
    /// A call with arguments is an error with this text (`&` without a name).
    pub broken_formals: bool,
    /// Variables of the frame by name, those of outer scopes first.
    pub variables: Vec<Variable>,
    /// Source positions, sorted by instruction index.
    pub positions: Vec<(u32, Position)>,
    /// What the VM makes of it when it is called often.
    pub native_code: NativeCode,
}

impl Code {
    /// The position of the form whose code contains instruction `index`, if it came from a file.
    pub fn position_at(&self, index: usize) -> Option<Position> {
        let after = self.positions.partition_point(|(start, _)| *start as usize <= index);
        after.checked_sub(1).map(|i| self.positions[i].1)
    }
}

impl HostObject for Code {
    fn trace(&mut self, tracer: &mut Tracer<'_>) {
        tracer.slice(&mut self.constants);
        tracer.value(&mut self.formals);
        tracer.value(&mut self.body);
    }
    fn type_name(&self) -> &'static str {
        "code"
    }
    fn external_bytes(&self) -> usize {
        self.words.len() * 4 + self.constants.len() * size_of::<Value>()
    }
}

/// Builds instruction words; patches jumps.
#[derive(Default)]
pub struct Assembler {
    words: Vec<u32>,
    positions: Vec<(u32, Position)>,
}

/// A jump whose target is not known yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "an unplaced jump goes nowhere"]
pub struct Label {
    word: u32,
    origin: u32,
}

impl Assembler {
    /// Appends an instruction without its extra words.
    pub fn emit(&mut self, opcode: Opcode, a: u8, b: u8, c: u8) {
        self.words
            .push(opcode as u32 | u32::from(a) << 8 | u32::from(b) << 16 | u32::from(c) << 24);
    }

    /// Appends an extra word.
    pub fn word(&mut self, word: u32) {
        self.words.push(word);
    }

    /// Appends the jump words of the instruction just emitted, to be placed later.
    pub fn jumps<const N: usize>(&mut self) -> [Label; N] {
        let first = self.words.len() as u32;
        let origin = first + N as u32;
        self.words.resize(origin as usize, 0);
        std::array::from_fn(|i| Label { word: first + i as u32, origin })
    }

    /// Makes `label` jump to the next instruction.
    pub fn place(&mut self, label: Label) {
        self.words[label.word as usize] = (self.words.len() as u32).wrapping_sub(label.origin);
    }

    /// Records that the following instructions come from `position`.
    pub fn position(&mut self, position: Position) {
        let at = self.words.len() as u32;
        match self.positions.last_mut() {
            Some(last) if last.0 == at => last.1 = position,
            Some(last) if last.1 == position => {}
            _ => self.positions.push((at, position)),
        }
    }

    /// Words so far.
    pub fn len(&self) -> u32 {
        self.words.len() as u32
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// Puts `prologue` in front; jumps are relative and stay right.
    pub fn finish(self, prologue: Assembler) -> (Box<[u32]>, Vec<(u32, Position)>) {
        let shift = prologue.words.len() as u32;
        let mut words = prologue.words;
        words.extend(self.words);
        let positions = self.positions.into_iter().map(|(at, p)| (at + shift, p)).collect();
        (words.into_boxed_slice(), positions)
    }
}

/// Address of a closure's code.
#[inline(always)]
pub(crate) fn code_of(closure: Value) -> *const Code {
    closure.field(1).bits() as *const Code
}
