//! Arguments of the client's builtins, checked.

use bytes::Bytes;
use valk_aio::{System, system_of};
use valk_heap::{Heap, Value};
use valk_lang::builtins::{fail, wrong_type};
use valk_lang::elements;
use valk_vm::{Outcome, Vm};

/// A checked argument, or what the builtin returns in its place.
pub(super) type Checked<T> = Result<T, Outcome>;

/// The outcome of a builtin whose parts may leave it.
pub(super) fn outcome(checked: Checked<Outcome>) -> Outcome {
    checked.unwrap_or_else(|leaving| leaving)
}

/// Checks how many arguments there are, for a builtin that takes different numbers of them.
pub(super) fn count(vm: &mut Vm, arguments: &[Value], least: usize, most: usize) -> Checked<()> {
    let given = arguments.len();
    let (sign, expected) = match given {
        _ if given < least => (">=", least),
        _ if given > most => ("<=", most),
        _ => return Ok(()),
    };
    Err(fail(vm, &format!("Invalid argument count, Actual[{given}] {sign} Expected[{expected}]")))
}

pub(super) fn system(vm: &mut Vm, value: Value) -> Checked<System> {
    system_of(vm, value).ok_or_else(|| fail(vm, "Expected AIO system reference"))
}

pub(super) fn bytes(vm: &mut Vm, value: Value) -> Checked<Vec<u8>> {
    match value.as_bytes(&vm.heap) {
        Some(bytes) => Ok(bytes.to_vec()),
        None => Err(wrong_type(vm, value, "String")),
    }
}

pub(super) fn text(vm: &mut Vm, value: Value) -> Checked<String> {
    Ok(String::from_utf8_lossy(&bytes(vm, value)?).into_owned())
}

pub(super) fn port(vm: &mut Vm, value: Value) -> Checked<u16> {
    let Some(number) = value.as_integer() else {
        return Err(wrong_type(vm, value, "Number"));
    };
    let port = u16::try_from(number).ok().filter(|port| *port > 0);
    port.ok_or_else(|| fail(vm, &format!("a port is a number from 1 to 65535, got {number}")))
}

/// The fields of a list of `{name value}`. What is not such a pair of strings is passed over, as
/// older programs expect; so are names that begin with a colon, which are no fields.
pub(super) fn fields(heap: &Heap, list: Value) -> Vec<(String, Bytes)> {
    let field = |entry: Value| {
        let parts = elements(entry);
        let name = parts.first()?.as_bytes(heap)?;
        let value = parts.get(1)?.as_bytes(heap)?;
        let is_field = !name.starts_with(b":");
        is_field
            .then(|| (String::from_utf8_lossy(name).into_owned(), Bytes::copy_from_slice(value)))
    };
    elements(list).into_iter().filter_map(field).collect()
}
