//! `aio/then` to `aio/scope`: arguments of the combinators.

use super::{Checked, exactly, function, handle, milliseconds, now, outcome, system};
use crate::combinators::chain::ChainKind;
use crate::combinators::group::GroupKind;
use crate::combinators::retry::RetryOptions;
use crate::combinators::within::AtTimeout;
use crate::combinators::{self, bracket, group, retry, within};
use crate::handle::{end, is_handle};
use valk_heap::Value;
use valk_lang::builtins::fail;
use valk_lang::elements;
use valk_vm::{Arity, NativeFn, Outcome, Vm, equal, type_name};

pub(super) const TABLE: &[(&str, Arity, NativeFn)] = &[
    ("aio/then", Arity::Any, then),
    ("aio/catch", Arity::Any, catch),
    ("aio/finally", Arity::Any, finally),
    ("aio/all", Arity::Any, all),
    ("aio/race", Arity::Any, race),
    ("aio/any", Arity::Any, any),
    ("aio/all-settled", Arity::Any, all_settled),
    ("aio/within", Arity::Any, within_),
    ("aio/retry", Arity::Any, retry_),
    ("aio/traverse", Arity::Any, traverse),
    ("aio/traverse over handles", Arity::Any, traversed),
    ("aio/bracket", Arity::Any, bracket_),
    ("aio/scope", Arity::Any, scope),
];

fn chain(vm: &mut Vm, name: &str, kind: ChainKind, arguments: &[Value]) -> Outcome {
    let start = |vm: &mut Vm| -> Checked<Outcome> {
        let text = format_args!("{name}: expected 2 arguments (handle fn)");
        let [source, callback] = exactly(vm, arguments, text)?;
        let source = handle(vm, source, format_args!("{name}: first argument must be a handle"))?;
        let text = format_args!("{name}: second argument must be a function");
        let callback = function(vm, callback, text)?;
        let result = combinators::chain(vm, kind, source, callback);
        Ok(now(vm, result))
    };
    outcome(start(vm))
}

fn then(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    chain(vm, "aio/then", ChainKind::Then, arguments)
}

fn catch(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    chain(vm, "aio/catch", ChainKind::Catch, arguments)
}

fn finally(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    chain(vm, "aio/finally", ChainKind::Finally, arguments)
}

/// The one argument of a group, a list of handles.
fn handles(vm: &mut Vm, name: &str, arguments: &[Value]) -> Checked<Vec<Value>> {
    let text = format_args!("{name}: expected 1 argument (list of handles)");
    let [list] = exactly(vm, arguments, text)?;
    if !list.is_list() {
        return Err(fail(vm, &format!("{name}: expected a list of handles")));
    }
    let handles = elements(list);
    match handles.iter().find(|value| !is_handle(vm, **value)) {
        Some(error) if error.is_error() => Err((*error).into()),
        Some(_) => Err(fail(vm, &format!("{name}: all elements must be handles"))),
        None => Ok(handles),
    }
}

fn over(vm: &mut Vm, name: &str, kind: GroupKind, arguments: &[Value]) -> Outcome {
    let start = |vm: &mut Vm| -> Checked<Outcome> {
        let handles = handles(vm, name, arguments)?;
        let no_empty = match kind {
            GroupKind::Race => Some("cannot race empty list"),
            GroupKind::Any => Some("cannot use with empty list"),
            GroupKind::All | GroupKind::AllSettled => None,
        };
        if let Some(text) = no_empty.filter(|_| handles.is_empty()) {
            return Err(fail(vm, &format!("{name}: {text}")));
        }
        let result = group::start(vm, kind, &handles);
        Ok(now(vm, result))
    };
    outcome(start(vm))
}

fn all(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    over(vm, "aio/all", GroupKind::All, arguments)
}

fn race(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    over(vm, "aio/race", GroupKind::Race, arguments)
}

fn any(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    over(vm, "aio/any", GroupKind::Any, arguments)
}

fn all_settled(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    over(vm, "aio/all-settled", GroupKind::AllSettled, arguments)
}

fn within_(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let start = |vm: &mut Vm| -> Checked<Outcome> {
        let text = "aio/within: expected 2 arguments (handle timeout-ms)";
        let [source, time] = exactly(vm, arguments, text)?;
        let source = handle(vm, source, "aio/within: first argument must be a handle")?;
        let text = "aio/within: second argument must be a number (timeout in ms)";
        let time = milliseconds(vm, time, text)?;
        if end(vm, source).is_some() {
            return Ok(now(vm, source));
        }
        let result = within::start(vm, source, time, AtTimeout::Cancel);
        Ok(now(vm, result))
    };
    outcome(start(vm))
}

