//! The place and the text of a panic.
//!
//! The panic hook keeps place and text of the last panic of each thread and then calls the previous
//! hook, which prints the panic. The place becomes the heading of a failure if the failure's text is
//! that of the panic: a payload that was thrown again later has no place of its own.
//!
//! In a process that has one test the hook also keeps panics of other threads, which nothing else
//! would tell if the thread is not joined.

use std::any::Any;
use std::cell::RefCell;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use super::account::BodyOutcome;
use super::skip::Skip;

/// Panics of other threads that are kept; more say nothing new.
const THREAD_PANICS_MAX: usize = 8;

thread_local! {
    static LAST: RefCell<Option<(Place, String)>> = const { RefCell::new(None) };
    /// Whether this thread runs the body of a test.
    static RUNS_BODY: RefCell<bool> = const { RefCell::new(false) };
}

/// Whether this process has one test, whose other threads are watched.
static WATCHES_THREADS: AtomicBool = AtomicBool::new(false);
static THREAD_PANICS: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// The payload of a body that returned an error, in words.
pub(crate) struct ReturnedError(pub(crate) String);

/// Source line of a panic.
#[derive(Clone, Default)]
struct Place {
    /// Source file; empty if unknown.
    file: String,
    /// Line in `file`; 0 if unknown.
    line: u32,
}

/// Text of a panic payload.
pub(crate) fn panic_text(payload: &(dyn Any + Send)) -> String {
    text_of(payload).unwrap_or_else(|| unknown_text(payload))
}

fn text_of(payload: &dyn Any) -> Option<String> {
    if let Some(text) = payload.downcast_ref::<String>() {
        Some(text.clone())
    } else {
        payload.downcast_ref::<&str>().map(|text| (*text).to_string())
    }
}

fn unknown_text(payload: &(dyn Any + Send)) -> String {
    if let Some(ReturnedError(text)) = payload.downcast_ref() {
        return text.clone();
    }
    match payload.downcast_ref::<Skip>() {
        Some(skip) => format!(
            "skipped [{}]: {}; a skip ends the test only from the thread that runs it",
            skip.code, skip.reason
        ),
        None => "panic with a payload that is not text".to_string(),
    }
}

/// Forgets earlier panics of this thread.
pub(crate) fn forget() {
    LAST.take();
}

/// The end that a panic of this thread gives to a body or a builder.
pub(crate) fn outcome_of(payload: Box<dyn Any + Send>) -> BodyOutcome {
    match payload.downcast::<Skip>() {
        Ok(skip) => BodyOutcome::Skipped(*skip),
        Err(payload) if payload.is::<ReturnedError>() => {
            let message = unknown_text(payload.as_ref());
            BodyOutcome::Failed { message, file: String::new(), line: 0 }
        }
        Err(payload) => {
            let message = panic_text(payload.as_ref());
            let (place, said) = LAST.take().unwrap_or_default();
            let is_this = said == text_of(payload.as_ref()).unwrap_or_default();
            let Place { file, line } = if is_this { place } else { Place::default() };
            BodyOutcome::Failed { message, file, line }
        }
    }
}

/// From now on panics of threads other than the caller's are kept for [`thread_panics`].
pub(crate) fn watch_other_threads() {
    RUNS_BODY.set(true);
    WATCHES_THREADS.store(true, Ordering::Relaxed);
}

/// Panics of other threads so far, `thread 'name' panicked at place: text`.
pub(crate) fn thread_panics() -> Vec<String> {
    std::mem::take(&mut *THREAD_PANICS.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Installs the panic hook on top of the present one.
pub(crate) fn install_hook() {
    let previous = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        let place = info.location().map(|at| Place { file: at.file().into(), line: at.line() });
        let place = place.unwrap_or_default();
        let text = text_of(info.payload()).unwrap_or_default();
        if WATCHES_THREADS.load(Ordering::Relaxed) {
            keep_thread_panic(&place, &text);
        }
        // Fails only while the thread ends, when no test can ask for the place.
        let _ = LAST.try_with(|last| *last.borrow_mut() = Some((place, text)));
        previous(info);
    }));
}

fn keep_thread_panic(place: &Place, text: &str) {
    if RUNS_BODY.try_with(|is_body| *is_body.borrow()).unwrap_or(false) {
        return;
    }
    let mut panics = THREAD_PANICS.lock().unwrap_or_else(PoisonError::into_inner);
    if panics.len() < THREAD_PANICS_MAX {
        let thread = std::thread::current();
        let name = thread.name().unwrap_or("unnamed");
        let Place { file, line } = place;
        panics.push(format!("thread '{name}' panicked at {file}:{line}: {text}"));
    }
}
