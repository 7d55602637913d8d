//! The names the compiler knows.
//!
//! Special forms are recognised by name and cannot be shadowed. Builtins are recognised when the form
//! that uses them does not rebind the name and the global still holds the builtin.

use std::collections::HashMap;
use valk_heap::{SymbolId, Value};
use valk_vm::primitives::{Operands, PRIMITIVES};
use valk_vm::{ModuleId, Opcode, Vm};

/// What the compiler does with a builtin's literal use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inline {
    /// An instruction on exactly this many operands.
    Primitive(Opcode, usize),
    /// `list`.
    List,
    /// `=`
    Assign,
    /// `def`
    Define,
    /// `\`
    Lambda,
    /// `fun`
    Fun,
    /// `defmacro`
    Macro,
    /// `do`
    Do,
    /// `let`
    Let,
    /// `select`
    Select,
    /// `case`
    Case,
    /// `cond`
    Cond,
    /// `when`
    When,
    /// `unless`
    Unless,
    /// `and`
    And,
    /// `or`
    Or,
    /// `eval`
    Eval,
    /// `reset`
    Reset,
    /// `shift`
    Shift,
    /// Needs the environment whatever its arguments are: `penv`, `load`.
    Reflective,
    /// The same, of arguments that are not evaluated: `import`.
    Quoting,
}

/// Builtins that code inlines as forms, by name; the others are the [`PRIMITIVES`].
const FORMS: &[(&str, Inline)] = &[
    ("=", Inline::Assign),
    ("def", Inline::Define),
    ("\\", Inline::Lambda),
    ("fun", Inline::Fun),
    ("defmacro", Inline::Macro),
    ("do", Inline::Do),
    ("let", Inline::Let),
    ("select", Inline::Select),
    ("case", Inline::Case),
    ("cond", Inline::Cond),
    ("when", Inline::When),
    ("unless", Inline::Unless),
    ("and", Inline::And),
    ("or", Inline::Or),
    ("eval", Inline::Eval),
    ("reset", Inline::Reset),
    ("async-reset", Inline::Reset),
    ("shift", Inline::Shift),
    ("async-shift", Inline::Shift),
    ("penv", Inline::Reflective),
    ("load", Inline::Reflective),
    (LOAD_STEP, Inline::Reflective),
    (MODULE_STEP, Inline::Reflective),
    (LIBRARY_FORM, Inline::Reflective),
    (LIBRARY_NAMES, Inline::Reflective),
    ("module", Inline::Quoting),
    ("export", Inline::Quoting),
    ("import", Inline::Quoting),
];

/// Builtins that code inlines, by name.
fn inlined() -> impl Iterator<Item = (&'static str, Inline)> {
    let primitives = PRIMITIVES.iter().map(|primitive| {
        let inline = match primitive.operands {
            Operands::Exactly(count) => Inline::Primitive(primitive.opcode, count),
            Operands::Consecutive => Inline::List,
        };
        (primitive.name, inline)
    });
    primitives.chain(FORMS.iter().copied())
}

/// The builtins that go on with a loaded file and with a module; unreadable, so programs cannot call
/// them.
pub const LOAD_STEP: &str = "load step";
/// The builtin that makes a macro of a function.
pub const MACRO_MAKER: &str = "make macro";
/// See [`LOAD_STEP`].
pub const MODULE_STEP: &str = "module step";
/// The builtin that evaluates a form as the library's; see [`LOAD_STEP`].
pub const LIBRARY_FORM: &str = "library form";
/// The builtin that makes the names of a module of the library public; see [`LOAD_STEP`].
pub const LIBRARY_NAMES: &str = "library names";

/// Builtins behind `ctx/with` and `ctx/with-deadline`; unreadable, and unbound once found.
pub const CONTEXT_MAKERS: [&str; 2] = ["context with value", "context with deadline"];

/// A special form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Special {
    /// `quote`
    Quote,
    /// `quasiquote`
    Quasiquote,
    /// `if`
    If,
    /// `ctx/with`
    WithValue,
    /// `ctx/with-deadline`
    WithDeadline,
}

/// Makes code of a literal use of a builtin, given its argument forms; `None` when they have another
/// shape, and the builtin is called as any other.
///
/// Heads of the code may be builtins themselves instead of names; each means that builtin, whatever
/// its name is bound to. The name of the rewritten builtin may not be a head of the code again: that
/// would be rewritten without end.
pub type Rewrite = fn(&mut Vm, &[Value]) -> Option<Value>;

