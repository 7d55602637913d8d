//! A runtime: one VM with the language in it, for embedding.
//!
//! 1. A runtime owns its heap, globals and output; two runtimes in a process share nothing.
//! 2. Source text is read whole before any of it runs; the first reader error ends the text, the
//!    forms before it run.
//! 3. The embedder waits for events: it gives a [`Driver`] that runs a fiber to its end.

use crate::builtins;
use crate::builtins::{FailureNotes, IdCounter, process_exit_code as EXIT_CODE};
use crate::check::Check;
use crate::compile::{self, Names, Rewrite};
use crate::diagnose::diagnose;
use crate::library::{needed_by, publish};
use crate::loader::{open, read};
use crate::modules::{SharedModules, State};
use crate::output::Output;
use crate::print::repr;
use crate::reports::Reports;
use crate::source::{self, SharedSources};
use crate::time_and_seeds::{HostClock, Seeds};
use std::cell::{RefCell, RefMut};
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use valk_diagnostics::Diagnostic;
use valk_heap::{Config, Heap, HeapError, Value};
use valk_log::Threshold;
use valk_metrics::Registry;
use valk_vm::{FiberId, ModuleId, Outcome, Vm};

/// Loads the library.
const NO_FIBER: u64 = 0;

/// State of the language inside a VM.
#[derive(Default)]
pub struct Language {
    names: Arc<Names>,
    pub(crate) sources: SharedSources,
    /// The modules of the program.
    pub(crate) modules: SharedModules,
    /// Where failures go that are told while the program goes on.
    pub reports: Reports,
    /// The program's output.
    pub output: Output,
    /// Has a fiber that has printed wait until the output has room; its result is that of printing.
    pub wait_for_output: Option<fn(&mut Vm) -> Outcome>,
    /// The time, as the host tells it.
    pub clock: HostClock,
    /// Where random numbers begin.
    pub seeds: Seeds,
    /// Symbols that `gensym` has given.
    pub(crate) symbols_made: Arc<AtomicU64>,
    /// Of trace and span ids.
    pub(crate) ids: IdCounter,
    /// Assertions of tests that have failed.
    pub(crate) failures: FailureNotes,
    /// What the program was started with, for `args`.
    pub arguments: Vec<Vec<u8>>,
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
            modules: self.modules.clone(),
            reports: self.reports.clone(),
            output: self.output.clone(),
            wait_for_output: self.wait_for_output,
            clock: self.clock.clone(),
            seeds: self.seeds.clone(),
            symbols_made: Arc::clone(&self.symbols_made),
            ids: self.ids.clone(),
            failures: self.failures.clone(),
            arguments: self.arguments.clone(),
            metrics: self.metrics.clone(),
            log_threshold: self.log_threshold.clone(),
            stopping: Arc::clone(&self.stopping),
            exit_status: Arc::clone(&self.exit_status),
        }
    }

    /// The names that the compiler knows.
    pub(crate) fn names(&self) -> Arc<Names> {
        Arc::clone(&self.names)
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
        let mut vm = Vm::new(Heap::new(config)?, compile_hook);
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
            vm.define_public(symbol, value);
        }
        let names = Arc::new(Names::new(&mut vm));
        vm.extension::<Language>().names = names;
        let mut runtime = Runtime { vm: Rc::new(RefCell::new(vm)) };
        let prelude = valk_stdlib::PRELUDE;
        let text = prelude.text.as_bytes();
        let modules = runtime.vm().extension::<Language>().modules.clone();
        modules.table().begin(ModuleId::LIBRARY, "prelude", None, NO_FIBER, None);
        let ran = runtime.run_in(ModuleId::LIBRARY, prelude.name, text, &mut NoWaiting);
        assert!(matches!(ran, Ran::Value(_)), "the prelude runs");
        modules.table().end(ModuleId::LIBRARY, State::Ready);
        for name in modules.exports(ModuleId::LIBRARY) {
            runtime.vm().publish(name);
        }
        for name in builtins::OF_LIBRARY {
            let symbol = runtime.vm().intern(name);
            runtime.vm().hide(symbol);
        }
        Ok(runtime)
    }

    /// Makes `sys/log/set-level` set this threshold. Without it the program sets a threshold of its
    /// own, which an embedder may ignore.
    pub fn set_log_threshold(&mut self, threshold: Threshold) {
        self.vm().extension::<Language>().log_threshold = threshold;
    }

    /// Sets what the program gets from `(args)`.
    pub fn set_arguments(&mut self, arguments: Vec<Vec<u8>>) {
        self.vm().extension::<Language>().arguments = arguments;
    }

    /// Runs the forms of a text in the global environment, behind the library modules that it needs.
    pub fn run_text(&mut self, name: &str, text: &[u8], driver: &mut dyn Driver) -> Ran {
        let ran = self.run_needed(text, driver);
        if matches!(ran, Ran::Failed(..)) {
            return ran;
        }
        self.run_in(ModuleId::PROGRAM, name, text, driver)
    }

    /// Runs the library modules that a text needs.
    fn run_needed(&mut self, text: &[u8], driver: &mut dyn Driver) -> Ran {
        let needed = needed_by(&mut self.vm(), text);
        for module in needed {
            let text = module.text.as_bytes();
            let ran = self.run_in(ModuleId::LIBRARY, module.name, text, driver);
            if matches!(ran, Ran::Failed(..)) {
                return ran;
            }
            publish(&mut self.vm(), module, false);
        }
        Ran::Value(Value::NIL)
    }

    /// Runs the forms of a text as code of a module.
    fn run_in(
        &mut self,
        module: ModuleId,
        name: &str,
        text: &[u8],
        driver: &mut dyn Driver,
    ) -> Ran {
        let forms = read(&mut self.vm(), name, text);
        let mut last = Value::NIL;
        let mut left = forms.list(&self.vm());
        // Cells that were read do not move.
        while left.is_pair() {
            last = evaluate(&self.vm, module, left.head(), driver);
            if last.is_error() {
                let running = self.written_at(left);
                let diagnostic = diagnose(&mut self.vm(), last, running);
                return Ran::Failed(last, Box::new(diagnostic));
            }
            left = left.tail();
        }
        Ran::Value(last)
    }

    /// Runs a file; see [`Runtime::run_text`]. Paths of the library of older versions stand for what
    /// is embedded.
    pub fn run_file(&mut self, path: &Path, driver: &mut dyn Driver) -> Ran {
        let embedded = path.to_str().and_then(valk_stdlib::find).filter(|_| !path.exists());
        if let Some(module) = embedded {
            return self.run_needed(module.text.as_bytes(), driver);
        }
        match open(path) {
            Ok(text) => self.run_text(&path.to_string_lossy(), &text, driver),
            Err(problem) => {
                let error = self.vm().error(&problem.message);
                Ran::Failed(error, problem.diagnostic)
            }
        }
    }

    /// Reads and compiles a text without running it, and the files that it loads: what is wrong.
    pub fn check_text(&mut self, name: &str, text: &[u8]) -> Vec<Diagnostic> {
        let mut vm = self.vm();
        let forms = read(&mut vm, name, text).list(&vm);
        let mut check = Check::new(&mut vm, name);
        check.forms(ModuleId::PROGRAM, forms);
        check.found
    }

    /// The same for a file.
    pub fn check_file(&mut self, path: &Path) -> Vec<Diagnostic> {
        match open(path) {
            Ok(text) => self.check_text(&path.to_string_lossy(), &text),
            Err(problem) => vec![*problem.diagnostic],
        }
    }

    /// The bytecode of a file's top-level forms and of the functions in them.
    ///
    /// # Errors
    /// The first problem that keeps a form from being compiled.
    pub fn disasm_file(&mut self, path: &Path) -> Result<String, Box<Diagnostic>> {
        let text = open(path).map_err(|problem| problem.diagnostic)?;
        self.disasm_text(&path.to_string_lossy(), &text)
    }

    /// The bytecode of a text; see [`Runtime::disasm_file`].
    ///
    /// # Errors
    /// The first problem that keeps a form from being compiled.
    pub fn disasm_text(&mut self, name: &str, text: &[u8]) -> Result<String, Box<Diagnostic>> {
        let mut vm = self.vm();
        let forms = read(&mut vm, name, text);
        let mut listings = String::new();
        for form in compile::elements(forms.list(&vm)) {
            let closure = if form.is_error() {
                Err(form)
            } else {
                (vm.compile)(&mut vm, form, Value::NIL, ModuleId::PROGRAM)
            };
            let closure = closure.map_err(|error| Box::new(diagnose(&mut vm, error, None)))?;
            listings.push_str(&valk_vm::listings(&vm.heap, closure));
        }
        Ok(listings)
    }

    /// Writes to the program's output, past what the program captures.
    pub fn write(&self, bytes: &[u8]) {
        self.vm().extension::<Language>().output.report(bytes);
    }

    /// Where the form in a cell of a text's list was written.
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

    /// Passes on what the program printed. What a reader does not take meanwhile follows later.
    pub fn flush(&self) {
        self.vm().extension::<Language>().output.put_in_order();
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
fn evaluate(vm: &SharedVm, module: ModuleId, form: Value, driver: &mut dyn Driver) -> Value {
    let fiber = {
        let mut vm = vm.borrow_mut();
        match (vm.compile)(&mut vm, form, Value::NIL, module) {
            Ok(closure) => vm.spawn(closure, &[]),
            Err(error) => return error,
        }
    };
    driver.run(vm, fiber)
}

fn compile_hook(
    vm: &mut Vm,
    form: Value,
    environment: Value,
    module: ModuleId,
) -> Result<Value, Value> {
    vm.counters.evaluations += 1;
    let language = vm.extension::<Language>();
    let (names, sources) = (Arc::clone(&language.names), language.sources.clone());
    let modules = language.modules.clone();
    let tables = compile::Tables { names: &names, sources: &sources, modules: &modules };
    compile::compile(vm, &tables, form, environment, module)
}
