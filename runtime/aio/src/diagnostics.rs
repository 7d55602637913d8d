//! `aio/diagnostics-state-json`: memory of a system, its pools and its process, as JSON.
//!
//! The shape is that of earlier versions. Pools without a successor have zeros, and so have
//! libraries whose memory is not counted.

use crate::pools::{HEAP_POOLS, RECEIVE_POOL};
use crate::system::{System, system_of};
use serde_json::{Value as Json, json};
use valk_heap::{ProcessMemory, Value};
use valk_lang::builtins::{fail, new_string, wrong_type};
use valk_vm::{Arity, NativeFn, Outcome, Vm};

pub(crate) const TABLE: &[(&str, Arity, NativeFn)] = &[
    ("aio/diagnostics-state-json", Arity::Any, state),
    ("aio/diagnostics-state-json-compact", Arity::Any, compact),
];

/// Answers with what `show` says of the system that is the only argument.
fn answer(vm: &mut Vm, name: &str, arguments: &[Value], show: fn(&Vm, &System) -> Json) -> Outcome {
    let [system] = arguments else {
        return fail(vm, &format!("{name}: expected 1 argument (sys)"));
    };
    let Some(system) = system_of(vm, *system) else {
        return wrong_type(vm, *system, "Reference");
    };
    let text = show(vm, &system).to_string();
    new_string(vm, text.as_bytes())
}

fn state(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    answer(vm, "aio/diagnostics-state-json", arguments, whole)
}

fn compact(vm: &mut Vm, arguments: &[Value]) -> Outcome {
    answer(
        vm,
        "aio/diagnostics-state-json-compact",
        arguments,
        |vm, _| json!({ "gc": vm.heap.used_bytes(), "rss": ProcessMemory::now().resident_bytes }),
    )
}

/// The pools: the one there is and those of earlier versions.
fn slabs(system: &System) -> Vec<Json> {
    let seen = system.pools().receive_buffers().statistics().buffers;
    let mut slabs = vec![json!({
        "name": RECEIVE_POOL,
        "used": seen.in_use,
        "total": seen.slots,
        "hwm": seen.high_water,
        "overflow": seen.refused,
    })];
    for name in HEAP_POOLS {
        let mut slab = json!({ "name": name, "used": 0, "total": 0, "hwm": 0, "overflow": 0 });
        if name == "handles" {
            slab["states"] = json!("");
            slab["summary"] = json!({ "by_owner": {} });
        }
        slabs.push(slab);
    }
    slabs
}

fn whole(vm: &Vm, system: &System) -> Json {
    let heap = vm.heap.statistics();
    let process = ProcessMemory::now();
    let buffers = system.pools().receive_buffers();
    let seen = buffers.statistics();
    let bytes = |count: usize| count * buffers.capacity_bytes();
    json!({
        "slabs": slabs(system),
        "arenas": [{ "name": "stream_arenas", "used": 0, "capacity": 0 }],
        "gc": { "heap_used_bytes": heap.used_bytes, "heap_total_bytes": heap.hard_limit_bytes },
        "process": {
            "rss": process.resident_bytes,
            "vms": process.virtual_bytes,
            "system_total": process.system_bytes,
            "shared": process.shared_bytes,
            "data": process.data_bytes,
            "page_faults_minor": process.faults_minor,
            "page_faults_major": process.faults_major,
        },
        "breakdown": {
            "gc_used": heap.used_bytes,
            "gc_cap": heap.hard_limit_bytes,
            "aio_used": bytes(seen.buffers.in_use) + seen.retained_bytes,
            "aio_cap": bytes(seen.buffers.slots),
            "scratch_used": heap.young_bytes.min(heap.nursery_bytes),
            "scratch_cap": heap.nursery_bytes,
            "metrics_used": 0,
            "metrics_cap": 0,
            "ssl_used": 0,
            "nghttp2_used": 0,
            "libuv_used": 0,
        },
        "owner_map": [],
    })
}
