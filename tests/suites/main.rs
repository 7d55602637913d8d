//! Cross-crate suites: the command, the service, its handlers, examples, suites in the language, the library, the
//! tree, the guide, the reference, sizes, fuzzing, the
//! server on a simulated network, waits and their ends.

mod command;
mod examples;
mod framework;
mod fuzzing;
mod guide;
mod handlers;
mod library;
mod lost_failures;
mod metrics;
mod overload;
mod reference;
mod repl;
mod rooting;
mod routing;
mod rows;
mod scale;
mod service;
mod simulation;
mod standard_streams;
mod test_command;
mod tidy;
mod vocabulary;
mod waiting;

fn main() -> std::process::ExitCode {
    valk_harness::main()
}
