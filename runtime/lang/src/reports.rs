//! Failures that are told while the program goes on: those of loaded files, of futures nobody asked.
//!
//! 1. A diagnostic goes where the embedder says, to standard error unless it says so.
//! 2. The program has failed then: its exit status is 1 unless it set one. In the mode of older
//!    versions (`VALK_COMPAT=1`) the status stays 0, and the error's printed form goes to standard
//!    output too, where older tools look for it.

use crate::print::repr;
use crate::runtime::Language;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use valk_diagnostics::{Diagnostic, SourceMap, render_plain};
use valk_heap::Value;
use valk_vm::Vm;

type Sink = Box<dyn Fn(&Diagnostic, &SourceMap) + Send + Sync>;

#[derive(Default)]
struct State {
    sink: RwLock<Option<Sink>>,
    failed: AtomicBool,
    compatible: AtomicBool,
}

/// Where a program's failures go; clones are handles of the same.
#[derive(Clone, Default)]
pub struct Reports(Arc<State>);

impl Reports {
    /// Has diagnostics given to this function.
    pub fn set_sink(&self, sink: impl Fn(&Diagnostic, &SourceMap) + Send + Sync + 'static) {
        *self.0.sink.write().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(sink));
    }

    /// Behaves as older versions did; see the module.
    pub fn set_compatible(&self, compatible: bool) {
        // Relaxed: set before the program starts.
        self.0.compatible.store(compatible, Ordering::Relaxed);
    }

    /// Whether older versions are imitated.
    pub fn is_compatible(&self) -> bool {
        self.0.compatible.load(Ordering::Relaxed)
    }

    /// Whether a failure was told that counts for the exit status.
    pub fn has_failed(&self) -> bool {
        self.0.failed.load(Ordering::Relaxed)
    }

    fn tell(&self, diagnostic: &Diagnostic, sources: &SourceMap) {
        let sink = self.0.sink.read().unwrap_or_else(PoisonError::into_inner);
        match &*sink {
            Some(sink) => sink(diagnostic, sources),
            None => valk_log::write_error(render_plain(diagnostic, sources).as_bytes()),
        }
        // Relaxed: read when the program has ended.
        self.0.failed.fetch_or(!self.is_compatible(), Ordering::Relaxed);
    }
}

/// Tells that this error value, with this diagnostic, came out of a form of the program.
pub fn report(vm: &mut Vm, error: Value, diagnostic: &Diagnostic) {
    let language = vm.extension::<Language>();
    let (reports, sources) = (language.reports.clone(), language.sources.clone());
    if reports.is_compatible() {
        let line = format!("{}\n", repr(&vm.heap, error));
        let output = &mut vm.extension::<Language>().output;
        output.write(line.as_bytes());
        output.flush();
    }
    vm.extension::<Language>().output.put_in_order();
    reports.tell(diagnostic, &sources.read().map);
}
