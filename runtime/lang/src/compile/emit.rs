//! Core forms to instructions.
//!
//! 1. `value(node, d)` leaves the node's value in register `d` and writes `d` only as its last act
//!    or on the way to an error, unless `d` is the next free register.
//! 2. `tail(node)` returns the node's value from the function.
//! 3. Registers from `next` on are free; both leave `next` as they found it.
//! 4. Operands are read when the instruction runs, so a variable used as an operand directly must
//!    not be assigned by a later operand.

use super::expand::{STACK_PIECE_BYTES, STACK_RED_ZONE_BYTES};
use super::forms::gives_data;
use super::frame::{Captured, Frame, from_capture};
use super::node::{Arena, Lambda, Node, NodeId};
use super::self_tail_call;
use std::collections::HashMap;
use valk_heap::{SymbolId, Value};
use valk_vm::{CodeKind, Label, ModuleId, Opcode, Vm, WINDOW_SLOTS};

/// Arguments passed in a window; more go through a list.
const ARGUMENTS_MAX: usize = 60;

/// Registers in use beyond which an expression moves into code of its own (environment mode).
const REGISTERS_COMFORTABLE: usize = 120;

/// Emits one form.
pub struct Emitter<'a> {
    pub(super) vm: &'a mut Vm,
    pub(super) arena: &'a Arena,
    pub(super) frames: Vec<Frame>,
    pub(super) module: ModuleId,
    /// Globals of variables that macros introduce.
    fresh: &'a HashMap<SymbolId, SymbolId>,
    /// Variables live in environment objects.
    pub(super) by_name: bool,
}

