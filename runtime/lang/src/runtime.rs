//! A runtime: one VM with the language in it, for embedding.
//!
//! 1. A runtime owns its heap, globals and output; two runtimes in a process share nothing.
//! 2. Source text is read whole before any of it runs; the first reader error ends the text, the
//!    forms before it run.
//! 3. The embedder waits for events: it gives a [`Driver`] that runs a fiber to its end.

use crate::builtins;
use crate::builtins::{FailureNotes, IdCounter, process_exit_code as EXIT_CODE};
use crate::compile::{self, Names, Rewrite};
use crate::diagnose::diagnose;
use crate::library;
use crate::output::Output;
use crate::print::repr;
use crate::source::{self, SharedSources};
use crate::time_and_seeds::{HostClock, Seeds};
use std::cell::{RefCell, RefMut};
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use valk_diagnostics::{Code, Diagnostic, FileId};
use valk_heap::{Config, Heap, HeapError, Root, Value};
use valk_log::Threshold;
use valk_metrics::Registry;
use valk_syntax::{check_utf8, read_all};
use valk_vm::{FiberId, Vm};

/// State of the language inside a VM.
#[derive(Default)]
pub struct Language {
    names: Arc<Names>,
    pub(crate) sources: SharedSources,
    /// The program's output.
    pub output: Output,
    /// The time, as the host tells it.
    pub clock: HostClock,
    /// Where random numbers begin.
    pub seeds: Seeds,
    /// Of trace and span ids.
    pub(crate) ids: IdCounter,
    /// Assertions of tests that have failed.
    pub(crate) failures: FailureNotes,
    /// What the program was started with, for `args`.
    pub arguments: Vec<String>,
    /// The program's metrics.
    pub metrics: Registry,
    /// What `sys/log/set-level` sets.
    pub log_threshold: Threshold,
    /// `exit` was called: drivers stop waiting for events.
    pub stopping: Arc<AtomicBool>,
    /// The status that `exit` was called with; 0 before.
    pub exit_status: Arc<AtomicU8>,
}

impl Language {
    /// The same program's language for another VM on its heap.
    #[must_use]
    pub fn of_same_program(&self) -> Language {
        Language {
            names: Arc::clone(&self.names),
            sources: self.sources.clone(),
            output: self.output.clone(),
            clock: self.clock.clone(),
            seeds: self.seeds.clone(),
            ids: self.ids.clone(),
            failures: self.failures.clone(),
            arguments: self.arguments.clone(),
            metrics: self.metrics.clone(),
            log_threshold: self.log_threshold.clone(),
            stopping: Arc::clone(&self.stopping),
            exit_status: Arc::clone(&self.exit_status),
        }
    }

    /// Whether `exit` was called.
    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }
}

/// A VM that a driver and its embedder share. It is borrowed for one resumption, never while a
/// driver waits.
pub type SharedVm = Rc<RefCell<Vm>>;

/// Runs a fiber until its function returns.
pub trait Driver {
    /// The function's value.
    fn run(&mut self, vm: &SharedVm, fiber: FiberId) -> Value;
}

/// A driver for programs that wait for nothing.
#[derive(Debug, Default, Clone, Copy)]
pub struct NoWaiting;

impl Driver for NoWaiting {
    fn run(&mut self, vm: &SharedVm, fiber: FiberId) -> Value {
        let mut vm = vm.borrow_mut();
        if let Some(value) = vm.resume_through(fiber, Value::NIL) {
            return value;
        }
        vm.abandon(fiber);
        vm.error("this operation waits for an event and cannot be used here")
    }
}

/// What came of running a text.
#[derive(Debug)]
pub enum Ran {
    /// All forms ran; the last one's value (nil for none).
    Value(Value),
    /// This error ended it: the value and what to tell the user.
    Failed(Value, Box<Diagnostic>),
}

/// A VM with the language.
pub struct Runtime {
    /// The VM.
    pub vm: SharedVm,
}

