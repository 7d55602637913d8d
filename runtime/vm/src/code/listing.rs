//! Readable bytecode for `valk disasm` and tests.

use super::object::Code;
use super::opcode::{FROM_CAPTURE, Opcode, Operand, Word};
use super::verify::length;
use std::fmt::Write;
use valk_heap::{Heap, Kind, Value};

/// Lists the instructions of `code`, one line each: index, name, operands.
pub fn listing(heap: &Heap, code: &Code) -> String {
    let mut text = String::new();
    let name = code.name.map(|id| String::from_utf8_lossy(heap.symbols().name(id)).into_owned());
    let rest = if code.rest { "+" } else { "" };
    let _ = writeln!(
        text,
        "{} ({}{rest} parameters, {} registers)",
        name.as_deref().unwrap_or("<code>"),
        code.parameters,
        code.registers
    );
    let mut at = 0;
    while at < code.words.len() {
        let size = length(&code.words[at..]);
        let _ = writeln!(text, "{at:5}  {}", instruction(heap, code, at, size));
        at += size;
    }
    text
}

/// Lists a closure's code and the code of every function in it, outermost first.
pub fn listings(heap: &Heap, closure: Value) -> String {
    let mut pending = vec![closure.field(0)];
    let mut text = String::new();
    while let Some(value) = pending.pop() {
        let Some(code) = value.host::<Code>(heap) else { continue };
        text.push_str(&listing(heap, code));
        let inner = code.constants.iter().rev().filter(|c| c.kind() == Kind::Host);
        pending.extend(inner.copied());
    }
    text
}

fn instruction(heap: &Heap, code: &Code, at: usize, size: usize) -> String {
    let word = code.words[at];
    let opcode = Opcode::of(word);
    let mut parts = vec![format!("{:26}", opcode.text())];
    for (i, operand) in opcode.operands().into_iter().enumerate() {
        let byte = (word >> (8 * (i + 1))) as u8;
        match operand {
            Operand::None => {}
            Operand::Use | Operand::Def | Operand::Window => parts.push(format!("r{byte}")),
            Operand::Count => parts.push(byte.to_string()),
            Operand::Immediate => parts.push((byte as i8).to_string()),
        }
    }
    for (i, kind) in opcode.words().iter().enumerate() {
        let word = code.words[at + 1 + i];
        match kind {
            Word::Symbol => {
                let name = crate::vm::written(heap.symbols().name(valk_heap::SymbolId(word)));
                parts.push(String::from_utf8_lossy(name).into_owned());
            }
            Word::Jump => {
                let target = (at + size).wrapping_add_signed(word as i32 as isize);
                parts.push(format!("-> {target}"));
            }
            Word::Constant => parts.push(format!("k{word}")),
            Word::Number => parts.push((word as i32).to_string()),
            Word::Captures => {
                parts.extend(code.words[at + 2 + i..at + size].iter().map(|capture| {
                    if capture & FROM_CAPTURE == 0 {
                        format!("r{capture}")
                    } else {
                        format!("c{}", capture & !FROM_CAPTURE)
                    }
                }));
            }
        }
    }
    parts.join(" ").trim_end().to_string()
}
