//! Families of error messages: the texts by which each is known, its code, and what its main label
//! says.
//!
//! An error value has a message and no code, so the text decides. Programs compare these texts, so they
//! never change. A program that makes an error with such a text gets the code that goes with it.

use valk_diagnostics::Code;

/// What every message of an unbound symbol begins with.
const UNBOUND: &str = "LEnv: Symbol `";

/// What the message of a builtin that names itself ends with.
const TOO_MANY: &str = "passed too many arguments";

/// What a family's messages begin with, and their code.
const BEGINNINGS: &[(&str, Code)] = &[
    (UNBOUND, Code::UnboundSymbol),
    ("Actual: ", Code::WrongType),
    ("This function only supports Numbers : ", Code::WrongType),
    ("unquote-splicing requires a list", Code::WrongType),
    ("Cannot use a non symbol[", Code::WrongType),
    ("Invalid argument count", Code::ArgumentCount),
    ("More arguments were given than required", Code::ArgumentCount),
    ("Cannot call non-function: ", Code::NotAFunction),
    ("Division By Zero", Code::DivisionByZero),
    ("out of memory", Code::OutOfMemory),
    ("Invalid function format", Code::MalformedForm),
    ("if requires ", Code::MalformedForm),
    ("quote expects ", Code::MalformedForm),
    ("quasiquote expects ", Code::MalformedForm),
    ("unquote expects ", Code::MalformedForm),
    ("unquote-splicing expects ", Code::MalformedForm),
    ("ctx/with requires ", Code::MalformedForm),
    ("ctx/with-deadline requires ", Code::MalformedForm),
    ("Select clause must have ", Code::MalformedForm),
    ("interrupted", Code::Interrupted),
    ("Could not open file (", Code::FileUnreadable),
    ("Failed to read file (", Code::FileUnreadable),
];

/// The code of a message.
pub fn code(message: &str) -> Code {
    let known = BEGINNINGS.iter().find(|(text, _)| message.starts_with(text));
    match known {
        Some((_, code)) => *code,
        None if message.ends_with(TOO_MANY) => Code::ArgumentCount,
        None => Code::RuntimeError,
    }
}

/// The name in the message of an unbound symbol.
pub fn unbound_name(message: &str) -> Option<&str> {
    message.strip_prefix(UNBOUND)?.strip_suffix("` is not bound")
}

/// The type that the message says was given.
fn given_type(message: &str) -> Option<&str> {
    let (_, after) = message.split_once(": ").filter(|_| code(message) != Code::RuntimeError)?;
    let name = after.split(',').next()?;
    name.bytes().all(|byte| byte.is_ascii_alphabetic()).then_some(name)
}

/// What the main label says.
pub fn label(code: Code, message: &str) -> String {
    let fixed = match code {
        Code::UnboundSymbol => "bound to nothing",
        Code::ArgumentCount => "called here",
        Code::DivisionByZero => "divides by 0",
        Code::OutOfMemory => "memory ran out here",
        Code::MalformedForm => "this form",
        Code::Interrupted => "stopped here",
        Code::WrongType | Code::NotAFunction => {
            let Some(name) = given_type(message) else { return "wrong type".into() };
            let article = if name.starts_with(['E', 'U']) { "an" } else { "a" };
            let verb = if code == Code::WrongType { "was given" } else { "this is" };
            return format!("{verb} {article} {name}");
        }
        _ => "the error value was made here",
    };
    fixed.into()
}
