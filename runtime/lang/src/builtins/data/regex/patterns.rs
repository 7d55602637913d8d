//! Compiled patterns, kept: a bounded number per runtime; when that is reached all are dropped.
//!
//! A program mostly uses few patterns again and again, and each as the same object: those used last
//! are found by the word of the string, which holds until a collection.

use regex::{CaptureLocations, Regex, RegexBuilder};
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use valk_heap::Value;
use valk_vm::Vm;

/// Most compiled patterns kept.
const PATTERNS_MAX: usize = 64;
/// Patterns found by their word; a power of two.
const RECENT: usize = 8;
/// Most memory for the program of a pattern, in bytes.
const PROGRAM_BYTES_MAX: usize = 4 << 20;
/// Most memory for the states that are found while a pattern is searched, in bytes.
const STATES_BYTES_MAX: usize = 1 << 20;

/// A compiled pattern.
pub(super) struct Pattern {
    pub regex: Regex,
    /// Where groups are, kept for its memory.
    places: RefCell<Option<CaptureLocations>>,
}

impl Pattern {
    /// Room for the places of the groups of a match.
    pub fn places(&self) -> CaptureLocations {
        self.places.take().unwrap_or_else(|| self.regex.capture_locations())
    }

    /// Takes the room back.
    pub fn put_back(&self, places: CaptureLocations) {
        self.places.replace(Some(places));
    }
}

#[derive(Default)]
struct Patterns {
    by_text: HashMap<String, Rc<Pattern>>,
    /// By the word of the string, in this epoch of the heap.
    recent: [Option<(u64, Rc<Pattern>)>; RECENT],
    epoch: u64,
}

/// The compiled pattern of a string, which is text, or what is wrong with it.
pub(super) fn compiled(vm: &mut Vm, string: Value) -> Result<Rc<Pattern>, String> {
    let epoch = vm.heap.epoch();
    let known = vm.extension::<Patterns>();
    if known.epoch != epoch {
        known.recent = Default::default();
        known.epoch = epoch;
    }
    // Objects are 16 bytes or more apart.
    let place = (string.bits() >> 4) as usize % RECENT;
    if let Some((word, pattern)) = &known.recent[place]
        && *word == string.bits()
    {
        return Ok(Rc::clone(pattern));
    }
    let text = string.as_text(&vm.heap).and_then(Result::ok).unwrap_or_default().to_owned();
    let known = vm.extension::<Patterns>();
    let pattern = match known.by_text.get(&text) {
        Some(pattern) => Rc::clone(pattern),
        None => known.compile(text)?,
    };
    known.recent[place] = Some((string.bits(), Rc::clone(&pattern)));
    Ok(pattern)
}

impl Patterns {
    fn compile(&mut self, text: String) -> Result<Rc<Pattern>, String> {
        let mut builder = RegexBuilder::new(&text);
        builder.size_limit(PROGRAM_BYTES_MAX).dfa_size_limit(STATES_BYTES_MAX);
        let regex = builder.build().map_err(|error| problem(&text, &error))?;
        if self.by_text.len() >= PATTERNS_MAX {
            self.by_text.clear();
        }
        let pattern = Rc::new(Pattern { regex, places: RefCell::new(None) });
        self.by_text.insert(text, Rc::clone(&pattern));
        Ok(pattern)
    }
}

/// What is wrong with a pattern, in one line.
fn problem(pattern: &str, error: &regex::Error) -> String {
    let reason = match error {
        regex::Error::Syntax(text) => {
            // The crate shows the pattern above the reason.
            let last = text.lines().rev().find_map(|line| line.strip_prefix("error: "));
            last.unwrap_or(text).to_owned()
        }
        regex::Error::CompiledTooBig(limit) => {
            format!("the compiled pattern takes more than {limit} bytes")
        }
        other => other.to_string(),
    };
    format!("{pattern}: {reason}")
}
