//! Forms to core forms: recognises special forms and literal uses of builtins, collects what each
//! scope binds and what nested functions mention.
//!
//! A form that asks for variables by name at run time inside a function (`eval` of computed code,
//! computed `\`, `penv`, …) sets `reflective`; the whole form is then compiled with environment
//! objects instead of registers.

use super::Tables;
use super::names::{Inline, Names, Special};
use super::node::{Arena, Node, NodeId, Scope};
use super::scan::bound_names;
use crate::modules::{SharedModules, at, defines_import};
use crate::source::{SharedSources, Sources};
use std::collections::{HashMap, HashSet};
use std::sync::RwLockReadGuard;
use valk_heap::{SymbolId, Value};
use valk_vm::{ModuleId, Position, Vm, environment};

/// Host stack the expander wants to be left with at each level, and what it gets otherwise.
pub const STACK_RED_ZONE_BYTES: usize = 128 * 1024;
/// Size of each further piece of host stack for deep forms.
pub const STACK_PIECE_BYTES: usize = 4 * 1024 * 1024;

/// Arguments of `list` handled by one instruction.
const LIST_MAX: usize = 60;

/// Expands one top-level form.
pub struct Expander<'a> {
    pub(super) vm: &'a mut Vm,
    pub(super) names: &'a Names,
    pub(super) shared: &'a SharedSources,
    /// The texts, but for the time in which a macro runs.
    pub(super) guard: Option<RwLockReadGuard<'a, Sources>>,
    pub(super) modules: &'a SharedModules,
    pub(super) module: ModuleId,
    /// The form is evaluated outside of all functions.
    is_outside: bool,
    /// The nodes made.
    pub arena: Arena,
    /// See the module.
    pub reflective: bool,
    /// The form to expand.
    root: Value,
    /// What is expanded was made by a [`Rewrite`](crate::Rewrite): builtins in it stand for themselves.
    is_rewritten: bool,
    /// Inlined names that this form or a scope around it binds.
    pub(super) shadowed: HashSet<SymbolId>,
    /// Scopes from the outermost function or `let` inwards.
    pub(super) scopes: Vec<Scope>,
    /// The parameters of the functions around, from the outermost inwards.
    pub(super) formals: Vec<Vec<SymbolId>>,
    /// The variables of the environment.
    pub(super) around: HashSet<SymbolId>,
    /// Names that the form gives to other things than macros, outside of functions.
    pub(super) defined_here: HashSet<SymbolId>,
    /// The body of a macro is being expanded.
    pub(super) is_in_macro: bool,
    /// Expansions so far; those of the environment's aliases count.
    pub(super) expansions: u32,
    /// Expansions around the form.
    pub(super) nested: u32,
    /// Variables that macros introduce outside of functions, and the globals that hold them.
    pub fresh: HashMap<SymbolId, SymbolId>,
    /// The outermost of them, as it was written.
    pub(super) use_site: Option<Position>,
    /// For each function being expanded: names mentioned, index of its first scope.
    pub(super) mentions: Vec<HashSet<SymbolId>>,
    /// Lengths of `mentions` inside the delayed bodies being expanded.
    pub(super) delays: Vec<usize>,
}

/// The elements of a proper list.
pub fn elements(mut list: Value) -> Vec<Value> {
    let mut items = Vec::new();
    while list.is_pair() {
        items.push(list.head());
        list = list.tail();
    }
    items
}

