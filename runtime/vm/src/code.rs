//! Compiled code: the instruction table, code objects, what is checked and changed at installation.
//!
//! `opcode` says what instructions there are, `primitives` which of them do the work of builtins.
//! `object` holds the code of a function. `verify` accepts it before it runs, `fuse` has pairs of
//! instructions performed together, `listing` prints it.

pub(crate) mod fuse;
pub(crate) mod listing;
mod object;
pub(crate) mod opcode;
pub mod primitives;
pub(crate) mod verify;

pub(crate) use object::code_of;
pub use object::{
    Assembler, Code, CodeKind, FIRST_CAPTURE, Label, Position, REGISTERS_MAX, Variable,
    WINDOW_SLOTS,
};
