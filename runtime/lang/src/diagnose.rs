//! The diagnostic of an uncaught error: the contents of the error value, and what its source text adds.
//!
//! 1. The headline is the error's message, unchanged: programs and users see the same words.
//! 2. The code is that of the family whose texts the message belongs to; [`family`] has the table.
//! 3. The main label is where the error was made. An error made inside the embedded library is
//!    shown at the program's call into it, or at the form that was running when that call is gone;
//!    the calls still name the place in the library.

mod family;
mod hint;
mod uncaught;
mod written;

use crate::calls;
use crate::print::display;
use crate::runtime::Language;
use crate::source;
use uncaught::UncaughtError;
use valk_diagnostics::{Call, Cause, Code, Diagnostic, Label, Span};
use valk_heap::{ERROR_CAUSE, ERROR_MESSAGE, Value};
use valk_vm::Vm;
use written::Written;

pub use hint::{describe, known_names};

/// Causes shown, latest first.
const CAUSES_MAX: usize = 16;

/// The diagnostic for an error value that came out of the top-level form at `running`.
pub fn diagnose(vm: &mut Vm, error: Value, running: Option<Span>) -> Diagnostic {
    let message = message(vm, error);
    let span = source::location(error);
    if let Some(span) = span
        && let Some(diagnostic) = vm.extension::<Language>().sources.read().problem(span)
    {
        let mut diagnostic = diagnostic.clone();
        // In a file that another one asked for.
        name_running_form(&mut diagnostic, running.filter(|running| running.file != span.file));
        return diagnostic;
    }
    let calls = calls::frames(vm, error);
    let uncaught = UncaughtError {
        error,
        code: family::code(&message),
        form: span
            .and_then(|span| Written::at(&vm.extension::<Language>().sources.read().map, span)),
        message,
        span,
        running,
        calls: calls.into_iter().map(|(name, span)| Call { name, span }).collect(),
    };
    let mut diagnostic = labelled(vm, &uncaught);
    diagnostic.help = hint::hint(vm, &uncaught);
    diagnostic.causes = causes(vm, error);
    // One call that only repeats the main label says nothing.
    let is_repeated = uncaught.calls.len() == 1 && uncaught.calls[0].name == calls::TOP_LEVEL;
    diagnostic.calls = if is_repeated { Vec::new() } else { uncaught.calls };
    name_running_form(&mut diagnostic, running);
    if let Some(note) = span.and_then(|span| expansion(vm, span)) {
        diagnostic.notes.push(note);
    }
    diagnostic
}

/// The macro whose use is at this place.
fn expansion(vm: &mut Vm, span: Span) -> Option<String> {
    let modules = vm.extension::<Language>().modules.clone();
    let (name, defined) = modules.table().expansion(source::position_of(span))?;
    let sources = vm.extension::<Language>().sources.read();
    let place = defined.and_then(|position| sources.place(source::span_of(position)));
    let place = place.map(|place| format!(", which is defined at {place}")).unwrap_or_default();
    Some(format!("this is code that the macro `{name}` made{place}"))
}

/// Ends the calls with the top-level form that was running, unless that is among the places already.
fn name_running_form(diagnostic: &mut Diagnostic, running: Option<Span>) {
    let Some(running) = running else { return };
    let within = |span: Span| {
        span.file == running.file && running.start <= span.start && span.end <= running.end
    };
    let labelled = diagnostic.labels.iter().any(|label| within(label.span));
    let called = diagnostic.calls.iter().any(|call| call.span.is_some_and(within));
    if diagnostic.labels.is_empty() {
        let text = "in this form".to_string();
        diagnostic.labels.push(Label { span: running, text, primary: true });
    } else if !labelled && !called {
        diagnostic.calls.push(Call { name: calls::TOP_LEVEL.into(), span: Some(running) });
    }
}

/// An error's message as text.
pub fn message(vm: &Vm, error: Value) -> String {
    String::from_utf8_lossy(&display(&vm.heap, error.field(ERROR_MESSAGE))).into_owned()
}

/// Message and main label.
fn labelled(vm: &mut Vm, uncaught: &UncaughtError) -> Diagnostic {
    let diagnostic = Diagnostic::error(uncaught.code, uncaught.message.as_str());
    let Some(span) = uncaught.span else { return diagnostic };
    if let Some(caller) = caller_of_library(vm, uncaught, span) {
        return diagnostic.primary(caller, "the error was made in a function called here");
    }
    let form = uncaught.form.as_ref();
    let narrow = match uncaught.code {
        Code::UnboundSymbol => {
            family::unbound_name(&uncaught.message).and_then(|name| form?.symbol(name))
        }
        Code::NotAFunction => form.and_then(Written::callee_span),
        _ => None,
    };
    diagnostic.primary(narrow.unwrap_or(span), family::label(uncaught.code, &uncaught.message))
}

/// The innermost call outside the embedded library, when `span` is inside it.
fn caller_of_library(vm: &mut Vm, uncaught: &UncaughtError, span: Span) -> Option<Span> {
    let sources = &vm.extension::<Language>().sources.read().map;
    let embedded = |span: Span| {
        sources.file(span.file).is_some_and(|file| valk_stdlib::is_embedded(file.name()))
    };
    if !embedded(span) {
        return None;
    }
    let callers = uncaught.calls.iter().filter_map(|call| call.span);
    callers.chain(uncaught.running).find(|span| !embedded(*span))
}

/// The chain of causes, latest first.
fn causes(vm: &Vm, error: Value) -> Vec<Cause> {
    let chain = std::iter::successors(Some(error), |error| {
        Some(error.field(ERROR_CAUSE)).filter(|cause| cause.is_error())
    });
    let cause = |error: Value| {
        let message = message(vm, error);
        Cause { code: family::code(&message), message, span: source::location(error) }
    };
    chain.skip(1).take(CAUSES_MAX).map(cause).collect()
}
