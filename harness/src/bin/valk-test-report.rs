//! `valk-test-report`: merges the ledgers of all test binaries; the logic is in the library.

fn main() -> std::process::ExitCode {
    valk_harness::merge::main(std::env::args().skip(1))
}
