//! Failures that nobody asks for.
//!
//! 1. A handle that fails while nothing waits for it, and that nothing has waited for, gets a [`Note`]
//!    with the text of its error. Who asks for its end or its status, or waits for it, has asked.
//! 2. A failure that nobody has asked for is told in the log once: when its handle is collected, or when
//!    the program has ended.
//! 3. At most [`TOLD_MAX`] are told, and then that there are more. At most [`NOTES_MAX`] notes are kept;
//!    a handle that fails beyond that is not told of.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, Weak};
use valk_heap::Value;
use valk_lang::{display, place_of_error};
use valk_sync::shim::lock;
use valk_vm::Vm;

/// Failures of a program that the log tells of.
const TOLD_MAX: usize = 100;
/// Failures that are kept at a time.
const NOTES_MAX: usize = 10_000;
/// Notes that are kept before those of collected handles are looked for.
const NOTES_MIN: usize = 64;
/// Bytes of an error's text that are kept.
const TEXT_BYTES_MAX: usize = 1024;

/// How many were told.
#[derive(Debug, Default)]
struct Log {
    told: AtomicUsize,
}

impl Log {
    fn tell(&self, text: &str) {
        // Relaxed: a count.
        match self.told.fetch_add(1, Ordering::Relaxed) {
            count if count < TOLD_MAX => {
                tracing::warn!(
                    target: crate::LOG_TARGET,
                    "an operation failed and nobody asked for its error: {text}"
                );
            }
            TOLD_MAX => {
                tracing::warn!(
                    target: crate::LOG_TARGET,
                    "more operations failed whose errors nobody asked for; they are not told"
                );
            }
            _ => {}
        }
    }
}

/// A failure that nobody has asked for yet. Dropped, it is told.
#[derive(Debug)]
struct Note {
    text: String,
    is_settled: AtomicBool,
    log: Arc<Log>,
}

impl Note {
    fn tell(&self) {
        if !self.is_settled.swap(true, Ordering::Relaxed) {
            self.log.tell(&self.text);
        }
    }
}

impl Drop for Note {
    fn drop(&mut self) {
        self.tell();
    }
}

/// Whether anybody has asked for the end of a handle.
#[derive(Debug, Default)]
pub(crate) struct Asked {
    has_asked: AtomicBool,
    note: OnceLock<Arc<Note>>,
}

impl Asked {
    /// Somebody asks.
    pub fn ask(&self) {
        // Sequentially consistent, here and in `note`: one of the two sees what the other has stored.
        if !self.has_asked.load(Ordering::Relaxed) {
            self.has_asked.store(true, Ordering::SeqCst);
        }
        if let Some(note) = self.note.get() {
            note.is_settled.store(true, Ordering::Relaxed);
        }
    }

    fn note(&self, note: &Arc<Note>) {
        if self.note.set(Arc::clone(note)).is_ok() && self.has_asked.load(Ordering::SeqCst) {
            note.is_settled.store(true, Ordering::Relaxed);
        }
    }

    /// Whether anybody has.
    pub fn has_asked(&self) -> bool {
        self.has_asked.load(Ordering::Relaxed)
    }

    /// Bytes outside the heap.
    pub fn bytes(&self) -> usize {
        self.note.get().map_or(0, |note| size_of::<Note>() + note.text.len())
    }
}

/// The failures of a program.
#[derive(Debug, Default)]
pub(crate) struct LostFailures {
    log: Arc<Log>,
    notes: Mutex<Notes>,
}

#[derive(Debug, Default)]
struct Notes {
    kept: Vec<Weak<Note>>,
    /// Those of collected handles were looked for when there were half as many.
    look_at: usize,
}

impl LostFailures {
    /// Notes that a handle has failed, with the text of its error.
    pub fn note(&self, asked: &Asked, text: String) {
        let mut notes = lock(&self.notes);
        if notes.kept.len() >= notes.look_at.clamp(NOTES_MIN, NOTES_MAX) {
            notes.kept.retain(|note| note.strong_count() > 0);
            notes.look_at = 2 * notes.kept.len();
        }
        if notes.kept.len() >= NOTES_MAX {
            return;
        }
        let is_settled = AtomicBool::new(false);
        let note = Arc::new(Note { text, is_settled, log: Arc::clone(&self.log) });
        notes.kept.push(Arc::downgrade(&note));
        drop(notes);
        asked.note(&note);
    }

    /// Failures that were told, or only counted because there were too many.
    #[cfg(test)]
    pub fn told(&self) -> usize {
        self.log.told.load(Ordering::Relaxed)
    }

    /// Tells what nobody has asked for. The program has ended.
    pub fn tell_remaining(&self) {
        let kept = std::mem::take(&mut lock(&self.notes).kept);
        for note in kept.iter().filter_map(Weak::upgrade) {
            note.tell();
        }
    }
}

/// The text of what a handle has failed with, and where that was made.
pub(crate) fn text_of(vm: &mut Vm, failure: Value) -> String {
    if failure.is_undefined() {
        return "async operation failed".into();
    }
    let mut text = String::from_utf8_lossy(&display(&vm.heap, failure)).into_owned();
    text.truncate(text.floor_char_boundary(TEXT_BYTES_MAX));
    match place_of_error(vm, failure) {
        Some(place) => format!("{text} at {place}"),
        None => text,
    }
}
