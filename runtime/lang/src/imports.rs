//! What an `import` means: its specification, the module, the names that it binds.
//!
//! A specification is a name, a path, or a list that begins with one of them and goes on with options:
//! `:only {names}`, `:as prefix`, `:rename {old new …}`.

use crate::compile::elements;
use crate::loader::{self, Found};
use crate::modules::{Import, State, at};
use crate::nearest::nearest;
use crate::runtime::Language;
use crate::source::{Place, span_of};
use std::path::PathBuf;
use valk_heap::{Kind, SymbolId, Value};
use valk_vm::{ModuleId, Position, Vm};

/// Exported names that a message lists at most.
const NAMES_LISTED_MAX: usize = 12;

/// A specification, taken apart.
pub struct Binding {
    /// The name or path.
    module: String,
    /// It is a name.
    is_name: bool,
    only: Option<Vec<SymbolId>>,
    prefix: Option<String>,
    renamed: Vec<(SymbolId, SymbolId)>,
}

fn symbols(list: Value) -> Option<Vec<SymbolId>> {
    list.is_list().then(|| elements(list).into_iter().map(Value::as_symbol).collect())?
}

impl Binding {
    /// Takes a specification apart.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn of(vm: &Vm, specification: Value) -> Result<Binding, String> {
        let items =
            if specification.is_list() { elements(specification) } else { vec![specification] };
        let shape = "import: expected a module's name or path, or a list of one and options, such as \
                     (shapes :only {area})";
        let first = *items.first().ok_or(shape)?;
        let (module, is_name) = match (first.as_symbol(), first.as_bytes(&vm.heap)) {
            (Some(name), _) if !first.is_keyword() => (vm.cell_name(name), true),
            (_, Some(path)) => (String::from_utf8_lossy(path).into_owned(), false),
            _ => return Err(shape.into()),
        };
        let mut binding =
            Binding { module, is_name, only: None, prefix: None, renamed: Vec::new() };
        for option in items[1..].chunks(2) {
            let key = option[0].as_symbol().map(|key| vm.cell_name(key)).unwrap_or_default();
            let value = option.get(1).copied();
            binding.set(vm, &key, value)?;
        }
        Ok(binding)
    }

    fn set(&mut self, vm: &Vm, key: &str, value: Option<Value>) -> Result<(), String> {
        let wants = |what: &str| format!("import: `{key}` of {} wants {what}", self.module);
        match key {
            ":only" => {
                let names = value.and_then(symbols);
                self.only = Some(names.ok_or_else(|| wants("a list of names"))?);
            }
            ":as" => {
                let prefix = value.and_then(Value::as_symbol).map(|name| vm.cell_name(name));
                self.prefix = Some(prefix.ok_or_else(|| wants("a name"))?);
            }
            ":rename" => {
                let names = value.and_then(symbols).filter(|names| names.len() % 2 == 0);
                let names = names.ok_or_else(|| wants("a list of old and new names"))?;
                self.renamed = names.chunks(2).map(|pair| (pair[0], pair[1])).collect();
            }
            _ => {
                let known = ":only, :as and :rename";
                return Err(format!("import: `{key}` is no option; there are {known}"));
            }
        }
        Ok(())
    }

    /// What the importing module calls an exported name.
    fn local(&self, vm: &mut Vm, name: SymbolId) -> SymbolId {
        let renamed = self.renamed.iter().find(|(old, _)| *old == name);
        let name = renamed.map_or(name, |(_, new)| *new);
        match &self.prefix {
            Some(prefix) => {
                let text = format!("{prefix}/{}", vm.cell_name(name));
                vm.intern(&text)
            }
            None => name,
        }
    }
}

/// What a specification stands for.
pub enum Target {
    /// A module whose forms have been evaluated.
    Module(ModuleId),
    /// A module whose forms are to be evaluated first.
    Unread(ModuleId, Value),
    /// What every module knows anyway.
    Always,
}