impl Runtime {
    /// A runtime with core builtins and prelude.
    ///
    /// # Errors
    /// When the heap cannot be set up with this configuration.
    ///
    /// # Panics
    /// When the embedded prelude does not run, which its tests exclude.
    pub fn new(config: Config, output: Output) -> Result<Runtime, HeapError> {
        let mut vm = Vm::new(Heap::new(config)?, compile_hook, report_hook);
        vm.extension::<Language>().output = output;
        builtins::register(&mut vm);
        let constants = [
            ("nil", Value::NIL),
            ("true", Value::ONE),
            ("false", Value::ZERO),
            ("otherwise", Value::ONE),
        ];
        for (name, value) in constants {
            let symbol = vm.intern(name);
            vm.set_global(symbol, value);
        }
        let names = Arc::new(Names::new(&mut vm));
        vm.extension::<Language>().names = names;
        let mut runtime = Runtime { vm: Rc::new(RefCell::new(vm)) };
        let prelude = valk_stdlib::PRELUDE;
        let ran = runtime.run_text(prelude.name, prelude.text.as_bytes(), &mut NoWaiting);
        assert!(matches!(ran, Ran::Value(_)), "the prelude runs");
        Ok(runtime)
    }

    /// Makes `sys/log/set-level` set this threshold. Without it the program sets a threshold of its
    /// own, which an embedder may ignore.
    pub fn set_log_threshold(&mut self, threshold: Threshold) {
        self.vm().extension::<Language>().log_threshold = threshold;
    }

    /// Sets what the program gets from `(args)`.
    pub fn set_arguments(&mut self, arguments: Vec<String>) {
        self.vm().extension::<Language>().arguments = arguments;
    }

    /// Runs the forms of a text in the global environment, behind the library modules that it needs.
    pub fn run_text(&mut self, name: &str, text: &[u8], driver: &mut dyn Driver) -> Ran {
        if let Err(problem) = check_utf8(text) {
            let (error, diagnostic) = self.not_utf8(name, text, problem.offset);
            return Ran::Failed(error, diagnostic);
        }
        let (forms, error) = read(&mut self.vm(), name, text);
        // The reader's error value must outlive the forms before it.
        let kept = error.as_ref().map(|(value, _)| self.vm().heap.root(*value));
        let mut last = Value::NIL;
        let mut running = None;
        let forms = behind_needed(&mut self.vm(), forms, None);
        for form in &forms {
            let form = self.vm().heap.resolve(form);
            last = evaluate(&self.vm, form, driver);
            if last.is_error() {
                running = self.written_at(form);
                break;
            }
        }
        let error = kept.map(|root| self.vm().heap.release(root)).zip(error);
        if last.is_error() {
            let diagnostic = diagnose(&mut self.vm(), last, running);
            return Ran::Failed(last, Box::new(diagnostic));
        }
        match error.map(|(value, (_, diagnostic))| (value, diagnostic)) {
            None => Ran::Value(last),
            Some((error, diagnostic)) => Ran::Failed(error, diagnostic),
        }
    }

    /// Runs a file; see [`Runtime::run_text`].
    pub fn run_file(&mut self, path: &str, driver: &mut dyn Driver) -> Ran {
        match open(path) {
            Ok(text) => self.run_text(path, &text, driver),
            Err(problem) => {
                let error = self.vm().error(&problem.legacy);
                Ran::Failed(error, problem.diagnostic)
            }
        }
    }

    /// Reads and compiles a text without running it: the first problem, if any.
    pub fn check_text(&mut self, name: &str, text: &[u8]) -> Option<Diagnostic> {
        if let Err(problem) = check_utf8(text) {
            return Some(*self.not_utf8(name, text, problem.offset).1);
        }
        let (forms, error) = read(&mut self.vm(), name, text);
        for form in &forms.roots {
            let form = self.vm().heap.resolve(form);
            let compiled = {
                let mut vm = self.vm();
                (vm.compile)(&mut vm, form, Value::NIL)
            };
            if let Err(error) = compiled {
                let running = self.written_at(form);
                return Some(diagnose(&mut self.vm(), error, running));
            }
        }
        error.map(|(_, diagnostic)| *diagnostic)
    }

    /// Reads and compiles a file without running it: the first problem, if any.
    pub fn check_file(&mut self, path: &str) -> Option<Diagnostic> {
        match open(path) {
            Ok(text) => self.check_text(path, &text),
            Err(problem) => Some(*problem.diagnostic),
        }
    }

    /// The bytecode of a file's top-level forms and of the functions in them.
    ///
    /// # Errors
    /// The first problem that keeps a form from being compiled.
    pub fn disasm_file(&mut self, path: &str) -> Result<String, Box<Diagnostic>> {
        let text = open(path).map_err(|problem| problem.diagnostic)?;
        self.disasm_text(path, &text)
    }

