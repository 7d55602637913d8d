//! The modules of a program: which there are, what they export, and who imports what.
//!
//! 1. A module is known by the file it was read from, by the name that `module` gave it, or both. Each
//!    is evaluated once.
//! 2. What names mean in a module is the VM's business ([`valk_vm::ModuleId`]); this table has what is
//!    needed to say no: exports, and the places of definitions and imports.
//! 3. Modules that are being loaded form a stack per fiber. Meeting one of them again is a cycle. One
//!    that another fiber began and never finished is loaded anew.

use crate::source::Place;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use valk_heap::SymbolId;
use valk_vm::{ModuleId, Position};

/// How far a module has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// This fiber evaluates its forms, because of an `import` there.
    Loading {
        /// The fiber.
        fiber: u64,
        /// The `import`, or the `module` form itself.
        because_of: Option<Position>,
    },
    /// All its forms have been evaluated.
    Ready,
    /// One of its forms was this error, which was made there.
    Failed(String, Option<Position>),
}

/// A name that a module has from another one.
#[derive(Debug, Clone, Copy)]
pub struct Import {
    /// The module that exports it.
    pub from: ModuleId,
    /// The `import`.
    pub position: Option<Position>,
}

/// A module.
#[derive(Debug)]
pub struct Module {
    /// As people know it.
    pub name: String,
    /// The `module` form or the `import` that it comes from.
    pub declared: Option<Position>,
    /// How far it has come.
    pub state: State,
    /// What it exports, in the order in which it says so.
    pub exports: Vec<SymbolId>,
    /// Where names are defined.
    pub definitions: HashMap<SymbolId, Position>,
    /// What it has from others.
    pub imports: HashMap<SymbolId, Import>,
    /// The module that a file of just one `module` form stands for.
    pub stands_for: Option<ModuleId>,
}

/// The table.
#[derive(Debug, Default)]
pub struct Registry {
    modules: HashMap<ModuleId, Module>,
    names: HashMap<String, ModuleId>,
    files: HashMap<PathBuf, ModuleId>,
    /// Being loaded, the innermost last.
    loading: Vec<ModuleId>,
    /// Numbers that were given.
    numbers: u64,
    /// The macro that is used at a place, and where it is defined.
    expansions: HashMap<Position, (String, Option<Position>)>,
}

impl Registry {
    /// The module, which is known.
    pub fn module(&mut self, id: ModuleId) -> &mut Module {
        self.modules.entry(id).or_insert_with(|| Module {
            name: "the program".into(),
            declared: None,
            state: State::Ready,
            exports: Vec::new(),
            definitions: HashMap::new(),
            imports: HashMap::new(),
            stands_for: None,
        })
    }

    /// The module that was declared under this name.
    pub fn named(&self, name: &str) -> Option<ModuleId> {
        self.names.get(name).copied()
    }

    /// The module of this file.
    pub fn of_file(&self, file: &Path) -> Option<ModuleId> {
        self.files.get(file).copied()
    }

    /// Begins loading a module.
    pub fn begin(
        &mut self,
        id: ModuleId,
        name: &str,
        file: Option<PathBuf>,
        fiber: u64,
        because_of: Option<Position>,
    ) {
        let module = self.module(id);
        module.name = name.into();
        module.declared = because_of;
        module.state = State::Loading { fiber, because_of };
        match file {
            Some(file) => self.files.insert(file, id),
            None => self.names.insert(name.into(), id),
        };
        self.loading.push(id);
    }

    /// Ends loading a module.
    pub fn end(&mut self, id: ModuleId, state: State) {
        self.module(id).state = state;
        self.loading.retain(|loading| *loading != id);
    }

    /// The modules from `id` on that are being loaded by this fiber, and the imports that did it:
    /// those that follow `id`, the cause of each.
    pub fn cycle(&mut self, id: ModuleId) -> Vec<(String, Option<Position>)> {
        let from = self.loading.iter().position(|loading| *loading == id).unwrap_or(0);
        let ids: Vec<ModuleId> = self.loading[from..].to_vec();
        ids.into_iter()
            .map(|id| {
                let module = self.module(id);
                let because_of = match module.state {
                    State::Loading { because_of, .. } => because_of,
                    _ => None,
                };
                (module.name.clone(), because_of)
            })
            .collect()
    }

    /// A number that was not given before.
    pub fn next_number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    /// Where a module defines a name.
    pub fn definition(&mut self, id: ModuleId, name: SymbolId) -> Option<Position> {
        let module = self.module(id);
        match module.imports.get(&name).copied() {
            Some(import) => self.module(import.from).definitions.get(&name).copied(),
            None => module.definitions.get(&name).copied(),
        }
    }

    /// Notes the use of a macro.
    pub fn note_expansion(&mut self, used: Position, name: String, defined: Option<Position>) {
        self.expansions.entry(used).or_insert((name, defined));
    }

    /// The macro that is used at a place, and where it is defined.
    pub fn expansion(&self, used: Position) -> Option<(String, Option<Position>)> {
        self.expansions.get(&used).cloned()
    }

    /// Names of modules that define this name without exporting it.
    pub fn private_in(&self, name: SymbolId) -> Vec<String> {
        let hides = |(id, module): &(&ModuleId, &Module)| {
            !id.is_library()
                && **id != ModuleId::PROGRAM
                && module.definitions.contains_key(&name)
                && !module.exports.contains(&name)
        };
        let mut names: Vec<String> =
            self.modules.iter().filter(hides).map(|(_, module)| module.name.clone()).collect();
        names.sort();
        names
    }
}

/// The table of a program; clones are handles of the same.
#[derive(Debug, Clone, Default)]
pub struct SharedModules(Arc<Mutex<Registry>>);

impl SharedModules {
    /// The table, for the time of the borrow.
    pub fn table(&self) -> MutexGuard<'_, Registry> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a module exports.
    pub fn exports(&self, id: ModuleId) -> Vec<SymbolId> {
        self.table().module(id).exports.clone()
    }

    /// Notes a definition; the import that it collides with, if there is one.
    pub fn define(
        &self,
        id: ModuleId,
        name: SymbolId,
        position: Option<Position>,
    ) -> Option<(Import, String)> {
        let mut table = self.table();
        if let Some(import) = table.module(id).imports.get(&name).copied() {
            let from = table.module(import.from).name.clone();
            return Some((import, from));
        }
        if let Some(position) = position {
            table.module(id).definitions.insert(name, position);
        }
        None
    }
}

/// ` at FILE:LINE:COLUMN`, or nothing.
pub fn at(place: Option<Place>) -> String {
    place.map(|place| format!(" at {place}")).unwrap_or_default()
}

/// The text for a definition of a name that is imported, but for the place of that.
pub fn defines_import(name: &str, from: &str) -> String {
    format!("`{name}` cannot be defined here: it is imported from module {from}")
}
