//! Builtins of the reference evaluator: which there are, how many arguments they take, what they do.
//!
//! A typed builtin that is given an error where another type is wanted returns that error.

use super::eval::{Evaluation, Interpreter, OutOfSteps, ROOT, form};
use super::value::{Closure, Value, display, equal};
use std::rc::Rc;
use valk_decimal::Decimal;
use valk_diagnostics::FileId;

/// How many arguments a builtin takes.
enum Arity {
    Any,
    Exactly(usize),
    MoreThan(usize),
    /// Fewer arguments wait for the others.
    Curried(usize),
}
use Arity::{Any, Curried, Exactly, MoreThan};

/// Makes the enumeration and its table from one list.
macro_rules! builtins {
    ($($variant:ident $name:literal $arity:expr,)*) => {
        /// A builtin.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Builtin { $($variant),* }

        /// Every builtin.
        pub fn all() -> Vec<Builtin> {
            vec![$(Builtin::$variant),*]
        }

        impl Builtin {
            /// Its name in programs.
            pub fn name(self) -> &'static str {
                match self { $(Builtin::$variant => $name),* }
            }

            fn arity(self) -> Arity {
                match self { $(Builtin::$variant => $arity),* }
            }
        }
    };
}

builtins! {
    Define "def" MoreThan(1),
    Assign "=" MoreThan(1),
    Lambda "\\" Exactly(2),
    Fun "fun" Exactly(2),
    Do "do" Any,
    Select "select" Any,
    Case "case" MoreThan(0),
    Let "let" Exactly(1),
    Eval "eval" Exactly(1),
    Read "read" Exactly(1),
    And "and" Curried(2),
    Or "or" Curried(2),
    Not "not" Curried(1),
    Error "error" Exactly(1),
    IsError "error?" Exactly(1),
    IsNil "nil?" Curried(1),
    IsList "list?" Exactly(1),
    List "list" Any,
    Cons "cons" Exactly(2),
    Head "head" Any,
    Tail "tail" Any,
    Init "init" Exactly(1),
    Join "join" Any,
    Len "len" Exactly(1),
    Range "range" Exactly(2),
    Unpack "unpack" Curried(2),
    Add "+" Any,
    Subtract "-" MoreThan(0),
    Multiply "*" Any,
    Divide "/" MoreThan(0),
    Less "<" Exactly(2),
    LessEqual "<=" Exactly(2),
    Greater ">" Exactly(2),
    GreaterEqual ">=" Exactly(2),
    Equal "==" Exactly(2),
    Differs "!=" Exactly(2),
    Ord "ord" Exactly(2),
    ParseNumber "str->num" Exactly(1),
    Str "str" Any,
    Print "print" Any,
    MakeString "make-string" Exactly(2),
    Split "str/split" Exactly(2),
    Replace "str/replace" Exactly(3),
    Slice "str/slice" Exactly(3),
}

/// Longest string `make-string` makes, in bytes.
const MAKE_STRING_BYTES_MAX: i64 = 104_857_600;

/// Programs that make larger values than this have no result.
const WEIGHT_MAX: u64 = 20_000;

/// Leaves a builtin early with an error value, or for want of steps.
enum Stop {
    Value(Value),
    Steps,
}

impl From<OutOfSteps> for Stop {
    fn from(_: OutOfSteps) -> Stop {
        Stop::Steps
    }
}

fn fail<T>(text: &str) -> Result<T, Stop> {
    Err(Stop::Value(Value::error(text)))
}

fn wrong_type<T>(value: &Value, expected: &str) -> Result<T, Stop> {
    if value.is_error() {
        return Err(Stop::Value(value.clone()));
    }
    fail(&format!("Actual: {}, Expected(One-Of): [{expected}]", value.type_name()))
}

fn number(value: &Value) -> Result<i64, Stop> {
    if let Value::Number(number) = value { Ok(*number) } else { wrong_type(value, "Number") }
}

fn text(value: &Value) -> Result<Rc<[u8]>, Stop> {
    if let Value::Text(bytes) = value { Ok(Rc::clone(bytes)) } else { wrong_type(value, "String") }
}

fn list(value: &Value, expected: &str) -> Result<Vec<Value>, Stop> {
    if value.is_list() { Ok(value.elements()) } else { wrong_type(value, expected) }
}