    /// The bytecode of a text; see [`Runtime::disasm_file`].
    ///
    /// # Errors
    /// The first problem that keeps a form from being compiled.
    pub fn disasm_text(&mut self, name: &str, text: &[u8]) -> Result<String, Box<Diagnostic>> {
        if let Some(diagnostic) = self.check_text(name, text) {
            return Err(Box::new(diagnostic));
        }
        let mut vm = self.vm();
        let (forms, _) = read(&mut vm, name, text);
        let mut listings = String::new();
        for form in &forms.roots {
            let form = vm.heap.resolve(form);
            let closure = (vm.compile)(&mut vm, form, Value::NIL).expect("checked above");
            listings.push_str(&valk_vm::listings(&vm.heap, closure));
        }
        Ok(listings)
    }

    /// Writes to the program's output, past what the program captures.
    pub fn write(&self, bytes: &[u8]) {
        self.vm().extension::<Language>().output.report(bytes);
    }

    fn not_utf8(&self, name: &str, text: &[u8], offset: usize) -> ReadProblem {
        let file = self.vm().extension::<Language>().sources.write().map.add(name, text);
        let legacy = format!("[offset: {offset}] source is not UTF-8");
        let at = valk_diagnostics::Span { file, start: offset as u32, end: offset as u32 + 1 };
        let diagnostic =
            Diagnostic::error(Code::NotUtf8, format!("{name} is not UTF-8 text at byte {offset}"))
                .primary(at, "this byte is not part of a UTF-8 character")
                .help("save the file as UTF-8");
        let error = self.vm().error(&legacy);
        (error, Box::new(diagnostic))
    }

    /// Where a form of a text was written.
    fn written_at(&self, form: Value) -> Option<valk_diagnostics::Span> {
        let position = self.vm().extension::<Language>().sources.read().position(form)?;
        Some(source::span_of(position))
    }

    /// The names that are bound globally or have a meaning of their own, sorted.
    pub fn names(&self) -> Vec<String> {
        crate::diagnose::known_names(&self.vm())
    }

    /// How a name is called, or what it is bound to.
    ///
    /// # Errors
    /// The text that says that it is bound to nothing, with the nearest names.
    pub fn describe(&self, name: &str) -> Result<String, String> {
        crate::diagnose::describe(&mut self.vm(), name)
    }

    /// Binds a global.
    pub fn bind(&mut self, name: &str, value: Value) {
        let mut vm = self.vm();
        let symbol = vm.intern(name);
        vm.set_global(symbol, value);
    }

    /// The VM, for the time of the borrow.
    pub fn vm(&self) -> RefMut<'_, Vm> {
        self.vm.borrow_mut()
    }

    /// Renders something with the texts read so far.
    pub fn with_sources<T>(&self, render: impl FnOnce(&valk_diagnostics::SourceMap) -> T) -> T {
        render(&self.vm().extension::<Language>().sources.read().map)
    }

    /// Passes on what the program printed.
    pub fn flush(&self) {
        self.vm().extension::<Language>().output.flush();
    }

    /// Takes what the program printed to memory.
    pub fn take_output(&self) -> Vec<u8> {
        self.vm().extension::<Language>().output.take()
    }

    /// The repr form of a value.
    pub fn repr(&self, value: Value) -> String {
        repr(&self.vm().heap, value)
    }

    /// The exit status the program asked for (low 8 bits), if it did.
    pub fn exit_code(&self) -> Option<u8> {
        let mut vm = self.vm();
        let symbol = vm.intern(EXIT_CODE);
        let code = vm.global(symbol)?.as_integer()?;
        Some(code as u8)
    }
}

/// Has the compiler rewrite literal uses of a registered builtin. VMs that were made before do not.
pub fn register_rewrite(vm: &mut Vm, name: &str, rewrite: Rewrite) {
    let mut names = std::mem::take(&mut vm.extension::<Language>().names);
    Arc::make_mut(&mut names).add_rewrite(vm, name, rewrite);
    vm.extension::<Language>().names = names;
}

/// Compiles and runs one form.
fn evaluate(vm: &SharedVm, form: Value, driver: &mut dyn Driver) -> Value {
    let fiber = {
        let mut vm = vm.borrow_mut();
        match (vm.compile)(&mut vm, form, Value::NIL) {
            Ok(closure) => vm.spawn(closure, &[]),
            Err(error) => return error,
        }
    };
    driver.run(vm, fiber)
}

fn compile_hook(vm: &mut Vm, form: Value, environment: Value) -> Result<Value, Value> {
    vm.counters.evaluations += 1;
    let language = vm.extension::<Language>();
    let (names, sources) = (Arc::clone(&language.names), language.sources.clone());
    compile::compile(vm, &names, &sources.read(), form, environment)
}

