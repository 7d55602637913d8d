//! An error that reaches a builtin is passed on, unless the builtin takes errors: every builtin that
//! there is, called in each way there is.

use valk_heap::{Config, ERROR_MESSAGE, Value};
use valk_lang::{NoWaiting, Output, Ran, Runtime};
use valk_vm::Vm;

const CAUSE: &str = "the cause";

/// Most arguments that a call here has.
const ARGUMENTS_MAX: usize = 4;

/// Forms that read the names in a literal call instead of evaluating them.
const FORMS: [&str; 4] = ["module", "export", "import", "defmacro"];

fn runtime() -> Runtime {
    let runtime = Runtime::new(Config::default(), Output::memory()).expect("a heap");
    valk_aio::register(&runtime.vm);
    crate::register(&runtime.vm);
    runtime
}

/// The builtins that do not take errors: indices, names, the argument counts that they accept.
fn passing(vm: &Vm) -> Vec<(usize, String, Vec<usize>)> {
    let natives = vm.natives().iter().enumerate().filter(|(_, native)| !native.takes_errors);
    natives
        .map(|(index, native)| {
            let name = vm.heap.symbols().name(native.name).to_vec();
            let counts = (1..=ARGUMENTS_MAX).filter(|count| native.arity.accepts(*count)).collect();
            (index, String::from_utf8(name).expect("text"), counts)
        })
        .collect()
}

fn message(vm: &Vm, value: Value) -> Option<String> {
    let text = value.is_error().then(|| value.field(ERROR_MESSAGE))?;
    Some(String::from_utf8_lossy(text.as_bytes(&vm.heap)?).into_owned())
}

valk_harness::test! {
    fn every_builtin_called_by_the_runtime_passes_errors_on() {
        let runtime = runtime();
        let vm = &mut *runtime.vm();
        let mut calls = 0;
        for (index, name, counts) in passing(vm) {
            for count in counts {
                for position in 0..count {
                    let mut arguments = vec![Value::ONE; count];
                    arguments[position] = vm.error(CAUSE);
                    let result = vm.call(Value::builtin(index as u32), &arguments);
                    let text = message(vm, result);
                    assert_eq!(text.as_deref(), Some(CAUSE), "{name} {position} of {count}");
                    calls += 1;
                }
            }
        }
        assert!(calls > 1000, "{calls} calls");
    }
}

/// The message of the error that a call ends with, where `failed` is an error.
fn outcome(runtime: &mut Runtime, call: &str) -> Option<String> {
    let program = format!("(= {{failed}} (error \"{CAUSE}\")) {call}");
    match runtime.run_text("errors", program.as_bytes(), &mut NoWaiting) {
        Ran::Failed(error, _) => message(&runtime.vm(), error),
        Ran::Value(_) => None,
    }
}

valk_harness::test! {
    fn every_builtin_called_by_a_program_passes_errors_on() {
        let mut runtime = runtime();
        let builtins = passing(&runtime.vm());
        let mut wrong = Vec::new();
        // Others are the compiler's own, or the library's.
        let names = runtime.names();
        for (_, name, counts) in builtins.iter().filter(|(_, name, _)| names.contains(name)) {
            for count in counts {
                let arguments = format!("{}failed", "1 ".repeat(count - 1));
                let mut calls = vec![
                    format!("((\\ {{f}} {{f {arguments}}}) {name})"),
                    format!("((\\ {{f}} {{do (= {{r}} (f {arguments})) r}}) {name})"),
                    format!("(apply {name} (list {arguments}))"),
                ];
                if !FORMS.contains(&name.as_str()) {
                    calls.push(format!("({name} {arguments})"));
                }
                for call in calls {
                    let text = outcome(&mut runtime, &call);
                    if text.as_deref() != Some(CAUSE) {
                        wrong.push(format!("{call}: {text:?}"));
                    }
                }
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
}
