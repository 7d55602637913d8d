//! The handler of a server, which may be replaced while the server runs.
//!
//! It is shared by the executors of a server. Each keeps a root of its own, and looks at the
//! number of replacements only, so a request takes no lock.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicUsize, Ordering};
use valk_heap::{Root, Value};
use valk_vm::Vm;

/// The handler of a server.
pub(super) struct Replaceable {
    replacements: AtomicUsize,
    /// Gone when the server has ended.
    function: Mutex<Option<Root>>,
    /// What the log calls the server: its port.
    port: u16,
}

impl Replaceable {
    pub(super) fn new(vm: &mut Vm, function: Value, port: u16) -> Arc<Replaceable> {
        let function = Mutex::new(Some(vm.heap.root(function)));
        Arc::new(Replaceable { replacements: AtomicUsize::new(0), function, port })
    }

    fn function(&self) -> std::sync::MutexGuard<'_, Option<Root>> {
        self.function.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Replaces the handler of requests that come from now on. Returns false when the server has
    /// ended.
    pub(super) fn replace(&self, vm: &mut Vm, function: Value) -> bool {
        let mut current = self.function();
        let Some(old) = current.take() else { return false };
        vm.heap.release(old);
        *current = Some(vm.heap.root(function));
        self.replacements.fetch_add(1, Ordering::Release);
        true
    }

    /// Forgets the handler: the server has ended.
    pub(super) fn clear(&self, vm: &mut Vm) {
        if let Some(function) = self.function().take() {
            vm.heap.release(function);
        }
    }
}

/// The handler as one executor has it.
pub(super) struct Current {
    replaceable: Arc<Replaceable>,
    seen: usize,
    function: Option<Root>,
    /// The handler's name for the log.
    name: Arc<str>,
}

impl Current {
    pub(super) fn new(replaceable: &Arc<Replaceable>) -> Current {
        let name = Arc::from("");
        Current { replaceable: Arc::clone(replaceable), seen: usize::MAX, function: None, name }
    }

    /// The function to call and its name; nothing when the server has ended.
    pub(super) fn get(&mut self, vm: &mut Vm) -> Option<(Value, &Arc<str>)> {
        let replacements = self.replaceable.replacements.load(Ordering::Acquire);
        if self.seen != replacements {
            let value = vm.heap.resolve(self.replaceable.function().as_ref()?);
            if let Some(old) = self.function.replace(vm.heap.root(value)) {
                vm.heap.release(old);
            }
            self.name = name(vm, value, self.replaceable.port).into();
            self.seen = replacements;
        }
        Some((vm.heap.resolve(self.function.as_ref()?), &self.name))
    }

    /// Gives the root back.
    pub(super) fn release(&mut self, vm: &mut Vm) {
        if let Some(function) = self.function.take() {
            vm.heap.release(function);
        }
    }
}

/// What the log calls a handler: the global that holds it, and its port.
fn name(vm: &Vm, function: Value, port: u16) -> String {
    let mut globals = vm.global_bindings().into_iter();
    match globals.find(|(_, value)| *value == function) {
        Some((symbol, _)) => {
            let name = String::from_utf8_lossy(vm.heap.symbols().name(symbol)).into_owned();
            format!("handler {name} of port {port}")
        }
        None => format!("the handler of port {port}"),
    }
}
