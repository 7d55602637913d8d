//! Native code for functions that are called often: each instruction's common case, one after the
//! other, without the loop that looks at them.
//!
//! 1. Native code works on the same frames as the interpreter, and keeps nothing else between
//!    instructions. So it can be left before any instruction, and the interpreter goes on there:
//!    that is what it does for whatever is uncommon. It calls builtins, if they do with their arguments,
//!    and is left with what they want from the interpreter ([`Asked`]). A builtin does not collect and
//!    moves no stack; what it allocates, interns or counts is brought up to date before and after it.
//! 2. It is entered at the start of a function, and behind a call. A frame that native code has
//!    called from says in its link ([`crate::frames::link::link`]) where it goes on.
//! 3. It takes inlined builtins for what they were: a VM that has seen one rebound never enters
//!    it.
//! 4. It belongs to its [`Code`](crate::code::Code), and does not change. Frames keep their code
//!    alive, so whatever a link names is there.
//! 5. It polls where the interpreter does: at calls, that of itself by a loop too.
//!
//! Exists for x86-64; on other processors nothing is ever compiled.

mod exit;
mod native_code;
#[cfg(target_arch = "x86_64")]
mod x64;

pub(crate) use exit::Asked;
pub(crate) use native_code::make;
#[cfg(not(target_arch = "x86_64"))]
pub(crate) use native_code::no_compiler::run;
pub use native_code::{JIT_CALLS_DEFAULT, JIT_FUNCTIONS_MAX, JIT_NEVER, NativeCode};
#[cfg(all(test, target_arch = "x86_64"))]
pub(crate) use x64::LEFT_TO_THE_INTERPRETER;
#[cfg(target_arch = "x86_64")]
pub(crate) use x64::run;
