//! Memory and its collector: `mem/*`.
//!
//! What the scratch arena of earlier versions was is the nursery now, and a checkpoint is a
//! collection, which moves what survives to the old space.

use crate::builtins::row::{Row, fail, number};
use crate::runtime::Language;
use std::fmt::Write;
use valk_heap::{PAUSE_BOUNDS_US, Statistics, Value};
use valk_vm::{Arity, Outcome, Vm};

pub(super) const TABLE: &[Row] = &[
    ("mem/stats", Arity::Any, stats),
    ("mem/heap/usage", Arity::Any, heap_usage),
    ("mem/heap/hard-limit", Arity::Any, hard_limit),
    ("mem/heap/set-hard-limit", Arity::Exactly(1), set_hard_limit),
    ("mem/gc/stats", Arity::Any, gc_stats),
    ("mem/gc/collect", Arity::Any, collect),
    ("mem/gc/threshold", Arity::Any, threshold),
    ("mem/gc/set-threshold", Arity::Exactly(1), set_threshold),
    ("mem/gc/usage", Arity::Any, gc_usage),
    ("mem/gc/min-interval", Arity::Any, min_interval),
    ("mem/gc/set-min-interval", Arity::Exactly(1), set_min_interval),
    ("mem/arena/usage", Arity::Any, arena_usage),
    ("mem/arena/capacity", Arity::Any, arena_capacity),
    ("mem/arena/high-water", Arity::Any, arena_high_water),
    ("mem/checkpoint/stats", Arity::Any, checkpoint_stats),
];

fn count(number: impl TryInto<i64>) -> Value {
    Value::fixnum(number.try_into().unwrap_or(Value::FIXNUM_MAX).min(Value::FIXNUM_MAX))
}

fn heap_usage(vm: &mut Vm, _: &[Value]) -> Outcome {
    count(vm.heap.used_bytes()).into()
}

fn hard_limit(vm: &mut Vm, _: &[Value]) -> Outcome {
    count(vm.heap.hard_limit_bytes()).into()
}

fn set_hard_limit(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let bytes = number!(vm, arguments[0]);
    let Ok(wanted) = usize::try_from(bytes) else {
        return fail(vm, &format!("mem/heap/set-hard-limit: {bytes} is negative"));
    };
    let used = vm.heap.used_bytes();
    match vm.heap.set_hard_limit(wanted) {
        Ok(before) => count(before).into(),
        Err(_) => {
            fail(vm, &format!("Cannot set hard limit below current usage ({bytes} < {used})"))
        }
    }
}

fn collect(_: &mut Vm, _: &[Value]) -> Outcome {
    Outcome::Collect
}

fn threshold(vm: &mut Vm, _: &[Value]) -> Outcome {
    count(vm.heap.threshold_percent()).into()
}

fn set_threshold(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let percent = number!(vm, arguments[0]).clamp(1, 100);
    count(vm.heap.set_threshold_percent(percent as u8)).into()
}

fn min_interval(vm: &mut Vm, _: &[Value]) -> Outcome {
    count(vm.heap.full_interval_ms()).into()
}

fn set_min_interval(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    let milliseconds = number!(vm, arguments[0]).max(0);
    count(vm.heap.set_full_interval_ms(milliseconds as u64)).into()
}

/// `part` of `whole` in percent, 0 to 100.
fn percent(part: usize, whole: usize) -> f64 {
    (part as f64 * 100.0 / whole.max(1) as f64).min(100.0)
}

fn gc_usage(vm: &mut Vm, _: &[Value]) -> Outcome {
    Value::fixnum(percent(vm.heap.used_bytes(), vm.heap.hard_limit_bytes()) as i64).into()
}

/// Bytes of the nursery in use. It may overflow until the next safepoint; full is shown then.
fn young(statistics: &Statistics) -> usize {
    statistics.young_bytes.min(statistics.nursery_bytes - 1)
}

fn arena_usage(vm: &mut Vm, _: &[Value]) -> Outcome {
    count(young(&vm.heap.statistics())).into()
}

fn arena_capacity(vm: &mut Vm, _: &[Value]) -> Outcome {
    count(vm.heap.statistics().nursery_bytes).into()
}

fn arena_high_water(vm: &mut Vm, _: &[Value]) -> Outcome {
    count(vm.heap.statistics().young_bytes_peak).into()
}

/// `(collections cells-moved bytes-moved slots-changed)`.
fn checkpoint_stats(vm: &mut Vm, _: &[Value]) -> Outcome {
    let seen = vm.heap.statistics();
    let numbers =
        [seen.collections(), seen.promoted_cells, seen.promoted_bytes, seen.updated_slots];
    let numbers = numbers.into_iter().rev();
    numbers.fold(Value::NIL, |rest, number| vm.heap.cons(count(number), rest, false)).into()
}

