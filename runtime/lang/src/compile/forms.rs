//! Emission of the forms that branch, bind and build.

use super::emit::Emitter;
use super::node::{Node, NodeId, Scope};
use valk_heap::{SymbolId, Value};
use valk_vm::primitives::{Gives, WithNumber};
use valk_vm::{Label, Opcode};

/// Where a condition that does not hold goes.
struct Exits {
    /// It is false.
    otherwise: Label,
    /// It is an error, which is in `error_register`.
    error: Label,
    error_register: u8,
}

impl Emitter<'_> {
    /// Emits a condition; falls through when it holds. `spare` is a register that may receive the
    /// error.
    fn condition(&mut self, node: NodeId, spare: u8) -> Exits {
        let start = self.frame().next;
        if let Node::Primitive(opcode, operands) = self.arena.node(node)
            && let Some(branch) = opcode.primitive().and_then(|primitive| primitive.branch)
        {
            let small = operands.get(1).and_then(|operand| match self.arena.node(*operand) {
                Node::Constant(value) => small_number(*value),
                _ => None,
            });
            if let (Some(with_number), Some(number)) = (branch.number, small) {
                let register = self.operand(operands[0]);
                self.position(node);
                self.emit(with_number, register, number, spare);
            } else {
                let registers = self.operands(operands);
                self.position(node);
                let second = registers.get(1).copied().unwrap_or(0);
                self.emit(branch.registers, registers[0], second, spare);
            }
            self.frame().next = start;
            let [otherwise, error] = self.frame().jumps();
            return Exits { otherwise, error, error_register: spare };
        }
        let register = self.operand(node);
        self.emit(Opcode::Branch, register, 0, 0);
        let [otherwise, error] = self.frame().jumps();
        Exits { otherwise, error, error_register: register }
    }

    pub(super) fn conditional(
        &mut self,
        condition: NodeId,
        then: NodeId,
        otherwise: Option<NodeId>,
        target: u8,
    ) {
        let exits = self.condition(condition, target);
        self.value(then, target);
        let mut ends = vec![self.emit_jump(Opcode::Jump, 0)];
        self.place(exits.otherwise);
        match otherwise {
            Some(node) => self.value(node, target),
            None => self.emit(Opcode::Nil, target, 0, 0),
        }
        if exits.error_register == target {
            self.place(exits.error);
        } else {
            ends.push(self.emit_jump(Opcode::Jump, 0));
            self.place(exits.error);
            self.copy(target, exits.error_register);
        }
        for end in ends {
            self.place(end);
        }
    }

    pub(super) fn conditional_tail(
        &mut self,
        condition: NodeId,
        then: NodeId,
        otherwise: Option<NodeId>,
    ) {
        let spare = self.frame().register();
        let exits = self.condition(condition, spare);
        self.tail(then);
        self.place(exits.otherwise);
        if let Some(node) = otherwise {
            self.tail(node);
        } else {
            self.emit(Opcode::Nil, spare, 0, 0);
            self.emit(Opcode::Return, spare, 0, 0);
        }
        self.place(exits.error);
        self.emit(Opcode::Return, exits.error_register, 0, 0);
    }

    /// A sequence; `strict` ends at the first error.
    pub(super) fn sequence(&mut self, ids: &[NodeId], target: u8, strict: bool) {
        let Some((last, firsts)) = ids.split_last() else {
            return self.emit(Opcode::Nil, target, 0, 0);
        };
        let mut errors = Vec::new();
        for id in firsts {
            if let Some(register) = self.statement(*id)
                && strict
            {
                errors.push((self.emit_jump(Opcode::JumpError, register), register));
            }
        }
        let result = self.operand(*last);
        self.copy(target, result);
        self.land(errors, target);
    }

    /// Places the exits of a form whose value now stands in `target`: each brings its error there.
    pub(super) fn land(&mut self, errors: Vec<(Label, u8)>, target: u8) {
        let mut elsewhere: Vec<(Label, u8)> = Vec::new();
        for (label, register) in errors {
            if register == target {
                self.place(label);
            } else {
                elsewhere.push((label, register));
            }
        }
        if elsewhere.is_empty() {
            return;
        }
        let mut ends = vec![self.emit_jump(Opcode::Jump, 0)];
        for (label, register) in elsewhere {
            self.place(label);
            self.copy(target, register);
            ends.push(self.emit_jump(Opcode::Jump, 0));
        }
        for end in ends {
            self.place(end);
        }
    }

    pub(super) fn sequence_tail(&mut self, ids: &[NodeId], strict: bool) {
        let Some((last, firsts)) = ids.split_last() else {
            let register = self.frame().register();
            self.emit(Opcode::Nil, register, 0, 0);
            return self.emit(Opcode::Return, register, 0, 0);
        };
        for id in firsts {
            if let Some(register) = self.statement(*id)
                && strict
            {
                self.emit(Opcode::ReturnError, register, 0, 0);
            }
        }
        self.tail(*last);
    }

    /// Evaluates for effect; the register with the value when it may be an error.
    fn statement(&mut self, node: NodeId) -> Option<u8> {
        match self.arena.node(node) {
            Node::Assign(names, values) => {
                self.assign(names, values);
                None
            }
            Node::Constant(value) if !value.is_error() => None,
            Node::Lambda(_) => None,
            _ => {
                let register = self.frame().register();
                self.value(node, register);
                Some(register)
            }
        }
    }

    /// True when the node's value certainly is no symbol, so that binding it needs no look-up.
    fn never_symbol(&self, node: NodeId) -> bool {
        match self.arena.node(node) {
            Node::Constant(value) => !value.is_symbol() || value.is_keyword(),
            Node::Primitive(opcode, _) => gives_data(*opcode),
            Node::Lambda(_) | Node::List(_) | Node::And(..) | Node::Or(..) => true,
            _ => false,
        }
    }

    pub(super) fn assign(&mut self, names: &[SymbolId], values: &[NodeId]) {
        let start = self.frame().next;
        let mut registers = Vec::with_capacity(values.len());
        for value in values {
            let register = self.frame().take();
            self.value(*value, register);
            if !self.never_symbol(*value) {
                self.resolve(register);
            }
            registers.push(register);
        }
        for (name, register) in names.iter().zip(registers) {
            self.bind(*name, register);
        }
        self.frame().next = start;
    }

    fn resolve(&mut self, register: u8) {
        self.frame().expose();
        match self.frame().environment {
            Some(environment) => self.emit(Opcode::ResolveIn, register, environment, 0),
            None => self.emit(Opcode::Resolve, register, 0, 0),
        }
    }

    fn bind(&mut self, name: SymbolId, register: u8) {
        if let Some(environment) = self.frame().environment {
            return self.emit_word(Opcode::Bind, environment, register, 0, name.0);
        }
        let mut owner = self.frames.len() - 1;
        while self.frames[owner].transparent && self.frames[owner].scopes.is_empty() {
            owner -= 1;
        }
        let Some(index) = self.frames[owner].innermost(name) else {
            let cell = self.defined_cell(name);
            return self.emit_word(Opcode::SetGlobal, register, 0, 0, cell);
        };
        if owner != self.frames.len() - 1 {
            return self.bind_outside(owner, index, register);
        }
        let local = &mut self.frame().locals[index];
        local.definite = true;
        local.assigned = true;
        let (place, cell) = (local.register, local.cell);
        if cell {
            self.emit(Opcode::SetCell, place, register, 0);
        } else {
            self.copy(place, register);
        }
    }

    pub(super) fn define(&mut self, names: &[SymbolId], values: &[NodeId], target: u8) {
        let start = self.frame().next;
        let mut registers = Vec::with_capacity(values.len());
        for value in values {
            let register = self.frame().take();
            self.value(*value, register);
            if !self.never_symbol(*value) {
                self.resolve(register);
            }
            registers.push(register);
        }
        let mut ends = Vec::new();
        for (name, register) in names.iter().zip(registers) {
            ends.push((self.emit_jump(Opcode::JumpError, register), register));
            let cell = self.defined_cell(*name);
            self.emit_word(Opcode::Define, register, 0, 0, cell);
            ends.push((self.emit_jump(Opcode::JumpError, register), register));
        }
        self.frame().next = start;
        // The target may be a register of an error exit: those jump over this.
        self.emit(Opcode::Nil, target, 0, 0);
        self.land(ends, target);
    }

    pub(super) fn fun(&mut self, name: SymbolId, lambda: NodeId, target: u8) {
        let register = self.frame().register();
        self.value(lambda, register);
        let cell = self.defined_cell(name);
        self.emit_word(Opcode::Define, register, 0, 0, cell);
        self.copy(target, register);
    }

    /// A `let`: its body in a scope of its own.
    pub(super) fn scoped(&mut self, scope: &Scope, body: NodeId, target: Option<u8>) {
        let start = self.frame().next;
        let first_word = self.frame().code.len();
        let outer = self.frame().environment;
        if self.by_name {
            let parent = if let Some(register) = outer {
                register
            } else {
                let register = self.frame().take();
                self.emit(Opcode::Nil, register, 0, 0);
                register
            };
            let inner = self.frame().take();
            self.emit(Opcode::EnterScope, inner, parent, 0);
            self.frame().environment = Some(inner);
        } else {
            let first = self.frame().locals.len();
            self.frame().scopes.push(Vec::new());
            self.frame().declare_assigned(scope, &[]);
            for index in first..self.frame().locals.len() {
                let local = self.frame().locals[index].clone();
                self.emit(Opcode::Undefined, local.register, 0, 0);
                if local.cell {
                    self.emit(Opcode::Cell, local.register, 0, 0);
                }
            }
        }
        match target {
            Some(target) => {
                let result = self.operand(body);
                self.copy(target, result);
            }
            None => self.tail(body),
        }
        if self.by_name {
            self.frame().environment = outer;
        } else {
            self.frame().leave_let(first_word);
        }
        self.frame().next = start;
    }

    pub(super) fn select(
        &mut self,
        node: NodeId,
        clauses: &[(NodeId, NodeId)],
        target: Option<u8>,
    ) {
        let mut ends = Vec::new();
        for (condition, result) in clauses {
            let spare = self.frame().register();
            let exits = self.number_condition(*condition, spare);
            match target {
                Some(target) => {
                    self.value(*result, target);
                    ends.push(self.emit_jump(Opcode::Jump, 0));
                }
                None => self.tail(*result),
            }
            self.place(exits.error);
            match target {
                Some(target) => {
                    self.copy(target, exits.error_register);
                    ends.push(self.emit_jump(Opcode::Jump, 0));
                }
                None => self.emit(Opcode::Return, exits.error_register, 0, 0),
            }
            self.place(exits.otherwise);
        }
        self.no_match("No selection found", self.arena.position(node), target);
        for end in ends {
            self.place(end);
        }
    }

    /// A `select` condition: must be a number.
    fn number_condition(&mut self, node: NodeId, spare: u8) -> Exits {
        if let Node::Primitive(opcode, _) = self.arena.node(node)
            && let Some(branch) = opcode.primitive().and_then(|primitive| primitive.branch)
            && branch.number.is_some()
        {
            return self.condition(node, spare);
        }
        let register = self.operand(node);
        self.emit(Opcode::BranchNumber, register, 0, spare);
        let [otherwise, error] = self.frame().jumps();
        Exits { otherwise, error, error_register: spare }
    }

    /// The end of a choice in which nothing was chosen.
    fn no_match(&mut self, text: &str, position: Option<valk_vm::Position>, target: Option<u8>) {
        let error = self.vm.error(text);
        if let Some(position) = position {
            crate::source::set_location(self.vm, error, position);
        }
        let index = self.frame().constant(error);
        let register = target.unwrap_or_else(|| self.frame().register());
        self.emit_word(Opcode::Constant, register, 0, 0, index);
        if target.is_none() {
            self.emit(Opcode::Return, register, 0, 0);
        }
    }

    pub(super) fn case(&mut self, x: NodeId, clauses: &[(NodeId, Value)], target: u8) {
        let start = self.frame().next;
        let subject = self.frame().take();
        self.value(x, subject);
        let mut ends = Vec::new();
        for (key, result) in clauses {
            let register = self.operand(*key);
            let spare = self.frame().register();
            self.emit(Opcode::BranchCase, subject, register, spare);
            let [otherwise, error] = self.frame().jumps();
            let index = self.frame().constant(*result);
            self.emit_word(Opcode::Constant, target, 0, 0, index);
            ends.push(self.emit_jump(Opcode::Jump, 0));
            self.place(otherwise);
            self.place(error);
        }
        self.frame().next = start;
        self.no_match("No case found", None, Some(target));
        for end in ends {
            self.place(end);
        }
    }

    /// `and` (`wanted` is true) and `or`: 1 or 0, the second operand only when needed.
    pub(super) fn logic(&mut self, x: NodeId, y: NodeId, and: bool, target: u8) {
        let spare = self.frame().register();
        let first = self.condition(x, spare);
        let (mut zeros, mut ones, mut errors) = (Vec::new(), Vec::new(), Vec::new());
        errors.push((first.error, first.error_register));
        if and {
            zeros.push(first.otherwise);
        } else {
            ones.push(self.emit_jump(Opcode::Jump, 0));
            self.place(first.otherwise);
        }
        let second = self.condition(y, spare);
        zeros.push(second.otherwise);
        errors.push((second.error, second.error_register));
        for label in ones {
            self.place(label);
        }
        self.emit_word(Opcode::Number, target, 0, 0, 1);
        let end = self.emit_jump(Opcode::Jump, 0);
        for label in zeros {
            self.place(label);
        }
        self.emit_word(Opcode::Number, target, 0, 0, 0);
        self.place(end);
        self.land(errors, target);
    }

    pub(super) fn primitive(&mut self, node: NodeId, opcode: Opcode, nodes: &[NodeId], target: u8) {
        let start = self.frame().next;
        if let [x, y] = nodes
            && let Node::Constant(number) = self.arena.node(*y)
            && let Some(short) = with_number(opcode, *number)
        {
            let register = self.operand(*x);
            self.position(node);
            return match short {
                Short::Immediate(opcode, number) => self.emit(opcode, target, register, number),
                Short::Word(opcode, number) => self.emit_word(opcode, target, register, 0, number),
            };
        }
        let registers = self.operands(nodes);
        self.frame().next = start;
        self.position(node);
        self.emit(opcode, target, registers[0], registers.get(1).copied().unwrap_or(0));
    }

    pub(super) fn list(&mut self, items: &[NodeId], target: u8) {
        if items.is_empty() {
            return self.emit(Opcode::Nil, target, 0, 0);
        }
        let start = self.frame().next;
        self.frame().reserve(items.len());
        let first = self.frame().register();
        for item in items {
            let slot = self.frame().register();
            self.value(*item, slot);
            self.frame().next += 1;
        }
        self.frame().next = start;
        self.emit(Opcode::List, target, first, items.len() as u8);
    }

    pub(super) fn template(&mut self, items: &[(NodeId, bool)], quoted: bool, target: u8) {
        let start = self.frame().next;
        let mut errors = Vec::new();
        let mut registers = Vec::new();
        for (index, (item, splice)) in items.iter().enumerate() {
            let register = self.frame().take();
            self.value(*item, register);
            errors.push((self.emit_jump(Opcode::JumpError, register), register));
            if *splice && index + 1 < items.len() {
                // What cannot be spliced is the result before anything after it is evaluated.
                let checked = self.frame().register();
                self.emit(Opcode::Nil, checked, 0, 0);
                self.emit_word(Opcode::Splice, checked, register, checked, 0);
                errors.push((self.emit_jump(Opcode::JumpError, checked), checked));
            }
            registers.push((register, *splice));
        }
        let built = self.frame().take();
        self.emit(Opcode::Nil, built, 0, 0);
        for (register, splice) in registers.into_iter().rev() {
            let opcode = if splice { Opcode::Splice } else { Opcode::Pair };
            self.emit_word(opcode, built, register, built, u32::from(quoted));
            if splice {
                errors.push((self.emit_jump(Opcode::JumpError, built), built));
            }
        }
        self.frame().next = start;
        self.copy(target, built);
        self.land(errors, target);
    }
}

/// An instruction with a number in it, and the number: as an operand or as a word.
enum Short {
    Immediate(Opcode, u8),
    Word(Opcode, u32),
}

/// What stands for an operation whose second operand is this constant.
fn with_number(opcode: Opcode, number: Value) -> Option<Short> {
    let immediate = |opcode| Some(Short::Immediate(opcode, small_number(number)?));
    let word = |opcode| {
        let number = number.as_integer().and_then(|number| i32::try_from(number).ok())?;
        Some(Short::Word(opcode, number as u32))
    };
    match opcode.primitive()?.with_number? {
        WithNumber::Immediate(opcode) => immediate(opcode),
        WithNumber::Word(opcode) => word(opcode),
        WithNumber::DivisorWord(opcode) => (number != Value::ZERO).then(|| word(opcode))?,
    }
}

/// Whether the value of a primitive is neither a function nor a symbol.
pub(super) fn gives_data(opcode: Opcode) -> bool {
    opcode.primitive().is_some_and(|primitive| primitive.gives == Gives::Data)
}

/// A number that fits an 8-bit operand.
fn small_number(value: Value) -> Option<u8> {
    value.as_integer().and_then(|n| i8::try_from(n).ok()).map(|n| n as u8)
}
