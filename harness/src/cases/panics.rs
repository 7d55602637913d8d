//! The place and the text of a panic.
//!
//! The panic hook keeps the place of the last panic of each thread and then calls the previous hook,
//! which prints the panic; the place becomes the heading of the failure.

use std::any::Any;
use std::cell::RefCell;

thread_local! {
    static LAST_PLACE: RefCell<Option<Place>> = const { RefCell::new(None) };
}

/// Source line of a panic.
#[derive(Clone, Default)]
pub(crate) struct Place {
    /// Source file; empty if unknown.
    pub(crate) file: String,
    /// Line in `file`; 0 if unknown.
    pub(crate) line: u32,
}

/// Text of a panic payload.
pub(crate) fn panic_text(payload: &(dyn Any + Send)) -> String {
    if let Some(text) = payload.downcast_ref::<String>() {
        text.clone()
    } else if let Some(text) = payload.downcast_ref::<&str>() {
        (*text).to_string()
    } else {
        "panic with a payload that is not text".to_string()
    }
}

/// Takes the place of the last panic of this thread; an unknown place if there was none.
pub(crate) fn take_last_place() -> Place {
    LAST_PLACE.take().unwrap_or_default()
}

/// Installs the panic hook on top of the present one.
pub(crate) fn install_hook() {
    let previous = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        let place = info.location().map(|at| Place { file: at.file().into(), line: at.line() });
        // Fails only while the thread ends, when no test can ask for the place.
        let _ = LAST_PLACE.try_with(|last| *last.borrow_mut() = place);
        previous(info);
    }));
}
