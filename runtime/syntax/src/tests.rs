//! Tests of this crate, by subject.

mod balance;
mod error;
mod forms;
mod highlight;
mod property;
mod scale;

use crate::{NodeKind, Reading, Tree, read_all};
use valk_diagnostics::{FileId, SourceMap, render_plain};

const FILE: FileId = FileId(0);

/// Reads a whole file.
fn read(source: &[u8]) -> Reading {
    read_all(FILE, source)
}

/// The node at `index` as text: lists in their brackets, strings as Rust writes them.
fn shape(tree: &Tree, index: u32) -> String {
    match tree.node(index).kind {
        NodeKind::Integer(value) => value.to_string(),
        NodeKind::Decimal(index) => tree.decimal(index).to_string(),
        NodeKind::Symbol(_) | NodeKind::Name(_) => tree.name(index).unwrap().into(),
        NodeKind::String(string) => format!("{:?}", tree.string(string)),
        NodeKind::List { quoted } => {
            let elements: Vec<_> = tree.children(index).map(|child| shape(tree, child)).collect();
            let (open, close) = if quoted { ('{', '}') } else { ('(', ')') };
            format!("{open}{}{close}", elements.join(" "))
        }
    }
}

/// All forms of `source` as text, separated by blanks, then the error if there is one.
fn forms(source: &str) -> String {
    let reading = read(source.as_bytes());
    let roots = reading.roots.iter().map(|&root| shape(&reading.tree, root));
    let error = reading.error.map(|error| format!("!{}", error.legacy));
    roots.chain(error).collect::<Vec<_>>().join(" ")
}

/// The error of `source`, rendered.
fn report(source: &[u8]) -> String {
    let mut sources = SourceMap::new();
    let file = sources.add("t.valk", source);
    let error = read_all(file, source).error.expect("the text has an error");
    render_plain(&error.diagnostic(), &sources)
}
