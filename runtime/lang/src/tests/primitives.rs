//! Every primitive is compiled to its instructions, and they give what its builtin gives.

use crate::{NoWaiting, Output, Ran, Runtime};
use valk_heap::Config;
use valk_vm::primitives::{Gives, Operands, PRIMITIVES, Primitive};
use valk_vm::{JIT_NEVER, Vm};

/// Operands of every kind, as they are written.
const OPERANDS: [&str; 10] = [
    "0",
    "7",
    "-3",
    "4611686018427387904",
    "{1 2}",
    "{}",
    "(list head)",
    "\"text\"",
    "head",
    "(error \"e\")",
];

/// How many operands the calls here have.
fn count(row: &Primitive) -> usize {
    match row.operands {
        Operands::Exactly(count) => count,
        Operands::Consecutive => 2,
    }
}

fn runtime(jit_calls: u32) -> Runtime {
    let runtime = Runtime::new(Config::default(), Output::memory()).expect("a heap");
    runtime.vm().jit_calls = jit_calls;
    runtime
}

/// The value of a program, as it is printed.
fn value(runtime: &mut Runtime, program: &str) -> String {
    match runtime.run_text("p", program.as_bytes(), &mut NoWaiting) {
        Ran::Value(value) | Ran::Failed(value, _) => runtime.repr(value),
    }
}

valk_harness::test! {
    fn calls_of_primitives_are_compiled_to_their_instructions() {
        let mut runtime = runtime(JIT_NEVER);
        let mut wrong = Vec::new();
        let mut check = |row: &Primitive, opcode: valk_vm::Opcode, body: &str| {
            let program = format!("(def {{f}} (\\ {{x y}} {{{body}}}))");
            let listing = runtime.disasm_text("p", program.as_bytes()).expect("it compiles");
            if !listing.contains(opcode.text()) {
                let (name, opcode) = (row.name, opcode.text());
                wrong.push(format!("`{name}`: {body} is compiled without {opcode}\n{listing}"));
            }
        };
        for row in &PRIMITIVES {
            let (name, operands) = (row.name, if count(row) == 1 { "x" } else { "x y" });
            check(row, row.opcode, &format!("list 5 ({name} {operands})"));
            if let Some(with_number) = row.with_number {
                check(row, with_number.opcode(), &format!("list 5 ({name} x 3)"));
            }
            if let Some(branch) = row.branch {
                check(row, branch.registers, &format!("if ({name} {operands}) {{1}} {{2}}"));
                if let Some(number) = branch.number {
                    check(row, number, &format!("if ({name} x 3) {{1}} {{2}}"));
                }
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    fn instructions_of_primitives_give_what_their_builtins_give() {
        for jit_calls in [0, JIT_NEVER] {
            let mut runtime = runtime(jit_calls);
            for row in &PRIMITIVES {
                let name = row.name;
                let seconds: &[&str] = if count(row) == 1 { &[""] } else { &OPERANDS };
                for x in OPERANDS {
                    for y in seconds {
                        let call = format!("((\\ {{f}} {{f {x} {y}}}) {name})");
                        let expected = value(&mut runtime, &call);
                        let branch =
                            value(&mut runtime, &format!("(if {call} {{\"yes\"}} {{\"no\"}})"));
                        let formals = if y.is_empty() { "x" } else { "x y" };
                        for (program, expected) in [
                            (format!("({name} {x} {y})"), &expected),
                            (format!("((\\ {{{formals}}} {{{name} {formals}}}) {x} {y})"), &expected),
                            (format!("((\\ {{x}} {{{name} x {y}}}) {x})"), &expected),
                            (format!("(if ({name} {x} {y}) {{\"yes\"}} {{\"no\"}})"), &branch),
                            (
                                format!("((\\ {{x}} {{if ({name} x {y}) {{\"yes\"}} {{\"no\"}}}}) {x})"),
                                &branch,
                            ),
                        ] {
                            let found = value(&mut runtime, &program);
                            assert_eq!(&found, expected, "{program}, native code: {jit_calls}");
                        }
                    }
                }
            }
        }
    }

    fn primitives_that_give_data_give_neither_functions_nor_symbols() {
        let mut runtime = runtime(JIT_NEVER);
        for row in PRIMITIVES.iter().filter(|row| row.gives == Gives::Data) {
            for x in OPERANDS {
                for y in if count(row) == 1 { &[""] } else { &OPERANDS[..] } {
                    let program = format!("({} {x} {y})", row.name);
                    let ran = runtime.run_text("p", program.as_bytes(), &mut NoWaiting);
                    let (Ran::Value(value) | Ran::Failed(value, _)) = ran;
                    assert!(!Vm::is_function(value) && !value.is_symbol(), "{program}");
                }
            }
        }
    }
}
