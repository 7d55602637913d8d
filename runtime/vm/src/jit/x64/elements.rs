//! Elements of vectors, read without calling `vec/get`.

use super::data::field;
use super::emitter::{BuiltinCall, Emitter, WINDOW_BYTES, asm, slot};
use super::entry::Context;
use crate::persistent::vector::{CHUNK_ENTRIES, DIRECTORY, LINK, SIZE};
use dynasmrt::{DynasmApi, DynasmLabelApi};
use std::mem::offset_of;
use valk_heap::Kind;
use valk_heap::layout::{KIND_OFFSET, TAG_MASK, TAG_OBJECT};

const KIND: i32 = KIND_OFFSET - TAG_OBJECT as i32;
const VECTOR_GET: i32 = offset_of!(Context, vector_get) as i32;
const IS_SHARED: i32 = offset_of!(Context, is_shared) as i32;
const BUILTIN_CALLS: i32 = offset_of!(Context, builtin_calls) as i32;
/// Bits by which a fixnum is shifted.
const FIXNUM_SHIFT: i8 = (TAG_MASK as u8).count_ones() as i8;
const CHUNK_SHIFT: i8 = CHUNK_ENTRIES.ilog2() as i8;

impl Emitter<'_> {
    /// Goes on with the element if the callee in `rsi` is `vec/get` and its two arguments are the newest
    /// vector of its table, of which there is only one mutator, and the index of an element that is no error.
    /// Leaves `rsi` as it is otherwise.
    pub fn vector_get(&mut self, call: &BuiltinCall) {
        const { assert!(CHUNK_ENTRIES.is_power_of_two()) };
        let arguments = slot(call.window) + WINDOW_BYTES;
        let other = self.ops.new_dynamic_label();
        asm!(self
            ; cmp rsi, [rbp + VECTOR_GET]
            ; jne =>other
            ; cmp QWORD [rbp + IS_SHARED], 0
            ; jne =>other
            ; mov rax, [rbx + arguments]
            ; mov ecx, eax
            ; and ecx, TAG_MASK.into()
            ; cmp cl, TAG_OBJECT
            ; jne =>other
            ; cmp BYTE [rax + KIND], Kind::Vector as i8
            ; jne =>other
            ; mov rdx, [rbx + arguments + slot(1)]
            ; test dl, TAG_MASK
            ; jnz =>other
            // Both are fixnums; as a number without sign a negative one is beyond every size.
            ; cmp rdx, [rax + field(SIZE)]
            ; jae =>other
            ; mov rax, [rax + field(LINK)]
            ; cmp BYTE [rax + KIND], Kind::Record as i8
            ; jne =>other
            ; mov rax, [rax + field(DIRECTORY)]
            ; shr rdx, FIXNUM_SHIFT
            ; mov ecx, edx
            ; and ecx, (CHUNK_ENTRIES - 1) as i32
            ; shr rdx, CHUNK_SHIFT
            ; mov rax, [rax + rdx * 8 + field(0)]
            ; mov rax, [rax + rcx * 8 + field(0)]
        );
        // An error is told where it came up.
        self.jump_if_error(other);
        let back = call.back;
        asm!(self
            ; inc QWORD [rbp + BUILTIN_CALLS]
            ; mov [rbx + slot(call.window)], rax
            ; jmp =>back
            ; =>other
        );
    }
}
