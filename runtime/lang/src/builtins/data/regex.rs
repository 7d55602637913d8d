//! Regular expressions over text: the syntax of the `regex` crate, Unicode, matched in linear time.
//!
//! The text is searched where it lies, and the results are slices of it.

mod patterns;
mod template;

use super::room::{Pieces, Text};
use crate::builtins::row::{Row, fail, text, truth};
use template::{Part, Template};
use valk_heap::Value;
use valk_vm::{Arity, Outcome, Vm};

pub(super) const TABLE: &[Row] = &[
    ("regex/match?", Arity::Exactly(2), is_match),
    ("regex/find", Arity::Exactly(2), find),
    ("regex/find-all", Arity::Exactly(2), find_all),
    ("regex/replace", Arity::Exactly(3), replace),
    ("regex/split", Arity::Exactly(2), split),
];

/// Takes a pattern argument or leaves the builtin with the error.
macro_rules! pattern {
    ($vm:expr, $name:expr, $value:expr) => {{
        let _ = text!($vm, $name, $value);
        match patterns::compiled($vm, $value) {
            Ok(pattern) => pattern,
            Err(reason) => return fail($vm, &format!("{}: {reason}", $name)),
        }
    }};
}

fn is_match(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let pattern = pattern!(vm, "regex/match?", arguments[0]);
    let text = text!(vm, "regex/match?", arguments[1]);
    truth(pattern.regex.is_match(text))
}

/// The first match and its groups as a quoted list, nil for a group that took no part; nil when
/// nothing matches.
fn find(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let pattern = pattern!(vm, "regex/find", arguments[0]);
    let text = text!(vm, "regex/find", arguments[1]);
    let mut places = pattern.places();
    if pattern.regex.captures_read(&mut places, text).is_none() {
        return Value::NIL.into();
    }
    let mut pieces = Pieces::default();
    for group in 0..places.len() {
        match places.get(group) {
            Some((start, end)) => pieces.push(&vm.heap, start..end),
            None => pieces.push_nil(&vm.heap),
        }
    }
    pattern.put_back(places);
    pieces.list(vm, arguments[1], true)
}

/// All matches that do not overlap.
fn find_all(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let pattern = pattern!(vm, "regex/find-all", arguments[0]);
    let text = text!(vm, "regex/find-all", arguments[1]);
    let mut pieces = Pieces::default();
    for found in pattern.regex.find_iter(text) {
        pieces.push(&vm.heap, found.range());
    }
    pieces.list(vm, arguments[1], true)
}

/// Replaces every match; `$1` and `${name}` in the replacement stand for groups, `$$` for `$`.
fn replace(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let pattern = pattern!(vm, "regex/replace", arguments[0]);
    let text = text!(vm, "regex/replace", arguments[1]);
    let replacement = text!(vm, "regex/replace", arguments[2]);
    let template = match Template::parse(replacement, &pattern.regex) {
        Ok(template) => template,
        Err(problem) => return fail(vm, &format!("regex/replace: {problem}")),
    };
    let (mut out, mut rest) = (Text::default(), 0);
    let mut put = |at: std::ops::Range<usize>, group: &dyn Fn(usize) -> Option<(usize, usize)>| {
        out.push(&vm.heap, &text.as_bytes()[rest..at.start]);
        for part in &template.parts {
            match *part {
                Part::Text(literal) => out.push(&vm.heap, literal.as_bytes()),
                Part::Group(number) => {
                    let (start, end) = group(number).unwrap_or((0, 0));
                    out.push(&vm.heap, &text.as_bytes()[start..end]);
                }
            }
        }
        rest = at.end;
    };
    if template.has_groups() {
        for found in pattern.regex.captures_iter(text) {
            let group = |number| found.get(number).map(|group| (group.start(), group.end()));
            put(found.get_match().range(), &group);
        }
    } else {
        pattern.regex.find_iter(text).for_each(|found| put(found.range(), &|_| None));
    }
    out.push(&vm.heap, &text.as_bytes()[rest..]);
    out.string(vm)
}

fn split(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let pattern = pattern!(vm, "regex/split", arguments[0]);
    let text = text!(vm, "regex/split", arguments[1]);
    let (mut pieces, mut start) = (Pieces::default(), 0);
    for found in pattern.regex.find_iter(text) {
        pieces.push(&vm.heap, start..found.start());
        start = found.end();
    }
    pieces.push(&vm.heap, start..text.len());
    pieces.list(vm, arguments[1], true)
}
