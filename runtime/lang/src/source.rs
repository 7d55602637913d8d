//! Source texts: forms as values, and where each was written.
//!
//! A list read from a file stays in the old space at its address for the life of the runtime, so a
//! side table from addresses to positions suffices. Lists made at run time have no entry. All
//! VMs of a program share its texts.

use crate::runtime::Language;
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use valk_diagnostics::{Diagnostic, FileId, SourceMap, Span};
use valk_heap::{ERROR_LOCATION, Kind, Value};
use valk_syntax::{NodeKind, Tree};
use valk_vm::{Position, Vm, decimal_value};

/// The texts of a program; clones are handles of the same.
#[derive(Clone, Default)]
pub struct SharedSources(Arc<RwLock<Sources>>);

impl SharedSources {
    /// The texts so far. No text is added until this is dropped, which is before the next
    /// safepoint.
    pub fn read(&self) -> RwLockReadGuard<'_, Sources> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The texts, for adding one.
    pub fn write(&self) -> RwLockWriteGuard<'_, Sources> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Texts and the positions of their forms.
#[derive(Default)]
pub struct Sources {
    /// The texts.
    pub map: SourceMap,
    positions: HashMap<usize, Position>,
    /// What the reader had to say, by place.
    problems: HashMap<Span, Box<Diagnostic>>,
}

impl Sources {
    /// Where a list was written.
    pub fn position(&self, form: Value) -> Option<Position> {
        form.is_pair().then(|| self.positions.get(&form.address()).copied()).flatten()
    }

    /// A list of the forms of a text, whose cells have the places of what is in them.
    pub fn spine(&mut self, vm: &mut Vm, forms: &[(Value, Span)]) -> Value {
        let mut list = Value::NIL;
        for (form, span) in forms.iter().rev() {
            list = vm.heap.old_cons(*form, list, true);
            self.positions.insert(list.address(), position_of(*span));
        }
        list
    }

    /// Keeps what the reader says of a place.
    pub fn note_problem(&mut self, span: Span, diagnostic: Diagnostic) {
        self.problems.insert(span, Box::new(diagnostic));
    }

    /// What the reader said of this place.
    pub fn problem(&self, span: Span) -> Option<&Diagnostic> {
        self.problems.get(&span).map(|diagnostic| &**diagnostic)
    }

    /// The start of a span in words; `None` in a text that was never registered.
    pub fn place(&self, span: Span) -> Option<Place> {
        let file = self.map.file(span.file)?;
        let start = file.position(span.start);
        Some(Place { file: file.name().to_string(), line: start.line, column: start.column })
    }
}

/// A place as a person names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Name of the text.
    pub file: String,
    /// Line, from 1.
    pub line: u32,
    /// Column in code points, from 1.
    pub column: u32,
}

impl std::fmt::Display for Place {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(to, "{}:{}:{}", self.file, self.line, self.column)
    }
}

/// A span as the VM keeps it.
pub fn position_of(span: Span) -> Position {
    Position { file: span.file.0, start: span.start, end: span.end }
}

/// The inverse of [`position_of`].
pub fn span_of(position: Position) -> Span {
    Span::new(FileId(position.file), position.start, position.end)
}

/// The span of an error's location, if it has one.
pub fn location(error: Value) -> Option<Span> {
    let location = error.field(ERROR_LOCATION);
    if location.kind() != Kind::Record {
        return None;
    }
    let number = |index| location.field(index).as_fixnum() as u32;
    Some(Span { file: FileId(number(0)), start: number(1), end: number(2) })
}

/// Where an error was made, as `file:line:column`; nothing for another value, and for errors of the host.
pub fn place_of_error(vm: &mut Vm, error: Value) -> Option<String> {
    let span = location(Some(error).filter(|error| error.is_error())?)?;
    let place = vm.extension::<Language>().sources.read().place(span)?;
    Some(place.to_string())
}

/// Gives an error value a location.
pub fn set_location(vm: &mut Vm, error: Value, position: Position) {
    let fields = [position.file, position.start, position.end].map(|n| Value::fixnum(i64::from(n)));
    let location = vm.heap.fields(Kind::Record, &fields);
    vm.heap.write(error, ERROR_LOCATION, location);
}

/// Makes values of a tree's forms. With `sources` their lists never move and their positions are
/// recorded, which obliges the caller to keep them for ever.
pub fn forms(vm: &mut Vm, tree: &Tree, mut sources: Option<&mut Sources>) -> Vec<Value> {
    let symbols: Vec<Value> =
        tree.symbols.iter().map(|name| vm.heap.intern(name.as_bytes())).collect();
    let mut values = vec![Value::NIL; tree.nodes.len()];
    for index in (0..tree.nodes.len() as u32).rev() {
        let node = tree.node(index);
        values[index as usize] = match node.kind {
            NodeKind::Integer(number) => vm.heap.integer(number),
            NodeKind::Decimal(number) => decimal_value(&mut vm.heap, tree.decimal(number)),
            NodeKind::Symbol(id) => symbols[id.0 as usize],
            NodeKind::Name(name) => vm.heap.intern(name.as_bytes()),
            NodeKind::String(text) => vm.heap.string(tree.string(text).as_bytes()),
            NodeKind::List { quoted } => {
                let children: Vec<u32> = tree.children(index).collect();
                let mut list = Value::NIL;
                for child in children.into_iter().rev() {
                    let head = values[child as usize];
                    list = if sources.is_some() {
                        vm.heap.old_cons(head, list, quoted)
                    } else {
                        vm.heap.cons(head, list, quoted)
                    };
                }
                if let Some(sources) = sources.as_deref_mut()
                    && list.is_pair()
                {
                    sources.positions.insert(list.address(), position_of(node.span));
                }
                list
            }
        };
    }
    tree.roots().map(|index| values[index as usize]).collect()
}
