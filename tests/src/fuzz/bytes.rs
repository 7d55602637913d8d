//! Arbitrary and mutated bytes for the reader, the printer and the compiler.
//!
//! What must hold of any input: no panic; steps of the reader in proportion to the length; every
//! form that was read prints to a text that reads as the same form; compiling gives a value or an
//! error.

use super::random::Random;
use super::{generate, source, watchdog};
use crate::reference::Value;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use valk_diagnostics::FileId;
use valk_heap::Config;
use valk_lang::{Output, Runtime};
use valk_syntax::{NodeKind, Reading, Tree, balance, check_utf8, highlight, read_all};

/// Steps of the reader per byte of input at most, and for any input.
const STEPS_PER_BYTE: u64 = 16;
const STEPS_ALWAYS: u64 = 64;
/// Length of an input at most, in bytes.
const INPUT_BYTES_MAX: usize = 4096;
/// Inputs for one runtime: it keeps what it has read.
const INPUTS_PER_RUNTIME: u64 = 500;

/// Pieces of text that mean something to the reader.
const TOKENS: &[&str] = &[
    "(",
    ")",
    "{",
    "}",
    "\"",
    "\\",
    ";",
    "'",
    "`",
    ",",
    ",@",
    "@",
    "\n",
    " ",
    "\0",
    "-",
    "0",
    "9223372036854775808",
    "-9223372036854775808",
    ":k",
    "& r",
    "#!",
    "é",
    "\u{feff}",
    "\\q",
    "(if ",
    "(\\ {x} ",
    "(fun {f x} ",
    "(= {x} ",
    "(quasiquote ",
    "(unquote ",
    "(unquote-splicing ",
    "(select ",
    "(case ",
    "(let {",
    "(eval {",
    "(quote ",
    "(penv)",
    "(def {a b} ",
    "(load ",
];

/// The files of a directory, in order of their names.
///
/// # Panics
/// When it cannot be read.
pub fn corpus(directory: &Path) -> Vec<Vec<u8>> {
    let entries = std::fs::read_dir(directory).expect("the corpus directory exists");
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("readable").path()).collect();
    paths.sort();
    let files = paths.iter().filter(|path| path.is_file());
    files.map(|path| std::fs::read(path).expect("a readable file")).collect()
}

/// The input of a seed: arbitrary bytes, tokens in any order, or a mutated program.
pub fn input(seed: u64, corpus: &[Vec<u8>]) -> Vec<u8> {
    let mut random = Random::new(seed);
    let mut bytes = match random.below(4) {
        0 => {
            let length = random.below(64);
            (0..length).map(|_| random.any() as u8).collect()
        }
        1 => {
            let count = random.below(60);
            let tokens: Vec<&str> = (0..count).map(|_| *random.pick(TOKENS)).collect();
            tokens.concat().into_bytes()
        }
        2 if !corpus.is_empty() => random.pick(corpus).clone(),
        _ => source::text(&generate::program(random.any())).into_bytes(),
    };
    for _ in 0..random.below(6) {
        mutate(&mut bytes, &mut random, corpus);
    }
    bytes.truncate(INPUT_BYTES_MAX);
    bytes
}

fn mutate(bytes: &mut Vec<u8>, random: &mut Random, corpus: &[Vec<u8>]) {
    let at = random.below(bytes.len() + 1);
    let end = (at + random.below(24)).min(bytes.len());
    match random.below(6) {
        0 => {
            bytes.drain(at..end);
        }
        1 => {
            let token = *random.pick(TOKENS);
            bytes.splice(at..at, token.bytes());
        }
        2 => {
            let copy = bytes[at..end].to_vec();
            let to = random.below(bytes.len() + 1);
            bytes.splice(to..to, copy);
        }
        3 if at < bytes.len() => bytes[at] = random.any() as u8,
        4 if at < bytes.len() => bytes[at] ^= 1 << random.below(8),
        5 if !corpus.is_empty() => {
            let other = random.pick(corpus);
            let from = random.below(other.len() + 1);
            let upto = (from + random.below(80)).min(other.len());
            bytes.splice(at..at, other[from..upto].to_vec());
        }
        _ => bytes.truncate(at),
    }
}

/// The text of a form as the printer of error reports would write it, but readable: numbers bare.
fn written(tree: &Tree, index: u32, out: &mut String) {
    match tree.node(index).kind {
        NodeKind::Integer(number) => out.push_str(&number.to_string()),
        NodeKind::Decimal(number) => out.push_str(&tree.decimal(number).to_string()),
        NodeKind::Symbol(id) => out.push_str(tree.symbol(id)),
        NodeKind::Name(name) => out.push_str(name),
        NodeKind::String(text) => {
            let quoted = crate::reference::repr(&Value::text(tree.string(text).as_bytes()));
            out.push_str(&String::from_utf8(quoted).expect("escapes keep UTF-8"));
        }
        NodeKind::List { quoted } => {
            out.push(if quoted { '{' } else { '(' });
            for (number, child) in tree.children(index).enumerate() {
                if number > 0 {
                    out.push(' ');
                }
                written(tree, child, out);
            }
            out.push(if quoted { '}' } else { ')' });
        }
    }
}

