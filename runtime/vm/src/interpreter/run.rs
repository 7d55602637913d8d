//! The interpreter loop.
//!
//! One function; program counter and frame base live in registers, everything uncommon is out of
//! line. It exists twice: the plain form trusts that inlined builtins are still the builtins, the
//! guarded form checks each inlined operation of the program's code (other modules keep the library's)
//! and calls what the program put in its place. A
//! replaced operation is performed by calling the replacement in a window at the end of the frame
//! and executing the instruction again, which then finds the result there.
//!
//! SAFETY rules used below:
//! 1. `pc` points into the words of the running frame's code, which [`crate::code::verify`] accepted:
//!    opcodes exist, registers are below `registers`, jumps land on instructions, constants and
//!    global indices exist. The frame's closure on the stack keeps the code alive.
//! 2. `base` points into the fiber's stack and `base + registers <= limit`; both are reloaded after
//!    every operation that may grow the stack.

use super::exit::Exit;
use super::slow_paths;
use crate::builtin::{NativeKind, Outcome, first_error};
use crate::code::code_of;
use crate::code::opcode::{FROM_CAPTURE, Opcode};
use crate::code::primitives::modulo;
use crate::code::{Code, FIRST_CAPTURE, WINDOW_SLOTS};
use crate::frames::call_site::CallSite;
use crate::frames::fiber::Fiber;
use crate::frames::fiber::frame_code;
use crate::frames::link::{link, link_distance, link_says_again, link_target, number_word};
use crate::jit;
use crate::values::environment;
use crate::values::equality::equal;
use crate::values::number::is_number;
use crate::vm::{ModuleId, Vm};
use valk_heap::{Kind, SymbolId, Value};

impl Vm {
    /// The value of a global for the instruction that is running.
    #[cold]
    fn missing_global(&mut self, fiber: &Fiber, symbol: u32) -> Value {
        let symbol = SymbolId(symbol);
        let error = self.unbound(symbol);
        self.locate(fiber, error);
        error
    }

    /// Starts calling the program's replacement of an inlined builtin.
    #[cold]
    fn call_replacement(
        &mut self,
        fiber: &mut Fiber,
        opcode: Opcode,
        arguments: &[Value],
    ) -> Result<(), Exit> {
        let guard = self.guards.of[opcode as usize].expect("only guarded opcodes are replaced");
        let window = frame_code(fiber).map_or(0, |code| code.registers as usize);
        let at = fiber.base + window;
        fiber.ensure(at + WINDOW_SLOTS + arguments.len());
        fiber.stack[at] = self.heap.global(guard.symbol);
        let first = at + WINDOW_SLOTS;
        fiber.stack[first..first + arguments.len()].copy_from_slice(arguments);
        self.call_any(
            fiber,
            CallSite {
                window,
                count: arguments.len(),
                tail: false,
                again: true,
                environment: Value::UNDEFINED,
            },
        )
    }

    /// True when the program replaced the builtin that `opcode` inlines, and `code` is the program's.
    fn replaced(&self, opcode: Opcode, code: &Code) -> bool {
        code.module == ModuleId::PROGRAM
            && self.guards.of[opcode as usize].is_some_and(|guard| !guard.pristine)
    }
}

