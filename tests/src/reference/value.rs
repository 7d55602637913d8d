//! Values of the reference evaluator, their printed forms and equality.
//!
//! The quoted bit is a cell's own, as in the specification, not a reference's.

use super::builtins::Builtin;
use std::rc::Rc;
use valk_decimal::Decimal;

/// A value.
#[derive(Clone, Debug)]
pub enum Value {
    /// A 64-bit integer.
    Number(i64),
    /// A decimal.
    Decimal(Decimal),
    /// A symbol or keyword.
    Symbol(Rc<str>),
    /// Bytes.
    Text(Rc<[u8]>),
    /// The empty list.
    Nil,
    /// A list cell.
    Pair(Rc<Cell>),
    /// An error with its message.
    Error(Rc<[u8]>),
    /// A builtin function.
    Builtin(Builtin),
    /// A builtin that waits for the rest of its arguments.
    Waiting(Builtin, Rc<[Value]>),
    /// A function of the program.
    Closure(Rc<Closure>),
}

/// A list cell.
#[derive(Debug)]
pub struct Cell {
    /// First element.
    pub head: Value,
    /// The other elements.
    pub tail: Value,
    /// `{…}` as opposed to `(…)`.
    pub quoted: bool,
    /// Values and bytes in it, shared ones counted each time: what printing it costs.
    weight: u64,
}

/// A function of the program.
#[derive(Debug)]
pub struct Closure {
    /// Formals that have no argument yet, as a list.
    pub formals: Value,
    /// What to do when they have.
    pub body: Value,
    /// Index of the frame it was made in, or that holds its first arguments.
    pub frame: usize,
    /// Those first arguments, for equality.
    pub given: Vec<Value>,
}

impl Value {
    /// A byte string.
    pub fn text(bytes: &[u8]) -> Value {
        Value::Text(bytes.into())
    }

    /// An error with this message.
    pub fn error(message: &str) -> Value {
        Value::Error(message.as_bytes().into())
    }

    /// A list cell.
    pub fn cons(head: Value, tail: Value, quoted: bool) -> Value {
        let weight = head.weight().saturating_add(tail.weight()).saturating_add(1);
        Value::Pair(Rc::new(Cell { head, tail, quoted, weight }))
    }

    /// Values and bytes in it; see `Cell`.
    pub fn weight(&self) -> u64 {
        match self {
            Value::Pair(cell) => cell.weight,
            Value::Text(bytes) | Value::Error(bytes) => bytes.len() as u64,
            Value::Waiting(_, given) => {
                given.iter().fold(1, |sum: u64, value| sum.saturating_add(value.weight()))
            }
            Value::Closure(closure) => closure.body.weight(),
            _ => 1,
        }
    }

    /// A list of these elements in front of `tail`.
    pub fn list(items: &[Value], tail: Value, quoted: bool) -> Value {
        items.iter().rev().fold(tail, |tail, item| Value::cons(item.clone(), tail, quoted))
    }

    /// 1 or 0.
    pub fn truth(condition: bool) -> Value {
        Value::Number(i64::from(condition))
    }

    /// The elements of a list; none for other values.
    pub fn elements(&self) -> Vec<Value> {
        let (mut items, mut rest) = (Vec::new(), self);
        while let Value::Pair(cell) = rest {
            items.push(cell.head.clone());
            rest = &cell.tail;
        }
        items
    }

    /// True for the empty list and for cells.
    pub fn is_list(&self) -> bool {
        matches!(self, Value::Nil | Value::Pair(_))
    }

    /// True for errors.
    pub fn is_error(&self) -> bool {
        matches!(self, Value::Error(_))
    }

    /// True for a cell with the quoted bit.
    pub fn is_quoted(&self) -> bool {
        matches!(self, Value::Pair(cell) if cell.quoted)
    }

    /// Everything that can be called.
    pub fn is_function(&self) -> bool {
        matches!(self, Value::Builtin(_) | Value::Waiting(..) | Value::Closure(_))
    }

    /// The name of a symbol that stands for a variable.
    pub fn variable(&self) -> Option<&str> {
        match self {
            Value::Symbol(name) if !name.starts_with(':') => Some(name),
            _ => None,
        }
    }

    /// A number as a decimal.
    pub fn as_decimal(&self) -> Option<Decimal> {
        match self {
            Value::Number(number) => Some(Decimal::from_integer(*number)),
            Value::Decimal(number) => Some(*number),
            _ => None,
        }
    }