/// Calls a builtin from a frame.
pub fn apply(
    interpreter: &mut Interpreter,
    builtin: Builtin,
    arguments: &[Value],
    frame: usize,
) -> Evaluation {
    let given = arguments.len();
    let (wrong, relation, expected) = match builtin.arity() {
        Any => (false, "", 0),
        Exactly(n) => (given != n, "==", n),
        MoreThan(n) => (given <= n, ">", n),
        Curried(1..) if given == 0 => return Ok(Value::Builtin(builtin)),
        Curried(n) if given < n => return Ok(Value::Waiting(builtin, arguments.into())),
        Curried(n) if given > n => {
            return Ok(Value::error(&format!(
                "More arguments were given than required. Actual: {given}, Expected: {n}"
            )));
        }
        Curried(_) => (false, "", 0),
    };
    if wrong {
        return Ok(Value::error(&format!(
            "Invalid argument count, Actual[{given}] {relation} Expected[{expected}]"
        )));
    }
    match run(interpreter, builtin, arguments, frame) {
        Ok(value) | Err(Stop::Value(value)) if value.weight() > WEIGHT_MAX => Err(OutOfSteps),
        Ok(value) | Err(Stop::Value(value)) => Ok(value),
        Err(Stop::Steps) => Err(OutOfSteps),
    }
}

fn run(
    interpreter: &mut Interpreter,
    builtin: Builtin,
    arguments: &[Value],
    frame: usize,
) -> Result<Value, Stop> {
    match builtin {
        Builtin::Define => define(interpreter, arguments, frame),
        Builtin::Assign => assign(interpreter, arguments, frame),
        Builtin::Lambda => lambda(&arguments[0], &arguments[1], frame),
        Builtin::Fun => fun(interpreter, arguments),
        Builtin::Do => Ok(arguments.last().cloned().unwrap_or(Value::Nil)),
        Builtin::Select => select(interpreter, arguments, frame),
        Builtin::Case => case(interpreter, arguments, frame),
        Builtin::Let => {
            list(&arguments[0], "List, Nil")?;
            Ok(interpreter.scope(&arguments[0], frame)?)
        }
        Builtin::Eval => Ok(interpreter.code(&arguments[0], frame)?),
        Builtin::Print => {
            interpreter.print(arguments);
            Ok(Value::Nil)
        }
        Builtin::Unpack => {
            let items = list(&arguments[1], "List, Nil")?;
            Ok(interpreter.apply(&arguments[0], &items, frame)?)
        }
        _ => plain(builtin, arguments),
    }
}

/// Builtins that depend on their arguments alone.
fn plain(builtin: Builtin, arguments: &[Value]) -> Result<Value, Stop> {
    match builtin {
        Builtin::Read => read(&text(&arguments[0])?),
        Builtin::And | Builtin::Or => {
            let decides = arguments[0].is_true() == (builtin == Builtin::Or);
            let [x, y] = arguments else { unreachable!("curried with two") };
            let last = if x.is_error() || decides { x } else { y };
            Ok(if last.is_error() { last.clone() } else { Value::truth(last.is_true()) })
        }
        Builtin::Not if arguments[0].is_error() => Ok(arguments[0].clone()),
        Builtin::Not => Ok(Value::truth(!arguments[0].is_true())),
        Builtin::Error => Ok(Value::Error(text(&arguments[0])?)),
        Builtin::IsError => Ok(Value::truth(arguments[0].is_error())),
        Builtin::IsNil => Ok(Value::truth(matches!(arguments[0], Value::Nil))),
        Builtin::IsList => Ok(Value::truth(arguments[0].is_list())),
        Builtin::List => Ok(Value::list(arguments, Value::Nil, true)),
        Builtin::Cons => {
            list(&arguments[1], "List, Nil")?;
            Ok(Value::cons(arguments[0].clone(), arguments[1].clone(), false))
        }
        Builtin::Head | Builtin::Tail => end(builtin, arguments),
        Builtin::Init => match &arguments[0] {
            Value::Pair(cell) => {
                let items = arguments[0].elements();
                Ok(Value::list(&items[..items.len() - 1], Value::Nil, cell.quoted))
            }
            other => wrong_type(other, "List"),
        },
        Builtin::Join => join(arguments),
        Builtin::Len => match &arguments[0] {
            Value::Text(bytes) => Ok(Value::Number(bytes.len() as i64)),
            other => Ok(Value::Number(list(other, "List, Nil, String")?.len() as i64)),
        },
        Builtin::Range => {
            let (from, to) = (number(&arguments[0])?, number(&arguments[1])?);
            if to.saturating_sub(from) > WEIGHT_MAX as i64 {
                return Err(Stop::Steps);
            }
            let numbers: Vec<Value> = (from..to).map(Value::Number).collect();
            Ok(Value::list(&numbers, Value::Nil, false))
        }
        Builtin::Equal => Ok(Value::truth(equal(&arguments[0], &arguments[1]))),
        Builtin::Differs => Ok(Value::truth(!equal(&arguments[0], &arguments[1]))),
        Builtin::Less => compare(arguments, |x, y| x < y),
        Builtin::LessEqual => compare(arguments, |x, y| x <= y),
        Builtin::Greater => compare(arguments, |x, y| x > y),
        Builtin::GreaterEqual => compare(arguments, |x, y| x >= y),
        Builtin::Ord => ord(&arguments[0], &arguments[1]),
        Builtin::Add | Builtin::Subtract | Builtin::Multiply | Builtin::Divide => {
            arithmetic(builtin, arguments)
        }
        _ => strings(builtin, arguments),
    }
}

