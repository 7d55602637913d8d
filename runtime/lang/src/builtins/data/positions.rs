//! Where the code points of a text are: found in constant time after the text was read once.
//!
//! 1. Of a text, the byte at which every [`STEP`]th code point begins is noted; the others are
//!    counted from there.
//! 2. What was noted of the last [`TEXTS_MAX`] texts is kept until a collection, which may move
//!    them. It takes at most a sixteenth of their bytes.
//! 3. Short texts are counted each time. ASCII needs none of this.

use std::ops::Range;
use std::rc::Rc;
use valk_heap::Value;
use valk_vm::Vm;

/// Code points between two notes.
const STEP: usize = 64;
/// Texts of which notes are kept.
const TEXTS_MAX: usize = 4;
/// Longest text that is counted each time, in bytes.
const COUNTED_BYTES_MAX: usize = 128;

/// The code points of one text.
pub(super) struct Positions {
    /// Where code points 0, 64, 128, … begin.
    starts: Vec<u32>,
    length: usize,
}

/// Notes of the texts that were asked for last.
#[derive(Default)]
struct Known {
    /// The word of each string, valid in this epoch of the heap.
    texts: Vec<(u64, Rc<Positions>)>,
    epoch: u64,
    oldest: usize,
}

impl Positions {
    /// Those of a string, which is text.
    pub fn of(vm: &mut Vm, string: Value) -> Rc<Positions> {
        if string.bytes(&vm.heap).len() <= COUNTED_BYTES_MAX {
            return Rc::new(Positions::new(string.bytes(&vm.heap)));
        }
        let epoch = vm.heap.epoch();
        let known = vm.extension::<Known>();
        if known.epoch != epoch {
            known.texts.clear();
            known.epoch = epoch;
        }
        if let Some((_, positions)) = known.texts.iter().find(|(word, _)| *word == string.bits()) {
            return Rc::clone(positions);
        }
        let positions = Rc::new(Positions::new(string.bytes(&vm.heap)));
        let entry = (string.bits(), Rc::clone(&positions));
        let known = vm.extension::<Known>();
        if known.texts.len() < TEXTS_MAX {
            known.texts.push(entry);
        } else {
            known.texts[known.oldest] = entry;
            known.oldest = (known.oldest + 1) % TEXTS_MAX;
        }
        positions
    }

    fn new(text: &[u8]) -> Positions {
        let mut starts = Vec::with_capacity(text.len() / STEP + 1);
        let mut length = 0;
        for (at, byte) in text.iter().enumerate() {
            if is_start(*byte) {
                if length % STEP == 0 {
                    starts.push(at as u32);
                }
                length += 1;
            }
        }
        Positions { starts, length }
    }

    /// Number of code points.
    pub fn length(&self) -> usize {
        self.length
    }

    /// The bytes of the code point at a position of the text that these are of.
    pub fn range(&self, text: &[u8], position: usize) -> Option<Range<usize>> {
        if position >= self.length {
            return None;
        }
        let first = self.starts[position / STEP] as usize;
        let starts = text[first..].iter().enumerate().filter(|(_, byte)| is_start(**byte));
        let mut starts = starts.map(|(at, _)| first + at).skip(position % STEP);
        let start = starts.next()?;
        Some(start..starts.next().unwrap_or(text.len()))
    }
}

/// Whether a byte of UTF-8 begins a code point.
fn is_start(byte: u8) -> bool {
    byte & 0xC0 != 0x80
}