/// Symbol ids of everything above; made once per VM.
#[derive(Debug, Default, Clone)]
pub struct Names {
    inlined: HashMap<SymbolId, (Inline, Value)>,
    rewritten: HashMap<SymbolId, (Rewrite, Value)>,
    special: HashMap<SymbolId, Special>,
    /// Builtins whose first argument names variables.
    pub binders: Vec<SymbolId>,
    /// The builtins that derive a context with a value, and one with a deadline.
    pub context_makers: Vec<Value>,
    /// `unquote`
    pub unquote: Option<SymbolId>,
    /// `unquote-splicing`
    pub unquote_splicing: Option<SymbolId>,
    /// `&`
    pub ampersand: Option<SymbolId>,
}

impl Names {
    /// Interns the names; the builtins must be registered already.
    pub fn new(vm: &mut Vm) -> Names {
        let mut names = Names {
            unquote: Some(vm.intern("unquote")),
            unquote_splicing: Some(vm.intern("unquote-splicing")),
            ampersand: Some(vm.intern("&")),
            ..Names::default()
        };
        let makers = CONTEXT_MAKERS.map(|name| {
            let symbol = vm.intern(name);
            let builtin = vm.global(symbol).expect("context makers are registered");
            vm.set_global(symbol, Value::UNDEFINED);
            builtin
        });
        names.context_makers = makers.to_vec();
        for (name, inline) in inlined() {
            let symbol = vm.intern(name);
            let builtin = vm.global(symbol).expect("inlined builtins are registered");
            names.inlined.insert(symbol, (inline, builtin));
        }
        names.binders = ["=", "def", "\\", "fun", "defmacro", "shift", "async-shift"]
            .map(|name| vm.intern(name))
            .to_vec();
        let special = [
            ("quote", Special::Quote),
            ("quasiquote", Special::Quasiquote),
            ("if", Special::If),
            ("ctx/with", Special::WithValue),
            ("ctx/with-deadline", Special::WithDeadline),
        ];
        for (name, form) in special {
            names.special.insert(vm.intern(name), form);
        }
        names
    }

    /// The special form of this name.
    pub fn special(&self, symbol: SymbolId) -> Option<Special> {
        self.special.get(&symbol).copied()
    }

    /// The form that a builtin itself, not its name, makes as a head. Instructions of primitives are
    /// not among them: they do what the global of their name is bound to when they run.
    pub fn inline_value(&self, vm: &Vm, head: Value) -> Option<(SymbolId, Inline)> {
        let symbol = vm.native(head.as_builtin()?).name;
        let (inline, builtin) = self.inlined.get(&symbol)?;
        let is_form = !matches!(inline, Inline::Primitive(..) | Inline::List);
        (is_form && head == *builtin).then_some((symbol, *inline))
    }

    /// The builtin that this name means in a module, if its global is untouched.
    pub fn inline(&self, vm: &Vm, module: ModuleId, symbol: SymbolId) -> Option<Inline> {
        let (inline, builtin) = self.inlined.get(&symbol)?;
        is_untouched(vm, module, symbol, *builtin).then_some(*inline)
    }

    /// Has literal uses of the builtin of this name rewritten.
    ///
    /// # Panics
    /// When the name is unbound.
    pub fn add_rewrite(&mut self, vm: &mut Vm, name: &str, rewrite: Rewrite) {
        let symbol = vm.intern(name);
        let builtin = vm.global(symbol).expect("a builtin is registered before its rewriting");
        self.rewritten.insert(symbol, (rewrite, builtin));
    }

    /// How uses of the builtin of this name are rewritten, if its global is untouched.
    pub fn rewrite(&self, vm: &Vm, module: ModuleId, symbol: SymbolId) -> Option<Rewrite> {
        let (rewrite, builtin) = self.rewritten.get(&symbol)?;
        is_untouched(vm, module, symbol, *builtin).then_some(*rewrite)
    }

    /// True for a builtin, not its name, whose first argument names variables.
    pub fn is_binder_value(&self, head: Value) -> bool {
        head.as_builtin().is_some()
            && self
                .binders
                .iter()
                .any(|binder| self.inlined.get(binder).is_some_and(|(_, builtin)| *builtin == head))
    }

    /// True for names that [`Names::inline`] or [`Names::rewrite`] may answer for.
    pub fn is_inlined(&self, symbol: SymbolId) -> bool {
        self.inlined.contains_key(&symbol) || self.rewritten.contains_key(&symbol)
    }
}

/// Whether a name of a module means this builtin.
fn is_untouched(vm: &Vm, module: ModuleId, name: SymbolId, builtin: Value) -> bool {
    vm.known_cell(module, name).and_then(|cell| vm.global(cell)) == Some(builtin)
}