fn end(builtin: Builtin, arguments: &[Value]) -> Result<Value, Stop> {
    let [only] = arguments else {
        return fail(&format!("Builtin `{}` passed too many arguments", builtin.name()));
    };
    match only {
        Value::Pair(cell) if builtin == Builtin::Head => Ok(cell.head.clone()),
        Value::Pair(cell) => Ok(cell.tail.clone()),
        other => wrong_type(other, "List, List"),
    }
}

fn strings(builtin: Builtin, arguments: &[Value]) -> Result<Value, Stop> {
    match builtin {
        Builtin::Str => {
            let displays: Vec<Vec<u8>> = arguments.iter().map(display).collect();
            Ok(Value::text(&displays.concat()))
        }
        Builtin::MakeString => make_string(arguments),
        Builtin::ParseNumber => parse(&text(&arguments[0])?),
        Builtin::Split => {
            let (whole, delimiter) = (text(&arguments[0])?, text(&arguments[1])?);
            if delimiter.is_empty() {
                return fail("str/split: delimiter cannot be empty");
            }
            let parts: Vec<Value> =
                pieces(&whole, &delimiter).into_iter().map(Value::text).collect();
            Ok(Value::list(&parts, Value::Nil, false))
        }
        Builtin::Replace => {
            let [whole, from, to] =
                [text(&arguments[0])?, text(&arguments[1])?, text(&arguments[2])?];
            if from.is_empty() {
                return fail("str/replace: search string cannot be empty");
            }
            Ok(Value::text(&pieces(&whole, &from).join(&to[..])))
        }
        _ => {
            let whole = text(&arguments[0])?;
            let (start, end) = (number(&arguments[1])?, number(&arguments[2])?);
            let length = whole.len() as i64;
            let (start, end) = (start.clamp(0, length) as usize, end.clamp(0, length) as usize);
            Ok(Value::text(if start < end { &whole[start..end] } else { b"" }))
        }
    }
}

/// What stands between the occurrences of `delimiter`, found from the left.
fn pieces<'a>(whole: &'a [u8], delimiter: &[u8]) -> Vec<&'a [u8]> {
    let (mut parts, mut start, mut at) = (Vec::new(), 0, 0);
    while at + delimiter.len() <= whole.len() {
        if whole[at..].starts_with(delimiter) {
            parts.push(&whole[start..at]);
            at += delimiter.len();
            start = at;
        } else {
            at += 1;
        }
    }
    parts.push(&whole[start..]);
    parts
}

fn arithmetic(builtin: Builtin, arguments: &[Value]) -> Result<Value, Stop> {
    if let Some(error) = arguments.iter().find(|value| value.is_error()) {
        return Ok(error.clone());
    }
    if let Some(wrong) = arguments.iter().find(|value| value.as_decimal().is_none()) {
        let actual = wrong.type_name();
        return fail(&format!("This function only supports Numbers : {actual}"));
    }
    let (mut result, rest) = match builtin {
        Builtin::Add => (Value::Number(0), arguments),
        Builtin::Multiply => (Value::Number(1), arguments),
        Builtin::Subtract if arguments.len() == 1 => (Value::Number(0), arguments),
        _ => (arguments[0].clone(), &arguments[1..]),
    };
    for other in rest {
        result = computed(builtin, &result, other)?;
    }
    Ok(result)
}