/// Executes instructions until the fiber stops. `GUARDED` checks inlined builtins.
#[expect(clippy::cognitive_complexity, reason = "one arm per instruction, most of them short")]
pub(super) fn run<const GUARDED: bool>(vm: &mut Vm, fiber: &mut Fiber) -> Exit {
    let mut pc = fiber.pc;
    // SAFETY: rule 2 — base is inside the stack.
    let mut base = unsafe { fiber.stack.as_mut_ptr().add(fiber.base) };
    // SAFETY: rule 2 — limit is at most the stack's length.
    let mut limit = unsafe { fiber.stack.as_mut_ptr().add(fiber.limit) };

    macro_rules! r {
        ($i:expr) => {
            // SAFETY: rules 1 and 2 — the register is inside the frame.
            *unsafe { &mut *base.offset($i as isize) }
        };
    }
    macro_rules! word {
        ($i:expr) => {
            // SAFETY: rule 1 — the instruction has this extra word.
            unsafe { *pc.add($i) }
        };
    }
    macro_rules! advance {
        ($n:expr) => {
            // SAFETY: rule 1 — another instruction follows the extra words.
            pc = unsafe { pc.offset($n as isize) }
        };
    }
    macro_rules! save {
        () => {
            fiber.pc = pc;
            // SAFETY: rule 2 — both point into the same stack.
            fiber.base = unsafe { base.offset_from(fiber.stack.as_ptr()) } as usize;
        };
    }
    macro_rules! load {
        () => {
            pc = fiber.pc;
            // SAFETY: rule 2, after the stack may have moved.
            base = unsafe { fiber.stack.as_mut_ptr().add(fiber.base) };
            // SAFETY: rule 2, after the stack may have moved.
            limit = unsafe { fiber.stack.as_mut_ptr().add(fiber.limit) };
        };
    }
    macro_rules! code {
        () => {{
            let running = r!(-(WINDOW_SLOTS as isize));
            // SAFETY: rule 1 — the running frame's closure keeps its code alive.
            unsafe { &*code_of(running) }
        }};
    }
    macro_rules! closure {
        () => {
            r!(-(WINDOW_SLOTS as isize))
        };
    }
    // Goes on in native code at `$target`, behind a call if `$value` is its value.
    macro_rules! enter_native {
        ($target:expr, $value:expr) => {{
            // SAFETY: this form of the interpreter has not seen a builtin rebound; `$target` belongs
            // to the function whose frame is at `base`, in the fiber's stack.
            let exit = unsafe { jit::run(vm, fiber, $target, base, limit, $value) };
            pc = exit.pc;
            base = exit.base;
            if pc.is_null() {
                if let Err(exit) = vm.go_on_from_native(fiber) {
                    return exit;
                }
                load!();
            }
            continue;
        }};
    }
    // Begins the function whose frame is at `base`.
    macro_rules! begin {
        ($code:expr) => {{
            let code = $code;
            if !GUARDED {
                let mut entry = code.native_code.entry();
                if entry.is_null() && code.native_code.is_hot(vm.jit_calls) {
                    jit::make(vm, code);
                    entry = code.native_code.entry();
                }
                if !entry.is_null() {
                    enter_native!(entry, Value::NIL);
                }
            }
            pc = code.words.as_ptr();
            continue;
        }};
    }
    // After a call: a function has been entered, or there is a value in register `$window`.
    macro_rules! go_on {
        ($window:expr) => {
            // Below the first frame there is no code.
            if !GUARDED && base.cast_const() != fiber.stack.as_ptr() {
                let code = code!();
                let words = code.words.as_ptr();
                if pc == words {
                    begin!(code);
                }
                if let Some(target) = code.native_code.after_call(words, pc) {
                    let value = r!($window);
                    enter_native!(target, value);
                }
            }
        };
    }
    // A call the loop does not handle inline.
    macro_rules! call_any {
        ($window:expr, $count:expr, $tail:expr, $environment:expr) => {{
            save!();
            let site = CallSite {
                window: $window as usize,
                count: $count as usize,
                tail: $tail,
                again: false,
                environment: $environment,
            };
            if let Err(exit) = vm.call_any(fiber, site) {
                return exit;
            }
            load!();
            if !GUARDED && vm.guarded {
                return Exit::Guarded;
            }
            go_on!(site.window);
        }};
    }
    // An operation that enters a frame by way of a marker.
    macro_rules! marked {
        ($operation:expr) => {{
            save!();
            if let Err(exit) = $operation {
                return exit;
            }
            load!();
            if !GUARDED && vm.guarded {
                return Exit::Guarded;
            }
            // Native code goes on behind calls only, so there is no value to look for.
            go_on!(0);
        }};
    }
    // A call of a builtin that takes these arguments and nothing else; falls through otherwise.
    macro_rules! call_native {
        ($callee:expr, $a:expr, $count:expr, $tail:expr) => {
            if let Some(index) = $callee.as_builtin() {
                let native = &vm.natives[index as usize];
                // SAFETY: rules 1 and 2 — the window is inside the frame. The stack is the fiber's,
                // which the builtin does not have.
                let arguments = unsafe {
                    let first = base.add($a as usize + WINDOW_SLOTS).cast_const();
                    std::slice::from_raw_parts(first, $count as usize)
                };
                if let NativeKind::Plain(run) = native.kind
                    && native.arity.accepts($count as usize)
                    && !vm.heap.wants_safepoint()
                    && (native.takes_errors || first_error(arguments).is_none())
                {
                    save!();
                    vm.counters.builtin_calls += 1;
                    match run(vm, arguments) {
                        Outcome::Value(value) => {
                            vm.locate(fiber, value);
                            r!($a) = value;
                        }
                        outcome => {
                            let site = CallSite {
                                window: $a as usize,
                                count: $count as usize,
                                tail: $tail,
                                again: false,
                                environment: Value::UNDEFINED,
                            };
                            if let Err(exit) = vm.go_on(fiber, site, outcome) {
                                return exit;
                            }
                            load!();
                        }
                    }
                    if !GUARDED && vm.guarded {
                        save!();
                        return Exit::Guarded;
                    }
                    if !$tail {
                        go_on!($a);
                    }
                    continue;
                }
            }
        };
    }
    macro_rules! call {
        ($a:expr, $count:expr) => {{
            let (a, count) = ($a, $count);
            let callee = r!(a);
            if callee.is_closure() {
                // SAFETY: rule 1 for the callee, which is on the stack.
                let code = unsafe { &*code_of(callee) };
                let new_base = base.wrapping_add(a as usize + WINDOW_SLOTS);
                if code.simple_parameters == count as u32
                    && new_base.wrapping_add(code.registers as usize) <= limit
                    && !vm.heap.wants_safepoint()
                {
                    vm.counters.function_calls += 1;
                    r!(a as usize + 1) = number_word(pc as u64);
                    r!(a as usize + 2) = link(a as usize + WINDOW_SLOTS, false);
                    base = new_base;
                    begin!(code);
                }
            }
            call_native!(callee, a, count, false);
            call_any!(a, count, false, Value::UNDEFINED);
        }};
    }
    // The call of a global that is not bound: its value is the error.
    macro_rules! unbound {
        ($a:expr) => {{
            save!();
            r!($a) = vm.missing_global(fiber, word!(0));
            advance!(1);
            continue;
        }};
    }
    macro_rules! call_global {
        ($a:expr, $b:expr) => {{
            let (a, b) = ($a, $b);
            let index = word!(0);
            // SAFETY: rule 1 — the global index exists.
            let value = unsafe { vm.heap.global_unchecked(SymbolId(index)) };
            if !value.is_closure() && value.is_undefined() {
                unbound!(a);
            }
            advance!(1);
            r!(a) = value;
            call!(a, b);
        }};
    }
    macro_rules! tail_call {
        ($a:expr, $count:expr) => {{
            let (a, count) = ($a, $count);
            let callee = r!(a);
            if callee.is_closure() {
                // SAFETY: rule 1 for the callee, which is on the stack.
                let code = unsafe { &*code_of(callee) };
                if code.simple_parameters == count as u32
                    && base.wrapping_add(code.registers as usize) <= limit
                    && !vm.heap.wants_safepoint()
                {
                    vm.counters.function_calls += 1;
                    closure!() = callee;
                    for i in 0..count as usize {
                        r!(i) = r!(a as usize + WINDOW_SLOTS + i);
                    }
                    begin!(code);
                }
            }
            call_native!(callee, a, count, true);
            call_any!(a, count, true, Value::UNDEFINED);
        }};
    }
    macro_rules! tail_self {
        ($a:expr, $b:expr) => {{
            let (a, b) = ($a, $b);
            let index = word!(0);
            // SAFETY: rule 1 — the global index exists.
            let value = unsafe { vm.heap.global_unchecked(SymbolId(index)) };
            if value == closure!() && !vm.heap.wants_safepoint() {
                vm.counters.function_calls += 1;
                begin!(code!());
            }
            if value.is_undefined() {
                unbound!(a);
            }
            advance!(1);
            r!(a) = value;
            for i in 0..b as usize {
                r!(a as usize + WINDOW_SLOTS + i) = r!(i);
            }
            tail_call!(a, b);
        }};
    }
    // Returns to the caller.
    macro_rules! leave {
        ($value:expr) => {{
            let value = $value;
            let link = r!(-1isize);
            pc = r!(-2isize).bits() as *const u32;
            r!(-3isize) = value;
            base = base.wrapping_sub(link_distance(link));
            if GUARDED {
                fiber.pending |= link_says_again(link);
            } else if let Some(target) = link_target(link) {
                enter_native!(target, value);
            }
        }};
    }
    // Runs `$inline` unless the program replaced the builtin; then `$result` is what its
    // replacement returned.
    macro_rules! guarded {
        ($opcode:expr, [$($argument:expr),*], $inline:expr) => {
            if GUARDED && vm.replaced($opcode, code!()) {
                if fiber.pending {
                    fiber.pending = false;
                    let code = code!();
                    r!(code.registers)
                } else {
                    advance!(-1);
                    save!();
                    if let Err(exit) = vm.call_replacement(fiber, $opcode, &[$($argument),*]) {
                        return exit;
                    }
                    load!();
                    continue;
                }
            } else {
                $inline
            }
        };
    }
    macro_rules! arithmetic {
        ($opcode:expr, $a:expr, $x:expr, $y:expr, |$p:ident, $q:ident| $fast:expr) => {{
            let ($p, $q) = ($x, $y);
            r!($a) = guarded!($opcode, [$p, $q], {
                let fast: Option<Value> = if Value::both_fixnum($p, $q) { $fast } else { None };
                match fast {
                    Some(value) => value,
                    None => {
                        save!();
                        slow_paths::operate(vm, fiber, $opcode, $p, $q)
                    }
                }
            });
        }};
    }
    // The same with a number in an extra word as the second operand.
    macro_rules! by_constant {
        ($opcode:expr, $a:expr, $b:expr, $operation:ident) => {{
            let number = constant(word!(0));
            arithmetic!($opcode, $a, r!($b), number, |x, y| $operation(x, y));
            advance!(1);
        }};
    }
    // Performs the `tail-self` that follows.
    macro_rules! go_round {
        () => {{
            let [_, a, b, _] = operands(word!(0));
            advance!(1);
            tail_self!(a, b);
        }};
    }
    // Performs `remainder-number` of a value that has just been computed.
    macro_rules! remainder_of {
        ($x:expr, $instruction:expr) => {{
            let [_, a, _, _] = operands($instruction);
            if let Some(rest) = remainder($x, constant(word!(1))) {
                r!(a) = rest;
                advance!(2);
            }
        }};
    }
    // Performs `add` of a value that has just been computed and, if so it says, what follows.
    macro_rules! add_to {
        ($x:expr, $instruction:expr) => {{
            let (x, instruction) = ($x, $instruction);
            let [opcode, a, _, c] = operands(instruction);
            let y = r!(c);
            if y.is_fixnum()
                && let Some(sum) = add(x, y)
            {
                r!(a) = sum;
                advance!(1);
                if opcode == Opcode::AddOn as u8 {
                    remainder_of!(sum, word!(0));
                }
            }
        }};
    }
    macro_rules! flag {
        ($condition:expr) => {
            Some(if $condition { Value::ONE } else { Value::ZERO })
        };
    }
    macro_rules! jump {
        ($index:expr, $words:expr) => {{
            let distance = word!($index) as i32;
            advance!($words + distance as isize);
            continue;
        }};
    }
    // Follows a comparison's value: true goes on, false takes the first jump, an error the second.
    macro_rules! branch_on {
        ($value:expr, $error_register:expr) => {{
            let value = $value;
            if value.is_false() {
                jump!(0, 2);
            }
            if value.is_error() {
                r!($error_register) = value;
                jump!(1, 2);
            }
            advance!(2);
        }};
    }
    macro_rules! compare {
        ($opcode:expr, $x:expr, $y:expr, $c:expr, |$p:ident, $q:ident| $condition:expr) => {{
            let ($p, $q) = ($x, $y);
            if !(GUARDED && vm.replaced($opcode, code!())) && Value::both_fixnum($p, $q) {
                if $condition {
                    advance!(2);
                } else {
                    jump!(0, 2);
                }
            } else {
                let value = guarded!($opcode, [$p, $q], {
                    save!();
                    slow_paths::operate(vm, fiber, $opcode, $p, $q)
                });
                branch_on!(value, $c);
            }
        }};
    }
    macro_rules! compare_equal {
        ($opcode:expr, $x:expr, $y:expr, $c:expr, $negated:expr) => {{
            let (p, q) = ($x, $y);
            let value = guarded!($opcode, [p, q], {
                let same = p == q || (!Value::both_fixnum(p, q) && equal(&vm.heap, p, q));
                if same == $negated { Value::ZERO } else { Value::ONE }
            });
            branch_on!(value, $c);
        }};
    }

    loop {
        // SAFETY: rule 1.
        let instruction = unsafe { *pc };
        advance!(1);
        // Operands are taken out of the instruction where they are used: done before the jump they
        // would be copied from register to register for all that some other arm may want.
        macro_rules! a {
            () => {
                (instruction >> 8) as u8
            };
        }
        macro_rules! b {
            () => {
                (instruction >> 16) as u8
            };
        }
        macro_rules! c {
            () => {
                (instruction >> 24) as u8
            };
        }
        // SAFETY: rule 1 — the low byte is an opcode, and opcodes are numbered without gaps.
        match unsafe { std::mem::transmute::<u8, Opcode>(instruction as u8) } {
            Opcode::Move => r!(a!()) = r!(b!()),
            Opcode::Constant => {
                r!(a!()) = code!().constants[word!(0) as usize];
                advance!(1);
            }
            Opcode::Number => {
                r!(a!()) = Value::fixnum(i64::from(word!(0) as i32));
                advance!(1);
            }
            Opcode::Nil => r!(a!()) = Value::NIL,
            Opcode::Undefined => r!(a!()) = Value::UNDEFINED,
            Opcode::Global => {
                let index = word!(0);
                // SAFETY: rule 1 — the global index exists.
                let value = unsafe { vm.heap.global_unchecked(SymbolId(index)) };
                r!(a!()) = if value.is_undefined() {
                    save!();
                    vm.missing_global(fiber, word!(0))
                } else {
                    value
                };
                advance!(1);
            }
            Opcode::GlobalHead => {
                let index = word!(0);
                // SAFETY: rule 1 — the global index exists.
                let mut value = unsafe { vm.heap.global_unchecked(SymbolId(index)) };
                if value.is_undefined() {
                    save!();
                    value = vm.missing_global(fiber, word!(0));
                }
                r!(a!()) = value;
                if value.is_error() {
                    jump!(1, 2);
                }
                advance!(2);
            }
            Opcode::SetGlobal => {
                vm.set_global(SymbolId(word!(0)), r!(a!()));
                advance!(1);
                if !GUARDED && vm.guarded {
                    save!();
                    return Exit::Guarded;
                }
            }
            Opcode::Define => {
                save!();
                r!(a!()) = slow_paths::define(vm, fiber, SymbolId(word!(0)), r!(a!()));
                advance!(1);
                if !GUARDED && vm.guarded {
                    save!();
                    return Exit::Guarded;
                }
            }
            Opcode::Resolve => {
                if r!(a!()).is_symbol() && !r!(a!()).is_keyword() {
                    save!();
                    r!(a!()) = slow_paths::resolve(vm, fiber, Value::UNDEFINED, r!(a!()));
                }
            }
            Opcode::Capture => r!(a!()) = closure!().field(FIRST_CAPTURE + b!() as usize),
            Opcode::Cell => r!(a!()) = vm.heap.fields(Kind::Cell, &[r!(a!())]),
            Opcode::GetCell => r!(a!()) = r!(b!()).field(0),
            Opcode::SetCell => vm.heap.write(r!(a!()), 0, r!(b!())),
            Opcode::GetCaptured => {
                r!(a!()) = closure!().field(FIRST_CAPTURE + b!() as usize).field(0);
            }
            Opcode::JumpDefined => {
                if r!(a!()).is_undefined() {
                    advance!(1);
                } else {
                    jump!(0, 1);
                }
            }
            Opcode::Jump => jump!(0, 1),
            Opcode::JumpError => {
                if r!(a!()).is_error() {
                    jump!(0, 1);
                }
                advance!(1);
            }
            Opcode::ReturnError => {
                let value = r!(a!());
                if value.is_error() {
                    leave!(value);
                }
            }
            Opcode::Return => leave!(r!(a!())),
            Opcode::Branch => branch_on!(r!(a!()), a!()),
            Opcode::BranchNumber => {
                let value = r!(a!());
                if !is_number(value) {
                    save!();
                    r!(c!()) = slow_paths::not_a_number(vm, fiber, value);
                    jump!(1, 2);
                }
                if value.is_false() {
                    jump!(0, 2);
                }
                advance!(2);
            }
            Opcode::BranchLess => compare!(Opcode::BranchLess, r!(a!()), r!(b!()), c!(), |x, y| {
                (x.bits() as i64) < y.bits() as i64
            }),
            Opcode::BranchLessEqual => {
                compare!(Opcode::BranchLessEqual, r!(a!()), r!(b!()), c!(), |x, y| {
                    (x.bits() as i64) <= y.bits() as i64
                });
            }
            Opcode::BranchGreater => {
                compare!(Opcode::BranchGreater, r!(a!()), r!(b!()), c!(), |x, y| {
                    (x.bits() as i64) > y.bits() as i64
                });
            }
            Opcode::BranchGreaterEqual => {
                compare!(Opcode::BranchGreaterEqual, r!(a!()), r!(b!()), c!(), |x, y| {
                    (x.bits() as i64) >= y.bits() as i64
                });
            }
            Opcode::BranchEqual => {
                compare_equal!(Opcode::BranchEqual, r!(a!()), r!(b!()), c!(), false);
            }
            Opcode::BranchCase => {
                if equal(&vm.heap, r!(a!()), r!(b!())) {
                    advance!(2);
                } else {
                    jump!(0, 2);
                }
            }
            Opcode::BranchNotEqual => {
                compare_equal!(Opcode::BranchNotEqual, r!(a!()), r!(b!()), c!(), true);
            }
            Opcode::BranchLessNumber => {
                compare!(Opcode::BranchLessNumber, r!(a!()), immediate(b!()), c!(), |x, y| {
                    (x.bits() as i64) < y.bits() as i64
                });
            }
            Opcode::BranchLessEqualNumber => {
                compare!(Opcode::BranchLessEqualNumber, r!(a!()), immediate(b!()), c!(), |x, y| {
                    (x.bits() as i64) <= y.bits() as i64
                });
            }
            Opcode::BranchGreaterNumber => {
                compare!(Opcode::BranchGreaterNumber, r!(a!()), immediate(b!()), c!(), |x, y| {
                    (x.bits() as i64) > y.bits() as i64
                });
            }
            Opcode::BranchGreaterEqualNumber => {
                let (x, y) = (r!(a!()), immediate(b!()));
                compare!(Opcode::BranchGreaterEqualNumber, x, y, c!(), |x, y| {
                    (x.bits() as i64) >= y.bits() as i64
                });
            }
            Opcode::BranchEqualNumber => {
                compare_equal!(Opcode::BranchEqualNumber, r!(a!()), immediate(b!()), c!(), false);
            }
            Opcode::BranchNotEqualNumber => {
                compare_equal!(Opcode::BranchNotEqualNumber, r!(a!()), immediate(b!()), c!(), true);
            }
            Opcode::BranchNil => {
                let list = r!(a!());
                if GUARDED && vm.replaced(Opcode::BranchNil, code!()) {
                    let value = guarded!(Opcode::BranchNil, [list], Value::NIL);
                    branch_on!(value, c!());
                } else if list.is_nil() {
                    advance!(2);
                } else {
                    jump!(0, 2);
                }
            }
            Opcode::Add => arithmetic!(Opcode::Add, a!(), r!(b!()), r!(c!()), |x, y| add(x, y)),
            Opcode::Subtract => {
                arithmetic!(Opcode::Subtract, a!(), r!(b!()), r!(c!()), |x, y| subtract(x, y));
            }
            Opcode::Multiply => {
                arithmetic!(Opcode::Multiply, a!(), r!(b!()), r!(c!()), |x, y| multiply(x, y));
            }
            Opcode::Divide => {
                arithmetic!(Opcode::Divide, a!(), r!(b!()), r!(c!()), |x, y| divide(x, y));
            }
            Opcode::Remainder => {
                arithmetic!(Opcode::Remainder, a!(), r!(b!()), r!(c!()), |x, y| remainder(x, y));
            }
            Opcode::Modulo => {
                arithmetic!(Opcode::Modulo, a!(), r!(b!()), r!(c!()), |x, y| modulo_of(x, y));
            }
            Opcode::MultiplyNumber => by_constant!(Opcode::MultiplyNumber, a!(), b!(), multiply),
            Opcode::DivideNumber => by_constant!(Opcode::DivideNumber, a!(), b!(), divide),
            Opcode::RemainderNumber => by_constant!(Opcode::RemainderNumber, a!(), b!(), remainder),
            Opcode::ModuloNumber => by_constant!(Opcode::ModuloNumber, a!(), b!(), modulo_of),
            Opcode::AddNumber => {
                arithmetic!(Opcode::AddNumber, a!(), r!(b!()), immediate(c!()), |x, y| add(x, y));
            }
            Opcode::SubtractNumber => {
                arithmetic!(Opcode::SubtractNumber, a!(), r!(b!()), immediate(c!()), |x, y| {
                    subtract(x, y)
                });
            }
            Opcode::Less => arithmetic!(Opcode::Less, a!(), r!(b!()), r!(c!()), |x, y| {
                flag!((x.bits() as i64) < y.bits() as i64)
            }),
            Opcode::LessEqual => {
                arithmetic!(Opcode::LessEqual, a!(), r!(b!()), r!(c!()), |x, y| {
                    flag!((x.bits() as i64) <= y.bits() as i64)
                });
            }
            Opcode::Greater => arithmetic!(Opcode::Greater, a!(), r!(b!()), r!(c!()), |x, y| {
                flag!((x.bits() as i64) > y.bits() as i64)
            }),
            Opcode::GreaterEqual => {
                arithmetic!(Opcode::GreaterEqual, a!(), r!(b!()), r!(c!()), |x, y| {
                    flag!((x.bits() as i64) >= y.bits() as i64)
                });
            }
            Opcode::Equal => {
                let (x, y) = (r!(b!()), r!(c!()));
                r!(a!()) = guarded!(Opcode::Equal, [x, y], {
                    if equal(&vm.heap, x, y) { Value::ONE } else { Value::ZERO }
                });
            }
            Opcode::NotEqual => {
                let (x, y) = (r!(b!()), r!(c!()));
                r!(a!()) = guarded!(Opcode::NotEqual, [x, y], {
                    if equal(&vm.heap, x, y) { Value::ZERO } else { Value::ONE }
                });
            }
            Opcode::Head => {
                let list = r!(b!());
                r!(a!()) = guarded!(Opcode::Head, [list], {
                    if list.is_pair() {
                        list.head()
                    } else {
                        save!();
                        slow_paths::no_elements(vm, fiber, list)
                    }
                });
            }
            Opcode::Tail => {
                let list = r!(b!());
                r!(a!()) = guarded!(Opcode::Tail, [list], {
                    if list.is_pair() {
                        list.tail()
                    } else {
                        save!();
                        slow_paths::no_elements(vm, fiber, list)
                    }
                });
            }
            Opcode::Cons => {
                let (head, tail) = (r!(b!()), r!(c!()));
                r!(a!()) = guarded!(Opcode::Cons, [head, tail], {
                    if tail.is_list() {
                        vm.heap.cons(head, tail, false)
                    } else {
                        save!();
                        slow_paths::no_list(vm, fiber, tail)
                    }
                });
            }
            Opcode::Prepend => {
                let (head, tail) = (r!(b!()), r!(c!()));
                r!(a!()) = guarded!(Opcode::Prepend, [head, tail], {
                    if tail.is_list() {
                        vm.heap.cons(head, tail, true)
                    } else {
                        save!();
                        slow_paths::no_list(vm, fiber, tail)
                    }
                });
            }
            Opcode::List => {
                let count = c!() as usize;
                // SAFETY: rules 1 and 2 — the registers b..b+c are inside the frame.
                let items = unsafe {
                    std::slice::from_raw_parts(base.add(b!() as usize).cast_const(), count)
                };
                if GUARDED && vm.replaced(Opcode::List, code!()) {
                    let items = items.to_vec();
                    if fiber.pending {
                        fiber.pending = false;
                        let code = code!();
                        r!(a!()) = r!(code.registers);
                    } else {
                        advance!(-1);
                        save!();
                        if let Err(exit) = vm.call_replacement(fiber, Opcode::List, &items) {
                            return exit;
                        }
                        load!();
                    }
                } else {
                    let mut list = Value::NIL;
                    for &item in items.iter().rev() {
                        list = vm.heap.cons(item, list, true);
                    }
                    r!(a!()) = list;
                }
            }
            Opcode::Pair => {
                r!(a!()) = vm.heap.cons(r!(b!()), r!(c!()), word!(0) == 1);
                advance!(1);
            }
            Opcode::Splice => {
                let quoted = word!(0) == 1;
                advance!(1);
                save!();
                r!(a!()) = slow_paths::splice(vm, fiber, r!(b!()), r!(c!()), quoted);
            }
            Opcode::IsError => {
                let value = r!(b!());
                r!(a!()) = guarded!(Opcode::IsError, [value], {
                    if value.is_error() { Value::ONE } else { Value::ZERO }
                });
            }
            Opcode::IsNil => {
                let value = r!(b!());
                r!(a!()) = guarded!(Opcode::IsNil, [value], {
                    if value.is_nil() { Value::ONE } else { Value::ZERO }
                });
            }
            Opcode::Closure => {
                let code = code!().constants[word!(0) as usize];
                let count = word!(1) as usize;
                advance!(2);
                // SAFETY: rule 1 — `count` capture words follow.
                let words = unsafe { std::slice::from_raw_parts(pc, count) };
                let captures = words.iter().map(|&word| {
                    if word & FROM_CAPTURE == 0 {
                        r!(word)
                    } else {
                        closure!().field(FIRST_CAPTURE + (word & !FROM_CAPTURE) as usize)
                    }
                });
                r!(a!()) = slow_paths::make_closure(vm, code, captures);
                advance!(count);
            }
            Opcode::Call => call!(a!(), b!()),
            Opcode::TailCall => tail_call!(a!(), b!()),
            Opcode::CallGlobal => call_global!(a!(), b!()),
            Opcode::TailCallGlobal => {
                let index = word!(0);
                // SAFETY: rule 1 — the global index exists.
                let value = unsafe { vm.heap.global_unchecked(SymbolId(index)) };
                if value.is_undefined() {
                    unbound!(a!());
                }
                advance!(1);
                r!(a!()) = value;
                tail_call!(a!(), b!());
            }
            Opcode::TailSelf => tail_self!(a!(), b!()),
            Opcode::CallValue => {
                if Vm::is_function(r!(a!())) {
                    call!(a!(), 0u8);
                }
            }
            Opcode::TailCallValue => {
                if Vm::is_function(r!(a!())) {
                    tail_call!(a!(), 0u8);
                }
            }
            Opcode::Apply => {
                let mut list = r!(b!());
                save!();
                let first = fiber.base + a!() as usize + WINDOW_SLOTS;
                let count = slow_paths::length(list);
                fiber.ensure(first + count);
                for slot in fiber.stack[first..first + count].iter_mut().rev() {
                    *slot = list.head();
                    list = list.tail();
                }
                // SAFETY: rule 2, after the stack may have moved.
                base = unsafe { fiber.stack.as_mut_ptr().add(fiber.base) };
                call_any!(a!(), count, false, Value::UNDEFINED);
            }
            Opcode::Run => {
                let code = code!().constants[word!(0) as usize];
                advance!(1);
                r!(a!()) = vm.closure(code, &[r!(b!())]);
                call!(a!(), 0u8);
            }
            Opcode::EnterFunction => {
                let parent = closure!().field(FIRST_CAPTURE);
                let scope = environment::new_environment(&mut vm.heap, parent);
                for (i, name) in code!().formal_names.iter().enumerate() {
                    environment::bind(&mut vm.heap, scope, Value::symbol(*name), r!(i));
                }
                r!(a!()) = scope;
            }
            Opcode::EnterCode => r!(a!()) = closure!().field(FIRST_CAPTURE),
            Opcode::EnterScope => {
                r!(a!()) = environment::new_environment(&mut vm.heap, r!(b!()));
            }
            Opcode::Lookup => {
                save!();
                r!(a!()) = slow_paths::lookup(vm, fiber, r!(b!()), SymbolId(word!(0)));
                advance!(1);
            }
            Opcode::Bind => {
                let symbol = Value::symbol(SymbolId(word!(0)));
                save!();
                slow_paths::bind(vm, fiber, r!(a!()), symbol, r!(b!()));
                advance!(1);
                if !GUARDED && vm.guarded {
                    save!();
                    return Exit::Guarded;
                }
            }
            Opcode::ResolveIn => {
                if r!(a!()).is_symbol() && !r!(a!()).is_keyword() {
                    save!();
                    r!(a!()) = slow_paths::resolve(vm, fiber, r!(b!()), r!(a!()));
                }
            }
            Opcode::CallIn => call_any!(a!(), b!(), false, r!(c!())),
            Opcode::TailCallIn => call_any!(a!(), b!(), true, r!(c!())),
            Opcode::Reset => marked!(vm.reset(fiber, a!() as usize, false)),
            Opcode::TailReset => marked!(vm.reset(fiber, a!() as usize, true)),
            Opcode::Shift => marked!(vm.shift(fiber, a!() as usize)),
            Opcode::WithContext => marked!(vm.with_context(fiber, a!() as usize, b!() as usize)),
            Opcode::SetContext => vm.context = r!(a!()),
            Opcode::Halt => return Exit::Done(r!(0)),
            // Fused instructions: fuse.rs rule 2. The second one follows as rule 1 there says.
            Opcode::MoveOn => {
                r!(a!()) = r!(b!());
                let [_, a, b, _] = operands(word!(0));
                r!(a) = r!(b);
                advance!(1);
            }
            Opcode::MultiplyNumberOn => {
                let (x, number) = (r!(b!()), constant(word!(0)));
                let fast = if GUARDED || !x.is_fixnum() { None } else { multiply(x, number) };
                if let Some(product) = fast {
                    r!(a!()) = product;
                    advance!(1);
                    let next = word!(0);
                    if next as u8 == Opcode::RemainderNumber as u8 {
                        remainder_of!(product, next);
                    } else {
                        add_to!(product, next);
                    }
                } else {
                    by_constant!(Opcode::MultiplyNumber, a!(), b!(), multiply);
                }
            }
            Opcode::AddOn => {
                let (x, y) = (r!(b!()), r!(c!()));
                let fast = if GUARDED || !Value::both_fixnum(x, y) { None } else { add(x, y) };
                if let Some(sum) = fast {
                    r!(a!()) = sum;
                    remainder_of!(sum, word!(0));
                } else {
                    arithmetic!(Opcode::Add, a!(), x, y, |x, y| add(x, y));
                }
            }
            Opcode::AddReturn => {
                let (x, y) = (r!(b!()), r!(c!()));
                let fast = if GUARDED || !Value::both_fixnum(x, y) { None } else { add(x, y) };
                if let Some(sum) = fast {
                    leave!(sum);
                } else {
                    arithmetic!(Opcode::Add, a!(), x, y, |x, y| add(x, y));
                }
            }
            Opcode::SubtractNumberCall => {
                let x = r!(b!());
                let fast =
                    if GUARDED || !x.is_fixnum() { None } else { subtract(x, immediate(c!())) };
                if let Some(difference) = fast {
                    r!(a!()) = difference;
                    let [_, at, count, _] = operands(word!(0));
                    advance!(1);
                    call_global!(at, count);
                } else {
                    arithmetic!(Opcode::SubtractNumber, a!(), x, immediate(c!()), |x, y| {
                        subtract(x, y)
                    });
                }
            }
            Opcode::SubtractNumberLoop => {
                let x = r!(b!());
                let fast =
                    if GUARDED || !x.is_fixnum() { None } else { subtract(x, immediate(c!())) };
                if let Some(difference) = fast {
                    r!(a!()) = difference;
                    go_round!();
                } else {
                    arithmetic!(Opcode::SubtractNumber, a!(), x, immediate(c!()), |x, y| {
                        subtract(x, y)
                    });
                }
            }
            Opcode::AddNumberLoop => {
                let x = r!(b!());
                let fast = if GUARDED || !x.is_fixnum() { None } else { add(x, immediate(c!())) };
                if let Some(sum) = fast {
                    r!(a!()) = sum;
                    go_round!();
                } else {
                    arithmetic!(Opcode::AddNumber, a!(), x, immediate(c!()), |x, y| add(x, y));
                }
            }
            Opcode::TailLoop => {
                let list = r!(b!());
                if !GUARDED && list.is_pair() {
                    r!(a!()) = list.tail();
                    go_round!();
                } else {
                    r!(a!()) = guarded!(Opcode::Tail, [list], {
                        if list.is_pair() {
                            list.tail()
                        } else {
                            save!();
                            slow_paths::no_elements(vm, fiber, list)
                        }
                    });
                }
            }
        }
    }
}

