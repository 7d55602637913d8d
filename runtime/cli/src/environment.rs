//! The variables of the environment that set memory, threads and native code: `VALK_HEAP_HARD_LIMIT`,
//! `VALK_GC`, `VALK_GC_LOG`, `VALK_EXECUTORS`, `VALK_JIT`.

use crate::LOG_TARGET;
use crate::report::write_error;
use std::fmt::Write as _;
use std::hash::{BuildHasher as _, RandomState};
use valk_aio::EXECUTORS_MAX;
use valk_heap::{Collected, Collection, Config, Stress};
use valk_vm::{JIT_CALLS_DEFAULT, JIT_NEVER, Vm};

/// The modes of `VALK_GC`, for messages.
const MODES: &str = "full, every, random, random:SEED, refuse and refuse:SEED";

/// The number of executors; the second name is that of earlier versions.
const EXECUTORS: [&str; 2] = ["VALK_EXECUTORS", "VALK_WORKERS"];

/// Heap configuration from the environment.
pub fn config() -> Config {
    let mut config = Config::default();
    let limit = std::env::var("VALK_HEAP_HARD_LIMIT").unwrap_or_default();
    match limit.parse() {
        Ok(0) => {}
        Ok(bytes) => config.hard_limit_bytes = bytes,
        Err(_) if limit.is_empty() => {}
        Err(_) => warn(&format!("VALK_HEAP_HARD_LIMIT is no number of bytes: {limit}")),
    }
    config.mutators_max = executors();
    let modes = std::env::var("VALK_GC").unwrap_or_default();
    for mode in modes.split(',').map(str::trim).filter(|mode| !mode.is_empty()) {
        if !apply(&mut config, mode) {
            warn(&format!("VALK_GC does not know `{mode}`, expected some of {MODES}"));
        }
    }
    config
}

/// Threads that run the program, its own included: as many as there are processors that this process
/// may use, unless the environment says otherwise.
fn executors() -> usize {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let processors = processors.min(EXECUTORS_MAX);
    let given = EXECUTORS.map(|name| (name, std::env::var(name).unwrap_or_default()));
    let Some((name, wanted)) = given.into_iter().find(|(_, wanted)| !wanted.is_empty()) else {
        return processors;
    };
    match wanted.parse() {
        Ok(executors @ 1..=EXECUTORS_MAX) => executors,
        _ => {
            warn(&format!("{name} is no number from 1 to {EXECUTORS_MAX}: {wanted}"));
            processors
        }
    }
}

/// Calls after which a function gets native code.
pub fn jit_calls() -> u32 {
    let wanted = std::env::var("VALK_JIT").unwrap_or_default();
    match wanted.parse() {
        Ok(calls) => calls,
        Err(_) if wanted == "off" => JIT_NEVER,
        Err(_) => {
            if !wanted.is_empty() {
                warn(&format!("VALK_JIT is neither off nor a number of calls: {wanted}"));
            }
            JIT_CALLS_DEFAULT
        }
    }
}

/// Whether older versions are imitated where they behaved otherwise: `VALK_COMPAT=1`.
pub fn is_compatible() -> bool {
    std::env::var("VALK_COMPAT").is_ok_and(|value| !value.is_empty() && value != "0")
}

fn warn(text: &str) {
    tracing::warn!(target: LOG_TARGET, "{text}");
}

/// Sets one mode; false when there is none of this name.
fn apply(config: &mut Config, mode: &str) -> bool {
    let (name, seed) = match mode.split_once(':') {
        Some((name, seed)) => match seed.parse() {
            Ok(seed) => (name, Some(seed)),
            Err(_) => return false,
        },
        None => (mode, None),
    };
    match (name, seed) {
        ("full", None) => config.generational = false,
        ("every", None) => config.stress = Stress::EverySafepoint,
        ("random", _) => config.stress = Stress::Random { seed: known(name, seed) },
        ("refuse", _) => config.refuse = Some(known(name, seed)),
        _ => return false,
    }
    true
}

/// The seed, or a new one that is told, so that it can be used again.
fn known(name: &str, seed: Option<u64>) -> u64 {
    seed.unwrap_or_else(|| {
        let seed = RandomState::new().hash_one(0) >> 32;
        write_error(&format!("VALK_GC={name}:{seed}\n"));
        seed
    })
}

/// Begins what `VALK_GC` and `VALK_JIT` ask for, and the lines of `VALK_GC_LOG`.
pub fn prepare(vm: &mut Vm, config: &Config) {
    vm.jit_calls = jit_calls();
    vm.heap.set_stress(config.stress);
    vm.heap.set_refuse(config.refuse);
    let wanted = std::env::var("VALK_GC_LOG").unwrap_or_default();
    if !wanted.is_empty() && wanted != "0" {
        vm.collected = Some(|vm, collected| write_error(&line(vm, collected)));
    }
}

/// A collection as `name=value` pairs; sizes are in bytes.
fn line(vm: &Vm, collected: &Collected) -> String {
    let seen = vm.heap.statistics();
    let kind = if collected.kind == Collection::Full { "full" } else { "minor" };
    let mut line = format!("gc n={} kind={kind}", seen.collections());
    for (name, number) in [
        ("pause_us", collected.pause_us as usize),
        ("young", collected.young_bytes),
        ("promoted", collected.promoted_bytes),
        ("freed", collected.reclaimed_bytes),
        ("used", collected.used_bytes),
        ("committed", seen.committed_bytes),
        ("limit", seen.hard_limit_bytes),
    ] {
        let _ = write!(line, " {name}={number}");
    }
    line.push('\n');
    line
}