impl<'a> Emitter<'a> {
    /// An emitter of `arena`'s nodes.
    pub fn new(
        vm: &'a mut Vm,
        arena: &'a Arena,
        fresh: &'a HashMap<SymbolId, SymbolId>,
        module: ModuleId,
        by_name: bool,
    ) -> Emitter<'a> {
        Emitter { vm, arena, frames: Vec::new(), module, fresh, by_name }
    }

    /// The word of the cell that a name of the module means.
    pub(super) fn cell(&mut self, name: SymbolId) -> u32 {
        let fresh = self.fresh.get(&name).copied();
        fresh.unwrap_or_else(|| self.vm.cell(self.module, name)).0
    }

    /// The word of the cell that a definition of this name fills.
    pub(super) fn defined_cell(&mut self, name: SymbolId) -> u32 {
        let fresh = self.fresh.get(&name).copied();
        fresh.unwrap_or_else(|| self.vm.definition_cell(self.module, name)).0
    }

    /// Code without parameters that evaluates `node`: in the environment captured first when
    /// `inside`, else globally. `None` when it needs too many registers.
    pub fn thunk(&mut self, node: NodeId, inside: bool) -> Option<Value> {
        self.frames.push(Frame::default());
        if inside {
            let register = self.frame().take();
            self.frame().environment = Some(register);
            self.emit(Opcode::EnterCode, register, 0, 0);
        }
        self.tail(node);
        let frame = self.frames.pop().expect("pushed above");
        frame.finish(CodeKind::Thunk, None, self.module).map(|code| self.vm.install(code))
    }

    pub(super) fn frame(&mut self) -> &mut Frame {
        self.frames.last_mut().expect("emission happens inside a frame")
    }

    pub(super) fn emit(&mut self, opcode: Opcode, a: u8, b: u8, c: u8) {
        self.frame().code.emit(opcode, a, b, c);
    }

    pub(super) fn emit_word(&mut self, opcode: Opcode, a: u8, b: u8, c: u8, word: u32) {
        let code = &mut self.frame().code;
        code.emit(opcode, a, b, c);
        code.word(word);
    }

    pub(super) fn emit_jump(&mut self, opcode: Opcode, a: u8) -> Label {
        self.emit(opcode, a, 0, 0);
        let [label] = self.frame().jumps();
        label
    }

    pub(super) fn place(&mut self, label: Label) {
        self.frame().place(label);
    }

    pub(super) fn position(&mut self, node: NodeId) {
        if let Some(position) = self.arena.position(node) {
            self.frame().code.position(position);
        }
    }

    /// Moves unless source and target are the same.
    pub(super) fn copy(&mut self, target: u8, source: u8) {
        if target != source {
            self.emit(Opcode::Move, target, source, 0);
        }
    }

    /// Rule 1.
    pub fn value(&mut self, node: NodeId, target: u8) {
        if self.by_name && self.frame().next > REGISTERS_COMFORTABLE {
            return self.outline(node, target);
        }
        stacker::maybe_grow(STACK_RED_ZONE_BYTES, STACK_PIECE_BYTES, || {
            self.value_here(node, target);
        });
    }

    fn value_here(&mut self, node: NodeId, target: u8) {
        self.position(node);
        match self.arena.node(node) {
            Node::Constant(value) => self.constant(*value, target),
            Node::Variable(name) => self.variable(*name, target),
            Node::If(condition, then, otherwise) => {
                self.conditional(*condition, *then, *otherwise, target);
            }
            Node::Call(head, arguments) => self.call(node, *head, arguments, Some(target)),
            Node::Reflective(name, arguments) => {
                self.reflective(node, *name, arguments, Some(target));
            }
            Node::Single(inner) => self.single(*inner, Some(target)),
            Node::Sequence(ids) => self.sequence(ids, target, true),
            Node::Do(ids) => self.sequence(ids, target, false),
            Node::Assign(names, values) => {
                self.assign(names, values);
                self.emit(Opcode::Nil, target, 0, 0);
            }
            Node::Define(names, values) => self.define(names, values, target),
            Node::Lambda(lambda) => self.lambda(lambda, target),
            Node::Fun(name, lambda) => self.fun(*name, *lambda, target),
            Node::Let(scope, body) => self.scoped(scope, *body, Some(target)),
            Node::Select(clauses) => self.select(node, clauses, Some(target)),
            Node::Case(x, clauses) => self.case(*x, clauses, target),
            Node::And(x, y) => self.logic(*x, *y, true, target),
            Node::Or(x, y) => self.logic(*x, *y, false, target),
            Node::Primitive(opcode, operands) => self.primitive(node, *opcode, operands, target),
            Node::List(items) => self.list(items, target),
            Node::Template(items, quoted) => self.template(items, *quoted, target),
            Node::Delayed(body) => self.delayed(*body, target),
            Node::Reset(body) => self.in_window(Opcode::Reset, *body, Some(target)),
            Node::Shift(function) => self.in_window(Opcode::Shift, *function, Some(target)),
            Node::WithContext(make, body) => self.with_context(*make, *body, target),
        }
    }

    /// Rule 2.
    pub fn tail(&mut self, node: NodeId) {
        stacker::maybe_grow(STACK_RED_ZONE_BYTES, STACK_PIECE_BYTES, || self.tail_here(node));
    }

    fn tail_here(&mut self, node: NodeId) {
        self.position(node);
        match self.arena.node(node) {
            Node::If(condition, then, otherwise) => {
                self.conditional_tail(*condition, *then, *otherwise);
            }
            Node::Call(head, arguments) => self.call(node, *head, arguments, None),
            Node::Reflective(name, arguments) => self.reflective(node, *name, arguments, None),
            Node::Single(inner) => self.single(*inner, None),
            Node::Sequence(ids) => self.sequence_tail(ids, true),
            Node::Do(ids) => self.sequence_tail(ids, false),
            Node::Let(scope, body) => self.scoped(scope, *body, None),
            Node::Select(clauses) => self.select(node, clauses, None),
            Node::Reset(body) => self.in_window(Opcode::TailReset, *body, None),
            Node::Shift(function) => self.in_window(Opcode::Shift, *function, None),
            _ => {
                let result = self.operand(node);
                self.emit(Opcode::Return, result, 0, 0);
            }
        }
    }

    /// Moves an expression into code of its own, run in the same environment.
    fn outline(&mut self, node: NodeId, target: u8) {
        let inside = self.frame().environment.is_some();
        let Some(code) = self.thunk(node, inside) else {
            self.frame().overflow = true;
            return;
        };
        let environment = self.environment_operand();
        let index = self.frame().constant(code);
        self.frame().reserve(WINDOW_SLOTS + 1);
        let window = self.frame().register();
        self.emit_word(Opcode::Run, window, environment, 0, index);
        self.copy(target, window);
    }

    /// A register with the current environment; nil at top level.
    fn environment_operand(&mut self) -> u8 {
        if let Some(register) = self.frame().environment {
            return register;
        }
        let register = self.frame().register();
        self.emit(Opcode::Nil, register, 0, 0);
        register
    }

    fn constant(&mut self, value: Value, target: u8) {
        if value.is_nil() {
            self.emit(Opcode::Nil, target, 0, 0);
        } else if let Some(number) = value.as_integer().and_then(|n| i32::try_from(n).ok()) {
            self.emit_word(Opcode::Number, target, 0, 0, number as u32);
        } else {
            let index = self.frame().constant(value);
            self.emit_word(Opcode::Constant, target, 0, 0, index);
        }
    }

    /// A register that holds the node's value: its own when it is a plain variable, else the next
    /// free one (which the caller takes when it needs to keep it).
    pub(super) fn operand(&mut self, node: NodeId) -> u8 {
        if let Node::Variable(name) = self.arena.node(node)
            && !self.by_name
        {
            let frame = self.frame();
            if let Some((_, index)) = frame.find(*name, frame.scopes.len()) {
                let local = &frame.locals[index];
                if !local.cell && local.definite {
                    return local.register;
                }
            }
        }
        let register = self.frame().register();
        self.value(node, register);
        register
    }

    /// Operands in order, each in a register of its own that stays valid until all are there.
    pub(super) fn operands(&mut self, nodes: &[NodeId]) -> Vec<u8> {
        let mut registers = Vec::with_capacity(nodes.len());
        for (i, node) in nodes.iter().enumerate() {
            let later = nodes[i + 1..].iter().any(|n| self.arena.effects(*n).assigns);
            let mut register = self.operand(*node);
            let fresh = usize::from(register) == self.frame().next;
            if later && !fresh {
                let copy = self.frame().register();
                self.copy(copy, register);
                register = copy;
            }
            if usize::from(register) == self.frame().next {
                self.frame().next += 1;
            }
            registers.push(register);
        }
        registers
    }

    fn variable(&mut self, name: SymbolId, target: u8) {
        if self.by_name {
            if let Some(environment) = self.frame().environment {
                self.emit_word(Opcode::Lookup, target, environment, 0, name.0);
            } else {
                {
                    let cell = self.cell(name);
                    self.emit_word(Opcode::Global, target, 0, 0, cell);
                }
            }
            return;
        }
        let mut function = self.frames.len() - 1;
        let mut scopes = self.frames[function].scopes.len();
        let mut found = Vec::new();
        loop {
            let Some((owner, scope, local)) = self.find(name, function, scopes) else {
                {
                    let cell = self.cell(name);
                    self.emit_word(Opcode::Global, target, 0, 0, cell);
                }
                break;
            };
            (function, scopes) = (owner, scope);
            if owner == self.frames.len() - 1 && !self.frames[owner].locals[local].assigned {
                continue;
            }
            if self.read(owner, local, target) {
                break;
            }
            found.push(self.emit_jump(Opcode::JumpDefined, target));
        }
        for label in found {
            self.place(label);
        }
    }

    /// The innermost variable of this name seen from the first `scopes` scopes of `function`.
    fn find(
        &self,
        name: SymbolId,
        function: usize,
        scopes: usize,
    ) -> Option<(usize, usize, usize)> {
        let mut scopes = scopes;
        for owner in (0..=function).rev() {
            let frame = &self.frames[owner];
            if let Some((scope, local)) = frame.find(name, scopes) {
                return Some((owner, scope, local));
            }
            if frame.global_only || owner == 0 {
                return None;
            }
            scopes = self.frames[owner - 1].scopes.len();
        }
        None
    }

    /// Reads a variable; true when it is certainly bound.
    fn read(&mut self, owner: usize, index: usize, target: u8) -> bool {
        let own = owner == self.frames.len() - 1;
        let local = &mut self.frames[owner].locals[index];
        let certain = local.formal || own && local.definite;
        local.starts_undefined |= !certain;
        let (register, cell) = (local.register, local.cell);
        match (own, cell) {
            (true, false) => self.copy(target, register),
            (true, true) => self.emit(Opcode::GetCell, target, register, 0),
            (false, cell) => {
                let capture = self.capture(self.frames.len() - 1, owner, index) as u8;
                let opcode = if cell { Opcode::GetCaptured } else { Opcode::Capture };
                self.emit(opcode, target, capture, 0);
            }
        }
        certain
    }

    /// Index of the capture through which `function` reaches a variable of `owner`.
    pub(super) fn capture(&mut self, function: usize, owner: usize, local: usize) -> usize {
        let same = |c: &Captured| c.owner == owner && c.local == local;
        if let Some(index) = self.frames[function].captures.iter().position(same) {
            return index;
        }
        let variable = self.frames[owner].locals[local].clone();
        let source = if function - 1 == owner {
            u32::from(variable.register)
        } else {
            from_capture(self.capture(function - 1, owner, local))
        };
        let captures = &mut self.frames[function].captures;
        captures.push(Captured { owner, local, source, cell: variable.cell, name: variable.name });
        captures.len() - 1
    }

    fn lambda(&mut self, lambda: &Lambda, target: u8) {
        let mut frame = Frame::default();
        frame.global_only = lambda.global_only;
        if self.by_name {
            let formals = lambda.parameters.len() + usize::from(lambda.rest.is_some());
            frame.reserve(formals);
            frame.next += formals;
            let environment = frame.take();
            frame.environment = Some(environment);
            frame.code.emit(Opcode::EnterFunction, environment, 0, 0);
        } else {
            frame.declare_function(lambda);
            frame.itself = self_tail_call::parameters(lambda, &frame);
        }
        self.frames.push(frame);
        self.tail(lambda.body);
        let frame = self.frames.pop().expect("pushed above");
        let mut sources: Vec<u32> = frame.captures.iter().map(|c| c.source).collect();
        let Some(code) = frame.finish(CodeKind::Function, Some(lambda), self.module) else {
            self.frame().overflow = true;
            return;
        };
        if self.by_name {
            let environment = if lambda.global_only {
                let register = self.frame().register();
                self.emit(Opcode::Nil, register, 0, 0);
                register
            } else {
                self.environment_operand()
            };
            sources = vec![u32::from(environment)];
        }
        let code = self.vm.install(code);
        self.closure(code, &sources, target);
    }

    /// A closure over installed code with captures from these places.
    pub(super) fn closure(&mut self, code: Value, sources: &[u32], target: u8) {
        let index = self.frame().constant(code);
        self.emit(Opcode::Closure, target, 0, 0);
        let assembler = &mut self.frame().code;
        assembler.word(index);
        assembler.word(sources.len() as u32);
        for source in sources {
            assembler.word(*source);
        }
    }

    fn call(&mut self, node: NodeId, head: NodeId, arguments: &[NodeId], target: Option<u8>) {
        if arguments.len() > ARGUMENTS_MAX {
            return self.call_with_list(head, arguments, target);
        }
        let pure = arguments.iter().all(|a| self.arena.effects(*a).pure);
        let global = self.global_head(head).filter(|_| pure);
        if target.is_none()
            && let Some(name) = global
            && let Some(parameters) = self.itself(name, arguments.len())
        {
            return self.call_itself(node, name, &parameters, arguments);
        }
        let start = self.frame().next;
        self.frame().reserve(WINDOW_SLOTS + arguments.len());
        let window = self.frame().register();
        let mut skip = None;
        if let Some(name) = self.global_head(head).filter(|_| !pure) {
            self.position(head);
            let cell = self.cell(name);
            self.emit_word(Opcode::GlobalHead, window, 0, 0, cell);
            let [label] = self.frame().jumps();
            skip = Some(label);
        } else if global.is_none() {
            self.value(head, window);
            if !pure {
                skip = Some(self.emit_jump(Opcode::JumpError, window));
            }
        }
        for (i, argument) in arguments.iter().enumerate() {
            self.frame().next = start + WINDOW_SLOTS + i;
            let slot = self.frame().register();
            self.value(*argument, slot);
        }
        self.frame().next = start;
        self.position(node);
        let count = arguments.len() as u8;
        self.frame().expose();
        match (global, target) {
            (Some(name), Some(_)) => {
                let cell = self.cell(name);
                self.emit_word(Opcode::CallGlobal, window, count, 0, cell);
            }
            (Some(name), None) => {
                let cell = self.cell(name);
                self.emit_word(Opcode::TailCallGlobal, window, count, 0, cell);
            }
            (None, Some(_)) => self.emit(Opcode::Call, window, count, 0),
            (None, None) => self.emit(Opcode::TailCall, window, count, 0),
        }
        if let Some(label) = skip {
            self.place(label);
        }
        self.deliver(window, target);
    }

    /// Hands a call's result on: to a register, or to the caller when the call was no frame.
    pub(super) fn deliver(&mut self, window: u8, target: Option<u8>) {
        match target {
            Some(target) => self.copy(target, window),
            None => self.emit(Opcode::Return, window, 0, 0),
        }
    }

    /// The name of a head that certainly is a global.
    fn global_head(&self, head: NodeId) -> Option<SymbolId> {
        let Node::Variable(name) = self.arena.node(head) else { return None };
        let frame = self.frames.last()?;
        let global = if self.by_name {
            frame.environment.is_none()
        } else {
            self.find(*name, self.frames.len() - 1, frame.scopes.len()).is_none()
        };
        global.then_some(*name)
    }

    /// A call with more arguments than a window holds.
    fn call_with_list(&mut self, head: NodeId, arguments: &[NodeId], target: Option<u8>) {
        let start = self.frame().next;
        self.frame().reserve(WINDOW_SLOTS + 3);
        let window = self.frame().register();
        self.value(head, window);
        let skip = self.emit_jump(Opcode::JumpError, window);
        self.frame().next = start + WINDOW_SLOTS;
        let list = self.frame().take();
        self.emit(Opcode::Nil, list, 0, 0);
        for argument in arguments {
            let item = self.operand(*argument);
            self.emit_word(Opcode::Pair, list, item, list, 0);
        }
        self.emit(Opcode::Apply, window, list, 0);
        self.place(skip);
        self.frame().next = start;
        self.deliver(window, target);
    }

    fn reflective(
        &mut self,
        node: NodeId,
        name: SymbolId,
        arguments: &[NodeId],
        target: Option<u8>,
    ) {
        let start = self.frame().next;
        let environment = if let Some(register) = self.frame().environment {
            register
        } else {
            let register = self.frame().take();
            self.emit(Opcode::Nil, register, 0, 0);
            register
        };
        self.frame().reserve(WINDOW_SLOTS + arguments.len());
        let first = self.frame().next;
        let window = self.frame().register();
        self.variable(name, window);
        for (i, argument) in arguments.iter().enumerate() {
            self.frame().next = first + WINDOW_SLOTS + i;
            let slot = self.frame().register();
            self.value(*argument, slot);
        }
        self.position(node);
        let opcode = if target.is_some() { Opcode::CallIn } else { Opcode::TailCallIn };
        self.emit(opcode, window, arguments.len() as u8, environment);
        self.frame().next = start;
        self.deliver(window, target);
    }

    fn single(&mut self, inner: NodeId, target: Option<u8>) {
        if self.is_data(inner) {
            return match target {
                Some(target) => self.value(inner, target),
                None => self.tail(inner),
            };
        }
        self.frame().reserve(WINDOW_SLOTS);
        let window = self.frame().register();
        self.value(inner, window);
        self.frame().expose();
        let opcode = if target.is_some() { Opcode::CallValue } else { Opcode::TailCallValue };
        self.emit(opcode, window, 0, 0);
        self.deliver(window, target);
    }

    /// True when the node's value certainly is no function.
    fn is_data(&self, node: NodeId) -> bool {
        match self.arena.node(node) {
            Node::Constant(value) => !Vm::is_function(*value),
            Node::Primitive(opcode, _) => gives_data(*opcode),
            Node::List(_) | Node::Template(..) | Node::Assign(..) | Node::Define(..) => true,
            _ => false,
        }
    }
}
