//! Files, directories, environment, arguments, standard input.
//!
//! Every failure is an error value with the path and the system's reason. What is read is bounded
//! by the room the heap has left.

use super::standard_input::{Extent, STANDARD_INPUT};
use crate::builtins::control::context::{DEADLINE_EXCEEDED, remaining_deadline};
use crate::builtins::row::{Row, fail, path_of, string, truth};
use crate::runtime::Language;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::time::Instant;
use valk_heap::Value;
use valk_vm::{Arity, Outcome, Vm};

pub(super) const TABLE: &[Row] = &[
    ("write-file", Arity::Exactly(2), write_file),
    ("file/append", Arity::Exactly(2), append),
    ("file/exists?", Arity::Exactly(1), exists),
    ("file/delete", Arity::Exactly(1), delete),
    ("dir/list", Arity::Exactly(1), list_directory),
    ("dir/create", Arity::Exactly(1), create_directory),
    ("env/get", Arity::Exactly(1), environment_variable),
    ("args", Arity::Exactly(0), arguments_of_program),
    ("stdin/read-line", Arity::Exactly(0), read_line),
    ("stdin/read-all", Arity::Exactly(0), read_all),
];

/// Takes a path argument.
macro_rules! path {
    ($vm:expr, $value:expr) => {
        path_of(&string!($vm, $value))
    };
}

/// Nil, or the error of an operation on a path.
fn done(vm: &mut Vm, name: &str, path: &Path, result: io::Result<()>) -> Outcome {
    match result {
        Ok(()) => Value::NIL.into(),
        Err(error) => fail(vm, &format!("{name}: {}: {error}", path.display())),
    }
}

fn write_file(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let (path, bytes) = (path!(vm, arguments[0]), string!(vm, arguments[1]));
    done(vm, "write-file", &path, fs::write(&path, bytes))
}

fn append(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let (path, bytes) = (path!(vm, arguments[0]), string!(vm, arguments[1]));
    let file = OpenOptions::new().append(true).create(true).open(&path);
    let result = file.and_then(|mut file| file.write_all(&bytes));
    done(vm, "file/append", &path, result)
}

fn exists(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let path = path!(vm, arguments[0]);
    truth(path.exists())
}

fn delete(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let path = path!(vm, arguments[0]);
    let result = fs::remove_file(&path);
    done(vm, "file/delete", &path, result)
}

/// Names in a directory, sorted by their bytes, as a quoted list.
fn list_directory(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let path = path!(vm, arguments[0]);
    let entries = fs::read_dir(&path).and_then(Iterator::collect::<io::Result<Vec<_>>>);
    let mut names: Vec<Vec<u8>> = match entries {
        Ok(entries) => entries.iter().map(|entry| entry.file_name().into_encoded_bytes()).collect(),
        Err(error) => return fail(vm, &format!("dir/list: {}: {error}", path.display())),
    };
    names.sort();
    strings(vm, &names)
}

/// A quoted list of strings.
fn strings(vm: &mut Vm, texts: &[impl AsRef<[u8]>]) -> Outcome {
    let list = texts.iter().rev().fold(Value::NIL, |rest, text| {
        let text = vm.heap.string(text.as_ref());
        vm.heap.cons(text, rest, true)
    });
    list.into()
}

/// Makes a directory and those above it; one that is there already is fine.
fn create_directory(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let path = path!(vm, arguments[0]);
    let result = fs::create_dir_all(&path);
    done(vm, "dir/create", &path, result)
}

/// The value of an environment variable, nil when it is not set.
fn environment_variable(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let name = string!(vm, arguments[0]);
    // The system's function would panic for such names; no variable has one.
    if name.is_empty() || name.iter().any(|byte| matches!(byte, b'=' | 0)) {
        return Value::NIL.into();
    }
    match std::env::var_os(path_of(&name)) {
        Some(value) => vm.heap.string(value.as_encoded_bytes()).into(),
        None => Value::NIL.into(),
    }
}

fn arguments_of_program(vm: &mut Vm, _: &[Value]) -> Outcome {
    let arguments = vm.extension::<Language>().arguments.clone();
    strings(vm, &arguments)
}

/// Reads standard input, no more than the heap could hold and no longer than the deadline of the
/// context: `text` of it, or what `at_end` makes of nothing.
fn from_standard_input(
    vm: &mut Vm,
    name: &'static str,
    extent: Extent,
    at_end: fn(&mut Vm) -> Outcome,
    text: fn(&[u8]) -> &[u8],
) -> Outcome {
    vm.extension::<Language>().output.flush();
    let limit = vm.heap.hard_limit_bytes();
    let left = remaining_deadline(vm);
    let wait = move || {
        let deadline = left.and_then(|left| Instant::now().checked_add(left));
        STANDARD_INPUT.read(extent, limit, deadline)
    };
    Outcome::blocking(wait, move |vm, read| match read {
        Err(error) => fail(vm, &format!("{name}: {error}")),
        Ok(None) => fail(vm, DEADLINE_EXCEEDED),
        Ok(Some(bytes)) if bytes.is_empty() => at_end(vm),
        // What was cut at the limit has no room either.
        Ok(Some(bytes)) if vm.heap.room(bytes.len()).is_err() => {
            fail(vm, &format!("{name}: out of memory: the input does not fit the heap"))
        }
        Ok(Some(bytes)) => vm.heap.string(text(&bytes)).into(),
    })
}

/// The next line of standard input without its end, nil at the end of the input.
fn read_line(vm: &mut Vm, _: &[Value]) -> Outcome {
    let at_end = |_: &mut Vm| Value::NIL.into();
    from_standard_input(vm, "stdin/read-line", Extent::Line, at_end, |line| {
        let text = line.strip_suffix(b"\n").unwrap_or(line);
        text.strip_suffix(b"\r").unwrap_or(text)
    })
}

/// What is left of standard input.
fn read_all(vm: &mut Vm, _: &[Value]) -> Outcome {
    let at_end = |vm: &mut Vm| vm.heap.string(b"").into();
    from_standard_input(vm, "stdin/read-all", Extent::All, at_end, |text| text)
}
