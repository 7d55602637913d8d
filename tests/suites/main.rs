//! Cross-crate suites: the command, the service, examples, suites in the language, the
//! tree, the guide, the reference, sizes, fuzzing.

mod command;
mod examples;
mod fuzzing;
mod guide;
mod reference;
mod repl;
mod rows;
mod scale;
mod service;
mod standard_streams;
mod tidy;

fn main() -> std::process::ExitCode {
    valk_harness::main()
}
