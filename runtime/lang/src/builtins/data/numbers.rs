//! Numbers and comparison.

use crate::builtins::row::{Row, fail, string, truth};
use valk_heap::Value;
use valk_vm::{
    Arity, Opcode, Outcome, Vm, decimal_value, equal, is_number, number_as_decimal, operate,
    type_name,
};

pub(super) const TABLE: &[Row] = &[
    ("+", Arity::Any, add),
    ("-", Arity::MoreThan(0), subtract),
    ("*", Arity::Any, multiply),
    ("/", Arity::MoreThan(0), divide),
    ("rem", Arity::Exactly(2), remainder),
    ("mod", Arity::Exactly(2), modulo),
    ("<", Arity::Exactly(2), less),
    ("<=", Arity::Exactly(2), less_equal),
    (">", Arity::Exactly(2), greater),
    (">=", Arity::Exactly(2), greater_equal),
    ("==", Arity::Exactly(2), equals),
    ("!=", Arity::Exactly(2), differs),
    ("ord", Arity::Exactly(2), ord),
    ("str->num", Arity::Exactly(1), parse),
];

/// Folds an arithmetic operation from the left; every argument is checked before any is used.
fn fold(vm: &mut Vm, opcode: Opcode, start: Option<i64>, arguments: &[Value]) -> Outcome {
    if let Some(error) = arguments.iter().find(|value| value.is_error()) {
        return (*error).into();
    }
    if let Some(wrong) = arguments.iter().find(|value| !is_number(**value)) {
        let text = format!("This function only supports Numbers : {}", type_name(*wrong));
        return fail(vm, &text);
    }
    let (first, rest) = match start {
        Some(neutral) => (Value::fixnum(neutral), arguments),
        None => (arguments[0], &arguments[1..]),
    };
    let mut result = first;
    for value in rest {
        result = operate(vm, opcode, result, *value);
        if result.is_error() {
            break;
        }
    }
    result.into()
}

fn add(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    fold(vm, Opcode::Add, Some(0), arguments)
}

fn multiply(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    fold(vm, Opcode::Multiply, Some(1), arguments)
}

fn subtract(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let negates = arguments.len() == 1;
    fold(vm, Opcode::Subtract, negates.then_some(0), arguments)
}

fn divide(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    fold(vm, Opcode::Divide, None, arguments)
}

fn remainder(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    operate(vm, Opcode::Remainder, arguments[0], arguments[1]).into()
}

fn modulo(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    operate(vm, Opcode::Modulo, arguments[0], arguments[1]).into()
}

fn less(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    operate(vm, Opcode::Less, arguments[0], arguments[1]).into()
}

fn less_equal(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    operate(vm, Opcode::LessEqual, arguments[0], arguments[1]).into()
}

fn greater(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    operate(vm, Opcode::Greater, arguments[0], arguments[1]).into()
}

fn greater_equal(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    operate(vm, Opcode::GreaterEqual, arguments[0], arguments[1]).into()
}

fn equals(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    truth(equal(&vm.heap, arguments[0], arguments[1]))
}

fn differs(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    truth(!equal(&vm.heap, arguments[0], arguments[1]))
}

fn ord(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let (x, y) = (arguments[0], arguments[1]);
    let order = match (number_as_decimal(x), number_as_decimal(y)) {
        (Some(x), Some(y)) => Some(x.cmp(&y)),
        _ => x.as_bytes(&vm.heap).zip(y.as_bytes(&vm.heap)).map(|(x, y)| x.cmp(y)),
    };
    if let Some(order) = order {
        return Value::fixnum(order as i64).into();
    }
    if let Some(error) = [x, y].into_iter().find(|value| value.is_error()) {
        return error.into();
    }
    let text = format!(
        "ord requires two Numbers or two Strings, got {} and {}",
        type_name(x),
        type_name(y)
    );
    fail(vm, &text)
}

fn parse(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let bytes = string!(vm, arguments[0]);
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let digits = text.trim_start_matches([' ', '\t', '\n', '\r', '\u{b}', '\u{c}']);
    if digits.is_empty() && text.is_empty() {
        return Value::ZERO.into();
    }
    if digits.contains('.') {
        return match valk_decimal::parse(digits.strip_prefix('+').unwrap_or(digits)) {
            Ok(number) => decimal_value(&mut vm.heap, number).into(),
            Err(valk_decimal::Problem::Malformed) => fail(vm, &format!("Invalid number: {text}")),
            Err(problem) => fail(vm, &format!("Invalid number: {text} {problem}")),
        };
    }
    match digits.parse::<i64>() {
        Ok(number) => vm.heap.integer(number).into(),
        Err(error) => {
            use std::num::IntErrorKind::{NegOverflow, PosOverflow};
            let unsigned = digits.strip_prefix(['+', '-']).unwrap_or(digits);
            let range = matches!(error.kind(), PosOverflow | NegOverflow)
                && unsigned.bytes().all(|byte| byte.is_ascii_digit());
            let problem = if range { "Number out of range" } else { "Invalid number" };
            fail(vm, &format!("{problem}: {text}"))
        }
    }
}