/// Finds the module of a specification.
///
/// # Errors
/// When there is none, it has failed, or its loading led here.
pub fn target(
    vm: &mut Vm,
    binding: &Binding,
    position: Option<Position>,
) -> Result<Target, String> {
    let modules = vm.extension::<Language>().modules.clone();
    let named = modules.table().named(&binding.module).filter(|_| binding.is_name);
    if let Some(id) = named {
        return known(vm, id, position).map(|id| Target::Module(id.unwrap_or(ModuleId::LIBRARY)));
    }
    let (path, embedded) = match loader::find_imported(vm, &binding.module, position) {
        Ok(Found::File(path)) => (path, None),
        Ok(Found::Embedded(module)) if module.preloaded => return Ok(Target::Always),
        Ok(Found::Embedded(module)) => (PathBuf::from(module.name), Some(module)),
        Err(seen) => return Err(not_found(&binding.module, &seen)),
    };
    let file = std::fs::canonicalize(&path).unwrap_or_else(|_| path.clone());
    let of_file = modules.table().of_file(&file);
    if let Some(id) = of_file
        && let Some(id) = known(vm, id, position)?
    {
        return Ok(Target::Module(id));
    }
    let forms = match embedded {
        Some(module) => {
            let text = module.text.as_bytes();
            loader::read_behind_needed(vm, module.name, text, Some(module))
        }
        None => {
            let text = loader::open(&path).map_err(|problem| problem.message)?;
            loader::read_behind_needed(vm, &path.to_string_lossy(), &text, None)
        }
    };
    let id = vm.add_module(embedded.is_some());
    let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let fiber = vm.running_fiber();
    modules.table().begin(id, &name, Some(file), fiber, position);
    Ok(Target::Unread(id, forms))
}

fn not_found(module: &str, seen: &[PathBuf]) -> String {
    let seen: Vec<String> = seen.iter().map(|path| path.display().to_string()).collect();
    format!(
        "import: there is no module {module}; looked for {} (VALK_PATH has further directories)",
        seen.join(", ")
    )
}

/// A module that has been met before; nothing when it has to be loaded anew.
fn known(
    vm: &mut Vm,
    id: ModuleId,
    position: Option<Position>,
) -> Result<Option<ModuleId>, String> {
    let fiber = vm.running_fiber();
    let modules = vm.extension::<Language>().modules.clone();
    let (name, state) = {
        let mut table = modules.table();
        let module = table.module(id);
        (module.name.clone(), module.state.clone())
    };
    match state {
        State::Ready => Ok(Some(id)),
        State::Loading { fiber: loader, .. } if loader == fiber => Err(cycle(vm, id, position)),
        State::Loading { .. } => Ok(None),
        State::Failed(message, at_position) => {
            let place = at(place_of(vm, at_position));
            Err(format!("import: module {name} could not be loaded: {message}{place}"))
        }
    }
}

/// The text for a module whose loading imports it again.
fn cycle(vm: &mut Vm, id: ModuleId, position: Option<Position>) -> String {
    let modules = vm.extension::<Language>().modules.clone();
    let mut chain = modules.table().cycle(id);
    let first = chain.first().map(|(name, _)| name.clone()).unwrap_or_default();
    chain.push((first, position));
    let links: Vec<String> = chain
        .windows(2)
        .map(|pair| {
            let place = at(place_of(vm, pair[1].1));
            format!("{} imports {}{place}", pair[0].0, pair[1].0)
        })
        .collect();
    format!("import: a cycle: {}", links.join(", "))
}

fn place_of(vm: &mut Vm, position: Option<Position>) -> Option<Place> {
    vm.extension::<Language>().sources.read().place(span_of(position?))
}

/// The text for an exported name that the module does not define.
pub fn missing_export(vm: &mut Vm, id: ModuleId) -> Option<String> {
    let modules = vm.extension::<Language>().modules.clone();
    let (name, exports) = {
        let mut table = modules.table();
        let module = table.module(id);
        (module.name.clone(), module.exports.clone())
    };
    let undefined = exports.into_iter().find(|export| !is_defined(vm, id, *export))?;
    Some(not_defined(vm, &name, undefined))
}

/// The same before the module has been evaluated, by what its text defines.
pub fn unknown_export(vm: &mut Vm, id: ModuleId) -> Option<String> {
    let modules = vm.extension::<Language>().modules.clone();
    let (name, exports) = {
        let mut table = modules.table();
        let module = table.module(id);
        (module.name.clone(), module.exports.clone())
    };
    let undefined = exports.into_iter().find(|export| vm.own_cell(id, *export).is_none())?;
    Some(not_defined(vm, &name, undefined))
}

fn not_defined(vm: &Vm, module: &str, name: SymbolId) -> String {
    let name = vm.cell_name(name);
    format!("export: module {module} exports `{name}`, which it does not define")
}

fn is_defined(vm: &Vm, id: ModuleId, name: SymbolId) -> bool {
    vm.known_cell(id, name).is_some_and(|cell| vm.global(cell).is_some())
}

/// What a module exports; one of the library that says nothing exports all that it defines.
fn exports(vm: &mut Vm, id: ModuleId) -> Vec<SymbolId> {
    let modules = vm.extension::<Language>().modules.clone();
    let mut table = modules.table();
    let module = table.module(id);
    if module.exports.is_empty() && id.is_library() {
        return module.definitions.keys().copied().collect();
    }
    module.exports.clone()
}