/// Everything about a tree but its spans and prefixes.
fn shape(tree: &Tree) -> Vec<(String, u32)> {
    let kinds = tree.nodes.iter().map(|node| match node.kind {
        NodeKind::Integer(number) => number.to_string(),
        NodeKind::Decimal(number) => tree.decimal(number).to_string(),
        NodeKind::Symbol(id) => format!("symbol {}", tree.symbol(id)),
        NodeKind::Name(name) => format!("symbol {name}"),
        NodeKind::String(text) => format!("string {}", tree.string(text)),
        NodeKind::List { quoted } => format!("list {quoted}"),
    });
    kinds.zip(tree.nodes.iter().map(|node| node.end)).collect()
}

/// Fails when a form that was read does not read the same after printing.
fn round_trip(reading: &Reading) {
    let mut text = String::new();
    for root in reading.tree.roots() {
        written(&reading.tree, root, &mut text);
        text.push('\n');
    }
    let again = read_all(FileId(0), text.as_bytes());
    assert!(again.error.is_none(), "printed forms read: {text}");
    assert_eq!(shape(&again.tree), shape(&reading.tree), "printed forms read as they were");
}

/// The printer of the language on the forms of an input, through `read` and a variable: the repr
/// of every list must read back as a value that is `==`.
fn read_print_read(runtime: &mut Runtime, reading: &Reading) {
    for root in reading.tree.roots().take(8) {
        let mut text = String::new();
        written(&reading.tree, root, &mut text);
        let mut literal = Vec::new();
        literal.extend(b"(quote ");
        literal.extend(text.bytes());
        literal.push(b')');
        let ran = runtime.run_text("literal", &literal, &mut valk_lang::NoWaiting);
        let valk_lang::Ran::Value(value) = ran else {
            panic!("a literal is a value: {text}");
        };
        let printed = runtime.repr(value);
        let expected = crate::reference::run(&literal, u64::MAX).expect("no limit of steps");
        let expected = crate::reference::repr(&expected.result);
        assert_eq!(printed, String::from_utf8_lossy(&expected), "the repr of {text}");
    }
}

/// A fuzzer for bytes.
pub struct Fuzzer {
    corpus: Vec<Vec<u8>>,
    runtime: Runtime,
    inputs: u64,
}

fn runtime() -> Runtime {
    Runtime::new(Config::default(), Output::memory()).expect("a heap")
}

impl Fuzzer {
    /// A fuzzer with these inputs to start from.
    #[must_use]
    pub fn new(corpus: Vec<Vec<u8>>) -> Fuzzer {
        Fuzzer { corpus, runtime: runtime(), inputs: 0 }
    }

    /// Checks the input of a seed.
    ///
    /// # Errors
    /// What is wrong, with the seed and a small input.
    pub fn seed(&mut self, seed: u64) -> Result<(), String> {
        let bytes = input(seed, &self.corpus);
        watchdog::note(Some(format!("reader seed {seed}: {}", bytes.escape_ascii())));
        let verdict = self.check(&bytes);
        watchdog::note(None);
        verdict.map_err(|reason| {
            let small = self.smaller(bytes);
            format!("seed {seed}: {reason}\ninput b\"{}\"\n", small.escape_ascii())
        })
    }

    /// Checks one input.
    ///
    /// # Errors
    /// The text of the panic.
    pub fn check(&mut self, bytes: &[u8]) -> Result<(), String> {
        self.inputs += 1;
        if self.inputs.is_multiple_of(INPUTS_PER_RUNTIME) {
            self.runtime = runtime();
        }
        let runtime = &mut self.runtime;
        catch_unwind(AssertUnwindSafe(|| examine(runtime, bytes))).map_err(|panic| {
            // What the panic left behind is not to be trusted.
            self.runtime = self::runtime();
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string));
            text.unwrap_or_else(|| "a panic without text".to_string())
        })
    }

    /// A part of a failing input that fails as well: pieces are cut out, from large to small.
    fn smaller(&mut self, mut bytes: Vec<u8>) -> Vec<u8> {
        let mut length = bytes.len() / 2;
        while length > 0 {
            let mut at = 0;
            while at < bytes.len() {
                let mut cut = bytes.clone();
                cut.drain(at..(at + length).min(bytes.len()));
                if self.check(&cut).is_err() {
                    bytes = cut;
                } else {
                    at += length;
                }
            }
            length /= 2;
        }
        bytes
    }
}

fn examine(runtime: &mut Runtime, bytes: &[u8]) {
    let reading = read_all(FileId(0), bytes);
    let bound = bytes.len() as u64 * STEPS_PER_BYTE + STEPS_ALWAYS;
    assert!(reading.steps <= bound, "{} steps, at most {bound}", reading.steps);
    if let Some(error) = &reading.error {
        assert!(!error.legacy.is_empty(), "an error says something");
        assert!(error.span.end as usize <= bytes.len() + 1, "an error lies in the text");
    }
    let _ = balance(bytes);
    let _ = highlight(bytes);
    if check_utf8(bytes).is_ok() {
        round_trip(&reading);
        read_print_read(runtime, &reading);
    }
    let _ = runtime.check_text("input", bytes);
}
