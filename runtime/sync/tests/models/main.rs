//! Loom models of this crate's structures, and the runner that executes each in its own process.
//!
//! Built by `ci/loom` with `--cfg valk_loom`. In any other build this target models nothing and
//! says so. To add a model see `docs/concurrency.md`.

#[cfg(valk_loom)]
mod broken;
#[cfg(valk_loom)]
mod cell;
#[cfg(valk_loom)]
mod coordinator;
#[cfg(valk_loom)]
mod counts;
#[cfg(valk_loom)]
mod deque;
#[cfg(valk_loom)]
mod executor;
#[cfg(valk_loom)]
mod handle;
#[cfg(valk_loom)]
mod hosted;
#[cfg(valk_loom)]
mod inbox;
#[cfg(valk_loom)]
mod ledger;
#[cfg(valk_loom)]
mod model;
#[cfg(valk_loom)]
mod options;
#[cfg(valk_loom)]
mod planted;
#[cfg(valk_loom)]
mod queue;
#[cfg(valk_loom)]
mod reentrant_lock;
#[cfg(valk_loom)]
mod report;
#[cfg(valk_loom)]
mod runner;
#[cfg(valk_loom)]
mod slab;
#[cfg(valk_loom)]
mod termination;
#[cfg(valk_loom)]
mod unpark;
#[cfg(valk_loom)]
mod verdict;

/// Every model, in the order of execution. A new file of models is listed here.
#[cfg(valk_loom)]
const GROUPS: &[&[model::Model]] = &[
    planted::MODELS,
    broken::MODELS,
    queue::MODELS,
    cell::MODELS,
    inbox::MODELS,
    handle::MODELS,
    slab::MODELS,
    termination::MODELS,
    reentrant_lock::MODELS,
    deque::MODELS,
    coordinator::MODELS,
    executor::MODELS,
    hosted::MODELS,
];

#[cfg(valk_loom)]
fn main() -> std::process::ExitCode {
    runner::main(&GROUPS.concat())
}

#[cfg(not(valk_loom))]
fn main() {
    // On standard error: test discovery by other runners reads standard output.
    eprintln!("no model was run: models need a build with `--cfg valk_loom`; run ci/loom");
}
