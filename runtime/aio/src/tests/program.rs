//! Runtimes for the tests, and what programs print on them.

use crate::{Executor, register};
use valk_heap::Config;
use valk_lang::{Output, Ran, Runtime};

/// A runtime whose heap is as `config` says, and its executor.
pub(super) fn runtime_of(config: Config) -> (Runtime, Executor) {
    let runtime = Runtime::new(config, Output::memory()).expect("a heap");
    register(&runtime.vm);
    let executor = Executor::new(&runtime.vm).expect("a reactor");
    (runtime, executor)
}

/// What a program prints, and the error that ended it.
pub(super) fn printed(runtime: &mut Runtime, executor: &mut Executor, program: &str) -> String {
    let ran = runtime.run_text("p", program.as_bytes(), executor);
    let mut text = String::from_utf8(runtime.take_output()).expect("text");
    if let Ran::Failed(error, _) = ran {
        text.push_str(&runtime.repr(error));
    }
    text
}
