//! Printing.

use crate::builtins::row::{Row, fail_over, string};
use crate::print::{Style, print as append};
use crate::runtime::Language;
use valk_heap::Value;
use valk_vm::{Arity, Outcome, Vm};

pub(super) const TABLE: &[Row] = &[
    ("print", Arity::Any, print),
    ("printf", Arity::MoreThan(0), printf),
    ("println", Arity::MoreThan(0), println),
    ("eprint", Arity::Any, print_error),
    ("eprintln", Arity::MoreThan(0), println_error),
];

fn print(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let out = shown(vm, arguments);
    write(vm, &out, true)
}

/// `print` to standard error.
fn print_error(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let out = shown(vm, arguments);
    vm.extension::<Language>().output.write_error(&out);
    Value::NIL.into()
}

/// The line that `print` writes.
fn shown(vm: &Vm, arguments: &[Value]) -> Vec<u8> {
    let mut out = Vec::new();
    for (i, value) in arguments.iter().enumerate() {
        if i > 0 {
            out.push(b' ');
        }
        append(&vm.heap, *value, Style::Display, &mut out);
    }
    out.push(b'\n');
    out
}

/// Prints: nil, perhaps after a wait.
fn write(vm: &mut Vm, text: &[u8], flush: bool) -> Outcome {
    let language = vm.extension::<Language>();
    let is_full = language.output.print(text, flush);
    let wait = language.wait_for_output.filter(|_| is_full);
    match wait {
        Some(wait) if !vm.is_within() => wait(vm),
        _ => Value::NIL.into(),
    }
}

/// Formats as `printf` does, up to the first problem.
fn format(vm: &Vm, pattern: &[u8], arguments: &[Value], out: &mut Vec<u8>) -> Result<(), String> {
    let mut arguments = arguments.iter();
    let mut bytes = pattern.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let kind = bytes.next();
        let mut argument = || {
            let next = arguments.next();
            next.copied().ok_or("printf: not enough arguments for format string".to_string())
        };
        match kind {
            Some(b's') => {
                let value = argument()?;
                match value.as_bytes(&vm.heap) {
                    Some(text) => out.extend_from_slice(text),
                    None if value.is_error() => append(&vm.heap, value, Style::Display, out),
                    None => return Err("printf: %s requires string argument".into()),
                }
            }
            Some(b'd' | b'l') => {
                let value = argument()?;
                if valk_vm::as_decimal(value).is_some() {
                    return Err(
                        "printf: %d takes an integer; str/format has %f for decimals".into()
                    );
                }
                let number = value.as_integer();
                let number = number.ok_or("printf: %d/%ld requires number argument")?;
                out.extend_from_slice(number.to_string().as_bytes());
                if kind == Some(b'l') && bytes.peek() == Some(&b'd') {
                    bytes.next();
                }
            }
            Some(b'%') | None => out.push(b'%'),
            Some(other) => out.extend_from_slice(&[b'%', other]),
        }
    }
    Ok(())
}

/// Where a format goes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum To {
    Output,
    /// To standard output, as a line.
    Line,
    /// To standard error, as a line.
    ErrorLine,
}

fn formatted(vm: &mut Vm, arguments: &[Value], to: To) -> Outcome {
    let pattern = string!(vm, arguments[0]);
    let mut out = Vec::new();
    let result = format(vm, &pattern, &arguments[1..], &mut out);
    if result.is_ok() && to != To::Output {
        out.push(b'\n');
    }
    let written = match to {
        To::Output | To::Line => write(vm, &out, to == To::Line),
        To::ErrorLine => {
            vm.extension::<Language>().output.write_error(&out);
            Value::NIL.into()
        }
    };
    match result {
        Ok(()) => written,
        Err(problem) => fail_over(vm, arguments, &problem),
    }
}

fn printf(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    formatted(vm, arguments, To::Output)
}

fn println(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    formatted(vm, arguments, To::Line)
}

fn println_error(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    formatted(vm, arguments, To::ErrorLine)
}