/// Two numbers: of integers an integer, else a decimal.
fn computed(builtin: Builtin, x: &Value, y: &Value) -> Result<Value, Stop> {
    if let (Value::Number(x), Value::Number(y)) = (x, y) {
        return match builtin {
            Builtin::Add => Ok(Value::Number(x.wrapping_add(*y))),
            Builtin::Multiply => Ok(Value::Number(x.wrapping_mul(*y))),
            Builtin::Subtract => Ok(Value::Number(x.wrapping_sub(*y))),
            _ if *y == 0 => fail("Division By Zero"),
            _ => Ok(Value::Number(x.wrapping_div(*y))),
        };
    }
    let (x, y) = (x.as_decimal().unwrap_or_default(), y.as_decimal().unwrap_or_default());
    let (name, result) = match builtin {
        Builtin::Add => ("+", x.checked_add(y)),
        Builtin::Multiply => ("*", x.checked_mul(y)),
        Builtin::Subtract => ("-", x.checked_sub(y)),
        _ if y == Decimal::ZERO => return fail("Division By Zero"),
        _ => ("/", x.checked_div(y)),
    };
    match result {
        Some(result) => Ok(Value::Decimal(result)),
        None => {
            fail(&format!("{name}: what {x} and {y} give {}", valk_decimal::Problem::OutOfRange))
        }
    }
}

/// Both numbers, with the first error of either preferred to a type error.
fn compare(arguments: &[Value], holds: fn(&Decimal, &Decimal) -> bool) -> Result<Value, Stop> {
    if let Some(error) = arguments.iter().find(|value| value.is_error()) {
        return Ok(error.clone());
    }
    let mut numbers = [Decimal::ZERO; 2];
    for (place, value) in numbers.iter_mut().zip(arguments) {
        let Some(number) = value.as_decimal() else { return wrong_type(value, "Number") };
        *place = number;
    }
    Ok(Value::truth(holds(&numbers[0], &numbers[1])))
}

fn ord(x: &Value, y: &Value) -> Result<Value, Stop> {
    let order = match (x, y) {
        (Value::Number(_) | Value::Decimal(_), Value::Number(_) | Value::Decimal(_)) => {
            x.as_decimal().cmp(&y.as_decimal())
        }
        (Value::Text(x), Value::Text(y)) => x.cmp(y),
        (Value::Error(_), _) => return Ok(x.clone()),
        (_, Value::Error(_)) => return Ok(y.clone()),
        _ => {
            let (x, y) = (x.type_name(), y.type_name());
            return fail(&format!("ord requires two Numbers or two Strings, got {x} and {y}"));
        }
    };
    Ok(Value::Number(order as i64))
}

fn parse(bytes: &[u8]) -> Result<Value, Stop> {
    let whole = String::from_utf8_lossy(bytes);
    let digits = whole.trim_start_matches([' ', '\t', '\n', '\r', '\u{b}', '\u{c}']);
    if whole.is_empty() {
        return Ok(Value::Number(0));
    }
    if digits.contains('.') {
        return match valk_decimal::parse(digits.strip_prefix('+').unwrap_or(digits)) {
            Ok(number) => Ok(Value::Decimal(number)),
            Err(valk_decimal::Problem::Malformed) => fail(&format!("Invalid number: {whole}")),
            Err(problem) => fail(&format!("Invalid number: {whole} {problem}")),
        };
    }
    let unsigned = digits.strip_prefix(['+', '-']).unwrap_or(digits);
    if unsigned.is_empty() || !unsigned.bytes().all(|byte| byte.is_ascii_digit()) {
        return fail(&format!("Invalid number: {whole}"));
    }
    match digits.parse() {
        Ok(number) => Ok(Value::Number(number)),
        Err(_) => fail(&format!("Number out of range: {whole}")),
    }
}

fn make_string(arguments: &[Value]) -> Result<Value, Stop> {
    let count = match &arguments[0] {
        Value::Number(count) => *count,
        Value::Error(_) => return Ok(arguments[0].clone()),
        _ => return fail("make-string: first argument must be a number"),
    };
    if count < 0 {
        return fail("make-string: count must be non-negative");
    }
    let pattern = match &arguments[1] {
        Value::Number(byte) => vec![*byte as u8],
        Value::Text(bytes) => bytes.to_vec(),
        Value::Error(_) => return Ok(arguments[1].clone()),
        _ => return fail("make-string: second argument must be string or number (char code)"),
    };
    let size = count.saturating_mul(pattern.len() as i64);
    if size > MAKE_STRING_BYTES_MAX {
        return fail(&format!("make-string: requested size {size} exceeds 100MB limit"));
    }
    if size > WEIGHT_MAX as i64 {
        return Err(Stop::Steps);
    }
    Ok(Value::text(&pattern.repeat(count as usize)))
}

fn read(bytes: &[u8]) -> Result<Value, Stop> {
    match valk_syntax::read_one(FileId(0), bytes) {
        Ok(tree) => Ok(form(&tree, 0)),
        Err(error) => fail(&error.legacy),
    }
}

