//! Instructions that are performed together with the next one.
//!
//! 1. Only the opcode of the first of the two changes, to one with the same operands and words. The
//!    second stays what it is, so that jumps to it, positions and lengths stay right.
//! 2. The interpreter performs both when nothing uncommon happens in the first; otherwise, and when
//!    it checks inlined builtins, it performs the first alone, as if it were the plain one.
//! 3. The second reads what the first wrote, or is what the first prepares: a value that has been
//!    computed need not come back from memory. Or both are so short that the way from one to the
//!    other is half of the work: two moves.

use super::opcode::Opcode;
use super::verify::length;

/// Every fused opcode and the two that it stands for. A first one with several is tried in order.
const PAIRS: [(Opcode, Opcode, Opcode); 9] = [
    (Opcode::MoveOn, Opcode::Move, Opcode::Move),
    (Opcode::MultiplyNumberOn, Opcode::MultiplyNumber, Opcode::Add),
    (Opcode::MultiplyNumberOn, Opcode::MultiplyNumber, Opcode::RemainderNumber),
    (Opcode::AddOn, Opcode::Add, Opcode::RemainderNumber),
    (Opcode::AddReturn, Opcode::Add, Opcode::Return),
    (Opcode::SubtractNumberCall, Opcode::SubtractNumber, Opcode::CallGlobal),
    (Opcode::SubtractNumberLoop, Opcode::SubtractNumber, Opcode::TailSelf),
    (Opcode::AddNumberLoop, Opcode::AddNumber, Opcode::TailSelf),
    (Opcode::TailLoop, Opcode::Tail, Opcode::TailSelf),
];

/// Whether this is a fused opcode.
pub(crate) fn is_fused(opcode: Opcode) -> bool {
    PAIRS.iter().any(|(fused, _, _)| *fused == opcode)
}

/// Fuses what can be fused in verified code.
pub(crate) fn fuse(words: &mut [u32]) {
    let mut at = 0;
    loop {
        let next = at + length(&words[at..]);
        if next >= words.len() {
            return;
        }
        if let Some(fused) = fused(words[at], words[next]) {
            words[at] = words[at] & !0xff | fused as u32;
        }
        at = next;
    }
}

/// The opcode that does the work of both instructions.
fn fused(first: u32, second: u32) -> Option<Opcode> {
    let (a, b) = (first >> 8 & 0xff, second >> 16 & 0xff);
    let pair = (Opcode::of(first), Opcode::of(second));
    let (fused, _, _) = PAIRS.iter().find(|(_, one, two)| (*one, *two) == pair)?;
    let goes_on = match pair.1 {
        Opcode::Move | Opcode::CallGlobal | Opcode::TailSelf => true,
        Opcode::Return => second >> 8 & 0xff == a,
        _ => b == a,
    };
    goes_on.then_some(*fused)
}
