//! The `valk-load` program: arguments in, exit code out.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use valk_load::commands::run;
use valk_load::interrupt::Interrupt;

fn main() -> ExitCode {
    let interrupt = Interrupt::of_process();
    let code = run(std::env::args_os(), interrupt, &mut std::io::stdout(), &mut std::io::stderr());
    // `exit` instead of returning: threads of an interrupted run may still wait for a server.
    std::process::exit(i32::from(code));
}