fn join(arguments: &[Value]) -> Result<Value, Stop> {
    let Some((first, others)) = arguments.split_first() else { return Ok(Value::Nil) };
    let items = list(first, "List, Nil")?;
    let quoted = first.is_quoted();
    let mut tail = Value::Nil;
    for (index, part) in others.iter().enumerate().rev() {
        tail = match part {
            part if part.is_list() && index + 1 == others.len() => part.clone(),
            part if part.is_list() => Value::list(&part.elements(), tail, quoted),
            part => Value::cons(part.clone(), tail, quoted),
        };
    }
    Ok(Value::list(&items, tail, quoted))
}

/// The names a definition binds and the values it binds them to.
fn bindings(
    interpreter: &mut Interpreter,
    builtin: Builtin,
    arguments: &[Value],
    frame: usize,
) -> Result<Vec<(String, Value)>, Stop> {
    let targets = match &arguments[0] {
        symbol @ Value::Symbol(_) if builtin == Builtin::Define => vec![symbol.clone()],
        other => list(other, "List, Nil")?,
    };
    let mut names = Vec::new();
    for target in targets {
        let Value::Symbol(name) = &target else {
            let (name, actual) = (builtin.name(), target.type_name());
            return fail(&format!(
                "Builtin `{name}` requires that symbols parameter only has symbols found: {actual}"
            ));
        };
        names.push(name.to_string());
    }
    let (left, right) = (names.len(), arguments.len() - 1);
    if left != right {
        return fail(&format!("Invalid argument count, Actual[{left}] == Expected[{right}]"));
    }
    let values = arguments[1..].iter().map(|value| {
        let bound = value.variable().and_then(|name| interpreter.lookup_value(frame, name));
        bound.unwrap_or_else(|| value.clone())
    });
    Ok(names.into_iter().zip(values).collect())
}

fn define(interpreter: &mut Interpreter, arguments: &[Value], frame: usize) -> Result<Value, Stop> {
    for (name, value) in bindings(interpreter, Builtin::Define, arguments, frame)? {
        if value.is_error() {
            return Ok(value);
        }
        interpreter.bind(ROOT, &name, value);
    }
    Ok(Value::Nil)
}

fn assign(interpreter: &mut Interpreter, arguments: &[Value], frame: usize) -> Result<Value, Stop> {
    for (name, value) in bindings(interpreter, Builtin::Assign, arguments, frame)? {
        interpreter.bind(frame, &name, value);
    }
    Ok(Value::Nil)
}

fn lambda(formals: &Value, body: &Value, frame: usize) -> Result<Value, Stop> {
    let names = list(formals, "List, Nil")?;
    list(body, "List, Nil")?;
    if let Some(wrong) = names.iter().find(|name| !matches!(name, Value::Symbol(_))) {
        return fail(&format!("Cannot use a non symbol[{}] for bind", wrong.type_name()));
    }
    let (formals, body) = (formals.clone(), body.clone());
    Ok(Value::Closure(Rc::new(Closure { formals, body, frame, given: Vec::new() })))
}

fn fun(interpreter: &mut Interpreter, arguments: &[Value]) -> Result<Value, Stop> {
    let spec = list(&arguments[0], "List, Nil")?;
    list(&arguments[1], "List, Nil")?;
    let Some(Value::Symbol(name)) = spec.first() else {
        return fail("fun: the first list starts with the function's name");
    };
    let formals = Value::list(&spec[1..], Value::Nil, true);
    let function = lambda(&formals, &arguments[1], ROOT)?;
    interpreter.bind(ROOT, name, function);
    Ok(Value::Nil)
}

fn select(interpreter: &mut Interpreter, clauses: &[Value], frame: usize) -> Result<Value, Stop> {
    for clause in clauses {
        if list(clause, "List, Nil")?.len() != 2 {
            return fail("Select clause must have condition and result");
        }
    }
    for clause in clauses {
        let parts = clause.elements();
        let condition = interpreter.eval(&parts[0], frame)?;
        if condition.as_decimal().is_none() {
            return wrong_type(&condition, "Number");
        }
        if condition.is_true() {
            return Ok(interpreter.code(&parts[1], frame)?);
        }
    }
    fail("No selection found")
}

fn case(interpreter: &mut Interpreter, arguments: &[Value], frame: usize) -> Result<Value, Stop> {
    for clause in &arguments[1..] {
        if !matches!(clause, Value::Pair(_)) || clause.elements().len() != 2 {
            return wrong_type(clause, "List");
        }
    }
    for clause in &arguments[1..] {
        let parts = clause.elements();
        let key = interpreter.code(&parts[0], frame)?;
        if equal(&arguments[0], &key) {
            return Ok(parts[1].clone());
        }
    }
    fail("No case found")
}
