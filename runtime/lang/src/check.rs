//! Checking programs without running them: `valk check`.
//!
//! Forms are compiled in their order. What they would load or import is read and checked too, as far as
//! a path is written there. Of all forms only those are evaluated that later ones are compiled with:
//! `export`, `import`, and the environments of modules.

use crate::builtins::modules::{declare, export_names, name_definitions, place};
use crate::compile::elements;
use crate::diagnose::diagnose;
use crate::imports::{self, Binding, Target};
use crate::loader::{self, Loaded};
use crate::modules::State;
use crate::runtime::Language;
use crate::source::{self, position_of, span_of};
use std::collections::HashSet;
use std::path::PathBuf;
use valk_diagnostics::{Diagnostic, Span};
use valk_heap::Value;
use valk_vm::{ModuleId, Vm};

/// The state of a check.
pub struct Check<'a> {
    vm: &'a mut Vm,
    /// What is wrong, in the order in which it was found.
    pub found: Vec<Diagnostic>,
    /// Files that were loaded.
    loaded: HashSet<PathBuf>,
}

impl<'a> Check<'a> {
    /// A check of a file of this name that has found nothing.
    pub fn new(vm: &'a mut Vm, name: &str) -> Check<'a> {
        Check { vm, found: Vec::new(), loaded: HashSet::from([name.into()]) }
    }

    /// Checks a list of forms that stand in a module.
    pub fn forms(&mut self, module: ModuleId, mut left: Value) {
        while left.is_pair() {
            let span = self.vm.extension::<Language>().sources.read().position(left).map(span_of);
            self.form(module, left.head(), span);
            left = left.tail();
        }
    }

    fn form(&mut self, module: ModuleId, form: Value, span: Option<Span>) {
        let position = self.vm.extension::<Language>().sources.read().position(form);
        let span = position.map(span_of).or(span);
        let error = if form.is_error() {
            Some(form)
        } else {
            (self.vm.compile)(self.vm, form, Value::NIL, module).err()
        };
        if let Some(error) = error {
            let diagnostic = diagnose(self.vm, error, span);
            return self.found.push(diagnostic);
        }
        let items = if form.is_quoted() { Vec::new() } else { elements(form) };
        let Some(head) = items.first().and_then(|head| head.as_symbol()) else { return };
        match (self.vm.cell_name(head).as_str(), &items[1..]) {
            ("load", [path]) => self.load(module, *path, span),
            ("import", specifications) => self.import(module, specifications, span),
            ("export", names) => {
                if let Err(text) = export_names(self.vm, module, names) {
                    self.problem(&text, span);
                }
            }
            ("module", [name, forms @ ..]) => {
                let Some(name) = name.as_symbol() else { return };
                let position = span.map(position_of);
                match declare(self.vm, name, module, position) {
                    Ok(id) => {
                        let forms = self.list(forms);
                        self.module(id, forms, span);
                    }
                    Err(text) => self.problem(&text, span),
                }
            }
            ("do", forms) => {
                for form in forms {
                    self.form(module, *form, span);
                }
            }
            _ => {}
        }
    }

    fn list(&mut self, items: &[Value]) -> Value {
        items.iter().rev().fold(Value::NIL, |rest, &item| self.vm.heap.cons(item, rest, true))
    }

    /// Notes what would be an error of this text when the form is evaluated.
    fn problem(&mut self, text: &str, span: Option<Span>) {
        let error = self.vm.error(text);
        if let Some(span) = span {
            source::set_location(self.vm, error, position_of(span));
        }
        let diagnostic = diagnose(self.vm, error, span);
        self.found.push(diagnostic);
    }

    fn load(&mut self, module: ModuleId, path: Value, span: Option<Span>) {
        let Some(path) = path.as_bytes(&self.vm.heap) else { return };
        let path = crate::builtins::path_of(path);
        match loader::load(self.vm, &path, span.map(position_of)) {
            Ok(Loaded::Present) => {}
            Ok(Loaded::Forms(forms)) => {
                let first = self.first_position(forms);
                let file = place(self.vm, first).map(|place| place.file);
                if file.is_none_or(|file| self.loaded.insert(file.into())) {
                    self.forms(module, forms);
                }
            }
            Err(text) => self.problem(&text, span),
        }
    }

    fn first_position(&mut self, forms: Value) -> Option<valk_vm::Position> {
        self.vm.extension::<Language>().sources.read().position(forms)
    }

    /// Checks the forms of a module and ends its loading.
    fn module(&mut self, id: ModuleId, forms: Value, span: Option<Span>) {
        name_definitions(self.vm, id, forms);
        let before = self.found.len();
        self.forms(id, forms);
        if let Some(text) = imports::unknown_export(self.vm, id) {
            self.problem(&text, span);
        }
        let modules = self.vm.extension::<Language>().modules.clone();
        let state = match self.found.get(before) {
            None => State::Ready,
            Some(problem) => State::Failed(problem.message.clone(), None),
        };
        modules.table().end(id, state);
    }

    fn import(&mut self, importer: ModuleId, specifications: &[Value], span: Option<Span>) {
        let position = span.map(position_of);
        for specification in specifications {
            let result = Binding::of(self.vm, *specification).and_then(|binding| {
                let mut target = imports::target(self.vm, &binding, position)?;
                if let Target::Unread(id, forms) = target {
                    self.module(id, forms, span);
                    target = Target::Module(id);
                }
                match target {
                    Target::Module(id) => imports::bind(self.vm, importer, id, &binding, position),
                    _ => Ok(()),
                }
            });
            if let Err(text) = result {
                self.problem(&text, span);
            }
        }
    }
}
