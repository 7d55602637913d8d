//! Macros: functions from forms to forms, called while code is compiled.
//!
//! 1. A macro is the value of a cell, so it is exported, imported and shadowed like anything else.
//! 2. A symbol that stands in a template (back quote) of a macro's body becomes an *alias*: a symbol
//!    that no text contains and that remembers the name and the macro's module. An expansion gives its
//!    aliases a number. So a variable that the macro introduces is nobody else's, and a name that it
//!    uses means what it means where the macro was written, whatever is bound around the use. This
//!    gives what sets of scopes give, for a language whose forms are plain lists: only templates introduce
//!    names, so only they rename. A symbol that the macro computes (`,(quote it)`, [`gensym`](super),
//!    parts of its arguments) is left alone, which is how a macro captures on purpose.
//! 3. In data aliases are the names that they stand for.
//! 4. The function runs within the compilation: no collection, no waiting. What it makes has the place of
//!    the use.

use super::expand::{Expander, elements, is_literal, symbols};
use super::names::MACRO_MAKER;
use super::node::{Node, NodeId};
use super::scan;
use crate::diagnose::message;
use std::collections::HashSet;
use valk_heap::{ERROR_CAUSE, HostObject, Kind, SymbolId, Tracer, Value};
use valk_vm::{ModuleId, Vm};

/// Expansions one inside the other, at most; more is a macro that never ends.
pub(super) const EXPANSIONS_NESTED_MAX: u32 = 1000;

/// The text for definitions of another shape.
pub const DEFMACRO_SHAPE: &str = "defmacro: write it as (defmacro {name parameter…} {body})";

/// The value of a macro's name.
pub struct Macro {
    function: Value,
}

impl HostObject for Macro {
    fn trace(&mut self, tracer: &mut Tracer<'_>) {
        tracer.value(&mut self.function);
    }

    fn type_name(&self) -> &'static str {
        "Macro"
    }
}

/// A macro of a function from forms to a form.
pub fn new_macro(vm: &mut Vm, function: Value) -> Value {
    vm.heap.host(Box::new(Macro { function }))
}

/// Whether a value is a macro.
pub fn is_macro(vm: &Vm, value: Value) -> bool {
    value.kind() == Kind::Host && value.host::<Macro>(&vm.heap).is_some()
}

impl Expander<'_> {
    /// The module and the name that a symbol stands for.
    pub(super) fn meaning(&mut self, symbol: SymbolId) -> (ModuleId, SymbolId) {
        self.vm.alias(symbol).unwrap_or((self.module, symbol))
    }

    /// Whether a symbol is a variable of the functions around the form, as far as they are known, or
    /// defined by the form.
    pub(super) fn is_local(&self, symbol: SymbolId) -> bool {
        self.formals.iter().any(|formals| formals.contains(&symbol))
            || self.scopes.iter().any(|scope| scope.assigned.contains(&symbol))
            || self.around.contains(&symbol)
            || self.defined_here.contains(&symbol)
    }

    /// The function of the macro that a form calls.
    fn macro_of(&mut self, form: Value) -> Option<(SymbolId, Value)> {
        let symbol = form.head().as_symbol().filter(|_| !form.head().is_keyword())?;
        if self.is_local(symbol) {
            return None;
        }
        let (module, name) = self.meaning(symbol);
        let cell = self.vm.known_cell(module, name)?;
        let value = self.vm.global(cell).filter(|value| value.kind() == Kind::Host)?;
        let function = value.host::<Macro>(&self.vm.heap)?.function;
        Some((name, function))
    }

    /// `(defmacro {name parameter…} {body})`
    pub(super) fn macro_definition(&mut self, arguments: &[Value], list: Value) -> NodeId {
        let made = match arguments {
            [spec, body] if is_literal(*spec) && is_literal(*body) => self.made(*spec, *body, list),
            _ => None,
        };
        made.unwrap_or_else(|| self.error(DEFMACRO_SHAPE, list))
    }

    /// The definition of a macro, or its error; nothing when the specification is no list of symbols.
    fn made(&mut self, spec: Value, body: Value, list: Value) -> Option<NodeId> {
        let name = *symbols(spec)?.first()?;
        let (_, written) = self.meaning(name);
        if self.names.special(written).is_some() {
            let text = format!("defmacro: `{}` is a special form", self.vm.cell_name(written));
            return Some(self.error(&text, list));
        }
        if let Some(error) = self.defined(name, list) {
            return Some(error);
        }
        let outer = std::mem::replace(&mut self.is_in_macro, true);
        let lambda = self.global_lambda(name, spec, body);
        self.is_in_macro = outer;
        let lambda = self.add(Node::Lambda(Box::new(lambda?)), list);
        let maker = self.vm.builtin(MACRO_MAKER).expect("it is registered");
        let maker = self.constant(maker);
        let made = self.add(Node::Call(maker, vec![lambda]), list);
        Some(self.add(Node::Define(vec![name], vec![made]), list))
    }

    /// What a form expands to in one step; nothing when it calls no macro. The error is one value.
    pub(super) fn expand_once(&mut self, form: Value) -> Option<Result<Value, Value>> {
        let (name, function) = self.macro_of(form)?;
        let arguments = elements(form.tail());
        let name = self.vm.cell_name(name);
        // Texts may be added meanwhile.
        self.guard = None;
        let value = self.vm.call_within(function, &arguments);
        self.guard = Some(self.shared.read());
        if value.is_error() {
            let text = format!("macro {name}: {}", message(self.vm, value));
            let error = self.error_value(&text, form);
            self.vm.heap.write(error, ERROR_CAUSE, value);
            return Some(Err(error));
        }
        if Vm::is_function(value) {
            let given = arguments.len();
            let text =
                format!("macro {name}: {given} arguments are too few, or it made a function");
            return Some(Err(self.error_value(&text, form)));
        }
        self.expansions += 1;
        if let (Some(position), Some(symbol)) = (self.position(form), form.head().as_symbol()) {
            let (module, symbol) = self.meaning(symbol);
            let mut table = self.modules.table();
            let defined = table.definition(module, symbol);
            table.note_expansion(position, name, defined);
        }
        let number = self.expansions;
        Some(Ok(renamed(self.vm, value, &|vm, symbol| vm.numbered_alias(symbol, number))))
    }

    /// Expands a form that calls a macro, as code in value position; nothing when it calls none.
    pub(super) fn expand_macro(&mut self, form: Value) -> Option<NodeId> {
        let expanded = match self.expand_once(form)? {
            Ok(expanded) => expanded,
            Err(error) => return Some(self.constant(error)),
        };
        if self.nested == EXPANSIONS_NESTED_MAX {
            let text =
                "macro: more than 1000 expansions one inside the other; does it reach its end?";
            return Some(self.error(text, form));
        }
        let position = self.sources().position(form);
        let outer = self.use_site;
        self.use_site = position.or(outer);
        self.nested += 1;
        self.shadowed.extend(scan::bound_names(self.vm, self.names, expanded));
        let id = self.code(expanded);
        self.nested -= 1;
        self.use_site = outer;
        Some(id)
    }

    /// Gives a variable that a macro introduces outside of functions a global of its own; false for a
    /// name that was written.
    pub(super) fn fresh_global(&mut self, name: SymbolId) -> bool {
        let Some((_, written)) = self.vm.alias(name) else { return false };
        if !self.fresh.contains_key(&name) {
            let number = self.modules.table().next_number();
            let text = format!("{} {number}", self.vm.cell_name(written));
            let global = self.vm.intern(&text);
            self.fresh.insert(name, global);
        }
        true
    }

    /// A value as data: names instead of aliases.
    pub(super) fn as_data(&mut self, value: Value) -> Value {
        if self.expansions == 0 && self.around.is_empty() {
            return value;
        }
        renamed(self.vm, value, &|vm, symbol| vm.alias(symbol).map(|(_, name)| name))
    }
}

