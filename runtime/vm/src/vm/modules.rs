//! What names mean: the environments of modules.
//!
//! 1. Code belongs to a module. A name in it that is no local variable means a *cell*, which is a
//!    global of the heap. The compiler puts cells into instructions; names are looked up when
//!    instructions run only where a program computes them.
//! 2. In the program itself the cell of a name is the global of that name, unless the name was imported.
//!    Other modules have cells of their own, under names that no text can contain.
//! 3. [`ModuleId::LIBRARY`] is the base of all modules but the program: what it makes public is known there
//!    until the module defines or imports something of that name. The program starts with its public
//!    names bound, and what the program binds instead does not reach the cells of the library.
//! 4. An *alias* stands for a name of a module in code of any module. Code that macros make has them.
//! 5. Code of a library never is who asks when a builtin wants the names of its caller: the code
//!    around it is ([`Vm::caller`]).

use super::instance::Vm;
use crate::code::Position;
use std::collections::{HashMap, HashSet};
use std::sync::PoisonError;
use valk_heap::{SymbolId, Value};

/// A module of the VMs of one heap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ModuleId(pub u32);

/// Marks the modules of libraries.
const LIBRARY_BIT: u32 = 1 << 31;

/// Between a cell's name and the number of its module; no source text has it in a name.
const SEPARATOR: u8 = 0;
/// Between the parts of an alias: a name, a module's number, the number of an expansion.
const ALIAS: u8 = 1;

impl ModuleId {
    /// The program, and what is typed at a prompt.
    pub const PROGRAM: ModuleId = ModuleId(0);
    /// The builtins, and the definitions that every program starts with.
    pub const LIBRARY: ModuleId = ModuleId(1 | LIBRARY_BIT);

    /// Whether the code of this module is part of the language.
    pub fn is_library(self) -> bool {
        self.0 & LIBRARY_BIT != 0
    }

    fn index(self) -> usize {
        (self.0 & !LIBRARY_BIT) as usize
    }
}

/// The code on whose behalf a builtin runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The module of the code that runs, which may be the library's.
    pub running: ModuleId,
    /// The module of the innermost code that is not the library's.
    pub module: ModuleId,
    /// The form that that was executing, if that came from a text.
    pub position: Option<Position>,
}

impl Caller {
    /// The program, without a place.
    pub(crate) const PROGRAM: Caller =
        Caller { running: ModuleId::PROGRAM, module: ModuleId::PROGRAM, position: None };
}

#[derive(Debug, Default)]
struct Environment {
    /// The cell of each name that the module defines, imports or waits for.
    cells: HashMap<SymbolId, SymbolId>,
    /// Names that modules on top of this one know.
    public: HashSet<SymbolId>,
}

/// The environments of all modules, by number.
#[derive(Debug)]
pub(crate) struct Environments(Vec<Environment>);

impl Default for Environments {
    /// Those of the program and of the library.
    fn default() -> Environments {
        Environments(vec![Environment::default(), Environment::default()])
    }
}

impl Environments {
    /// The cell of a name that has one.
    fn find(&self, module: ModuleId, name: SymbolId) -> Option<SymbolId> {
        let own = self.0[module.index()].cells.get(&name).copied();
        if own.is_some() || module == ModuleId::PROGRAM || module == ModuleId::LIBRARY {
            return own;
        }
        let base = &self.0[ModuleId::LIBRARY.index()];
        base.public.contains(&name).then(|| base.cells.get(&name).copied())?
    }
}

