//! `valk --limits`: every limit of a program, with its unit and how it is set.

use serde_json::json;
use std::borrow::Cow;
use valk_aio::{JOBS_WAITING_MAX, RECEIVE_BUFFER_BYTES, RECEIVE_RETAINED_BYTES, START};
use valk_heap::Config;
use valk_http2::Limits;
use valk_lang::STRING_BYTES_MAX;
use valk_vm::{JIT_FUNCTIONS_MAX, REGISTERS_MAX, TRACE_FRAMES_MAX};
use valk_web::{CLIENT, HANDLER_TIMEOUT_MS, key_of_limit};

/// A bound.
struct Row {
    name: String,
    value: u64,
    unit: &'static str,
    set: Cow<'static, str>,
}

/// All bounds; those of the heap as this process has them.
fn rows(heap: &Config) -> Vec<Row> {
    let row = |name: &str, value: usize, unit, set: &'static str| Row {
        name: name.into(),
        value: value as u64,
        unit,
        set: set.into(),
    };
    let fixed = "fixed";
    let soft = heap.hard_limit_bytes / 100 * usize::from(heap.threshold_percent);
    let mut rows = vec![
        row("heap/hard-limit", heap.hard_limit_bytes, "bytes", "VALK_HEAP_HARD_LIMIT"),
        row("heap/soft-limit", soft, "bytes", "75 % of the hard limit"),
        row("heap/nursery", heap.nursery_bytes, "bytes", fixed),
        row("vm/stack", heap.hard_limit_bytes, "bytes", "part of heap/hard-limit"),
        row("vm/frame", REGISTERS_MAX, "registers", fixed),
        row("jit/calls", crate::environment::jit_calls() as usize, "calls", "VALK_JIT"),
        row("jit/functions", JIT_FUNCTIONS_MAX, "functions", fixed),
        row("string/length", STRING_BYTES_MAX, "bytes", fixed),
        row("source/length", valk_diagnostics::SOURCE_BYTES_MAX, "bytes", fixed),
        row("symbol/length", valk_syntax::SYMBOL_BYTES_MAX, "bytes", fixed),
        row("error/text", valk_lang::ERROR_TEXT_BYTES_MAX, "bytes printed", fixed),
        row("error/trace", TRACE_FRAMES_MAX, "calls", fixed),
        row("aio/receive-buffer", RECEIVE_BUFFER_BYTES, "bytes", fixed),
        row("aio/receive-retained", RECEIVE_RETAINED_BYTES, "bytes per system", fixed),
        row("threads/executors", heap.mutators_max, "threads", "VALK_EXECUTORS, 1 to 63"),
        row("threads/waiting", JOBS_WAITING_MAX, "functions", fixed),
        row("repl/history", crate::history::HISTORY_LINES_MAX, "lines", fixed),
    ];
    rows.extend(START.limits().chain(CLIENT.limits()).map(|limit| Row {
        name: limit.name,
        value: limit.default as u64,
        unit: limit.unit,
        set: limit.set.into(),
    }));
    rows.push(row(
        "http2/handler-timeout",
        HANDLER_TIMEOUT_MS as usize,
        "ms",
        ":handler-timeout-ms of http2/server-listen",
    ));
    rows.extend(Limits::default().table().into_iter().map(|limit| Row {
        name: format!("http2/{}", limit.name.replace('_', "-")),
        value: limit.value,
        unit: limit.unit,
        set: match key_of_limit(limit.name) {
            Some(key) => format!("{key} of http2/server-listen").into(),
            None => fixed.into(),
        },
    }));
    rows
}

/// The bounds as aligned columns.
pub fn text(heap: &Config) -> String {
    let rows = rows(heap);
    let width = |length: fn(&Row) -> usize| rows.iter().map(length).max().unwrap_or(0);
    let name = width(|row| row.name.len());
    let value = width(|row| row.value.to_string().len());
    let unit = width(|row| row.unit.len());
    let line = |row: &Row| {
        let Row { name: text, value: number, unit: measure, set } = row;
        [format!("{text:name$}  {number:>value$} {measure:unit$}  {set}"), "\n".into()].concat()
    };
    rows.iter().map(line).collect()
}

/// The same as one JSON array of objects.
pub fn json(heap: &Config) -> String {
    let object =
        |row: Row| json!({"name": row.name, "value": row.value, "unit": row.unit, "set": row.set});
    let rows: Vec<_> = rows(heap).into_iter().map(object).collect();
    format!("{}\n", serde_json::Value::Array(rows))
}