    /// What `if` goes by.
    pub fn is_true(&self) -> bool {
        !matches!(self, Value::Nil | Value::Number(0) | Value::Decimal(Decimal::ZERO))
    }

    /// The type's name in messages.
    pub fn type_name(&self) -> &'static str {
        match self {
            Value::Number(_) => "Number",
            Value::Decimal(_) => "Decimal",
            Value::Symbol(_) => "Symbol",
            Value::Text(_) => "String",
            Value::Nil => "Nil",
            Value::Pair(_) => "List",
            Value::Error(_) => "Error",
            Value::Builtin(_) | Value::Waiting(..) | Value::Closure(_) => "Function",
        }
    }
}

/// What `print` shows.
pub fn display(value: &Value) -> Vec<u8> {
    match value {
        Value::Number(number) => number.to_string().into_bytes(),
        Value::Decimal(number) => number.to_string().into_bytes(),
        Value::Text(bytes) => bytes.to_vec(),
        Value::Error(message) => [b"Error: ", &message[..]].concat(),
        Value::Waiting(..) | Value::Closure(_) => b"<lambda>".to_vec(),
        other => shared_form(other, display),
    }
}

/// What error reports show.
pub fn repr(value: &Value) -> Vec<u8> {
    match value {
        Value::Number(number) => format!("Num[{number}]").into_bytes(),
        Value::Decimal(number) => format!("Num[{number}]").into_bytes(),
        Value::Text(bytes) => quote(bytes),
        Value::Error(message) => [b"Error[", &message[..], b"]"].concat(),
        Value::Closure(closure) => {
            let formals = Value::list(&closure.formals.elements(), Value::Nil, true);
            let (formals, body) = (repr(&formals), repr(&closure.body));
            let open = |text: Vec<u8>| if text == b"{}" { b"()".to_vec() } else { text };
            [b"(\\ ".to_vec(), open(formals), b" ".to_vec(), open(body), b")".to_vec()].concat()
        }
        other => shared_form(other, repr),
    }
}

/// What both forms have in common.
fn shared_form(value: &Value, inner: fn(&Value) -> Vec<u8>) -> Vec<u8> {
    match value {
        Value::Symbol(name) => name.as_bytes().to_vec(),
        Value::Pair(cell) => {
            let (open, close) = if cell.quoted { (b"{", b"}") } else { (b"(", b")") };
            let items: Vec<Vec<u8>> = value.elements().iter().map(inner).collect();
            [open.to_vec(), items.join(&b' '), close.to_vec()].concat()
        }
        Value::Builtin(_) => b"<builtin>".to_vec(),
        Value::Waiting(..) => b"<lambda>".to_vec(),
        _ => b"()".to_vec(),
    }
}

/// A string as it would be written in a program.
fn quote(bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![b'"'];
    for byte in bytes {
        let escape = match byte {
            7 => b'a',
            8 => b'b',
            12 => b'f',
            b'\n' => b'n',
            b'\r' => b'r',
            b'\t' => b't',
            11 => b'v',
            b'\\' | b'\'' | b'"' => *byte,
            _ => {
                out.push(*byte);
                continue;
            }
        };
        out.extend([b'\\', escape]);
    }
    out.push(b'"');
    out
}

/// `==`.
pub fn equal(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(_) | Value::Decimal(_), Value::Number(_) | Value::Decimal(_)) => {
            a.as_decimal() == b.as_decimal()
        }
        (Value::Symbol(x), Value::Symbol(y)) => x == y,
        (Value::Text(x), Value::Text(y)) | (Value::Error(x), Value::Error(y)) => x == y,
        (Value::Nil, Value::Nil) => true,
        (Value::Pair(_), Value::Pair(_)) => {
            let (x, y) = (a.elements(), b.elements());
            x.len() == y.len() && x.iter().zip(&y).all(|(x, y)| equal(x, y))
        }
        (Value::Builtin(x), Value::Builtin(y)) => x == y,
        (Value::Waiting(x, given), Value::Waiting(y, other)) => {
            let same = x == y && given.len() == other.len();
            same && given.iter().zip(other.iter()).all(|(x, y)| equal(x, y))
        }
        (Value::Closure(x), Value::Closure(y)) => {
            let same = equal(&x.formals, &y.formals) && equal(&x.body, &y.body);
            let given = x.given.iter().zip(&y.given);
            same && x.given.len() == y.given.len() && given.into_iter().all(|(x, y)| equal(x, y))
        }
        _ => false,
    }
}
