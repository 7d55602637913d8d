//! Help lines of diagnostics: what the user can do about an error.

use super::family;
use super::uncaught::UncaughtError;
use crate::compile::is_macro;
use crate::nearest::nearest;
use crate::print::display;
use crate::reference::lookup;
use crate::runtime::Language;
use valk_diagnostics::Code;
use valk_heap::{Kind, SymbolId, Value};
use valk_vm::{Arity, ModuleId, TRACE_FRAMES_MAX, Vm};

/// Names of other Lisps, and what they are called here.
const ELSEWHERE: &[(&str, &str)] = &[
    ("begin", "do"),
    ("car", "head"),
    ("cdr", "tail"),
    ("define", "def` or `fun"),
    ("defn", "fun"),
    ("defun", "fun"),
    ("else", "otherwise"),
    ("eq?", "=="),
    ("equal?", "=="),
    ("first", "head"),
    ("fn", "\\"),
    ("lambda", "\\"),
    ("length", "len"),
    ("null?", "nil?"),
    ("progn", "do"),
    ("rest", "tail"),
    ("set!", "="),
    ("setq", "="),
];

/// Names that are no variables and can be written nevertheless.
const SPECIAL: &[&str] = &["if", "quote", "quasiquote", "ctx/with", "ctx/with-deadline"];

/// Longest value quoted, in bytes.
const VALUE_BYTES_MAX: usize = 40;

/// The help line of an error, if there is something useful to say.
pub fn hint(vm: &mut Vm, uncaught: &UncaughtError) -> Option<String> {
    match uncaught.code {
        Code::UnboundSymbol => unbound(vm, uncaught),
        Code::ArgumentCount => argument_count(vm, uncaught),
        Code::WrongType => documented_call(vm, uncaught),
        Code::NotAFunction => not_a_function(vm, uncaught),
        Code::OutOfMemory => Some(out_of_memory(uncaught)),
        Code::FileUnreadable if callee(vm, uncaught).is_none_or(|(name, _)| name != "load") => {
            Some("paths are relative to the working directory".into())
        }
        Code::FileUnreadable => {
            let text = "`load` looks beside the file that names the path, then in the working \
                        directory";
            Some(text.into())
        }
        _ => None,
    }
}

/// The names that are spelt like the unbound one.
fn unbound(vm: &mut Vm, uncaught: &UncaughtError) -> Option<String> {
    let name = family::unbound_name(&uncaught.message)?;
    let symbol = vm.intern(name);
    let hiding = vm.extension::<Language>().modules.table().private_in(symbol);
    if let Some(module) = hiding.first() {
        return Some(format!(
            "`{name}` is private in module {module}, whose `export` does not name it"
        ));
    }
    if let Some((_, here)) = ELSEWHERE.iter().find(|(elsewhere, _)| *elsewhere == name) {
        return Some(format!("`{name}` is called `{here}` here"));
    }
    let mut known = known_names(vm);
    let local = valk_vm::names_in_scope(&vm.heap, uncaught.error);
    known.extend(local.into_iter().map(|symbol| text_of(vm, symbol)));
    did_you_mean(name, &known)
}

fn text_of(vm: &Vm, symbol: SymbolId) -> String {
    String::from_utf8_lossy(vm.heap.symbols().name(symbol)).into_owned()
}

/// The bound globals and the special forms, sorted.
pub fn known_names(vm: &Vm) -> Vec<String> {
    let bindings = vm.bindings_of(ModuleId::PROGRAM);
    let globals = bindings.into_iter().map(|(symbol, _)| text_of(vm, symbol));
    let mut names: Vec<String> = globals.chain(SPECIAL.iter().map(|&name| name.into())).collect();
    names.sort_unstable();
    names
}

fn did_you_mean(name: &str, known: &[String]) -> Option<String> {
    let near = nearest(name, known.iter().map(String::as_str));
    let quoted: Vec<String> = near.into_iter().map(|name| format!("`{name}`")).collect();
    match quoted.split_last()? {
        (last, []) => Some(format!("did you mean {last}?")),
        (last, others) => Some(format!("did you mean {} or {last}?", others.join(", "))),
    }
}

/// The reference's entry of a name; for a program's own, how it is called, else its value. The error
/// says that there is none.
pub fn describe(vm: &mut Vm, name: &str) -> Result<String, String> {
    if let Some(entry) = lookup(name) {
        return Ok(entry.render().trim_end().to_owned());
    }
    let symbol = vm.intern(name);
    let Some(value) = vm.global(symbol) else {
        let near = did_you_mean(name, &known_names(vm)).map(|text| format!("; {text}"));
        return Err(format!("`{name}` is bound to nothing{}", near.unwrap_or_default()));
    };
    let shown = || String::from_utf8_lossy(&display(&vm.heap, value)).into_owned();
    Ok(signature(vm, name, value).unwrap_or_else(|| format!("`{name}` is {}", shown())))
}

