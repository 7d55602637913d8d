//! Random schedules of 9 to 25 threads on this crate's structures, by shuttle.
//!
//! Loom explores all interleavings of three or four threads; what takes more of them to go wrong is
//! looked for here. Orderings are not: shuttle takes each for the strongest.
//!
//! Built by `ci/shuttle` with `--cfg valk_shuttle`. In any other build this target runs nothing and
//! says so.

#[cfg(valk_shuttle)]
mod runner;
#[cfg(valk_shuttle)]
mod scenarios;

#[cfg(valk_shuttle)]
fn main() -> std::process::ExitCode {
    runner::main(scenarios::ALL)
}

#[cfg(not(valk_shuttle))]
fn main() {
    // On standard error: test discovery by other runners reads standard output.
    eprintln!("no schedule was run: they need a build with `--cfg valk_shuttle`; run ci/shuttle");
}
