//! Builtins: functions written in Rust that programs call like any other.
//!
//! 1. A builtin runs to completion without a collection, so it holds plain values.
//! 2. What needs the language to go on (calling back, evaluating, waiting) is returned as an
//!    [`Outcome`]; the interpreter does it without nesting, so recursion through builtins does not
//!    use the host stack.
//! 3. An error among the arguments is the result of a call, and the code does not run, unless the
//!    builtin takes errors ([`Native::takes_errors`]): the cause of a failure is not replaced by a
//!    complaint about its type.

use crate::vm::{ModuleId, Vm};
use valk_heap::{SymbolId, Value};

/// What a builtin asks of the interpreter.
pub enum Outcome {
    /// The call's result.
    Value(Value),
    /// Call this function with these arguments; its result is the call's result.
    Call(Value, Vec<Value>),
    /// Evaluate this form as code in the caller's environment; its value is the result.
    Evaluate(Value),
    /// Evaluate this form as code of a module, outside of all functions.
    EvaluateIn(ModuleId, Value),
    /// Stop the fiber and hand this value to the embedder, whose answer is the result.
    Suspend(Value),
    /// Nothing was done: so many bytes are wanted. The builtin is called once more after a collection,
    /// if there is room then; otherwise the result is the out-of-memory error.
    NeedsRoom(usize),
    /// The number of functions being called at this moment.
    Depth,
    /// Collect everything; the number of bytes that gave back is the result.
    Collect,
    /// Do something that may take long and touches nothing of the VM, as native code; see
    /// [`Outcome::blocking`].
    Block(Blocking),
}

/// Something that may take long, and what comes after it.
pub type Blocking = Box<dyn FnOnce() -> Answer>;

/// What a builtin does once it has what it waited for.
pub type Answer = Box<dyn FnOnce(&mut Vm) -> Outcome>;

impl Outcome {
    /// Has `wait` called as native code, so that collections of other VMs do not wait for it,
    /// and then `then` with what it returned, for the result.
    pub fn blocking<T: 'static>(
        wait: impl FnOnce() -> T + 'static,
        then: impl FnOnce(&mut Vm, T) -> Outcome + 'static,
    ) -> Outcome {
        Outcome::Block(Box::new(move || {
            let answer = wait();
            Box::new(move |vm| then(vm, answer))
        }))
    }
}

impl From<Value> for Outcome {
    fn from(value: Value) -> Outcome {
        Outcome::Value(value)
    }
}

/// A builtin on plain arguments.
pub type NativeFn = fn(&mut Vm, &[Value]) -> Outcome;

/// A builtin that also sees the caller's environment ([`Value::NIL`] at top level).
pub type ReflectiveFn = fn(&mut Vm, Value, &[Value]) -> Outcome;

/// The two kinds of builtin.
#[derive(Clone, Copy)]
pub enum NativeKind {
    /// Arguments only.
    Plain(NativeFn),
    /// Arguments and the caller's environment.
    Reflective(ReflectiveFn),
}

/// Number of arguments a builtin takes, and what a wrong number means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arity {
    /// Anything goes.
    Any,
    /// Exactly this many, else an arity error.
    Exactly(u32),
    /// More than this many.
    MoreThan(u32),
    /// At most this many.
    AtMost(u32),
    /// Exactly this many; fewer give a partial application as for functions of the language.
    Curried(u32),
}

/// A registered builtin.
#[derive(Clone, Copy)]
pub struct Native {
    /// The name it was registered under.
    pub name: SymbolId,
    /// Accepted argument counts.
    pub arity: Arity,
    /// The code.
    pub kind: NativeKind,
    /// Whether the code runs when there is an error among the arguments, to store, show, compare or
    /// examine it. Otherwise the first error is the call's result.
    pub takes_errors: bool,
}

/// The first error among arguments.
#[inline(always)]
pub(crate) fn first_error(arguments: &[Value]) -> Option<Value> {
    arguments.iter().copied().find(|argument| argument.is_error())
}

impl Arity {
    /// Whether a call with `given` arguments runs the builtin.
    #[inline(always)]
    pub fn accepts(self, given: usize) -> bool {
        match self {
            Arity::Any => true,
            Arity::Exactly(n) | Arity::Curried(n) => given == n as usize,
            Arity::MoreThan(n) => given > n as usize,
            Arity::AtMost(n) => given <= n as usize,
        }
    }

    /// The error text for `given` arguments, if that is the wrong number. `Curried` answers for
    /// too many only; too few are the caller's business.
    pub fn problem(self, given: usize) -> Option<String> {
        let (bad, relation, expected) = match self {
            Arity::Any => return None,
            Arity::Exactly(n) => (given != n as usize, "==", n),
            Arity::MoreThan(n) => (given <= n as usize, ">", n),
            Arity::AtMost(n) => (given > n as usize, "<=", n),
            Arity::Curried(n) => {
                return (given > n as usize).then(|| too_many_arguments(given, n as usize));
            }
        };
        bad.then(|| {
            format!("Invalid argument count, Actual[{given}] {relation} Expected[{expected}]")
        })
    }
}

/// The text for a call with more arguments than formals.
pub fn too_many_arguments(given: usize, expected: usize) -> String {
    format!("More arguments were given than required. Actual: {given}, Expected: {expected}")
}
