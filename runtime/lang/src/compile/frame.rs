//! The function being emitted: registers, variables, captures, constants.
//!
//! A variable lives in one register for the whole function (a `let` variable: for the whole
//! `let`). One that is bound with `=` and mentioned by a nested function lives in a cell, so that
//! both see later bindings. A register or cell may be *undefined* when the binding `=` has not run
//! yet; reading then goes on to the next scope outwards.

use super::node::{Lambda, Scope};
use std::collections::HashMap;
use std::ops::Range;
use valk_heap::{SymbolId, Value};
use valk_vm::{
    Assembler, Code, CodeKind, FROM_CAPTURE, Label, ModuleId, NativeCode, Opcode, REGISTERS_MAX,
    Variable,
};

/// A variable of the function.
#[derive(Debug, Clone)]
pub struct Local {
    /// Its name.
    pub name: SymbolId,
    /// Its register.
    pub register: u8,
    /// The register holds a cell.
    pub cell: bool,
    /// A binding has run on every path to this point.
    pub definite: bool,
    /// A binding has been emitted somewhere before this point.
    pub assigned: bool,
    /// Some reading may come before the first binding.
    pub starts_undefined: bool,
    /// Bound by the call itself.
    pub formal: bool,
}

/// A variable of an enclosing function.
#[derive(Debug, Clone, Copy)]
pub struct Captured {
    /// Index of the owning function.
    pub owner: usize,
    /// Its local there.
    pub local: usize,
    /// Where the closure-creating function finds it.
    pub source: u32,
    /// It is a cell.
    pub cell: bool,
    /// Its name.
    pub name: SymbolId,
}

/// A function being emitted.
#[derive(Default)]
pub struct Frame {
    /// Its instructions.
    pub code: Assembler,
    /// First free register.
    pub next: usize,
    max: usize,
    /// Jumps that have not been placed, and which locals were certainly bound there.
    open: Vec<(Label, Vec<bool>)>,
    /// More registers were wanted than a frame may have; the code is unusable.
    pub overflow: bool,
    /// Has no scope of its own: `=` binds in the function that created it.
    pub transparent: bool,
    /// All variables.
    pub locals: Vec<Local>,
    /// Indices into `locals` of the scopes being emitted, outermost first.
    pub scopes: Vec<Vec<usize>>,
    /// Captures in order.
    pub captures: Vec<Captured>,
    constants: Vec<Value>,
    constant_indices: HashMap<Value, u32>,
    /// Register of the current environment object.
    pub environment: Option<u8>,
    /// Variables of enclosing functions are invisible.
    pub global_only: bool,
    /// Its name and parameters, if a tail call of itself may set them in place.
    pub itself: Option<(SymbolId, Vec<SymbolId>)>,
    /// Locals of `let`s that were left, with the words emitted inside.
    lets: Vec<(usize, Range<u32>)>,
}

impl Frame {
    /// Reserves `count` registers from the next free one on; the caller moves `next`.
    pub fn reserve(&mut self, count: usize) {
        let end = self.next + count;
        self.overflow |= end > REGISTERS_MAX;
        self.max = self.max.max(end);
    }

    /// The next free register as an operand.
    pub fn register(&mut self) -> u8 {
        self.reserve(1);
        self.next.min(REGISTERS_MAX - 1) as u8
    }

    /// Takes the next free register.
    pub fn take(&mut self) -> u8 {
        let register = self.register();
        self.next += 1;
        register
    }

    /// Index of a constant.
    pub fn constant(&mut self, value: Value) -> u32 {
        *self.constant_indices.entry(value).or_insert_with(|| {
            self.constants.push(value);
            (self.constants.len() - 1) as u32
        })
    }

    /// Declares a variable in the innermost scope.
    pub fn declare(&mut self, name: SymbolId, register: u8, cell: bool, formal: bool) {
        self.locals.push(Local {
            name,
            register,
            cell,
            definite: formal,
            assigned: formal,
            starts_undefined: false,
            formal,
        });
        let index = self.locals.len() - 1;
        self.scopes.last_mut().expect("declared inside a scope").push(index);
    }

    /// Declares what a function's scope binds, formals first.
    pub fn declare_function(&mut self, lambda: &Lambda) {
        self.scopes.push(Vec::new());
        let formals: Vec<SymbolId> = lambda.parameters.iter().copied().chain(lambda.rest).collect();
        let base = self.next;
        self.reserve(formals.len());
        self.next += formals.len();
        for (i, name) in formals.iter().enumerate() {
            // Of equal formals the last one wins; the others keep their register without a name.
            if !formals[i + 1..].contains(name) {
                let cell =
                    lambda.scope.assigned.contains(name) && lambda.scope.inner.contains(name);
                let register = (base + i).min(REGISTERS_MAX - 1) as u8;
                self.declare(*name, register, cell, true);
            }
        }
        self.declare_assigned(&lambda.scope, &formals);
    }

    /// Declares what a scope binds with `=`, but for names in `known`.
    pub fn declare_assigned(&mut self, scope: &Scope, known: &[SymbolId]) {
        for name in &scope.assigned {
            if !known.contains(name) {
                let register = self.take();
                self.declare(*name, register, scope.inner.contains(name), false);
            }
        }
    }

