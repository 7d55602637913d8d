//! Regular expressions over text: the syntax of the `regex-lite` crate, matched in linear time.
//!
//! Compiled patterns are kept, a bounded number per runtime; when that is reached all are dropped.

use super::strings::new_string;
use crate::builtins::row::{Row, fail, string, truth};
use regex_lite::Regex;
use std::collections::HashMap;
use valk_heap::Value;
use valk_vm::{Arity, Outcome, Vm};

pub(super) const TABLE: &[Row] = &[
    ("regex/match?", Arity::Exactly(2), is_match),
    ("regex/find", Arity::Exactly(2), find),
    ("regex/find-all", Arity::Exactly(2), find_all),
    ("regex/replace", Arity::Exactly(3), replace),
    ("regex/split", Arity::Exactly(2), split),
];

/// Most compiled patterns kept.
pub(crate) const PATTERNS_MAX: usize = 64;

/// Compiled patterns by their text.
#[derive(Default)]
struct Patterns(HashMap<String, Regex>);

/// Takes a text argument or leaves the builtin with the error.
macro_rules! text {
    ($vm:expr, $name:expr, $value:expr) => {
        match String::from_utf8(string!($vm, $value)) {
            Ok(text) => text,
            Err(_) => return fail($vm, &format!("{}: the string is not UTF-8", $name)),
        }
    };
}

/// Takes a pattern argument or leaves the builtin with the error.
macro_rules! pattern {
    ($vm:expr, $name:expr, $value:expr) => {{
        let pattern = text!($vm, $name, $value);
        match compiled($vm, &pattern) {
            Ok(regex) => regex,
            Err(reason) => return fail($vm, &format!("{}: {pattern}: {reason}", $name)),
        }
    }};
}

fn compiled(vm: &mut Vm, pattern: &str) -> Result<Regex, regex_lite::Error> {
    let known = &mut vm.extension::<Patterns>().0;
    if let Some(regex) = known.get(pattern) {
        return Ok(regex.clone());
    }
    let regex = Regex::new(pattern)?;
    if known.len() >= PATTERNS_MAX {
        known.clear();
    }
    known.insert(pattern.to_owned(), regex.clone());
    Ok(regex)
}

fn is_match(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let regex = pattern!(vm, "regex/match?", arguments[0]);
    let text = text!(vm, "regex/match?", arguments[1]);
    truth(regex.is_match(&text))
}

/// The first match and its groups as a quoted list, nil for a group that took no part; nil when
/// nothing matches.
fn find(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let regex = pattern!(vm, "regex/find", arguments[0]);
    let text = text!(vm, "regex/find", arguments[1]);
    let Some(found) = regex.captures(&text) else { return Value::NIL.into() };
    let groups: Vec<Option<&str>> = found.iter().map(|group| group.map(|g| g.as_str())).collect();
    strings(vm, &groups)
}

/// All matches that do not overlap.
fn find_all(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let regex = pattern!(vm, "regex/find-all", arguments[0]);
    let text = text!(vm, "regex/find-all", arguments[1]);
    let found: Vec<Option<&str>> = regex.find_iter(&text).map(|m| Some(m.as_str())).collect();
    strings(vm, &found)
}

fn strings(vm: &mut Vm, texts: &[Option<&str>]) -> Outcome {
    let list = texts.iter().rev().fold(Value::NIL, |rest, text| {
        let text = text.map_or(Value::NIL, |text| vm.heap.string(text.as_bytes()));
        vm.heap.cons(text, rest, true)
    });
    list.into()
}

/// Replaces every match; `$1` and `${name}` in the replacement stand for groups, `$$` for `$`.
fn replace(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let regex = pattern!(vm, "regex/replace", arguments[0]);
    let text = text!(vm, "regex/replace", arguments[1]);
    let replacement = text!(vm, "regex/replace", arguments[2]);
    let replaced = regex.replace_all(&text, replacement.as_str()).into_owned();
    new_string(vm, replaced.as_bytes())
}

fn split(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let regex = pattern!(vm, "regex/split", arguments[0]);
    let text = text!(vm, "regex/split", arguments[1]);
    let parts: Vec<Option<&str>> = regex.split(&text).map(Some).collect();
    strings(vm, &parts)
}