/// Opcode and operands of an instruction.
#[inline(always)]
fn operands(instruction: u32) -> [u8; 4] {
    instruction.to_le_bytes()
}

/// An 8-bit immediate as a number value.
#[inline(always)]
fn immediate(byte: u8) -> Value {
    Value::fixnum(i64::from(byte as i8))
}

/// The number in an extra word.
#[inline(always)]
fn constant(word: u32) -> Value {
    Value::fixnum(i64::from(word as i32))
}

/// Product of two fixnums, unless it leaves their range.
#[inline(always)]
fn multiply(x: Value, y: Value) -> Option<Value> {
    let product = (x.bits() as i64).checked_mul(y.as_fixnum());
    product.map(|product| number_word(product as u64))
}

/// Quotient of two fixnums, unless it leaves their range, as that of the smallest one by -1 does.
/// The tag is a factor of both, which a division takes out.
#[inline(always)]
fn divide(x: Value, y: Value) -> Option<Value> {
    let (x, y) = (x.bits() as i64, y.bits() as i64);
    if y == 0 || y == Value::fixnum(-1).bits() as i64 { None } else { Some(Value::fixnum(x / y)) }
}

/// Remainder of two fixnums, which has their tag.
#[inline(always)]
fn remainder(x: Value, y: Value) -> Option<Value> {
    let (x, y) = (x.bits() as i64, y.bits() as i64);
    if y == 0 { None } else { Some(number_word(x.wrapping_rem(y) as u64)) }
}

/// One fixnum modulo another, which has their tag.
#[inline(always)]
fn modulo_of(x: Value, y: Value) -> Option<Value> {
    let (x, y) = (x.bits() as i64, y.bits() as i64);
    if y == 0 { None } else { Some(number_word(modulo(x, y) as u64)) }
}

/// Sum of two fixnums, unless it leaves their range.
#[inline(always)]
fn add(x: Value, y: Value) -> Option<Value> {
    let sum = (x.bits() as i64).checked_add(y.bits() as i64);
    sum.map(|bits| number_word(bits as u64))
}

/// Difference of two fixnums, unless it leaves their range.
#[inline(always)]
fn subtract(x: Value, y: Value) -> Option<Value> {
    let difference = (x.bits() as i64).checked_sub(y.bits() as i64);
    difference.map(|bits| number_word(bits as u64))
}