/// `load`'s report: errors are printed and skipped, other values remembered.
fn report_hook(vm: &mut Vm, value: Value) {
    if value.is_error() {
        let text = format!("{}\n", repr(&vm.heap, value));
        let output = &mut vm.extension::<Language>().output;
        output.write(text.as_bytes());
        output.flush();
    } else {
        let symbol = vm.intern("VALK_LAST_VALUE");
        vm.set_global(symbol, value);
    }
}

type ReadProblem = (Value, Box<Diagnostic>);

/// The forms of a text.
pub(crate) struct Forms {
    /// They are never released: the positions of their lists go by address.
    roots: Vec<Root>,
    /// The symbols in them.
    mentioned: Vec<Box<str>>,
}

/// Reads a text into forms. The reader error that ended it, if any.
fn read(vm: &mut Vm, name: &str, text: &[u8]) -> (Forms, Option<ReadProblem>) {
    let shared = vm.extension::<Language>().sources.clone();
    let mut sources = shared.write();
    let file: FileId = sources.map.add(name, text);
    let reading = read_all(file, text);
    let forms = source::forms(vm, &reading.tree, Some(&mut sources));
    let roots = forms.into_iter().map(|form| vm.heap.root(form)).collect();
    drop(sources);
    let problem = reading.error.map(|error| {
        let diagnostic = error.diagnostic();
        let value = vm.error(&error.legacy);
        source::set_location(vm, value, source::position_of(error.span));
        (value, Box::new(diagnostic))
    });
    (Forms { roots, mentioned: reading.tree.symbols }, problem)
}

/// A file that cannot be run.
struct OpenProblem {
    legacy: String,
    diagnostic: Box<Diagnostic>,
}

fn open(path: &str) -> Result<Vec<u8>, OpenProblem> {
    let problem = |code, text: String, help: &str| OpenProblem {
        legacy: format!("Could not open file ({path})"),
        diagnostic: Box::new(Diagnostic::error(code, text).help(help)),
    };
    if Path::new(path).is_dir() {
        let text = format!("{path} is a directory, not a program");
        return Err(problem(Code::FileUnreadable, text, "name a file inside it"));
    }
    std::fs::read(path).map_err(|error| {
        if error.kind() == std::io::ErrorKind::NotFound {
            let text = format!("there is no file {path}");
            problem(Code::FileNotFound, text, "paths are relative to the working directory")
        } else {
            let text = format!("{path} cannot be read: {error}");
            problem(Code::FileUnreadable, text, "check the file's permissions")
        }
    })
}

/// The forms of a file for `load`, behind those of the library modules that it needs: nothing to do
/// for an embedded module that is always there.
pub(crate) fn load_forms(vm: &mut Vm, path: &str) -> Result<Option<Vec<Value>>, Value> {
    if !Path::new(path).exists() {
        match valk_stdlib::find(path) {
            Some(module) if module.preloaded => return Ok(None),
            Some(module) => {
                let (forms, _) = read(vm, module.name, module.text.as_bytes());
                let forms = behind_needed(vm, forms, Some(module));
                return Ok(Some(resolve(vm, &forms)));
            }
            None => {}
        }
    }
    let text = open(path).map_err(|problem| vm.error(&problem.legacy))?;
    if let Err(problem) = check_utf8(&text) {
        return Err(vm.error(&format!("[offset: {}] {path} is not UTF-8", problem.offset)));
    }
    let (forms, problem) = read(vm, path, &text);
    let kept = problem.map(|(error, _)| vm.heap.root(error));
    let forms = behind_needed(vm, forms, None);
    let mut forms = resolve(vm, &forms);
    forms.extend(kept.map(|error| vm.heap.release(error)));
    Ok(Some(forms))
}

/// The forms of a text, behind those of the library modules whose names it mentions. It may be such a
/// module itself.
fn behind_needed(vm: &mut Vm, text: Forms, itself: Option<valk_stdlib::Module>) -> Vec<Root> {
    let mut roots = Vec::new();
    for module in library::needed(vm, &text.mentioned) {
        if Some(*module) != itself {
            roots.extend(read(vm, module.name, module.text.as_bytes()).0.roots);
        }
    }
    roots.extend(text.roots);
    roots
}

fn resolve(vm: &Vm, forms: &[Root]) -> Vec<Value> {
    forms.iter().map(|form| vm.heap.resolve(form)).collect()
}