/// The value of the global that the failing form calls.
fn callee(vm: &mut Vm, uncaught: &UncaughtError) -> Option<(String, Value)> {
    let name = uncaught.form.as_ref()?.callee_name()?.to_string();
    let symbol = vm.intern(&name);
    Some((name, vm.global(symbol)?))
}

/// How the called function wants to be called.
fn signature_of_callee(vm: &mut Vm, uncaught: &UncaughtError) -> Option<String> {
    let (name, value) = callee(vm, uncaught)?;
    signature(vm, &name, value)
}

/// How a function of the library is called, which says what it takes; for a program's own function,
/// how many arguments it takes says nothing about their types.
fn documented_call(vm: &mut Vm, uncaught: &UncaughtError) -> Option<String> {
    let (name, value) = callee(vm, uncaught)?;
    let symbol = vm.intern(&name);
    let is_the_librarys = vm.library_value(symbol) == Some(value);
    let entry = lookup(&name).filter(|_| is_the_librarys)?;
    let calls: Vec<String> = entry.signature.lines().map(|line| format!("`({line})`")).collect();
    Some(format!("it is called as {}", calls.join(" or ")))
}

fn argument_count(vm: &mut Vm, uncaught: &UncaughtError) -> Option<String> {
    // The count in the message is of another call when the form has another count.
    let given = uncaught.form.as_ref()?.argument_count().to_string();
    let actual: String = uncaught
        .message
        .chars()
        .skip_while(|c| !c.is_ascii_digit())
        .take_while(char::is_ascii_digit)
        .collect();
    (given == actual).then(|| signature_of_callee(vm, uncaught))?
}

/// A call of `value` under `name`, as its definition shows it.
fn signature(vm: &Vm, name: &str, value: Value) -> Option<String> {
    match value.kind() {
        Kind::Closure => {
            let formals = &valk_vm::closure_code(&vm.heap, value).formals;
            let formals = display(&vm.heap, formals.with_quoted(false));
            let formals = String::from_utf8_lossy(&formals).into_owned();
            let formals = formals.trim_start_matches('(').trim_end_matches(')');
            Some(format!(
                "call it as `{}`",
                format!("({name} {formals}").trim_end().to_string() + ")"
            ))
        }
        Kind::Builtin => {
            let text = match vm.native(value.as_builtin()?).arity {
                Arity::Any => return None,
                Arity::Exactly(count) | Arity::Curried(count) => exactly(count),
                Arity::MoreThan(count) => format!("more than {}", exactly(count)),
                Arity::AtMost(count) => format!("at most {}", exactly(count)),
            };
            Some(format!("`{name}` takes {text}"))
        }
        _ => None,
    }
}

fn exactly(count: u32) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} argument{plural}")
}

fn not_a_function(vm: &mut Vm, uncaught: &UncaughtError) -> Option<String> {
    let form = uncaught.form.as_ref()?;
    let written = form.callee_text()?;
    if callee(vm, uncaught).is_some_and(|(_, value)| is_macro(vm, value)) {
        return Some(format!(
            "`{written}` is a macro now; define it before the code that uses it is read"
        ));
    }
    let form = uncaught.form.as_ref()?;
    if form.in_braces() {
        let inside = "`{list …}` or `{{…}}` gives a list, `{do …}` evaluates several expressions";
        return Some(format!("these braces hold code that calls `{written}`; {inside}"));
    }
    if form.callee_is_call() {
        return Some(format!(
            "the value of `{written}` is called here; remove the outer parentheses"
        ));
    }
    let value = callee(vm, uncaught).map(|(_, value)| display(&vm.heap, value));
    let value = value.filter(|value| value.len() <= VALUE_BYTES_MAX);
    let what = match value {
        Some(value) => format!("`{written}` is {}", String::from_utf8_lossy(&value)),
        None => format!("`{written}` is called here"),
    };
    Some(format!("{what}; parentheses are calls, `{{…}}` is a list of data"))
}

fn out_of_memory(uncaught: &UncaughtError) -> String {
    let first = uncaught.calls.first();
    let alike =
        first.is_some_and(|first| uncaught.calls.iter().all(|call| call.name == first.name));
    if let Some(call) = first.filter(|_| alike && uncaught.calls.len() == TRACE_FRAMES_MAX) {
        return format!("`{}` calls itself again and again; does it reach its end?", call.name);
    }
    "VALK_HEAP_HARD_LIMIT sets the limit in bytes".into()
}