/// The report of `mem/stats`.
fn memory_report(vm: &Vm) -> String {
    let seen = vm.heap.statistics();
    let nursery = percent(young(&seen), seen.nursery_bytes);
    let heap = percent(seen.used_bytes, seen.hard_limit_bytes);
    let mut text = String::from("\n=== Memory Statistics ===\nScratch Arena:\n");
    let lines = [
        format!("  Usage: {nursery:.1}% ({} / {} bytes)", seen.young_bytes, seen.nursery_bytes),
        format!("  High Water: {} bytes", seen.young_bytes_peak),
        format!("  Resets: {}", seen.collections()),
        format!("  Checkpoints: {}", seen.collections()),
    ];
    for line in lines {
        let _ = writeln!(text, "{line}");
    }
    if seen.nursery_overflows > 0 {
        let _ = writeln!(text, "  Overflows: {}", seen.nursery_overflows);
    }
    let lines = [
        "\nGC Heap (heap):".to_owned(),
        format!("  Usage: {heap:.1}% ({} / {} bytes)", seen.used_bytes, seen.hard_limit_bytes),
        format!("  Committed: {} bytes", seen.committed_bytes),
        format!("  Large objs: {}", seen.large_objects),
        format!("  Collections: {}", seen.collections()),
        format!("  Reclaimed: {} bytes total", seen.reclaimed_bytes),
        "=========================\n".to_owned(),
    ];
    for line in lines {
        let _ = writeln!(text, "{line}");
    }
    text
}

/// The collections by length: `12 below 50 us, 3 below 100 us`, each counted once, under the lowest
/// bound; numbers that are 0 are left out.
fn by_length(counts: &[u64]) -> String {
    let bounds = PAUSE_BOUNDS_US.iter().map(|bound| format!("below {bound} us"));
    let labels = bounds.chain(["longer".to_owned()]);
    let counted = counts.iter().zip(labels).filter(|(count, _)| **count > 0);
    let parts: Vec<String> = counted.map(|(count, label)| format!("{count} {label}")).collect();
    if parts.is_empty() { "none".to_owned() } else { parts.join(", ") }
}

/// The report of `mem/gc/stats`.
pub fn collector_report(vm: &Vm) -> String {
    let seen = vm.heap.statistics();
    let usage = percent(seen.used_bytes, seen.hard_limit_bytes);
    let threshold = vm.heap.threshold_percent();
    let limit = seen.hard_limit_bytes;
    let mut text = String::from("=== GC Heap Statistics ===\n");
    let lines = [
        format!("Heap usage: {usage:.1}% (threshold: {threshold}%, hard limit: {limit} bytes)"),
        format!("Used bytes: {}", seen.used_bytes),
        format!("Committed bytes: {}", seen.committed_bytes),
        format!("Large objects: {}", seen.large_objects),
        format!("Peak usage: {} bytes", seen.used_bytes_peak),
        format!("Collections: {}", seen.collections()),
        format!("  minor: {}, full: {}", seen.collections_minor, seen.collections_full),
        format!("Emergency GCs: {}", seen.collections_emergency),
        format!(
            "Last freed: {}% of what was used; survival: {}% of the nursery; fragmentation: {}%",
            seen.efficiency_percent,
            seen.survival_percent(),
            seen.fragmentation_percent()
        ),
        format!(
            "Pauses: last {} us, longest {} us, all {} us, full ones {} us",
            seen.pause_us_last, seen.pause_us_max, seen.pause_us_total, seen.pause_us_full
        ),
        format!("Pauses by length: {}", by_length(&seen.pauses)),
    ];
    for line in lines {
        let _ = writeln!(text, "{line}");
    }
    if seen.stops.iter().sum::<u64>() > 0 {
        let _ = writeln!(
            text,
            "--- Threads ---\nTime to stop others: {}; longest {} us\nCollections helped with: {}",
            by_length(&seen.stops),
            seen.stop_us_max,
            seen.collections_parallel
        );
    }
    text.push_str("--- Per-Class Usage ---\n");
    for (class, usage) in
        vm.heap.class_usage().iter().enumerate().filter(|(_, u)| u.slots_total > 0)
    {
        let share = percent(usage.slots_used, usage.slots_total);
        let _ = writeln!(
            text,
            "Class {class} ({:5} B): {} / {} ({share:.1}%)",
            usage.slot_bytes, usage.slots_used, usage.slots_total
        );
    }
    if seen.promoted_cells > 0 {
        let _ = writeln!(
            text,
            "--- Evacuation Stats ---\nValues: {}\nBytes: {}\nPointers fixed: {}",
            seen.promoted_cells, seen.promoted_bytes, seen.updated_slots
        );
    }
    text.push_str("==========================\n");
    text
}

fn stats(vm: &mut Vm, _: &[Value]) -> Outcome {
    let report = memory_report(vm);
    let output = &mut vm.extension::<Language>().output;
    output.write(report.as_bytes());
    output.flush();
    Value::NIL.into()
}

fn gc_stats(vm: &mut Vm, _: &[Value]) -> Outcome {
    let report = collector_report(vm);
    vm.extension::<Language>().output.write_error(report.as_bytes());
    Value::NIL.into()
}
