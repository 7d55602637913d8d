//! `valk-coverage`: see [`valk_coverage::cli`].
#![forbid(unsafe_code)]

fn main() -> std::process::ExitCode {
    valk_coverage::cli::run(std::env::args_os(), &mut std::io::stdout(), &mut std::io::stderr())
}