/// The options of `aio/retry`.
fn retry_options(vm: &mut Vm, list: Value) -> RetryOptions {
    let items = elements(list);
    let get = |vm: &mut Vm, key: &str| {
        let key = vm.heap.intern(key.as_bytes());
        let pair = items.chunks_exact(2).find(|pair| equal(&vm.heap, pair[0], key));
        pair.map(|pair| pair[1])
    };
    let number = |value: Option<Value>| value.and_then(Value::as_integer);
    let attempts_max = number(get(vm, ":max-attempts")).map_or(3, |count| count.max(1) as u64);
    let base_ms = number(get(vm, ":base-ms")).map_or(100, |base| base.max(0) as u64);
    let constant = [":linear", ":none"].map(|name| vm.heap.intern(name.as_bytes()));
    let is_constant = get(vm, ":backoff").is_some_and(|backoff| constant.contains(&backoff));
    RetryOptions { attempts_max, base_ms, factor: if is_constant { 1.0 } else { 2.0 } }
}

fn retry_(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let start = |vm: &mut Vm| -> Checked<Outcome> {
        let text = "aio/retry: expected 3 arguments (sys fn opts)";
        let [owner, callback, options] = exactly(vm, arguments, text)?;
        let system = system(vm, "aio/retry", owner)?;
        let callback = function(vm, callback, "aio/retry: second argument must be a function")?;
        if !options.is_list() {
            let text = "aio/retry: third argument must be a qexpr (options dict)";
            return Err(fail(vm, text));
        }
        let options = retry_options(vm, options);
        let result = retry::start(vm, &system, callback, options);
        Ok(now(vm, result))
    };
    outcome(start(vm))
}

/// `(aio/traverse list f)`: `f` is called with each element at once, as `map` does; then
/// [`traversed`].
fn traverse(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let start = |vm: &mut Vm| -> Checked<Outcome> {
        let text = "aio/traverse: expected 2 arguments (list fn)";
        let [list, callback] = exactly(vm, arguments, text)?;
        if !list.is_list() {
            return Err(fail(vm, "aio/traverse: first argument must be a list"));
        }
        let text = "aio/traverse: second argument must be a function";
        let callback = function(vm, callback, text)?;
        if list.is_nil() {
            let nothing = crate::handle::completed(vm, Value::NIL);
            return Ok(now(vm, nothing));
        }
        Ok(super::forms::traverse(vm, callback, list))
    };
    outcome(start(vm))
}

/// The group over the handles that a traversal's function has returned.
fn traversed(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let [list] = *arguments else { return Value::NIL.into() };
    let handles = elements(list);
    if let Some(error) = handles.iter().find(|value| value.is_error()) {
        return (*error).into();
    }
    if let Some(other) = handles.iter().find(|value| !is_handle(vm, **value)) {
        let name = type_name(*other);
        let text = format!("aio/traverse: function must return handles (got type {name} for item)");
        return fail(vm, &text);
    }
    let result = group::start(vm, GroupKind::All, &handles);
    now(vm, result)
}

fn bracket_(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let start = |vm: &mut Vm| -> Checked<Outcome> {
        let text = "aio/bracket: expected 3 arguments (acquire release use)";
        let [acquire, release, use_] = exactly(vm, arguments, text)?;
        let acquire = handle(vm, acquire, "aio/bracket: first argument must be a handle")?;
        let text = "aio/bracket: second argument must be a function";
        let release = function(vm, release, text)?;
        let use_ = function(vm, use_, "aio/bracket: third argument must be a function")?;
        let result = bracket::start(vm, acquire, release, use_);
        Ok(now(vm, result))
    };
    outcome(start(vm))
}

fn scope(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let start = |vm: &mut Vm| -> Checked<Outcome> {
        let [callback] = exactly(vm, arguments, "aio/scope: expected 1 argument (fn)")?;
        let callback = function(vm, callback, "aio/scope: argument must be a function")?;
        let result = combinators::call(vm, callback, &[], true);
        Ok(now(vm, result))
    };
    outcome(start(vm))
}
