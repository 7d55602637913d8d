//! Results whose size is known only when they are made: room is asked for while they grow.
//!
//! 1. A result counts what it takes. At every [`STEP_BYTES`] it asks the heap whether all of that
//!    fits.
//! 2. When it does not, the result goes on counting and keeps nothing, so that the builtin can ask
//!    for the whole of it: it is called once more after a collection, or the program gets an error.

use super::strings::{appended, new_string};
use crate::print::{Style, print_while};
use std::ops::Range;
use valk_heap::{Heap, ROOM_UNCHECKED_BYTES, Value};
use valk_vm::{Outcome, Vm};

/// Bytes of a list cell.
pub(crate) const CELL_BYTES: usize = 16;

/// Bytes between two questions to the heap.
const STEP_BYTES: usize = 64 * 1024;

/// Bytes of a result so far, and whether they fit.
pub(crate) struct Tally {
    bytes: usize,
    ask_at: usize,
    fits: bool,
}

impl Default for Tally {
    fn default() -> Tally {
        Tally { bytes: 0, ask_at: ROOM_UNCHECKED_BYTES, fits: true }
    }
}

impl Tally {
    /// Counts so many more bytes. False when all of them together do not fit.
    #[inline]
    pub fn add(&mut self, heap: &Heap, bytes: usize) -> bool {
        self.bytes += bytes;
        if self.bytes > self.ask_at {
            self.ask(heap);
        }
        self.fits
    }

    #[cold]
    fn ask(&mut self, heap: &Heap) {
        self.fits = self.fits && heap.room(self.bytes).is_ok();
        self.ask_at = self.bytes + STEP_BYTES;
    }

    /// What the builtin answers instead of a result that does not fit.
    pub fn refusal(&self, heap: &Heap) -> Option<Outcome> {
        let fits = self.fits && heap.room(self.bytes).is_ok();
        (!fits).then_some(Outcome::NeedsRoom(self.bytes))
    }
}

/// Parts of one string that are to be a list of strings.
#[derive(Default)]
pub(crate) struct Pieces {
    ranges: Vec<(u32, u32)>,
    tally: Tally,
}

/// Stands for nil among the ranges: it begins behind its end.
const NO_PIECE: (u32, u32) = (1, 0);

/// Bytes that a range takes while the list grows to twice what it needs.
const RANGE_BYTES: usize = 16;

impl Pieces {
    /// One more piece: these bytes.
    #[inline]
    pub fn push(&mut self, heap: &Heap, range: Range<usize>) {
        let bytes = CELL_BYTES + RANGE_BYTES + Heap::string_bytes(range.len());
        if self.tally.add(heap, bytes) {
            self.ranges.push((range.start as u32, range.end as u32));
        }
    }

    /// One more element: nil.
    pub fn push_nil(&mut self, heap: &Heap) {
        if self.tally.add(heap, CELL_BYTES + RANGE_BYTES) {
            self.ranges.push(NO_PIECE);
        }
    }

    /// The list of the pieces of `string`.
    pub fn list(self, vm: &mut Vm, string: Value, quoted: bool) -> Outcome {
        if let Some(refusal) = self.tally.refusal(&vm.heap) {
            return refusal;
        }
        let mut list = Value::NIL;
        for piece in self.ranges.into_iter().rev() {
            let element = match piece {
                NO_PIECE => Value::NIL,
                (start, end) => vm.heap.slice(string, start as usize..end as usize),
            };
            list = vm.heap.cons(element, list, quoted);
        }
        list.into()
    }
}

/// Bytes that are to be a string.
#[derive(Default)]
pub(crate) struct Text {
    bytes: Vec<u8>,
    tally: Tally,
}

/// What a byte takes: while the text grows, and in the string.
const TEXT_FACTOR: usize = 2;

impl Text {
    /// Appends bytes.
    #[inline]
    pub fn push(&mut self, heap: &Heap, more: &[u8]) {
        if self.tally.add(heap, TEXT_FACTOR * more.len()) {
            self.bytes.extend_from_slice(more);
        }
    }

    /// Appends a character.
    #[inline]
    pub fn push_char(&mut self, heap: &Heap, character: char) {
        self.push(heap, character.encode_utf8(&mut [0; 4]).as_bytes());
    }

    /// Appends the printed form of a value.
    pub fn print(&mut self, heap: &Heap, value: Value, style: Style) {
        if let Some(bytes) = value.as_bytes(heap).filter(|_| style == Style::Display) {
            self.push(heap, bytes);
            return;
        }
        let mut counted = self.bytes.len();
        let tally = &mut self.tally;
        print_while(heap, value, style, &mut self.bytes, |bytes| {
            let fits = tally.add(heap, TEXT_FACTOR * (bytes.len() - counted));
            if !fits {
                bytes.clear();
            }
            counted = bytes.len();
        });
    }

    /// The bytes, or what the builtin answers instead.
    pub fn bytes(self, heap: &Heap) -> Result<Vec<u8>, Outcome> {
        match self.tally.refusal(heap) {
            Some(refusal) => Err(refusal),
            None => Ok(self.bytes),
        }
    }

    /// The string.
    pub fn string(self, vm: &mut Vm) -> Outcome {
        match self.bytes(&vm.heap) {
            Ok(bytes) => new_string(vm, &bytes),
            Err(refusal) => refusal,
        }
    }

    /// The string with these bytes behind those of another.
    ///
    /// # Errors
    /// What a builtin answers when that is too long, or when there is no room.
    pub fn append_to(self, vm: &mut Vm, string: Value) -> Result<Value, Outcome> {
        let bytes = self.bytes(&vm.heap)?;
        appended(vm, string, &bytes)
    }
}