impl Vm {
    fn environments<T>(&self, look: impl FnOnce(&Environments) -> T) -> T {
        look(&self.group.environments.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn change_environments<T>(&self, change: impl FnOnce(&mut Environments) -> T) -> T {
        change(&mut self.group.environments.write().unwrap_or_else(PoisonError::into_inner))
    }

    /// A new module without definitions.
    pub fn add_module(&mut self, is_library: bool) -> ModuleId {
        self.change_environments(|environments| {
            environments.0.push(Environment::default());
            let number = environments.0.len() as u32 - 1;
            ModuleId(if is_library { number | LIBRARY_BIT } else { number })
        })
    }

    /// What a name means in a module; what nobody has defined yet is waited for in a cell of the
    /// module's own.
    pub fn cell(&mut self, module: ModuleId, name: SymbolId) -> SymbolId {
        let (module, name) = self.alias(name).unwrap_or((module, name));
        let found = self.environments(|environments| environments.find(module, name));
        found.unwrap_or_else(|| self.definition_cell(module, name))
    }

    /// The same for a name that means something there already.
    pub fn known_cell(&self, module: ModuleId, name: SymbolId) -> Option<SymbolId> {
        let found = self.environments(|environments| environments.find(module, name));
        found.or_else(|| (module == ModuleId::PROGRAM).then_some(name))
    }

    /// The cell of a name that the module defines, imports or waits for.
    pub fn own_cell(&self, module: ModuleId, name: SymbolId) -> Option<SymbolId> {
        self.environments(|environments| environments.0[module.index()].cells.get(&name).copied())
    }

    /// The cell that a definition of this name in a module fills.
    pub fn definition_cell(&mut self, module: ModuleId, name: SymbolId) -> SymbolId {
        let (module, name) = self.alias(name).unwrap_or((module, name));
        if let Some(cell) = self.own_cell(module, name) {
            return cell;
        }
        if module == ModuleId::PROGRAM {
            return name;
        }
        let mut text = self.heap.symbols().name(name).to_vec();
        text.push(SEPARATOR);
        text.extend(module.index().to_string().bytes());
        let cell = self.heap.intern(&text).as_symbol().expect("intern makes symbols");
        self.change_environments(|environments| {
            *environments.0[module.index()].cells.entry(name).or_insert(cell)
        })
    }

    /// Makes a name of a module mean a cell of another one.
    pub fn import_cell(&mut self, module: ModuleId, name: SymbolId, cell: SymbolId) {
        self.change_environments(|environments| {
            environments.0[module.index()].cells.insert(name, cell);
        });
    }

    /// Defines a public name of the library, bound in the program too.
    pub fn define_public(&mut self, name: SymbolId, value: Value) {
        let cell = self.definition_cell(ModuleId::LIBRARY, name);
        self.set_global(cell, value);
        self.publish(name);
    }

    /// Makes a name of the library public, with the value it has there.
    pub fn publish(&mut self, name: SymbolId) {
        let library = ModuleId::LIBRARY.index();
        let cell = self.definition_cell(ModuleId::LIBRARY, name);
        self.change_environments(|environments| environments.0[library].public.insert(name));
        let value = self.heap.global(cell);
        self.set_global(name, value);
    }

    /// The names that mean something in a module by its own doing, and their cells.
    fn module_names(&self, module: ModuleId) -> Vec<(SymbolId, SymbolId)> {
        self.environments(|environments| {
            let cells = &environments.0[module.index()].cells;
            cells.iter().map(|(name, cell)| (*name, *cell)).collect()
        })
    }

    /// Leaves a public name to the library's own code.
    pub fn hide(&mut self, name: SymbolId) {
        let library = ModuleId::LIBRARY.index();
        self.change_environments(|environments| environments.0[library].public.remove(&name));
        self.set_global(name, Value::UNDEFINED);
    }

    /// What names mean in a module by its own doing; all that the program has, for the program.
    pub fn bindings_of(&self, module: ModuleId) -> Vec<(SymbolId, Value)> {
        let mut bindings =
            if module == ModuleId::PROGRAM { self.global_bindings() } else { Vec::new() };
        for (name, cell) in self.module_names(module) {
            if let Some(value) = self.global(cell) {
                bindings.retain(|(known, _)| *known != name);
                bindings.push((name, value));
            }
        }
        bindings
    }

    /// The library's own value of one of its public names.
    pub fn library_value(&self, name: SymbolId) -> Option<Value> {
        let library = ModuleId::LIBRARY.index();
        let cell = self.environments(|environments| {
            let base = &environments.0[library];
            base.public.contains(&name).then(|| base.cells.get(&name).copied())?
        })?;
        self.global(cell)
    }

    /// The module and the name that an alias stands for.
    pub fn alias(&mut self, symbol: SymbolId) -> Option<(ModuleId, SymbolId)> {
        let text = self.heap.symbols().name(symbol);
        let at = text.iter().position(|byte| *byte == ALIAS)?;
        let name = text[..at].to_vec();
        let module = text[at + 1..].split(|byte| *byte == ALIAS).next().unwrap_or_default();
        let module = String::from_utf8_lossy(module).parse().ok()?;
        let name = self.heap.intern(&name).as_symbol().expect("intern makes symbols");
        Some((ModuleId(module), name))
    }

    /// The number of the expansion that an alias belongs to.
    pub fn alias_number(&self, symbol: SymbolId) -> Option<u32> {
        let text = self.heap.symbols().name(symbol);
        let number = text.split(|byte| *byte == ALIAS).nth(2)?;
        String::from_utf8_lossy(number).parse().ok()
    }

    /// The alias of a name of a module, which belongs to no expansion yet.
    pub fn new_alias(&mut self, module: ModuleId, name: SymbolId) -> SymbolId {
        let text = format!("{}\u{1}{}", self.cell_name(name), module.0);
        self.intern(&text)
    }

    /// An alias that belongs to no expansion with the number of one.
    pub fn numbered_alias(&mut self, alias: SymbolId, number: u32) -> Option<SymbolId> {
        if self.alias(alias).is_none() || self.alias_number(alias).is_some() {
            return None;
        }
        let text = String::from_utf8_lossy(self.heap.symbols().name(alias)).into_owned();
        Some(self.intern(&format!("{text}\u{1}{number}")))
    }

    /// The name of a cell as programs write it.
    pub fn cell_name(&self, cell: SymbolId) -> String {
        let text = self.heap.symbols().name(cell);
        String::from_utf8_lossy(written(text)).into_owned()
    }
}

/// The part of a cell's name that programs write.
pub(crate) fn written(text: &[u8]) -> &[u8] {
    text.split(|byte| matches!(*byte, SEPARATOR | ALIAS)).next().unwrap_or(text)
}

/// Whether no source text can contain this name: that of a cell, or of a builtin that only the
/// language itself calls.
pub(crate) fn is_hidden(text: &[u8]) -> bool {
    text.iter().any(|byte| matches!(*byte, SEPARATOR | ALIAS | b' '))
}