/// Binds what a module exports, as the specification says.
///
/// # Errors
/// When it does not export something that is wanted, or a name means something else already.
pub fn bind(
    vm: &mut Vm,
    importer: ModuleId,
    id: ModuleId,
    binding: &Binding,
    position: Option<Position>,
) -> Result<(), String> {
    let modules = vm.extension::<Language>().modules.clone();
    let named = modules.table().named(&binding.module).filter(|_| binding.is_name);
    let stands_for = modules.table().module(id).stands_for;
    let id = named.or(stands_for).unwrap_or(id);
    let exported = exports(vm, id);
    let wanted = binding.only.clone().unwrap_or_else(|| exported.clone());
    let renamed = binding.renamed.iter().map(|(old, _)| *old);
    if let Some(missing) = wanted.iter().copied().chain(renamed).find(|n| !exported.contains(n)) {
        return Err(not_exported(vm, id, missing, &exported));
    }
    let mut bound = Vec::new();
    for name in wanted {
        let local = binding.local(vm, name);
        let cell = vm.cell(id, name);
        if let Some(text) = collision(vm, importer, id, local, cell, position) {
            return Err(text);
        }
        bound.push((local, cell));
    }
    for (local, cell) in bound {
        // Code that was compiled before waits for the name in a cell of its own.
        if let Some(before) = vm.known_cell(importer, local)
            && vm.global(before).is_none()
            && let Some(value) = vm.global(cell)
        {
            vm.set_global(before, value);
        }
        vm.import_cell(importer, local, cell);
        let import = Import { from: id, position };
        modules.table().module(importer).imports.insert(local, import);
    }
    Ok(())
}

fn not_exported(vm: &mut Vm, id: ModuleId, missing: SymbolId, exported: &[SymbolId]) -> String {
    let modules = vm.extension::<Language>().modules.clone();
    let (module, defined) = {
        let mut table = modules.table();
        let module = table.module(id);
        (module.name.clone(), module.definitions.get(&missing).copied())
    };
    let missing = vm.cell_name(missing);
    if defined.is_some() {
        let place = at(place_of(vm, defined));
        return format!(
            "import: `{missing}` is private in module {module}, defined{place}; its `export` does \
             not name it"
        );
    }
    let names: Vec<String> = exported.iter().map(|name| vm.cell_name(*name)).collect();
    let near = nearest(&missing, names.iter().map(String::as_str));
    let hint = match near.first() {
        Some(near) => format!("did you mean `{near}`?"),
        None if names.is_empty() => "it exports nothing".into(),
        None => {
            let listed = &names[..names.len().min(NAMES_LISTED_MAX)];
            let more = if listed.len() < names.len() { ", …" } else { "" };
            format!("it exports {}{more}", listed.join(", "))
        }
    };
    format!("import: module {module} has no `{missing}`; {hint}")
}

/// The text for a name that means something else in the importing module.
fn collision(
    vm: &mut Vm,
    importer: ModuleId,
    id: ModuleId,
    local: SymbolId,
    cell: SymbolId,
    position: Option<Position>,
) -> Option<String> {
    let own = vm.own_cell(importer, local);
    if own == Some(cell) {
        return None;
    }
    let modules = vm.extension::<Language>().modules.clone();
    let (module, imported, defined) = {
        let mut table = modules.table();
        let name = table.module(id).name.clone();
        let imported = table.module(importer).imports.get(&local).copied();
        let imported = imported.map(|i| (table.module(i.from).name.clone(), i.position));
        (name, imported, table.module(importer).definitions.get(&local).copied())
    };
    let is_bound = own.unwrap_or(local);
    let value = vm.global(is_bound).filter(|_| importer == ModuleId::PROGRAM || own.is_some());
    let is_the_librarys = value.is_some() && value == vm.library_value(local);
    let other = match (imported, defined) {
        (Some((from, position)), _) => {
            format!("it is imported from module {from}{}", at(place_of(vm, position)))
        }
        (None, Some(position)) => format!("it is defined{}", at(place_of(vm, Some(position)))),
        (None, None) if value.is_some() && !is_the_librarys => "it is defined already".into(),
        _ => return None,
    };
    let local = vm.cell_name(local);
    let place = at(place_of(vm, position));
    Some(format!(
        "import: `{local}` of module {module}{place}: {other}; import it with :only, :as or :rename"
    ))
}

/// A position as a value.
pub fn position_value(vm: &mut Vm, position: Option<Position>) -> Value {
    let Some(position) = position else { return Value::NIL };
    let numbers = [position.file, position.start, position.end];
    let fields = numbers.map(|number| Value::fixnum(i64::from(number)));
    vm.heap.fields(Kind::Record, &fields)
}

/// The inverse.
pub fn position_from(value: Value) -> Option<Position> {
    if value.kind() != Kind::Record {
        return None;
    }
    let number = |index| value.field(index).as_fixnum() as u32;
    Some(Position { file: number(0), start: number(1), end: number(2) })
}