impl<'a> Expander<'a> {
    /// An expander for a form that will be evaluated in `environment`; both are looked through for
    /// names they bind. What neither binds means what it does in `module`.
    pub fn new(
        vm: &'a mut Vm,
        tables: &Tables<'a>,
        form: Value,
        environment: Value,
        module: ModuleId,
    ) -> Expander<'a> {
        let Tables { names, sources, modules } = *tables;
        let mut shadowed = bound_names(vm, names, form);
        let around = environment::names(environment).into_iter().filter_map(Value::as_symbol);
        let around: HashSet<SymbolId> = around.collect();
        shadowed.extend(around.iter().copied().filter(|symbol| names.is_inlined(*symbol)));
        let numbers = around.iter().filter_map(|symbol| vm.alias_number(*symbol));
        let expansions = numbers.max().unwrap_or(0);
        Expander {
            vm,
            names,
            shared: sources,
            guard: Some(sources.read()),
            modules,
            module,
            is_outside: environment.is_nil(),
            arena: Arena::default(),
            reflective: false,
            root: form,
            is_rewritten: false,
            shadowed,
            scopes: Vec::new(),
            formals: Vec::new(),
            around,
            defined_here: HashSet::new(),
            is_in_macro: false,
            expansions,
            nested: 0,
            fresh: HashMap::new(),
            use_site: None,
            mentions: Vec::new(),
            delays: Vec::new(),
        }
    }

    /// The nodes, whether variables are asked for by name, and the globals of variables of macros.
    pub fn finish(self) -> (Arena, bool, HashMap<SymbolId, SymbolId>) {
        (self.arena, self.reflective, self.fresh)
    }

    /// The texts.
    pub(super) fn sources(&self) -> &Sources {
        self.guard.as_deref().expect("macros do not run meanwhile")
    }

    /// Where a form was written: what a macro made, where the macro is used.
    pub(super) fn position(&self, form: Value) -> Option<Position> {
        self.sources().position(form).or(self.use_site)
    }

    pub(super) fn add(&mut self, node: Node, form: Value) -> NodeId {
        let position = self.position(form);
        self.arena.add(node, position)
    }

    pub(super) fn constant(&mut self, value: Value) -> NodeId {
        let value = self.as_data(value);
        self.arena.add(Node::Constant(value), None)
    }

    pub(super) fn error(&mut self, text: &str, form: Value) -> NodeId {
        let error = self.error_value(text, form);
        self.constant(error)
    }

    pub(super) fn error_value(&mut self, text: &str, form: Value) -> Value {
        let error = self.vm.error(text);
        if let Some(position) = self.position(form) {
            crate::source::set_location(self.vm, error, position);
        }
        error
    }

    /// Expands a form in value position.
    pub fn expand(&mut self, form: Value) -> NodeId {
        stacker::maybe_grow(STACK_RED_ZONE_BYTES, STACK_PIECE_BYTES, || {
            if let Some(symbol) = form.as_symbol() {
                if form.is_keyword() {
                    return self.constant(form);
                }
                return self.variable(symbol, form);
            }
            if form.is_pair() && !form.is_quoted() {
                return self.application(form);
            }
            self.constant(form)
        })
    }

    fn variable(&mut self, symbol: SymbolId, form: Value) -> NodeId {
        if let Some(mentions) = self.mentions.last_mut() {
            mentions.insert(symbol);
        }
        self.add(Node::Variable(symbol), form)
    }

    /// Expands a form in one of the places where a quoted list is code.
    pub(super) fn code(&mut self, form: Value) -> NodeId {
        if form.is_pair() && form.is_quoted() { self.application(form) } else { self.expand(form) }
    }

    /// Expands a body: one expression, or a sequence when its first element is a list.
    pub(super) fn body(&mut self, body: Value) -> NodeId {
        if !body.is_pair() {
            return self.constant(Value::NIL);
        }
        if !body.head().is_list() {
            return self.application(body);
        }
        let mut ids: Vec<NodeId> = elements(body).into_iter().map(|f| self.expand(f)).collect();
        if ids.len() == 1 {
            return ids.remove(0);
        }
        self.add(Node::Sequence(ids), body)
    }

    /// Expands a list as an application, whatever its bracket.
    fn application(&mut self, list: Value) -> NodeId {
        if let Some(expanded) = self.expand_macro(list) {
            return expanded;
        }
        let items = elements(list);
        if let [only] = items[..] {
            let inner = self.expand(only);
            return self.add(Node::Single(inner), list);
        }
        // A form that a builtin made of its arguments means that builtin, whatever its name is
        // bound to here.
        if let Some((symbol, inline)) = self.names.inline_value(self.vm, items[0])
            && (self.is_rewritten || list.with_quoted(false) == self.root.with_quoted(false))
            && let Some(id) = self.inlined(inline, symbol, &items[1..], list)
        {
            return id;
        }
        if let Some(written) = items[0].as_symbol() {
            let (module, symbol) = self.meaning(written);
            if let Some(special) = self.names.special(symbol) {
                return self.special(special, &items, list);
            }
            // An alias means what it means in its module.
            let shadowed = if written == symbol {
                self.shadowed.contains(&symbol)
            } else {
                self.is_local(written)
            };
            if !shadowed
                && let Some(rewrite) = self.names.rewrite(self.vm, module, symbol)
                && let Some(form) = rewrite(self.vm, &items[1..])
            {
                return self.rewritten(form);
            }
            if !shadowed
                && let Some(inline) = self.names.inline(self.vm, module, symbol)
                && !(self.asks_the_program(inline) && module != self.module)
                && let Some(id) = self.inlined(inline, symbol, &items[1..], list)
            {
                return id;
            }
        }
        let head = self.expand(items[0]);
        let arguments = items[1..].iter().map(|form| self.expand(*form)).collect();
        self.add(Node::Call(head, arguments), list)
    }

    /// Whether instructions for this do what the program binds its name to when they run. A macro of
    /// another module means the builtin itself.
    fn asks_the_program(&self, inline: Inline) -> bool {
        self.module == ModuleId::PROGRAM && matches!(inline, Inline::Primitive(..) | Inline::List)
    }

    /// Expands what a rewriting has made of a form.
    fn rewritten(&mut self, form: Value) -> NodeId {
        self.shadowed.extend(bound_names(self.vm, self.names, form));
        let before = std::mem::replace(&mut self.is_rewritten, true);
        let id = self.expand(form);
        self.is_rewritten = before;
        id
    }

    fn special(&mut self, special: Special, items: &[Value], list: Value) -> NodeId {
        let given = items.len() - 1;
        match special {
            Special::Quote if given != 1 => {
                self.error(&format!("quote expects exactly 1 argument, got {given}"), list)
            }
            Special::Quote => self.constant(items[1]),
            Special::Quasiquote if given != 1 => {
                self.error(&format!("quasiquote expects exactly 1 argument, got {given}"), list)
            }
            Special::Quasiquote => self.template_root(items[1], list),
            Special::If if !(2..=3).contains(&given) => {
                self.error(&format!("if requires 2-3 arguments, got {given}"), list)
            }
            Special::If => {
                let condition = self.expand(items[1]);
                let then = self.code(items[2]);
                let otherwise = items.get(3).map(|form| self.code(*form));
                self.add(Node::If(condition, then, otherwise), list)
            }
            Special::WithDeadline if given < 2 => {
                let text = "ctx/with-deadline requires timeout-ms and body, got";
                self.error(&format!("{text} {given} args"), list)
            }
            Special::WithDeadline => self.with_context(1, &items[1..2], &items[2..], list),
            Special::WithValue if given < 3 => {
                let text = "ctx/with requires key, value, and body, got";
                self.error(&format!("{text} {given} args"), list)
            }
            Special::WithValue => self.with_context(0, &items[1..3], &items[3..], list),
        }
    }

    /// `ctx/with…`: code that makes the context from `given`, and a body that runs in it.
    fn with_context(
        &mut self,
        maker: usize,
        given: &[Value],
        body: &[Value],
        list: Value,
    ) -> NodeId {
        let head = self.constant(self.names.context_makers[maker]);
        let arguments = given.iter().map(|form| self.expand(*form)).collect();
        let make = self.add(Node::Call(head, arguments), list);
        let body = self.delayed(body, list);
        self.add(Node::WithContext(make, body), list)
    }

    /// A function without parameters that runs `body` in the scope it stands in.
    fn delayed(&mut self, body: &[Value], list: Value) -> NodeId {
        self.mentions.push(HashSet::new());
        self.delays.push(self.mentions.len());
        let mut ids: Vec<NodeId> = body.iter().map(|form| self.code(*form)).collect();
        let inner =
            if ids.len() == 1 { ids.remove(0) } else { self.add(Node::Sequence(ids), list) };
        self.delays.pop();
        let mentioned = self.mentions.pop().expect("pushed above");
        for outer in &mut self.scopes {
            outer.inner.extend(&mentioned);
        }
        if let Some(outer) = self.mentions.last_mut() {
            outer.extend(&mentioned);
        }
        self.add(Node::Delayed(inner), list)
    }

    /// `(shift {k} body)`: `None` unless the first list has exactly one name.
    fn shift(&mut self, name: Value, body: Value, list: Value) -> Option<NodeId> {
        if symbols(name)?.len() != 1 {
            return None;
        }
        let body = if is_literal(body) { body } else { self.vm.heap.cons(body, Value::NIL, true) };
        let lambda = self.lambda(name, body)?;
        let function = self.add(Node::Lambda(Box::new(lambda)), list);
        Some(self.add(Node::Shift(function), list))
    }

    /// Expands a literal use of a builtin; `None` when its arguments have another shape.
    fn inlined(
        &mut self,
        inline: Inline,
        symbol: SymbolId,
        arguments: &[Value],
        list: Value,
    ) -> Option<NodeId> {
        match (inline, arguments) {
            (Inline::Primitive(opcode, count), _) if arguments.len() == count => {
                let ids = arguments.iter().map(|form| self.expand(*form)).collect();
                Some(self.add(Node::Primitive(opcode, ids), list))
            }
            (Inline::Primitive(..), _) => None,
            (Inline::List, _) if arguments.len() <= LIST_MAX => {
                let ids = arguments.iter().map(|form| self.expand(*form)).collect();
                Some(self.add(Node::List(ids), list))
            }
            (Inline::List, _) => None,
            (Inline::Do, _) => {
                let ids = arguments.iter().map(|form| self.expand(*form)).collect();
                Some(self.add(Node::Do(ids), list))
            }
            (Inline::And, [x, y]) => {
                let (x, y) = (self.expand(*x), self.expand(*y));
                Some(self.add(Node::And(x, y), list))
            }
            (Inline::Or, [x, y]) => {
                let (x, y) = (self.expand(*x), self.expand(*y));
                Some(self.add(Node::Or(x, y), list))
            }
            (Inline::And | Inline::Or, _) => None,
            (Inline::Assign | Inline::Define, [names, values @ ..]) if !values.is_empty() => self
                .assignment(inline, *names, values, list)
                .or_else(|| Some(self.reflective(symbol, arguments, list))),
            (Inline::Lambda, [formals, body]) if is_literal(*formals) && is_literal(*body) => {
                let lambda = self.lambda(*formals, *body)?;
                Some(self.add(Node::Lambda(Box::new(lambda)), list))
            }
            (Inline::Fun, [spec, body]) if is_literal(*body) => self.fun(*spec, *body, list),
            (Inline::Macro, _) => Some(self.macro_definition(arguments, list)),
            (Inline::Fun, _) => None,
            (Inline::Let, [body]) if is_literal(*body) => {
                self.scopes.push(Scope::default());
                let body = self.body(*body);
                let scope = self.scopes.pop().expect("pushed above");
                Some(self.add(Node::Let(scope, body), list))
            }
            (Inline::Select, clauses) if clauses.iter().all(|c| is_clause(*c)) => {
                let ids = clauses
                    .iter()
                    .map(|c| (self.expand(c.head()), self.code(c.tail().head())))
                    .collect();
                Some(self.add(Node::Select(ids), list))
            }
            (Inline::Case, [x, clauses @ ..]) if clauses.iter().all(|c| is_clause(*c)) => {
                let x = self.expand(*x);
                let ids = clauses.iter().map(|c| (self.code(c.head()), c.tail().head())).collect();
                Some(self.add(Node::Case(x, ids), list))
            }
            (Inline::Cond, clauses) if clauses.iter().all(|c| is_clause(*c)) => {
                Some(self.cond(clauses, list))
            }
            (Inline::When, [condition, body @ ..]) => {
                let (condition, body) = (self.expand(*condition), self.codes(body, list));
                Some(self.add(Node::If(condition, body, None), list))
            }
            (Inline::Unless, [condition, body @ ..]) => {
                let (condition, body) = (self.expand(*condition), self.codes(body, list));
                let nothing = self.constant(Value::NIL);
                Some(self.add(Node::If(condition, nothing, Some(body)), list))
            }
            (Inline::Reset, [body]) => {
                let body = self.delayed(&[*body], list);
                Some(self.add(Node::Reset(body), list))
            }
            (Inline::Shift, [function]) => {
                let function = self.expand(*function);
                Some(self.add(Node::Shift(function), list))
            }
            (Inline::Shift, [name, body]) => self.shift(*name, *body, list),
            (Inline::Reset | Inline::Shift, _) => None,
            (Inline::Eval, [form]) if is_literal(*form) => Some(self.code(*form)),
            (Inline::Quoting, _) => Some(self.quoting(symbol, arguments, list)),
            _ => Some(self.reflective(symbol, arguments, list)),
        }
    }

    /// The first clause whose condition is true; nil when there is none.
    fn cond(&mut self, clauses: &[Value], list: Value) -> NodeId {
        let parts: Vec<(NodeId, NodeId)> =
            clauses.iter().map(|c| (self.expand(c.head()), self.code(c.tail().head()))).collect();
        let nothing = self.constant(Value::NIL);
        parts.into_iter().rev().fold(nothing, |rest, (condition, result)| {
            self.add(Node::If(condition, result, Some(rest)), list)
        })
    }

    /// Several expressions, each code when it is a quoted list; the last one's value counts.
    fn codes(&mut self, forms: &[Value], list: Value) -> NodeId {
        let ids = forms.iter().map(|form| self.code(*form)).collect();
        self.add(Node::Do(ids), list)
    }

    /// A call that needs the environment.
    fn reflective(&mut self, symbol: SymbolId, arguments: &[Value], list: Value) -> NodeId {
        self.reflective |= !self.scopes.is_empty();
        let ids = arguments.iter().map(|form| self.expand(*form)).collect();
        self.add(Node::Reflective(symbol, ids), list)
    }

    /// The same with the arguments as they are.
    fn quoting(&mut self, symbol: SymbolId, arguments: &[Value], list: Value) -> NodeId {
        self.reflective |= !self.scopes.is_empty();
        let ids = arguments.iter().map(|form| self.constant(*form)).collect();
        self.add(Node::Reflective(symbol, ids), list)
    }

    /// Notes a definition of the module; the error instead when the name is imported there.
    pub(super) fn defined(&mut self, name: SymbolId, list: Value) -> Option<NodeId> {
        let position = self.position(list);
        let (module, name) = self.meaning(name);
        let (import, from) = self.modules.define(module, name, position)?;
        let place = import.position.and_then(|p| self.sources().place(crate::source::span_of(p)));
        let text = defines_import(&self.vm.cell_name(name), &from);
        Some(self.error(&format!("{text}{}", at(place)), list))
    }

    fn assignment(
        &mut self,
        inline: Inline,
        names: Value,
        values: &[Value],
        list: Value,
    ) -> Option<NodeId> {
        let names = symbols(names)?;
        if names.len() != values.len() {
            return None;
        }
        let is_global = self.is_outside && self.scopes.is_empty();
        if inline == Inline::Define || is_global {
            for name in &names {
                if inline == Inline::Assign && self.fresh_global(*name) {
                    continue;
                }
                if let Some(error) = self.defined(*name, list) {
                    return Some(error);
                }
            }
        }
        if inline == Inline::Define || is_global {
            self.defined_here.extend(&names);
        }
        let ids = values.iter().map(|form| self.expand(*form)).collect();
        if inline == Inline::Define {
            return Some(self.add(Node::Define(names, ids), list));
        }
        if self.delays.last() == Some(&self.mentions.len())
            && let Some(mentions) = self.mentions.last_mut()
        {
            mentions.extend(&names);
        }
        if let Some(scope) = self.scopes.last_mut() {
            for name in &names {
                if !scope.assigned.contains(name) {
                    scope.assigned.push(*name);
                }
            }
        }
        Some(self.add(Node::Assign(names, ids), list))
    }
}

/// True for a value that evaluates to itself as a list: a quoted list or nil.
pub(super) fn is_literal(form: Value) -> bool {
    form.is_nil() || form.is_pair() && form.is_quoted()
}

/// True for a literal list of exactly two elements.
fn is_clause(form: Value) -> bool {
    form.is_pair() && form.is_quoted() && form.tail().is_pair() && form.tail().tail().is_nil()
}

/// The elements of a quoted list of symbols.
pub(super) fn symbols(list: Value) -> Option<Vec<SymbolId>> {
    if !list.is_pair() || !list.is_quoted() {
        return None;
    }
    elements(list).into_iter().map(Value::as_symbol).collect()
}
