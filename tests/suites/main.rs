//! Cross-crate suites: the command, the service, examples, suites in the language, the tree.

mod command;
mod examples;
mod rows;
mod service;
mod tidy;

fn main() -> std::process::ExitCode {
    valk_harness::main()
}