/// The form with other symbols in the place of some; itself when there are none. Deep forms use
/// further pieces of host stack.
fn renamed(
    vm: &mut Vm,
    form: Value,
    rename: &dyn Fn(&mut Vm, SymbolId) -> Option<SymbolId>,
) -> Value {
    stacker::maybe_grow(
        super::expand::STACK_RED_ZONE_BYTES,
        super::expand::STACK_PIECE_BYTES,
        || {
            if let Some(symbol) = form.as_symbol().filter(|_| !form.is_keyword()) {
                return rename(vm, symbol).map_or(form, Value::symbol);
            }
            if !form.is_pair() {
                return form;
            }
            let (mut cells, mut rest) = (Vec::new(), form);
            while rest.is_pair() {
                let item = rest.head();
                cells.push((rest, renamed(vm, item, rename)));
                rest = rest.tail();
            }
            // What is behind the last change stays as it is, with its places.
            let changed = cells.iter().rposition(|(cell, item)| cell.head() != *item);
            let Some(last) = changed else { return form };
            let after = cells[last].0.tail();
            cells[..=last]
                .iter()
                .rev()
                .fold(after, |tail, (cell, item)| vm.heap.cons(*item, tail, cell.is_quoted()))
        },
    )
}

/// The form with variables that it introduces under names that show their number, and all other
/// aliases as the names that they stand for.
pub fn readable(vm: &mut Vm, form: Value) -> Value {
    let mut bound: HashSet<SymbolId> = HashSet::new();
    let mut pending = vec![form];
    while let Some(list) = pending.pop() {
        let items = elements(list);
        if let [_, names, ..] = items[..]
            && names.is_pair()
            && names.is_quoted()
        {
            let aliases = elements(names).into_iter().filter_map(Value::as_symbol);
            bound.extend(aliases.filter(|symbol| vm.alias(*symbol).is_some()));
        }
        pending.extend(items.into_iter().filter(|item| item.is_pair()));
    }
    renamed(vm, form, &|vm, symbol| {
        let (_, name) = vm.alias(symbol)?;
        if !bound.contains(&symbol) {
            return Some(name);
        }
        let (name, number) = (vm.cell_name(name), vm.alias_number(symbol).unwrap_or(0));
        Some(vm.intern(&format!("{name}#{number}")))
    })
}
