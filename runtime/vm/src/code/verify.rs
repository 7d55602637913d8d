//! Checks compiled code before it runs: the interpreter trusts what passed here.
//!
//! Opcodes exist, registers are inside the frame, windows leave room for their arguments, jumps
//! land on instructions, constants exist, and the last instruction does not fall off the end.
//! A violation is a bug of the compiler and panics with the broken rule.

use super::object::{Code, REGISTERS_MAX, WINDOW_SLOTS};
use super::opcode::{FROM_CAPTURE, Opcode, Operand, Word};

/// Verifies `code` and gives the global indices it uses.
///
/// # Panics
/// When the code breaks a rule.
pub fn verify(code: &Code) -> Vec<u32> {
    assert!(code.registers as usize <= REGISTERS_MAX, "a frame has at most 250 registers");
    assert!(code.parameters + u32::from(code.rest) <= code.registers, "parameters are registers");
    let starts = instruction_starts(&code.words);
    let mut globals = Vec::new();
    let mut last = Opcode::Move;
    for (index, opcode) in &starts {
        assert!(!crate::code::fuse::is_fused(*opcode), "{}: installation makes it", opcode.text());
        let words = &code.words[*index..];
        check_operands(code, *opcode, words);
        check_words(code, *opcode, *index, &starts, &mut globals);
        last = *opcode;
    }
    assert!(matches!(last, Opcode::Return | Opcode::Jump | Opcode::Halt), "code ends by leaving");
    globals
}

/// Number of words of the instruction starting at `words[0]`.
pub(crate) fn length(words: &[u32]) -> usize {
    let kinds = Opcode::of(words[0]).words();
    let captures = kinds.iter().position(|kind| *kind == Word::Captures);
    1 + kinds.len() + captures.map_or(0, |at| words[1 + at] as usize)
}

fn instruction_starts(words: &[u32]) -> Vec<(usize, Opcode)> {
    let (mut at, mut starts) = (0, Vec::new());
    while at < words.len() {
        assert!(((words[at] & 0xff) as usize) < Opcode::ALL.len(), "word {at} is no instruction");
        starts.push((at, Opcode::of(words[at])));
        at += length(&words[at..]);
    }
    assert_eq!(at, words.len(), "the last instruction is complete");
    starts
}

fn check_operands(code: &Code, opcode: Opcode, words: &[u32]) {
    let bytes = [words[0] >> 8, words[0] >> 16, words[0] >> 24].map(|b| (b & 0xff) as usize);
    let registers = code.registers as usize;
    for (operand, byte) in opcode.operands().into_iter().zip(bytes) {
        match operand {
            Operand::Use | Operand::Def => {
                assert!(byte < registers, "{}: register {byte} exists", opcode.text());
            }
            Operand::Window => {
                let arguments = if counts_arguments(opcode) { bytes[1] } else { 0 };
                let end = byte + WINDOW_SLOTS + arguments;
                assert!(end <= registers, "{}: window {byte} fits", opcode.text());
            }
            Operand::None => assert_eq!(byte, 0, "{}: unused operand", opcode.text()),
            Operand::Count | Operand::Immediate => {}
        }
    }
    if opcode == Opcode::List {
        assert!(bytes[1] + bytes[2] <= registers, "list: registers exist");
    }
}

fn counts_arguments(opcode: Opcode) -> bool {
    opcode.operands()[1] == Operand::Count
}

fn check_words(
    code: &Code,
    opcode: Opcode,
    index: usize,
    starts: &[(usize, Opcode)],
    globals: &mut Vec<u32>,
) {
    let after = index + length(&code.words[index..]);
    for (i, kind) in opcode.words().iter().enumerate() {
        let word = code.words[index + 1 + i];
        match kind {
            Word::Symbol => globals.push(word),
            Word::Jump => {
                let target = after.wrapping_add_signed(word as i32 as isize);
                let found = starts.binary_search_by_key(&target, |(start, _)| *start);
                assert!(found.is_ok(), "{}: jump to word {target}", opcode.text());
            }
            Word::Constant => {
                assert!((word as usize) < code.constants.len(), "{}: constant", opcode.text());
            }
            Word::Number => {}
            Word::Captures => {
                for capture in &code.words[index + 2 + i..after] {
                    let register = capture & FROM_CAPTURE == 0;
                    assert!(!register || *capture < code.registers, "closure: capture register");
                }
            }
        }
    }
}