    /// Leaves the scope of a `let`, whose words begin at `start`.
    pub fn leave_let(&mut self, start: u32) {
        let words = start..self.code.len();
        let locals = self.scopes.pop().expect("the scope was entered");
        self.lets.extend(locals.into_iter().map(|local| (local, words.clone())));
    }

    /// Variables by name, those of outer scopes first.
    fn variables(&self, prologue: u32) -> Vec<Variable> {
        let mut captures: Vec<_> = self.captures.iter().enumerate().collect();
        captures.sort_by_key(|(_, captured)| (captured.owner, captured.local));
        let captures = captures.into_iter().map(|(place, captured)| Variable {
            name: captured.name,
            place: place as u32,
            captured: true,
            cell: captured.cell,
            words: 0..u32::MAX,
        });
        let own = self.scopes.first().into_iter().flatten().map(|local| (*local, 0..u32::MAX));
        // An inner scope begins later, or at least was left before.
        let mut lets: Vec<_> = self.lets.iter().rev().collect();
        lets.sort_by_key(|(_, words)| words.start);
        let lets = lets
            .into_iter()
            .map(|(local, words)| (*local, words.start + prologue..words.end + prologue));
        let locals = own.chain(lets).map(|(local, words)| Variable {
            name: self.locals[local].name,
            place: u32::from(self.locals[local].register),
            captured: false,
            cell: self.locals[local].cell,
            words,
        });
        captures.chain(locals).collect()
    }

    /// The local of this name in the innermost scope.
    pub fn innermost(&self, name: SymbolId) -> Option<usize> {
        let scope = self.scopes.last()?;
        scope.iter().copied().find(|index| self.locals[*index].name == name)
    }

    /// The innermost local of this name among the first `scopes` scopes: scope and local index.
    pub fn find(&self, name: SymbolId, scopes: usize) -> Option<(usize, usize)> {
        (0..scopes).rev().find_map(|scope| {
            let found = self.scopes[scope].iter().find(|i| self.locals[**i].name == name);
            found.map(|local| (scope, *local))
        })
    }

    /// Something that may look at all variables by name happens here, so those not yet bound must
    /// say so.
    pub fn expose(&mut self) {
        for local in &mut self.locals {
            local.starts_undefined |= !local.formal && !local.definite;
        }
    }

    /// Jumps of the instruction just emitted.
    pub fn jumps<const N: usize>(&mut self) -> [Label; N] {
        let labels = self.code.jumps();
        let definite: Vec<bool> = self.locals.iter().map(|local| local.definite).collect();
        self.open.extend(labels.iter().map(|label| (*label, definite.clone())));
        labels
    }

    /// Has a jump come here: what is certainly bound is so on both ways.
    ///
    /// What stands before counts as a way even if it ends with a jump or return. That takes nothing
    /// from what was bound at the branch: whatever was emitted after it has that bound, too.
    pub fn place(&mut self, label: Label) {
        self.code.place(label);
        let Some(at) = self.open.iter().rposition(|(open, _)| *open == label) else { return };
        let (_, definite) = self.open.swap_remove(at);
        for (local, was) in self.locals.iter_mut().zip(definite) {
            local.definite &= was;
        }
    }

    /// Instructions that set up cells and undefined variables of the function's own scope.
    fn prologue(&self) -> Assembler {
        let mut code = Assembler::default();
        for index in self.scopes.first().into_iter().flatten() {
            let local = &self.locals[*index];
            if !local.formal && (local.cell || local.starts_undefined) {
                code.emit(Opcode::Undefined, local.register, 0, 0);
            }
            if local.cell {
                code.emit(Opcode::Cell, local.register, 0, 0);
            }
        }
        code
    }

    /// The finished code; `None` when it needs too many registers.
    pub fn finish(self, kind: CodeKind, lambda: Option<&Lambda>, module: ModuleId) -> Option<Code> {
        if self.overflow {
            return None;
        }
        let prologue = self.prologue();
        let variables = self.variables(prologue.len());
        let (words, positions) = self.code.finish(prologue);
        let formal_names = lambda.map_or(Vec::new(), |lambda| {
            lambda.parameters.iter().copied().chain(lambda.rest).collect()
        });
        Some(Code {
            words,
            constants: self.constants,
            parameters: lambda.map_or(0, |l| l.parameters.len() as u32),
            simple_parameters: u32::MAX,
            rest: lambda.is_some_and(|l| l.rest.is_some()),
            registers: self.max as u32,
            kind,
            module,
            name: lambda.and_then(|l| l.name),
            formal_names,
            formals: lambda.map_or(Value::NIL, |l| l.formals),
            body: lambda.map_or(Value::NIL, |l| l.source),
            broken_formals: lambda.is_some_and(|l| l.broken),
            variables,
            positions,
            native_code: NativeCode::default(),
        })
    }
}

/// The capture word for the `index`-th capture of the function that creates the closure.
pub fn from_capture(index: usize) -> u32 {
    index as u32 | FROM_CAPTURE
}
