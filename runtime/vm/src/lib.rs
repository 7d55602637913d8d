//! Register bytecode, interpreter loop, call frames and fibers.

#[cfg(test)]
mod tests;

#[cfg(test)]
fn main() -> std::process::ExitCode {
    valk_harness::main()
}
